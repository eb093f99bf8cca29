//! A frozen replica is handed requests for as long as NATS keeps it, and the others say where that is for too long.

use async_nats::Request;
use serde_json::json;
use whither::nats::frozen;
use whither::nats::{Address, Connection};

use super::group::{FEWEST, Group, figure, limited_nodes};
use super::paused::{ATTEMPT, impatient};
use crate::support::eventually;
use crate::support::nats::Nats;
use crate::support::serve::Serve;

const NOTE: &str = "set `ping_interval: \\\"1s\\\"` and `ping_max: 2`";

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_replica_is_soon_out_of_the_group() {
    let group = Group::on(impatient(), 2, FEWEST, &limited_nodes(3, 1000)).await;
    group.replicas[0].freeze();
    eventually("thirty requests in a row are answered", async || {
        for _ in 0..30 {
            let request = Request::new().payload("{}".into()).timeout(Some(ATTEMPT));
            group.client.send_request("whither.place", request).await.ok()?;
        }
        Some(())
    })
    .await;
    group.replicas[0].thaw();
    group.all_show("whither_other_replicas", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_keeps_the_frozen_is_a_note_where_there_are_others() {
    let mut group = Group::of(1, FEWEST, &[]).await;
    group.all_show("whither_frozen_clients_kept", 1).await;
    assert_eq!(group.replicas[0].health()["notes"], json!([]), "nobody else could take the requests");
    group.replicas.push(Serve::start(&group.nats, FEWEST, &[]).await);
    for replica in &group.replicas {
        eventually("it is noted", async || replica.readyz().1.contains(NOTE).then_some(())).await;
        replica.logged("NATS keeps a client that does not answer for more than 6 s").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn how_long_a_server_keeps_the_frozen_is_found_out() {
    let settings = |nats: &Nats| Connection {
        servers: vec![nats.url().parse::<Address>().unwrap()],
        name: "test".to_owned(),
        ..Connection::default()
    };
    let (patient, impatient, away) = (Nats::start(), impatient(), Nats::not_yet());
    let tries = [&patient, &impatient, &away].map(|nats| frozen::is_kept(settings(nats)));
    assert_eq!(futures_util::future::join_all(tries).await, [Some(true), Some(false), None]);
    let group = Group::on(impatient, 1, FEWEST, &[]).await;
    assert_eq!(figure(&group.replicas[0], "whither_frozen_clients_kept"), Some(0));
}
