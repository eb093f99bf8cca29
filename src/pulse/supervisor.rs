//! What systemd is told of this process: that it is ready, that it lives, that it stops. See sd_notify(3) and sd_watchdog_enabled(3).

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// systemd's watchdog, where it watches this process.
pub(super) struct Systemd {
    /// How often it is to hear of us; absent where it does not ask for that.
    every: Option<Duration>,
    since: Duration,
}

impl Systemd {
    /// What the environment says: `WATCHDOG_USEC`, and `WATCHDOG_PID` where it is for another process.
    pub(super) fn from_environment() -> Self {
        let number = |name| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
        let is_ours = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
        // Twice within its patience, as its manual advises.
        let every = number("WATCHDOG_USEC").filter(|_| is_ours).map(|patience| Duration::from_micros(patience / 2));
        Self { every, since: Duration::ZERO }
    }

    /// The main task lives, and `passed` is the time since the last call.
    pub(super) fn is_alive(&mut self, passed: Duration) {
        self.since += passed;
        // The next call would be too late for what is due by then.
        if self.every.is_some_and(|every| self.since + passed > every) {
            notify("WATCHDOG=1");
            self.since = Duration::ZERO;
        }
    }
}

/// Sends `state` to the socket that `NOTIFY_SOCKET` names. Where there is none, or nobody reads it, nothing happens.
pub(super) fn notify(state: &str) {
    let Some(path) = std::env::var_os("NOTIFY_SOCKET") else { return };
    let address = match path.as_encoded_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(&path),
    };
    let Ok((address, socket)) = address.and_then(|address| Ok((address, UnixDatagram::unbound()?))) else { return };
    let _unread = socket.set_nonblocking(true).and_then(|()| socket.send_to_addr(state.as_bytes(), &address));
}
