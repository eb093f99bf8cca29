//! The resources that a process takes of the machine, and keeps from others: descriptors, processes, memory.
//!
//! A lack of resources passes, and is not the fault of the program to be started: the lack is waited out for a bounded
//! time, and counts afterwards as a fault of the machine and of no script. Descriptors lack first, because the usual
//! soft limit of 1,024 is a habit from the times of `select`: a service raises the limit for itself. Child processes
//! get the former limit, for the programs among them that still use `select`, or that close every descriptor there
//! could be.

use std::io;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{DumpableBehavior, Pid, Resource, Rlimit, getrlimit, prlimit, set_dumpable_behavior, setrlimit};
use tokio::time::{Instant, sleep};

/// The longest time that a lack is waited out.
pub const PATIENCE: Duration = Duration::from_secs(3);
/// The pause before another attempt to get the lacking resource.
const PAUSE: Duration = Duration::from_millis(20);
/// The longest time that the end of writing a program's file is waited for.
const WRITING: Duration = Duration::from_secs(2);

/// The soft limit that this process was started with, once this process has raised the limit.
static FORMER: OnceLock<Option<u64>> = OnceLock::new();
/// Held while the limit is lowered to the former limit for a moment.
static LOWERED: Mutex<()> = Mutex::new(());

/// Raises the soft limit of descriptors of this process to the hard limit.
///
/// # Errors
/// The kernel's error; the limit is unchanged then.
pub fn raise_descriptors() -> io::Result<()> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum {
        setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?;
        FORMER.get_or_init(|| current);
    }
    Ok(())
}

/// Closes the process's memory, which holds requests and tokens, to all other processes of the same user, the programs
/// of executable steps among them, and keeps the memory out of core dumps. Programs that the process starts are not
/// affected.
///
/// # Errors
/// The kernel's error.
pub fn close_memory() -> io::Result<()> {
    Ok(set_dumpable_behavior(DumpableBehavior::NotDumpable)?)
}

/// Gives the process `pid`, a child of this process that has not begun to work, the soft limit that this process was
/// started with.
pub fn give_former_descriptors(pid: u32) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    if let (Some(former), Some(pid)) = (FORMER.get(), pid) {
        let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
        // A process that has ended needs no limit.
        let _ended = prlimit(Some(pid), Resource::Nofile, Rlimit { current: *former, maximum });
    }
}

/// Starts a process by `start` while the soft limit is the limit that this process was started with: for a program that
/// begins its work at once. This process must have few descriptors open itself.
pub fn with_former_descriptors<T>(start: impl FnOnce() -> T) -> T {
    let Some(former) = FORMER.get() else { return start() };
    let _one_at_a_time = LOWERED.lock().unwrap_or_else(PoisonError::into_inner);
    let raised = getrlimit(Resource::Nofile);
    let _lowered = setrlimit(Resource::Nofile, Rlimit { current: *former, ..raised });
    let started = start();
    let _raised = setrlimit(Resource::Nofile, raised);
    started
}

/// Whether `error` is a temporary lack of the machine's resources, for any caller.
#[must_use]
pub fn is_lack(error: &io::Error) -> bool {
    // EMFILE and ENFILE are of descriptors, EAGAIN is of processes.
    matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE | Errno::AGAIN | Errno::NOMEM))
}

/// Calls `start` until no resource is lacking any more, for [`PATIENCE`] at most.
///
/// # Errors
/// The last error of `start`.
pub async fn wait_out<T>(mut start: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    let until = Instant::now() + PATIENCE;
    loop {
        match start() {
            Err(error) if is_lack(&error) && Instant::now() < until => sleep(PAUSE).await,
            other => return other,
        }
    }
}

/// Calls `start`, which starts a program from a file, as [`wait_out`] does, and again while the file is open for
/// writing: for two seconds and for `limit` at most. A program that is being replaced is written for a moment; a
/// process that was forked from the writer meanwhile, and has not started its own program yet, holds the file open too.
///
/// # Errors
/// The last error of `start`.
pub async fn wait_out_writer<T>(limit: Duration, mut start: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    let until = Instant::now() + limit.min(WRITING);
    loop {
        match wait_out(&mut start).await {
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy && Instant::now() < until => {
                sleep(PAUSE).await;
            }
            other => return other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lack() -> io::Error {
        io::Error::from(Errno::MFILE)
    }

    #[tokio::test(start_paused = true)]
    async fn a_lack_is_waited_out() {
        let mut tries = 0;
        let started = wait_out(|| {
            tries += 1;
            if tries < 50 { Err(lack()) } else { Ok(tries) }
        });
        assert_eq!(started.await.unwrap(), 50);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_does_not_pass_is_told_in_the_end() {
        let begun = Instant::now();
        assert!(is_lack(&wait_out(|| Err::<(), _>(lack())).await.unwrap_err()));
        assert!((PATIENCE..PATIENCE + 2 * PAUSE).contains(&begun.elapsed()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_file_that_is_being_written_is_waited_for() {
        let busy = || io::Error::from(Errno::TXTBSY);
        let mut tries = 0;
        let started = wait_out_writer(Duration::from_secs(9), || {
            tries += 1;
            if tries < 50 { Err(busy()) } else { Ok(tries) }
        });
        assert_eq!(started.await.unwrap(), 50);
        for limit in [Duration::from_secs(1), Duration::from_secs(9)] {
            let begun = Instant::now();
            let error = wait_out_writer(limit, || Err::<(), _>(busy())).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::ExecutableFileBusy);
            assert!(begun.elapsed() < limit.min(WRITING) + 2 * PAUSE);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_no_lack_is_told_at_once() {
        let begun = Instant::now();
        let error = wait_out(|| Err::<(), _>(io::Error::from(io::ErrorKind::NotFound))).await.unwrap_err();
        assert_eq!((error.kind(), begun.elapsed()), (io::ErrorKind::NotFound, Duration::ZERO));
        for errno in [Errno::NFILE, Errno::AGAIN, Errno::NOMEM] {
            assert!(is_lack(&errno.into()));
        }
        assert!(!is_lack(&Errno::TXTBSY.into()) && !is_lack(&Errno::TOOBIG.into()));
    }
}
