//! What integration tests share: a real NATS server, the binary in a folder of its own, and patience without a clock.
#![allow(dead_code, reason = "each test file uses its own part")]

pub(crate) mod agent;
pub(crate) mod chain;
pub(crate) mod cluster;
#[cfg(feature = "opentelemetry")]
pub(crate) mod collector;
pub(crate) mod components;
pub(crate) mod fault;
pub(crate) mod gate;
pub(crate) mod launcher;
pub(crate) mod nats;
pub(crate) mod serve;
pub(crate) mod shell;

use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

/// Far beyond what anything takes on a slow machine; a test that waits this long has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Shows what the log says where a test fails, if RUST_LOG asks for it.
pub(crate) fn log() {
    let filter = tracing_subscriber::EnvFilter::from_default_env();
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_test_writer().try_init();
}

/// Asks until there is an answer, and says in vain what for.
pub(crate) async fn eventually<T, F>(what: &str, mut ask: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    let start = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(start.elapsed() < PATIENCE, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Stops `child` from running without ending it, and comes back when it runs no more: a thread of it may go on for a
/// while after the signal is sent.
pub(crate) fn freeze(child: &Child) {
    kill_process(Pid::from_child(child), Signal::STOP).unwrap();
    waitid(WaitId::Pid(Pid::from_child(child)), WaitIdOptions::STOPPED).unwrap();
}

/// Stops `process`, a child or any other process, and returns when all threads of `process` stand still.
pub(crate) async fn stop(process: Pid) {
    kill_process(process, Signal::STOP).unwrap();
    eventually("all threads stand still", async || {
        let threads = std::fs::read_dir(format!("/proc/{}/task", process.as_raw_nonzero())).ok()?;
        let mut states = threads.flatten().map(|thread| state_in(&thread.path().join("stat")));
        states.all(|state| state == Some('T')).then_some(())
    })
    .await;
}

/// The state of a process as the kernel names it, such as `T` where it is stopped; absent where there is none.
pub(crate) fn state(process: Pid) -> Option<char> {
    state_in(Path::new(&format!("/proc/{}/stat", process.as_raw_nonzero())))
}

fn state_in(file: &Path) -> Option<char> {
    std::fs::read_to_string(file).ok()?.rsplit_once(") ")?.1.chars().next()
}

/// Lets it run on.
pub(crate) fn thaw(child: &Child) {
    kill_process(Pid::from_child(child), Signal::CONT).unwrap();
}
