//! Tests of the answers to questions for log lines.

use super::*;

fn line(level: LineLevel, text: &str) -> KeptLine {
    KeptLine { seq: 0, at_ms: 1000, level, target: "whither::front".to_owned(), text: text.to_owned() }
}

#[test]
fn a_process_is_called_by_kind_name_or_both() {
    let process = LogProcess { kind: "agent", name: "node-1".to_owned(), host: "h".to_owned() };
    assert!(["agent", "node-1", "agent/node-1"].iter().all(|name| process.is_called(name)));
    assert!(["serve", "node-2", "agent/", "", "node"].iter().all(|name| !process.is_called(name)));
}

#[test]
fn lines_are_wanted_by_level_text_and_age() {
    let query = LogsQuery { level: Some(LineLevel::Warn), text: Some("Node".to_owned()), ..LogsQuery::default() };
    assert!(query.matches(&line(LineLevel::Error, "a NODE is gone")));
    assert!(!query.matches(&line(LineLevel::Info, "a node is gone")));
    assert!(!query.matches(&line(LineLevel::Warn, "gone")));
    let target = LogsQuery { text: Some("front".to_owned()), ..LogsQuery::default() };
    assert!(target.matches(&line(LineLevel::Trace, "x")));
    let young = LogsQuery { since_ms: Some(500), ..LogsQuery::default() };
    assert!(young.wants(&line(LineLevel::Info, "x"), 1500) && !young.wants(&line(LineLevel::Info, "x"), 1501));
}

#[test]
fn requests_have_known_fields_alone() {
    assert_eq!(read::<LogsQuery>(b" "), Ok(LogsQuery::default()));
    assert_eq!(read::<LogsQuery>(br#"{"level": "warn"}"#).unwrap().level, Some(LineLevel::Warn));
    for wrong in [&br#"{"levels": "warn"}"#[..], br#"{"level": "loud"}"#, b"{", &vec![b' '; 0][..]] {
        let read = read::<LogsQuery>(wrong);
        assert_eq!(read.is_ok(), wrong.is_empty(), "{read:?}");
    }
    assert!(read::<LevelOrder>(format!("{{\"by\": \"{}\"}}", "x".repeat(REQUEST_BYTES)).as_bytes()).is_err());
}
