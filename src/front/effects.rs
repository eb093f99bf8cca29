//! What the service wants to be done: written into a buffer, and carried out by whoever drives the service.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::ipc::Orders;
use crate::nats::message::{Incoming, Outgoing};
use crate::nats::peers::PeerMessage;
use crate::registry::claims::Claim;
use crate::registry::marks::MarkAuthor;
use crate::worker::Ticket;
use crate::worker::WorkerInit;

use super::health::Health;

/// One thing that is to be done.
#[derive(Debug)]
pub enum Effect {
    /// Send the reply.
    Reply(Outgoing),
    /// Send the reply after this time.
    ReplyLater(Duration, Outgoing),
    /// Tell another replica, or all of them.
    Gossip(PeerMessage),
    /// Take a place in the bus; answered by [`Event::Claimed`](super::Event::Claimed) with the ticket.
    Claim(Ticket, Claim),
    /// Write the claims of these reservations off, on this node.
    WriteOff(Arc<str>, BTreeSet<Arc<str>>),
    /// Write down what an administrator holds against a node, and answer the administrator; followed by
    /// [`Event::Marked`](super::Event::Marked).
    Mark(MarkOrder),
    /// Leave a node alone after a start that failed there, in writing; followed by
    /// [`Event::Marked`](super::Event::Marked).
    CoolDown {
        /// The node.
        node: Arc<str>,
        /// How long the first pause is, in milliseconds; repeated ones are longer.
        pause_ms: u64,
        /// Who says so, when and why.
        word: MarkAuthor,
    },
    /// Read the config again, and answer the request.
    Reload(ReloadRequest),
    /// Ask the buckets soon whether anything was missed.
    LookSoon,
    /// Let no cool-down last longer than what follows from a first pause of so many milliseconds.
    BoundCoolDowns(u64),
    /// Start a worker; answered by [`Event::Born`](super::Event::Born) with its number.
    StartWorker {
        /// The number under which the worker speaks.
        number: u64,
        /// The binary.
        program: PathBuf,
        /// What the worker is born with.
        birth: Arc<WorkerInit>,
        /// What makes the worker a mirror of the cluster.
        snapshot: Orders,
    },
    /// Start a runner; answered by [`Event::RunnerStarted`](super::Event::RunnerStarted) with its number.
    StartRunner {
        /// The number under which the runner speaks.
        number: u64,
        /// The binary.
        program: PathBuf,
    },
    /// Show this to whoever looks how the service is.
    Show(Health),
}

/// A mark that an administrator wants written down.
#[derive(Debug)]
pub struct MarkOrder {
    /// The request, to be answered when that is done.
    pub incoming: Incoming,
    /// The node.
    pub node: Arc<str>,
    /// What is to become of the node.
    pub kind: MarkKind,
    /// Who says so, when and why.
    pub word: MarkAuthor,
    /// Whether the node cools down at the moment.
    pub was_cooling: bool,
}

/// What an administrator wants to become of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MarkKind {
    /// The node takes no new sessions.
    Cordon,
    /// The node takes no new sessions, and is to be emptied.
    Drain,
    /// The node is in service.
    Uncordon,
}

/// A request to read the config again.
#[derive(Debug)]
pub struct ReloadRequest {
    /// The request, to be answered when that has come to an end.
    pub incoming: Incoming,
    /// How many replicas there are, which all answer.
    pub replicas: usize,
}
