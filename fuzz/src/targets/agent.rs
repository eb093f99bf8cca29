//! What an agent reads of its machine: lists of sessions, records of logins; up to the document that it reports.

use serde_json::{Map, Value, json};
use whither::agent::report::{AgentRunFacts, NodeIdentity, ReportParts, compose};
use whither::agent::{logins, sessions};
use whither::model::Report;
use whither::model::report::{MAX_DOCUMENT_BYTES, MAX_SESSIONS};

use super::{choice, must_be_short};

/// The first byte says where the sessions are from. What comes of them is a document that the service takes, or none.
pub fn run(bytes: &[u8]) {
    let (source, bytes) = choice(bytes, 3);
    let sessions = match source {
        0 => sessions::read(bytes).map_err(|error| must_be_short(&error)),
        1 => logins::logind_sessions(bytes).map_err(|error| error.to_string()),
        _ => Ok(logins::utmp_sessions(bytes)),
    };
    let Ok(sessions) = sessions else { return };
    assert!(source != 0 || sessions.len() <= MAX_SESSIONS);
    assert!(sessions.iter().all(|session| session.is_object() || session.is_string()));
    let identity = NodeIdentity { id: "a".to_owned(), hostname: "host-a".to_owned(), ..NodeIdentity::default() };
    let metrics = Map::from_iter([("printed".to_owned(), json!({"first": sessions.first()}))]);
    let parts = ReportParts {
        run: &AgentRunFacts { name: "run".to_owned(), ..AgentRunFacts::default() },
        identity: &identity,
        health: json!({"mem": {"free": 5}}),
        sessions: Some(&sessions),
        metadata: &Map::from_iter([("gpu".to_owned(), Value::from("a100"))]),
        static_data: None,
        metrics,
        facts: Map::new(),
        metrics_stale: Map::new(),
        warnings: Vec::new(),
    };
    let document = compose(parts).expect("a node without its sessions can always be reported");
    assert!(document.text.len() <= MAX_DOCUMENT_BYTES);
    let report = Report::parse(document.text.as_bytes()).expect("the service takes it");
    assert_eq!(report.sessions.count(), Some(sessions.len() as u64));
}
