//! The runner: a command that runs another command as a user, such as `runuser` or `sudo`.
//!
//! The login comes from a request, and stands between the runner's own options: a login that begins with `-` would be
//! an option, and `#0` or `0` is root to some runners. So a login has to look like the name of a user, whatever the
//! runner is.

use crate::plain::plain;

use super::command_line::{CommandLine, CommandLineError};

/// The place of the login in the words of a runner.
const USER: &str = "{user}";
/// The longest login of a user, in bytes.
const MAX_LOGIN_BYTES: usize = 256;

/// A command that runs another command as a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Runner(CommandLine);

/// The reason why a runner cannot be used, or not for a login.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RunnerError {
    /// The runner is no command line.
    #[error(transparent)]
    Line(#[from] CommandLineError),
    /// The runner runs everything as the same user.
    #[error("the runner has no `{USER}` in it, as `runuser -u {USER} --` has")]
    NoUser,
    /// A login that cannot be that of a user.
    #[error("the login `{}` cannot be that of a user here: {why}", plain(login))]
    Login {
        /// The login.
        login: String,
        /// The reason.
        why: &'static str,
    },
}

impl Runner {
    /// Reads a runner from words, of which at least one has `{user}` in it.
    ///
    /// # Errors
    /// [`RunnerError`] where `text` is no such list of words.
    pub fn parse(text: &str) -> Result<Self, RunnerError> {
        let line = CommandLine::parse(text)?;
        if !line.arguments.iter().any(|argument| argument.contains(USER)) {
            return Err(RunnerError::NoUser);
        }
        Ok(Self(line))
    }

    /// The words of the runner for the user `login`, who must look like a user.
    ///
    /// # Errors
    /// [`RunnerError::Login`] where `login` might be something else than the name of an ordinary user.
    pub(super) fn words(&self, login: &str) -> Result<Vec<String>, RunnerError> {
        judge(login).map_err(|why| RunnerError::Login { login: login.to_owned(), why })?;
        Ok(self.0.words().map(|word| word.replace(USER, login)).collect())
    }
}

impl std::fmt::Display for Runner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// Judges whether `login` can be the name of an ordinary user.
///
/// # Errors
/// The reason, as the end of a sentence.
fn judge(login: &str) -> Result<(), &'static str> {
    let is_allowed =
        |character: char| character.is_alphanumeric() || matches!(character, '.' | '_' | '-' | '@' | '\\' | '$' | '+');
    if login.is_empty() {
        Err("it is empty")
    } else if login.len() > MAX_LOGIN_BYTES {
        Err("it is longer than 256 bytes")
    } else if !login.chars().all(is_allowed) {
        Err("it has other characters than letters, digits and . _ - @ \\ $ +")
    } else if !login.starts_with(|first: char| first.is_alphanumeric() || first == '_') {
        Err("it begins with a sign that may begin an option")
    } else if login.chars().all(char::is_numeric) {
        Err("it is a number, which would be read as the number of a user")
    } else if login == "root" {
        Err("sessions are not started as root")
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runner_names_the_user() {
        let runner = Runner::parse("sudo -n -u {user} --").unwrap();
        assert_eq!(runner.words("ann").unwrap(), ["sudo", "-n", "-u", "ann", "--"]);
        let inside = Runner::parse(r#"["setpriv", "--reuid={user}"]"#).unwrap();
        assert_eq!(inside.words("ann").unwrap(), ["setpriv", "--reuid=ann"]);
        assert_eq!(Runner::parse("sudo -u ann"), Err(RunnerError::NoUser));
        assert_eq!(Runner::parse("{user}"), Err(RunnerError::NoUser), "a login is no program");
    }

    #[test]
    fn a_login_is_never_an_option_a_number_or_root() {
        let runner = Runner::parse("runuser -u {user} --").unwrap();
        for login in ["ann", "ann.lee", "ann@site.example", "SITE\\ann", "_svc", "host$", "0x", "ünal"] {
            assert!(runner.words(login).is_ok(), "{login}");
        }
        let long = "a".repeat(257);
        let refused = [
            "", "-u", "--", "-", "#0", "0", "1000", "٣", "root", "ann bob", "ann\n", "$(id)", "ann;id", "../x", "a/b",
            "+1", "@a", ".a", "{user}", "a\0b", &long,
        ];
        for login in refused {
            assert!(runner.words(login).is_err(), "{login:?}");
        }
    }
}
