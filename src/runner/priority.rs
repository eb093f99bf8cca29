//! Priorities: in a storm of processes the runner goes before the programs that the runner has to end.
//!
//! A program that multiplies has thousands of processes within a second. Among so many equals the runner would wait
//! seconds for CPU time, and so would everybody else. So a sentry, a thread with the highest priority, watches the
//! number of processes, and raises the priority of the runner while that number grows. Not always: a runner that
//! interrupts the programs which the runner starts makes each start slower.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use rustix::process::{Pid, getpriority_process, setpriority_pgrp, setpriority_process};
use rustix::thread::gettid;

use super::crowd::in_all;
use super::kernel;

/// The difference in `nice` between programs and the service where priorities may not be raised. Programs pay for that:
/// nicer programs gave two thirds of the answers on a busy machine.
const NICER: i32 = 10;
/// The `nice` value of the sentry, and of the runner in a storm, where `CAP_SYS_NICE` or `RLIMIT_NICE` allows that.
const FIRST: i32 = -20;
/// The time between two looks of the sentry while programs run.
const PACE: Duration = Duration::from_millis(5);
/// The growth in processes from which the sentry assumes a storm.
const STORM: usize = 32;
/// How long after the last growth a storm is over.
const CALM: Duration = Duration::from_secs(1);

/// The priorities of programs and of the runner.
pub(super) enum Priority {
    /// The runner goes first in a storm; the sentry reads the number of running programs.
    Sentry(Arc<AtomicUsize>, Thread),
    /// Priorities may not be raised, so that programs get this `nice` value.
    Nicer(i32),
}

impl Priority {
    /// Starts a sentry for the calling thread, where that is allowed.
    pub(super) fn keep() -> Self {
        let usual = getpriority_process(None).unwrap_or_default();
        let may_go_first = kernel::keep_priority().is_ok() && setpriority_process(None, FIRST).is_ok();
        if may_go_first && setpriority_process(None, usual).is_ok() {
            let (programs, runner) = (Arc::new(AtomicUsize::new(0)), gettid());
            let sentry = PriorityWatch { programs: Arc::clone(&programs), runner, usual };
            let posted = thread::Builder::new().name("sentry".to_owned()).spawn(move || sentry.watch());
            if let Ok(posted) = posted {
                return Self::Sentry(programs, posted.thread().clone());
            }
        }
        Self::Nicer(usual + NICER)
    }

    /// Notes that the program `pid` was started, and that `programs` programs run now.
    pub(super) fn started(&self, pid: Pid, programs: usize) {
        match self {
            Self::Sentry(told, sentry) => {
                if told.swap(programs, Ordering::Relaxed) == 0 {
                    sentry.unpark();
                }
            }
            Self::Nicer(priority) => {
                // A program that has ended already needs no priority.
                let _ended = setpriority_pgrp(Some(pid), *priority);
            }
        }
    }

    /// Notes that `programs` programs run now.
    pub(super) fn ended(&self, programs: usize) {
        if let Self::Sentry(told, _) = self {
            told.store(programs, Ordering::Relaxed);
        }
    }
}

/// The sentry.
struct PriorityWatch {
    programs: Arc<AtomicUsize>,
    /// The runner's thread, and the thread's usual priority.
    runner: Pid,
    usual: i32,
}

impl PriorityWatch {
    fn watch(&self) {
        let _allowed_a_moment_ago = setpriority_process(None, FIRST);
        let (mut before, mut until) = (in_all(), None);
        loop {
            if until.is_none() && self.programs.load(Ordering::Relaxed) == 0 {
                thread::park();
                before = in_all();
            }
            thread::sleep(PACE);
            let now = in_all();
            before = before.min(now);
            if now - before > STORM {
                if until.is_none() {
                    self.let_runner_have(FIRST);
                }
                (before, until) = (now, Some(Instant::now() + CALM));
            } else if until.is_some_and(|until| until < Instant::now()) {
                self.let_runner_have(self.usual);
                until = None;
            }
        }
    }

    fn let_runner_have(&self, priority: i32) {
        let _allowed_before = setpriority_process(Some(self.runner), priority);
    }
}
