//! The registry over a real NATS server: nodes come, go stale, leave and return; whatever is put into the buckets, and
//! whatever happens to the server.

use std::time::Duration;

use crate::support::nats::Nats;
use crate::support::{self, PATIENCE, eventually};
use async_nats::jetstream::{self, kv};
use serde_json::json;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use whither::config::{Keeping, Storage};
use whither::model::Cluster;
use whither::nats::subjects::encode_key;
use whither::nats::{Bus, Connection};
use whither::registry::journal::NodeEvent;
use whither::registry::mark::MarkAuthor;
use whither::registry::{Registry, RegistryEvent, RegistrySettings};

/// A registry with a front that only keeps the cluster.
struct Site {
    registry: Registry,
    events: mpsc::Receiver<RegistryEvent>,
    cluster: Cluster,
    refused: Vec<(Option<String>, String)>,
    ready: usize,
    lost: Vec<String>,
    stop: CancellationToken,
}

impl Site {
    async fn open(nats: &Nats, settings: RegistrySettings) -> Self {
        support::log();
        let connection =
            Connection { servers: vec![nats.url().parse().unwrap()], name: "test".to_owned(), ..Connection::default() };
        let bus = Bus::open(&connection).await.unwrap();
        let stop = CancellationToken::new();
        let (registry, events) = Registry::start(&bus, settings, stop.clone());
        let cluster = Cluster::default();
        Self { registry, events, cluster, refused: Vec::new(), ready: 0, lost: Vec::new(), stop }
    }

    async fn ready(nats: &Nats) -> Self {
        let mut site = Self::open(nats, RegistrySettings::default()).await;
        site.until("the view is whole", |site| site.ready == 1).await;
        site
    }

    /// Takes events until `reached`.
    async fn until(&mut self, what: &str, reached: impl Fn(&Self) -> bool) {
        let wait = async {
            while !reached(self) {
                match self.events.recv().await.expect("the registry ended") {
                    RegistryEvent::Change(change) => drop(self.cluster.apply(change)),
                    RegistryEvent::Ready { nodes } => {
                        assert_eq!(nodes, self.cluster.len());
                        self.ready += 1;
                    }
                    RegistryEvent::Assignments(_) | RegistryEvent::Assigned(..) => {}
                    RegistryEvent::Facts(_) | RegistryEvent::Fact(..) => {}
                    RegistryEvent::Lost { reason } => self.lost.push(reason),
                    RegistryEvent::Refused { node, key, .. } => {
                        self.refused.push((node.map(|node| node.to_string()), key));
                    }
                }
            }
        };
        if tokio::time::timeout(PATIENCE, wait).await.is_err() {
            panic!("waited in vain: {what}; nodes {:?}, lost {:?}", self.nodes(), self.lost);
        }
    }

    async fn until_nodes(&mut self, nodes: &str) {
        self.until(&format!("nodes are `{nodes}`"), |site| site.nodes() == nodes).await;
    }

    /// The ids of the nodes, stale ones with a `-`, cordoned ones with a `#`.
    fn nodes(&self) -> String {
        let shown = self.cluster.nodes().map(|(_, node)| {
            let signs = [(node.is_stale(), "-"), (node.is_cordoned(), "#")];
            signs.into_iter().filter(|(is, _)| *is).fold(node.id().to_string(), |shown, (_, sign)| shown + sign)
        });
        shown.collect::<Vec<_>>().join(" ")
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn document(id: &str) -> Vec<u8> {
    json!({"id": id, "hostname": id, "nodeData": {"sessions": []}}).to_string().into_bytes()
}

fn word(by: &str) -> MarkAuthor {
    MarkAuthor { by: by.to_owned(), at_ms: 1, reason: "kernel".to_owned() }
}

async fn bucket(nats: &Nats, name: &str) -> kv::Store {
    let js = jetstream::new(nats.client().await);
    eventually("the bucket is there", || async { js.get_key_value(name).await.ok() }).await
}

async fn report(nats: &Nats, id: &str) {
    bucket(nats, "whither_nodes").await.put(encode_key(id), document(id).into()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_report_fall_silent_return_and_leave() {
    let nats = Nats::start();
    let settings = RegistrySettings { liveness: Duration::from_secs(2), ..RegistrySettings::default() };
    let mut site = Site::open(&nats, settings).await;
    site.until("the view is whole", |site| site.ready == 1).await;
    report(&nats, "a").await;
    site.until_nodes("a").await;
    site.until_nodes("a-").await;
    report(&nats, "a").await;
    site.until_nodes("a").await;
    bucket(&nats, "whither_nodes").await.delete("a").await.unwrap();
    site.until_nodes("").await;
    let history = eventually("the history has four lines", || async {
        Some(site.registry.history("a", 10).await.unwrap()).filter(|history| history.len() == 4)
    })
    .await;
    let events: Vec<_> = history.iter().map(|kept| kept.record.event).collect();
    assert_eq!(events, [NodeEvent::Joined, NodeEvent::Left, NodeEvent::Joined, NodeEvent::Left]);
    assert!(history[1].record.reason.starts_with("has not reported for "), "{history:?}");
    assert!(history.iter().all(|kept| kept.at_ms > 1_500_000_000_000));
    assert_eq!(site.registry.history("a", 1).await.unwrap(), history[3..]);
    assert_eq!(site.registry.history("never seen", 10).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_replica_sees_the_same_and_history_has_no_doubles() {
    let nats = Nats::start();
    let mut one = Site::ready(&nats).await;
    let mut two = Site::ready(&nats).await;
    report(&nats, "a").await;
    for site in [&mut one, &mut two] {
        site.until_nodes("a").await;
    }
    one.registry.cordon("a", word("ann")).await.unwrap();
    for site in [&mut one, &mut two] {
        site.until_nodes("a#").await;
    }
    assert_eq!(two.registry.mark("a").unwrap().cordoned, Some(word("ann")));
    two.registry.uncordon("a", word("bob")).await.unwrap();
    for site in [&mut one, &mut two] {
        site.until_nodes("a").await;
    }
    let mut third = Site::ready(&nats).await;
    third.until_nodes("a").await;
    let history = eventually("the history has three lines", || async {
        Some(third.registry.history("a", 10).await.unwrap()).filter(|history| history.len() >= 3)
    })
    .await;
    let lines: Vec<_> = history.iter().map(|kept| (kept.record.event, kept.record.by.as_str())).collect();
    assert_eq!(lines, [(NodeEvent::Joined, ""), (NodeEvent::Cordoned, "ann"), (NodeEvent::Uncordoned, "bob")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn poisoned_documents_cost_their_own_node_alone() {
    let nats = Nats::start();
    // A bucket that another program made: it takes what ours would refuse at the door.
    let js = jetstream::new(nats.client().await);
    let lax = kv::Config { bucket: "whither_nodes".to_owned(), ..kv::Config::default() };
    js.create_key_value(lax).await.unwrap();
    let client = nats.client().await;
    let raw = |key: &str, payload: Vec<u8>| {
        let (client, subject) = (client.clone(), format!("$KV.whither_nodes.{key}"));
        async move { client.publish(subject, payload.into()).await }
    };
    raw("a", document("a")).await.unwrap();
    raw("large-before", vec![b' '; 900_000]).await.unwrap();
    client.flush().await.unwrap();
    let mut site = Site::ready(&nats).await;
    let deep = format!(r#"{{"id":"deep","x":{}{}}}"#, "[".repeat(16_000), "]".repeat(16_000));
    let poisons = [
        ("nan", br#"{"id":"nan","freemem":NaN}"#.to_vec()),
        ("types", br#"{"id":"types","nodeData":[]}"#.to_vec()),
        ("deep", deep.into_bytes()),
        ("other", document("a")),
        ("empty", Vec::new()),
        ("binary", vec![0xff, 0xfe, 0x00]),
        ("host:7070", document("host:7070")),
        ("dotted.id", document("dotted.id")),
        ("=61", document("a")),
        ("=zz", document("z")),
    ];
    for (key, payload) in &poisons {
        raw(key, payload.clone()).await.unwrap();
    }
    for id in ["a..b", "host:7070", "*", "ü", "a b"] {
        report(&nats, id).await;
    }
    // A figure below zero is odd, and no reason to lose the node.
    raw("negative", br#"{"id":"negative","freemem":-1}"#.to_vec()).await.unwrap();
    raw("b", document("b")).await.unwrap();
    site.until_nodes("* a a b a..b b host:7070 negative ü").await;
    let mut refused: Vec<&str> = site.refused.iter().map(|(_, key)| key.as_str()).collect();
    refused.sort_unstable();
    let mut expected: Vec<&str> = poisons.iter().map(|(key, _)| *key).chain(["large-before"]).collect();
    expected.sort_unstable();
    assert_eq!(refused, expected);
    assert_eq!(site.registry.refused(), expected.len() as u64);
    assert!(site.refused.contains(&(Some("deep".to_owned()), "deep".to_owned())));
    assert!(site.refused.contains(&(None, "host:7070".to_owned())));
    // The limits of the bucket are ours now: what is too large no longer gets in.
    let refusal = js.publish("$KV.whither_nodes.large", vec![b' '; 900_000].into()).await.unwrap().await;
    assert!(refusal.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn subjects_that_are_none_do_no_harm() {
    let nats = Nats::start();
    let mut site = Site::ready(&nats).await;
    // The client library and the server each refuse some of these; what gets through must do no harm.
    let mut socket = tokio::net::TcpStream::connect(nats.url().trim_start_matches("nats://")).await.unwrap();
    let mut lines = String::from("CONNECT {\"verbose\":false,\"pedantic\":false}\r\n");
    for key in ["a..b", ".a", "a.", "*", ">", "ü", "a*"] {
        lines += &format!("PUB $KV.whither_nodes.{key} 13\r\n{{\"id\":\"evil\"}}\r\n");
    }
    tokio::io::AsyncWriteExt::write_all(&mut socket, lines.as_bytes()).await.unwrap();
    eventually("the server took or refused them", || async { (site.registry.refused() > 0).then_some(()) }).await;
    report(&nats, "a").await;
    site.until_nodes("a").await;
    assert!(site.refused.iter().all(|(node, _)| node.is_none()), "{:?}", site.refused);
    assert_eq!(site.lost, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_view_survives_a_restart_of_the_server() {
    let mut nats = Nats::start();
    let mut site = Site::ready(&nats).await;
    for id in ["a", "b"] {
        report(&nats, id).await;
    }
    site.registry.cordon("b", word("ann")).await.unwrap();
    site.until_nodes("a b#").await;
    nats.kill();
    site.until("the loss is said", |site| !site.lost.is_empty()).await;
    assert_eq!(site.nodes(), "a b#", "decisions go on with what is known");
    nats.restart();
    site.until("the view is whole again", |site| site.ready == 2).await;
    assert_eq!(site.nodes(), "a b#");
    report(&nats, "c").await;
    site.until_nodes("a b# c").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_server_forgot_comes_back() {
    let mut nats = Nats::start();
    let keeping = Keeping { storage: Storage::Memory, replicas: 1 };
    let settings = RegistrySettings { keeping, ..RegistrySettings::default() };
    let mut site = Site::open(&nats, settings).await;
    site.until("the view is whole", |site| site.ready == 1).await;
    for id in ["a", "b"] {
        report(&nats, id).await;
    }
    site.registry.cordon("b", word("ann")).await.unwrap();
    site.until_nodes("a b#").await;
    nats.kill();
    nats.wipe();
    nats.restart();
    site.until("the view is whole again", |site| site.ready == 2).await;
    assert_eq!(site.nodes(), "a b#", "nodes have their time to report again, and a cordon is not forgotten");
    let mut other = Site::ready(&nats).await;
    report(&nats, "b").await;
    other.until_nodes("b#").await;
    report(&nats, "c").await;
    site.until_nodes("a b# c").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_was_made_anew_cannot_lose_what_it_never_held() {
    let mut nats = Nats::start();
    let mut site = Site::ready(&nats).await;
    for id in ["a", "b"] {
        report(&nats, id).await;
    }
    site.registry.cordon("b", word("ann")).await.unwrap();
    site.until_nodes("a b#").await;
    // The store is lost, and nobody reports to the new one before the server is away again, twice.
    nats.kill();
    nats.wipe();
    for ready in [2, 3] {
        nats.restart();
        site.until("the view is whole again", |site| site.ready == ready).await;
        assert_eq!(site.nodes(), "a b#");
        nats.kill();
        site.until("the loss is said", |site| site.lost.len() >= ready).await;
    }
    nats.restart();
    site.until("the view is whole again", |site| site.ready == 4).await;
    // A bucket that is deleted under a server that stays, which freezes then.
    jetstream::new(nats.client().await).delete_key_value("whither_nodes").await.unwrap();
    site.until("the view is whole again", |site| site.ready >= 5).await;
    let (ready, lost) = (site.ready, site.lost.len());
    nats.freeze();
    site.until("the silence is noticed", |site| site.lost.len() > lost).await;
    nats.thaw();
    site.until("the view is whole again", |site| site.ready > ready).await;
    assert_eq!(site.nodes(), "a b#");
    report(&nats, "c").await;
    site.until_nodes("a b# c").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn buckets_that_are_deleted_are_made_again_and_followed() {
    let nats = Nats::start();
    let mut site = Site::ready(&nats).await;
    report(&nats, "a").await;
    site.registry.cordon("a", word("ann")).await.unwrap();
    site.until_nodes("a#").await;
    let js = jetstream::new(nats.client().await);
    for name in ["whither_nodes", "whither_marks"] {
        js.delete_key_value(name).await.unwrap();
    }
    site.until("the view is whole again", |site| site.ready >= 2).await;
    report(&nats, "b").await;
    site.until_nodes("a# b").await;
    let marks = bucket(&nats, "whither_marks").await;
    eventually("the mark is written again", || async { marks.get("a").await.unwrap() }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_is_made_anew_behind_the_back_is_noticed() {
    let nats = Nats::start();
    let mut site = Site::ready(&nats).await;
    report(&nats, "a").await;
    site.until_nodes("a").await;
    let js = jetstream::new(nats.client().await);
    js.delete_key_value("whither_nodes").await.unwrap();
    js.create_key_value(kv::Config { bucket: "whither_nodes".to_owned(), ..kv::Config::default() }).await.ok();
    report(&nats, "b").await;
    site.until_nodes("a b").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_down_at_start_is_waited_for() {
    let mut nats = Nats::not_yet();
    let mut site = Site::open(&nats, RegistrySettings::default()).await;
    assert!(site.registry.cordon("a", word("ann")).await.is_err(), "a call without a server ends");
    nats.restart();
    site.until("the view is whole", |site| site.ready == 1).await;
    report(&nats, "a").await;
    site.until_nodes("a").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_jetstream_is_named_and_waited_for() {
    let mut nats = Nats::with(&[]);
    let mut site = Site::open(&nats, RegistrySettings::default()).await;
    site.until("the lack is said", |site| !site.lost.is_empty()).await;
    assert!(site.lost[0].contains("no JetStream"), "{:?}", site.lost);
    nats.restart_with(&["-js"]);
    site.until("the view is whole", |site| site.ready == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_server_is_noticed_and_outlived() {
    let nats = Nats::start();
    let mut site = Site::ready(&nats).await;
    report(&nats, "a").await;
    site.until_nodes("a").await;
    nats.freeze();
    site.until("the silence is noticed", |site| !site.lost.is_empty()).await;
    assert_eq!(site.nodes(), "a");
    nats.thaw();
    site.until("the view is whole again", |site| site.ready == 2).await;
    report(&nats, "b").await;
    site.until_nodes("a b").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_died_while_nobody_listened_is_stale() {
    let mut nats = Nats::start();
    let settings = RegistrySettings { liveness: Duration::from_secs(5), ..RegistrySettings::default() };
    let mut site = Site::open(&nats, settings).await;
    site.until("the view is whole", |site| site.ready == 1).await;
    report(&nats, "a").await;
    site.until_nodes("a").await;
    nats.kill();
    site.until("the loss is said", |site| !site.lost.is_empty()).await;
    // Longer than the bucket keeps an entry: the server drops it when it loads its store.
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(site.nodes(), "a");
    nats.restart();
    site.until_nodes("a-").await;
}
