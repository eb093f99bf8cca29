//! The cluster: every known node, each in a slot, updated by events and never replaced as a whole.
//!
//! The front and each worker hold a cluster and apply the same changes, so that all agree without sending node lists. A
//! reservation is a change like any other; that makes a tentative reservation and the cancellation two events, not a
//! special case.

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::change::{Change, Touched};
use super::identity::ClusterIdentity;
use super::node::{Marks, Node, Pending};
use super::parts::NodeParts;
use super::report::Report;
use super::reservation::Reservation;
use super::session::Session;
use super::usernames::UserNames;
use super::users::UserIndex;

/// The number of changed slots that are remembered: a reader whose last look is longer ago looks at every node.
const RECENT: usize = 16 * 1024;

/// The place of a node in a [`Cluster`]; stays the same as long as the node is in the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SlotIndex(u32);

impl SlotIndex {
    /// Returns the slot as an index into a table beside the cluster.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// The order of the nodes before the first step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Arrangement {
    /// The order of arrival: file order in `place`.
    Arrival,
    /// Ascending by id: in the service, where arrival is chance.
    #[default]
    ById,
}

/// The nodes of a cluster with their marks and reservations.
#[derive(Clone, Debug, Default)]
pub struct Cluster {
    identity: ClusterIdentity,
    arrangement: Arrangement,
    slots: Vec<Option<Node>>,
    free: Vec<SlotIndex>,
    by_id: IndexMap<Arc<str>, SlotIndex>,
    order: Vec<SlotIndex>,
    marks: BTreeMap<Arc<str>, Marks>,
    /// The reservations by id, with the number of each among the node's pending sessions. A table, because a placement
    /// that finds its way through a tree of a hundred thousand waits for memory at each of its levels; and one whose
    /// order is that of its changes, not of chance.
    reservations: IndexMap<Arc<str>, (u64, Reservation)>,
    /// By node id, the reservations on nodes that are not in the cluster.
    away: BTreeMap<Arc<str>, Pending>,
    users: UserIndex,
    generation: u64,
    /// A number that grows when a node comes or leaves.
    membership: u64,
    /// The slots that changed last, with the generation of the change, oldest first.
    recent: VecDeque<(u64, SlotIndex)>,
    /// The generation of the last change that is no longer remembered.
    forgotten: u64,
}

impl Cluster {
    /// Returns an empty cluster that keeps nodes in the given order.
    #[must_use]
    pub fn new(arrangement: Arrangement) -> Self {
        Self { arrangement, ..Self::default() }
    }

    /// Returns an empty cluster that keeps nodes in the same order and compares the names of users by the same rule.
    #[must_use]
    pub fn emptied(&self) -> Self {
        Self { users: UserIndex::new(self.users.names()), ..Self::new(self.arrangement) }
    }

    /// Compares the names of users by the rule `names` from now on.
    pub fn set_names(&mut self, names: UserNames) {
        self.users = UserIndex::new(names);
        for node in self.slots.iter_mut().flatten() {
            node.forget_new_users();
            arrive(&mut self.users, node);
        }
    }

    /// Returns what tells this cluster from its copies, whose generations have the same numbers.
    #[must_use]
    pub fn identity(&self) -> &ClusterIdentity {
        &self.identity
    }

    /// Returns the number of the last change; grows with each change.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Returns the slots whose nodes came, left or changed after `generation`, some perhaps repeatedly; `None` where
    /// that is too long ago to know.
    #[must_use]
    pub fn changed_since(&self, generation: u64) -> Option<impl Iterator<Item = SlotIndex>> {
        let later = self.recent.iter().rev().take_while(move |(change, _)| *change > generation);
        (generation >= self.forgotten).then(|| later.map(|(_, slot)| *slot))
    }

    /// Returns a number that grows when a node comes or leaves: while the number stays, so do the nodes and their
    /// order.
    #[must_use]
    pub fn membership(&self) -> u64 {
        self.membership
    }

    /// Returns every slot, free slots included.
    pub fn every_slot(&self) -> impl Iterator<Item = SlotIndex> + use<> {
        (0..u32::try_from(self.slots.len()).unwrap_or(u32::MAX)).map(SlotIndex)
    }

    /// Returns the number of slots, free slots included: an index of a table beside the cluster is less than that.
    #[must_use]
    pub fn slots(&self) -> usize {
        self.slots.len()
    }

    /// Returns the number of nodes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether the cluster has no node.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Returns the nodes in initial order.
    pub fn nodes(&self) -> impl Iterator<Item = (SlotIndex, &Node)> {
        self.order.iter().filter_map(|slot| self.node(*slot).map(|node| (*slot, node)))
    }

    /// Returns the nodes whose id is greater than `after`, ascending by id.
    pub fn nodes_after<'a>(&'a self, after: &'a str) -> impl Iterator<Item = &'a Node> {
        let by_id = match self.arrangement {
            Arrangement::ById => Cow::Borrowed(self.order.as_slice()),
            Arrangement::Arrival => {
                let mut sorted = self.order.clone();
                sorted.sort_unstable_by_key(|slot| self.node(*slot).map(Node::id));
                Cow::Owned(sorted)
            }
        };
        let start = by_id.partition_point(|slot| self.node(*slot).is_none_or(|node| &**node.id() <= after));
        (start..by_id.len()).filter_map(move |place| self.node(*by_id.get(place)?))
    }

    /// Returns the node in `slot`.
    #[must_use]
    pub fn node(&self, slot: SlotIndex) -> Option<&Node> {
        self.slots.get(slot.index())?.as_ref()
    }

    /// Returns a number that orders nodes before the first step; equal numbers are ordered by id.
    #[must_use]
    pub fn standing(&self, node: &Node) -> u64 {
        match self.arrangement {
            Arrangement::Arrival => node.arrival(),
            Arrangement::ById => 0,
        }
    }

    /// Returns the slot of this index, where the slot holds a node.
    #[must_use]
    pub fn slot(&self, index: usize) -> Option<SlotIndex> {
        let slot = SlotIndex(u32::try_from(index).ok()?);
        self.node(slot).map(|_| slot)
    }

    /// Returns the slot of the node `id`.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<SlotIndex> {
        self.by_id.get(id).copied()
    }

    /// Returns the node `id`.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Node> {
        self.find(id).and_then(|slot| self.node(slot))
    }

    /// Returns the marks of the service on the node `id`, present or not.
    #[must_use]
    pub fn marks(&self, id: &str) -> Marks {
        self.marks.get(id).cloned().unwrap_or_default()
    }

    /// Returns every marked node id with the marks, present or not.
    pub fn marked(&self) -> impl Iterator<Item = (&Arc<str>, &Marks)> {
        self.marks.iter()
    }

    /// Returns the reservations, in no particular order.
    pub fn reservations(&self) -> impl Iterator<Item = &Reservation> {
        self.reservations.values().map(|(_, reservation)| reservation)
    }

    /// Returns the sessions of `user` on all nodes, ascending by node id, pending sessions included.
    pub fn sessions_of<'a>(&'a self, user: &'a str) -> impl Iterator<Item = &'a Arc<Session>> {
        let (names, key) = (self.users.names(), self.users.names().key(user));
        self.users.nodes_of(user).flat_map(move |(id, sessions)| {
            let node = self.get(id).filter(|_| sessions.listed > 0);
            let (key, count) = (key.clone(), sessions.listed as usize);
            let listed = node.into_iter().flat_map(|node| node.report().sessions.listed());
            let listed = listed.filter(move |session| names.key(session.user()) == key).take(count);
            listed.chain(sessions.pending())
        })
    }

    /// Returns the nodes on which `user` has sessions, pending sessions included.
    pub fn nodes_of(&self, user: &str) -> impl Iterator<Item = SlotIndex> {
        self.users.nodes_of(user).filter_map(|(id, _)| self.find(id))
    }

    /// Returns the number of sessions that `user` has on the node `id`, pending sessions included.
    #[must_use]
    pub fn sessions_on(&self, user: &str, id: &Arc<str>) -> u32 {
        self.users.count(user, id)
    }

    /// Applies `change`, and returns the nodes, present or not, that the change concerns. A change without effect (such
    /// as the release of an unknown reservation) is no error: changes come from several sources and may cross.
    pub fn apply(&mut self, change: Change) -> Touched {
        self.generation += 1;
        let touched = match change {
            Change::Report(report) => {
                let id = Arc::clone(&report.id);
                self.report(report);
                [Some(id), None]
            }
            Change::Remove(id) => {
                self.remove(&id);
                [Some(id), None]
            }
            Change::Stale(id) => {
                self.update(&id, NodeParts::NONE, |node| node.set_stale(true));
                [Some(id), None]
            }
            Change::Mark(id, marks) => {
                self.mark(&id, marks);
                [Some(id), None]
            }
            Change::Reserve(reservation) => {
                let node = Arc::clone(&reservation.node);
                [self.reserve(reservation), Some(node)]
            }
            Change::Release(id) => [self.release(&id), None],
        };
        Touched(touched)
    }

    /// Returns the changes that turn an empty cluster into this cluster.
    pub fn snapshot(&self) -> impl Iterator<Item = Change> {
        let reports = self.nodes().map(|(_, node)| Change::Report(Arc::clone(node.report())));
        let stale =
            self.nodes().filter(|(_, node)| node.is_stale()).map(|(_, node)| Change::Stale(Arc::clone(node.id())));
        let marks = self.marks.iter().map(|(id, marks)| Change::Mark(Arc::clone(id), marks.clone()));
        let mut reservations: Vec<_> = self.reservations.values().collect();
        reservations.sort_by_key(|(number, _)| *number);
        let reservations = reservations.into_iter().map(|(_, reservation)| Change::Reserve(reservation.clone()));
        reports.chain(stale).chain(marks).chain(reservations)
    }

    fn report(&mut self, report: Arc<Report>) {
        let id = Arc::clone(&report.id);
        let Some(slot) = self.find(&id) else { return self.join(report) };
        let Some(node) = self.slots.get_mut(slot.index()).and_then(Option::as_mut) else { return };
        let changed = node.report().differs(&report);
        if changed.includes(NodeParts::SESSIONS) {
            let new_users = self.users.list(&id, node.report().sessions.listed(), report.sessions.listed());
            node.add_new_users(new_users);
        }
        node.set_report(report);
        node.revise(changed, self.generation);
        self.note(slot);
    }

    /// Puts a new node into a slot.
    fn join(&mut self, report: Arc<Report>) {
        let id = Arc::clone(&report.id);
        let mut node = Node::new(report, self.generation);
        node.set_pending(self.away.remove(&id).unwrap_or_default());
        node.set_marks(self.marks(&id));
        arrive(&mut self.users, &mut node);
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            SlotIndex(u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX))
        });
        let place = match self.arrangement {
            Arrangement::Arrival => self.order.len(),
            Arrangement::ById => self.order.partition_point(|other| self.node(*other).is_some_and(|o| o.id() < &id)),
        };
        self.membership += 1;
        self.order.insert(place, slot);
        self.by_id.insert(id, slot);
        if let Some(place) = self.slots.get_mut(slot.index()) {
            *place = Some(node);
        }
        self.note(slot);
    }

    fn remove(&mut self, id: &str) {
        let Some(slot) = self.by_id.swap_remove(id) else { return };
        if let Some(node) = self.slots.get_mut(slot.index()).and_then(Option::take) {
            self.users.list(node.id(), node.report().sessions.listed(), &[]);
            for (number, session) in node.numbered() {
                self.users.release(*number, session.user(), node.id());
            }
            if node.pending().len() > 0 {
                self.away.insert(Arc::clone(node.id()), node.into_pending());
            }
        }
        self.membership += 1;
        self.order.retain(|other| *other != slot);
        self.free.push(slot);
        self.note(slot);
    }

    fn update(&mut self, id: &str, changed: NodeParts, edit: impl FnOnce(&mut Node)) {
        if let Some(slot) = self.find(id) {
            self.update_at(slot, changed, edit);
        }
    }

    fn update_at(&mut self, slot: SlotIndex, changed: NodeParts, edit: impl FnOnce(&mut Node)) {
        let revision = self.generation;
        if let Some(node) = self.slots.get_mut(slot.index()).and_then(Option::as_mut) {
            edit(node);
            node.revise(changed, revision);
            self.note(slot);
        }
    }

    /// Remembers that the node in `slot` changes now.
    fn note(&mut self, slot: SlotIndex) {
        if self.recent.len() == RECENT
            && let Some((generation, _)) = self.recent.pop_front()
        {
            self.forgotten = generation;
        }
        self.recent.push_back((self.generation, slot));
    }

    fn mark(&mut self, id: &Arc<str>, marks: Marks) {
        self.update(id, NodeParts::REST, |node| node.set_marks(marks.clone()));
        if marks == Marks::default() {
            self.marks.remove(id);
        } else {
            self.marks.insert(Arc::clone(id), marks);
        }
    }

    /// Adds `reservation`; returns the node of the reservation that had the same id.
    fn reserve(&mut self, reservation: Reservation) -> Option<Arc<str>> {
        let (number, id) = (self.generation, Arc::clone(&reservation.node));
        let former = self.reservations.insert(Arc::clone(&reservation.id), (number, reservation.clone()));
        let touched = former.map(|former| self.end(former));
        let session = Arc::new(Session::pending(reservation));
        if let Some(slot) = self.find(&id) {
            let new_users = self.users.reserve(number, &session, &id);
            self.update_at(slot, NodeParts::SESSIONS, |node| {
                node.add_pending(number, session);
                node.add_new_users(new_users);
            });
        } else {
            self.away.entry(id).or_default().insert(number, session);
        }
        touched
    }

    /// Removes the reservation `id`; returns the reservation's node.
    fn release(&mut self, id: &str) -> Option<Arc<str>> {
        let held = self.reservations.swap_remove(id)?;
        Some(self.end(held))
    }

    /// Removes a reservation that is no longer held from the node's count; returns the node's id.
    fn end(&mut self, (number, Reservation { node, user, .. }): (u64, Reservation)) -> Arc<str> {
        if let Some(slot) = self.find(&node) {
            let new_users = self.users.release(number, &user, &node);
            self.update_at(slot, NodeParts::SESSIONS, |node| {
                node.remove_pending(number);
                node.add_new_users(new_users);
            });
        } else if let Some(pending) = self.away.get_mut(&node) {
            pending.remove(&number);
            if pending.is_empty() {
                self.away.remove(&node);
            }
        }
        node
    }
}

/// Counts the sessions of `node`, of which none are counted yet.
fn arrive(users: &mut UserIndex, node: &mut Node) {
    let id = Arc::clone(node.id());
    let mut new_users = users.list(&id, &[], node.report().sessions.listed());
    for (number, session) in node.numbered() {
        new_users += users.reserve(*number, session, &id);
    }
    node.add_new_users(new_users);
}

#[cfg(test)]
mod tests;
