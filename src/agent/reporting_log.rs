//! What the agent logs about its reports, and tells those who ask for its last report.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use tracing::{info, warn};

use super::ping::StoredReport;

/// The time after which the log repeats a failure that lasts.
const REPEAT: Duration = Duration::from_secs(60);

/// The last log lines about reporting.
#[derive(Debug, Default)]
pub(super) struct ReportingLog {
    /// Whether the node was reported at least once.
    pub reported: bool,
    failing: Option<(String, Instant)>,
    /// For those who ask the agent.
    pub last: watch::Sender<StoredReport>,
}

impl ReportingLog {
    /// Notes that a report of the node `id` with `bytes` was stored as `revision`.
    pub(super) fn worked(&mut self, id: &str, revision: u64, bytes: usize) {
        self.last.send_replace(StoredReport { stored: Some((revision, Instant::now())), failing: None });
        if !std::mem::replace(&mut self.reported, true) {
            info!(node = id, "node `{id}` is in the cluster: {bytes} bytes reported");
        } else if self.failing.is_some() {
            info!(node = id, "node `{id}` is reported again");
        }
        self.failing = None;
    }

    /// Notes that the node could not be reported; the same `reason` is logged once a minute.
    pub(super) fn failed(&mut self, reason: String) {
        self.last.send_modify(|last| last.failing = Some(reason.clone()));
        let known = self.failing.as_ref().is_some_and(|(known, at)| *known == reason && at.elapsed() < REPEAT);
        if !known {
            warn!("the node could not be reported: {reason}; trying again until it can");
            self.failing = Some((reason, Instant::now()));
        }
    }
}
