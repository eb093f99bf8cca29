//! The entries of one stream in order, first those that stand there, then those that come, without a gap.
//!
//! Any doubt (a number that is missing, a heartbeat that does not come, a consumer that is gone) ends the feed with a
//! reason, and whoever reads it starts again from the beginning. Rejected: the client library's own watch, which heals
//! itself by continuing after the last number it saw: in a bucket that was made anew it waits for ever for numbers that
//! come again (10 of 110 updates seen), and polled after the client closed it panics.

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
/// Silence for this long means that the consumer is gone. Generous, because a busy machine delays heartbeats too.
const SILENCE: Duration = Duration::from_secs(6);

/// Why a feed ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum FeedError {
    /// It could not be opened.
    #[error("cannot read `{stream}`: {reason}")]
    Open { stream: String, reason: String },
    /// The subscription ended.
    #[error("the connection to NATS was closed")]
    Closed,
    /// Nothing came, not even a heartbeat.
    #[error("`{0}` has fallen silent")]
    Silent(String),
    /// Messages were lost on the way.
    #[error("messages of `{0}` were lost on the way")]
    Gap(String),
    /// The server ended it.
    #[error("the server ended the reading of `{stream}`: {reason}")]
    Ended { stream: String, reason: String },
}

/// The next thing that a feed has.
#[derive(Debug)]
pub(super) enum Delivery {
    /// An entry.
    Entry(BucketEntry),
    /// Once: everything that stood there when the feed was opened has come.
    Whole,
    /// The server says that there was nothing more to send; only after [`Delivery::Whole`].
    Heartbeat,
}

/// The entries of one stream.
#[derive(Debug)]
pub(super) struct BucketFeed {
    client: Client,
    js: Context,
    subscriber: Subscriber,
    stream: String,
    prefix: String,
    consumed: u64,
    heard: Instant,
    /// When there last was nothing more to come.
    current: Instant,
    phase: FeedPhase,
}

#[derive(Debug, PartialEq, Eq)]
enum FeedPhase {
    /// Entries that stood there are still to come.
    Filling,
    /// The last of them has come, which is still to be said.
    Filled,
    /// New entries follow.
    Following,
}

impl BucketFeed {
    /// Every entry of the bucket `bucket`, then each change of it.
    pub(super) async fn bucket(js: &Context, bucket: &str) -> Result<Self, FeedError> {
        let filter = bucket_subject(bucket, ">");
        Self::open(js, &bucket_stream(bucket), filter, DeliverPolicy::LastPerSubject).await
    }

    /// Everything that the stream `stream` keeps on `subject`.
    pub(super) async fn history(js: &Context, stream: &str, subject: String) -> Result<Self, FeedError> {
        Self::open(js, stream, subject, DeliverPolicy::All).await
    }

    async fn open(js: &Context, stream: &str, filter: String, from: DeliverPolicy) -> Result<Self, FeedError> {
        let failed = |reason: String| FeedError::Open { stream: stream.to_owned(), reason };
        let client = js.client();
        let inbox = client.new_inbox();
        // Subscribed first, so that nothing is delivered before somebody listens.
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
            heard: Instant::now(),
            current: Instant::now(),
            phase,
        })
    }

    /// When everything that was in the stream had come; means something once the feed is whole.
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
            let message = match timeout_at(self.heard + SILENCE, self.subscriber.next()).await {
                Ok(Some(message)) => message,
                Ok(None) => return Err(FeedError::Closed),
                Err(_elapsed) => return Err(FeedError::Silent(self.stream.clone())),
            };
            self.heard = Instant::now();
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
            self.current = self.heard;
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

    /// A heartbeat says what was delivered so far; a flow-control request wants an answer before more is sent. Whether it
    /// was the former.
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
        // Entries that expired before they were delivered leave no last one behind; an idle consumer has none to deliver.
        if self.phase == FeedPhase::Filling {
            self.phase = FeedPhase::Filled;
        }
        // The server sends one only where it has nothing else to send.
        self.current = self.heard;
        Ok(true)
    }
}

/// Whether an entry with these headers says that there is none.
pub(super) fn is_gone(headers: &HeaderMap) -> bool {
    let operation = headers.get(KV_OPERATION).map(|value| value.as_str());
    matches!(operation, Some(KV_DELETE | KV_PURGE)) || headers.get(MARKER_REASON).is_some()
}

/// Whether an entry with these headers only says that the one before it grew too old, which we judge ourselves.
fn has_expired(headers: &HeaderMap) -> bool {
    headers.get(MARKER_REASON).is_some_and(|reason| reason.as_str() == "MaxAge")
}
