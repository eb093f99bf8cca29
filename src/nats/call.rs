//! Requests that the service itself makes on the bus: a message and a reply, with a time limit around everything.

use std::time::Duration;

use async_nats::client::RequestErrorKind;
use async_nats::{Client, HeaderMap, Request};
use bytes::Bytes;

use super::connect::Bus;
use super::subjects::{HEADER_ERROR_CODE, HEADER_TIMEOUT};
use super::trace_headers;
use crate::trace::TraceContext;

/// A client for requests of the service.
#[derive(Clone, Debug)]
pub struct Caller {
    client: Client,
}

/// A reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallReply {
    /// The body.
    pub body: Bytes,
    /// Whether the reply reports a failure.
    pub is_error: bool,
}

/// The reason why there is no reply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// Nobody listens on the subject: the request reached nobody.
    #[error("nobody answers on {0}")]
    Away(String),
    /// No reply came in time: the request may have reached somebody.
    #[error("no answer came: {0}")]
    Silent(String),
}

impl Caller {
    /// Creates a client on `bus`.
    #[must_use]
    pub fn new(bus: &Bus) -> Self {
        Self { client: bus.client().clone() }
    }

    /// Sends `body` to `subject` and waits for the reply, `within` that time; `trace` is the context that the request
    /// carries.
    ///
    /// # Errors
    /// [`CallError`] where there is no reply.
    pub async fn call(
        &self,
        subject: String,
        body: Vec<u8>,
        within: Duration,
        trace: Option<&TraceContext>,
    ) -> Result<CallReply, CallError> {
        let mut headers = HeaderMap::new();
        headers.insert(HEADER_TIMEOUT, within.as_millis().to_string());
        if let Some(trace) = trace {
            trace_headers::write(trace, &mut headers);
        }
        // The time limit of the library does not cover the library's queue.
        let request = Request::new().headers(headers).payload(body.into()).timeout(None);
        let sent = tokio::time::timeout(within, self.client.send_request(subject.clone(), request)).await;
        match sent {
            Ok(Ok(message)) => {
                let is_error = message.headers.as_ref().is_some_and(|headers| headers.get(HEADER_ERROR_CODE).is_some());
                Ok(CallReply { body: message.payload, is_error })
            }
            Ok(Err(error)) if error.kind() == RequestErrorKind::NoResponders => Err(CallError::Away(subject)),
            Ok(Err(error)) => Err(CallError::Silent(error.to_string())),
            Err(_elapsed) => Err(CallError::Silent(format!("within {} s", within.as_secs_f64()))),
        }
    }

    /// Sends `body` to `subject`, without waiting for anything; a message that cannot be sent is dropped.
    pub async fn publish(&self, subject: String, body: Vec<u8>) {
        if let Err(error) = self.client.publish(subject, body.into()).await {
            tracing::debug!(%error, "a message could not be sent");
        }
    }
}
