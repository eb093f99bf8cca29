//! The client of a collector: a POST over a connection of its own, with a time limit around all of it.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST, USER_AGENT};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::config::CollectorUrl;
use crate::plain::Plain;

/// The time for a batch, from the connect to the answer's last byte.
const BATCH_TIME: Duration = Duration::from_secs(10);
/// The most bytes that are read of an answer.
const MAX_ANSWER: usize = 64 * 1024;
/// The most bytes of an answer that a message shows.
const MAX_SHOWN: usize = 200;
/// The type of what is sent.
const PROTOBUF: &str = "application/x-protobuf";

/// The client of a collector.
#[derive(Clone, Debug)]
pub(super) struct CollectorClient {
    url: CollectorUrl,
}

/// The reason why a collector took no batch.
#[derive(Debug, thiserror::Error)]
pub(super) enum CollectorError {
    /// There is no connection.
    #[error("cannot connect: {0}")]
    Connect(std::io::Error),
    /// The connection broke, or what came is no HTTP.
    #[error("{0}")]
    Http(#[from] hyper::Error),
    /// The answer cannot be read.
    #[error("the answer: {0}")]
    Answer(#[from] axum::Error),
    /// The request cannot be made.
    #[error("{0}")]
    Request(#[from] axum::http::Error),
    /// The collector refused.
    #[error("it answers {status}: {}", Plain(said))]
    Status { status: StatusCode, said: String },
    /// The collector was too slow.
    #[error("it did not answer within {} s", BATCH_TIME.as_secs())]
    Slow,
}

impl CollectorClient {
    pub(super) fn new(url: CollectorUrl) -> Self {
        Self { url }
    }

    pub(super) fn url(&self) -> &CollectorUrl {
        &self.url
    }

    /// Sends `body`; returns how many of its spans the collector did not take.
    ///
    /// # Errors
    /// [`CollectorError`] where the collector took none.
    pub(super) async fn send(&self, body: &[u8]) -> Result<i64, CollectorError> {
        timeout(BATCH_TIME, self.exchange(body)).await.map_err(|_elapsed| CollectorError::Slow)?
    }

    async fn exchange(&self, body: &[u8]) -> Result<i64, CollectorError> {
        let stream =
            TcpStream::connect((self.url.host.as_str(), self.url.port)).await.map_err(CollectorError::Connect)?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // It ends with the sender; an error of the connection is one of the exchange, too.
        let connection = tokio::spawn(async move { drop(connection.await) });
        let request = Request::post(&self.url.path)
            .header(HOST, &self.url.authority)
            .header(CONTENT_TYPE, PROTOBUF)
            .header(USER_AGENT, concat!("whither/", env!("CARGO_PKG_VERSION")))
            .body(Body::from(body.to_vec()))?;
        let answer = sender.send_request(request).await;
        let answer = match answer {
            Ok(answer) => {
                let status = answer.status();
                to_bytes(Body::new(answer.into_body()), MAX_ANSWER)
                    .await
                    .map(|bytes| (status, bytes))
                    .map_err(Into::into)
            }
            Err(error) => Err(CollectorError::Http(error)),
        };
        connection.abort();
        let (status, bytes) = answer?;
        if !status.is_success() {
            let said =
                String::from_utf8_lossy(bytes.get(..bytes.len().min(MAX_SHOWN)).unwrap_or_default()).into_owned();
            return Err(CollectorError::Status { status, said });
        }
        // A collector that says nothing has taken all.
        let answer = ExportTraceServiceResponse::decode(bytes).unwrap_or_default();
        Ok(answer.partial_success.map_or(0, |partial| partial.rejected_spans))
    }
}

#[cfg(test)]
mod tests;
