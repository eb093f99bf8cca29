//! The events that the service handles, and the setup that a reload may change.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::model::Marks;
use crate::nats::message::Incoming;
use crate::registry::RegistryEvent;
use crate::registry::claims::Claimed;
use crate::registry::documents::StoreError;
use crate::registry::facts::FactsTaken;
use crate::registry::ledger::LedgerRules;
use crate::runner::{ProgramLimits, RunnerEvent};
use crate::token::TokenVerifier;
use crate::worker::Ticket;
use crate::worker::{BirthError, WorkerEvent, WorkerInit};

use super::ports::{NewWorker, ProcessLink};
use super::quarantine::QuarantineSettings;
use super::tokens::TokenVerdict;

/// An event that the front handles.
#[derive(Debug)]
pub enum FrontEvent {
    /// A message of a requester.
    Request(Incoming),
    /// An event of the worker with this number.
    Worker(u64, WorkerEvent),
    /// An event of the runner with this number.
    Runner(u64, RunnerEvent),
    /// The cluster changed, or the view of the cluster became complete or was lost.
    Registry(RegistryEvent),
    /// A message of a replica; a replica's own messages come back too.
    Gossip(Bytes),
    /// A worker was started, or could not be started; with the number.
    Born(u64, Result<NewWorker, BirthError>),
    /// A runner was started, or could not be started; with the number.
    RunnerStarted(u64, std::io::Result<Box<dyn ProcessLink>>),
    /// A new setup, which comes into force once a worker for that setup is ready.
    Reload(Box<Setup>),
    /// A config that was to be read again cannot be used, for this reason.
    ReloadFailed(String),
    /// The marks of a node were written; the registry will report them too, but later than the requester may ask.
    Marked(Arc<str>, Marks),
    /// The result of the claim on the place of this question.
    Claimed(Ticket, Result<Claimed, StoreError>),
    /// The end of the verification of a token.
    Token(TokenVerdict),
    /// The result of taking the countable facts that this question's request needs.
    FactsTaken(Ticket, Result<FactsTaken, StoreError>),
    /// The requester was gone when the reply with this reservation was offered.
    Untaken(Arc<str>),
    /// The result of a test whether NATS keeps a client that is frozen for long.
    FrozenKept(bool),
    /// The process stood still for so long before this moment: the process was stopped, or the machine was suspended.
    StoodStill(Duration),
    /// Time has passed.
    Tick(Tick),
    /// No more requests will come: answer those that are there, then end.
    Stop,
}

/// The content of a tick.
#[derive(Clone, Copy, Debug)]
pub struct Tick {
    /// The time since the tick before.
    pub passed: Duration,
    /// Whether no change of the cluster waits to be handled.
    pub is_drained: bool,
}

/// The settings of the service for decisions, which a reload may change.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The first frame for workers.
    pub birth: Arc<WorkerInit>,
    /// The path of the binary that workers are started from.
    pub program: PathBuf,
    /// The number of slots that the chains share, beside those that a chain asks for.
    pub workers: usize,
    /// The number of decisions after which a worker is replaced.
    pub recycle_requests: u64,
    /// The growth in bytes at which a worker is replaced.
    pub recycle_bytes: u64,
    /// The rules for scripts that are not run any more.
    pub quarantine: QuarantineSettings,
    /// Whether a request with unknown fields is refused.
    pub strict_requests: bool,
    /// The verifier of the tokens of requests, where the config has one.
    pub tokens: Option<Arc<TokenVerifier>>,
    /// The most unanswered requests of one chain.
    pub queue: usize,
    /// The lifetime of a reservation, in milliseconds.
    pub reservation_ms: u64,
    /// The longest lifetime of a reservation that a requester may ask for, in milliseconds.
    pub longest_reservation_ms: u64,
    /// The time for which a node is left out after a failed start, in milliseconds.
    pub cooldown_ms: u64,
    /// The number of users with failed starts on a node from which on the node is left out for all.
    pub cooldown_users: usize,
    /// Whether nodes that are left out after a failed start are chosen where no other is left.
    pub is_last_resort: bool,
    /// Whether no node ever takes more than allowed, whatever other replicas do.
    pub is_strict: bool,
    /// The most requests of each chain that may wait for a free node.
    pub waiting: usize,
    /// The most of these that may be of a single user.
    pub waiting_per_user: usize,
    /// The most reservations of a single user.
    pub reservations_per_user: usize,
    /// A digest that is the same for all replicas with these chains that verify tokens alike.
    pub digest: Arc<str>,
    /// How often a decision that the ledger refuses is made again.
    pub retries: u32,
    /// The number of recent decisions whose inputs are recorded.
    pub recorded_decisions: usize,
    /// The limits of programs.
    pub programs: ProgramLimits,
    /// The environment of programs.
    pub environment: Vec<(String, String)>,
}

impl Setup {
    /// Returns the rules by which reservations end. Where capacity is strict, a report that was on the way is no proof
    /// that a confirmed session is listed there.
    pub(super) fn ledger_rules(&self) -> LedgerRules {
        let names = self.birth.set.names;
        LedgerRules { lifetime_ms: self.reservation_ms, names, trusting: !self.is_strict }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{setup, strict_setup};

    #[test]
    fn a_confirmation_is_trusted_only_where_capacity_is_not_strict() {
        let (rules, strict) = (setup().ledger_rules(), strict_setup().ledger_rules());
        assert!(rules.trusting && !strict.trusting);
        assert_eq!((rules.lifetime_ms, rules.names), (setup().reservation_ms, setup().birth.set.names));
    }
}
