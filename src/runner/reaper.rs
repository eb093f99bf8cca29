//! The reaper: knows which programs run, reports their ends, and lets no process of theirs outlive them.
//!
//! A program's group is killed before the leader is reaped, so that the group's number cannot have been given to
//! another process. Processes that left the group are found by kinship (`family.rs`), because this process is the
//! subreaper.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::time::{Duration, Instant};

use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, WaitOptions, WaitStatus, kill_process_group, waitid, waitpid,
};
use tokio::sync::oneshot;

use super::family;
use super::priority::Priority;

/// How long the processes that programs leave behind may stay: a search takes as long as some answers, and serves many
/// programs.
const BEFORE_SWEEP: Duration = Duration::from_millis(5);

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ProgramExit {
    /// With this exit code.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

impl ProgramExit {
    /// Returns the end of the program as a predicate: *exited with code 1*.
    pub(super) fn in_words(self) -> String {
        match self {
            Self::Code(code) => format!("exited with code {code}"),
            Self::Signal(number) => match signal_name(number) {
                Some(name) => format!("was ended by signal {number} ({name})"),
                None => format!("was ended by signal {number}"),
            },
        }
    }
}

fn signal_name(number: i32) -> Option<&'static str> {
    const NAMES: [(Signal, &str); 11] = [
        (Signal::HUP, "HUP"),
        (Signal::INT, "INT"),
        (Signal::QUIT, "QUIT"),
        (Signal::ILL, "ILL"),
        (Signal::ABORT, "ABRT"),
        (Signal::BUS, "BUS"),
        (Signal::FPE, "FPE"),
        (Signal::KILL, "KILL"),
        (Signal::SEGV, "SEGV"),
        (Signal::PIPE, "PIPE"),
        (Signal::TERM, "TERM"),
    ];
    NAMES.iter().find(|(signal, _)| signal.as_raw() == number).map(|(_, name)| *name)
}

/// The programs that run.
pub(super) struct Reaper {
    priority: Priority,
    leaders: RefCell<HashMap<Pid, Leader>>,
    /// The time of the next sweep, where there may be something to sweep.
    sweep_at: Cell<Option<Instant>>,
}

/// A program that was started: the leader of its group.
struct Leader {
    run: String,
    exit: oneshot::Sender<ProgramExit>,
}

impl Reaper {
    /// Creates a reaper that tells `priority` of programs.
    pub(super) fn new(priority: Priority) -> Self {
        Self { priority, leaders: RefCell::default(), sweep_at: Cell::default() }
    }

    /// Watches the program that was just started as `pid` under the name `run`; returns the channel for the program's
    /// end.
    pub(super) fn watch(&self, pid: Pid, run: &str) -> oneshot::Receiver<ProgramExit> {
        let (exit, told) = oneshot::channel();
        let mut leaders = self.leaders.borrow_mut();
        leaders.insert(pid, Leader { run: run.to_owned(), exit });
        self.priority.started(pid, leaders.len());
        told
    }

    /// Whether no program runs.
    pub(super) fn is_idle(&self) -> bool {
        self.leaders.borrow().is_empty()
    }

    /// Reaps the programs that have ended, after a SIGCHLD. Processes that they left behind are swept later, when the
    /// questions are answered.
    pub(super) fn look(&self) {
        let pids: Vec<_> = self.leaders.borrow().keys().copied().collect();
        pids.into_iter().filter_map(|pid| Some((pid, reap(pid)?))).for_each(|(pid, exit)| {
            if let Some(leader) = self.leaders.borrow_mut().remove(&pid) {
                // A caller that does not wait any more has reported the outcome already.
                let _unheard = leader.exit.send(exit);
            }
        });
        self.priority.ended(self.leaders.borrow().len());
        if self.sweep_at.get().is_none() {
            self.sweep_at.set(Some(Instant::now() + BEFORE_SWEEP));
        }
    }

    /// Returns the time of the next sweep, if any.
    pub(super) fn due(&self) -> Option<Instant> {
        self.sweep_at.get()
    }

    /// Ends and reaps the processes that programs left behind when the programs ended.
    pub(super) fn sweep(&self) {
        self.sweep_at.set(None);
        // Killing a process may make its children ours; their ends raise SIGCHLD too, so a single pass is enough.
        family::end(|pid| self.is_foreign(pid));
    }

    /// Whether the child `pid` belongs to no running program: a program's own processes stay until the program ends,
    /// and a process that hides its run belongs to none.
    fn is_foreign(&self, pid: Pid) -> bool {
        let leaders = self.leaders.borrow();
        let run = || family::run_of(pid);
        !leaders.contains_key(&pid) && run().is_none_or(|run| leaders.values().all(|leader| leader.run != run))
    }

    /// Returns the number of processes of the program `pid`, those that left the group included; counting stops past
    /// `most`.
    pub(super) fn processes(&self, pid: Pid, most: usize) -> usize {
        let leaders = self.leaders.borrow();
        let Some(leader) = leaders.get(&pid) else { return 0 };
        let strays = family::children(rustix::process::getpid()).into_iter();
        let strays = strays.filter(|child| !leaders.contains_key(child));
        let own = strays.filter(|child| family::run_of(*child).is_some_and(|run| run == leader.run));
        family::count(pid, most) + own.take(most).map(|child| family::count(child, most)).sum::<usize>()
    }

    /// Sends `signal` to the group of every program.
    pub(super) fn signal_all(&self, signal: Signal) {
        self.leaders.borrow().keys().for_each(|pid| self.signal(*pid, signal));
    }

    /// Sends `signal` to the group of the program `pid`, where the program has not been reaped.
    pub(super) fn signal(&self, pid: Pid, signal: Signal) {
        if self.leaders.borrow().contains_key(&pid) {
            let _gone = kill_process_group(pid, signal);
        }
    }
}

/// Returns how the program `pid` ended, or `None` while the program runs; kills the rest of the group and reaps the
/// program.
fn reap(pid: Pid) -> Option<ProgramExit> {
    let ended = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    waitid(WaitId::Pid(pid), ended).ok().flatten()?;
    let _gone = kill_process_group(pid, Signal::KILL);
    let (_, status) = waitpid(Some(pid), WaitOptions::NOHANG).ok().flatten()?;
    Some(exit(status))
}

fn exit(status: WaitStatus) -> ProgramExit {
    match (status.exit_status(), status.terminating_signal()) {
        (_, Some(signal)) => ProgramExit::Signal(signal),
        (code, None) => ProgramExit::Code(code.unwrap_or_default()),
    }
}
