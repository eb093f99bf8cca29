//! A first tier over real NATS servers: sites joined by leaf nodes, summaries on one subject, and an ordinary service at
//! each site whose nodes are the sites, as docs/src/internals/scale.md has it.

use crate::support::eventually;
use crate::support::nats::Nats;
use crate::support::serve::{Serve, ask, free_port};
use async_nats::Client;
use serde_json::{Value, json};
use tempfile::TempDir;

/// A chain for each group, and a site that is stale after three seconds.
const CHAINS: &str = "[service]\nliveness_s = 3\ncooldown_s = 10\ncooldown = \"out\"\n\
    [chain.\"session/cad\"]\nsteps = [\"builtin:weighted\"]\nreserve = true\nrequire_services = [\"cad\"]\n";

/// A server with the config `text`.
fn server(text: &str) -> Nats {
    let folder = TempDir::new().unwrap();
    let config = folder.path().join("nats.conf");
    std::fs::write(&config, text).unwrap();
    Nats::within(folder, &["--config", &config.to_string_lossy()])
}

/// A site: its own server, joined to the hub, and its replica of the first tier.
struct Site {
    name: String,
    nats: Nats,
    client: Client,
    tier: Serve,
}

impl Site {
    async fn start(name: &str, leaf_port: u16) -> Self {
        let nats = server(&format!(
            "server_name: {name}\njetstream {{ domain: {name} }}\n\
             leafnodes {{ reconnect: \"1s\", remotes: [ {{ url: \"nats-leaf://127.0.0.1:{leaf_port}\" }} ] }}\n"
        ));
        let client = nats.client().await;
        make_bucket(&client).await;
        let mut tier = Serve::spawn_on(&[nats.url()], "namespace = \"sites\"\n", CHAINS, &[]);
        tier.ready().await;
        Self { name: name.to_owned(), nats, client, tier }
    }

    /// Publishes how many of the site's hundred sessions run.
    async fn says(&self, sessions: u64) {
        let name = &self.name;
        let summary = json!({
            "id": format!("{name}.cad"), "hostname": name, "maxSessions": 100,
            "nodeData": {"services": ["cad"], "sessions": sessions}, "staticData": {"group": "cad", "weight": 100},
        });
        let subject = format!("sites.summaries.{name}=2Ecad");
        self.client.publish(subject, summary.to_string().into()).await.unwrap();
        self.client.flush().await.unwrap();
    }

    /// The states of the sites, as the first tier here sees them.
    fn states(&self) -> Value {
        self.tier.health()["nodes"].clone()
    }

    async fn place(&self, user: &str) -> Value {
        ask(&self.client, "sites.place", &json!({"action": "session/cad", "user": {"login": user}})).await.body
    }
}

/// The bucket of the first tier at one site: it keeps what any site publishes on the subject of the summaries.
async fn make_bucket(client: &Client) {
    let second = 1_000_000_000_u64;
    let config = json!({
        "name": "KV_sites_nodes", "subjects": ["sites.summaries.*"], "retention": "limits", "discard": "new",
        "subject_transform": {"src": "sites.summaries.*", "dest": "$KV.sites_nodes.{{wildcard(1)}}"},
        "max_msgs_per_subject": 1, "max_age": 3 * second, "duplicate_window": 3 * second, "storage": "file",
        "num_replicas": 1, "allow_direct": true, "deny_delete": true,
    });
    let made = eventually("the bucket is made", async || {
        let asked = client.request("$JS.API.STREAM.CREATE.KV_sites_nodes", config.to_string().into()).await.ok()?;
        serde_json::from_slice::<Value>(&asked.payload).ok()
    })
    .await;
    assert!(made["error"].is_null(), "{made}");
}

/// Waits until the first tiers of all `sites` see these `states`, while every site publishes.
async fn seen(sites: &[Site; 2], states: Value) {
    eventually(&format!("{states}"), async || {
        sites[0].says(90).await;
        sites[1].says(10).await;
        sites.iter().all(|site| site.states() == states).then_some(())
    })
    .await;
}

#[tokio::test]
async fn sites_choose_by_summaries_and_a_cut_leaves_each_its_own() {
    let leaf_port = free_port();
    let mut hub = server(&format!(
        "server_name: hub\njetstream {{ domain: hub }}\nleafnodes {{ listen: \"127.0.0.1:{leaf_port}\" }}\n"
    ));
    let sites = [Site::start("site-01", leaf_port).await, Site::start("site-02", leaf_port).await];
    seen(&sites, json!({"ready": 2})).await;
    for (site, user) in sites.iter().zip(["ann", "bob"]) {
        let placed = site.place(user).await;
        assert_eq!(placed["node"], "site-02.cad", "the emptier site, from any of them: {placed}");
    }

    hub.kill();
    seen(&sites, json!({"ready": 1, "stale": 1})).await;
    for (site, user) in sites.iter().zip(["cid", "dan"]) {
        let placed = site.place(user).await;
        assert_eq!(placed["node"], format!("{}.cad", site.name), "a site that is cut off has itself: {placed}");
    }

    hub.restart();
    seen(&sites, json!({"ready": 2})).await;
    let placed = sites[0].place("eve").await;
    assert_eq!(placed["node"], "site-02.cad", "{placed}");
    drop(sites.map(|site| (site.nats, site.tier)));
}
