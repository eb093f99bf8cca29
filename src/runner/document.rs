//! The JSON document of a program that is started for a request.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Map, Value};

use crate::chain::candidates::SuspendedCandidate;
use crate::chain::{EligibilityIndex, ShownCandidates};

use super::mirror::RunnerMirror;

/// Returns the document of FastX 4 with all else that scripts see: `{"nodes": […], "params": {…}, …}`, in pieces,
/// because the texts of the nodes are there already; and the ids of the nodes. `index` is the eligibility index of the
/// chain.
pub(super) fn whole(
    mirror: &mut RunnerMirror,
    index: &EligibilityIndex,
    shown: &ShownCandidates,
    input: &Map<String, Value>,
) -> (Vec<Bytes>, Vec<Arc<str>>) {
    let (mut pieces, mut ids) = (Vec::new(), Vec::new());
    let mut add = |id: &Arc<str>, node: Bytes| {
        pieces.push(Bytes::from_static(if ids.is_empty() { b"{\"nodes\":[" } else { b"," }));
        pieces.push(node);
        ids.push(Arc::clone(id));
    };
    match shown {
        ShownCandidates::Eligible => {
            let slots: Vec<_> = mirror.cluster.nodes().map(|(slot, node)| (slot, Arc::clone(node.id()))).collect();
            for (slot, id) in slots.iter().filter(|(_, id)| index.admits(id)) {
                mirror.text(*slot).into_iter().for_each(|node| add(id, node));
            }
        }
        ShownCandidates::Listed(held) => {
            let standing: Vec<_> = held.iter().filter_map(|held| standing(mirror, index, held)).collect();
            for (held, overlay) in standing {
                let slot = mirror.cluster.find(&held.node);
                match (overlay, slot.and_then(|slot| mirror.cluster.node(slot))) {
                    (Some(overlay), Some(found)) => add(&held.node, found.to_text(Some(&overlay)).into()),
                    _ => slot.and_then(|slot| mirror.text(slot)).into_iter().for_each(|node| add(&held.node, node)),
                }
            }
        }
    }
    pieces.push(rest(input, ids.is_empty()).into());
    (pieces, ids)
}

/// Returns the part of the document after the nodes: the end of their list, and the members of `input`. A line, which a
/// shell reads with less effort.
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

/// Returns the candidate with the candidate's overlay, where the node is still there and can take the request.
pub(super) fn standing<'a>(
    mirror: &RunnerMirror,
    index: &EligibilityIndex,
    held: &'a SuspendedCandidate,
) -> Option<(&'a SuspendedCandidate, Option<Map<String, Value>>)> {
    mirror.get(&held.node).filter(|node| index.admits(node.id()))?;
    Some((held, held.overlay.as_deref().and_then(|overlay| serde_json::from_str(overlay).ok())))
}
