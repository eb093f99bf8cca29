//! A NATS server whose disk is full, as it is where service and server share a machine that nobody looked after.
//!
//! The service writes to no disk, so what it must stand is a bus that takes no more documents: it places on what it knows,
//! says of what cannot be written that it was not, and is whole again when there is room. The disk is a small one in
//! memory, in a mount namespace of the server's own; where the machine allows none, the tests say so and pass.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use async_nats::Client;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::site::FEWEST;
use crate::support::nats::program;
use crate::support::serve::{Serve, ask, free_port, plain_nodes, report};
use crate::support::{PATIENCE, eventually};

/// Starts the server on a small disk, and again whenever it ends.
const KEEPER: &str = "
mount -t tmpfs -o size=4m none store || exit 77
trap 'kill $server; exit' TERM
while true; do
    \"$0\" -js -a 127.0.0.1 -p \"$1\" --store_dir store & server=$!
    echo $server > server
    wait $server
done
";

/// A server on a disk of 4 MiB.
struct SmallDisk {
    folder: TempDir,
    keeper: Child,
    port: u16,
}

impl SmallDisk {
    /// Starts it; `None` where this machine makes no mount namespaces for this user.
    async fn start() -> Option<Self> {
        let (folder, port) = (TempDir::new().unwrap(), free_port());
        std::fs::create_dir(folder.path().join("store")).unwrap();
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let keeper = Command::new("unshare")
            .args(["--map-root-user", "--mount", "sh", "-c", KEEPER])
            .arg(program())
            .arg(port.to_string())
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        let Ok(keeper) = keeper else {
            eprintln!("left out: there is no `unshare`");
            return None;
        };
        let mut disk = Self { folder, keeper, port };
        let start = Instant::now();
        let is_there = loop {
            if disk.keeper.try_wait().unwrap().is_some() {
                break false;
            }
            if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
                break true;
            }
            assert!(start.elapsed() < PATIENCE, "the server does not start: {}", disk.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        if !is_there {
            eprintln!("left out: {}", disk.log());
        }
        is_there.then_some(disk)
    }

    fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// A file on the disk, which only the server's namespace sees.
    fn filler(&self) -> PathBuf {
        let root = format!("/proc/{}/root", self.keeper.id());
        let store = self.folder.path().strip_prefix("/").unwrap().join("store");
        Path::new(&root).join(store).join("filler")
    }

    /// Writes until there is no room for another byte.
    fn fill(&self) {
        use std::io::Write;
        let mut file = std::fs::File::create(self.filler()).unwrap();
        for size in [4096, 1] {
            while file.write_all(&[b'x'; 4096][..size]).is_ok() {}
        }
    }

    /// Makes room, and starts the server again: it holds on to a disk that once was full.
    async fn free(&self) {
        std::fs::remove_file(self.filler()).unwrap();
        let before = self.server();
        kill_process(before, Signal::TERM).unwrap();
        eventually("the server is there again", async || {
            let is_new = self.server() != before;
            (is_new && std::net::TcpStream::connect(("127.0.0.1", self.port)).is_ok()).then_some(())
        })
        .await;
    }

    fn server(&self) -> Pid {
        let written = std::fs::read_to_string(self.folder.path().join("server")).unwrap();
        written.trim().parse().ok().and_then(Pid::from_raw).unwrap_or(Pid::INIT)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = kill_process(Pid::from_child(&self.keeper), Signal::TERM);
        let _ = self.keeper.wait();
        if std::thread::panicking() {
            eprintln!("--- the server's log\n{}", self.log());
        }
    }
}

/// Asks until there is an answer that `is_good`: after a restart of the server the service is away for a moment.
async fn ask_until(client: &Client, subject: &'static str, body: Value, is_good: impl Fn(&Value) -> bool) -> Value {
    eventually(subject, async || {
        let reply = client.request(subject, body.to_string().into()).await.ok()?;
        serde_json::from_slice(&reply.payload).ok().filter(&is_good)
    })
    .await
}

/// What an administrator is told who takes the node `n00` out of service.
async fn cordon(client: &Client) -> Value {
    ask(client, "whither.cordon", &json!({"node": "n00", "reason": "full"})).await.body
}

#[tokio::test(flavor = "multi_thread")]
async fn placements_go_on_what_cannot_be_written_is_said_and_all_is_well_when_there_is_room() {
    let Some(disk) = SmallDisk::start().await else { return };
    let mut serve = Serve::spawn_on(&[disk.url()], "", FEWEST, &[]);
    serve.ready().await;
    let client = async_nats::connect(disk.url()).await.unwrap();
    report(&client, &plain_nodes(3)).await;
    disk.fill();
    for user in ["ann", "bob", "cid"] {
        let placed = ask(&client, "whither.place", &json!({"user": {"login": user}})).await.body;
        assert!(placed["node"].is_string(), "{placed}");
    }
    let refused = cordon(&client).await;
    let message = refused["error"]["message"].as_str().unwrap_or_else(|| panic!("a mark was written: {refused}"));
    assert!(message.starts_with("the mark of node `n00` could not be written: "), "{message}");
    let placed = ask(&client, "whither.place", &json!({"user": {"login": "dan"}})).await.body;
    assert!(placed["node"].is_string(), "{placed}");
    serve.must_run();
    disk.free().await;
    let order = json!({"node": "n00", "reason": "full"});
    ask_until(&client, "whither.cordon", order, |told| told["state"] == "cordoned").await;
    report(&client, &plain_nodes(4)).await;
    let placed = ask(&client, "whither.place", &json!({"user": {"login": "eve"}})).await.body;
    assert!(placed["node"].is_string() && placed["node"] != "n00", "{placed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_capacity_is_strict_no_place_is_given_that_was_not_written_down() {
    let Some(disk) = SmallDisk::start().await else { return };
    let strict = format!("[service]\ncapacity = \"strict\"\n{FEWEST}");
    let mut serve = Serve::spawn_on(&[disk.url()], "", &strict, &[]);
    serve.ready().await;
    let client = async_nats::connect(disk.url()).await.unwrap();
    let node = json!({"id": "n00", "nodeData": {"sessions": []}, "metadata": {}, "maxSessions": 2});
    report(&client, std::slice::from_ref(&node)).await;
    disk.fill();
    let refused = ask(&client, "whither.place", &json!({"user": {"login": "ann"}})).await;
    let error = &refused.body["error"];
    assert!(error["name"].is_string(), "a place was given that nobody wrote down: {:?}", refused.body);
    disk.free().await;
    ask_until(&client, "whither.place", json!({"user": {"login": "bob"}}), |told| told["node"].is_string()).await;
    serve.must_run();
}
