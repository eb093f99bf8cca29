//! The cache of an engine's node objects, by slot, valid as long as the node stays unchanged.
//!
//! The cost lies in moving the node list, never in the choice itself (docs/src/internals/facts.md): so the node object
//! for scripts is built at the first use and shared by all requests. Where a node changes, the cached object is
//! updated: a reservation costs the same however many sessions the node holds.

use std::cell::RefCell;
use std::sync::Arc;

use crate::model::{Cluster, Node, Session, SlotIndex};

/// The cached object of a single node.
pub(super) trait CachedNode: Clone {
    /// Whether the object shows the present state of `node`.
    fn is_of(&self, node: &Node) -> bool;

    /// Returns the id of the node.
    fn id(&self) -> Arc<str>;
}

/// The cached objects of all nodes.
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
    /// Returns the cached object of `node`, which is in `slot`. Where that object shows another state, or none is
    /// cached, `make` receives the slot's object, which `make` may change, and returns the object to cache.
    ///
    /// # Errors
    /// The error of `make`.
    pub(super) fn get<E>(
        &self,
        slot: SlotIndex,
        node: &Node,
        make: impl FnOnce(Option<R>) -> Result<R, E>,
    ) -> Result<R, E> {
        let before = self.slots.borrow().list.get(slot.index()).cloned().flatten();
        if let Some(cached) = before.as_ref().filter(|cached| cached.is_of(node)) {
            return Ok(cached.clone());
        }
        let cached = make(before)?;
        let mut slots = self.slots.borrow_mut();
        if slots.list.len() <= slot.index() {
            slots.list.resize_with(slot.index() + 1, || None);
        }
        if let Some(place) = slots.list.get_mut(slot.index()) {
            let before = place.replace(cached.clone());
            slots.count += usize::from(before.is_none());
        }
        Ok(cached)
    }

    /// Drops the objects of nodes that left, once there are more objects than nodes.
    pub(super) fn sweep(&self, cluster: &Cluster) {
        let mut slots = self.slots.borrow_mut();
        if slots.count <= cluster.len() {
            return;
        }
        let Slots { list, count } = &mut *slots;
        for cached in list.iter_mut() {
            let left = |cached: &R| cluster.find(&cached.id()).is_none();
            if cached.as_ref().is_some_and(left) {
                *cached = None;
                *count -= 1;
            }
        }
        // A node that came back may be in another slot: then the node is counted twice until its old slot is used
        // again.
        while list.last().is_some_and(Option::is_none) {
            list.pop();
        }
    }
}

/// Whether two states of a node look the same to a script.
pub(super) fn is_same_state(left: &Node, right: &Node) -> bool {
    left.revision() == right.revision() && Arc::ptr_eq(left.report(), right.report())
}

/// Returns the built objects of those sessions of the node `before` that the later state `after` still has, in order.
/// Other sessions are built by `build`. Both states have the same report.
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
