//! The JSON Schemas under a validator: documents that whither reads are as they say, and others are not.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use whither::model::{Failure, FailureName, LimitKind, Report, Request};
use whither::nats::wire::{self, Placed};
use whither::types::reply::{ERROR, PLACEMENT};

use super::checkers::{ajv, checkers};
use crate::support::shell::Shell;

fn schema(name: &str) -> Value {
    let told = Shell::new().whither(["types", "--stdout", name]);
    serde_json::from_str(&told.stdout).unwrap()
}

/// Checks that each of `right` is as the schema called `name` says, and each of `wrong` is not.
#[track_caller]
fn check(name: &str, right: &[Value], wrong: &[Value]) {
    let Some(checkers) = checkers() else { return };
    let schema = schema(name);
    for (document, said) in right.iter().zip(ajv(&checkers, &schema, right)) {
        assert_eq!(said, None, "{name}: {document}");
    }
    for (document, said) in wrong.iter().zip(ajv(&checkers, &schema, wrong)) {
        assert!(said.is_some(), "{name}: {document}");
    }
}

/// What the reader of nodes takes and what it refuses, the schema takes and refuses.
#[test]
fn nodes() {
    let mut right: Vec<Value> = serde_json::from_str(include_str!("../../../scripts/nodes.json")).unwrap();
    let cases: Value = serde_json::from_str(include_str!("../../fastx/cases.json")).unwrap();
    let sets = cases["node_sets"].as_object().unwrap().values();
    right.extend(sets.flat_map(|set| set.as_array().unwrap().clone()));
    right.extend([
        json!({"id": "a", "sessions": 3, "freemem": null, "nodeData": null, "anything": [1]}),
        json!({"serverId": "a", "nodeData": {"sessions": ["s1", {"id": "s2"}], "health": {"os": {"type": "Linux"}}}}),
        json!({"id": "a", "nodeData": {"sessions": 7, "services": ["x", {"name": "y"}]}, "metadata": {"rack": "7"}}),
    ]);
    let wrong = [
        json!({}),
        json!([]),
        json!({"hostname": "a"}),
        json!({"id": "a", "cordoned": "yes"}),
        json!({"id": "a", "maxSessions": 1.5}),
        json!({"id": "a", "freemem": "8 GB"}),
        json!({"id": "a", "nodeData": {"health": {"cpu": {"load1": "0.5"}}}}),
        json!({"id": "a", "nodeData": {"sessions": [7]}}),
        json!({"id": "a", "staticData": [1]}),
        json!({"id": "x".repeat(256)}),
    ];
    for node in &right {
        assert!(Report::from_value(node.clone()).is_ok(), "{node}");
    }
    for node in &wrong {
        assert!(Report::from_value(node.clone()).is_err(), "{node}");
    }
    check("node.schema.json", &right, &wrong);
}

#[test]
fn requests() {
    let right = [
        json!({}),
        json!({"id": "7", "action": "user/login", "user": {"login": "ann", "more": 1}, "userGroups": ["cad"]}),
        json!({"params": {"me": {"login": "ann"}, "start": {"name": "x"}, "jwt": "token"}, "wait_ms": 30_000}),
        json!({"isAdmin": null, "data": {"pool": "a"}, "reservation_s": 600, "explain": true, "whatever": {}}),
    ];
    let wrong = [
        json!([]),
        json!({"user": "ann"}),
        json!({"id": ""}),
        json!({"action": 7}),
        json!({"isAdmin": "yes"}),
        json!({"wait_ms": 600_001}),
        json!({"wait_ms": 1.5}),
        json!({"reservation_s": 0}),
        json!({"params": {"me": "ann"}}),
        json!({"userGroups": "cad"}),
    ];
    for request in &right {
        assert!(Request::from_value(request.clone(), "").is_ok(), "{request}");
    }
    for request in &wrong {
        assert!(Request::from_value(request.clone(), "").is_err(), "{request}");
    }
    check("request.schema.json", &right, &wrong);
}

/// The names of an object's members.
fn names(object: &Value) -> BTreeSet<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

/// Replies as the service writes them, with all fields and with the fewest.
#[test]
fn replies() {
    let urls = serde_json::value::to_raw_value(&["https://a.site.example:3300"]).unwrap();
    let whole = Placed {
        node: "a",
        hostname: Some("a.site.example"),
        urls: Some(&urls),
        decision: "d",
        generation: 7,
        seed: Some(u64::MAX),
        now: Some(1_800_000_000_000),
        decided_by: Some("pick.js"),
        chain: "session/start",
        reservation: Some("d"),
        expires_in_ms: Some(60_000),
    };
    let least = Placed {
        hostname: None,
        urls: None,
        seed: None,
        now: None,
        decided_by: None,
        reservation: None,
        expires_in_ms: None,
        ..whole.clone()
    };
    let mut all = json!(whole);
    // The front adds these two.
    all["warnings"] = json!(["a slip"]);
    all["explanation"] = json!({"steps": []});
    let least = json!(least);
    assert_eq!(names(&all), PLACEMENT.iter().map(|field| field.name).collect());
    assert_eq!(names(&least), PLACEMENT.iter().filter(|field| field.required).map(|field| field.name).collect());
    let mut failure = Failure::limit(LimitKind::Time, "too long").at_step(&"pick.js".into());
    failure.position = Some(whither::model::Position { file: "pick.js".into(), line: 1, column: 2 });
    failure.thrown = Some(whither::model::Thrown { name: "Error".to_owned(), message: "no".to_owned() });
    let failed = wire::failed(&failure, Some(&Default::default()));
    let plain = wire::failed(&Failure::new(FailureName::NoNode, "no node is left"), None);
    assert_eq!(names(&failed["error"]), ERROR.iter().map(|field| field.name).collect());
    let required = ERROR.iter().filter(|field| field.required).map(|field| field.name).collect();
    assert_eq!(names(&plain["error"]), required);
    let wrong = [json!({}), json!({"node": 7}), json!({"error": {"name": "no-such", "message": "x", "code": 1}})];
    check("reply.schema.json", &[all, least, failed, plain], &wrong);
}

fn config(text: &str) -> Value {
    serde_json::to_value(toml::from_str::<toml::Value>(text).unwrap()).unwrap()
}

/// A config is read by `place`, which needs no bus, so that reader and schema can be asked the same.
#[test]
fn configs() {
    let chain = "[chain.\"session/start\"]\nsteps = [\"builtin:fewest-sessions\"]\n";
    let written = {
        let shell = Shell::new();
        assert_eq!(shell.whither(["new", "config"]).code, Some(0));
        shell.read("whither.toml")
    };
    let right = [
        written,
        chain.to_owned(),
        format!("[limits]\nqueue = 7\n[service]\nuser_names = \"short\"\nenvironment = [\"A\"]\n{chain}"),
        "[chain.x]\nreserve = true\nsteps = [{ builtin = \"weighted\", on_error = \"fallback:weighted\" }]\n"
            .to_owned(),
        format!("[nats]\nurl = [\"nats://a:4222\", \"nats://b:4222\"]\nreplicas = 3\ntls_required = true\n{chain}"),
    ];
    let wrong = [
        format!("[limits]\nqueue = 0\n{chain}"),
        format!("[limits]\nqeue = 7\n{chain}"),
        format!("[nonsense]\n{chain}"),
        format!("[service]\nuser_names = \"long\"\n{chain}"),
        format!("[service]\nenvironment = [7]\n{chain}"),
        format!("[nats]\ntls_required = \"yes\"\nurl = \"nats://a:4222\"\n{chain}"),
        "[chain.x]\nsteps = []\n".to_owned(),
        "[chain.x]\nreserve = true\n".to_owned(),
        "[chain.x]\nsteps = [{ builtin = \"weighted\", script = \"a.js\" }]\n".to_owned(),
        "[chain.x]\nsteps = [{ builtin = \"weighted\", on_limit = \"never\" }]\n".to_owned(),
        "[chain.x]\nsteps = [7]\n".to_owned(),
    ];
    for (texts, is_right) in [(&right[..], true), (&wrong[..], false)] {
        for text in texts {
            let shell = Shell::new();
            shell.write("whither.toml", text);
            shell.write("nodes.json", r#"[{"id": "a", "nodeData": {"sessions": []}}]"#);
            let action = if text.contains("[chain.x]") { "x" } else { "session/start" };
            let told =
                shell.whither(["place", "--nodes", "nodes.json", "--config", "whither.toml", "--action", action]);
            assert_eq!(told.code, Some(if is_right { 0 } else { 2 }), "{text}: {}", told.stderr);
        }
    }
    check("config.schema.json", &right.map(|text| config(&text)), &wrong.map(|text| config(&text)));
}

/// `whither test` reads the files of tests, so that reader and schema can be asked the same.
#[test]
fn suites() {
    let shipped = |name: &str| [env!("CARGO_MANIFEST_DIR"), "scripts", name].iter().collect::<std::path::PathBuf>();
    let names = ["allow-list", "gpu-for-group", "login-nodes", "sticky-user", "weighted-load"];
    let right = names.map(|name| std::fs::read_to_string(shipped(&format!("{name}.test.toml"))).unwrap());
    let case = "[[case]]\nname = \"a\"\nnodes = [{ id = \"a\" }]\nexpect = { node = \"a\" }\n";
    let steps = "steps = [\"builtin:fewest-sessions\"]\n";
    let wrong = [
        steps.to_owned(),
        format!("{steps}stesp = 1\n{case}"),
        format!("steps = 7\n{case}"),
        format!("{steps}{case}repeat = \"often\"\n"),
        format!("{steps}{}", case.replace("node = \"a\"", "nood = \"a\"")),
    ];
    for text in &wrong {
        let shell = Shell::new();
        shell.write("a.test.toml", text);
        assert_eq!(shell.whither(["test"]).code, Some(2), "{text}");
    }
    check("suite.schema.json", &right.map(|text| config(&text)), &wrong.map(|text| config(&text)));
}
