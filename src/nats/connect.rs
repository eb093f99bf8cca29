//! The connection to NATS: the login, and a link that is opened again and again until the connection is up, also after
//! a loss.
//!
//! A broker that is away is an ordinary state of a cluster, so opening a bus succeeds without a broker; only settings
//! that can never work are errors. The client library's own defaults notice a frozen server after minutes and ignore a
//! login inside a URL: both are corrected here. Rejected: waiting for the first connection, for the front has to answer
//! `/readyz` meanwhile.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_nats::{AuthError, Client, ConnectOptions, ServerAddr};
use tokio::sync::watch;

use super::address::Address;
use super::link::{ConnectFailure, LinkReporter};
use super::login::{self, Logins};
use super::trust;
use crate::backoff::Backoff;
use crate::config::secret::{exposed, hide};
use crate::config::{ClientCertificate, InboxPrefix, Login, Tls};

use super::link::LinkTrouble;
pub use super::link::{Link, LinkState};
pub use super::login::{Reread, kind as login_kind, read_secret};

/// Three pings without an answer end a connection, so a frozen server is noticed within four seconds.
const PING_INTERVAL: Duration = Duration::from_secs(1);
/// The time after which a server that accepts a connection and then sends nothing is given up.
pub(super) const HANDSHAKE: Duration = Duration::from_secs(3);
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// The number of failures after which the pause is the longest pause.
const DOUBLINGS: usize = 6;

/// The way to reach NATS and to log in. A second login is refused.
#[derive(Clone, Debug, Default)]
pub struct Connection {
    /// The servers of a cluster, in any order.
    pub servers: Vec<Address>,
    /// The name that the server's connection list shows.
    pub name: String,
    /// The logins that are given beside the servers' addresses; two logins in all are refused.
    pub logins: Vec<Login>,
    /// The prefix of inboxes, where this login may not read all of `_INBOX`.
    pub inbox_prefix: Option<InboxPrefix>,
    /// The encryption.
    pub tls: Tls,
    /// Reads these settings anew at each connect: the login may have been edited in the file.
    pub reread: Reread,
}

impl PartialEq for Connection {
    /// Whether the settings are the same; the way to read them anew is not compared.
    fn eq(&self, other: &Self) -> bool {
        self.has_login_of(other) && self.leads_where(other) && self.name == other.name
    }
}

/// The reason why a connection can never be made with these settings.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The text is no address of a NATS server.
    #[error("`{url}` is no NATS address: {reason}; expected one such as `nats://host:4222`")]
    Address {
        /// The given text, without a login.
        url: String,
        /// The fault in the address.
        reason: String,
    },
    /// No server is given.
    #[error("no NATS server is named")]
    NoServer,
    /// Several logins are given.
    #[error("more than one way to log in to NATS is given: {0}; one is needed")]
    Logins(String),
    /// A file cannot be read, or has other contents than expected.
    #[error("the {what} `{}`: {reason}", path.display())]
    File {
        /// The purpose of the file.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// The fault in the file.
        reason: String,
    },
    /// A file with a secret may be read by others than the owner.
    #[error("the {} ({})", exposed(&format!("{what} `{}`", path.display()), *mode), hide(&path.to_string_lossy()))]
    Exposed {
        /// The purpose of the file.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// The permission bits of the file.
        mode: u32,
    },
    /// The client library refused the settings.
    #[error("cannot connect to NATS: {0}")]
    Client(String),
}

/// A connection that is opened again by itself; clones share the connection.
#[derive(Clone, Debug)]
pub struct Bus {
    client: Client,
    link: watch::Receiver<Link>,
    trouble: watch::Receiver<LinkTrouble>,
    servers: String,
}

impl Bus {
    /// Starts connecting and returns at once; progress shows in [`Bus::link`] and in the log.
    ///
    /// # Errors
    /// [`ConnectError`] where the settings can never work: no server, two logins, an unreadable file.
    pub async fn open(settings: &Connection) -> Result<Self, ConnectError> {
        Self::connect(settings, "").await
    }

    async fn connect(settings: &Connection, purpose: &str) -> Result<Self, ConnectError> {
        let servers = settings.addresses()?;
        let shown =
            servers.iter().map(|server| server.as_url_str().trim_end_matches('/')).collect::<Vec<_>>().join(", ");
        let (reporter, link, trouble) = LinkReporter::new(format!("{shown}{purpose}"));
        let (reporter, settings) = (Arc::new(reporter), settings.clone());
        let in_first_round = servers.len();
        let options = settings
            .options()?
            .name(&settings.name)
            .retry_on_initial_connect()
            .ping_interval(PING_INTERVAL)
            .connection_timeout(HANDSHAKE)
            .reconnect_delay_callback(move |attempt| pause_before(attempt, in_first_round))
            .event_callback(move |event| {
                if let Some(failure) = reporter.on_event(&event) {
                    tokio::spawn(explain(settings.clone(), Arc::clone(&reporter), failure));
                }
                std::future::ready(())
            });
        let client = options.connect(servers).await.map_err(|error| ConnectError::Client(error.to_string()))?;
        Ok(Self { client, link, trouble, servers: shown })
    }

    /// Opens a further connection of this process for `purpose`, which the connection's name and the log show.
    ///
    /// # Errors
    /// As [`Bus::open`].
    pub async fn open_for(purpose: &str, settings: &Connection) -> Result<Self, ConnectError> {
        let name = format!("{} ({purpose})", settings.name);
        Self::connect(&Connection { name, ..settings.clone() }, &format!(" ({purpose})")).await
    }

    /// The client library's handle.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The state of the link, and a way to wait for the next state.
    #[must_use]
    pub fn link(&self) -> watch::Receiver<Link> {
        self.link.clone()
    }

    /// Whether the connection is up right now.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.link.borrow().state == LinkState::Connected
    }

    /// The number of times that the connection came up. Read from the client itself: a burst of other events can
    /// swallow a change in [`Bus::link`], and a mirror of the bus must not miss a reconnect.
    #[must_use]
    pub fn connects(&self) -> u64 {
        self.client.statistics().connects.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// Waits until every server has refused this program's login or certificate; returns the reason.
    pub async fn refused(&self, servers: usize) -> String {
        let mut trouble = self.trouble.clone();
        match trouble.wait_for(|trouble| trouble.refusals >= servers.max(1)).await {
            Ok(trouble) => trouble.reason.clone().unwrap_or_default(),
            Err(_closed) => std::future::pending().await,
        }
    }

    /// Waits until the server has denied this login a permission; returns the server's message.
    pub async fn denied(&self) -> String {
        let mut trouble = self.trouble.clone();
        match trouble.wait_for(|trouble| trouble.denied.is_some()).await {
            Ok(trouble) => trouble.denied.clone().unwrap_or_default(),
            Err(_closed) => std::future::pending().await,
        }
    }

    /// The reason why there is no connection, where known.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.trouble.borrow().reason.clone()
    }

    /// The servers' addresses, for people.
    #[must_use]
    pub fn servers(&self) -> &str {
        &self.servers
    }

    /// Waits until the connection is up; for ever, if need be.
    pub async fn connected(&self) {
        let mut link = self.link.clone();
        if link.wait_for(|link| link.state == LinkState::Connected).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Logs `failure` with the cause. The library's event names a kind alone, "IO error" for an unknown authority; an
/// attempt of our own finds the rest. The attempt is made when a line is due, and not at each failure.
async fn explain(settings: Connection, reporter: Arc<LinkReporter>, failure: ConnectFailure) {
    if failure.is_telling() {
        return reporter.log_failure(&failure, &failure.kind);
    }
    // Errors of the login's own files come first.
    let reason = match (settings.options(), settings.addresses()) {
        (Ok(options), Ok(servers)) => {
            let attempt = options.name(&settings.name).connection_timeout(HANDSHAKE).connect(servers).await;
            attempt.err().map(|error| error.to_string())
        }
        (Err(error), _) | (_, Err(error)) => Some(error.to_string()),
    };
    reporter.log_failure(&failure, reason.as_deref().unwrap_or(&failure.kind));
}

/// Returns the pause before `attempt`. The first attempt at each server comes at once, also at start, where the library
/// asks for a pause as well.
fn pause_before(attempt: usize, in_first_round: usize) -> Duration {
    match attempt.checked_sub(in_first_round + 1) {
        None => Duration::ZERO,
        Some(failures) => {
            let mut pauses = Backoff::spread(FIRST_PAUSE, LONGEST_PAUSE);
            (0..=failures.min(DOUBLINGS)).fold(Duration::ZERO, |_, _| pauses.failed())
        }
    }
}

impl Connection {
    pub(super) fn addresses(&self) -> Result<Vec<ServerAddr>, ConnectError> {
        if self.servers.is_empty() {
            return Err(ConnectError::NoServer);
        }
        Ok(self.servers.iter().map(|address| address.server.clone()).collect())
    }

    pub(super) fn options(&self) -> Result<ConnectOptions, ConnectError> {
        let logins = Arc::new(Logins::new(self)?);
        let options = ConnectOptions::with_auth_callback(move |nonce| {
            let logins = Arc::clone(&logins);
            // Files are read in that task, and the disk may take its time.
            let reading = tokio::task::spawn_blocking(move || logins.auth(&nonce));
            async move { reading.await.unwrap_or_else(|error| Err(AuthError::new(error))) }
        });
        let options = match &self.inbox_prefix {
            Some(prefix) => options.custom_inbox_prefix(prefix),
            None => options,
        };
        encrypt(options, &self.tls)
    }

    /// Whether these settings log in as the `other` settings do, by the same secrets or by the same files.
    #[must_use]
    pub fn has_login_of(&self, other: &Self) -> bool {
        self.login().ok() == other.login().ok()
    }

    /// Whether these settings lead to the same servers as the `other` settings, in the same way, with any login.
    #[must_use]
    pub fn leads_where(&self, other: &Self) -> bool {
        let servers =
            |settings: &Self| settings.servers.iter().map(|address| address.server.clone()).collect::<Vec<_>>();
        servers(self) == servers(other) && self.inbox_prefix == other.inbox_prefix && self.tls == other.tls
    }

    /// The only login that the settings give, in a URL or beside.
    pub(super) fn login(&self) -> Result<Login, ConnectError> {
        let mut logins: Vec<(&str, &Login)> = Vec::new();
        for login in self.servers.iter().filter_map(|address| address.login.as_ref()) {
            if !logins.iter().any(|(_, known)| *known == login) {
                logins.push(("in the URL", login));
            }
        }
        let beside = self.logins.iter().filter(|login| **login != Login::None);
        logins.extend(beside.map(|login| (login::kind(login), login)));
        match logins.as_slice() {
            [] => Ok(Login::None),
            [(_, login)] => Ok((*login).clone()),
            several => {
                let kinds: Vec<&str> = several.iter().map(|(kind, _)| *kind).collect();
                Err(ConnectError::Logins(kinds.join(", ")))
            }
        }
    }
}

/// Sets `options` to encrypt as `tls` says. The files are read at each connect; an unreadable file is found now, before
/// any waiting.
fn encrypt(mut options: ConnectOptions, tls: &Tls) -> Result<ConnectOptions, ConnectError> {
    if let Some(ClientCertificate { key, .. }) = &tls.client {
        read_secret("TLS key", key)?;
    }
    let cert = tls.client.as_ref().map(|client| &client.cert);
    let files = [("TLS authority", tls.ca.as_ref()), ("TLS certificate", cert)];
    for (what, path) in files.into_iter().filter_map(|(what, path)| Some((what, path?))) {
        std::fs::read(path).map_err(|error| file(what, path, &error))?;
    }
    if let Some(ca) = &tls.ca {
        let config = trust::client_config(ca, tls).map_err(|error| file("TLS authority", ca, &error))?;
        options = options.tls_client_config(config);
    }
    if let Some(ClientCertificate { cert, key }) = &tls.client {
        options = options.add_client_certificate(cert.clone(), key.clone());
    }
    // Asking for an authority or a certificate and then talking in the clear would be a surprise.
    let asked = tls.required || tls.ca.is_some() || tls.client.is_some();
    Ok(if asked { options.require_tls(true) } else { options })
}

pub(super) fn file(what: &'static str, path: &Path, reason: &dyn fmt::Display) -> ConnectError {
    ConnectError::File { what, path: path.to_owned(), reason: reason.to_string() }
}

#[cfg(test)]
mod tests;
