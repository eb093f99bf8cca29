//! Who attacks while the soak's good requests go on: floods of large requests, connections that never say what they want,
//! a log reader that stops reading, node documents that no script would want, and a second replica that is paused.

use std::io::{PipeReader, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use async_nats::Client;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::serve::Serve;

/// Bytes of a large request, and how many of them are sent between two pauses.
const LARGE: usize = 900_000;
const FLOOD: usize = 8;
const FLOOD_PAUSE: Duration = Duration::from_millis(500);
/// Connections that send half a request and wait.
const HALF_REQUESTS: usize = 100;
/// For how long the log's reader reads, and then does not.
const READING: Duration = Duration::from_secs(20);
/// Bytes of the log that are kept, to be shown where the service ends.
const KEPT_LOG: usize = 16 << 10;
/// Sessions in a document that is as large as documents may be, and the nodes that report it.
const MANY_SESSIONS: usize = 3000;
const EVIL_NODES: usize = 3;
const EVIL_PAUSE: Duration = Duration::from_millis(500);
/// How long the other replica runs, and how long it then stands still.
const RUNNING: Duration = Duration::from_secs(40);
const PAUSED: Duration = Duration::from_secs(3);

/// The attackers while they go on.
pub(crate) struct Attackers {
    tasks: JoinSet<()>,
    stop: Arc<AtomicBool>,
    reader: JoinHandle<String>,
}

impl Attackers {
    /// Attacks the service whose HTTP port is `http` and whose log comes out of `log`; `other` is another replica.
    pub(crate) fn start(client: &Client, http: u16, log: PipeReader, other: Serve) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut tasks = JoinSet::new();
        tasks.spawn(flood(client.clone()));
        tasks.spawn(evil_documents(client.clone()));
        tasks.spawn(pause(other));
        let ended = Arc::clone(&stop);
        thread::spawn(move || half_requests(http, &ended));
        let ended = Arc::clone(&stop);
        let reader = thread::spawn(move || read_now_and_then(log, &ended));
        Self { tasks, stop, reader }
    }

    /// The last lines of the log of a service that has ended.
    pub(crate) fn last_lines(self) -> String {
        self.stop.store(true, Ordering::Relaxed);
        self.reader.join().unwrap_or_default()
    }

    /// Ends them.
    pub(crate) async fn stop(mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.tasks.shutdown().await;
    }
}

async fn flood(client: Client) {
    let large = json!({"action": "score", "data": {"pick": "n00", "text": "x".repeat(LARGE)}}).to_string();
    let inbox = client.new_inbox();
    loop {
        for _ in 0..FLOOD {
            client.publish_with_reply("whither.place", inbox.clone(), large.clone().into()).await.unwrap();
        }
        tokio::time::sleep(FLOOD_PAUSE).await;
    }
}

async fn evil_documents(client: Client) {
    for number in 0.. {
        let id = format!("evil{}", number % EVIL_NODES);
        let sessions: Vec<Value> = (0..MANY_SESSIONS).map(|session| json!({"id": session + number})).collect();
        let large = json!({"id": id, "nodeData": {"sessions": sessions}}).to_string();
        let deep = format!("{{\"id\":\"{id}\",\"metadata\":{}1{}}}", "[".repeat(5000), "]".repeat(5000));
        let document = if number % 2 == 0 { large } else { deep };
        client.publish(format!("$KV.whither_nodes.{id}"), document.into()).await.unwrap();
        tokio::time::sleep(EVIL_PAUSE).await;
    }
}

async fn pause(other: Serve) {
    loop {
        tokio::time::sleep(RUNNING).await;
        other.freeze();
        tokio::time::sleep(PAUSED).await;
        other.thaw();
    }
}

fn half_requests(http: u16, ended: &AtomicBool) {
    let mut open = Vec::new();
    while !ended.load(Ordering::Relaxed) {
        open.clear();
        for _ in 0..HALF_REQUESTS {
            if let Ok(mut connection) = TcpStream::connect(("127.0.0.1", http)) {
                drop(connection.write_all(b"GET /healthz HTT"));
                open.push(connection);
            }
        }
        thread::sleep(Duration::from_secs(2));
    }
}

/// Reads the log for a while, and then not, until the service has ended; returns the end of what it read.
fn read_now_and_then(mut log: PipeReader, ended: &AtomicBool) -> String {
    let (mut text, mut last) = ([0; 1 << 16], Vec::new());
    let mut keep = |text: &[u8]| {
        last.extend_from_slice(text);
        last.drain(..last.len().saturating_sub(KEPT_LOG));
    };
    while !ended.load(Ordering::Relaxed) {
        let start = std::time::Instant::now();
        while start.elapsed() < READING {
            match log.read(&mut text) {
                Ok(count @ 1..) => keep(&text[..count]),
                _ => return String::from_utf8_lossy(&last).into_owned(),
            }
        }
        thread::sleep(READING);
    }
    // Whoever writes the log finds a reader until the service has ended.
    while let Ok(count @ 1..) = log.read(&mut text) {
        keep(&text[..count]);
    }
    String::from_utf8_lossy(&last).into_owned()
}
