//! The fields of a node and of a request that a search changes, with the names by which scripts reach them.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::chain::Ask;
use crate::model::Node;

use super::supposition::{SupposedPart, Supposition, is_cooling};
use super::vocabulary::Vocabulary;

/// The most fields that are changed in turn.
const MAX_FIELDS: usize = 512;
/// The longest list that is changed element by element.
const MAX_ELEMENTS: usize = 64;
/// Figures with a short name beside the way into `nodeData`: both show the same.
const SHORT_NAMES: [(&[&str], &str); 6] = [
    (&["nodeData", "health", "mem", "free"], "freemem"),
    (&["nodeData", "health", "mem", "total"], "totalmem"),
    (&["nodeData", "health", "cpu", "load1"], "loadavg"),
    (&["nodeData", "health", "cpu", "load5"], "loadavg"),
    (&["nodeData", "health", "cpu", "load15"], "loadavg"),
    (&["nodeData", "health", "cpu", "utilization"], "cpu"),
];
/// Top-level fields that are changed under another name, or never.
const ELSEWHERE: [&str; 10] =
    ["id", "serverId", "nodeData", "sessions", "cordoned", "freemem", "totalmem", "loadavg", "cpu", "available"];
/// Fields of a request that a search changes; the other fields name the user and the purpose.
const OF_REQUEST: [&str; 4] = ["userGroups", "isManager", "isAdmin", "data"];

/// A field that a search changes.
#[derive(Clone, Debug)]
pub(super) struct SearchedField {
    /// The field's name in a script.
    pub(super) name: String,
    /// The part of a supposition that is set.
    pub(super) target: SupposedPart,
    /// The present value; `None` where the node or the request has no such field.
    pub(super) now: Option<Value>,
    /// Whether the sources of the chain name the field.
    pub(super) is_read: bool,
}

/// Returns the fields of `node` and of `ask`: those that the node has, those that any of its `peers` has, and those
/// that the chain names; the fields that the chain reads come first.
pub(super) fn of(
    node: &Node,
    ask: &Ask,
    actual: &Supposition,
    peers: &[Map<String, Value>],
    vocabulary: &Vocabulary,
) -> Vec<SearchedField> {
    let own = node.to_json();
    let mut fields = vec![SearchedField {
        name: "sessions".to_owned(),
        target: SupposedPart::Sessions,
        now: node.session_count().map(Value::from),
        is_read: vocabulary.has("sessions") || vocabulary.has("loggedInUsers"),
    }];
    let user = ask.request.login();
    if !user.is_empty() {
        let target = SupposedPart::SessionsOfUser;
        let (name, now) = (format!("sessions of {user}"), Some(json!(actual.sessions_of_user())));
        fields.push(SearchedField { name, target, now, is_read: vocabulary.has("user") });
    }
    for (name, target, is_set) in [
        ("cordoned", SupposedPart::Cordoned, node.is_cordoned()),
        ("cooling down", SupposedPart::CoolingDown, is_cooling(node, ask)),
        ("stale", SupposedPart::Stale, node.is_stale()),
    ] {
        let is_read = is_set || vocabulary.names(name);
        fields.push(SearchedField { name: name.to_owned(), target, now: Some(json!(is_set)), is_read });
    }
    let mut ways = BTreeSet::new();
    let mut leaves = Vec::new();
    for document in std::iter::once(&own).chain(peers) {
        ways_into(document, document, &mut Vec::new(), &mut |way| {
            if ways.insert(way.to_vec()) {
                leaves.push(way.to_vec());
            }
        });
    }
    for object in ["metadata", "staticData", "metrics"] {
        let named = vocabulary.members_of(object).map(|member| vec![object.to_owned(), member.to_owned()]);
        leaves.extend(named.filter(|way| ways.insert(way.clone())).collect::<Vec<_>>());
    }
    fields.extend(leaves.into_iter().map(|way| SearchedField {
        name: shown(&way, vocabulary),
        now: at(&own, &way).cloned(),
        is_read: is_read(&way, vocabulary),
        target: SupposedPart::Document(way),
    }));
    fields.extend(of_request(ask, vocabulary));
    fields.sort_by_key(|field| !field.is_read);
    fields.truncate(MAX_FIELDS);
    fields
}

fn of_request(ask: &Ask, vocabulary: &Vocabulary) -> Vec<SearchedField> {
    let fields = ask.request.fields();
    let mut ways: Vec<Vec<String>> = Vec::new();
    for (name, value) in fields.iter().filter(|(name, _)| OF_REQUEST.contains(&name.as_str())) {
        match value.as_object() {
            Some(inner) => ways.extend(inner.keys().map(|member| vec![name.clone(), member.clone()])),
            None => ways.push(vec![name.clone()]),
        }
    }
    let named = ["data", "start"].into_iter().flat_map(|object| vocabulary.members_of(object));
    for way in named.map(|member| vec!["data".to_owned(), member.to_owned()]).collect::<Vec<_>>() {
        if !ways.contains(&way) {
            ways.push(way);
        }
    }
    // Fields of a request that no step names are not tried: the request is given.
    let read = ways.into_iter().filter(|way| way.last().is_some_and(|name| vocabulary.names(name)));
    let field = |way: Vec<String>| SearchedField {
        name: format!("request.{}", way.join(".")),
        now: at(fields, &way).cloned(),
        is_read: true,
        target: SupposedPart::Request(way),
    };
    read.map(field).collect()
}

/// Calls `tell` with the path to each value below `object` that is no object; `way` is the path to `object` in the node
/// `whole`.
fn ways_into(
    whole: &Map<String, Value>,
    object: &Map<String, Value>,
    way: &mut Vec<String>,
    visit: &mut dyn FnMut(&[String]),
) {
    for (name, value) in object {
        let is_top = way.is_empty();
        if is_top && (is_elsewhere(whole, name) && name != "nodeData") {
            continue;
        }
        way.push(name.clone());
        match value {
            Value::Object(inner) => ways_into(whole, inner, way, visit),
            Value::Array(list) if list.len() > MAX_ELEMENTS || list.iter().any(Value::is_object) => {}
            _ if is_derived(whole, way) => {}
            _ => visit(way),
        }
        way.pop();
    }
}

/// Whether the top-level field `name` of the node `whole` repeats a value that stands elsewhere in the node.
fn is_elsewhere(whole: &Map<String, Value>, name: &str) -> bool {
    let is_static = || {
        let stands = whole.get("staticData").and_then(|data| data.get(name));
        stands.is_some() && stands == whole.get(name)
    };
    ELSEWHERE.contains(&name) || is_static()
}

/// Whether the value on the path `way` repeats other values: the session list, or a copy of a top-level field.
fn is_derived(whole: &Map<String, Value>, way: &[String]) -> bool {
    let way: Vec<_> = way.iter().map(String::as_str).collect();
    match way.as_slice() {
        ["nodeData", "sessions"] => true,
        ["nodeData", "health", "os", name @ ("uptime" | "hostname")] => whole.contains_key(*name),
        _ => false,
    }
}

/// Returns the name by which the chain reaches the value on the path `way`.
fn shown(way: &[String], vocabulary: &Vocabulary) -> String {
    let short = SHORT_NAMES.iter().find(|(long, _)| way.iter().eq(long.iter())).map(|(_, short)| *short);
    if let Some(short) = short.filter(|short| vocabulary.names(short)) {
        let place = ["load1", "load5", "load15"].iter().position(|name| way.last().is_some_and(|last| last == name));
        return place.map_or_else(|| short.to_owned(), |place| format!("{short}[{place}]"));
    }
    match way {
        [object, name] if object == "staticData" && vocabulary.names(name) && !vocabulary.names("staticData") => {
            name.clone()
        }
        _ => way.join("."),
    }
}

/// Whether the chain names the value on the path `way`.
fn is_read(way: &[String], vocabulary: &Vocabulary) -> bool {
    let short =
        SHORT_NAMES.iter().filter(|(long, _)| way.iter().eq(long.iter())).any(|(_, short)| vocabulary.has(short));
    short || way.last().is_some_and(|name| vocabulary.has(name))
}

/// Returns the value in `object` on the path `way`.
pub(super) fn at<'a>(object: &'a Map<String, Value>, way: &[String]) -> Option<&'a Value> {
    let (first, rest) = way.split_first()?;
    rest.iter().try_fold(object.get(first)?, |value, name| value.get(name))
}
