//! The agent as an administrator runs it: the binary, over a real NATS server.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::support::agent::{TestAgent, command};
use crate::support::eventually;
use crate::support::nats::Nats;
use async_nats::jetstream::{self, kv};
use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;
use whither::model::Report;
use whither::nats::subjects::encode_key;

/// So rarely does an agent report when nothing changes that a test would fail before.
const RARELY: &str = "44";

fn run(arguments: &[&str]) -> Output {
    command().args(arguments).output().unwrap()
}

fn file(folder: &Path, name: &str, content: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, content).unwrap();
    path
}

/// Puts an executable in the place of another in one step.
fn executable(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    let new = path.with_file_name(".new");
    std::fs::write(&new, text).unwrap();
    std::fs::set_permissions(&new, std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::rename(new, path).unwrap();
}

/// Puts a file in the place of another in one step, as config management does.
fn replace(path: &Path, content: &str) {
    let new = path.with_extension("new");
    std::fs::write(&new, content).unwrap();
    std::fs::rename(new, path).unwrap();
}

async fn bucket(nats: &Nats) -> kv::Store {
    let js = jetstream::new(nats.client().await);
    eventually("the bucket is there", || async { js.get_key_value("whither_nodes").await.ok() }).await
}

/// Waits for a report of the node `id` that is as it should be.
async fn reported(nats: &Nats, id: &str, should: impl Fn(&Value) -> bool) -> Value {
    let (bucket, key) = (bucket(nats).await, encode_key(id));
    eventually(&format!("node `{id}` reports what it should"), || async {
        let text = bucket.get(&key).await.ok()??;
        let node: Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(&*Report::parse(&text).unwrap().id, id, "the service takes every report");
        should(&node).then_some(node)
    })
    .await
}

async fn is_gone(nats: &Nats, id: &str) -> bool {
    bucket(nats).await.get(&encode_key(id)).await.unwrap().is_none()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_becomes_a_node_and_leaves_when_told_to() {
    let nats = Nats::start();
    for (id, signal) in [("node-1", Signal::TERM), ("host:7070 *ü..", Signal::INT)] {
        let url = "https://node:3300";
        let options = ["--id", id, "--url", url, "--url", "b", "--max-sessions", "7", "--interval", RARELY];
        let mut agent = TestAgent::with(&nats, &options, &[("METADATA_GPU", "a100"), ("METADATA_site", "b 2")]);
        let node = reported(&nats, id, |_| true).await;
        assert_eq!(node["urls"], json!([url, "b"]));
        assert_eq!(node["metadata"], json!({"GPU": "a100", "gpu": "a100", "site": "b 2"}));
        assert_eq!((&node["maxSessions"], &node["cordoned"]), (&json!(7), &json!(false)));
        assert_eq!(node["nodeData"]["services"], json!([{"name": "launcher"}]));
        assert!(node["nodeData"]["health"]["mem"]["percent"].as_f64().unwrap() <= 100.0);
        assert_eq!(node["nodeData"].get("sessions"), None, "nobody said anything about sessions");
        agent.says(&format!("reporting node `{id}` at {url} to `whither_nodes` on {}", nats.url())).await;
        agent.says("is in the cluster").await;
        agent.signal(signal);
        assert!(agent.ends().await.success());
        assert!(is_gone(&nats, id).await);
        assert!(agent.log().contains("has left the cluster"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn static_data_follows_its_file_and_outlives_a_broken_edit() {
    let nats = Nats::start();
    let folder = TempDir::new().unwrap();
    let path = file(folder.path(), "node.json", r#"{"gpu": true, "weight": 2}"#);
    let options = ["--id", "a", "--interval", RARELY, "--static-data", path.to_str().unwrap()];
    let agent = TestAgent::start(&nats, &options);
    let is = |data: Value| move |node: &Value| node["staticData"] == data;
    reported(&nats, "a", is(json!({"gpu": true, "weight": 2}))).await;

    replace(&path, r#"{"gpu": false}"#);
    reported(&nats, "a", is(json!({"gpu": false}))).await;
    std::fs::write(&path, r#"{"gpu": [1]}"#).unwrap();
    reported(&nats, "a", is(json!({"gpu": [1]}))).await;

    std::fs::write(&path, r#"{"gpu": "#).unwrap();
    let warned = |node: &Value| node["agent"]["warnings"][0].as_str().is_some_and(|text| text.contains("node.json"));
    let node = reported(&nats, "a", warned).await;
    assert_eq!(node["staticData"], json!({"gpu": [1]}));
    agent.says("the last good one stays in force").await;
    std::fs::remove_file(&path).unwrap();
    agent.says("cannot be read").await;

    replace(&path, r#"{"back": 1}"#);
    let node = reported(&nats, "a", is(json!({"back": 1}))).await;
    assert_eq!(node["agent"]["warnings"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_follow_their_command_and_outlive_its_failure() {
    let nats = Nats::start();
    let folder = TempDir::new().unwrap();
    let mut session = Command::new("sleep").arg("1000").env("WHITHER_RESERVATION", "r-7").spawn().unwrap();
    let first = json!([{"id": "s1", "user": "ann", "pid": session.id()}, "s2"]);
    let path = file(folder.path(), "sessions", &first.to_string());
    let line = format!("cat {}", path.display());
    let options = ["--id", "a", "--interval", RARELY, "--sessions-interval", "0.2", "--sessions-command", &line];
    let mut agent = TestAgent::start(&nats, &options);
    let node = reported(&nats, "a", |node| node["nodeData"]["sessions"].is_array()).await;
    assert_eq!(node["nodeData"]["sessions"][0]["reservation"], "r-7");
    assert_eq!(node["nodeData"]["sessions"][1], "s2");

    replace(&path, r#"[{"id": "s3", "user": "bob", "reservation": "r-8"}]"#);
    let node = reported(&nats, "a", |node| node["nodeData"]["sessions"][0]["id"] == "s3").await;
    assert_eq!(node["nodeData"]["sessions"][0]["reservation"], "r-8");

    replace(&path, "[{");
    let node = reported(&nats, "a", |node| node["agent"]["warnings"][0].is_string()).await;
    assert_eq!(node["nodeData"]["sessions"][0]["id"], "s3");
    agent.says("printed no list of sessions").await;

    replace(&path, "[]");
    reported(&nats, "a", |node| node["nodeData"]["sessions"] == json!([])).await;
    agent.says("the sessions command works again").await;
    agent.signal(Signal::TERM);
    assert!(agent.ends().await.success());
    session.kill().unwrap();
    session.wait().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_sessions_become_a_number_and_nothing_is_left_unsaid() {
    let nats = Nats::start();
    let line = r#"yes '{"id":"0123456789abcdef","user":"ann"},' | head -n 9000 | tr -d '\n' | sed 's/^/[/; s/,$/]/'"#;
    let agent = TestAgent::start(&nats, &["--id", "a", "--sessions-command", line]);
    let node = reported(&nats, "a", |node| node["nodeData"]["sessions"] == 9000).await;
    assert!(node["agent"]["warnings"][0].as_str().unwrap().starts_with("sessions are reported as a number alone"));
    agent.says("sessions are reported as a number alone").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_forgot_everything_is_told_again() {
    let mut nats = Nats::start();
    let mut agent = TestAgent::start(&nats, &["--id", "a", "--interval", RARELY]);
    let second = TestAgent::start(&nats, &["--id", "b", "--interval", RARELY]);
    for (id, agent) in [("a", &agent), ("b", &second)] {
        reported(&nats, id, |_| true).await;
        agent.says("is in the cluster").await;
    }
    nats.kill();
    agent.says("lost the connection").await;
    let mut leaving = second;
    leaving.says("lost the connection").await;
    leaving.signal(Signal::TERM);
    assert!(leaving.ends().await.success());
    assert!(leaving.log().contains("could not say that it leaves"));
    nats.wipe();
    nats.restart();
    reported(&nats, "a", |_| true).await;
    let js = jetstream::new(nats.client().await);
    let config = js.get_stream("KV_whither_nodes").await.unwrap().cached_info().config.clone();
    assert_eq!((config.max_age.as_secs(), config.max_messages_per_subject), (90, 1));
    agent.signal(Signal::TERM);
    assert!(agent.ends().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_bucket_is_made_again() {
    let nats = Nats::start();
    let _agent = TestAgent::start(&nats, &["--id", "a", "--interval", "0.5"]);
    reported(&nats, "a", |_| true).await;
    jetstream::new(nats.client().await).delete_key_value("whither_nodes").await.unwrap();
    reported(&nats, "a", |_| true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_is_made_anew_by_another_is_reported_to_at_once() {
    let nats = Nats::start();
    let folder = TempDir::new().unwrap();
    let text = format!("[nats]\nurl = \"{}\"\n[service]\nliveness_s = 3600\n", nats.url());
    let config = file(folder.path(), "whither.toml", &text);
    let agent = TestAgent::start(&nats, &["--id", "a", "--interval", "1800", "--config", config.to_str().unwrap()]);
    reported(&nats, "a", |_| true).await;
    let js = jetstream::new(nats.client().await);
    js.delete_key_value("whither_nodes").await.unwrap();
    js.create_key_value(kv::Config { bucket: "whither_nodes".to_owned(), ..kv::Config::default() }).await.unwrap();
    reported(&nats, "a", |_| true).await;
    drop(agent);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_away_is_waited_for_and_stops_nobody() {
    let mut nats = Nats::not_yet();
    let mut waiting = TestAgent::start(&nats, &["--id", "waiting"]);
    let mut impatient = TestAgent::start(&nats, &["--id", "impatient"]);
    for agent in [&waiting, &impatient] {
        agent.says("cannot connect to NATS at nats://127.0.0.1:").await;
    }
    impatient.signal(Signal::TERM);
    assert!(impatient.ends().await.success());
    assert!(!impatient.log().contains("leaves"), "it never was in the cluster");
    nats.restart();
    reported(&nats, "waiting", |_| true).await;
    waiting.signal(Signal::TERM);
    assert!(waiting.ends().await.success());
    assert!(is_gone(&nats, "waiting").await);
}

/// A server where agents may write one key and nothing else.
fn strict() -> Nats {
    let folder = TempDir::new().unwrap();
    let agent = r#"{publish: ["$KV.whither_nodes.a"], subscribe: ["_INBOX.>"]}"#;
    let config = format!(
        "jetstream: enabled\nauthorization {{ users: [\n\
         {{user: admin, password: admin}}\n{{user: agent, password: \"p/w\", permissions: {agent}}}\n] }}\n"
    );
    let path = file(folder.path(), "nats.conf", &config);
    let path = path.to_str().unwrap().to_owned();
    Nats::within(folder, &["-c", &path])
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_needs_no_right_beyond_its_own_key_and_shows_no_password() {
    let nats = strict();
    let url = nats.url().replace("nats://", "nats://agent:p%2Fw@");
    let mut agent = TestAgent::start(&nats, &["--id", "a", "--interval", "0.5", "--nats", &url]);
    let mut stranger = TestAgent::start(&nats, &["--id", "b", "--interval", "0.5", "--nats", &url]);
    agent.says("cannot be made").await;
    let admin = async_nats::ConnectOptions::with_user_and_password("admin".to_owned(), "admin".to_owned());
    let js = jetstream::new(admin.connect(nats.url()).await.unwrap());
    let config = kv::Config { bucket: "whither_nodes".to_owned(), ..kv::Config::default() };
    let bucket = js.create_key_value(config).await.unwrap();
    eventually("the agent reports", || async { bucket.get("a").await.unwrap() }).await;
    stranger.says("Permissions Violation").await;
    agent.signal(Signal::TERM);
    stranger.signal(Signal::TERM);
    assert!(agent.ends().await.success() && stranger.ends().await.success());
    assert_eq!(bucket.get("a").await.unwrap(), None);
    for log in [agent.log(), stranger.log()] {
        assert!(!log.contains("p/w") && !log.contains("p%2Fw"), "{log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn logins_are_taken_from_the_environment_and_from_a_config() {
    let nats = Nats::with(&["-js", "--auth", "t0ken"]);
    let _agent = TestAgent::with(&nats, &["--id", "a", "--interval", "0.5"], &[("WHITHER_TOKEN", "t0ken")]);
    let stranger = TestAgent::with(&nats, &["--id", "b"], &[("WHITHER_TOKEN", "wr0ng")]);
    let js =
        jetstream::new(async_nats::ConnectOptions::with_token("t0ken".to_owned()).connect(nats.url()).await.unwrap());
    let bucket = eventually("the bucket is there", || async { js.get_key_value("whither_nodes").await.ok() }).await;
    eventually("the agent reports", || async { bucket.get("a").await.unwrap() }).await;
    stranger.says("authorization violation").await;
    assert!(!stranger.log().contains("wr0ng"));

    // The pair is that of the NATS documentation.
    let folder = TempDir::new().unwrap();
    let user = "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4";
    let seed = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY";
    let config = format!("jetstream: enabled\nauthorization {{ users: [ {{nkey: {user}}} ] }}\n");
    let path = file(folder.path(), "nats.conf", &config).to_str().unwrap().to_owned();
    let nats = Nats::within(folder, &["-c", &path]);
    let folder = TempDir::new().unwrap();
    let config = file(folder.path(), "whither.toml", &format!("[nats]\nurl = \"{}\"\nnkey = \"{seed}\"\n", nats.url()));
    std::fs::set_permissions(&config, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let agent = TestAgent::start(&nats, &["--id", "a", "--config", config.to_str().unwrap()]);
    agent.says("is in the cluster").await;
    assert!(!agent.log().contains(seed));
}

#[test]
fn once_prints_the_document_without_a_broker() {
    let folder = TempDir::new().unwrap();
    let path = file(folder.path(), "node.json", r#"{"gpu": true}"#);
    let options = ["--once", "--id", "a", "--sessions-command", "exit 7", "--static-data", path.to_str().unwrap()];
    let output = run(&options);
    assert!(output.status.success(), "{output:?}");
    let node: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&node["id"], &node["staticData"]["gpu"]), (&json!("a"), &json!(true)));
    assert!(String::from_utf8(output.stderr).unwrap().contains("warning: the sessions are not known"));
    assert!(Report::parse(output.stdout.trim_ascii()).is_ok());
}

#[tokio::test]
async fn metrics_come_from_executables_and_outlive_their_failure() {
    let nats = Nats::start();
    let folder = TempDir::new().unwrap();
    let metrics = folder.path().join("metrics");
    std::fs::create_dir(&metrics).unwrap();
    executable(&metrics.join("gpu.sh"), "#!/bin/sh\necho '{\"free\": 3}'\n");
    let options = ["--id", "a", "--interval", "1", "--metrics", metrics.to_str().unwrap()];
    let agent = TestAgent::start(&nats, &options);
    reported(&nats, "a", |node| node["metrics"] == json!({"gpu": {"free": 3}})).await;

    executable(&metrics.join("gpu.sh"), "#!/bin/sh\necho the driver is gone >&2; exit 1\n");
    let node = reported(&nats, "a", |node| node["metricsStale"]["gpu"].is_object()).await;
    assert_eq!(node["metrics"]["gpu"]["free"], 3, "its last value stays");
    assert_eq!(node["metricsStale"]["gpu"]["error"], "ended with exit status: 1: the driver is gone");
    agent.says("the metrics of `gpu` are stale").await;

    executable(&metrics.join("gpu.sh"), "#!/bin/sh\necho '{\"free\": 4}'\n");
    reported(&nats, "a", |node| node["metrics"]["gpu"]["free"] == 4 && node.get("metricsStale").is_none()).await;
    agent.says("the metrics of `gpu` work again").await;
}

#[test]
fn sessions_come_from_the_record_of_logins() {
    let folder = TempDir::new().unwrap();
    let path = file(folder.path(), "utmp", "");
    let from = format!("utmp:{}", path.display());
    let output = run(&["--once", "--id", "a", "--sessions-from", &from]);
    let node: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(node["nodeData"]["sessions"], json!([]), "nobody is logged in");
    let output = run(&["--once", "--id", "a", "--sessions-from", "utmp:/nonexistent"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("the record of logins `/nonexistent` cannot be read: No such file"), "{said}");
    let output = run(&["--once", "--sessions-from", "who"]);
    assert!(String::from_utf8(output.stderr).unwrap().contains("expected `os`, `logind`, `utmp` or `utmp:FILE`"));
}

/// What `loginctl` prints with these versions of systemd, whatever else it is asked.
const LOGINCTL: [(&str, &str); 2] = [
    (
        "255",
        r#"for word in "$@"; do case "$word" in --json*) echo "loginctl: unrecognized option '$word'" >&2; exit 1;; esac; done
        printf '[{"session":"3","uid":1000,"user":"ann","seat":"","tty":"pts/0","state":"active","idle":false},'
        printf '{"session":"9","uid":1001,"user":"bob","seat":"","tty":"","state":"closing","idle":false}]'"#,
    ),
    (
        "257",
        r#"case "$*" in
          show-session*) printf 'Id=3\nState=active\n\nId=9\nState=closing\n';;
          *--json=short*) printf '[{"session":"3","uid":1000,"user":"ann","seat":null,"leader":1,"class":"user","tty":"pts/0"},'
             printf '{"session":"4","uid":1000,"user":"ann","seat":null,"leader":1,"class":"manager","tty":null},'
             printf '{"session":"9","uid":1001,"user":"bob","seat":null,"leader":1,"class":"user","tty":null}]';;
          *) echo 'SESSION  UID USER SEAT'; echo '3 sessions listed.';;
        esac"#,
    ),
];

#[test]
fn logind_is_asked_as_each_release_of_systemd_wants_it() {
    for (version, script) in LOGINCTL {
        let folder = TempDir::new().unwrap();
        executable(&folder.path().join("loginctl"), &format!("#!/bin/sh\n{script}\n"));
        let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
        let mut once = command();
        once.args(["--once", "--id", "a", "--sessions-from", "logind"]).env("PATH", path);
        let output = once.output().unwrap();
        let node: Value = serde_json::from_slice(&output.stdout).unwrap();
        let sessions = node["nodeData"]["sessions"].as_array().unwrap_or_else(|| panic!("{version}: {output:?}"));
        let users: Vec<_> = sessions.iter().map(|session| session["user"].as_str().unwrap()).collect();
        assert_eq!(users, ["ann"], "{version}: bob is logged out, and a manager is nobody's session");
    }
}

#[test]
fn a_node_has_the_cores_that_its_agent_may_use() {
    let mut taskset = Command::new("taskset");
    let agent = taskset.args(["-c", "0", env!("CARGO_BIN_EXE_whither"), "agent", "--once", "--id", "a"]);
    let Ok(output) = agent.env_remove("WHITHER_NATS").output() else { return };
    let node: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(node["nodeData"]["health"]["cpu"]["cores"], 1, "{node}");
}

/// How often the threads of process `pid` waited for something.
fn waits(pid: u32) -> u64 {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let status = threads.filter_map(|thread| std::fs::read_to_string(thread.ok()?.path().join("status")).ok());
    let waits = status.filter_map(|status| {
        status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:")?.trim().parse::<u64>().ok())
    });
    waits.sum()
}

/// Between two reports an agent answers NATS's pings and shows that it lives, a few times a second. Each look at the file
/// of static data is an opening of it, and where that woke the agent, it would look again, for ever.
#[tokio::test(flavor = "multi_thread")]
async fn openings_of_the_static_data_wake_no_agent() {
    let nats = Nats::start();
    let folder = TempDir::new().unwrap();
    let path = file(folder.path(), "node.json", "{\"gpu\": true}");
    let options = ["--id", "a", "--interval", "2", "--static-data", path.to_str().unwrap()];
    let agent = TestAgent::start(&nats, &options);
    let bucket = bucket(&nats).await;
    let reported = async |after: u64| {
        let newer = || async { bucket.entry("a").await.ok()?.map(|entry| entry.revision).filter(|at| *at > after) };
        eventually("the agent reports again", newer).await
    };
    let first = reported(0).await;
    let before = waits(agent.process.id());
    for _ in 0..100 {
        std::fs::read(&path).unwrap();
    }
    reported(first).await;
    let waited = waits(agent.process.id()) - before;
    assert!(waited < 1000, "the agent woke {waited} times between two reports");
}

#[test]
fn what_can_never_work_ends_at_once_and_names_the_thing() {
    let folder = TempDir::new().unwrap();
    let broken = file(folder.path(), "broken.json", "{");
    let list = file(folder.path(), "list.json", "[]");
    let cases: [(&[&str], &str); 9] = [
        (&["--static-data", "/nonexistent"], "the static data `/nonexistent` cannot be read"),
        (&["--static-data", broken.to_str().unwrap()], "not valid JSON"),
        (&["--static-data", list.to_str().unwrap()], "is a list, expected an object"),
        (&["--static-data", "/"], "cannot be read"),
        (&["--interval", "60"], "an interval of 60 s is too long"),
        (&["--interval", "soon"], "expected seconds"),
        (&["--id", "a\u{7}"], "a node id has 1 to 255 bytes without control characters"),
        (&["--nats", "http://ann:hush@host"], "is no NATS address"),
        (&["--namespace", "a.b"], "is no namespace"),
    ];
    for (options, expected) in cases {
        let output = run(options);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{options:?}: {said}");
        assert!(said.contains(expected) && !said.contains("hush"), "{options:?}: {said}");
    }
}

/// A program that still uses `select`, or closes all there could be, gets the limit that the agent was started with.
#[test]
fn the_agent_s_commands_keep_their_limit_of_descriptors() {
    let folder = TempDir::new().unwrap();
    // The agent's own limit comes back at once, and where it does not, the list is never made.
    let list = "ulimit -Sn > limit; while grep 'Max open files' /proc/$PPID/limits | grep -q ' 200 '; do sleep 0.01; \
                done; echo '[]'";
    let agent = "ulimit -Sn 200; exec \"$0\" \"$@\"";
    let output = Command::new("/bin/sh")
        .args(["-c", agent, env!("CARGO_BIN_EXE_whither"), "agent", "--once", "--id", "n", "--sessions-command", list])
        .env_remove("WHITHER_NATS")
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(std::fs::read_to_string(folder.path().join("limit")).unwrap().trim(), "200");
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["nodeData"]["sessions"], json!([]), "{document}");
}

#[test]
fn the_program_for_nodes_is_the_same_agent_without_a_script_engine() {
    let program = || Command::new(env!("CARGO_BIN_EXE_whither-agent"));
    let once = program().args(["--once", "--id", "n7", "--max-sessions", "40"]).output().unwrap();
    let document: Value = serde_json::from_slice(&once.stdout).unwrap();
    assert_eq!((&document["id"], &document["maxSessions"]), (&json!("n7"), &json!(40)));
    let help = String::from_utf8(program().arg("--help").output().unwrap().stdout).unwrap();
    let of_whither = String::from_utf8(command().arg("--help").output().unwrap().stdout).unwrap();
    let options = |text: &str| -> Vec<String> {
        let words = text.split_whitespace().filter(|word| word.starts_with("--") && *word != "--version");
        words.map(str::to_owned).collect()
    };
    assert_eq!(options(&help), options(&of_whither));

    let of_agent = ["tree", "--offline", "--locked", "--edges", "normal", "--prefix", "none"];
    let tree = Command::new(env!("CARGO"))
        .args(of_agent)
        .args(["--no-default-features", "--features", "agent"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let tree = String::from_utf8(tree.stdout).unwrap();
    assert!(tree.contains("async-nats v"), "{tree}");
    for engine in ["boa_engine", "rhai", "wasmtime", "cranelift-codegen", "axum"] {
        assert!(!tree.contains(&format!("{engine} v")), "the agent names {engine}");
    }
}
