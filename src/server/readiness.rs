//! What systemd is told of a service: ready, reading its config again, and the state of NATS as `systemctl status`
//! shows the state.

use crate::nats::Bus;
use crate::pulse;

/// The readiness of a service towards systemd. Ready is said when requests can be answered for the first time; a NATS
/// that goes away later makes no service that is not ready, because decisions go on when NATS is back.
pub(super) struct Readiness {
    bus: Bus,
    /// Whether systemd was told that the service is ready; before that, an end of a reload must not say so.
    is_told: bool,
}

impl Readiness {
    /// Returns the readiness of the service behind `bus`, which waits for NATS now; each change of the link is told.
    pub(super) fn new(bus: Bus) -> Self {
        tokio::spawn(tell_changes(bus.clone()));
        Self { bus, is_told: false }
    }

    /// Tells that requests are answered from now on.
    pub(super) fn ready(&mut self) {
        self.is_told = true;
        pulse::notify_ready(&link(&self.bus));
    }

    /// Tells that the config is being read again.
    pub(super) fn reloading(&self) {
        if self.is_told {
            pulse::notify_reloading();
        }
    }

    /// Tells that a reload has ended, and how.
    pub(super) fn reloaded(&self, outcome: ReloadOutcome) {
        if !self.is_told {
            return;
        }
        let link = link(&self.bus);
        match outcome {
            ReloadOutcome::Taken => pulse::notify_ready(&link),
            ReloadOutcome::Refused => {
                pulse::notify_ready(&format!("{link}; the last reload failed and changed nothing, the log says why"));
            }
        }
    }
}

/// The end of a reload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReloadOutcome {
    /// The config was read, and its scripts can be used.
    Taken,
    /// The config or a script cannot be used; the old ones stay.
    Refused,
}

async fn tell_changes(bus: Bus) {
    let mut changes = bus.link();
    loop {
        pulse::notify_status(&link(&bus));
        if changes.changed().await.is_err() {
            return;
        }
    }
}

fn link(bus: &Bus) -> String {
    match bus.is_connected() {
        true => format!("connected to NATS at {}", bus.servers()),
        false => format!("waiting for NATS at {}", bus.servers()),
    }
}
