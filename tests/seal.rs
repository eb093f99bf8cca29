//! A worker's seal, seen from outside: what the kernel says of a real worker process, and what it could still do.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

mod support;

use std::path::Path;
use std::process::{Child, Command, Stdio};

use tokio::sync::mpsc;
use whither::chain::{ChainSet, ChainSpec};
use whither::model::Arrangement;
use whither::worker::{Audience, Birth, Worker, WorkerEvent, WorkerLimits};

use support::shell::{Shell, WHITHER};
use support::{PATIENCE, eventually};

/// A worker that is ready, and where its events arrive.
async fn worker() -> (Worker, mpsc::Receiver<(u64, WorkerEvent)>) {
    let birth = Birth {
        set: ChainSet::new(vec![ChainSpec::new("session/start", Vec::new())]),
        arrangement: Arrangement::ById,
        limits: WorkerLimits::default(),
        audience: Audience::Front,
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
