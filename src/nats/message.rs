//! A message from a requester and the reply to it, between the tasks that carry them and the one that answers.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Instant;

use bytes::Bytes;

use crate::model::{Failure, FailureName};
use crate::plain::plain;

use super::door::Pass;
use super::subjects::{HEADER_DEADLINE, HEADER_TIMEOUT};
use super::wire;

/// The endpoints of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verb {
    /// Place a session.
    Place,
    /// Say what would happen.
    Explain,
    /// A session has started.
    Confirm,
    /// A reservation is given back.
    Release,
    /// A reservation is to live longer.
    Renew,
    /// A request is not wanted any more.
    Cancel,
    /// Which requests wait for a node.
    Waiting,
    /// A page of nodes.
    Nodes,
    /// Take a node out of service.
    Cordon,
    /// Put it back.
    Uncordon,
    /// Read the config again; every replica does.
    Reload,
    /// What a recorded decision was taken from.
    Decision,
}

impl Verb {
    /// Every endpoint.
    pub const ALL: [Self; 12] = [
        Self::Place,
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
    ];

    /// The endpoint's name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Place => "place",
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
        }
    }

    /// Returns what the endpoint does, for a person.
    #[must_use]
    pub const fn about(self) -> &'static str {
        match self {
            Self::Place => "places a session: answers with a node, and holds a place there where the chain reserves",
            Self::Explain => "says what would be chosen and why, step by step; reserves nothing",
            Self::Confirm => "says that the session of a reservation runs",
            Self::Release => "gives the place of a reservation back; with `failed` the node is passed over for a while",
            Self::Renew => "lets a reservation live on, from now, for `reservation_s` seconds",
            Self::Cancel => "calls a request off by its `id`: it is answered `cancelled` and takes no place",
            Self::Waiting => "lists the requests that wait for a node, and why",
            Self::Nodes => "lists nodes as scripts see them, with their state",
            Self::Cordon => {
                "takes a node out of service for new sessions; `drain` says that somebody waits until it is empty"
            }
            Self::Uncordon => "puts a node back into service, and ends its cool-down",
            Self::Reload => "has the config read again",
            Self::Decision => "shows nodes and request of a decision, where `service.recorded_decisions` keeps them",
        }
    }

    /// Whether every replica hears each request: only one of them, or each for its own part, can answer.
    #[must_use]
    pub const fn is_for_all(self) -> bool {
        matches!(self, Self::Cancel | Self::Waiting | Self::Reload | Self::Decision)
    }

    /// Whether a request counts although nobody wants to hear what came of it.
    #[must_use]
    pub const fn needs_no_reply(self) -> bool {
        matches!(self, Self::Confirm | Self::Release | Self::Renew | Self::Cancel)
    }
}

/// A moment before this one, in March of 1973, was told in seconds, or is no moment.
const FIRST_MS: i64 = 100_000_000_000;

/// Returns the moment and the time in milliseconds until which a request is run, as its headers say; `header` knows the
/// header of a name.
///
/// # Errors
/// Which header is no such number. A deadline that is not understood must not be passed over: whoever sent it gives up
/// at some moment, and would be given a place after that.
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

/// What is shown of a header that is not understood, in bytes.
const MAX_SHOWN: usize = 40;

/// A header that says until when a request is run, and cannot be understood.
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
    /// Its body.
    pub payload: Bytes,
    /// The moment past which it is not run, Unix milliseconds.
    pub deadline_ms: Option<i64>,
    /// How long after its receipt it is run at the latest, in milliseconds; counts instead of the moment.
    pub timeout_ms: Option<u64>,
    /// Where the reply goes; absent where nobody wants one.
    pub reply: Option<async_nats::Subject>,
    /// When it was received.
    pub received: Instant,
    /// What it may be inside with; absent where another replica handed it on.
    pub pass: Option<Arc<Pass>>,
}

impl Incoming {
    /// What it says; a message without a body asks as an empty object does.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        if self.payload.trim_ascii().is_empty() { b"{}" } else { &self.payload }
    }

    /// The same, as far as it takes to answer it.
    #[must_use]
    pub fn without_payload(&self) -> Self {
        Self { payload: Bytes::new(), reply: self.reply.clone(), pass: self.pass.clone(), ..*self }
    }
}

/// A reply on its way out.
#[derive(Debug)]
pub struct Outgoing {
    /// The endpoint.
    pub verb: Verb,
    /// Where it goes; absent where nobody wants it.
    pub reply: Option<async_nats::Subject>,
    /// When its request was received.
    pub received: Instant,
    /// What it says.
    pub body: Bytes,
    /// The failure's kind and message, which go into headers.
    pub error: Option<(FailureName, String)>,
    /// The place that is free again where nobody is there to take the reply.
    pub place: Option<Arc<Offer>>,
}

/// A place that is offered to somebody who waited for it, and may have given up since.
#[derive(Debug)]
pub struct Offer {
    /// The reservation.
    pub reservation: Arc<str>,
    /// How many it is offered to and who are not known to be gone.
    pub listeners: AtomicUsize,
}

impl Outgoing {
    /// The reply to `incoming` that says `failure`.
    #[must_use]
    pub fn failed(incoming: &Incoming, failure: &Failure) -> Self {
        let body = wire::failed(failure, None).to_string().into();
        Self::new(incoming, body, Some((failure.name, failure.message.clone())))
    }

    /// The reply to `incoming` with `body`.
    #[must_use]
    pub fn new(incoming: &Incoming, body: Bytes, error: Option<(FailureName, String)>) -> Self {
        Self {
            verb: incoming.verb,
            reply: incoming.reply.clone(),
            received: incoming.received,
            body,
            error,
            place: None,
        }
    }
}
