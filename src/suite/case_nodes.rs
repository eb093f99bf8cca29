//! The nodes of a case, found by their ids: made once for a cluster, however many cases are asked over the cluster.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::Report;

/// Nodes in their order, with the place of each.
#[derive(Clone, Debug, Default)]
pub struct CaseNodes {
    reports: Vec<Arc<Report>>,
    places: BTreeMap<Arc<str>, usize>,
}

impl CaseNodes {
    /// Returns the table of `reports`.
    #[must_use]
    pub fn of(reports: Vec<Arc<Report>>) -> Self {
        let places = reports.iter().enumerate().map(|(place, report)| (Arc::clone(&report.id), place)).collect();
        Self { reports, places }
    }

    /// Returns the nodes, in order.
    #[must_use]
    pub fn reports(&self) -> &[Arc<Report>] {
        &self.reports
    }

    /// Returns the node `id`.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Arc<Report>> {
        self.places.get(id).and_then(|place| self.reports.get(*place))
    }
}
