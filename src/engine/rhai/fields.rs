//! The fields of any value with fields: a node, a shared map, a map of the script's own.

use std::rc::Rc;

use rhai::{Dynamic, Map};

use super::call_context::RhaiCallContext;
use super::nodes::NodeRef;
use super::objects::ReadOnlyMap;

/// Reads fields, including those that the running script set on nodes.
#[derive(Clone)]
pub(super) struct OverlayFields(pub(super) Rc<RhaiCallContext>);

impl OverlayFields {
    /// Returns all fields of `value`; `None` where the value has no fields.
    pub(super) fn of(&self, value: &Dynamic) -> Option<Map> {
        if let Some(node) = value.read_lock::<NodeRef>() {
            return Some(self.of_node(&node));
        }
        if let Some(object) = value.read_lock::<ReadOnlyMap>() {
            return Some(object.fields().clone());
        }
        value.as_map_ref().ok().map(|map| map.clone())
    }

    /// Returns all fields of `node`.
    pub(super) fn of_node(&self, node: &NodeRef) -> Map {
        let view = node.view();
        let mut fields = view.all();
        fields.extend(self.0.all_written(view.slot).into_iter().flatten());
        fields
    }

    /// Returns the id of the node that `value` names: `id`, else `serverId`, where that is a non-empty string.
    pub(super) fn named_id(&self, value: &Dynamic) -> Option<String> {
        if let Some(node) = value.read_lock::<NodeRef>() {
            return Some(node.view().node.id().to_string());
        }
        let text = |map: &Map| {
            let named = ["id", "serverId"].into_iter().filter_map(|name| map.get(name));
            let mut texts = named.filter_map(|value| value.as_immutable_string_ref().ok().map(|text| text.to_string()));
            texts.find(|text| !text.is_empty())
        };
        if let Some(object) = value.read_lock::<ReadOnlyMap>() {
            return text(object.fields());
        }
        value.as_map_ref().ok().and_then(|map| text(&map))
    }
}
