//! What an engine keeps of each node for as long as the node stays as it is, by slot.
//!
//! Moving the node list is the cost, never the choice itself (docs/src/internals/facts.md): so what scripts see of a
//! node is built at its first use and shared by all requests. Where a node changes, what is kept of it is changed: a
//! reservation costs the same whatever the node holds already.

use std::cell::RefCell;
use std::sync::Arc;

use crate::model::{Cluster, Node, Session, SlotIndex};

/// What is kept of one node.
pub(super) trait CachedNode: Clone {
    /// Whether it shows `node` as it is.
    fn is_of(&self, node: &Node) -> bool;

    /// The node's id.
    fn id(&self) -> Arc<str>;
}

/// What is kept of all nodes.
pub(super) struct NodeCache<R> {
    slots: RefCell<Slots<R>>,
}

struct Slots<R> {
    list: Vec<Option<R>>,
    count: usize,
}

impl<R> Default for NodeCache<R> {
    fn default() -> Self {
        Self { slots: RefCell::new(Slots { list: Vec::new(), count: 0 }) }
    }
}

impl<R: CachedNode> NodeCache<R> {
    /// What is kept of `node`, which lies in `slot`. Where that shows another state, or nothing is kept, `make` is given what
    /// is kept in the slot, which it may change, and makes what is kept from now on.
    ///
    /// # Errors
    /// What `make` says.
    pub(super) fn get<E>(
        &self,
        slot: SlotIndex,
        node: &Node,
        make: impl FnOnce(Option<R>) -> Result<R, E>,
    ) -> Result<R, E> {
        let before = self.slots.borrow().list.get(slot.index()).cloned().flatten();
        if let Some(resident) = before.as_ref().filter(|resident| resident.is_of(node)) {
            return Ok(resident.clone());
        }
        let resident = make(before)?;
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
            let left = |resident: &R| cluster.find(&resident.id()).is_none();
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

/// Whether two states of a node show a script the same.
pub(super) fn is_same_state(left: &Node, right: &Node) -> bool {
    left.revision() == right.revision() && Arc::ptr_eq(left.report(), right.report())
}

/// What was built of each session of the node `before`, in order, for those that its later state `after` still has.
/// Sessions that are not among them are built by `build`. Both have the same report.
pub(super) fn follow_sessions<T: Clone>(
    before: &Node,
    built: &[T],
    after: &Node,
    mut build: impl FnMut(&Session) -> T,
) -> Vec<T> {
    let listed = before.report().sessions.listed().len();
    let mut items = Vec::with_capacity(after.session_len());
    items.extend(built.iter().take(listed).cloned());
    let mut old = before.numbered().map(|(number, _)| *number).zip(built.iter().skip(listed)).peekable();
    for (number, session) in after.numbered() {
        while old.next_if(|(before, _)| before < number).is_some() {}
        items.push(match old.next_if(|(before, _)| before == number) {
            Some((_, item)) => item.clone(),
            None => build(session),
        });
    }
    items
}
