//! The reaper: knows which programs run, hears of their ends, and lets nothing of them outlive them.
//!
//! A program's group is killed before its leader is reaped, so that the group's number cannot have become another's.
//! What left the group is found by kinship (`family.rs`), because this process is the subreaper.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::time::{Duration, Instant};

use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, WaitOptions, WaitStatus, kill_process_group, waitid, waitpid,
};
use tokio::sync::oneshot;

use super::family;
use super::priority::Priority;

/// How long what programs leave behind may stay: looking for it takes as long as some answers, and is done once for many.
const BEFORE_SWEEP: Duration = Duration::from_millis(5);

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ProgramExit {
    /// With this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

impl ProgramExit {
    /// How it ended: it …
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
    /// When what was left behind is to be swept up, where there may be something.
    sweep_at: Cell<Option<Instant>>,
}

/// A program that was started: the leader of its group.
struct Leader {
    run: String,
    exit: oneshot::Sender<ProgramExit>,
}

impl Reaper {
    /// A reaper that tells `priority` of programs.
    pub(super) fn new(priority: Priority) -> Self {
        Self { priority, leaders: RefCell::default(), sweep_at: Cell::default() }
    }

    /// Watches over the program that was just started as `pid` under the name `run`; its end will be told.
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

    /// A child has changed: reaps the programs that have ended. What they left behind can wait until they are answered.
    pub(super) fn look(&self) {
        let pids: Vec<_> = self.leaders.borrow().keys().copied().collect();
        pids.into_iter().filter_map(|pid| Some((pid, reap(pid)?))).for_each(|(pid, exit)| {
            if let Some(leader) = self.leaders.borrow_mut().remove(&pid) {
                // Whoever does not wait for it any more has said what there was to say.
                let _unheard = leader.exit.send(exit);
            }
        });
        self.priority.ended(self.leaders.borrow().len());
        if self.sweep_at.get().is_none() {
            self.sweep_at.set(Some(Instant::now() + BEFORE_SWEEP));
        }
    }

    /// When there is something to sweep up.
    pub(super) fn due(&self) -> Option<Instant> {
        self.sweep_at.get()
    }

    /// Ends and reaps what programs left behind when they ended.
    pub(super) fn sweep(&self) {
        self.sweep_at.set(None);
        // Killing one may make its children ours; their ends will be told too, so once is enough.
        family::end(|pid| self.is_foreign(pid));
    }

    /// Whether the child `pid` belongs to no run of now: a program's own processes stay its own until it ends, and what
    /// hides whose it is, is nobody's.
    fn is_foreign(&self, pid: Pid) -> bool {
        let leaders = self.leaders.borrow();
        let run = || family::run_of(pid);
        !leaders.contains_key(&pid) && run().is_none_or(|run| leaders.values().all(|leader| leader.run != run))
    }

    /// How many processes the program `pid` has, those that left it included; past `most` nobody counts on.
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

    /// Sends `signal` to the group of the program `pid`, where that has not been reaped.
    pub(super) fn signal(&self, pid: Pid, signal: Signal) {
        if self.leaders.borrow().contains_key(&pid) {
            let _gone = kill_process_group(pid, signal);
        }
    }
}

/// How the program `pid` ended, where it has; kills the rest of its group and reaps it.
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
