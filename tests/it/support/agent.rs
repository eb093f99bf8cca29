//! `whither agent` as a process of a test.

use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::eventually;
use super::nats::Nats;
use super::shell::WHITHER;

/// An agent that runs until the test ends.
pub(crate) struct TestAgent {
    pub(crate) process: Child,
    folder: TempDir,
}

impl TestAgent {
    pub(crate) fn start(nats: &Nats, arguments: &[&str]) -> Self {
        Self::with(nats, arguments, &[])
    }

    pub(crate) fn with(nats: &Nats, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let folder = TempDir::new().unwrap();
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let process = command()
            .args(["--nats", &nats.url()])
            .args(arguments)
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        Self { process, folder }
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    pub(crate) async fn says(&self, words: &str) {
        eventually(&format!("the agent says `{words}`"), || async { self.log().contains(words).then_some(()) }).await;
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process), signal).unwrap();
    }

    pub(crate) async fn ends(&mut self) -> ExitStatus {
        loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                return status;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }
}

impl Drop for TestAgent {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        if std::thread::panicking() {
            eprintln!("--- the agent's log at {}\n{}", self.folder.path().display(), self.log());
        }
    }
}

/// `whither agent` with nothing from this environment that it reads.
pub(crate) fn command() -> Command {
    let mut command = Command::new(WHITHER);
    let ours = |name: &str| name.starts_with("WHITHER_") || name.starts_with("METADATA_");
    for (name, _) in std::env::vars().filter(|(name, _)| ours(name)) {
        command.env_remove(name);
    }
    command.arg("agent");
    command
}
