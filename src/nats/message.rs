//! A message from a requester and the reply to the message, as they pass between the tasks of the bus and the front.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Instant;

use bytes::Bytes;

use crate::model::{Failure, FailureName};
use crate::plain::plain;
use crate::trace::{RequestTrace, SpanFailure, TraceRecord};

use super::admission::{AdmissionPermit, RequestKind};
use super::subjects::{HEADER_DEADLINE, HEADER_TIMEOUT};
use super::wire;

/// The endpoints of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verb {
    /// Places a session.
    Place,
    /// Places a session and has the chosen node's agent start the session.
    Start,
    /// Explains the placement that would be made.
    Explain,
    /// Confirms that a session has started.
    Confirm,
    /// Gives a reservation back.
    Release,
    /// Lets a reservation live longer.
    Renew,
    /// Calls a request off.
    Cancel,
    /// Lists the requests that wait for a node.
    Waiting,
    /// Lists a page of nodes.
    Nodes,
    /// Takes a node out of service.
    Cordon,
    /// Puts a node back into service.
    Uncordon,
    /// Has the config read again, by every replica.
    Reload,
    /// What a recorded decision was taken from.
    Decision,
    /// Assigns a user to a node.
    Assign,
    /// Takes the assignment of a user back.
    Unassign,
    /// Lists a page of assignments.
    Assignments,
    /// Lists the countable facts.
    Facts,
    /// Sets the count of a countable fact.
    FactSet,
    /// Deletes a countable fact.
    FactDelete,
    /// Tells how a replica is.
    Status,
    /// Accepts a node, where new nodes are held.
    Accept,
    /// Has a node forgotten that does not report any more.
    Forget,
}

impl Verb {
    /// Every endpoint.
    pub const ALL: [Self; 22] = [
        Self::Place,
        Self::Start,
        Self::Explain,
        Self::Confirm,
        Self::Release,
        Self::Renew,
        Self::Cancel,
        Self::Waiting,
        Self::Nodes,
        Self::Cordon,
        Self::Uncordon,
        Self::Reload,
        Self::Decision,
        Self::Assign,
        Self::Unassign,
        Self::Assignments,
        Self::Facts,
        Self::FactSet,
        Self::FactDelete,
        Self::Status,
        Self::Accept,
        Self::Forget,
    ];

    /// The name of the endpoint.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Place => "place",
            Self::Start => "start",
            Self::Explain => "explain",
            Self::Confirm => "confirm",
            Self::Release => "release",
            Self::Renew => "renew",
            Self::Cancel => "cancel",
            Self::Waiting => "waiting",
            Self::Nodes => "nodes",
            Self::Cordon => "cordon",
            Self::Uncordon => "uncordon",
            Self::Reload => "reload",
            Self::Decision => "decision",
            Self::Assign => "assign",
            Self::Unassign => "unassign",
            Self::Assignments => "assignments",
            Self::Facts => "facts",
            Self::FactSet => "fact-set",
            Self::FactDelete => "fact-delete",
            Self::Status => "status",
            Self::Accept => "accept",
            Self::Forget => "forget",
        }
    }

    /// Returns a description of the endpoint, for people.
    #[must_use]
    pub const fn about(self) -> &'static str {
        match self {
            Self::Place => "places a session: answers with a node, and holds a place there where the chain reserves",
            Self::Start => {
                "places a session as `place` does, has the chosen node's agent start it, and tries further nodes where \
                 the start fails"
            }
            Self::Explain => "says what would be chosen and why, step by step; reserves nothing",
            Self::Confirm => "says that the session of a reservation runs",
            Self::Release => {
                "gives the place of a reservation back; with `failed` the node is passed over for a while, with `deferred` \
                 a job will start the session later"
            }
            Self::Renew => "lets a reservation live on, from now, for `reservation_s` seconds",
            Self::Cancel => "calls a request off by its `id`: it is answered `cancelled` and takes no place",
            Self::Waiting => "lists the requests that wait for a node, and why",
            Self::Nodes => "lists nodes as scripts see them, with their state",
            Self::Cordon => {
                "takes a node out of service for new sessions; `drain` says that somebody waits until it is empty"
            }
            Self::Uncordon => "puts a node back into service, and ends its cool-down",
            Self::Reload => "has the config read again",
            Self::Accept => "lets a node take sessions, where `service.new_nodes` holds new ones",
            Self::Forget => "forgets a node that does not report any more, with its marks",
            Self::Status => "tells how the replica is: its view, workers, requests a minute, capacity and problems",
            Self::Decision => "shows nodes and request of a decision, where `service.recorded_decisions` keeps them",
            Self::Assign => {
                "assigns a user to a node, whatever rules and scripts say; names the user's sessions elsewhere"
            }
            Self::Unassign => "takes the assignment of a user back",
            Self::Assignments => "lists the users who are assigned to nodes",
            Self::Facts => {
                "lists the countable facts, such as licences: how many there are, how many are held and free"
            }
            Self::FactSet => "sets the count of a countable fact, until `ttl_s` seconds later where that is given",
            Self::FactDelete => "deletes a countable fact: requests that need it are refused",
        }
    }

    /// Whether every replica receives each request: only a certain replica, or each for a part, can answer.
    #[must_use]
    pub const fn is_for_all(self) -> bool {
        matches!(self, Self::Cancel | Self::Waiting | Self::Reload | Self::Decision | Self::Status)
    }

    /// The kind of a request of this endpoint for admission: requests that end a lack of room, or show the state of the
    /// service, are admitted where others are not.
    #[must_use]
    pub const fn room(self) -> RequestKind {
        match self {
            Self::Confirm
            | Self::Release
            | Self::Renew
            | Self::Cancel
            | Self::Waiting
            | Self::Nodes
            | Self::Status
            | Self::Cordon
            | Self::Uncordon => RequestKind::Control,
            _ => RequestKind::Usual,
        }
    }

    /// Whether a trace may begin with a request: those for a chain are what a trace is read for.
    #[must_use]
    pub const fn begins_traces(self) -> bool {
        matches!(self, Self::Place | Self::Start | Self::Explain)
    }

    /// Whether a request counts although nobody waits for a reply.
    #[must_use]
    pub const fn needs_no_reply(self) -> bool {
        matches!(self, Self::Confirm | Self::Release | Self::Renew | Self::Cancel)
    }
}

/// The first moment that counts as Unix milliseconds, in March of 1973. A smaller number is a moment in seconds, or no
/// moment.
const FIRST_MS: i64 = 100_000_000_000;

/// Returns the moment and the time in milliseconds until which a request is run, from the headers; `header` returns the
/// header of a name.
///
/// # Errors
/// [`DeadlineError`] names the header that is no such number. A deadline that cannot be read must not be ignored: the
/// sender gives up at some moment, and would be given a place after that.
pub fn deadlines<'a>(
    header: impl Fn(&'static str) -> Option<&'a str>,
) -> Result<(Option<i64>, Option<u64>), DeadlineError> {
    let value = |name| header(name).map(str::trim);
    let wrong = |header, expected, found: &str| {
        let found = plain(found.get(..found.floor_char_boundary(MAX_SHOWN)).unwrap_or_default()).into_owned();
        DeadlineError { header, found, expected }
    };
    let moment = value(HEADER_DEADLINE).map(|value| match value.parse() {
        Ok(moment) if moment >= FIRST_MS => Ok(moment),
        Ok(1..) => Err(wrong(HEADER_DEADLINE, "Unix milliseconds; this looks like seconds", value)),
        _ => Err(wrong(HEADER_DEADLINE, "Unix milliseconds", value)),
    });
    let timeout = value(HEADER_TIMEOUT)
        .map(|value| value.parse().map_err(|_| wrong(HEADER_TIMEOUT, "a whole number of milliseconds", value)));
    Ok((moment.transpose()?, timeout.transpose()?))
}

/// The most bytes shown of a header that cannot be read.
const MAX_SHOWN: usize = 40;

/// A header with a deadline that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the header `{header}` is `{found}`, expected {expected}")]
pub struct DeadlineError {
    header: &'static str,
    found: String,
    expected: &'static str,
}

/// A message from a requester.
#[derive(Clone, Debug)]
pub struct Incoming {
    /// The endpoint.
    pub verb: Verb,
    /// The body.
    pub payload: Bytes,
    /// The moment past which the request is not run, in Unix milliseconds.
    pub deadline_ms: Option<i64>,
    /// The time from the receipt within which the request is run, in milliseconds; counts instead of the moment.
    pub timeout_ms: Option<u64>,
    /// The subject of the reply; `None` where nobody waits for a reply.
    pub reply: Option<async_nats::Subject>,
    /// The time of receipt.
    pub received: Instant,
    /// The permit under which the request was admitted; `None` where another replica handed the request on.
    pub pass: Option<Arc<AdmissionPermit>>,
    /// The trace that the request belongs to, if any.
    pub trace: Option<Arc<RequestTrace>>,
}

impl Incoming {
    /// The body; a message without a body counts as an empty object.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        if self.payload.trim_ascii().is_empty() { b"{}" } else { &self.payload }
    }

    /// Whether the request is recorded in a trace.
    #[must_use]
    pub fn is_recorded(&self) -> bool {
        self.trace.as_deref().is_some_and(RequestTrace::is_recorded)
    }

    /// Returns the message without the body: enough to answer the request.
    #[must_use]
    pub fn without_payload(&self) -> Self {
        let (reply, pass, trace) = (self.reply.clone(), self.pass.clone(), self.trace.clone());
        Self { payload: Bytes::new(), reply, pass, trace, ..*self }
    }
}

/// A reply to be sent.
#[derive(Debug)]
pub struct Outgoing {
    /// The endpoint.
    pub verb: Verb,
    /// The subject of the reply; `None` where nobody waits for a reply.
    pub reply: Option<async_nats::Subject>,
    /// The time of the request's receipt.
    pub received: Instant,
    /// The text of the reply.
    pub body: Bytes,
    /// The failure's kind and message, which go into headers.
    pub error: Option<(FailureName, String)>,
    /// The place that is free again where nobody takes the reply.
    pub place: Option<Arc<Offered>>,
    /// The record of the request, where the request is recorded.
    pub trace: Option<Box<TraceRecord>>,
}

/// A place that is offered to a requester that waited for a place, and may have given up since.
#[derive(Debug)]
pub struct Offered {
    /// The reservation.
    pub reservation: Arc<str>,
    /// The number of requesters that the place is offered to and that are not known to be gone.
    pub listeners: AtomicUsize,
}

impl Outgoing {
    /// Creates the reply to `incoming` that reports `failure`.
    #[must_use]
    pub fn failed(incoming: &Incoming, failure: &Failure) -> Self {
        let body = wire::failed(failure, None).to_string().into();
        Self::new(incoming, body, Some((failure.name, failure.message.clone())))
    }

    /// Creates the reply to `incoming` with `body`.
    #[must_use]
    pub fn new(incoming: &Incoming, body: Bytes, error: Option<(FailureName, String)>) -> Self {
        Self {
            verb: incoming.verb,
            reply: incoming.reply.clone(),
            received: incoming.received,
            body,
            error,
            place: None,
            trace: TraceRecord::of(incoming.trace.as_ref(), incoming.received),
        }
    }

    /// Takes the record of the request out of the reply, which is handed to NATS at `now`.
    #[must_use]
    pub fn take_record(&mut self, now: Instant) -> Option<TraceRecord> {
        let mut record = self.trace.take()?;
        let failure = self.error.as_ref();
        let failure = failure.map(|(name, message)| SpanFailure { name: name.as_str(), message: message.clone() });
        record.end(now, failure);
        Some(*record)
    }
}
