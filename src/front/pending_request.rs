//! A pending request: a question from the requester's message to the answer, with the stage of the question.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::{Duration, Instant};

use serde_json::{Map, Value};

use crate::model::{Needs, Reservation};
use crate::nats::message::{Incoming, Offered, Outgoing};
use crate::nats::wire;
use crate::registry::ledger::RequestKey;
use crate::worker::PlacementQuestion;

use super::placement_reply::PlacementReply;
use super::stage_spans::StageSpans;

/// The stage of a pending request between the requester's message and the reply.
#[derive(Debug)]
pub(super) enum PendingStage {
    /// In the queue of a worker slot: no worker was asked yet, the worker that was asked has died, the program has
    /// answered, or the request is decided again.
    Queued,
    /// A worker decides.
    Asked,
    /// A program decides, or the program's turn has not come.
    Suspended,
    /// Decided: the place is being claimed in the bus.
    Claiming(Box<Claiming>),
    /// No node was free: the request waits for a node.
    Waiting,
    /// Decided before this replica had caught up: the request is decided again, also by the program that chose the
    /// node, where a program is named here.
    HeldBack(Option<Arc<str>>),
}

impl PendingStage {
    /// The names of all stages, in the order in which a request passes through them.
    pub(super) const NAMES: [&str; 6] = ["queued", "asked", "suspended", "claiming", "waiting", "held-back"];

    /// Returns the name of the stage.
    pub(super) const fn as_str(&self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Asked => "asked",
            Self::Suspended => "suspended",
            Self::Claiming(_) => "claiming",
            Self::Waiting => "waiting",
            Self::HeldBack(_) => "held-back",
        }
    }
}

/// A placement whose place is being claimed.
#[derive(Debug)]
pub(super) struct Claiming {
    pub(super) reservation: Reservation,
    pub(super) reply: PlacementReply,
}

/// A question under way, with the messages that wait for the answer.
#[derive(Debug)]
pub(super) struct PendingRequest {
    pub(super) question: Arc<PlacementQuestion>,
    pub(super) stage: PendingStage,
    pub(super) waiting: Vec<Incoming>,
    pub(super) key: Option<RequestKey>,
    /// The countable facts that the request needs.
    pub(super) needs: Needs,
    /// The request's own text, where the question's has the facts too.
    pub(super) request: Option<Arc<str>>,
    /// The user, as names are compared, whose share of the queues the question takes.
    pub(super) user: Arc<str>,
    /// The warnings for the requester.
    pub(super) warnings: Vec<String>,
    /// The explanation of the placement that is being made, if the requester asked for an explanation.
    pub(super) explanation: Option<Value>,
    /// How often the ledger refused the decision.
    pub(super) retries: u32,
    /// The number of nodes that the question was found to hang on.
    pub(super) shunned: u32,
    /// The configuration under which the question came to a program.
    pub(super) edition: u64,
    /// The value of [`Front::frees`](super::task::Front) when the question was last decided from its first step.
    pub(super) frees_seen: u64,
    /// How often another replica took the place of the decision.
    pub(super) claims: u32,
    /// Whether the requester cancelled the request.
    pub(super) is_cancelled: bool,
    /// The time for which the question waited for a free node.
    pub(super) waits: Waits,
    /// The bytes that the request has in the [`WaitBudget`](super::wait_budget::WaitBudget).
    pub(super) waiting_bytes: usize,
    /// The spans so far, where a requester is recorded.
    pub(super) spans: StageSpans,
}

/// The time that a question spends in the chain's wait queue.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Waits {
    sum: Duration,
    since: Option<Instant>,
}

impl PendingRequest {
    /// Creates a pending request of `question`, with the messages that wait for the answer; the request takes the share
    /// of `user`.
    pub(super) fn new(question: PlacementQuestion, waiting: Vec<Incoming>, user: Arc<str>) -> Self {
        Self {
            question: Arc::new(question),
            stage: PendingStage::Queued,
            spans: StageSpans::of(&waiting),
            waiting,
            key: None,
            needs: Needs::new(),
            request: None,
            user,
            warnings: Vec::new(),
            explanation: None,
            retries: 0,
            shunned: 0,
            edition: 0,
            frees_seen: 0,
            claims: 0,
            is_cancelled: false,
            waits: Waits::default(),
            waiting_bytes: 0,
        }
    }

    /// Returns the question as it is asked now: alone, because suspected, or among others.
    pub(super) fn asked(&mut self, alone: bool) -> Arc<PlacementQuestion> {
        if self.question.narrated != alone {
            Arc::make_mut(&mut self.question).narrated = alone;
        }
        if alone && self.question.search_us > 0 {
            // A value that was tried in the search may have ended the worker, and no requester asked for that value.
            Arc::make_mut(&mut self.question).search_us = 0;
        }
        Arc::clone(&self.question)
    }

    /// Moves the request into `stage`, in which the request is from `now` on, as far as that is known.
    pub(super) fn enter(&mut self, stage: PendingStage, now: Option<Instant>) {
        if let Some(now) = now {
            self.spans.enter(stage.as_str(), now);
        }
        self.stage = stage;
    }

    /// Notes that the request waits for a free node from `now` on.
    pub(super) fn begins_to_wait(&mut self, now: Instant) {
        self.waits.since.get_or_insert(now);
    }

    /// Notes that the request is asked again, or answered, at `now`.
    pub(super) fn ends_to_wait(&mut self, now: Instant) {
        self.waits = Waits { sum: self.waited(now), since: None };
    }

    /// Whether the request has waited for a free node, so that the requester may have gone meanwhile.
    pub(super) fn has_waited(&self) -> bool {
        self.waits.since.is_some() || !self.waits.sum.is_zero()
    }

    /// Returns `outgoing` with the warnings and the explanation for the requester added.
    pub(super) fn annotated(&self, outgoing: Outgoing) -> Outgoing {
        let explanation = self.explanation.as_ref().filter(|_| outgoing.error.is_none());
        if self.warnings.is_empty() && explanation.is_none() {
            return outgoing;
        }
        let Ok(mut body) = serde_json::from_slice::<Map<String, Value>>(&outgoing.body) else { return outgoing };
        if !self.warnings.is_empty() {
            body.insert("warnings".to_owned(), self.warnings.as_slice().into());
        }
        body.extend(explanation.map(|explanation| ("explanation".to_owned(), explanation.clone())));
        Outgoing { body: wire::text(Value::Object(body)).into(), ..outgoing }
    }

    /// Returns the time for which the request has waited for a free node by `now`.
    pub(super) fn waited(&self, now: Instant) -> Duration {
        let last = self.waits.since.map(|since| now.saturating_duration_since(since));
        self.waits.sum + last.unwrap_or_default()
    }

    /// Returns the latest deadline of the waiting messages, or `None` where a message has no deadline.
    pub(super) fn deadline_ms(&self) -> Option<i64> {
        let deadlines = self.waiting.iter().map(|incoming| incoming.deadline_ms);
        deadlines.reduce(|one, other| Some(one?.max(other?))).flatten()
    }

    /// Returns the offer of the place `reservation` to requesters that waited for a place; `None` where none had to
    /// wait.
    pub(super) fn offer(&self, reservation: Option<&Arc<str>>) -> Option<Arc<Offered>> {
        let reservation = Arc::clone(reservation.filter(|_| self.has_waited())?);
        let listeners = AtomicUsize::new(self.waiting.len());
        Some(Arc::new(Offered { reservation, listeners }))
    }

    /// Whether the deadlines of all waiting messages have passed.
    pub(super) fn is_late(&self, now_ms: i64) -> bool {
        self.waiting.iter().all(|incoming| incoming.deadline_ms.is_some_and(|deadline| deadline < now_ms))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;
    use crate::model::{Failure, FailureName};
    use crate::nats::message::Verb;

    use super::super::testing::pending;

    fn incoming(deadline_ms: Option<i64>) -> Incoming {
        let (payload, reply, received) = (Vec::new().into(), Some("inbox".into()), Instant::now());
        Incoming { verb: Verb::Place, payload, deadline_ms, timeout_ms: None, reply, received, pass: None, trace: None }
    }

    fn waited_for(deadlines: &[Option<i64>]) -> PendingRequest {
        let waiting = deadlines.iter().map(|deadline_ms| incoming(*deadline_ms)).collect();
        PendingRequest::new(PlacementQuestion::empty(1), waiting, "ann".into())
    }

    #[test]
    fn a_question_is_narrated_only_while_it_is_asked_alone() {
        let mut pending = pending(1);
        let among_others = pending.asked(false);
        assert!(Arc::ptr_eq(&among_others, &pending.question), "nothing is copied for that");
        assert!(pending.asked(true).narrated && pending.question.narrated);
        assert!(!among_others.narrated, "what was sent before stays as it was");
        assert!(!pending.asked(false).narrated);
    }

    #[test]
    fn the_time_in_the_wait_queue_adds_up() {
        let (mut pending, start) = (pending(1), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        assert!(!pending.has_waited());
        pending.begins_to_wait(at(0));
        assert!(pending.has_waited());
        pending.begins_to_wait(at(1));
        assert_eq!(pending.waited(at(3)), Duration::from_secs(3), "it has waited all the time");
        pending.ends_to_wait(at(3));
        assert_eq!(pending.waited(at(9)), Duration::from_secs(3), "now it is asked");
        pending.begins_to_wait(at(9));
        assert_eq!(pending.waited(at(11)), Duration::from_secs(5));
        pending.ends_to_wait(at(11));
        assert!(pending.has_waited());
    }

    #[test]
    fn a_request_is_late_when_nobody_waits_any_more() {
        let late = |deadlines: &[Option<i64>], now_ms| waited_for(deadlines).is_late(now_ms);
        assert!(!late(&[None], i64::MAX), "who names no deadline waits");
        assert!(!late(&[Some(10)], 10) && late(&[Some(10)], 11));
        assert!(!late(&[Some(10), Some(20)], 15) && late(&[Some(10), Some(20)], 21));
        assert!(!late(&[Some(10), None], 15));
    }

    #[test]
    fn the_deadline_is_that_of_the_most_patient() {
        assert_eq!(waited_for(&[Some(10), Some(30), Some(20)]).deadline_ms(), Some(30));
        assert_eq!(waited_for(&[Some(10), None]).deadline_ms(), None);
        assert_eq!(waited_for(&[None]).deadline_ms(), None);
    }

    #[test]
    fn a_place_is_offered_only_to_those_who_had_to_wait_for_it() {
        let mut pending = waited_for(&[None, None]);
        let id = Arc::from("r1");
        assert!(pending.offer(Some(&id)).is_none(), "nobody had to wait");
        pending.begins_to_wait(Instant::now());
        let offer = pending.offer(Some(&id)).unwrap();
        assert_eq!((&*offer.reservation, offer.listeners.load(Ordering::Relaxed)), ("r1", 2));
        assert!(pending.offer(None).is_none(), "there is no reservation to give back");
    }

    #[test]
    fn warnings_go_with_every_reply_and_the_explanation_with_a_placement() {
        let body = |outgoing: Outgoing| serde_json::from_slice::<Value>(&outgoing.body).unwrap();
        let placed = || Outgoing::new(&incoming(None), r#"{"node":"a"}"#.into(), None);
        let failed = || Outgoing::failed(&incoming(None), &Failure::new(FailureName::NoNode, "none"));
        let mut pending = waited_for(&[None]);
        assert_eq!(body(pending.annotated(placed())), serde_json::json!({"node": "a"}));
        pending.warnings.push("a slip".to_owned());
        pending.explanation = Some(serde_json::json!({"steps": []}));
        let annotated = pending.annotated(placed());
        assert_eq!(annotated.reply.as_deref(), Some("inbox"));
        let annotated = body(annotated);
        assert_eq!((&annotated["node"], &annotated["warnings"][0]), (&"a".into(), &"a slip".into()));
        assert!(annotated["explanation"]["steps"].is_array());
        let refused = body(pending.annotated(failed()));
        assert_eq!(refused["warnings"][0], "a slip");
        assert!(refused.get("explanation").is_none(), "a failure carries its own diagnosis");
    }

    #[test]
    fn a_reply_that_is_no_object_goes_as_it_is() {
        let mut pending = waited_for(&[None]);
        pending.warnings.push("a slip".to_owned());
        let outgoing = pending.annotated(Outgoing::new(&incoming(None), "[1]".into(), None));
        assert_eq!(&outgoing.body[..], b"[1]");
    }
}
