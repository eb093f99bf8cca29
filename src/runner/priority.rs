//! Who goes before whom: the runner before the programs that it has to end.
//!
//! A program that multiplies has thousands of processes within a second. Among so many equals the runner would wait
//! seconds for its turn, and so would everybody else.

use rustix::process::{Pid, getpriority_process, setpriority_pgrp, setpriority_process};

use super::kernel;

/// How much nicer programs are than the service where the runner may not go first, on the scale of `nice`. It costs them:
/// nicer ones gave two thirds of the answers on a busy machine.
const NICER: i32 = 10;
/// What the runner takes where it may: `CAP_SYS_NICE` or `RLIMIT_NICE`.
const FIRST: i32 = -20;

/// The priority of programs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Priority(i32);

impl Priority {
    /// Lets this process go first, as far as it may.
    pub(super) fn go_first() -> Self {
        let own = getpriority_process(None).unwrap_or_default();
        let is_first = kernel::keep_priority().is_ok() && setpriority_process(None, FIRST).is_ok();
        Self(if is_first { own } else { own + NICER })
    }

    /// Gives the program `pid` its priority; one that has ended already needs none.
    pub(super) fn give(self, pid: Pid) {
        let _ended = setpriority_pgrp(Some(pid), self.0);
    }
}
