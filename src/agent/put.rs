//! The only key that an agent writes.
//!
//! The agent publishes straight to the key and asks about the bucket only where nobody answers, so that an agent needs
//! no right beyond its own key; an agent that may make the bucket makes a missing bucket.

use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::jetstream::Context;
use async_nats::jetstream::context::{PublishError, PublishErrorKind};
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::stream::Config;
use tracing::debug;

use super::AgentSettings;
use crate::nats::Bus;
use crate::nats::jetstream::{self, KV_DELETE, KV_OPERATION, PATIENCE};
use crate::nats::subjects::{bucket_subject, encode_key};

/// The longest time that the deletion of the key may take.
const LEAVING: Duration = Duration::from_secs(2);

/// The reason why the key was not written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum PutError {
    /// The bucket is missing, and could not be made.
    #[error("the bucket `{bucket}` is missing, and cannot be made: {reason}")]
    Missing { bucket: String, reason: String },
    /// The server refused the write.
    #[error("NATS refused it: {0}")]
    Refused(String),
    /// The server did not answer.
    #[error("NATS did not answer: {0}")]
    Silent(String),
}

/// An agent's access to the bucket of nodes.
#[derive(Clone)]
pub(super) struct Bucket {
    js: Context,
    name: String,
    subject: String,
    config: Config,
}

impl Bucket {
    pub(super) fn new(bus: &Bus, settings: &AgentSettings) -> Self {
        let name = settings.namespace.nodes_bucket();
        Self {
            js: jetstream::context(bus),
            subject: bucket_subject(&name, &encode_key(&settings.identity.id)),
            name,
            config: jetstream::nodes_bucket(&settings.namespace, settings.liveness, settings.keeping),
        }
    }

    /// Writes `document` under the node's key, and makes the bucket where the bucket is missing.
    pub(super) async fn put(&mut self, document: String) -> Result<u64, PutError> {
        let message = PublishMessage::build().payload(document.into());
        match self.send(message.clone()).await {
            Err(PutError::Missing { .. }) => {}
            outcome => return outcome,
        }
        debug!("`{}` is missing", self.name);
        let made = tokio::time::timeout(2 * PATIENCE, jetstream::create(&self.js, &self.config)).await;
        let made = made.map_err(|_elapsed| "NATS did not answer".to_owned());
        let refusal = made.and_then(|made| made.map(drop).map_err(|error| error.to_string())).err();
        // Another agent may have made the bucket in the same moment.
        self.send(message).await.map_err(|error| match (error, refusal) {
            (PutError::Missing { bucket, .. }, Some(reason)) => PutError::Missing { bucket, reason },
            (error, _) => error,
        })
    }

    /// Deletes the node's key.
    pub(super) async fn delete(&self) -> Result<(), PutError> {
        let mut headers = HeaderMap::new();
        headers.insert(KV_OPERATION, KV_DELETE);
        let message = PublishMessage::build().headers(headers);
        match tokio::time::timeout(LEAVING, self.send(message)).await {
            Ok(sent) => sent.map(drop),
            Err(_elapsed) => Err(PutError::Silent(format!("within {} s", LEAVING.as_secs()))),
        }
    }

    async fn send(&self, message: PublishMessage) -> Result<u64, PutError> {
        let sending = async {
            let sent =
                self.js.send_publish(self.subject.clone(), message).await.map_err(|error| self.failed(&error))?;
            sent.await.map(|ack| ack.sequence).map_err(|error| self.failed(&error))
        };
        // The library's own time limits do not cover its queue.
        match tokio::time::timeout(2 * PATIENCE, sending).await {
            Ok(outcome) => outcome,
            Err(_elapsed) => Err(PutError::Silent("its queue is full".to_owned())),
        }
    }

    fn failed(&self, error: &PublishError) -> PutError {
        match error.kind() {
            PublishErrorKind::StreamNotFound => {
                PutError::Missing { bucket: self.name.clone(), reason: "nobody answers for it".to_owned() }
            }
            PublishErrorKind::TimedOut | PublishErrorKind::BrokenPipe => PutError::Silent(error.to_string()),
            _ => PutError::Refused(error.to_string()),
        }
    }
}
