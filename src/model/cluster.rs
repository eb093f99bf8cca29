//! The cluster: every known node, each in a slot, updated by events and never replaced as a whole.
//!
//! The front and each worker hold a cluster and apply the same changes, so that all agree without sending node lists. A
//! reservation is a change like any other; that makes a tentative reservation and the cancellation two events, not a
//! special case.

mod changes;

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::change::Change;
use super::identity::ClusterIdentity;
use super::node::{Marks, Node, Pending};
use super::reservation::Reservation;
use super::session::Session;
use super::usernames::UserNames;
use super::users::UserIndex;
use changes::arrive;

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
}

#[cfg(test)]
mod tests;
