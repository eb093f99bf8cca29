//! Requests for starts: checked here, and then carried out step by step outside of the front.
//!
//! A start is a placement, a request to the chosen node's agent, and a confirmation or a release, over and over. Each
//! step is an ordinary message on the bus, which any replica may answer; so the front keeps no state of a start, and a
//! start that is repeated after the death of a replica finds all state that matters in the ledger and at the agent.
//! Rejected: a further stage of pending requests, which would hold places in the queues of chains for minutes.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::config::problem::quoted;
use crate::model::json::{self, JsonLimits};
use crate::model::{Failure, FailureName, Request};
use crate::nats::message::Incoming;
use crate::registry::ledger::RequestKey;

use super::effects::Effect;
use super::task::Front;

/// The longest subject for news, in bytes.
const MAX_SUBJECT_BYTES: usize = 256;
/// The time that a start may take where the requester names none.
const USUAL_TIME: Duration = Duration::from_secs(120);

/// A request for a start, checked.
#[derive(Clone, Debug)]
pub struct StartRequest {
    /// The message, without the body.
    pub incoming: Incoming,
    /// The request for the placement; it always has an `id`.
    pub request: Map<String, Value>,
    /// The user, with `login`.
    pub user: Value,
    /// The login of the user; empty where the request has none.
    pub login: Arc<str>,
    /// Whether the user is an administrator.
    pub is_admin: bool,
    /// FastX's start document.
    pub start: Value,
    /// The subject for news of the start.
    pub progress: Option<String>,
    /// The time that is left for the start.
    pub left: Duration,
    /// The earlier start of the same request.
    pub earlier: EarlierStart,
}

/// The earlier start of the same request, as far as this replica knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EarlierStart {
    /// There is none.
    None,
    /// The request has a reservation: the agent of the node may have been asked.
    Placed,
    /// The session of the request has started.
    Started {
        /// The node.
        node: Arc<str>,
        /// The reservation, which is over.
        reservation: Arc<str>,
    },
}

impl Front {
    /// Handles a request for a start.
    pub(super) fn start(&mut self, mut incoming: Incoming) {
        match self.look_at_deadline(&mut incoming).and_then(|()| self.start_request(&incoming)) {
            Ok(start) => self.order(Effect::Start(Box::new(start))),
            Err(failure) => {
                self.metrics.start_ended(failure.name.as_str());
                self.fail(&incoming, &failure);
            }
        }
    }

    fn start_request(&mut self, incoming: &Incoming) -> Result<StartRequest, Failure> {
        let bad = |message: String| Failure::new(FailureName::BadRequest, message);
        let setup = Arc::clone(&self.workers.setup().birth);
        let limits = JsonLimits::bytes(setup.limits.request_bytes);
        let body = json::parse(incoming.body(), limits).map_err(|error| bad(format!("the request is {error}")))?;
        let Value::Object(mut request) = body else {
            return Err(bad(format!("the request must be a JSON object, this is {}", json::kind(&body))));
        };
        let progress = self.progress(&mut request)?;
        let start = taken(&mut request, "start", Value::is_object, "an object")?;
        if let Some(start) = start {
            put_start(&mut request, start);
        }
        let read = Request::from_value(Value::Object(request.clone()), "").map_err(|error| bad(error.to_string()))?;
        let head = read.head();
        let Some(chain) = setup.set.get(&head.action) else {
            let message = format!("no chain is configured for the action {}", quoted(&head.action));
            return Err(Failure::new(FailureName::UnknownAction, message));
        };
        if !chain.reserve {
            let message = format!(
                "the chain of {} reserves nothing (`reserve`), so nothing can be started by it; ask `place`",
                quoted(&head.action)
            );
            return Err(bad(message));
        }
        let id = match &head.id {
            Some(id) => Arc::clone(id),
            // A step whose answer is lost on the way is repeated.
            None => self.number().1,
        };
        request.insert("id".to_owned(), Value::from(&*id));
        let key = RequestKey { id, action: Arc::clone(&head.action), login: Arc::clone(&head.login) };
        let field = |name: &str| read.fields().get(name).cloned().unwrap_or_default();
        let left = incoming.deadline_ms.map(|deadline_ms| deadline_ms.saturating_sub(self.now.unix_ms));
        let left = left.map_or(USUAL_TIME, |left_ms| Duration::from_millis(u64::try_from(left_ms).unwrap_or_default()));
        Ok(StartRequest {
            incoming: incoming.without_payload(),
            user: field("user"),
            login: Arc::clone(&head.login),
            is_admin: field("isAdmin") == Value::Bool(true),
            start: read.fields().get("params").and_then(|params| params.get("start")).cloned().unwrap_or_default(),
            progress,
            left,
            earlier: self.earlier(&key),
            request,
        })
    }

    fn earlier(&self, key: &RequestKey) -> EarlierStart {
        if self.ledger.repeated(key).is_some() || self.requests.ticket_of(key).is_some() {
            return EarlierStart::Placed;
        }
        match self.ledger.started(key) {
            Some(reservation) => {
                EarlierStart::Started { node: Arc::clone(&reservation.node), reservation: Arc::clone(&reservation.id) }
            }
            None => EarlierStart::None,
        }
    }

    /// Takes the subject for news out of `request`. The task that publishes there knows to which subjects that is
    /// allowed.
    ///
    /// # Errors
    /// A text that is no subject.
    fn progress(&self, request: &mut Map<String, Value>) -> Result<Option<String>, Failure> {
        let Some(subject) = taken(request, "progress", Value::is_string, "a subject")? else { return Ok(None) };
        let subject = subject.as_str().unwrap_or_default();
        let is_plain = |part: &str| !part.is_empty() && !part.contains(['*', '>']) && part.chars().all(is_visible);
        if subject.len() > MAX_SUBJECT_BYTES || !subject.split('.').all(is_plain) {
            let message = format!("`progress` must be a subject such as an inbox, not {}", quoted(subject));
            return Err(Failure::new(FailureName::BadRequest, message));
        }
        Ok(Some(subject.to_owned()))
    }
}

fn is_visible(character: char) -> bool {
    !character.is_whitespace() && !character.is_control()
}

/// Takes the field `name` out of `request`; `null` counts as absent.
fn taken(
    request: &mut Map<String, Value>,
    name: &str,
    is_right: fn(&Value) -> bool,
    expected: &str,
) -> Result<Option<Value>, Failure> {
    match request.shift_remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) if is_right(&value) => Ok(Some(value)),
        Some(other) => {
            let message = format!("`{name}` must be {expected}, not {}", json::kind(&other));
            Err(Failure::new(FailureName::BadRequest, message))
        }
    }
}

/// Puts the start document where scripts look for the document, unless scripts are to see another.
fn put_start(request: &mut Map<String, Value>, start: Value) {
    let params = request.entry("params").or_insert_with(|| Value::Object(Map::new()));
    if params.is_null() {
        *params = Value::Object(Map::new());
    }
    if let Some(params) = params.as_object_mut() {
        params.insert("start".to_owned(), start);
    }
}

#[cfg(test)]
mod tests;
