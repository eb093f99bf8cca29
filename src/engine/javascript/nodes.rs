//! Nodes as objects for a script: shared objects that stay, and objects of a single request.
//!
//! A script that cannot write to nodes receives frozen objects, which are updated as their nodes change. Other scripts
//! receive new objects.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;

use boa_engine::object::JsObject;
use boa_engine::{Context, JsResult, JsValue, js_string};
use serde_json::{Map, Value};

use crate::engine::residents::{CachedNode, NodeCache, is_same_state};
use crate::model::node_view::COUNTED;
use crate::model::{Candidate, Cluster, Node, NodeField, NodeParts, NodeView, Report, SlotIndex};

use super::lazy::{Lazy, LazyNode, LazyOrigin};
use super::tools::{ContextTools, ObjectOwner, plain_object, scalar_to_js};

/// The node object that all requests share. The object is updated as the node changes, between calls, when no script
/// holds the object.
#[derive(Clone)]
pub(super) struct SharedNode {
    view: Rc<LazyNode>,
    object: JsObject,
}

impl CachedNode for SharedNode {
    fn is_of(&self, node: &Node) -> bool {
        is_same_state(&self.view.node(), node)
    }

    fn id(&self) -> Arc<str> {
        Arc::clone(self.view.node().id())
    }
}

impl SharedNode {
    /// Updates the object to `node`, a later state of the object's node with the same report.
    fn follow(&self, node: &Node, kit: &ContextTools, context: &mut Context) -> JsResult<()> {
        self.view.follow(node, kit, context)?;
        let look = node.look_at(Some(&COUNTED));
        for (name, field) in look.fields() {
            if let Some(value) = scalar(&field) {
                kit.put(&self.object, name, value, ObjectOwner::Shared);
            }
        }
        let data = self.object.downcast_ref::<Lazy>().and_then(|lazy| lazy.built(&js_string!("nodeData")).cloned());
        let data = data.and_then(|data| data.as_object());
        if let Some(mut data) = data.as_ref().and_then(|data| data.downcast_mut::<Lazy>()) {
            data.forget("sessions");
        }
        Ok(())
    }
}

/// Returns the shared object of `node`, which is in `slot`.
pub(super) fn shared_object(
    residents: &NodeCache<SharedNode>,
    slot: SlotIndex,
    node: &Node,
    kit: &ContextTools,
    context: &mut Context,
) -> JsResult<JsObject> {
    let make = |before: Option<SharedNode>| {
        if let Some(before) = before.filter(|before| Arc::ptr_eq(before.view.node().report(), node.report())) {
            before.follow(node, kit, context)?;
            return Ok(before);
        }
        let view = LazyNode::new(slot, node.clone(), None, None);
        // The node's larger fields are built from the text at the first read, and stay.
        let object = node_object(&view, &node.look(), ObjectOwner::Shared, None, kit, context)?;
        Ok(SharedNode { view, object })
    };
    residents.get(slot, node, make).map(|shared| shared.object)
}

/// Returns the object of a candidate's node for a single request; with the `wanted` fields only, where a script can see
/// no others.
pub(super) fn own_object(
    candidate: &Candidate,
    cluster: &Cluster,
    wanted: Option<(&BTreeSet<String>, &Documents)>,
    kit: &ContextTools,
    context: &mut Context,
) -> JsResult<Option<JsObject>> {
    let Some(node) = cluster.node(candidate.slot) else { return Ok(None) };
    if let Some((fields, documents)) = wanted.filter(|(fields, _)| !fields.contains("nodeData")) {
        return plain((candidate.slot, node), fields, documents, ObjectOwner::Own, kit, context).map(Some);
    }
    let fields = wanted.map(|(fields, _)| fields);
    let names: Option<Vec<&str>> = fields.map(|fields| fields.iter().map(String::as_str).collect());
    let built = node.look_at(names.as_deref()).into_built();
    let view = LazyNode::new(candidate.slot, node.clone(), candidate.overlay.clone(), built);
    let own = view.node();
    node_object(&view, &view.look(&own), ObjectOwner::Own, fields, kit, context).map(Some)
}

/// Returns an object of the node with these `fields` alone, none of which holds sessions: no property is lazy. Fields
/// from the document's text are read once for each report, and kept in `documents`.
fn plain(
    (slot, node): (SlotIndex, &Node),
    fields: &BTreeSet<String>,
    documents: &Documents,
    hold: ObjectOwner,
    kit: &ContextTools,
    context: &mut Context,
) -> JsResult<JsObject> {
    let object = plain_object(context);
    let mut written = None;
    for name in fields {
        let value = match node.typed(name) {
            Some(None) => continue,
            Some(Some(value)) => kit.to_js(&value, hold, context)?,
            None => {
                let written = written.get_or_insert_with(|| documents.of(slot, node, fields));
                let Some(value) = written.get(name) else { continue };
                kit.to_js(value, hold, context)?
            }
        };
        kit.put(&object, name, value, hold);
    }
    if hold == ObjectOwner::Shared {
        kit.close(&object, context)?;
    }
    Ok(object)
}

/// The fields that a function reads from each node's document, by slot.
#[derive(Default)]
pub(super) struct Documents(RefCell<Vec<Option<ReadDocument>>>);

/// A report, and the fields read from the report.
type ReadDocument = (Arc<Report>, Rc<Map<String, Value>>);

impl Documents {
    /// Returns those `fields` of `node`, which is in `slot`, that come from the node's document.
    fn of(&self, slot: SlotIndex, node: &Node, fields: &BTreeSet<String>) -> Rc<Map<String, Value>> {
        let mut kept = self.0.borrow_mut();
        if kept.len() <= slot.index() {
            kept.resize(slot.index() + 1, None);
        }
        let place = kept.get_mut(slot.index());
        if let Some(Some((report, read))) = &place
            && Arc::ptr_eq(report, node.report())
        {
            return Rc::clone(read);
        }
        let names: Vec<&str> = fields.iter().map(String::as_str).filter(|name| node.typed(name).is_none()).collect();
        let read = Rc::new(node.report().fields(Some(&names)).into_owned());
        if let Some(place) = place {
            *place = Some((Arc::clone(node.report()), Rc::clone(&read)));
        }
        read
    }
}

/// The objects that a function of two parameters received and cannot write to, by slot: the function is called for the
/// same few nodes again and again, each time for another request.
#[derive(Default)]
pub(super) struct KeptObjects {
    slots: Vec<Option<KeptObject>>,
    count: usize,
}

#[derive(Clone)]
struct KeptObject {
    object: JsObject,
    /// The arrival of the node, and the revision of the parts that the function reads.
    state: (u64, u64),
}

/// The number of objects that are kept for a function: each object costs time at every collection.
const MAX_KEPT: usize = 2_048;

impl KeptObjects {
    /// Returns the object of `node`, which is in `slot`, with the `wanted` fields alone; the function reads these
    /// `parts` of the node.
    pub(super) fn get(
        &mut self,
        (slot, node): (SlotIndex, &Node),
        (fields, documents): (&BTreeSet<String>, &Documents),
        parts: NodeParts,
        kit: &ContextTools,
        context: &mut Context,
    ) -> JsResult<JsObject> {
        let state = (node.arrival(), node.revised(parts));
        if let Some(Some(kept)) = self.slots.get(slot.index())
            && kept.state == state
        {
            return Ok(kept.object.clone());
        }
        let object = plain((slot, node), fields, documents, ObjectOwner::Shared, kit, context)?;
        if self.count >= MAX_KEPT {
            *self = Self::default();
        }
        if self.slots.len() <= slot.index() {
            self.slots.resize(slot.index() + 1, None);
        }
        if let Some(place) = self.slots.get_mut(slot.index()) {
            let before = place.replace(KeptObject { object: object.clone(), state });
            self.count += usize::from(before.is_none());
        }
        Ok(object)
    }
}

fn node_object(
    view: &Rc<LazyNode>,
    look: &NodeView<'_>,
    hold: ObjectOwner,
    wanted: Option<&BTreeSet<String>>,
    kit: &ContextTools,
    context: &mut Context,
) -> JsResult<JsObject> {
    let prototype = context.intrinsics().constructors().object().prototype();
    let object =
        JsObject::new(context.root_shape(), prototype, Lazy::new(LazyOrigin::Node(Rc::clone(view)), hold)).upcast();
    let put = |name: &str, field: NodeField<'_>| match scalar(&field) {
        Some(value) => kit.put(&object, name, value, hold),
        None => kit.put_lazy(&object, name, hold, context),
    };
    match wanted {
        None => look.fields_with(view.overlay.as_deref()).for_each(|(name, field)| put(name, field)),
        Some(wanted) => wanted.iter().for_each(|name| look.field(name).into_iter().for_each(|field| put(name, field))),
    }
    if hold == ObjectOwner::Shared {
        kit.close(&object, context)?;
    }
    Ok(object)
}

/// Returns `field` as a script sees the field, where the field is neither list nor object.
fn scalar(field: &NodeField<'_>) -> Option<JsValue> {
    match field {
        NodeField::Count(count) => Some(JsValue::from(*count)),
        NodeField::Flag(flag) => Some(JsValue::from(*flag)),
        NodeField::Json(Value::Array(_) | Value::Object(_)) | NodeField::Data(_) => None,
        NodeField::Json(scalar) => Some(scalar_to_js(scalar)),
    }
}
