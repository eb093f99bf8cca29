//! Sessions from a command: its standard output is the JSON list of what runs on this machine.
//!
//! The command is the administrator's and guarded against accidents, not against him: it has a time limit and an output
//! limit, and what it leaves behind is killed with its group. A list that could not be had leaves the last good one in
//! force for a while; after that the sessions are unknown, which placements treat as worse than many.

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use tracing::{info, warn};

use super::reservations;
use crate::model::json::{self, JsonError, JsonLimits};
use crate::model::report::MAX_SESSIONS;

/// The longest output.
pub const MAX_OUTPUT: usize = 1024 * 1024;
/// How long the last good list stays in force.
pub const KEEP: Duration = Duration::from_secs(5 * 60);
/// Three levels less than a node document may have, which the list becomes part of.
const LIMITS: JsonLimits = JsonLimits { max_bytes: MAX_OUTPUT, max_depth: json::MAX_DEPTH - 3 };
/// How long what a background process of the command writes is waited for.
const DRAIN: Duration = Duration::from_millis(200);
const MAX_COMPLAINT: usize = 4096;
/// While a failure lasts, the log repeats it this often.
const REPEAT: Duration = Duration::from_secs(60);

/// A command that lists sessions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionsCommand {
    /// A line for the shell.
    pub line: String,
    /// How often it is run.
    pub every: Duration,
    /// How long it may take.
    pub limit: Duration,
}

/// The sessions in force.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sessions {
    /// The list; absent where there is none that is young enough.
    pub list: Option<Arc<Vec<Value>>>,
    /// Why the last attempt brought none.
    pub fault: Option<String>,
}

/// Why a command brought no list of sessions.
#[derive(Debug, thiserror::Error)]
pub enum SessionsError {
    /// It could not be run.
    #[error("cannot be started: {0}")]
    Start(std::io::Error),
    /// It was still running at its limit.
    #[error("took longer than {} s", .0.as_secs_f64())]
    Slow(Duration),
    /// It printed too much.
    #[error("printed more than {} KiB", MAX_OUTPUT / 1024)]
    Output,
    /// It said that it failed.
    #[error("ended with {status}{}{said}", if said.is_empty() { "" } else { ": " })]
    Failed {
        /// Its exit status.
        status: String,
        /// The last line on its standard error.
        said: String,
    },
    /// It printed no acceptable JSON.
    #[error("printed no list of sessions: {0}")]
    Json(#[from] JsonError),
    /// It printed something else.
    #[error("printed {0}, expected a list of sessions")]
    NotAList(&'static str),
    /// It printed more than fits.
    #[error("listed {0} sessions, at most {MAX_SESSIONS} are reported")]
    TooMany(usize),
    /// One of them is none.
    #[error("session {place} is {found}, expected an object or an id")]
    NotASession {
        /// Which, counted from 1.
        place: usize,
        /// What it is.
        found: &'static str,
    },
}

/// Runs `command` again and again, and never ends by itself.
pub async fn follow(command: SessionsCommand, current: watch::Sender<Sessions>) {
    let mut good_at: Option<Instant> = None;
    let mut said: Option<(String, Instant)> = None;
    loop {
        let outcome = list(&command).await;
        match &outcome {
            Ok(_) => {
                good_at = Some(Instant::now());
                if said.take().is_some() {
                    info!("the sessions command works again");
                }
            }
            Err(error) => {
                let fault = error.to_string();
                if said.as_ref().is_none_or(|(known, at)| *known != fault || at.elapsed() > REPEAT) {
                    warn!("the sessions command `{}` {fault}", command.line);
                    said = Some((fault, Instant::now()));
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
        tokio::time::sleep(command.every).await;
    }
}

impl Sessions {
    /// What is in force after one more attempt; `keep` says whether the last good list is young enough.
    fn after(&self, outcome: Result<Vec<Value>, SessionsError>, keep: bool) -> Self {
        match outcome {
            Ok(list) => Self { list: Some(Arc::new(list)), fault: None },
            Err(error) => Self { list: self.list.clone().filter(|_| keep), fault: Some(error.to_string()) },
        }
    }
}

/// Runs `command` once.
///
/// # Errors
/// [`SessionsError`] where it brought no list.
pub async fn list(command: &SessionsCommand) -> Result<Vec<Value>, SessionsError> {
    let output = run(&command.line, command.limit).await?;
    let mut list = match json::parse(&output, LIMITS)? {
        Value::Array(list) => list,
        other => return Err(SessionsError::NotAList(json::kind(&other))),
    };
    if list.len() > MAX_SESSIONS {
        return Err(SessionsError::TooMany(list.len()));
    }
    let wrong = list.iter().position(|session| !session.is_object() && !session.is_string());
    if let Some((place, session)) = wrong.and_then(|place| Some((place, list.get(place)?))) {
        return Err(SessionsError::NotASession { place: place + 1, found: json::kind(session) });
    }
    reservations::fill(&mut list);
    Ok(list)
}

async fn run(line: &str, limit: Duration) -> Result<Vec<u8>, SessionsError> {
    let mut child = Command::new("/bin/sh")
        .args(["-c", line])
        // The agent's own login is none of the command's business.
        .env_remove("WHITHER_TOKEN")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(SessionsError::Start)?;
    let mut group = Group(child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)));
    let (mut output, mut complaint) = (Vec::new(), Vec::new());
    let status = match timeout(limit, hear(&mut child, &mut output, &mut complaint)).await {
        Ok(heard) => heard?,
        Err(_elapsed) => return Err(SessionsError::Slow(limit)),
    };
    if status.drained {
        // Everybody who could be in the group is gone, and its number may be given to others.
        group.0 = None;
    }
    if status.exit.success() {
        return Ok(output);
    }
    let said = String::from_utf8_lossy(&complaint);
    let said = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default().trim().to_owned();
    Err(SessionsError::Failed { status: status.exit.to_string(), said })
}

/// How a command ended, and whether nobody holds its output open any more.
struct Status {
    exit: std::process::ExitStatus,
    drained: bool,
}

/// Reads both outputs until the command ends, and a little longer for what it left in the pipes. Waiting for their end
/// alone would wait for a background process that inherited them.
async fn hear(child: &mut Child, output: &mut Vec<u8>, complaint: &mut Vec<u8>) -> Result<Status, SessionsError> {
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let reading = async {
        let (output, _complaint) = tokio::join!(read(stdout, output), read_end(stderr, complaint));
        output
    };
    tokio::pin!(reading);
    let ended = tokio::select! {
        exit = child.wait() => exit.map_err(SessionsError::Start)?,
        read = &mut reading => {
            read?;
            let exit = child.wait().await.map_err(SessionsError::Start)?;
            return Ok(Status { exit, drained: true });
        }
    };
    match timeout(DRAIN, &mut reading).await {
        Ok(read) => read.map(|()| Status { exit: ended, drained: true }),
        Err(_held_open) => Ok(Status { exit: ended, drained: false }),
    }
}

/// Reads all of `pipe`, up to the limit. A pipe that fails ends like one that is closed.
async fn read(pipe: Option<impl AsyncRead + Unpin>, output: &mut Vec<u8>) -> Result<(), SessionsError> {
    let Some(mut pipe) = pipe else { return Ok(()) };
    while pipe.read_buf(output).await.is_ok_and(|bytes| bytes > 0) {
        if output.len() > MAX_OUTPUT {
            return Err(SessionsError::Output);
        }
    }
    Ok(())
}

/// Reads all of `pipe` and keeps its end.
async fn read_end(pipe: Option<impl AsyncRead + Unpin>, end: &mut Vec<u8>) {
    let Some(mut pipe) = pipe else { return };
    while pipe.read_buf(end).await.is_ok_and(|bytes| bytes > 0) {
        let surplus = end.len().saturating_sub(MAX_COMPLAINT);
        end.drain(..surplus);
    }
}

/// A process group that ends with this value, also where the agent stops in the middle of a run.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.0 {
            // Nobody left to kill is no failure.
            let _ = kill_process_group(leader, Signal::KILL);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn command(line: &str) -> SessionsCommand {
        SessionsCommand { line: line.to_owned(), every: Duration::from_secs(1), limit: Duration::from_secs(30) }
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
        let slow = SessionsCommand { limit: Duration::from_secs(5), ..command(&line) };
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

    #[test]
    fn the_last_good_list_stays_for_a_while() {
        let good = Sessions::default().after(Ok(vec![json!("s")]), true);
        let failing = good.after(Err(SessionsError::Output), true);
        assert_eq!((failing.list.clone(), failing.fault.is_some()), (good.list.clone(), true));
        assert_eq!(failing.after(Err(SessionsError::Output), false).list, None);
        assert_eq!(failing.after(Ok(vec![json!("s")]), true), good);
    }

    /// Whether `pid` is a process that still does something; one that nobody reaps is dead all the same.
    fn is_running(pid: &str) -> bool {
        std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
    }
}
