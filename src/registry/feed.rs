//! The entries of a stream in order, without a gap: first those that are stored at the start, then new entries as they
//! come.
//!
//! Any doubt (a missing number, a missing heartbeat, a consumer that is gone) ends the feed with a reason, and the
//! reader starts again from the beginning. Rejected: the client library's own watch, which recovers by continuing after
//! the last number that was read: in a bucket that was made anew the watch waits for ever for numbers that come again
//! (10 of 110 updates seen), and polled after the client closed the watch panics.

use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, push};
use async_nats::jetstream::{Context, Message as JetStreamMessage};
use async_nats::{Client, HeaderMap, Message, StatusCode, Subscriber};
use futures_util::StreamExt;
use tokio::time::{Instant, timeout_at};

use super::mirror::BucketEntry;
use crate::nats::jetstream::{KV_DELETE, KV_OPERATION};
use crate::nats::subjects::{bucket_stream, bucket_subject};

const KV_PURGE: &str = "PURGE";
const MARKER_REASON: &str = "Nats-Marker-Reason";
const LAST_CONSUMER: &str = "Nats-Last-Consumer";
const STALLED: &str = "Nats-Consumer-Stalled";

const HEARTBEAT: Duration = Duration::from_secs(1);
/// The silence after which the consumer counts as gone. Generous, because a busy machine delays heartbeats too.
const SILENCE: Duration = Duration::from_secs(6);

/// Why a feed ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum FeedError {
    /// The feed could not be opened.
    #[error("cannot read `{stream}`: {reason}")]
    Open { stream: String, reason: String },
    /// The subscription ended.
    #[error("the connection to NATS was closed")]
    Closed,
    /// Nothing was received, not even a heartbeat.
    #[error("`{0}` has fallen silent")]
    Silent(String),
    /// Messages were lost on the way.
    #[error("messages of `{0}` were lost on the way")]
    Gap(String),
    /// The server ended the feed.
    #[error("the server ended the reading of `{stream}`: {reason}")]
    Ended { stream: String, reason: String },
}

/// The next item of a feed.
#[derive(Debug)]
pub(super) enum Delivery {
    /// An entry.
    Entry(BucketEntry),
    /// All entries that were stored when the feed was opened have been delivered. Comes once.
    Whole,
    /// The server had nothing more to send; comes only after [`Delivery::Whole`].
    Heartbeat,
}

/// The entries of a stream.
#[derive(Debug)]
pub(super) struct BucketFeed {
    client: Client,
    js: Context,
    subscriber: Subscriber,
    stream: String,
    prefix: String,
    consumed: u64,
    last_message_at: Instant,
    /// The last moment at which the server had nothing more to send.
    current: Instant,
    phase: FeedPhase,
}

#[derive(Debug, PartialEq, Eq)]
enum FeedPhase {
    /// Entries that were stored at the start are still to come.
    Filling,
    /// The last stored entry was delivered; [`Delivery::Whole`] is next.
    Filled,
    /// New entries follow.
    Following,
}

impl BucketFeed {
    /// Opens a feed of every entry of the bucket `bucket`, then of each change.
    pub(super) async fn bucket(js: &Context, bucket: &str) -> Result<Self, FeedError> {
        let filter = bucket_subject(bucket, ">");
        Self::open(js, &bucket_stream(bucket), filter, DeliverPolicy::LastPerSubject).await
    }

    /// Opens a feed of all messages that the stream `stream` keeps on `subject`.
    pub(super) async fn history(js: &Context, stream: &str, subject: String) -> Result<Self, FeedError> {
        Self::open(js, stream, subject, DeliverPolicy::All).await
    }

    /// Opens a feed of the last message that the stream `stream` keeps on each subject of `filter`.
    pub(super) async fn last_of_each(js: &Context, stream: &str, filter: String) -> Result<Self, FeedError> {
        Self::open(js, stream, filter, DeliverPolicy::LastPerSubject).await
    }

    async fn open(js: &Context, stream: &str, filter: String, from: DeliverPolicy) -> Result<Self, FeedError> {
        let failed = |reason: String| FeedError::Open { stream: stream.to_owned(), reason };
        let client = js.client();
        let inbox = client.new_inbox();
        // Subscribed first, so that nothing is delivered before the subscription exists.
        let subscriber = client.subscribe(inbox.clone()).await.map_err(|error| failed(error.to_string()))?;
        let prefix = filter.strip_suffix('>').unwrap_or(&filter).to_owned();
        let config = push::Config {
            deliver_subject: inbox,
            deliver_policy: from,
            ack_policy: AckPolicy::None,
            filter_subject: filter,
            flow_control: true,
            idle_heartbeat: HEARTBEAT,
            memory_storage: true,
            num_replicas: 1,
            ..push::Config::default()
        };
        let consumer = js.create_consumer_on_stream(config, stream).await.map_err(|error| failed(error.to_string()))?;
        let phase = if consumer.cached_info().num_pending == 0 { FeedPhase::Filled } else { FeedPhase::Filling };
        Ok(Self {
            client,
            js: js.clone(),
            subscriber,
            stream: stream.to_owned(),
            prefix,
            consumed: 0,
            last_message_at: Instant::now(),
            current: Instant::now(),
            phase,
        })
    }

    /// The last moment at which all messages of the stream had been received; meaningful once the feed is whole.
    pub(super) fn current(&self) -> std::time::Instant {
        self.current.into_std()
    }

    /// Waits for the next delivery. Dropping the future loses nothing.
    pub(super) async fn next(&mut self) -> Result<Delivery, FeedError> {
        loop {
            if self.phase == FeedPhase::Filled {
                self.phase = FeedPhase::Following;
                return Ok(Delivery::Whole);
            }
            let message = match timeout_at(self.last_message_at + SILENCE, self.subscriber.next()).await {
                Ok(Some(message)) => message,
                Ok(None) => return Err(FeedError::Closed),
                Err(_elapsed) => return Err(FeedError::Silent(self.stream.clone())),
            };
            self.last_message_at = Instant::now();
            match message.status {
                None => {
                    if let Some(entry) = self.entry(message)? {
                        return Ok(Delivery::Entry(entry));
                    }
                }
                Some(StatusCode::IDLE_HEARTBEAT) => {
                    if self.heartbeat(&message)? && self.phase == FeedPhase::Following {
                        return Ok(Delivery::Heartbeat);
                    }
                }
                Some(_) => {
                    let reason = message.description.unwrap_or_default();
                    return Err(FeedError::Ended { stream: self.stream.clone(), reason });
                }
            }
        }
    }

    fn entry(&mut self, message: Message) -> Result<Option<BucketEntry>, FeedError> {
        let gap = || FeedError::Gap(self.stream.clone());
        let message = JetStreamMessage { message, context: self.js.clone() };
        let info = message.info().map_err(|_unnumbered| gap())?;
        if info.consumer_sequence != self.consumed + 1 {
            return Err(gap());
        }
        self.consumed = info.consumer_sequence;
        if info.pending == 0 {
            self.current = self.last_message_at;
        }
        if self.phase == FeedPhase::Filling && info.pending == 0 {
            self.phase = FeedPhase::Filled;
        }
        let stored_ms = i64::try_from(info.published.unix_timestamp_nanos() / 1_000_000).unwrap_or_default();
        let revision = info.stream_sequence;
        let headers = message.message.headers.as_ref();
        if headers.is_some_and(has_expired) {
            return Ok(None);
        }
        let value = (!headers.is_some_and(is_gone)).then(|| message.message.payload.clone());
        let key = message.message.subject.strip_prefix(&*self.prefix).unwrap_or_default().to_owned();
        Ok(Some(BucketEntry { key, value, revision, stored_ms }))
    }

    /// Handles a heartbeat, which counts the deliveries so far, or a flow-control request, which needs an answer before
    /// the server sends more. Returns whether the message was a heartbeat.
    fn heartbeat(&mut self, message: &Message) -> Result<bool, FeedError> {
        let headers = message.headers.as_ref();
        let header = |name: &str| headers.and_then(|headers| headers.get(name)).map(|value| value.as_str().to_owned());
        let stalled = header(STALLED);
        if let Some(reply) = message.reply.as_ref().map(ToString::to_string).or_else(|| stalled.clone()) {
            let client = self.client.clone();
            tokio::spawn(async move { client.publish(reply, bytes::Bytes::new()).await });
            return Ok(false);
        }
        if header(LAST_CONSUMER).and_then(|number| number.parse().ok()).is_some_and(|last: u64| last != self.consumed) {
            return Err(FeedError::Gap(self.stream.clone()));
        }
        // Entries that expired before they were delivered leave no last entry behind; an idle consumer has none to
        // deliver.
        if self.phase == FeedPhase::Filling {
            self.phase = FeedPhase::Filled;
        }
        // The server sends a heartbeat only where nothing else is left to send.
        self.current = self.last_message_at;
        Ok(true)
    }
}

/// Whether these headers mark a deleted or purged entry.
pub(super) fn is_gone(headers: &HeaderMap) -> bool {
    let operation = headers.get(KV_OPERATION).map(|value| value.as_str());
    matches!(operation, Some(KV_DELETE | KV_PURGE)) || headers.get(MARKER_REASON).is_some()
}

/// Whether these headers only mark the expiry of the entry before, which the liveness check judges by itself.
fn has_expired(headers: &HeaderMap) -> bool {
    headers.get(MARKER_REASON).is_some_and(|reason| reason.as_str() == "MaxAge")
}
