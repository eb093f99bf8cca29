//! The stack of another thread of this process: a signal asks that thread to write down the stack.

use std::backtrace::Backtrace;
use std::io;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// The signal that asks a thread for the thread's stack.
const ASK: libc::c_int = libc::SIGUSR2;

static WRITTEN: Mutex<Option<String>> = Mutex::new(None);
static CAME: Condvar = Condvar::new();

/// Installs the handler of the signal.
///
/// # Errors
/// The kernel's error.
#[expect(unsafe_code, reason = "no safe call sets a handler that runs on the thread which got the signal")]
pub(super) fn listen() -> io::Result<()> {
    // SAFETY: the handler does what no handler should, it allocates and locks: the thread may hold the very lock. The
    // signal is sent only where the process ends next in any case, and the wait for the stack has a limit.
    let former = unsafe { libc::signal(ASK, write_down as *const () as libc::sighandler_t) };
    if former == libc::SIG_ERR { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Returns the stack of `thread`, which may take `patience` to write the stack; `None` where the thread did not.
#[expect(unsafe_code, reason = "no safe call sends a signal to one thread of this process")]
pub(super) fn of(thread: i32, patience: Duration) -> Option<String> {
    let process = i32::try_from(std::process::id()).ok()?;
    // SAFETY: a system call on numbers; a thread that is gone is an error and no more.
    if unsafe { libc::syscall(libc::SYS_tgkill, process, thread, ASK) } != 0 {
        return None;
    }
    let written = WRITTEN.lock().unwrap_or_else(PoisonError::into_inner);
    let waited = CAME.wait_timeout_while(written, patience, |written| written.is_none());
    waited.unwrap_or_else(PoisonError::into_inner).0.take()
}

extern "C" fn write_down(_signal: libc::c_int) {
    let stack = Backtrace::force_capture().to_string();
    *WRITTEN.lock().unwrap_or_else(PoisonError::into_inner) = Some(stack);
    CAME.notify_all();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_is_stuck_says_where_it_is() {
        listen().unwrap();
        let (sender, receiver) = std::sync::mpsc::channel();
        let (_end, ended) = std::sync::mpsc::channel::<()>();
        let stuck_for_the_test = move || {
            sender.send(rustix::thread::gettid().as_raw_nonzero().get()).unwrap();
            let _never = ended.recv();
        };
        std::thread::spawn(stuck_for_the_test);
        let stack = of(receiver.recv().unwrap(), Duration::from_secs(60)).unwrap();
        assert!(stack.contains("a_thread_that_is_stuck_says_where_it_is"), "{stack}");
        assert_eq!(of(i32::MAX, Duration::from_secs(60)), None);
    }
}
