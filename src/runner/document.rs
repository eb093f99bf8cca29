//! The JSON that programs read: one node, what a request asks, and the document of a program that is started for it.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::chain::candidates::Held;
use crate::chain::{Roll, Shown};
use crate::model::{Cluster, Node, Session};
use crate::script::Asked;

use super::mirror::Mirror;

/// What a node's text and a request usually take.
const USUAL_NODE_BYTES: usize = 1200;

/// The object of `node` with `overlay` on top, as text.
pub(super) fn node(node: &Node, overlay: Option<&Map<String, Value>>) -> Vec<u8> {
    let mut text = Vec::with_capacity(USUAL_NODE_BYTES);
    let mut serializer = serde_json::Serializer::new(&mut text);
    // Strings, numbers and JSON values can always be written.
    drop(serde::Serializer::collect_map(&mut serializer, node.fields_with(overlay)));
    text
}

/// What scripts see of a request as `input`, without the nodes.
pub(super) fn input(asked: &Asked<'_>, cluster: &Cluster) -> Map<String, Value> {
    let login = &**asked.request.login();
    let sessions: Vec<&Arc<Session>> = if login.is_empty() { Vec::new() } else { cluster.sessions_of(login).collect() };
    let sessions: Value = sessions.iter().map(|session| Value::Object(session.fields().clone())).collect();
    let mut input = asked.request.fields().clone();
    // The lists of nodes are ours to give.
    input.retain(|name, _| !matches!(name.as_str(), "nodes" | "servers"));
    put(&mut input, "user", "sessions", &sessions);
    if let Some(params) = input.get_mut("params").and_then(Value::as_object_mut) {
        put(params, "me", "sessions", &sessions);
        params.insert("jwt".to_owned(), asked.jwt().clone());
    }
    let moment = asked.moment;
    input.insert("now".to_owned(), json!(moment.ms));
    let time = json!({
        "ms": moment.ms, "hour": moment.hour, "minute": moment.minute, "weekday": moment.weekday,
        "offset_min": moment.offset_min,
    });
    input.insert("time".to_owned(), time);
    input.insert("sequence".to_owned(), json!(asked.sequence));
    input
}

fn put(own: &mut Map<String, Value>, object: &str, name: &str, value: &Value) {
    if let Some(object) = own.get_mut(object).and_then(Value::as_object_mut) {
        object.insert(name.to_owned(), value.clone());
    }
}

/// The document of FastX 4 with all else that scripts see: `{"nodes": […], "params": {…}, …}`, in pieces, because the
/// texts of the nodes are there already; and the ids of its nodes. `roll` is that of the chain.
pub(super) fn whole(
    mirror: &mut Mirror,
    roll: &Roll,
    shown: &Shown,
    input: &Map<String, Value>,
) -> (Vec<Bytes>, Vec<Arc<str>>) {
    let (mut pieces, mut ids) = (Vec::new(), Vec::new());
    let mut add = |id: &Arc<str>, node: Bytes| {
        pieces.push(Bytes::from_static(if ids.is_empty() { b"{\"nodes\":[" } else { b"," }));
        pieces.push(node);
        ids.push(Arc::clone(id));
    };
    match shown {
        Shown::Eligible => {
            let slots: Vec<_> = mirror.cluster.nodes().map(|(slot, node)| (slot, Arc::clone(node.id()))).collect();
            for (slot, id) in slots.iter().filter(|(_, id)| roll.admits(id)) {
                mirror.text(*slot).into_iter().for_each(|node| add(id, node));
            }
        }
        Shown::Listed(held) => {
            let standing: Vec<_> = held.iter().filter_map(|held| standing(mirror, roll, held)).collect();
            for (held, overlay) in standing {
                let slot = mirror.cluster.find(&held.node);
                match (overlay, slot.and_then(|slot| mirror.cluster.node(slot))) {
                    (Some(overlay), Some(found)) => add(&held.node, node(found, Some(&overlay)).into()),
                    _ => slot.and_then(|slot| mirror.text(slot)).into_iter().for_each(|node| add(&held.node, node)),
                }
            }
        }
    }
    pieces.push(rest(input, ids.is_empty()).into());
    (pieces, ids)
}

/// What follows the nodes: the end of their list, and the members of `input`. A line, which a shell reads with less ado.
fn rest(input: &Map<String, Value>, is_all: bool) -> Vec<u8> {
    let mut text = if is_all { b"{\"nodes\":[]".to_vec() } else { b"]".to_vec() };
    let members = serde_json::to_vec(input).unwrap_or_default();
    match members.get(1..).filter(|members| members.len() > 1) {
        Some(members) => {
            text.push(b',');
            text.extend_from_slice(members);
        }
        None => text.push(b'}'),
    }
    text.push(b'\n');
    text
}

/// The candidate with its overlay, where its node is still there and can take the request.
pub(super) fn standing<'a>(
    mirror: &Mirror,
    roll: &Roll,
    held: &'a Held,
) -> Option<(&'a Held, Option<Map<String, Value>>)> {
    mirror.get(&held.node).filter(|node| roll.admits(node.id()))?;
    Some((held, held.overlay.as_deref().and_then(|overlay| serde_json::from_str(overlay).ok())))
}
