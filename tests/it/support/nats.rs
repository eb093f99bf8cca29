//! A real NATS server for one test: a free port, a store of its own, gone with the test.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use rustix::process::Pid;
use tempfile::TempDir;

use super::{PATIENCE, freeze, thaw};

/// A running server.
pub(crate) struct Nats {
    folder: TempDir,
    arguments: Vec<String>,
    variables: Vec<(String, String)>,
    port: u16,
    process: Child,
}

impl Nats {
    /// A server with JetStream.
    pub(crate) fn start() -> Self {
        Self::with(&["-js"])
    }

    /// A server with the given arguments beside address, port and store.
    pub(crate) fn with(arguments: &[&str]) -> Self {
        Self::within(TempDir::new().unwrap(), arguments)
    }

    /// A server whose folder holds what its arguments name (a config, say) already.
    pub(crate) fn within(folder: TempDir, arguments: &[&str]) -> Self {
        Self::told(folder, arguments, &[])
    }

    /// The same with `variables` in its environment, which a config may refer to; it runs in the folder.
    pub(crate) fn told(folder: TempDir, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        // -1: the server chooses, and writes the port into a file.
        let variables: Vec<_> =
            variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mut process = spawn(folder.path(), &arguments, &variables, "-1");
        let port = chosen_port(folder.path(), &mut process);
        Self { folder, arguments, variables, port, process }
    }

    /// A port on which nobody listens yet, with the server that will: started by [`Nats::restart`].
    pub(crate) fn not_yet() -> Self {
        let mut server = Self::start();
        server.kill();
        server.wipe();
        server
    }

    /// Its address.
    pub(crate) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Its folder.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A plain client.
    pub(crate) async fn client(&self) -> async_nats::Client {
        async_nats::connect(self.url()).await.unwrap()
    }

    /// Ends it as a power failure would.
    pub(crate) fn kill(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// Forgets everything that it stored; it must be down.
    pub(crate) fn wipe(&self) {
        let _ = std::fs::remove_dir_all(self.folder.path().join("store"));
    }

    /// Starts it again on the same port, with what it has stored.
    pub(crate) fn restart(&mut self) {
        self.kill();
        self.process = spawn(self.folder.path(), &self.arguments, &self.variables, &self.port.to_string());
        let start = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(start.elapsed() < PATIENCE, "the server does not come back");
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    }

    /// The same with other arguments.
    pub(crate) fn restart_with(&mut self, arguments: &[&str]) {
        self.arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        self.restart();
    }

    /// Stops it from running without ending it.
    pub(crate) fn freeze(&self) {
        freeze(&self.process);
    }

    /// Lets it run on.
    pub(crate) fn thaw(&self) {
        thaw(&self.process);
    }

    /// Its process.
    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.process)
    }

    /// What it logged so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        self.kill();
    }
}

fn spawn(folder: &Path, arguments: &[String], variables: &[(String, String)], port: &str) -> Child {
    let log = std::fs::File::options().create(true).append(true).open(folder.join("log")).unwrap();
    Command::new(program())
        .args(["--addr", "127.0.0.1", "--port", port])
        .arg("--store_dir")
        .arg(folder.join("store"))
        .arg("--ports_file_dir")
        .arg(folder)
        .args(arguments)
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap()
}

/// The server writes `{"nats": ["nats://127.0.0.1:40321"], …}` into a file that is named after its process.
fn chosen_port(folder: &Path, process: &mut Child) -> u16 {
    let start = Instant::now();
    loop {
        let files = std::fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path());
        for file in files.filter(|path| path.extension().is_some_and(|extension| extension == "ports")) {
            let ports: serde_json::Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap_or_default();
            let url = ports["nats"][0].as_str().unwrap_or_default();
            if let Some(port) = url.rsplit(':').next().and_then(|port| port.parse().ok()) {
                return port;
            }
        }
        let log = || std::fs::read_to_string(folder.join("log")).unwrap_or_default();
        assert!(process.try_wait().unwrap().is_none(), "nats-server ended: {}", log());
        assert!(start.elapsed() < PATIENCE, "nats-server did not start: {}", log());
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

/// The server to use: `WHITHER_NATS_SERVER`, else the one on the PATH, else the one that `make tools` installs.
pub(crate) fn program() -> PathBuf {
    if let Some(named) = std::env::var_os("WHITHER_NATS_SERVER").filter(|named| !named.is_empty()) {
        return named.into();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).map(|folder| folder.join("nats-server"));
    let tools = std::env::var_os("WHITHER_TOOLS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools"), PathBuf::from);
    let installed =
        std::fs::read_dir(tools).into_iter().flatten().flatten().map(|entry| entry.path().join("bin/nats-server"));
    on_path
        .chain(installed)
        .find(|program| program.is_file())
        .expect("no nats-server: `make tools` installs one, or name it in WHITHER_NATS_SERVER")
}
