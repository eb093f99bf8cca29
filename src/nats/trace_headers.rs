//! The trace of a request in the headers of a message.

use async_nats::HeaderMap;

use crate::trace::TraceContext;
use crate::trace::context::{TRACEPARENT, TRACESTATE};

/// Reads the context from the headers of a message; `None` where there is none that can be read.
pub(super) fn read(headers: Option<&HeaderMap>) -> Option<TraceContext> {
    let headers = headers?;
    TraceContext::read(|name| headers.get(name).map(|value| value.as_str()))
}

/// Writes `context` into the headers of a message.
pub(super) fn write(context: &TraceContext, headers: &mut HeaderMap) {
    headers.insert(TRACEPARENT, context.traceparent());
    if let Some(state) = &context.state {
        headers.insert(TRACESTATE, &**state);
    }
}
