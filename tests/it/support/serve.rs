//! A running `whither serve` for one test, with its config and scripts in a folder of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use async_nats::jetstream::{self, kv};
use async_nats::{Client, HeaderMap, Message};
use futures_util::StreamExt;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;
use whither::nats::subjects::encode_key;

use super::nats::Nats;
use super::shell::WHITHER;
use super::{PATIENCE, eventually, freeze, thaw};

/// A running service.
pub(crate) struct Serve {
    folder: TempDir,
    process: Child,
    http: u16,
}

/// A reply: its body, and the error code where it is an error.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) body: Value,
    pub(crate) code: Option<String>,
}

impl Serve {
    /// A service on `nats` with the config's `chains`, and `scripts` beside it; it may not be ready yet.
    pub(crate) fn spawn(nats: &Nats, chains: &str, scripts: &[(&str, &str)]) -> Self {
        Self::spawn_on(&[nats.url()], "", chains, scripts)
    }

    /// The same on any of the servers at `urls`, with `lines` more in the config's `[nats]`.
    pub(crate) fn spawn_on(urls: &[String], lines: &str, chains: &str, scripts: &[(&str, &str)]) -> Self {
        let folder = TempDir::new().unwrap();
        let http = free_port();
        for (name, text) in scripts {
            put(&folder.path().join(name), text);
        }
        write_config(folder.path(), urls, lines, http, chains);
        let config = folder.path().join("whither.toml");
        Self::run(folder, http, &["--config", &config.to_string_lossy()], &[])
    }

    /// A service on `nats` as [`Serve::spawn`] has it, with `variables` in its environment.
    pub(crate) fn spawn_in(nats: &Nats, variables: &[(&str, &str)], chains: &str, scripts: &[(&str, &str)]) -> Self {
        let folder = TempDir::new().unwrap();
        let http = free_port();
        scripts.iter().for_each(|(name, text)| put(&folder.path().join(name), text));
        write_config(folder.path(), &[nats.url()], "", http, chains);
        let config = folder.path().join("whither.toml");
        Self::run(folder, http, &["--config", &config.to_string_lossy()], variables)
    }

    /// A service with the config at `path`, which has no HTTP port.
    pub(crate) fn with_config(path: &Path) -> Self {
        let folder = TempDir::new().unwrap();
        let http = free_port();
        let listen = format!("127.0.0.1:{http}");
        Self::run(folder, http, &["--config", &path.to_string_lossy(), "--http", &listen], &[])
    }

    /// A service on `nats` without a config, in `folder` with `variables` in its environment.
    pub(crate) fn without_config(nats: &Nats, folder: TempDir, variables: &[(&str, &str)]) -> Self {
        let http = free_port();
        Self::run(folder, http, &["--nats", &nats.url(), "--http", &format!("127.0.0.1:{http}")], variables)
    }

    /// A service on `nats` whose log goes to `log`.
    pub(crate) fn logging_to(nats: &Nats, chains: &str, scripts: &[(&str, &str)], log: impl Into<Stdio>) -> Self {
        let folder = TempDir::new().unwrap();
        let http = free_port();
        scripts.iter().for_each(|(name, text)| put(&folder.path().join(name), text));
        write_config(folder.path(), &[nats.url()], "", http, chains);
        let config = folder.path().join("whither.toml");
        Self::start_process(folder, http, &["--config", &config.to_string_lossy()], &[], log.into())
    }

    /// A service on `nats` that is started with a soft limit of so many descriptors.
    pub(crate) fn with_descriptors(nats: &Nats, most: u64, chains: &str, scripts: &[(&str, &str)]) -> Self {
        let folder = TempDir::new().unwrap();
        let http = free_port();
        scripts.iter().for_each(|(name, text)| put(&folder.path().join(name), text));
        write_config(folder.path(), &[nats.url()], "", http, chains);
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        // A limit of the tests' own process would be one for the other tests too.
        let mut command = Command::new("sh");
        command.args(["-c", "ulimit -Sn \"$0\" && exec \"$@\"", &most.to_string(), WHITHER]);
        Self::start_command(command, folder, http, &["--config", "whither.toml"], &[], log.into())
    }

    fn run(folder: TempDir, http: u16, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        Self::start_process(folder, http, arguments, variables, log.into())
    }

    fn start_process(folder: TempDir, http: u16, arguments: &[&str], variables: &[(&str, &str)], log: Stdio) -> Self {
        Self::start_command(Command::new(WHITHER), folder, http, arguments, variables, log)
    }

    fn start_command(
        mut command: Command,
        folder: TempDir,
        http: u16,
        arguments: &[&str],
        variables: &[(&str, &str)],
        log: Stdio,
    ) -> Self {
        let process = command
            .arg("serve")
            .args(arguments)
            .env_remove("WHITHER_NATS")
            .envs(variables.iter().copied())
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        Self { folder, process, http }
    }

    /// The same, ready.
    pub(crate) async fn start(nats: &Nats, chains: &str, scripts: &[(&str, &str)]) -> Self {
        let mut serve = Self::spawn(nats, chains, scripts);
        serve.ready().await;
        serve
    }

    /// Waits until `/readyz` says so.
    pub(crate) async fn ready(&mut self) {
        let start = Instant::now();
        while self.readyz().0 != 200 {
            if let Some(status) = self.process.try_wait().unwrap() {
                panic!("the service ended with {status}:\n{}", self.log());
            }
            assert!(start.elapsed() < PATIENCE, "the service does not get ready:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Writes the config anew with other chains.
    pub(crate) fn configure(&self, nats: &Nats, chains: &str) {
        write_config(self.folder.path(), &[nats.url()], "", self.http, chains);
    }

    /// Writes a script anew.
    pub(crate) fn write(&self, name: &str, text: &str) {
        put(&self.folder.path().join(name), text);
    }

    /// The folder of its config.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Its runner, where there is one.
    pub(crate) fn runner(&self) -> Option<Pid> {
        let command = |pid: &Pid| std::fs::read(format!("/proc/{}/cmdline", pid.as_raw_nonzero())).unwrap_or_default();
        self.children().into_iter().find(|pid| command(pid).ends_with(b"__runner\0"))
    }

    /// The processes that run its executables, whoever their parents are: by a word of their command line.
    pub(crate) fn processes(word: &str) -> Vec<u32> {
        let pids = std::fs::read_dir("/proc").unwrap().flatten();
        let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        let command = |pid: &u32| std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        pids.filter(|pid| String::from_utf8_lossy(&command(pid)).contains(word)).collect()
    }

    /// Status and body of `/readyz`; status 0 where the port does not answer.
    pub(crate) fn readyz(&self) -> (u16, String) {
        self.get("/readyz")
    }

    /// Status and body of a page of the HTTP port.
    pub(crate) fn get(&self, path: &str) -> (u16, String) {
        get(self.http, path)
    }

    /// What `/readyz` says, whatever its status.
    pub(crate) fn health(&self) -> Value {
        serde_json::from_str(&self.readyz().1).unwrap_or_default()
    }

    /// Waits until it counts its nodes so, by state.
    pub(crate) async fn shows_nodes(&self, expected: Value) {
        eventually("the nodes are in these states", async || (self.health()["nodes"] == expected).then_some(())).await;
    }

    /// Its HTTP port.
    pub(crate) fn http(&self) -> u16 {
        self.http
    }

    /// A figure of `/metrics`, by its whole name with its labels.
    pub(crate) fn figure(&self, name: &str) -> Option<f64> {
        let metrics = self.get("/metrics").1;
        metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
    }

    /// What it logged so far.
    pub(crate) fn log(&self) -> String {
        // One that logs elsewhere has none.
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Waits until it logged `words`.
    pub(crate) async fn logged(&self, words: &str) {
        eventually(words, async || self.log().contains(words).then_some(())).await;
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Its process, to send signals to.
    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.process)
    }

    /// Fails where the process has ended.
    pub(crate) fn must_run(&mut self) {
        if let Some(status) = self.process.try_wait().unwrap() {
            panic!("the service ended with {status}");
        }
    }

    /// Whether the process goes on.
    pub(crate) fn is_running(&mut self) -> bool {
        self.process.try_wait().unwrap().is_none()
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process), signal).unwrap();
    }

    /// Stops it from running without ending it.
    pub(crate) fn freeze(&self) {
        freeze(&self.process);
    }

    /// Lets it run on.
    pub(crate) fn thaw(&self) {
        thaw(&self.process);
    }

    /// The processes that it has started and that still run.
    pub(crate) fn children(&self) -> Vec<Pid> {
        let mut children = Vec::new();
        for thread in std::fs::read_dir(format!("/proc/{}/task", self.process.id())).into_iter().flatten().flatten() {
            let listed = std::fs::read_to_string(thread.path().join("children")).unwrap_or_default();
            children.extend(listed.split_whitespace().map(|child| Pid::from_raw(child.parse().unwrap()).unwrap()));
        }
        children
    }

    /// CPU time that it and its workers have taken so far, in microseconds.
    pub(crate) fn cpu_us(&self) -> u64 {
        let own = Pid::from_child(&self.process);
        self.children().into_iter().chain([own]).map(cpu_us).sum()
    }

    /// Waits until it has ended; its exit code.
    pub(crate) async fn ended(&mut self) -> Option<i32> {
        let process = &mut self.process;
        let start = Instant::now();
        loop {
            if let Some(status) = process.try_wait().unwrap() {
                return status.code();
            }
            assert!(start.elapsed() < PATIENCE, "the service does not end");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the service's log\n{}", self.log());
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A NATS server, a service on it with the config's `chains`, and a client; the cluster has `nodes` plain nodes.
pub(crate) async fn site(chains: &str, scripts: &[(&str, &str)], nodes: usize) -> (Nats, Serve, Client) {
    let nats = Nats::start();
    let serve = Serve::start(&nats, chains, scripts).await;
    let client = nats.client().await;
    report(&client, &plain_nodes(nodes)).await;
    (nats, serve, client)
}

/// Puts node documents where agents put them, and waits until the service knows them all.
pub(crate) async fn report(client: &Client, documents: &[Value]) {
    let bucket = bucket(client).await;
    for node in documents {
        let key = encode_key(node["id"].as_str().unwrap());
        bucket.put(key, node.to_string().into()).await.unwrap();
    }
    eventually("the service knows the nodes", async || {
        let known = nodes(client).await;
        let ids: BTreeSet<_> = known.iter().filter_map(|node| node["id"].as_str()).collect();
        documents.iter().all(|node| node["id"].as_str().is_some_and(|id| ids.contains(id))).then_some(())
    })
    .await;
}

/// Every node as the service shows it: with thousands of reservations a few of them fill a page.
pub(crate) async fn nodes(client: &Client) -> Vec<Value> {
    let (mut nodes, mut after) = (Vec::new(), String::new());
    loop {
        let page = ask(client, "whither.nodes", &json!({"after": after, "limit": 1000})).await.body;
        nodes.extend(page["nodes"].as_array().cloned().unwrap_or_default());
        match page["next"].as_str() {
            Some(next) => next.clone_into(&mut after),
            None => return nodes,
        }
    }
}

/// Takes a node's document away, as an agent does that stops.
pub(crate) async fn retire(client: &Client, node: &str) {
    bucket(client).await.delete(encode_key(node)).await.unwrap();
}

/// The bucket of node documents.
pub(crate) async fn bucket(client: &Client) -> kv::Store {
    let js = jetstream::new(client.clone());
    eventually("the bucket of nodes", async || js.get_key_value("whither_nodes").await.ok()).await
}

/// Asks once.
pub(crate) async fn ask(client: &Client, subject: &str, body: &Value) -> Reply {
    ask_raw(client, subject, body.to_string().into_bytes(), HeaderMap::new()).await
}

/// Asks once with any bytes and headers.
pub(crate) async fn ask_raw(client: &Client, subject: &str, body: Vec<u8>, headers: HeaderMap) -> Reply {
    // The client's own timeout is shorter than the patience of a test on a busy machine.
    let request = async_nats::Request::new().headers(headers).payload(body.into()).timeout(Some(PATIENCE));
    read(&client.send_request(subject.to_owned(), request).await.expect("an answer in time"))
}

/// Sends `count` questions, the bodies by number, at once from one inbox and returns how many replies each got; `meanwhile` runs in between.
pub(crate) async fn storm(
    client: &Client,
    subject: &str,
    count: usize,
    body: impl Fn(usize) -> Value,
    meanwhile: impl AsyncFnOnce(),
) -> BTreeMap<usize, Vec<Value>> {
    let inbox = client.new_inbox();
    let mut replies = client.subscribe(format!("{inbox}.*")).await.unwrap();
    for number in 0..count {
        client
            .publish_with_reply(subject.to_owned(), format!("{inbox}.{number}"), body(number).to_string().into())
            .await
            .unwrap();
    }
    client.flush().await.unwrap();
    meanwhile().await;
    let mut answered: BTreeMap<usize, Vec<Value>> = BTreeMap::new();
    while answered.len() < count {
        let next = tokio::time::timeout(PATIENCE, replies.next()).await;
        let Ok(Some(message)) = next else { panic!("{} of {count} were answered", answered.len()) };
        let number = message.subject.rsplit('.').next().unwrap().parse().unwrap();
        answered.entry(number).or_default().push(serde_json::from_slice(&message.payload).unwrap());
    }
    // Whatever came twice has come by the time that a later question is answered.
    ask(client, "whither.nodes", &json!({"limit": 1})).await;
    while let Ok(Some(message)) = tokio::time::timeout(Duration::from_millis(200), replies.next()).await {
        let number = message.subject.rsplit('.').next().unwrap().parse().unwrap();
        answered.entry(number).or_default().push(serde_json::from_slice(&message.payload).unwrap());
    }
    answered
}

/// Reads a reply.
pub(crate) fn read(message: &Message) -> Reply {
    let header = |name: &str| message.headers.as_ref().and_then(|headers| headers.get(name)).map(ToString::to_string);
    Reply { body: serde_json::from_slice(&message.payload).unwrap(), code: header("Nats-Service-Error-Code") }
}

/// `count` nodes called n00, n01, … without sessions.
pub(crate) fn plain_nodes(count: usize) -> Vec<Value> {
    (0..count).map(|number| json!({"id": format!("n{number:02}"), "nodeData": {"sessions": []}})).collect()
}

/// Writes a script; one that names its interpreter may be executed.
fn put(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::write(path, text).unwrap();
    let mode = if text.starts_with("#!") { 0o755 } else { 0o644 };
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// Writes the config; `WHITHER_VERIFY_EVERY` sets `limits.verify_every` in it, so that the same tests run with compiled
/// JavaScript compared at every call (1), or with the interpreter alone (0).
fn write_config(folder: &Path, urls: &[String], lines: &str, http: u16, chains: &str) {
    let chains = match std::env::var("WHITHER_VERIFY_EVERY") {
        Ok(every) if chains.contains("[limits]\n") && !chains.contains("verify_every") => {
            chains.replace("[limits]\n", &format!("[limits]\nverify_every = {every}\n"))
        }
        Ok(every) if !chains.contains("verify_every") => format!("{chains}\n[limits]\nverify_every = {every}\n"),
        _ => chains.to_owned(),
    };
    let config = format!("[nats]\nurl = {urls:?}\n{lines}\n[http]\nlisten = \"127.0.0.1:{http}\"\n{chains}");
    std::fs::write(folder.join("whither.toml"), config).unwrap();
}

/// Status and body of the page at `path` of this machine's `port`; status 0 where nobody answers.
pub(crate) fn get(port: u16, path: &str) -> (u16, String) {
    use std::io::{Read, Write};
    let Ok(mut stream) = std::net::TcpStream::connect(("127.0.0.1", port)) else { return (0, String::new()) };
    let mut answer = String::new();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let _ = stream.read_to_string(&mut answer);
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    (status, answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default())
}

/// A port on which nobody listens, for a process that is told its port: below the ports that the system gives to
/// connections and to port 0, which might take it before the process does.
pub(crate) fn free_port() -> u16 {
    static ASKED: AtomicU32 = AtomicU32::new(0);
    let ports = (0..12_000).map(|_| {
        let number = std::process::id() + ASKED.fetch_add(1, Ordering::Relaxed);
        20_000 + (number % 12_000) as u16
    });
    ports.into_iter().find(|port| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok()).unwrap()
}

/// CPU time of a process in microseconds, of all its threads; 0 where it is gone.
pub(crate) fn cpu_us(process: Pid) -> u64 {
    let threads = std::fs::read_dir(format!("/proc/{}/task", process.as_raw_nonzero())).into_iter().flatten().flatten();
    let nanoseconds = threads.map(|thread| {
        let schedstat = std::fs::read_to_string(thread.path().join("schedstat")).unwrap_or_default();
        schedstat.split(' ').next().and_then(|ns| ns.parse::<u64>().ok()).unwrap_or_default()
    });
    nanoseconds.sum::<u64>() / 1000
}
