//! The clusters that are measured over: drawn as `new nodes` draws them, or from a file.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::cli::exit::{self, CommandExit};
use crate::cli::new::nodes;
use crate::cli::nodes_file::{self, NodesFile};
use crate::cli::output;
use crate::model::{Change, Report};
use crate::plain::Plain;

/// The seed of `new nodes`, so that the files of `new nodes` hold these clusters.
const SEED: u64 = 1;
/// Nodes that take turns in reporting something new.
const RESTLESS: usize = 256;

/// The clusters of a bench, measured in turn.
#[derive(Debug)]
pub(super) enum Clusters {
    /// Drawn, of these sizes.
    Drawn(Vec<u32>),
    /// The nodes of a file.
    Listed(Vec<Change>),
}

impl Clusters {
    /// Returns the nodes in the file at `path`, else clusters of `sizes`; and the request that the file has beside the
    /// nodes.
    ///
    /// # Errors
    /// A file that cannot be read or is no node list.
    pub(super) fn of(
        path: Option<&Path>,
        sizes: &[u32],
        max_request_bytes: usize,
    ) -> Result<(Self, Map<String, Value>), CommandExit> {
        let Some(path) = path else { return Ok((Self::Drawn(sizes.to_vec()), Map::new())) };
        let NodesFile { reports, request, warnings } = nodes_file::read(Some(path), max_request_bytes)?;
        warnings.iter().for_each(|warning| output::aside(format_args!("warning: {}", Plain(warning))));
        Ok((Self::Listed(reports), request))
    }

    /// Returns the number of nodes of each cluster.
    #[must_use]
    pub(super) fn sizes(&self) -> Vec<usize> {
        match self {
            Self::Drawn(sizes) => sizes.iter().map(|size| *size as usize).collect(),
            Self::Listed(reports) => vec![reports.len()],
        }
    }

    /// Returns the reports of the cluster with `size` nodes.
    ///
    /// # Errors
    /// A drawn node that is no valid document: never.
    pub(super) fn reports(&self, size: usize) -> Result<Vec<Change>, CommandExit> {
        match self {
            Self::Drawn(_) => (0..size).map(|place| report(nodes::node(place, SEED))).collect(),
            Self::Listed(reports) => Ok(reports.clone()),
        }
    }
}

/// News of nodes, prepared: the same nodes in turn, each with another load and back again.
#[derive(Debug)]
pub(super) struct News {
    reports: Vec<Change>,
    next: usize,
}

impl News {
    /// News of the nodes of `cluster`.
    ///
    /// # Errors
    /// A document that is none any more with another load: never.
    pub(super) fn of(cluster: &[Change]) -> Result<Self, CommandExit> {
        let step = cluster.len().div_ceil(RESTLESS).max(1);
        let old: Vec<_> = cluster.iter().step_by(step).cloned().collect();
        let new = old.iter().filter_map(busier).map(report).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { reports: new.into_iter().chain(old).collect(), next: 0 })
    }
}

impl Iterator for News {
    type Item = Change;

    /// Returns the next change of a node, or `None` where the cluster is empty.
    fn next(&mut self) -> Option<Change> {
        let change = self.reports.get(self.next)?.clone();
        self.next = (self.next + 1) % self.reports.len();
        Some(change)
    }
}

/// Returns the document of a node with its load increased by 1.
fn busier(change: &Change) -> Option<Value> {
    let Change::Report(report) = change else { return None };
    let mut document: Value = serde_json::from_str(&report.text).ok()?;
    let load = document.pointer("/nodeData/health/cpu/load1").and_then(Value::as_f64).unwrap_or_default();
    let mut own = &mut document;
    for name in ["nodeData", "health", "cpu"] {
        own = own.as_object_mut()?.entry(name).or_insert_with(|| json!({}));
    }
    own.as_object_mut()?.insert("load1".to_owned(), json!(load + 1.0));
    Some(document)
}

fn report(document: Value) -> Result<Change, CommandExit> {
    let report = Report::from_value(document).map_err(|error| CommandExit::new(exit::OTHER, error))?;
    Ok(Change::Report(Arc::new(report)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drawn_clusters_are_the_same_every_time_and_change_when_told() {
        let (clusters, request) = Clusters::of(None, &[10, 1000], 1 << 20).unwrap();
        assert_eq!((clusters.sizes(), request.len()), (vec![10, 1000], 0));
        let cluster = clusters.reports(1000).unwrap();
        assert_eq!(cluster, clusters.reports(1000).unwrap());
        let mut news = News::of(&cluster).unwrap();
        let count = cluster.len().div_ceil(cluster.len().div_ceil(RESTLESS));
        let first: Vec<_> = news.by_ref().take(count).collect();
        assert!(first.iter().all(|change| !cluster.contains(change)));
        assert!(news.by_ref().take(count).all(|change| cluster.contains(&change)), "and back again");
        assert_eq!(news.next(), first.first().cloned());
        assert_eq!(News::of(&[]).unwrap().next(), None);
    }
}
