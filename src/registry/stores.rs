//! Marks, claims, assignments, facts and events in JetStream: the making of missing buckets and streams, and the stores on top of them.

use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::header::{NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, NATS_MESSAGE_ID};
use async_nats::jetstream::Context;
use async_nats::jetstream::context::PublishErrorKind;
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::stream::{Config, DiscardPolicy, LastRawMessageErrorKind};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use tracing::warn;

use super::RegistrySettings;
use super::assignments::MAX_ASSIGNMENT_BYTES;
use super::claims::{self, MAX_CLAIMS_BYTES};
use super::documents::{DocumentStore, StoreError, Stored, WriteOutcome};
use super::facts::MAX_FACT_BYTES;
use super::feed::{self, BucketFeed, Delivery};
use super::journal::{EventStore, HistoryRecord, KeptRecord, MAX_HISTORY};
use super::mark::MAX_MARK_BYTES;
use super::streams::{self, StreamState};
use crate::config::Namespace;
use crate::model::json::{self, JsonLimits};
use crate::nats::jetstream::{self, JetStreamError, KV_DELETE, KV_OPERATION, PATIENCE};
use crate::nats::subjects::{bucket_stream, bucket_subject, encode_key};

const EVENTS_AGE: Duration = Duration::from_secs(30 * 24 * 60 * 60);
const EVENTS_BYTES: i64 = 64 * 1024 * 1024;
const EVENTS: i64 = 500_000;
const MAX_EVENT_BYTES: usize = 16 * 1024;

/// The state of the buckets when they were looked at: their incarnation and their last entry.
#[derive(Clone, Debug)]
pub(super) struct Prepared {
    pub(super) nodes: StreamState,
    pub(super) marks: StreamState,
    pub(super) claims: StreamState,
    pub(super) assignments: StreamState,
    pub(super) facts: StreamState,
}

/// Makes the missing buckets and streams, and brings the existing ones to the limits of these settings.
pub(super) async fn prepare(js: &Context, settings: &RegistrySettings) -> Result<Prepared, JetStreamError> {
    let (namespace, keeping) = (&settings.namespace, settings.keeping);
    let nodes = jetstream::nodes_bucket(namespace, settings.liveness, keeping);
    let about = "whither: cordons and cool-downs";
    let marks = jetstream::bucket(&namespace.marks_bucket(), about, MAX_MARK_BYTES, keeping);
    let made = streams::ensure(js, nodes.clone()).await?;
    let made_marks = streams::ensure(js, marks.clone()).await?;
    let about = "whither: places that are being taken, where capacity is strict";
    let bucket = jetstream::bucket(&namespace.claims_bucket(), about, MAX_CLAIMS_BYTES, keeping);
    let claims = Config { max_age: claims::MAX_AGE, ..bucket };
    let made_claims = streams::ensure(js, claims.clone()).await?;
    let about = "whither: users who are assigned to nodes";
    let assignments = jetstream::bucket(&namespace.assignments_bucket(), about, MAX_ASSIGNMENT_BYTES, keeping);
    let made_assignments = streams::ensure(js, assignments.clone()).await?;
    let about = "whither: countable facts, such as licences, and who holds them";
    let facts = jetstream::bucket(&namespace.facts_bucket(), about, MAX_FACT_BYTES, keeping);
    let made_facts = streams::ensure(js, facts.clone()).await?;
    match streams::ensure(js, events_config(settings)).await {
        Ok(made) => streams::adapt(js, &made, events_config(settings)).await,
        Err(error) => warn!("there is no history of nodes: {error}"),
    }
    streams::adapt(js, &made, nodes).await;
    streams::adapt(js, &made_marks, marks).await;
    streams::adapt(js, &made_claims, claims).await;
    streams::adapt(js, &made_assignments, assignments).await;
    streams::adapt(js, &made_facts, facts).await;
    Ok(Prepared {
        nodes: streams::state(&made),
        marks: streams::state(&made_marks),
        claims: streams::state(&made_claims),
        assignments: streams::state(&made_assignments),
        facts: streams::state(&made_facts),
    })
}

fn events_config(settings: &RegistrySettings) -> Config {
    Config {
        name: settings.namespace.events_stream(),
        description: Some("whither: what happened to the nodes".to_owned()),
        subjects: vec![settings.namespace.events_filter()],
        max_age: EVENTS_AGE,
        max_bytes: EVENTS_BYTES,
        max_messages: EVENTS,
        max_messages_per_subject: i64::try_from(MAX_HISTORY).unwrap_or(i64::MAX),
        max_message_size: i32::try_from(MAX_EVENT_BYTES).unwrap_or(i32::MAX),
        discard: DiscardPolicy::Old,
        ..jetstream::kept(settings.keeping)
    }
}

/// A document store in a bucket.
#[derive(Clone)]
pub(super) struct JetStreamDocuments {
    js: Context,
    bucket: String,
}

impl JetStreamDocuments {
    pub(super) fn new(js: Context, bucket: String) -> Self {
        Self { js, bucket }
    }

    async fn read_document(&self, key: &str) -> Result<Stored, StoreError> {
        let stream = self.js.get_stream_no_info(bucket_stream(&self.bucket)).await.map_err(store_error)?;
        // Not a direct get: a replica that lags behind would make every conditional write fail.
        match stream.get_last_raw_message_by_subject(&bucket_subject(&self.bucket, key)).await {
            Ok(message) => {
                let revision = message.sequence;
                let value = (!feed::is_gone(&message.headers)).then_some(message.payload);
                Ok(Stored { revision, value })
            }
            Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(Stored::default()),
            Err(error) => Err(store_error(error)),
        }
    }

    async fn write_document(&self, key: &str, revision: u64, value: Option<Bytes>) -> Result<WriteOutcome, StoreError> {
        let subject = bucket_subject(&self.bucket, key);
        let mut headers = HeaderMap::new();
        headers.insert(NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, revision.to_string().as_str());
        if value.is_none() {
            headers.insert(KV_OPERATION, KV_DELETE);
        }
        let message = PublishMessage::build().payload(value.unwrap_or_default()).headers(headers);
        let sent = self.js.send_publish(subject, message).await.map_err(store_error)?;
        match sent.await {
            Ok(ack) => Ok(WriteOutcome::At(ack.sequence)),
            Err(error) if error.kind() == PublishErrorKind::WrongLastSequence => Ok(WriteOutcome::Conflict),
            Err(error) => Err(store_error(error)),
        }
    }
}

/// The history of nodes in JetStream.
#[derive(Clone)]
pub(super) struct JetStreamEvents {
    js: Context,
    namespace: Namespace,
}

impl JetStreamEvents {
    pub(super) fn new(js: Context, namespace: Namespace) -> Self {
        Self { js, namespace }
    }

    async fn append_event(&self, record: &HistoryRecord) -> Result<bool, StoreError> {
        let text = serde_json::to_vec(record).map_err(store_error)?;
        let mut headers = HeaderMap::new();
        // An id is any text; a header must not be.
        headers.insert(NATS_MESSAGE_ID, encode_key(&record.identity).as_str());
        let message = PublishMessage::build().payload(text.into()).headers(headers);
        let sent = self.js.send_publish(self.namespace.events_of(&record.node), message).await.map_err(store_error)?;
        sent.await.map(|ack| !ack.duplicate).map_err(store_error)
    }

    async fn read_events(&self, node: &str, limit: usize) -> Result<Vec<KeptRecord>, StoreError> {
        let mut feed = BucketFeed::history(&self.js, &self.namespace.events_stream(), self.namespace.events_of(node))
            .await
            .map_err(store_error)?;
        let mut history = Self::read_feed(&mut feed).await?;
        let surplus = history.len().saturating_sub(limit);
        history.drain(..surplus);
        Ok(history)
    }

    /// Returns the last record of each node.
    pub(super) async fn last_events(&self) -> Result<Vec<KeptRecord>, StoreError> {
        let (stream, filter) = (self.namespace.events_stream(), self.namespace.events_filter());
        let mut feed = BucketFeed::last_of_each(&self.js, &stream, filter).await.map_err(store_error)?;
        within(Self::read_feed(&mut feed)).await
    }

    async fn read_feed(feed: &mut BucketFeed) -> Result<Vec<KeptRecord>, StoreError> {
        let mut history = Vec::new();
        while let Delivery::Entry(entry) = feed.next().await.map_err(store_error)? {
            let text = entry.value.unwrap_or_default();
            // A record of another release that this release cannot read is left out.
            if let Ok(record) = json::parse_as(&text, JsonLimits::bytes(MAX_EVENT_BYTES)) {
                history.push(KeptRecord { at_ms: entry.stored_ms, record });
            }
        }
        Ok(history)
    }
}

impl DocumentStore for JetStreamDocuments {
    fn read<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Stored, StoreError>> {
        Box::pin(async move { within(self.read_document(key)).await })
    }

    fn write<'a>(
        &'a self,
        key: &'a str,
        revision: u64,
        value: Option<Bytes>,
    ) -> BoxFuture<'a, Result<WriteOutcome, StoreError>> {
        Box::pin(async move { within(self.write_document(key, revision, value)).await })
    }
}

impl EventStore for JetStreamEvents {
    fn append<'a>(&'a self, record: &'a HistoryRecord) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move { within(self.append_event(record)).await })
    }

    fn read<'a>(&'a self, node: &'a str, limit: usize) -> BoxFuture<'a, Result<Vec<KeptRecord>, StoreError>> {
        Box::pin(async move { within(self.read_events(node, limit)).await })
    }
}

/// Bounds `work` in time, because the library's own time limits do not cover its queue.
async fn within<T>(work: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    match tokio::time::timeout(2 * PATIENCE, work).await {
        Ok(outcome) => outcome,
        Err(_elapsed) => Err(StoreError("NATS does not answer".to_owned())),
    }
}

fn store_error(error: impl std::fmt::Display) -> StoreError {
    StoreError(error.to_string())
}

impl std::fmt::Debug for JetStreamDocuments {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("JetStreamDocuments").field("bucket", &self.bucket).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for JetStreamEvents {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("JetStreamEvents").field("namespace", &self.namespace).finish_non_exhaustive()
    }
}
