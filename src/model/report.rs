//! What a node said of itself: the document's text, and beside it what is compared, counted and told.
//!
//! A report is checked whole when it is read; one that breaks a rule is refused whole, because half a node misleads
//! scripts. What scripts see of it is built from the text when one looks (`model/fields.rs`) and not kept: a tree of a
//! document takes several times the memory of its text, and most reports are replaced before anybody looks at all of it.

use std::borrow::Cow;
use std::cell::RefCell;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

pub use super::bounds::MAX_ID_BYTES;
use super::fields::{self, Wanted};
use super::figures::{Fields, Figures, positive, whole, wrong};
use super::json::{self, JsonError, JsonLimits};
use super::members::{self, Members, Sound};
use super::oddities;
use super::parts::Parts;
use super::session::{Mention, Session, Span};

/// The largest node document in bytes (ARCHITECTURE.md, Contracts).
/// A Moleculer node with twenty services and seventy sessions takes more than 100 KiB.
pub const MAX_DOCUMENT_BYTES: usize = 256 * 1024;
/// The most sessions that one report may list.
pub const MAX_SESSIONS: usize = 10_000;

/// The longest name of an agent's run in bytes; of a longer one nothing is known.
const MAX_RUN_BYTES: usize = 64;

/// Why a node document was refused.
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
        /// The node's id.
        node: String,
        /// The field, as a path.
        field: String,
        /// What stands there.
        found: String,
        /// What should.
        expected: &'static str,
    },
}

/// What is known of the sessions on a node.
#[derive(Clone, Debug, PartialEq)]
pub enum Sessions {
    /// The node never said: it sorts last, it is not empty.
    Unknown,
    /// A count alone, as FastX 3 reports it.
    Count(u64),
    /// The list, as FastX 4 reports it.
    List(Vec<Arc<Session>>),
}

/// A node's own document, checked.
#[derive(Clone, Debug)]
pub struct Report {
    /// The node's id.
    pub id: Arc<str>,
    /// The document as it came, to be handed on unchanged.
    pub text: Arc<str>,
    /// Its sessions.
    pub sessions: Sessions,
    facts: Facts,
    /// What was repaired, for a log; it does not travel.
    notes: Vec<String>,
    /// All fields that scripts see, where they are looked at again and again.
    kept: OnceLock<Box<Map<String, Value>>>,
}

/// What was read of a document for those who do not look into it.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Facts {
    hostname: Box<str>,
    server_pool: Box<str>,
    /// Where in the text the list of addresses stands, where there are any.
    urls: Option<Span>,
    figures: Figures,
    /// Names of services, ascending.
    services: Vec<Box<str>>,
    cordoned: bool,
    available: bool,
    process: Option<u64>,
    run: Option<Box<str>>,
    /// What tells each of its parts from that of another report.
    prints: [u64; Parts::COUNT],
}

impl PartialEq for Report {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id && self.text == other.text
    }
}

impl Sessions {
    /// How many there are; absent where the node never said.
    #[must_use]
    pub fn count(&self) -> Option<u64> {
        match self {
            Self::Unknown => None,
            Self::Count(count) => Some(*count),
            Self::List(list) => Some(list.len() as u64),
        }
    }

    /// Those that are listed.
    #[must_use]
    pub fn listed(&self) -> &[Arc<Session>] {
        match self {
            Self::Unknown | Self::Count(_) => &[],
            Self::List(list) => list,
        }
    }
}

impl Report {
    /// Reads one node document from JSON text.
    ///
    /// # Errors
    /// [`ReportError`] names the field that breaks a rule, and what was expected there.
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

    /// Reads one node document that was already parsed as part of a larger one.
    ///
    /// # Errors
    /// As [`Report::parse`].
    pub fn from_value(document: Value) -> Result<Self, ReportError> {
        Self::parse(document.to_string().as_bytes())
    }

    /// Its numbers.
    #[must_use]
    pub fn figures(&self) -> &Figures {
        &self.facts.figures
    }

    /// Whether the document itself says that the node takes no new sessions.
    #[must_use]
    pub fn is_cordoned(&self) -> bool {
        self.facts.cordoned
    }

    /// Whether the node may be reached, as far as the document says: Moleculer keeps nodes that are gone as not available.
    #[must_use]
    pub fn is_available(&self) -> bool {
        self.facts.available
    }

    /// What in the document is odd, and how that was taken; empty in a report from another process.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Whether the node runs the service `name`.
    #[must_use]
    pub fn runs(&self, name: &str) -> bool {
        self.facts.services.iter().any(|own| &**own == name)
    }

    /// Names of the services that it runs, ascending.
    #[must_use]
    pub fn services(&self) -> &[Box<str>] {
        &self.facts.services
    }

    /// Its name for people; empty where it has none.
    #[must_use]
    pub fn hostname(&self) -> &str {
        &self.facts.hostname
    }

    /// The pool that it says it is in; empty where it says none.
    #[must_use]
    pub fn server_pool(&self) -> &str {
        &self.facts.server_pool
    }

    /// Where sessions on it are reached, as the JSON list that it wrote; absent where that is empty.
    #[must_use]
    pub fn urls(&self) -> Option<&RawValue> {
        serde_json::from_str(self.facts.urls?.of(&self.text)).ok()
    }

    /// The process that made the report, where it says so.
    #[must_use]
    pub fn process(&self) -> Option<u64> {
        self.facts.process
    }

    /// What tells the run of the agent that made the report from others, where the agent says so.
    #[must_use]
    pub fn run(&self) -> Option<&str> {
        self.facts.run.as_deref()
    }

    /// The fields that a script sees, in the order it sees them, as far as they are `wanted`; `nodeData.sessions` is empty
    /// here. They are built at each call, unless all of them are kept.
    #[must_use]
    pub fn fields(&self, wanted: Wanted<'_>) -> Cow<'_, Map<String, Value>> {
        match self.kept.get() {
            Some(kept) => Cow::Borrowed(kept),
            None => Cow::Owned(fields::build(self, wanted)),
        }
    }

    /// Keeps all fields for as long as this report lives.
    pub fn keep_fields(&self) {
        self.kept.get_or_init(|| Box::new(fields::build(self, None)));
    }

    /// The parts in which this report and `other`, of one node, may show a script different things.
    #[must_use]
    pub fn differs(&self, other: &Self) -> Parts {
        if self.text == other.text {
            return Parts::NONE;
        }
        let prints = self.facts.prints.iter().zip(&other.facts.prints).zip(Parts::EACH);
        let parts = prints.filter(|((own, others), _)| own != others).map(|(_, part)| part).collect();
        // What is left is the order of members that are in different parts. That is seen by those alone who look at the
        // whole, and a change of any part is one to them.
        if parts == Parts::NONE { Parts::REST } else { parts }
    }
}

/// What crosses to another process of ours: what was read here need not be read again there.
#[derive(Serialize, Deserialize)]
struct Wire<'a> {
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
        Wire { id: &self.id, text: &self.text, sessions, facts: Cow::Borrowed(&self.facts) }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Report {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Wire { id, text, sessions, facts } = Wire::deserialize(deserializer)?;
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

/// The id that a document or a returned object names: `id`, else `serverId`.
#[must_use]
pub fn named_id(own: &Map<String, Value>) -> Option<&str> {
    json::text(own, "id").or_else(|| json::text(own, "serverId"))
}

fn read(text: &Arc<str>, own: &Members<'_>) -> Result<Report, ReportError> {
    let usable = |id: &String| (1..=MAX_ID_BYTES).contains(&id.len()) && !id.chars().any(char::is_control);
    let named = |name: &str| own.text(name).filter(|id| !id.is_empty());
    let id: Arc<str> = named("id").or_else(|| named("serverId")).filter(usable).ok_or(ReportError::NoId)?.into();
    let notes = RefCell::new(Vec::new());
    let node = Fields { node: &id, own, notes: &notes };
    let own_data = node.object("nodeData")?;
    let data = Fields { own: &own_data, ..node };
    let health = data.object("health")?;
    let services = service_names(data.list("services")?);
    let sessions = read_sessions((&id, text), own.get("sessions"), own_data.get("sessions"), &notes)?;
    let (metadata, static_data) = (node.object("metadata")?, node.object("staticData")?);
    node.object("metrics")?;
    let urls =
        node.list("urls")?.filter(|urls| !members::is_empty_list(urls)).and_then(|urls| Span::of_raw(urls, text));
    let available = own.value("available") != Some(Value::Bool(false));
    let max_sessions = node.count("maxSessions")?;
    let vital = Figures::vital(&node, &health)?;
    let hostname = node.text("hostname")?.or_else(|| health.of_member("os").text("hostname")).unwrap_or_default();
    let server_pool = node.text("serverPool")?.unwrap_or_default().into();
    let users = node.count("loggedInUsers")?.or_else(|| distinct_users(&sessions));
    let weight =
        [&static_data, &metadata].into_iter().find_map(|data| data.value("weight").as_ref().and_then(positive));
    let max_pending = [&static_data, &metadata].into_iter().find_map(|data| {
        let starts = |name| data.value(name).as_ref().and_then(Value::as_u64).filter(|starts| *starts > 0);
        starts("maxPending").or_else(|| starts("max_pending"))
    });
    // Whoever takes a share of nothing takes no new session, whatever chooses among the nodes.
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
    let run = own.of_member("agent").text("run").filter(|run| run.len() <= MAX_RUN_BYTES).map(Box::from);
    let facts = Facts {
        prints: prints(own, &own_data, &hostname),
        hostname: hostname.into(),
        server_pool,
        urls,
        figures: Figures { weight, max_sessions, max_pending, users, ..vital },
        services,
        cordoned,
        available,
        process,
        run,
    };
    let notes = notes.take();
    Ok(Report { text: Arc::clone(text), id, sessions, facts, notes, kept: OnceLock::new() })
}

/// What tells each part of a document from that of another, by its text: where two are written alike, they are alike. The
/// host's name may stand in the health, and is seen elsewhere.
fn prints(own: &Members<'_>, data: &Members<'_>, hostname: &str) -> [u64; Parts::COUNT] {
    let mut prints = [(); Parts::COUNT].map(|()| DefaultHasher::new());
    let mut add = |parts: Parts, name: &str, written: &str| {
        for place in parts.places() {
            if let Some(print) = prints.get_mut(place) {
                (name, written).hash(print);
            }
        }
    };
    for (name, raw) in own.iter().filter(|(name, _)| *name != "nodeData") {
        add(Parts::of_field(name), name, raw.get());
    }
    for (name, raw) in data.iter() {
        add(Parts::of_data_field(name), name, raw.get());
    }
    add(Parts::REST, "", hostname);
    prints.map(|print| print.finish())
}

fn read_sessions(
    (id, text): (&Arc<str>, &Arc<str>),
    top: Option<&RawValue>,
    listed: Option<&RawValue>,
    notes: &RefCell<Vec<String>>,
) -> Result<Sessions, ReportError> {
    let (field, raw) = match (listed, top) {
        (Some(listed), _) => ("nodeData.sessions", listed),
        (None, Some(top)) => ("sessions", top),
        (None, None) => return Ok(Sessions::Unknown),
    };
    let refuse = |raw: &RawValue| {
        let found = members::value(raw).unwrap_or_default();
        wrong(id, field, &found, "a list of at most 10000 sessions, each an object or an id, or their number")
    };
    let note = |words: String| notes.borrow_mut().push(format!("`{field}` {words}"));
    if !members::is_list(raw) {
        return match members::value(raw).unwrap_or_default() {
            Value::String(text) => Ok(oddities::sessions_of_text(&text, note)),
            value if value.as_f64().is_some_and(|number| number < 0.0) => {
                note(format!("is {value}, which counts as unknown"));
                Ok(Sessions::Unknown)
            }
            value if value.is_number() => whole(&value).map(Sessions::Count).ok_or_else(|| refuse(raw)),
            _ => Err(refuse(raw)),
        };
    }
    let list: Vec<&RawValue> = serde_json::from_str(raw.get()).unwrap_or_default();
    if list.len() > MAX_SESSIONS {
        note(format!("lists {} sessions, more than {MAX_SESSIONS}: only their number counts", list.len()));
        return Ok(Sessions::Count(list.len() as u64));
    }
    let sessions = list.into_iter().map(|raw| {
        let session = Session::listed(raw, text, id);
        session.map(Arc::new).ok_or_else(|| refuse(raw))
    });
    sessions.collect::<Result<_, _>>().map(Sessions::List)
}

fn distinct_users(sessions: &Sessions) -> Option<u64> {
    match sessions {
        Sessions::List(list) => {
            let mut users: Vec<&str> = list.iter().map(|session| &**session.user()).collect();
            users.sort_unstable();
            users.dedup();
            Some(users.len() as u64)
        }
        Sessions::Unknown | Sessions::Count(_) => None,
    }
}

/// Services are strings or objects with `name` (ARCHITECTURE.md, What a script sees).
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
