//! Nodes as a script's objects: shared ones that stay, and ones of a request's own.
//!
//! Moving the node list is the cost, never the choice itself (ARCHITECTURE.md, Facts). So a script that cannot write to nodes
//! gets frozen objects that live as long as their node's state does, built at their first use. The others get new ones.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use boa_engine::object::JsObject;
use boa_engine::{Context, JsResult, JsValue};
use serde_json::Value;

use crate::model::node::Field;
use crate::model::{Candidate, Cluster, Node, SlotIndex};

use super::kit::{Hold, Kit, scalar_to_js};
use super::lazy::{Lazy, Origin, View};

/// The node objects that all requests share, by slot.
#[derive(Default)]
pub(super) struct Residents {
    slots: RefCell<Slots>,
}

#[derive(Default)]
struct Slots {
    list: Vec<Option<Resident>>,
    count: usize,
}

struct Resident {
    view: Rc<View>,
    object: JsObject,
}

impl Residents {
    /// The shared object of `node`, which lies in `slot`.
    pub(super) fn object(&self, slot: SlotIndex, node: &Node, kit: &Kit, context: &mut Context) -> JsResult<JsObject> {
        if let Some(Some(resident)) = self.slots.borrow().list.get(slot.index())
            && is_same_state(&resident.view.node, node)
        {
            return Ok(resident.object.clone());
        }
        let view = Rc::new(View { slot, node: node.clone(), overlay: None });
        let object = node_object(&view, Hold::Shared, kit, context)?;
        let mut slots = self.slots.borrow_mut();
        if slots.list.len() <= slot.index() {
            slots.list.resize_with(slot.index() + 1, || None);
        }
        if let Some(place) = slots.list.get_mut(slot.index()) {
            let before = place.replace(Resident { view, object: object.clone() });
            slots.count += usize::from(before.is_none());
        }
        Ok(object)
    }

    /// Drops the objects of nodes that left, once they are more than those that stayed could be.
    pub(super) fn sweep(&self, cluster: &Cluster) {
        let mut slots = self.slots.borrow_mut();
        if slots.count <= cluster.len() {
            return;
        }
        let Slots { list, count } = &mut *slots;
        for resident in list.iter_mut() {
            let left = |resident: &Resident| cluster.find(resident.view.node.id()).is_none();
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

/// The object of a candidate's node for one request alone.
pub(super) fn own_object(
    candidate: &Candidate,
    cluster: &Cluster,
    kit: &Kit,
    context: &mut Context,
) -> JsResult<Option<JsObject>> {
    let Some(node) = cluster.node(candidate.slot) else { return Ok(None) };
    let view = Rc::new(View { slot: candidate.slot, node: node.clone(), overlay: candidate.overlay.clone() });
    node_object(&view, Hold::Own, kit, context).map(Some)
}

fn node_object(view: &Rc<View>, hold: Hold, kit: &Kit, context: &mut Context) -> JsResult<JsObject> {
    let prototype = context.intrinsics().constructors().object().prototype();
    let object =
        JsObject::new(context.root_shape(), prototype, Lazy::new(Origin::Node(Rc::clone(view)), hold)).upcast();
    for (name, field) in view.fields() {
        let value = match field {
            Field::Count(count) => Some(JsValue::from(count)),
            Field::Flag(flag) => Some(JsValue::from(flag)),
            Field::Json(Value::Array(_) | Value::Object(_)) | Field::Data(_) => None,
            Field::Json(scalar) => Some(scalar_to_js(scalar)),
        };
        match value {
            Some(value) => kit.put(&object, name, value, hold),
            None => kit.put_lazy(&object, name, hold, context),
        }
    }
    if hold == Hold::Shared {
        kit.close(&object, context)?;
    }
    Ok(object)
}
