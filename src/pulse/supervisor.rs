//! The messages to systemd about this process: ready, alive, stopping. See sd_notify(3) and sd_watchdog_enabled(3).

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// systemd's watchdog over this process.
pub(super) struct Systemd {
    /// The time between two messages to systemd; `None` where systemd's watchdog does not watch this process.
    every: Option<Duration>,
    since: Duration,
}

impl Systemd {
    /// Reads the environment: `WATCHDOG_USEC`, and `WATCHDOG_PID`, which may name another process.
    pub(super) fn from_environment() -> Self {
        let number = |name| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
        let is_ours = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
        // Twice within the watchdog's patience, as systemd's manual advises.
        let every = number("WATCHDOG_USEC").filter(|_| is_ours).map(|patience| Duration::from_micros(patience / 2));
        Self { every, since: Duration::ZERO }
    }

    /// Whether systemd waits for signs of life.
    pub(super) fn is_waiting(&self) -> bool {
        self.every.is_some()
    }

    /// Tells systemd, where that is due, that the main task lives; `passed` is the time since the last call.
    pub(super) fn is_alive(&mut self, passed: Duration) {
        self.since += passed;
        // The next call would be too late for a message that is due by then.
        if self.every.is_some_and(|every| self.since + passed > every) {
            notify("WATCHDOG=1");
            self.since = Duration::ZERO;
        }
    }
}

/// Returns the message about a reload that begins. systemd tells by the time which reload the end belongs to
/// (`Type=notify-reload`, from systemd 253 on).
pub(super) fn reloading() -> String {
    let now = clock_gettime(ClockId::Monotonic);
    let micros = i128::from(now.tv_sec) * 1_000_000 + i128::from(now.tv_nsec) / 1_000;
    format!("RELOADING=1\nMONOTONIC_USEC={micros}\nSTATUS=reading the config again")
}

/// Sends `state` to the socket that `NOTIFY_SOCKET` names. Without a socket or a reader nothing happens.
pub(super) fn notify(state: &str) {
    let Some(path) = std::env::var_os("NOTIFY_SOCKET") else { return };
    let address = match path.as_encoded_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(&path),
    };
    let Ok((address, socket)) = address.and_then(|address| Ok((address, UnixDatagram::unbound()?))) else { return };
    let _unread = socket.set_nonblocking(true).and_then(|()| socket.send_to_addr(state.as_bytes(), &address));
}
