//! The protocol between front and worker: typed frames, batched both ways.
//!
//! JSON crosses as text, because postcard carries no self-describing values; the text was checked before.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::chain::eligibility::CoolingPolicy;
use crate::chain::{ChainSet, ChainSpec, LimitRecord, ProgramAnswer, Purpose, StepSource, Subject};
use crate::evaluator::CompileError;
use crate::model::{Arrangement, Change, Decision, Head, LimitKind, LostReason, Position, Reservation, shared};
use crate::script::{ScriptCounts, TierReport};

/// The number of a question; later questions have greater numbers.
pub type Ticket = u64;

/// The ticket of work that no question asked for: a worker refreshes the caches and indexes.
pub const NOBODY: Ticket = 0;

/// The whole configuration of a worker. A change of any part needs a new worker.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WorkerInit {
    /// The chains.
    pub set: ChainSet,
    /// The initial order of nodes.
    pub arrangement: Arrangement,
    /// The limits of the worker.
    pub limits: WorkerLimits,
    /// The reader of the worker's answers.
    pub audience: WorkerAudience,
}

/// The kind of process that started a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum WorkerAudience {
    /// A front: the standard error of the worker belongs into the front's log.
    Front,
    /// A person at a terminal with a single question, for whom only the answer matters.
    Person,
    /// A test run, or a person, who is told before each answer what of the scripts has run, and before the end of a
    /// worker whose script passed a limit.
    Coverage,
}

/// The limits of a worker and of the scripts that run there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerLimits {
    /// The CPU time of one step in milliseconds, where the step has no limit of its own.
    pub script_ms: u32,
    /// The CPU time that a step gets on top for each node, in microseconds.
    pub script_us_per_candidate: u32,
    /// The CPU time of one per-node call in milliseconds.
    pub node_call_ms: u32,
    /// How many times the CPU limit may pass as wall time without a frame from the worker before the worker is killed.
    pub wall_factor: u32,
    /// The data memory of the process in bytes, on top of the mirror's needs.
    pub memory_bytes: u64,
    /// The size of a request in bytes.
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
    /// Returns the CPU time of a step over `nodes` nodes in microseconds; `own_ms` is the step's own limit.
    #[must_use]
    pub fn step_us(&self, own_ms: Option<u32>, nodes: u64) -> u64 {
        let base = u64::from(own_ms.unwrap_or(self.script_ms)) * 1000;
        base.saturating_add(nodes.saturating_mul(u64::from(self.script_us_per_candidate)))
    }

    /// Returns the wall time that `chain` may take over `nodes` nodes, with all steps at their limits.
    #[must_use]
    pub fn chain_wall(&self, chain: &ChainSpec, nodes: u64) -> Duration {
        // A worker does not wait while a program runs.
        let here = chain.steps.iter().filter(|step| !matches!(step.source, StepSource::Executable(_)));
        let steps_us: u64 = here.map(|step| self.step_us(step.cpu_ms, nodes)).sum();
        Duration::from_micros(steps_us.saturating_mul(u64::from(self.wall_factor)))
    }
}

/// A question on its way to a worker.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PlacementQuestion {
    /// The front's number of the question; answers name the number.
    pub ticket: Ticket,
    /// The id of the decision.
    #[serde(deserialize_with = "shared::string")]
    pub decision: Arc<str>,
    /// The fields that the request is routed by; the action names the chain.
    pub head: Head,
    /// The request as JSON text, which was checked when its head was read.
    #[serde(deserialize_with = "shared::string")]
    pub request: Arc<str>,
    /// The value of `local.serverId` where the request has none.
    #[serde(deserialize_with = "shared::string")]
    pub server_id: Arc<str>,
    /// The purpose of the decision.
    pub purpose: Purpose,
    /// The node that `explain` asks about.
    pub about: Option<Arc<str>>,
    /// The time limit of the search for the values that would have to differ for that node, in microseconds; 0 for no
    /// search.
    pub search_us: u64,
    /// The time of the request, in Unix milliseconds.
    pub now_ms: i64,
    /// The random bits of the request.
    pub seed: u64,
    /// The number of requests of the action before this request.
    pub sequence: u64,
    /// The Unix time in milliseconds past which nobody waits for the answer any more, and the question is not run.
    pub deadline_ms: Option<i64>,
    /// The steps that passed a limit on this question, and are not run for the question again.
    pub limited: Vec<(Arc<str>, LimitRecord)>,
    /// The node that an administrator assigned the user to.
    pub assigned: Option<Arc<str>>,
    /// The policy for nodes where a start failed lately.
    pub cooling: CoolingPolicy,
    /// The step at which to resume, where a program was asked already.
    pub from: Option<SuspendedStep>,
    /// Whether each step and node is reported before it runs, so that a step that ends the process without a report is
    /// named.
    pub narrated: bool,
    /// Whether the steps of a placement are reported too, because the request is recorded in a trace.
    pub traced: bool,
}

impl PlacementQuestion {
    /// A question under `ticket` that asks for nothing, for tests.
    #[cfg(test)]
    pub(crate) fn empty(ticket: Ticket) -> Self {
        let nothing = || Arc::<str>::from("");
        let (login, session_name) = (nothing(), nothing());
        let action = "a".into();
        let head = Head { id: None, action, login, session_name, wait_ms: 0, reservation_s: 0, explain: false };
        Self {
            ticket,
            decision: nothing(),
            head,
            request: "{}".into(),
            server_id: nothing(),
            purpose: Purpose::Place,
            about: None,
            search_us: 0,
            now_ms: 0,
            seed: 0,
            sequence: 0,
            deadline_ms: None,
            limited: Vec::new(),
            assigned: None,
            cooling: CoolingPolicy::default(),
            from: None,
            narrated: false,
            traced: false,
        }
    }

    /// Returns the reservation that a placement on `node` makes.
    #[must_use]
    pub fn reservation(&self, node: &Arc<str>) -> Reservation {
        Reservation {
            id: Arc::clone(&self.decision),
            node: Arc::clone(node),
            user: Arc::clone(&self.head.login),
            name: Arc::clone(&self.head.session_name),
        }
    }
}

/// A decision that came as far as an executable step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SuspendedStep {
    /// The executable step, from 0.
    pub step: usize,
    /// The decision ([`Suspended`](crate::chain::Suspended)), encoded: the front carries the bytes without reading
    /// them.
    pub suspended: Bytes,
    /// The answer of the program; absent where the program is to be asked again.
    pub heard: Option<ProgramAnswer>,
}

/// A command of the front to a worker.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum WorkerCommand {
    /// A change of the cluster. The first of all variants, here as in the runner's commands: encoded once, a change is
    /// sent to all of them.
    Change(Change),
    /// The node that the chain of an action chose before this worker was started.
    Recall(Arc<str>, Arc<str>),
    /// Stops running the subject, which fails with this limit instead; or runs the subject again, where the limit is
    /// absent.
    Quarantine(Subject, Option<LimitRecord>),
    /// Asks for a decision.
    Ask(Arc<PlacementQuestion>),
}

/// A frame of a worker to the front.
#[expect(clippy::large_enum_variant, reason = "nearly every word is a reply, which a box would make dearer")]
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum WorkerFrame {
    /// The worker is about to compile this step.
    Loading(Arc<str>),
    /// The worker has compiled everything and is sealed (docs/src/internals/seal.md).
    Ready {
        /// The gaps in the seal, a sentence each.
        lacks: Vec<String>,
        /// The probable mistakes in scripts, a sentence each.
        remarks: Vec<String>,
        /// What runs each function of a script, where its language has more than one way.
        tiers: Vec<String>,
    },
    /// Steps do not compile.
    Refused(Vec<CompileProblem>),
    /// The worker is about to run this step, for a question that is narrated.
    Running(RunningStep),
    /// The worker has read much since the last frame, and is alive.
    Reading,
    /// What of the scripts ran since the last word of this kind, for a test run.
    Covered(Vec<ScriptCounts>),
    /// What became of compiled functions while this question was decided.
    Tiers(Ticket, TierReport),
    /// A decision.
    Reply(WorkerReply),
    /// A decision that waits for a program.
    Waiting(WaitingDecision),
    /// A script passed a limit; the worker exits after this frame.
    Overrun(Overrun),
}

/// A step that does not compile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompileProblem {
    /// The chain's action.
    pub action: Arc<str>,
    /// The step.
    pub step: Arc<str>,
    /// The error, with the place where that is known.
    pub message: String,
    /// The place in the step's source.
    pub position: Option<Position>,
}

impl From<CompileError> for CompileProblem {
    fn from(CompileError { action, step, error }: CompileError) -> Self {
        Self { action, step, message: error.message, position: error.position }
    }
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
pub struct WorkerReply {
    /// The ticket of the question.
    pub ticket: Ticket,
    /// The decision.
    pub decision: Decision,
}

/// A decision that came to an executable step: the worker does no more for the decision until the program has answered.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WaitingDecision {
    /// The ticket of the question.
    pub ticket: Ticket,
    /// The step, from 0.
    pub step: usize,
    /// The decision so far, as [`SuspendedStep::suspended`] has it.
    pub suspended: Bytes,
    /// The node that the program chose the last time and that was taken meanwhile.
    pub taken: Option<(Arc<str>, LostReason)>,
}

/// The step that a worker is running.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunningStep {
    /// The question that is being decided.
    pub ticket: Ticket,
    /// The step, where it is known.
    pub step: Option<Arc<str>>,
    /// The node of the call, for a per-node function.
    pub node: Option<Arc<str>>,
    /// Whether the answer of the call hangs on the node's document alone.
    pub pure: bool,
}

/// A limit that was passed, with the step that passed the limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overrun {
    /// The step that was running.
    pub running: RunningStep,
    /// The kind of the limit.
    pub kind: LimitKind,
    /// The message for the requester.
    pub message: String,
}
