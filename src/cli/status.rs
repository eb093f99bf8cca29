//! `whither status`: the service on one page, from what every replica answers.
//!
//! The command asks and draws; what counts as a problem is said by the replicas, so that this page, `/api/status` and a
//! program that asks itself never disagree. The one problem that a replica cannot tell is that it does not answer.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use crate::config::Namespace;
use crate::nats::Bus;
use crate::plain::Plain;

use super::exit::{self, CommandExit};
use super::output;
use super::remote::{EachAnswer, RemoteArgs, gather_each};

mod page;

/// The most time that the command waits for the answers of all replicas; a replica of an earlier release gives none.
const PATIENCE: Duration = Duration::from_secs(3);
/// The sequence that empties a terminal and goes to its upper left corner.
const CLEAR: &str = "\u{1b}[H\u{1b}[2J";

/// How the service is: replicas, requests a minute, workers, agents, capacity, and what is wrong.
///
/// Every replica answers for itself. A problem is a replica that does not answer or cannot decide, a view of the cluster
/// that is old or not kept, chains that differ between replicas, a script in quarantine, a reload that failed, a node
/// that has not reported for too long.
#[derive(Debug, Args)]
#[command(
    after_help = "Capacity is told by group: `serverPool` of a node, else `group` of its static data, else of its \
metadata. `left` are the places on nodes that may be chosen now: `maxSessions` less sessions and reservations.

Exit codes: 0 all is well · 6 something is wrong · 1 no answer"
)]
pub struct StatusArgs {
    /// Print JSON: the answers of the replicas, and the problems
    #[arg(long)]
    json: bool,
    /// Show the page again and again, until interrupted
    #[arg(long, conflicts_with = "json")]
    watch: bool,
    /// The seconds between two looks of --watch
    #[arg(long, value_name = "SECONDS", default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=3600))]
    every: u64,
    #[command(flatten)]
    remote: RemoteArgs,
}

/// The status of the service, as the replicas answered.
struct ServiceStatus {
    /// The answers of the replicas, by host and name.
    replicas: Vec<Value>,
    /// The number of replicas that there should be.
    expected: usize,
    /// The problems, each with the replica that tells of it; a problem that several tell of is listed once, for all.
    problems: Vec<(String, String)>,
}

/// Runs `whither status`.
///
/// # Errors
/// No answer, or the exit of a service with problems.
pub fn run(args: &StatusArgs) -> Result<(), CommandExit> {
    args.remote.with_bus(async |bus, namespace| {
        if args.watch {
            return watch(&bus, &namespace, Duration::from_secs(args.every)).await;
        }
        let status = ask(&bus, &namespace).await?;
        match args.json {
            true => output::json(format_args!("{:#}", status.to_json()))?,
            false => output::answer(page::page(&status))?,
        }
        if status.problems.is_empty() { Ok(()) } else { Err(CommandExit::shown(exit::FINDING)) }
    })
}

/// Shows the page until the process is interrupted. A look without an answer is shown as that.
async fn watch(bus: &Bus, namespace: &Namespace, every: Duration) -> Result<(), CommandExit> {
    loop {
        let shown = match ask(bus, namespace).await {
            Ok(status) => page::page(&status),
            Err(error) => error.to_string(),
        };
        let mut stdout = std::io::stdout();
        if stdout.is_terminal() {
            stdout.write_all(CLEAR.as_bytes()).map_err(|error| CommandExit::new(exit::OTHER, error))?;
        }
        output::answer(shown)?;
        tokio::time::sleep(every).await;
    }
}

async fn ask(bus: &Bus, namespace: &Namespace) -> Result<ServiceStatus, CommandExit> {
    let EachAnswer { answers, expected } = gather_each(bus, &namespace.status(), &json!({}), PATIENCE).await?;
    Ok(ServiceStatus::new(answers, expected))
}

impl ServiceStatus {
    fn new(mut replicas: Vec<Value>, expected: usize) -> Self {
        replicas.sort_by_key(|replica| [text(replica, "/host"), text(replica, "/replica")]);
        let mut problems: Vec<(String, String)> = Vec::new();
        let (count, mut told) = (replicas.len(), Vec::<(String, Vec<String>)>::new());
        for replica in &replicas {
            for problem in replica.pointer("/problems").and_then(Value::as_array).into_iter().flatten() {
                let (problem, name) = (problem.as_str().unwrap_or_default(), text(replica, "/replica"));
                match told.iter_mut().find(|(known, _)| known == problem) {
                    Some((_, names)) => names.push(name),
                    None => told.push((problem.to_owned(), vec![name])),
                }
            }
        }
        if count < expected {
            let message = format!("{count} of {expected} replicas answered: the others are gone, hang, or are older");
            problems.push(("service".to_owned(), message));
        }
        let told = told.into_iter().map(|(problem, names)| match names.len() {
            all if all == count && count > 1 => ("every replica".to_owned(), problem),
            _ => (names.join(", "), problem),
        });
        problems.extend(told);
        Self { replicas, expected, problems }
    }

    fn to_json(&self) -> Value {
        let problems = self.problems.iter().map(|(whose, problem)| json!({"of": whose, "problem": problem}));
        json!({"replicas": self.replicas, "expected": self.expected, "problems": problems.collect::<Vec<_>>()})
    }
}

/// Returns the text at `pointer` of an answer, plain; empty where there is none.
fn text(value: &Value, pointer: &str) -> String {
    Plain(value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()).to_string()
}

/// Returns the number at `pointer` of an answer, 0 where there is none.
fn number(value: &Value, pointer: &str) -> u64 {
    value.pointer(pointer).and_then(Value::as_u64).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replica(name: &str, problems: &[&str]) -> Value {
        json!({"replica": name, "host": "h", "problems": problems})
    }

    #[test]
    fn a_problem_of_all_replicas_is_told_once() {
        let replicas = vec![replica("b", &["x", "y"]), replica("a", &["x"])];
        let status = ServiceStatus::new(replicas, 2);
        let expected = [("every replica", "x"), ("b", "y")].map(|(whose, what)| (whose.to_owned(), what.to_owned()));
        assert_eq!(status.problems, expected);
        assert_eq!(text(&status.replicas[0], "/replica"), "a", "sorted");
    }

    #[test]
    fn a_replica_that_does_not_answer_is_a_problem() {
        let status = ServiceStatus::new(vec![replica("a", &[])], 3);
        assert_eq!(status.problems.len(), 1);
        assert!(status.problems[0].1.starts_with("1 of 3 replicas answered"), "{:?}", status.problems);
        assert!(ServiceStatus::new(vec![replica("a", &[])], 1).problems.is_empty());
    }
}
