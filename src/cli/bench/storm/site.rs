//! The site of a storm: a nats-server for the whole storm, and for each cell a new service, or a new peer.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use async_nats::Client;
use bytes::Bytes;
use tokio::process::Command;

use crate::cli::exit::{self, CommandExit};
use crate::cli::processes::{Processes, on_path, whither};
use crate::nats::subjects::bucket_stream;
use crate::nats::{Bus, Connection};

use super::chains::StormChain;
use super::figures;
use super::launcher::Subjects;
use super::nodes::Nodes;
use super::service::StormService;

/// The names of the processes, and of their logs.
const SERVE: &str = "serve";
const PEER: &str = "peer";
const NATS: &str = "nats-server";
const PEER_SOURCE: &str = include_str!("peer.cjs");
/// The variables that name the folder of packages, first the variable that the client tests use.
const NODE_PATHS: [&str; 2] = ["WHITHER_NODE_PATH", "NODE_PATH"];
/// The number of missed reports after which a node is stale, and no earlier than after [`LIVENESS_S`].
const MISSED_REPORTS: u64 = 4;
const LIVENESS_S: u64 = 90;
/// The most log lines that are shown where something goes wrong.
const LOG_LINES: usize = 20;

/// The running processes.
pub(super) struct StormSite {
    processes: Processes,
    url: String,
    cells: u32,
}

/// Node.js, and the folder of the packages for Node.js.
#[derive(Clone, Debug)]
pub(super) struct NodeJs {
    program: PathBuf,
    packages: PathBuf,
}

impl NodeJs {
    /// Finds Node.js and the packages.
    ///
    /// # Errors
    /// The part that is missing, and what helps.
    pub(super) fn find() -> Result<Self, String> {
        let program = on_path("node").ok_or("there is no `node` on PATH")?;
        let folders = NODE_PATHS.into_iter().filter_map(std::env::var_os);
        let mut folders = folders.flat_map(|paths| std::env::split_paths(&paths).collect::<Vec<_>>());
        let packages = folders.find(|folder| folder.join("nats").is_dir());
        let packages = packages.ok_or(
            "there is no npm package `nats` in WHITHER_NODE_PATH or NODE_PATH; `make storm` installs one, or \
             `eval \"$(scripts/tools/test-clients)\"`",
        )?;
        Ok(Self { program, packages })
    }
}

impl StormSite {
    /// Starts the nats-server.
    pub(super) async fn start(server: Option<&Path>) -> Result<Self, CommandExit> {
        let mut processes = Processes::prepare("whither-storm-", server, "storm")?;
        let url = processes.start_nats().await?;
        Ok(Self { processes, url, cells: 0 })
    }

    /// Returns the server's address.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Returns the process id of the server.
    pub(super) fn nats(&self) -> u32 {
        self.processes.id(NATS).unwrap_or_default()
    }

    /// Opens a new connection, as launchers and agents do.
    pub(super) async fn connect(&self) -> Result<Client, CommandExit> {
        let servers = vec![self.url.parse().map_err(other)?];
        let settings = Connection { servers, name: "whither bench --storm".to_owned(), ..Connection::default() };
        let bus = Bus::open(&settings).await.map_err(other)?;
        bus.connected().await;
        Ok(bus.client().clone())
    }

    /// Starts a service that decides by `chain`, under a new namespace.
    pub(super) async fn serve(
        &mut self,
        chain: &StormChain,
        report_every: Duration,
    ) -> Result<StormService, CommandExit> {
        self.cells += 1;
        let name = format!("storm{}", self.cells);
        let liveness_s = LIVENESS_S.max(report_every.as_secs().saturating_add(1) * MISSED_REPORTS);
        // A storm of one login, or one that gives nothing back, has all reservations in one name.
        let config = format!(
            "[nats]\nurl = \"{}\"\nnamespace = \"{name}\"\n\n[http]\nlisten = \"127.0.0.1:0\"\n\n\
             [service]\nliveness_s = {liveness_s}\n\n[limits]\nreservations_per_user = 1000000\n\n[chain.\"session/start\"]\nsteps = [{}]\n",
            self.url, chain.steps
        );
        for (file, text) in &chain.files {
            self.put(file, text)?;
        }
        self.processes.write("whither.toml", &config)?;
        let mut command = whither("serve");
        command.arg("--config").arg(self.processes.path("whither.toml"));
        self.processes.spawn(SERVE, command)?;
        let log = self.processes.path(&format!("{SERVE}.log"));
        let port = || std::fs::read_to_string(&log).ok().and_then(|log| http_port(&log));
        let port = self.processes.wait(SERVE, port).await?;
        let ready = || figures::get(port, "/readyz").filter(|(status, _)| *status == 200);
        self.processes.wait(SERVE, ready).await?;
        let pid = self.processes.id(SERVE).ok_or_else(|| other("the service has ended"))?;
        Ok(StormService { pid, port, namespace: name.parse().map_err(other)? })
    }

    /// Ends the service and deletes the buckets and streams of the service's namespace.
    pub(super) async fn end(&mut self, service: &StormService, client: &Client) -> Result<(), CommandExit> {
        self.processes.stop(SERVE).await;
        let namespace = &service.namespace;
        let buckets = [namespace.nodes_bucket(), namespace.marks_bucket(), namespace.claims_bucket()];
        let streams = buckets.iter().map(|bucket| bucket_stream(bucket)).chain([namespace.events_stream()]);
        for stream in streams {
            // A stream that does not exist need not be deleted.
            let subject = format!("$JS.API.STREAM.DELETE.{stream}");
            drop(client.request(subject, Bytes::new()).await.map_err(other)?);
        }
        Ok(())
    }

    /// Starts the peer over `nodes`; returns the peer's process id and subjects.
    pub(super) async fn peer(&mut self, node_js: &NodeJs, nodes: &mut Nodes) -> Result<(u32, Subjects), CommandExit> {
        let (source, documents) = (self.processes.path("peer.cjs"), self.processes.path("nodes.ndjson"));
        self.processes.write("peer.cjs", PEER_SOURCE)?;
        write_documents(&documents, nodes).map_err(other)?;
        let mut command = Command::new(&node_js.program);
        command.arg(source).args([&self.url, PEER]).arg(documents).env("NODE_PATH", &node_js.packages);
        self.processes.spawn(PEER, command)?;
        let log = self.processes.path(&format!("{PEER}.log"));
        let is_ready = || std::fs::read_to_string(&log).ok().filter(|log| log.lines().any(|line| line == "ready"));
        self.processes.wait(PEER, is_ready).await?;
        let pid = self.processes.id(PEER).ok_or_else(|| other("the peer has ended"))?;
        let subject = |verb: &str| format!("{PEER}.{verb}").into();
        Ok((pid, Subjects { place: subject("place"), confirm: subject("confirm"), release: subject("release") }))
    }

    /// Ends the peer.
    pub(super) async fn end_peer(&mut self) {
        self.processes.stop(PEER).await;
    }

    /// Checks that every process still runs.
    pub(super) fn check(&mut self) -> Result<(), CommandExit> {
        self.processes.check()
    }

    /// Returns the last lines that the service has logged above the level of information.
    pub(super) fn complaints(&self) -> Vec<String> {
        let log = self.processes.log(SERVE);
        let lines: Vec<_> = log.lines().filter(|line| line.contains(" WARN ") || line.contains(" ERROR ")).collect();
        lines.iter().skip(lines.len().saturating_sub(LOG_LINES)).map(|line| (*line).to_owned()).collect()
    }

    /// Ends every process and removes the folder.
    pub(super) async fn take_down(self) {
        self.processes.take_down().await;
    }

    /// Writes a file beside the config; a file that begins with `#!` is made executable.
    fn put(&self, file: &str, text: &str) -> Result<(), CommandExit> {
        use std::os::unix::fs::PermissionsExt;
        self.processes.write(file, text)?;
        let mode = if text.starts_with("#!") { 0o755 } else { 0o644 };
        std::fs::set_permissions(self.processes.path(file), std::fs::Permissions::from_mode(mode)).map_err(other)
    }
}

/// Writes the documents of `nodes`, a line each.
fn write_documents(path: &Path, nodes: &mut Nodes) -> std::io::Result<()> {
    use std::io::Write;
    let mut file = std::io::BufWriter::new(std::fs::File::create(path)?);
    let now = Instant::now();
    for place in 0..nodes.count() {
        writeln!(file, "{}", nodes.report(place, now))?;
    }
    file.flush()
}

/// Returns the port that the service has chosen, from the service's log.
fn http_port(log: &str) -> Option<u16> {
    let line = log.lines().find(|line| line.contains("/healthz, /readyz, /metrics"))?;
    let (_, address) = line.split_once("127.0.0.1:")?;
    address.split(|next: char| !next.is_ascii_digit()).next()?.parse().ok()
}

fn other(error: impl std::fmt::Display) -> CommandExit {
    CommandExit::new(exit::OTHER, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_read_from_the_log() {
        let log =
            "INFO whither: up\nINFO whither::cli::serve: http: /healthz, /readyz, /metrics address=127.0.0.1:4711\n";
        assert_eq!((http_port(log), http_port("INFO up")), (Some(4711), None));
    }
}
