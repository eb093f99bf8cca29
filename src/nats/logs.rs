//! The log of this process on the bus: the last lines are answered, followers are sent those that come, and the level is
//! set for a while.
//!
//! A task of its own serves both subjects, apart from the service and from the agent's reports: the log of a process
//! that hangs is worth most. Lines go to the inbox of whoever asked and to nobody else, for as long as he asks again:
//! no subject has log lines on it, and a process that nobody follows sends none. Rejected: a subject on which every
//! process publishes its log at all times, which costs a site the traffic of its `debug` lines for readers that are not
//! there; and a stream, which keeps what may be secret on disk.

mod pages;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_nats::{Client, Message, Subject};
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior};

use crate::config::Namespace;
use crate::log::{self, KeptLine, LineLevel};
use crate::model::json::{self as checked_json, JsonLimits};
use crate::plain::Plain;

use super::connect::Bus;
use pages::{LogQuestion, QUESTIONS_WAITING, pass_on, written};

pub use pages::refused_questions;

/// The largest request, in bytes.
const REQUEST_BYTES: usize = 4 << 10;
/// The most bytes of lines in a message.
const MESSAGE_BYTES: usize = 256 << 10;
/// The most followers of a process.
const MAX_FOLLOWERS: usize = 16;
/// The longest name of a follower, in bytes.
const MAX_NAME_BYTES: usize = 64;
/// The longest time for which a follower is sent lines without asking again.
pub const MAX_LEASE: Duration = Duration::from_secs(60);
/// The time between two messages to a follower.
const TAIL: Duration = Duration::from_millis(250);
/// The longest time for which another filter of log lines is in force.
pub const MAX_LEVEL_TIME: Duration = Duration::from_secs(24 * 60 * 60);

/// A process that has a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogProcess {
    /// The kind: `serve` or `agent`.
    pub kind: &'static str,
    /// The name: of a replica its own, of an agent the id of its node.
    pub name: String,
    /// The name of the machine.
    pub host: String,
}

/// A request for log lines.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogsQuery {
    /// The process that is asked, as [`LogProcess::is_called`] has it; all where it is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub process: Option<String>,
    /// The age of the oldest line that is wanted, in milliseconds; all where it is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since_ms: Option<u64>,
    /// The least important level that is wanted; all where it is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub level: Option<LineLevel>,
    /// A text that the line or its target must contain, without regard to case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The name of a follower, who is sent further lines until `lease_ms` after his last request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub follower: Option<String>,
    /// The time for which the follower is sent lines, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lease_ms: Option<u64>,
}

/// A request to set the level of log lines.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LevelOrder {
    /// The process that is asked; all where it is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub process: Option<String>,
    /// A level, or a filter; absent where the filter of the start is to be in force again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    /// The time after which the filter of the start is in force again, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub for_s: Option<u64>,
    /// The person who asks, for the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// The log lines of a process, as the process answers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LogsAnswer {
    /// The process, as `serve/NAME` or `agent/NODE`.
    pub process: String,
    /// The machine.
    pub host: String,
    /// The release.
    pub version: String,
    /// The lines, the oldest first.
    pub lines: Vec<KeptLine>,
    /// The number of lines before them that were forgotten before they could be sent; told to followers alone.
    #[serde(default)]
    pub lost: u64,
    /// Whether more lines follow at once.
    #[serde(default)]
    pub more: bool,
}

impl LogProcess {
    /// Whether `name` is this process: `KIND/NAME`, the name alone, or the kind alone.
    #[must_use]
    pub fn is_called(&self, name: &str) -> bool {
        name == self.kind || name == self.name || name == self.to_string()
    }
}

impl std::fmt::Display for LogProcess {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.kind, self.name)
    }
}

impl LogsAnswer {
    /// Returns an answer of `process` without lines.
    fn of(process: &LogProcess) -> Self {
        Self {
            process: process.to_string(),
            host: process.host.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            ..Self::default()
        }
    }
}

impl LogsQuery {
    /// Whether the query asks for `line`, where it is `now_ms`.
    fn wants(&self, line: &KeptLine, now_ms: i64) -> bool {
        let is_young = self.since_ms.is_none_or(|since_ms| line.at_ms.saturating_add_unsigned(since_ms) >= now_ms);
        is_young && self.matches(line)
    }

    /// Whether the query asks for `line`, whatever its age.
    fn matches(&self, line: &KeptLine) -> bool {
        let contains = |wanted: &String| {
            let wanted = wanted.to_lowercase();
            [&line.text, &line.target].iter().any(|text| text.to_lowercase().contains(&wanted))
        };
        self.level.is_none_or(|level| line.level <= level) && self.text.as_ref().is_none_or(contains)
    }
}

/// A follower of the log.
struct Follower {
    query: LogsQuery,
    reply: Subject,
    /// The number of the next line to look at.
    next: u64,
    until: Instant,
    /// Whether the lines before were sent: the others follow them.
    is_answered: Arc<AtomicBool>,
}

/// The follower that a query names.
enum FollowerState {
    /// The query names none.
    None,
    /// The follower was not known.
    New,
    /// The follower was known.
    Renewed,
}

/// The log of this process, served on the bus.
struct LogDesk {
    client: Client,
    namespace: Namespace,
    process: LogProcess,
    followers: BTreeMap<String, Follower>,
    questions: mpsc::Sender<LogQuestion>,
    /// The moment at which the filter of the start is in force again.
    restore_at: Option<Instant>,
}

/// Serves the log of this process on the bus, until the task is dropped.
pub async fn serve(bus: Bus, namespace: Namespace, process: LogProcess) {
    let client = bus.client().clone();
    let asked = client.subscribe(namespace.logs()).await;
    let levels = client.subscribe(namespace.log_level()).await;
    let (Ok(mut asked), Ok(mut levels)) = (asked, levels) else { return };
    let questions = pages::answer(client.clone(), process.clone());
    let mut desk = LogDesk { client, namespace, process, followers: BTreeMap::new(), questions, restore_at: None };
    let mut tail = tokio::time::interval(TAIL);
    tail.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let restore_at = desk.restore_at;
        let over = async {
            match restore_at {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            Some(message) = asked.next() => desk.answer(message).await,
            Some(message) = levels.next() => desk.set_level(message).await,
            _ = tail.tick(), if !desk.followers.is_empty() => desk.send_tails().await,
            () = over => desk.restore_level(),
            else => return,
        }
    }
}

impl LogDesk {
    async fn answer(&mut self, message: Message) {
        let Some(reply) = self.reply_of(&message) else { return };
        let query = match read::<LogsQuery>(&message.payload) {
            Ok(query) => query,
            Err(error) => return self.refuse(reply, &error).await,
        };
        if query.process.as_ref().is_some_and(|name| !self.process.is_called(name)) {
            return;
        }
        let is_answered = Arc::<AtomicBool>::default();
        let end = log::ring().next();
        match self.follow(&query, &reply, end, &is_answered) {
            Ok(FollowerState::Renewed) => return,
            Ok(FollowerState::New | FollowerState::None) => {}
            Err(error) => return self.refuse(reply, &error).await,
        }
        let name = query.follower.clone();
        let question = LogQuestion { query, reply: reply.clone(), end, is_answered };
        if !pass_on(&self.questions, question) {
            name.and_then(|name| self.followers.remove(&name));
            let error = format!("{QUESTIONS_WAITING} questions for this log wait already; ask again in a moment");
            self.refuse(reply, &error).await;
        }
    }

    /// Takes in a follower, or prolongs his time; a follower who asks again goes on where he is.
    fn follow(
        &mut self,
        query: &LogsQuery,
        reply: &Subject,
        next: u64,
        is_answered: &Arc<AtomicBool>,
    ) -> Result<FollowerState, String> {
        let Some(name) = &query.follower else { return Ok(FollowerState::None) };
        let lease = Duration::from_millis(query.lease_ms.unwrap_or_default()).min(MAX_LEASE);
        let until = Instant::now() + lease;
        if let Some(follower) = self.followers.get_mut(name) {
            (follower.until, follower.reply) = (until, reply.clone());
            return Ok(FollowerState::Renewed);
        }
        if name.is_empty() || name.len() > MAX_NAME_BYTES {
            return Err(format!("the name of a follower has 1 to {MAX_NAME_BYTES} bytes"));
        }
        if self.followers.len() >= MAX_FOLLOWERS {
            return Err(format!("{MAX_FOLLOWERS} follow this log already, the most there may be"));
        }
        let (query, is_answered) = (query.clone(), Arc::clone(is_answered));
        self.followers.insert(name.clone(), Follower { query, reply: reply.clone(), next, until, is_answered });
        Ok(FollowerState::New)
    }

    /// Sends each follower the lines that came, and forgets those whose time is over.
    async fn send_tails(&mut self) {
        let now = Instant::now();
        self.followers.retain(|_, follower| follower.until > now);
        let due = self.followers.iter().filter(|(_, follower)| follower.is_answered.load(Ordering::Acquire));
        let due: Vec<_> = due.map(|(name, follower)| (name.clone(), follower.query.clone(), follower.next)).collect();
        let process = self.process.clone();
        // To write lines as JSON takes a while, and requests must not wait for that.
        let tails = move || due.into_iter().map(|(name, query, next)| (name, tail(&process, &query, next))).collect();
        let Ok::<Vec<_>, _>(tails) = tokio::task::spawn_blocking(tails).await else { return };
        for (name, (next, text)) in tails {
            let Some(follower) = self.followers.get_mut(&name) else { continue };
            follower.next = next;
            if let Some(text) = text {
                drop(self.client.publish(follower.reply.clone(), text.into()).await);
            }
        }
    }

    async fn set_level(&mut self, message: Message) {
        let Some(reply) = self.reply_of(&message) else { return };
        let order = match read::<LevelOrder>(&message.payload) {
            Ok(order) => order,
            Err(error) => return self.refuse(reply, &error).await,
        };
        if order.process.as_ref().is_some_and(|name| !self.process.is_called(name)) {
            return;
        }
        let was = log::present_filter().unwrap_or_default();
        let by = order.by.unwrap_or_default();
        let time = Duration::from_secs(order.for_s.unwrap_or_default()).clamp(Duration::from_secs(1), MAX_LEVEL_TIME);
        let set = match &order.filter {
            Some(filter) => log::set_filter(filter).map(|filter| (filter, Some(time))),
            None => log::restore_filter().map(|filter| (filter, None)),
        };
        let (filter, time) = match set {
            Ok(set) => set,
            Err(error) => return self.refuse(reply, &error.to_string()).await,
        };
        self.restore_at = time.map(|time| Instant::now() + time);
        match time {
            Some(time) => {
                tracing::info!(by = %Plain(&by), "the filter of this log is `{filter}` for {} s", time.as_secs());
            }
            None => tracing::info!(by = %Plain(&by), "the filter of this log is `{filter}` again"),
        }
        let for_s = time.map(|time| time.as_secs());
        let answer = json!({"process": self.process.to_string(), "filter": filter, "was": was, "for_s": for_s});
        self.publish(reply, &answer).await;
    }

    fn restore_level(&mut self) {
        self.restore_at = None;
        if let Ok(filter) = log::restore_filter() {
            tracing::info!("the filter of this log is `{filter}` again: its time is over");
        }
    }

    /// Returns the subject that the answer to `message` may go to.
    fn reply_of(&self, message: &Message) -> Option<Subject> {
        message.reply.clone().filter(|reply| self.namespace.may_answer_to(reply))
    }

    async fn refuse(&self, reply: Subject, error: &str) {
        self.publish(reply, &json!({"process": self.process.to_string(), "error": Plain(error).to_string()})).await;
    }

    async fn publish(&self, reply: Subject, answer: &Value) {
        // A reader that misses an answer asks again; to log the failure would be one more line to send.
        drop(self.client.publish(reply, answer.to_string().into()).await);
    }
}

/// Returns the number of the line to go on from, and the message with the lines from `next` on that `query` asks for, where
/// there are any.
fn tail(process: &LogProcess, query: &LogsQuery, next: u64) -> (u64, Option<Vec<u8>>) {
    let (lines, next, lost) = log::ring().read(next, MESSAGE_BYTES, |line| query.matches(line));
    let is_worth_it = !lines.is_empty() || lost > 0;
    (next, is_worth_it.then(|| written(&LogsAnswer { lines, lost, ..LogsAnswer::of(process) })))
}

/// Reads a request; an empty message counts as an empty object.
fn read<T: serde::de::DeserializeOwned>(payload: &[u8]) -> Result<T, String> {
    let body: &[u8] = if payload.trim_ascii().is_empty() { b"{}" } else { payload };
    checked_json::parse_as(body, JsonLimits::bytes(REQUEST_BYTES)).map_err(|error| error.about("the request"))
}

#[cfg(test)]
mod tests;
