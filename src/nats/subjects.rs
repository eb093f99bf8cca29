//! Every name that appears on the bus: subjects, buckets, streams, headers, and how a node's id becomes a key.
//!
//! A single file, because these names are a contract with launchers and agents of other releases (ARCHITECTURE.md,
//! Contracts). A node's id is any text; a key is not, so every other byte is escaped. Rejected: refusing such ids, for
//! `host:7070` is a plausible id, and leaving the check to the client library, which accepts `a..b` where the server
//! does not.

use crate::config::Namespace;

/// The name of the micro service.
pub const SERVICE: &str = "whither";
/// The queue group that all replicas of the service share.
pub const QUEUE_GROUP: &str = "q";
/// The request header with the moment, in Unix milliseconds UTC, past which the requester no longer waits.
pub const HEADER_DEADLINE: &str = "Whither-Deadline";
/// The request header with the time, in milliseconds, for which the requester waits. Counted from the receipt of the
/// request, so no two clocks have to agree, and preferred where both headers are given.
pub const HEADER_TIMEOUT: &str = "Whither-Timeout";
/// The reply header with an error's text, as the micro-service protocol names it.
pub const HEADER_ERROR: &str = "Nats-Service-Error";
/// The reply header with an error's code, as the micro-service protocol names it.
pub const HEADER_ERROR_CODE: &str = "Nats-Service-Error-Code";

/// The reason why a key names no node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The key is empty.
    #[error("the key is empty")]
    Empty,
    /// A byte that must be written `=XX` is not escaped.
    #[error("a key has letters, digits, `_` and `-`; every other byte is written `=XX`")]
    Unescaped,
    /// `=` is not followed by two upper-case hexadecimal digits, or escapes a byte that needs no escape.
    #[error("`=` must be followed by two upper-case hexadecimal digits of a byte that needs it")]
    Escape,
    /// The bytes are no text.
    #[error("the key's bytes are not UTF-8")]
    NotUtf8,
}

impl Namespace {
    /// The subject for placements.
    #[must_use]
    pub fn place(&self) -> String {
        self.subject("place")
    }

    /// The subject for starts: a placement, and the start of the session by the chosen node's agent.
    #[must_use]
    pub fn start(&self) -> String {
        self.subject("start")
    }

    /// The subject on which the agent of the node `id` is asked to start a session.
    #[must_use]
    pub fn node_start(&self, id: &str) -> String {
        self.of_node(id, "start")
    }

    /// The subject for explanations.
    #[must_use]
    pub fn explain(&self) -> String {
        self.subject("explain")
    }

    /// The subject on which a launcher confirms that a session runs.
    #[must_use]
    pub fn confirm(&self) -> String {
        self.subject("confirm")
    }

    /// The subject on which a launcher gives a reservation back.
    #[must_use]
    pub fn release(&self) -> String {
        self.subject("release")
    }

    /// The subject on which a launcher lets a reservation live longer.
    #[must_use]
    pub fn renew(&self) -> String {
        self.subject("renew")
    }

    /// The subject on which a request is called off.
    #[must_use]
    pub fn cancel(&self) -> String {
        self.subject("cancel")
    }

    /// The subject for the list of waiting requests.
    #[must_use]
    pub fn waiting(&self) -> String {
        self.subject("waiting")
    }

    /// The subject for the node list.
    #[must_use]
    pub fn nodes(&self) -> String {
        self.subject("nodes")
    }

    /// The subject on which a node is taken out of service for new sessions.
    #[must_use]
    pub fn cordon(&self) -> String {
        self.subject("cordon")
    }

    /// The subject on which a node is put back into service.
    #[must_use]
    pub fn uncordon(&self) -> String {
        self.subject("uncordon")
    }

    /// The subject on which every replica is asked to read the config again.
    #[must_use]
    pub fn reload(&self) -> String {
        self.subject("reload")
    }

    /// The subject on which a node is accepted that is held.
    #[must_use]
    pub fn accept(&self) -> String {
        self.subject("accept")
    }

    /// The subject on which a node is forgotten that does not report any more.
    #[must_use]
    pub fn forget(&self) -> String {
        self.subject("forget")
    }

    /// The subject on which every replica tells how it is.
    #[must_use]
    pub fn status(&self) -> String {
        self.subject("status")
    }

    /// The subject on which every replica and every agent is asked for its log.
    #[must_use]
    pub fn logs(&self) -> String {
        self.subject("logs")
    }

    /// The subject on which every replica and every agent is asked to log more, or less, for a while.
    #[must_use]
    pub fn log_level(&self) -> String {
        self.subject("log-level")
    }

    /// The subject on which the agent of the node `id` is asked by `verb`.
    #[must_use]
    pub fn of_node(&self, id: &str, verb: &str) -> String {
        self.subject(&format!("node.{}.{verb}", encode_key(id)))
    }

    /// Returns the subject of requests for a recorded decision.
    #[must_use]
    pub fn decision(&self) -> String {
        self.subject("decision")
    }

    /// The subject on which a user is assigned to a node.
    #[must_use]
    pub fn assign(&self) -> String {
        self.subject("assign")
    }

    /// The subject on which the assignment of a user is taken back.
    #[must_use]
    pub fn unassign(&self) -> String {
        self.subject("unassign")
    }

    /// The subject for the list of assignments.
    #[must_use]
    pub fn assignments(&self) -> String {
        self.subject("assignments")
    }

    /// The subject for the list of countable facts.
    #[must_use]
    pub fn facts(&self) -> String {
        self.subject("facts")
    }

    /// The subject on which the count of a countable fact is set.
    #[must_use]
    pub fn fact_set(&self) -> String {
        self.subject("fact-set")
    }

    /// The subject on which a countable fact is deleted.
    #[must_use]
    pub fn fact_delete(&self) -> String {
        self.subject("fact-delete")
    }

    /// The subject on which replicas share their reservations.
    #[must_use]
    pub fn peers(&self) -> String {
        self.subject("peers.say")
    }

    /// The subject on which `replica` takes the requests of `endpoint` that no other replica can answer.
    #[must_use]
    pub fn peer(&self, replica: &str, endpoint: &str) -> String {
        self.subject(&format!("peers.to.{replica}.{endpoint}"))
    }

    /// The key-value bucket of node documents, written by agents.
    #[must_use]
    pub fn nodes_bucket(&self) -> String {
        self.storage("nodes")
    }

    /// The key-value bucket of marks, written by the service alone.
    #[must_use]
    pub fn marks_bucket(&self) -> String {
        self.storage("marks")
    }

    /// The key-value bucket of claims, written by the service alone.
    #[must_use]
    pub fn claims_bucket(&self) -> String {
        self.storage("claims")
    }

    /// The key-value bucket of assignments, written by the service alone.
    #[must_use]
    pub fn assignments_bucket(&self) -> String {
        self.storage("assignments")
    }

    /// The key-value bucket of countable facts, written by the service alone.
    #[must_use]
    pub fn facts_bucket(&self) -> String {
        self.storage("facts")
    }

    /// The stream of the history of nodes.
    #[must_use]
    pub fn events_stream(&self) -> String {
        self.storage("events")
    }

    /// The subjects that the events stream stores.
    #[must_use]
    pub fn events_filter(&self) -> String {
        self.subject("events.>")
    }

    /// The subject of the history of the node `id`.
    #[must_use]
    pub fn events_of(&self, id: &str) -> String {
        self.subject(&format!("events.{}", encode_key(id)))
    }

    /// Whether an answer may go to `subject`. The requester names the subject, and we may publish where the requester
    /// may not: a request with an answer to a bucket or to another endpoint would have us write there for the
    /// requester.
    #[must_use]
    pub fn may_answer_to(&self, subject: &str) -> bool {
        let own = subject.strip_prefix(self.as_str()).is_some_and(|rest| rest.starts_with('.'));
        !own && !subject.starts_with('$')
    }

    fn subject(&self, name: &str) -> String {
        format!("{}.{name}", self.as_str())
    }

    fn storage(&self, name: &str) -> String {
        format!("{}_{name}", self.as_str())
    }
}

/// The stream that stores the bucket `bucket`.
#[must_use]
pub fn bucket_stream(bucket: &str) -> String {
    format!("KV_{bucket}")
}

/// The subject on which JetStream announces that the stream `stream` was made.
#[must_use]
pub fn creation_advisory(stream: &str) -> String {
    format!("$JS.EVENT.ADVISORY.STREAM.CREATED.{stream}")
}

/// The subject of the entry `key` of `bucket`.
#[must_use]
pub fn bucket_subject(bucket: &str, key: &str) -> String {
    format!("$KV.{bucket}.{key}")
}

/// Returns the key of the node `id`: every byte outside of letters, digits, `_` and `-` becomes `=XX`.
#[must_use]
pub fn encode_key(id: &str) -> String {
    let mut key = String::with_capacity(id.len());
    for byte in id.bytes() {
        if is_plain(byte) {
            key.push(char::from(byte));
        } else {
            key.extend(['=', hex(byte >> 4), hex(byte & 0x0f)]);
        }
    }
    key
}

/// Returns the id of the node with the key `key`. Each id has exactly one key, so that no node can be stored twice.
///
/// # Errors
/// [`KeyError`] where [`encode_key`] makes no such key.
pub fn decode_key(key: &str) -> Result<String, KeyError> {
    let mut id = Vec::with_capacity(key.len());
    let mut bytes = key.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'=' => {
                let digits = bytes.next().and_then(unhex).zip(bytes.next().and_then(unhex));
                let byte = digits.map(|(high, low)| high << 4 | low).filter(|byte| !is_plain(*byte));
                id.push(byte.ok_or(KeyError::Escape)?);
            }
            plain if is_plain(plain) => id.push(plain),
            _ => return Err(KeyError::Unescaped),
        }
    }
    if id.is_empty() {
        return Err(KeyError::Empty);
    }
    String::from_utf8(id).map_err(|_bytes| KeyError::NotUtf8)
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

fn hex(nibble: u8) -> char {
    char::from_digit(u32::from(nibble), 16).unwrap_or_default().to_ascii_uppercase()
}

fn unhex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
