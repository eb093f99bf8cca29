//! The section `[tokens]`: by which keys and rules the tokens of requests are verified.

use std::path::Path;

use crate::token::{ALGORITHMS, Algorithm, KeyError, TokenKeys, TokenPolicy, TokenVerifier, Unverified, algorithm};

use super::figure;
use super::files::{Contents, Files};
use super::key;
use super::problem::{Notes, Problem, nearest, quoted};
use super::secret;
use super::section::{Section, SectionEntry};

/// The largest file of keys in bytes.
const MAX_KEYS_BYTES: usize = 256 * 1024;
/// The most names in a list of the section.
const MAX_NAMES: usize = 100;
/// What somebody may write to allow tokens without a signature.
const NONE: &str = "none";

const EXPECTED_KEYS: &str = "the path of a file with public keys, as PEM or as a JWK set";
const EXPECTED_ALGORITHMS: &str = "an algorithm, or a list of them such as `[\"RS256\"]`";
const EXPECTED_NAMES: &str = "a name, or a list of names";

/// Reads the section `[tokens]`.
pub(super) struct TokensReader<'a> {
    pub(super) base: &'a Path,
    pub(super) files: &'a dyn Files,
}

impl TokensReader<'_> {
    /// Returns the verifier that the section at the root of the config describes; `None` where there is no section, or a
    /// faulty one.
    pub(super) fn read(&self, root: &Section<'_>, notes: &mut Notes) -> Option<TokenVerifier> {
        let section = root.get("tokens")?.section(&key::of("tokens"), "a table", notes)?;
        let algorithms = algorithms(&section, notes);
        let keys = self.keys(&section, &algorithms, notes);
        let policy = policy(&section, algorithms, notes);
        keys.map(|keys| TokenVerifier::new(policy, keys))
    }

    /// Reads all keys; each algorithm needs one.
    fn keys(&self, section: &Section<'_>, algorithms: &[Algorithm], notes: &mut Notes) -> Option<TokenKeys> {
        if section.get("keys").is_none() && section.get("secret_file").is_none() {
            let problem = Problem::new("`tokens` has no keys: a signature cannot be verified");
            notes.missing(Some(&section.span), problem.help("expected `keys`, or `secret_file` for HS256"));
            return None;
        }
        let entries = section.get("keys").map(|entry| names_of(&entry, EXPECTED_KEYS, notes)).unwrap_or_default();
        let mut keys = Vec::new();
        for (entry, path) in &entries {
            keys.push(self.public_keys(entry, path, notes)?);
        }
        if let Some((entry, path)) = section.text("secret_file", "the path of a file with a secret", notes) {
            keys.push(self.secret(&entry, path, algorithms, notes)?);
        }
        let all = keys.into_iter().try_fold(TokenKeys::default(), TokenKeys::and);
        let all = all.map_err(|error| notes.at(&section.span, Problem::new(format!("`tokens` {error}")))).ok()?;
        self.look_at_algorithms(section, algorithms, &all, notes);
        Some(all)
    }

    fn look_at_algorithms(&self, section: &Section<'_>, algorithms: &[Algorithm], keys: &TokenKeys, notes: &mut Notes) {
        let Some(entry) = section.get("algorithms") else { return };
        for (name, algorithm) in ALGORITHMS.iter().filter(|(_, one)| algorithms.contains(one)) {
            if !keys.verify(*algorithm) {
                let problem = Problem::new(format!("no key of `tokens` can verify {}", quoted(name)));
                let problem = match name.starts_with("HS") {
                    true => problem.help("it needs `secret_file`: a public key is known to everybody, and no secret"),
                    false => problem.help("the keys are of another kind"),
                };
                notes.at(&entry.span, problem);
            }
        }
        let uses_secret = algorithms.iter().any(|algorithm| SECRET_ALGORITHMS.contains(algorithm));
        if let Some(entry) = section.get("secret_file").filter(|_| !uses_secret && !algorithms.is_empty()) {
            let problem =
                Problem::new("`tokens.secret_file` says nothing here: no algorithm in `tokens.algorithms` uses it");
            notes.at(&entry.span, problem.help("HS256, HS384 and HS512 do"));
        }
    }

    fn public_keys(&self, entry: &SectionEntry<'_>, path: &str, notes: &mut Notes) -> Option<TokenKeys> {
        let contents = self.file(entry, path, notes)?;
        let named = format!("{}: {}", quoted(&entry.path), quoted(path));
        let read = contents.text(MAX_KEYS_BYTES).map_err(Problem::new);
        let keys = read.and_then(|text| TokenKeys::public(text).map_err(|error| faulty(&error, path)));
        match keys {
            Ok(keys) if keys.has_secret() && contents.others_may_read() => {
                let problem = Problem::new(secret::exposed(&named, contents.mode));
                notes.at(&entry.span, problem.help(secret::hide(&self.base.join(path).to_string_lossy())));
                None
            }
            Ok(keys) => Some(keys),
            Err(Problem { message, help, .. }) => {
                let problem = Problem::new(format!("{named} {message}"));
                notes.at(&entry.span, help.into_iter().fold(problem, Problem::help));
                None
            }
        }
    }

    fn secret(
        &self,
        entry: &SectionEntry<'_>,
        path: &str,
        algorithms: &[Algorithm],
        notes: &mut Notes,
    ) -> Option<TokenKeys> {
        let contents = self.file(entry, path, notes)?;
        let named = format!("{}: {}", quoted(&entry.path), quoted(path));
        if contents.others_may_read() {
            let problem = Problem::new(secret::exposed(&named, contents.mode));
            notes.at(&entry.span, problem.help(secret::hide(&self.base.join(path).to_string_lossy())));
            return None;
        }
        let refused = |error: KeyError| notes.at(&entry.span, Problem::new(format!("{named} {error}")));
        TokenKeys::secret(&contents.bytes, algorithms).map_err(refused).ok()
    }

    /// Reads the file at `path`, which nobody but its owner may write: whoever can add a key can sign tokens.
    fn file(&self, entry: &SectionEntry<'_>, path: &str, notes: &mut Notes) -> Option<Contents> {
        let file = self.base.join(path);
        let named = format!("{}: {}", quoted(&entry.path), quoted(path));
        let problem = match self.files.read(&file, MAX_KEYS_BYTES) {
            Err(fault) => Problem::new(format!("{named} {fault}")),
            Ok(contents) if contents.bytes.is_empty() => Problem::new(format!("{named} is empty")),
            Ok(contents) if contents.bytes.len() > MAX_KEYS_BYTES => {
                Problem::new(format!("{named} has more than {MAX_KEYS_BYTES} bytes"))
            }
            Ok(contents) if secret::others_may_write(contents.mode) => {
                Problem::new(secret::writable(&named, contents.mode)).help(secret::protect(&file.to_string_lossy()))
            }
            Ok(contents) => return Some(contents),
        };
        notes.at(&entry.span, problem);
        None
    }
}

/// The algorithms of shared secrets.
const SECRET_ALGORITHMS: [Algorithm; 3] = [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512];

/// Returns the problem of a file with public keys, with the way out where there is one.
fn faulty(error: &KeyError, path: &str) -> Problem {
    let problem = Problem::new(error.to_string());
    let file = super::problem::shell_word(path);
    match error {
        KeyError::Certificate => problem.help(format!("openssl x509 -in {file} -pubkey -noout")),
        KeyError::Private => problem.help(format!("openssl pkey -in {file} -pubout")),
        KeyError::NoKey => problem.help("a shared secret belongs into `tokens.secret_file`"),
        _ => problem,
    }
}

fn algorithms(section: &Section<'_>, notes: &mut Notes) -> Vec<Algorithm> {
    let Some(entry) = section.get("algorithms") else {
        let problem = Problem::new("`tokens` has no `algorithms`: the token's own word about it is not taken");
        notes.missing(Some(&section.span), problem.help(format!("expected {EXPECTED_ALGORITHMS}")));
        return Vec::new();
    };
    let mut algorithms = Vec::new();
    for (entry, name) in names_of(&entry, EXPECTED_ALGORITHMS, notes) {
        match algorithm(name) {
            Some(algorithm) => algorithms.push(algorithm),
            None if name.eq_ignore_ascii_case(NONE) => {
                let message = format!(
                    "{} is {}: everybody can write a token without a signature",
                    quoted(&entry.path),
                    quoted(name)
                );
                notes.at(&entry.span, Problem::new(message).help("name the algorithm of the issuer's keys"));
            }
            None => {
                let message = format!("{} is {}, which is no algorithm of tokens", quoted(&entry.path), quoted(name));
                let help = match nearest(name, ALGORITHMS.iter().map(|(known, _)| *known)) {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None => {
                        let known: Vec<_> = ALGORITHMS.iter().map(|(known, _)| *known).collect();
                        format!("there are: {}", known.join(", "))
                    }
                };
                notes.at(&entry.span, Problem::new(message).help(help));
            }
        }
    }
    algorithms
}

fn policy(section: &Section<'_>, algorithms: Vec<Algorithm>, notes: &mut Notes) -> TokenPolicy {
    let mut list = |key: &str| -> Vec<String> {
        let entries = section.get(key).map(|entry| names_of(&entry, EXPECTED_NAMES, notes)).unwrap_or_default();
        entries.into_iter().map(|(_, name)| name.to_owned()).collect()
    };
    let (issuers, audiences, claims) = (list("issuer"), list("audience"), list("claims"));
    let (admin_values, login_domains) = (list("admin_values"), list("login_domains"));
    let mut claim = |key: &str| section.text(key, "the name of a claim", notes).map(|(_, name)| name.to_owned());
    let (groups_claim, admin_claim, login_claim) = (claim("groups_claim"), claim("admin_claim"), claim("login_claim"));
    if let (Some(entry), None) = (section.get("admin_values"), section.get("admin_claim")) {
        let problem = Problem::new("`tokens.admin_values` needs `tokens.admin_claim` beside it");
        notes.missing(Some(&entry.span), problem);
    }
    if let (Some(entry), None) = (section.get("login_domains"), section.get("login_claim")) {
        let problem = Problem::new("`tokens.login_domains` needs `tokens.login_claim` beside it");
        notes.missing(Some(&entry.span), problem);
    }
    TokenPolicy {
        algorithms,
        issuers,
        audiences,
        leeway_s: section.figure(&figure::LEEWAY_S, notes),
        max_bytes: (section.figure(&figure::MAX_KB, notes) as usize) << 10,
        remembered: section.figure(&figure::REMEMBERED, notes) as usize,
        claims,
        groups_claim,
        admin_claim,
        admin_values,
        login_claim,
        login_domains,
        unverified: section.choice("unverified", &Unverified::ALL, Unverified::as_str, notes),
    }
}

/// Returns the texts of `entry`, a text or a list of at most [`MAX_NAMES`].
fn names_of<'a>(entry: &SectionEntry<'a>, expected: &str, notes: &mut Notes) -> Vec<(SectionEntry<'a>, &'a str)> {
    let names = entry.texts(expected, notes);
    if names.len() > MAX_NAMES {
        let message = format!("{} has {} names, at most {MAX_NAMES} are accepted", quoted(&entry.path), names.len());
        notes.at(&entry.span, Problem::new(message));
        return Vec::new();
    }
    names
}

#[cfg(test)]
mod tests;
