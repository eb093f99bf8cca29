//! The context of a trace by the W3C's Trace Context: the headers `traceparent` and `tracestate`.
//!
//! <https://www.w3.org/TR/trace-context/>. A header that cannot be read counts as absent, as the text demands: a
//! request is never refused because of its trace.

use std::fmt;
use std::sync::Arc;

/// The header that names the trace and the span of the requester. Header names of NATS have a case.
pub const TRACEPARENT: &str = "traceparent";
/// The header with what the tracing systems on the way added.
pub const TRACESTATE: &str = "tracestate";

/// The header's names as libraries write them: those that take NATS headers for headers of HTTP begin with a capital.
const PARENT_NAMES: [&str; 2] = [TRACEPARENT, "Traceparent"];
const STATE_NAMES: [&str; 2] = [TRACESTATE, "Tracestate"];
/// The length of `traceparent` in bytes; later versions may be longer.
const PARENT_BYTES: usize = 55;
/// The most bytes of `tracestate` that are kept; a longer one is left out, as the text allows.
const MAX_STATE_BYTES: usize = 512;
/// The flag that says that the requester records the trace.
const SAMPLED: u8 = 1;
/// The version that may never be.
const NO_VERSION: u8 = 0xff;

/// The number of a trace, never zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceId(pub [u8; 16]);

/// The number of a span, never zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpanId(pub [u8; 8]);

/// The context that a request brings, or that a request of ours carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace.
    pub trace: TraceId,
    /// The span of the sender.
    pub span: SpanId,
    /// The flags.
    pub flags: u8,
    /// The text of `tracestate`, passed on as it came.
    pub state: Option<Arc<str>>,
}

impl TraceContext {
    /// Reads the context from the headers; `header` returns the header of a name. `None` where there is none that can
    /// be read.
    pub fn read<'a>(header: impl Fn(&'static str) -> Option<&'a str>) -> Option<Self> {
        let parent = PARENT_NAMES.into_iter().find_map(&header)?;
        let state = STATE_NAMES.into_iter().find_map(&header);
        Self::parse(parent, state)
    }

    /// Parses the texts of the two headers.
    #[must_use]
    pub fn parse(parent: &str, state: Option<&str>) -> Option<Self> {
        let mut parts = parent.trim().split('-');
        let [version] = hex(parts.next()?)?;
        let (trace, span, [flags]) = (hex(parts.next()?)?, hex(parts.next()?)?, hex(parts.next()?)?);
        let is_whole = version != 0 || parent.trim().len() == PARENT_BYTES;
        if version == NO_VERSION || !is_whole || trace == [0; 16] || span == [0; 8] {
            return None;
        }
        let is_usable = |state: &&str| {
            !state.is_empty()
                && state.len() <= MAX_STATE_BYTES
                && state.bytes().all(|byte| (b' '..=b'~').contains(&byte))
        };
        let state = state.map(str::trim).filter(is_usable).map(Arc::from);
        Some(Self { trace: TraceId(trace), span: SpanId(span), flags, state })
    }

    /// Whether the sender records the trace.
    #[must_use]
    pub const fn is_sampled(&self) -> bool {
        self.flags & SAMPLED != 0
    }

    /// Returns the context of a request that is sent by the span `span` of the same trace.
    #[must_use]
    pub fn with_span(&self, span: SpanId) -> Self {
        Self { span, ..self.clone() }
    }

    /// Returns the context of a trace that begins with `span` and is recorded.
    #[must_use]
    pub(super) const fn begun(trace: TraceId, span: SpanId) -> Self {
        Self { trace, span, flags: SAMPLED, state: None }
    }

    /// Returns the text of `traceparent`.
    #[must_use]
    pub fn traceparent(&self) -> String {
        // Of the flags of later versions nothing is known.
        format!("00-{}-{}-{:02x}", self.trace, self.span, self.flags & SAMPLED)
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Reads `N` bytes of lower-case hexadecimal digits.
fn hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let is_hex = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if text.len() != 2 * N || !is_hex {
        return None;
    }
    let mut bytes = [0; N];
    for (place, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * place..2 * place + 2)?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn a_header_is_read_and_written() {
        let context = TraceContext::parse(PARENT, Some("vendor=1,other=2")).unwrap();
        assert!(context.is_sampled());
        assert_eq!((context.traceparent().as_str(), context.state.as_deref()), (PARENT, Some("vendor=1,other=2")));
        let own = context.with_span(SpanId([1; 8]));
        assert_eq!(own.traceparent(), "00-0af7651916cd43dd8448eb211c80319c-0101010101010101-01");
        assert_eq!(own.state, context.state);
    }

    #[test]
    fn later_versions_may_say_more_and_flags_that_are_not_known_are_not_passed_on() {
        let later = TraceContext::parse(&format!("{}-what-not", PARENT.replacen("00", "cc", 1)), None).unwrap();
        assert_eq!(later.traceparent(), PARENT);
        let flags = TraceContext::parse(&PARENT.replace("-01", "-fe"), None).unwrap();
        assert!(!flags.is_sampled() && flags.traceparent().ends_with("-00"));
    }

    #[test]
    fn what_is_no_context_counts_as_absent() {
        let zero_span = PARENT.replace("b7ad6b7169203331", "0000000000000000");
        let zero_trace = PARENT.replace("0af7651916cd43dd8448eb211c80319c", &"0".repeat(32));
        for wrong in [
            "",
            "00",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            &format!("{PARENT}-more"),
            &PARENT.replacen("00", "ff", 1),
            &PARENT.to_uppercase(),
            &PARENT.replace('b', "é"),
            &zero_span,
            &zero_trace,
        ] {
            assert_eq!(TraceContext::parse(wrong, None), None, "{wrong}");
        }
    }

    #[test]
    fn a_state_that_is_too_long_or_no_text_is_left_out() {
        for state in ["", "a\nb", &"a".repeat(MAX_STATE_BYTES + 1)] {
            assert_eq!(TraceContext::parse(PARENT, Some(state)).unwrap().state, None);
        }
    }

    #[test]
    fn libraries_that_write_headers_as_http_does_are_understood() {
        let read = |written: &'static str| TraceContext::read(|name| (name == written).then_some(PARENT));
        assert!(read("traceparent").is_some() && read("Traceparent").is_some() && read("b3").is_none());
    }
}
