//! The record of a request: the spans from the receipt to the reply, in moments of the monotonic clock.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Instant;

use super::sampler::RequestTrace;
use super::span::{SpanAttribute, SpanFailure, SpanRole, TimedSpan};

/// The span from the moment at which the reply was made to the moment at which NATS had it.
const ANSWERED: &str = "answered";

/// The record of a request.
#[derive(Debug)]
pub struct TraceRecord {
    /// The trace, with the request's own span.
    pub request: Arc<RequestTrace>,
    /// The receipt of the request.
    pub received: Instant,
    /// The moment at which the reply was made, where it was made after more than a look at the request.
    pub concluded: Option<Instant>,
    /// The moment at which the reply was handed to NATS.
    pub ended: Instant,
    /// The attributes of the request's own span.
    pub attributes: Vec<SpanAttribute>,
    /// The failure that the reply reports.
    pub failure: Option<SpanFailure>,
    /// The spans below the request's own. The place of a span gives the span its id, see [`RequestTrace::child`].
    pub spans: Vec<TimedSpan>,
}

/// The taker of records. Never keeps the caller waiting: records that cannot be taken are dropped and counted.
pub trait TraceSink: Debug + Send + Sync {
    /// Takes a record.
    fn take(&self, record: TraceRecord);
}

impl TraceRecord {
    /// Returns the record of a request that was received at `received`; `None` where the request is not recorded.
    #[must_use]
    pub fn of(request: Option<&Arc<RequestTrace>>, received: Instant) -> Option<Box<Self>> {
        let request = request.filter(|request| request.is_recorded())?;
        Some(Box::new(Self {
            request: Arc::clone(request),
            received,
            concluded: None,
            ended: received,
            attributes: Vec::new(),
            failure: None,
            spans: Vec::new(),
        }))
    }

    /// The number of spans, the request's own among them.
    #[must_use]
    pub fn span_count(&self) -> usize {
        self.spans.len() + 1
    }

    /// Notes that the reply was handed to NATS at `now`, with `failure` where the reply reports one.
    pub fn end(&mut self, now: Instant, failure: Option<SpanFailure>) {
        (self.ended, self.failure) = (now, failure);
        if let Some(concluded) = self.concluded {
            self.spans.push(TimedSpan { end: now, ..TimedSpan::open(ANSWERED, SpanRole::Internal, concluded) });
        }
    }
}
