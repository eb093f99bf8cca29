//! `whither waiting`, `cancel`: the requests that wait for a node.

use std::time::Duration;

use clap::Args;
use serde_json::{Map, Value, json};

use crate::plain::Plain;

use super::exit::{self, CommandExit};
use super::remote::{PATIENCE, RemoteArgs, ask, ask_each};
use super::{output, table};

/// The most waiting requests that are listed of each replica.
const MOST: usize = 1000;

/// The requests that wait for a free node, at all replicas of the service, the longest first.
#[derive(Debug, Args)]
pub struct WaitingArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    remote: RemoteArgs,
}

/// Cancel a request: the answer is `cancelled`, and no place is taken.
///
/// A request is known by the id that its launcher gave, with the user and the action of the request.
#[derive(Debug, Args)]
#[command(after_help = "Prints the request's state: cancelled; or placed, with its node and its reservation.

Exit codes: 0 cancelled or placed · 1 no such request waits, or no answer")]
pub struct CancelArgs {
    /// The request's id
    id: String,
    /// The login of the request's user
    #[arg(long, value_name = "LOGIN")]
    user: Option<String>,
    /// The action of the request; session/start by default
    #[arg(long, value_name = "ACTION")]
    action: Option<String>,
    #[command(flatten)]
    remote: RemoteArgs,
}

/// Runs `whither waiting`.
///
/// # Errors
/// A request that failed, or an answer that cannot be printed.
pub fn waiting(args: &WaitingArgs) -> Result<(), CommandExit> {
    args.remote.with_bus(async |bus, namespace| {
        let answers = ask_each(&bus, namespace.waiting(), &json!({"limit": MOST}), PATIENCE).await?;
        let requests = |answer: &Value| answer.get("waiting").and_then(Value::as_array).cloned().unwrap_or_default();
        let mut waiting: Vec<Value> = answers.iter().flat_map(requests).collect();
        let age = |request: &Value| request.get("waits_ms").and_then(Value::as_u64).unwrap_or_default();
        waiting.sort_by_key(|request| std::cmp::Reverse(age(request)));
        if args.json {
            return output::json(format_args!("{:#}", Value::Array(waiting)));
        }
        if waiting.is_empty() {
            output::aside("nobody waits");
            return Ok(());
        }
        let mut listed = table::table(&["user", "action", "id", "waits", "left", "why"]);
        for request in &waiting {
            let text = |field: &str| request.get(field).and_then(Value::as_str).unwrap_or("-").to_owned();
            let time = |field: &str| {
                let ms = request.get(field).and_then(Value::as_u64).unwrap_or_default();
                format!("{} s", Duration::from_millis(ms).as_secs())
            };
            let [user, action, id, why] = ["user", "action", "id", "reason"].map(text);
            listed.add_row(table::row([user, action, id, time("waits_ms"), time("left_ms"), why]));
        }
        output::answer(listed)?;
        let total: u64 = answers.iter().filter_map(|answer| answer.get("total").and_then(Value::as_u64)).sum();
        match total.saturating_sub(waiting.len() as u64) {
            0 => {}
            more => output::aside(format_args!("and {more} more")),
        }
        Ok(())
    })
}

/// Runs `whither cancel`.
///
/// # Errors
/// A request that failed, or an answer that cannot be printed.
pub fn cancel(args: &CancelArgs) -> Result<(), CommandExit> {
    args.remote.with_bus(async |bus, namespace| {
        let mut request = Map::from_iter([("id".to_owned(), json!(args.id))]);
        request.extend(args.user.as_ref().map(|login| ("user".to_owned(), json!({"login": login}))));
        request.extend(args.action.as_ref().map(|action| ("action".to_owned(), json!(action))));
        let answer = ask(&bus, namespace.cancel(), &Value::Object(request)).await?;
        if answer.get("state").and_then(Value::as_str) == Some("gone") {
            let whose = match &args.user {
                Some(user) => format!("of {} waits", Plain(user)),
                None => "without a user waits (--user names one)".to_owned(),
            };
            let message = format!("no request {} {whose}; `whither waiting` lists those that do", Plain(&args.id));
            return Err(CommandExit::new(exit::OTHER, message));
        }
        let text = |field: &str| answer.get(field).and_then(Value::as_str).map(|text| Plain(text.to_owned()));
        let parts = [text("id"), text("state"), text("node"), text("reservation")];
        let parts: Vec<_> = parts.into_iter().flatten().map(|part| part.to_string()).collect();
        output::answer(parts.join(" "))
    })
}
