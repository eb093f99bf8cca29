//! The whole-list scripts of the tiers' tests, with nodes and a request that have what these look at.

use serde_json::{Value, json};

#[path = "nodes.rs"]
mod nodes;

/// Every script, each after a line with its name.
pub(crate) const CORPUS: &str = include_str!("../../src/engine/javascript/compiled/tests/corpus.txt");

/// The scripts of the whole list, each with its name.
pub(crate) fn whole_list() -> impl Iterator<Item = (&'static str, &'static str)> {
    let all = CORPUS.split("//// ").skip(1).filter_map(|script| script.split_once('\n'));
    all.filter(|(_, text)| !text.contains("function filter("))
}

/// So many nodes, with what the scripts look at.
pub(crate) fn documents(size: usize) -> Vec<Value> {
    let mut documents = nodes::nodes(size);
    for (place, node) in documents.iter_mut().enumerate() {
        node["serverPool"] = if place % 3 == 0 { "a" } else { "b" }.into();
        node["metadata"]["zone"] = format!("z{}", place % 7).into();
        node["staticData"] =
            json!({"gpu": place % 4 == 0, "size": (["small", "medium", "large"][place % 3]), "users": ["ann", "bob"]});
    }
    documents
}

/// What is asked.
pub(crate) fn request() -> Value {
    json!({"action": "session/start", "user": {"login": "ann"}, "userGroups": ["cpu", "staff", "cad"], "data": {"zone": "z1"}})
}
