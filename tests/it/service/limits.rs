//! Scripts that pass a limit or crash their worker.

use crate::support::serve::{ask, site, storm};
use serde_json::json;

use super::FEWEST;
use super::lifecycle::by_user;

#[tokio::test]
async fn a_hanging_script_is_answered_and_the_other_chain_goes_on() {
    let chains = format!("{FEWEST}[chain.\"user/login\"]\nsteps = [\"hang.js\"]\n");
    let hang = "function(input) { if (input.user.login === 'bad') { while (true) {} } return input.nodes[0].id; }";
    let (_nats, _serve, client) = site(&chains, &[("hang.js", hang)], 3).await;
    let bad = json!({"action": "user/login", "user": {"login": "bad"}});
    let good = json!({"action": "user/login", "user": {"login": "good"}});
    let plain = json!({});
    let (bad, good, other) = tokio::join!(
        ask(&client, "whither.place", &bad),
        ask(&client, "whither.place", &good),
        ask(&client, "whither.place", &plain),
    );
    assert_eq!(bad.body["error"]["name"], "script-limit", "{}", bad.body);
    assert_eq!(bad.body["error"]["limit"], "time");
    assert_eq!(bad.body["error"]["step"], "hang.js");
    assert_eq!(good.body["node"], "n00");
    assert_eq!(other.body["node"], "n00");
}

#[tokio::test]
async fn a_script_that_crashes_its_worker_is_named_and_nobody_else_pays() {
    let chains = format!("{FEWEST}[chain.\"user/login\"]\nsteps = [\"crash.js\"]\n");
    let crash = "function(input) { var a = []; for (var k = 0; k < 1e5; k++) a = [a]; return String(a); }";
    let (_nats, serve, client) = site(&chains, &[("crash.js", crash)], 3).await;
    let login = json!({"action": "user/login"});
    let bad = ask(&client, "whither.place", &login);
    let storm = storm(&client, "whither.place", 500, by_user, async || {});
    let (bad, storm) = tokio::join!(bad, storm);
    assert_eq!(bad.body["error"]["name"], "script-limit", "{}", bad.body);
    assert!(storm.values().flatten().all(|reply| reply["node"].is_string()));
    assert!(serve.get("/metrics").1.contains("whither_worker_deaths_total"));
}

#[tokio::test]
async fn a_script_that_takes_all_memory_is_named_at_once() {
    let limits = "[limits]\nscript_ms = 60000\nworker_memory_mb = 64\n";
    let chains = format!("{FEWEST}{limits}[chain.\"user/login\"]\nsteps = [\"bomb.js\"]\n");
    let bomb = "function(input) { var s = 'x'; while (true) { s += s; } }";
    let (_nats, serve, client) = site(&chains, &[("bomb.js", bomb)], 3).await;
    let (login, plain) = (json!({"action": "user/login"}), json!({}));
    let (bad, other) = tokio::join!(ask(&client, "whither.place", &login), ask(&client, "whither.place", &plain));
    let error = &bad.body["error"];
    assert_eq!((&error["name"], &error["limit"]), (&json!("script-limit"), &json!("memory")), "{error}");
    assert_eq!(error["message"], "step bomb.js needed more than 64 MiB of memory");
    assert_eq!(other.body["node"], "n00");
    serve.logged("another one goes on").await;
    assert_eq!(ask(&client, "whither.place", &plain).await.body["node"], "n01", "by the next worker");
}
