//! Requests that are issued while the server is away, or while the service does not run.
//!
//! *Issued while away* means: a launcher asks from a moment on at which there is no server, in attempts of two seconds
//! under one id, until its deadline. Its client may hold such a request back and send it when the server is there again,
//! long after the launcher gave up; the deadline travels along, so that it is refused and not run then.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_nats::HeaderMap;
use futures_util::StreamExt;
use serde_json::json;
use tokio::task::JoinSet;

use super::site::{FEWEST, until_lost};
use crate::support::serve::{nodes, read, site};
use crate::support::{PATIENCE, launcher};

const CALLERS: usize = 3000;
/// The deadline of those who do not wait for the server's return.
const HASTY: Duration = Duration::from_secs(1);

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_long_enough_is_answered_and_nobody_is_placed_too_late() {
    let (mut nats, mut serve, client) = site(FEWEST, &[], 20).await;
    nats.kill();
    until_lost(&serve).await;
    let (mut patient, mut hasty) = (JoinSet::new(), JoinSet::new());
    for number in 0..CALLERS {
        let client = client.clone();
        if number % 2 == 0 {
            let user = format!("patient-{number}");
            patient.spawn(async move { launcher::place(&client, &user, 2 * PATIENCE).await });
        } else {
            let user = format!("hasty-{number}");
            hasty.spawn(async move { launcher::place(&client, &user, HASTY).await });
        }
    }
    let hasty = hasty.join_all().await;
    assert!(hasty.iter().all(Option::is_none), "there is no server");
    nats.restart();
    serve.ready().await;
    let patient = patient.join_all().await;
    let answered = patient.iter().filter(|reply| launcher::is_placed(reply.as_ref())).count();
    assert_eq!(answered, CALLERS / 2, "{:?}", patient.iter().find(|reply| !launcher::is_placed(reply.as_ref())));
    let users = launcher::users(&nodes(&client).await);
    assert_eq!(users.iter().filter(|user| user.starts_with("hasty")).count(), 0);
    assert_eq!(users.len(), CALLERS / 2, "each of the others has one place, however often he asked");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_frozen_service_finds_when_it_wakes_is_run_only_in_time() {
    let (_nats, serve, client) = site(FEWEST, &[], 20).await;
    let inbox = client.new_inbox();
    let mut replies = client.subscribe(format!("{inbox}.*")).await.unwrap();
    serve.freeze();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    for number in 0..1000 {
        let (kind, deadline) = if number % 2 == 0 { ("patient", PATIENCE) } else { ("hasty", HASTY) };
        let mut headers = HeaderMap::new();
        headers.insert("Whither-Deadline", (now + deadline).as_millis().to_string());
        let body = json!({"user": {"login": format!("{kind}-{number}")}}).to_string();
        let reply = format!("{inbox}.{kind}-{number}");
        client.publish_with_reply_and_headers("whither.place", reply, headers, body.into()).await.unwrap();
    }
    client.flush().await.unwrap();
    // The fault itself: longer than the hasty ones wait.
    tokio::time::sleep(2 * HASTY).await;
    serve.thaw();
    let (mut placed, mut refused) = (0, 0);
    while placed + refused < 1000 {
        let message = tokio::time::timeout(PATIENCE, replies.next()).await.unwrap().unwrap();
        let reply = read(&message);
        match message.subject.contains("hasty") {
            true => {
                assert_eq!(reply.code.as_deref(), Some("429"), "{reply:?}");
                refused += 1;
            }
            false => {
                assert!(launcher::is_placed(Some(&reply)), "{reply:?}");
                placed += 1;
            }
        }
    }
    assert_eq!(serve.figure("whither_past_deadline_total"), Some(500.0));
    let users = launcher::users(&nodes(&client).await);
    assert!(users.len() == 500 && users.iter().all(|user| user.starts_with("patient")));
}
