//! Manual assignments over a real NATS server: they beat rules and scripts, all replicas know of them, and what happens
//! where the node cannot take the session is what the chain says.

use async_nats::Client;
use async_nats::jetstream;
use serde_json::{Value, json};
use whither::chain::{ChainSpec, OnAssignedUnplaceable, StepSource, StepSpec};
use whither::model::{Decision, FailureName, StepVerdict};

use crate::evaluator::stand::{Stand, builtin, cordoned, decided, failed, outcome, question, said, start};
use crate::support::eventually;
use crate::support::nats::Nats;
use crate::support::serve::{Serve, ask, report, site};
use crate::support::shell::{Shell, Told};

const FEWEST: &str = "[chain.\"session/start\"]\nsteps = [\"builtin:fewest-sessions\"]\n";

/// Runs `whither` with `arguments` against the service.
fn whither(nats: &Nats, arguments: &[&str]) -> Told {
    Shell::new().with("WHITHER_NATS", &nats.url()).whither(arguments)
}

async fn place(client: &Client, user: &str) -> Value {
    ask(client, "whither.place", &json!({"user": {"login": user}})).await.body
}

#[tokio::test(flavor = "multi_thread")]
async fn an_assignment_beats_scripts_until_it_is_taken_back() {
    let chain = "[chain.\"session/start\"]\nsteps = [\"first.js\"]\n[chain.\"user/login\"]\nsteps = [\"first.js\"]\n";
    let (nats, _serve, client) = site(chain, &[("first.js", "input => input.nodes[0].id")], 3).await;
    let ids: Vec<_> = crate::support::serve::nodes(&client)
        .await
        .iter()
        .map(|node| node["id"].as_str().unwrap().to_owned())
        .collect();
    let (first, last) = (ids[0].as_str(), ids[2].as_str());
    assert_eq!(place(&client, "ann").await["node"], first);
    let told = whither(&nats, &["assign", "Ann", last, "--reason", "quiet"]);
    assert_eq!((told.code, told.stdout), (Some(0), format!("Ann is assigned to {last}\n")), "{}", told.stderr);
    assert!(told.stderr.contains(&format!("warning: Ann has sessions on {first}")), "{}", told.stderr);
    let placed = place(&client, "ann").await;
    assert_eq!((&placed["node"], &placed["decided_by"]), (&json!(last), &json!("assignment")), "{placed}");
    assert_eq!(placed["warnings"], json!([format!("ann has sessions on {first}")]));
    assert_eq!(place(&client, "bob").await["node"], first, "others are not concerned");
    let login = ask(&client, "whither.place", &json!({"action": "user/login", "user": {"login": "ann"}})).await.body;
    assert_eq!(login["node"], first, "a chain that reserves nothing decides by itself");
    let told = whither(&nats, &["explain", "--user", "ann", "--node", first]);
    assert!(told.code == Some(0) && told.stdout.contains(&format!("select {last}")), "{told:?}");
    assert!(told.stdout.contains("assignment"), "{}", told.stdout);
    let listed: Value = serde_json::from_str(&whither(&nats, &["assignments", "--json"]).stdout).unwrap();
    assert_eq!(
        (&listed[0]["user"], &listed[0]["node"], &listed[0]["reason"]),
        (&json!("Ann"), &json!(last), &json!("quiet"))
    );
    let told = whither(&nats, &["unassign", "ANN", "--reason", "dongle moved"]);
    assert_eq!(told.stdout, format!("ANN is not assigned to {last} any more\n"), "{}", told.stderr);
    assert_eq!(place(&client, "ann").await["node"], first);
    assert_eq!(whither(&nats, &["unassign", "ann"]).stdout, "ann was not assigned\n");
    let history = eventually("the node's history tells of both", async || {
        let told = whither(&nats, &["nodes", "history", last]);
        told.stdout.contains("unassigned ANN").then_some(told.stdout)
    })
    .await;
    for words in ["assigned Ann", "quiet", "dongle moved"] {
        assert!(history.contains(words), "{words}:\n{history}");
    }
    assert_eq!(whither(&nats, &["assign", "bob", first]).code, Some(0));
    assert_eq!(
        whither(&nats, &["assign", "bob", last]).stdout,
        format!("bob is assigned to {last}, before on {first}\n")
    );
    eventually("the move is told at both nodes", async || {
        let moved = whither(&nats, &["nodes", "history", first]).stdout;
        let came = whither(&nats, &["nodes", "history", last, "--json"]).stdout;
        let is_told = moved.contains("unassigned bob") && moved.contains(&format!("assigned to {last}"));
        (is_told && came.contains(r#""user": "bob""#)).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_never_was_needs_force_and_counts_once_it_comes() {
    let (nats, _serve, client) = site(FEWEST, &[], 2).await;
    let told = whither(&nats, &["assign", "ann", "later"]);
    assert!(told.code == Some(3) && told.stderr.contains("the cluster has no node `later`"), "{told:?}");
    let told = whither(&nats, &["assign", "ann", "later", "--force"]);
    assert!(told.code == Some(0) && told.stderr.contains("warning: the cluster has no node `later`"), "{told:?}");
    let placed = place(&client, "ann").await;
    assert_eq!(placed["warnings"], json!(["ann is assigned to later, which is gone"]), "{placed}");
    assert!(whither(&nats, &["assignments"]).stdout.contains("gone"));
    report(&client, &[json!({"id": "later", "sessions": 50})]).await;
    assert_eq!(place(&client, "ann").await["node"], "later");
}

#[tokio::test(flavor = "multi_thread")]
async fn all_replicas_know_an_assignment_and_a_bucket_that_is_lost_is_filled_again() {
    let (nats, _one, client) = site(FEWEST, &[], 3).await;
    let _other = Serve::start(&nats, FEWEST, &[]).await;
    let node = crate::support::serve::nodes(&client).await[1]["id"].as_str().unwrap().to_owned();
    let answer = ask(&client, "whither.assign", &json!({"user": "ann", "node": node})).await;
    assert_eq!((answer.code, &answer.body["node"]), (None, &json!(node)));
    let by_all = async || {
        for _ in 0..20 {
            let explained = ask(&client, "whither.explain", &json!({"user": {"login": "ann"}})).await.body;
            if explained["decided_by"] != "assignment" || explained["node"] != *node {
                return None;
            }
        }
        Some(())
    };
    eventually("both replicas know the assignment", by_all).await;
    let js = jetstream::new(client.clone());
    js.delete_key_value("whither_assignments").await.unwrap();
    eventually("the assignment is in the bucket again", async || {
        let bucket = js.get_key_value("whither_assignments").await.ok()?;
        bucket.get("ann").await.ok().flatten().map(|_| ())
    })
    .await;
    eventually("both replicas know the assignment still", by_all).await;
}

/// Decides for ann, who is assigned to `a`, by a chain like `chain`.
fn for_ann(chain: impl FnOnce(&mut ChainSpec), is_cordoned: bool) -> Decision {
    let mut spec =
        start(vec![StepSpec::new("b.js", StepSource::script("js", "() => 'b'")), builtin("fewest-sessions")]);
    chain(&mut spec);
    let mut stand = Stand::new(vec![spec], &[json!({"id": "a", "sessions": 3}), json!({"id": "b", "sessions": 0})]);
    if is_cordoned {
        stand.mark("a", cordoned());
    }
    let mut question = question("d1", 1, json!({"user": {"login": "ann"}}));
    question.ask.assigned = Some("a".into());
    decided(stand.evaluator.decide(&question))
}

#[test]
fn what_follows_where_the_node_cannot_take_the_session_is_what_the_chain_says() {
    let by = |on: OnAssignedUnplaceable| move |chain: &mut ChainSpec| chain.on_assigned_unplaceable = on;
    let chosen = for_ann(|_| {}, false);
    assert_eq!((outcome(&chosen).as_str(), chosen.decided_by.as_deref()), ("a", Some("assignment")));
    assert_eq!(said(&chosen), [StepVerdict::Select("a".into()), StepVerdict::NotReached, StepVerdict::NotReached]);
    let passed = for_ann(by(OnAssignedUnplaceable::Chain), true);
    assert_eq!((outcome(&passed).as_str(), passed.decided_by.as_deref()), ("b", Some("b.js")));
    assert_eq!(said(&passed)[0].to_string(), "skipped: a is cordoned");
    let words = "`ann` is assigned to `a`, which is cordoned";
    failed(&for_ann(by(OnAssignedUnplaceable::Error), true), FailureName::UnplaceableNode, words);
    failed(&for_ann(by(OnAssignedUnplaceable::Wait), true), FailureName::NoNode, words);
    let free = for_ann(|chain| chain.reserve = false, false);
    assert_eq!(outcome(&free), "b", "a chain that reserves nothing");
}

/// A plan finds the node where the assignment does not count, and the record keeps both.
#[test]
fn a_plan_goes_on_where_the_assignment_ends() {
    let plan = |chain: &mut ChainSpec| drop(chain.steps.remove(0));
    let passed = for_ann(plan, true);
    assert_eq!((outcome(&passed).as_str(), said(&passed).len()), ("b", 2));
}
