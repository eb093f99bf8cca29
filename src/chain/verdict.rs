//! Turns the value that a step returned into a verdict: every value is checked against the cluster and the candidates.
//!
//! Scripts, executables and the tests share this file, so that a value means the same in each language.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::model::{Candidate, Cluster, Failure, FailureName, LimitKind, Overlay, Verdict};
use crate::script::{Element, ReturnedValue, ScriptLimits};

use super::candidates::Places;

/// Reads `returned` as a verdict about `candidates`.
///
/// # Errors
/// `unknown-node` for an id that no node has, `bad-verdict` for an invalid verdict, `script-limit` for overlays past
/// their size. The message says which value came back and which was expected.
pub fn read(
    returned: ReturnedValue,
    candidates: &[Candidate],
    cluster: &Cluster,
    limits: &ScriptLimits,
) -> Result<Verdict, Failure> {
    let bad = |found: &str, advice: &str| {
        let message =
            format!("the script returned {found}; a step returns a node id, a list of nodes, or nothing{advice}");
        Failure::new(FailureName::BadVerdict, message)
    };
    match returned {
        ReturnedValue::Falsy => Ok(Verdict::Pass),
        ReturnedValue::Id(id) => cluster.find(&id).map(Verdict::Select).ok_or_else(|| {
            let meant = meant_id(&id, candidates, cluster).unwrap_or_default();
            let message =
                format!("the script chose `{}`, and the cluster has no node of that id{meant}", limits.cut(&id));
            Failure::new(FailureName::UnknownNode, message)
        }),
        ReturnedValue::Given(places) => Ok(Verdict::Narrow(given(&places, candidates))),
        ReturnedValue::List(elements) => narrow(elements, candidates, cluster, limits).map(Verdict::Narrow),
        ReturnedValue::Node(id) => Err(bad(&format!("the node object `{}`", limits.cut(&id)), ": return node.id")),
        ReturnedValue::Other(found) => Err(bad(&found, meant_verdict(&found))),
    }
}

/// Returns advice on the returned value `found`, which is no verdict.
fn meant_verdict(found: &str) -> &'static str {
    if matches!(found, "true" | "`true`") {
        ": to keep some of the nodes, return their list, as in `return input.nodes.filter(node => …)`"
    } else if found.starts_with("the number") {
        ": to choose the node at a place of the list, return its id, as in `return input.nodes[0].id`"
    } else if found.contains("function") {
        ": call it, and return what it returns"
    } else {
        ""
    }
}

/// Returns which node of `candidates` was probably meant by the id `id`, which no node has.
fn meant_id(id: &str, candidates: &[Candidate], cluster: &Cluster) -> Option<String> {
    let nodes = || candidates.iter().filter_map(|candidate| cluster.node(candidate.slot)).take(MAX_COMPARED);
    if let Some(node) = nodes().find(|node| node.report().hostname() == id) {
        return Some(format!("; that is the hostname of `{}`: return its `id`", node.id()));
    }
    // A long word is not worth a quadratic comparison.
    let near = nodes().filter(|node| id.len() <= MAX_COMPARED_BYTES && node.id().len() <= MAX_COMPARED_BYTES);
    let near = near.map(|node| (strsim::damerau_levenshtein(id, node.id()), node));
    let (_, node) = near.filter(|(distance, node)| *distance <= node.id().len() / 3).min_by_key(|(far, _)| *far)?;
    Some(format!("; did you mean `{}`?", node.id()))
}

/// The number of nodes with ids that are compared with an unknown id, and the length of the longest such id in bytes.
const MAX_COMPARED: usize = 1000;
const MAX_COMPARED_BYTES: usize = 64;

/// Returns the candidates at `places`, each once.
fn given(places: &[u32], candidates: &[Candidate]) -> Vec<Candidate> {
    let mut is_taken = vec![false; candidates.len()];
    let mut narrowed = Vec::with_capacity(places.len().min(candidates.len()));
    for place in places {
        let place = *place as usize;
        if let (Some(candidate), Some(is_taken)) = (candidates.get(place), is_taken.get_mut(place))
            && !std::mem::replace(is_taken, true)
        {
            narrowed.push(candidate.clone());
        }
    }
    narrowed
}

fn narrow(
    elements: Vec<Element>,
    candidates: &[Candidate],
    cluster: &Cluster,
    limits: &ScriptLimits,
) -> Result<Vec<Candidate>, Failure> {
    let mut left = Places::of(candidates);
    let places = Places::of(candidates);
    let mut overlay_bytes = 0;
    let mut narrowed = Vec::with_capacity(elements.len().min(candidates.len()));
    for element in elements {
        let (position, properties) = match element {
            Element::Given(position) => (position, None),
            Element::Id(id) => (find(&id, &places, cluster, limits)?, None),
            Element::Node(id, properties) => (find(&id, &places, cluster, limits)?, Some(properties)),
            Element::Other(found) => {
                let message = format!("the returned list holds {found}; each element must be a node or the id of one");
                return Err(Failure::new(FailureName::BadVerdict, message));
            }
        };
        let Some(given) = candidates.get(position) else { continue };
        if !left.take(given.slot) {
            continue;
        }
        let overlay = match properties {
            None => given.overlay.clone(),
            Some(properties) => overlay(properties, given, cluster, limits, &mut overlay_bytes)?,
        };
        narrowed.push(Candidate { slot: given.slot, overlay });
    }
    Ok(narrowed)
}

fn find(id: &str, places: &Places, cluster: &Cluster, limits: &ScriptLimits) -> Result<usize, Failure> {
    let slot = cluster.find(id);
    slot.and_then(|slot| places.find(slot)).ok_or_else(|| {
        let why = match slot {
            Some(_) => "is no candidate here: an earlier step left it out, or it cannot take the request",
            None => "is no node of the cluster",
        };
        Failure::new(FailureName::BadVerdict, format!("the returned list names `{}`, which {why}", limits.cut(id)))
    })
}

/// Returns the `properties` that differ from the node's own, if their size is within the limits.
fn overlay(
    mut properties: Map<String, Value>,
    given: &Candidate,
    cluster: &Cluster,
    limits: &ScriptLimits,
    total_bytes: &mut usize,
) -> Result<Option<Overlay>, Failure> {
    let Some(node) = cluster.node(given.slot) else { return Ok(None) };
    let names: Vec<&str> = properties.keys().map(String::as_str).collect();
    let view = if names.is_empty() { return Ok(None) } else { node.look_at(Some(&names)) };
    properties.retain(|name, value| !view.field(name).is_some_and(|own| own.equals(value)));
    if properties.is_empty() {
        return Ok(None);
    }
    let bytes = serde_json::to_string(&properties).map_or(usize::MAX, |text| text.len());
    *total_bytes = total_bytes.saturating_add(bytes);
    let over = |what: String, limit: usize| {
        Err(Failure::limit(
            LimitKind::Output,
            format!("{what} more than {limit} bytes of properties; return fewer of them"),
        ))
    };
    if bytes > limits.overlay_node_bytes {
        return over(format!("the script gave node `{}`", node.id()), limits.overlay_node_bytes);
    }
    if *total_bytes > limits.overlay_request_bytes {
        return over("the script gave the nodes of one list".to_owned(), limits.overlay_request_bytes);
    }
    Ok(Some(Arc::new(properties)))
}
