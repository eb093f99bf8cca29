//! Which requests are recorded: those whose requester records the trace, and of those without a trace a share.
//!
//! This is what OpenTelemetry calls a parent-based sampler over a ratio of trace ids. Ids are numbers that are mixed
//! from a seed and a count, so that nothing here rolls dice, and no two ids of a process are the same.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::context::{SpanId, TraceContext, TraceId};

/// The whole of which [`Sampler::of`] takes a share.
pub const MILLION: u32 = 1_000_000;
/// The step between two numbers that are mixed: odd, so that all numbers come before one comes again.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// The trace that a request belongs to.
#[derive(Debug, PartialEq, Eq)]
pub struct RequestTrace {
    /// The context that requests on behalf of the request carry: the request's own span where the request is recorded,
    /// else what the requester sent.
    pub context: TraceContext,
    /// The beginning of the record.
    pub origin: TraceOrigin,
    /// The subject on which the request came.
    pub subject: Box<str>,
    /// The size of the request's body in bytes.
    pub bytes: usize,
}

/// The beginning of the record of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TraceOrigin {
    /// The request is not recorded; its context is passed on.
    Unrecorded,
    /// The trace begins with the request.
    Here,
    /// The request's span is the child of this span of the requester.
    Requester(SpanId),
}

/// The choice of requests that are recorded.
#[derive(Debug)]
pub struct Sampler {
    /// The traces that begin here are recorded below this number; `None` where nothing is recorded.
    below: Option<u64>,
    /// One for spans, two for traces.
    seeds: [u64; 3],
    count: AtomicU64,
}

impl Sampler {
    /// Returns the sampler that records nothing and passes contexts on.
    #[must_use]
    pub const fn off() -> Self {
        Self { below: None, seeds: [0; 3], count: AtomicU64::new(0) }
    }

    /// Returns the sampler that records what requesters record, and of the requests without a trace so many in a
    /// million. `seeds` are random bits.
    #[must_use]
    pub fn of(per_million: u32, seeds: [u64; 3]) -> Self {
        let below = u64::MAX / u64::from(MILLION) * u64::from(per_million.min(MILLION));
        Self { below: Some(if per_million >= MILLION { u64::MAX } else { below }), seeds, count: AtomicU64::new(1) }
    }

    /// Returns the trace of a request on `subject` with a body of `bytes`, which came with `context`.
    pub fn join(&self, context: TraceContext, subject: &str, bytes: usize) -> Arc<RequestTrace> {
        let is_recorded = self.below.is_some() && context.is_sampled();
        let (context, origin) = match is_recorded {
            true => (context.with_span(self.next_span()), TraceOrigin::Requester(context.span)),
            false => (context, TraceOrigin::Unrecorded),
        };
        Arc::new(RequestTrace { context, origin, subject: subject.into(), bytes })
    }

    /// Returns the trace that begins with a request on `subject`, where the request is one of the share.
    pub fn begin(&self, subject: &str, bytes: usize) -> Option<Arc<RequestTrace>> {
        let below = self.below.filter(|below| *below > 0)?;
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        let [_, high, low] = self.seeds.map(|seed| mixed(seed, count));
        if low > below {
            return None;
        }
        let mut trace = [0; 16];
        let (first, last) = trace.split_at_mut(8);
        first.copy_from_slice(&high.to_be_bytes());
        last.copy_from_slice(&low.to_be_bytes());
        let context = TraceContext::begun(TraceId(trace), self.next_span());
        Some(Arc::new(RequestTrace { context, origin: TraceOrigin::Here, subject: subject.into(), bytes }))
    }

    fn next_span(&self) -> SpanId {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        let [seed, ..] = self.seeds;
        SpanId(mixed(seed, count).to_be_bytes())
    }
}

impl RequestTrace {
    /// Whether the spans of the request are recorded.
    #[must_use]
    pub fn is_recorded(&self) -> bool {
        self.origin != TraceOrigin::Unrecorded
    }

    /// Returns the id of the child number `place` of the request's span.
    #[must_use]
    pub fn child(&self, place: usize) -> SpanId {
        let own = u64::from_be_bytes(self.context.span.0);
        SpanId(mixed(own, place as u64 + 1).to_be_bytes())
    }
}

/// Returns the number `count` of the stream of `seed`, never zero: Steele's SplitMix64.
const fn mixed(seed: u64, count: u64) -> u64 {
    let mut number = seed.wrapping_add(count.wrapping_mul(STEP));
    number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^= number >> 31;
    if number == 0 { STEP } else { number }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn sent(flags: &str) -> TraceContext {
        TraceContext::parse(&format!("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-{flags}"), None).unwrap()
    }

    #[test]
    fn what_the_requester_records_is_recorded_as_its_child() {
        let sampler = Sampler::of(0, [1, 2, 3]);
        let joined = sampler.join(sent("01"), "w.place", 2);
        assert_eq!(joined.origin, TraceOrigin::Requester(sent("01").span));
        assert_eq!(joined.context.trace, sent("01").trace);
        assert_ne!(joined.context.span, sent("01").span, "the request has a span of its own");
        let passed_on = sampler.join(sent("00"), "w.place", 2);
        assert_eq!((passed_on.origin, &passed_on.context), (TraceOrigin::Unrecorded, &sent("00")));
        assert!(sampler.begin("w.place", 2).is_none());
    }

    #[test]
    fn without_a_collector_contexts_are_passed_on() {
        let joined = Sampler::off().join(sent("01"), "w.place", 2);
        assert!(!joined.is_recorded() && joined.context == sent("01"));
        assert!(Sampler::off().begin("w.place", 2).is_none());
    }

    #[test]
    fn of_requests_without_a_trace_a_share_is_recorded() {
        let begun = |per_million| {
            let sampler = Sampler::of(per_million, [7, 8, 9]);
            (0..10_000).filter_map(|_| sampler.begin("w.place", 2)).count()
        };
        assert_eq!((begun(0), begun(MILLION)), (0, 10_000));
        assert!(begun(MILLION / 10).abs_diff(1000) < 200, "{}", begun(MILLION / 10));
    }

    #[test]
    fn no_two_spans_have_the_same_id() {
        let sampler = Sampler::of(MILLION, [7, 8, 9]);
        let mut seen = BTreeSet::new();
        for _ in 0..1000 {
            let begun = sampler.begin("w.place", 2).unwrap();
            assert!(seen.insert(begun.context.span.0));
            assert!((0..20).all(|place| seen.insert(begun.child(place).0)));
        }
    }
}
