//! What the service is told, and what a reload may change of it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::model::Marks;
use crate::nats::message::Incoming;
use crate::registry::RegistryEvent;
use crate::registry::claims::Claimed;
use crate::registry::documents::StoreError;
use crate::registry::ledger::LedgerRules;
use crate::runner::{ProgramLimits, RunnerEvent};
use crate::worker::Ticket;
use crate::worker::{Birth, BirthError, WorkerEvent};

use super::ports::{NewWorker, ProcessLink};
use super::quarantine::QuarantineSettings;

/// What happens to the service.
#[derive(Debug)]
pub enum Event {
    /// A message of a requester.
    Request(Incoming),
    /// A worker, by its number, said something or ended.
    Worker(u64, WorkerEvent),
    /// A runner, by its number, said something or ended.
    Runner(u64, RunnerEvent),
    /// The cluster changed, or the view of it is kept or lost.
    Registry(RegistryEvent),
    /// Another replica said this; a replica's own messages come back to it too.
    Gossip(Bytes),
    /// A worker was started, or could not be; under its number.
    Born(u64, Result<NewWorker, BirthError>),
    /// A runner was started, or could not be; under its number.
    RunnerStarted(u64, std::io::Result<Box<dyn ProcessLink>>),
    /// Another setup is to be taken over, once a worker for it is ready.
    Reload(Box<Setup>),
    /// A config that was to be read again cannot be used, for this reason.
    ReloadFailed(String),
    /// What is held against a node was written down; the registry will say so too, but later than the requester may ask.
    Marked(Arc<str>, Marks),
    /// The place that this question was decided to get was claimed, or could not be.
    Claimed(Ticket, Result<Claimed, StoreError>),
    /// Nobody was there to take the place of this reservation.
    Untaken(Arc<str>),
    /// It was tried whether NATS keeps a client that is frozen for long.
    FrozenKept(bool),
    /// The process stood still for so long before this moment: it was stopped, or its machine was suspended.
    StoodStill(Duration),
    /// Time passes.
    Tick(Tick),
    /// No more requests will come: answer what is there, then end.
    Stop,
}

/// What a tick says.
#[derive(Clone, Copy, Debug)]
pub struct Tick {
    /// The time since the tick before.
    pub passed: Duration,
    /// Whether no change of the cluster waits to be taken in.
    pub is_drained: bool,
}

/// All that a service needs to know to decide, which a reload may change.
#[derive(Clone, Debug)]
pub struct Setup {
    /// What a worker is born with.
    pub birth: Arc<Birth>,
    /// The binary that workers are started from.
    pub program: PathBuf,
    /// Slots that the chains share, beside those that a chain asks for.
    pub workers: usize,
    /// A worker is replaced after so many decisions.
    pub recycle_requests: u64,
    /// A worker is replaced when it has grown by so many bytes.
    pub recycle_bytes: u64,
    /// When a script is not run any more.
    pub quarantine: QuarantineSettings,
    /// Whether a request is refused that has fields of its own.
    pub strict_requests: bool,
    /// The most unanswered requests of one chain.
    pub queue: usize,
    /// How long a reservation lives, in milliseconds.
    pub reservation_ms: u64,
    /// How long a reservation may live at most, whoever asks, in milliseconds.
    pub longest_reservation_ms: u64,
    /// How long a node is left out after a failed start, in milliseconds.
    pub cooldown_ms: u64,
    /// A node where the starts of so many users failed is left out for all.
    pub cooldown_users: usize,
    /// Whether nodes that are left out after a failed start are chosen where no other is left.
    pub is_last_resort: bool,
    /// Whether no node ever takes more than it can, whatever other replicas do.
    pub is_strict: bool,
    /// How many requests of each chain may wait for a free node.
    pub waiting: usize,
    /// How many of these may be one user's.
    pub waiting_per_user: usize,
    /// What is the same for all replicas with these chains.
    pub digest: Arc<str>,
    /// How often a decision that the ledger refuses is taken again.
    pub retries: u32,
    /// The inputs of so many decisions are recorded.
    pub recorded_decisions: usize,
    /// What programs may use, and their environment.
    pub programs: ProgramLimits,
    /// As above.
    pub environment: Vec<(String, String)>,
}

impl Setup {
    /// How reservations come to their ends. Where capacity is strict, a report that was on its way is no proof that a
    /// confirmed session is in it.
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
