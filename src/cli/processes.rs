//! Processes that a command starts on this machine: a nats-server, services, agents, in a temporary folder.
//!
//! The processes are ended in the reverse order of their start. Each has a process group of its own, so that Ctrl-C
//! reaches the command alone, which then ends the others, and a log in the folder, which is shown where a process does
//! not come up.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

use super::exit::{self, CommandExit};
use crate::host;

use super::output;

/// The most time for a process to come up.
const PATIENCE: Duration = Duration::from_secs(30);
/// The most time for a process to end after SIGTERM.
const FAREWELL: Duration = Duration::from_secs(10);
/// The interval at which a process that comes up is polled.
const LOOK: Duration = Duration::from_millis(50);
/// A client that does not answer is dropped within four seconds, as in `scripts/nats/`.
const NATS_CONFIG: &str = "ping_interval: \"1s\"\nping_max: 2\n";
/// The variables of the environment that name a bus, which none of the processes may read.
const BUS_VARIABLES: [&str; 7] = [
    "WHITHER_NATS",
    "WHITHER_NAMESPACE",
    "WHITHER_CREDENTIALS",
    "WHITHER_TOKEN",
    "WHITHER_INBOX_PREFIX",
    "WHITHER_TLS_CA",
    "WHITHER_NODE_ID",
];

/// The running processes and their folder.
pub(super) struct Processes {
    folder: TempDir,
    server: PathBuf,
    running: Vec<(String, Child)>,
}

impl Processes {
    /// Finds a nats-server, `named` or on PATH, and makes the folder; starts nothing yet. `target` is the target of the
    /// Makefile that installs a server.
    pub(super) fn prepare(prefix: &str, named: Option<&Path>, target: &str) -> Result<Self, CommandExit> {
        let server = named.map(Path::to_owned).or_else(|| on_path("nats-server")).ok_or_else(|| {
            let message = format!(
                "no nats-server was found. `make {target}` installs one; else install nats-server, or name it with \
                 --nats-server"
            );
            CommandExit::new(exit::OTHER, message)
        })?;
        let folder = TempDir::with_prefix(prefix).map_err(|error| CommandExit::new(exit::OTHER, error))?;
        Ok(Self { folder, server, running: Vec::new() })
    }

    /// Starts the nats-server, with JetStream, on a free port; returns the server's address.
    pub(super) async fn start_nats(&mut self) -> Result<String, CommandExit> {
        let ports = self.path("ports");
        std::fs::create_dir(&ports).map_err(|error| CommandExit::new(exit::OTHER, error))?;
        self.write("nats.conf", NATS_CONFIG)?;
        let mut command = Command::new(&self.server);
        command.arg("--config").arg(self.path("nats.conf"));
        command.args(["--jetstream", "--addr", "127.0.0.1", "--port", "-1"]);
        command.arg("--store_dir").arg(self.path("store")).arg("--ports_file_dir").arg(&ports);
        self.spawn("nats-server", command)?;
        self.wait("nats-server", || chosen_url(&ports)).await
    }

    /// Starts `command` as `name`, with standard error in a log.
    pub(super) fn spawn(&mut self, name: &str, mut command: Command) -> Result<(), CommandExit> {
        let failed =
            |error: std::io::Error| CommandExit::new(exit::OTHER, format!("{name} cannot be started: {error}"));
        let log = std::fs::File::create(self.path(&format!("{name}.log"))).map_err(failed)?;
        command.process_group(0).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).kill_on_drop(true);
        self.running.push((name.to_owned(), command.spawn().map_err(failed)?));
        Ok(())
    }

    /// Returns the id of the process `name`, where the process runs.
    pub(super) fn id(&self, name: &str) -> Option<u32> {
        self.running.iter().find(|(known, _)| known == name).and_then(|(_, process)| process.id())
    }

    /// Ends the process `name` alone.
    pub(super) async fn stop(&mut self, name: &str) {
        if let Some(place) = self.running.iter().position(|(known, _)| known == name) {
            end(self.running.remove(place).1).await;
        }
    }

    /// Ends every process, the last started first, and removes the folder.
    pub(super) async fn take_down(mut self) {
        while let Some((_, process)) = self.running.pop() {
            end(process).await;
        }
        if let Err(error) = self.folder.close() {
            output::aside(format_args!("the temporary folder could not be removed: {error}"));
        }
    }

    /// Calls `ask` until there is an answer; fails with the log of `name`, where that process has ended or takes too
    /// long.
    pub(super) async fn wait<T>(&mut self, name: &str, mut ask: impl FnMut() -> Option<T>) -> Result<T, CommandExit> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(answer) = ask() {
                return Ok(answer);
            }
            self.check()?;
            if Instant::now() > deadline {
                return Err(CommandExit::new(exit::OTHER, format!("{name} does not come up:\n{}", self.log(name))));
            }
            sleep(LOOK).await;
        }
    }

    /// Checks that every process still runs.
    pub(super) fn check(&mut self) -> Result<(), CommandExit> {
        let ended = self.running.iter_mut().find_map(|(name, process)| Some((name.clone(), process.try_wait().ok()??)));
        match ended {
            None => Ok(()),
            Some((name, status)) => {
                Err(CommandExit::new(exit::OTHER, format!("{name} ended with {status}:\n{}", self.log(&name))))
            }
        }
    }

    /// Writes a file of the folder.
    pub(super) fn write(&self, name: &str, text: &str) -> Result<(), CommandExit> {
        std::fs::write(self.path(name), text).map_err(|error| CommandExit::new(exit::OTHER, error))
    }

    /// Returns the log of the process `name` so far.
    pub(super) fn log(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(&format!("{name}.log"))).unwrap_or_default()
    }

    /// Returns the path of the file `name` in the folder.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// Returns this binary with a command, without the variables that name a bus.
pub(super) fn whither(command: &str) -> Command {
    let program = std::env::current_exe().unwrap_or_else(|_gone| host::program());
    let mut process = Command::new(program);
    process.arg(command);
    for name in BUS_VARIABLES {
        process.env_remove(name);
    }
    process
}

/// Returns the first `program` of PATH.
pub(super) fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|program| program.is_file())
}

async fn end(mut process: Child) {
    if let Some(pid) = process.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)) {
        // A process that has ended already needs no signal.
        let _gone = kill_process(pid, Signal::TERM);
    }
    if timeout(FAREWELL, process.wait()).await.is_err() {
        let _gone = process.start_kill();
        let _reaped = process.wait().await;
    }
}

/// Returns the address that the server chose, from the ports file that the server writes.
fn chosen_url(ports: &Path) -> Option<String> {
    let file = std::fs::read_dir(ports)
        .ok()?
        .flatten()
        .find(|entry| entry.path().extension().is_some_and(|e| e == "ports"))?;
    let written: Value = serde_json::from_slice(&std::fs::read(file.path()).ok()?).ok()?;
    Some(written.get("nats")?.get(0)?.as_str()?.to_owned())
}
