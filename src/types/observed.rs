//! The names that are a cluster's own, read from the nodes: members of static data, metadata, metrics, health and
//! sessions, and the members of static data that show at the top level.
//!
//! With them an editor completes `node.staticData.gpu`, and knows `server.gpu`, which stands at the top level and is an
//! unknown field otherwise.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Map, Value};

use crate::model::Report;
use crate::model::dictionary::{FieldDoc, NODE, NODE_FIELDS, SESSION, members};

/// The most names of an object that are listed.
const MAX_NAMES: usize = 500;
/// The place of sessions among the objects of a node.
const SESSIONS: &str = "session";
/// The depth to which objects and lists are searched.
const MAX_DEPTH: usize = 4;

/// The names and types of fields that were seen on nodes.
#[derive(Debug, Default)]
pub struct Observed {
    top: BTreeMap<String, Guess>,
    inner: BTreeMap<&'static str, BTreeMap<String, Guess>>,
}

/// The types that a value was seen to have.
#[derive(Debug, Default)]
struct Guess {
    text: bool,
    number: bool,
    flag: bool,
    any: bool,
    list: Option<Box<Guess>>,
    object: Option<BTreeMap<String, Guess>>,
}

impl Observed {
    /// Returns the fields of `reports`.
    pub fn of<'a>(reports: impl IntoIterator<Item = &'a Report>) -> Self {
        let mut observed = Self::default();
        for report in reports {
            let fields = report.fields(None);
            let own = fields.iter().filter(|(name, _)| !NODE_FIELDS.contains(&name.as_str()));
            own.for_each(|(name, value)| note(&mut observed.top, name, value, 0));
            for path in NODE.iter().map(|field| field.path) {
                let own = path.split_once('.').map_or((path, ""), |(first, rest)| (first, rest));
                let inner = fields.get(own.0).and_then(|value| below(value, own.1));
                observed.add(path, inner.and_then(Value::as_object).into_iter().flatten(), &NODE, path);
            }
            for session in report.sessions.listed() {
                observed.add(SESSIONS, &session.fields(), &SESSION, "");
            }
        }
        observed
    }

    /// Notes those of the members of `object` that the table does not have below `path`.
    fn add<'v>(
        &mut self,
        object: &'static str,
        own: impl IntoIterator<Item = (&'v String, &'v Value)>,
        table: &[FieldDoc],
        path: &str,
    ) {
        let names = self.inner.entry(object).or_default();
        let is_known = |name: &str| members(table, path).any(|field| field.name() == name);
        own.into_iter().filter(|(name, _)| !is_known(name)).for_each(|(name, value)| note(names, name, value, 0));
    }

    /// Returns the members of a session beside those that all sessions have.
    pub(super) fn of_sessions(&self) -> String {
        self.members_of(SESSIONS)
    }

    /// Returns the members that stand at the top level of a node beside those that all nodes have.
    pub(super) fn top_level(&self) -> String {
        listed(&self.top)
    }

    /// Returns the members of the object at `path` of a node.
    pub(super) fn members_of(&self, path: &str) -> String {
        self.inner.get(path).map(listed).unwrap_or_default()
    }
}

/// Returns the value at `path` below `value`.
fn below<'v>(value: &'v Value, path: &str) -> Option<&'v Value> {
    path.split('.').filter(|name| !name.is_empty()).try_fold(value, |value, name| value.get(name))
}

fn note(names: &mut BTreeMap<String, Guess>, name: &str, value: &Value, depth: usize) {
    if names.len() < MAX_NAMES || names.contains_key(name) {
        names.entry(name.to_owned()).or_default().add(value, depth);
    }
}

impl Guess {
    fn add(&mut self, value: &Value, depth: usize) {
        match value {
            Value::Null => {}
            Value::String(_) => self.text = true,
            Value::Number(_) => self.number = true,
            Value::Bool(_) => self.flag = true,
            Value::Array(_) | Value::Object(_) if depth >= MAX_DEPTH => self.any = true,
            Value::Array(list) => {
                let element = self.list.get_or_insert_default();
                list.iter().for_each(|value| element.add(value, depth + 1));
            }
            Value::Object(own) => self.add_members(own, depth + 1),
        }
    }

    fn add_members(&mut self, own: &Map<String, Value>, depth: usize) {
        let names = self.object.get_or_insert_default();
        own.iter().for_each(|(name, value)| note(names, name, value, depth));
    }

    fn type_of(&self) -> String {
        if self.any {
            return "any".to_owned();
        }
        let plain = [(self.text, "string"), (self.number, "number"), (self.flag, "boolean")];
        let mut types: Vec<_> =
            plain.into_iter().filter(|(is_seen, _)| *is_seen).map(|(_, name)| name.into()).collect();
        types.extend(self.list.as_ref().map(|element| match element.type_of() {
            one if one.contains(' ') => format!("({one})[]"),
            one => format!("{one}[]"),
        }));
        types.extend(self.object.as_ref().map(|own| {
            let members = own.iter().map(|(name, guess)| format!("{}?: {}; ", quoted(name), guess.type_of()));
            format!("{{ {}[name: string]: any }}", members.collect::<String>())
        }));
        if types.is_empty() { "any".to_owned() } else { types.join(" | ") }
    }
}

fn listed(names: &BTreeMap<String, Guess>) -> String {
    let mut text = String::new();
    for (name, guess) in names {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "    {}?: {};", quoted(name), guess.type_of());
    }
    text
}

/// Returns `name` as a member's name, which may be any text: JSON's escapes are TypeScript's.
fn quoted(name: &str) -> String {
    let is_start = |byte: &u8| byte.is_ascii_alphabetic() || matches!(byte, b'_' | b'$');
    let is_word = name.as_bytes().first().is_some_and(is_start)
        && name.bytes().all(|byte| is_start(&byte) || byte.is_ascii_digit());
    if is_word { name.to_owned() } else { Value::from(name).to_string() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn observed(nodes: &[Value]) -> Observed {
        let reports: Vec<_> = nodes.iter().map(|node| Report::from_value(node.clone()).unwrap()).collect();
        Observed::of(&reports)
    }

    #[test]
    fn what_nodes_have_is_typed() {
        let seen = observed(&[
            json!({"id": "a", "staticData": {"gpu": true, "weight": 2, "none": null, "tags": ["x", 1], "odd name": {"a": 1}}}),
            json!({"id": "b", "staticData": {"gpu": "yes"}, "metadata": {"rack": "7"}, "rank": 1, "nodeData": {
                "health": {"net": {"ip": "x"}, "cpu": {"cores": 4}}, "sessions": [{"id": "s", "display": 7}],
            }}),
        ]);
        let top = seen.top_level();
        for expected in ["gpu?: string | boolean;", "weight?: number;", "none?: any;", "rank?: number;"] {
            assert!(top.contains(expected), "{top}");
        }
        assert!(top.contains("tags?: (string | number)[];"), "{top}");
        assert!(top.contains("\"odd name\"?: { a?: number; [name: string]: any };"), "{top}");
        assert_eq!(seen.members_of("metadata"), "    rack?: string;\n");
        assert_eq!(seen.members_of("metrics"), "");
        assert_eq!(seen.members_of("nodeData.health"), "    net?: { ip?: string; [name: string]: any };\n");
        assert_eq!(
            (seen.members_of("nodeData.health.cpu").as_str(), seen.of_sessions().as_str()),
            ("", "    display?: number;\n")
        );
    }

    #[test]
    fn hostile_names_and_depths_stay_data() {
        let mut deep = json!(1);
        (0..40).for_each(|_| deep = json!({ "a": deep }));
        let names: Map<String, Value> = (0..2 * MAX_NAMES).map(|n| (format!("n{n}"), json!(n))).collect();
        let seen = observed(&[json!({
            "id": "a", "staticData": {"*/ } evil": 1, "deep": deep, "line\nend": "x"}, "metrics": names,
        })]);
        let text = seen.members_of("staticData");
        assert!(text.contains("\"*/ } evil\"?: number;") && text.contains("\"line\\nend\"?: string;"), "{text}");
        assert!(text.len() < 1_000 && text.contains("any"), "{text}");
        assert_eq!(seen.members_of("metrics").lines().count(), MAX_NAMES);
    }
}
