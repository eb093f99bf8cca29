//! What front and worker say to each other: typed frames, batched both ways.
//!
//! JSON crosses as text, because postcard carries no self-describing values; it was checked before it got here.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::chain::{ChainSet, Purpose};
use crate::model::{Arrangement, Change, Decision, LimitKind, Position};

/// All that a worker is born with. A change of any of it is a change of worker.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Birth {
    /// The chains.
    pub set: ChainSet,
    /// The initial order of nodes.
    pub arrangement: Arrangement,
    /// What the worker may use.
    pub limits: WorkerLimits,
    /// Who listens.
    pub audience: Audience,
}

/// Who holds a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Audience {
    /// A front: words are batched, and what the process says before it dies belongs into the front's log.
    Front,
    /// A person who asked one question: each step is told before it runs, so that one which ends the process is named.
    Person,
}

/// What a worker and the scripts in it may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerLimits {
    /// CPU time of one step in milliseconds, where the step has no limit of its own.
    pub script_ms: u32,
    /// CPU time that a step gets on top for each node, in microseconds.
    pub script_us_per_candidate: u32,
    /// CPU time of one per-node call in milliseconds.
    pub node_call_ms: u32,
    /// How many times the CPU limit may pass as wall time without a word from the worker before it is killed.
    pub wall_factor: u32,
    /// Data memory of the process in bytes, on top of what the mirror needs.
    pub memory_bytes: u64,
    /// Size of a request in bytes.
    pub request_bytes: usize,
}

impl Default for WorkerLimits {
    fn default() -> Self {
        Self {
            script_ms: 250,
            script_us_per_candidate: 20,
            node_call_ms: 10,
            wall_factor: 8,
            memory_bytes: 512 << 20,
            request_bytes: 1 << 20,
        }
    }
}

impl WorkerLimits {
    /// CPU time of a step over `nodes` nodes in microseconds; `own_ms` is the step's own limit.
    #[must_use]
    pub fn step_us(&self, own_ms: Option<u32>, nodes: u64) -> u64 {
        let base = u64::from(own_ms.unwrap_or(self.script_ms)) * 1000;
        base.saturating_add(nodes.saturating_mul(u64::from(self.script_us_per_candidate)))
    }
}

/// A question on its way to a worker.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Question {
    /// The front's number of it; answers name it.
    pub ticket: u64,
    /// The decision's id.
    pub decision: Arc<str>,
    /// The chain to ask.
    pub action: Arc<str>,
    /// The request as JSON text.
    pub request: Arc<str>,
    /// `local.serverId` where the request has none.
    pub server_id: Arc<str>,
    /// What it is decided for.
    pub purpose: Purpose,
    /// The node that `explain` asks about.
    pub about: Option<Arc<str>>,
    /// Request time, Unix milliseconds.
    pub now_ms: i64,
    /// The request's random bits.
    pub seed: u64,
    /// How many requests of the action came before it.
    pub sequence: u64,
}

/// What the front sends.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Order {
    /// Something happened to the cluster.
    Change(Change),
    /// The chain of an action chose a node before this worker was born.
    Recall(Arc<str>, Arc<str>),
    /// Decide this.
    Ask(Question),
}

/// What a worker sends.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Word {
    /// It is about to compile this step.
    Loading(Arc<str>),
    /// It has compiled everything and sealed itself; what the seal lacks, a sentence each (ARCHITECTURE.md, The seal).
    Ready(Vec<String>),
    /// These steps do not compile.
    Refused(Vec<CompileProblem>),
    /// It is about to run this step; told to persons alone.
    Running(Arc<str>),
    /// Decisions.
    Replies(Vec<Reply>),
    /// A script passed a limit; the worker exits after this word.
    Overrun(Overrun),
}

/// A step that does not compile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompileProblem {
    /// The chain's action.
    pub action: Arc<str>,
    /// The step.
    pub step: Arc<str>,
    /// What is wrong, with its place where that is known.
    pub message: String,
    /// Where in the step's source.
    pub position: Option<Position>,
}

impl std::fmt::Display for CompileProblem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.position {
            Some(position) => write!(f, "{position}: {}", self.message),
            None => write!(f, "{}: {}", self.step, self.message),
        }
    }
}

/// One decision.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Reply {
    /// Of which question.
    pub ticket: u64,
    /// What was decided.
    pub decision: Decision,
}

/// Which limit was passed, by whom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overrun {
    /// The question that was being decided.
    pub ticket: u64,
    /// The step that ran.
    pub step: Option<Arc<str>>,
    /// The node that its per-node function was asked about.
    pub node: Option<Arc<str>>,
    /// Which limit.
    pub kind: LimitKind,
    /// What happened, in words for the requester.
    pub message: String,
}
