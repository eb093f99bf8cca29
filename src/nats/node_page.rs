//! A page of nodes as text, built no further than the page goes.
//!
//! A node may hold many thousands of reservations, and a cluster thousands of nodes: a page that is built whole and cut
//! afterwards takes time that the front needs for placements. So sessions are written straight from the node into the
//! text, and only until the page is full.

use std::sync::Arc;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use crate::model::Node;
use crate::model::node_view::{DataField, NodeField, NodeView};

/// The field that tells how many sessions were cut off.
const CUT: &str = "sessionsCut";
/// The bytes that the name of the field for cut sessions takes, with the number and the comma.
const CUT_BYTES: usize = r#","sessionsCut":18446744073709551615"#.len();

/// A page of nodes that is being written.
#[derive(Debug)]
pub struct NodePage {
    /// The texts of the nodes, with commas between them.
    text: String,
    nodes: usize,
    last: Option<Arc<str>>,
    /// The most bytes of the nodes' texts.
    most: usize,
}

impl NodePage {
    /// Returns an empty page of at most `most` bytes.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { text: String::new(), nodes: 0, last: None, most }
    }

    /// The number of nodes in the page.
    #[must_use]
    pub fn len(&self) -> usize {
        self.nodes
    }

    /// Whether the page has no node.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes == 0
    }

    /// The id of the last node in the page.
    #[must_use]
    pub fn last(&self) -> Option<&Arc<str>> {
        self.last.as_ref()
    }

    /// Adds `node`: the object that scripts see, with the fields `beside` it. Returns false where the page already has
    /// nodes and no room for `node`. A node that is larger than a page is shown with the first sessions only.
    pub fn push(&mut self, node: &Node, beside: &Map<String, Value>) -> bool {
        let room = self.most.saturating_sub(self.text.len());
        let is_first = self.is_empty();
        let Some(text) = shown(node, beside, if is_first { self.most } else { room }, is_first) else { return false };
        if !is_first {
            self.text.push(',');
        }
        self.text.push_str(&text);
        self.nodes += 1;
        self.last = Some(Arc::clone(node.id()));
        true
    }

    /// Returns the whole reply: the nodes, and the fields `beside` them.
    #[must_use]
    pub fn reply(self, beside: Map<String, Value>) -> String {
        let rest = Value::Object(beside).to_string();
        let rest = rest.strip_prefix('{').unwrap_or_default();
        let comma = if rest == "}" { "" } else { "," };
        format!("{{\"nodes\":[{}]{comma}{rest}", self.text)
    }
}

/// Returns the text of `node` with `beside` in at most `most` bytes; `None` where the text is longer, and sessions may
/// not be cut.
fn shown(node: &Node, beside: &Map<String, Value>, most: usize, may_cut: bool) -> Option<String> {
    let mut sessions = SessionTexts::of(node, most);
    if sessions.cut > 0 && !may_cut {
        return None;
    }
    let view = node.look();
    let text = ShownNode { view: &view, sessions: sessions.raw()?, cut: sessions.cut, beside }.text()?;
    if text.len() <= most {
        return Some(text);
    }
    if !may_cut {
        return None;
    }
    sessions.shorten(text.len().saturating_add(CUT_BYTES) - most);
    ShownNode { view: &view, sessions: sessions.raw()?, cut: sessions.cut, beside }.text()
}

/// The first sessions of a node as text.
struct SessionTexts {
    /// A list without the closing bracket.
    text: String,
    /// The length of `text` after each session.
    ends: Vec<usize>,
    /// The number of sessions that are not in the text.
    cut: usize,
}

impl SessionTexts {
    /// Writes sessions of `node` until the text is longer than `most`.
    fn of(node: &Node, most: usize) -> Self {
        let (mut text, mut ends) = ("[".to_owned(), Vec::new());
        for session in node.sessions() {
            if text.len() > most {
                break;
            }
            if !ends.is_empty() {
                text.push(',');
            }
            text.push_str(&Value::Object(session.fields()).to_string());
            ends.push(text.len());
        }
        let cut = node.session_len() - ends.len();
        Self { text, ends, cut }
    }

    /// Removes the last sessions, at least `bytes` of text if there is so much.
    fn shorten(&mut self, bytes: usize) {
        let left = self.text.len().saturating_sub(bytes);
        while self.text.len() > left && self.ends.pop().is_some() {
            self.text.truncate(self.ends.last().copied().unwrap_or(1));
            self.cut += 1;
        }
    }

    fn raw(&self) -> Option<Box<RawValue>> {
        RawValue::from_string(format!("{}]", self.text)).ok()
    }
}

/// A node to be written, with the sessions as text.
struct ShownNode<'a> {
    view: &'a NodeView<'a>,
    sessions: Box<RawValue>,
    cut: usize,
    beside: &'a Map<String, Value>,
}

/// The field `nodeData` of a [`ShownNode`].
struct ShownData<'a>(&'a ShownNode<'a>);

impl ShownNode<'_> {
    fn text(&self) -> Option<String> {
        serde_json::to_string(self).ok()
    }
}

impl Serialize for ShownNode<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        let is_ours = |name: &str| self.beside.contains_key(name) || (self.cut > 0 && name == CUT);
        for (name, field) in self.view.fields().filter(|(name, _)| !is_ours(name)) {
            match field {
                NodeField::Data(_) => map.serialize_entry(name, &ShownData(self))?,
                field => map.serialize_entry(name, &field)?,
            }
        }
        for (name, value) in self.beside {
            map.serialize_entry(name, value)?;
        }
        if self.cut > 0 {
            map.serialize_entry(CUT, &json!(self.cut))?;
        }
        map.end()
    }
}

impl Serialize for ShownData<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, field) in self.0.view.data_fields() {
            match field {
                DataField::Sessions(_) => map.serialize_entry(name, &self.0.sessions)?,
                field => map.serialize_entry(name, &field)?,
            }
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Arrangement, Change, Cluster, Report, Reservation};

    fn cluster(listed: usize, pending: usize) -> Cluster {
        let mut cluster = Cluster::new(Arrangement::ById);
        let sessions: Vec<Value> =
            (0..listed).map(|number| json!({"id": format!("s{number}"), "user": "ann"})).collect();
        let document = json!({"id": "a", "staticData": {"rack": "r1"}, "nodeData": {"sessions": sessions}});
        cluster.apply(Change::Report(Arc::new(Report::from_value(document).unwrap())));
        for number in 0..pending {
            let (id, user) = (format!("p{number}").into(), "bob".into());
            cluster.apply(Change::Reserve(Reservation { id, node: "a".into(), user, name: "".into() }));
        }
        cluster
    }

    fn beside() -> Map<String, Value> {
        Map::from_iter([("state".to_owned(), json!("ready"))])
    }

    fn page(cluster: &Cluster, most: usize) -> (Value, usize) {
        let mut page = NodePage::new(most);
        assert!(page.push(cluster.get("a").unwrap(), &beside()));
        let size = page.text.len();
        (serde_json::from_str(&page.reply(Map::new())).unwrap(), size)
    }

    #[test]
    fn a_node_is_shown_as_scripts_see_it() {
        let cluster = cluster(3, 2);
        let (page, _) = page(&cluster, 100_000);
        let mut expected = cluster.get("a").unwrap().to_json();
        expected.insert("state".to_owned(), json!("ready"));
        assert_eq!(page["nodes"][0], Value::Object(expected));
    }

    #[test]
    fn a_node_with_thousands_of_sessions_fits_a_page() {
        for (listed, pending) in [(5000, 0), (0, 5000), (9, 5000)] {
            let (page, size) = page(&cluster(listed, pending), 3000);
            let node = &page["nodes"][0];
            let kept = node["nodeData"]["sessions"].as_array().unwrap().len();
            assert!(size <= 3000 && kept > 5, "{size} {kept}");
            assert_eq!(
                (&node["sessionsCut"], &node["sessions"]),
                (&json!(listed + pending - kept), &json!(listed + pending))
            );
        }
    }

    #[test]
    fn sessions_that_are_cut_off_are_not_built() {
        let texts = SessionTexts::of(cluster(0, 5000).get("a").unwrap(), 3000);
        assert!(texts.ends.len() < 100 && texts.text.len() < 4000, "{}", texts.text.len());
    }

    #[test]
    fn a_node_that_finds_no_room_is_for_the_next_page() {
        let cluster = cluster(20, 0);
        let node = cluster.get("a").unwrap();
        let (_, size) = page(&cluster, 100_000);
        let mut page = NodePage::new(size * 5 / 2);
        assert_eq!([0; 4].map(|_| page.push(node, &beside())), [true, true, false, false]);
        assert_eq!((page.len(), page.last().map(|id| &**id)), (2, Some("a")));
        let reply = page.reply(Map::from_iter([("next".to_owned(), json!("a"))]));
        assert_eq!(serde_json::from_str::<Value>(&reply).unwrap()["nodes"].as_array().unwrap().len(), 2);
    }
}
