//! The steps of a start as messages on the bus.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::config::Namespace;
use crate::model::json::{self, JsonLimits};
use crate::model::{Failure, FailureName};
use crate::nats::call::{CallError, Caller};
use crate::nats::starts::{StartAnswer, StartFault, StartOrder};
use crate::nats::wire;

/// The time for a step that needs no chain and no agent.
const STEP_TIME: Duration = Duration::from_secs(5);
/// How often a confirmation or a release is tried, where no answer comes.
const STEP_TRIES: usize = 2;
/// The largest answer that is read, in bytes: the largest message of NATS.
const MAX_ANSWER: usize = 8 << 20;

/// The way in which a start gives its reservation back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GivenBack {
    /// Nobody is to blame.
    Plainly,
    /// The session did not start on the node.
    Failed,
    /// A job will start the session later.
    Deferred,
}

/// A placement that was refused: the service's own answer.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct RefusedPlacement {
    pub(super) name: FailureName,
    pub(super) message: String,
    /// The whole body.
    pub(super) body: Value,
}

/// The bus as a start uses the bus. Tests put a scripted bus in its place.
pub(super) trait StartBus: Sync {
    /// Places `request`; returns the fields of the placement.
    fn place(
        &self,
        request: &Map<String, Value>,
        within: Duration,
    ) -> impl Future<Output = Result<Map<String, Value>, RefusedPlacement>> + Send;

    /// Asks the agent of `node` to start a session.
    fn ask_agent(&self, node: &str, order: &StartOrder, within: Duration) -> impl Future<Output = StartAnswer> + Send;

    /// Says that the session of `reservation` runs.
    fn confirm(&self, reservation: &str) -> impl Future<Output = ()> + Send;

    /// Gives `reservation` back.
    fn give_back(&self, reservation: &str, how: GivenBack) -> impl Future<Output = ()> + Send;

    /// Lets `reservation` live for `seconds` from now on.
    fn renew(&self, reservation: &str, seconds: u64) -> impl Future<Output = ()> + Send;

    /// Sends `news` to the requester, where the requester listens.
    fn tell(&self, news: Value) -> impl Future<Output = ()> + Send;
}

/// The bus itself.
#[derive(Debug)]
pub(super) struct CallingBus {
    caller: Caller,
    namespace: Namespace,
    /// The subject for news.
    progress: Option<String>,
}

impl CallingBus {
    pub(super) fn new(caller: Caller, namespace: Namespace, progress: Option<String>) -> Self {
        Self { caller, namespace, progress }
    }

    /// Sends a message about a reservation, again where no answer comes. A reservation that cannot be reached ends by
    /// itself.
    async fn step(&self, subject: String, body: Value) {
        for _ in 0..STEP_TRIES {
            match self.caller.call(subject.clone(), body.to_string().into_bytes(), STEP_TIME).await {
                Ok(reply) if reply.is_error => {
                    let words = String::from_utf8_lossy(&reply.body).into_owned();
                    return tracing::warn!(subject, words, "a step of a start was refused");
                }
                Ok(_told) => return,
                Err(error) => tracing::warn!(subject, %error, "a step of a start was not answered"),
            }
        }
    }
}

impl StartBus for CallingBus {
    async fn place(
        &self,
        request: &Map<String, Value>,
        within: Duration,
    ) -> Result<Map<String, Value>, RefusedPlacement> {
        let body = Value::Object(request.clone()).to_string().into_bytes();
        let reply = self.caller.call(self.namespace.place(), body, within).await;
        let reply = reply.map_err(|error| RefusedPlacement::own(format!("the placement: {error}")))?;
        let answer = json::parse(&reply.body, JsonLimits::bytes(MAX_ANSWER));
        match answer {
            Ok(Value::Object(placed)) if !reply.is_error => Ok(placed),
            Ok(body) => Err(RefusedPlacement::of(body)),
            Err(error) => Err(RefusedPlacement::own(format!("the placement's answer is {error}"))),
        }
    }

    async fn ask_agent(&self, node: &str, order: &StartOrder, within: Duration) -> StartAnswer {
        let failed = |reason, message| StartAnswer::Failed { reason, message };
        // Strings, numbers and JSON values can always be written.
        let body = serde_json::to_vec(order).unwrap_or_default();
        match self.caller.call(self.namespace.node_start(node), body, within).await {
            Ok(reply) => json::parse_as(&reply.body, JsonLimits::bytes(MAX_ANSWER)).unwrap_or_else(|error| {
                failed(StartFault::Unknown, format!("the agent's answer is {error}; the session may run"))
            }),
            Err(CallError::Away(_)) => {
                failed(StartFault::Away, "no agent that starts sessions answers there".to_owned())
            }
            Err(CallError::Silent(_)) => {
                failed(StartFault::Unknown, "the agent did not answer in time; the session may run".to_owned())
            }
        }
    }

    async fn confirm(&self, reservation: &str) {
        self.step(self.namespace.confirm(), json!({"reservation": reservation})).await;
    }

    async fn give_back(&self, reservation: &str, how: GivenBack) {
        let body = match how {
            GivenBack::Plainly => json!({"reservation": reservation}),
            GivenBack::Failed => json!({"reservation": reservation, "failed": true}),
            GivenBack::Deferred => json!({"reservation": reservation, "deferred": true}),
        };
        self.step(self.namespace.release(), body).await;
    }

    async fn renew(&self, reservation: &str, seconds: u64) {
        let body = json!({"reservation": reservation, "reservation_s": seconds});
        self.step(self.namespace.renew(), body).await;
    }

    async fn tell(&self, news: Value) {
        if let Some(subject) = &self.progress {
            self.caller.publish(subject.clone(), news.to_string().into_bytes()).await;
        }
    }
}

impl RefusedPlacement {
    /// Returns the refusal that `body` reports.
    fn of(body: Value) -> Self {
        let text = |field: &str| body.pointer(&format!("/error/{field}")).and_then(Value::as_str);
        let name = text("name").and_then(FailureName::parse).unwrap_or(FailureName::Internal);
        let message = text("message").unwrap_or("the placement was refused").to_owned();
        Self { name, message, body }
    }

    /// Returns the refusal for a placement that could not even be asked for.
    fn own(message: String) -> Self {
        let failure = Failure::new(FailureName::Internal, message);
        Self::of(wire::failed(&failure, None))
    }
}
