//! What front and worker say to each other: typed frames, batched both ways.
//!
//! JSON crosses as text, because postcard carries no self-describing values; it was checked before it got here.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::chain::eligibility::Cooling;
use crate::chain::{ChainSet, ChainSpec, Heard, Limited, Purpose, StepSource, Subject};
use crate::evaluator::CompileError;
use crate::model::{Arrangement, Change, Decision, Head, LimitKind, LostReason, Position, Reservation, shared};
use crate::script::ScriptCounts;

/// The number of a question; later questions have greater ones.
pub type Ticket = u64;

/// The ticket under which a worker does what nobody asked for: it brings what it keeps up to date.
pub const NOBODY: Ticket = 0;

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
    /// A front: what the process says before it dies belongs into the front's log.
    Front,
    /// A person who asked one question, and whom nothing but the answer concerns.
    Person,
    /// A test run that is told, before each answer, what of the scripts has run.
    Coverage,
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

    /// How long `chain` may take over `nodes` nodes in wall time, all its steps at their limits.
    #[must_use]
    pub fn chain_wall(&self, chain: &ChainSpec, nodes: u64) -> Duration {
        // While a program runs, no worker waits for it.
        let here = chain.steps.iter().filter(|step| !matches!(step.source, StepSource::Executable(_)));
        let steps_us: u64 = here.map(|step| self.step_us(step.cpu_ms, nodes)).sum();
        Duration::from_micros(steps_us.saturating_mul(u64::from(self.wall_factor)))
    }
}

/// A question on its way to a worker.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Question {
    /// The front's number of it; answers name it.
    pub ticket: Ticket,
    /// The decision's id.
    #[serde(deserialize_with = "shared::string")]
    pub decision: Arc<str>,
    /// What the request is routed by; its action names the chain.
    pub head: Head,
    /// The request as JSON text, which was checked when its head was read.
    #[serde(deserialize_with = "shared::string")]
    pub request: Arc<str>,
    /// `local.serverId` where the request has none.
    #[serde(deserialize_with = "shared::string")]
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
    /// Past this Unix time in milliseconds nobody waits for the answer any more, and it is not run.
    pub deadline_ms: Option<i64>,
    /// The steps that passed a limit on it, and are not run for it again.
    pub limited: Vec<(Arc<str>, Limited)>,
    /// What becomes of nodes where a start failed lately.
    pub cooling: Cooling,
    /// Where it is gone on from, where a program was asked already.
    pub from: Option<Standing>,
    /// Whether each step and node is told before it runs, so that one which ends the process without a word is named.
    pub narrated: bool,
}

impl Question {
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
            now_ms: 0,
            seed: 0,
            sequence: 0,
            deadline_ms: None,
            limited: Vec::new(),
            cooling: Cooling::default(),
            from: None,
            narrated: false,
        }
    }

    /// The reservation that placing it on `node` makes.
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
pub struct Standing {
    /// The executable step, from 0.
    pub step: usize,
    /// The decision ([`Suspended`](crate::chain::Suspended)), encoded: whoever carries it need not read it.
    pub suspended: Bytes,
    /// What was heard from the program; absent where it is to be asked again.
    pub heard: Option<Heard>,
}

/// What the front sends.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Order {
    /// Something happened to the cluster. The first of all variants, here as in the runner's orders: encoded once, it
    /// goes to all of them.
    Change(Change),
    /// The chain of an action chose a node before this worker was born.
    Recall(Arc<str>, Arc<str>),
    /// Do not run this any more and let it fail so; or run it again, where nothing is said.
    Quarantine(Subject, Option<Limited>),
    /// Decide this.
    Ask(Arc<Question>),
}

/// What a worker sends.
#[expect(clippy::large_enum_variant, reason = "nearly every word is a reply, which a box would make dearer")]
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Word {
    /// It is about to compile this step.
    Loading(Arc<str>),
    /// It has compiled everything and sealed itself (docs/src/internals/seal.md). A sentence for each thing.
    Ready {
        /// What the seal lacks.
        lacks: Vec<String>,
        /// What is probably a mistake in a script.
        remarks: Vec<String>,
    },
    /// These steps do not compile.
    Refused(Vec<CompileProblem>),
    /// It is about to run this, for a question that is narrated.
    Running(Running),
    /// It has read much since its last word, and is alive.
    Reading,
    /// What of the scripts ran since the last word of this kind, for a test run.
    Covered(Vec<ScriptCounts>),
    /// A decision.
    Reply(Reply),
    /// A decision that waits for a program.
    Waiting(Waiting),
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
pub struct Reply {
    /// Of which question.
    pub ticket: Ticket,
    /// What was decided.
    pub decision: Decision,
}

/// A decision that came to an executable step: the worker is done with it until its program has answered.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Waiting {
    /// Of which question.
    pub ticket: Ticket,
    /// The step, from 0.
    pub step: usize,
    /// The decision so far, as [`Standing::suspended`] has it.
    pub suspended: Bytes,
    /// The node that the program chose the last time and that was taken meanwhile.
    pub taken: Option<(Arc<str>, LostReason)>,
}

/// What a worker is running.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// The question that is being decided.
    pub ticket: Ticket,
    /// The step, where it is known.
    pub step: Option<Arc<str>>,
    /// The node that a per-node function of the step is asked about.
    pub node: Option<Arc<str>>,
    /// Whether that answer hangs on the node's document alone.
    pub pure: bool,
}

/// Which limit was passed, by whom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overrun {
    /// What was running.
    pub running: Running,
    /// Which limit.
    pub kind: LimitKind,
    /// What happened, in words for the requester.
    pub message: String,
}
