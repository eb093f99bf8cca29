//! What the faults share: a chain, real agents, and launchers that ask all the time.

use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_nats::Client;
use serde_json::Value;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::support::serve::{Serve, nodes};
use crate::support::shell::WHITHER;
use crate::support::{PATIENCE, eventually, launcher};

/// A chain that counts its own reservations.
pub(crate) const FEWEST: &str = "[chain.\"session/start\"]\nsteps = [\"builtin:fewest-sessions\"]\n";

/// A real agent, which reports every second.
pub(crate) struct Agent {
    process: Child,
}

impl Agent {
    pub(crate) fn start(url: &str, id: &str) -> Self {
        let process = Command::new(WHITHER)
            .args(["agent", "--nats", url, "--id", id, "--interval", "1"])
            .env_remove("WHITHER_NAMESPACE")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { process }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Launchers that ask, each for one session after the other, until they are told to stop.
pub(crate) struct Load {
    stop: CancellationToken,
    launchers: JoinSet<Vec<String>>,
    placed: Arc<AtomicUsize>,
}

impl Load {
    /// `count` of them.
    pub(crate) fn start(client: &Client, count: usize) -> Self {
        let (stop, placed) = (CancellationToken::new(), Arc::new(AtomicUsize::new(0)));
        let mut launchers = JoinSet::new();
        for launcher in 0..count {
            let (client, stop, placed) = (client.clone(), stop.clone(), Arc::clone(&placed));
            launchers.spawn(async move {
                let (mut number, mut unanswered) = (0, Vec::new());
                while !stop.is_cancelled() {
                    let user = format!("u{launcher}-{number}");
                    let reply = launcher::place(&client, &user, PATIENCE).await;
                    if launcher::is_placed(reply.as_ref()) {
                        placed.fetch_add(1, Ordering::Relaxed);
                    } else {
                        unanswered.push(format!("{user}: {reply:?}"));
                    }
                    number += 1;
                }
                unanswered
            });
        }
        Self { stop, launchers, placed }
    }

    /// Waits until more were placed than now.
    pub(crate) async fn goes_on(&self) {
        let before = self.placed.load(Ordering::Relaxed);
        eventually("placements go on", async || (self.placed.load(Ordering::Relaxed) > before + 10).then_some(()))
            .await;
    }

    /// Ends it; each question must have been answered with a node.
    pub(crate) async fn ends_well(self) {
        self.stop.cancel();
        let unanswered: Vec<String> = self.launchers.join_all().await.into_iter().flatten().collect();
        assert_eq!(unanswered, Vec::<String>::new());
    }
}

/// The states of the nodes that the service knows, in the order of their ids, as in `a:ready b:cordoned`.
pub(crate) async fn states(client: &Client) -> String {
    let text = |node: &Value, field: &str| node[field].as_str().unwrap_or_default().to_owned();
    let nodes = nodes(client).await;
    nodes.iter().map(|node| format!("{}:{}", text(node, "id"), text(node, "state"))).collect::<Vec<_>>().join(" ")
}

/// Waits until the nodes are in these states.
pub(crate) async fn until_states(client: &Client, expected: &str) {
    eventually(expected, async || (states(client).await == expected).then_some(())).await;
}

/// Waits until the service has lost its view of the cluster.
pub(crate) async fn until_lost(serve: &Serve) {
    eventually("readiness goes", async || (serve.readyz().0 == 503).then_some(())).await;
}
