//! The report of a node: the document's text, and beside the text the values that the service compares, counts and
//! prints.
//!
//! A report is checked whole when read; a report that breaks a rule is refused whole, because half a node misleads
//! scripts. The fields that scripts see are built from the text when a script reads them (`model/fields.rs`) and not
//! kept: a tree of a document takes several times the memory of the text, and most reports are replaced before anybody
//! reads all fields.

use std::borrow::Cow;
use std::cell::RefCell;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

mod agent;

pub use super::bounds::MAX_ID_BYTES;
use super::fields::{self, Wanted};
use super::figures::{DocumentFields, NodeFigures, positive};
use super::json::{self, JsonError, JsonLimits};
use super::members::{self, Members, Sound};
use super::oddities;
use super::parts::NodeParts;
use super::session::{Mention, Session, Span};
use super::sessions;
pub use super::sessions::{MAX_SESSIONS, Sessions};
pub use agent::{MAX_FED_FACTS, ReportingAgent};

/// The size of the largest node document in bytes (ARCHITECTURE.md, Contracts).
/// A Moleculer node with twenty services and seventy sessions takes more than 100 KiB.
pub const MAX_DOCUMENT_BYTES: usize = 256 * 1024;

/// The reason why a node document was refused.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// Not acceptable JSON.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// The document is no object.
    #[error("a node must be an object, this is {0}")]
    NotAnObject(&'static str),
    /// Neither `id` nor `serverId` is a usable string.
    #[error("the node has no id: `id` (or `serverId`) must be a string of 1 to 255 bytes without control characters")]
    NoId,
    /// A field of the wrong type or range.
    #[error("node `{node}`: `{field}` is {found}, expected {expected}")]
    Field {
        /// The id of the node.
        node: String,
        /// The field, as a path.
        field: String,
        /// The value in the document.
        found: String,
        /// The expected value.
        expected: &'static str,
    },
}

/// A node's own document, checked.
#[derive(Clone, Debug)]
pub struct Report {
    /// The id of the node.
    pub id: Arc<str>,
    /// The document as received, to be passed on unchanged.
    pub text: Arc<str>,
    /// The sessions of the node.
    pub sessions: Sessions,
    facts: Facts,
    /// The notes on repaired values, for a log; not serialized.
    notes: Vec<String>,
    /// All fields that scripts see, kept where they are read again and again.
    kept: OnceLock<Box<Map<String, Value>>>,
}

/// The values read from a document for readers who do not need the whole.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Facts {
    hostname: Box<str>,
    server_pool: Box<str>,
    /// The position of the non-empty list of addresses in the text.
    urls: Option<Span>,
    figures: NodeFigures,
    /// The names of services, ascending.
    services: Vec<Box<str>>,
    cordoned: bool,
    available: bool,
    process: Option<u64>,
    agent: ReportingAgent,
    group: Box<str>,
    /// A hash of each part, to compare the part with that of another report.
    prints: [u64; NodeParts::COUNT],
}

impl PartialEq for Report {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id && self.text == other.text
    }
}

impl Report {
    /// Reads a node document from JSON text.
    ///
    /// # Errors
    /// [`ReportError`] names the field that breaks a rule, and the expected value.
    pub fn parse(text: &[u8]) -> Result<Self, ReportError> {
        json::parse_as::<Sound>(text, JsonLimits::bytes(MAX_DOCUMENT_BYTES))?;
        let text: Arc<str> = String::from_utf8_lossy(text).into();
        if !text.trim_start().starts_with('{') {
            let found: Value = serde_json::from_str(&text).map_err(JsonError::Malformed)?;
            return Err(ReportError::NotAnObject(json::kind(&found)));
        }
        let own: Members<'_> = serde_json::from_str(&text).map_err(JsonError::Malformed)?;
        read(&text, &own)
    }

    /// Reads a node document that was already parsed as part of a larger document.
    ///
    /// # Errors
    /// As [`Report::parse`].
    pub fn from_value(document: Value) -> Result<Self, ReportError> {
        Self::parse(document.to_string().as_bytes())
    }

    /// Returns the numbers of the node.
    #[must_use]
    pub fn figures(&self) -> &NodeFigures {
        &self.facts.figures
    }

    /// Whether the document itself says that the node takes no new sessions, by `cordoned` or by a `weight` of 0.
    #[must_use]
    pub fn is_cordoned(&self) -> bool {
        self.facts.cordoned
    }

    /// Whether the node may be reached, as far as the document says: Moleculer keeps nodes that are gone as not
    /// available.
    #[must_use]
    pub fn is_available(&self) -> bool {
        self.facts.available
    }

    /// Returns notes on the oddities of the document and their interpretation; empty in a report from another process.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Whether the node runs the service `name`.
    #[must_use]
    pub fn runs(&self, name: &str) -> bool {
        self.facts.services.iter().any(|own| &**own == name)
    }

    /// Returns the names of the services on the node, ascending.
    #[must_use]
    pub fn services(&self) -> &[Box<str>] {
        &self.facts.services
    }

    /// Returns the host name, for people; empty where the document has none.
    #[must_use]
    pub fn hostname(&self) -> &str {
        &self.facts.hostname
    }

    /// Returns the pool that the document names; empty where the document names none.
    #[must_use]
    pub fn server_pool(&self) -> &str {
        &self.facts.server_pool
    }

    /// Returns the addresses of the node's sessions, as the JSON list in the document; `None` where the list is empty.
    #[must_use]
    pub fn urls(&self) -> Option<&RawValue> {
        serde_json::from_str(self.facts.urls?.of(&self.text)).ok()
    }

    /// Returns the id of the process that made the report, where the document has `health.process.pid`.
    #[must_use]
    pub fn process(&self) -> Option<u64> {
        self.facts.process
    }

    /// Returns the `wanted` fields that a script sees, in the order of scripts; `nodeData.sessions` is empty here. The
    /// fields are built at each call, unless [`Report::keep_fields`] was called.
    #[must_use]
    pub fn fields(&self, wanted: Wanted<'_>) -> Cow<'_, Map<String, Value>> {
        match self.kept.get() {
            Some(kept) => Cow::Borrowed(kept),
            None => Cow::Owned(fields::build(self, wanted)),
        }
    }

    /// Keeps all fields as long as this report exists.
    pub fn keep_fields(&self) {
        self.kept.get_or_init(|| Box::new(fields::build(self, None)));
    }

    /// Returns the parts in which this report and `other`, of the same node, may show a script different values.
    #[must_use]
    pub fn differs(&self, other: &Self) -> NodeParts {
        if self.text == other.text {
            return NodeParts::NONE;
        }
        let prints = self.facts.prints.iter().zip(&other.facts.prints).zip(NodeParts::EACH);
        let parts = prints.filter(|((own, others), _)| own != others).map(|(_, part)| part).collect();
        // Only the order of members of different parts is left. A script sees that order only by looking at the whole
        // node, and for such a script a change of any part will do.
        if parts == NodeParts::NONE { NodeParts::REST } else { parts }
    }
}

/// The form in which a report crosses to another process of whither: values read here need not be read again there.
#[derive(Serialize, Deserialize)]
struct ReportWire<'a> {
    #[serde(borrow)]
    id: &'a str,
    text: &'a str,
    #[serde(borrow)]
    sessions: WireSessions<'a>,
    facts: Cow<'a, Facts>,
}

#[derive(Serialize, Deserialize)]
enum WireSessions<'a> {
    Unknown,
    Count(u64),
    #[serde(borrow)]
    List(Vec<Mention<'a>>),
}

impl Serialize for Report {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let sessions = match &self.sessions {
            Sessions::Unknown => WireSessions::Unknown,
            Sessions::Count(count) => WireSessions::Count(*count),
            Sessions::List(list) => WireSessions::List(list.iter().filter_map(|session| session.mention()).collect()),
        };
        ReportWire { id: &self.id, text: &self.text, sessions, facts: Cow::Borrowed(&self.facts) }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Report {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let ReportWire { id, text, sessions, facts } = ReportWire::deserialize(deserializer)?;
        let (id, text): (Arc<str>, Arc<str>) = (id.into(), text.into());
        let sessions = match sessions {
            WireSessions::Unknown => Sessions::Unknown,
            WireSessions::Count(count) => Sessions::Count(count),
            WireSessions::List(list) => Sessions::List(
                list.into_iter().map(|mention| Arc::new(Session::mentioned(mention, &text, &id))).collect(),
            ),
        };
        Ok(Self { id, text, sessions, facts: facts.into_owned(), notes: Vec::new(), kept: OnceLock::new() })
    }
}

/// Returns the id that a document or a returned object names: `id`, else `serverId`.
#[must_use]
pub fn named_id(own: &Map<String, Value>) -> Option<&str> {
    json::text(own, "id").or_else(|| json::text(own, "serverId"))
}

fn read(text: &Arc<str>, own: &Members<'_>) -> Result<Report, ReportError> {
    let usable = |id: &String| (1..=MAX_ID_BYTES).contains(&id.len()) && !id.chars().any(char::is_control);
    let named = |name: &str| own.text(name).filter(|id| !id.is_empty());
    let id: Arc<str> = named("id").or_else(|| named("serverId")).filter(usable).ok_or(ReportError::NoId)?.into();
    let notes = RefCell::new(Vec::new());
    let node = DocumentFields { node: &id, own, notes: &notes };
    let own_data = node.object("nodeData")?;
    let data = DocumentFields { own: &own_data, ..node };
    let health = data.object("health")?;
    let services = service_names(data.list("services")?);
    let sessions = sessions::read((&id, text), own.get("sessions"), own_data.get("sessions"), &notes)?;
    let (metadata, static_data) = (node.object("metadata")?, node.object("staticData")?);
    node.object("metrics")?;
    let urls =
        node.list("urls")?.filter(|urls| !members::is_empty_list(urls)).and_then(|urls| Span::of_raw(urls, text));
    let available = own.value("available") != Some(Value::Bool(false));
    let max_sessions = node.count("maxSessions")?;
    let vital = NodeFigures::vital(&node, &health)?;
    let hostname = node.text("hostname")?.or_else(|| health.of_member("os").text("hostname")).unwrap_or_default();
    let server_pool: Box<str> = node.text("serverPool")?.unwrap_or_default().into();
    let users = node.count("loggedInUsers")?.or_else(|| sessions.distinct_users());
    let weight =
        [&static_data, &metadata].into_iter().find_map(|data| data.value("weight").as_ref().and_then(positive));
    let max_pending = [&static_data, &metadata].into_iter().find_map(|data| {
        let starts = |name| data.value(name).as_ref().and_then(Value::as_u64).filter(|starts| *starts > 0);
        starts("maxPending").or_else(|| starts("max_pending"))
    });
    // A node with a weight of zero takes no new session, whatever step chooses among the nodes.
    let is_weightless =
        weight.is_none() && [&static_data, &metadata].into_iter().any(|data| oddities::is_zero(data.value("weight")));
    let cordoned = node.flag("cordoned")? || is_weightless;
    oddities::note(
        &notes,
        available,
        is_weightless,
        max_sessions.is_none() && static_data.get("maxSessions").is_some(),
    );
    let process = health.of_member("process").value("pid").as_ref().and_then(Value::as_u64);
    let group = agent::group(&server_pool, &static_data, &metadata);
    let facts = Facts {
        prints: prints(own, &own_data, &hostname),
        hostname: hostname.into(),
        server_pool,
        urls,
        figures: NodeFigures { weight, max_sessions, max_pending, users, ..vital },
        services,
        cordoned,
        available,
        process,
        agent: ReportingAgent::read(own),
        group,
    };
    let notes = notes.take();
    Ok(Report { text: Arc::clone(text), id, sessions, facts, notes, kept: OnceLock::new() })
}

/// Returns a hash of each part of a document, by the text of the part: parts of equal text are equal. The host name may
/// stand in the health, but scripts see the host name elsewhere.
fn prints(own: &Members<'_>, data: &Members<'_>, hostname: &str) -> [u64; NodeParts::COUNT] {
    let mut prints = [(); NodeParts::COUNT].map(|()| DefaultHasher::new());
    let mut add = |parts: NodeParts, name: &str, written: &str| {
        for place in parts.places() {
            if let Some(print) = prints.get_mut(place) {
                (name, written).hash(print);
            }
        }
    };
    for (name, raw) in own.iter().filter(|(name, _)| *name != "nodeData") {
        add(NodeParts::of_field(name), name, raw.get());
    }
    for (name, raw) in data.iter() {
        add(NodeParts::of_data_field(name), name, raw.get());
    }
    add(NodeParts::REST, "", hostname);
    prints.map(|print| print.finish())
}

/// Returns the names of services; a service is a string or an object with `name` (ARCHITECTURE.md, What a script sees).
fn service_names(list: Option<&RawValue>) -> Vec<Box<str>> {
    let Some(Value::Array(list)) = list.and_then(members::value) else { return Vec::new() };
    let name =
        |service: &Value| service.as_str().or_else(|| service.get("name").and_then(Value::as_str)).map(Box::from);
    let mut names: Vec<Box<str>> = list.iter().filter_map(name).collect();
    names.sort_unstable();
    names.dedup();
    names.shrink_to_fit();
    names
}

#[cfg(test)]
mod tests;
