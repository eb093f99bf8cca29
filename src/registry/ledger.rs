//! The ledger: the reservations of all replicas, from commit to report, release or expiry.
//!
//! Time is handed in as monotonic milliseconds, so that tests set the clock by hand. The ledger does not know NATS and
//! places nothing: the ledger tells which reservations count.
//!
//! Every replica holds every reservation, its own and copies of the others', and all see the same reports. So each
//! replica ends a reservation that a report shows by itself; messages about such ends mend the cases in which replicas
//! saw events in another order. Reservations that are over are remembered for a while: news of a reservation may arrive
//! after the news of its end.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::node::Node;
use crate::model::report::Sessions;
use crate::model::{Report, Reservation, Session, UserNames};

use super::peers::owner;

/// The time for which a reservation that is over is remembered, in milliseconds.
const REMEMBERED_MS: u64 = 600_000;
/// The most reservations that are remembered after they are over.
const REMEMBERED: usize = 32_768;

/// The identity of a repeated request: the requester's id with the action and the user of the request, so that two
/// launchers that number their requests alike do not get each other's nodes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RequestKey {
    /// The requester's id of the request.
    pub id: Arc<str>,
    /// The action.
    pub action: Arc<str>,
    /// The user's login.
    pub login: Arc<str>,
}

/// A reservation with all facts that the answer needs when the same request comes again.
#[derive(Clone, Debug)]
pub struct LedgerEntry<T> {
    /// The reservation that counts.
    pub reservation: Reservation,
    /// The time of expiry, in monotonic milliseconds.
    pub expires_ms: u64,
    /// Whether the launcher confirmed that the session has started.
    pub confirmed: bool,
    /// Whether this replica made the reservation.
    pub own: bool,
    /// The answer that the requester got.
    pub answer: T,
    /// The request that the reservation answers, where the requester gave the request an id.
    pub request: Option<RequestKey>,
}

/// The rules by which reservations end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LedgerRules {
    /// The time that a reservation lives without further news, in milliseconds.
    pub lifetime_ms: u64,
    /// The way user names are compared.
    pub names: UserNames,
    /// Whether a confirmed reservation ends with the next report, also where that report does not show its session: the
    /// session is most likely counted there, but a report that was on its way does not have the session yet.
    pub trusting: bool,
}

/// Reservations by node, each with the moment of expiry.
type ByNode = HashMap<Arc<str>, BTreeSet<(u64, Arc<str>)>>;

/// The reservations; `T` is the answer that their requesters got.
#[derive(Debug)]
pub struct Ledger<T> {
    rules: LedgerRules,
    /// A hash map, because thousands of placements a second look up their ids here a dozen times each. Boxed, because a
    /// map that grows moves its entries.
    entries: HashMap<Arc<str>, Box<LedgerEntry<T>>>,
    by_request: HashMap<RequestKey, Arc<str>>,
    by_expiry: BTreeSet<(u64, Arc<str>)>,
    by_node: ByNode,
    /// The confirmed reservations among `by_node`.
    confirmed: ByNode,
    /// The time at which each reservation that is over ended, in monotonic milliseconds.
    over: HashMap<Arc<str>, u64>,
    own_count: usize,
    /// The number of reservations by user, as names are compared; without those of nobody.
    of_user: HashMap<Box<str>, usize>,
    by_end: BTreeSet<(u64, Arc<str>)>,
    /// The reservations among `over` with a session that started, by the request that they answered.
    started: HashMap<RequestKey, Reservation>,
    /// The requests of `started`, by the id of the reservation.
    started_by_id: HashMap<Arc<str>, RequestKey>,
}

impl<T> Ledger<T> {
    /// Creates an empty ledger with these rules.
    #[must_use]
    pub fn new(rules: LedgerRules) -> Self {
        Self {
            rules,
            entries: HashMap::new(),
            by_request: HashMap::new(),
            by_expiry: BTreeSet::new(),
            by_node: HashMap::new(),
            confirmed: HashMap::new(),
            over: HashMap::new(),
            own_count: 0,
            of_user: HashMap::new(),
            by_end: BTreeSet::new(),
            started: HashMap::new(),
            started_by_id: HashMap::new(),
        }
    }

    /// The number of reservations that count.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether no reservation counts.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The time that a reservation lives without further news, in milliseconds.
    #[must_use]
    pub fn lifetime_ms(&self) -> u64 {
        self.rules.lifetime_ms
    }

    /// Applies other rules from now on; existing reservations keep their time of expiry.
    pub fn set_rules(&mut self, rules: LedgerRules) {
        let is_other = self.rules.names != rules.names;
        self.rules = rules;
        if is_other {
            self.of_user.clear();
            let users: Vec<_> = self.entries.values().map(|entry| Arc::clone(&entry.reservation.user)).collect();
            users.iter().for_each(|user| self.count_for(user));
        }
    }

    /// The number of reservations of `user`, as names are compared.
    #[must_use]
    pub fn of_user(&self, user: &str) -> usize {
        self.of_user.get(user).copied().unwrap_or_default()
    }

    fn count_for(&mut self, user: &str) {
        let key = self.rules.names.key(user);
        match self.of_user.get_mut(&*key) {
            Some(count) => *count += 1,
            None if key.is_empty() => {}
            None => drop(self.of_user.insert(key.into(), 1)),
        }
    }

    fn count_off(&mut self, user: &str) {
        let key = self.rules.names.key(user);
        if let Some(count) = self.of_user.get_mut(&*key) {
            *count -= 1;
            if *count == 0 {
                self.of_user.remove(&*key);
            }
        }
    }

    /// Adds `reservation`, which this replica made and which lives until `expires_ms`.
    pub fn reserve(&mut self, reservation: Reservation, request: Option<RequestKey>, answer: T, expires_ms: u64) {
        self.enter(LedgerEntry { reservation, expires_ms, confirmed: false, own: true, answer, request });
    }

    /// Lets the reservation `id` live until `expires_ms`, where the reservation counts and would not live that long.
    pub fn extend(&mut self, id: &str, expires_ms: u64) -> Option<&LedgerEntry<T>> {
        if self.entries.get(id)?.expires_ms < expires_ms {
            let entry = self.take_out(id)?;
            self.enter(LedgerEntry { expires_ms, ..entry });
        }
        self.get(id)
    }

    /// Adds a copy of another replica's reservation; returns false where the reservation is known already, or known to
    /// be over.
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
        self.count_for(&entry.reservation.user);
        self.entries.insert(id, Box::new(entry));
    }

    /// Returns the reservation `id`.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&LedgerEntry<T>> {
        self.entries.get(id).map(Box::as_ref)
    }

    /// The reservations that this replica made, in no order.
    pub fn own(&self) -> impl Iterator<Item = &LedgerEntry<T>> {
        self.entries.values().map(Box::as_ref).filter(|entry| entry.own)
    }

    /// The number of reservations that this replica made.
    #[must_use]
    pub fn own_count(&self) -> usize {
        self.own_count
    }

    /// The copies of reservations that `replica` made, in no order.
    pub fn copies_of(&self, replica: &str) -> impl Iterator<Item = &LedgerEntry<T>> {
        self.entries
            .values()
            .map(Box::as_ref)
            .filter(move |entry| !entry.own && owner(&entry.reservation.id) == replica)
    }

    /// The ids of the reservations on `node`, in the order of their expiry.
    pub fn on_node(&self, node: &str) -> impl Iterator<Item = &Arc<str>> {
        self.by_node.get(node).into_iter().flatten().map(|(_, id)| id)
    }

    /// The time at which the reservation `id` ended, in monotonic milliseconds, where the end is remembered.
    #[must_use]
    pub fn over_since(&self, id: &str) -> Option<u64> {
        self.over.get(id).copied()
    }

    /// Returns the reservation that the same request made before, while that reservation lives.
    #[must_use]
    pub fn repeated(&self, request: &RequestKey) -> Option<&LedgerEntry<T>> {
        self.by_request.get(request).and_then(|id| self.get(id))
    }

    /// Returns the reservation that the same request made before, where the reservation is over because its session
    /// started, and is remembered.
    #[must_use]
    pub fn started(&self, request: &RequestKey) -> Option<&Reservation> {
        self.started.get(request)
    }

    /// Marks the reservation `id` as confirmed: the launcher said that its session has started. The reservation goes on
    /// counting until its node reports again: to drop it now would leave a moment in which the session counts nowhere.
    pub fn confirm(&mut self, id: &str) -> Option<&LedgerEntry<T>> {
        let entry = self.entries.get_mut(id)?;
        entry.confirmed = true;
        let Reservation { id, node, .. } = &entry.reservation;
        self.confirmed.entry(Arc::clone(node)).or_default().insert((entry.expires_ms, Arc::clone(id)));
        Some(entry)
    }

    /// Ends the reservation `id` at `now_ms`, known or not: news of the reservation may still come.
    pub fn release(&mut self, id: &str, now_ms: u64) -> Option<LedgerEntry<T>> {
        self.remember(id, now_ms);
        self.take_out(id)
    }

    /// Ends the reservation `id` at `now_ms` because its session started.
    pub fn fulfil(&mut self, id: &str, now_ms: u64) -> Option<LedgerEntry<T>> {
        let entry = self.release(id, now_ms)?;
        if let Some(request) = &entry.request {
            let reservation = entry.reservation.clone();
            self.started_by_id.insert(Arc::clone(&reservation.id), request.clone());
            self.started.insert(request.clone(), reservation);
        }
        Some(entry)
    }

    /// Removes the reservation `id` without ending the reservation: the caller knows more of the reservation now.
    pub fn take_out(&mut self, id: &str) -> Option<LedgerEntry<T>> {
        let entry = *self.entries.remove(id)?;
        self.own_count -= usize::from(entry.own);
        self.count_off(&entry.reservation.user);
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
            let request = self.started_by_id.remove(&id);
            // The same request may have made another reservation since.
            if let Some(request) = request
                && self.started.get(&request).is_some_and(|reservation| reservation.id == id)
            {
                self.started.remove(&request);
            }
        }
    }

    /// Ends every reservation that has expired by `now_ms`.
    pub fn expire(&mut self, now_ms: u64) -> Vec<LedgerEntry<T>> {
        let mut expired = Vec::new();
        while let Some((expires_ms, id)) = self.by_expiry.first().cloned() {
            if expires_ms > now_ms {
                break;
            }
            // The launcher said that the session runs, and no report told that session from others.
            let has_started = self.entries.get(&id).is_some_and(|entry| entry.confirmed);
            expired.extend(if has_started { self.fulfil(&id, now_ms) } else { self.release(&id, now_ms) });
        }
        expired
    }

    /// Ends the reservations that `report`, read at `now_ms`, fulfils: those with an id that a session carries; those
    /// that were confirmed, where confirmations are trusted; and, for a session without an id that is new since the
    /// list of `before`, its user's oldest reservation. Where the node listed no sessions before, new sessions cannot
    /// be told apart.
    pub fn reported(&mut self, report: &Report, before: Option<&Node>, now_ms: u64) -> Vec<LedgerEntry<T>> {
        if !self.by_node.contains_key(&report.id) {
            return Vec::new();
        }
        let mut ended = Vec::new();
        for id in report.sessions.listed().iter().filter_map(|session| session.reservation()) {
            if self.entries.get(id).is_some_and(|entry| entry.reservation.node == report.id) {
                ended.extend(self.fulfil(id, now_ms));
            }
        }
        for id in self.of_new_sessions(report, before) {
            ended.extend(self.fulfil(&id, now_ms));
        }
        if self.rules.trusting {
            let confirmed = self.confirmed.get(&report.id).into_iter().flatten().cloned().collect::<Vec<_>>();
            ended.extend(confirmed.into_iter().filter_map(|(_, id)| self.fulfil(&id, now_ms)));
        }
        ended
    }

    /// The reservations of those users of whom `report` lists a session that is new since the list of `before` and
    /// carries no id: the oldest reservation for each such session.
    fn of_new_sessions(&self, report: &Report, before: Option<&Node>) -> Vec<Arc<str>> {
        let before =
            before.map(|node| &node.report().sessions).filter(|sessions| matches!(sessions, Sessions::List(_)));
        let Some(before) = before.map(Sessions::listed) else { return Vec::new() };
        // Most sessions are listed as they were listed before. The text of the others may have changed: their ids
        // decide.
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

/// Removes `key` from the set of `node`.
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
