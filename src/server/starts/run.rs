//! A start from the request to the end: place, ask the node's agent, confirm; or give back and try the next node.
//!
//! A session is never started twice for a request. So the next node is tried only where the node surely started
//! nothing: the agent said so, or nobody was there to ask. Where the agent may have started the session and does not say
//! so, the start ends, and the reservation lives on until the node reports the session or the reservation's time is
//! over; the same request, asked again meanwhile, asks the same agent about the same reservation.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};
use tokio::time::{Instant, sleep};

use crate::front::{EarlierStart, StartRequest};
use crate::model::{Failure, FailureName};
use crate::nats::starts::{StartAnswer, StartFault, StartOrder};

use super::body::{FailedTry, StartEnd};
use super::bus::{GivenBack, StartBus};

/// The most nodes that a start tries.
const MOST_TRIES: usize = 3;
/// The time that is kept for the way of the last reply back to the requester.
const FOR_THE_REPLY: Duration = Duration::from_millis(250);
/// The time that an agent is given less than the service waits for the agent.
const FOR_THE_AGENTS_REPLY: Duration = Duration::from_millis(500);
/// The least time that is left for a try.
const LEAST_TIME: Duration = Duration::from_secs(1);
/// The shortest time between two renewals of a reservation.
const BETWEEN_RENEWALS: Duration = Duration::from_secs(1);

/// A start under way.
pub(super) struct StartRun<'a, B> {
    bus: &'a B,
    start: &'a StartRequest,
    /// The moment by which the requester has a reply.
    until: Instant,
    tries: Vec<FailedTry>,
}

/// The fields of a placement that a start needs, and all fields for the reply.
struct StartPlace {
    node: String,
    reservation: String,
    life: Duration,
    fields: Map<String, Value>,
}

impl<'a, B: StartBus> StartRun<'a, B> {
    /// Creates the run of `start`, which was received just now.
    pub(super) fn new(bus: &'a B, start: &'a StartRequest) -> Self {
        let until = Instant::now() + start.left.saturating_sub(FOR_THE_REPLY);
        Self { bus, start, until, tries: Vec::new() }
    }

    /// Runs the start to the end.
    pub(super) async fn run(mut self) -> StartEnd {
        if let EarlierStart::Started { node, reservation } = &self.start.earlier {
            return self.recall(node, reservation).await;
        }
        loop {
            let left = self.left();
            if left < LEAST_TIME {
                return StartEnd::out_of_tries(&self.tries, "; no time is left for another node");
            }
            self.bus.tell(json!({"state": "placing", "try": self.number()})).await;
            let placed = match self.bus.place(&self.start.request, left).await {
                Ok(placed) => placed,
                Err(refused) => return StartEnd::refused(refused, &self.tries),
            };
            let Some(place) = StartPlace::read(placed) else {
                let failure = Failure::new(FailureName::Internal, "the placement has no node or no reservation");
                return StartEnd::failed(&failure, &self.tries, Map::new());
            };
            if self.tries.iter().any(|tried| tried.node == place.node) {
                // Nodes that cool down are chosen where no other is left; what failed just now would fail again.
                self.bus.give_back(&place.reservation, GivenBack::Plainly).await;
                return StartEnd::out_of_tries(&self.tries, "; no other node is left");
            }
            if self.left() < LEAST_TIME {
                self.bus.give_back(&place.reservation, GivenBack::Plainly).await;
                return StartEnd::out_of_tries(&self.tries, "; no time was left when a node was found");
            }
            self.bus
                .tell(json!({
                    "state": "starting", "node": place.node, "reservation": place.reservation, "try": self.number(),
                }))
                .await;
            let answer = self.ask(&place).await;
            if let Some(end) = self.conclude(place, answer).await {
                return end;
            }
        }
    }

    /// Asks the agent of a node, and keeps the reservation alive meanwhile.
    async fn ask(&self, place: &StartPlace) -> StartAnswer {
        let within = self.left();
        let order = self.order(&place.reservation, within, false);
        let answer = self.bus.ask_agent(&place.node, &order, within);
        tokio::pin!(answer);
        let every = (place.life / 2).max(BETWEEN_RENEWALS);
        loop {
            tokio::select! {
                answer = &mut answer => return answer,
                () = sleep(every) => self.bus.renew(&place.reservation, place.life.as_secs().max(1)).await,
            }
        }
    }

    /// Concludes the try at `place`; `None` where another node is to be tried.
    async fn conclude(&mut self, place: StartPlace, answer: StartAnswer) -> Option<StartEnd> {
        let id = &place.reservation;
        match answer {
            StartAnswer::Started { output } => {
                self.bus.confirm(id).await;
                Some(StartEnd::of("started", place.fields, started(output), &self.tries))
            }
            StartAnswer::Deferred { text } => {
                self.bus.give_back(id, GivenBack::Deferred).await;
                Some(StartEnd::of("deferred", place.fields, told(text), &self.tries))
            }
            StartAnswer::Text { text } => {
                self.bus.give_back(id, GivenBack::Failed).await;
                Some(StartEnd::of("text", place.fields, told(text), &self.tries))
            }
            StartAnswer::Failed { reason: StartFault::User, message } => {
                self.bus.give_back(id, GivenBack::Plainly).await;
                Some(StartEnd::failed(&Failure::new(FailureName::BadRequest, message), &self.tries, Map::new()))
            }
            StartAnswer::Failed { reason, message } => {
                let was_asked_before = self.tries.is_empty() && self.start.earlier == EarlierStart::Placed;
                let is_open = reason == StartFault::Unknown || reason == StartFault::Away && was_asked_before;
                self.failed_on(&place, reason, message).await;
                if is_open {
                    return Some(self.open_end(&place));
                }
                self.bus.give_back(&place.reservation, GivenBack::Failed).await;
                (self.tries.len() >= MOST_TRIES)
                    .then(|| StartEnd::out_of_tries(&self.tries, "; no more than 3 nodes are tried"))
            }
        }
    }

    async fn failed_on(&mut self, place: &StartPlace, reason: StartFault, message: String) {
        let (node, reason) = (place.node.clone(), reason.as_str());
        self.bus
            .tell(json!({
                "state": "failed", "node": node, "reason": reason, "message": message, "try": self.number(),
            }))
            .await;
        self.tries.push(FailedTry { node, reason, message });
    }

    /// The end of a start of which nobody knows whether the session runs.
    fn open_end(&self, place: &StartPlace) -> StartEnd {
        let words = format!(
            "nobody knows whether the session runs on {}: ask again with the same `id`, {} s from now at the latest for \
             another node",
            place.node,
            place.life.as_secs()
        );
        let failure = Failure::new(FailureName::StartFailed, words);
        let known = [("node", &place.node), ("reservation", &place.reservation)];
        let known = known.map(|(name, value)| (name.to_owned(), json!(value)));
        StartEnd::failed(&failure, &self.tries, Map::from_iter(known))
    }

    /// Answers a request whose session has started before, with all that the agent remembers.
    async fn recall(&self, node: &str, reservation: &str) -> StartEnd {
        let order = self.order(reservation, self.left(), true);
        let output = match self.bus.ask_agent(node, &order, self.left()).await {
            StartAnswer::Started { output } => output,
            _ => None,
        };
        let fields = json!({"node": node, "reservation": reservation});
        StartEnd::of("started", fields.as_object().cloned().unwrap_or_default(), started(output), &self.tries)
    }

    fn order(&self, reservation: &str, within: Duration, recall: bool) -> StartOrder {
        let limit = within.saturating_sub(FOR_THE_AGENTS_REPLY);
        let deadline = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default() + within;
        StartOrder {
            reservation: reservation.to_owned(),
            user: self.start.user.clone(),
            login: self.start.login.to_string(),
            admin: self.start.is_admin,
            start: self.start.start.clone(),
            limit_ms: u64::try_from(limit.as_millis()).unwrap_or(u64::MAX),
            deadline_ms: i64::try_from(deadline.as_millis()).unwrap_or(i64::MAX),
            recall,
        }
    }

    fn left(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }

    /// The number of the present try, from 1.
    fn number(&self) -> usize {
        self.tries.len() + 1
    }
}

impl StartPlace {
    fn read(fields: Map<String, Value>) -> Option<Self> {
        let text = |name: &str| fields.get(name).and_then(Value::as_str).map(str::to_owned);
        let (node, reservation) = (text("node")?, text("reservation")?);
        let life = Duration::from_millis(fields.get("expires_in_ms").and_then(Value::as_u64).unwrap_or_default());
        Some(Self { node, reservation, life, fields })
    }
}

/// The fields that tell what a start printed: `result`, and the whole object where the object has more.
fn started(output: Option<Value>) -> Map<String, Value> {
    let Some(Value::Object(output)) = output else { return Map::new() };
    let mut fields = Map::new();
    fields.insert("result".to_owned(), output.get("result").cloned().unwrap_or_default());
    if output.len() > 1 {
        fields.insert("output".to_owned(), Value::Object(output));
    }
    fields
}

fn told(text: String) -> Map<String, Value> {
    Map::from_iter([("text".to_owned(), Value::from(text))])
}

#[cfg(test)]
mod tests;
