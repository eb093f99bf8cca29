//! Why that node? A service tells it of a placement that it makes, and of one that it would make.

use serde_json::json;

use crate::support::serve::{ask, site};
use crate::support::shell::Shell;

/// A chain whose script likes some nodes better than others.
const SCORE: &str = "[chain.\"session/start\"]\nreserve = true\nsteps = [\"score.js\"]\n";
const LIKES: (&str, &str) = ("score.js", "function score(node) { return node.id === 'n01' ? 74 : 41 }");

/// How many reservations each node has.
async fn pending(client: &async_nats::Client) -> Vec<u64> {
    let page = ask(client, "whither.nodes", &json!({})).await.body;
    page["nodes"].as_array().unwrap().iter().map(|node| node["pending"].as_u64().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_placement_is_explained_with_its_answer() {
    let (nats, _serve, client) = site(SCORE, &[LIKES], 3).await;
    let asked = ask(&client, "whither.place", &json!({"id": "r1", "explain": true, "node": "n00"})).await.body;
    assert_eq!((&asked["node"], &asked["warnings"]), (&json!("n01"), &json!(null)), "{asked}");
    let explanation = &asked["explanation"];
    assert_eq!(explanation["asked"], json!({"node": "n00", "fate": "score.js chose n01: 74 against 41"}));
    let best = json!([{"node": "n01", "score": 74}, {"node": "n00", "score": 41}, {"node": "n02", "score": 41}]);
    assert_eq!(explanation["steps"][0]["scores"], best, "{asked}");
    assert_eq!(explanation["decision"], asked["decision"], "of the placement that was made, and no other");
    let plain = ask(&client, "whither.place", &json!({})).await.body;
    assert_eq!(plain.get("explanation"), None);
    assert_eq!(pending(&client).await, [0, 2, 0]);

    let shell = Shell::new().with("WHITHER_NATS", &nats.url());
    let told = shell.whither(["place", "--explain", "--node", "n02", "--user", "ann"]);
    assert_eq!((told.code, told.stdout.as_str()), (Some(0), "n01\n"), "{told:?}");
    for words in ["best at score.js: n01 74", "n02: score.js chose n01: 74 against 41"] {
        assert!(told.stderr.contains(words), "`{words}` is not in {}", told.stderr);
    }
    assert_eq!(pending(&client).await.iter().sum::<u64>(), 3, "explaining it is not another placement");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_is_found_where_neither_nodes_nor_steps_are_given() {
    let (nats, _serve, client) = site(SCORE, &[LIKES], 1).await;
    let shell = Shell::new();
    shell.write("login.toml", format!("[nats]\nurl = \"{}\"\n", nats.url()));
    shell.write("whither.toml", format!("[nats]\nurl = \"{}\"\n", nats.url()));
    let told = shell.whither(["place", "--config", "login.toml"]);
    assert_eq!((told.code, told.stdout.as_str()), (Some(0), "n00\n"), "{told:?}");
    let told = shell.whither(["explain", "--node", "n00"]);
    assert_eq!(told.code, Some(0), "by the config of the folder: {told:?}");
    assert!(told.stdout.contains("n00: score.js chose it"), "{}", told.stdout);

    ask(&client, "whither.cordon", &json!({"node": "n00"})).await;
    let told = shell.whither(["explain"]);
    assert_eq!((told.code, told.stderr.as_str()), (Some(3), ""), "{told:?}");
    assert!(told.stdout.contains("not placed: no-node: no node can take the request: 1 cordoned"), "{}", told.stdout);
    let told = shell.whither(["place", "--explain"]);
    assert_eq!((told.code, told.stdout.as_str()), (Some(3), ""), "{told:?}");
    assert_eq!(told.stderr.matches("no-node").count(), 1, "said once: {}", told.stderr);
    let told = shell.whither(["cordon", "n77", "--config", "login.toml"]);
    assert_eq!(told.code, Some(3), "no script's fault: {told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_have_to_differ_is_told_and_nothing_is_reserved() {
    let chain = "[chain.\"session/start\"]\nsteps = [\"builtin:fewest-sessions\"]\n";
    let (nats, _serve, client) = site(chain, &[], 3).await;
    for node in ["n00", "n01", "n02", "n00"] {
        assert_eq!(ask(&client, "whither.place", &json!({})).await.body["node"], node);
    }
    let asked = ask(&client, "whither.explain", &json!({"node": "n00"})).await.body;
    let found = &asked["asked"]["counterfactual"];
    assert_eq!(found["search"], "complete", "{asked}");
    assert_eq!(found["remedies"][0], json!([{"field": "sessions", "from": 2, "to": 0}]), "{asked}");
    assert_eq!((&asked["won_by"]["next"], &asked["won_by"]["tie"]), (&json!("n02"), &json!(true)), "{asked}");
    let shell = Shell::new().with("WHITHER_NATS", &nats.url());
    let told = shell.whither(["explain", "--node", "n00"]);
    assert_eq!(told.code, Some(0), "{told:?}");
    assert!(told.stdout.contains("n00 would be chosen if `sessions` were 0 instead of 2"), "{}", told.stdout);
    assert_eq!(pending(&client).await, [2, 1, 1]);
    let told = shell.whither(["explain", "--node", "n77"]);
    assert_eq!(told.code, Some(3), "{told:?}");
    assert!(told.stderr.contains("`whither nodes history n77` tells when it left"), "{told:?}");
    let told = shell.whither(["explain", "--watch"]);
    assert_eq!(told.code, Some(2), "{told:?}");
}
