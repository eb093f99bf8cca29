//! The path of a value in a document of a store: the keys and objects around the value, which tell what it is.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::found::{ChainPlace, ChainTarget};
use super::function_text::is_function;
use super::store::StoreDocument;
use super::words::{action, is_about_balancing, is_same, words};

/// The fields that name an object, the fields that identify an object, and the fields that tell its chain.
const NAMES: [&str; 4] = ["name", "label", "title", "displayName"];
const IDS: [&str; 4] = ["id", "_id", "scriptId", "uuid"];
const ACTIONS: [&str; 6] = ["action", "type", "chain", "event", "kind", "for"];
/// The fields with the place of an object in its chain.
const ORDERS: [&str; 5] = ["order", "index", "position", "priority", "rank"];
/// The fields that switch an object on, and those that switch it off.
const SWITCHES: [(&str, bool); 5] =
    [("enabled", false), ("active", false), ("disabled", true), ("inactive", true), ("deleted", true)];
/// Fields that say nothing about balancing.
const ASIDES: [&str; 10] =
    ["description", "comment", "created", "updated", "createdAt", "updatedAt", "modified", "owner", "version", "rev"];
/// Keys of a script's text or of a layer around it, which name no script.
const LAYERS: [&str; 13] = [
    "script",
    "scripts",
    "function",
    "functions",
    "source",
    "code",
    "fn",
    "text",
    "body",
    "value",
    "data",
    "js",
    "content",
];
/// The words of the field with the static data of a server.
const STATIC_DATA: &str = "staticdata";

/// The paths of the objects that hold a script, each with its file and document.
pub(super) type ScriptHolders = BTreeSet<(String, String, String)>;

/// A value on the way through a document.
#[derive(Clone, Copy)]
pub(super) struct DocumentPath<'a> {
    pub(super) parent: Option<&'a DocumentPath<'a>>,
    /// The object that the value is a member of, if any, and the key or place there.
    pub(super) holder: Option<&'a Map<String, Value>>,
    pub(super) key: &'a str,
    pub(super) is_item: bool,
    pub(super) document: &'a StoreDocument,
}

/// Calls `look` with each value of `value`, from the outside in.
pub(super) fn visit<'a>(value: &'a Value, way: &DocumentPath<'a>, look: &mut dyn FnMut(&Value, &DocumentPath<'_>)) {
    look(value, way);
    match value {
        Value::Object(members) => {
            for (key, member) in members {
                visit(
                    member,
                    &DocumentPath { parent: Some(way), holder: Some(members), key, is_item: false, ..*way },
                    look,
                );
            }
        }
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                let key = at.to_string();
                visit(item, &DocumentPath { parent: Some(way), holder: None, key: &key, is_item: true, ..*way }, look);
            }
        }
        _ => {}
    }
}

impl<'a> DocumentPath<'a> {
    /// Returns the path of the whole `document`.
    pub(super) const fn root(document: &'a StoreDocument) -> Self {
        Self { parent: None, holder: None, key: "", is_item: false, document }
    }

    /// The values from this value out to the document.
    fn outwards(&self) -> impl Iterator<Item = &DocumentPath<'a>> {
        std::iter::successors(Some(self), |way| way.parent)
    }

    /// The keys of the path, from the inside out.
    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        self.outwards().filter(|way| way.holder.is_some()).map(|way| way.key)
    }

    /// The objects around this value, from the inside out, with the key that leads inwards.
    fn holders(&self) -> impl Iterator<Item = (&'a Map<String, Value>, &str)> {
        self.outwards().filter_map(|way| Some((way.holder?, way.key)))
    }

    /// The path in the document, as in `ID: data.start[0].script`.
    pub(super) fn path(&self) -> String {
        let mut path = String::new();
        let inwards: Vec<_> = self.outwards().filter(|way| way.parent.is_some()).collect();
        for way in inwards.into_iter().rev() {
            match way.is_item {
                true => path.push_str(&format!("[{}]", way.key)),
                false if path.is_empty() => path.push_str(way.key),
                false => path.push_str(&format!(".{}", way.key)),
            }
        }
        if path.is_empty() { self.document.id.clone() } else { format!("{}: {path}", self.document.id) }
    }

    /// Returns the path with its file and document.
    pub(super) fn full_path(&self) -> (String, String, String) {
        (self.document.source.clone(), self.document.id.clone(), self.path())
    }

    /// Returns the name of the script at this place, and every text that may name it.
    pub(super) fn names(&self) -> (String, Vec<String>) {
        let (mut name, mut ids) = (None, Vec::new());
        for (holder, key) in self.holders() {
            let own = |fields: &[&str]| -> Vec<String> {
                fields.iter().filter_map(|field| text(holder, field)).map(str::to_owned).collect()
            };
            ids.extend(own(&NAMES).into_iter().chain(own(&IDS)));
            name = name.or_else(|| own(&NAMES).into_iter().next());
            let is_layer = LAYERS.iter().any(|layer| is_same(layer, key));
            if !is_layer {
                ids.push(key.to_owned());
                name = name.or_else(|| Some(key.to_owned()));
            }
            name = name.or_else(|| own(&IDS).into_iter().next());
            if name.is_some() && !is_layer {
                break;
            }
        }
        let name = name.unwrap_or_else(|| self.document.id.clone());
        if ids.is_empty() {
            ids.push(name.clone());
        }
        (name, ids)
    }

    /// Whether the value is the name of the object that holds it.
    pub(super) fn is_name(&self) -> bool {
        NAMES.iter().chain(&IDS).any(|field| *field == self.key)
    }

    /// Whether the value is the static data of a server.
    pub(super) fn is_static_data(&self) -> bool {
        words(self.key).concat() == STATIC_DATA
    }

    /// Returns the action that a key of the path means, from the inside out.
    pub(super) fn key_action(&self) -> Option<&'static str> {
        self.keys().find_map(action)
    }

    /// Returns the place in a chain that this value has.
    pub(super) fn place(&self, target: ChainTarget) -> ChainPlace {
        let field = |fields: &'static [&'static str]| {
            self.holders().flat_map(move |(holder, _)| fields.iter().filter_map(|field| holder.get(*field)))
        };
        let labels = field(&ACTIONS).filter_map(Value::as_str).find_map(action).or_else(|| action(&self.document.id));
        let key_action = self.key_action();
        let first = self.holders().next();
        let is_off = |(holder, _): (&Map<String, Value>, &str)| {
            SWITCHES.iter().any(|(field, off)| holder.get(*field) == Some(&Value::Bool(*off)))
        };
        ChainPlace {
            action: key_action.or(labels),
            target,
            is_listed: key_action.is_some(),
            order: first.and_then(|(holder, _)| ORDERS.iter().find_map(|field| holder.get(*field)?.as_f64())),
            is_off: self.holders().any(is_off),
            source: self.document.source.clone(),
            place: self.path(),
        }
    }

    /// Whether this value is about balancing, and nothing here understands the value.
    pub(super) fn is_strange(&self, value: &Value, holders: &ScriptHolders) -> bool {
        let is_leaf = match value {
            Value::Object(_) | Value::Array(_) | Value::Null => false,
            Value::String(text) => !is_function(text),
            Value::Bool(_) | Value::Number(_) => true,
        };
        let known = [NAMES.as_slice(), &IDS, &ACTIONS, &ORDERS, &ASIDES].concat();
        let is_known = known.contains(&self.key) || SWITCHES.iter().any(|(key, _)| *key == self.key);
        if !is_leaf || is_known || self.outwards().any(DocumentPath::is_static_data) {
            return false;
        }
        let is_about = self.keys().chain([self.document.id.as_str()]).any(is_about_balancing);
        is_about || self.parent.is_some_and(|parent| holders.contains(&parent.full_path()))
    }
}

/// Returns the text `field` of `holder`, where the text is no function.
pub(super) fn text<'a>(holder: &'a Map<String, Value>, field: &str) -> Option<&'a str> {
    holder.get(field).and_then(Value::as_str).filter(|text| !text.trim().is_empty() && !is_function(text))
}
