//! Starts a program: with three pipes, a group of its own, a known environment, and nothing else of the runner's.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::time::Duration;

use rustix::process::{Pid, Signal};
use tokio::net::unix::pipe::Receiver;
use tokio::sync::oneshot;

use crate::chain::ProgramSpec;
use crate::resources;
use crate::script::ScriptError;

use super::family::RUN_VARIABLE;
use super::once::thrown;
use super::protocol::ProgramSet;
use super::reaper::{ProgramExit, Reaper};

/// A program that was started.
pub(super) struct Started {
    pub(super) pid: Pid,
    pub(super) stdin: OwnedFd,
    pub(super) stdout: Receiver,
    pub(super) stderr: Receiver,
    pub(super) exit: oneshot::Receiver<ProgramExit>,
}

/// A program that was started, and whose pipes are not read yet.
struct SpawnedProgram {
    pid: Pid,
    stdin: OwnedFd,
    stdout: OwnedFd,
    stderr: OwnedFd,
    exit: oneshot::Receiver<ProgramExit>,
}

/// The reason why a program was not started, as a message.
#[derive(Debug)]
pub(super) enum NotStarted {
    /// The program cannot be started.
    Program(String),
    /// The machine lacked the resources to start the program.
    Machine(String),
}

/// Starts `program` under the name `run`. Waits a while, `wall` at most, where the program's file is just being
/// written, and for resources that the machine lacks.
///
/// # Errors
/// The reason why the program cannot be started.
pub(super) async fn start(
    program: &ProgramSpec,
    edition: &ProgramSet,
    run: &str,
    wall: Duration,
    reaper: &Rc<Reaper>,
) -> Result<Started, NotStarted> {
    match resources::wait_out_writer(wall, || start_now(program, edition, run, reaper)).await {
        Ok(spawned) => spawned.read_start(reaper),
        Err(error) if resources::is_lack(&error) => Err(NotStarted::Machine(lack(&error))),
        Err(error) => Err(NotStarted::Program(why(program, &error))),
    }
}

impl NotStarted {
    /// Returns the error that a question gets.
    pub(super) fn into_error(self) -> ScriptError {
        match self {
            Self::Program(message) => thrown(message),
            Self::Machine(message) => ScriptError::Machine(message),
        }
    }
}

impl SpawnedProgram {
    /// Makes the pipes readable by the runtime. A program whose pipes cannot be read is killed, and not started again:
    /// the program may have taken effect.
    fn read_start(self, reaper: &Reaper) -> Result<Started, NotStarted> {
        let Self { pid, stdin, stdout, stderr, exit } = self;
        match (Receiver::from_owned_fd(stdout), Receiver::from_owned_fd(stderr)) {
            (Ok(stdout), Ok(stderr)) => Ok(Started { pid, stdin, stdout, stderr, exit }),
            (Err(error), _) | (_, Err(error)) => {
                reaper.signal(pid, Signal::KILL);
                Err(NotStarted::Machine(lack(&error)))
            }
        }
    }
}

fn start_now(program: &ProgramSpec, edition: &ProgramSet, run: &str, reaper: &Reaper) -> io::Result<SpawnedProgram> {
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
    // First of all, before anything can fail: a process that was started is watched.
    let exit = reaper.watch(pid, run);
    Ok(SpawnedProgram { pid, stdin: stdin.into(), stdout: stdout.into(), stderr: stderr.into(), exit })
}

/// The message that the machine lacked resources.
fn lack(error: &io::Error) -> String {
    format!("the machine could not start the program: {error}; that is no fault of the program's")
}

/// The message that the program cannot be started, with advice.
fn why(program: &ProgramSpec, error: &io::Error) -> String {
    let path = &program.path;
    let reason = match error.kind() {
        io::ErrorKind::NotFound => match interpreter(path) {
            _ if !Path::new(&program.folder).is_dir() => format!("its folder {} is not there", program.folder),
            Some(interpreter) => format!("its first line names `{interpreter}`, which is not there"),
            None => format!("there is no file {path}"),
        },
        io::ErrorKind::PermissionDenied => format!("it may not be executed: chmod +x {path}"),
        io::ErrorKind::ExecutableFileBusy => "somebody has it open for writing".to_owned(),
        _ => error.to_string(),
    };
    format!("the program could not be started: {reason}")
}

/// Returns the interpreter that the first line of the file names.
fn interpreter(path: &str) -> Option<String> {
    use std::io::Read;
    let mut start = Vec::new();
    std::fs::File::open(path).ok()?.take(256).read_to_end(&mut start).ok()?;
    let line = String::from_utf8_lossy(&start).lines().next()?.strip_prefix("#!")?.trim().to_owned();
    line.split_whitespace().next().map(str::to_owned)
}
