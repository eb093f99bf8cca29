//! The state of the link, and its log lines: a line on each change, then repeats at intervals while the state lasts.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_nats::{ClientError, Event};
use tokio::sync::watch;
use tracing::{info, warn};

/// The time after which the log repeats a state that lasts.
const REPEAT: Duration = Duration::from_secs(30);
/// The shortest time between two log lines with different reasons for the same outage: each server of a cluster may
/// have another reason.
const NEWS: Duration = Duration::from_secs(5);
/// The most different errors of a server that are told apart; further errors are not logged.
const SERVER_ERRORS: usize = 64;

/// Whether there is a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LinkState {
    /// There was no connection yet.
    #[default]
    Connecting,
    /// The connection is up.
    Connected,
    /// The connection was lost, and is tried again.
    Disconnected,
    /// This program closed the connection.
    Closed,
}

/// The facts about the link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Link {
    /// Whether there is a connection.
    pub state: LinkState,
    /// The number of times that a connection came up.
    pub connects: u64,
    /// The number of times that messages were dropped because a reader was too slow.
    pub dropped: u64,
}

/// The present obstacles to a connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct LinkTrouble {
    /// The reason why there is no connection.
    pub(super) reason: Option<String>,
    /// The number of times that servers refused the login, or had a certificate that is not trusted, since the last
    /// connection.
    pub(super) refusals: usize,
    /// The server's message, where the server denied this login a permission.
    pub(super) denied: Option<String>,
}

/// Turns the client's events into the link's state and into log lines.
#[derive(Debug)]
pub(super) struct LinkReporter {
    servers: String,
    link: watch::Sender<Link>,
    trouble: watch::Sender<LinkTrouble>,
    log: Mutex<LinkLog>,
}

#[derive(Debug, Default)]
struct LinkLog {
    away: Option<Away>,
    dropped: Option<Instant>,
    server_errors: BTreeMap<String, Instant>,
}

/// A round of attempts that failed, and that is worth a line in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ConnectFailure {
    /// The kind of the failure, in the client library's words.
    pub(super) kind: String,
    /// The time without a connection, where the log told of the outage before.
    lasts: Option<Duration>,
}

/// An outage that was logged.
#[derive(Debug)]
struct Away {
    since: Instant,
    logged_at: Instant,
    reason: Option<String>,
}

impl Away {
    fn is_news(&self, reason: &str) -> bool {
        let quiet = self.logged_at.elapsed();
        quiet > REPEAT || (quiet > NEWS && self.reason.as_deref() != Some(reason))
    }
}

impl LinkReporter {
    pub(super) fn new(servers: String) -> (Self, watch::Receiver<Link>, watch::Receiver<LinkTrouble>) {
        let ((link, links), (trouble, troubles)) =
            (watch::channel(Link::default()), watch::channel(LinkTrouble::default()));
        (Self { servers, link, trouble, log: Mutex::default() }, links, troubles)
    }

    /// Takes in an event. A failure that is returned is to be logged, with the reason as far as that can be found out.
    pub(super) fn on_event(&self, event: &Event) -> Option<ConnectFailure> {
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Connected => {
                self.link.send_modify(|link| {
                    *link = Link { state: LinkState::Connected, connects: link.connects + 1, ..*link }
                });
                self.trouble.send_modify(|trouble| (trouble.reason, trouble.refusals) = (None, 0));
                match log.away.take() {
                    Some(away) => {
                        info!("connected to NATS at {} after {} s", self.servers, away.since.elapsed().as_secs())
                    }
                    None => info!("connected to NATS at {}", self.servers),
                }
            }
            Event::Disconnected => {
                self.link.send_modify(|link| link.state = LinkState::Disconnected);
                warn!("lost the connection to NATS at {}; trying again until it is back", self.servers);
                let now = Instant::now();
                log.away = Some(Away { since: now, logged_at: now, reason: None });
            }
            Event::ClientError(ClientError::Other(reason)) => {
                let kind = plain(reason);
                if is_refusal(kind) {
                    self.trouble.send_modify(|trouble| {
                        trouble.reason = Some(kind.to_owned());
                        trouble.refusals += 1;
                    });
                }
                return fails(&mut log, reason);
            }
            Event::SlowConsumer(_) => {
                self.link.send_modify(|link| link.dropped += 1);
                if log.dropped.is_none_or(|last| last.elapsed() > REPEAT) {
                    log.dropped = Some(Instant::now());
                    warn!("messages from NATS are dropped because they come faster than they are handled");
                }
            }
            Event::Closed => {
                self.link.send_modify(|link| link.state = LinkState::Closed);
            }
            Event::LameDuckMode => info!("a NATS server is about to stop; moving to another one"),
            Event::ServerError(error) => {
                let text = error.to_string();
                if text.to_lowercase().contains("permissions violation") {
                    self.trouble.send_modify(|trouble| trouble.denied = Some(plain(&text).to_owned()));
                }
                log_server_error(&mut log, &text);
            }
            Event::ClientError(error) => log_server_error(&mut log, &error.to_string()),
            Event::Draining => {}
        }
        None
    }

    /// Logs `failure` with `reason`.
    pub(super) fn log_failure(&self, failure: &ConnectFailure, reason: &str) {
        let (servers, reason) = (&self.servers, plain(reason));
        self.trouble.send_modify(|trouble| {
            trouble.reason = Some(reason.to_owned());
            trouble.refusals += usize::from(is_distrust(reason));
        });
        match failure.lasts {
            _ if is_refusal(reason) => {
                warn!("NATS at {servers} refuses the login: {reason}; trying again until it is taken");
            }
            None => warn!("cannot connect to NATS at {servers}: {reason}; trying again until it works"),
            Some(lasts) => {
                let seconds = lasts.as_secs();
                warn!("NATS does not answer at {servers} for {seconds} s now: {reason}; trying again until it does");
            }
        }
    }
}

impl ConnectFailure {
    /// Whether the kind of the failure alone tells what to do; of an I/O or TLS error the library's events hide the
    /// cause.
    pub(super) fn is_telling(&self) -> bool {
        self.kind.contains("authorization")
    }
}

/// Records a failed round of attempts; returns the failure where the log is to tell of the failure.
fn fails(log: &mut LinkLog, reason: &str) -> Option<ConnectFailure> {
    let (kind, now) = (plain(reason).to_owned(), Instant::now());
    let lasts = match &log.away {
        None => None,
        // A changed reason (a server that is back but refuses the login) is logged too.
        Some(away) if away.is_news(&kind) => Some(away.since.elapsed()),
        Some(_) => return None,
    };
    let since = log.away.as_ref().map_or(now, |away| away.since);
    log.away = Some(Away { since, logged_at: now, reason: Some(kind.clone()) });
    Some(ConnectFailure { kind, lasts })
}

/// Whether a server refused the login, or no login was given.
fn is_refusal(reason: &str) -> bool {
    reason.contains("authorization") || reason.contains("authentication")
}

/// Whether the encryption failed because of a certificate, of the server or of ours.
fn is_distrust(reason: &str) -> bool {
    let reason = reason.to_lowercase();
    reason.contains("certificate") || reason.contains("unknownca")
}

fn plain(reason: &str) -> &str {
    reason.trim_start_matches("nats: ")
}

/// Logs an error of a server (a subject that this login may not use, say), which can come with every message.
fn log_server_error(log: &mut LinkLog, text: &str) {
    if log.server_errors.len() >= SERVER_ERRORS {
        log.server_errors.retain(|_, last| last.elapsed() < REPEAT);
    }
    let known = log.server_errors.get(text).is_some_and(|last| last.elapsed() < REPEAT);
    if !known && log.server_errors.len() < SERVER_ERRORS {
        log.server_errors.insert(text.to_owned(), Instant::now());
        warn!("NATS says: {text}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_become_states() {
        let (reporter, link, trouble) = LinkReporter::new("nats://host".to_owned());
        let after = |event| {
            reporter.on_event(&event);
            *link.borrow()
        };
        let failed = || Event::ClientError(ClientError::Other("nats: IO error".to_owned()));
        assert_eq!(after(failed()).state, LinkState::Connecting);
        assert_eq!(reporter.on_event(&failed()), None, "it was said a moment ago");
        assert_eq!(after(Event::Connected), Link { state: LinkState::Connected, connects: 1, dropped: 0 });
        assert_eq!(after(Event::SlowConsumer(7)).dropped, 1);
        assert_eq!(after(Event::Disconnected).state, LinkState::Disconnected);
        assert_eq!(after(Event::Connected).connects, 2);
        reporter.on_event(&Event::ClientError(ClientError::Other("nats: authorization violation".to_owned())));
        let violation = "Permissions Violation for Publish to \"a\"";
        reporter.on_event(&Event::ServerError(async_nats::ServerError::Other(violation.to_owned())));
        let refused = LinkTrouble {
            reason: Some("authorization violation".to_owned()),
            refusals: 1,
            denied: Some(violation.to_owned()),
        };
        assert_eq!(*trouble.borrow(), refused);
        after(Event::Connected);
        assert_eq!((trouble.borrow().reason.clone(), trouble.borrow().refusals), (None, 0));
        assert_eq!(after(Event::Closed).state, LinkState::Closed);
    }

    #[test]
    fn complaints_are_bounded() {
        let mut log = LinkLog::default();
        for number in 0..1000 {
            log_server_error(&mut log, &format!("permissions violation {number}"));
        }
        assert_eq!(log.server_errors.len(), SERVER_ERRORS);
    }
}
