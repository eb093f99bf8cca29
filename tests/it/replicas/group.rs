//! A group of replicas for one test.

use async_nats::Client;
use serde_json::{Value, json};

use crate::support::eventually;
use crate::support::nats::Nats;
use crate::support::serve::{Serve, ask, report};

pub(crate) const FEWEST: &str = "[chain.\"session/start\"]\nsteps = [\"builtin:fewest-sessions\"]\n";

/// Replicas on one server.
pub(crate) struct Group {
    pub(crate) nats: Nats,
    pub(crate) client: Client,
    pub(crate) replicas: Vec<Serve>,
}

impl Group {
    /// `count` replicas that know of each other, with the config's `chains`, and a cluster of `nodes`.
    pub(crate) async fn of(count: usize, chains: &str, nodes: &[Value]) -> Self {
        Self::on(Nats::start(), count, chains, nodes).await
    }

    /// The same on the server `nats`.
    pub(crate) async fn on(nats: Nats, count: usize, chains: &str, nodes: &[Value]) -> Self {
        let client = nats.client().await;
        let mut replicas: Vec<_> = (0..count).map(|_| Serve::spawn(&nats, chains, &[])).collect();
        for replica in &mut replicas {
            replica.ready().await;
        }
        let group = Self { nats, client, replicas };
        group.all_show("whither_other_replicas", count - 1).await;
        report(&group.client, nodes).await;
        group.all_show("whither_nodes", nodes.len()).await;
        group
    }

    /// Waits until every replica shows this `value` of `metric`.
    pub(crate) async fn all_show(&self, metric: &str, value: usize) {
        for replica in &self.replicas {
            eventually(&format!("{metric} {value}"), async || (figure(replica, metric) == Some(value)).then_some(()))
                .await;
        }
    }

    /// Asks for a placement of `user`.
    pub(crate) async fn place(&self, user: &str) -> Value {
        ask(&self.client, "whither.place", &json!({"user": {"login": user}})).await.body
    }
}

/// What `replica` shows of `metric`.
pub(crate) fn figure(replica: &Serve, metric: &str) -> Option<usize> {
    let page = replica.get("/metrics").1;
    let line = page.lines().find_map(|line| line.strip_prefix(metric)?.strip_prefix(' ').map(str::to_owned));
    line.and_then(|value| value.parse().ok())
}

/// `count` nodes n000, n001, … without sessions that can take `most` each.
pub(crate) fn limited_nodes(count: usize, most: usize) -> Vec<Value> {
    let node = |number| json!({"id": format!("n{number:03}"), "maxSessions": most, "nodeData": {"sessions": []}});
    (0..count).map(node).collect()
}
