//! The service's endpoints on the bus: messages in, replies out, and a stop that loses neither.
//!
//! `Client::drain` exits before the replies of requests under way are sent (docs/src/internals/facts.md), so stopping
//! is done by hand: leave the subscriptions, let the front answer the requests that came, send the replies, flush.
//! `Subscriber::drain` alone loses messages on their way: the client forgets the subscription as soon as the server was
//! told, not when the server has read that.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use async_nats::client::RequestErrorKind;
use async_nats::{Client, HeaderMap, Message, Request, Subject, SubscribeError, Subscriber};
use bytes::Bytes;
use futures_util::StreamExt;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::config::Namespace;
use crate::model::{Failure, FailureName};
use crate::plain::plain;
use crate::trace::{RequestTrace, Sampler, TraceSink};

use super::admission::{Admission, MAX_BYTES};
use super::message::{Incoming, Offered, Outgoing, Verb, deadlines};
use super::micro::{Endpoint, EndpointStats, Micro, ServiceIdentity};
use super::subjects::{HEADER_ERROR, HEADER_ERROR_CODE, QUEUE_GROUP};
use super::trace_headers;
use super::wire;

/// The number of messages after which a subscription is left: too large for the server, which ignores the number and
/// sends nothing more from then on, while the client reads the number and goes on taking messages that were sent. An
/// exact number would do for only the client or the server.
const NO_MORE: u64 = u64::MAX;
/// The longest time that NATS may take to report that nobody listens for a reply.
const OFFERED: Duration = Duration::from_secs(2);
/// The most replies at once that are sent with a report of whether anybody listens; further replies are sent without.
const OFFERS_AT_ONCE: usize = 1024;
/// The most bytes that the headers of a reply take.
const MAX_HEADERS: usize = 1024;
/// The most bytes of the error header, which has a single line; the body has the whole message.
const MAX_HEADER_BYTES: usize = 256;

/// The endpoints of the service, while they take messages.
#[derive(Debug)]
pub struct MicroService {
    micro: Micro,
    listeners: Vec<JoinHandle<()>>,
    stop: CancellationToken,
}

/// The way of requests into the service.
#[derive(Debug)]
pub struct RequestIntake {
    /// The channel of the requests that are admitted.
    pub requests: mpsc::Sender<Incoming>,
    /// The count of their bytes.
    pub admission: Arc<Admission>,
}

/// The figures of each endpoint.
pub type Stats = BTreeMap<Verb, Arc<EndpointStats>>;

/// Returns figures for every endpoint, at zero.
#[must_use]
pub fn stats() -> Stats {
    Verb::ALL.into_iter().map(|verb| (verb, Arc::default())).collect()
}

impl MicroService {
    /// Starts listening: each message that is admitted goes to the channel of `intake`, or is answered `overloaded`
    /// where that channel is full.
    ///
    /// # Errors
    /// [`SubscribeError`] where the client cannot subscribe.
    pub async fn start(
        client: &Client,
        namespace: &Namespace,
        identity: ServiceIdentity,
        stats: &Stats,
        intake: RequestIntake,
        replies: &mpsc::Sender<Outgoing>,
        sampler: &Arc<Sampler>,
    ) -> Result<Self, SubscribeError> {
        let stop = CancellationToken::new();
        let RequestIntake { requests, admission } = intake;
        let (mut listeners, mut endpoints) = (Vec::new(), Vec::new());
        for (verb, stats) in stats {
            let subject = subject(namespace, *verb);
            let (subscriber, queue_group) = match verb.is_for_all() {
                true => (client.subscribe(subject.clone()).await?, ""),
                false => (client.queue_subscribe(subject.clone(), QUEUE_GROUP.to_owned()).await?, QUEUE_GROUP),
            };
            let queue = EndpointQueue {
                verb: *verb,
                admission: Arc::clone(&admission),
                namespace: namespace.clone(),
                requests: requests.clone(),
                replies: replies.clone(),
                sampler: Arc::clone(sampler),
            };
            listeners.push(tokio::spawn(listen(client.clone(), subscriber, queue, stop.clone())));
            let (name, stats) = (verb.as_str().to_owned(), Arc::clone(stats));
            endpoints.push(Endpoint { name, subject, queue_group, stats });
        }
        let micro = Micro::start(client.clone(), namespace, identity, endpoints).await?;
        Ok(Self { micro, listeners, stop })
    }

    /// The discovery of the service.
    #[must_use]
    pub fn micro(&self) -> &Micro {
        &self.micro
    }

    /// Takes no more messages; returns when the last message that the server had sent is handed over.
    pub async fn drain(self) {
        self.stop.cancel();
        for listener in self.listeners {
            // A listener that panicked has nothing more to hand over.
            drop(listener.await);
        }
    }
}

/// Returns the subject on which the endpoint `verb` listens.
#[must_use]
pub fn subject(namespace: &Namespace, verb: Verb) -> String {
    match verb {
        Verb::Place => namespace.place(),
        Verb::Start => namespace.start(),
        Verb::Explain => namespace.explain(),
        Verb::Confirm => namespace.confirm(),
        Verb::Release => namespace.release(),
        Verb::Renew => namespace.renew(),
        Verb::Cancel => namespace.cancel(),
        Verb::Waiting => namespace.waiting(),
        Verb::Nodes => namespace.nodes(),
        Verb::Cordon => namespace.cordon(),
        Verb::Uncordon => namespace.uncordon(),
        Verb::Reload => namespace.reload(),
        Verb::Decision => namespace.decision(),
        Verb::Assign => namespace.assign(),
        Verb::Unassign => namespace.unassign(),
        Verb::Assignments => namespace.assignments(),
        Verb::Facts => namespace.facts(),
        Verb::FactSet => namespace.fact_set(),
        Verb::FactDelete => namespace.fact_delete(),
        Verb::Status => namespace.status(),
        Verb::Accept => namespace.accept(),
        Verb::Forget => namespace.forget(),
    }
}

/// The queue that takes the messages of an endpoint.
struct EndpointQueue {
    verb: Verb,
    admission: Arc<Admission>,
    namespace: Namespace,
    requests: mpsc::Sender<Incoming>,
    replies: mpsc::Sender<Outgoing>,
    sampler: Arc<Sampler>,
}

impl EndpointQueue {
    fn take(&self, message: Message) {
        let size = message.payload.len();
        let Some(mut incoming) = self.incoming(message) else { return };
        incoming.pass = self.admission.admit(self.verb.room(), size);
        if incoming.pass.is_none() {
            let message = format!(
                "the service holds {} MiB of requests, the most there may be, and takes none of {size} bytes at the moment",
                MAX_BYTES >> 20
            );
            let failure = Failure::new(FailureName::Overloaded, message);
            let _full = self.replies.try_send(Outgoing::failed(&incoming, &failure));
            return;
        }
        if let Err(mpsc::error::TrySendError::Full(incoming)) = self.requests.try_send(incoming) {
            let failure = Failure::new(FailureName::Overloaded, "the service takes no more requests at the moment");
            // Where even the replies are full, the requester's own time limit is all that is left.
            let _full = self.replies.try_send(Outgoing::failed(&incoming, &failure));
        }
    }

    /// Reads a request from `message`. A question without a reply subject asks for nothing, and a reply subject of a
    /// bucket or an endpoint would have us write there: both are dropped. A launcher's news of a session counts also
    /// where the launcher waits for no answer.
    fn incoming(&self, message: Message) -> Option<Incoming> {
        let trace = self.trace(&message);
        let reply = message.reply;
        if reply.is_none() && !self.verb.needs_no_reply() {
            return None;
        }
        if let Some(reply) = reply.as_ref().filter(|reply| !self.namespace.may_answer_to(reply)) {
            tracing::debug!(endpoint = self.verb.as_str(), %reply, "a request whose answer may not go there was dropped");
            return None;
        }
        let headers = message.headers.as_ref();
        let deadlines = deadlines(|name| headers.and_then(|headers| headers.get(name)).map(|value| value.as_str()));
        let (deadline_ms, timeout_ms) = *deadlines.as_ref().unwrap_or(&(None, None));
        let (verb, received) = (self.verb, Instant::now());
        let incoming =
            Incoming { verb, payload: message.payload, deadline_ms, timeout_ms, reply, received, pass: None, trace };
        if let Err(error) = deadlines {
            let failure = Failure::new(FailureName::BadRequest, error.to_string());
            // As above: the requester's own time limit is left.
            let _full = self.replies.try_send(Outgoing::failed(&incoming, &failure));
            return None;
        }
        Some(incoming)
    }

    /// Returns the trace that the requester says the request belongs to, or a trace that begins with the request.
    fn trace(&self, message: &Message) -> Option<Arc<RequestTrace>> {
        let (subject, size) = (message.subject.as_str(), message.payload.len());
        match trace_headers::read(message.headers.as_ref()) {
            Some(context) => Some(self.sampler.join(context, subject, size)),
            None if self.verb.begins_traces() => self.sampler.begin(subject, size),
            None => None,
        }
    }
}

async fn listen(client: Client, mut subscriber: Subscriber, queue: EndpointQueue, stop: CancellationToken) {
    loop {
        tokio::select! {
            message = subscriber.next() => match message {
                Some(message) => queue.take(message),
                None => return,
            },
            () = stop.cancelled() => break,
        }
    }
    if subscriber.unsubscribe_after(NO_MORE).await.is_err() {
        return;
    }
    let returned = round_trip(&client);
    tokio::pin!(returned);
    loop {
        tokio::select! {
            message = subscriber.next() => match message {
                Some(message) => queue.take(message),
                None => return,
            },
            () = &mut returned => break,
        }
    }
    // All messages that were sent are in the client's buffers by now.
    if subscriber.drain().await.is_ok() {
        while let Some(message) = subscriber.next().await {
            queue.take(message);
        }
    }
}

/// Returns when the server has handled everything that this client sent before, and everything that the server sent
/// before has come: a message of our own is back. The library's `flush` only tells that the bytes were written.
async fn round_trip(client: &Client) {
    let inbox = client.new_inbox();
    let Ok(mut back) = client.subscribe(inbox.clone()).await else { return };
    if client.publish(inbox, bytes::Bytes::new()).await.is_ok() {
        // A caller that stops waits for this long and no longer.
        drop(back.next().await);
    }
}

/// Sends replies until their senders are gone, then flushes. Places that nobody was there to take go to `untaken`,
/// and the records of requests to `records`.
pub async fn respond(
    client: Client,
    stats: Stats,
    mut replies: mpsc::Receiver<Outgoing>,
    untaken: mpsc::Sender<Arc<str>>,
    records: Option<Arc<dyn TraceSink>>,
) {
    let offering = Arc::new(Semaphore::new(OFFERS_AT_ONCE));
    while let Some(outgoing) = replies.recv().await {
        let mut outgoing = fitting(outgoing, client.max_payload());
        let error = outgoing.error.as_ref().map(|(_, message)| message.as_str());
        if let Some(stats) = stats.get(&outgoing.verb) {
            stats.count(outgoing.received.elapsed(), error);
        }
        // A publish waits for nothing but the client's own queue: what is left of the way is the network's.
        if let (Some(records), Some(record)) = (&records, outgoing.take_record(Instant::now())) {
            records.take(record);
        }
        let Some(reply) = outgoing.reply.take() else { continue };
        let place =
            outgoing.place.take().and_then(|place| Some((place, Arc::clone(&offering).try_acquire_owned().ok()?)));
        let sent = match (outgoing.error, place) {
            (None, Some((place, permit))) => {
                let (client, untaken) = (client.clone(), untaken.clone());
                tokio::spawn(async move {
                    offer(&client, reply, outgoing.body, &place, &untaken).await;
                    drop(permit);
                });
                continue;
            }
            (None, None) => client.publish(reply, outgoing.body).await,
            (Some((name, message)), _) => {
                client.publish_with_headers(reply, headers(name, &message), outgoing.body).await
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

/// Sends a reply as a request, which NATS refuses at once where nobody listens any more. A requester that listens need
/// not answer.
async fn offer(client: &Client, reply: Subject, body: Bytes, place: &Offered, untaken: &mpsc::Sender<Arc<str>>) {
    let request = Request::new().payload(body).timeout(Some(OFFERED));
    let sent = client.send_request(reply, request).await;
    let is_gone = sent.is_err_and(|error| error.kind() == RequestErrorKind::NoResponders);
    if is_gone && place.listeners.fetch_sub(1, Ordering::Relaxed) == 1 {
        // The front outlives this task.
        drop(untaken.send(Arc::clone(&place.reservation)).await);
    }
}

/// Returns `outgoing`, or an error where the reply is larger than this server's messages may be: a requester without
/// any reply would wait in vain.
fn fitting(outgoing: Outgoing, most: usize) -> Outgoing {
    let size = outgoing.body.len();
    if most == 0 || size + MAX_HEADERS <= most {
        return outgoing;
    }
    tracing::warn!(
        size,
        most,
        verb = outgoing.verb.as_str(),
        "a reply is larger than a message of this NATS server may be"
    );
    let message = format!("the reply has {size} bytes, and a message of this NATS server {most} at most");
    let failure = Failure::new(FailureName::Internal, message);
    let body = wire::failed(&failure, None).to_string().into();
    Outgoing { body, error: Some((failure.name, failure.message)), ..outgoing }
}

fn headers(name: FailureName, message: &str) -> HeaderMap {
    let line = plain(message);
    let line = line.get(..line.floor_char_boundary(MAX_HEADER_BYTES)).unwrap_or_default();
    let mut headers = HeaderMap::new();
    headers.insert(HEADER_ERROR_CODE, name.code().to_string());
    headers.insert(HEADER_ERROR, format!("{name}: {line}"));
    headers
}

#[cfg(test)]
mod tests;
