//! `whither nodes`, `cordon`, `uncordon`: the cluster as the service sees the nodes.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::config::Namespace;
use crate::nats::{Bus, wire};
use crate::plain::Plain;
use crate::registry;

use super::exit::{self, CommandExit};
use super::remote::{RemoteArgs, ask};
use super::{output, table};

/// Lines of history that are shown where no number is given.
const HISTORY: usize = 50;

/// The nodes of the cluster, as the service sees them.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct NodesArgs {
    #[command(subcommand)]
    what: Option<NodesCommand>,
    #[command(flatten)]
    listing: Listing,
}

#[derive(Debug, Subcommand)]
enum NodesCommand {
    /// One node: the object that scripts see
    Show {
        /// The node's id
        id: String,
        #[command(flatten)]
        listing: Listing,
    },
    /// What happened to a node, the newest last
    History {
        /// The node's id
        id: String,
        /// How many lines at most
        #[arg(long, default_value_t = HISTORY)]
        limit: usize,
        #[command(flatten)]
        listing: Listing,
    },
}

#[derive(Debug, Args)]
struct Listing {
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    remote: RemoteArgs,
}

/// Take a node out of service for new sessions, or put it back.
#[derive(Debug, Args)]
pub struct CordonArgs {
    /// The node's id
    id: String,
    /// Why; shown in `nodes show` and `nodes history`
    #[arg(long, default_value = "", hide_default_value = true)]
    reason: String,
    #[command(flatten)]
    remote: RemoteArgs,
}

/// Runs `whither nodes`.
///
/// # Errors
/// A request that failed, or an answer that cannot be printed.
pub fn run(args: &NodesArgs) -> Result<(), CommandExit> {
    match &args.what {
        None => args.listing.remote.with_bus(async |bus, namespace| list(&bus, &namespace, args.listing.json).await),
        Some(NodesCommand::Show { id, listing }) => listing.remote.with_bus(async |bus, namespace| {
            let node = find(&bus, &namespace, id).await?;
            output::json(format_args!("{node:#}"))
        }),
        Some(NodesCommand::History { id, limit, listing }) => {
            listing.remote.with_bus(async |bus, namespace| history(&bus, &namespace, id, *limit, listing.json).await)
        }
    }
}

/// Runs `whither cordon` or `whither uncordon`.
///
/// # Errors
/// A request that failed, or an answer that cannot be printed.
pub fn cordon(args: &CordonArgs, subject: fn(&Namespace) -> String) -> Result<(), CommandExit> {
    args.remote.with_bus(async |bus, namespace| {
        let body = json!({"node": args.id, "reason": args.reason, "by": whoami()});
        let answer = ask(&bus, subject(&namespace), &body).await?;
        let text = |field: &str| answer.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
        output::answer(format_args!("{} {}", Plain(text("node")), Plain(text("state"))))?;
        if find(&bus, &namespace, &args.id).await.is_err_and(|error| error.code == exit::NO_NODE) {
            output::aside(format_args!(
                "the cluster has no node {} at the moment; `whither nodes` lists them",
                Plain(&args.id)
            ));
        }
        Ok(())
    })
}

/// Returns the name of the user who runs the command, for the mark on the node.
pub(super) fn whoami() -> String {
    let names = ["SUDO_USER", "USER", "LOGNAME"].map(|variable| std::env::var(variable).unwrap_or_default());
    names.into_iter().find(|name| !name.is_empty()).unwrap_or_default()
}

async fn list(bus: &Bus, namespace: &Namespace, as_json: bool) -> Result<(), CommandExit> {
    let mut nodes: Vec<Value> = Vec::new();
    let mut after = String::new();
    loop {
        let page = ask(bus, namespace.nodes(), &json!({"after": after, "limit": 1000})).await?;
        nodes.extend(page.get("nodes").and_then(Value::as_array).into_iter().flatten().cloned());
        match page.get("next").and_then(Value::as_str) {
            Some(next) if next > after.as_str() => next.clone_into(&mut after),
            _ => break,
        }
    }
    if as_json {
        return output::json(format_args!("{:#}", Value::Array(nodes)));
    }
    let mut rows = table::table(&["node", "state", "sessions", "pending", "max", "load", "free memory", "address"]);
    for node in &nodes {
        let number = |pointer: &str| node.pointer(pointer).and_then(Value::as_f64);
        let shown = |value: Option<f64>| value.map_or("-".to_owned(), |value| value.to_string());
        let text = |pointer: &str| node.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let address = Some(text("/urls/0")).filter(|url| !url.is_empty()).unwrap_or_else(|| text("/hostname"));
        rows.add_row(table::row([
            text("/id"),
            state(&text("/state"), number("/sessions")),
            shown(number("/sessions")),
            shown(number("/pending")),
            shown(number("/maxSessions")),
            shown(number("/loadavg/0")),
            number("/freemem").map_or("-".to_owned(), |bytes| format!("{:.1} GiB", bytes / f64::from(1 << 30))),
            address,
        ]));
    }
    output::answer(rows)?;
    output::aside(format_args!("{} node{}", nodes.len(), if nodes.len() == 1 { "" } else { "s" }));
    Ok(())
}

/// Renders a node's state; of a node that is being drained also the number of sessions left.
fn state(state: &str, sessions: Option<f64>) -> String {
    match sessions.filter(|_| state == wire::DRAINING) {
        Some(left) => format!("{state}, {left} left"),
        None => state.to_owned(),
    }
}

async fn find(bus: &Bus, namespace: &Namespace, id: &str) -> Result<Value, CommandExit> {
    let answer = ask(bus, namespace.nodes(), &json!({"node": id})).await?;
    let found = answer.get("nodes").and_then(|nodes| nodes.get(0)).cloned();
    found.ok_or_else(|| {
        CommandExit::new(exit::NO_NODE, format!("the cluster has no node `{id}`; `whither nodes` lists them"))
    })
}

async fn history(bus: &Bus, namespace: &Namespace, id: &str, limit: usize, as_json: bool) -> Result<(), CommandExit> {
    let records =
        registry::history(bus, namespace, id, limit).await.map_err(|error| CommandExit::new(exit::OTHER, error))?;
    if as_json {
        return output::json(format_args!("{:#}", json!(records)));
    }
    let mut rows = table::table(&["when", "what", "by", "why"]);
    for kept in &records {
        let when = jiff::Timestamp::from_millisecond(kept.at_ms).map(|at| at.to_string()).unwrap_or_default();
        let what = json!(kept.record.event).as_str().unwrap_or_default().to_owned();
        rows.add_row(table::row([when, what, kept.record.by.clone(), kept.record.reason.clone()]));
    }
    output::answer(rows)
}
