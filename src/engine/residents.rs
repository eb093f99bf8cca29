//! What an engine keeps of each node for as long as the node stays as it is, by slot.
//!
//! Moving the node list is the cost, never the choice itself (ARCHITECTURE.md, Facts): so what scripts see of a node is
//! built at its first use and shared by all requests until the node changes.

use std::cell::RefCell;
use std::sync::Arc;

use crate::model::{Cluster, Node, SlotIndex};

/// What is kept of one node.
pub(super) trait Resident: Clone {
    /// The state that it was built from.
    fn node(&self) -> &Node;
}

/// What is kept of all nodes.
pub(super) struct Residents<R> {
    slots: RefCell<Slots<R>>,
}

struct Slots<R> {
    list: Vec<Option<R>>,
    count: usize,
}

impl<R> Default for Residents<R> {
    fn default() -> Self {
        Self { slots: RefCell::new(Slots { list: Vec::new(), count: 0 }) }
    }
}

impl<R: Resident> Residents<R> {
    /// What is kept of `node`, which lies in `slot`; built where it is not there or of another state.
    pub(super) fn get<E>(&self, slot: SlotIndex, node: &Node, build: impl FnOnce() -> Result<R, E>) -> Result<R, E> {
        if let Some(Some(resident)) = self.slots.borrow().list.get(slot.index())
            && is_same_state(resident.node(), node)
        {
            return Ok(resident.clone());
        }
        let resident = build()?;
        let mut slots = self.slots.borrow_mut();
        if slots.list.len() <= slot.index() {
            slots.list.resize_with(slot.index() + 1, || None);
        }
        if let Some(place) = slots.list.get_mut(slot.index()) {
            let before = place.replace(resident.clone());
            slots.count += usize::from(before.is_none());
        }
        Ok(resident)
    }

    /// Drops what is kept of nodes that left, once they are more than those that stayed could be.
    pub(super) fn sweep(&self, cluster: &Cluster) {
        let mut slots = self.slots.borrow_mut();
        if slots.count <= cluster.len() {
            return;
        }
        let Slots { list, count } = &mut *slots;
        for resident in list.iter_mut() {
            let left = |resident: &R| cluster.find(resident.node().id()).is_none();
            if resident.as_ref().is_some_and(left) {
                *resident = None;
                *count -= 1;
            }
        }
        // A node that came back may lie in another slot: then it is counted twice until its old slot is used again.
        while list.last().is_some_and(Option::is_none) {
            list.pop();
        }
    }
}

/// Whether two states of a node show a script the same. Revisions alone would do within one cluster; a worker that
/// rebuilt its mirror counts them anew.
pub(super) fn is_same_state(left: &Node, right: &Node) -> bool {
    let same_pending = || {
        left.pending().len() == right.pending().len()
            && left.pending().zip(right.pending()).all(|(left, right)| Arc::ptr_eq(left, right))
    };
    left.revision() == right.revision()
        && Arc::ptr_eq(left.report(), right.report())
        && left.is_cordoned() == right.is_cordoned()
        && same_pending()
}
