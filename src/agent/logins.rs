//! Sessions from the operating system's record of logins: utmp, or systemd's logind.
//!
//! utmp is a file of fixed records, there without systemd; the layout is libc's own, taken from the type and not from
//! offsets of ours. logind is asked through `loginctl`, for the files of logind are private: since systemd 256 the
//! lists are JSON with `--json` alone, before 255 with `--output` alone. Rejected: a crate for utmp, which brings
//! outdated versions of crates that we have already, and `getutxent`, which is not safe among threads.

use std::collections::BTreeSet;
use std::io::Read;
use std::mem::offset_of;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{Pid, test_kill_process};
use serde_json::{Map, Value, json};
use tokio::process::Command;

use super::command::{self, CommandError};
use super::sessions::MAX_OUTPUT;
use crate::host::disk;
use crate::model::json::{self, JsonError, JsonLimits};

/// The path of utmp.
pub const UTMP: &str = "/run/utmp";
/// The folder that exists where systemd runs, by the rule of `sd_booted`.
const SYSTEMD: &str = "/run/systemd/system";
/// The most of a utmp file that is read: 10,000 logins and as many traces of former ones.
const MAX_UTMP: u64 = 8 * 1024 * 1024;
const RECORD: usize = size_of::<libc::utmpx>();

/// A record of logins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoginRecord {
    /// A utmp file.
    Utmp(PathBuf),
    /// systemd's logind.
    Logind,
}

/// The reason why a record of logins could not be read.
#[derive(Debug, thiserror::Error)]
pub enum LoginsError {
    /// The file cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(#[from] std::io::Error),
    /// This system keeps no utmp file: since 2025 that is the rule.
    #[error("is not there: this system keeps none; use --sessions-from logind or --sessions-command")]
    NoRecord,
    /// The path is a folder, a pipe or a device.
    #[error("is no file")]
    NoFile,
    /// `loginctl` failed.
    #[error("cannot be asked: `loginctl` {0}")]
    Loginctl(#[from] CommandError),
    /// `loginctl` printed no list.
    #[error("cannot be asked: `loginctl` printed no list: {0}")]
    Json(#[from] JsonError),
}

impl LoginRecord {
    /// The values of `--sessions-from`.
    pub const EXPECTED: &str = "`os`, `logind`, `utmp` or `utmp:FILE`";

    /// Parses the name of a record; `os` is logind where systemd runs or there is no utmp, and utmp elsewhere.
    ///
    /// # Errors
    /// A message with the accepted values, where `text` names no record.
    pub fn parse(text: &str) -> Result<Self, String> {
        let utmp = |path: &str| Self::Utmp(path.into());
        match (text, text.strip_prefix("utmp:")) {
            ("os", _) if Path::new(SYSTEMD).is_dir() || !Path::new(UTMP).exists() => Ok(Self::Logind),
            ("os" | "utmp", _) => Ok(utmp(UTMP)),
            ("logind", _) => Ok(Self::Logind),
            (_, Some(path)) if !path.is_empty() => Ok(utmp(path)),
            _ => Err(format!("expected {}", Self::EXPECTED)),
        }
    }
}

impl std::fmt::Display for LoginRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Utmp(path) => write!(f, "the record of logins `{}`", path.display()),
            Self::Logind => f.write_str("systemd's logind"),
        }
    }
}

/// Returns the logins that `record` has now.
///
/// # Errors
/// [`LoginsError`] where the record cannot be read.
pub(super) async fn list(record: &LoginRecord, limit: Duration) -> Result<Vec<Value>, LoginsError> {
    match record {
        LoginRecord::Utmp(path) => utmp(path),
        LoginRecord::Logind => logind(limit).await,
    }
}

/// Returns the sessions of logind without those that are closing: their user is logged out, and a process was left
/// behind.
async fn logind(limit: Duration) -> Result<Vec<Value>, LoginsError> {
    let list = match logind_list("--json=short", limit).await {
        // Before systemd 256 the other option is the right option; any other fault shows again.
        Err(LoginsError::Loginctl(CommandError::Failed { .. }) | LoginsError::Json(_)) => {
            logind_list("--output=json", limit).await?
        }
        list => list?,
    };
    let closing =
        if list.iter().any(|line| line.contains_key("state")) { BTreeSet::new() } else { closing(&list, limit).await };
    let is_closing = |line: &Line| json::text(line, "session").is_some_and(|id| closing.contains(id));
    Ok(list.iter().filter(|line| !is_closing(line)).filter_map(logind_session).collect())
}

/// A line of the list that `loginctl` prints.
type Line = Map<String, Value>;

async fn logind_list(as_json: &str, limit: Duration) -> Result<Vec<Line>, LoginsError> {
    let printed = command::run(loginctl(&["list-sessions", as_json, "--no-pager"]), limit, MAX_OUTPUT).await?;
    Ok(logind_lines(&printed)?)
}

/// Returns the ids of those sessions of `list` that are closing, which the list itself does not show since systemd 256.
/// Empty where `loginctl` cannot be asked.
async fn closing(list: &[Line], limit: Duration) -> BTreeSet<String> {
    let ids: Vec<&str> = list
        .iter()
        .filter(|line| logind_session(line).is_some())
        .filter_map(|line| json::text(line, "session"))
        .collect();
    if ids.is_empty() {
        return BTreeSet::new();
    }
    let arguments = ["show-session", "--property=Id", "--property=State", "--no-pager", "--"];
    let printed = command::run(loginctl(&[&arguments, &*ids].concat()), limit, MAX_OUTPUT).await;
    printed.map(|printed| logind_closing(&printed)).unwrap_or_default()
}

fn loginctl(arguments: &[&str]) -> Command {
    let mut loginctl = Command::new("loginctl");
    loginctl.args(arguments).env("LC_ALL", "C");
    loginctl
}

/// Returns the ids of closing sessions from the output of `loginctl show-session`, which has a paragraph for each
/// session.
#[must_use]
pub fn logind_closing(printed: &[u8]) -> BTreeSet<String> {
    let printed = String::from_utf8_lossy(printed);
    let paragraphs = printed.split("\n\n").filter(|paragraph| paragraph.lines().any(|line| line == "State=closing"));
    paragraphs
        .filter_map(|paragraph| paragraph.lines().find_map(|line| line.strip_prefix("Id=")))
        .map(str::to_owned)
        .collect()
}

/// Returns the sessions that `loginctl` printed as JSON.
///
/// # Errors
/// [`JsonError`] where the output is no list of objects.
pub fn logind_sessions(printed: &[u8]) -> Result<Vec<Value>, JsonError> {
    Ok(logind_lines(printed)?.iter().filter_map(logind_session).collect())
}

fn logind_lines(printed: &[u8]) -> Result<Vec<Line>, JsonError> {
    json::parse_as(printed, JsonLimits::bytes(MAX_OUTPUT))
}

/// Returns the session of a line of `loginctl`; `None` for sessions of a greeter or of the service manager. Older
/// releases print fewer fields.
fn logind_session(line: &Line) -> Option<Value> {
    let text = |name: &str| json::text(line, name);
    if text("state") == Some("closing") {
        return None;
    }
    if text("class").is_some_and(|class| !class.starts_with("user") || class == "user-incomplete") {
        return None;
    }
    let mut session = json!({"id": text("session")?, "user": text("user")?, "name": text("tty").unwrap_or_default()});
    let more = [("pid", "leader"), ("seat", "seat"), ("idle", "idle")];
    for (name, of) in more {
        if let Some(value) = line.get(of).filter(|value| !value.is_null()) {
            session.as_object_mut()?.insert(name.to_owned(), value.clone());
        }
    }
    Some(session)
}

fn utmp(path: &Path) -> Result<Vec<Value>, LoginsError> {
    // Opening a pipe would wait for a writer.
    match std::fs::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && path == Path::new(UTMP) => {
            return Err(LoginsError::NoRecord);
        }
        Err(error) => return Err(error.into()),
        Ok(found) if !found.is_file() => return Err(LoginsError::NoFile),
        Ok(_) => {}
    }
    let mut records = Vec::new();
    disk::open_regular(path)?.take(MAX_UTMP).read_to_end(&mut records)?;
    Ok(utmp_sessions(&records))
}

/// Returns the sessions in the bytes of a utmp file. A record that is being written is read next time.
#[must_use]
pub fn utmp_sessions(records: &[u8]) -> Vec<Value> {
    records.chunks_exact(RECORD).filter_map(utmp_session).collect()
}

/// Returns the session of a record, where the record is a user's and the user's process still runs: a crash leaves
/// records behind.
fn utmp_session(record: &[u8]) -> Option<Value> {
    let kind = i16::from_ne_bytes(bytes(record, offset_of!(libc::utmpx, ut_type))?);
    let pid = i32::from_ne_bytes(bytes(record, offset_of!(libc::utmpx, ut_pid))?);
    let user = text(record, offset_of!(libc::utmpx, ut_user), 32)?;
    if kind != libc::USER_PROCESS || user.is_empty() {
        return None;
    }
    if pid <= 0 || test_kill_process(Pid::from_raw(pid)?) == Err(rustix::io::Errno::SRCH) {
        return None;
    }
    let line = text(record, offset_of!(libc::utmpx, ut_line), 32)?;
    let host = text(record, offset_of!(libc::utmpx, ut_host), 256)?;
    Some(json!({"id": format!("{line}:{pid}"), "user": user, "name": line, "pid": pid, "host": host}))
}

fn bytes<const N: usize>(record: &[u8], offset: usize) -> Option<[u8; N]> {
    record.get(offset..offset + N)?.try_into().ok()
}

/// Returns the text of a field, which ends with a zero unless the field is full.
fn text(record: &[u8], offset: usize, length: usize) -> Option<String> {
    let field = record.get(offset..offset + length)?;
    let text = field.split(|byte| *byte == 0).next().unwrap_or_default();
    Some(String::from_utf8_lossy(text).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A record as login, sshd or a terminal writes it.
    fn record(kind: i16, pid: u32, user: &[u8], line: &str) -> Vec<u8> {
        let mut record = vec![0; RECORD];
        let mut put = |offset: usize, bytes: &[u8]| record[offset..offset + bytes.len()].copy_from_slice(bytes);
        put(offset_of!(libc::utmpx, ut_type), &kind.to_ne_bytes());
        put(offset_of!(libc::utmpx, ut_pid), &pid.to_ne_bytes());
        put(offset_of!(libc::utmpx, ut_user), user);
        put(offset_of!(libc::utmpx, ut_line), line.as_bytes());
        put(offset_of!(libc::utmpx, ut_host), b"10.0.0.7");
        record
    }

    async fn listed(content: &[u8]) -> Vec<Value> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), content).unwrap();
        list(&LoginRecord::Utmp(file.path().to_owned()), Duration::from_secs(30)).await.unwrap()
    }

    #[tokio::test]
    async fn users_that_are_still_there_are_sessions() {
        let own = std::process::id();
        let mut dead = std::process::Command::new("true").spawn().unwrap();
        dead.wait().unwrap();
        let full = [b'x'; 32];
        let records = [
            record(libc::BOOT_TIME, 0, b"reboot", "~"),
            record(libc::USER_PROCESS, own, b"ann", "pts/0"),
            record(libc::USER_PROCESS, dead.id(), b"gone", "pts/1"),
            record(libc::DEAD_PROCESS, own, b"", "pts/2"),
            record(libc::LOGIN_PROCESS, own, b"LOGIN", "tty1"),
            record(libc::USER_PROCESS, u32::MAX, b"odd", "pts/3"),
            record(libc::USER_PROCESS, own, &full, "pts/4"),
            record(libc::USER_PROCESS, own, b"\xff", "pts/5"),
            vec![7; RECORD - 1],
        ];
        let sessions = listed(&records.concat()).await;
        let users: Vec<_> = sessions.iter().map(|session| session["user"].as_str().unwrap()).collect();
        assert_eq!(users, ["ann", &"x".repeat(32), "\u{fffd}"]);
        let expected =
            json!({"id": format!("pts/0:{own}"), "user": "ann", "name": "pts/0", "pid": own, "host": "10.0.0.7"});
        assert_eq!(sessions[0], expected);
        assert_eq!(listed(b"").await, Vec::<Value>::new(), "nobody is logged in");
    }

    #[tokio::test]
    async fn what_is_no_record_is_named() {
        let fault = async |path: &str| {
            let record = LoginRecord::Utmp(path.into());
            list(&record, Duration::from_secs(30)).await.unwrap_err().to_string()
        };
        assert!(fault("/nonexistent").await.starts_with("cannot be read: No such file"));
        assert_eq!(fault("/dev/zero").await, "is no file");
        assert_eq!(fault("/").await, "is no file");
    }

    #[test]
    fn records_have_names() {
        assert_eq!(LoginRecord::parse("utmp"), Ok(LoginRecord::Utmp(UTMP.into())));
        assert_eq!(LoginRecord::parse("utmp:/host/utmp"), Ok(LoginRecord::Utmp("/host/utmp".into())));
        assert_eq!(LoginRecord::parse("logind"), Ok(LoginRecord::Logind));
        assert!(LoginRecord::parse("os").is_ok());
        for wrong in ["", "utmp:", "who", "/run/utmp"] {
            assert_eq!(LoginRecord::parse(wrong), Err(format!("expected {}", LoginRecord::EXPECTED)));
        }
    }

    #[test]
    fn logind_lists_more_than_users() {
        let session = |line: Value| logind_session(line.as_object().unwrap());
        // The fields of systemd 252 and 255, then of 256.
        let old = json!({"session": "2", "uid": 1000, "user": "ann", "seat": "", "tty": "pts/0"});
        assert_eq!(session(old), Some(json!({"id": "2", "user": "ann", "name": "pts/0", "seat": ""})));
        let new = json!({"session": "3", "uid": 1000, "user": "ann", "seat": null, "leader": 77, "class": "user",
                         "tty": null, "idle": false, "since": null});
        assert_eq!(session(new), Some(json!({"id": "3", "user": "ann", "name": "", "pid": 77, "idle": false})));
        for class in ["greeter", "manager", "background", "lock-screen"] {
            assert_eq!(session(json!({"session": "1", "user": "ann", "class": class})), None, "{class}");
        }
        assert_eq!(session(json!({"user": "ann"})), None);
        let logged_out = json!({"session": "9", "user": "bob", "seat": "", "tty": "", "state": "closing"});
        assert_eq!(session(logged_out), None);
        let shown = "Id=3\nState=active\n\nState=closing\nId=c9\n\nId=4\nState=online\n";
        assert_eq!(logind_closing(shown.as_bytes()), BTreeSet::from(["c9".to_owned()]));
        assert_eq!(logind_closing(b"SESSION UID\n\n"), BTreeSet::new());
    }
}
