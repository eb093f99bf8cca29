//! A diagnosis: the record of a decision. For each step the verdict and cost, for each lost node the reason.
//!
//! A diagnosis is always kept, because "why that node?" is asked afterwards. So a diagnosis is bounded: counts per
//! reason, and at most [`MAX_NAMED`](super::lost::MAX_NAMED) ids each, which also keeps replies far below NATS's
//! message size.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::counterfactual::Counterfactual;
use super::failure::{FailureName, Position};
use super::lost::{LostNodes, LostReason};
use super::shared;

/// A line that a script logged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// `info`, `warn` or `error`.
    pub level: LogLevel,
    /// The text, cut to a limit.
    pub text: String,
}

/// The severity of a logged line.
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
pub enum StepVerdict {
    /// The step chose this node.
    Select(Arc<str>),
    /// The step left this many candidates.
    Narrow(u64),
    /// The step passed.
    Pass,
    /// The step failed, which `on_error` or `on_limit` turned into a pass or a fallback, or which ended the chain.
    Failed(FailureName, String),
    /// The step chose a node that cannot take the request, which the chain's `on_unplaceable` turned into a pass.
    Unplaceable(Arc<str>, LostReason),
    /// The step is an executable, and executables are not run to explain.
    NotRun,
    /// The chain had ended before the step.
    NotReached,
    /// The step was asked about the best candidates in turn, until a candidate passed: the number of these candidates.
    Asked(u64),
}

impl fmt::Display for StepVerdict {
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

/// The fate of a node that an explanation is asked about and that is not there.
pub const NOT_IN_CLUSTER: &str = "it is not in the cluster";

/// The most nodes of a step whose scores are told of a placement, beside the one that is asked about.
pub const MAX_BEST: usize = 5;
/// The same of an explanation.
pub const MAX_SCORED: usize = 500;

/// The score of a node at a step that chooses by a figure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scored {
    /// The node.
    pub node: Arc<str>,
    /// The figure: of a script, the value that `score` returned.
    pub score: f64,
    /// The exact figure that was compared, of which the lowest is the best; a built-in's `score` is rounded.
    pub rank: f64,
    /// The unit of a built-in's figure, e.g. `sessions`; empty for a script's.
    #[serde(deserialize_with = "shared::string")]
    pub unit: Arc<str>,
}

impl fmt::Display for Scored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&counted(&self.score, self.score == 1.0, &self.unit))
    }
}

/// Formats `figure` with its `unit`, in the singular if the figure `is_one`.
#[must_use]
pub fn counted(figure: &dyn fmt::Display, is_one: bool, unit: &str) -> String {
    match (unit, is_one) {
        ("", _) => figure.to_string(),
        (unit, true) => format!("{figure} {}", unit.replacen("sessions", "session", 1)),
        (unit, false) => format!("{figure} {unit}"),
    }
}

/// The report of a single step: verdict, cost and log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepReport {
    /// The step's name.
    pub step: Arc<str>,
    /// The verdict of the step.
    pub said: StepVerdict,
    /// The number of candidates that the step saw.
    pub candidates: u64,
    /// The number of script calls that the step made.
    pub calls: u64,
    /// The cost in microseconds, by the stopwatch that the evaluation was given.
    pub cost_us: u64,
    /// The nodes that were candidates before the step and not after.
    pub lost: LostNodes,
    /// The best [`MAX_BEST`], of an explanation [`MAX_SCORED`], by its figure, best first, and after them the node that is
    /// asked about; kept only where the decision is to be explained.
    pub scores: Vec<Scored>,
    /// The lines that the step logged.
    pub log: Vec<LogLine>,
    /// The place of the failure in the script, where the step failed and the place is known.
    pub position: Option<Position>,
    /// The tier that runs each function of the script, a sentence each; kept only where the decision is to be explained.
    pub tiers: Vec<String>,
    /// The reason for the verdict in the words of the step's language, as the rule of a table; kept only where the
    /// decision is to be explained.
    pub reason: Option<String>,
}

impl StepReport {
    /// Returns the report of the step `name`, before which the chain had ended.
    #[must_use]
    pub fn not_reached(name: &Arc<str>) -> Self {
        Self {
            step: Arc::clone(name),
            said: StepVerdict::NotReached,
            candidates: 0,
            calls: 0,
            cost_us: 0,
            lost: LostNodes::default(),
            scores: Vec::new(),
            log: Vec::new(),
            position: None,
            tiers: Vec::new(),
            reason: None,
        }
    }

    /// Returns the score of `node` at the step, where that was kept.
    #[must_use]
    pub fn score_of(&self, node: &str) -> Option<&Scored> {
        self.scores.iter().find(|scored| &*scored.node == node)
    }
}

/// The way in which a decision was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum DecisionPath {
    /// Every step looked at every candidate.
    #[default]
    FullList,
    /// The nodes stood in order, and the best nodes were looked at.
    IndexScan,
}

impl DecisionPath {
    /// Returns the name of the plan on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FullList => "full-list",
            Self::IndexScan => "index-scan",
        }
    }
}

/// The cost of finding a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Search {
    /// The way in which the node was found.
    pub plan: DecisionPath,
    /// The number of nodes looked at for this request; a node counts once for each step that looked at the node.
    pub looked_at: u64,
    /// The number of nodes looked at because they had changed, for this request and later requests.
    pub refreshed: u64,
}

/// The record of a decision.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Diagnosis {
    /// The node that was asked about, where `explain` named a node.
    pub asked_node: Option<Arc<str>>,
    /// The outcome of that node.
    pub asked_fate: Option<String>,
    /// What would have to differ for that node to be chosen, where that was searched for.
    pub counterfactual: Option<Box<Counterfactual>>,
    /// Request time in Unix milliseconds, as scripts saw it.
    pub now_ms: i64,
    /// The random bits of the request.
    pub seed: u64,
    /// The number of nodes in the cluster.
    pub nodes: u64,
    /// The nodes that could not take the request, before the first step.
    pub excluded: LostNodes,
    /// The steps that ran, in order.
    pub steps: Vec<StepReport>,
    /// The cost of steps that are not in the record any more, in microseconds.
    pub dropped_us: u64,
    /// The cost of finding the node, beside the calls in the report of each step.
    pub search: Search,
}

impl Diagnosis {
    /// Returns the number of script calls that the steps made.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.steps.iter().fold(0, |calls: u64, step| calls.saturating_add(step.calls))
    }

    /// Returns the cost of all steps together, in microseconds.
    #[must_use]
    pub fn cost_us(&self) -> u64 {
        self.steps.iter().fold(self.dropped_us, |cost, step| cost.saturating_add(step.cost_us))
    }
}
