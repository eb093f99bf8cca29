//! The policies that are compared: the same choice in every language, over a whole list and node by node.
//!
//! Benches of the engines, of their floors and of updates share the texts, so that their figures may be divided.

#![allow(dead_code, reason = "each bench uses its own part")]

#[path = "../../tests/it/support/components.rs"]
mod components;

use serde_json::{Value, json};
use whither::chain::StepSource;
use whither::script::Content;

/// s1 of the literature: the node with the fewest sessions, by a loop.
pub(crate) const JAVASCRIPT_LIST: &str = "function(input) {
  var best = input.servers[0];
  for (var i = 1; i < input.servers.length; i++) {
    if (input.servers[i].nodeData.sessions.length < best.nodeData.sessions.length) best = input.servers[i];
  }
  return best.id;
}";
/// The same choice as a function of one node.
pub(crate) const JAVASCRIPT_NODE: &str = "function score(node) { return -node.nodeData.sessions.length; }";
/// The same by a loop in Rhai.
pub(crate) const RHAI_LIST: &str = "fn balance(input) {
  let best = input.servers[0];
  for server in input.servers {
    if server.nodeData.sessions.len() < best.nodeData.sessions.len() { best = server; }
  }
  best.id
}";
/// The same by a closure.
pub(crate) const RHAI_CLOSURE: &str = "fn balance(input) {
  input.servers.reduce(|best, server| if best == () || server.nodeData.sessions.len() < best.nodeData.sessions.len() {
    server
  } else {
    best
  }).id
}";
/// The same as a function of one node.
pub(crate) const RHAI_NODE: &str = "fn score(node) { -node.nodeData.sessions.len() }";

/// Nodes with a GPU, the one with the most weight for each session: a filter and a score.
const GPU_JAVASCRIPT_LIST: &str = "function(input) {
  var best = null, most = -1;
  for (var i = 0; i < input.servers.length; i++) {
    var node = input.servers[i];
    if (!node.staticData.gpu) continue;
    var score = node.staticData.weight / (1 + node.nodeData.sessions.length);
    if (score > most) { best = node; most = score; }
  }
  return best.id;
}";
const GPU_JAVASCRIPT_NODE: &str = "function filter(node) { return node.staticData.gpu; }
function score(node) { return node.staticData.weight / (1 + node.nodeData.sessions.length); }";
const GPU_RHAI_LIST: &str = "fn balance(input) {
  let best = ();
  let most = -1.0;
  for node in input.servers {
    if !node.staticData.gpu { continue; }
    let score = node.staticData.weight * 1.0 / (1 + node.nodeData.sessions.len());
    if score > most { best = node; most = score; }
  }
  best.id
}";
const GPU_RHAI_NODE: &str = "fn filter(node) { node.staticData.gpu }
fn score(node) { node.staticData.weight * 1.0 / (1 + node.nodeData.sessions.len()) }";

/// One way to write a policy down.
#[derive(Clone)]
pub(crate) struct Form {
    /// Its language and shape.
    pub(crate) name: &'static str,
    pub(crate) step: StepSource,
    /// Whether anything of it is kept between requests: a whole list is asked each time.
    pub(crate) is_kept: bool,
}

impl Form {
    fn list(name: &'static str, extension: &str, content: impl Into<Content>) -> Self {
        Self { name, step: StepSource::script(extension, content), is_kept: false }
    }

    fn node(name: &'static str, extension: &str, content: impl Into<Content>) -> Self {
        Self { is_kept: true, ..Self::list(name, extension, content) }
    }
}

/// The node with the fewest sessions.
pub(crate) fn fewest_sessions() -> Vec<Form> {
    let builtin = StepSource::Builtin("fewest-sessions".to_owned());
    vec![
        Form { name: "builtin", step: builtin, is_kept: true },
        Form::list("javascript-list", "js", JAVASCRIPT_LIST),
        Form::node("javascript-node", "js", JAVASCRIPT_NODE),
        Form::list("rhai-list", "rhai", RHAI_LIST),
        Form::list("rhai-closure", "rhai", RHAI_CLOSURE),
        Form::node("rhai-node", "rhai", RHAI_NODE),
        Form::list("wasm-list", "wasm", component("fewest-sessions")),
    ]
}

/// The node with the most weight for each session, of those with a GPU.
pub(crate) fn gpu_weight() -> Vec<Form> {
    vec![
        Form::list("javascript-list", "js", GPU_JAVASCRIPT_LIST),
        Form::node("javascript-node", "js", GPU_JAVASCRIPT_NODE),
        Form::list("rhai-list", "rhai", GPU_RHAI_LIST),
        Form::node("rhai-node", "rhai", GPU_RHAI_NODE),
        Form::node("wasm-node", "wasm", component("gpu-weight")),
    ]
}

/// The component of this name, built where it is not yet.
pub(crate) fn component(name: &str) -> Content {
    Content::Binary(components::component(name).into())
}

/// `nodes` with what [`gpu_weight`] reads of them: every second one has a GPU.
pub(crate) fn with_gpus(mut nodes: Vec<Value>) -> Vec<Value> {
    for (number, node) in nodes.iter_mut().enumerate() {
        node["staticData"] = json!({"gpu": number % 2 == 1, "weight": 1 + number % 4});
    }
    nodes
}
