//! A worker's seal, seen from outside: what the kernel says of a real worker process, and what it could still do; and what
//! of a service's and an agent's memory others may read.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tokio::sync::mpsc;
use whither::chain::{ChainSet, ChainSpec};
use whither::model::Arrangement;
use whither::worker::{Worker, WorkerAudience, WorkerEvent, WorkerInit, WorkerLimits};

use crate::support::nats::Nats;
use crate::support::serve::{ask, free_port, get, plain_nodes, report};
use crate::support::shell::{Shell, WHITHER};
use crate::support::{PATIENCE, eventually};
use rustix::process::getuid;
use serde_json::json;

/// A worker that is ready, and where its events arrive.
async fn worker() -> (Worker, mpsc::Receiver<(u64, WorkerEvent)>) {
    let birth = WorkerInit {
        set: ChainSet::new(vec![ChainSpec::new("session/start", Vec::new())]),
        arrangement: Arrangement::ById,
        limits: WorkerLimits::default(),
        audience: WorkerAudience::Front,
    };
    let (events, heard) = mpsc::channel(8);
    (Worker::start(Path::new(WHITHER), &birth, 1, events).await.unwrap(), heard)
}

/// A page that the kernel keeps of a process.
fn page(pid: u32, name: &str) -> String {
    std::fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap_or_default()
}

/// A figure of the page `status`.
fn status(pid: u32, name: &str) -> Option<String> {
    page(pid, "status")
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':').map(|it| it.trim().to_owned()))
}

#[tokio::test]
async fn all_that_a_worker_tried_was_refused() {
    let (worker, _heard) = worker().await;
    assert_eq!(worker.lacks(), [""; 0]);
    worker.retire().await;
}

#[tokio::test]
async fn the_kernel_says_that_it_is_sealed() {
    let (worker, _heard) = worker().await;
    let pid = worker.peer().pid();
    assert_eq!(status(pid, "NoNewPrivs").as_deref(), Some("1"));
    assert_eq!(status(pid, "Seccomp").as_deref(), Some("2"), "a filter");
    for thread in std::fs::read_dir(format!("/proc/{pid}/task")).unwrap() {
        let page = std::fs::read_to_string(thread.unwrap().path().join("status")).unwrap();
        assert!(page.contains("Seccomp:\t2\n"), "each thread: {page}");
    }
    let limits = page(pid, "limits");
    for name in ["Max core file size", "Max open files"] {
        let limit = limits.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        assert_eq!(limit.split_whitespace().take(2).collect::<Vec<_>>(), ["0", "0"], "{name}, soft and hard");
    }
    worker.retire().await;
}

/// Where not even its own user may look at it, which holds for all but root, there is less to see still.
#[tokio::test]
async fn its_environment_holds_the_allocators_settings_alone() {
    let (worker, _heard) = worker().await;
    match std::fs::read_to_string(format!("/proc/{}/environ", worker.peer().pid())) {
        Ok(text) => {
            let names: Vec<_> = text.split_terminator('\0').filter_map(|pair| Some(pair.split_once('=')?.0)).collect();
            assert_eq!(names, ["MIMALLOC_ARENA_EAGER_COMMIT", "MIMALLOC_ARENA_RESERVE"]);
        }
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::PermissionDenied),
    }
    worker.retire().await;
}

#[tokio::test]
async fn its_size_is_known_while_it_lives_and_it_ends_when_told() {
    let (worker, mut heard) = worker().await;
    let bytes = worker.peer().memory_bytes().unwrap();
    assert!((1 << 20..1 << 30).contains(&bytes), "{bytes} bytes");
    worker.kill();
    let told = tokio::time::timeout(PATIENCE, heard.recv()).await.unwrap().unwrap();
    let (1, WorkerEvent::Exited(ended)) = told else { panic!("{told:?}") };
    assert!(ended.killed, "{ended}");
    assert_eq!(worker.peer().memory_bytes(), None);
    worker.kill();
}

/// A script that hangs reads no socket, so nothing but the signal tells this worker that it has lost its parent.
#[tokio::test]
async fn it_dies_with_its_parent() {
    let shell = Shell::new();
    shell.write("nodes.json", r#"[{"id": "a"}]"#);
    shell.write("hang.js", "i => { while (true) ; }");
    shell.write("site.toml", "[limits]\nscript_ms = 60000\n[chain.\"session/start\"]\nsteps = [\"hang.js\"]\n");
    let place = Command::new(WHITHER)
        .args(["place", "--nodes", "nodes.json", "--config", "site.toml"])
        .current_dir(shell.folder())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let mut parent = Parent(place.unwrap());
    let worker = eventually("a worker", async || parent.child()).await;
    eventually("its seal", async || (status(worker, "Seccomp")? == "2").then_some(())).await;
    let before = ticks(worker).unwrap();
    eventually("the script", async || (ticks(worker)? > before + 20).then_some(())).await;
    parent.0.kill().unwrap();
    parent.0.wait().unwrap();
    // Whoever inherits it may take its time to reap it.
    let gone = async || status(worker, "State").is_none_or(|state| state.starts_with(['Z', 'X'])).then_some(());
    eventually("its end", gone).await;
}

/// A process that is not left behind, however the test ends.
struct Parent(Child);

impl Parent {
    fn child(&self) -> Option<u32> {
        let id = self.0.id();
        let mut threads = std::fs::read_dir(format!("/proc/{id}/task")).ok()?.flatten();
        threads.find_map(|thread| {
            std::fs::read_to_string(thread.path().join("children")).ok()?.split_whitespace().next()?.parse().ok()
        })
    }
}

impl Drop for Parent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The CPU time of a process, in the kernel's own unit.
fn ticks(pid: u32) -> Option<u64> {
    let page = page(pid, "stat");
    page.rsplit_once(')')?.1.split_whitespace().nth(11)?.parse().ok()
}

/// A user without rights: root's processes have pages of `/proc` that are root's in any case.
const NOBODY: u32 = 65534;

/// `command` as somebody who is not root.
fn not_root(command: &mut Command) -> &mut Command {
    if getuid().is_root() { command.uid(NOBODY).gid(NOBODY) } else { command }
}

/// A process that ends with the test.
struct Ends(Child);

impl Drop for Ends {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A process that `parent` has started, by what stands last in its command line.
fn child(parent: u32, ends_with: &str) -> Option<u32> {
    let threads = std::fs::read_dir(format!("/proc/{parent}/task")).ok()?.flatten();
    let lists = threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("children")).ok());
    let children: Vec<u32> =
        lists.flat_map(|list| list.split_whitespace().map(|pid| pid.parse().unwrap()).collect::<Vec<_>>()).collect();
    children.into_iter().find(|pid| page(*pid, "cmdline").trim_end_matches('\0').ends_with(ends_with))
}

/// All of it under a user without rights, who has no other way into `/proc` than anybody else.
#[tokio::test]
async fn the_memory_of_service_runner_and_agent_is_closed_and_all_works_without_rights() {
    let (nats, http) = (Nats::start(), free_port());
    let folder = tempfile::TempDir::new().unwrap();
    let file = |name: &str, mode: u32, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    // The other one may stand where nobody but the tester gets.
    let binary = folder.path().join("whither");
    std::fs::copy(WHITHER, &binary).unwrap();
    std::fs::set_permissions(&binary, std::fs::Permissions::from_mode(0o755)).unwrap();
    // What it leaves behind is found by its environment.
    file("step.sh", 0o755, "#!/bin/sh\ncat > /dev/null\nsetsid sleep 1000 &\necho n01\n");
    let config = format!(
        "[nats]\nurl = \"{}\"\n[http]\nlisten = \"127.0.0.1:{http}\"\n[chain.a]\nsteps = [\"step.sh\"]\n",
        nats.url()
    );
    file("whither.toml", 0o644, &config);
    let start = |arguments: &[&str], log: &str| {
        let log = std::fs::File::create(folder.path().join(log)).unwrap();
        let mut command = Command::new(&binary);
        command.args(arguments).env_remove("WHITHER_NATS").current_dir(folder.path());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        Ends(not_root(&mut command).spawn().unwrap())
    };
    let serve = start(&["serve", "--config", "whither.toml"], "serve.log");
    eventually("it is ready", async || (get(http, "/readyz").0 == 200).then_some(())).await;
    let agent = start(&["agent", "--nats", &nats.url(), "--id", "n02"], "agent.log");
    let client = nats.client().await;
    report(&client, &plain_nodes(2)).await;
    let told = ask(&client, "whither.place", &json!({"action": "a"})).await.body;
    assert_eq!(told["node"], "n01", "{told}");
    eventually("the agent reports", async || {
        (ask(&client, "whither.nodes", &json!({"node": "n02"})).await.body["nodes"][0]["id"] == "n02").then_some(())
    })
    .await;
    let runner = eventually("the runner", async || child(serve.0.id(), "__runner")).await;
    eventually("what the program left is ended", async || child(runner, "1000").is_none().then_some(())).await;
    for pid in [serve.0.id(), agent.0.id(), runner] {
        assert_eq!(std::fs::metadata(format!("/proc/{pid}/mem")).unwrap().uid(), 0, "it is the kernel's to read");
        let mut reader = Command::new("cat");
        let read = not_root(reader.arg(format!("/proc/{pid}/environ"))).output().unwrap();
        assert!(!read.status.success() && read.stdout.is_empty(), "{}", page(pid, "cmdline"));
    }
}
