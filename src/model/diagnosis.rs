//! A diagnosis: the record of a decision. Per step its verdict and cost, per lost node the reason.
//!
//! Always kept, because "why that node?" is asked afterwards. So it is bounded: counts per reason, and at most
//! [`MAX_NAMED`] ids each, which also keeps replies far below NATS's message size.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::failure::{FailureName, Position};

/// How many ids are named per reason.
pub const MAX_NAMED: usize = 20;

/// Why a node was no longer a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum LostReason {
    /// It has not reported within the liveness limit.
    Stale,
    /// It does not run a service that the chain requires.
    MissingService,
    /// It was taken out of service for new sessions.
    Cordoned,
    /// Sessions and reservations reach its `maxSessions`; where capacity is strict, also: nobody knows whether they do.
    Full,
    /// As many sessions start there as may at one time.
    Starting,
    /// A start failed there a short while ago.
    CoolingDown,
    /// A step's list does not hold it.
    NotReturned,
    /// A `filter` said no.
    Filtered,
    /// A `score` left it out.
    Unscored,
    /// A `filter` or `score` failed on it.
    ScriptError,
    /// A `filter` or `score` passed a limit on it.
    ScriptLimit,
    /// It left the cluster while the decision waited.
    Left,
}

impl LostReason {
    /// The reason in a sentence about the node: `b` is …
    #[must_use]
    pub const fn phrase(self) -> &'static str {
        match self {
            Self::Stale => "stale: it has not reported within the liveness limit",
            Self::MissingService => "without a service that the chain requires",
            Self::Cordoned => "cordoned",
            Self::Full => "full",
            Self::Starting => "starting as many sessions as it may at a time",
            Self::CoolingDown => "cooling down after a failed start",
            Self::NotReturned => "not in the returned list",
            Self::Filtered => "filtered out",
            Self::Unscored => "left out by `score`",
            Self::ScriptError => "left out: the script failed on it",
            Self::ScriptLimit => "left out: the script passed a limit on it",
            Self::Left => "gone from the cluster",
        }
    }

    /// The reason on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stale => "stale",
            Self::MissingService => "missing-service",
            Self::Cordoned => "cordoned",
            Self::Full => "full",
            Self::Starting => "starting",
            Self::CoolingDown => "cooling-down",
            Self::NotReturned => "not-returned",
            Self::Filtered => "filtered",
            Self::Unscored => "unscored",
            Self::ScriptError => "script-error",
            Self::ScriptLimit => "script-limit",
            Self::Left => "left",
        }
    }
}

/// The nodes lost for one reason.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lost {
    /// How many.
    pub count: u64,
    /// The first of them, at most [`MAX_NAMED`].
    pub nodes: Vec<Arc<str>>,
    /// What went wrong on the first of them, where an error was the reason.
    pub message: Option<String>,
}

/// Lost nodes by reason.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LostNodes {
    /// The nodes lost for each reason.
    pub by_reason: BTreeMap<LostReason, Lost>,
    watched: Option<Arc<str>>,
    watched_reason: Option<LostReason>,
}

impl LostNodes {
    /// No lost nodes yet; whether `watched` is among those to come will be known however many there are.
    #[must_use]
    pub fn watching(watched: Option<&Arc<str>>) -> Self {
        Self { watched: watched.cloned(), ..Self::default() }
    }

    /// Why the watched node was lost, where it was.
    #[must_use]
    pub fn watched_reason(&self) -> Option<LostReason> {
        self.watched_reason
    }

    /// Notes that `node` was lost for `reason`.
    pub fn add(&mut self, reason: LostReason, node: &Arc<str>) {
        let lost = self.by_reason.entry(reason).or_default();
        lost.count += 1;
        if lost.nodes.len() < MAX_NAMED {
            lost.nodes.push(Arc::clone(node));
        }
        if self.watched.as_ref() == Some(node) {
            self.watched_reason = Some(reason);
        }
    }

    /// Notes that `node` was lost because a script failed on it, and keeps the first such message.
    pub fn add_failure(&mut self, reason: LostReason, node: &Arc<str>, message: &str) {
        self.add(reason, node);
        if let Some(lost) = self.by_reason.get_mut(&reason) {
            lost.message.get_or_insert_with(|| message.to_owned());
        }
    }

    /// Notes that all of `nodes`, which are none yet, were lost for `reason`.
    pub fn add_all(&mut self, reason: LostReason, nodes: &BTreeSet<Arc<str>>) {
        if nodes.is_empty() {
            return;
        }
        let lost = self.by_reason.entry(reason).or_default();
        lost.count += nodes.len() as u64;
        lost.nodes.extend(nodes.iter().take(MAX_NAMED.saturating_sub(lost.nodes.len())).cloned());
        if self.watched.as_ref().is_some_and(|watched| nodes.contains(watched)) {
            self.watched_reason = Some(reason);
        }
    }

    /// How many nodes were lost for `reason`.
    #[must_use]
    pub fn count(&self, reason: LostReason) -> u64 {
        self.by_reason.get(&reason).map_or(0, |lost| lost.count)
    }

    /// How many nodes were lost, for whatever reason.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.by_reason.values().map(|lost| lost.count).sum()
    }
}

/// A line that a script logged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// `info`, `warn` or `error`.
    pub level: LogLevel,
    /// The text, cut to a limit.
    pub text: String,
}

/// How loud a logged line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// `console.log`, `console.info`, `console.debug`.
    Info,
    /// `console.warn`.
    Warn,
    /// `console.error`.
    Error,
}

/// A step's verdict, as a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Said {
    /// It chose this node.
    Select(Arc<str>),
    /// It left this many candidates.
    Narrow(u64),
    /// It passed.
    Pass,
    /// It failed, which its `on_error` or `on_limit` turned into a pass or a fallback, or which ended the chain.
    Failed(FailureName, String),
    /// It chose a node that cannot take the request, which the chain's `on_unplaceable` turned into a pass.
    Unplaceable(Arc<str>, LostReason),
    /// It is an executable, and those are not run to explain.
    NotRun,
    /// The chain had ended before.
    NotReached,
    /// It was asked about the best candidates one after another, until one passed: how many those were.
    Asked(u64),
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Select(node) => write!(f, "select {node}"),
            Self::Narrow(count) => write!(f, "narrow to {count}"),
            Self::Pass => f.write_str("pass"),
            Self::Failed(name, message) => write!(f, "{name}: {message}"),
            Self::Unplaceable(node, reason) => write!(f, "skipped: {node} is {}", reason.as_str()),
            Self::NotRun => f.write_str("not run to explain"),
            Self::NotReached => f.write_str("not reached"),
            Self::Asked(nodes) => write!(f, "asked about {nodes}, best first"),
        }
    }
}

/// What one step said, and what that cost.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepReport {
    /// The step's name.
    pub step: Arc<str>,
    /// Its verdict.
    pub said: Said,
    /// How many candidates it saw.
    pub candidates: u64,
    /// How many calls of script functions it made.
    pub calls: u64,
    /// What it cost in microseconds, by the clock that was handed in.
    pub cost_us: u64,
    /// The nodes that were candidates before it and not after.
    pub lost: LostNodes,
    /// What it logged.
    pub log: Vec<LogLine>,
    /// Where it failed, where it did.
    pub position: Option<Position>,
}

impl StepReport {
    /// Of the step `name`, before which the chain had ended.
    #[must_use]
    pub fn not_reached(name: &Arc<str>) -> Self {
        Self {
            step: Arc::clone(name),
            said: Said::NotReached,
            candidates: 0,
            calls: 0,
            cost_us: 0,
            lost: LostNodes::default(),
            log: Vec::new(),
            position: None,
        }
    }
}

/// How a decision was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Plan {
    /// Every step looked at every candidate.
    #[default]
    FullList,
    /// The nodes stood in order, and the best were looked at.
    IndexScan,
}

impl Plan {
    /// The plan on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FullList => "full-list",
            Self::IndexScan => "index-scan",
        }
    }
}

/// What it took to find a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Search {
    /// How it was found.
    pub plan: Plan,
    /// Nodes that were looked at for this request; one counts for each step that looked at it.
    pub looked_at: u64,
    /// Nodes that were looked at because they had changed, for this request and those to come.
    pub refreshed: u64,
}

/// The record of a decision.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Diagnosis {
    /// The node that was asked about, where `explain` named one.
    pub asked_node: Option<Arc<str>>,
    /// What became of that node.
    pub asked_fate: Option<String>,
    /// Request time in Unix milliseconds, as scripts saw it.
    pub now_ms: i64,
    /// The request's random bits.
    pub seed: u64,
    /// Nodes in the cluster.
    pub nodes: u64,
    /// Nodes that could not take the request, before the first step.
    pub excluded: LostNodes,
    /// The steps that ran, in order.
    pub steps: Vec<StepReport>,
    /// What finding the node took, beside the calls that are told of each step.
    pub search: Search,
}

impl Diagnosis {
    /// How many calls of script functions the steps made.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.steps.iter().fold(0, |calls: u64, step| calls.saturating_add(step.calls))
    }

    /// What all steps cost together, in microseconds.
    #[must_use]
    pub fn cost_us(&self) -> u64 {
        self.steps.iter().map(|step| step.cost_us).sum()
    }
}
