//! Starting a program: with three pipes, a group of its own, a known environment, and nothing else of ours.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::time::Duration;

use rustix::process::Pid;
use tokio::net::unix::pipe::Receiver;
use tokio::sync::oneshot;

use crate::chain::Program;

use super::family::RUN_VARIABLE;
use super::protocol::Edition;
use super::reaper::{Exit, Reaper};

/// How often and how long apart a program is tried that somebody is just writing.
const TRIES: u32 = 100;
const APART: Duration = Duration::from_millis(20);

/// A program that was started.
pub(super) struct Started {
    pub(super) pid: Pid,
    pub(super) stdin: OwnedFd,
    pub(super) stdout: Receiver,
    pub(super) stderr: Receiver,
    pub(super) exit: oneshot::Receiver<Exit>,
}

/// Starts `program` under the name `run`; waits a while for one that somebody is just writing.
///
/// # Errors
/// Why it cannot be started, in words.
pub(super) async fn start(
    program: &Program,
    edition: &Edition,
    run: &str,
    reaper: &Rc<Reaper>,
) -> Result<Started, String> {
    for _ in 1..TRIES {
        match start_now(program, edition, run, reaper) {
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy => tokio::time::sleep(APART).await,
            other => return other.map_err(|error| why(program, &error)),
        }
    }
    start_now(program, edition, run, reaper).map_err(|error| why(program, &error))
}

fn start_now(program: &Program, edition: &Edition, run: &str, reaper: &Reaper) -> io::Result<Started> {
    let mut child = Command::new(&program.path)
        .current_dir(&program.folder)
        .env_clear()
        .envs(edition.environment.iter().map(|(name, value)| (name, value)))
        .env("TZ", &edition.zone)
        .env(RUN_VARIABLE, run)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()?;
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let (Some(pid), Some(stdin), Some(stdout), Some(stderr)) =
        (pid, child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(io::Error::other("the system gave it no pipes"));
    };
    // Before anything can fail: what was started is watched over.
    let exit = reaper.watch(pid, run);
    Ok(Started {
        pid,
        stdin: stdin.into(),
        stdout: Receiver::from_owned_fd(stdout.into())?,
        stderr: Receiver::from_owned_fd(stderr.into())?,
        exit,
    })
}

/// Why the program cannot be started, with what to do about it.
fn why(program: &Program, error: &io::Error) -> String {
    let path = &program.path;
    let said = match error.kind() {
        io::ErrorKind::NotFound => match interpreter(path) {
            _ if !Path::new(&program.folder).is_dir() => format!("its folder {} is not there", program.folder),
            Some(interpreter) => format!("its first line names `{interpreter}`, which is not there"),
            None => format!("there is no file {path}"),
        },
        io::ErrorKind::PermissionDenied => format!("it may not be executed: chmod +x {path}"),
        io::ErrorKind::ExecutableFileBusy => "somebody has it open for writing".to_owned(),
        _ => error.to_string(),
    };
    format!("the program could not be started: {said}")
}

/// The interpreter that the first line of the file names.
fn interpreter(path: &str) -> Option<String> {
    use std::io::Read;
    let mut start = Vec::new();
    std::fs::File::open(path).ok()?.take(256).read_to_end(&mut start).ok()?;
    let line = String::from_utf8_lossy(&start).lines().next()?.strip_prefix("#!")?.trim().to_owned();
    line.split_whitespace().next().map(str::to_owned)
}
