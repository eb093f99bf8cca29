//! Countable facts over a real NATS server: set by hand and by agents, seen by scripts, refused by name, and what a node
//! would leave behind.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use async_nats::Client;
use async_nats::jetstream;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::eventually;
use crate::support::nats::Nats;
use crate::support::serve::{Serve, ask, plain_nodes, report, site};
use crate::support::shell::{Shell, Told, WHITHER};

const FEWEST: &str = "[chain.\"session/start\"]\nsteps = [\"builtin:fewest-sessions\"]\n";

/// Runs `whither` with `arguments` against the service.
fn whither(nats: &Nats, arguments: &[&str]) -> Told {
    Shell::new().with("WHITHER_NATS", &nats.url()).whither(arguments)
}

async fn place(client: &Client, user: &str, needs: Value) -> Value {
    ask(client, "whither.place", &json!({"user": {"login": user}, "needs": needs})).await.body
}

fn listed(nats: &Nats) -> Vec<Value> {
    let told = whither(nats, &["fact", "list", "--json"]);
    serde_json::from_str(&told.stdout).unwrap_or_else(|error| panic!("{error}: {told:?}"))
}

fn error(answer: &Value) -> (&str, &str) {
    let text = |field: &str| answer["error"][field].as_str().unwrap_or_else(|| panic!("no failure: {answer}"));
    (text("name"), text("message"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fact_is_set_needed_listed_and_deleted() {
    let (nats, serve, client) = site(FEWEST, &[], 2).await;
    let told = whither(&nats, &["place", "--user", "ann", "--need", "matlab=1"]);
    assert_eq!(told.code, Some(2), "{told:?}");
    assert!(told.stderr.contains("unknown-fact: the request needs `matlab`, and no fact is set at all"), "{told:?}");
    let told = whither(&nats, &["fact", "set", "matlab", "2"]);
    assert_eq!((told.code, told.stdout.as_str()), (Some(0), "matlab is 2\n"), "{told:?}");
    let first = place(&client, "ann", json!({"matlab": 1})).await;
    assert!(first["node"].is_string(), "{first}");
    let told = whither(&nats, &["place", "--user", "bob", "--need", "matlab=2"]);
    assert_eq!(told.code, Some(3), "{told:?}");
    assert!(told.stderr.contains("fact-exhausted: the request needs 2 of `matlab`, and 1 of 2 are held"), "{told:?}");
    let fact = &listed(&nats)[0];
    assert_eq!((&fact["count"], &fact["held"], &fact["free"]), (&json!(2), &json!(1), &json!(1)), "{fact}");
    let table = whither(&nats, &["fact", "list"]);
    assert!(table.stdout.contains("matlab") && table.stderr.ends_with("1 fact\n"), "{table:?}");
    eventually("the figures are shown", async || {
        (serve.figure("whither_fact_free{fact=\"matlab\"}") == Some(1.0)
            && serve.figure("whither_fact_held{fact=\"matlab\"}") == Some(1.0)
            && serve.figure("whither_fact_count{fact=\"matlab\"}") == Some(2.0))
        .then_some(())
    })
    .await;
    let status = whither(&nats, &["status"]);
    assert!(status.code == Some(0) && status.stdout.contains("matlab"), "{status:?}");
    let told = whither(&nats, &["fact", "set", "matlab", "0", "--ttl", "3600"]);
    assert_eq!(told.stdout, "matlab is 0, before 2, for 1 h 0 min\n", "{told:?}");
    assert!(told.stderr.contains("1 are held: nothing is free"), "{told:?}");
    let beyond = place(&client, "cy", json!({"matlab": 1})).await;
    assert_eq!(error(&beyond), ("fact-exhausted", "the request needs 1 of `matlab`, of which there are 0 in all"));
    let told = whither(&nats, &["fact", "unset", "matlab"]);
    assert_eq!((told.stdout.as_str(), told.code), ("matlab is deleted, before 0\n", Some(0)), "{told:?}");
    assert!(told.stderr.contains("1 were held"), "{told:?}");
    assert_eq!(whither(&nats, &["fact", "delete", "matlab"]).stdout, "matlab was not set\n");
    assert!(listed(&nats).is_empty());
    eventually("its figures are gone", async || {
        serve.figure("whither_fact_free{fact=\"matlab\"}").is_none().then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_facts_are_refused_by_name() {
    let (nats, _serve, client) = site(FEWEST, &[], 1).await;
    for (arguments, words) in [
        (&["fact", "set", "matlab", "-1"][..], "`count` must be a whole number from 0 to 1000000, not -1"),
        (&["fact", "set", "matlab", "1.5"], "not 1.5"),
        (&["fact", "set", "matlab", "many"], "not a string"),
        (&["fact", "set", "mat lab", "1"], "is no name of a fact, expected 1 to 64 letters, digits, `.`, `_` or `-`"),
        (&["fact", "set", "matlab", "1", "--ttl", "0"], "`ttl_s` must be a whole number from 1 to"),
        (&["fact", "delete", "*"], "is no name of a fact"),
        (&["place", "--need", "matlab"], "--need matlab: expected FACT=NUMBER, such as matlab=1"),
        (&["place", "--need", "matlab=-1"], "--need matlab=-1: expected FACT=NUMBER"),
        (&["place", "--need", "matlab=0"], "`needs.matlab` is 0; the least is 1"),
    ] {
        let told = whither(&nats, arguments);
        assert!(told.code == Some(2) && told.stderr.contains(words), "{arguments:?}: {told:?}");
    }
    let refused = place(&client, "ann", json!({"matlab": -3})).await;
    assert_eq!(error(&refused), ("bad-request", "`needs.matlab` is -3; the least is 1"));
    assert!(listed(&nats).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fact_that_nobody_renews_is_unknown() {
    let (nats, _serve, client) = site(FEWEST, &[], 1).await;
    assert_eq!(whither(&nats, &["fact", "set", "matlab", "5", "--ttl", "1"]).stdout, "matlab is 5, for 1 s\n");
    let refused = eventually("nobody renewed it", async || {
        let answer = place(&client, "ann", json!({"matlab": 1})).await;
        let reservation = answer["reservation"].as_str().map(str::to_owned);
        if let Some(reservation) = reservation {
            ask(&client, "whither.release", &json!({"reservation": reservation})).await;
        }
        answer["error"].is_object().then_some(answer)
    })
    .await;
    let (name, message) = error(&refused);
    assert_eq!(name, "unknown-fact");
    assert!(message.starts_with("the fact `matlab` is not known any more since 20"), "{message}");
    assert!(message.ends_with("nobody renewed it within 1 s"), "{message}");
    assert_eq!((&listed(&nats)[0]["state"], &listed(&nats)[0]["free"]), (&json!("expired"), &json!(0)));
    let status = whither(&nats, &["status"]);
    assert_eq!(status.code, Some(6), "{status:?}");
    assert!(status.stdout.contains("the fact `matlab` was not renewed in time"), "{status:?}");
    whither(&nats, &["fact", "set", "matlab", "5"]);
    let placed = place(&client, "ann", json!({"matlab": 1})).await;
    assert!(placed["node"].is_string(), "{placed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn scripts_choose_by_what_is_free() {
    let script = "input => (input.facts.matlab && input.facts.matlab.free > 0) ? 'n00' : 'n01'";
    let chain = "[chain.\"session/start\"]\nsteps = [\"pick.js\"]\n";
    let (nats, _serve, client) = site(chain, &[("pick.js", script)], 2).await;
    let chosen = async |request: Value| ask(&client, "whither.place", &request).await.body["node"].clone();
    assert_eq!(chosen(json!({})).await, "n01", "there is no such fact");
    whither(&nats, &["fact", "set", "matlab", "1"]);
    assert_eq!(chosen(json!({"needs": {"matlab": 1}})).await, "n00");
    assert_eq!(chosen(json!({"facts": {"matlab": {"free": 9}}})).await, "n01", "no requester says what is free");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_holds_its_licence_until_it_is_gone() {
    let (nats, _serve, client) = site(FEWEST, &[], 1).await;
    whither(&nats, &["fact", "set", "matlab", "1"]);
    let placed = place(&client, "ann", json!({"matlab": 1})).await;
    let session = json!({"id": "s1", "user": "ann", "reservation": placed["reservation"]});
    report(&client, &[json!({"id": "n00", "nodeData": {"sessions": [session]}})]).await;
    eventually("the reservation is over", async || {
        let status = ask(&client, "whither.status", &json!({})).await.body;
        (status["reservations"] == 0).then_some(())
    })
    .await;
    assert_eq!(error(&place(&client, "bob", json!({"matlab": 1})).await).0, "fact-exhausted");
    report(&client, &plain_nodes(1)).await;
    eventually("the session is gone, and its licence free", async || {
        place(&client, "bob", json!({"matlab": 1})).await["node"].is_string().then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_is_lost_is_written_again() {
    let (nats, _serve, client) = site(FEWEST, &[], 1).await;
    whither(&nats, &["fact", "set", "matlab", "3"]);
    let placed = place(&client, "ann", json!({"matlab": 2})).await;
    assert!(placed["node"].is_string(), "{placed}");
    let js = jetstream::new(client.clone());
    // What the service read of the holds is what it can write again.
    eventually("the service has read the hold", async || (listed(&nats)[0]["held"] == 2).then_some(())).await;
    js.delete_key_value("whither_facts").await.unwrap();
    eventually("the fact is in the bucket again", async || {
        let bucket = js.get_key_value("whither_facts").await.ok()?;
        let text = bucket.get("matlab").await.ok().flatten()?;
        let fact: Value = serde_json::from_slice(&text).unwrap();
        (fact["count"] == 3 && fact["held"].as_object().is_some_and(|held| held.len() == 1)).then_some(())
    })
    .await;
}

/// An agent that runs until the test ends.
struct FeedingAgent(Child);

impl FeedingAgent {
    fn start(nats: &Nats, folder: &Path, facts: &[&str]) -> Self {
        let mut command = Command::new(WHITHER);
        command.args(["agent", "--nats", &nats.url(), "--id", "a", "--interval", "0.5", "--metrics"]).arg(folder);
        for fact in facts {
            command.args(["--fact", fact]);
        }
        let null = Stdio::null;
        Self(command.env_remove("WHITHER_LOG").stdin(null()).stdout(null()).stderr(null()).spawn().unwrap())
    }
}

impl Drop for FeedingAgent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn write_metric(folder: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    let (path, new) = (folder.join("flexlm"), folder.join(".new"));
    std::fs::write(&new, format!("#!/bin/sh\necho '{text}'\n")).unwrap();
    std::fs::set_permissions(&new, std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::rename(new, path).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_feeds_a_fact_from_its_metrics() {
    let (nats, folder) = (Nats::start(), TempDir::new().unwrap());
    let _serve = Serve::start(&nats, FEWEST, &[]).await;
    write_metric(folder.path(), r#"{"matlab": {"total": 7}}"#);
    let agent = FeedingAgent::start(&nats, folder.path(), &["matlab=flexlm.matlab.total", "seats=flexlm.none"]);
    let count = async |count: u64| {
        eventually(&format!("the count is {count}"), async || {
            let facts = listed(&nats);
            (facts.len() == 1 && facts[0]["count"] == count && facts[0]["by"] == "node a").then_some(())
        })
        .await;
    };
    count(7).await;
    write_metric(folder.path(), r#"{"matlab": {"total": 4}}"#);
    count(4).await;
    let shown = whither(&nats, &["nodes", "show", "a"]);
    assert!(shown.stdout.contains("the fact `seats` is not reported: there is no `metrics.flexlm.none`"), "{shown:?}");
    drop(agent);
    eventually("nobody renews it", async || (listed(&nats)[0]["state"] == "expired").then_some(())).await;
}

#[test]
fn an_agent_refuses_facts_that_it_could_not_feed() {
    for (arguments, words) in [
        (&["--fact", "matlab=flexlm.free"][..], "--metrics"),
        (&["--metrics", ".", "--fact", "matlab"], "expected NAME=METRIC.MEMBER"),
        (&["--metrics", ".", "--fact", "m=a.b", "--fact", "m=a.c"], "--fact m: named twice"),
    ] {
        let told = Shell::new().whither([&["agent", "--once"][..], arguments].concat());
        assert!(told.code == Some(2) && told.stderr.contains(words), "{arguments:?}: {told:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_of_a_cordon_says_what_would_be_left() {
    let nats = Nats::start();
    let _serve = Serve::start(&nats, FEWEST, &[]).await;
    let client = nats.client().await;
    let node = |id: &str, sessions: Value| json!({"id": id, "serverPool": "gpu", "maxSessions": 3, "nodeData": {"sessions": sessions}});
    report(&client, &[node("n00", json!([{"id": "s", "user": "ann"}])), node("n01", json!([]))]).await;
    whither(&nats, &["fact", "set", "matlab", "4"]);
    let told = whither(&nats, &["cordon", "n00", "--dry-run"]);
    assert_eq!(told.code, Some(0), "{told:?}");
    for words in ["n00 is ready; nothing was changed", "on the node: 1 sessions", "ann (1)", "group gpu", "matlab"] {
        assert!(told.stdout.contains(words), "{words}: {told:?}");
    }
    let told = whither(&nats, &["cordon", "n00", "--dry-run", "--json"]);
    let outlook: Value = serde_json::from_str(&told.stdout).unwrap();
    assert_eq!(outlook["placeable"], json!({"now": 2, "after": 1}), "{outlook}");
    assert_eq!(outlook["left"], json!({"now": 5, "after": 3}), "{outlook}");
    assert_eq!(ask(&client, "whither.nodes", &json!({"node": "n00"})).await.body["nodes"][0]["state"], "ready");
    let told = whither(&nats, &["cordon", "none", "--dry-run"]);
    assert!(told.stderr.contains("the cluster has no node `none`"), "{told:?}");
    assert_eq!(whither(&nats, &["cordon", "n00"]).stdout, "n00 cordoned\n");
    let told = whither(&nats, &["cordon", "n01", "--dry-run"]);
    assert!(told.stderr.contains("warning: no node would be left that may be chosen"), "{told:?}");
}
