//! Documents that brokers wrote, and no agent of ours.

use serde_json::{Value, json};

use super::FEWEST;
use crate::support::serve::{ask, nodes, report, site};

/// Whether all of `given` is in `shown`, which may have more: sessions have names of both FastX generations.
fn holds(shown: &Value, given: &Value) -> bool {
    match (shown, given) {
        (Value::Object(shown), Value::Object(given)) => {
            given.iter().all(|(name, value)| shown.get(name).is_some_and(|shown| holds(shown, value)))
        }
        (Value::Array(shown), Value::Array(given)) => {
            shown.len() == given.len() && shown.iter().zip(given).all(|(shown, given)| holds(shown, given))
        }
        _ => shown == given,
    }
}

/// The documents of real brokers with twenty services and seventy sessions, put into the bucket as they are.
#[tokio::test]
async fn documents_of_real_brokers_need_no_agent() {
    let (_nats, serve, client) = site(FEWEST, &[], 0).await;
    let documents = [include_str!("../../data/moleculer-0.14.json"), include_str!("../../data/moleculer-0.15.json")];
    let documents: Vec<Value> = documents.map(|text| serde_json::from_str(text).unwrap()).into();
    let documents: Vec<Value> = documents.into_iter().map(|mut document| document["nodes"][0].take()).collect();
    report(&client, &documents).await;
    serve.shows_nodes(json!({"ready": 2})).await;
    for (shown, given) in nodes(&client).await.iter().zip(&documents) {
        for field in ["id", "hostname", "metadata", "ipList", "config", "seq", "nodeData"] {
            assert!(holds(&shown[field], &given[field]), "{field}: {} {}", shown[field], given[field]);
        }
    }
    let placed = ask(&client, "whither.place", &json!({})).await.body;
    assert_eq!(placed["node"], documents[0]["id"], "{placed}");
}
