//! Records as OTLP's messages, with the names of OpenTelemetry's semantic conventions for messaging.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use prost::Message;

use crate::trace::{AttributeValue, SpanAttribute, SpanFailure, SpanRole, TimedSpan, TraceOrigin, TraceRecord};

use super::TracedService;

/// The name of the service, and of what makes its spans.
const SERVICE: &str = "whither";
/// The most bytes of a failure's message.
const MAX_MESSAGE: usize = 1024;
/// OTLP's bits of a span's flags that say that it is known whether the parent is remote, and that it is.
const KNOWS_REMOTE: u32 = 0x100;
const IS_REMOTE: u32 = 0x200;

/// The same moment by both clocks. Spans have moments of the monotonic clock; a wall clock that is set while a request
/// is under way must not stretch the request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moments {
    pub(super) instant: Instant,
    pub(super) time: SystemTime,
}

impl Moments {
    /// Returns Unix nanoseconds.
    fn nanos(self, instant: Instant) -> u64 {
        let ago = self.instant.saturating_duration_since(instant);
        let since = self.time.duration_since(UNIX_EPOCH).unwrap_or_default().saturating_sub(ago);
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    }
}

/// Returns the description of `service`, which goes with every batch.
pub(super) fn resource(service: TracedService<'_>) -> Resource {
    let TracedService { replica, host, namespace } = service;
    let attributes = [
        ("service.name", SERVICE),
        ("service.version", env!("CARGO_PKG_VERSION")),
        ("service.instance.id", replica),
        ("service.namespace", namespace.as_str()),
        ("host.name", host),
    ];
    Resource { attributes: attributes.map(|(name, text)| text_value(name, text)).to_vec(), ..Resource::default() }
}

/// Returns the body of a request with `records`.
pub(super) fn request(resource: &Resource, records: impl Iterator<Item = TraceRecord>, moments: Moments) -> Vec<u8> {
    let spans = records.flat_map(|record| spans(record, moments)).collect();
    let scope = InstrumentationScope {
        name: SERVICE.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..InstrumentationScope::default()
    };
    let scope_spans = vec![ScopeSpans { scope: Some(scope), spans, ..ScopeSpans::default() }];
    let resource_spans = ResourceSpans { resource: Some(resource.clone()), scope_spans, ..ResourceSpans::default() };
    ExportTraceServiceRequest { resource_spans: vec![resource_spans] }.encode_to_vec()
}

/// Returns the spans of `record`, the request's own first.
fn spans(record: TraceRecord, moments: Moments) -> Vec<Span> {
    let own = own_span(&record, moments);
    let below = record.spans.iter().enumerate().map(|(place, span)| child_span(&record, place, span, moments));
    std::iter::once(own).chain(below).collect()
}

fn own_span(record: &TraceRecord, moments: Moments) -> Span {
    let request = &record.request;
    let (parent, remote) = match request.origin {
        TraceOrigin::Requester(parent) => (parent.0.to_vec(), IS_REMOTE),
        TraceOrigin::Here | TraceOrigin::Unrecorded => (Vec::new(), 0),
    };
    let mut attributes = vec![
        text_value("messaging.system", "nats"),
        text_value("messaging.operation.name", "process"),
        text_value("messaging.operation.type", "process"),
        text_value("messaging.destination.name", &request.subject),
        number_value("messaging.message.body.size", i64::try_from(request.bytes).unwrap_or(i64::MAX)),
    ];
    attributes.extend(record.attributes.iter().map(key_value));
    let mut span = Span {
        span_id: request.context.span.0.to_vec(),
        parent_span_id: parent,
        name: format!("process {}", request.subject),
        kind: SpanKind::Consumer as i32,
        start_time_unix_nano: moments.nanos(record.received),
        end_time_unix_nano: moments.nanos(record.ended),
        attributes,
        ..of_trace(record, KNOWS_REMOTE | remote)
    };
    fail(&mut span, record.failure.as_ref());
    span
}

fn child_span(record: &TraceRecord, place: usize, timed: &TimedSpan, moments: Moments) -> Span {
    let parent = timed.parent.map_or(record.request.context.span, |parent| record.request.child(parent));
    let (kind, mut attributes) = match timed.role {
        SpanRole::Internal => (SpanKind::Internal, Vec::new()),
        SpanRole::Sender => (
            SpanKind::Producer,
            vec![
                text_value("messaging.system", "nats"),
                text_value("messaging.operation.name", "send"),
                text_value("messaging.operation.type", "send"),
            ],
        ),
    };
    attributes.extend(timed.attributes.iter().map(key_value));
    let mut span = Span {
        span_id: record.request.child(place).0.to_vec(),
        parent_span_id: parent.0.to_vec(),
        name: timed.name.clone().into_owned(),
        kind: kind as i32,
        start_time_unix_nano: moments.nanos(timed.start),
        end_time_unix_nano: moments.nanos(timed.end),
        attributes,
        ..of_trace(record, KNOWS_REMOTE)
    };
    fail(&mut span, timed.failure.as_ref());
    span
}

/// A span with what all spans of the trace share.
fn of_trace(record: &TraceRecord, flags: u32) -> Span {
    let context = &record.request.context;
    Span {
        trace_id: context.trace.0.to_vec(),
        trace_state: context.state.as_deref().unwrap_or_default().to_owned(),
        flags: flags | u32::from(context.flags),
        ..Span::default()
    }
}

fn fail(span: &mut Span, failure: Option<&SpanFailure>) {
    let Some(SpanFailure { name, message }) = failure else { return };
    let message = message.get(..message.floor_char_boundary(MAX_MESSAGE)).unwrap_or_default().to_owned();
    span.attributes.push(text_value("error.type", name));
    span.status = Some(Status { message, code: StatusCode::Error as i32 });
}

fn key_value((name, value): &SpanAttribute) -> KeyValue {
    match value {
        AttributeValue::Text(text) => text_value(name, text),
        AttributeValue::Number(number) => number_value(name, *number),
    }
}

fn text_value(name: &str, text: &str) -> KeyValue {
    let value = AnyValue { value: Some(Value::StringValue(text.to_owned())) };
    KeyValue { key: name.to_owned(), value: Some(value), ..KeyValue::default() }
}

fn number_value(name: &str, number: i64) -> KeyValue {
    let value = AnyValue { value: Some(Value::IntValue(number)) };
    KeyValue { key: name.to_owned(), value: Some(value), ..KeyValue::default() }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_moment_has_the_same_distance_by_both_clocks() {
        let instant = Instant::now();
        let moments = Moments { instant, time: UNIX_EPOCH + Duration::from_secs(1000) };
        let before = instant.checked_sub(Duration::from_millis(1500)).unwrap();
        assert_eq!(moments.nanos(instant), 1_000_000_000_000);
        assert_eq!(moments.nanos(before), 998_500_000_000);
        assert_eq!(moments.nanos(instant + Duration::from_secs(7)), 1_000_000_000_000, "not after the batch");
        let early = Moments { instant, time: UNIX_EPOCH - Duration::from_secs(5) };
        assert_eq!(early.nanos(before), 0, "a clock before 1970 is no reason to panic");
    }

    #[test]
    fn a_long_message_is_cut_between_letters() {
        let mut span = Span::default();
        fail(&mut span, Some(&SpanFailure { name: "internal", message: "ü".repeat(MAX_MESSAGE) }));
        assert_eq!(span.status.unwrap().message.len(), MAX_MESSAGE);
    }
}
