//! The program that is told of nodes: that they joined, left, or are out of sync.
//!
//! Of several replicas the one that wrote the event into the history runs the program, so an operator is told once. The
//! program has a time limit, is alone, and is no part of any request: one that hangs delays the next message, and where
//! many wait, messages are lost rather than kept. Rejected: mail from the service itself, which every site does in its
//! own way.

use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;

use crate::plain::Plain;
use crate::registry::journal::{HistoryRecord, NodeEvent};

/// The time that the program has.
const LIMIT: Duration = Duration::from_secs(10);
/// The most events that wait for the program.
pub(super) const EVENTS_WAITING: usize = 256;
/// The most bytes of the program's standard error that are logged.
const MAX_ERROR_BYTES: u64 = 1024;

/// Runs `program` (the first word; the others are its arguments) for each event of `news` that is worth it, until all
/// senders are gone.
pub(super) async fn tell(program: Vec<String>, mut news: mpsc::Receiver<HistoryRecord>) {
    while let Some(record) = news.recv().await {
        if !is_told(record.event) {
            continue;
        }
        if let Err(reason) = run(&program, &record).await {
            let program = program.first().map(String::as_str).unwrap_or_default();
            tracing::warn!(program, node = %record.node, "the program of `service.notify` {}", Plain(reason));
        }
    }
}

/// Whether an operator is told of `event`. What an administrator did himself he knows.
fn is_told(event: NodeEvent) -> bool {
    matches!(event, NodeEvent::Joined | NodeEvent::Left | NodeEvent::OutOfSync | NodeEvent::InSync)
}

async fn run(words: &[String], record: &HistoryRecord) -> Result<(), String> {
    let Some((program, arguments)) = words.split_first() else { return Ok(()) };
    let mut command = Command::new(program);
    command.args(arguments).env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin").env("WHITHER_NODE", &*record.node);
    command.env("WHITHER_EVENT", json!(record.event).as_str().unwrap_or_default());
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).process_group(0).kill_on_drop(true);
    let mut child = command.spawn().map_err(|error| format!("cannot be started: {error}"))?;
    let message = format!("{}\n", json!(record));
    match tokio::time::timeout(LIMIT, hold(&mut child, message.as_bytes())).await {
        Ok(Ok((status, _))) if status.success() => Ok(()),
        Ok(Ok((status, error))) => Err(format!("ended with {status}: {}", error.trim())),
        Ok(Err(error)) => Err(format!("cannot be run: {error}")),
        Err(_elapsed) => {
            end_group(&child);
            drop(child.wait().await);
            Err(format!("did not end within {} s and was killed", LIMIT.as_secs()))
        }
    }
}

/// Writes `message` to the program, and waits for its end; returns the beginning of its standard error, too.
async fn hold(child: &mut Child, message: &[u8]) -> std::io::Result<(ExitStatus, String)> {
    if let Some(mut stdin) = child.stdin.take() {
        // A program that reads nothing has its environment.
        let _unread = stdin.write_all(message).await;
    }
    let mut error = Vec::new();
    if let Some(stderr) = child.stderr.take() {
        let mut stderr = stderr.take(MAX_ERROR_BYTES);
        stderr.read_to_end(&mut error).await?;
    }
    let status = child.wait().await?;
    Ok((status, String::from_utf8_lossy(&error).into_owned()))
}

/// Kills the program with all that it started.
fn end_group(child: &Child) {
    let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw);
    if let Some(group) = group {
        let _gone = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(event: NodeEvent) -> HistoryRecord {
        let [by, user, identity] = [(); 3].map(|()| String::new());
        HistoryRecord { node: "a".into(), event, by, reason: "missed 3 reports".to_owned(), user, identity }
    }

    fn shell(script: &str) -> Vec<String> {
        ["/bin/sh", "-c", script].map(str::to_owned).into()
    }

    #[tokio::test]
    async fn the_program_gets_the_event_on_standard_input_and_in_its_environment() {
        let folder = tempfile::TempDir::new().unwrap();
        let file = folder.path().join("told");
        let script = format!("cat > {0}; echo \"$WHITHER_NODE $WHITHER_EVENT\" >> {0}", file.display());
        run(&shell(&script), &record(NodeEvent::OutOfSync)).await.unwrap();
        let told = std::fs::read_to_string(file).unwrap();
        let expected = r#"{"node":"a","event":"out-of-sync","reason":"missed 3 reports"}"#;
        assert_eq!(told, format!("{expected}\na out-of-sync\n"));
    }

    #[tokio::test]
    async fn a_program_that_fails_is_named_with_its_own_words() {
        let failed = run(&shell("echo no route to pager >&2; exit 3"), &record(NodeEvent::Left)).await.unwrap_err();
        assert!(failed.contains("exit status: 3") && failed.ends_with("no route to pager"), "{failed}");
        let missing = run(&["/nonexistent".to_owned()], &record(NodeEvent::Left)).await.unwrap_err();
        assert!(missing.starts_with("cannot be started"), "{missing}");
    }

    #[test]
    fn an_administrators_own_orders_are_no_news() {
        assert!(is_told(NodeEvent::Left) && is_told(NodeEvent::InSync));
        assert!(!is_told(NodeEvent::Cordoned) && !is_told(NodeEvent::Changed) && !is_told(NodeEvent::Draining));
    }
}
