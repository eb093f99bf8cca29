//! Reading a document and building the fields agree, and both survive serialization to another process.

use serde_json::json;

use super::*;

fn documents() -> [Value; 4] {
    [
        json!({"id": "a"}),
        json!({"serverId": "a", "sessions": 3.0, "freemem": 7, "loadavg": [1, 2], "x": {"y": [1]}, "serverPool": "p"}),
        json!({"id": "a", "u": 1, "maxSessions": 4, "v": 2, "urls": ["https://a"], "w": null, "staticData": {"gpu": 1, "v": 9},
            "metadata": {"weight": " 2 "}, "nodeData": {"b": 1, "services": ["y", {"name": "x"}, "y"], "c": 2,
            "health": {"os": {"hostname": "h", "uptime": 5}, "cpu": {"load5": 0.5, "z": 1}, "process": {"pid": 7}},
            "sessions": ["s1", {"user": "ann", "reservation": "r", "more": [1]}, {"login": "ann"}]}}),
        json!({"id": "a", "nodeData": null, "metadata": null, "sessions": null, "hostname": "n"}),
    ]
}

#[test]
fn each_field_by_itself_is_as_among_all() {
    for document in documents() {
        let report = Report::from_value(document).unwrap();
        let all = report.fields(None).into_owned();
        for (name, value) in &all {
            let one = report.fields(Some(&[name]));
            assert!(one.get(name).is_some_and(|one| json::is_identical(one, value)), "{name}: {one:?}, {value:?}");
        }
        assert_eq!(report.fields(Some(&["nope"])).get("nope"), None);
        report.keep_fields();
        assert!(json::are_identical(&report.fields(Some(&["id"])), &all), "what is kept is whole");
    }
}

#[test]
fn figures_are_read_beside_the_text() {
    let [_, old, new, _] = documents().map(|document| Report::from_value(document).unwrap());
    assert_eq!((old.sessions.count(), old.figures().free_memory, old.server_pool()), (Some(3), Some(7.0), "p"));
    assert_eq!((old.figures().load1, old.figures().load5), (Some(1.0), Some(2.0)));
    assert_eq!((new.hostname(), new.process(), new.figures().uptime), ("h", Some(7), Some(5.0)));
    assert_eq!((new.figures().weight, new.figures().users), (Some(2.0), Some(2)));
    assert_eq!((new.services().len(), new.runs("x"), new.runs("z")), (2, true, false));
    assert_eq!(new.urls().map(RawValue::get), Some(r#"["https://a"]"#));
    let users: Vec<_> = new.sessions.listed().iter().map(|session| &**session.user()).collect();
    assert_eq!(users, ["", "ann", "ann"]);
}

#[test]
fn a_report_is_the_same_in_another_process() {
    for document in documents() {
        let report = Report::from_value(document).unwrap();
        let sent = postcard::to_stdvec(&report).unwrap();
        let back: Report = postcard::from_bytes(&sent).unwrap();
        assert_eq!((&back, back.differs(&report)), (&report, NodeParts::NONE));
        assert_eq!((&back.sessions, back.figures()), (&report.sessions, report.figures()));
        assert_eq!(back.sessions.listed().iter().map(|s| s.reservation()).collect::<Vec<_>>(), {
            report.sessions.listed().iter().map(|s| s.reservation()).collect::<Vec<_>>()
        });
        assert!(json::are_identical(&back.fields(None), &report.fields(None)));
    }
}

#[test]
fn of_two_members_of_one_name_the_last_one_counts() {
    let text = r#"{"id":"a","id":"b","sessions":[],"sessions":2,"nodeData":{"x":1},"nodeData":{"health":{"cpu":{"load1":9},"cpu":{"load1":1}}}}"#;
    let report = Report::parse(text.as_bytes()).unwrap();
    assert_eq!((&*report.id, report.sessions.count(), report.figures().load1), ("b", Some(2), Some(1.0)));
    let whole = Report::from_value(serde_json::from_str(text).unwrap()).unwrap();
    assert!(json::are_identical(&report.fields(None), &whole.fields(None)));
    for no_object in ["null", "true", "1", "-1", "1.5", r#""x""#, r#"[1,{"x":2}]"#] {
        let text = format!(r#"{{"id":"a","nodeData":{no_object},"urls":["https://a"],"nodeData":{{"x":1}}}}"#);
        let fields = Report::parse(text.as_bytes()).unwrap().fields(None).into_owned();
        assert_eq!((&fields["urls"], &fields["nodeData"]["x"]), (&json!(["https://a"]), &json!(1)), "{no_object}");
    }
}

/// Unread values must be sound too: a script may read them later, when nothing can be refused any more.
#[test]
fn a_fault_in_what_nobody_reads_is_refused() {
    for fault in [r#""\ud800""#, "1e999", "01", r#"{"a"}"#, "\"\u{1}\"", "[1,]"] {
        for text in [
            format!(r#"{{"id":"a","metadata":{{"x":{fault}}}}}"#),
            format!(r#"{{"id":"a","nodeData":{{"sessions":[{{"x":{fault}}}],"y":1}}}}"#),
        ] {
            assert!(matches!(Report::parse(text.as_bytes()), Err(ReportError::Json(_))), "{text}");
        }
    }
    assert!(Report::parse(b"{\"id\":\"a\",\"x\":\"\xff\"}").is_err());
    assert!(matches!(Report::parse(b"[1]"), Err(ReportError::NotAnObject("a list"))));
}
