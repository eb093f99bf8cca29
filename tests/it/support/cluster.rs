//! A cluster of real NATS servers for one test: each in a folder of its own, with routes to the others.

use async_nats::Client;
use async_nats::jetstream;
use serde_json::Value;

use super::eventually;
use super::nats::Nats;
use super::serve::{free_port, get};

/// Three servers, the least that outlives one of them.
const SERVERS: usize = 3;

/// Running servers, called s0, s1, ….
pub(crate) struct NatsCluster {
    servers: Vec<Nats>,
    /// Where each tells of itself.
    monitors: Vec<u16>,
}

impl NatsCluster {
    /// A cluster with JetStream; it may not have a leader yet.
    pub(crate) fn start() -> Self {
        let routes: Vec<String> = (0..SERVERS).map(|_| format!("nats://127.0.0.1:{}", free_port())).collect();
        let monitors: Vec<u16> = (0..SERVERS).map(|_| free_port()).collect();
        let start = |number: usize| {
            let name = format!("s{number}");
            let monitor = monitors[number].to_string();
            let others: Vec<_> = routes.iter().filter(|route| **route != routes[number]).cloned().collect();
            Nats::with(&[
                "-js",
                "--server_name",
                &name,
                "--cluster_name",
                "site",
                "--cluster",
                &routes[number],
                "--routes",
                &others.join(","),
                "--http_port",
                &monitor,
            ])
        };
        Self { servers: (0..SERVERS).map(start).collect(), monitors }
    }

    /// Their addresses.
    pub(crate) fn urls(&self) -> Vec<String> {
        self.servers.iter().map(Nats::url).collect()
    }

    /// A client that goes wherever there is a server.
    pub(crate) async fn client(&self) -> Client {
        async_nats::ConnectOptions::new().retry_on_initial_connect().connect(self.urls()).await.unwrap()
    }

    /// The server called `name`.
    pub(crate) fn server(&mut self, name: &str) -> &mut Nats {
        let number: usize = name.trim_start_matches('s').parse().unwrap();
        &mut self.servers[number]
    }

    /// Who leads the cluster's own group, which makes streams and consumers: all that are there must agree.
    pub(crate) async fn meta_leader(&self) -> String {
        eventually("the cluster has a leader", async || {
            let leaders: Vec<String> = self.monitors.iter().filter_map(|port| leader_by(*port)).collect();
            let first = leaders.first()?;
            (leaders.len() == SERVERS && leaders.iter().all(|leader| leader == first)).then(|| first.clone())
        })
        .await
    }
}

/// Who leads the stream `name`, once each of its servers is there and up to date.
pub(crate) async fn stream_leader(client: &Client, name: &str) -> String {
    let js = jetstream::new(client.clone());
    eventually("the stream is whole on every server", async || {
        let mut stream = js.get_stream(name).await.ok()?;
        let cluster = stream.info().await.ok()?.cluster.clone()?;
        let whole = cluster.replicas.len() + 1 == SERVERS;
        let current = cluster.replicas.iter().all(|replica| replica.current && !replica.offline);
        cluster.leader.filter(|_| whole && current)
    })
    .await
}

fn leader_by(port: u16) -> Option<String> {
    let (status, body) = get(port, "/jsz");
    let told: Value = serde_json::from_str(&body).ok().filter(|_| status == 200)?;
    told["meta_cluster"]["leader"].as_str().map(str::to_owned)
}
