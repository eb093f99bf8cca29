//! The data dictionary: every field of a node, a session and a request, with type, unit and a describing sentence, each
//! stated once.
//!
//! The readers and the engines take the names from here, and so do the reference page, the type definitions of
//! `whither types` and the JSON Schemas, so that none of them can drift. A test asks a script for the fields that it
//! sees and holds these tables to the answer (tests/docs/script.rs). Rejected: deriving schemas from Rust types with
//! `schemars`. The documents are read member by member and kept as text (docs/src/internals/decisions/0006), so there
//! is no type to derive from.

mod node;
mod request;
mod session;

pub use node::NODE;
pub use request::{REQUEST, USER};
pub use session::SESSION;

/// A field of a document, described once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldDoc {
    /// The path to the field, from the outside in, with dots between the names.
    pub path: &'static str,
    /// The type of the field.
    pub holds: Holds,
    /// The unit of a number, in the plural; empty where the field has no unit.
    pub unit: &'static str,
    /// Whether the field may be absent where a script looks for it.
    pub optional: bool,
    /// Whether the field stands in the document that comes in, in the object that a script sees, or in both.
    pub side: Side,
    /// A sentence about the field, without a full stop.
    pub about: &'static str,
}

/// Where a field stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// In the document that comes in: a script sees the field only where that document had it.
    Sent,
    /// In the object that a script sees: whither adds the field in any case.
    Seen,
    /// In both.
    Both,
}

/// The type of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// Text.
    Text,
    /// Text of this many bytes, from and to.
    Name(usize, usize),
    /// A number of at least 0.
    Number,
    /// A whole number of at least 0.
    Whole,
    /// A whole number in this range.
    Range(u32, u32),
    /// `true` or `false`.
    Flag,
    /// Any value.
    Any,
    /// An object with the members that the table lists, and no others.
    Object,
    /// An object with the members that the table lists, and any others.
    Open,
    /// An object with text members of any names.
    Texts,
    /// A user, with the members in [`USER`].
    User,
    /// A list.
    List(ListElement),
}

/// The type of the elements of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListElement {
    /// Text.
    Text,
    /// Numbers.
    Number,
    /// Sessions.
    Session,
    /// Nodes.
    Node,
    /// The names of services, or objects with a `name`.
    Service,
}

impl FieldDoc {
    /// Returns a field of the document and of the object that a script sees, which is always present.
    const fn new(path: &'static str, holds: Holds, about: &'static str) -> Self {
        Self { path, holds, unit: "", optional: false, side: Side::Both, about }
    }

    /// Returns the same field with the unit of the number.
    const fn in_units(self, unit: &'static str) -> Self {
        Self { unit, ..self }
    }

    /// Returns the same field, which may be absent.
    const fn optional(self) -> Self {
        Self { optional: true, ..self }
    }

    /// Returns the same field, present on this `side` alone.
    const fn only(self, side: Side) -> Self {
        Self { side, ..self }
    }

    /// Returns the last name on the path to the field.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.path.rsplit('.').next().unwrap_or(self.path)
    }

    /// Whether the field is at the top level of the document or object.
    #[must_use]
    pub const fn is_top_level(&self) -> bool {
        let mut left = self.path.as_bytes();
        while let [byte, rest @ ..] = left {
            if *byte == b'.' {
                return false;
            }
            left = rest;
        }
        true
    }

    /// Whether the field stands in the object that a script sees, at least where the document has the field.
    #[must_use]
    pub const fn is_seen(&self) -> bool {
        matches!(self.side, Side::Seen | Side::Both)
    }

    /// Whether the field stands in the document that comes in.
    #[must_use]
    pub const fn is_sent(&self) -> bool {
        matches!(self.side, Side::Sent | Side::Both)
    }
}

/// Returns those of `fields` that lie directly below the object at `path`; at the top level where `path` is empty.
pub fn members<'t>(fields: &'t [FieldDoc], path: &'t str) -> impl Iterator<Item = &'t FieldDoc> {
    fields.iter().filter(move |field| match field.path.rsplit_once('.') {
        Some((parent, _)) => parent == path,
        None => path.is_empty(),
    })
}

/// The names of the fields at the top level of a node, in the order in which scripts see them.
pub const NODE_FIELDS: [&str; 18] = names(&NODE, Of::Seen);
/// The names of those top-level fields that are figures: reported, or absent.
pub const NODE_FIGURES: [&str; 7] = names(&NODE, Of::Figures);
/// The names of the fields of a request that whither knows.
pub const REQUEST_FIELDS: [&str; 16] = names(&REQUEST, Of::Sent);

/// A selection of fields at the top level.
#[derive(Clone, Copy)]
enum Of {
    Seen,
    Figures,
    Sent,
}

/// Returns the names of the selected top-level fields of the table. The compiler checks their number.
const fn names<const N: usize>(table: &[FieldDoc], of: Of) -> [&'static str; N] {
    let mut names = [""; N];
    let (mut left, mut count) = (table, 0);
    while let [field, rest @ ..] = left {
        let is_meant = match of {
            Of::Seen => field.is_seen(),
            Of::Figures => field.is_seen() && field.optional,
            Of::Sent => field.is_sent(),
        };
        if is_meant && field.is_top_level() {
            put(&mut names, count, field.path);
            count += 1;
        }
        left = rest;
    }
    assert!(count == N, "the table has another number of such fields");
    names
}

#[expect(clippy::indexing_slicing, reason = "the compiler runs this, and refuses a place that is not there")]
const fn put<const N: usize>(names: &mut [&'static str; N], place: usize, name: &'static str) {
    names[place] = name;
}

/// Returns `chosen`, if a node has all these fields at the top level; the compiler refuses any other name.
#[must_use]
pub const fn node_fields<const N: usize>(chosen: [&'static str; N]) -> [&'static str; N] {
    let mut left: &[&'static str] = &chosen;
    while let [name, rest @ ..] = left {
        assert!(is_among(name, &NODE_FIELDS), "a node has no such field");
        left = rest;
    }
    chosen
}

const fn is_among(name: &str, names: &[&'static str]) -> bool {
    let mut left = names;
    while let [one, rest @ ..] = left {
        if is_equal(name.as_bytes(), one.as_bytes()) {
            return true;
        }
        left = rest;
    }
    false
}

const fn is_equal(mut one: &[u8], mut other: &[u8]) -> bool {
    while let ([a, one_rest @ ..], [b, other_rest @ ..]) = (one, other) {
        if *a != *b {
            return false;
        }
        (one, other) = (one_rest, other_rest);
    }
    one.is_empty() && other.is_empty()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use super::*;
    use crate::model::Reservation;

    fn tables() -> [(&'static str, &'static [FieldDoc]); 4] {
        [("node", &NODE), ("session", &SESSION), ("request", &REQUEST), ("user", &USER)]
    }

    #[test]
    fn every_field_is_described_once_and_lies_in_an_object() {
        for (name, table) in tables() {
            let paths: BTreeSet<_> = table.iter().map(|field| field.path).collect();
            assert_eq!(paths.len(), table.len(), "{name}");
            for field in table {
                let about = field.about;
                assert!(!about.is_empty() && !about.ends_with('.'), "{name}.{}: {about}", field.path);
                let Some((parent, _)) = field.path.rsplit_once('.') else { continue };
                let holder = table.iter().find(|other| other.path == parent);
                let is_object = holder.is_some_and(|holder| matches!(holder.holds, Holds::Object | Holds::Open));
                assert!(is_object, "{name}.{parent} is no object");
            }
        }
    }

    #[test]
    fn units_are_those_of_numbers() {
        for field in tables().into_iter().flat_map(|(_, table)| table) {
            let is_number = matches!(
                field.holds,
                Holds::Number | Holds::Whole | Holds::Range(..) | Holds::List(ListElement::Number)
            );
            assert!(field.unit.is_empty() || is_number, "{}", field.path);
        }
    }

    /// A session that is placed and not reported yet is made by other code than the sessions of a document.
    #[test]
    fn a_pending_session_has_the_fields_of_a_session() {
        let [id, node, user, name] = ["r", "a", "ann", "desktop"].map(Arc::from);
        let fields = Reservation { id, node, user, name }.session_fields();
        let names: BTreeSet<_> = fields.keys().map(String::as_str).collect();
        assert_eq!(names, SESSION.iter().map(|field| field.path).collect());
    }

    #[test]
    fn names_are_taken_from_the_tables() {
        assert_eq!((NODE_FIELDS[0], NODE_FIELDS[17]), ("id", "serverPool"));
        assert!(NODE_FIGURES.contains(&"freemem") && !NODE_FIGURES.contains(&"loadavg"));
        assert!(REQUEST_FIELDS.contains(&"wait_ms") && !REQUEST_FIELDS.contains(&"now"));
        assert_eq!(
            members(&NODE, "nodeData.health.mem").map(FieldDoc::name).collect::<Vec<_>>(),
            ["percent", "free", "total"]
        );
    }
}
