//! A node: a machine that can run sessions, as the cluster knows it and as a script sees it.
//!
//! The report never changes once read; what changes between reports (reservations, marks) lies beside it, so that a
//! placement touches a few words and not the document.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value, json};

use super::parts::Parts;
use super::report::{Report, Sessions};
use super::session::Session;

/// What a node's text usually takes.
const USUAL_TEXT_BYTES: usize = 1200;

/// What the service itself holds against or for a node, beside the node's own report.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marks {
    /// Somebody took the node out of service for new sessions.
    pub cordoned: bool,
    /// A start failed there a short while ago.
    pub cooling_down: bool,
}

/// A node of the cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    report: Arc<Report>,
    /// By the order in which they were made, so that one of thousands ends without a search.
    pending: BTreeMap<u64, Arc<Session>>,
    marks: Marks,
    stale: bool,
    revision: u64,
    /// The revision at which each of its parts became what it is.
    revised: [u64; Parts::COUNT],
    arrival: u64,
}

/// One top-level field of the node object, borrowed.
#[derive(Clone, Copy, Debug)]
pub enum Field<'a> {
    /// As the report has it.
    Json(&'a Value),
    /// A number that counts reservations too.
    Count(u64),
    /// A flag that marks may set.
    Flag(bool),
    /// `nodeData`, whose session list holds reservations too.
    Data(&'a Node),
}

/// One field of `nodeData`, borrowed.
#[derive(Clone, Copy, Debug)]
pub enum DataField<'a> {
    /// As the report has it.
    Json(&'a Value),
    /// The sessions, reported and pending.
    Sessions(&'a Node),
}

impl Node {
    /// A node that has just reported.
    #[must_use]
    pub fn new(report: Arc<Report>, revision: u64) -> Self {
        Self {
            report,
            pending: BTreeMap::new(),
            marks: Marks::default(),
            stale: false,
            revision,
            revised: [revision; Parts::COUNT],
            arrival: revision,
        }
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> &Arc<str> {
        &self.report.id
    }

    /// What it last said of itself.
    #[must_use]
    pub fn report(&self) -> &Arc<Report> {
        &self.report
    }

    /// A number that no earlier state of any node in this cluster had: results kept under it are of this very state.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// The revision since which these `parts` of it are what they are.
    #[must_use]
    pub fn revised(&self, parts: Parts) -> u64 {
        parts.places().filter_map(|place| self.revised.get(place)).copied().max().unwrap_or_default()
    }

    /// The revision at which it came: nodes that come later have greater ones.
    #[must_use]
    pub fn arrival(&self) -> u64 {
        self.arrival
    }

    /// Whether it has not reported within the liveness limit.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        self.stale
    }

    /// Whether it takes no new sessions, by a mark or by its own word.
    #[must_use]
    pub fn is_cordoned(&self) -> bool {
        self.marks.cordoned || self.report.cordoned
    }

    /// What the service holds against it.
    #[must_use]
    pub fn marks(&self) -> &Marks {
        &self.marks
    }

    /// Whether sessions and reservations reach the number that the node states.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.report.figures.max_sessions.is_some_and(|max| self.load() >= max)
    }

    /// Sessions and reservations together; absent where the node never reported sessions.
    #[must_use]
    pub fn session_count(&self) -> Option<u64> {
        match &self.report.sessions {
            Sessions::Unknown => None,
            Sessions::Count(count) => Some(count.saturating_add(self.pending.len() as u64)),
            Sessions::List(list) => Some((list.len() + self.pending.len()) as u64),
        }
    }

    /// The sessions that the node listed, then those that are pending.
    pub fn sessions(&self) -> impl Iterator<Item = &Arc<Session>> {
        let reported = match &self.report.sessions {
            Sessions::List(list) => list.as_slice(),
            Sessions::Unknown | Sessions::Count(_) => &[],
        };
        reported.iter().chain(self.pending.values())
    }

    /// The sessions that are reserved here and not reported yet.
    #[must_use]
    pub fn pending(&self) -> impl ExactSizeIterator<Item = &Arc<Session>> {
        self.pending.values()
    }

    /// Every top-level field that a script sees, in order.
    pub fn fields(&self) -> impl Iterator<Item = (&str, Field<'_>)> {
        self.report.fields.iter().map(|(name, value)| (name.as_str(), self.current(name, value)))
    }

    /// The same as `overlay` has them, where it does; what it adds comes last.
    pub fn fields_with<'a>(
        &'a self,
        overlay: Option<&'a Map<String, Value>>,
    ) -> impl Iterator<Item = (&'a str, Field<'a>)> {
        let overlaid = move |name: &str| overlay.and_then(|overlay| overlay.get(name)).map(Field::Json);
        let own = self.fields().map(move |(name, field)| (name, overlaid(name).unwrap_or(field)));
        let added = overlay.into_iter().flatten().filter(|(name, _)| self.field(name).is_none());
        own.chain(added.map(|(name, value)| (name.as_str(), Field::Json(value))))
    }

    /// The top-level field `name`.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<Field<'_>> {
        self.report.fields.get(name).map(|value| self.current(name, value))
    }

    /// Every field of `nodeData`, in order.
    pub fn data_fields(&self) -> impl Iterator<Item = (&str, DataField<'_>)> {
        let data = self.report.fields.get("nodeData").and_then(Value::as_object);
        data.into_iter().flatten().map(|(name, value)| match name.as_str() {
            "sessions" => (name.as_str(), DataField::Sessions(self)),
            _ => (name.as_str(), DataField::Json(value)),
        })
    }

    /// The whole object that a script sees, as JSON.
    #[must_use]
    pub fn to_json(&self) -> Map<String, Value> {
        self.fields().map(|(name, field)| (name.to_owned(), field.to_value())).collect()
    }

    /// The same as text, with `overlay` on top.
    #[must_use]
    pub fn to_text(&self, overlay: Option<&Map<String, Value>>) -> Vec<u8> {
        let mut text = Vec::with_capacity(USUAL_TEXT_BYTES);
        let mut serializer = serde_json::Serializer::new(&mut text);
        // Strings, numbers and JSON values can always be written.
        drop(serializer.collect_map(self.fields_with(overlay)));
        text
    }

    /// The same node after another report; its reservations and marks stay.
    #[must_use]
    pub(super) fn reported(mut self, report: Arc<Report>) -> Self {
        self.report = report;
        self.stale = false;
        self
    }

    /// These `parts` of it have just changed.
    pub(super) fn revise(&mut self, parts: Parts, revision: u64) {
        self.revision = revision;
        for place in parts.places() {
            if let Some(revised) = self.revised.get_mut(place) {
                *revised = revision;
            }
        }
    }

    pub(super) fn set_stale(&mut self, stale: bool) {
        self.stale = stale;
    }

    pub(super) fn set_marks(&mut self, marks: Marks) {
        self.marks = marks;
    }

    pub(super) fn add_pending(&mut self, number: u64, session: Arc<Session>) {
        self.pending.insert(number, session);
    }

    pub(super) fn remove_pending(&mut self, number: u64) {
        self.pending.remove(&number);
    }

    fn load(&self) -> u64 {
        self.session_count().unwrap_or(self.pending.len() as u64)
    }

    fn current<'a>(&'a self, name: &str, value: &'a Value) -> Field<'a> {
        match name {
            "nodeData" => Field::Data(self),
            "sessions" => self.session_count().map_or(Field::Json(value), Field::Count),
            "cordoned" => Field::Flag(self.is_cordoned()),
            "loggedInUsers" if !self.pending.is_empty() => Field::Count(self.logged_in_users(value)),
            _ => Field::Json(value),
        }
    }

    /// Users with a reservation count as logged in where they have no session here yet.
    fn logged_in_users(&self, reported: &Value) -> u64 {
        let reported_users = match &self.report.sessions {
            Sessions::List(list) => list.as_slice(),
            Sessions::Unknown | Sessions::Count(_) => &[],
        };
        let mut new: Vec<&str> = self.pending.values().map(|session| &**session.user()).collect();
        new.sort_unstable();
        new.dedup();
        new.retain(|user| !reported_users.iter().any(|session| &**session.user() == *user));
        reported.as_u64().unwrap_or_default() + new.len() as u64
    }
}

impl Serialize for Field<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Json(value) => value.serialize(serializer),
            Self::Count(count) => serializer.serialize_u64(*count),
            Self::Flag(flag) => serializer.serialize_bool(*flag),
            Self::Data(node) => serializer.collect_map(node.data_fields()),
        }
    }
}

impl Serialize for DataField<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Json(value) => value.serialize(serializer),
            Self::Sessions(node) => serializer.collect_seq(node.sessions().map(|session| session.fields())),
        }
    }
}

impl Field<'_> {
    /// The field as a JSON value of its own.
    #[must_use]
    pub fn to_value(&self) -> Value {
        match self {
            Self::Json(value) => (*value).clone(),
            Self::Count(count) => json!(count),
            Self::Flag(flag) => json!(flag),
            Self::Data(node) => node
                .data_fields()
                .map(|(name, field)| (name.to_owned(), field.to_value()))
                .collect::<Map<_, _>>()
                .into(),
        }
    }

    /// Whether `value` is this field, without building it.
    #[must_use]
    pub fn equals(&self, value: &Value) -> bool {
        match self {
            Self::Json(own) => same(own, value),
            Self::Count(count) => value.as_f64() == Some(*count as f64),
            Self::Flag(flag) => value.as_bool() == Some(*flag),
            Self::Data(_) => same(&self.to_value(), value),
        }
    }
}

impl DataField<'_> {
    /// The field as a JSON value of its own.
    #[must_use]
    pub fn to_value(&self) -> Value {
        match self {
            Self::Json(value) => (*value).clone(),
            Self::Sessions(node) => node.sessions().map(|session| Value::Object(session.fields().clone())).collect(),
        }
    }
}

/// Equality as scripts see it: `1` and `1.0` are one number, and the order of an object's members says nothing.
#[must_use]
pub fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => left.as_f64() == right.as_f64(),
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| same(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left.iter().all(|(name, value)| right.get(name).is_some_and(|other| same(value, other)))
        }
        _ => left == right,
    }
}
