//! Tests of the cluster, change by change.

use super::*;
use crate::model::Report;
use serde_json::{Value, json};

fn report(document: Value) -> Change {
    Change::Report(Arc::new(Report::from_value(document).unwrap()))
}

fn reservation(id: &str, node: &str, user: &str) -> Reservation {
    Reservation { id: id.into(), node: node.into(), user: user.into(), name: "".into() }
}

fn ids(cluster: &Cluster) -> Vec<&str> {
    cluster.nodes().map(|(_, node)| &**node.id()).collect()
}

#[test]
fn order_is_by_id_or_by_arrival() {
    for (arrangement, expected) in [(Arrangement::ById, ["a", "b", "c"]), (Arrangement::Arrival, ["c", "a", "b"])] {
        let mut cluster = Cluster::new(arrangement);
        for id in ["c", "a", "b"] {
            cluster.apply(report(json!({"id": id})));
        }
        assert_eq!(ids(&cluster), expected);
    }
}

#[test]
fn the_largest_counts_stay_the_largest() {
    let mut cluster = Cluster::default();
    cluster.apply(report(json!({"id": "a", "sessions": u64::MAX, "loggedInUsers": u64::MAX})));
    cluster.apply(Change::Reserve(reservation("r1", "a", "bob")));
    let node = cluster.get("a").unwrap().to_json();
    assert_eq!((&node["sessions"], &node["loggedInUsers"]), (&json!(u64::MAX), &json!(u64::MAX)));
}

#[test]
fn a_reservation_counts_until_released_and_survives_a_report() {
    let mut cluster = Cluster::default();
    cluster.apply(report(json!({"id": "a", "maxSessions": 2, "nodeData": {"sessions": [{"id": "s", "user": "ann"}]}})));
    cluster.apply(Change::Reserve(reservation("r1", "a", "bob")));
    let node = cluster.get("a").unwrap();
    assert!(node.is_full());
    assert_eq!(node.to_json()["nodeData"]["sessions"][1]["state"], "pending");
    assert_eq!(node.to_json()["loggedInUsers"], 2);
    assert_eq!(cluster.sessions_on("bob", &"a".into()), 1);
    cluster.apply(report(json!({"id": "a", "nodeData": {"sessions": []}})));
    assert_eq!(cluster.get("a").unwrap().session_count(), Some(1));
    cluster.apply(Change::Release("r1".into()));
    assert_eq!(cluster.get("a").unwrap().session_count(), Some(0));
    assert_eq!(cluster.sessions_of("bob").count(), 0);
}

#[test]
fn a_snapshot_rebuilds_the_cluster() {
    let mut cluster = Cluster::default();
    cluster.apply(Change::Mark("b".into(), Marks { cordoned: true, cooling_down: false }));
    for id in ["b", "a"] {
        cluster.apply(report(json!({"id": id, "nodeData": {"sessions": [{"user": "ann"}]}})));
    }
    cluster.apply(Change::Stale("a".into()));
    cluster.apply(Change::Reserve(reservation("r", "a", "ann")));
    let mut copy = Cluster::default();
    cluster.snapshot().for_each(|change| drop(copy.apply(change)));
    let view = |cluster: &Cluster| -> Vec<_> {
        cluster.nodes().map(|(_, node)| (node.to_json(), node.is_stale(), node.is_cordoned())).collect()
    };
    assert_eq!(view(&copy), view(&cluster));
    assert_eq!(copy.users, cluster.users);
    cluster.apply(Change::Remove("a".into()));
    assert_eq!(ids(&cluster), ["b"]);
    cluster.apply(report(json!({"id": "a"})));
    assert_eq!(cluster.get("a").unwrap().pending().len(), 1, "a reservation outlives its node's absence");
}

#[test]
fn what_changed_is_remembered_for_a_while() {
    let mut cluster = Cluster::default();
    let changed = |cluster: &Cluster, since: u64| -> Option<Vec<usize>> {
        Some(cluster.changed_since(since)?.map(SlotIndex::index).collect())
    };
    for id in ["a", "b"] {
        cluster.apply(report(json!({"id": id})));
    }
    assert_eq!(changed(&cluster, 0), Some(vec![1, 0]));
    let before = cluster.generation();
    assert_eq!(changed(&cluster, before), Some(vec![]));
    cluster.apply(Change::Reserve(reservation("r", "a", "ann")));
    cluster.apply(Change::Reserve(reservation("r", "b", "ann")));
    assert_eq!(changed(&cluster, before), Some(vec![1, 0, 0]), "moving it changes both");
    cluster.apply(Change::Remove("b".into()));
    assert_eq!(changed(&cluster, cluster.generation() - 1), Some(vec![1]));
    for _ in 0..RECENT {
        cluster.apply(Change::Stale("a".into()));
    }
    assert_eq!(changed(&cluster, before), None, "too long ago");
    assert_eq!(changed(&cluster, cluster.generation() - 3).map(|slots| slots.len()), Some(3));
}

#[test]
fn both_generations_figures_are_filled_from_each_other() {
    let mut cluster = Cluster::default();
    cluster.apply(report(json!({"serverId": "old", "sessions": 4, "freemem": 7, "loadavg": [1, 2, 3], "cpu": 12})));
    let old = cluster.get("old").unwrap().to_json();
    assert_eq!(old["nodeData"]["health"]["mem"]["free"], 7);
    assert_eq!(old["nodeData"]["health"]["cpu"]["load5"], 2);
    assert_eq!(old["sessions"], 4);
    cluster.apply(report(json!({"id": "dark"})));
    let dark = cluster.get("dark").unwrap();
    assert_eq!(dark.session_count(), None);
    assert_eq!(dark.to_json()["nodeData"]["health"]["cpu"], json!({}));
    assert!(dark.to_json().get("sessions").is_none() && dark.to_json().get("freemem").is_none());
}
