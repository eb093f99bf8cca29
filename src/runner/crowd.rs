//! Watching that a program does not multiply.
//!
//! One that does must be seen while it is few: among thousands of processes this one would wait seconds for its turn.
//! So the system is asked often how many there are in all, which costs next to nothing, and the program's own are counted
//! where that has grown, and now and then.

use std::time::{Duration, Instant};

use rustix::process::Pid;
use tokio::time::sleep;

use super::reaper::Reaper;

/// How often the system is asked while a program runs that was started for a request.
pub(super) const PACE_ONCE: Duration = Duration::from_millis(2);
/// The same for one that stays.
pub(super) const PACE_RESIDENT: Duration = Duration::from_millis(25);
/// How often a program's processes are counted although there are not many more in all.
const COUNT_EVERY: Duration = Duration::from_millis(250);

/// Ends when the program `pid` has more than `most` processes.
pub(super) async fn crowd(pid: Pid, reaper: &Reaper, most: u32, pace: Duration) {
    let most = most as usize;
    let (mut before, mut counted) = (in_all(), Instant::now());
    loop {
        sleep(pace).await;
        // Others may have ended meanwhile: what grew since the fewest counts.
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

/// How many processes and threads the system has.
pub(super) fn in_all() -> usize {
    usize::from(rustix::system::sysinfo().procs)
}
