//! The streams of the registry as the server holds them: looked at, made if missing, changed where other settings made
//! them.

use async_nats::jetstream::response::Response;
use async_nats::jetstream::stream::{Config, Info};
use async_nats::jetstream::{Context, ErrorCode};
use serde_json::json;
use tracing::{info, warn};

use crate::nats::jetstream::{JetStreamError, answer, ask, create, refused};

/// The state of a bucket or stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StreamState {
    /// The time of creation; another time means another bucket.
    pub(super) created: String,
    /// The number of the last message that the stream ever took.
    pub(super) last_sequence: u64,
}

/// Returns the state of the stream `name`; `None` where the stream is missing.
pub(super) async fn look(js: &Context, name: &str) -> Result<Option<StreamState>, JetStreamError> {
    Ok(find(js, name).await?.as_ref().map(state))
}

/// Returns the stream that `config` describes, made if missing; an existing stream may have other limits.
pub(super) async fn ensure(js: &Context, config: Config) -> Result<Info, JetStreamError> {
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

async fn find(js: &Context, name: &str) -> Result<Option<Info>, JetStreamError> {
    let asked = js.request(format!("STREAM.INFO.{name}"), &json!({})).await;
    match answer(asked, &format!("look at `{name}`"))? {
        Response::Ok(info) => Ok(Some(info)),
        Response::Err { error } if error.error_code() == ErrorCode::STREAM_NOT_FOUND => Ok(None),
        Response::Err { error } => Err(refused(&error, &format!("look at `{name}`"))),
    }
}

/// Changes the limits of a bucket that another release or another setting made to ours, because entries that expire
/// sooner than the service judges them would be missed at the next start, and because a bucket that an agent made first
/// is on one server alone. The number of servers is never lowered. A failure is logged, since a bucket with other
/// limits is no reason to do without a registry.
pub(super) async fn adapt(js: &Context, is: &Info, should: Config) {
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

/// Returns the fields of `info` that are compared.
pub(super) fn state(info: &Info) -> StreamState {
    StreamState { created: info.created.to_string(), last_sequence: info.state.last_sequence }
}
