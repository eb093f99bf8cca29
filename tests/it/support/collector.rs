//! A stand-in for an OpenTelemetry collector: it takes spans over HTTP on a free port, and keeps them.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::eventually;

/// A running collector, which is gone with the test.
pub(crate) struct Collector {
    port: u16,
    requests: Requests,
    task: JoinHandle<()>,
}

type Requests = Arc<Mutex<Vec<ExportTraceServiceRequest>>>;

impl Collector {
    /// A collector on a free port.
    pub(crate) async fn start() -> Self {
        Self::on(0).await
    }

    /// A collector on `port`.
    pub(crate) async fn on(port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let (port, requests) = (listener.local_addr().unwrap().port(), Requests::default());
        let router = Router::new().route("/v1/traces", post(take)).with_state(Arc::clone(&requests));
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { port, requests, task }
    }

    /// The section of a config that names it.
    pub(crate) fn section(&self) -> String {
        section(self.port)
    }

    /// Every span so far.
    pub(crate) fn spans(&self) -> Vec<Span> {
        let requests = self.requests.lock().unwrap();
        let resources = requests.iter().flat_map(|request| &request.resource_spans);
        resources.flat_map(|resource| &resource.scope_spans).flat_map(|scope| scope.spans.clone()).collect()
    }

    /// The attributes of the process that sent the first spans.
    pub(crate) fn resource(&self) -> Vec<KeyValue> {
        self.requests.lock().unwrap()[0].resource_spans[0].resource.clone().unwrap().attributes
    }

    /// Waits until it has so many spans called `name`, and returns the spans of the trace `trace`.
    pub(crate) async fn trace(&self, trace: &str, name: &str, count: usize) -> Vec<Span> {
        let of_trace =
            || -> Vec<Span> { self.spans().into_iter().filter(|span| hex(&span.trace_id) == trace).collect() };
        eventually(name, async || (of_trace().iter().filter(|span| span.name == name).count() >= count).then_some(()))
            .await;
        of_trace()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The section of a config that names a collector on `port` of this machine.
pub(crate) fn section(port: u16) -> String {
    format!("[tracing]\nendpoint = \"http://127.0.0.1:{port}\"\n")
}

/// The only span of `spans` that is called `name`.
#[track_caller]
pub(crate) fn named<'a>(spans: &'a [Span], name: &str) -> &'a Span {
    let found: Vec<_> = spans.iter().filter(|span| span.name == name).collect();
    assert_eq!(found.len(), 1, "{name}: {:?}", spans.iter().map(|span| &span.name).collect::<Vec<_>>());
    found[0]
}

/// The attribute `name` as text.
pub(crate) fn attribute(attributes: &[KeyValue], name: &str) -> Option<String> {
    let found = attributes.iter().find(|own| own.key == name)?.value.as_ref()?.value.as_ref()?;
    match found {
        Value::StringValue(text) => Some(text.clone()),
        Value::IntValue(number) => Some(number.to_string()),
        other => Some(format!("{other:?}")),
    }
}

/// Bytes as `traceparent` has them.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

async fn take(State(requests): State<Requests>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let is_protobuf = headers.get("content-type").is_some_and(|kind| kind == "application/x-protobuf");
    match ExportTraceServiceRequest::decode(body) {
        Ok(request) if is_protobuf => {
            requests.lock().unwrap().push(request);
            StatusCode::OK
        }
        _ => StatusCode::BAD_REQUEST,
    }
}
