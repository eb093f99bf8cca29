//! The tracing of a service: which requests are recorded, and who takes the records.
//!
//! A binary without the feature `opentelemetry` has no taker: contexts are passed on, and nothing is recorded. With the
//! feature, records go to an OpenTelemetry collector, by OTLP over HTTP: the task that sends replies hands a record to a
//! bounded queue and goes on, and one task sends what is there in batches. A record that does not fit, and a batch that
//! no collector takes, are dropped and counted: a placement never waits for a collector, and a collector that is away is
//! one line of the log. Rejected: the SDK's batch processor and exporter, which do not count what they drop, and whose
//! pauses between attempts keep the thread that polls them.

#[cfg(feature = "opentelemetry")]
mod client;
#[cfg(feature = "opentelemetry")]
mod exporter;
#[cfg(feature = "opentelemetry")]
mod otlp;
#[cfg(feature = "opentelemetry")]
mod queue;

use std::sync::Arc;

use crate::config::{Namespace, TracingSettings};
use crate::front::metrics::Metrics;
use crate::trace::{Sampler, TraceSink};

use super::error::ServiceError;

/// The tracing of a service.
#[derive(Debug)]
pub(super) struct Tracing {
    pub(super) sampler: Arc<Sampler>,
    /// The taker of records, where requests are recorded.
    pub(super) sink: Option<Arc<dyn TraceSink>>,
    #[cfg(feature = "opentelemetry")]
    exporter: Option<exporter::ExporterTask>,
}

/// The parts that describe the service to a collector.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(not(feature = "opentelemetry"), expect(dead_code, reason = "only a collector is told"))]
pub(super) struct TracedService<'a> {
    pub(super) replica: &'a str,
    pub(super) host: &'a str,
    pub(super) namespace: &'a Namespace,
}

impl Tracing {
    /// Starts the tracing that `settings` describe. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// The kernel gave no random bits.
    #[cfg(feature = "opentelemetry")]
    pub(super) fn start(
        settings: Option<&TracingSettings>,
        service: TracedService<'_>,
        metrics: &Arc<Metrics>,
    ) -> Result<Self, ServiceError> {
        use crate::host;

        let Some(settings) = settings else {
            return Ok(Self { sampler: Arc::new(Sampler::off()), sink: None, exporter: None });
        };
        let random = || host::random().map_err(ServiceError::Host);
        let sampler = Sampler::of(settings.sampled_per_million, [random()?, random()?, random()?]);
        let (queue, exporter) = queue::start(settings, service, metrics);
        Ok(Self { sampler: Arc::new(sampler), sink: Some(Arc::new(queue)), exporter: Some(exporter) })
    }

    /// Starts no tracing: a config that asks for tracing has not loaded.
    ///
    /// # Errors
    /// None.
    #[cfg(not(feature = "opentelemetry"))]
    pub(super) fn start(
        _settings: Option<&TracingSettings>,
        _service: TracedService<'_>,
        _metrics: &Arc<Metrics>,
    ) -> Result<Self, ServiceError> {
        Ok(Self { sampler: Arc::new(Sampler::off()), sink: None })
    }

    /// Sends the last records, within a bounded time.
    pub(super) async fn end(self) {
        drop(self.sink);
        #[cfg(feature = "opentelemetry")]
        if let Some(exporter) = self.exporter {
            exporter.end().await;
        }
    }
}
