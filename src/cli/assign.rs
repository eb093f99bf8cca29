//! `whither assign`, `unassign` and `assignments`: users whom an administrator assigned to a node by hand.

use clap::Args;
use serde_json::{Value, json};

use crate::config::Namespace;
use crate::nats::Bus;
use crate::plain::Plain;

use super::exit::CommandExit;
use super::nodes::whoami;
use super::remote::{RemoteArgs, ask};
use super::{output, table};

/// The assignments that are asked for at a time.
const PAGE: usize = 1000;

/// Assign a user to a node: the user's sessions start there while the node can take them, whatever rules and scripts say.
///
/// Counts in chains that reserve. What happens while the node is full, cordoned or gone is `on_assigned_unplaceable` of
/// the chain. Sessions that run already stay where they are, and are named.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  whither assign ann node-07 --reason 'has the licence dongle'
  whither assignments
  whither unassign ann

Exit codes: 0 assigned · 1 the service did not answer or refused · 3 the cluster has no such node")]
pub struct AssignArgs {
    /// The user's login
    user: String,
    /// The node's id
    node: String,
    /// Why; shown in `whither assignments` and `whither nodes history`
    #[arg(long, default_value = "", hide_default_value = true)]
    reason: String,
    /// Assign also to a node that the cluster does not have, as one that is to come
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    remote: RemoteArgs,
}

/// Take the assignment of a user back: rules and scripts decide again.
#[derive(Debug, Args)]
pub struct UnassignArgs {
    /// The user's login
    user: String,
    /// Why; shown in `whither nodes history`
    #[arg(long, default_value = "", hide_default_value = true)]
    reason: String,
    #[command(flatten)]
    remote: RemoteArgs,
}

/// The users who are assigned to nodes by hand.
#[derive(Debug, Args)]
pub struct AssignmentsArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    remote: RemoteArgs,
}

/// Runs `whither assign`.
///
/// # Errors
/// A node that the cluster does not have, a request that failed, or an answer that cannot be printed.
pub fn assign(args: &AssignArgs) -> Result<(), CommandExit> {
    args.remote.with_bus(async |bus, namespace| {
        let body = json!({"user": args.user, "node": args.node, "reason": args.reason, "by": whoami(),
            "force": args.force});
        let answer = ask(&bus, namespace.assign(), &body).await?;
        let before = text(&answer, "before");
        let before = if before.is_empty() { before } else { format!(", before on {before}") };
        let (user, node) = (text(&answer, "user"), text(&answer, "node"));
        output::answer(format_args!("{} is assigned to {}{}", Plain(user), Plain(node), Plain(before)))?;
        warn(&answer);
        Ok(())
    })
}

/// Runs `whither unassign`.
///
/// # Errors
/// A request that failed, or an answer that cannot be printed.
pub fn unassign(args: &UnassignArgs) -> Result<(), CommandExit> {
    args.remote.with_bus(async |bus, namespace| {
        let body = json!({"user": args.user, "reason": args.reason, "by": whoami()});
        let answer = ask(&bus, namespace.unassign(), &body).await?;
        match text(&answer, "before") {
            before if before.is_empty() => output::answer(format_args!("{} was not assigned", Plain(&args.user))),
            before => {
                output::answer(format_args!("{} is not assigned to {} any more", Plain(&args.user), Plain(before)))
            }
        }
    })
}

/// Runs `whither assignments`.
///
/// # Errors
/// A request that failed, or an answer that cannot be printed.
pub fn assignments(args: &AssignmentsArgs) -> Result<(), CommandExit> {
    args.remote.with_bus(async |bus, namespace| list(&bus, &namespace, args.json).await)
}

async fn list(bus: &Bus, namespace: &Namespace, as_json: bool) -> Result<(), CommandExit> {
    let (mut all, mut after): (Vec<Value>, String) = (Vec::new(), String::new());
    loop {
        let page = ask(bus, namespace.assignments(), &json!({"after": after, "limit": PAGE})).await?;
        all.extend(page.get("assignments").and_then(Value::as_array).into_iter().flatten().cloned());
        match page.get("next").and_then(Value::as_str) {
            Some(next) if next > after.as_str() => next.clone_into(&mut after),
            _ => break,
        }
    }
    if as_json {
        return output::json(format_args!("{:#}", Value::Array(all)));
    }
    let mut rows = table::table(&["user", "node", "state", "by", "since", "why", "sessions elsewhere"]);
    for one in &all {
        let since = one.get("at_ms").and_then(Value::as_i64);
        let since = since.and_then(|at| jiff::Timestamp::from_millisecond(at).ok());
        let [user, node, state, by, why] = ["user", "node", "state", "by", "reason"].map(|field| text(one, field));
        let since = since.map(|at| at.to_string()).unwrap_or_default();
        rows.add_row(table::row([user, node, state, by, since, why, warnings(one).join("; ")]));
    }
    output::answer(rows)?;
    output::aside(format_args!("{} assignment{}", all.len(), if all.len() == 1 { "" } else { "s" }));
    Ok(())
}

fn text(value: &Value, field: &str) -> String {
    value.get(field).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn warnings(value: &Value) -> Vec<String> {
    let warnings = value.get("warnings").and_then(Value::as_array).into_iter().flatten();
    warnings.filter_map(Value::as_str).map(str::to_owned).collect()
}

fn warn(answer: &Value) {
    for warning in warnings(answer) {
        output::aside(format_args!("warning: {}", Plain(warning)));
    }
}
