//! Nodes as a script's objects: shared ones that stay, and ones of a request's own.
//!
//! A script that cannot write to nodes gets frozen objects that live as long as their node's state does. The others get
//! new ones.

use std::collections::BTreeSet;
use std::rc::Rc;

use boa_engine::object::JsObject;
use boa_engine::{Context, JsResult, JsValue};
use serde_json::Value;

use crate::engine::residents::{Resident, Residents};
use crate::model::{Candidate, Cluster, Field, Look, Node, SlotIndex};

use super::kit::{Hold, Kit, scalar_to_js};
use super::lazy::{Lazy, Origin, View};

/// The node object that all requests share.
#[derive(Clone)]
pub(super) struct Shared {
    view: Rc<View>,
    object: JsObject,
}

impl Resident for Shared {
    fn node(&self) -> &Node {
        &self.view.node
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
    let build = || {
        let view = Rc::new(View { slot, node: node.clone(), overlay: None, built: None });
        // Its larger fields are built from the text when they are read, and stay then.
        let object = node_object(&view, &node.look(), Hold::Shared, None, kit, context)?;
        Ok(Shared { view, object })
    };
    residents.get(slot, node, build).map(|shared| shared.object)
}

/// The object of a candidate's node for one request alone; with these `fields` only, where a script can see no others.
pub(super) fn own_object(
    candidate: &Candidate,
    cluster: &Cluster,
    fields: Option<&BTreeSet<String>>,
    kit: &Kit,
    context: &mut Context,
) -> JsResult<Option<JsObject>> {
    let Some(node) = cluster.node(candidate.slot) else { return Ok(None) };
    let names: Option<Vec<&str>> = fields.map(|fields| fields.iter().map(String::as_str).collect());
    let built = node.look_at(names.as_deref()).into_built();
    let view = Rc::new(View { slot: candidate.slot, node: node.clone(), overlay: candidate.overlay.clone(), built });
    node_object(&view, &view.look(), Hold::Own, fields, kit, context).map(Some)
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
    let put = |name: &str, field: Field<'_>| {
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
