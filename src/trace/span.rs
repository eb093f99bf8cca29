//! A span below the span of a request, with the moments at which it began and ended.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Instant;

/// A span that has ended, or is open while its end is its beginning.
#[derive(Clone, Debug, PartialEq)]
pub struct TimedSpan {
    /// The name: one of few, so that spans of the same kind can be compared.
    pub name: Cow<'static, str>,
    /// The role of the service in what the span covers.
    pub role: SpanRole,
    /// The place of the parent among the spans of the record; `None` for the request's own span.
    pub parent: Option<usize>,
    /// The beginning.
    pub start: Instant,
    /// The end.
    pub end: Instant,
    /// The attributes.
    pub attributes: Vec<SpanAttribute>,
    /// The failure with which the span ended.
    pub failure: Option<SpanFailure>,
}

/// The role of the service in what a span covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpanRole {
    /// The service does something itself.
    Internal,
    /// The service sends a message, and waits for the reply.
    Sender,
}

/// An attribute of a span: a name, and a value.
pub type SpanAttribute = (&'static str, AttributeValue);

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq)]
pub enum AttributeValue {
    /// A text.
    Text(Arc<str>),
    /// A whole number.
    Number(i64),
}

/// The failure with which a span ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpanFailure {
    /// The name of the failure, one of few.
    pub name: &'static str,
    /// The message.
    pub message: String,
}

impl TimedSpan {
    /// Returns a span below the request's own, which is open from `start` on.
    pub fn open(name: impl Into<Cow<'static, str>>, role: SpanRole, start: Instant) -> Self {
        Self { name: name.into(), role, parent: None, start, end: start, attributes: Vec::new(), failure: None }
    }
}

impl From<&str> for AttributeValue {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<&Arc<str>> for AttributeValue {
    fn from(text: &Arc<str>) -> Self {
        Self::Text(Arc::clone(text))
    }
}

impl From<u64> for AttributeValue {
    fn from(number: u64) -> Self {
        Self::Number(i64::try_from(number).unwrap_or(i64::MAX))
    }
}
