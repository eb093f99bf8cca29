//! The messages among replicas: news goes to all, and a request that only a certain replica can answer goes to that
//! replica.

use async_nats::{Client, Message, SubscribeError, Subscriber};
use bytes::Bytes;
use futures_util::StreamExt;
use std::time::Instant;
use tokio::sync::mpsc;

use super::message::{Incoming, Verb};
use crate::config::Namespace;

/// The most messages of other replicas that wait for the front.
pub const HEARD_WAITING: usize = 4096;
/// The most messages to other replicas that wait for NATS.
pub const SAYINGS_WAITING: usize = 4096;

/// A message to other replicas.
#[derive(Debug)]
pub enum PeerMessage {
    /// To all other replicas.
    All(Bytes),
    /// A requester's message, to the replica that can answer the requester.
    One(Box<str>, Incoming),
}

/// Listens to the other replicas until the front is gone: messages to all go to `heard`, requests that are handed on to
/// `replica` go to `requests`.
///
/// # Errors
/// [`SubscribeError`] where the client cannot subscribe.
pub async fn listen(
    client: &Client,
    namespace: &Namespace,
    replica: &str,
    news: mpsc::Sender<Bytes>,
    requests: mpsc::Sender<Incoming>,
) -> Result<(), SubscribeError> {
    let mut all = client.subscribe(namespace.peers()).await?;
    tokio::spawn(async move {
        while let Some(message) = all.next().await {
            if news.send(message.payload).await.is_err() {
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

/// The kinds of requests that a replica hands on to another.
const HANDED_ON: [Verb; 3] = [Verb::Confirm, Verb::Release, Verb::Renew];

async fn take(mut own: Subscriber, verb: Verb, namespace: Namespace, requests: mpsc::Sender<Incoming>) {
    while let Some(Message { payload, reply, .. }) = own.next().await {
        if reply.as_ref().is_some_and(|reply| !namespace.may_answer_to(reply)) {
            continue;
        }
        let received = Instant::now();
        let incoming =
            Incoming { verb, payload, deadline_ms: None, timeout_ms: None, reply, received, pass: None, trace: None };
        if requests.send(incoming).await.is_err() {
            return;
        }
    }
}

/// Sends the messages of the channel until all senders are gone.
pub async fn publish_peer_messages(client: Client, namespace: Namespace, mut messages: mpsc::Receiver<PeerMessage>) {
    let all = async_nats::Subject::from(namespace.peers());
    while let Some(message) = messages.recv().await {
        let sent = match message {
            PeerMessage::All(text) => client.publish(all.clone(), text).await,
            PeerMessage::One(replica, incoming) => {
                let subject = namespace.peer(&replica, incoming.verb.as_str());
                match incoming.reply {
                    Some(reply) => client.publish_with_reply(subject, reply, incoming.payload).await,
                    None => client.publish(subject, incoming.payload).await,
                }
            }
        };
        if let Err(error) = sent {
            tracing::warn!(%error, "other replicas could not be told");
        }
    }
}
