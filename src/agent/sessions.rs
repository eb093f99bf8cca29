//! Sessions from a command that prints the JSON list of the sessions on this machine, or from the operating system's
//! record of logins.
//!
//! A failed attempt leaves the last good list in force for a while; after that the sessions are unknown, which
//! placements treat as worse than many.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::process::Command;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tracing::{info, warn};

use super::command::{self, CommandError};
use super::logins::{self, LoginRecord, LoginsError};
use super::reservations;
use crate::model::json::{self, JsonError, JsonLimits};
use crate::model::report::MAX_SESSIONS;

/// The longest output, in bytes.
pub const MAX_OUTPUT: usize = 1024 * 1024;
/// The time that the last good list stays in force.
pub const KEEP: Duration = Duration::from_secs(5 * 60);
/// Three levels less than a node document may have, because the list becomes part of the document.
const LIMITS: JsonLimits = JsonLimits { max_bytes: MAX_OUTPUT, max_depth: json::MAX_DEPTH - 3 };
/// The time after which the log repeats a failure that lasts.
const REPEAT: Duration = Duration::from_secs(60);

/// The source of the sessions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionsSource {
    /// The lister of the sessions.
    pub lister: Lister,
    /// The time between two attempts.
    pub every: Duration,
    /// The longest time that an attempt may take.
    pub limit: Duration,
}

/// A lister of sessions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lister {
    /// A line for the shell.
    Command(String),
    /// The operating system's record of logins.
    Logins(LoginRecord),
}

impl Lister {
    /// Returns the kind of the lister, without the text of a command, which is not meant for the whole cluster.
    #[must_use]
    pub fn kind(&self) -> String {
        match self {
            Self::Command(_) => "the sessions command".to_owned(),
            Self::Logins(record) => record.to_string(),
        }
    }
}

impl std::fmt::Display for Lister {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Command(line) => write!(f, "the sessions command `{line}`"),
            Self::Logins(record) => write!(f, "{record}"),
        }
    }
}

/// The sessions in force.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SessionsInForce {
    /// The list; `None` where no list is young enough.
    pub list: Option<Arc<Vec<Value>>>,
    /// The reason why the last attempt brought no list.
    pub fault: Option<String>,
}

/// The reason why a source brought no list of sessions.
#[derive(Debug, thiserror::Error)]
pub enum SessionsError {
    /// The command failed.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// The record of logins cannot be read.
    #[error(transparent)]
    Logins(#[from] LoginsError),
    /// The command printed no acceptable JSON.
    #[error("printed no list of sessions: {0}")]
    Json(#[from] JsonError),
    /// The command printed JSON that is no list.
    #[error("printed {0}, expected a list of sessions")]
    NotAList(&'static str),
    /// The list has more sessions than fit.
    #[error("listed {0} sessions, at most {MAX_SESSIONS} are reported")]
    TooMany(usize),
    /// An element of the list is no session.
    #[error("session {place} is {found}, expected an object or an id")]
    NotASession {
        /// The number of the element, from 1.
        place: usize,
        /// The kind of the element.
        found: &'static str,
    },
}

/// Reads `source` again and again, and at once after each start of a session, of which `started` tells. Never ends by
/// itself.
pub async fn follow(source: SessionsSource, current: watch::Sender<SessionsInForce>, started: Arc<Notify>) {
    let mut good_at: Option<Instant> = None;
    let mut logged: Option<(String, Instant)> = None;
    loop {
        let outcome = list(&source).await;
        match &outcome {
            Ok(_) => {
                good_at = Some(Instant::now());
                if logged.take().is_some() {
                    info!("{} works again", source.lister.kind());
                }
            }
            Err(error) => {
                let fault = error.to_string();
                if logged.as_ref().is_none_or(|(known, at)| *known != fault || at.elapsed() > REPEAT) {
                    warn!("{} {fault}", source.lister);
                    logged = Some((fault, Instant::now()));
                }
            }
        }
        let keep = good_at.is_some_and(|at| at.elapsed() < KEEP);
        current.send_if_modified(|known| {
            let now = known.after(outcome, keep);
            let changed = *known != now;
            *known = now;
            changed
        });
        tokio::select! {
            () = tokio::time::sleep(source.every) => {}
            () = started.notified() => {}
        }
    }
}

impl SessionsInForce {
    /// Returns the state after another attempt; `keep` says whether the last good list is young enough.
    fn after(&self, outcome: Result<Vec<Value>, SessionsError>, keep: bool) -> Self {
        match outcome {
            Ok(list) => Self { list: Some(Arc::new(list)), fault: None },
            Err(error) => Self { list: self.list.clone().filter(|_| keep), fault: Some(error.to_string()) },
        }
    }
}

/// Reads `source` once.
///
/// # Errors
/// [`SessionsError`] where the source brought no list.
pub async fn list(source: &SessionsSource) -> Result<Vec<Value>, SessionsError> {
    let mut list = match &source.lister {
        Lister::Command(line) => printed(line, source.limit).await?,
        Lister::Logins(record) => {
            logins::list(record, source.limit).await.map_err(SessionsError::from).and_then(checked)?
        }
    };
    reservations::fill(&mut list);
    Ok(list)
}

/// Returns the list of sessions that a command printed.
///
/// # Errors
/// [`SessionsError`] where `output` is no list that a node may report.
pub fn read(output: &[u8]) -> Result<Vec<Value>, SessionsError> {
    match json::parse(output, LIMITS)? {
        Value::Array(list) => checked(list),
        other => Err(SessionsError::NotAList(json::kind(&other))),
    }
}

/// Returns `list` where the list is not too long, and all elements are sessions.
fn checked(list: Vec<Value>) -> Result<Vec<Value>, SessionsError> {
    if list.len() > MAX_SESSIONS {
        return Err(SessionsError::TooMany(list.len()));
    }
    let wrong = list.iter().position(|session| !session.is_object() && !session.is_string());
    if let Some((place, session)) = wrong.and_then(|place| Some((place, list.get(place)?))) {
        return Err(SessionsError::NotASession { place: place + 1, found: json::kind(session) });
    }
    Ok(list)
}

/// Returns the list that the shell's `line` prints.
async fn printed(line: &str, limit: Duration) -> Result<Vec<Value>, SessionsError> {
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", line]);
    read(&command::run(shell, limit, MAX_OUTPUT).await?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn command(line: &str) -> SessionsSource {
        let lister = Lister::Command(line.to_owned());
        SessionsSource { lister, every: Duration::from_secs(1), limit: Duration::from_secs(30) }
    }

    async fn fault(line: &str) -> String {
        list(&command(line)).await.unwrap_err().to_string()
    }

    #[tokio::test]
    async fn a_list_is_taken_as_it_is() {
        let sessions = list(&command(r#"echo '["s1", {"id": "s2", "user": "ann", "x": {"y": 1}}]'"#)).await.unwrap();
        assert_eq!(sessions, [json!("s1"), json!({"id": "s2", "user": "ann", "x": {"y": 1}})]);
        assert_eq!(list(&command("echo '[]'; echo noise >&2")).await.unwrap(), Vec::<Value>::new());
    }

    #[tokio::test]
    async fn every_failure_is_named() {
        assert_eq!(fault("echo '{}'").await, "printed an object, expected a list of sessions");
        assert_eq!(fault("echo '[\"a\", 7]'").await, "session 2 is a number, expected an object or an id");
        assert!(fault("echo '[NaN]'").await.starts_with("printed no list of sessions: not valid JSON"));
        assert!(fault("true").await.contains("not valid JSON"));
        assert!(fault(r"printf '[\377]'").await.contains("not valid JSON"));
        assert_eq!(fault("echo one >&2; echo two >&2; exit 3").await, "ended with exit status: 3: two");
        assert!(fault("kill -9 $$").await.contains("signal: 9"));
        assert!(fault("/nonexistent/command").await.contains("exit status: 127"));
        assert_eq!(fault("cat /dev/zero").await, "printed more than 1024 KiB");
        assert!(fault("printf '[%0100d' | tr 0 '['").await.contains("nested deeper"));
        assert!(
            fault("yes '1,' | head -n 10001 | tr -d '\\n' | sed 's/^/[/; s/,$/]/'").await.contains("10001 sessions")
        );
    }

    #[tokio::test]
    async fn a_slow_command_dies_with_its_children() {
        let folder = tempfile::tempdir().unwrap();
        let pids = folder.path().join("pids");
        let line = format!("sleep 1000 & echo $! > {0}; echo $$ >> {0}; wait", pids.display());
        let slow = SessionsSource { limit: Duration::from_secs(5), ..command(&line) };
        assert_eq!(list(&slow).await.unwrap_err().to_string(), "took longer than 5 s");
        for pid in std::fs::read_to_string(pids).unwrap().lines() {
            while is_running(pid) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }

    #[tokio::test]
    async fn a_background_child_does_not_hold_the_answer_back() {
        let folder = tempfile::tempdir().unwrap();
        let pid = folder.path().join("pid");
        let line = format!("sleep 1000 & echo $! > {}; echo '[\"s\"]'", pid.display());
        let start = Instant::now();
        assert_eq!(list(&command(&line)).await.unwrap(), [json!("s")]);
        assert!(start.elapsed() < Duration::from_secs(29));
        let pid = std::fs::read_to_string(pid).unwrap();
        while is_running(pid.trim()) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    #[tokio::test]
    async fn a_process_that_left_the_group_dies_with_the_command() {
        let folder = tempfile::tempdir().unwrap();
        let pid = folder.path().join("pid");
        let stray = format!("setsid sh -c 'echo $$ > {0}; exec sleep 1000' > /dev/null 2>&1 & ", pid.display());
        let waited = format!("while ! [ -s {} ]; do sleep 0.01; done; ", pid.display());
        let dies = async || {
            let pid = std::fs::read_to_string(&pid).unwrap();
            while is_running(pid.trim()) {
                tokio::time::sleep(Duration::from_millis(10)).await;
                // After a run that ended well the search may be left to a later run.
                assert!(list(&command("echo '[]'")).await.is_ok());
            }
            std::fs::remove_file(folder.path().join("pid")).unwrap();
        };
        let slow = SessionsSource { limit: Duration::from_secs(5), ..command(&format!("{stray}{waited}sleep 1000")) };
        assert_eq!(list(&slow).await.unwrap_err().to_string(), "took longer than 5 s");
        dies().await;
        assert!(list(&command(&format!("{stray}{waited}exit 1"))).await.is_err());
        dies().await;
        assert_eq!(list(&command(&format!("{stray}{waited}echo '[]'"))).await.unwrap(), Vec::<Value>::new());
        dies().await;
    }

    #[test]
    fn the_last_good_list_stays_for_a_while() {
        let good = SessionsInForce::default().after(Ok(vec![json!("s")]), true);
        let failing = good.after(Err(CommandError::Output(1).into()), true);
        assert_eq!((failing.list.clone(), failing.fault.is_some()), (good.list.clone(), true));
        assert_eq!(failing.after(Err(CommandError::Output(1).into()), false).list, None);
        assert_eq!(failing.after(Ok(vec![json!("s")]), true), good);
    }

    /// Whether `pid` is a process that still does something; one that nobody reaps is dead all the same.
    fn is_running(pid: &str) -> bool {
        std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
    }
}
