//! Replies of the service, as its commands read and print them, and as the service cuts them.

use serde_json::Value;
use whither::cli::table;
use whither::model::json::{self, JsonLimits};
use whither::nats::wire;
use whither::plain;

use super::{must_be_plain, without_colours};

/// The size of a reply here.
const MAX_BYTES: usize = 64 << 10;

/// Whatever a reply says, it is printed without steering a terminal, and a small one is sent whole.
pub fn run(bytes: &[u8]) {
    let Ok(reply) = json::parse(bytes, JsonLimits::bytes(MAX_BYTES)) else { return };
    let shown = table::explained(&reply);
    must_be_plain(&without_colours(&shown));
    assert_eq!(plain::lines(&shown), shown, "the sink has nothing left to do");
    let written = format!("{reply:#}");
    let as_json = plain::json(&written);
    must_be_plain(&as_json);
    let (again, expected): (Value, Value) = match (serde_json::from_str(&as_json), serde_json::from_str(&written)) {
        (Ok(again), Ok(expected)) => (again, expected),
        other => panic!("what is JSON stays JSON: {other:?}"),
    };
    assert_eq!(again, expected);
    assert_eq!(wire::text(reply.clone()), reply.to_string());
}
