//! A row of the result: the figures of a chain on a cluster.

use std::collections::BTreeMap;

use comfy_table::CellAlignment;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{peer, units};
use crate::cli::table;

/// The figures of a chain on a cluster; sent as JSON by the process that measured the row.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Row {
    /// The chain.
    pub(super) label: String,
    /// The number of nodes in the cluster.
    pub(super) nodes: usize,
    /// The number of decisions.
    pub(super) decisions: u64,
    /// Half of them took at most so long.
    pub(super) p50_ns: u64,
    /// The 99th percentile in nanoseconds; absent where there were too few decisions.
    pub(super) p99_ns: Option<u64>,
    /// The time of the whole run, in nanoseconds: decisions, releases, changes.
    pub(super) elapsed_ns: u64,
    /// Calls of script functions.
    pub(super) calls: u64,
    /// What ran the functions of scripts at the end, in languages that have more than one tier.
    pub(super) tier: Option<BenchTier>,
    /// By how much the process grew, from before the cluster to after the run.
    pub(super) memory_bytes: u64,
    /// Decisions without a node, by name.
    pub(super) failures: BTreeMap<String, u64>,
    /// The outcome of the first request.
    pub(super) first: FirstAnswer,
    /// The same under another runtime, where that was asked for.
    #[serde(skip)]
    pub(super) peers: Vec<peer::PeerRow>,
}

/// The tiers that ran the functions of a chain's scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum BenchTier {
    /// All were compiled.
    Compiled,
    /// Some were compiled.
    Partly,
    /// None was compiled, or all went back to the interpreter.
    Interpreted,
}

impl BenchTier {
    /// Returns the tier of functions of which `compiled` out of `all` are compiled; nothing where there is none.
    pub(super) fn of(compiled: usize, all: usize) -> Option<Self> {
        match (compiled, all) {
            (_, 0) => None,
            (0, _) => Some(Self::Interpreted),
            (compiled, all) if compiled == all => Some(Self::Compiled),
            _ => Some(Self::Partly),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Compiled => "compiled",
            Self::Partly => "partly",
            Self::Interpreted => "interpreted",
        }
    }
}

/// The outcome of the first request: a node, or the reason why none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FirstAnswer {
    /// The node.
    pub(super) node: Option<String>,
    /// The reason why there is no node.
    pub(super) error: Option<String>,
}

impl Row {
    fn per_second(&self) -> f64 {
        self.decisions as f64 * 1e9 / self.elapsed_ns.max(1) as f64
    }

    fn calls_each(&self) -> f64 {
        self.calls as f64 / self.decisions.max(1) as f64
    }

    /// Returns the name under which every decision failed, where all failed under the same name.
    #[must_use]
    pub(super) fn always(&self) -> Option<&str> {
        self.failures.iter().find(|(_, count)| **count == self.decisions).map(|(name, _)| name.as_str())
    }

    /// Returns the row as JSON.
    #[must_use]
    pub(super) fn to_json(&self) -> Value {
        json!({
            "chain": self.label,
            "nodes": self.nodes,
            "decisions": self.decisions,
            "p50_ns": self.p50_ns,
            "p99_ns": self.p99_ns,
            "decisions_per_second": self.per_second(),
            "calls_per_decision": self.calls_each(),
            "tier": self.tier.map(BenchTier::name),
            "memory_bytes": self.memory_bytes,
            "failures": self.failures,
            "first_node": self.first.node,
            "first_error": self.first.error,
            "peers": self.peers.iter().map(|peer| peer.to_json(self.p50_ns)).collect::<Vec<_>>(),
        })
    }

    fn cells(&self) -> Vec<String> {
        vec![
            self.label.clone(),
            units::count(self.nodes as u64),
            units::duration(self.p50_ns),
            p99(self.p99_ns),
            units::rate(self.per_second()),
            units::average(self.calls_each()),
            units::bytes(self.memory_bytes),
        ]
    }
}

/// Renders a 99th percentile; a dot where there were too few decisions for a percentile.
#[must_use]
pub(super) fn p99(ns: Option<u64>) -> String {
    ns.map_or("·".to_owned(), units::duration)
}

/// Failures as `3 no-node, 1 script-error`.
#[must_use]
pub(super) fn failed<N: AsRef<str>>(failures: &BTreeMap<N, u64>) -> String {
    let each = failures.iter().map(|(name, count)| format!("{} {}", units::count(*count), name.as_ref()));
    each.collect::<Vec<_>>().join(", ")
}

/// Returns the rows as a table; columns that would be empty in all of them are left out.
#[must_use]
pub(super) fn table(rows: &[Row]) -> String {
    let has_failures =
        rows.iter().any(|row| !row.failures.is_empty() || row.peers.iter().any(peer::PeerRow::has_failed));
    let has_peers = rows.iter().any(|row| !row.peers.is_empty());
    let mut headings = vec!["chain", "nodes", "p50", "p99", "a second", "calls each", "memory"];
    headings.extend(has_peers.then_some("p50 to ours"));
    let has_tiers = rows.iter().any(|row| row.tier.is_some());
    headings.extend(has_tiers.then_some("tier"));
    headings.extend(has_failures.then_some("failed"));
    let mut table = table::table(&headings);
    let numbers = 1..headings.len() - usize::from(has_failures) - usize::from(has_tiers);
    for place in numbers {
        if let Some(column) = table.column_mut(place) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    for row in rows {
        let mut cells = row.cells();
        cells.extend(has_peers.then(|| "1".to_owned()));
        cells.extend(has_tiers.then(|| row.tier.map(BenchTier::name).unwrap_or_default().to_owned()));
        cells.extend(has_failures.then(|| failed(&row.failures)));
        table.add_row(cells);
        for peer in &row.peers {
            let mut cells = peer.cells(row.nodes, row.p50_ns);
            cells.extend(has_tiers.then(String::new));
            cells.extend(has_failures.then(|| peer.failed()));
            table.add_row(cells);
        }
    }
    table.to_string()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::cli::bench) fn row(label: &str, nodes: usize, us: u64) -> Row {
        Row {
            label: label.to_owned(),
            nodes,
            decisions: 200,
            p50_ns: us * 1000 + 100,
            p99_ns: Some(us * 1200),
            elapsed_ns: 2_000_000_000,
            calls: 200 * nodes as u64,
            tier: None,
            memory_bytes: 3 << 20,
            failures: BTreeMap::new(),
            first: FirstAnswer::default(),
            peers: Vec::new(),
        }
    }

    #[test]
    fn a_table_has_a_line_for_each_row_and_no_empty_column() {
        let mut rows = vec![row("a.js", 10, 17), row("a.js", 10_000, 31_000)];
        let shown = table(&rows);
        for words in ["a.js", "10,000", "17.1 µs", "37.2 ms", "100", "3.00 MiB"] {
            assert!(shown.contains(words), "{words}: {shown}");
        }
        assert!(!shown.contains("failed") && !shown.contains("ours") && !shown.contains("tier"), "{shown}");
        rows[1].tier = BenchTier::of(1, 1);
        let shown = table(&rows);
        assert!(shown.contains("tier") && shown.contains("compiled"), "{shown}");
        rows[0].failures = BTreeMap::from([("no-node", 1200), ("script-error", 1)].map(|(n, c)| (n.to_owned(), c)));
        assert!(table(&rows).contains("1,200 no-node, 1 script-error"));
        let widths: std::collections::BTreeSet<_> = shown.lines().map(|line| line.chars().count()).collect();
        assert_eq!(widths.len(), 1, "{shown}");
    }

    #[test]
    fn json_has_plain_numbers() {
        let mut row = row("a.js", 10, 17);
        row.failures.insert("no-node".to_owned(), 3);
        let json = row.to_json();
        assert_eq!((&json["chain"], &json["nodes"], &json["decisions"]), (&json!("a.js"), &json!(10), &json!(200)));
        assert_eq!((&json["decisions_per_second"], &json["calls_per_decision"]), (&json!(100.0), &json!(10.0)));
        assert_eq!(json["failures"], json!({"no-node": 3}));
        assert_eq!(json["p50_ns"], json!(17_100));
        row.p99_ns = None;
        assert_eq!((&row.to_json()["p99_ns"], row.always()), (&Value::Null, None));
        row.failures.insert("no-node".to_owned(), 200);
        assert_eq!(row.always(), Some("no-node"));
        let again: Row = serde_json::from_str(&serde_json::to_string(&row).unwrap()).unwrap();
        assert_eq!(again.to_json(), row.to_json());
    }
}
