//! The pulse of a process's main task, and the thread that ends the process when the pulse stops.
//!
//! A main task that is stuck answers nobody, while everything around the task looks alive. As in HAProxy, a watchdog
//! then ends the process with the stack of the stuck thread in the log: the supervisor of the process starts another.
//! systemd's watchdog is told of the same pulse, for the case that this thread is stuck too.

mod run_delay;
mod stack;
mod supervisor;

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{self, Thread};
use std::time::Duration;

use crate::log;

/// The time between two looks of the watchdog.
const LOOK: Duration = Duration::from_millis(250);
/// The silence after which a main task counts as stuck.
pub const LONGEST_SILENCE: Duration = Duration::from_secs(5);
/// The silence after which a main task is not to be relied on: a healthy main task beats ten times a second.
pub const NOTABLE_SILENCE: Duration = Duration::from_secs(2);
/// The time that the stuck thread may take to write the stack.
const STACK_PATIENCE: Duration = Duration::from_secs(5);

/// The beats of a main task.
#[derive(Debug, Default)]
pub struct Pulse {
    beats: AtomicU64,
    /// The thread that the main task ran on at the last beat.
    thread: AtomicI32,
    /// The milliseconds of silence that the looks of the watchdog have found since the last beat. Looks and not time,
    /// because a process that was paused as a whole, by a signal or with the machine, is not stuck; nor is a thread
    /// that waits for a processor, which other processes have.
    silent_ms: AtomicU32,
    /// Whether the main task has ended in order.
    has_ended: AtomicBool,
    /// Whether the main task waits for an event, and owes no beat until then.
    is_resting: AtomicBool,
    /// The thread of the watchdog, which sleeps while the main task rests.
    watchdog: OnceLock<Thread>,
}

impl Pulse {
    /// Records a beat of the main task. Called many times a second; costs a system call.
    pub fn beat(&self) {
        self.thread.store(rustix::thread::gettid().as_raw_nonzero().get(), Ordering::Relaxed);
        self.beats.fetch_add(1, Ordering::Relaxed);
        self.silent_ms.store(0, Ordering::Relaxed);
    }

    /// Runs `work`, the main task, with a beat at each step of the work; between the steps the main task rests. So a
    /// main task that has nothing to do costs no system call, and a step that blocks is noticed like a missing beat.
    pub async fn during<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        poll_fn(|context| {
            self.wake();
            let step = work.as_mut().poll(context);
            self.is_resting.store(true, Ordering::Release);
            step
        })
        .await
    }

    fn wake(&self) {
        self.beat();
        if self.is_resting.swap(false, Ordering::AcqRel)
            && let Some(watchdog) = self.watchdog.get()
        {
            watchdog.unpark();
        }
    }

    /// Records that the main task has ended in order, and that the rest of the process may take longer.
    pub fn ends(&self) {
        self.has_ended.store(true, Ordering::Relaxed);
    }

    /// Counts a look of the watchdog. Since the last look, the main task's thread waited for a processor for `waited`,
    /// which is no silence; a main task that rests is not silent.
    fn look(&self, waited: Duration) {
        if self.is_resting.load(Ordering::Acquire) {
            self.silent_ms.store(0, Ordering::Relaxed);
        } else {
            let silent = u32::try_from(LOOK.saturating_sub(waited).as_millis()).unwrap_or_default();
            self.silent_ms.fetch_add(silent, Ordering::Relaxed);
        }
    }

    /// The time since the main task's last beat, to a quarter of a second. Time in which the whole process was paused,
    /// or the thread waited for a processor, does not count.
    #[must_use]
    pub fn silence(&self) -> Duration {
        Duration::from_millis(self.silent_ms.load(Ordering::Relaxed).into())
    }

    /// Whether the main task is late: nobody should rely on the process at the moment.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        self.silence() >= NOTABLE_SILENCE
    }

    /// Whether the main task is stuck.
    #[must_use]
    pub fn is_stuck(&self) -> bool {
        self.silence() >= LONGEST_SILENCE && !self.has_ended.load(Ordering::Relaxed)
    }
}

/// Starts the watchdog: where `pulse` stops for [`LONGEST_SILENCE`], the process ends by `SIGABRT`, and the log shows
/// the stack of the main task.
///
/// # Errors
/// Where no thread can be started, or the signal that asks for the stack cannot be caught.
pub fn watch(pulse: Arc<Pulse>) -> io::Result<()> {
    stack::listen()?;
    let work = move || {
        let mut systemd = supervisor::Systemd::from_environment();
        let _first = pulse.watchdog.set(thread::current());
        loop {
            // An unpark before the park counts, and a spurious one costs a look.
            if pulse.is_resting.load(Ordering::Acquire) && !systemd.is_waiting() {
                thread::park();
                pulse.silent_ms.store(0, Ordering::Relaxed);
            }
            let before = run_delay::of(pulse.thread.load(Ordering::Relaxed));
            thread::sleep(LOOK);
            pulse.look(before.map_or(Duration::ZERO, |before| before.passed()));
            match pulse.is_stuck() {
                true => end(&pulse),
                false => systemd.is_alive(LOOK),
            }
        }
    };
    thread::Builder::new().name("watchdog".to_owned()).spawn(work).map(drop)
}

/// Tells systemd, where systemd started this process and waits for that, that the service is ready, also after a
/// reload; `systemctl status` shows `status`, one line.
pub fn notify_ready(status: &str) {
    supervisor::notify(&format!("READY=1\nSTATUS={status}"));
}

/// Has `systemctl status` show `status`, one line.
pub fn notify_status(status: &str) {
    supervisor::notify(&format!("STATUS={status}"));
}

/// Tells systemd that the service reads its config again. The end of that is [`notify_ready`].
pub fn notify_reloading() {
    supervisor::notify(&supervisor::reloading());
}

/// Tells systemd, where systemd started this process, that the process is stopping in order.
pub fn notify_stopping() {
    supervisor::notify("STOPPING=1");
}

/// Ends the process, with the stack of the stuck thread in the log.
fn end(pulse: &Pulse) -> ! {
    let seconds = LONGEST_SILENCE.as_secs();
    let stack = stack::of(pulse.thread.load(Ordering::Relaxed), STACK_PATIENCE);
    tracing::error!("the main task has shown no life for {seconds} s: ending the process. The task's thread is at:");
    abort(stack.as_deref().unwrap_or("the thread did not say where it is"))
}

/// Lets a panic in any task or thread end the process from here on: the task would be missing while the rest looks
/// alive. The log shows the place and the stack.
pub fn end_on_panic() {
    std::panic::set_hook(Box::new(|panic| {
        let stack = std::backtrace::Backtrace::force_capture();
        let thread = thread::current();
        let name = thread.name().unwrap_or("without a name");
        tracing::error!(
            "a fault of whither's own, please report it: {panic}, in the thread {name}: ending the process"
        );
        abort(&stack.to_string())
    }));
}

/// Ends the process once `stack` is in the log, line by line, or the log has no reader.
fn abort(stack: &str) -> ! {
    stack.lines().for_each(|line| tracing::error!(target: "stack", "{line}"));
    log::flush(log::LAST_LINES);
    std::process::abort()
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::{Command, Output, Stdio};

    use super::*;

    /// Names the work of a copy of this test process.
    const PART: &str = "WHITHER_TEST_OF_THE_PULSE";

    /// Runs `test` of this module in a separate process, where the variable is set.
    fn in_a_process(test: &str) -> Output {
        let mut own = Command::new(std::env::current_exe().unwrap());
        own.args(["--exact", &format!("pulse::tests::{test}"), "--nocapture"]).env(PART, test);
        own.stdin(Stdio::null()).output().unwrap()
    }

    #[test]
    fn a_main_task_that_is_stuck_ends_the_process_with_its_stack_in_the_log() {
        if std::env::var_os(PART).is_some() {
            log::start(log::Format::Text).unwrap();
            let pulse = Arc::new(Pulse::default());
            pulse.beat();
            watch(pulse).unwrap();
            loop {
                thread::park();
            }
        }
        let output = in_a_process("a_main_task_that_is_stuck_ends_the_process_with_its_stack_in_the_log");
        assert_eq!(output.status.signal(), Some(libc::SIGABRT));
        let printed = String::from_utf8_lossy(&output.stderr);
        assert!(printed.contains("the main task has shown no life for 5 s: ending the process"), "{printed}");
        assert!(printed.contains("stack:") && printed.contains("pulse::tests"), "{printed}");
    }

    #[test]
    fn a_panic_anywhere_ends_the_process_and_is_in_the_log() {
        if std::env::var_os(PART).is_some() {
            log::start(log::Format::Text).unwrap();
            end_on_panic();
            drop(thread::Builder::new().name("small".to_owned()).spawn(|| panic!("on purpose")).unwrap().join());
            return;
        }
        let output = in_a_process("a_panic_anywhere_ends_the_process_and_is_in_the_log");
        assert_eq!(output.status.signal(), Some(libc::SIGABRT));
        let printed = String::from_utf8_lossy(&output.stderr);
        assert!(
            printed.contains("on purpose") && printed.contains("in the thread small: ending the process"),
            "{printed}"
        );
    }

    #[test]
    fn silence_is_counted_in_looks() {
        let pulse = Pulse::default();
        assert_eq!(pulse.silence(), Duration::ZERO);
        (0..19).for_each(|_| pulse.look(Duration::ZERO));
        assert_eq!(pulse.silence(), Duration::from_millis(4750));
        assert!(!pulse.is_stuck());
        // The thread was ready, and others had the processor.
        (0..100).for_each(|_| pulse.look(LOOK));
        assert!(!pulse.is_stuck());
        pulse.look(Duration::ZERO);
        assert!(pulse.is_stuck());
        pulse.beat();
        assert!(!pulse.is_stuck());
    }

    #[tokio::test]
    async fn a_main_task_that_waits_rests_and_one_that_works_does_not() {
        let pulse = Pulse::default();
        let looks = |count: u32| (0..count).for_each(|_| pulse.look(Duration::ZERO));
        let mut work = pin!(pulse.during(async {
            looks(19);
            assert_eq!(pulse.silence(), Duration::from_millis(4750));
            tokio::task::yield_now().await;
        }));
        assert!(futures_util::poll!(&mut work).is_pending());
        looks(100);
        assert_eq!(pulse.silence(), Duration::ZERO);
        work.await;
    }
}
