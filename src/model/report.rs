//! What a node said of itself, brought into one shape: the FastX 4 document with FastX 3's names derived beside it.
//!
//! Both generations' names are filled from one another here, once per report, so that no engine and no built-in ever
//! asks which generation a node belongs to. A report that breaks a rule is refused whole: half a node misleads scripts.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value, json};

use super::fields::{Fields, Vitals, number, whole, wrong};
use super::json::{self, JsonError, JsonLimits};
use super::parts::Parts;
use super::session::Session;

/// Top-level names that are the node's own figures, reported or absent.
const DERIVED: [&str; 7] = ["maxSessions", "sessions", "freemem", "totalmem", "cpu", "uptime", "loggedInUsers"];
/// The largest node document in bytes (ARCHITECTURE.md, Contracts).
pub const MAX_DOCUMENT_BYTES: usize = 64 * 1024;
/// The longest node id in bytes.
pub const MAX_ID_BYTES: usize = 255;
/// The most sessions that one report may list.
pub const MAX_SESSIONS: usize = 10_000;

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

/// The numbers that built-ins compare; each absent where the node did not report it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figures {
    /// Free memory in bytes.
    pub free_memory: Option<f64>,
    /// Load average of the last minute.
    pub load1: Option<f64>,
    /// Number of cores.
    pub cores: Option<f64>,
    /// The administrator's weight, from static data or else metadata; above zero.
    pub weight: Option<f64>,
    /// The most sessions that the node takes.
    pub max_sessions: Option<u64>,
}

/// A node's own document, normalised.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// The node's id.
    pub id: Arc<str>,
    /// The document as it came, to be handed on unchanged.
    pub text: Arc<str>,
    /// Every top-level field that a script sees, in the order it sees them; `nodeData.sessions` is empty here.
    pub fields: Map<String, Value>,
    /// Its sessions.
    pub sessions: Sessions,
    /// Its numbers.
    pub figures: Figures,
    /// Names of the services that it runs.
    pub services: BTreeSet<String>,
    /// Whether the document itself says that the node takes no new sessions.
    pub cordoned: bool,
}

impl Report {
    /// Reads one node document from JSON text.
    ///
    /// # Errors
    /// [`ReportError`] names the field that breaks a rule, and what was expected there.
    pub fn parse(text: &[u8]) -> Result<Self, ReportError> {
        Self::from_value(json::parse(text, JsonLimits::bytes(MAX_DOCUMENT_BYTES))?)
    }

    /// Reads one node document that was already parsed as part of a larger one.
    ///
    /// # Errors
    /// As [`Report::parse`].
    pub fn from_value(document: Value) -> Result<Self, ReportError> {
        let text: Arc<str> = document.to_string().into();
        if text.len() > MAX_DOCUMENT_BYTES {
            return Err(JsonError::TooLarge { bytes: text.len(), max_bytes: MAX_DOCUMENT_BYTES }.into());
        }
        if json::nests_deeper_than(text.as_bytes(), json::MAX_DEPTH) {
            return Err(JsonError::TooDeep { max_depth: json::MAX_DEPTH }.into());
        }
        match document {
            Value::Object(own) => normalise(own, text),
            other => Err(ReportError::NotAnObject(json::kind(&other))),
        }
    }

    /// The parts in which this report and `other` show a script different things.
    #[must_use]
    pub fn differs(&self, other: &Self) -> Parts {
        if self.text == other.text {
            return Parts::NONE;
        }
        let of_field = |name: &str| match name {
            "nodeData" => {
                let [own, others] =
                    [self, other].map(|report| report.fields.get("nodeData").and_then(Value::as_object));
                own.zip(others).map_or(Parts::ALL, |(own, others)| differing(own, others, Parts::of_data_field))
            }
            name => Parts::of_field(name),
        };
        let sessions = if self.sessions == other.sessions { Parts::NONE } else { Parts::SESSIONS };
        sessions.and(differing(&self.fields, &other.fields, of_field))
    }
}

/// The parts of the names under which two objects hold different values, or one of them none. The order of the names is
/// seen by those alone who look at the whole: a change of any part is one to them.
fn differing(left: &Map<String, Value>, right: &Map<String, Value>, part: impl Fn(&str) -> Parts) -> Parts {
    let is_changed = |name: &str, value: &Value| right.get(name).is_none_or(|other| !json::is_identical(value, other));
    let changed = left.iter().filter(|(name, value)| is_changed(name, value)).map(|(name, _)| name);
    let added = right.keys().filter(|name| !left.contains_key(*name));
    let parts = changed.chain(added).map(|name| part(name)).collect();
    if parts == Parts::NONE && !left.keys().eq(right.keys()) { Parts::REST } else { parts }
}

impl Serialize for Report {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Report {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // What one process of ours sends another is as it was written here: it need not be written again.
        let text = String::deserialize(deserializer)?;
        let document = json::parse_as(text.as_bytes(), JsonLimits::bytes(MAX_DOCUMENT_BYTES));
        let own = document.map_err(serde::de::Error::custom)?;
        normalise(own, text.into()).map_err(serde::de::Error::custom)
    }
}

/// The id that a document or a returned object names: `id`, else `serverId`.
#[must_use]
pub fn named_id(own: &Map<String, Value>) -> Option<&str> {
    json::text(own, "id").or_else(|| json::text(own, "serverId"))
}

fn normalise(mut own: Map<String, Value>, text: Arc<str>) -> Result<Report, ReportError> {
    let usable = |id: &&str| id.len() <= MAX_ID_BYTES && !id.chars().any(char::is_control);
    let id: Arc<str> = named_id(&own).filter(usable).ok_or(ReportError::NoId)?.into();
    let mut take = Fields { node: &id, own: &mut own };

    let mut data = take.object("nodeData")?;
    let mut data_fields = Fields { node: &id, own: &mut data };
    let mut health = data_fields.object("health")?;
    let services = data_fields.list("services")?;
    let listed = data_fields.own.remove("sessions");
    let sessions = read_sessions(&id, take.own.remove("sessions"), listed)?;

    let metadata = take.object("metadata")?;
    let static_data = take.object("staticData")?;
    let metrics = take.object("metrics")?;
    let urls = take.list("urls")?;
    let cordoned = take.flag("cordoned")?;
    let max_sessions = take.count("maxSessions")?;
    let vitals = Vitals::read(&mut take, &mut health)?;
    let hostname = take
        .text("hostname")?
        .or_else(|| health.get("os").and_then(|os| os.get("hostname")).and_then(Value::as_str).map(str::to_owned))
        .unwrap_or_default();
    let server_pool = take.text("serverPool")?.unwrap_or_default();
    let logged_in = take.count("loggedInUsers")?;
    let weight = [&static_data, &metadata].into_iter().find_map(|data| positive(data.get("weight")));
    let figures = Figures {
        free_memory: vitals.free,
        load1: vitals.load.first().copied(),
        cores: vitals.cores,
        weight,
        max_sessions,
    };

    data.insert("health".to_owned(), Value::Object(health));
    data.insert("services".to_owned(), Value::Array(services.clone()));
    data.insert("sessions".to_owned(), json!([]));

    let known = [
        ("id", Some(json!(&*id))),
        ("serverId", Some(json!(&*id))),
        ("hostname", Some(hostname.into())),
        ("urls", Some(urls.into())),
        ("nodeData", Some(data.into())),
        ("metadata", Some(metadata.into())),
        ("staticData", Some(static_data.clone().into())),
        ("metrics", Some(metrics.into())),
        ("cordoned", Some(cordoned.into())),
        ("maxSessions", max_sessions.map(Value::from)),
        ("sessions", session_count(&sessions).map(Value::from)),
        ("freemem", vitals.free.and_then(number)),
        ("totalmem", vitals.total.and_then(number)),
        ("loadavg", Some(vitals.load.iter().copied().filter_map(number).collect())),
        ("cpu", vitals.utilization.and_then(number)),
        ("uptime", vitals.uptime.and_then(number)),
        ("loggedInUsers", logged_in.or_else(|| distinct_users(&sessions)).map(Value::from)),
        ("serverPool", Some(server_pool.into())),
    ];
    own.remove("id");
    own.remove("serverId");
    let fields = arrange(known, own, static_data);
    Ok(Report {
        services: services.iter().filter_map(service_name).collect(),
        id,
        text,
        fields,
        sessions,
        figures,
        cordoned,
    })
}

/// The fields in the order in which scripts see them: what is known first, then the node's own words, then static data.
fn arrange<const N: usize>(
    known: [(&str, Option<Value>); N],
    own: Map<String, Value>,
    static_data: Map<String, Value>,
) -> Map<String, Value> {
    let known = known.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    let mut fields: Map<String, Value> = known.collect();
    for (name, value) in own.into_iter().chain(static_data) {
        // A figure that was not reported stays absent: static data of that name must not stand in for it.
        if !DERIVED.contains(&name.as_str()) {
            fields.entry(name).or_insert(value);
        }
    }
    fields
}

fn read_sessions(id: &str, top: Option<Value>, listed: Option<Value>) -> Result<Sessions, ReportError> {
    let (field, value) = match (listed, top) {
        (None | Some(Value::Null), Some(top)) => ("sessions", top),
        (Some(listed), _) => ("nodeData.sessions", listed),
        (None, None) => return Ok(Sessions::Unknown),
    };
    let expected = "a list of at most 10000 sessions, each an object or an id, or their number";
    let refuse = |value: &Value| wrong(id, field, value, expected);
    match &value {
        Value::Null => Ok(Sessions::Unknown),
        Value::Number(_) => whole(&value).map(Sessions::Count).ok_or_else(|| refuse(&value)),
        Value::Array(list) if list.len() <= MAX_SESSIONS => list
            .iter()
            .map(|session| Session::from_report(session, id).map(Arc::new).map_err(|_kind| refuse(session)))
            .collect::<Result<_, _>>()
            .map(Sessions::List),
        other => Err(refuse(other)),
    }
}

fn positive(value: Option<&Value>) -> Option<f64> {
    let number = match value? {
        Value::String(text) => text.trim().parse().ok()?,
        other => other.as_f64()?,
    };
    Some(number).filter(|number: &f64| number.is_finite() && *number > 0.0)
}

fn session_count(sessions: &Sessions) -> Option<u64> {
    match sessions {
        Sessions::Unknown => None,
        Sessions::Count(count) => Some(*count),
        Sessions::List(list) => Some(list.len() as u64),
    }
}

fn distinct_users(sessions: &Sessions) -> Option<u64> {
    match sessions {
        Sessions::List(list) => Some(list.iter().map(|session| session.user()).collect::<BTreeSet<_>>().len() as u64),
        Sessions::Unknown | Sessions::Count(_) => None,
    }
}

/// Services are strings or objects with `name` (ARCHITECTURE.md, What a script sees).
fn service_name(service: &Value) -> Option<String> {
    service.as_str().or_else(|| service.get("name").and_then(Value::as_str)).map(str::to_owned)
}
