//! Nodes with a GPU, the one with the most weight for each session: a filter and a score that read static data.

wit_bindgen::generate!({ path: "../../../wit", world: "per-node" });

#[path = "../../table.rs"]
mod table;

use exports::whither::balancer::{node_filter, node_score};
use table::{Cell, TABLE, Wishes};

/// Columns beside the fixed ones: keys of `metadata`, and of `staticData`.
fn wishes() -> Wishes {
    Wishes { metadata: vec![], static_data: vec!["gpu".to_owned(), "weight".to_owned()] }
}

struct Policy;

impl node_filter::Guest for Policy {
    fn filter(node: u32) -> Result<bool, String> {
        Ok(TABLE.with_borrow(|table| matches!(table.wished(0, node), Cell::Flag(true))))
    }
}

impl node_score::Guest for Policy {
    fn score(node: u32) -> Result<Option<f64>, String> {
        Ok(TABLE.with_borrow(|table| {
            let weight = match table.wished(1, node) {
                Cell::Number(weight) => *weight,
                _ => 1.0,
            };
            Some(weight / (1.0 + table.sessions(node).unwrap_or_default()))
        }))
    }
}

export!(Policy);
