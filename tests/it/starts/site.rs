//! A site whose agents start sessions: programs that are told apart by node, and the sessions that they left behind.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use async_nats::{Client, HeaderMap};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::eventually;
use crate::support::nats::Nats;
use crate::support::serve::{Reply, Serve, ask, ask_raw, nodes};
use crate::support::shell::WHITHER;

/// The chain of the sites: nodes without sessions in the order of their ids. Where a start failed, a node cools down.
pub(super) const CHAINS: &str =
    "[service]\ncooldown_users = 1\n[chain.\"session/start\"]\nsteps = [\"builtin:fewest-sessions\"]\n";

/// A program that starts a session: a process that lives on, as every daemon does, and is listed.
pub(super) const SESSION: &str = "
echo \"$WHITHER_RESERVATION\" >> \"$SITE/started\"
setsid --fork sh -c 'echo \"$$ $(id -un)\" > \"$SITE/sessions/$WHITHER_NODE/$WHITHER_RESERVATION\"; exec sleep 1000'
until test -s \"$SITE/sessions/$WHITHER_NODE/$WHITHER_RESERVATION\"; do sleep 0.01; done
echo '{\"result\": {\"display\": 7}}'
";

/// Waits until the file `gate` of the site is there.
pub(super) const GATE: &str = "touch \"$SITE/waits\"; until test -e \"$SITE/gate\"; do sleep 0.01; done\n";

/// What lists the sessions of a node.
const LIST: &str = "
printf '['; comma=
for file in \"$1\"/*; do
    test -s \"$file\" && read pid user < \"$file\" && kill -0 \"$pid\" 2>/dev/null || continue
    printf '%s{\"id\": \"s-%s\", \"pid\": %s, \"user\": \"%s\"}' \"$comma\" \"$pid\" \"$pid\" \"$user\"; comma=,
done
printf ']'
";

/// A NATS server with a service, and the folder in which programs and sessions leave their traces.
pub(super) struct StartSite {
    pub(super) serve: Serve,
    pub(super) client: Client,
    pub(super) nats: Nats,
    folder: TempDir,
}

/// A running agent that starts sessions.
pub(super) struct StartAgent {
    process: Child,
    log: PathBuf,
}

impl StartSite {
    pub(super) async fn start() -> Self {
        Self::start_with(CHAINS).await
    }

    /// The same with a config of these `chains`.
    pub(super) async fn start_with(chains: &str) -> Self {
        let nats = Nats::start();
        let serve = Serve::start(&nats, chains, &[]).await;
        let client = nats.client().await;
        let folder = TempDir::new().unwrap();
        std::fs::create_dir(folder.path().join("sessions")).unwrap();
        // Sessions of other users write here too.
        open(folder.path());
        program(&folder.path().join("list"), LIST);
        Self { serve, client, nats, folder }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// The reservations under which sessions were started so far, each as often as a session was.
    pub(super) fn started(&self) -> Vec<String> {
        self.read("started").lines().map(str::to_owned).collect()
    }

    /// Lets the programs behind a gate go on.
    pub(super) fn open_gate(&self) {
        std::fs::write(self.path("gate"), "").unwrap();
    }

    /// Waits until a program stands behind the gate.
    pub(super) async fn at_gate(&self) {
        eventually("a program waits", async || self.path("waits").exists().then_some(())).await;
    }

    /// An agent of `node` that is known to the service and starts sessions by the shell `script`.
    pub(super) async fn agent(&self, node: &str, script: &str) -> StartAgent {
        self.agent_with(node, script, &[]).await
    }

    /// The same with more options.
    pub(super) async fn agent_with(&self, node: &str, script: &str, options: &[&str]) -> StartAgent {
        let command = self.program(&format!("start-{node}"), script);
        let options: Vec<_> = ["--start-command", &command].into_iter().chain(options.iter().copied()).collect();
        self.agent_of(node, &options).await
    }

    /// An agent of `node` with these options about starts.
    pub(super) async fn agent_of(&self, node: &str, options: &[&str]) -> StartAgent {
        let sessions = self.path("sessions").join(node);
        std::fs::create_dir_all(&sessions).unwrap();
        open(&sessions);
        let list = format!("{} {}", self.path("list").display(), sessions.display());
        let is_new = |number: &usize| !self.path(&format!("log-{node}-{number}")).exists();
        let log = self.path(&format!("log-{node}-{}", (1..).find(is_new).unwrap()));
        let process = Command::new(WHITHER)
            .args(["agent", "--nats", &self.nats.url(), "--id", node, "--sessions-command", &list])
            .args(["--interval", "1", "--sessions-interval", "1", "--start-env"])
            .arg(format!("SITE={}", self.folder.path().display()))
            .args(options)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::options().create(true).truncate(true).write(true).open(&log).unwrap())
            .spawn()
            .unwrap();
        let agent = StartAgent { process, log };
        agent.says("is in the cluster").await;
        agent.says("asked on").await;
        eventually("the node is known with its sessions", async || {
            let known = nodes(&self.client).await;
            known.iter().any(|known| known["id"] == node && known["nodeData"]["sessions"].is_array()).then_some(())
        })
        .await;
        agent
    }

    /// Writes a program that the shell runs; its path.
    pub(super) fn program(&self, name: &str, script: &str) -> String {
        let path = self.path(name);
        program(&path, script);
        path.to_str().unwrap().to_owned()
    }

    /// Asks for a start of `login`.
    pub(super) async fn ask(&self, login: &str) -> Reply {
        self.ask_with(json!({"user": {"login": login}})).await
    }

    /// Asks for a start.
    pub(super) async fn ask_with(&self, body: Value) -> Reply {
        ask(&self.client, "whither.start", &body).await
    }

    /// Asks for a start that may take `seconds`.
    pub(super) async fn ask_within(&self, body: Value, seconds: u32) -> Reply {
        let mut headers = HeaderMap::new();
        headers.insert("Whither-Timeout", (seconds * 1000).to_string());
        ask_raw(&self.client, "whither.start", body.to_string().into_bytes(), headers).await
    }

    /// The node as the service shows it.
    pub(super) async fn node(&self, id: &str) -> Value {
        nodes(&self.client).await.into_iter().find(|node| node["id"] == id).unwrap_or_default()
    }

    /// Waits until the node's report lists the session of `reservation`, and nothing is reserved there any more.
    pub(super) async fn reported(&self, node: &str, reservation: &str) -> Value {
        eventually("the session is reported", async || {
            let shown = self.node(node).await;
            let sessions = shown["nodeData"]["sessions"].as_array()?;
            let found =
                sessions.iter().find(|session| session["reservation"] == reservation && session["pid"].is_number())?;
            (shown["pending"] == 0).then(|| found.clone())
        })
        .await
    }
}

impl Drop for StartSite {
    fn drop(&mut self) {
        // Whatever started here has this site in its environment.
        let site = format!("SITE={}\0", self.folder.path().display());
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let environment = std::fs::read(entry.path().join("environ")).unwrap_or_default();
            let is_ours = environment.windows(site.len()).any(|part| part == site.as_bytes());
            let pid = entry.file_name().to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw);
            if let Some(pid) = pid.filter(|_| is_ours) {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
    }
}

impl StartAgent {
    pub(super) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    pub(super) async fn says(&self, words: &str) {
        eventually(words, async || self.log().contains(words).then_some(())).await;
    }

    /// Ends the agent as a lack of memory would.
    pub(super) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Tells the agent to stop, and waits for the end.
    pub(super) async fn stop(&mut self) -> ExitStatus {
        kill_process(Pid::from_child(&self.process), Signal::TERM).unwrap();
        let process = &mut self.process;
        loop {
            if let Some(status) = process.try_wait().unwrap() {
                return status;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }
}

impl Drop for StartAgent {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        if std::thread::panicking() {
            eprintln!("--- {}\n{}", self.log.display(), self.log());
        }
    }
}

/// Whether `pid` is a process that still does something.
pub(super) fn is_running(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
    stat.is_ok_and(|stat| !stat.contains(") Z "))
}

fn open(folder: &Path) {
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o777)).unwrap();
}

fn program(path: &Path, script: &str) {
    std::fs::write(path, format!("#!/bin/sh\n{script}")).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}
