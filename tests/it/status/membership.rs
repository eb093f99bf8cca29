//! Membership as operators see it: nodes with their agents, pings end to end, what is said when a node stays away.

use std::path::Path;

use tempfile::TempDir;

use super::*;

/// A service whose nodes are out of sync after a missed report and stale after three seconds, and which tells a program.
async fn strict_service(nats: &Nats, told: &Path) -> Serve {
    let settings = format!(
        "[service]\nliveness_s = 3\nmax_missed = 1\nnotify = [\"/bin/sh\", \"-c\", \"cat >> {}\"]\n{CHAIN}",
        told.display()
    );
    Serve::start(nats, &settings, &[]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn joining_is_starting_and_leaving_is_stopping() {
    let nats = Nats::start();
    let serve = Serve::start(&nats, CHAIN, &[]).await;
    let agent = super::agent(&nats, "node-1", &["--url", "https://node-1.example:3300", "--max-sessions", "4"]);
    let listed = eventually("the node is there", async || {
        let told = command(&nats, &["nodes"]);
        told.stdout.contains("node-1").then_some(told)
    })
    .await;
    // The agent runs on this machine.
    for words in ["node-1 *", "ready", " ago", env!("CARGO_PKG_VERSION"), "https://node-1.example:3300"] {
        assert!(listed.stdout.contains(words), "{words}:\n{}", listed.stdout);
    }
    assert!(listed.stderr.contains("1 node; * is this machine"), "{}", listed.stderr);
    let pinged = command(&nats, &["nodes", "ping", "node-1"]);
    assert!(pinged.code == Some(0) && pinged.stdout.starts_with("node-1 OK in "), "{pinged:?}");
    let unknown = command(&nats, &["nodes", "ping", "node-9"]);
    assert!(unknown.code == Some(3) && unknown.stderr.contains("nobody knows a node `node-9`"), "{unknown:?}");

    let process = rustix::process::Pid::from_child(&agent.process);
    rustix::process::kill_process(process, rustix::process::Signal::TERM).unwrap();
    let listed = eventually("the node is gone", async || {
        let told = command(&nats, &["nodes"]);
        told.stdout.contains("gone").then_some(told)
    })
    .await;
    assert!(listed.stdout.contains("its agent was stopped"), "{}", listed.stdout);
    assert!(listed.stderr.contains("0 nodes, and 1 gone since a day"), "{}", listed.stderr);
    let cluster = command(&nats, &["nodes", "--json"]);
    assert_eq!(cluster.stdout.trim(), "[]", "no node that cannot be chosen: {cluster:?}");
    let nodes: Value = serde_json::from_str(&command(&nats, &["nodes", "--gone", "--json"]).stdout).unwrap();
    assert_eq!((&nodes[0]["id"], &nodes[0]["state"]), (&"node-1".into(), &"gone".into()));
    drop(serve);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_stays_away_is_out_of_sync_then_removed_and_its_return_is_told() {
    let (nats, folder) = (Nats::start(), TempDir::new().unwrap());
    let told = folder.path().join("told");
    let serve = strict_service(&nats, &told).await;
    let agent = super::agent(&nats, "node-1", &["--url", "https://node-1.example:3300"]);
    let events = || -> Vec<String> {
        let told = std::fs::read_to_string(&told).unwrap_or_default();
        let events = told.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        events.filter_map(|event| Some(event["event"].as_str()?.to_owned())).collect()
    };
    eventually("the program is told of the join", async || {
        (events().first().map(String::as_str) == Some("joined")).then_some(())
    })
    .await;
    crate::support::freeze(&agent.process);
    serve.logged("node out of sync: `node-1` missed 1 report:").await;
    let line = "Node [node-1] with address [https://node-1.example:3300] removed because it has not checked in for the \
                last [";
    serve.logged(line).await;
    let pinged = command(&nats, &["nodes", "ping", "node-1"]);
    assert!(
        pinged.code == Some(6) && pinged.stdout.contains("node-1 OUT OF SYNC: its agent does not answer"),
        "{pinged:?}"
    );
    assert!(pinged.stderr.contains("`whither nodes history node-1`"), "{pinged:?}");
    assert_eq!(command(&nats, &["status"]).code, Some(6));
    eventually("the program is told", async || {
        let told = events();
        (told.iter().any(|event| event == "out-of-sync") && told.last().is_some_and(|last| last == "left"))
            .then_some(())
    })
    .await;
    crate::support::thaw(&agent.process);
    eventually("the node is back", async || {
        (command(&nats, &["nodes", "ping", "node-1"]).code == Some(0)).then_some(())
    })
    .await;
    let history = command(&nats, &["nodes", "history", "node-1"]).stdout;
    for word in ["joined", "out-of-sync", "left", "has not reported for "] {
        assert!(history.contains(word), "{word}:\n{history}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_node_is_held_until_it_is_accepted_and_again_after_it_was_forgotten() {
    let nats = Nats::start();
    let settings = format!("[service]\nliveness_s = 3\nnew_nodes = \"hold\"\n{CHAIN}");
    let serve = Serve::start(&nats, &settings, &[]).await;
    let client = nats.client().await;
    let agent = super::agent(&nats, "node-1", &[]);
    let shows = |state: &'static str| {
        let nats = &nats;
        async move {
            eventually(state, async || {
                let listed = command(nats, &["nodes"]).stdout;
                listed.lines().any(|line| line.contains("node-1") && line.contains(state)).then_some(())
            })
            .await;
        }
    };
    shows("held").await;
    assert_eq!(ask(&client, "whither.place", &json!({})).await.body["error"]["name"], "no-node");
    let refused = command(&nats, &["nodes", "forget", "node-1"]);
    assert!(refused.code == Some(2) && refused.stderr.contains("stop its agent first"), "{refused:?}");
    // An uncordon is no acceptance.
    assert_eq!(command(&nats, &["uncordon", "node-1"]).code, Some(0));
    shows("held").await;
    let accepted = command(&nats, &["nodes", "accept", "node-1", "--reason", "racked today"]);
    assert_eq!((accepted.code, accepted.stdout.trim()), (Some(0), "node-1 accepted"), "{accepted:?}");
    shows("ready").await;
    assert_eq!(ask(&client, "whither.place", &json!({})).await.body["node"], "node-1");
    let history = command(&nats, &["nodes", "history", "node-1"]).stdout;
    assert!(
        history.contains("held: ") && history.contains("accepted") && history.contains("racked today"),
        "{history}"
    );
    // A node may be accepted before it comes; a restart of the service forgets nothing.
    assert_eq!(command(&nats, &["nodes", "accept", "node-2"]).code, Some(0));
    drop(serve);
    let serve = Serve::start(&nats, &settings, &[]).await;
    shows("ready").await;
    drop(agent);
    shows("stale").await;
    let forgotten = command(&nats, &["nodes", "forget", "node-1"]);
    assert_eq!((forgotten.code, forgotten.stdout.trim()), (Some(0), "node-1 forgotten"), "{forgotten:?}");
    eventually("it is not listed any more", async || {
        (!command(&nats, &["nodes"]).stdout.contains("node-1")).then_some(())
    })
    .await;
    let agent = super::agent(&nats, "node-1", &[]);
    shows("held").await;
    drop((agent, serve));
}
