//! What components know of nodes: the columns follow the cluster, and overlays lie on them for one request.

use serde_json::json;
use whither::model::Change;

use super::stand::{Stand, cordoned, failure, js, login};
use super::{fresh, step};
use crate::support::components::path;
use crate::support::shell::Shell;

/// What the component has of each candidate.
fn rows(stand: &mut Stand) -> String {
    let decision = stand.decide(json!({"action": "user/login", "user": {"login": "rows"}}));
    failure(&decision).message.clone()
}

#[test]
fn columns_follow_the_cluster_and_are_told_of_changes() {
    for isolated in [step, fresh] {
        let mut stand = Stand::new(vec![login(vec![isolated("answers")])], &[]);
        assert_eq!(rows(&mut stand), "");
        stand.report(json!({
            "id": "a", "sessions": 2, "maxSessions": 5, "loadavg": [0.5, 0, 0], "metadata": {"zone": "north"},
            "staticData": {"gpu": {"model": "T4"}}
        }));
        stand.report(json!({"id": "b"}));
        let a = r#"a Some(2.0) Some(0.5) Some(5.0) false north {"model":"T4"}"#;
        assert_eq!(rows(&mut stand), format!("{a}; b None None None false - -"));
        stand.mark("b", cordoned());
        stand.report(json!({"id": "c", "sessions": 1, "staticData": {"gpu": 3}}));
        let c = "c Some(1.0) None None false - 3";
        assert_eq!(rows(&mut stand), format!("{a}; b None None None true - -; {c}"));
        // The row of a node that leaves is another node's next.
        stand.apply(Change::Remove("a".into()));
        stand.report(json!({"id": "d", "sessions": 7}));
        assert_eq!(rows(&mut stand), format!("b None None None true - -; {c}; d Some(7.0) None None false - -"));
    }
}

/// So many changes that nobody remembers each.
#[test]
fn what_happened_long_ago_is_told_too() {
    let mut stand = Stand::new(vec![login(vec![step("answers")])], &[json!({"id": "a", "sessions": 0})]);
    assert!(rows(&mut stand).starts_with("a Some(0.0)"));
    stand.report(json!({"id": "a", "sessions": 1}));
    (0..5000).for_each(|number| stand.report(json!({"id": "b", "sessions": number})));
    let told = rows(&mut stand);
    assert!(told.starts_with("a Some(1.0)") && told.contains("b Some(4999.0)"), "{told}");
}

#[test]
fn an_overlay_is_seen_by_its_request_alone() {
    for isolated in [step, fresh] {
        let before = "input => input.user.login === 'rows' && input.data.overlay ? \
            [{...input.nodes[0], sessions: 40, metadata: {zone: 'south'}}, input.nodes[1]] : undefined";
        let nodes = [json!({"id": "a", "sessions": 2, "metadata": {"zone": "north"}}), json!({"id": "b"})];
        let mut stand = Stand::new(vec![login(vec![js("before.js", before), isolated("answers")])], &nodes);
        assert!(rows(&mut stand).starts_with("a Some(2.0) None None false north"));
        let overlaid =
            stand.decide(json!({"action": "user/login", "user": {"login": "rows"}, "data": {"overlay": true}}));
        assert!(failure(&overlaid).message.starts_with("a Some(40.0) None None false south"), "{overlaid:?}");
        assert!(rows(&mut stand).starts_with("a Some(2.0) None None false north"), "{}", rows(&mut stand));
    }
}

/// What is told first costs no node its time: it is the step's.
#[test]
fn a_large_cluster_is_told_before_a_node_is_asked_about() {
    let shell = Shell::new();
    let node =
        |number: usize| json!({"id": format!("n{number:05}"), "sessions": number % 7, "staticData": {"gpu": true}});
    shell.write("nodes.json", serde_json::to_string(&(0..10_000).map(node).collect::<Vec<_>>()).unwrap());
    let script = path("gpu-weight");
    let chain = "[limits]\nscript_ms = 60000\n[chain.\"session/start\"]\nsteps = [\"SCRIPT\"]\n";
    shell.write("whither.toml", chain.replace("SCRIPT", &script.display().to_string()));
    let told = shell.whither(["place", "--nodes", "nodes.json", "--config", "whither.toml"]);
    assert_eq!((told.code, told.stdout.trim()), (Some(0), "n00000"), "{}", told.stderr);
}
