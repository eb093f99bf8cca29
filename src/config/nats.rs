//! The `[nats]` section: the servers of the bus, and the service's login and names there.

use std::ops::Range;
use std::path::{Path, PathBuf};

use super::address::ServerUrl;
use super::files::Files;
use super::inbox::InboxPrefix;
use super::keeping::Keeping;
use super::namespace::Namespace;
use super::problem::{Notes, Problem, quoted};
use super::secret::{self, Secret};
use super::section::{Section, SectionEntry};

/// The keys that may name a file with a secret.
const SECRET_FILES: [&str; 3] = ["credentials", "nkey", "tls_key"];

/// The settings of the connection to the bus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nats {
    /// The servers; empty where the config names none.
    pub urls: Vec<ServerUrl>,
    /// The prefix of every subject and bucket.
    pub namespace: Namespace,
    /// The prefix of the inboxes; NATS's own `_INBOX` where absent.
    pub inbox_prefix: Option<InboxPrefix>,
    /// The login.
    pub login: Login,
    /// The encryption.
    pub tls: Tls,
    /// The storage of the service's buckets and streams.
    pub keeping: Keeping,
}

impl Default for Nats {
    fn default() -> Self {
        Self {
            urls: Vec::new(),
            namespace: Namespace::default(),
            inbox_prefix: None,
            login: Login::None,
            tls: Tls::default(),
            keeping: Keeping::default(),
        }
    }
}

/// A login; only a single login may be given, because a client that tries several hides which of them the server took.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Login {
    /// No login, or the login of an address.
    #[default]
    None,
    /// A credentials file, as `nsc` writes such files.
    Credentials(PathBuf),
    /// A token.
    Token(Secret),
    /// A name and a password.
    Password {
        /// The name.
        user: String,
        /// The password.
        password: Secret,
    },
    /// The seed of a user's key.
    Nkey(Secret),
    /// The file with the seed of a user's key.
    NkeyFile(PathBuf),
}

/// The settings of the encryption.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// Whether a server without encryption is refused.
    pub required: bool,
    /// The file of the authorities that the server's certificate is checked against; the system's authorities where
    /// absent.
    pub ca: Option<PathBuf>,
    /// The certificate of this client.
    pub client: Option<ClientCertificate>,
}

/// A certificate that a client shows, with the certificate's key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The file of the certificate.
    pub cert: PathBuf,
    /// The file of the certificate's key.
    pub key: PathBuf,
}

/// The context in which the section is read.
pub(super) struct NatsReader<'a> {
    pub(super) section: &'a Section<'a>,
    pub(super) base: &'a Path,
    pub(super) files: &'a dyn Files,
}

impl NatsReader<'_> {
    /// Reads the section; also returns the place of the first secret.
    pub(super) fn read(&self, notes: &mut Notes) -> (Nats, Option<(String, Range<usize>)>) {
        let (urls, url_secret) = self.urls(notes);
        let namespace = self.namespace(notes).unwrap_or_default();
        let inbox_prefix = self.inbox_prefix(notes);
        let (login, login_secret) = self.login(notes);
        let tls = self.tls(notes);
        let keeping = Keeping::read(self.section, notes);
        (Nats { urls, namespace, inbox_prefix, login, tls, keeping }, url_secret.or(login_secret))
    }

    fn urls(&self, notes: &mut Notes) -> (Vec<ServerUrl>, Option<(String, Range<usize>)>) {
        let Some(entry) = self.section.get("url") else { return (Vec::new(), None) };
        let (mut urls, mut secret) = (Vec::new(), None);
        if entry.items().is_some_and(|items| items.is_empty()) {
            entry.wrong(EXPECTED_URL, notes);
        }
        for (entry, text) in entry.texts(EXPECTED_URL, notes) {
            match ServerUrl::parse(text) {
                Ok(url) => {
                    secret = secret.or(url.has_login().then_some((entry.path, entry.span)));
                    urls.push(url);
                }
                Err(error) => notes.at(&entry.span, Problem::new(format!("{}: {error}", quoted(&entry.path)))),
            }
        }
        (urls, secret)
    }

    fn namespace(&self, notes: &mut Notes) -> Option<Namespace> {
        let (entry, text) = self.section.text("namespace", Namespace::EXPECTED, notes)?;
        let refused = |_message| entry.wrong(Namespace::EXPECTED, notes);
        text.parse().map_err(refused).ok()
    }

    fn inbox_prefix(&self, notes: &mut Notes) -> Option<InboxPrefix> {
        let (entry, text) = self.section.text("inbox_prefix", InboxPrefix::EXPECTED, notes)?;
        let refused = |_message| entry.wrong(InboxPrefix::EXPECTED, notes);
        InboxPrefix::parse(text).map_err(refused).ok()
    }

    fn login(&self, notes: &mut Notes) -> (Login, Option<(String, Range<usize>)>) {
        let credentials = self.file("credentials", notes).map(|(entry, path)| (entry, Login::Credentials(path)));
        let token =
            self.section.text("token", "a token", notes).map(|(entry, text)| (entry, Login::Token(Secret::new(text))));
        let password = self.password(notes);
        let nkey = self.nkey(notes);
        let mut ways = [credentials, token, password, nkey].into_iter().flatten();
        let Some((first, login)) = ways.next() else { return (Login::None, None) };
        let mut secret = login.secret().map(|_| (first.path.clone(), first.span.clone()));
        for (other, way) in ways {
            let message = format!("{} and {} are two ways to log in", quoted(&first.path), quoted(&other.path));
            notes.at(&other.span, Problem::new(message).help("keep one of them"));
            secret = secret.or(way.secret().map(|_| (other.path.clone(), other.span.clone())));
        }
        (login, secret)
    }

    /// Reads a name with its password; the entry is that of the password, which is the secret of the two.
    fn password(&self, notes: &mut Notes) -> Option<(SectionEntry<'_>, Login)> {
        let (has_user, has_password) = (self.section.get("user").is_some(), self.section.get("password").is_some());
        let user = self.section.text("user", "a user name", notes);
        let password = self.section.text("password", "a password", notes);
        match (user, password) {
            (Some((_, user)), Some((entry, password))) => {
                Some((entry, Login::Password { user: user.to_owned(), password: Secret::new(password) }))
            }
            (Some((entry, _)), None) if !has_password => {
                notes.missing(Some(&entry.span), Problem::new("`nats.user` needs `nats.password` beside it"));
                None
            }
            (None, Some((entry, password))) => {
                if !has_user {
                    notes.missing(Some(&entry.span), Problem::new("`nats.password` needs `nats.user` beside it"));
                }
                Some((entry, Login::Password { user: String::new(), password: Secret::new(password) }))
            }
            _ => None,
        }
    }

    fn nkey(&self, notes: &mut Notes) -> Option<(SectionEntry<'_>, Login)> {
        let (entry, text) = self.section.text("nkey", "a seed, or the path of a file with one", notes)?;
        // Every seed is `S`, a letter for the kind of its owner, and base32: 58 characters without a dot or slash.
        let is_seed = text.len() == 58 && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
        match is_seed {
            true if text.starts_with("SU") => Some((entry, Login::Nkey(Secret::new(text)))),
            true => {
                let message = "`nats.nkey` is not the seed of a user, which begins with `SU`";
                notes.at(&entry.span, Problem::new(message));
                Some((entry, Login::Nkey(Secret::new(text))))
            }
            false => self.file("nkey", notes).map(|(entry, path)| (entry, Login::NkeyFile(path))),
        }
    }

    fn tls(&self, notes: &mut Notes) -> Tls {
        let ca = self.file("tls_ca", notes).map(|(_, path)| path);
        let (cert, key) = (self.file("tls_cert", notes), self.file("tls_key", notes));
        for (one, other) in [("tls_cert", "tls_key"), ("tls_key", "tls_cert")] {
            if let (Some(entry), None) = (self.section.get(one), self.section.get(other)) {
                let message = format!("`nats.{one}` needs `nats.{other}` beside it");
                notes.missing(Some(&entry.span), Problem::new(message));
            }
        }
        let client = cert.zip(key).map(|((_, cert), (_, key))| ClientCertificate { cert, key });
        Tls { required: self.section.flag("tls_required", notes).unwrap_or(false), ca, client }
    }

    /// Reads the path of the file that `key` names. The file must exist: a missing file is better found now than at a
    /// reconnect.
    fn file(&self, key: &str, notes: &mut Notes) -> Option<(SectionEntry<'_>, PathBuf)> {
        let (entry, text) = self.section.text(key, "the path of a file", notes)?;
        let path = self.base.join(text);
        let fault = match self.files.read(&path, 1) {
            Err(fault) => fault.to_string(),
            Ok(contents) if contents.bytes.is_empty() => "is empty".to_owned(),
            Ok(contents) if SECRET_FILES.contains(&key) && contents.others_may_read() => {
                let problem =
                    Problem::new(secret::exposed(&format!("{}: {}", quoted(&entry.path), quoted(text)), contents.mode));
                notes.at(&entry.span, problem.help(secret::hide(&path.to_string_lossy())));
                return None;
            }
            Ok(_) => return Some((entry, path)),
        };
        // A text that was meant as a seed must not be repeated as a path.
        let named = if key == "nkey" { String::new() } else { format!(" {}", quoted(text)) };
        notes.at(&entry.span, Problem::new(format!("{}:{named} {fault}", quoted(&entry.path))));
        None
    }
}

pub(super) const EXPECTED_URL: &str = "an address such as `nats://127.0.0.1:4222`, or a list of them";

impl Login {
    /// The secret that is written in the config itself.
    const fn secret(&self) -> Option<&Secret> {
        match self {
            Self::Token(secret) | Self::Nkey(secret) | Self::Password { password: secret, .. } => Some(secret),
            Self::None | Self::Credentials(_) | Self::NkeyFile(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{ConfigNeeds, Loading, MemoryFiles, load};

    /// The login of a config with `lines` in `[nats]`, or the problems without the file's name.
    fn login(lines: &str, mode: u32) -> Result<Login, String> {
        let text = format!("[nats]\nurl = \"bus\"\n{lines}\n");
        let files = MemoryFiles::default()
            .with_mode("w", text, mode)
            .with_mode("f", "x", 0o600)
            .with("shared", "x")
            .with("empty", "");
        let loading = Loading { files: &files, host_zone: "UTC", needs: ConfigNeeds::Nats };
        load(Path::new("w"), loading).map(|config| config.nats.login).map_err(|errors| errors.to_string())
    }

    fn seed(kind: &str) -> String {
        format!("{kind}{}", "A7".repeat(28))
    }

    #[test]
    fn there_is_one_way_to_log_in() {
        let secret = |text: &str| Secret::new(text);
        for (lines, expected) in [
            ("", Login::None),
            ("token = \"t\"", Login::Token(secret("t"))),
            ("user = \"u\"\npassword = \"p\"", Login::Password { user: "u".to_owned(), password: secret("p") }),
            ("credentials = \"f\"", Login::Credentials("f".into())),
            ("nkey = \"f\"", Login::NkeyFile("f".into())),
            (&format!("nkey = \"{}\"", seed("SU")), Login::Nkey(secret(&seed("SU")))),
        ] {
            assert_eq!(login(lines, 0o600), Ok(expected), "{lines}");
        }
    }

    #[test]
    fn what_does_not_fit_together_is_refused() {
        for (lines, expected) in [
            ("token = \"t\"\ncredentials = \"f\"", "`nats.credentials` and `nats.token` are two ways to log in"),
            ("user = \"u\"", "`nats.user` needs `nats.password`"),
            ("password = \"p\"", "`nats.password` needs `nats.user`"),
            ("tls_cert = \"f\"", "`nats.tls_cert` needs `nats.tls_key`"),
            ("tls_key = \"f\"", "`nats.tls_key` needs `nats.tls_cert`"),
            ("tls_ca = \"gone\"", "`nats.tls_ca`: `gone` no such file"),
            ("credentials = \"empty\"", "`nats.credentials`: `empty` is empty"),
            ("namespace = \"a.b\"", "`nats.namespace` is the string `a.b`, expected 1 to 64 letters"),
            ("storage = \"disk\"", "`nats.storage` is the string `disk`, expected `file` or `memory`"),
            ("replicas = 6", "`nats.replicas` is the number 6, expected a whole number from 1 to 5"),
            ("inbox_prefix = \"a.>\"", "`nats.inbox_prefix` is the string `a.>`, expected tokens of letters"),
            ("tls_required = 1", "`nats.tls_required` is the number 1, expected `true` or `false`"),
            (&format!("nkey = \"{}\"", seed("SA")), "not the seed of a user"),
        ] {
            let problems = login(lines, 0o600).unwrap_err();
            assert!(problems.contains(expected), "{lines}: {problems}");
            assert_eq!(problems.lines().count(), 1, "{lines}: {problems}");
        }
    }

    #[test]
    fn a_secret_that_others_can_read_is_refused_with_the_remedy() {
        let nkey = format!("nkey = \"{}\"", seed("SU"));
        for lines in ["token = \"t\"", "user = \"u\"\npassword = \"p\"", &nkey] {
            for mode in [0o644, 0o640, 0o604] {
                let problems = login(lines, mode).unwrap_err();
                assert!(problems.ends_with("(chmod 600 w)"), "{problems}");
            }
            assert!(login(lines, 0o600).is_ok() && login(lines, 0o700).is_ok());
        }
        for lines in ["credentials = \"f\"", "nkey = \"f\"", "user = \"u\""] {
            assert!(!login(lines, 0o644).is_err_and(|problems| problems.contains("chmod")), "{lines}");
        }
        for key in ["credentials", "nkey", "tls_cert = \"f\"\ntls_key"] {
            let problems = login(&format!("{key} = \"shared\""), 0o644).unwrap_err();
            assert!(
                problems.contains("`shared` is a secret, and others than its owner may read this file"),
                "{problems}"
            );
            assert!(problems.ends_with("(chmod 600 shared)"), "{problems}");
        }
        for lines in ["tls_ca = \"shared\"", "tls_cert = \"shared\"\ntls_key = \"f\""] {
            assert!(login(lines, 0o644).is_ok(), "{lines}: certificates are no secrets");
        }
        let files = MemoryFiles::default().with("it's/w", "[nats]\nurl = [\"a\", \"nats://u:p@bus\"]\n");
        let loading = Loading { files: &files, host_zone: "UTC", needs: ConfigNeeds::Nats };
        let problem = load(Path::new("it's/w"), loading).unwrap_err().to_string();
        assert!(problem.starts_with("it's/w:2:13: `nats.url[1]` is a secret"), "{problem}");
        assert!(problem.ends_with("(chmod 600 'it'\\''s/w')"), "{problem}");
    }

    #[test]
    fn no_message_repeats_a_secret() {
        for lines in [
            "token = 8315",
            "password = [8315]",
            "nkey = \"8315\"",
            "url.x = \"nats://u:8315@\"",
            "token = \"8315",
            "pasword = \"8315\"",
        ] {
            let files = MemoryFiles::default().with("w", format!("[nats]\nurl = \"http://u:8315@bus\"\n{lines}\n"));
            let loading = Loading { files: &files, host_zone: "UTC", needs: ConfigNeeds::Nats };
            let errors = load(Path::new("w"), loading).unwrap_err();
            assert!(!format!("{errors} {errors:?}").contains("8315"), "{lines}: {errors:?}");
        }
    }
}
