//! The node with the fewest sessions: a choice among all candidates.

wit_bindgen::generate!({ path: "../../../wit", world: "whole-list" });

#[path = "../../table.rs"]
mod table;

use exports::whither::balancer::balance::{Guest, Request, Verdict};
use table::{TABLE, Wishes};

/// Columns beside the fixed ones: keys of `metadata`, and of `staticData`.
fn wishes() -> Wishes {
    Wishes { metadata: vec![], static_data: vec![] }
}

struct Policy;

impl Guest for Policy {
    fn balance(_request: Request, candidates: Vec<u32>) -> Result<Verdict, String> {
        TABLE.with_borrow(|table| {
            let mut best = None;
            for row in candidates {
                // One that never reported its sessions comes last.
                let sessions = table.sessions(row).unwrap_or(f64::INFINITY);
                if best.is_none_or(|(fewest, _)| sessions < fewest) {
                    best = Some((sessions, row));
                }
            }
            Ok(best.map_or(Verdict::Pass, |(_, row)| Verdict::Select(row)))
        })
    }
}

export!(Policy);
