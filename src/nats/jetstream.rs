//! JetStream as we use it: streams and buckets that are made if missing, and errors that say what was asked.
//!
//! Below the registry and the agent, because both make the bucket of node documents where it is missing.

use std::time::Duration;

use async_nats::jetstream::context::{ContextBuilder, RequestError, RequestErrorKind};
use async_nats::jetstream::response::Response;
use async_nats::jetstream::stream::{Config, DiscardPolicy, Info, StorageType};
use async_nats::jetstream::{Context, Error, ErrorCode};
use serde_json::json;
use tracing::{info, warn};

use super::subjects::{bucket_stream, bucket_subject};
use super::{Bus, Namespace};
use crate::model::report::MAX_DOCUMENT_BYTES;

/// How long JetStream may take for one answer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(3);
/// The header that says what a key-value entry is.
pub(crate) const KV_OPERATION: &str = "KV-Operation";
/// The value of [`KV_OPERATION`] for an entry that was deleted.
pub(crate) const KV_DELETE: &str = "DEL";
/// What a stored message needs beside its document.
const HEADERS: usize = 1024;
const STREAM_EXISTS: ErrorCode = ErrorCode(10058);

/// How buckets and streams that are missing are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keeping {
    /// Where they are kept.
    pub storage: Storage,
    /// On how many servers each.
    pub replicas: usize,
}

/// Where a bucket is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Storage {
    /// On disk.
    #[default]
    File,
    /// In the server's memory: gone with it.
    Memory,
}

/// Why JetStream did not do as asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum JetStreamError {
    /// There is none.
    #[error("NATS has no JetStream here: start the server with `-js`, or enable it for this account")]
    Absent,
    /// It said no.
    #[error("JetStream refused to {what}: {reason}")]
    Refused { what: String, reason: String },
    /// It did not answer.
    #[error("JetStream did not answer when asked to {what}: {reason}")]
    Silent { what: String, reason: String },
}

/// A bucket or stream as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct State {
    /// When it was made; another moment is another bucket.
    pub(crate) created: String,
    /// The number of the last message that it ever took.
    pub(crate) last_sequence: u64,
}

/// The handle on JetStream, with our patience instead of the library's 30 seconds.
pub(crate) fn context(bus: &Bus) -> Context {
    ContextBuilder::new().timeout(PATIENCE).ack_timeout(PATIENCE).build(bus.client().clone())
}

/// The state of the stream `name`; nothing where there is none.
pub(crate) async fn look(js: &Context, name: &str) -> Result<Option<State>, JetStreamError> {
    Ok(find(js, name).await?.as_ref().map(state))
}

/// The bucket of node documents; entries expire in it after `max_age`.
pub(crate) fn nodes_bucket(namespace: &Namespace, max_age: Duration, keeping: Keeping) -> Config {
    let about = "whither: what the nodes report";
    // An agent may write its own key alone, and with a roll-up it could delete everybody else's.
    Config { max_age, allow_rollup: false, ..bucket(&namespace.nodes_bucket(), about, MAX_DOCUMENT_BYTES, keeping) }
}

/// What makes a stream a key-value bucket with a history of one, for every NATS client.
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

/// A stream of which nothing is said but how it is kept.
pub(crate) fn kept(keeping: Keeping) -> Config {
    let storage = match keeping.storage {
        Storage::File => StorageType::File,
        Storage::Memory => StorageType::Memory,
    };
    Config { storage, num_replicas: keeping.replicas, ..Config::default() }
}

/// The stream that `config` describes, made if it is missing; one that is there may have other limits.
pub(crate) async fn ensure(js: &Context, config: Config) -> Result<Info, JetStreamError> {
    if let Some(info) = find(js, &config.name).await? {
        return Ok(info);
    }
    let name = config.name.clone();
    match create(js, &config).await {
        // Another replica was faster, perhaps with other settings.
        Err(error) => match find(js, &name).await? {
            Some(info) => Ok(info),
            None => Err(error),
        },
        made => made,
    }
}

/// Makes the stream that `config` describes.
pub(crate) async fn create(js: &Context, config: &Config) -> Result<Info, JetStreamError> {
    let name = &config.name;
    let what = format!("make `{name}`");
    let made = ask(js, format!("STREAM.CREATE.{name}"), config, &what).await?;
    info!(stream = name, "made `{name}`, which was missing");
    Ok(made)
}

async fn find(js: &Context, name: &str) -> Result<Option<Info>, JetStreamError> {
    let asked = js.request(format!("STREAM.INFO.{name}"), &json!({})).await;
    match answer(asked, &format!("look at `{name}`"))? {
        Response::Ok(info) => Ok(Some(info)),
        Response::Err { error } if error.error_code() == ErrorCode::STREAM_NOT_FOUND => Ok(None),
        Response::Err { error } => Err(refused(&error, &format!("look at `{name}`"))),
    }
}

/// A bucket that another release or another setting made: its limits follow ours, for entries that expire sooner than
/// the service judges them would be missed at the next start, and one that an agent made first is on one server alone. It
/// is never kept on fewer servers than it is. That it cannot be changed is no reason to do without it.
pub(crate) async fn adapt(js: &Context, is: &Info, should: Config) {
    let (age, size) = (should.max_age, should.max_message_size);
    let (rollup, replicas) = (should.allow_rollup, should.num_replicas.max(is.config.num_replicas));
    let is_so = is.config.max_age == age && is.config.max_message_size == size;
    if is_so && is.config.num_replicas == replicas && is.config.allow_rollup == rollup {
        return;
    }
    let name = is.config.name.clone();
    // The server refuses to remember duplicates for longer than the entries themselves.
    let duplicate_window = if age.is_zero() { is.config.duplicate_window } else { is.config.duplicate_window.min(age) };
    let config = Config {
        max_age: age,
        max_message_size: size,
        allow_rollup: rollup,
        duplicate_window,
        num_replicas: replicas,
        ..is.config.clone()
    };
    match ask::<_, Info>(js, format!("STREAM.UPDATE.{name}"), &config, &format!("change `{name}`")).await {
        Ok(_) => info!(
            stream = name,
            replicas,
            "`{name}` now keeps documents of at most {size} bytes for {} s, copies: {replicas}",
            age.as_secs()
        ),
        Err(error) => warn!(stream = name, "`{name}` keeps its own limits: {error}"),
    }
}

async fn ask<T, V>(js: &Context, subject: String, payload: &T, what: &str) -> Result<V, JetStreamError>
where
    T: serde::Serialize,
    V: serde::de::DeserializeOwned,
{
    match answer(js.request(subject, payload).await, what)? {
        Response::Ok(value) => Ok(value),
        Response::Err { error } => Err(refused(&error, what)),
    }
}

fn answer<V>(answer: Result<Response<V>, RequestError>, what: &str) -> Result<Response<V>, JetStreamError> {
    answer.map_err(|error| match error.kind() {
        RequestErrorKind::NoResponders => JetStreamError::Absent,
        _ => JetStreamError::Silent { what: what.to_owned(), reason: error.to_string() },
    })
}

fn refused(error: &Error, what: &str) -> JetStreamError {
    match error.error_code() {
        ErrorCode::JETSTREAM_NOT_ENABLED | ErrorCode::JETSTREAM_NOT_ENABLED_FOR_ACCOUNT => JetStreamError::Absent,
        STREAM_EXISTS => JetStreamError::Refused { what: what.to_owned(), reason: "it is there already".to_owned() },
        _ => JetStreamError::Refused { what: what.to_owned(), reason: error.to_string() },
    }
}

/// What `info` says of a stream, as far as we compare it.
pub(crate) fn state(info: &Info) -> State {
    State { created: info.created.to_string(), last_sequence: info.state.last_sequence }
}

impl Default for Keeping {
    fn default() -> Self {
        Self { storage: Storage::default(), replicas: 1 }
    }
}
