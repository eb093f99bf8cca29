//! A launcher in Rust: asks for a node, starts a session there, and says what came of it.
//!
//! usage: `cargo run --example launcher -- nats://127.0.0.1:4222 ann`

use std::error::Error;
use std::time::Duration;

use async_nats::{Client, HeaderMap, Request};
use serde_json::{Value, json};

/// How long the service may take. A request that comes later than this is not run any more.
const PATIENCE: Duration = Duration::from_secs(5);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().unwrap_or_else(|| "nats://127.0.0.1:4222".to_owned());
    let login = arguments.next().unwrap_or_else(|| "ann".to_owned());
    let node = launch(&async_nats::connect(url).await?, &login).await?;
    println!("{node}");
    Ok(())
}

/// Starts a session of `login` on the node that the service chooses, and returns that node.
pub(crate) async fn launch(client: &Client, login: &str) -> Result<String, Box<dyn Error>> {
    // Random, and the same for each attempt: asked again with this id, the request gets the same answer.
    let id = client.new_inbox();
    let placed = ask(client, "whither.place", &json!({"id": id, "user": {"login": login}})).await?;
    let (node, reservation) = (&placed["node"], &placed["reservation"]);
    let node = node.as_str().unwrap_or_default().to_owned();
    match start_session(&node, reservation) {
        Ok(()) => ask(client, "whither.confirm", &json!({"reservation": reservation})).await?,
        Err(_) => ask(client, "whither.release", &json!({"reservation": reservation, "failed": true})).await?,
    };
    Ok(node)
}

/// Sends `body` to `subject` and returns the reply; an error of the service is an error here, in the service's words.
async fn ask(client: &Client, subject: &'static str, body: &Value) -> Result<Value, Box<dyn Error>> {
    let mut headers = HeaderMap::new();
    headers.insert("Whither-Timeout", PATIENCE.as_millis().to_string());
    let request = Request::new().payload(body.to_string().into()).headers(headers).timeout(Some(PATIENCE));
    let reply = client.send_request(subject, request).await?;
    let answer: Value = serde_json::from_slice(&reply.payload)?;
    match reply.headers.and_then(|headers| headers.get("Nats-Service-Error-Code").cloned()) {
        Some(_) => Err(answer["error"]["message"].as_str().unwrap_or("no message").into()),
        None => Ok(answer),
    }
}

/// Yours: with `WHITHER_RESERVATION` in the session's environment the agent knows whose place it takes.
fn start_session(_node: &str, _reservation: &Value) -> std::io::Result<()> {
    Ok(())
}
