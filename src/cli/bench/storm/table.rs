//! A storm as a person reads a storm: a table for each cell, and below the table the faults.

use comfy_table::{CellAlignment, ColumnConstraint};

use crate::cli::table;

use super::cell::Cell;
use super::row::{CellBaselines, StormRow};

/// The headings; CPU time is in microseconds a placement.
pub(super) const HEADINGS: [&str; 16] = [
    "chain",
    "a second",
    "to echo",
    "to Node.js",
    "p50",
    "p99",
    "max",
    "first",
    "last",
    "front µs",
    "workers µs",
    "runner µs",
    "programs µs",
    "front",
    "workers",
    "suspicions",
];

/// The rows of the contenders in a cell.
#[derive(Clone, Debug)]
pub(super) struct CellGroup {
    /// The cell.
    pub(super) cell: Cell,
    /// The rows; the echo and the peer are those that are not ours.
    pub(super) rows: Vec<StormRow>,
}

impl CellGroup {
    /// Returns the rates of the rows `echo` and `peer`, which the other rows are compared with.
    pub(super) fn beside(&self, echo: &str, peer: &str) -> CellBaselines {
        let rate = |name: &str| {
            let row = self.rows.iter().find(|row| !row.is_ours && row.name == name);
            row.map(|row| row.tally.per_second())
        };
        CellBaselines { echo: rate(echo), peer: rate(peer) }
    }

    /// Returns the cell as a table; columns that would be empty are left out.
    pub(super) fn table(&self, beside: CellBaselines) -> String {
        let mut table = table::table(&HEADINGS);
        let rows: Vec<_> = self.rows.iter().map(|row| row.cells(beside)).collect();
        for place in 1..HEADINGS.len() {
            let is_empty = rows.iter().all(|cells| cells.get(place).is_none_or(String::is_empty));
            if let Some(column) = table.column_mut(place) {
                column.set_cell_alignment(CellAlignment::Right);
                if is_empty {
                    column.set_constraint(ColumnConstraint::Hidden);
                }
            }
        }
        for cells in rows {
            table.add_row(cells);
        }
        let faults = self.rows.iter().filter_map(|row| {
            let faults = row.faults();
            let logged: String = row.logged().iter().map(|line| format!("\n  {line}")).collect();
            (!faults.is_empty()).then(|| format!("\n{}: {}{logged}", row.name, faults.join(", ")))
        });
        format!("{}\n{table}{}", self.cell.name(), faults.collect::<String>())
    }

    /// Returns the faults of whither's own rows, each with the row and the cell.
    pub(super) fn faults(&self) -> Vec<String> {
        let ours = self.rows.iter().filter(|row| row.is_ours);
        let faults = ours.filter_map(|row| {
            let faults = row.faults();
            (!faults.is_empty()).then(|| format!("{}, {}: {}", row.name, self.cell.name(), faults.join(", ")))
        });
        faults.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::launcher::Pace;
    use super::super::row::tests::row;
    use super::*;

    #[test]
    fn a_cell_is_a_table_with_its_faults_below() {
        let echo = StormRow { is_ours: false, ..row("echo", 2001) };
        let mut ours = row("js-pure", 1001);
        ours.tally.fault("no-node", "all are full");
        let group = CellGroup { cell: Cell { nodes: 1000, pace: Pace::Closed(64) }, rows: vec![echo, ours] };
        let shown = group.table(group.beside("echo", "Node.js"));
        for words in ["1,000 nodes, 64 in flight", "echo", "to echo", "js-pure: 1 no-node (all are full)", "40.0 MiB"] {
            assert!(shown.contains(words), "{words}: {shown}");
        }
        assert!(!shown.contains("Node.js") && !shown.contains("runner") && !shown.contains("suspicions"), "{shown}");
        assert_eq!(group.faults(), ["js-pure, 1,000 nodes, 64 in flight: 1 no-node (all are full)"]);
    }
}
