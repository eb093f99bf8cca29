//! The messages among replicas: news goes to all, and a request that only a certain replica can answer goes to that
//! replica.

use async_nats::{Client, HeaderMap, Message, PublishError, SubscribeError, Subscriber};
use bytes::Bytes;
use futures_util::StreamExt;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::mpsc;

use super::message::{Incoming, Verb};
use super::{service, trace_headers};
use crate::config::Namespace;
use crate::trace::{Sampler, SpanRole, TimedSpan, TraceContext, TraceRecord, TraceSink};

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
/// `replica` go to `requests`, in the trace in which these came.
///
/// # Errors
/// [`SubscribeError`] where the client cannot subscribe.
pub async fn listen(
    client: &Client,
    namespace: &Namespace,
    replica: &str,
    news: mpsc::Sender<Bytes>,
    requests: mpsc::Sender<Incoming>,
    sampler: &Arc<Sampler>,
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
        tokio::spawn(take(own, verb, namespace.clone(), requests.clone(), Arc::clone(sampler)));
    }
    Ok(())
}

/// The kinds of requests that a replica hands on to another.
const HANDED_ON: [Verb; 3] = [Verb::Confirm, Verb::Release, Verb::Renew];

async fn take(
    mut own: Subscriber,
    verb: Verb,
    namespace: Namespace,
    requests: mpsc::Sender<Incoming>,
    sampler: Arc<Sampler>,
) {
    // The endpoint's own subject: spans of the same name can be compared, whichever way the request took.
    let subject = service::subject(&namespace, verb);
    while let Some(Message { payload, reply, headers, .. }) = own.next().await {
        if reply.as_ref().is_some_and(|reply| !namespace.may_answer_to(reply)) {
            continue;
        }
        let received = Instant::now();
        let trace = trace_headers::read(headers.as_ref()).map(|context| sampler.join(context, &subject, payload.len()));
        let incoming =
            Incoming { verb, payload, deadline_ms: None, timeout_ms: None, reply, received, pass: None, trace };
        if requests.send(incoming).await.is_err() {
            return;
        }
    }
}

/// Sends the messages of the channel until all senders are gone. The records of requests that are handed on go to
/// `records`.
pub async fn publish_peer_messages(
    client: Client,
    namespace: Namespace,
    mut messages: mpsc::Receiver<PeerMessage>,
    records: Option<Arc<dyn TraceSink>>,
) {
    let all = async_nats::Subject::from(namespace.peers());
    while let Some(message) = messages.recv().await {
        let sent = match message {
            PeerMessage::All(text) => client.publish(all.clone(), text).await,
            PeerMessage::One(replica, incoming) => {
                let subject = namespace.peer(&replica, incoming.verb.as_str());
                hand_on(&client, subject, incoming, records.as_deref()).await
            }
        };
        if let Err(error) = sent {
            tracing::warn!(%error, "other replicas could not be told");
        }
    }
}

/// Hands `incoming` on: the other replica answers the requester. Where the request is recorded, its record ends here,
/// with a span for the message below which the other replica goes on.
async fn hand_on(
    client: &Client,
    subject: String,
    incoming: Incoming,
    records: Option<&dyn TraceSink>,
) -> Result<(), PublishError> {
    let headers = trace_of(&subject, &incoming, records).map(|context| {
        let mut headers = HeaderMap::new();
        trace_headers::write(&context, &mut headers);
        headers
    });
    match (incoming.reply, headers) {
        (Some(reply), Some(headers)) => {
            client.publish_with_reply_and_headers(subject, reply, headers, incoming.payload).await
        }
        (Some(reply), None) => client.publish_with_reply(subject, reply, incoming.payload).await,
        (None, Some(headers)) => client.publish_with_headers(subject, headers, incoming.payload).await,
        (None, None) => client.publish(subject, incoming.payload).await,
    }
}

/// Ends the record of `incoming`, which is handed on to `subject`; returns the context that the message carries.
fn trace_of(subject: &str, incoming: &Incoming, records: Option<&dyn TraceSink>) -> Option<TraceContext> {
    let trace = incoming.trace.as_ref()?;
    let record = records.zip(TraceRecord::of(Some(trace), incoming.received));
    let Some((records, mut record)) = record else { return Some(trace.context.clone()) };
    let now = Instant::now();
    let mut span = TimedSpan::open(format!("send {}", incoming.verb.as_str()), SpanRole::Sender, now);
    span.attributes.push(("messaging.destination.name", subject.into()));
    record.spans.push(span);
    record.end(now, None);
    records.take(*record);
    Some(trace.context.with_span(trace.child(0)))
}
