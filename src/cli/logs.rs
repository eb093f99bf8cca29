//! `whither logs`, `log-level`: the logs of all replicas and agents, in one place.
//!
//! Each process answers for itself from the lines that it keeps, so there is nothing to collect and nothing to store.
//! A follower asks again every few seconds, and is sent the lines that come; when he goes, they are sent no more.

use std::collections::BTreeSet;
use std::time::Duration;

use async_nats::Message;
use clap::{Args, ValueEnum};
use owo_colors::{AnsiColors, OwoColorize};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::config::Namespace;
use crate::host;
use crate::log::{KeptLine, LineLevel};
use crate::nats::Bus;
use crate::nats::logs::{LevelOrder, LogsAnswer, LogsQuery, MAX_LEVEL_TIME};
use crate::plain::Plain;

use super::exit::{self, CommandExit};
use super::nodes::whoami;
use super::output;
use super::remote::{AnswerStream, EachAnswer, RemoteArgs, gather_each};

/// The time without a further answer after which the command believes that it has them all.
const QUIET: Duration = Duration::from_secs(1);
/// The most time that the command waits for answers.
const PATIENCE: Duration = Duration::from_secs(15);
/// The time for which a process sends lines to a follower, and the time after which the follower asks again.
const LEASE: Duration = Duration::from_secs(15);
const RENEWAL: Duration = Duration::from_secs(5);
/// The most processes whose lines are put in order before they are shown.
const MAX_PROCESSES: usize = 100_000;
/// The colours of processes; which one a process has depends on its name.
const COLOURS: [AnsiColors; 6] = [
    AnsiColors::Cyan,
    AnsiColors::Magenta,
    AnsiColors::Green,
    AnsiColors::Yellow,
    AnsiColors::Blue,
    AnsiColors::BrightCyan,
];

/// The least important level of lines to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum LevelOption {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

/// The logs of all replicas and agents, by time.
///
/// Every process keeps its last lines, 1 MiB of them, and answers for itself. A line of `debug` is there where the
/// process logged it: see `whither log-level`.
#[derive(Debug, Args)]
#[command(
    after_help = "A process is `serve/REPLICA` or `agent/NODE`; --process takes that, the name alone, or the kind.

Examples:
  whither logs --level warn --since 1h
  whither logs -f --process agent --text 'node-7'

Exit codes: 0 at least one process answered · 1 no answer"
)]
pub struct LogsArgs {
    /// Go on with the lines that come, until interrupted
    #[arg(short, long)]
    follow: bool,
    /// The least important level to show
    #[arg(long, value_enum, value_name = "LEVEL")]
    level: Option<LevelOption>,
    /// A text that lines must contain, in any case
    #[arg(long)]
    text: Option<String>,
    /// How far to go back: 90s, 10m, 2h, 1d
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = time)]
    since: Duration,
    /// One process, or one kind of processes
    #[arg(long, value_name = "NAME")]
    process: Option<String>,
    /// Print a JSON object for each line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    remote: RemoteArgs,
}

/// Have all replicas and agents, or one of them, log more or less for a while; by itself it ends when the time is over.
#[derive(Debug, Args)]
#[command(after_help = "Without a level the filter of the start is in force again, at once.

Examples:
  whither log-level debug --for 10m
  whither log-level info,whither::registry=debug --process serve
  whither log-level

Exit codes: 0 every process that answered has it · 1 no answer · 2 a process does not take this level")]
pub struct LogLevelArgs {
    /// error, warn, info, debug, trace, off; or a filter, as WHITHER_LOG takes it
    level: Option<String>,
    /// How long: 90s, 10m, 2h; at most 24h
    #[arg(long = "for", value_name = "TIME", default_value = "10m", value_parser = time)]
    duration: Duration,
    /// One process, or one kind of processes
    #[arg(long, value_name = "NAME")]
    process: Option<String>,
    #[command(flatten)]
    remote: RemoteArgs,
}

/// Reads a time such as `10m`.
fn time(text: &str) -> Result<Duration, String> {
    let read = text.parse::<jiff::SignedDuration>().ok().and_then(|time| Duration::try_from(time).ok());
    read.ok_or_else(|| "expected a time such as 90s, 10m, 2h".to_owned())
}

impl LevelOption {
    fn level(self) -> LineLevel {
        match self {
            Self::Error => LineLevel::Error,
            Self::Warn => LineLevel::Warn,
            Self::Info => LineLevel::Info,
            Self::Debug => LineLevel::Debug,
            Self::Trace => LineLevel::Trace,
        }
    }
}

/// Runs `whither logs`.
///
/// # Errors
/// No answer, or an answer that cannot be printed.
pub fn run(args: &LogsArgs) -> Result<(), CommandExit> {
    args.remote.with_bus(async |bus, namespace| {
        let query = LogsQuery {
            process: args.process.clone(),
            since_ms: Some(u64::try_from(args.since.as_millis()).unwrap_or(u64::MAX)),
            level: args.level.map(LevelOption::level),
            text: args.text.clone(),
            ..LogsQuery::default()
        };
        let mut reader = LogReader::begin(&bus, namespace.clone(), query, args.follow).await?;
        let mut lines = reader.backlog().await?;
        lines.sort_by_key(|(line, _)| line.at_ms);
        lines.iter().try_for_each(|(line, process)| print(line, process, args.json))?;
        reader.tell_missing(&bus).await;
        match args.follow {
            true => reader.follow(args.json).await,
            false => Ok(()),
        }
    })
}

/// A reader of the logs of all processes.
struct LogReader {
    namespace: Namespace,
    answers: AnswerStream,
    query: LogsQuery,
    /// The processes that answered.
    processes: BTreeSet<String>,
}

impl LogReader {
    async fn begin(bus: &Bus, namespace: Namespace, mut query: LogsQuery, follow: bool) -> Result<Self, CommandExit> {
        if follow {
            let name = host::random().map_err(|error| CommandExit::new(exit::OTHER, error))?;
            query.follower = Some(format!("{name:016x}"));
            query.lease_ms = Some(u64::try_from(LEASE.as_millis()).unwrap_or(u64::MAX));
        }
        let answers = AnswerStream::ask(bus, &namespace.logs(), &json!(query)).await?;
        Ok(Self { namespace, answers, query, processes: BTreeSet::new() })
    }

    /// Returns the lines that the processes have already, each with its process.
    async fn backlog(&mut self) -> Result<Vec<(KeptLine, String)>, CommandExit> {
        let (start, mut lines, mut refused) = (Instant::now(), Vec::new(), None);
        while self.processes.len() < MAX_PROCESSES {
            let until = (Instant::now() + QUIET).min(start + PATIENCE);
            let Some(message) = self.answers.next(until).await? else { break };
            match read(&message) {
                Ok(answer) => {
                    lines.extend(answer.lines.into_iter().map(|line| (line, answer.process.clone())));
                    self.processes.insert(answer.process);
                }
                Err(words) => refused = Some(words),
            }
        }
        if !self.processes.is_empty() {
            return Ok(lines);
        }
        let message = refused.unwrap_or_else(|| match &self.query.process {
            Some(name) => {
                format!("no process `{}` answered; `whither status` and `whither nodes` list them", Plain(name))
            }
            None => "no process answered".to_owned(),
        });
        Err(CommandExit::new(exit::OTHER, message))
    }

    /// Tells on standard error where fewer processes answered than there are.
    async fn tell_missing(&self, bus: &Bus) {
        if self.query.process.is_some() {
            return;
        }
        let asked = gather_each(bus, &self.namespace.status(), &json!({}), QUIET).await;
        let Ok(EachAnswer { answers, expected }) = asked else { return };
        let live = |count: &Value| count.get("state").and_then(Value::as_str) != Some(crate::nats::wire::STALE);
        let counts =
            answers.first().and_then(|answer| answer.get("agents")).and_then(Value::as_array).into_iter().flatten();
        let counts = counts.filter(|count| live(count) && count.get("version").is_some_and(|version| version != ""));
        let agents: u64 = counts.filter_map(|count| count.get("nodes").and_then(Value::as_u64)).sum();
        for (kind, there) in [("serve", expected as u64), ("agent", agents)] {
            let answered = self.processes.iter().filter(|name| name.starts_with(kind)).count() as u64;
            if answered < there {
                output::aside(format_args!(
                    "{answered} of {there} processes `{kind}` answered: the others are gone, older, or may not say"
                ));
            }
        }
    }

    /// Prints the lines that come, until the process is interrupted.
    async fn follow(&mut self, as_json: bool) -> Result<(), CommandExit> {
        loop {
            let renewal = Instant::now() + RENEWAL;
            while let Some(message) = self.answers.next(renewal).await? {
                // A process that came meanwhile is asked with the next renewal.
                let Ok(answer) = read(&message) else { continue };
                if answer.lost > 0 {
                    output::aside(format_args!("{} lines of {} were lost", answer.lost, Plain(&answer.process)));
                }
                answer.lines.iter().try_for_each(|line| print(line, &answer.process, as_json))?;
                if Instant::now() >= renewal {
                    break;
                }
            }
            self.answers.ask_again(&json!(self.query)).await?;
        }
    }
}

/// Reads the answer of a process; an answer that tells of a fault is an error with the words of it.
fn read(message: &Message) -> Result<LogsAnswer, String> {
    let answer: Value = serde_json::from_slice(&message.payload).map_err(|error| error.to_string())?;
    if let Some(error) = answer.get("error").and_then(Value::as_str) {
        let process = answer.get("process").and_then(Value::as_str).unwrap_or_default();
        return Err(format!("{}: {}", Plain(process), Plain(error)));
    }
    serde_json::from_value(answer).map_err(|error| error.to_string())
}

fn print(line: &KeptLine, process: &str, as_json: bool) -> Result<(), CommandExit> {
    if as_json {
        let mut line = json!(line);
        if let Some(line) = line.as_object_mut() {
            line.insert("process".to_owned(), json!(process));
        }
        return output::json(line);
    }
    output::answer(shown(line, process))
}

/// Renders a line: time, level, process, target, text.
fn shown(line: &KeptLine, process: &str) -> String {
    let at = jiff::Timestamp::from_millisecond(line.at_ms).unwrap_or_default();
    let level = format!("{:>5}", line.level.as_str());
    let level = match line.level {
        LineLevel::Error => level.red().bold().to_string(),
        LineLevel::Warn => level.yellow().to_string(),
        LineLevel::Info => level.green().to_string(),
        LineLevel::Debug | LineLevel::Trace => level.dimmed().to_string(),
    };
    let sum: usize = process.bytes().map(usize::from).sum();
    let colour = COLOURS.get(sum % COLOURS.len()).copied().unwrap_or(AnsiColors::Default);
    let process = Plain(process).to_string();
    format!("{at:.3} {level} {} {} {}", process.color(colour), Plain(&line.target).dimmed(), Plain(&line.text))
}

/// Runs `whither log-level`.
///
/// # Errors
/// No answer, or a level that a process does not take.
pub fn level(args: &LogLevelArgs) -> Result<(), CommandExit> {
    if args.duration > MAX_LEVEL_TIME || args.duration < Duration::from_secs(1) {
        return Err(CommandExit::usage("--for takes a time from 1s to 24h"));
    }
    args.remote.with_bus(async |bus, namespace| {
        let order = LevelOrder {
            process: args.process.clone(),
            filter: args.level.clone(),
            for_s: args.level.is_some().then_some(args.duration.as_secs()),
            by: Some(whoami()),
        };
        let answers = gather_quiet(&bus, &namespace.log_level(), &json!(order)).await?;
        let text = |answer: &Value, field: &str| {
            Plain(answer.get(field).and_then(Value::as_str).unwrap_or_default()).to_string()
        };
        let mut refused = 0;
        for answer in &answers {
            match answer.get("error") {
                Some(_) => {
                    refused += 1;
                    output::aside(format_args!("{}: {}", text(answer, "process"), text(answer, "error")));
                }
                None => {
                    let time = answer.get("for_s").and_then(Value::as_u64);
                    let time = time.map(|seconds| format!(" for {}", super::bench::units::span(seconds)));
                    let (process, set) = (text(answer, "process"), text(answer, "filter"));
                    // The process says the whole filter, with the parts that stay silent.
                    let filter = args.level.clone().unwrap_or(set);
                    output::answer(format_args!("{process} logs {}{}", Plain(filter), time.unwrap_or_default()))?;
                }
            }
        }
        match (answers.len(), refused) {
            (0, _) => Err(CommandExit::new(exit::OTHER, "no process answered; `whither status` lists the replicas")),
            (_, 0) => Ok(()),
            _ => Err(CommandExit::shown(exit::USAGE)),
        }
    })
}

/// Asks all processes, and returns the answers that come until a second passes without one, in the order of the
/// processes' names.
async fn gather_quiet(bus: &Bus, subject: &str, body: &Value) -> Result<Vec<Value>, CommandExit> {
    let mut replies = AnswerStream::ask(bus, subject, body).await?;
    let (start, mut answers) = (Instant::now(), Vec::new());
    while answers.len() < MAX_PROCESSES {
        let until = (Instant::now() + QUIET).min(start + PATIENCE);
        let Some(message) = replies.next(until).await? else { break };
        let answer = serde_json::from_slice::<Value>(&message.payload);
        answers.push(answer.map_err(|error| CommandExit::new(exit::OTHER, error))?);
    }
    answers.sort_by_key(|answer| answer.get("process").and_then(Value::as_str).unwrap_or_default().to_owned());
    Ok(answers)
}

#[cfg(test)]
mod tests;
