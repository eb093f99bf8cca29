//! The nodes of a case, wherever they come from, with what may have come along with them: a request, a time, random bits.

use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::clock::Dice;
use crate::config::suite::{Drawn, NodeSource};
use crate::model::{Change, Report};
use crate::suite::CaseNodes;
use crate::suite::vary::vary;
use crate::worker::WorkerCommand;

use super::super::new::nodes;
use super::super::nodes_file::{self, NodesFile};

/// A cluster that a case is asked over.
#[derive(Clone, Debug, Default)]
pub(super) struct TestCluster {
    /// The nodes.
    pub(super) nodes: CaseNodes,
    /// The request that stood beside the nodes.
    pub(super) request: Map<String, Value>,
    /// The time that was recorded with them.
    pub(super) now_ms: Option<i64>,
    /// The random bits that were recorded with them.
    pub(super) seed: Option<u64>,
}

/// The clusters of cases; the last one is kept, because the cases of a file often share theirs.
#[derive(Debug, Default)]
pub(super) struct ClusterShelf {
    last: Option<(NodeSource, Rc<TestCluster>)>,
}

impl ClusterShelf {
    /// The cluster of `source`, which is not one of many.
    ///
    /// # Errors
    /// What is wrong with the file that it is in.
    pub(super) fn get(&mut self, source: &NodeSource) -> Result<Rc<TestCluster>, String> {
        if let Some((known, cluster)) = &self.last
            && known == source
        {
            return Ok(Rc::clone(cluster));
        }
        let cluster = Rc::new(match source {
            NodeSource::Inline(reports) => TestCluster::of(reports.clone()),
            NodeSource::File(path) => from_file(path)?,
            NodeSource::Decision(path) => from_decision(path)?,
            NodeSource::Generated(drawn) => generated(drawn)?,
            NodeSource::ForAll { .. } => TestCluster::default(),
        });
        self.last = Some((source.clone(), Rc::clone(&cluster)));
        Ok(cluster)
    }
}

impl TestCluster {
    fn of(reports: Vec<Arc<Report>>) -> Self {
        Self { nodes: CaseNodes::of(reports), ..Self::default() }
    }

    /// The number of nodes.
    pub(super) fn len(&self) -> usize {
        self.nodes.reports().len()
    }

    /// The nodes, as commands for a worker.
    pub(super) fn commands(&self) -> impl Iterator<Item = WorkerCommand> {
        self.nodes.reports().iter().cloned().map(Change::Report).map(WorkerCommand::Change)
    }

    /// The cluster of these documents.
    ///
    /// # Errors
    /// The first that is no node.
    pub(super) fn of_documents(documents: impl IntoIterator<Item = Value>) -> Result<Self, String> {
        let report = |document| Report::from_value(document).map(Arc::new).map_err(|error| error.to_string());
        documents.into_iter().map(report).collect::<Result<_, _>>().map(Self::of)
    }
}

/// The documents of cluster number `cluster`, from 0, of those that are drawn with `seed`.
pub(super) fn drawn(seed: u64, cluster: u32, (least, most): (u32, u32)) -> Vec<Value> {
    let mut dice = Dice::new(seed, u64::from(cluster), "size");
    let span = f64::from(most - least + 1);
    let count = least + ((dice.unit() * span) as u32).min(most - least);
    let own = dice.bits();
    (0..count).map(|place| vary(nodes::node(place as usize, own), seed, cluster)).collect()
}

fn generated(drawn: &Drawn) -> Result<TestCluster, String> {
    let with = Value::Object(drawn.with.clone());
    let documents = (0..drawn.count as usize).map(|place| {
        let mut document = nodes::node(place, drawn.seed);
        merge(&mut document, &with);
        document
    });
    TestCluster::of_documents(documents)
}

fn merge(value: &mut Value, over: &Value) {
    match (value, over) {
        (Value::Object(own), Value::Object(over)) => {
            for (name, over) in over {
                merge(own.entry(name.as_str()).or_insert(Value::Null), over);
            }
        }
        (value, over) => *value = over.clone(),
    }
}

fn read(path: &Path) -> Result<NodesFile, String> {
    let limits = crate::worker::WorkerLimits::default();
    nodes_file::read(Some(path), limits.request_bytes).map_err(|exit| exit.message)
}

fn from_file(path: &Path) -> Result<TestCluster, String> {
    let NodesFile { reports: changes, request, warnings } = read(path)?;
    // What `place` leaves out with a warning is an error here: a test over fewer nodes than it names proves less.
    if let Some(first) = warnings.iter().find(|warning| warning.contains("is left out")) {
        return Err(first.clone());
    }
    let report = |change: &Change| match change {
        Change::Report(report) => Some(Arc::clone(report)),
        _ => None,
    };
    let reports = changes.iter().filter_map(report).collect();
    Ok(TestCluster { request, ..TestCluster::of(reports) })
}

/// A recorded decision: a node list that has the request, the time and the random bits beside it.
fn from_decision(path: &Path) -> Result<TestCluster, String> {
    let mut cluster = from_file(path)?;
    let missing = |what: &str| format!("{}: it has no `{what}`, so it is no recorded decision", path.display());
    let now = cluster.request.shift_remove("now").and_then(|now| now.as_i64());
    let seed = cluster.request.shift_remove("seed");
    let seed = seed.as_ref().and_then(|seed| seed.as_str().map_or_else(|| seed.as_u64(), |seed| seed.parse().ok()));
    cluster.now_ms = Some(now.ok_or_else(|| missing("now"))?);
    cluster.seed = Some(seed.ok_or_else(|| missing("seed"))?);
    match cluster.request.shift_remove("request") {
        Some(Value::Object(request)) => cluster.request = request,
        _ => return Err(missing("request")),
    }
    Ok(cluster)
}
