//! A node as scripts see the node: fields are built when read, and kept as long as the node stays unchanged.

use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use rhai::{Dynamic, Map};
use serde_json::Value;

use crate::engine::residents::{CachedNode, is_same_state};
use crate::model::dictionary::NODE_FIELDS;
use crate::model::node_view::{COUNTED, DataField};
use crate::model::{Candidate, Cluster, Node, NodeField, Overlay, SlotIndex};

use super::convert::shared;
use super::lists::List;
use super::objects::ReadOnlyMap;

/// The names that every node has or may have; each has a place in a view.
pub(super) const KNOWN: [&str; 18] = NODE_FIELDS;

/// A node with the overlay of earlier steps.
pub(super) struct RhaiNode {
    pub(super) slot: SlotIndex,
    pub(super) node: Node,
    pub(super) overlay: Option<Overlay>,
    known: [OnceCell<Dynamic>; KNOWN.len()],
    others: RefCell<BTreeMap<Box<str>, Dynamic>>,
    sessions: OnceCell<List>,
}

/// The view of a node that all requests share.
#[derive(Clone)]
pub(super) struct SharedView(pub(super) Rc<RhaiNode>);

impl CachedNode for SharedView {
    fn is_of(&self, node: &Node) -> bool {
        is_same_state(&self.0.node, node)
    }

    fn id(&self) -> Arc<str> {
        Arc::clone(self.0.node.id())
    }
}

impl SharedView {
    /// Returns the view of `node`, reusing `before`, the view that was cached for the same slot.
    pub(super) fn after(before: Option<Self>, slot: SlotIndex, node: &Node) -> Self {
        let before = before.filter(|before| Arc::ptr_eq(before.0.node.report(), node.report()));
        Self(before.map_or_else(|| RhaiNode::new(slot, node, None), |before| before.0.following(node)))
    }
}

const DATA: &str = "nodeData";

impl RhaiNode {
    pub(super) fn new(slot: SlotIndex, node: &Node, overlay: Option<Overlay>) -> Rc<Self> {
        let (known, others, sessions) = (Default::default(), RefCell::default(), OnceCell::new());
        Rc::new(Self { slot, node: node.clone(), overlay, known, others, sessions })
    }

    /// Returns the view of `node`, a later state of this view's node with the same report: built fields stay, where
    /// they are still valid.
    fn following(&self, node: &Node) -> Rc<Self> {
        let known: [OnceCell<Dynamic>; KNOWN.len()] = Default::default();
        for ((cell, before), name) in known.iter().zip(&self.known).zip(KNOWN) {
            if let Some(built) = before.get().filter(|_| name != DATA && !COUNTED.contains(&name)) {
                // The cell is empty.
                drop(cell.set(built.clone()));
            }
        }
        let sessions = self.sessions.get().map(|sessions| sessions.following(node));
        let data = KNOWN.iter().zip(&known).zip(&self.known).find(|((name, _), _)| **name == DATA);
        if let (Some(((_, cell), before)), Some(sessions)) = (data, &sessions)
            && let Some(data) = before.get().and_then(|data| data.read_lock::<ReadOnlyMap>())
        {
            drop(cell.set(Dynamic::from(data.with("sessions", Dynamic::from(sessions.clone())))));
        }
        let sessions = sessions.map_or_else(OnceCell::new, OnceCell::from);
        let others = RefCell::new(self.others.borrow().clone());
        Rc::new(Self { slot: self.slot, node: node.clone(), overlay: None, known, others, sessions })
    }

    /// Returns the view of `candidate` for a single request; `None` where the node left meanwhile.
    pub(super) fn of(candidate: &Candidate, cluster: &Cluster) -> Option<Rc<Self>> {
        let node = cluster.node(candidate.slot)?;
        Some(Self::new(candidate.slot, node, candidate.overlay.clone()))
    }

    /// Returns the field at `place` of [`KNOWN`].
    pub(super) fn known(self: &Rc<Self>, place: usize) -> Dynamic {
        let (Some(cell), Some(name)) = (self.known.get(place), KNOWN.get(place)) else { return Dynamic::UNIT };
        cell.get_or_init(|| self.build(name)).clone()
    }

    /// Returns the field `name`, or `()` where the node lacks the field.
    pub(super) fn field(self: &Rc<Self>, name: &str) -> Dynamic {
        self.kept(name, || self.build(name))
    }

    /// Returns the field `name`, which is built at the first read.
    fn kept(self: &Rc<Self>, name: &str, build: impl FnOnce() -> Dynamic) -> Dynamic {
        if let Some(place) = KNOWN.iter().position(|known| *known == name) {
            return self.known.get(place).map(|cell| cell.get_or_init(build).clone()).unwrap_or_default();
        }
        if let Some(built) = self.others.borrow().get(name) {
            return built.clone();
        }
        let built = build();
        if !built.is_unit() {
            self.others.borrow_mut().insert(name.into(), built.clone());
        }
        built
    }

    /// Returns all fields.
    pub(super) fn all(self: &Rc<Self>) -> Map {
        let view = self.node.look();
        let fields = view.fields_with(self.overlay.as_deref());
        fields.map(|(name, field)| (name.into(), self.kept(name, || self.built(Some(field))))).collect()
    }

    /// Returns the sessions of the node, which are built at the first read of a session.
    fn sessions(self: &Rc<Self>) -> List {
        self.sessions.get_or_init(|| List::of_sessions(&self.node)).clone()
    }

    fn build(self: &Rc<Self>, name: &str) -> Dynamic {
        let overlay = self.overlay.as_deref();
        if let Some(value) = overlay.and_then(|overlay| overlay.get(name)) {
            return shared(value);
        }
        self.built(self.node.look_at(Some(&[name])).field(name))
    }

    fn built(self: &Rc<Self>, field: Option<NodeField<'_>>) -> Dynamic {
        match field {
            None => Dynamic::UNIT,
            Some(NodeField::Json(value)) => shared(value),
            Some(NodeField::Count(count)) => shared(&Value::from(count)),
            Some(NodeField::Flag(flag)) => flag.into(),
            Some(NodeField::Data(view)) => {
                let fields = view.data_fields().map(|(name, field)| {
                    let value = match field {
                        DataField::Json(value) => shared(value),
                        DataField::Sessions(_) => Dynamic::from(self.sessions()),
                    };
                    (name.into(), value)
                });
                Dynamic::from(ReadOnlyMap::new(fields.collect::<Map>()))
            }
        }
    }
}
