//! The task that sends records to the collector, batch by batch.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use opentelemetry_proto::tonic::resource::v1::Resource;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::front::metrics::{DropReason, Metrics};
use crate::trace::TraceRecord;

use super::client::CollectorClient;
use super::otlp::{Moments, request};

/// The most records of a batch.
const BATCH: usize = 512;
/// How long a record waits for others of its batch.
const GATHERING: Duration = Duration::from_secs(1);
/// How long a service that stops waits for the collector.
const LAST_BATCHES: Duration = Duration::from_secs(3);

/// The sender of records.
#[derive(Debug)]
pub(super) struct Exporter {
    collector: CollectorClient,
    resource: Resource,
    metrics: Arc<Metrics>,
    /// Whether the last batch failed: a collector that is away is reported once.
    is_failing: bool,
}

/// The running task of an [`Exporter`].
#[derive(Debug)]
pub(in crate::server) struct ExporterTask {
    task: JoinHandle<()>,
    stop: CancellationToken,
}

impl ExporterTask {
    pub(super) fn new(task: JoinHandle<()>, stop: CancellationToken) -> Self {
        Self { task, stop }
    }

    /// Sends what is there, and ends; what the collector does not take within [`LAST_BATCHES`] is lost.
    pub(in crate::server) async fn end(self) {
        self.stop.cancel();
        if timeout(LAST_BATCHES, self.task).await.is_err() {
            tracing::warn!("the collector of traces did not take the last spans in time");
        }
    }
}

impl Exporter {
    pub(super) fn new(collector: CollectorClient, resource: Resource, metrics: Arc<Metrics>) -> Self {
        Self { collector, resource, metrics, is_failing: false }
    }

    /// Sends `records` until their senders are gone or `stop` says so, and then those that are left.
    pub(super) async fn run(mut self, mut records: mpsc::Receiver<TraceRecord>, stop: CancellationToken) {
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            tokio::select! {
                received = records.recv_many(&mut batch, BATCH) => if received == 0 { return },
                () = stop.cancelled() => break,
            }
            self.gather(&mut records, &mut batch, &stop).await;
            self.send(&mut batch).await;
        }
        records.close();
        while records.recv_many(&mut batch, BATCH).await > 0 {
            self.send(&mut batch).await;
        }
    }

    /// Waits a moment for the others of `batch`.
    async fn gather(
        &self,
        records: &mut mpsc::Receiver<TraceRecord>,
        batch: &mut Vec<TraceRecord>,
        stop: &CancellationToken,
    ) {
        let over = sleep(GATHERING);
        tokio::pin!(over);
        while batch.len() < BATCH {
            let room = BATCH - batch.len();
            tokio::select! {
                received = records.recv_many(batch, room) => if received == 0 { return },
                () = &mut over => return,
                () = stop.cancelled() => return,
            }
        }
    }

    async fn send(&mut self, batch: &mut Vec<TraceRecord>) {
        let count: usize = batch.iter().map(TraceRecord::span_count).sum();
        let moments = Moments { instant: Instant::now(), time: SystemTime::now() };
        let body = request(&self.resource, batch.drain(..), moments);
        match self.collector.send(&body).await {
            Ok(rejected) => {
                let rejected = usize::try_from(rejected).unwrap_or_default().min(count);
                self.metrics.spans.drop(DropReason::Rejected, rejected);
                self.metrics.spans.exported.inc_by((count - rejected) as u64);
                if std::mem::take(&mut self.is_failing) {
                    tracing::info!("the collector of traces takes spans again");
                }
            }
            Err(error) => {
                self.metrics.spans.drop(DropReason::Failed, count);
                if !std::mem::replace(&mut self.is_failing, true) {
                    tracing::warn!(
                        collector = %self.collector.url(), %error,
                        "the collector of traces takes no spans: they are dropped until it does"
                    );
                }
            }
        }
    }
}
