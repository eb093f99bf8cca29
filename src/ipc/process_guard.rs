//! The guard of a child process: a handle in the kernel, with which the process is killed and measured.
//!
//! Both use a handle of the process and not the process id, which the kernel gives to another process once this child
//! is reaped.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use tokio::sync::Notify;

/// A handle of a process that was just started.
#[derive(Debug)]
pub struct ProcessGuard {
    /// The pidfd of the process; absent where the kernel has no pidfds.
    process: Option<OwnedFd>,
    /// The file `/proc/PID/status`. Opened at once: later, where processes are hidden from each other, the file of a
    /// sealed process is hidden too.
    figures: Option<File>,
    asked: Notify,
}

impl ProcessGuard {
    /// Takes a handle of the process `pid`, which must not have been reaped yet.
    #[must_use]
    pub fn take(pid: u32) -> Self {
        let known = i32::try_from(pid).ok().and_then(Pid::from_raw);
        let process = known.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
        Self { process, figures: File::open(format!("/proc/{pid}/status")).ok(), asked: Notify::new() }
    }

    /// Kills the process at once: directly, so that no task has to be scheduled first.
    pub fn kill(&self) {
        match &self.process {
            // A process that has ended needs no signal.
            Some(process) => drop(pidfd_send_signal(process, Signal::KILL)),
            None => self.asked.notify_one(),
        }
    }

    /// Waits until the process is to be killed by the holder of the child handle, because the kernel has no pidfds.
    pub async fn asked(&self) {
        self.asked.notified().await;
    }

    /// Returns the memory of the process in bytes, or `None` where the process has ended, or where the kernel does not
    /// tell.
    #[must_use]
    pub fn memory_bytes(&self) -> Option<u64> {
        let mut page = String::new();
        ProcFile(self.figures.as_ref()?, 0).read_to_string(&mut page).ok()?;
        let figure = page.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        figure.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
    }
}

/// A file that is read from the start, independent of other readers' positions.
struct ProcFile<'a>(&'a File, u64);

impl Read for ProcFile<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let length = self.0.read_at(buffer, self.1)?;
        self.1 += length as u64;
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::process::{Command, Stdio};

    use super::*;

    #[tokio::test]
    async fn without_a_hold_the_handle_is_asked() {
        let leash = ProcessGuard { process: None, figures: None, asked: Notify::new() };
        leash.kill();
        leash.asked().await;
        assert_eq!(leash.memory_bytes(), None);
    }

    /// Measures a child, because the other tests of this process take and give back memory meanwhile.
    #[test]
    fn the_page_of_figures_is_read_anew_each_time() {
        const GROWS_WHEN_TOLD: &str = "read go; text=$(head -c 16777216 /dev/zero | tr '\\0' a); echo grown; read end";
        let mut command = Command::new("sh");
        command.args(["-c", GROWS_WHEN_TOLD]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let guard = ProcessGuard::take(child.id());
        let before = guard.memory_bytes().unwrap();
        child.stdin.as_mut().unwrap().write_all(b"go\n").unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "grown\n");
        assert!(guard.memory_bytes().unwrap() >= before + (8 << 20), "{before}");
        drop(child.stdin.take());
        assert!(child.wait().is_ok());
    }
}
