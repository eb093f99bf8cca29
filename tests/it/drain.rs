//! `whither drain` as an administrator runs it: over a real NATS server and a running service.

use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Mutex;

use crate::support::eventually;
use crate::support::nats::Nats;
use crate::support::serve::{Serve, ask, bucket, report, site};
use crate::support::shell::{Shell, WHITHER};
use async_nats::Client;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

const FEWEST: &str = "[chain.\"session/start\"]\nsteps = [\"builtin:fewest-sessions\"]\n";

/// A drain that goes on.
struct Drain {
    folder: TempDir,
    process: Mutex<Child>,
}

impl Drain {
    fn start(nats: &Nats, arguments: &[&str]) -> Self {
        let folder = TempDir::new().unwrap();
        let file = |name: &str| std::fs::File::create(folder.path().join(name)).unwrap();
        let process = Command::new(WHITHER)
            .args(["drain", "--nats", &nats.url()])
            .args(arguments)
            .env_remove("WHITHER_NAMESPACE")
            .stdin(Stdio::null())
            .stdout(file("stdout"))
            .stderr(file("stderr"))
            .spawn()
            .unwrap();
        Self { folder, process: Mutex::new(process) }
    }

    /// How it ended, where it has.
    fn ended(&self) -> Option<ExitStatus> {
        self.process.lock().unwrap().try_wait().unwrap()
    }

    fn said(&self, stream: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(stream)).unwrap()
    }

    async fn says(&self, stream: &str, words: &str) {
        eventually(&format!("the drain says `{words}`"), async || self.said(stream).contains(words).then_some(()))
            .await;
    }

    /// The events so far, each in one line.
    fn events(&self) -> Vec<Value> {
        let said = self.said("stdout");
        said.lines().map(|line| serde_json::from_str(line).unwrap_or_default()).collect()
    }

    async fn ends(&self) -> ExitStatus {
        eventually("the drain ends", async || self.ended()).await
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_raw(i32::try_from(self.process.lock().unwrap().id()).unwrap()).unwrap(), signal)
            .unwrap();
    }
}

impl std::ops::Drop for Drain {
    fn drop(&mut self) {
        let process = self.process.get_mut().unwrap();
        let _ = process.kill();
        let _ = process.wait();
    }
}

fn busy(id: &str, sessions: &[Value]) -> Value {
    json!({"id": id, "nodeData": {"sessions": sessions}})
}

fn ann() -> Value {
    json!({"id": "s1", "user": "ann", "name": "cad", "state": "running", "startTime": 1_795_181_392_136_i64})
}

/// Two nodes, of which n00 has one session.
async fn two_nodes() -> (Nats, Serve, Client) {
    let (nats, serve, client) = site(FEWEST, &[], 0).await;
    report(&client, &[busy("n00", &[ann()]), busy("n01", &[])]).await;
    (nats, serve, client)
}

async fn put(client: &Client, node: &Value) {
    let id = node["id"].as_str().unwrap().to_owned();
    bucket(client).await.put(id, node.to_string().into()).await.unwrap();
}

async fn state_of(client: &Client, node: &str) -> Value {
    ask(client, "whither.nodes", &json!({"node": node})).await.body["nodes"][0]["state"].clone()
}

#[tokio::test]
async fn it_ends_when_the_last_session_and_the_last_reservation_are_gone() {
    let (nats, _serve, client) = site(FEWEST, &[], 0).await;
    report(&client, &[busy("n00", &[ann()])]).await;
    let placed = ask(&client, "whither.place", &json!({"user": {"login": "bob"}})).await.body;
    assert_eq!(placed["node"], "n00");
    report(&client, &[busy("n01", &[])]).await;
    let drain = Drain::start(&nats, &["n00", "--json", "--reason", "kernel"]);
    drain.says("stdout", "draining").await;
    let first = drain.events()[0].clone();
    assert_eq!(
        (&first["event"], &first["remaining"], &first["reporting"]),
        (&json!("draining"), &json!(2), &json!(true))
    );
    let ann = &first["sessions"][0];
    assert_eq!((&ann["user"], &ann["name"], &ann["state"]), (&json!("ann"), &json!("cad"), &json!("running")));
    assert_eq!(ann["since"], "2026-11-20T13:29:52.136Z");
    assert_eq!((&first["sessions"][1]["user"], &first["sessions"][1]["state"]), (&json!("bob"), &json!("pending")));
    for _ in 0..3 {
        assert_eq!(ask(&client, "whither.place", &json!({})).await.body["node"], "n01", "it takes no new sessions");
    }

    put(&client, &busy("n00", &[])).await;
    drain.says("stdout", "\"remaining\":1").await;
    assert_eq!(state_of(&client, "n00").await, "draining", "a reservation counts as running");
    ask(&client, "whither.release", &json!({"reservation": placed["reservation"]})).await;
    assert!(drain.ends().await.success());
    let events = drain.events();
    assert_eq!(events.last().unwrap()["event"], "drained");
    assert_eq!(state_of(&client, "n00").await, "drained");
}

#[tokio::test]
async fn without_waiting_it_shows_what_runs_and_an_uncordon_ends_it() {
    let (nats, serve, client) = two_nodes().await;
    let shell = Shell::new().with("WHITHER_NATS", &nats.url()).with("USER", "root");
    let told = shell.whither(["drain", "n00", "--no-wait", "--reason", "kernel"]);
    assert_eq!(told.code, Some(0), "{told:?}");
    assert!(told.stdout.contains("ann") && told.stdout.contains("cad"), "{}", told.stdout);
    assert!(told.stdout.contains("2026-11-20T13:29:52.136Z"), "{}", told.stdout);
    assert!(told.stdout.ends_with("n00 draining\n"), "{}", told.stdout);
    assert!(told.stderr.contains("1 session left of ann"), "{}", told.stderr);
    let empty = shell.whither(["drain", "n01", "--no-wait"]);
    assert_eq!((empty.code, empty.stdout.as_str()), (Some(0), "n01 drained\n"));

    let listed = shell.whither(["nodes"]).stdout;
    assert!(listed.contains("draining, 1 left") && listed.contains("drained"), "{listed}");
    let node: Value = serde_json::from_str(&shell.whither(["nodes", "show", "n00"]).stdout).unwrap();
    assert_eq!(node["marks"]["draining"]["reason"], "kernel");
    assert_eq!((&node["marks"]["cordoned"]["by"], &node["state"]), (&json!("root"), &json!("draining")));
    let refused = ask(&client, "whither.place", &json!({})).await;
    assert_eq!(refused.body["error"]["diagnosis"]["excluded"]["cordoned"]["count"], 2);
    eventually("readyz counts them", async || serve.readyz().1.contains("\"draining\":1").then_some(())).await;

    assert_eq!(shell.whither(["uncordon", "n00"]).stdout, "n00 uncordoned\n");
    eventually("it is back", async || (state_of(&client, "n00").await == "ready").then_some(())).await;
    let node: Value = serde_json::from_str(&shell.whither(["nodes", "show", "n00"]).stdout).unwrap();
    assert_eq!(node["marks"], Value::Null);
    eventually("the history has both", async || {
        let history = shell.whither(["nodes", "history", "n00"]).stdout;
        (history.contains("draining") && history.contains("uncordoned") && history.contains("kernel")).then_some(())
    })
    .await;
    let nowhere = shell.whither(["drain", "nowhere"]);
    assert!(nowhere.code == Some(3) && nowhere.stderr.contains("nowhere"), "{nowhere:?}");
}

#[tokio::test]
async fn a_timeout_says_what_is_left_and_how_to_undo_it() {
    let (nats, _serve, client) = two_nodes().await;
    let shell = Shell::new().with("WHITHER_NATS", &nats.url());
    let told = shell.whither(["drain", "n00", "--timeout", "1"]);
    assert_eq!(told.code, Some(1));
    for words in ["not empty after 1 s", "1 session left of ann", "stays out of service", "whither uncordon n00"] {
        assert!(told.stderr.contains(words), "{words}: {}", told.stderr);
    }
    assert_eq!(state_of(&client, "n00").await, "draining");
    let again = shell.whither(["drain", "n00", "--timeout", "1", "--json"]);
    let last: Value = serde_json::from_str(again.stdout.lines().last().unwrap()).unwrap();
    assert_eq!((&last["event"], &last["sessions"][0]["user"]), (&json!("timeout"), &json!("ann")));
    assert_eq!(shell.whither(["drain", "n00", "--timeout", "0"]).code, Some(2));
}

#[tokio::test]
async fn whoever_stops_waiting_is_told_that_it_goes_on() {
    let (nats, _serve, client) = two_nodes().await;
    let drain = Drain::start(&nats, &["n00", "--json"]);
    drain.says("stdout", "draining").await;
    // The first look at it is over, so the signal finds somebody who listens.
    put(&client, &busy("n00", &[ann(), json!({"id": "s2", "user": "bob"})])).await;
    drain.says("stdout", "\"remaining\":2").await;
    drain.signal(Signal::INT);
    assert_eq!(drain.ends().await.code(), Some(1));
    assert_eq!(drain.events().last().unwrap()["event"], "interrupted");
    let said = drain.said("stderr");
    assert!(said.contains("no longer waiting") && said.contains("whither uncordon n00"), "{said}");
    assert_eq!(state_of(&client, "n00").await, "draining");
}

#[tokio::test]
async fn a_node_that_is_put_back_or_leaves_ends_it() {
    let (nats, _serve, client) = two_nodes().await;
    let drain = Drain::start(&nats, &["n00"]);
    drain.says("stderr", "1 session left").await;
    ask(&client, "whither.uncordon", &json!({"node": "n00"})).await;
    assert_eq!(drain.ends().await.code(), Some(1));
    assert!(drain.said("stderr").contains("put back into service"), "{}", drain.said("stderr"));
    let drain = Drain::start(&nats, &["n00"]);
    drain.says("stderr", "1 session left").await;
    bucket(&client).await.delete("n00").await.unwrap();
    assert_eq!(drain.ends().await.code(), Some(1));
    assert!(drain.said("stderr").contains("has left the cluster"), "{}", drain.said("stderr"));
}

#[tokio::test]
async fn what_cannot_be_seen_empty_is_said_at_once() {
    let (nats, _serve, client) = site(&format!("[service]\nliveness_s = 3\n{FEWEST}"), &[], 0).await;
    put(&client, &busy("n00", &[])).await;
    eventually("the node is stale", async || (state_of(&client, "n00").await == "stale").then_some(())).await;
    let shell = Shell::new().with("WHITHER_NATS", &nats.url());
    let stale = shell.whither(["drain", "n00", "--no-wait"]);
    assert!(stale.stderr.contains("`n00` does not report"), "{}", stale.stderr);
    assert_eq!(stale.stdout, "n00 stale\n");
    let drain = Drain::start(&nats, &["n00"]);
    drain.says("stderr", "does not report").await;
    let dark = json!({"id": "dark"});
    put(&client, &dark).await;
    eventually("the dark node is there", async || (state_of(&client, "dark").await == "ready").then_some(())).await;
    let told = shell.whither(["drain", "dark", "--no-wait"]);
    assert!(told.stderr.contains("does not report its sessions") || told.stdout == "dark stale\n", "{told:?}");
    // One report is enough.
    eventually("the drain ends", async || {
        put(&client, &busy("n00", &[])).await;
        drain.ended()
    })
    .await;
    assert!(drain.said("stdout").ends_with("n00 drained\n"));
}

#[tokio::test]
async fn an_uncordon_takes_no_drain() {
    let (_nats, _serve, client) = two_nodes().await;
    let refused = ask(&client, "whither.uncordon", &json!({"node": "n00", "drain": true})).await;
    assert_eq!(refused.code.as_deref(), Some("400"));
}
