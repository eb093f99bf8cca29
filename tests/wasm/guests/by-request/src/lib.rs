//! A per-node component whose answers hang on the request too: nodes whose id begins with the user's login, the one with
//! the fewest sessions first.

wit_bindgen::generate!({ path: "../../../../wit", world: "per-request" });

#[path = "../../../../../scripts/wasm/table.rs"]
mod table;

use std::cell::{Cell, RefCell};

use exports::whither::balancer::{request_filter, request_score};
use table::{TABLE, Wishes};
use whither::balancer::documents;

thread_local! {
    static LOGIN: RefCell<String> = const { RefCell::new(String::new()) };
    /// How many scores a request has been asked for; each begins anew.
    static SCORED: Cell<u32> = const { Cell::new(u32::MAX) };
}

fn wishes() -> Wishes {
    Wishes { metadata: vec![], static_data: vec![] }
}

struct Policy;

fn begin(login: String) -> Result<(), String> {
    if login == "nobody" {
        return Err("nobody may not log in".to_owned());
    }
    LOGIN.set(login);
    Ok(())
}

impl request_filter::Guest for Policy {
    fn begin(request: request_filter::Request) -> Result<(), String> {
        begin(request.login)
    }

    fn filter(node: u32) -> Result<bool, String> {
        let fits = TABLE.with_borrow(|table| LOGIN.with_borrow(|login| table.id(node).starts_with(login.as_str())));
        Ok(fits && documents::node(node).is_some() && documents::request().is_some())
    }
}

impl request_score::Guest for Policy {
    fn begin(request: request_score::Request) -> Result<(), String> {
        SCORED.set(0);
        if request.login == "z" { Err("no scores for z".to_owned()) } else { Ok(()) }
    }

    fn score(node: u32) -> Result<Option<f64>, String> {
        let scored = SCORED.replace(SCORED.get().saturating_add(1));
        if scored >= 4 {
            return Err("this request was never begun".to_owned());
        }
        let sessions = TABLE.with_borrow(|table| table.sessions(node));
        match sessions {
            Some(sessions) if sessions > 8.0 => Err(format!("{sessions} sessions are too many")),
            sessions => Ok(sessions.map(|sessions| -sessions)),
        }
    }
}

export!(Policy);
