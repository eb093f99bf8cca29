//! The logins on the bus, and the proof that is sent at each connect.
//!
//! The proof is made anew at each connect, because secrets are renewed while a program runs: a credentials file is
//! replaced before its token ends, a password is changed in the config. Rejected: the client library's own logins,
//! which keep for ever the secrets that they were given at the start.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use async_nats::{Auth, AuthError};
use nkeys::KeyPair;
use tracing::warn;

use super::connect::{ConnectError, Connection, file};
use crate::config::secret::others_may_read;
use crate::config::{Login, Secret};
use crate::host::disk;

/// The most bytes that are read of a file with a secret: far more than any key or token has.
const MAX_SECRET_BYTES: u64 = 1 << 20;

/// A login with the files read: all secrets that the proof of a connect needs.
#[derive(Clone)]
pub(super) enum Proof {
    Nobody,
    Token(Secret),
    User(String, Secret),
    /// A key, and the claims that vouch for the key where the credentials file has them.
    Key(Secret, Option<Secret>),
}

/// A function that reads the settings of a connection anew from a file that may be edited meanwhile.
#[derive(Clone, Default)]
pub struct Reread(Option<Arc<dyn Fn() -> Option<Connection> + Send + Sync>>);

impl Reread {
    /// Creates settings that `read` reads; `read` returns `None` where the file cannot be used at the moment.
    pub fn new(read: impl Fn() -> Option<Connection> + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(read)))
    }
}

impl fmt::Debug for Reread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Reread(…)" } else { "Never" })
    }
}

/// The logins of a connection, from each connect to the next.
pub(super) struct Logins {
    settings: Connection,
    last: Mutex<Proof>,
}

impl Logins {
    /// Creates the logins of a connection with these settings.
    ///
    /// # Errors
    /// [`ConnectError`] where the present login cannot be used.
    pub(super) fn new(settings: &Connection) -> Result<Self, ConnectError> {
        let last = Mutex::new(Proof::of(settings)?);
        Ok(Self { settings: settings.clone(), last })
    }

    /// Returns the proof for a server that asks for a signature of `nonce`.
    ///
    /// # Errors
    /// [`AuthError`] where the key cannot be used.
    pub(super) fn auth(&self, nonce: &[u8]) -> Result<Auth, AuthError> {
        let edited = self.settings.reread.0.as_ref().and_then(|read| read());
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match Proof::of(edited.as_ref().unwrap_or(&self.settings)) {
            Ok(proof) => *last = proof,
            // A file that is just being written is read again at the next connect.
            Err(error) => warn!("{error}; the login stays as it was"),
        }
        last.auth(nonce).map_err(AuthError::new)
    }
}

impl Proof {
    fn of(settings: &Connection) -> Result<Self, ConnectError> {
        Ok(match settings.login()? {
            Login::None => Self::Nobody,
            Login::Token(token) => Self::Token(token),
            Login::Password { user, password } => Self::User(user, password),
            Login::Nkey(seed) => Self::Key(seed, None),
            Login::NkeyFile(path) => Self::Key(read_secret("NATS nkey", &path)?.trim().into(), None),
            Login::Credentials(path) => {
                let what = "NATS credentials file";
                let text = read_secret(what, &path)?;
                let part = |title: &str| part(&text, title).map(Secret::new);
                // The message must not quote the file.
                let parts = part("USER NKEY SEED").filter(is_seed).zip(part("NATS USER JWT"));
                let (seed, claims) = parts.ok_or_else(|| file(what, &path, &"has no user JWT and seed in it"))?;
                Self::Key(seed, Some(claims))
            }
        })
    }

    fn auth(&self, nonce: &[u8]) -> Result<Auth, String> {
        let mut auth = Auth::new();
        match self {
            Self::Nobody => {}
            Self::Token(token) => auth.token = Some(token.reveal().to_owned()),
            Self::User(user, password) => {
                auth.username = Some(user.clone());
                auth.password = Some(password.reveal().to_owned());
            }
            Self::Key(seed, claims) => {
                let key = KeyPair::from_seed(seed.reveal()).map_err(|_secret| "the nkey is no seed")?;
                auth.signature = Some(key.sign(nonce).map_err(|error| error.to_string())?);
                match claims {
                    Some(claims) => auth.jwt = Some(claims.reveal().to_owned()),
                    None => auth.nkey = Some(key.public_key()),
                }
            }
        }
        Ok(auth)
    }
}

/// The kind of `login`, in words.
pub fn kind(login: &Login) -> &'static str {
    match login {
        Login::None => "nothing",
        Login::Credentials(_) => "a credentials file",
        Login::Token(_) => "a token",
        Login::Password { .. } => "user and password",
        Login::Nkey(_) | Login::NkeyFile(_) => "an nkey",
    }
}

fn is_seed(text: &Secret) -> bool {
    KeyPair::from_seed(text.reveal()).is_ok()
}

/// The first line of the part of `text` that `-----BEGIN TITLE-----` begins.
fn part<'a>(text: &'a str, title: &str) -> Option<&'a str> {
    let begins = |line: &&str| line.trim().trim_matches('-').strip_prefix("BEGIN ") == Some(title);
    text.lines().skip_while(|line| !begins(line)).skip(1).map(str::trim).find(|line| !line.is_empty())
}

/// Returns the text of the file at `path`, a secret that nobody but the file's owner may read, or the group that root
/// gave the file to.
///
/// # Errors
/// [`ConnectError`] where the file cannot be read, or others may read the file.
pub fn read_secret(what: &'static str, path: &Path) -> Result<String, ConnectError> {
    let refuse = |error: std::io::Error| file(what, path, &error);
    let open = File::open(path).map_err(refuse)?;
    // Of the open file, not of the path: a link is judged by what it leads to.
    let mode = disk::mode(&open.metadata().map_err(refuse)?);
    if others_may_read(mode) {
        return Err(ConnectError::Exposed { what, path: path.to_owned(), mode });
    }
    let mut text = String::new();
    open.take(MAX_SECRET_BYTES).read_to_string(&mut text).map_err(refuse)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const SEED: &str = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY";

    fn hidden(path: &Path, text: &str) {
        std::fs::write(path, text).unwrap();
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o600)).unwrap();
    }

    fn credentials(claims: &str) -> String {
        format!(
            "-----BEGIN NATS USER JWT-----\r\n{claims}\r\n------END NATS USER JWT------\n\nKeep it!\n\n\
             -----BEGIN USER NKEY SEED-----\n{SEED}\n------END USER NKEY SEED------\n"
        )
    }

    #[test]
    fn a_credentials_file_is_read_at_each_connect() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("creds");
        hidden(&path, &credentials("one"));
        let settings = Connection { logins: vec![Login::Credentials(path.clone())], ..Connection::default() };
        let logins = Logins::new(&settings).unwrap();
        let claims = || logins.auth(b"nonce").unwrap().jwt.unwrap();
        assert_eq!(claims(), "one");
        hidden(&path, &credentials("two"));
        assert_eq!(claims(), "two");
        hidden(&path, "half");
        assert_eq!(claims(), "two", "what cannot be used changes nothing");
        assert!(matches!(Logins::new(&settings), Err(ConnectError::File { .. })));
    }

    #[test]
    fn an_edited_config_counts_at_the_next_connect() {
        let edited = Arc::new(Mutex::new(Some("two")));
        let config = Arc::clone(&edited);
        let with = |token: &str| Connection { logins: vec![Login::Token(token.into())], ..Connection::default() };
        let settings = Connection { reread: Reread::new(move || config.lock().unwrap().map(with)), ..with("one") };
        let logins = Logins::new(&settings).unwrap();
        assert_eq!(logins.auth(b"").unwrap().token.as_deref(), Some("two"));
        *edited.lock().unwrap() = None;
        assert_eq!(
            logins.auth(b"").unwrap().token.as_deref(),
            Some("one"),
            "the config cannot be read: as at the start"
        );
    }

    #[test]
    fn a_key_signs() {
        let settings = Connection { logins: vec![Login::Nkey(SEED.into())], ..Connection::default() };
        let auth = Logins::new(&settings).unwrap().auth(b"nonce").unwrap();
        assert!(
            auth.nkey.is_some_and(|key| key.starts_with('U'))
                && auth.signature.is_some_and(|signed| !signed.is_empty())
        );
        let broken = Connection { logins: vec![Login::Nkey("SUX".into())], ..Connection::default() };
        let refused = Logins::new(&broken).unwrap().auth(b"nonce").err().unwrap().to_string();
        assert!(refused.contains("no seed") && !refused.contains("SUX"), "{refused}");
    }
}
