//! Tests of the agent.

use serde_json::{Map, Value};

use super::report::NodeIdentity;
use super::sessions::SessionsSource;
use super::*;
use crate::config::{Keeping, Namespace};

fn settings(id: &str) -> AgentSettings {
    AgentSettings {
        namespace: Namespace::default(),
        identity: NodeIdentity { id: id.to_owned(), ..NodeIdentity::default() },
        metadata: Map::new(),
        static_data: None,
        sessions: None,
        metrics: None,
        facts: Vec::new(),
        starts: None,
        interval: Duration::from_secs(15),
        liveness: Duration::from_secs(90),
        keeping: Keeping::default(),
    }
}

#[test]
fn what_could_never_report_is_refused_at_start() {
    for id in ["", "a\nb", &"x".repeat(256)] {
        assert!(matches!(Agent::new(settings(id)), Err(AgentError::Id(_))), "{id:?}");
    }
    let slow = AgentSettings { interval: Duration::from_secs(60), ..settings("a") };
    assert!(Agent::new(slow).unwrap_err().to_string().starts_with("an interval of 60 s is too long"));
    let missing = AgentSettings { static_data: Some("/nonexistent".into()), ..settings("a") };
    assert!(matches!(Agent::new(missing), Err(AgentError::StaticData(_))));
    assert!(Agent::new(settings("a..b *ü")).is_ok());
}

#[tokio::test]
async fn once_is_the_whole_document() {
    let command = |line: &str| SessionsSource {
        lister: sessions::Lister::Command(line.to_owned()),
        every: Duration::from_secs(5),
        limit: Duration::from_secs(30),
    };
    let with = |line| AgentSettings { sessions: Some(command(line)), ..settings("a") };
    let document = Agent::new(with("echo '[\"s\"]'")).unwrap().once().await.unwrap();
    let node: Value = serde_json::from_str(&document.text).unwrap();
    assert_eq!(node["nodeData"]["sessions"], serde_json::json!(["s"]));
    let document = Agent::new(with("exit 1")).unwrap().once().await.unwrap();
    let node: Value = serde_json::from_str(&document.text).unwrap();
    assert_eq!(node["nodeData"].get("sessions"), None);
    assert!(document.warnings[0].starts_with("the sessions are not known: the sessions command ended with"));
}

#[test]
fn intervals_are_never_longer_than_asked() {
    for _ in 0..100 {
        let pause = jittered(Duration::from_secs(10));
        assert!(pause >= Duration::from_secs(8) && pause <= Duration::from_secs(10));
    }
}
