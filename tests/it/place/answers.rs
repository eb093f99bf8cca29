//! What goes where: the answer alone on standard output, everything else on standard error.

use serde_json::{Value, json};

use super::{FEWEST, chose, failed, place, place_by_script, scripted, seemly, site};
use crate::support::shell::Told;

/// Standard output as the one JSON document that it must be.
#[track_caller]
fn document(told: &Told) -> Value {
    serde_json::from_str(&told.stdout).unwrap_or_else(|error| panic!("{error}: {told:?}"))
}

#[test]
fn a_plain_answer_says_nothing_else() {
    let told = place(&site(), &["--script", FEWEST]);
    chose(&told, "b");
    assert_eq!(told.stderr, "");
}

#[test]
fn every_failure_has_its_exit_code_and_its_name() {
    for (script, code, words) in [
        (
            "i => { throw new Error('All GPU servers are in use') }",
            4,
            ["script-error: All GPU servers are in use", "step.js:1:"],
        ),
        ("i => { throw 'come back later' }", 4, ["script-error: come back later", "step.js"]),
        ("i => i.nothing.here", 4, ["script-error", "step.js:1:"]),
        ("i => 7", 4, ["bad-verdict", "the number 7"]),
        ("i => i.nodes[0]", 4, ["bad-verdict", "return node.id"]),
        ("i => ['nowhere']", 4, ["bad-verdict", "`nowhere`"]),
        ("i => ['d']", 4, ["bad-verdict", "`d`"]),
        ("i => 'nowhere'", 4, ["unknown-node", "`nowhere`"]),
        ("i => 'd'", 4, ["unplaceable-node", "`d`, which is cordoned"]),
        ("i => []", 3, ["no-node", "3 dropped by step.js"]),
        ("i => undefined", 3, ["no-node", "3 candidates and no choice"]),
        ("i => { while (true) ; }", 5, ["script-limit", "step.js"]),
    ] {
        let told = place_by_script(&scripted(script), &[]);
        failed(&told, code, &words);
        assert!(told.stderr.starts_with("error: "), "{}", told.stderr);
    }
}

#[test]
fn where_no_node_can_take_the_session_the_reasons_are_counted() {
    let shell = site();
    let nodes = r#"[{"id": "a", "cordoned": true}, {"id": "b", "maxSessions": 1, "sessions": 1}, {"id": "c", "maxSessions": 0}]"#;
    shell.write("nodes.json", nodes);
    failed(&place(&shell, &["--script", FEWEST]), 3, &["no node can take the request", "1 cordoned", "2 full"]);
    chose(&place(&shell, &["--script", FEWEST, "--action", "user/login"]), "b"); // it starts nothing; unknown comes last
}

#[test]
fn an_explanation_goes_to_standard_error() {
    let shell = scripted("i => i.nodes.filter(n => n.nodeData.services.includes('launcher'))");
    let told = place_by_script(&shell, &["--script", FEWEST, "--explain"]);
    chose(&told, "c");
    for words in [
        "session/start",
        "4 nodes",
        "1 cordoned (d)",
        "step.js",
        "narrow to 2",
        "1 dropped (b)",
        "select c",
        "chosen c",
    ] {
        assert!(told.stderr.contains(words), "`{words}` is not in: {}", told.stderr);
    }
    let told = place_by_script(&scripted("i => { throw new Error('in use') }"), &["--explain"]);
    failed(&told, 4, &["step.js", "not placed: script-error: in use"]);
}

#[test]
fn an_explanation_says_which_functions_are_compiled_and_what_keeps_one_out() {
    let script = "function filter(node) { return node.sessions < 9 }\n\
                  function score(node) { delete node.x; return node.sessions }";
    let told = place_by_script(&scripted(script), &["--explain"]);
    let words = ["step.js: `filter` is compiled", "step.js: `score` is interpreted, because of ", " at 2:"];
    words.iter().for_each(|words| assert!(told.stderr.contains(words), "`{words}` is not in: {}", told.stderr));
}

#[test]
fn an_explanation_shows_the_best_scores_and_one_node() {
    let shell = scripted("function score(node) { return {a: 41, b: 74, c: 7}[node.id] }");
    let told = place_by_script(&shell, &["--explain", "--node", "a"]);
    chose(&told, "b");
    for words in ["best at step.js: b 74, a 41, c 7", "a: step.js chose b: 74 against 41"] {
        assert!(told.stderr.contains(words), "`{words}` is not in: {}", told.stderr);
    }
    let explain = |more: &[&str]| {
        let given = ["explain", "--nodes", "nodes.json", "--script", "step.js", "--node", "d"];
        shell.whither(given.iter().chain(more))
    };
    let told = explain(&[]);
    assert_eq!((told.code, told.stderr.as_str()), (Some(0), ""));
    assert!(
        told.stdout.contains("d: it cannot take the request: cordoned; step.js gave it no score"),
        "{}",
        told.stdout
    );
    let document = document(&explain(&["--json"]));
    assert_eq!(document["steps"][0]["scores"][0], json!({"node": "b", "score": 74}));
}

#[test]
fn json_is_one_document() {
    let shell = scripted("i => { console.log('seen', i.nodes.length); return i.nodes.slice(0, 2) }");
    let told = place_by_script(&shell, &["--script", FEWEST, "--json", "--explain", "--seed", "18446744073709551615"]);
    let decision = document(&told);
    assert_eq!((told.code, decision["node"].as_str()), (Some(0), Some("b")));
    assert_eq!((&decision["chain"], &decision["decided_by"]), (&"session/start".into(), &FEWEST.into()));
    assert_eq!(decision["seed"], "18446744073709551615", "as text, because JSON readers round it");
    assert_eq!((&decision["nodes"], &decision["excluded"]["cordoned"]["nodes"][0]), (&4.into(), &"d".into()));
    let steps = decision["steps"].as_array().unwrap();
    assert_eq!((steps.len(), &steps[0]["verdict"]), (2, &"narrow to 2".into()));
    assert_eq!(steps[0]["lost"]["not-returned"]["nodes"][0], "c");
    assert_eq!(steps[0]["log"][0]["text"], "seen 3");
    assert!(told.stderr.contains("chosen b") && told.stderr.contains("seen 3"), "{}", told.stderr);
}

#[test]
fn a_failure_is_a_document_too() {
    let told = place_by_script(&scripted("i => { throw new TypeError('in use') }"), &["--json"]);
    let decision = document(&told);
    assert_eq!((told.code, &decision["node"]), (Some(4), &Value::Null));
    let error = &decision["error"];
    assert_eq!((&error["name"], &error["code"]), (&"script-error".into(), &422.into()));
    assert_eq!((&error["message"], &error["step"]), (&"in use".into(), &"step.js".into()));
    assert_eq!(error["thrown"]["name"], "TypeError");
    assert!(told.stderr.contains("in use"), "{}", told.stderr);
    let told = place_by_script(&scripted("i => []"), &["--json"]);
    assert_eq!((told.code, &document(&told)["error"]["name"]), (Some(3), &"no-node".into()));
}

#[test]
fn what_scripts_log_goes_to_standard_error_under_their_names() {
    let shell = scripted("i => { console.log('one', {a: 1}); console.warn('two'); console.error('three') }");
    shell.write("other.js", "function filter(node) { console.info(node.id); return true }");
    let told = place_by_script(&shell, &["--script", "other.js", "--script", FEWEST]);
    chose(&told, "b");
    let lines: Vec<_> = told.stderr.lines().collect();
    assert_eq!(
        lines,
        ["step.js: one {\"a\":1}", "step.js: two", "step.js: three", "other.js: a", "other.js: b", "other.js: c"]
    );
    let told = place_by_script(&scripted("i => { console.log('before'); throw new Error('in use') }"), &[]);
    failed(&told, 4, &["step.js: before", "in use"]);
    let flood = place_by_script(&scripted("i => { for (var n = 0; n < 1000; n++) console.log(n); return 'b' }"), &[]);
    chose(&flood, "b");
    assert_eq!(flood.stderr.lines().count(), 101);
    assert!(flood.stderr.contains("log cut"), "{}", flood.stderr);
}

#[test]
fn time_and_chance_can_be_given_again() {
    let script = "i => { throw new Error([new Date().toISOString(), new Date().getHours(), i.now, Math.random(), Math.random()].join()) }";
    let shell = scripted(script);
    let ask = |seed: &str, now: &str, zone: &str| {
        let told = place_by_script(&shell, &["--seed", seed, "--now", now, "--timezone", zone]);
        assert_eq!(told.code, Some(4), "{}", told.stderr);
        told.stderr
    };
    let (now, later) = ("2026-11-20T17:30:00.250Z", "2026-11-20T17:30:00.251Z");
    let first = ask("7", now, "America/Chicago");
    assert!(first.contains("2026-11-20T17:30:00.250Z,11,1795195800250,0."), "{first}");
    assert_eq!(ask("7", now, "America/Chicago"), first);
    assert_eq!(
        ask("7", "2026-11-20T18:30:00.250+01:00", "America/Chicago"),
        first,
        "the same moment, written elsewhere"
    );
    let others = [("8", now, "America/Chicago"), ("7", later, "America/Chicago"), ("7", now, "Asia/Tokyo")];
    for (seed, now, zone) in others {
        assert_ne!(ask(seed, now, zone), first);
    }
    assert!(ask("7", now, "Asia/Tokyo").contains("250Z,2,"), "2 o'clock the next day");
    let (one, other) = (place_by_script(&shell, &[]), place_by_script(&shell, &[]));
    assert_ne!(one.stderr, other.stderr, "otherwise both are drawn");
}

#[test]
fn the_hosts_time_zone_is_the_scripts() {
    let script = "i => { throw new Error('at ' + new Date().getHours() + ' ' + i.time.hour + '.') }";
    for (zone, words) in [("Asia/Tokyo", "at 2 2."), ("UTC", "at 17 17."), ("XYZ-3", "at 20 20.")] {
        let shell = scripted(script).with("TZ", zone);
        failed(&place_by_script(&shell, &["--now", "2026-11-20T17:30:00Z"]), 4, &[words]);
    }
}

#[test]
fn nothing_is_coloured_in_a_pipe() {
    let shell = scripted("i => { console.log('x'); return 'nowhere' }").with("TERM", "xterm-256color");
    let shell = shell.with("COLORTERM", "truecolor");
    failed(&place_by_script(&shell, &["--explain"]), 4, &["not placed: unknown-node"]);
    chose(&place(&shell, &["--script", FEWEST, "--explain"]), "b");
    seemly(shell.whither(["place", "--help"]));
    seemly(shell.whither(["nosuch"]));
}

#[test]
fn help_is_an_answer() {
    for arguments in [["place", "--help"], ["help", "place"], ["--help", "place"]] {
        let told = seemly(site().whither(arguments));
        assert_eq!((told.code, told.stderr.as_str()), (Some(0), ""));
        assert!(told.stdout.contains("Usage: whither"), "{}", told.stdout);
    }
    let told = seemly(site().whither(["--version"]));
    assert_eq!((told.code, told.stdout), (Some(0), format!("whither {}\n", env!("CARGO_PKG_VERSION"))));
}

/// A decision that passed a limit must be repeatable above all others.
#[test]
fn a_decision_that_passed_a_limit_keeps_its_record() {
    let shell = scripted("i => { while (true) ; }");
    let told = place_by_script(&shell, &["--json", "--explain", "--seed", "7", "--now", "2026-11-20T17:30:00Z"]);
    let decision = document(&told);
    assert_eq!((told.code, &decision["error"]["name"]), (Some(5), &"script-limit".into()));
    assert_eq!((&decision["seed"], &decision["now"]), (&"7".into(), &1_795_195_800_000_i64.into()));
    assert_eq!(decision["nodes"], 4);
    assert!(told.stderr.contains("4 nodes"), "{}", told.stderr);
}

#[test]
fn an_answer_that_cannot_be_written_is_an_error_and_no_panic() {
    for stream in [">", "2>"] {
        let command = format!("\"$0\" place --nodes nodes.json --script {FEWEST} --explain {stream}/dev/full");
        let arguments = ["-c", &command, crate::support::shell::WHITHER];
        let told = seemly(site().run(std::path::Path::new("/bin/sh"), arguments, ""));
        match stream {
            ">" => assert_eq!(told.code, Some(1), "{}", told.stderr),
            _ => chose(&told, "b"), // nobody reads the explanation, and that is no reason to give no answer
        }
    }
}
