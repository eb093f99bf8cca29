//! The demo's cluster: a nats-server, the service, the agents, and the sessions that the agents report.

use serde_json::{Value, json};

use crate::cli::exit::{self, CommandExit};
use crate::cli::processes::{Processes, whither};
use crate::config::Namespace;
use crate::nats::{Bus, Connection};

use super::DemoArgs;

const GPU_SCRIPT: &str = "\
// GPU nodes are for the group cad; everybody else gets the rest.
function filter(node, request) {
  var wantsGpu = request.userGroups.includes('cad');
  return wantsGpu === (node.metadata.gpu === 'yes');
}
";

/// The running processes and their address.
pub(super) struct DemoCluster {
    processes: Processes,
    url: String,
}

impl DemoCluster {
    /// Finds a nats-server and makes the folder; starts nothing yet.
    pub(super) fn prepare(args: &DemoArgs) -> Result<Self, CommandExit> {
        let processes = Processes::prepare("whither-demo-", args.nats_server.as_deref(), "demo")?;
        Ok(Self { processes, url: String::new() })
    }

    /// Returns the address of the cluster's NATS.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Starts the nats-server on a free port.
    pub(super) async fn start_nats(&mut self) -> Result<(), CommandExit> {
        self.url = self.processes.start_nats().await?;
        Ok(())
    }

    /// Starts the service with two chains.
    pub(super) async fn start_service(&mut self) -> Result<(), CommandExit> {
        let config = format!(
            "[nats]\nurl = \"{}\"\n\n[service]\nreservation_s = 30\n\n\
             [chain.\"session/start\"]\nsteps = [\"gpu-for-cad.js\", \"builtin:fewest-sessions\"]\n\n\
             [chain.\"user/login\"]\nsteps = [\"builtin:sticky-user\", \"builtin:round-robin\"]\n",
            self.url
        );
        self.processes.write("gpu-for-cad.js", GPU_SCRIPT)?;
        self.processes.write("whither.toml", &config)?;
        let mut command = whither("serve");
        command.arg("--config").arg(self.processes.path("whither.toml"));
        self.processes.spawn("serve", command)
    }

    /// Starts an agent that reports this machine under the id `node`.
    pub(super) fn start_agent(&mut self, node: &str, gpu: bool) -> Result<(), CommandExit> {
        self.write_sessions(node, &[])?;
        let mut command = whither("agent");
        let list = self.processes.path(&format!("{node}.sessions.json"));
        command.args(["--nats", &self.url, "--id", node, "--hostname", &format!("{node}.example.org")]);
        command.args(["--url", &format!("https://{node}.example.org:3300"), "--max-sessions", "6", "--interval", "2"]);
        command.args(["--sessions-interval", "1", "--sessions-command"]).arg(format!("cat '{}'", list.display()));
        command.env("METADATA_gpu", if gpu { "yes" } else { "no" });
        self.processes.spawn(node, command)
    }

    /// Sets the sessions that the agent of `node` reports from now on.
    pub(super) fn write_sessions(&self, node: &str, sessions: &[Value]) -> Result<(), CommandExit> {
        // Renamed into place: the agent may read at any moment.
        self.processes.write(&format!("{node}.sessions.new"), &json!(sessions).to_string())?;
        let (new, list) = (
            self.processes.path(&format!("{node}.sessions.new")),
            self.processes.path(&format!("{node}.sessions.json")),
        );
        std::fs::rename(new, list).map_err(|error| CommandExit::new(exit::OTHER, error))
    }

    /// Connects as a launcher does.
    pub(super) async fn connect(&self) -> Result<(Bus, Namespace), CommandExit> {
        let servers = vec![self.url.parse().map_err(|error| CommandExit::new(exit::OTHER, error))?];
        let settings = Connection { servers, name: "whither demo".to_owned(), ..Connection::default() };
        let bus = Bus::open(&settings).await.map_err(|error| CommandExit::new(exit::OTHER, error))?;
        bus.connected().await;
        Ok((bus, Namespace::default()))
    }

    /// Ends every process, the last started first, and removes the folder.
    pub(super) async fn take_down(self) {
        self.processes.take_down().await;
    }

    /// Checks that every process still runs.
    pub(super) fn check(&mut self) -> Result<(), CommandExit> {
        self.processes.check()
    }
}
