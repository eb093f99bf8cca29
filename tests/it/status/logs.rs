//! `whither logs` and `log-level`, with a replica and an agent.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use super::*;
use crate::support::shell::WHITHER;

/// A service and an agent, whose node the service knows.
async fn site() -> (Nats, Serve, TestAgent) {
    let nats = Nats::start();
    let serve = Serve::start(&nats, CHAIN, &[]).await;
    let agent = super::agent(&nats, "node-1", &[]);
    eventually("the node is there", async || command(&nats, &["nodes"]).stdout.contains("node-1").then_some(())).await;
    (nats, serve, agent)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_logs_of_all_processes_are_read_in_one_place() {
    let (nats, _serve, _agent) = site().await;
    let told = command(&nats, &["logs"]);
    assert_eq!(told.code, Some(0), "{told:?}");
    for words in [" serve/", " agent/node-1 ", "node `node-1` is in the cluster", "the view of the cluster is whole"] {
        assert!(told.stdout.contains(words), "{words}:\n{}", told.stdout);
    }
    assert!(!told.stderr.contains("answered"), "all answered: {}", told.stderr);
    let filtered = command(&nats, &["logs", "--process", "agent", "--text", "IS IN THE cluster", "--json"]);
    let lines: Vec<Value> = filtered.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((lines.len(), &lines[0]["process"], &lines[0]["level"]), (1, &"agent/node-1".into(), &"info".into()));
    assert_eq!(command(&nats, &["logs", "--level", "error"]).stdout, "");
    assert_eq!(command(&nats, &["logs", "--since", "0s"]).stdout, "");
    let nobody = command(&nats, &["logs", "--process", "serve/nobody"]);
    assert!(nobody.code == Some(1) && nobody.stderr.contains("no process `serve/nobody` answered"), "{nobody:?}");
    assert_eq!(command(&nats, &["logs", "--since", "soon"]).code, Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_is_sent_the_lines_that_come_and_a_level_ends_by_itself() {
    let (nats, _serve, _agent) = site().await;
    let mut follower = Command::new(WHITHER)
        .args(["logs", "-f", "--since", "0s", "--nats", &nats.url()])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap();
    let lines = BufReader::new(follower.stdout.take().unwrap());
    let (sender, mut received) = tokio::sync::mpsc::unbounded_channel();
    std::thread::spawn(move || lines.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
    // The follower may not be known yet when a line comes: lines come until he was sent each.
    let mut wanted = vec![
        ("agent/node-1", "the filter of this log is `debug,"),
        ("agent/node-1", "reported revision="),
        ("agent/node-1", "the filter of this log is `info,async_nats=off` again: its time is over"),
        ("serve/", "the filter of this log is `info,async_nats=off` again: its time is over"),
    ];
    let start = std::time::Instant::now();
    while !wanted.is_empty() {
        assert!(start.elapsed() < crate::support::PATIENCE, "missed: {wanted:?}");
        let told = command(&nats, &["log-level", "debug", "--for", "1s"]);
        assert_eq!(told.code, Some(0), "{told:?}");
        assert!(told.stdout.contains("agent/node-1 logs debug for 1 s\n"), "{told:?}");
        let until = tokio::time::Instant::now() + std::time::Duration::from_secs(3);
        while let Ok(Some(line)) = tokio::time::timeout_at(until, received.recv()).await {
            wanted.retain(|(process, words)| !(line.contains(process) && line.contains(words)));
        }
    }
    let _ = follower.kill();
    let _ = follower.wait();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_level_is_set_on_one_process_and_a_wrong_one_is_refused() {
    let (nats, serve, agent) = site().await;
    let told = command(&nats, &["log-level", "whither::agent=debug", "--process", "agent/node-1", "--for", "10m"]);
    assert_eq!(
        (told.code, told.stdout.as_str()),
        (Some(0), "agent/node-1 logs whither::agent=debug for 10 min\n"),
        "{told:?}"
    );
    eventually("the agent says more", async || agent.log().contains("reported revision=").then_some(())).await;
    assert!(!serve.log().contains("the filter of this log"), "nobody asked the replica");
    let back = command(&nats, &["log-level"]);
    assert!(back.code == Some(0) && back.stdout.contains("agent/node-1 logs info,async_nats=off\n"), "{back:?}");
    let wrong = command(&nats, &["log-level", "whither=loud"]);
    assert!(wrong.code == Some(2) && wrong.stderr.contains("`whither=loud` is no filter of log lines"), "{wrong:?}");
    assert_eq!(command(&nats, &["log-level", "debug", "--for", "2d"]).code, Some(2));
}
