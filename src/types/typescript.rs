//! `whither.d.ts`: the fields of the dictionary as TypeScript's interfaces, which also check JavaScript.
//!
//! The parts that no table has (verdicts, shapes, globals) stand in a template beside this file, in which a line such
//! as `//: node` stands for the members of an object.

use std::fmt::Write as _;

use crate::model::dictionary::{FieldDoc, Holds, ListElement, NODE, REQUEST, SESSION, USER, members};

use super::observed::Observed;
use super::of_field;

const TEMPLATE: &str = include_str!("whither.d.ts");
/// The prefix of template lines that stand for members.
const MARK: &str = "//: ";
/// The fields of a request that a function of the whole list alone sees.
const LISTS: Holds = Holds::List(ListElement::Node);

/// Returns the type definitions; `observed` has the names that a cluster's administrators made up.
#[must_use]
pub(super) fn definitions(observed: &Observed) -> String {
    let mut text = String::with_capacity(TEMPLATE.len() * 2);
    for line in TEMPLATE.lines() {
        match line.strip_prefix(MARK) {
            Some(mark) => text.push_str(&part(mark, observed)),
            None => {
                text.push_str(line);
                text.push('\n');
            }
        }
    }
    text
}

/// Returns the text for the template line called `mark`.
fn part(mark: &str, observed: &Observed) -> String {
    match mark {
        "node" => listed(seen(&NODE, "")),
        "own" => observed.top_level(),
        "node objects" => objects(&NODE, observed),
        "session" => format!("{}{}", listed(seen(&SESSION, "")), observed.of_sessions()),
        "request" => listed(of_request("").filter(|field| field.holds != LISTS)),
        "request objects" => objects(&REQUEST, observed),
        "user" => listed(seen(&USER, "")),
        "input" => listed(of_request("").filter(|field| field.holds == LISTS)),
        _ => String::new(),
    }
}

/// Returns the members below `path` that a script always sees, or sees where the cluster or the requester has them.
fn seen<'t>(table: &'t [FieldDoc], path: &'t str) -> impl Iterator<Item = &'t FieldDoc> {
    members(table, path).filter(|field| field.is_seen())
}

/// Returns the members of a request below `path`; all of them, since other fields pass through to scripts.
fn of_request(path: &str) -> impl Iterator<Item = &FieldDoc> {
    members(&REQUEST, path)
}

fn listed<'t>(fields: impl Iterator<Item = &'t FieldDoc>) -> String {
    let mut text = String::new();
    for field in fields {
        let mark = if field.optional { "?" } else { "" };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "    /** {} */", sentence(field));
        let _ = writeln!(text, "    {}{mark}: {};", field.name(), type_of(field));
    }
    text
}

/// Renders an interface for each object of `table`, named after the object's field.
fn objects(table: &[FieldDoc], observed: &Observed) -> String {
    let mut text = String::new();
    for field in table.iter().filter(|field| field.is_seen()) {
        let rest = match field.holds {
            Holds::Object => "",
            Holds::Open => "    [name: string]: any;\n",
            Holds::Texts => "    [name: string]: string | undefined;\n",
            _ => continue,
        };
        let name = interface(field.name());
        let (known, own) = (listed(seen(table, field.path)), observed.members_of(field.path));
        let _ = writeln!(text, "\n  /** {} */\n  interface {name} {{\n{known}{own}{rest}  }}", sentence(field));
    }
    text
}

fn type_of(field: &FieldDoc) -> String {
    match field.holds {
        Holds::Text | Holds::Name(..) => "string".to_owned(),
        Holds::Number | Holds::Whole | Holds::Range(..) => "number".to_owned(),
        Holds::Flag => "boolean".to_owned(),
        Holds::Any => "any".to_owned(),
        Holds::Object | Holds::Open | Holds::Texts => interface(field.name()),
        Holds::User => "User".to_owned(),
        Holds::List(element) => match element {
            ListElement::Text => "string[]".to_owned(),
            ListElement::Number => "number[]".to_owned(),
            ListElement::Session => "Session[]".to_owned(),
            ListElement::Node => "Node[]".to_owned(),
            ListElement::Service => "(string | { name: string; [name: string]: any })[]".to_owned(),
        },
    }
}

/// Returns the name of the interface of the object that the field `name` holds.
fn interface(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// Returns the sentence of `field`, with a note where the field may be absent.
fn sentence(field: &FieldDoc) -> String {
    let absent = if field.optional { " May be absent." } else { "" };
    format!("{}{absent}", of_field(field))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mark_of_the_template_stands_for_something() {
        for mark in TEMPLATE.lines().filter_map(|line| line.strip_prefix(MARK)).filter(|mark| *mark != "own") {
            assert!(!part(mark, &Observed::default()).is_empty(), "{mark}");
        }
        assert!(!definitions(&Observed::default()).contains(MARK));
    }

    #[test]
    fn a_field_has_its_sentence_its_unit_and_its_type() {
        let text = definitions(&Observed::default());
        for expected in [
            "    /** The free memory, in bytes. May be absent. */\n    freemem?: number;\n",
            "    /** The node's id. */\n    id: string;\n",
            "    nodeData: NodeData;\n",
            "  interface Mem {\n",
            "    percent?: number;\n",
            "    sessions: Session[];\n",
            "    [name: string]: string | undefined;\n",
        ] {
            assert!(text.contains(expected), "{expected}");
        }
    }
}
