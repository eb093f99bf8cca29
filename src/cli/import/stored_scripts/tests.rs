//! Tests of finding scripts and chains in stores of several shapes.

use super::*;
use serde_json::json;

const GPU: &str = "function (input) { return input.servers.filter(s => s.staticData.gpu) }";

/// Returns the places of the chains, as `action target (listed)`, the names of the scripts, and the report's messages.
fn read(documents: &[(&str, Value)]) -> (Vec<String>, Vec<String>, Vec<String>) {
    let document = |(id, value): &(&str, Value)| StoreDocument {
        source: "config-store.db".to_owned(),
        id: (*id).to_owned(),
        value: value.clone(),
    };
    let documents: Vec<_> = documents.iter().map(document).collect();
    let mut report = ImportReport::default();
    let contents = StoreContents::read(&documents, StoreContents::default(), &mut report);
    let target = |target| match target {
        ChainTarget::Script(number) => contents.scripts[number].name.clone(),
        ChainTarget::Builtin(builtin) => format!("builtin:{}", builtin.name()),
    };
    let place = |place: &ChainPlace| {
        let listed = if place.is_listed { " listed" } else { "" };
        let off = if place.is_off { " off" } else { "" };
        format!("{} {}{listed}{off}", place.action.unwrap_or("none"), target(place.target))
    };
    let messages = report.lines().iter().map(|line| format!("{}: {}", line.place, line.message)).collect();
    (
        contents.places.iter().map(place).collect(),
        contents.scripts.iter().map(|script| script.name.clone()).collect(),
        messages,
    )
}

#[test]
fn a_document_a_script_with_defaults_that_name_them() {
    let (places, names, messages) = read(&[
        ("s1", json!({"_id": "s1", "data": {"name": "GPU only", "script": GPU, "description": "x"}})),
        ("s2", json!({"_id": "s2", "data": {"name": "Fewest Sessions", "script": "function(input) { return 1 }"}})),
        ("defaultStartScript", json!({"_id": "defaultStartScript", "data": ["s1", "Fewest Sessions"]})),
        ("defaultLoginScript", json!({"_id": "defaultLoginScript", "data": "Round Robin"})),
        ("xterm", json!({"_id": "xterm", "data": {"command": "xterm", "name": "GPU only"}})),
    ]);
    assert_eq!(names, ["GPU only", "Fewest Sessions"]);
    let expected = [
        "none GPU only",
        "none builtin:fewest-sessions",
        "session/start GPU only listed",
        "session/start builtin:fewest-sessions listed",
        "user/login builtin:round-robin listed",
    ];
    assert_eq!(places, expected);
    assert_eq!(messages, [""; 0]);
}

#[test]
fn scripts_that_stand_in_the_lists_of_the_chains() {
    let login = "(input) => input.user.serverId";
    let (places, names, messages) = read(&[(
        "loadBalancing",
        json!({"login": [{"name": "stay", "fn": login}],
            "start": [{"name": "gpu", "fn": GPU, "enabled": false}, {"name": "Most Available Memory"}], "threshold": 4}),
    )]);
    assert_eq!(names, ["stay", "gpu"]);
    let expected =
        ["user/login stay listed", "session/start gpu listed off", "session/start builtin:most-memory listed"];
    assert_eq!(places, expected);
    assert_eq!(messages, ["loadBalancing: not understood: `loadBalancing: threshold`"]);
}

#[test]
fn scripts_with_labels_and_a_map_of_scripts() {
    let (places, names, _) = read(&[
        ("a", json!({"_id": "a", "name": "gpu-start", "action": "session/start", "order": 2, "source": GPU})),
        ("override", json!({"loadBalancing": {"scripts": {"license": {"body": GPU}, "plain": GPU}}})),
    ]);
    assert_eq!(names, ["gpu-start", "license", "plain"]);
    assert_eq!(places, ["session/start gpu-start", "none license", "none plain"]);
}

#[test]
fn a_single_choice_and_what_is_no_balancing() {
    let (places, names, messages) = read(&[
        ("loadBalancer", json!({"_id": "loadBalancer", "data": "most available memory"})),
        ("jobScheduling", json!({"_id": "jobScheduling", "data": {"script": "function(x) { return 'qsub' }"}})),
    ]);
    assert_eq!((places, names), (vec!["session/start builtin:most-memory listed".to_owned()], Vec::new()));
    assert!(messages[0].contains("a job script starts sessions"), "{messages:?}");
    let (places, _, messages) = read(&[("xterm", json!({"_id": "xterm", "data": {"command": "xterm"}}))]);
    assert!(places.is_empty() && messages == [": no balancer script in the documents of this store"], "{messages:?}");
}

#[test]
fn static_data_is_that_of_its_server() {
    let documents = [StoreDocument {
        source: "server-store.db".to_owned(),
        id: "k1".to_owned(),
        value: json!({"_id": "k1", "serverId": "node7", "staticData": {"gpu": true, "loadBalancing": 3}}),
    }];
    let mut report = ImportReport::default();
    let contents = StoreContents::read(&documents, StoreContents::default(), &mut report);
    let server = &contents.servers[0];
    assert_eq!((server.server.as_str(), server.place.as_str()), ("node7", "k1: staticData"));
    assert_eq!(Value::Object(server.data.clone()), json!({"gpu": true, "loadBalancing": 3}));
    assert!(report.lines().iter().all(|line| !line.message.contains("not understood")), "{report:?}");
}
