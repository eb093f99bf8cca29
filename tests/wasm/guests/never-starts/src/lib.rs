//! A component that never says what it wishes for.

wit_bindgen::generate!({ path: "../../../../wit", world: "whole-list" });

#[path = "../../../../../scripts/wasm/table.rs"]
mod table;

use exports::whither::balancer::balance::{Guest, Request, Verdict};
use table::Wishes;

fn wishes() -> Wishes {
    loop {
        std::hint::black_box(());
    }
}

struct Policy;

impl Guest for Policy {
    fn balance(_request: Request, _candidates: Vec<u32>) -> Result<Verdict, String> {
        Ok(Verdict::Pass)
    }
}

export!(Policy);
