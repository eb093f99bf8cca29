//! `whither.d.rhai`: the fields of the dictionary in the form of Rhai's definition files.
//!
//! Rhai's types have no fields but getters. A node is a type of its own; all other objects are maps, so that a getter
//! whose name several objects have is listed once, with the meaning in each object. Rejected: Rhai's own writer of
//! definitions, whose feature `metadata` makes every function larger and knows no fields that are read by index.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::model::dictionary::{FieldDoc, Holds, ListElement, NODE, REQUEST, SESSION, USER};

use super::of_field;

const TEMPLATE: &str = include_str!("whither.d.rhai");
/// The most columns of a comment.
const MAX_COLUMNS: usize = 118;
/// The prefix of template lines that stand for getters.
const MARK: &str = "//: ";

/// Returns the definitions.
#[must_use]
pub(super) fn definitions() -> String {
    let mut text = String::with_capacity(TEMPLATE.len() * 4);
    for line in TEMPLATE.lines() {
        match line.strip_prefix(MARK) {
            Some("node") => text.push_str(&node()),
            Some(_) => text.push_str(&maps()),
            None => {
                text.push_str(line);
                text.push('\n');
            }
        }
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

/// Returns the getters of a node.
fn node() -> String {
    let mut text = String::new();
    for field in NODE.iter().filter(|field| field.is_seen() && field.is_top_level()) {
        text.push_str(&comment(&words(field)));
        // Writing to a string cannot fail.
        let _ = writeln!(text, "fn get {}(node: node) -> {};\n", field.name(), type_of(field.holds));
    }
    text
}

/// Returns the getters of all other objects, by their names.
fn maps() -> String {
    let inner = NODE.iter().filter(|field| field.is_seen() && !field.is_top_level());
    let inner = inner.map(|field| ("node", field));
    let session = SESSION.iter().map(|field| ("session", field));
    let request = REQUEST.iter().map(|field| ("request", field));
    let user = USER.iter().map(|field| ("user", field));
    let mut getters = BTreeMap::<&str, Vec<(&str, &FieldDoc)>>::new();
    for (of, field) in inner.chain(session).chain(request).chain(user) {
        getters.entry(field.name()).or_default().push((of, field));
    }
    let mut text = String::new();
    for (name, fields) in getters {
        for (of, field) in &fields {
            text.push_str(&comment(&format!("`{of}.{}`: {}", field.path, words(field))));
        }
        let mut types: Vec<_> = fields.iter().map(|(_, field)| type_of(field.holds)).collect();
        types.dedup();
        let one = if let [one] = types.as_slice() { one } else { "?" };
        let _ = writeln!(text, "fn get {name}(map: Map) -> {one};\n");
    }
    text
}

/// Returns `words` as comments of the item that follows, in lines that fit.
fn comment(words: &str) -> String {
    let mut lines = vec!["///".to_owned()];
    for word in words.split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= MAX_COLUMNS => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(format!("///   {word}")),
        }
    }
    lines.iter().map(|line| format!("{line}\n")).collect()
}

fn words(field: &FieldDoc) -> String {
    let text = of_field(field);
    if field.optional { format!("{text} May be `()`.") } else { text }
}

const fn type_of(holds: Holds) -> &'static str {
    match holds {
        Holds::Text | Holds::Name(..) => "String",
        Holds::Whole | Holds::Range(..) => "int",
        // Whole figures are whole numbers.
        Holds::Number | Holds::Any => "?",
        Holds::Flag => "bool",
        Holds::Object | Holds::Open | Holds::Texts | Holds::User => "Map",
        Holds::List(
            ListElement::Text | ListElement::Number | ListElement::Session | ListElement::Node | ListElement::Service,
        ) => "Array",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_has_its_getter_once() {
        let text = definitions();
        assert!(
            text.contains("fn get freemem(node: node) -> ?;") && text.contains("fn get login(map: Map) -> String;")
        );
        assert!(text.contains("/// `session.id`: The session's id."));
        let mut lines: Vec<_> = text.lines().filter(|line| line.starts_with("fn ")).collect();
        let count = lines.len();
        lines.sort_unstable();
        lines.dedup();
        assert_eq!(lines.len(), count);
        assert!(!text.contains(MARK));
    }
}
