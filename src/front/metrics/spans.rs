//! The metrics of the spans that are sent to a collector of traces.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use prometheus_client::encoding::EncodeLabelSet;

/// The label of spans that were dropped.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DropLabel {
    /// The reason, see [`DropReason`].
    reason: &'static str,
}

/// The reason why spans were dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DropReason {
    /// The queue for the collector was full.
    QueueFull,
    /// The collector was not there, did not answer in time, or answered with an error.
    Failed,
    /// The collector took a batch, but not these.
    Rejected,
}

/// The metrics of spans.
#[derive(Clone, Debug, Default)]
pub struct SpanMetrics {
    /// Spans that the collector took.
    pub exported: Counter,
    dropped: Family<DropLabel, Counter>,
}

impl DropReason {
    /// Every reason.
    pub const ALL: [Self; 3] = [Self::QueueFull, Self::Failed, Self::Rejected];

    const fn as_str(self) -> &'static str {
        match self {
            Self::QueueFull => "queue-full",
            Self::Failed => "failed",
            Self::Rejected => "rejected",
        }
    }
}

impl SpanMetrics {
    /// Counts spans that were dropped for `reason`.
    pub fn drop(&self, reason: DropReason, spans: usize) {
        self.dropped.get_or_create(&DropLabel { reason: reason.as_str() }).inc_by(spans as u64);
    }

    /// Adds the metrics to `registry`, at zero.
    pub(super) fn register(&self, registry: &mut Registry) {
        DropReason::ALL.into_iter().for_each(|reason| self.drop(reason, 0));
        registry.register("exported_spans", "Spans that the collector of traces took", self.exported.clone());
        registry.register("dropped_spans", "Spans that no collector got, by reason", self.dropped.clone());
    }
}
