//! Starts, stops and reloads of the service, and workers that die.

use std::time::Duration;

use crate::support::nats::Nats;
use crate::support::serve::{Serve, ask, nodes, plain_nodes, report, site, storm};
use crate::support::shell::Shell;
use crate::support::{PATIENCE, eventually};
use futures_util::StreamExt;
use rustix::process::{Signal, kill_process};
use serde_json::{Value, json};

use super::FEWEST;

pub(super) fn by_user(number: usize) -> Value {
    json!({"user": {"login": format!("u{number}")}})
}

#[tokio::test]
async fn a_killed_worker_loses_no_request_and_answers_none_twice() {
    let (_nats, serve, client) = site(FEWEST, &[], 20).await;
    let answered = storm(&client, "whither.place", 5000, by_user, async || {
        for _ in 0..3 {
            let worker = eventually("a worker", async || serve.children().first().copied()).await;
            kill_process(worker, Signal::KILL).unwrap();
            eventually("another worker", async || serve.children().iter().any(|child| *child != worker).then_some(()))
                .await;
        }
    })
    .await;
    assert!(answered.values().all(|replies| replies.len() == 1));
    assert!(answered.values().flatten().all(|reply| reply["node"].is_string()), "each is placed");
    let pending: Vec<_> = nodes(&client).await.iter().map(|node| node["pending"].as_u64().unwrap()).collect();
    assert_eq!(pending, [250; 20], "every placement counts once, and the new workers knew of those before");
}

#[tokio::test]
async fn a_stop_answers_what_was_received() {
    let (_nats, mut serve, client) = site(FEWEST, &[], 5).await;
    let answered = {
        let inbox = client.new_inbox();
        let mut replies = client.subscribe(format!("{inbox}.*")).await.unwrap();
        for number in 0..2000 {
            client.publish_with_reply("whither.place", format!("{inbox}.{number}"), "{}".into()).await.unwrap();
        }
        client.flush().await.unwrap();
        // A message of our own comes back after the server has routed all that stood before it.
        let marker = format!("{inbox}.marker.x");
        let mut back = client.subscribe(marker.clone()).await.unwrap();
        client.publish(marker, "".into()).await.unwrap();
        tokio::time::timeout(PATIENCE, back.next()).await.unwrap();
        let first = tokio::time::timeout(PATIENCE, replies.next()).await.unwrap();
        serve.signal(Signal::TERM);
        assert_eq!(serve.ended().await, Some(0));
        client.flush().await.unwrap();
        let mut answered = usize::from(first.is_some());
        while let Ok(Some(message)) = tokio::time::timeout(Duration::from_millis(500), replies.next()).await {
            answered += usize::from(message.status.is_none());
        }
        answered
    };
    assert_eq!(answered, 2000, "all had reached the service's subscription before the signal");
    assert!(serve.log().contains("stopped"));
}

#[tokio::test]
async fn a_reload_takes_over_and_a_broken_one_changes_nothing() {
    let (nats, serve, client) = site(FEWEST, &[], 3).await;
    serve.configure(&nats, "[chain.\"session/start\"]\nsteps = [\"builtin:no-such\"]\n");
    serve.signal(Signal::HUP);
    serve.logged("the old one stays").await;
    assert_eq!(ask(&client, "whither.place", &json!({})).await.body["decided_by"], "builtin:fewest-sessions");
    serve.configure(&nats, "[chain.\"session/start\"]\nsteps = [\"builtin:round-robin\"]\n");
    serve.signal(Signal::HUP);
    eventually("the new chain decides", async || {
        let placed = ask(&client, "whither.place", &json!({})).await.body;
        (placed["decided_by"] == "builtin:round-robin").then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_is_asked_for_and_its_problems_come_back() {
    let (nats, serve, client) = site(FEWEST, &[], 2).await;
    let url = nats.url();
    let reload = || Shell::new().whither(["reload", "--nats", &url]);
    let shows = async |figure: f64, note: bool| {
        eventually("the service shows how its last reload went", async || {
            let shown = serve.figure("whither_config_last_reload_successful") == Some(figure);
            (shown && serve.readyz().1.contains("reload: it failed, the old config stays: ") == note).then_some(())
        })
        .await;
    };
    shows(1.0, false).await;
    serve.configure(&nats, "[chain.\"session/start\"]\nsteps = [\"builtin:no-such\"]\n");
    let told = reload();
    assert_eq!(told.code, Some(2), "{told:?}");
    assert!(
        told.stderr.contains("no-such") && told.stderr.contains("1 of 1 replicas cannot use the config"),
        "{told:?}"
    );
    shows(0.0, true).await;
    serve.write("broken.js", "function(input) {");
    serve.configure(&nats, "[chain.\"session/start\"]\nsteps = [\"broken.js\"]\n");
    let told = reload();
    assert!(told.code == Some(2) && told.stderr.contains("broken.js"), "{told:?}");
    assert_eq!(ask(&client, "whither.place", &json!({})).await.body["decided_by"], "builtin:fewest-sessions");
    serve.configure(&nats, "[chain.\"session/start\"]\nsteps = [\"builtin:round-robin\"]\n");
    let told = reload();
    assert!(told.code == Some(0) && told.stdout.starts_with("reloaded; its chains ("), "{told:?}");
    shows(1.0, false).await;
    drop(serve);
    let told = Shell::new().whither(["reload", "--nats", &url]);
    assert!(told.code == Some(1) && told.stderr.contains("no service answers on whither.reload"), "{told:?}");
}

/// Ctrl-C on a terminal, and a service manager's stop, reach workers and runner too.
#[tokio::test(flavor = "multi_thread")]
async fn a_stop_that_all_processes_hear_is_no_warning() {
    for signal in [Signal::INT, Signal::TERM] {
        let (_nats, mut serve, _client) = site(FEWEST, &[], 1).await;
        for child in serve.children() {
            let _gone = kill_process(child, signal);
        }
        serve.logged("was told to stop").await;
        serve.signal(signal);
        assert_eq!(serve.ended().await, Some(0));
        assert!(!serve.log().contains(" WARN "), "{}", serve.log());
    }
}

#[test]
fn a_config_is_checked_beside_the_running_service() {
    let shell = Shell::new();
    let check = |steps: &str| {
        let text = format!("[nats]\nurl = \"nats://127.0.0.1:1\"\n[chain.\"session/start\"]\nsteps = [{steps}]\n");
        shell.write("whither.toml", text);
        shell.whither(["serve", "--check"])
    };
    let good = check("\"builtin:round-robin\"");
    assert_eq!((good.code, good.stdout.trim()), (Some(0), "whither.toml: good, 1 chain: session/start"), "{good:?}");
    let broken = check("\"builtin:no-such\"");
    assert!(broken.code == Some(2) && broken.stderr.contains("no-such"), "{broken:?}");
    shell.write("bad.js", "function(input) {");
    let broken = check("\"bad.js\"");
    assert!(broken.code == Some(4) && broken.stderr.contains("bad.js"), "{broken:?}");
}

#[tokio::test]
async fn a_broker_that_is_away_is_waited_for() {
    let mut nats = Nats::not_yet();
    let mut serve = Serve::spawn(&nats, FEWEST, &[]);
    eventually("the HTTP port", async || (serve.readyz().0 == 503).then_some(())).await;
    assert_eq!(serve.get("/healthz").0, 200);
    nats.restart();
    serve.ready().await;
    let client = nats.client().await;
    report(&client, &plain_nodes(2)).await;
    nats.kill();
    eventually("readiness goes", async || (serve.readyz().0 == 503).then_some(())).await;
    nats.restart();
    serve.ready().await;
    let client = nats.client().await;
    eventually("placements again", async || {
        let request = client.request("whither.place", "{}".into());
        let reply = tokio::time::timeout(Duration::from_secs(5), request).await.ok()?.ok()?;
        let body: Value = serde_json::from_slice(&reply.payload).ok()?;
        body["node"].is_string().then_some(())
    })
    .await;
    // What cannot be sent any more holds nothing up for longer than it may.
    nats.kill();
    eventually("readiness goes", async || (serve.readyz().0 == 503).then_some(())).await;
    serve.signal(Signal::TERM);
    assert_eq!(serve.ended().await, Some(0));
}

#[tokio::test]
async fn scripts_that_do_not_compile_end_the_service_before_any_port_opens() {
    let nats = Nats::start();
    let mut serve =
        Serve::spawn(&nats, "[chain.x]\nsteps = [\"broken.js\"]\n", &[("broken.js", "function(input) { return [; }")]);
    assert_eq!(serve.ended().await, Some(4));
    serve.logged("broken.js:1:").await;
    let mut serve = Serve::spawn(&nats, "[chain.x]\nstep = []\n", &[]);
    assert_eq!(serve.ended().await, Some(2));
}
