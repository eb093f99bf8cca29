//! The processes that commands leave behind outside of their process groups, found by the run in their environment.
//!
//! The service's runner also finds the processes that programs leave behind by kinship, because the runner is the
//! nearest subreaper (`runner/family.rs`). An agent is no subreaper: otherwise the sessions that start commands leave
//! behind would become children of the agent, and the agent would have to wait for the end of each. So a process is not
//! found where the process clears the environment, or where this agent may not read the environment. The starts
//! themselves have no run, but a reservation (`starts/leftovers.rs`).

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::process::{Signal, kill_process};
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::reservations;

/// The variable with the run to which a process belongs.
pub(super) const VARIABLE: &str = "WHITHER_RUN";
/// The time between two searches after runs that ended well: a search reads the environment of every process.
const APART: Duration = Duration::from_secs(10);
/// The most searches of a sweep: a process may start another process between the search and the kill.
const ROUNDS: usize = 5;
const BETWEEN: Duration = Duration::from_millis(20);

/// The number of the next run.
static NEXT: AtomicU64 = AtomicU64::new(1);
/// The runs that have not ended.
static RUNNING: Mutex<BTreeSet<u64>> = Mutex::new(BTreeSet::new());
/// The time of the last search.
static SEARCHED: Mutex<Option<Instant>> = Mutex::new(None);

/// A run of a command, which has ended when this value is dropped.
#[derive(Debug)]
pub(super) struct CommandRun(u64);

impl CommandRun {
    /// Begins a run.
    pub(super) fn begin() -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        locked(&RUNNING).insert(number);
        Self(number)
    }

    /// Returns the value of [`VARIABLE`] for the processes of the run.
    pub(super) fn name(&self) -> String {
        format!("{}{}", prefix(), self.0)
    }
}

impl Drop for CommandRun {
    fn drop(&mut self) {
        locked(&RUNNING).remove(&self.0);
    }
}

/// Whether a run left processes behind, as far as the end of the run tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RunEnd {
    /// Probably no process is left: the command ended well, and its output is closed.
    Clean,
    /// Processes may be left: the command failed or was killed, or its output is held open.
    Doubtful,
}

/// Kills the processes that ended runs left behind; after clean ends at most once in [`APART`].
pub(super) async fn sweep_after(end: RunEnd) {
    let is_due = locked(&SEARCHED).is_none_or(|at| at.elapsed() >= APART);
    if is_due || end == RunEnd::Doubtful {
        sweep().await;
    }
}

/// Kills the processes that ended runs left behind.
pub(super) async fn sweep() {
    *locked(&SEARCHED) = Some(Instant::now());
    for _ in 0..ROUNDS {
        if spawn_blocking(kill_left).await.unwrap_or_default() == 0 {
            return;
        }
        sleep(BETWEEN).await;
    }
}

/// Sends SIGKILL to each process of a run of this agent that has ended; returns their number.
fn kill_left() -> usize {
    let is_left = |name: &str| {
        let number = name.strip_prefix(prefix()).and_then(|number| number.parse().ok());
        number.is_some_and(|number: u64| !locked(&RUNNING).contains(&number))
    };
    let left = reservations::processes_with(VARIABLE, is_left);
    for pid in &left {
        // A process that has ended by itself is no failure.
        let _gone = kill_process(*pid, Signal::KILL);
    }
    left.len()
}

/// The beginning of the names of this agent's runs, which no other agent and no earlier run of this agent has.
fn prefix() -> &'static str {
    static PREFIX: OnceLock<String> = OnceLock::new();
    PREFIX.get_or_init(|| {
        let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        format!("agent-{}-{started:x}-", std::process::id())
    })
}

fn locked<T>(value: &Mutex<T>) -> MutexGuard<'_, T> {
    value.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    /// Starts a process of `run` outside of the process group and without the parent.
    fn stray(run: &CommandRun) {
        let mut shell = Command::new("setsid").args(["--fork", "sleep", "1000"]).env(VARIABLE, run.name()).spawn();
        shell.as_mut().unwrap().wait().unwrap();
    }

    fn left_of(name: &str) -> usize {
        reservations::processes_with(VARIABLE, |found| found == name).len()
    }

    #[tokio::test]
    async fn what_left_its_group_is_killed_when_its_run_has_ended() {
        let (ended, running) = (CommandRun::begin(), CommandRun::begin());
        let (name, other) = (ended.name(), running.name());
        stray(&ended);
        stray(&running);
        while left_of(&name) + left_of(&other) < 2 {
            sleep(BETWEEN).await;
        }
        drop(ended);
        sweep().await;
        assert_eq!((left_of(&name), left_of(&other)), (0, 1), "the other run goes on");
        drop(running);
        sweep().await;
        assert_eq!(left_of(&other), 0);
    }
}
