//! Somebody who asks for placements as a good launcher does: with a deadline, and again while there is time.
//!
//! A question has one id for all its attempts, so that an attempt whose answer was lost places nothing twice. Each attempt
//! carries the deadline of the whole question: what is still on its way when the launcher gives up must not be run.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_nats::{Client, HeaderMap, Request};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::serve::{Reply, read};

/// How long one attempt waits for its answer.
const ATTEMPT: Duration = Duration::from_secs(2);
/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(100);

/// Asks as `user`, under an id of the same name, and for as long as `wait`; nothing where nobody answered by then.
///
/// What is answered "ask again" (nobody there, `overloaded`) is asked again; any other answer is the answer.
pub(crate) async fn place(client: &Client, user: &str, wait: Duration) -> Option<Reply> {
    let (end, deadline) = (Instant::now() + wait, unix() + wait);
    let body = json!({"id": user, "user": {"login": user}}).to_string();
    let mut headers = HeaderMap::new();
    headers.insert("Whither-Deadline", deadline.as_millis().to_string());
    while Instant::now() < end {
        let request = Request::new().headers(headers.clone()).payload(body.clone().into()).timeout(None);
        // A limit around all of it: the client's own does not cover what waits for a connection.
        let attempt = (Instant::now() + ATTEMPT).min(end);
        let asked = client.send_request("whither.place".to_owned(), request);
        if let Ok(Ok(message)) = tokio::time::timeout_at(attempt, asked).await {
            let reply = read(&message);
            if reply.code.as_deref() != Some("429") {
                return Some(reply);
            }
        }
        tokio::time::sleep_until((Instant::now() + PAUSE).min(end)).await;
    }
    None
}

/// Whether `reply` names a node.
pub(crate) fn is_placed(reply: Option<&Reply>) -> bool {
    reply.is_some_and(|reply| reply.code.is_none() && reply.body["node"].is_string())
}

/// The users with a reservation or a session on any of the nodes.
pub(crate) fn users(nodes: &[Value]) -> Vec<String> {
    let sessions = nodes.iter().flat_map(|node| node["nodeData"]["sessions"].as_array().into_iter().flatten());
    sessions.filter_map(|session| session["user"].as_str().map(str::to_owned)).collect()
}

fn unix() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
}
