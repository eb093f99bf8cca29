//! A pool: the nodes of which a rule allows any, by id or by what they say of themselves.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::Value;

use crate::model::{Node, node_view};

/// The most ids and patterns of ids that a pool lists.
pub(super) const MAX_POOL_IDS: usize = 10_000;
/// The most patterns of ids with a wildcard that a pool lists.
pub(super) const MAX_POOL_GLOBS: usize = 100;
/// The objects in which a field of a filter is looked for, in this order.
const HOLDERS: [&str; 2] = ["staticData", "metadata"];

/// A pool of nodes.
#[derive(Clone, Debug, PartialEq)]
pub enum NodePool {
    /// The nodes of these ids; in patterns of ids `*` stands for any text and `?` for any character.
    Ids {
        /// The exact ids.
        exact: BTreeSet<String>,
        /// The patterns with a wildcard.
        globs: Vec<String>,
    },
    /// The nodes whose static data, else metadata, has one of these values in each of these fields.
    Filter(Vec<(String, Vec<Value>)>),
}

impl NodePool {
    /// Returns the pool of the nodes that `ids` name, in exact words or with wildcards.
    pub(super) fn of_ids(ids: impl IntoIterator<Item = String>) -> Self {
        let (globs, exact) = ids.into_iter().partition::<Vec<_>, _>(|id| id.contains(['*', '?']));
        Self::Ids { exact: exact.into_iter().collect(), globs }
    }

    /// Whether `node` belongs to the pool.
    #[must_use]
    pub fn has(&self, node: &Node) -> bool {
        match self {
            Self::Ids { exact, globs } => {
                exact.contains(&**node.id()) || globs.iter().any(|glob| is_like(node.id(), glob))
            }
            Self::Filter(fields) => {
                let view = node.look_at(Some(&HOLDERS));
                let holders = HOLDERS.map(|holder| view.field(holder).map(|field| field.to_value()));
                fields.iter().all(|(name, wanted)| {
                    let found = holders.iter().find_map(|holder| holder.as_ref()?.get(name));
                    found.is_some_and(|found| is_one_of(found, wanted))
                })
            }
        }
    }
}

impl fmt::Display for NodePool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ids { exact, globs } => {
                let ids: Vec<_> = exact.iter().chain(globs).map(String::as_str).collect();
                write!(f, "[{}]", ids.join(", "))
            }
            Self::Filter(fields) => {
                let field = |(name, wanted): &(String, Vec<Value>)| {
                    let wanted: Vec<_> = wanted.iter().map(text_of).collect();
                    format!("{name} = {}", wanted.join(" or "))
                };
                f.write_str(&fields.iter().map(field).collect::<Vec<_>>().join(", "))
            }
        }
    }
}

/// Whether `found` is one of `wanted`; of a list each element counts. Metadata are always texts, so a text equals the
/// number or the truth that the text spells.
fn is_one_of(found: &Value, wanted: &[Value]) -> bool {
    match found {
        Value::Array(found) => found.iter().any(|found| is_one_of(found, wanted)),
        Value::String(text) => wanted.iter().any(|wanted| *text == text_of(wanted)),
        found => wanted.iter().any(|wanted| node_view::same(found, wanted)),
    }
}

fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Whether `text` is like `glob`, in which `*` stands for any text and `?` for any character.
fn is_like(text: &str, glob: &str) -> bool {
    let (text, glob): (Vec<char>, Vec<char>) = (text.chars().collect(), glob.chars().collect());
    let (mut at, mut place) = (0, 0);
    // The place behind the last star, and the place in the text up to which the star reaches.
    let mut star: Option<(usize, usize)> = None;
    while let Some(own) = text.get(at) {
        match (glob.get(place), star) {
            (Some('*'), _) => {
                star = Some((place + 1, at));
                place += 1;
            }
            (Some(wanted), _) if *wanted == '?' || wanted == own => (at, place) = (at + 1, place + 1),
            (_, Some((behind, reached))) => {
                star = Some((behind, reached + 1));
                (at, place) = (reached + 1, behind);
            }
            (_, None) => return false,
        }
    }
    glob.get(place..).unwrap_or_default().iter().all(|wanted| *wanted == '*')
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::model::{Arrangement, Change, Cluster, Report};

    #[test]
    fn a_glob_is_like_the_ids_that_it_spells() {
        for (id, glob, expected) in [
            ("north-01", "north-*", true),
            ("north-01", "*-01", true),
            ("north-01", "n*th*1", true),
            ("north-01", "north-0?", true),
            ("north-01", "north-?", false),
            ("north-01", "*", true),
            ("", "*", true),
            ("", "?", false),
            ("aaaaaaaaaaaaaaaaaaaaab", "a*a*a*a*a*c", false),
            ("north-01", "South-*", false),
        ] {
            assert_eq!(is_like(id, glob), expected, "{id} {glob}");
        }
    }

    #[test]
    fn a_filter_looks_at_static_data_then_at_metadata() {
        let mut cluster = Cluster::new(Arrangement::ById);
        let document = json!({"id": "a", "staticData": {"gpu": true, "cores": 8, "tags": ["cad", "sim"]},
            "metadata": {"site": "north", "gpu": "false", "licence": "true"}});
        cluster.apply(Change::Report(Arc::new(Report::from_value(document).unwrap())));
        let node = cluster.get("a").unwrap();
        let has = |name: &str, wanted: Value| NodePool::Filter(vec![(name.to_owned(), vec![wanted])]).has(node);
        assert!(has("gpu", json!(true)) && has("cores", json!(8.0)) && has("tags", json!("sim")));
        assert!(has("site", json!("north")) && has("licence", json!(true)), "metadata are texts");
        assert!(!has("gpu", json!(false)), "static data come first");
        assert!(!has("site", json!("North")) && !has("rack", json!("r1")) && !has("tags", json!("x")));
        let both = NodePool::Filter(vec![
            ("gpu".into(), vec![json!(true)]),
            ("site".into(), vec![json!("south"), json!("north")]),
        ]);
        assert!(both.has(node));
        assert_eq!(both.to_string(), "gpu = true, site = south or north");
    }
}
