//! The use of JetStream: streams and buckets that are made if missing, and errors that name the request.
//!
//! Below the registry and the agent, because both make the bucket of node documents where that bucket is missing.

use std::time::Duration;

use async_nats::jetstream::context::{ContextBuilder, RequestError, RequestErrorKind};
use async_nats::jetstream::response::Response;
use async_nats::jetstream::stream::{Config, DiscardPolicy, Info, StorageType};
use async_nats::jetstream::{Context, Error, ErrorCode};
use tracing::info;

use super::Bus;
use super::subjects::{bucket_stream, bucket_subject};
use crate::config::{Keeping, Namespace, Storage};
use crate::model::report::MAX_DOCUMENT_BYTES;

/// The longest time that JetStream may take for an answer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(3);
/// The header with the kind of a key-value entry.
pub(crate) const KV_OPERATION: &str = "KV-Operation";
/// The value of [`KV_OPERATION`] for an entry that was deleted.
pub(crate) const KV_DELETE: &str = "DEL";
/// The size of a stored message beside the document, in bytes.
const HEADERS: usize = 1024;
const STREAM_EXISTS: ErrorCode = ErrorCode(10058);

/// The reason why a request to JetStream failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum JetStreamError {
    /// JetStream is not enabled.
    #[error("NATS has no JetStream here: start the server with `-js`, or enable it for this account")]
    Absent,
    /// JetStream refused the request.
    #[error("JetStream refused to {what}: {reason}")]
    Refused { what: String, reason: String },
    /// JetStream did not answer.
    #[error("JetStream did not answer when asked to {what}: {reason}")]
    Silent { what: String, reason: String },
}

/// Returns a handle on JetStream with a timeout of [`PATIENCE`] instead of the library's 30 seconds.
pub(crate) fn context(bus: &Bus) -> Context {
    ContextBuilder::new().timeout(PATIENCE).ack_timeout(PATIENCE).build(bus.client().clone())
}

/// The configuration of the bucket of node documents; entries expire after `max_age`.
pub(crate) fn nodes_bucket(namespace: &Namespace, max_age: Duration, keeping: Keeping) -> Config {
    let about = "whither: what the nodes report";
    // An agent may write its own key alone, and with a roll-up it could delete everybody else's.
    Config { max_age, allow_rollup: false, ..bucket(&namespace.nodes_bucket(), about, MAX_DOCUMENT_BYTES, keeping) }
}

/// The configuration of a stream that is a key-value bucket with a history of one, for every NATS client.
pub(crate) fn bucket(name: &str, about: &str, max_bytes: usize, keeping: Keeping) -> Config {
    Config {
        name: bucket_stream(name),
        description: Some(about.to_owned()),
        subjects: vec![bucket_subject(name, ">")],
        max_messages_per_subject: 1,
        max_message_size: i32::try_from(max_bytes + HEADERS).unwrap_or(i32::MAX),
        discard: DiscardPolicy::New,
        allow_rollup: true,
        deny_delete: true,
        allow_direct: true,
        ..kept(keeping)
    }
}

/// The configuration of a stream with nothing set but the storage and the replicas.
pub(crate) fn kept(keeping: Keeping) -> Config {
    let storage = match keeping.storage {
        Storage::File => StorageType::File,
        Storage::Memory => StorageType::Memory,
    };
    Config { storage, num_replicas: keeping.replicas as usize, ..Config::default() }
}

/// Makes the stream that `config` describes.
pub(crate) async fn create(js: &Context, config: &Config) -> Result<Info, JetStreamError> {
    let name = &config.name;
    let what = format!("make `{name}`");
    let made = ask(js, format!("STREAM.CREATE.{name}"), config, &what).await?;
    info!(stream = name, "made `{name}`, which was missing");
    Ok(made)
}

/// Sends `payload` to `subject`, a request to JetStream to do `what`.
pub(crate) async fn ask<T, V>(js: &Context, subject: String, payload: &T, what: &str) -> Result<V, JetStreamError>
where
    T: serde::Serialize,
    V: serde::de::DeserializeOwned,
{
    match answer(js.request(subject, payload).await, what)? {
        Response::Ok(value) => Ok(value),
        Response::Err { error } => Err(refused(&error, what)),
    }
}

/// Returns JetStream's answer to a request to do `what`.
pub(crate) fn answer<V>(answer: Result<Response<V>, RequestError>, what: &str) -> Result<Response<V>, JetStreamError> {
    answer.map_err(|error| match error.kind() {
        RequestErrorKind::NoResponders => JetStreamError::Absent,
        _ => JetStreamError::Silent { what: what.to_owned(), reason: error.to_string() },
    })
}

/// The error for JetStream's refusal to do `what`.
pub(crate) fn refused(error: &Error, what: &str) -> JetStreamError {
    match error.error_code() {
        ErrorCode::JETSTREAM_NOT_ENABLED | ErrorCode::JETSTREAM_NOT_ENABLED_FOR_ACCOUNT => JetStreamError::Absent,
        STREAM_EXISTS => JetStreamError::Refused { what: what.to_owned(), reason: "it is there already".to_owned() },
        _ => JetStreamError::Refused { what: what.to_owned(), reason: error.to_string() },
    }
}
