//! The queue of records that wait for the collector.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::config::TracingSettings;
use crate::front::metrics::{DropReason, Metrics};
use crate::trace::{TraceRecord, TraceSink};

use super::TracedService;
use super::client::CollectorClient;
use super::exporter::{Exporter, ExporterTask};
use super::otlp::resource;

/// The queue of records that wait for the collector.
#[derive(Debug)]
pub(super) struct RecordQueue {
    records: mpsc::Sender<TraceRecord>,
    metrics: Arc<Metrics>,
}

/// Starts the export of the records of `service`, as `settings` say. Must be called within a tokio runtime.
pub(super) fn start(
    settings: &TracingSettings,
    service: TracedService<'_>,
    metrics: &Arc<Metrics>,
) -> (RecordQueue, ExporterTask) {
    let (records, waiting) = mpsc::channel(settings.queue as usize);
    let collector = CollectorClient::new(settings.collector.clone());
    tracing::info!(collector = %settings.collector, "requests are traced");
    let stop = CancellationToken::new();
    let exporter = Exporter::new(collector, resource(service), Arc::clone(metrics));
    let task = tokio::spawn(exporter.run(waiting, stop.clone()));
    (RecordQueue { records, metrics: Arc::clone(metrics) }, ExporterTask::new(task, stop))
}

impl TraceSink for RecordQueue {
    fn take(&self, record: TraceRecord) {
        if let Err(error) = self.records.try_send(record) {
            self.metrics.spans.drop(DropReason::QueueFull, error.into_inner().span_count());
        }
    }
}
