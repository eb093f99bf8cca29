//! The effects that the service asks for: written into a buffer, and carried out by the server or the simulation.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::ipc::Orders;
use crate::nats::message::{Incoming, Outgoing};
use crate::nats::peers::PeerMessage;
use crate::registry::assignments::Assignment;
use crate::registry::claims::Claim;
use crate::registry::facts::{FactClaim, FactSetting};
use crate::registry::mark::MarkAuthor;
use crate::worker::Ticket;
use crate::worker::WorkerInit;

use super::health::Health;
use super::starts::StartRequest;
use super::tokens::TokenCheck;

/// An action for the driver of the front to carry out.
#[derive(Debug)]
pub enum Effect {
    /// Send the reply.
    Reply(Outgoing),
    /// Send the reply after this time.
    ReplyLater(Duration, Outgoing),
    /// Send the message to another replica, or to all.
    Gossip(PeerMessage),
    /// Claim a place in the bus; answered by [`FrontEvent::Claimed`](super::FrontEvent::Claimed) with the ticket.
    Claim(Ticket, Claim),
    /// Write off the claims of these reservations, on this node.
    WriteOff(Arc<str>, BTreeSet<Arc<str>>),
    /// Take countable facts in the bus; answered by [`FrontEvent::FactsTaken`](super::FrontEvent::FactsTaken) with the ticket.
    TakeFacts(Ticket, FactClaim),
    /// Remove what these reservations hold of this fact.
    GiveFactBack(Arc<str>, BTreeSet<Arc<str>>),
    /// Set or delete a countable fact, and answer the administrator, if one asked; followed by an event of the registry.
    SetFact(FactOrder),
    /// Write the mark that an administrator orders for a node, and answer the administrator; followed by
    /// [`FrontEvent::Marked`](super::FrontEvent::Marked).
    Mark(MarkOrder),
    /// Write or remove the assignment of a user, and answer the administrator; followed by an event of the registry.
    Assign(Box<AssignOrder>),
    /// Write a cool-down of a node after a start that failed there; followed by
    /// [`FrontEvent::Marked`](super::FrontEvent::Marked).
    CoolDown {
        /// The node.
        node: Arc<str>,
        /// The length of the first pause in milliseconds; repeated pauses are longer.
        pause_ms: u64,
        /// The author, the time and the reason.
        word: MarkAuthor,
    },
    /// Verify a token, on another thread; answered by [`FrontEvent::Token`](super::FrontEvent::Token).
    Verify(Box<TokenCheck>),
    /// Place a session, have the chosen node's agent start the session, and answer the request.
    Start(Box<StartRequest>),
    /// Read the config again, and answer the request.
    Reload(ReloadRequest),
    /// Check the buckets soon for changes that were missed.
    LookSoon,
    /// Shorten all cool-downs to the length that follows from a first pause of so many milliseconds.
    BoundCoolDowns(u64),
    /// Start a worker; answered by [`FrontEvent::Born`](super::FrontEvent::Born) with the number.
    StartWorker {
        /// The number of the worker in events.
        number: u64,
        /// The path of the binary.
        program: PathBuf,
        /// The first frame for the worker.
        birth: Arc<WorkerInit>,
        /// The commands that give the worker the present cluster.
        snapshot: Orders,
    },
    /// Start a runner; answered by [`FrontEvent::RunnerStarted`](super::FrontEvent::RunnerStarted) with the number.
    StartRunner {
        /// The number of the runner in events.
        number: u64,
        /// The path of the binary.
        program: PathBuf,
    },
    /// Publish the health of the service.
    Show(Health),
}

/// The order of an administrator to write a mark.
#[derive(Debug)]
pub struct MarkOrder {
    /// The request, to be answered when the mark is written.
    pub incoming: Incoming,
    /// The node.
    pub node: Arc<str>,
    /// The mark that is ordered.
    pub kind: MarkKind,
    /// The author, the time and the reason.
    pub word: MarkAuthor,
    /// Whether the node cools down at the moment.
    pub was_cooling: bool,
}

/// The order of an administrator to write or remove the assignment of a user.
#[derive(Debug)]
pub struct AssignOrder {
    /// The request, to be answered when the assignment is written.
    pub incoming: Incoming,
    /// The user, as the administrator wrote the name.
    pub login: String,
    /// The name as names are compared.
    pub user: Arc<str>,
    /// The assignment; `None` where the assignment is taken back.
    pub assignment: Option<Assignment>,
    /// The author, the time and the reason.
    pub author: MarkAuthor,
    /// The warnings for the administrator.
    pub warnings: Vec<String>,
}

/// The order to set or delete a countable fact.
#[derive(Debug)]
pub struct FactOrder {
    /// The request, to be answered when the fact is written; `None` where a node's report is the reason.
    pub incoming: Option<Incoming>,
    /// The name of the fact.
    pub name: Arc<str>,
    /// What is set; `None` where the fact is deleted.
    pub setting: Option<FactSetting>,
}

/// The mark that an administrator orders for a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MarkKind {
    /// The node takes no new sessions.
    Cordon,
    /// The node takes no new sessions, and is to be emptied.
    Drain,
    /// The node is in service.
    Uncordon,
    /// The node is a member, where new nodes are held.
    Accept,
    /// The node is no member any more, and has no marks.
    Forget,
}

/// A request to read the config again.
#[derive(Debug)]
pub struct ReloadRequest {
    /// The request, to be answered when the reload has succeeded or failed.
    pub incoming: Incoming,
    /// The number of replicas, which all answer.
    pub replicas: usize,
}
