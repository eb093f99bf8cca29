//! Node lists that are wrong, and those that only look strange.

use serde_json::{Value, json};

use super::{FEWEST, NODES, chose, failed, place, place_by_script, seemly, site};
use crate::support::shell::Shell;

/// Checks that a node list is refused, and that the message names its file and says `words`.
#[track_caller]
fn refused(list: &str, words: &[&str]) {
    let shell = Shell::new();
    shell.write("nodes.json", list);
    let told = place(&shell, &["--script", FEWEST]);
    failed(&told, 2, &["nodes.json: "]);
    failed(&told, 2, words);
}

/// Checks that of a node list `fine` is chosen, and that a warning says `words` of another node.
#[track_caller]
fn left_out(list: &str, words: &[&str]) {
    let shell = Shell::new();
    shell.write("nodes.json", list);
    let told = place(&shell, &["--script", FEWEST]);
    assert_eq!((told.code, told.stdout.trim()), (Some(0), "fine"), "{told:?}");
    let warned = |words: &&str| told.stderr.contains(*words);
    assert!(told.stderr.contains("warning: nodes.json: ") && words.iter().all(warned), "{words:?}: {told:?}");
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let shell = Shell::new();
    for (name, words) in [("none.json", "No such file"), ("none/none.json", "No such file"), ("folder", "directory")] {
        shell.write("folder/file", "");
        let told = seemly(shell.whither(["place", "--script", FEWEST, "--nodes", name]));
        failed(&told, 2, &[name, words]);
    }
}

#[test]
fn what_is_no_node_list_is_named() {
    refused("", &["empty"]);
    refused(" \n", &["empty"]);
    refused("nodes", &["not valid JSON", "line 1 column"]);
    refused("7", &["a number, expected an array of nodes"]);
    refused(r#"{"params": {}}"#, &["no `nodes`"]);
    refused(r#"{"nodes": {"a": 1}}"#, &["`nodes` is an object"]);
    refused("[7]", &["node number 1", "this is a number"]);
    refused("[\"a\"]", &["node number 1", "this is a string"]);
    refused("[{}]", &["node number 1", "no id"]);
    left_out(r#"[{"id": "fine"}, {"id": 7}]"#, &["node number 2 is left out", "no id"]);
    refused(r#"[{"id": ""}]"#, &["no id"]);
    refused(r#"[{"id": "a\nb"}]"#, &["no id", "control characters"]);
    refused(&json!([{"id": "x".repeat(256)}]).to_string(), &["no id", "255 bytes"]);
    refused(&"[".repeat(200_000), &["nested deeper"]);
    refused(&json!([{"id": "a", "text": "x".repeat(300_000)}]).to_string(), &["node number 1", "262144"]);
    let many = json!([{"id": "fine", "sessions": vec![json!({}); 10_001]}]).to_string();
    left_out(&many, &["node `fine`: `sessions` lists 10001 sessions", "only their number counts"]);
    refused("[{\"id\": \"a\"}] and more", &["not valid JSON", "trailing"]);
    refused("[{\"id\": \"\\ud800\"}]", &["not valid JSON"]);
}

#[test]
fn broken_files_are_refused_whole() {
    refused(include_str!("../../data/malformed.json"), &["not valid JSON", "line 4"]);
    refused(include_str!("../../data/deep.json"), &["nested deeper"]);
    refused(include_str!("../../data/nan.json"), &["not valid JSON", "line 3"]);
}

#[test]
fn odd_nodes_are_repaired_or_left_out_and_end_no_placement() {
    for (list, words) in [
        (include_str!("../../data/duplicate-ids.json"), ["node number 3 is left out", "`a`", "taken"]),
        (include_str!("../../data/negative.json"), ["node `b`", "`maxSessions` is -1", "counts as unknown"]),
        (
            include_str!("../../data/wrong-types.json"),
            ["node number 2 is left out: node `b`", "`nodeData` is 7", "object"],
        ),
    ] {
        let shell = Shell::new();
        shell.write("nodes.json", list);
        let told = place(&shell, &["--script", FEWEST]);
        assert_eq!(told.code, Some(0), "{told:?}");
        assert!(words.iter().all(|word| told.stderr.contains(word)), "{told:?}");
    }
    for (odd, words) in [
        (json!({"available": false}), "`available` is false"),
        (json!({"staticData": {"weight": 0}}), "`weight` is 0: it takes no new sessions"),
        (json!({"metadata": {"weight": " 0 "}}), "`weight` is 0"),
    ] {
        let mut node = json!({"id": "strange", "sessions": 0});
        node.as_object_mut().unwrap().extend(odd.as_object().unwrap().clone());
        left_out(&json!([node, {"id": "fine", "sessions": 9}]).to_string(), &["node `strange`: ", words]);
    }
    let kept = |odd: Value, words: &str| {
        left_out(&json!([{"id": "strange", "sessions": 9}, odd]).to_string(), &["node `fine`: ", words]);
    };
    kept(json!({"id": "fine", "sessions": "3"}), "`sessions` is text, which is taken for a number");
    kept(json!({"id": "fine", "sessions": 3, "staticData": {"maxSessions": 2}}), "`maxSessions` in the static data");
}

/// Windows has no load average, and Node.js reports zeros there: that is no idle machine.
#[test]
fn zero_loads_of_windows_are_unknown() {
    let health = |os: Value, load: f64| json!({"cpu": {"load1": load, "load5": load, "load15": load, "cores": 4, "utilization": 0}, "os": os});
    let windows = json!({"id": "windows", "nodeData": {"health": health(json!({"type": "Windows_NT", "platform": "win32"}), 0.0)}});
    let linux = json!({"id": "fine", "nodeData": {"health": health(json!({"platform": "linux"}), 0.5)}});
    let shell = Shell::new();
    shell.write("nodes.json", json!([windows, linux]).to_string());
    chose(&place(&shell, &["--script", "builtin:least-load"]), "fine");
}

/// The documents of real brokers, Moleculer 0.14.36 and 0.15.2, with twenty services and seventy sessions, as they wrote
/// them; only names of the host and its user are others.
#[test]
fn documents_of_real_brokers_go_through_unchanged() {
    for document in [include_str!("../../data/moleculer-0.14.json"), include_str!("../../data/moleculer-0.15.json")] {
        let shell = Shell::new();
        shell.write("nodes.json", document);
        let given: Value = serde_json::from_str(document).unwrap();
        let node = &given["nodes"][0];
        let fields =
            ["hostname", "metadata", "ipList", "available", "client", "instanceID", "seq", "config", "nodeData"];
        let told: serde_json::Map<_, _> =
            fields.map(|field| (field.to_owned(), node[field].clone())).into_iter().collect();
        // All that the broker said is there; sessions have names of both FastX generations beside it.
        let script = "const holds = (seen, told) => typeof told === 'object' && told !== null\n\
             \x20 ? Object.keys(told).every(name => holds(seen[name], told[name])) : seen === told;\n\
             input => holds(input.nodes[0], TOLD) && input.nodes[0].id";
        shell.write("same.js", script.replace("TOLD", &Value::from(told).to_string()));
        let placed = place(&shell, &["--script", "same.js"]);
        chose(&placed, node["id"].as_str().unwrap());
        assert_eq!(placed.stderr, "", "nothing is odd about it");
    }
}

/// What a broker of Moleculer says of itself with all its services, and seventy sessions.
#[test]
fn a_node_of_a_large_broker_fits() {
    let action = |name: String| {
        json!({"rawName": name, "name": name, "params": {"id": {"type": "string", "min": 3}},
        "cache": {"keys": ["id"], "ttl": 30}, "rest": {"method": "GET", "path": "/:id"}, "visibility": "published"})
    };
    let services: Vec<Value> = (0..20)
        .map(|n| {
            let actions: serde_json::Map<_, _> =
                (0..25).map(|a| format!("service-{n}.action-{a}")).map(|name| (name.clone(), action(name))).collect();
            json!({"name": format!("service-{n}"), "version": 2, "settings": {"idField": "_id"}, "actions": actions})
        })
        .collect();
    let session = |n: usize| {
        json!({"id": format!("{n:036}"), "user": format!("user-{n}"), "name": "Xfce Desktop",
        "state": "running", "cmd": "/usr/bin/xfce4-session".repeat(4), "geometry": "1920x1080", "created": 1_790_000_000})
    };
    let sessions: Vec<Value> = (0..70).map(session).collect();
    let node = json!({"id": "large", "nodeData": {"services": services, "sessions": sessions}});
    assert!(node.to_string().len() > 100_000, "{}", node.to_string().len());
    let shell = Shell::new();
    shell.write("nodes.json", json!([node]).to_string());
    chose(&place(&shell, &["--script", FEWEST]), "large");
}

#[test]
fn fields_of_the_wrong_type_are_named_with_their_node() {
    for (field, value, expected) in [
        ("maxSessions", json!(1.5), "a whole number"),
        ("maxSessions", json!("4"), "a whole number"),
        ("sessions", json!(-1), "counts as unknown"),
        ("sessions", json!("many"), "is text, which counts as unknown"),
        ("cordoned", json!("yes"), "true or false"),
        ("metadata", json!([]), "an object"),
        ("staticData", json!("gpu"), "an object"),
        ("metrics", json!(7), "an object"),
        ("urls", json!("https://a"), "a list"),
        ("hostname", json!(7), "a string"),
        ("loadavg", json!([-1, 0, 0]), "counts as unknown"),
        ("loadavg", json!("1"), "numbers"),
        ("freemem", json!(-1), "counts as unknown"),
        ("cpu", json!("12%"), "at least 0"),
        ("uptime", json!(-5), "counts as unknown"),
        ("loggedInUsers", json!([]), "a whole number"),
        ("nodeData", json!({"sessions": {}}), "sessions"),
        ("nodeData", json!({"sessions": [7]}), "sessions"),
        ("nodeData", json!({"services": "launcher"}), "a list"),
        ("nodeData", json!({"health": []}), "an object"),
        ("nodeData", json!({"health": {"cpu": {"load1": -0.5}}}), "counts as unknown"),
        ("nodeData", json!({"health": {"mem": {"free": "8 GB"}}}), "at least 0"),
    ] {
        let list = json!([{"id": "fine", "sessions": 0}, {"id": "strange", field: value}]);
        left_out(&list.to_string(), &["node", "`strange`", expected]);
    }
}

#[test]
fn absent_is_not_wrong() {
    let shell = Shell::new();
    let nothing =
        ["nodeData", "metadata", "staticData", "urls", "sessions", "maxSessions", "cordoned", "hostname", "cpu"];
    let mut node = json!({"id": "a"});
    for field in nothing {
        node[field] = Value::Null;
    }
    shell.write("nodes.json", json!([node]).to_string());
    chose(&place(&shell, &["--script", FEWEST]), "a");
}

#[test]
fn strange_ids_are_ids() {
    let shell = Shell::new();
    let text = include_str!("../../data/strange-ids.json");
    shell.write("nodes.json", text);
    shell.write("step.js", "input => input.data.wanted");
    let nodes: Vec<Value> = serde_json::from_str(text).unwrap();
    assert!(nodes.len() > 8);
    for node in nodes {
        let request = json!({"data": {"wanted": node["id"]}}).to_string();
        shell.write("request.json", &request);
        chose(&place_by_script(&shell, &["--request", "request.json"]), node["id"].as_str().unwrap());
    }
}

#[test]
fn both_generations_and_both_forms_of_a_list_are_read() {
    let shell = Shell::new();
    for list in [
        r#"[{"serverId": "s1", "sessions": 4}, {"serverId": "s2", "sessions": 1}]"#,
        r#"{"nodes": [{"id": "s1", "sessions": 4}, {"id": "s2", "sessions": 1}]}"#,
        r#"{"servers": [{"serverId": "s1", "sessions": 4}, {"id": "s2", "nodeData": {"sessions": []}}]}"#,
        "\n\t[{\"id\": \"s1\", \"sessions\": 1e0}, {\"id\": \"s2\", \"sessions\": 0.0}]\r\n",
    ] {
        shell.write("nodes.json", list);
        chose(&place(&shell, &["--script", FEWEST]), "s2");
    }
    shell.write("nodes.json", "[]");
    failed(&place(&shell, &["--script", FEWEST]), 3, &["no-node", "no nodes"]);
}

/// FastX 4 hands its nodes and the request over on standard input.
#[test]
fn standard_input_is_a_node_list_too() {
    let shell = site();
    let document =
        format!(r#"{{"nodes": {NODES}, "params": {{"me": {{"username": "ann"}}, "start": {{"app": "maya"}}}}}}"#);
    let sticky = ["place", "--script", "builtin:sticky-user", "--script", FEWEST];
    chose(&seemly(shell.feed(sticky, &document)), "c");
    chose(&seemly(shell.feed(sticky, NODES)), "b");
    shell.write("step.js", "i => i.params.start.app + i.data.app === 'mayamaya' && i.user.login === 'ann' ? 'a' : 'c'");
    chose(&seemly(shell.feed(["place", "--script", "step.js"], &document)), "a");
    failed(&seemly(shell.feed(sticky, "")), 2, &["standard input", "empty"]);
    failed(&seemly(shell.feed(sticky, "{")), 2, &["standard input", "not valid JSON"]);
    failed(&seemly(shell.feed(sticky, r#"{"params": {}}"#)), 2, &["standard input", "no `nodes`"]);
}

/// The limit is one of nodes, wherever they stand: what this command accepts, its worker reads too.
#[test]
fn a_node_may_nest_64_deep_in_either_form_of_a_list() {
    let shell = Shell::new();
    for depth in 62..=68 {
        let node = format!(r#"{{"id":"a","x":{}1{}}}"#, "[".repeat(depth - 1), "]".repeat(depth - 1));
        for list in [format!("[{node}]"), format!(r#"{{"nodes":[{node}]}}"#)] {
            shell.write("nodes.json", &list);
            let told = place(&shell, &["--script", FEWEST]);
            match depth {
                ..=64 => chose(&told, "a"),
                _ => failed(&told, 2, &["nodes.json", "nested deeper"]),
            }
        }
    }
}

/// A document that holds a node's depth may hold a request that is too deep by itself.
#[test]
fn the_request_in_a_node_file_is_refused_with_the_files_name() {
    let nested = |depth: usize| format!("{{\"a\": {}{}}}", "[".repeat(depth - 2), "]".repeat(depth - 2));
    for depth in 62..=68 {
        let list = format!(r#"{{"nodes": [{{"id": "a"}}], "data": {}}}"#, nested(depth));
        let shell = Shell::new();
        shell.write("nodes.json", &list);
        let told = place(&shell, &["--script", FEWEST]);
        let piped = seemly(shell.feed(["place", "--script", FEWEST], &list));
        match depth {
            ..=64 => [told, piped].iter().for_each(|told| chose(told, "a")),
            _ => {
                failed(&told, 2, &["nodes.json: ", "nested deeper"]);
                failed(&piped, 2, &["standard input: ", "nested deeper"]);
            }
        }
    }
    refused(&json!({"nodes": [], "data": {"x": "y".repeat(1 << 20)}}).to_string(), &["the request", "1048576"]);
}

/// A number that was not reported is absent, whatever static data is called.
#[test]
fn static_data_stands_in_for_no_figure() {
    let shell = Shell::new();
    for name in ["sessions", "freemem", "totalmem", "cpu", "uptime", "loggedInUsers"] {
        shell.write("nodes.json", json!([{"id": "a", "staticData": {name: 9, "free": 1}}, {"id": "b"}]).to_string());
        shell.write("step.js", format!("i => i.nodes[0].{name} === undefined && i.nodes[0].free === 1 ? 'a' : 'b'"));
        chose(&place_by_script(&shell, &[]), "a");
    }
}
