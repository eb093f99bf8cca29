//! The demo's processes: a nats-server, the service, the agents. Started in order, ended in the reverse of it.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

use crate::cli::exit::{self, Exit};
use crate::nats::{Bus, Connection, Namespace};

use super::DemoArgs;

/// How long a process may take to come up.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long it may take to end once it was told to.
const FAREWELL: Duration = Duration::from_secs(10);

const GPU_SCRIPT: &str = "\
// GPU nodes are for the group cad; everybody else gets the rest.
function filter(node, request) {
  var wantsGpu = request.userGroups.includes('cad');
  return wantsGpu === (node.metadata.gpu === 'yes');
}
";

/// The running processes and their folder.
pub(super) struct Cluster {
    folder: TempDir,
    server: PathBuf,
    processes: Vec<(String, Child)>,
    url: String,
}

impl Cluster {
    /// Finds what is needed; starts nothing yet.
    pub(super) fn prepare(args: &DemoArgs) -> Result<Self, Exit> {
        let server = args.nats_server.clone().or_else(on_path).ok_or_else(|| {
            Exit::new(
                exit::OTHER,
                "no nats-server was found. `make demo` installs one; else install nats-server, or name it with --nats-server",
            )
        })?;
        let folder = TempDir::with_prefix("whither-demo-").map_err(|error| Exit::new(exit::OTHER, error))?;
        Ok(Self { folder, server, processes: Vec::new(), url: String::new() })
    }

    /// Where the cluster's NATS is.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Starts the nats-server on a free port.
    pub(super) async fn start_nats(&mut self) -> Result<(), Exit> {
        let ports = self.path("ports");
        std::fs::create_dir(&ports).map_err(|error| Exit::new(exit::OTHER, error))?;
        let mut command = Command::new(&self.server);
        command.args(["--jetstream", "--addr", "127.0.0.1", "--port", "-1"]);
        command.arg("--store_dir").arg(self.path("store")).arg("--ports_file_dir").arg(&ports);
        self.spawn("nats-server", command)?;
        self.url = self.wait("nats-server", || chosen_url(&ports)).await?;
        Ok(())
    }

    /// Starts the service with two chains.
    pub(super) async fn start_service(&mut self) -> Result<(), Exit> {
        let config = format!(
            "[nats]\nurl = \"{}\"\n\n[service]\nreservation_s = 30\n\n\
             [chain.\"session/start\"]\nsteps = [\"gpu-for-cad.js\", \"builtin:fewest-sessions\"]\n\n\
             [chain.\"user/login\"]\nsteps = [\"builtin:sticky-user\", \"builtin:round-robin\"]\n",
            self.url
        );
        self.write("gpu-for-cad.js", GPU_SCRIPT)?;
        self.write("whither.toml", &config)?;
        let mut command = whither("serve");
        command.arg("--config").arg(self.path("whither.toml"));
        self.spawn("serve", command)
    }

    /// Starts an agent that reports this machine under the id `node`.
    pub(super) fn start_agent(&mut self, node: &str, gpu: bool) -> Result<(), Exit> {
        self.write_sessions(node, &[])?;
        let mut command = whither("agent");
        let list = self.path(&format!("{node}.sessions.json"));
        command.args(["--nats", &self.url, "--id", node, "--hostname", &format!("{node}.example.org")]);
        command.args(["--url", &format!("https://{node}.example.org:3300"), "--max-sessions", "6", "--interval", "2"]);
        command.args(["--sessions-interval", "1", "--sessions-command"]).arg(format!("cat '{}'", list.display()));
        command.env("METADATA_gpu", if gpu { "yes" } else { "no" });
        self.spawn(node, command)
    }

    /// What the agent of `node` reports as its sessions from now on.
    pub(super) fn write_sessions(&self, node: &str, sessions: &[Value]) -> Result<(), Exit> {
        // Renamed into place: the agent may read at any moment.
        self.write(&format!("{node}.sessions.new"), &json!(sessions).to_string())?;
        let (new, list) = (self.path(&format!("{node}.sessions.new")), self.path(&format!("{node}.sessions.json")));
        std::fs::rename(new, list).map_err(|error| Exit::new(exit::OTHER, error))
    }

    /// A connection as a launcher has it.
    pub(super) async fn connect(&self) -> Result<(Bus, Namespace), Exit> {
        let servers = vec![self.url.parse().map_err(|error| Exit::new(exit::OTHER, error))?];
        let settings = Connection { servers, name: "whither demo".to_owned(), ..Connection::default() };
        let bus = Bus::open(&settings).await.map_err(|error| Exit::new(exit::OTHER, error))?;
        bus.connected().await;
        Ok((bus, Namespace::default()))
    }

    /// Ends every process, the last started first, and removes the folder.
    pub(super) async fn take_down(mut self) {
        while let Some((_, mut process)) = self.processes.pop() {
            if let Some(pid) = process.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)) {
                // A process that has ended already needs no signal.
                let _gone = kill_process(pid, Signal::TERM);
            }
            if timeout(FAREWELL, process.wait()).await.is_err() {
                let _gone = process.start_kill();
                let _reaped = process.wait().await;
            }
        }
        if let Err(error) = self.folder.close() {
            crate::cli::say::aside(format_args!("the demo's folder could not be removed: {error}"));
        }
    }

    /// Asks until there is an answer; what `name` logged, where it has ended or takes too long.
    pub(super) async fn wait<T>(&mut self, name: &str, mut ask: impl FnMut() -> Option<T>) -> Result<T, Exit> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(answer) = ask() {
                return Ok(answer);
            }
            self.check()?;
            if Instant::now() > deadline {
                return Err(Exit::new(exit::OTHER, format!("{name} does not come up:\n{}", self.log(name))));
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// That every process still runs.
    pub(super) fn check(&mut self) -> Result<(), Exit> {
        for (name, process) in &mut self.processes {
            if let Ok(Some(status)) = process.try_wait() {
                let log = std::fs::read_to_string(self.folder.path().join(format!("{name}.log"))).unwrap_or_default();
                return Err(Exit::new(exit::OTHER, format!("{name} ended with {status}:\n{log}")));
            }
        }
        Ok(())
    }

    fn spawn(&mut self, name: &str, mut command: Command) -> Result<(), Exit> {
        let failed = |error: std::io::Error| Exit::new(exit::OTHER, format!("{name} cannot be started: {error}"));
        let log = std::fs::File::create(self.path(&format!("{name}.log"))).map_err(failed)?;
        // A group of its own: Ctrl-C reaches the demo alone, which then ends the others in order.
        command.process_group(0).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).kill_on_drop(true);
        self.processes.push((name.to_owned(), command.spawn().map_err(failed)?));
        Ok(())
    }

    fn write(&self, name: &str, text: &str) -> Result<(), Exit> {
        std::fs::write(self.path(name), text).map_err(|error| Exit::new(exit::OTHER, error))
    }

    fn log(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(&format!("{name}.log"))).unwrap_or_default()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// This binary with a command, free of what the demo's own environment says of a bus.
fn whither(command: &str) -> Command {
    let program = std::env::current_exe().unwrap_or_else(|_gone| super::super::one_shot::program());
    let mut process = Command::new(program);
    process.arg(command);
    for name in [
        "WHITHER_NATS",
        "WHITHER_NAMESPACE",
        "WHITHER_CREDENTIALS",
        "WHITHER_TOKEN",
        "WHITHER_INBOX_PREFIX",
        "WHITHER_TLS_CA",
        "WHITHER_NODE_ID",
    ] {
        process.env_remove(name);
    }
    process
}

fn on_path() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join("nats-server")).find(|program| program.is_file())
}

/// The address that the server chose, from the file into which it writes it.
fn chosen_url(ports: &Path) -> Option<String> {
    let file = std::fs::read_dir(ports)
        .ok()?
        .flatten()
        .find(|entry| entry.path().extension().is_some_and(|e| e == "ports"))?;
    let written: Value = serde_json::from_slice(&std::fs::read(file.path()).ok()?).ok()?;
    Some(written.get("nats")?.get(0)?.as_str()?.to_owned())
}
