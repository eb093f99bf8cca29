//! What a process takes of the machine, and what it keeps from others: descriptors, processes, memory.
//!
//! A lack of them passes, and it is nobody's fault who asks to be started: it is waited out for a bounded time, and what
//! is still lacking then is the machine's trouble and no script's. Descriptors lack first, because the usual soft limit
//! of 1,024 is a habit from the times of `select`: a service raises its own. Its children get the former one, for the
//! programs among them that still use `select`, or that close every descriptor there could be.

use std::io;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{DumpableBehavior, Pid, Resource, Rlimit, getrlimit, prlimit, set_dumpable_behavior, setrlimit};
use tokio::time::{Instant, sleep};

/// How long a lack is waited out.
pub const PATIENCE: Duration = Duration::from_secs(3);
/// The pause before whatever was lacking is asked for again.
const PAUSE: Duration = Duration::from_millis(20);
/// How long a program that somebody is just writing is waited for.
const WRITING: Duration = Duration::from_secs(2);

/// The soft limit that this process was started with, once it has raised its own.
static FORMER: OnceLock<Option<u64>> = OnceLock::new();
/// Held while the limit is the former one for a moment.
static LOWERED: Mutex<()> = Mutex::new(());

/// Raises the soft limit of descriptors of this process to its hard one.
///
/// # Errors
/// What the kernel says; the limit is as it was then.
pub fn raise_descriptors() -> io::Result<()> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum {
        setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?;
        FORMER.get_or_init(|| current);
    }
    Ok(())
}

/// Closes the process's memory, which holds requests and tokens, to all other processes of its user, the programs that
/// executable steps run among them, and keeps it out of core dumps. What the process starts is as it would be else.
///
/// # Errors
/// What the kernel says.
pub fn close_memory() -> io::Result<()> {
    Ok(set_dumpable_behavior(DumpableBehavior::NotDumpable)?)
}

/// Gives the process `pid`, a child of this one that has not begun its work, the soft limit that this one was started
/// with.
pub fn give_former_descriptors(pid: u32) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    if let (Some(former), Some(pid)) = (FORMER.get(), pid) {
        let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
        // One that has ended needs no limit.
        let _ended = prlimit(Some(pid), Resource::Nofile, Rlimit { current: *former, maximum });
    }
}

/// Starts a process by `start` while the soft limit is the one that this process was started with: for a program that
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

/// Whether `error` says that the machine lacks something for the moment, whoever asks.
#[must_use]
pub fn is_lack(error: &io::Error) -> bool {
    // EMFILE and ENFILE are of descriptors, EAGAIN is of processes.
    matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE | Errno::AGAIN | Errno::NOMEM))
}

/// Calls `start` until nothing lacks for it any more, for [`PATIENCE`] at most.
///
/// # Errors
/// What `start` said last.
pub async fn wait_out<T>(mut start: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    let until = Instant::now() + PATIENCE;
    loop {
        match start() {
            Err(error) if is_lack(&error) && Instant::now() < until => sleep(PAUSE).await,
            other => return other,
        }
    }
}

/// Calls `start`, which starts a program from a file, as [`wait_out`] does, and again while somebody has that file open
/// for writing: for two seconds and for `limit` at most. Whoever replaces a program writes it a moment; so does, without
/// knowing, a process that was forked from the writer meanwhile and has not come to its own program yet.
///
/// # Errors
/// What `start` said last.
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
