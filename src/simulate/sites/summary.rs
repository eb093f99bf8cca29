//! A summary: the state of one group at a site, as a node document, so that the service takes a group of a site for a
//! node.

use std::cell::OnceCell;
use std::sync::Arc;

use serde::Serialize;

use crate::model::Report;

use super::site::Pool;

/// A summary as it was published.
#[derive(Debug)]
pub(super) struct SiteSummary {
    /// The time of publication, in milliseconds of the day.
    pub(super) at_ms: u64,
    /// The document.
    pub(super) text: String,
    /// The document as the service reads the text, once a first tier needs the report.
    report: OnceCell<Option<Arc<Report>>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SummaryDocument<'a> {
    id: &'a str,
    hostname: &'a str,
    max_sessions: u64,
    node_data: Data<'a>,
    static_data: Fixed<'a>,
    metrics: SummaryMetrics,
}

#[derive(Serialize)]
struct Data<'a> {
    /// The group, as a service that the chain of the group requires.
    services: [&'a str; 1],
    /// The number of sessions alone: a list of thousands would be another mirror.
    sessions: u64,
}

#[derive(Serialize)]
struct Fixed<'a> {
    group: &'a str,
    /// `builtin:weighted` compares sessions over weight: with the capacity as weight, the fill of the group.
    weight: u64,
}

#[derive(Serialize)]
struct SummaryMetrics {
    site: SummaryFigures,
}

#[derive(Serialize)]
struct SummaryFigures {
    nodes: u64,
    ready: u64,
    headroom: u64,
    /// The share of nodes that are ready, in thousandths.
    health: f64,
}

impl SiteSummary {
    /// Returns the summary by `site` of `pool`, the site's nodes of `group`, at `at_ms`.
    pub(super) fn of(site: &str, group: &str, pool: &Pool, at_ms: u64) -> Self {
        let capacity = pool.capacity();
        let health = (pool.ready as f64 / pool.nodes.max(1) as f64 * 1000.0).round() / 1000.0;
        let headroom = capacity.saturating_sub(pool.sessions);
        let document = SummaryDocument {
            id: &id(site, group),
            hostname: site,
            max_sessions: capacity,
            node_data: Data { services: [group], sessions: pool.sessions },
            static_data: Fixed { group, weight: capacity },
            metrics: SummaryMetrics { site: SummaryFigures { nodes: pool.nodes, ready: pool.ready, headroom, health } },
        };
        let text = serde_json::to_string(&document).unwrap_or_default();
        Self { at_ms, text, report: OnceCell::new() }
    }

    /// Returns the document as the service reads the text, or `None` where the service would refuse the document.
    pub(super) fn report(&self) -> Option<Arc<Report>> {
        self.report.get_or_init(|| Report::parse(self.text.as_bytes()).ok().map(Arc::new)).clone()
    }
}

/// Returns the id of `group` at `site`.
pub(super) fn id(site: &str, group: &str) -> String {
    format!("{site}.{group}")
}

#[cfg(test)]
mod tests {
    use super::super::site::Site;
    use super::super::tests::scenario;
    use super::*;
    use crate::simulate::plan::dice;

    #[test]
    fn a_summary_is_a_node_document() {
        let mut site = Site::new(&scenario(), &mut dice(1, 1));
        for _ in 0..7 {
            site.place(1);
        }
        let pool = &site.pools()[1];
        let summary = SiteSummary::of("site-03", "cad", pool, 5);
        let report = summary.report().unwrap();
        assert_eq!((&*report.id, report.sessions.count()), ("site-03.cad", Some(7)));
        assert!(report.runs("cad") && report.notes().is_empty(), "{:?}", report.notes());
        let figures = report.figures();
        assert_eq!((figures.max_sessions, figures.weight), (Some(pool.capacity()), Some(pool.capacity() as f64)));
        assert!(summary.text.len() < 400, "{}", summary.text);
    }
}
