//! The ledger: the reservations of all replicas, from commit to report, release or expiry.
//!
//! Time is handed in as monotonic milliseconds, so that tests turn the clock by hand. The ledger does not know NATS,
//! and it places nothing: it says what counts.
//!
//! Every replica holds every reservation, its own and copies of the others', and all see the same reports. So each ends
//! what a report shows by itself; that the others are told too mends what they saw in another order. What is over is
//! remembered for a while: word of a reservation may arrive after word of its end.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::node::Node;
use crate::model::report::Sessions;
use crate::model::{Report, Reservation, Session, UserNames};

use super::peers::owner;

/// How long it is remembered that a reservation is over, in milliseconds.
const REMEMBERED_MS: u64 = 600_000;
/// So many that are over are remembered at most.
const REMEMBERED: usize = 32_768;

/// What identifies a repeated question: the requester's id with the action and user that it is for, so that two
/// launchers that number their requests alike do not get each other's nodes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
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
pub struct LedgerEntry<T> {
    /// What counts.
    pub reservation: Reservation,
    /// When it expires, in monotonic milliseconds.
    pub expires_ms: u64,
    /// Whether the launcher said that the session has started.
    pub confirmed: bool,
    /// Whether this replica made it.
    pub own: bool,
    /// What the requester was told.
    pub answer: T,
    /// The question that it answers, where the requester gave that an id.
    pub request: Option<RequestKey>,
}

/// How reservations come to their ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LedgerRules {
    /// How long a reservation lives of which nothing else is said, in milliseconds.
    pub lifetime_ms: u64,
    /// How user names are compared.
    pub names: UserNames,
    /// Whether a confirmed reservation ends with the next report, also where that does not show its session: it counts
    /// there most likely, but a report that was on its way does not have it yet.
    pub trusting: bool,
}

/// Reservations by node, each with the moment of its expiry.
type ByNode = HashMap<Arc<str>, BTreeSet<(u64, Arc<str>)>>;

/// The reservations; `T` is what their requesters were told.
#[derive(Debug)]
pub struct Ledger<T> {
    rules: LedgerRules,
    /// What is looked up by id alone is hashed: thousands of placements a second look up their ids here a dozen times each.
    entries: HashMap<Arc<str>, LedgerEntry<T>>,
    by_request: BTreeMap<RequestKey, Arc<str>>,
    by_expiry: BTreeSet<(u64, Arc<str>)>,
    by_node: ByNode,
    /// Those of them that are confirmed.
    confirmed: ByNode,
    /// When those that are over came to their end.
    over: HashMap<Arc<str>, u64>,
    own_count: usize,
    by_end: BTreeSet<(u64, Arc<str>)>,
}

impl<T> Ledger<T> {
    /// An empty ledger that keeps these rules.
    #[must_use]
    pub fn new(rules: LedgerRules) -> Self {
        Self {
            rules,
            entries: HashMap::new(),
            by_request: BTreeMap::new(),
            by_expiry: BTreeSet::new(),
            by_node: HashMap::new(),
            confirmed: HashMap::new(),
            over: HashMap::new(),
            own_count: 0,
            by_end: BTreeSet::new(),
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

    /// How long a reservation lives of which nothing else was said, in milliseconds.
    #[must_use]
    pub fn lifetime_ms(&self) -> u64 {
        self.rules.lifetime_ms
    }

    /// Keeps other rules from now on; what is reserved lives as long as it was to.
    pub fn set_rules(&mut self, rules: LedgerRules) {
        self.rules = rules;
    }

    /// Enters `reservation`, which this replica made, and which lives until `expires_ms`.
    pub fn reserve(&mut self, reservation: Reservation, request: Option<RequestKey>, answer: T, expires_ms: u64) {
        self.enter(LedgerEntry { reservation, expires_ms, confirmed: false, own: true, answer, request });
    }

    /// Lets the reservation `id` live until `expires_ms`, where it counts and would not live that long.
    pub fn extend(&mut self, id: &str, expires_ms: u64) -> Option<&LedgerEntry<T>> {
        if self.entries.get(id)?.expires_ms < expires_ms {
            let entry = self.take_out(id)?;
            self.enter(LedgerEntry { expires_ms, ..entry });
        }
        self.get(id)
    }

    /// Enters a copy of what another replica reserved; false where it is known, or known to be over.
    pub fn copy(&mut self, entry: LedgerEntry<T>) -> bool {
        let id = &entry.reservation.id;
        if self.entries.contains_key(id) || self.over.contains_key(id) {
            return false;
        }
        self.enter(LedgerEntry { own: false, ..entry });
        true
    }

    fn enter(&mut self, entry: LedgerEntry<T>) {
        let id = Arc::clone(&entry.reservation.id);
        self.by_expiry.insert((entry.expires_ms, Arc::clone(&id)));
        let node = &entry.reservation.node;
        self.by_node.entry(Arc::clone(node)).or_default().insert((entry.expires_ms, Arc::clone(&id)));
        if entry.confirmed {
            self.confirmed.entry(Arc::clone(node)).or_default().insert((entry.expires_ms, Arc::clone(&id)));
        }
        if let Some(request) = &entry.request {
            self.by_request.insert(request.clone(), Arc::clone(&id));
        }
        self.own_count += usize::from(entry.own);
        self.entries.insert(id, entry);
    }

    /// The reservation `id`.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&LedgerEntry<T>> {
        self.entries.get(id)
    }

    /// Those that this replica made, in no order.
    pub fn own(&self) -> impl Iterator<Item = &LedgerEntry<T>> {
        self.entries.values().filter(|entry| entry.own)
    }

    /// How many this replica made.
    #[must_use]
    pub fn own_count(&self) -> usize {
        self.own_count
    }

    /// Those that are copies of what `replica` made, in no order.
    pub fn copies_of(&self, replica: &str) -> impl Iterator<Item = &LedgerEntry<T>> {
        self.entries.values().filter(move |entry| !entry.own && owner(&entry.reservation.id) == replica)
    }

    /// The reservations on `node`, by id.
    pub fn on_node(&self, node: &str) -> impl Iterator<Item = &Arc<str>> {
        self.by_node.get(node).into_iter().flatten().map(|(_, id)| id)
    }

    /// When the reservation `id` came to its end, in monotonic milliseconds, where it did a while ago.
    #[must_use]
    pub fn over_since(&self, id: &str) -> Option<u64> {
        self.over.get(id).copied()
    }

    /// The reservation that the same question made before, while it lives.
    #[must_use]
    pub fn repeated(&self, request: &RequestKey) -> Option<&LedgerEntry<T>> {
        self.by_request.get(request).and_then(|id| self.entries.get(id))
    }

    /// The launcher says that the session of `id` has started. It goes on counting until its node reports again: to
    /// drop it now would leave a moment in which the session counts nowhere.
    pub fn confirm(&mut self, id: &str) -> Option<&LedgerEntry<T>> {
        let entry = self.entries.get_mut(id)?;
        entry.confirmed = true;
        let Reservation { id, node, .. } = &entry.reservation;
        self.confirmed.entry(Arc::clone(node)).or_default().insert((entry.expires_ms, Arc::clone(id)));
        Some(entry)
    }

    /// The reservation `id` is over at `now_ms`, known or not: word of it may still come.
    pub fn release(&mut self, id: &str, now_ms: u64) -> Option<LedgerEntry<T>> {
        self.remember(id, now_ms);
        self.take_out(id)
    }

    /// Takes the reservation `id` out without its being over: more is known of it now.
    pub fn take_out(&mut self, id: &str) -> Option<LedgerEntry<T>> {
        let entry = self.entries.remove(id)?;
        self.own_count -= usize::from(entry.own);
        let key = (entry.expires_ms, Arc::clone(&entry.reservation.id));
        self.by_expiry.remove(&key);
        remove(&mut self.by_node, &entry.reservation.node, &key);
        if entry.confirmed {
            remove(&mut self.confirmed, &entry.reservation.node, &key);
        }
        if let Some(request) = &entry.request
            && self.by_request.get(request).is_some_and(|held| *held == entry.reservation.id)
        {
            self.by_request.remove(request);
        }
        Some(entry)
    }

    fn remember(&mut self, id: &str, now_ms: u64) {
        if self.over.contains_key(id) {
            return;
        }
        let id: Arc<str> = id.into();
        self.by_end.insert((now_ms, Arc::clone(&id)));
        self.over.insert(id, now_ms);
        let is_old = |(ended_ms, _): &(u64, Arc<str>)| ended_ms.saturating_add(REMEMBERED_MS) < now_ms;
        while self.over.len() > REMEMBERED || self.by_end.first().is_some_and(is_old) {
            let Some((_, id)) = self.by_end.pop_first() else { break };
            self.over.remove(&id);
        }
    }

    /// Ends every reservation that has expired by `now_ms`.
    pub fn expire(&mut self, now_ms: u64) -> Vec<LedgerEntry<T>> {
        let mut expired = Vec::new();
        while let Some((expires_ms, id)) = self.by_expiry.first().cloned() {
            if expires_ms > now_ms {
                break;
            }
            expired.extend(self.release(&id, now_ms));
        }
        expired
    }

    /// Ends the reservations that `report`, read at `now_ms`, makes true: those whose id a session carries; those that
    /// were confirmed, where confirmations are trusted; and, for a session that is new since the list of `before` and
    /// carries no id, its user's oldest. Of a list that follows none it is not known what is new.
    pub fn reported(&mut self, report: &Report, before: Option<&Node>, now_ms: u64) -> Vec<LedgerEntry<T>> {
        if !self.by_node.contains_key(&report.id) {
            return Vec::new();
        }
        let mut ended = Vec::new();
        for id in report.sessions.listed().iter().filter_map(|session| session.reservation()) {
            if self.entries.get(id).is_some_and(|entry| entry.reservation.node == report.id) {
                ended.extend(self.release(id, now_ms));
            }
        }
        for id in self.of_new_sessions(report, before) {
            ended.extend(self.release(&id, now_ms));
        }
        if self.rules.trusting {
            let confirmed = self.confirmed.get(&report.id).into_iter().flatten().cloned().collect::<Vec<_>>();
            ended.extend(confirmed.into_iter().filter_map(|(_, id)| self.release(&id, now_ms)));
        }
        ended
    }

    /// The reservations of those users of whom `report` lists a session that is new since the list of `before` and carries
    /// no id: the oldest one for each such session.
    fn of_new_sessions(&self, report: &Report, before: Option<&Node>) -> Vec<Arc<str>> {
        let before =
            before.map(|node| &node.report().sessions).filter(|sessions| matches!(sessions, Sessions::List(_)));
        let Some(before) = before.map(Sessions::listed) else { return Vec::new() };
        // Most sessions stand there as they stood before. Those that do not may have changed: their ids will tell.
        let written: BTreeSet<&str> = before.iter().filter_map(|session| session.written()).collect();
        let is_known = |session: &Session| session.written().is_some_and(|text| written.contains(text));
        let nameless = |session: &Session| session.reservation().is_none() && !session.user().is_empty();
        let listed = report.sessions.listed().iter().map(|session| &**session);
        let fresh: Vec<&Session> = listed.filter(|session| nameless(session) && !is_known(session)).collect();
        if fresh.is_empty() {
            return Vec::new();
        }
        let names = self.rules.names;
        let mut open: BTreeMap<Cow<'_, str>, VecDeque<&Arc<str>>> = BTreeMap::new();
        for entry in self.on_node(&report.id).filter_map(|id| self.entries.get(id)) {
            let Reservation { id, user, .. } = &entry.reservation;
            open.entry(names.key(user)).or_default().push_back(id);
        }
        let known: BTreeSet<String> = before.iter().map(|session| session.id()).collect();
        let mut of_session = |session: &Session| {
            let open = open.get_mut(&*names.key(session.user())).filter(|_| !known.contains(&session.id()))?;
            open.pop_front().map(Arc::clone)
        };
        fresh.into_iter().filter_map(&mut of_session).collect()
    }
}

/// Takes `key` out from under `node`.
fn remove(by_node: &mut ByNode, node: &Arc<str>, key: &(u64, Arc<str>)) {
    if let Some(ids) = by_node.get_mut(node) {
        ids.remove(key);
        if ids.is_empty() {
            by_node.remove(node);
        }
    }
}

#[cfg(test)]
mod tests;
