//! A whole-list component that answers as the user's login asks it to.

wit_bindgen::generate!({ path: "../../../../wit", world: "whole-list" });

#[path = "../../../../../scripts/wasm/table.rs"]
mod table;

use std::cell::Cell;

use exports::whither::balancer::balance::{Guest, Request, Verdict};
use table::{TABLE, Wishes};
use whither::balancer::{documents, log};

thread_local! {
    static ASKED: Cell<u32> = const { Cell::new(0) };
}

fn wishes() -> Wishes {
    Wishes { metadata: vec!["zone".to_owned()], static_data: vec!["gpu".to_owned()] }
}

struct Policy;

impl Guest for Policy {
    fn balance(request: Request, candidates: Vec<u32>) -> Result<Verdict, String> {
        ASKED.set(ASKED.get() + 1);
        let first = candidates.first().copied();
        Ok(match request.login.as_str() {
            "pass" => Verdict::Pass,
            "first" => first.map_or(Verdict::Pass, Verdict::Select),
            "reverse" => Verdict::Narrow(candidates.into_iter().rev().collect()),
            "none" => Verdict::Narrow(vec![]),
            "twice" => Verdict::Narrow([candidates[1], candidates[0], candidates[1]].to_vec()),
            "nowhere" => Verdict::Select(4_000_000_000),
            "list-nowhere" => Verdict::Narrow(vec![candidates[0], 4_000_000_000]),
            "error" => return Err("All GPU servers are in use".to_owned()),
            "count" => return Err(format!("asked {} times", ASKED.get())),
            "log" => {
                log::log(log::Level::Info, "looking");
                log::log(log::Level::Error, "not found");
                Verdict::Pass
            }
            "most-memory" => most(&candidates, |row| TABLE.with_borrow(|table| table.free_memory(row))),
            "fewest-sessions" => {
                most(&candidates, |row| TABLE.with_borrow(|table| table.sessions(row)).map(|sessions| -sessions))
            }
            "request" => return Err(format!("{request:?}")),
            "rows" => return Err(candidates.iter().map(|row| describe(*row)).collect::<Vec<_>>().join("; ")),
            "documents" => {
                let node = first.and_then(documents::node).unwrap_or_default();
                return Err(format!("{node} {}", documents::request().unwrap_or_default()));
            }
            other => panic!("nobody told this component what to do for {other}"),
        })
    }
}

/// The one with the highest figure, the first of equals; those without one come last.
fn most(candidates: &[u32], figure: impl Fn(u32) -> Option<f64>) -> Verdict {
    let mut best: Option<(f64, u32)> = None;
    for row in candidates {
        let figure = figure(*row).unwrap_or(f64::NEG_INFINITY);
        if best.is_none_or(|(highest, _)| figure > highest) {
            best = Some((figure, *row));
        }
    }
    best.map_or(Verdict::Pass, |(_, row)| Verdict::Select(row))
}

/// What the table has of a row.
fn describe(row: u32) -> String {
    TABLE.with_borrow(|table| {
        let text = |wish| match table.wished(wish, row) {
            table::Cell::Absent => "-".to_owned(),
            table::Cell::Text(text) => text.clone(),
            table::Cell::Number(number) => number.to_string(),
            table::Cell::Flag(flag) => flag.to_string(),
            table::Cell::Json(json) => json.clone(),
        };
        let (id, sessions) = (table.id(row), table.sessions(row));
        format!("{id} {sessions:?} {:?} {:?} {} {} {}", table.load(row), table.max_sessions(row), table.is_cordoned(row), text(0), text(1))
    })
}

export!(Policy);
