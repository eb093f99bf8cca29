//! `whither nodes`, `cordon`, `uncordon`: the cluster as the service sees the nodes.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::config::Namespace;
use crate::nats::Bus;
use crate::plain::Plain;
use crate::registry;

use super::exit::{self, CommandExit};
use super::remote::{RemoteArgs, ask};
use super::{output, table};

mod cordon;
mod list;
mod ping;

pub use cordon::{CordonCommandArgs, cordon};
use list::Listed;

/// Lines of history that are shown where no number is given.
const HISTORY: usize = 50;

/// The nodes of the cluster, as the service sees them, and those that are gone since a day.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct NodesArgs {
    #[command(subcommand)]
    what: Option<NodesCommand>,
    /// List the nodes alone that are gone since a day
    #[arg(long)]
    gone: bool,
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
    Ping(ping::PingArgs),
    /// Let a node take sessions, where `service.new_nodes` holds new ones; it may report later
    Accept(CordonArgs),
    /// Forget a node that does not report any more: its marks, its acceptance, and that it is listed
    Forget(CordonArgs),
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

/// The node and the reason of a mark.
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
        None => args.listing.remote.with_bus(async |bus, namespace| {
            let listed = if args.gone { Listed::Gone } else { Listed::Cluster };
            list::list(&bus, &namespace, listed, args.listing.json).await
        }),
        Some(NodesCommand::Show { id, listing }) => listing.remote.with_bus(async |bus, namespace| {
            let node = find(&bus, &namespace, id).await?;
            output::json(format_args!("{node:#}"))
        }),
        Some(NodesCommand::Ping(args)) => ping::run(args),
        Some(NodesCommand::Accept(args)) => member(args, Namespace::accept),
        Some(NodesCommand::Forget(args)) => member(args, Namespace::forget),
        Some(NodesCommand::History { id, limit, listing }) => {
            listing.remote.with_bus(async |bus, namespace| history(&bus, &namespace, id, *limit, listing.json).await)
        }
    }
}

/// Runs `whither uncordon`.
///
/// # Errors
/// A request that failed, or an answer that cannot be printed.
pub fn uncordon(args: &CordonArgs) -> Result<(), CommandExit> {
    mark(args, Namespace::uncordon)
}

/// Has a node marked, and says so.
fn mark(args: &CordonArgs, subject: fn(&Namespace) -> String) -> Result<(), CommandExit> {
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

/// Accepts a node, or has a node forgotten.
fn member(args: &CordonArgs, subject: fn(&Namespace) -> String) -> Result<(), CommandExit> {
    args.remote.with_bus(async |bus, namespace| {
        let body = json!({"node": args.id, "reason": args.reason, "by": whoami()});
        let answer = ask(&bus, subject(&namespace), &body).await?;
        let text = |field: &str| answer.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
        output::answer(format_args!("{} {}", Plain(text("node")), Plain(text("state"))))
    })
}

/// Returns the name of the user who runs the command, for the mark on the node.
pub(super) fn whoami() -> String {
    let names = ["SUDO_USER", "USER", "LOGNAME"].map(|variable| std::env::var(variable).unwrap_or_default());
    names.into_iter().find(|name| !name.is_empty()).unwrap_or_default()
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
        let event = json!(kept.record.event);
        let what = format!("{} {}", event.as_str().unwrap_or_default(), kept.record.user).trim_end().to_owned();
        rows.add_row(table::row([when, what, kept.record.by.clone(), kept.record.reason.clone()]));
    }
    output::answer(rows)
}
