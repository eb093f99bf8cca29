//! The signals that mean something to a service.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// An instruction that a signal carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instruction {
    /// SIGTERM or SIGINT: answer every request that was received, then end.
    Stop,
    /// SIGHUP: read the config again.
    Reload,
}

/// The signals of a service, caught from the moment at which this value is made.
#[derive(Debug)]
pub struct Signals {
    /// Caught so that a log file that may not grow any further is an error of the write, and does not end the process.
    _file_size: Signal,
    term: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    /// Catches the signals from now on.
    ///
    /// # Errors
    /// The kernel refused a handler.
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            _file_size: signal(SignalKind::from_raw(libc::SIGXFSZ))?,
            term: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Returns the next instruction, when a signal arrives.
    pub async fn next(&mut self) -> Instruction {
        tokio::select! {
            _ = self.term.recv() => Instruction::Stop,
            _ = self.interrupt.recv() => Instruction::Stop,
            _ = self.hangup.recv() => Instruction::Reload,
        }
    }
}
