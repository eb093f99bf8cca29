//! The talk among replicas: what one says goes to all, and what only one can answer goes to that one.

use async_nats::{Client, Message, SubscribeError, Subscriber};
use bytes::Bytes;
use futures_util::StreamExt;
use std::time::Instant;
use tokio::sync::mpsc;

use super::message::{Incoming, Verb};
use crate::config::Namespace;

/// Messages of other replicas that may wait for the front.
pub const HEARD_WAITING: usize = 4096;
/// Messages to other replicas that may wait for NATS.
pub const SAYINGS_WAITING: usize = 4096;

/// What goes to other replicas.
#[derive(Debug)]
pub enum PeerMessage {
    /// To all of them.
    All(Bytes),
    /// A requester's message, to the replica that can answer it.
    One(Box<str>, Incoming),
}

/// Listens to the other replicas until the front is gone: what they say to all goes to `heard`, what they hand on to
/// `replica` to `requests`.
///
/// # Errors
/// What the client reports when it subscribes.
pub async fn listen(
    client: &Client,
    namespace: &Namespace,
    replica: &str,
    heard: mpsc::Sender<Bytes>,
    requests: mpsc::Sender<Incoming>,
) -> Result<(), SubscribeError> {
    let mut all = client.subscribe(namespace.peers()).await?;
    tokio::spawn(async move {
        while let Some(message) = all.next().await {
            if heard.send(message.payload).await.is_err() {
                return;
            }
        }
    });
    for verb in HANDED_ON {
        let own = client.subscribe(namespace.peer(replica, verb.as_str())).await?;
        tokio::spawn(take(own, verb, namespace.clone(), requests.clone()));
    }
    Ok(())
}

/// What one replica hands on to another.
const HANDED_ON: [Verb; 3] = [Verb::Confirm, Verb::Release, Verb::Renew];

async fn take(mut own: Subscriber, verb: Verb, namespace: Namespace, requests: mpsc::Sender<Incoming>) {
    while let Some(Message { payload, reply, .. }) = own.next().await {
        if reply.as_ref().is_some_and(|reply| !namespace.may_answer_to(reply)) {
            continue;
        }
        let received = Instant::now();
        let incoming = Incoming { verb, payload, deadline_ms: None, timeout_ms: None, reply, received, pass: None };
        if requests.send(incoming).await.is_err() {
            return;
        }
    }
}

/// Says what is to be said until nobody says anything any more.
pub async fn publish_peer_messages(client: Client, namespace: Namespace, mut sayings: mpsc::Receiver<PeerMessage>) {
    let all = async_nats::Subject::from(namespace.peers());
    while let Some(saying) = sayings.recv().await {
        let said = match saying {
            PeerMessage::All(text) => client.publish(all.clone(), text).await,
            PeerMessage::One(replica, incoming) => {
                let subject = namespace.peer(&replica, incoming.verb.as_str());
                match incoming.reply {
                    Some(reply) => client.publish_with_reply(subject, reply, incoming.payload).await,
                    None => client.publish(subject, incoming.payload).await,
                }
            }
        };
        if let Err(error) = said {
            tracing::warn!(%error, "other replicas could not be told");
        }
    }
}
