//! Requests, from a file, from the command line and from options, right and wrong.

use serde_json::{Value, json};

use super::{FEWEST, NODES, chose, failed, place, place_by_script, scripted, seemly, site};

/// The request as `place` handed it to a script.
#[track_caller]
fn seen(arguments: &[&str]) -> Value {
    let told = place_by_script(&echo(), arguments);
    assert_eq!(told.code, Some(4), "{}", told.stderr);
    let start = told.stderr.find('{').unwrap();
    let end = told.stderr.rfind('}').unwrap();
    serde_json::from_str(&told.stderr[start..=end]).unwrap()
}

/// A script that throws what it was asked, without the nodes.
fn echo() -> crate::support::shell::Shell {
    scripted("function(input) { delete input.nodes; delete input.servers; throw new Error(JSON.stringify(input)); }")
}

#[test]
fn what_is_no_request_is_named() {
    let shell = site();
    shell.write("broken.json", "{\"user\":\n nobody}");
    shell.write("list.json", "[1]");
    shell.write("folder/file", "");
    let deep = format!("{{\"data\": {}{}}}", "[".repeat(5000), "]".repeat(5000));
    shell.write("deep.json", &deep);
    shell.write("large.json", json!({"data": {"x": "y".repeat(1 << 20)}}).to_string());
    for (request, words) in [
        ("none.json", vec!["none.json", "No such file"]),
        ("folder", vec!["folder", "directory"]),
        ("broken.json", vec!["broken.json", "not valid JSON", "line 2"]),
        ("list.json", vec!["list.json", "a list, expected an object"]),
        ("deep.json", vec!["deep.json", "nested deeper"]),
        ("large.json", vec!["large.json", "1048576"]),
        ("{\"user\":", vec!["--request", "not valid JSON"]),
        ("[]", vec!["--request", "a list, expected an object"]),
        ("{\"user\": \"ann\"}", vec!["`user` must be an object such as {\"login\": \"kim\"}, not a string"]),
        ("{\"user\": [\"ann\"]}", vec!["`user` must be an object", "not a list"]),
        ("{\"userGroups\": \"cad\"}", vec!["`userGroups` must be a list, not a string"]),
        ("{\"isAdmin\": 1}", vec!["`isAdmin` must be true or false, not a number"]),
        ("{\"data\": 7}", vec!["`data` must be an object, not a number"]),
        ("{\"params\": {\"me\": 7}}", vec!["`params.me` must be an object", "not a number"]),
        ("{\"id\": \"\"}", vec!["`id` must be", "not an empty string"]),
        ("{\"action\": 7}", vec!["`action` must be", "not a number"]),
    ] {
        failed(&place(&shell, &["--script", FEWEST, "--request", request]), 2, &words);
    }
}

#[test]
fn options_that_are_wrong_are_named() {
    let shell = site();
    for (arguments, words) in [
        (vec!["--data", "novalue"], vec!["--data novalue", "KEY=VALUE"]),
        (vec!["--timezone", "Mars/Base"], vec!["`Mars/Base`", "Europe/Berlin"]),
        (vec!["--now", "yesterday"], vec!["yesterday", "--now"]),
        (vec!["--seed", "0.5"], vec!["0.5", "--seed"]),
        (vec!["--seed", "99999999999999999999"], vec!["--seed"]),
        (vec!["--action", ""], vec!["`action` must be", "not an empty string"]),
        (vec!["--bogus"], vec!["--bogus"]),
        (vec!["--config", "whither.toml"], vec!["--script", "--config"]),
        (vec!["--user"], vec!["--user"]),
    ] {
        let told = place(&shell, &[&["--script", FEWEST], arguments.as_slice()].concat());
        failed(&told, 2, &words);
    }
    failed(&seemly(shell.whither::<&str>([])), 2, &["Usage", "place"]);
    failed(&seemly(shell.whither(["plaec"])), 2, &["plaec"]);
}

#[test]
fn options_make_a_request() {
    let asked =
        seen(&["--action", "user/login", "--user", "ann", "--group", "cad", "--group", "staff", "--data", "app=maya"]);
    assert_eq!(asked["action"], "user/login");
    assert_eq!((&asked["user"]["login"], &asked["params"]["me"]["login"]), (&json!("ann"), &json!("ann")));
    assert_eq!(asked["userGroups"], json!(["cad", "staff"]));
    assert_eq!((&asked["data"]["app"], &asked["params"]["start"]["app"]), (&json!("maya"), &json!("maya")));
    assert_eq!((&asked["isAdmin"], &asked["params"]["jwt"]), (&json!(false), &Value::Null));
    assert_eq!(asked["user"]["sessions"][0]["serverId"], "c");
}

#[test]
fn a_value_is_json_where_it_reads_as_such() {
    let asked = seen(&[
        "--data",
        "n=4",
        "--data",
        "t=true",
        "--data",
        "s=4 cores",
        "--data",
        "l=[1, \"x\"]",
        "--data",
        "e=",
        "--data",
        "q=\"4\"",
        "--data",
        "eq=a=b",
        "--data",
        "nothing=null",
    ]);
    let expected =
        json!({"n": 4, "t": true, "s": "4 cores", "l": [1, "x"], "e": "", "q": "4", "eq": "a=b", "nothing": null});
    assert_eq!(asked["data"], expected);
}

#[test]
fn options_beat_the_request_and_that_beats_the_document() {
    let shell = echo();
    let document = json!({
        "nodes": serde_json::from_str::<Value>(NODES).unwrap(),
        "user": {"login": "document", "department": "d"},
        "data": {"from": "document"},
        "isManager": true,
    });
    shell.write("nodes.json", document.to_string());
    let request = r#"{"user": {"login": "request", "team": "r"}, "data": {"kept": 1, "from": "request"}}"#;
    let told = place_by_script(&shell, &["--request", request, "--user", "option", "--data", "from=option"]);
    failed(
        &told,
        4,
        &[r#""login":"option","team":"r""#, r#""data":{"kept":1,"from":"option"}"#, r#""isManager":true"#],
    );
}

#[test]
fn an_action_chooses_eligibility() {
    let shell = scripted("i => i.nodes[i.nodes.length - 1].id");
    chose(&place_by_script(&shell, &[]), "c"); // d is cordoned
    chose(&place_by_script(&shell, &["--action", "user/login"]), "d");
    chose(&place_by_script(&shell, &["--request", r#"{"action": "any/name"}"#]), "d");
}

#[test]
fn a_request_without_a_place_of_its_own_comes_from_this_machine() {
    let shell = scripted("input => input.local.serverId");
    let here = rustix::system::uname().nodename().to_string_lossy().into_owned();
    shell.write("nodes.json", json!([{"id": "other"}, {"id": here}]).to_string());
    chose(&place_by_script(&shell, &[]), &here);
    chose(&place_by_script(&shell, &["--request", r#"{"local": {"serverId": "other"}}"#]), "other");
}

/// That other commands ask a service is no reason to leave the files on the command line unread.
#[test]
fn nodes_and_steps_that_are_given_are_used() {
    let shell = site().with("WHITHER_NATS", "nats://127.0.0.1:1");
    chose(&place(&shell, &["--script", FEWEST]), "b");
}
