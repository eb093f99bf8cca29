//! Watches that a program does not multiply.
//!
//! A program that multiplies must be noticed while there are few processes: among thousands, the runner would wait
//! seconds for CPU time. So the number of all processes of the system is read often, which costs next to nothing, and
//! the program's own processes are counted where that number has grown, and now and then.

use std::time::{Duration, Instant};

use rustix::process::Pid;
use tokio::time::sleep;

use super::reaper::Reaper;

/// The time between two readings of the number of all processes, for a program that was started for a request.
pub(super) const PACE_ONCE: Duration = Duration::from_millis(2);
/// The time between two readings, for a resident program.
pub(super) const PACE_RESIDENT: Duration = Duration::from_millis(25);
/// The time after which a program's processes are counted although the number of all processes has grown little.
const COUNT_EVERY: Duration = Duration::from_millis(250);

/// Waits until the program `pid` has more than `most` processes.
pub(super) async fn crowd(pid: Pid, reaper: &Reaper, most: u32, pace: Duration) {
    let most = most as usize;
    let (mut before, mut counted) = (in_all(), Instant::now());
    loop {
        sleep(pace).await;
        // Other programs may have ended meanwhile: the growth since the fewest counts.
        let now = in_all();
        before = before.min(now);
        if now - before > most / 2 || counted.elapsed() > COUNT_EVERY {
            if reaper.processes(pid, most) > most {
                return;
            }
            (before, counted) = (in_all(), Instant::now());
        }
    }
}

/// Returns the number of processes and threads of the system.
pub(super) fn in_all() -> usize {
    usize::from(rustix::system::sysinfo().procs)
}
