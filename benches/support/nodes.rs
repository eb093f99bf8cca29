//! Nodes for benches: documents of a plausible size, alike from run to run.

use serde_json::{Value, json};

/// `count` nodes with one to seven sessions each.
pub(crate) fn nodes(count: usize) -> Vec<Value> {
    let sessions = |node: usize| -> Vec<Value> {
        let count = 1 + (node * 7919) % 7;
        (0..count).map(|s| json!({"id": format!("n{node}-s{s}"), "user": format!("u{}", (node + s) % 997), "state": "running"})).collect()
    };
    (0..count)
        .map(|node| {
            json!({
                "id": format!("n{node:05}"),
                "hostname": format!("n{node:05}.example.org"),
                "nodeData": {
                    "health": {
                        "cpu": {"load1": (node % 40) as f64 / 10.0, "load5": 1.0, "load15": 1.0, "cores": 16, "utilization": node % 100},
                        "mem": {"free": 1_000_000_000_u64 + node as u64 * 1000, "total": 64_000_000_000_u64, "percent": 20.0},
                    },
                    "services": ["launcher"],
                    "sessions": sessions(node),
                },
                "metadata": {"group": if node % 2 == 0 { "cpu" } else { "gpu" }},
            })
        })
        .collect()
}
