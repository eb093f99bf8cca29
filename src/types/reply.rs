//! The JSON Schema of the reply to `NS.place`: a placement, or an error.
//!
//! The fields stand here with their sentences; a test compares them with the replies of the service (tests/types.rs).

use serde_json::{Map, Value, json};

use crate::model::failure::{FailureName, LimitKind};

use super::schema::{DRAFT, described};
use super::sentence;

/// A field of a reply.
#[derive(Clone, Copy, Debug)]
pub struct ReplyField {
    /// The field's name.
    pub name: &'static str,
    /// The JSON types that may stand there.
    pub types: &'static [&'static str],
    /// Whether every such reply has the field.
    pub required: bool,
    /// A sentence about the field, without a full stop.
    pub about: &'static str,
}

const fn always(name: &'static str, types: &'static [&'static str], about: &'static str) -> ReplyField {
    ReplyField { name, types, required: true, about }
}

const fn maybe(name: &'static str, types: &'static [&'static str], about: &'static str) -> ReplyField {
    ReplyField { name, types, required: false, about }
}

/// The fields of a placement, in the order in which the service writes them.
pub const PLACEMENT: [ReplyField; 13] = [
    always("node", &["string"], "the node that was chosen"),
    maybe("hostname", &["string"], "the node's name for people, where the node has one"),
    maybe("urls", &["array"], "the addresses at which sessions on the node are reached, where the node says so"),
    always("decision", &["string"], "the id of the decision"),
    always("generation", &["integer"], "the state of the cluster that the decision saw"),
    maybe("seed", &["string"], "the random bits of the decision, as digits, for `whither place --seed`"),
    maybe("now", &["integer"], "the time of the decision in Unix milliseconds, for `whither place --now`"),
    always("decided_by", &["string", "null"], "the step that chose the node"),
    always("chain", &["string"], "the action of the chain"),
    maybe("reservation", &["string"], "the reservation, where the chain reserves"),
    maybe("expires_in_ms", &["integer"], "how long the reservation still lives, in milliseconds"),
    maybe("warnings", &["array"], "fields of the request that nothing but a script can look at"),
    maybe("explanation", &["object"], "how the placement was decided, where the request has `explain`"),
];

/// The fields of an error, in the order in which the service writes them.
pub const ERROR: [ReplyField; 8] = [
    always("name", &["string"], "the kind of the failure"),
    always("message", &["string"], "what happened, for the requester; a script's own words where the script threw"),
    always("code", &["integer"], "the number of the kind"),
    maybe("step", &["string"], "the step that failed"),
    maybe("position", &["object"], "the place in the step's source: `file`, `line` and `column`"),
    maybe("limit", &["string"], "the limit that was passed"),
    maybe("thrown", &["object"], "what the script threw: `name` and `message`"),
    maybe("diagnosis", &["object"], "the record of the decision"),
];

/// Returns the schema of a reply.
pub(super) fn reply() -> Value {
    json!({
        "$schema": DRAFT,
        "title": "whither: a reply",
        "description": "The reply to `NS.place`: a placement, or an error.",
        "oneOf": [{"$ref": "#/$defs/placement"}, {
            "type": "object", "description": "An error.", "required": ["error"],
            "properties": {"error": {"$ref": "#/$defs/error"}},
        }],
        "$defs": {"placement": object(&PLACEMENT, "A placement."), "error": object(&ERROR, "Why there is no placement.")},
    })
}

fn object(fields: &[ReplyField], about: &str) -> Value {
    let required: Vec<_> = fields.iter().filter(|field| field.required).map(|field| field.name).collect();
    let properties: Map<_, _> = fields.iter().map(|field| (field.name.to_owned(), of_field(field))).collect();
    json!({"type": "object", "description": about, "required": required, "properties": properties})
}

fn of_field(field: &ReplyField) -> Value {
    let schema = match (field.name, field.types) {
        ("name", _) => json!({"enum": FailureName::ALL.map(FailureName::as_str)}),
        ("limit", _) => json!({"enum": LimitKind::ALL.map(LimitKind::as_str)}),
        (_, [one]) => json!({ "type": one }),
        (_, several) => json!({ "type": several }),
    };
    described(schema, sentence(field.about))
}
