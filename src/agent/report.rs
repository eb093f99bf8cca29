//! The node document: put together from parts, and reduced where the parts are too large together.
//!
//! A document that the service would refuse is worth nothing, so the document is first read here by the service's own
//! rules. Parts that had to be left out are named in the document itself and in the log.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::model::Report;
use crate::model::report::MAX_DOCUMENT_BYTES;

/// The fields of a session that placements read.
const ESSENTIAL: [&str; 9] =
    ["id", "sessionId", "user", "login", "username", "name", "state", "reservation", "serverId"];

const NO_METRICS: &str = "metrics are not reported";

/// The identity of the node, as set by the administrator.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeIdentity {
    /// The id in the cluster.
    pub id: String,
    /// The host name, for people.
    pub hostname: String,
    /// The addresses of the node's sessions.
    pub urls: Vec<String>,
    /// The most sessions that the node takes.
    pub max_sessions: Option<u64>,
    /// The names of the services that the node runs.
    pub services: Vec<String>,
    /// Whether the node's own configuration says that the node takes no new sessions.
    pub cordoned: bool,
}

/// The facts about a run of the agent that go into each of its documents.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AgentRunFacts {
    /// The name of the run, which no other run has.
    pub name: String,
    /// The start of the run, in Unix milliseconds.
    pub started_ms: i64,
    /// The time between two reports when nothing changes.
    pub interval: Duration,
}

/// The parts of a document.
#[derive(Clone, Debug)]
pub struct ReportParts<'a> {
    /// The identity of the node.
    pub identity: &'a NodeIdentity,
    /// This run of the agent.
    pub run: &'a AgentRunFacts,
    /// The health of the machine.
    pub health: Value,
    /// The sessions; `None` where they are not known.
    pub sessions: Option<&'a [Value]>,
    /// The metadata.
    pub metadata: &'a Map<String, Value>,
    /// The static data; `None` where the node has no file of static data.
    pub static_data: Option<&'a Map<String, Value>>,
    /// The metrics, by name.
    pub metrics: Map<String, Value>,
    /// The counts of countable facts, by name.
    pub facts: Map<String, Value>,
    /// The stale metrics, each with the reason.
    pub metrics_stale: Map<String, Value>,
    /// The warnings for the administrator about this report.
    pub warnings: Vec<String>,
}

/// A document that the service will accept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportDocument {
    /// The text.
    pub text: String,
    /// The warnings for the administrator about this document.
    pub warnings: Vec<String>,
}

/// The reason why no document could be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this node's document would be refused: {0}")]
pub struct Unreportable(String);

/// Returns the document of these parts, with less of the sessions where all of them are too much, and then without
/// metrics.
///
/// # Errors
/// [`Unreportable`] where the document would be refused even without the parts that can be left out.
pub fn compose(mut parts: ReportParts<'_>) -> Result<ReportDocument, Unreportable> {
    match with_less_sessions(parts.clone()) {
        Err(refused) if !parts.metrics.is_empty() || !parts.metrics_stale.is_empty() => {
            (parts.metrics, parts.metrics_stale) = (Map::new(), Map::new());
            parts.warnings.push(format!("{NO_METRICS}: {}", refused.0));
            with_less_sessions(parts)
        }
        composed => composed,
    }
}

/// Whether `warning` tells of a part that was left out to make a document fit.
pub(super) fn is_reduction(warning: &str) -> bool {
    [NO_METRICS, "sessions are reported"].iter().any(|begin| warning.starts_with(begin))
}

fn with_less_sessions(mut parts: ReportParts<'_>) -> Result<ReportDocument, Unreportable> {
    let Some(sessions) = parts.sessions else { return judged(&parts, Value::Null) };
    let refused = match judged(&parts, Value::Array(sessions.to_vec())) {
        Err(refused) => refused,
        whole => return whole,
    };
    parts.warnings.push(format!("sessions are reported with their essential fields alone: {}", refused.0));
    let refused = match judged(&parts, sessions.iter().map(essential).collect()) {
        Err(refused) => refused,
        essential => return essential,
    };
    parts.warnings.pop();
    parts.warnings.push(format!("sessions are reported as a number alone: {}", refused.0));
    judged(&parts, sessions.len().into())
}

/// Returns the document, if the service will accept the document.
fn judged(parts: &ReportParts<'_>, sessions: Value) -> Result<ReportDocument, Unreportable> {
    let text = document(parts, sessions).to_string();
    if text.len() > MAX_DOCUMENT_BYTES {
        return Err(Unreportable(format!("it has {} bytes, at most {MAX_DOCUMENT_BYTES} are taken", text.len())));
    }
    match Report::parse(text.as_bytes()) {
        Ok(_) => Ok(ReportDocument { text, warnings: parts.warnings.clone() }),
        Err(error) => Err(Unreportable(error.to_string())),
    }
}

fn document(parts: &ReportParts<'_>, sessions: Value) -> Value {
    let identity = parts.identity;
    let services: Vec<Value> = identity.services.iter().map(|name| json!({"name": name})).collect();
    let mut data = json!({"health": parts.health, "services": services});
    let mut node = json!({
        "id": identity.id,
        "hostname": identity.hostname,
        "urls": identity.urls,
        "cordoned": identity.cordoned,
        "metadata": parts.metadata,
        "agent": {
            "version": env!("CARGO_PKG_VERSION"),
            "run": parts.run.name,
            "started_ms": parts.run.started_ms,
            "interval_ms": parts.run.interval.as_millis() as u64,
            "warnings": parts.warnings,
        },
    });
    if let Some(agent) = node.get_mut("agent").and_then(Value::as_object_mut).filter(|_| !parts.facts.is_empty()) {
        agent.insert("facts".to_owned(), Value::Object(parts.facts.clone()));
    }
    if let Some(data) = data.as_object_mut().filter(|_| !sessions.is_null()) {
        data.insert("sessions".to_owned(), sessions);
    }
    if let Some(node) = node.as_object_mut() {
        node.insert("nodeData".to_owned(), data);
        let metrics = [("metrics", &parts.metrics), ("metricsStale", &parts.metrics_stale)];
        let metrics = metrics.into_iter().filter(|(_, metrics)| !metrics.is_empty());
        node.extend(metrics.map(|(name, metrics)| (name.to_owned(), Value::Object(metrics.clone()))));
        node.extend(parts.static_data.map(|data| ("staticData".to_owned(), Value::Object(data.clone()))));
        node.extend(identity.max_sessions.map(|max| ("maxSessions".to_owned(), json!(max))));
    }
    node
}

fn essential(session: &Value) -> Value {
    match session {
        Value::Object(session) => {
            let kept = session.iter().filter(|(name, _)| ESSENTIAL.contains(&name.as_str()));
            Value::Object(kept.map(|(name, value)| (name.clone(), value.clone())).collect())
        }
        id => id.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::report::Sessions;

    fn identity() -> NodeIdentity {
        let services = vec!["launcher".to_owned()];
        NodeIdentity { id: "a".to_owned(), hostname: "host-a".to_owned(), services, ..NodeIdentity::default() }
    }

    fn composed(sessions: Option<&[Value]>) -> ReportDocument {
        let (identity, metadata) = (identity(), Map::from_iter([("gpu".to_owned(), json!("a100"))]));
        let static_data = Map::from_iter([("weight".to_owned(), json!(2))]);
        let parts = ReportParts {
            identity: &identity,
            run: &AgentRunFacts::default(),
            health: json!({"mem": {"free": 5}}),
            sessions,
            metadata: &metadata,
            static_data: Some(&static_data),
            metrics: Map::from_iter([("gpu".to_owned(), json!({"free": 3}))]),
            facts: Map::new(),
            metrics_stale: Map::new(),
            warnings: Vec::new(),
        };
        compose(parts).unwrap()
    }

    fn sessions_of(document: &ReportDocument) -> Sessions {
        Report::parse(document.text.as_bytes()).unwrap().sessions
    }

    #[test]
    fn a_document_is_a_fastx_node() {
        let document = composed(Some(&[json!({"id": "s", "user": "ann"})]));
        let node: Value = serde_json::from_str(&document.text).unwrap();
        assert_eq!(node["nodeData"]["services"], json!([{"name": "launcher"}]));
        assert_eq!(node["nodeData"]["health"]["mem"]["free"], 5);
        assert_eq!((&node["metadata"]["gpu"], &node["staticData"]["weight"]), (&json!("a100"), &json!(2)));
        assert_eq!((node.get("maxSessions"), node.get("metricsStale")), (None, None));
        assert_eq!(node["metrics"], json!({"gpu": {"free": 3}}));
        let report = Report::parse(document.text.as_bytes()).unwrap();
        assert!(report.runs("launcher"));
        assert_eq!(report.figures().weight, Some(2.0));
        assert_eq!(sessions_of(&composed(None)), Sessions::Unknown, "unknown is not empty");
    }

    #[test]
    fn too_much_is_left_out_in_steps_and_said() {
        let session = |extra: usize| json!({"id": "s", "user": "ann", "x": "y".repeat(extra)});
        let list = vec![session(1); 100];
        assert_eq!(composed(Some(&list)).warnings, Vec::<String>::new());

        let list = vec![session(1000); 300];
        let document = composed(Some(&list));
        assert!(matches!(sessions_of(&document), Sessions::List(list) if list.len() == 300));
        assert!(document.text.contains(r#""warnings":["sessions are reported with their essential fields alone"#));
        assert!(!document.text.contains("yyy"));

        let list = vec![json!({"id": "s".repeat(40), "user": "ann"}); 9000];
        let document = composed(Some(&list));
        assert_eq!(sessions_of(&document), Sessions::Count(9000));
        assert!(
            matches!(document.warnings.as_slice(), [only] if only.starts_with("sessions are reported as a number"))
        );
    }

    #[test]
    fn metrics_are_no_reason_to_be_no_node() {
        let large = |bytes: usize| Map::from_iter([("x".to_owned(), json!({"y": "z".repeat(bytes)}))]);
        let (identity, metadata, static_data) = (identity(), large(220_000), large(32_000));
        let parts = ReportParts {
            identity: &identity,
            run: &AgentRunFacts::default(),
            health: json!({}),
            sessions: Some(&[]),
            metadata: &metadata,
            static_data: Some(&static_data),
            metrics: large(16_000),
            facts: Map::new(),
            metrics_stale: Map::new(),
            warnings: vec![],
        };
        let document = compose(parts).unwrap();
        assert!(matches!(document.warnings.as_slice(), [only] if is_reduction(only)), "{:?}", document.warnings);
        assert_eq!(serde_json::from_str::<Value>(&document.text).unwrap().get("metrics"), None);
    }

    #[test]
    fn what_can_never_be_reported_is_an_error() {
        let identity = NodeIdentity { urls: vec!["u".repeat(MAX_DOCUMENT_BYTES)], ..identity() };
        let metadata = Map::new();
        let parts = ReportParts {
            identity: &identity,
            run: &AgentRunFacts::default(),
            health: json!({}),
            sessions: None,
            metadata: &metadata,
            static_data: None,
            metrics: Map::new(),
            facts: Map::new(),
            metrics_stale: Map::new(),
            warnings: vec![],
        };
        assert!(compose(parts).unwrap_err().to_string().contains("at most 262144"));
    }
}
