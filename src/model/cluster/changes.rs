//! The changes of a cluster.

use std::sync::Arc;

use crate::model::change::{Change, Touched};
use crate::model::node::{Marks, Node};
use crate::model::parts::NodeParts;
use crate::model::report::Report;
use crate::model::reservation::Reservation;
use crate::model::session::Session;
use crate::model::users::UserIndex;

use super::{Arrangement, Cluster, RECENT, SlotIndex};

impl Cluster {
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
pub(super) fn arrive(users: &mut UserIndex, node: &mut Node) {
    let id = Arc::clone(node.id());
    let mut new_users = users.list(&id, &[], node.report().sessions.listed());
    for (number, session) in node.numbered() {
        new_users += users.reserve(*number, session, &id);
    }
    node.add_new_users(new_users);
}
