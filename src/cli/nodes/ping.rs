//! `whither nodes ping`: asks a node's agent and the service, and says whether both tell the same.
//!
//! Neither can tell alone: an agent believes that its reports arrive, and the service believes what it read last. The
//! command goes all the way, from here to the agent and from the agent's bucket to the service.

use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::cli::bench::units::span;
use crate::cli::exit::{self, CommandExit};
use crate::cli::output;
use crate::cli::remote::{AnswerStream, RemoteArgs, ask};
use crate::config::Namespace;
use crate::nats::{Bus, wire};
use crate::plain::Plain;

use owo_colors::OwoColorize;

/// The time that the agent has for its answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// Ask the agent of a node, and compare with what the service knows of the node.
///
/// Prints OK, or OUT OF SYNC with the reason: the agent does not answer, the service has no report of it or an old one,
/// another agent reports under the same id, the agent cannot report.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 OK · 6 OUT OF SYNC · 3 neither the service nor an agent knows the node · 1 no service answers"
)]
pub(super) struct PingArgs {
    /// The node's id
    id: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    remote: RemoteArgs,
}

/// Runs `whither nodes ping`.
///
/// # Errors
/// No answer of the service, or a node that is out of sync.
pub(super) fn run(args: &PingArgs) -> Result<(), CommandExit> {
    args.remote.with_bus(async |bus, namespace| {
        let asked = Instant::now();
        let agent = ask_agent(&bus, &namespace, &args.id).await?;
        let taken = asked.elapsed();
        let node = ask(&bus, namespace.nodes(), &json!({"node": args.id})).await?;
        let node = node.pointer("/nodes/0").cloned();
        let fault = fault(agent.as_ref(), node.as_ref());
        if agent.is_none() && node.is_none() {
            let message = format!("nobody knows a node `{}`; `whither nodes` lists them", args.id);
            return Err(CommandExit::new(exit::NO_NODE, message));
        }
        let id = Plain(&args.id);
        match (args.json, &fault) {
            (true, _) => {
                let is_ok = fault.is_none();
                let took_ms = agent.as_ref().map(|_| taken.as_millis() as u64);
                let told = json!({"node": args.id, "ok": is_ok, "reason": fault, "took_ms": took_ms, "agent": agent});
                output::json(format_args!("{told:#}"))?;
            }
            (false, None) => {
                let text = |field: &str| agent.as_ref().and_then(|agent| agent.get(field)?.as_str()).unwrap_or("-");
                let age =
                    agent.as_ref().and_then(|agent| agent.pointer("/reported/age_ms")?.as_u64()).unwrap_or_default();
                output::answer(format_args!(
                    "{id} {} in {} ms: agent {}, reported {} ago",
                    "OK".green().bold(),
                    taken.as_millis(),
                    Plain(text("version")),
                    span(age / 1000)
                ))?;
            }
            (false, Some(reason)) => {
                output::answer(format_args!("{id} {}: {}", "OUT OF SYNC".red().bold(), Plain(reason)))?;
                output::aside(format_args!("`whither nodes history {id}` shows what happened to it"));
            }
        }
        if fault.is_some() { Err(CommandExit::shown(exit::FINDING)) } else { Ok(()) }
    })
}

/// Asks the agent of the node `id`; `None` where nobody answers in time.
async fn ask_agent(bus: &Bus, namespace: &Namespace, id: &str) -> Result<Option<Value>, CommandExit> {
    let mut answers = AnswerStream::ask(bus, &namespace.of_node(id, "ping"), &json!({})).await?;
    match answers.next(Instant::now() + PATIENCE).await {
        Ok(Some(message)) => {
            let answer = serde_json::from_slice(&message.payload);
            answer.map(Some).map_err(|error| CommandExit::new(exit::OTHER, error))
        }
        Ok(None) => Ok(None),
        // That nobody listens is an answer here.
        Err(error) if error.message.starts_with("no service answers") => Ok(None),
        Err(error) => Err(error),
    }
}

/// Returns what is wrong between what the `agent` answers and the `node` that the service has.
fn fault(agent: Option<&Value>, node: Option<&Value>) -> Option<String> {
    let text =
        |value: &Value, pointer: &str| value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let number = |value: &Value, pointer: &str| value.pointer(pointer).and_then(Value::as_u64);
    let seen = node.and_then(|node| number(node, "/checkedIn/age_ms")).map(|age_ms| span(age_ms / 1000));
    let Some(agent) = agent else {
        let seen = seen.map_or("it was never seen".to_owned(), |seen| format!("its last report came {seen} ago"));
        return Some(format!("its agent does not answer; {seen}"));
    };
    if let Some(failing) = agent.get("failing").and_then(Value::as_str) {
        return Some(format!("its agent cannot report: {failing}"));
    }
    let Some(node) = node else { return Some("its agent answers, and the service has no report of it".to_owned()) };
    let (run, reporting) = (text(agent, "/run"), text(node, "/agent/run"));
    if !reporting.is_empty() && run != reporting {
        return Some(format!("another agent reports under this id: run {reporting}, and run {run} answers"));
    }
    let is_late = node.pointer("/checkedIn/late").and_then(Value::as_bool) == Some(true);
    if is_late || text(node, "/state") == wire::STALE {
        let seen = seen.unwrap_or_else(|| "some time".to_owned());
        return Some(format!("its agent answers, and the last report that the service has of it came {seen} ago"));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_told_in_the_operators_terms() {
        let agent = json!({"run": "r", "reported": {"revision": 4, "age_ms": 300}, "failing": null});
        let node = json!({"state": "ready", "agent": {"run": "r"}, "checkedIn": {"age_ms": 400, "late": false}});
        assert_eq!(fault(Some(&agent), Some(&node)), None);
        let of = |agent: Option<&Value>, node: Option<&Value>| fault(agent, node).unwrap();
        assert!(of(None, Some(&node)).starts_with("its agent does not answer; its last report came 0 s ago"));
        assert!(of(None, None).ends_with("never seen"));
        assert!(of(Some(&agent), None).contains("the service has no report of it"));
        let failing = json!({"run": "r", "failing": "NATS did not answer"});
        assert_eq!(of(Some(&failing), Some(&node)), "its agent cannot report: NATS did not answer");
        let other = json!({"state": "ready", "agent": {"run": "s"}});
        assert!(of(Some(&agent), Some(&other)).starts_with("another agent reports under this id: run s"));
        let late = json!({"state": "ready", "agent": {"run": "r"}, "checkedIn": {"age_ms": 83_000, "late": true}});
        assert!(of(Some(&agent), Some(&late)).ends_with("came 1 min ago"));
        let stale = json!({"state": "stale", "agent": {"run": "r"}});
        assert!(of(Some(&agent), Some(&stale)).ends_with("came some time ago"));
    }
}
