//! The trace of a request as values: the context by the W3C's Trace Context, which requests begin a record, and the
//! spans of a record.
//!
//! Spans are made from moments that are handed in. Nothing here knows who writes spans down, or whether anybody does.

pub mod context;
pub mod record;
pub mod sampler;
pub mod span;

pub use context::{SpanId, TraceContext, TraceId};
pub use record::{TraceRecord, TraceSink};
pub use sampler::{RequestTrace, Sampler, TraceOrigin};
pub use span::{AttributeValue, SpanAttribute, SpanFailure, SpanRole, TimedSpan};
