//! The ledger: the reservations that this replica made, from commit to report, release or expiry.
//!
//! Time is handed in as monotonic milliseconds, so that tests turn the clock by hand. The ledger does not know NATS,
//! and it places nothing: it says what counts.

use std::cell::LazyCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::model::node::Node;
use crate::model::{Report, Reservation};

/// What identifies a repeated question: the requester's id with the action and user that it is for, so that two
/// launchers that number their requests alike do not get each other's nodes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RequestKey {
    /// The requester's id of the question.
    pub id: Arc<str>,
    /// The action.
    pub action: Arc<str>,
    /// The user's login.
    pub login: Arc<str>,
}

/// A reservation with all that its answer needs when it is asked for again.
#[derive(Clone, Debug)]
pub struct Entry<T> {
    /// What counts.
    pub reservation: Reservation,
    /// When it expires, in monotonic milliseconds.
    pub expires_ms: u64,
    /// Whether the launcher said that the session has started.
    pub confirmed: bool,
    /// What the requester was told.
    pub answer: T,
    request: Option<RequestKey>,
}

/// The reservations of one replica; `T` is what their requesters were told.
#[derive(Debug)]
pub struct Ledger<T> {
    lifetime_ms: u64,
    entries: BTreeMap<Arc<str>, Entry<T>>,
    by_request: BTreeMap<RequestKey, Arc<str>>,
    by_expiry: BTreeSet<(u64, Arc<str>)>,
    by_node: BTreeMap<Arc<str>, BTreeSet<(u64, Arc<str>)>>,
}

impl<T> Ledger<T> {
    /// An empty ledger whose reservations live `lifetime_ms`.
    #[must_use]
    pub fn new(lifetime_ms: u64) -> Self {
        Self {
            lifetime_ms,
            entries: BTreeMap::new(),
            by_request: BTreeMap::new(),
            by_expiry: BTreeSet::new(),
            by_node: BTreeMap::new(),
        }
    }

    /// How many reservations count.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether none counts.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How long a reservation lives, in milliseconds.
    #[must_use]
    pub fn lifetime_ms(&self) -> u64 {
        self.lifetime_ms
    }

    /// Lets reservations made from now on live `lifetime_ms`.
    pub fn set_lifetime_ms(&mut self, lifetime_ms: u64) {
        self.lifetime_ms = lifetime_ms;
    }

    /// Enters `reservation` at `now_ms`.
    pub fn reserve(&mut self, reservation: Reservation, request: Option<RequestKey>, answer: T, now_ms: u64) {
        let id = Arc::clone(&reservation.id);
        let expires_ms = now_ms.saturating_add(self.lifetime_ms);
        self.by_expiry.insert((expires_ms, Arc::clone(&id)));
        self.by_node.entry(Arc::clone(&reservation.node)).or_default().insert((expires_ms, Arc::clone(&id)));
        if let Some(request) = &request {
            self.by_request.insert(request.clone(), Arc::clone(&id));
        }
        self.entries.insert(id, Entry { reservation, expires_ms, confirmed: false, answer, request });
    }

    /// The reservation that the same question made before, while it lives.
    #[must_use]
    pub fn repeated(&self, request: &RequestKey) -> Option<&Entry<T>> {
        self.by_request.get(request).and_then(|id| self.entries.get(id))
    }

    /// The launcher says that the session of `id` has started. It goes on counting until its node reports again: to
    /// drop it now would leave a moment in which the session counts nowhere.
    pub fn confirm(&mut self, id: &str) -> Option<&Entry<T>> {
        let entry = self.entries.get_mut(id)?;
        entry.confirmed = true;
        Some(entry)
    }

    /// The reservation `id` is over.
    pub fn release(&mut self, id: &str) -> Option<Entry<T>> {
        let entry = self.entries.remove(id)?;
        let key = (entry.expires_ms, Arc::clone(&entry.reservation.id));
        self.by_expiry.remove(&key);
        if let Some(ids) = self.by_node.get_mut(&entry.reservation.node) {
            ids.remove(&key);
            if ids.is_empty() {
                self.by_node.remove(&entry.reservation.node);
            }
        }
        if let Some(request) = &entry.request {
            self.by_request.remove(request);
        }
        Some(entry)
    }

    /// Ends every reservation that has expired by `now_ms`.
    pub fn expire(&mut self, now_ms: u64) -> Vec<Entry<T>> {
        let mut expired = Vec::new();
        while let Some((expires_ms, id)) = self.by_expiry.first().cloned() {
            if expires_ms > now_ms {
                break;
            }
            expired.extend(self.release(&id));
        }
        expired
    }

    /// Ends the reservations that `report` makes true: those whose id a session carries; those that were confirmed; and,
    /// for a session that is new since `before` and carries no id, its user's oldest.
    pub fn reported(&mut self, report: &Report, before: Option<&Node>) -> Vec<Arc<str>> {
        let Some(held) = self.by_node.get(&report.id) else { return Vec::new() };
        let mut open: Vec<Arc<str>> = held.iter().map(|(_, id)| Arc::clone(id)).collect();
        let mut ended = Vec::new();
        let mut end = |open: &mut Vec<Arc<str>>, place: usize| ended.push(open.remove(place));
        let sessions = report.sessions.listed();
        for session in sessions {
            if let Some(place) = session.reservation().and_then(|id| open.iter().position(|other| other == id)) {
                end(&mut open, place);
            }
        }
        // Most reports list nobody who waits.
        let known: LazyCell<BTreeSet<String>, _> =
            LazyCell::new(|| before.into_iter().flat_map(Node::sessions).map(|session| session.id()).collect());
        for session in sessions.iter().filter(|session| session.reservation().is_none()) {
            let of_user = |id: &Arc<str>| {
                self.entries.get(id).is_some_and(|entry| entry.reservation.user.eq_ignore_ascii_case(session.user()))
            };
            if let Some(place) = open.iter().position(of_user).filter(|_| !session.user().is_empty())
                && !known.contains(&session.id())
            {
                end(&mut open, place);
            }
        }
        let confirmed = |id: &Arc<str>| self.entries.get(id).is_some_and(|entry| entry.confirmed);
        while let Some(place) = open.iter().position(confirmed) {
            end(&mut open, place);
        }
        for id in &ended {
            self.release(id);
        }
        ended
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Change, Cluster};
    use serde_json::{Value, json};

    fn reservation(id: &str, user: &str) -> Reservation {
        Reservation { id: id.into(), node: "a".into(), user: user.into(), name: "".into() }
    }

    fn ledger() -> Ledger<&'static str> {
        let mut ledger = Ledger::new(100);
        ledger.reserve(reservation("r1", "ann"), None, "one", 0);
        ledger.reserve(reservation("r2", "ann"), None, "two", 10);
        ledger.reserve(reservation("r3", "bob"), None, "three", 20);
        ledger
    }

    fn report(sessions: Value) -> Report {
        Report::from_value(json!({"id": "a", "nodeData": {"sessions": sessions}})).unwrap()
    }

    #[test]
    fn a_reservation_ends_at_expiry_or_release_and_only_once() {
        let mut ledger = ledger();
        assert_eq!(ledger.expire(99).len(), 0);
        assert_eq!(&*ledger.expire(110)[0].reservation.id, "r1");
        assert_eq!(ledger.len(), 1);
        assert!(ledger.release("r3").is_some());
        assert!(ledger.release("r3").is_none() && ledger.confirm("r3").is_none());
        assert!(ledger.is_empty() && ledger.by_node.is_empty() && ledger.by_expiry.is_empty());
    }

    #[test]
    fn a_report_ends_what_it_shows() {
        let mut cluster = Cluster::default();
        cluster.apply(Change::Report(Arc::new(report(json!([{"id": "old", "user": "ann"}])))));
        let before = cluster.get("a");
        let old = json!({"id": "old", "user": "ann"});
        let mut ledger_a = ledger();
        assert_eq!(
            ledger_a.reported(&report(json!([old, {"id": "s", "reservation": "r2"}])), before),
            [Arc::from("r2")]
        );
        let mut ledger_b = ledger();
        assert_eq!(ledger_b.reported(&report(json!([old, {"id": "new", "user": "Ann"}])), before), [Arc::from("r1")]);
        let mut ledger_c = ledger();
        assert!(ledger_c.reported(&report(json!([old])), before).is_empty());
        ledger_c.confirm("r3");
        assert_eq!(ledger_c.reported(&report(json!([old])), before), [Arc::from("r3")]);
    }

    #[test]
    fn a_repeated_question_finds_its_answer_while_the_reservation_lives() {
        let mut ledger = Ledger::new(100);
        let key = RequestKey { id: "7".into(), action: "session/start".into(), login: "ann".into() };
        ledger.reserve(reservation("r", "ann"), Some(key.clone()), "a", 0);
        assert_eq!(ledger.repeated(&key).unwrap().answer, "a");
        assert!(ledger.repeated(&RequestKey { login: "bob".into(), ..key.clone() }).is_none());
        ledger.expire(100);
        assert!(ledger.repeated(&key).is_none());
    }
}
