//! Nodes as a script's objects: shared ones that stay, and ones of a request's own.
//!
//! A script that cannot write to nodes gets frozen objects, which are changed as their nodes change. The others get new
//! ones.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;

use boa_engine::object::JsObject;
use boa_engine::{Context, JsResult, JsValue, js_string};
use serde_json::{Map, Value};

use crate::engine::residents::{Resident, Residents, is_same_state};
use crate::model::look::COUNTED;
use crate::model::{Candidate, Cluster, Field, Look, Node, Parts, Report, SlotIndex};

use super::kit::{Hold, Kit, plain_object, scalar_to_js};
use super::lazy::{Lazy, Origin, View};

/// The node object that all requests share. It is changed as its node changes, between calls: no script holds it then.
#[derive(Clone)]
pub(super) struct Shared {
    view: Rc<View>,
    object: JsObject,
}

impl Resident for Shared {
    fn is_of(&self, node: &Node) -> bool {
        is_same_state(&self.view.node(), node)
    }

    fn id(&self) -> Arc<str> {
        Arc::clone(self.view.node().id())
    }
}

impl Shared {
    /// Makes the object show `node`, a later state of its node of the same report.
    fn follow(&self, node: &Node, kit: &Kit, context: &mut Context) -> JsResult<()> {
        self.view.follow(node, kit, context)?;
        let look = node.look_at(Some(&COUNTED));
        for (name, field) in look.fields() {
            if let Some(value) = scalar(&field) {
                kit.put(&self.object, name, value, Hold::Shared);
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

/// The shared object of `node`, which lies in `slot`.
pub(super) fn shared_object(
    residents: &Residents<Shared>,
    slot: SlotIndex,
    node: &Node,
    kit: &Kit,
    context: &mut Context,
) -> JsResult<JsObject> {
    let make = |before: Option<Shared>| {
        if let Some(before) = before.filter(|before| Arc::ptr_eq(before.view.node().report(), node.report())) {
            before.follow(node, kit, context)?;
            return Ok(before);
        }
        let view = View::new(slot, node.clone(), None, None);
        // Its larger fields are built from the text when they are read, and stay then.
        let object = node_object(&view, &node.look(), Hold::Shared, None, kit, context)?;
        Ok(Shared { view, object })
    };
    residents.get(slot, node, make).map(|shared| shared.object)
}

/// The object of a candidate's node for one request alone; with the `wanted` fields only, where a script can see no
/// others.
pub(super) fn own_object(
    candidate: &Candidate,
    cluster: &Cluster,
    wanted: Option<(&BTreeSet<String>, &Documents)>,
    kit: &Kit,
    context: &mut Context,
) -> JsResult<Option<JsObject>> {
    let Some(node) = cluster.node(candidate.slot) else { return Ok(None) };
    if let Some((fields, documents)) = wanted.filter(|(fields, _)| !fields.contains("nodeData")) {
        return plain((candidate.slot, node), fields, documents, Hold::Own, kit, context).map(Some);
    }
    let fields = wanted.map(|(fields, _)| fields);
    let names: Option<Vec<&str>> = fields.map(|fields| fields.iter().map(String::as_str).collect());
    let built = node.look_at(names.as_deref()).into_built();
    let view = View::new(candidate.slot, node.clone(), candidate.overlay.clone(), built);
    let own = view.node();
    node_object(&view, &view.look(&own), Hold::Own, fields, kit, context).map(Some)
}

/// The node with these `fields` alone, none of which holds its sessions: nothing of it has to wait until somebody looks.
/// What has to be read from the document's text is read once for each report, and kept in `documents`.
fn plain(
    (slot, node): (SlotIndex, &Node),
    fields: &BTreeSet<String>,
    documents: &Documents,
    hold: Hold,
    kit: &Kit,
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
    if hold == Hold::Shared {
        kit.close(&object, context)?;
    }
    Ok(object)
}

/// What a function looks at of each node's document, by slot.
#[derive(Default)]
pub(super) struct Documents(RefCell<Vec<Option<ReadDocument>>>);

/// What was read of one report.
type ReadDocument = (Arc<Report>, Rc<Map<String, Value>>);

impl Documents {
    /// Those of the `fields` of `node`, which lies in `slot`, that stand in its document.
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

/// The objects that a function of two parameters was given and cannot write to, by slot: it is asked about the same few
/// nodes again and again, for another request each time.
#[derive(Default)]
pub(super) struct Kept {
    slots: Vec<Option<KeptObject>>,
    count: usize,
}

#[derive(Clone)]
struct KeptObject {
    object: JsObject,
    /// When the node came, and since when it is what the function sees of it.
    state: (u64, u64),
}

/// More objects than these are not kept for a function: each is a stop on the collector's way.
const MAX_KEPT: usize = 2_048;

impl Kept {
    /// The object of `node`, which lies in `slot`, with the `wanted` fields alone; the function reads these `parts` of it.
    pub(super) fn get(
        &mut self,
        (slot, node): (SlotIndex, &Node),
        (fields, documents): (&BTreeSet<String>, &Documents),
        parts: Parts,
        kit: &Kit,
        context: &mut Context,
    ) -> JsResult<JsObject> {
        let state = (node.arrival(), node.revised(parts));
        if let Some(Some(kept)) = self.slots.get(slot.index())
            && kept.state == state
        {
            return Ok(kept.object.clone());
        }
        let object = plain((slot, node), fields, documents, Hold::Shared, kit, context)?;
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
    view: &Rc<View>,
    look: &Look<'_>,
    hold: Hold,
    wanted: Option<&BTreeSet<String>>,
    kit: &Kit,
    context: &mut Context,
) -> JsResult<JsObject> {
    let prototype = context.intrinsics().constructors().object().prototype();
    let object =
        JsObject::new(context.root_shape(), prototype, Lazy::new(Origin::Node(Rc::clone(view)), hold)).upcast();
    let put = |name: &str, field: Field<'_>| match scalar(&field) {
        Some(value) => kit.put(&object, name, value, hold),
        None => kit.put_lazy(&object, name, hold, context),
    };
    match wanted {
        None => look.fields_with(view.overlay.as_deref()).for_each(|(name, field)| put(name, field)),
        Some(wanted) => wanted.iter().for_each(|name| look.field(name).into_iter().for_each(|field| put(name, field))),
    }
    if hold == Hold::Shared {
        kit.close(&object, context)?;
    }
    Ok(object)
}

/// `field` as a script sees it, where it is neither list nor object.
fn scalar(field: &Field<'_>) -> Option<JsValue> {
    match field {
        Field::Count(count) => Some(JsValue::from(*count)),
        Field::Flag(flag) => Some(JsValue::from(*flag)),
        Field::Json(Value::Array(_) | Value::Object(_)) | Field::Data(_) => None,
        Field::Json(scalar) => Some(scalar_to_js(scalar)),
    }
}
