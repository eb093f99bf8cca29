//! The messages between the service and a node's agent about the start of a session.
//!
//! Service and agent may be of different releases: unknown fields are passed over, and a failure for an unknown reason
//! is a failure all the same.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The most bytes that a start may print, all of which the answer of an agent carries: NATS's messages end at 1 MiB, and
/// a byte of text may take six bytes of JSON.
pub const MAX_PRINTED_BYTES: usize = 128 * 1024;

/// The request of the service to an agent to start a session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StartOrder {
    /// The reservation under which the session is placed. An agent starts at most one session for a reservation.
    pub reservation: String,
    /// The user, as the requester describes the user.
    pub user: Value,
    /// The login of the user; empty where the requester names none.
    pub login: String,
    /// Whether the user is an administrator.
    pub admin: bool,
    /// FastX's start document.
    pub start: Value,
    /// The time that the start may take, in milliseconds from the receipt on.
    pub limit_ms: u64,
    /// The moment at which the service stops waiting, in Unix milliseconds UTC: a request that was held back on the way
    /// is not run.
    pub deadline_ms: i64,
    /// Whether the session started before: the agent answers with what the agent remembers, and starts nothing.
    #[serde(default)]
    pub recall: bool,
}

/// The answer of an agent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum StartAnswer {
    /// The session runs.
    Started {
        /// The JSON object that the command printed; absent where the session runs and the agent that started the
        /// session is not there any more.
        output: Option<Value>,
    },
    /// The start command had something to say to the user, and started nothing.
    Text {
        /// The printed text.
        text: String,
    },
    /// A job will start the session later.
    Deferred {
        /// The printed text.
        text: String,
    },
    /// Nothing was started.
    Failed {
        /// The reason.
        reason: StartFault,
        /// The reason in words, for a person.
        message: String,
    },
}

/// The reason why a node did not start a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StartFault {
    /// The command could not be started.
    Spawn,
    /// The command ended with another exit code than 0.
    Exit,
    /// A signal ended the command.
    Signal,
    /// The command was still running at the time limit.
    Time,
    /// The command printed too much.
    Output,
    /// The command printed nothing.
    Silent,
    /// The user's login cannot be that of a user.
    User,
    /// Too many starts are under way on the node.
    Busy,
    /// The time for the start was over before the start's turn came.
    Late,
    /// The agent is stopping.
    Stopping,
    /// The agent does not remember the start.
    Forgotten,
    /// The request cannot be read.
    Unreadable,
    /// Nobody on the node answers: no agent that takes starts runs there.
    Away,
    /// The agent did not answer in time: the session may run or not.
    Unknown,
    /// A reason of a later release.
    #[serde(other)]
    Other,
}

impl StartFault {
    /// Returns the name of the reason on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Spawn => "spawn",
            Self::Exit => "exit",
            Self::Signal => "signal",
            Self::Time => "time",
            Self::Output => "output",
            Self::Silent => "silent",
            Self::User => "user",
            Self::Busy => "busy",
            Self::Late => "late",
            Self::Stopping => "stopping",
            Self::Forgotten => "forgotten",
            Self::Unreadable => "unreadable",
            Self::Away => "away",
            Self::Unknown => "unknown",
            Self::Other => "other",
        }
    }

    /// Every reason that this release knows, with its meaning for a person.
    pub const ALL: [(Self, &'static str); 14] = [
        (Self::Spawn, "the command could not be started"),
        (Self::Exit, "the command ended with another exit code than 0"),
        (Self::Signal, "a signal ended the command"),
        (Self::Time, "the command was still running at its time limit, and was killed"),
        (Self::Output, "the command printed more than allowed, and was killed"),
        (Self::Silent, "the start command printed nothing"),
        (Self::User, "the login cannot be that of a user; no other node is tried"),
        (Self::Busy, "too many starts were under way on the node"),
        (Self::Late, "the time was over before the start's turn came"),
        (Self::Stopping, "the agent was stopping"),
        (Self::Forgotten, "the session has started before, and its agent does not remember what the start said"),
        (Self::Unreadable, "the agent could not read the request"),
        (Self::Away, "no agent that starts sessions answers for the node"),
        (Self::Unknown, "the agent did not answer in time: the session may run, so no other node is tried"),
    ];
}

impl std::fmt::Display for StartFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn answers_look_as_documented() {
        let written = |answer: StartAnswer| serde_json::to_value(answer).unwrap();
        let output = Some(json!({"result": 1}));
        assert_eq!(written(StartAnswer::Started { output }), json!({"state": "started", "output": {"result": 1}}));
        let failed = StartAnswer::Failed { reason: StartFault::Exit, message: "no".to_owned() };
        assert_eq!(written(failed), json!({"state": "failed", "reason": "exit", "message": "no"}));
        for (fault, _) in StartFault::ALL {
            assert_eq!(json!(fault), fault.as_str());
        }
    }

    #[test]
    fn a_later_release_is_understood() {
        let order = json!({
            "reservation": "r", "user": {}, "login": "ann", "admin": false, "start": {}, "limit_ms": 1,
            "deadline_ms": 2, "new": true,
        });
        let order: StartOrder = serde_json::from_value(order).unwrap();
        assert!(!order.recall);
        let answer = json!({"state": "failed", "reason": "weather", "message": "rain"});
        let answer: StartAnswer = serde_json::from_value(answer).unwrap();
        assert_eq!(answer, StartAnswer::Failed { reason: StartFault::Other, message: "rain".to_owned() });
    }
}
