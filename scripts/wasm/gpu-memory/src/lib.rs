//! Nodes whose static data say that they have a GPU, the one with the most free memory of it for each session: a filter
//! and a score, asked once for each state of a node.

wit_bindgen::generate!({ path: "../../../wit", world: "per-node" });

#[path = "../../table.rs"]
mod table;

use exports::whither::balancer::{node_filter, node_score};
use table::{Cell, TABLE, Wishes};

/// Columns beside the fixed ones: keys of `metadata`, and of `staticData`.
fn wishes() -> Wishes {
    Wishes { metadata: vec![], static_data: vec!["gpu".to_owned(), "gpuMemoryGB".to_owned()] }
}

struct Policy;

impl node_filter::Guest for Policy {
    fn filter(node: u32) -> Result<bool, String> {
        Ok(TABLE.with_borrow(|table| match table.wished(0, node) {
            Cell::Flag(has) => *has,
            Cell::Text(model) => !model.is_empty(),
            Cell::Number(count) => *count > 0.0,
            Cell::Absent | Cell::Json(_) => false,
        }))
    }
}

impl node_score::Guest for Policy {
    fn score(node: u32) -> Result<Option<f64>, String> {
        Ok(TABLE.with_borrow(|table| match table.wished(1, node) {
            Cell::Number(gigabytes) => Some(gigabytes / (1.0 + table.sessions(node).unwrap_or_default())),
            _ => None,
        }))
    }
}

export!(Policy);
