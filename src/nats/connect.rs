//! The connection to NATS: how to log in, and a link that is tried until it stands and again whenever it falls.
//!
//! A broker that is away is an ordinary state of a cluster, so opening a bus succeeds without one; only settings that can
//! never work are errors. The client library's own defaults notice a frozen server after minutes and ignore a login
//! inside a URL: both are set right here. Rejected: waiting for the first connection, for the front has to answer
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
/// A server that accepts and then says nothing is given up after this.
pub(super) const HANDSHAKE: Duration = Duration::from_secs(3);
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// Failures after which the pause is the longest one.
const DOUBLINGS: usize = 6;

/// How to reach NATS and who to be there. At most one way to log in may be given.
#[derive(Clone, Debug, Default)]
pub struct Connection {
    /// The servers of one cluster, in any order.
    pub servers: Vec<Address>,
    /// What the server's connection list shows.
    pub name: String,
    /// The ways to log in that are given beside the servers' addresses; more than one way in all is refused.
    pub logins: Vec<Login>,
    /// What the inboxes begin with, where this login may not read all of `_INBOX`.
    pub inbox_prefix: Option<InboxPrefix>,
    /// Encryption.
    pub tls: Tls,
    /// Reads these settings anew at each connect: a login may have been changed where they stand.
    pub reread: Reread,
}

impl PartialEq for Connection {
    /// Whether the settings are the same; how they are read anew is none of them.
    fn eq(&self, other: &Self) -> bool {
        self.has_login_of(other) && self.leads_where(other) && self.name == other.name
    }
}

/// Why a connection can never be made with these settings.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Not the address of a NATS server.
    #[error("`{url}` is no NATS address: {reason}; expected one such as `nats://host:4222`")]
    Address {
        /// As given, without a login.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Nowhere to connect to.
    #[error("no NATS server is named")]
    NoServer,
    /// More than one way to log in.
    #[error("more than one way to log in to NATS is given: {0}; one is needed")]
    Logins(String),
    /// A file that cannot be read, or that holds something else.
    #[error("the {what} `{}`: {reason}", path.display())]
    File {
        /// What the file is for.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A file with a secret in it that others than its owner may read.
    #[error("the {} ({})", exposed(&format!("{what} `{}`", path.display()), *mode), hide(&path.to_string_lossy()))]
    Exposed {
        /// What the file is for.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The client library's own refusal.
    #[error("cannot connect to NATS: {0}")]
    Client(String),
}

/// A connection that looks after itself; clones share it.
#[derive(Clone, Debug)]
pub struct Bus {
    client: Client,
    link: watch::Receiver<Link>,
    trouble: watch::Receiver<LinkTrouble>,
    servers: String,
}

impl Bus {
    /// Starts connecting and returns at once; what becomes of it shows in [`Bus::link`] and in the log.
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
        let (voice, link, trouble) = LinkReporter::new(format!("{shown}{purpose}"));
        let (voice, settings) = (Arc::new(voice), settings.clone());
        let in_first_round = servers.len();
        let options = settings
            .options()?
            .name(&settings.name)
            .retry_on_initial_connect()
            .ping_interval(PING_INTERVAL)
            .connection_timeout(HANDSHAKE)
            .reconnect_delay_callback(move |attempt| pause_before(attempt, in_first_round))
            .event_callback(move |event| {
                if let Some(failure) = voice.on_event(&event) {
                    tokio::spawn(explain(settings.clone(), Arc::clone(&voice), failure));
                }
                std::future::ready(())
            });
        let client = options.connect(servers).await.map_err(|error| ConnectError::Client(error.to_string()))?;
        Ok(Self { client, link, trouble, servers: shown })
    }

    /// The same, beside another connection of this process, for `purpose`, which its name and the log tell.
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

    /// The state of the link, and a way to wait for the next one.
    #[must_use]
    pub fn link(&self) -> watch::Receiver<Link> {
        self.link.clone()
    }

    /// Whether the link stands right now.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.link.borrow().state == LinkState::Connected
    }

    /// How often the link came to stand. Read from the client itself: a burst of other events can swallow a change in
    /// [`Bus::link`], and whoever mirrors the bus must not miss one.
    #[must_use]
    pub fn connects(&self) -> u64 {
        self.client.statistics().connects.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// Waits until every server has refused this program, whose login or certificate it is then; returns the reason.
    pub async fn refused(&self, servers: usize) -> String {
        let mut trouble = self.trouble.clone();
        match trouble.wait_for(|trouble| trouble.refusals >= servers.max(1)).await {
            Ok(trouble) => trouble.reason.clone().unwrap_or_default(),
            Err(_closed) => std::future::pending().await,
        }
    }

    /// Waits until the server has refused this login something that it may not do; returns the server's words.
    pub async fn denied(&self) -> String {
        let mut trouble = self.trouble.clone();
        match trouble.wait_for(|trouble| trouble.denied.is_some()).await {
            Ok(trouble) => trouble.denied.clone().unwrap_or_default(),
            Err(_closed) => std::future::pending().await,
        }
    }

    /// Why there is no connection, as far as that is known.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.trouble.borrow().reason.clone()
    }

    /// The servers' addresses, as a person reads them.
    #[must_use]
    pub fn servers(&self) -> &str {
        &self.servers
    }

    /// Waits until the link stands; for ever, if need be.
    pub async fn connected(&self) {
        let mut link = self.link.clone();
        if link.wait_for(|link| link.state == LinkState::Connected).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Says a failure with its cause. The library's event names a kind alone, "IO error" for an unknown authority; an attempt
/// of our own brings the rest. It is made when there is something to say, and not at each failure.
async fn explain(settings: Connection, voice: Arc<LinkReporter>, failure: ConnectFailure) {
    if failure.is_telling() {
        return voice.log_failure(&failure, &failure.kind);
    }
    // What the files of the login say against themselves comes first.
    let reason = match (settings.options(), settings.addresses()) {
        (Ok(options), Ok(servers)) => {
            let attempt = options.name(&settings.name).connection_timeout(HANDSHAKE).connect(servers).await;
            attempt.err().map(|error| error.to_string())
        }
        (Err(error), _) | (_, Err(error)) => Some(error.to_string()),
    };
    voice.log_failure(&failure, reason.as_deref().unwrap_or(&failure.kind));
}

/// The first attempt at each server comes at once, also at start, where the library asks for a pause as well.
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
            // Files are read there, and the disk may take its time.
            let reading = tokio::task::spawn_blocking(move || logins.auth(&nonce));
            async move { reading.await.unwrap_or_else(|error| Err(AuthError::new(error))) }
        });
        let options = match &self.inbox_prefix {
            Some(prefix) => options.custom_inbox_prefix(prefix),
            None => options,
        };
        encrypt(options, &self.tls)
    }

    /// Whether these settings log in as the `other` ones do, by the same secrets or by the same files.
    #[must_use]
    pub fn has_login_of(&self, other: &Self) -> bool {
        self.login().ok() == other.login().ok()
    }

    /// Whether these settings lead where the `other` ones do, and in the same way, whoever logs in.
    #[must_use]
    pub fn leads_where(&self, other: &Self) -> bool {
        let servers =
            |settings: &Self| settings.servers.iter().map(|address| address.server.clone()).collect::<Vec<_>>();
        servers(self) == servers(other) && self.inbox_prefix == other.inbox_prefix && self.tls == other.tls
    }

    /// The one login that the settings give, be it in a URL or beside.
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

/// Lets `options` encrypt as `tls` says. The files are read at each connect; that they can be read is checked now, before
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
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn to(url: &str) -> Connection {
        Connection { servers: vec![url.parse().unwrap()], ..Connection::default() }
    }

    #[test]
    fn secrets_show_nowhere() {
        let settings = Connection { logins: vec![Login::Token("hush2".into())], ..to("nats://ann:hush1@host") };
        let password = Login::Password { user: "ann".to_owned(), password: "hush3".into() };
        let shown = format!(
            "{settings:?} {} {} {password:?} {:?}",
            settings.login().err().unwrap(),
            "x://u:hush5@h".parse::<Address>().err().unwrap(),
            Login::Nkey("hush4".into()),
        );
        assert!(!shown.contains("hush"), "{shown}");
    }

    #[test]
    fn a_changed_secret_is_another_setting() {
        let with = |password: &str| Connection {
            logins: vec![Login::Password { user: "ann".to_owned(), password: password.into() }],
            ..to("nats://host")
        };
        assert!(with("one") == with("one") && with("one") != with("two"));
        assert!(to("nats://ann:one@host") != to("nats://ann:two@host"));
        assert!(with("one") != Connection { logins: vec![Login::Nkey("x".into())], ..to("nats://host") });
        assert!(to("nats://host") != to("nats://other"));
    }

    #[test]
    fn one_login_is_enough_and_two_are_refused() {
        assert!(matches!(Connection::default().addresses(), Err(ConnectError::NoServer)));
        let mut settings = to("nats://ann:one@host");
        assert!(settings.options().is_ok());
        settings.logins.push(Login::Token("two".into()));
        assert!(matches!(settings.options(), Err(ConnectError::Logins(kinds)) if kinds == "in the URL, a token"));
    }

    #[test]
    fn files_are_looked_at_before_any_waiting() {
        let missing = PathBuf::from("/nonexistent/file");
        let credentials = Connection { logins: vec![Login::Credentials(missing.clone())], ..to("host") };
        assert!(credentials.options().unwrap_err().to_string().contains("/nonexistent/file"));
        let tls = Connection { tls: Tls { ca: Some(missing), ..Tls::default() }, ..to("host") };
        assert!(tls.options().unwrap_err().to_string().starts_with("the TLS authority `/nonexistent/file`"));
    }

    #[test]
    fn a_secret_that_others_may_read_is_refused_whatever_link_leads_there() {
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("key"), folder.path().join("link"));
        std::fs::write(&path, "x").unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let mode = |mode| std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        for named in [&path, &link] {
            for exposed in [0o644, 0o640, 0o604] {
                mode(exposed);
                let client = Some(ClientCertificate { cert: path.clone(), key: named.clone() });
                let tls = Tls { client, ..Tls::default() };
                let credentials = Connection { logins: vec![Login::Credentials(named.clone())], ..to("host") };
                for settings in [credentials, Connection { tls, ..to("host") }] {
                    let refused = settings.options().unwrap_err().to_string();
                    assert!(refused.contains("is a secret, and others than its owner may read this file"), "{refused}");
                    assert!(
                        refused.ends_with(&format!("mode {exposed:o} (chmod 600 {})", named.display())),
                        "{refused}"
                    );
                }
            }
            mode(0o600);
            assert_eq!(read_secret("key", named).unwrap(), "x");
        }
    }

    #[test]
    fn the_first_round_is_not_delayed() {
        assert_eq!(pause_before(3, 3), Duration::ZERO);
        assert!(pause_before(4, 3) > Duration::ZERO);
        assert!(pause_before(usize::MAX, 3) <= LONGEST_PAUSE);
    }
}
