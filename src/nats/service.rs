//! The service's endpoints on the bus: messages in, replies out, and a stop that loses neither.
//!
//! `Client::drain` exits before the replies of what is being answered are sent (ARCHITECTURE.md, Facts), so stopping is done by
//! hand: drain the subscriptions, let the front answer what came, send that, flush.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use async_nats::{Client, HeaderMap, Message, SubscribeError, Subscriber};
use futures_util::StreamExt;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::model::{Failure, FailureName};

use super::message::{Incoming, Outgoing, Verb};
use super::micro::{Endpoint, EndpointStats, Identity, Micro};
use super::subjects::{HEADER_DEADLINE, HEADER_ERROR, HEADER_ERROR_CODE, Namespace, QUEUE_GROUP};

/// The error header holds one line; the body holds the whole message.
const MAX_HEADER_BYTES: usize = 256;

/// The endpoints, while they take messages.
#[derive(Debug)]
pub struct Service {
    micro: Micro,
    listeners: Vec<JoinHandle<()>>,
    stop: CancellationToken,
}

/// Where each endpoint's figures are counted.
pub type Stats = BTreeMap<Verb, Arc<EndpointStats>>;

/// Figures for every endpoint, at zero.
#[must_use]
pub fn stats() -> Stats {
    Verb::ALL.into_iter().map(|verb| (verb, Arc::default())).collect()
}

impl Service {
    /// Starts listening: each message goes to `requests`, or is answered `overloaded` where that is full.
    ///
    /// # Errors
    /// What the client reports when it subscribes.
    pub async fn start(
        client: &Client,
        namespace: &Namespace,
        identity: Identity,
        stats: &Stats,
        requests: mpsc::Sender<Incoming>,
        replies: &mpsc::Sender<Outgoing>,
    ) -> Result<Self, SubscribeError> {
        let stop = CancellationToken::new();
        let (mut listeners, mut endpoints) = (Vec::new(), Vec::new());
        for (verb, stats) in stats {
            let subject = subject(namespace, *verb);
            let subscriber = client.queue_subscribe(subject.clone(), QUEUE_GROUP.to_owned()).await?;
            let endpoint = Ear { verb: *verb, namespace: namespace.clone() };
            let listener = listen(subscriber, endpoint, requests.clone(), replies.clone(), stop.clone());
            listeners.push(tokio::spawn(listener));
            endpoints.push(Endpoint { name: verb.as_str().to_owned(), subject, stats: Arc::clone(stats) });
        }
        let micro = Micro::start(client.clone(), namespace, identity, endpoints, QUEUE_GROUP).await?;
        Ok(Self { micro, listeners, stop })
    }

    /// What the service says of itself.
    #[must_use]
    pub fn micro(&self) -> &Micro {
        &self.micro
    }

    /// Takes no more messages; returns when the last one that the server had sent is handed over.
    pub async fn drain(self) {
        self.stop.cancel();
        for listener in self.listeners {
            // A listener that panicked has nothing more to hand over.
            drop(listener.await);
        }
    }
}

fn subject(namespace: &Namespace, verb: Verb) -> String {
    match verb {
        Verb::Place => namespace.place(),
        Verb::Explain => namespace.explain(),
        Verb::Confirm => namespace.confirm(),
        Verb::Release => namespace.release(),
        Verb::Nodes => namespace.nodes(),
        Verb::Cordon => namespace.cordon(),
        Verb::Uncordon => namespace.uncordon(),
    }
}

async fn listen(
    mut subscriber: Subscriber,
    ear: Ear,
    requests: mpsc::Sender<Incoming>,
    replies: mpsc::Sender<Outgoing>,
    stop: CancellationToken,
) {
    let mut draining = false;
    loop {
        let message = tokio::select! {
            message = subscriber.next() => message,
            () = stop.cancelled(), if !draining => {
                draining = true;
                if subscriber.drain().await.is_err() {
                    return;
                }
                continue;
            }
        };
        let Some(message) = message else { return };
        let Some(incoming) = ear.incoming(message) else { continue };
        if let Err(mpsc::error::TrySendError::Full(incoming)) = requests.try_send(incoming) {
            let failure = Failure::new(FailureName::Overloaded, "the service takes no more requests at the moment");
            // Where even the replies are full, the requester's own time limit is all that is left.
            let _full = replies.try_send(Outgoing::failed(&incoming, &failure));
        }
    }
}

/// What turns the messages of one endpoint into requests.
struct Ear {
    verb: Verb,
    namespace: Namespace,
}

impl Ear {
    /// A message without a place to reply to asks for nothing, and one whose reply would go to a bucket or an endpoint
    /// wants us to write there.
    fn incoming(&self, message: Message) -> Option<Incoming> {
        let reply = message.reply?;
        if !self.namespace.may_answer_to(&reply) {
            tracing::debug!(endpoint = self.verb.as_str(), %reply, "a request whose answer may not go there was dropped");
            return None;
        }
        let deadline = message.headers.as_ref().and_then(|headers| headers.get(HEADER_DEADLINE));
        let deadline_ms = deadline.and_then(|value| value.as_str().trim().parse().ok());
        Some(Incoming { verb: self.verb, payload: message.payload, deadline_ms, reply, received: Instant::now() })
    }
}

/// Sends replies until their senders are gone, then flushes.
pub async fn respond(client: Client, stats: Stats, mut replies: mpsc::Receiver<Outgoing>) {
    while let Some(outgoing) = replies.recv().await {
        let error = outgoing.error.as_ref().map(|(_, message)| message.as_str());
        if let Some(stats) = stats.get(&outgoing.verb) {
            stats.count(outgoing.received.elapsed(), error);
        }
        let sent = match outgoing.error {
            None => client.publish(outgoing.reply, outgoing.body).await,
            Some((name, message)) => {
                client.publish_with_headers(outgoing.reply, headers(name, &message), outgoing.body).await
            }
        };
        if let Err(error) = sent {
            tracing::warn!(%error, "a reply could not be sent");
        }
    }
    if let Err(error) = client.flush().await {
        tracing::warn!(%error, "the last replies could not be flushed");
    }
}

fn headers(name: FailureName, message: &str) -> HeaderMap {
    let line: String = message.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let line = line.get(..line.floor_char_boundary(MAX_HEADER_BYTES)).unwrap_or_default();
    let mut headers = HeaderMap::new();
    headers.insert(HEADER_ERROR_CODE, name.code().to_string());
    headers.insert(HEADER_ERROR, format!("{name}: {line}"));
    headers
}
