//! The steps of a start as messages on the bus.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use crate::config::Namespace;
use crate::model::json::{self, JsonLimits};
use crate::model::{Failure, FailureName};
use crate::nats::call::{CallError, CallReply, Caller};
use crate::nats::starts::{StartAnswer, StartFault, StartOrder};
use crate::nats::wire;
use crate::trace::{RequestTrace, SpanFailure, SpanRole, TimedSpan};

/// The time for a step that needs no chain and no agent.
const STEP_TIME: Duration = Duration::from_secs(5);
/// How often a confirmation or a release is tried, where no answer comes.
const STEP_TRIES: usize = 2;
/// The most spans of a start; a start that takes long renews its reservation over and over.
const MAX_SPANS: usize = 128;
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
    /// The trace that the request for the start belongs to.
    trace: Option<Arc<RequestTrace>>,
    /// A span for each message so far, where the request is recorded.
    spans: Mutex<Vec<TimedSpan>>,
}

impl CallingBus {
    pub(super) fn new(
        caller: Caller,
        namespace: Namespace,
        progress: Option<String>,
        trace: Option<Arc<RequestTrace>>,
    ) -> Self {
        Self { caller, namespace, progress, trace, spans: Mutex::default() }
    }

    /// Returns the spans of the messages that were sent, where the request for the start is recorded.
    pub(super) fn into_spans(self) -> Vec<TimedSpan> {
        self.spans.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a message and waits for the reply. The message carries the trace of the request for the start; where that
    /// is recorded, the message is a span, and who answers is below that span.
    async fn call(&self, message: StartMessage, body: Vec<u8>, within: Duration) -> Result<CallReply, CallError> {
        let StartMessage { subject, kind } = message;
        let place = self.begin_span(&subject, kind);
        let context = self.trace.as_deref().map(|trace| match place {
            Some(place) => trace.context.with_span(trace.child(place)),
            None => trace.context.clone(),
        });
        let replied = self.caller.call(subject, body, within, context.as_ref()).await;
        let failure = match &replied {
            Ok(reply) if reply.is_error => Some(("refused", String::from_utf8_lossy(&reply.body).into_owned())),
            Ok(_reply) => None,
            Err(CallError::Away(subject)) => Some(("away", format!("nobody answers on {subject}"))),
            Err(CallError::Silent(words)) => Some(("silent", words.clone())),
        };
        self.end_span(place, failure.map(|(name, message)| SpanFailure { name, message }));
        replied
    }

    /// Opens a span for a message to `subject`; returns the place of the span.
    fn begin_span(&self, subject: &str, kind: &'static str) -> Option<usize> {
        self.trace.as_ref().filter(|trace| trace.is_recorded())?;
        let mut spans = self.spans.lock().unwrap_or_else(PoisonError::into_inner);
        let place = spans.len();
        if place >= MAX_SPANS {
            return None;
        }
        let mut span = TimedSpan::open(kind, SpanRole::Sender, Instant::now());
        span.attributes.push(("messaging.destination.name", subject.into()));
        spans.push(span);
        Some(place)
    }

    fn end_span(&self, place: Option<usize>, failure: Option<SpanFailure>) {
        let mut spans = self.spans.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(span) = place.and_then(|place| spans.get_mut(place)) {
            (span.end, span.failure) = (Instant::now(), failure);
        }
    }

    /// Sends a message about a reservation, again where no answer comes. A reservation that cannot be reached ends by
    /// itself.
    async fn step(&self, message: StartMessage, body: Value) {
        let subject = &*message.subject;
        for _ in 0..STEP_TRIES {
            match self.call(message.clone(), body.to_string().into_bytes(), STEP_TIME).await {
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

/// A message of a start.
#[derive(Clone, Debug)]
struct StartMessage {
    /// The name of the message's span: subjects have the keys of nodes in them, of which there are many.
    kind: &'static str,
    subject: String,
}

impl StartMessage {
    fn new(kind: &'static str, subject: String) -> Self {
        Self { kind, subject }
    }
}

impl StartBus for CallingBus {
    async fn place(
        &self,
        request: &Map<String, Value>,
        within: Duration,
    ) -> Result<Map<String, Value>, RefusedPlacement> {
        let body = Value::Object(request.clone()).to_string().into_bytes();
        let reply = self.call(StartMessage::new("send place", self.namespace.place()), body, within).await;
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
        let message = StartMessage::new("send node.start", self.namespace.node_start(node));
        match self.call(message, body, within).await {
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
        self.step(StartMessage::new("send confirm", self.namespace.confirm()), json!({"reservation": reservation}))
            .await;
    }

    async fn give_back(&self, reservation: &str, how: GivenBack) {
        let body = match how {
            GivenBack::Plainly => json!({"reservation": reservation}),
            GivenBack::Failed => json!({"reservation": reservation, "failed": true}),
            GivenBack::Deferred => json!({"reservation": reservation, "deferred": true}),
        };
        self.step(StartMessage::new("send release", self.namespace.release()), body).await;
    }

    async fn renew(&self, reservation: &str, seconds: u64) {
        let body = json!({"reservation": reservation, "reservation_s": seconds});
        self.step(StartMessage::new("send renew", self.namespace.renew()), body).await;
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
