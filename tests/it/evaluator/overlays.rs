//! What a script gives a node on top: seen by the next steps and by nobody else, within a size.

use serde_json::json;
use whither::chain::{ChainSet, ChainSpec, StepSpec};
use whither::model::{FailureName, LimitKind};
use whither::script::ScriptLimits;

use super::stand::{Stand, builtin, equal, failed, failure, js, node, outcome, start};

fn ranks() -> StepSpec {
    js("ranks.js", "i => i.nodes.map(n => ({...n, rank: n.id === 'n2' ? 1 : 9}))")
}

#[test]
fn the_next_steps_see_it_and_the_next_question_does_not() {
    let best = js("best.js", "i => i.nodes.filter(n => n.rank === 1)");
    let mut stand =
        Stand::new(vec![start(vec![ranks(), js("pass.js", "i => null"), best, builtin("round-robin")])], &equal(3));
    assert_eq!(stand.places(2), ["n2", "n2"]);
    let sees = js(
        "sees.js",
        "i => i.nodes.some(n => 'rank' in n) ? 'n1' : i.data.first ? i.nodes.map(n => ({...n, rank: 1})) : 'n3'",
    );
    let mut stand = Stand::new(vec![start(vec![sees, builtin("round-robin")])], &equal(3));
    assert_eq!(outcome(&stand.decide(json!({"data": {"first": true}}))), "n1");
    assert_eq!(stand.place(), "n3");
}

#[test]
fn per_node_functions_see_it_too() {
    for score in ["function score(node) { return -node.rank }", "function score(node, request) { return -node.rank }"] {
        let mut stand = Stand::new(vec![start(vec![ranks(), js("score.js", score)])], &equal(3));
        assert_eq!(stand.places(2), ["n2", "n2"], "{score}");
    }
}

#[test]
fn built_ins_and_eligibility_look_at_the_cluster() {
    let lies = js(
        "lies.js",
        "i => i.nodes.map(n => ({...n, sessions: n.id === 'b' ? 0 : 99, cordoned: true, maxSessions: 0}))",
    );
    let nodes = [node("a", 1), node("b", 5)];
    let mut stand = Stand::new(vec![start(vec![lies.clone(), builtin("fewest-sessions")])], &nodes);
    assert_eq!(stand.place(), "a");
    let mut stand = Stand::new(vec![start(vec![lies, js("names.js", "i => i.nodes[1].cordoned ? 'b' : 'a'")])], &nodes);
    assert_eq!(stand.place(), "b");
}

#[test]
fn a_copy_that_says_nothing_new_is_no_overlay() {
    let copies = js("copies.js", "i => i.nodes.map(n => JSON.parse(JSON.stringify(n)))");
    let limits = ScriptLimits { overlay_node_bytes: 1, ..ScriptLimits::default() };
    let set = ChainSet { limits, ..ChainSet::new(vec![start(vec![copies, builtin("round-robin")])]) };
    let full = json!({
        "id": "n1", "hostname": "one", "maxSessions": 4, "metadata": {"a": "b"}, "staticData": {"gpu": true}, "extra": [1, 2.5],
        "nodeData": {"services": ["launcher"], "sessions": [{"id": "s", "user": "ann"}],
            "health": {"cpu": {"load1": 0.5, "cores": 4}, "mem": {"free": 4e9}}},
    });
    let mut stand = Stand::of(
        &set,
        &[full, json!({"id": "dark"}), json!({"serverId": "old", "sessions": 3, "loadavg": [1, 2, 3]})],
    );
    assert_eq!(stand.places(4), ["dark", "n1", "old", "dark"], "also where a session is pending");
}

/// A chain that gives every node the text `note`, over three nodes, with these limits of overlays.
fn noted(note_bytes: usize, overlay_node_bytes: usize, overlay_request_bytes: usize) -> Stand {
    let text = format!("i => i.nodes.map(n => ({{...n, note: 'x'.repeat({note_bytes})}}))");
    let limits = ScriptLimits { overlay_node_bytes, overlay_request_bytes, ..ScriptLimits::default() };
    let chain: ChainSpec = start(vec![js("noted.js", &text), builtin("round-robin")]);
    Stand::of(&ChainSet { limits, ..ChainSet::new(vec![chain]) }, &equal(3))
}

#[test]
fn a_node_and_a_request_have_room_for_so_much() {
    // `{"note":"…"}` is eleven bytes longer than the note.
    assert_eq!(noted(89, 100, 300).place(), "n1");
    let over_node = noted(90, 100, 1000).decide(json!({}));
    failed(&over_node, FailureName::ScriptLimit, "`n1` more than 100 bytes");
    assert_eq!(failure(&over_node).limit, Some(LimitKind::Output));
    assert_eq!(failure(&over_node).step.as_deref(), Some("noted.js"));
    let over_request = noted(89, 100, 299).decide(json!({}));
    failed(&over_request, FailureName::ScriptLimit, "more than 299 bytes");
}

#[test]
fn the_limits_are_those_of_the_contract_by_default() {
    let limits = ScriptLimits::default();
    assert_eq!((limits.overlay_node_bytes, limits.overlay_request_bytes), (64 << 10, 1 << 20));
    let mut stand = noted(65_525, limits.overlay_node_bytes, limits.overlay_request_bytes);
    assert_eq!(stand.place(), "n1");
    let mut stand = noted(65_526, limits.overlay_node_bytes, limits.overlay_request_bytes);
    failed(&stand.decide(json!({})), FailureName::ScriptLimit, "`n1` more than 65536 bytes");
    let text = "i => i.nodes.map(n => ({...n, note: 'x'.repeat(65000)}))";
    let mut stand = Stand::new(vec![start(vec![js("many.js", text), builtin("round-robin")])], &equal(17));
    failed(&stand.decide(json!({})), FailureName::ScriptLimit, "more than 1048576 bytes");
}

#[test]
fn an_overlay_stays_with_its_node_through_ids_and_passes() {
    let chain = start(vec![
        ranks(),
        js("ids.js", "i => i.nodes.map(n => n.id).reverse()"),
        js("filter.js", "function filter(node) { return node.rank > 0 }"),
        js("sees.js", "i => i.nodes.map(n => n.id + n.rank).join() === 'n39,n21,n19' ? 'n1' : 'n3'"),
    ]);
    assert_eq!(Stand::new(vec![chain], &equal(3)).place(), "n1");
}
