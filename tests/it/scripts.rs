//! The balancer scripts that come with the project, over the sample cluster and over nodes that say little.

use std::path::PathBuf;

use crate::support::shell::{Shell, Told};
use serde_json::{Value, json};

/// The step that ends most chains.
const FEWEST: &str = "builtin:fewest-sessions";

/// What each of the scripts is written in; all of them do the same.
const LANGUAGES: [&str; 2] = ["js", "rhai"];

/// A step as `--script` is given it: a script of ours by its name and language, or a built-in.
fn step(name: &str, language: &str) -> String {
    if name.starts_with("builtin:") { name.to_owned() } else { file(&format!("{name}.{language}")) }
}

fn file(name: &str) -> String {
    [env!("CARGO_MANIFEST_DIR"), "scripts", name].iter().collect::<PathBuf>().to_string_lossy().into_owned()
}

fn place(nodes: &str, chain: &[&str], language: &str, arguments: &[&str]) -> Told {
    let mut all = vec!["place".to_owned(), "--nodes".to_owned(), nodes.to_owned()];
    all.extend(chain.iter().flat_map(|name| ["--script".to_owned(), step(name, language)]));
    all.extend(arguments.iter().map(|argument| (*argument).to_owned()));
    Shell::new().whither(all)
}

/// What came of it in one line: the node, or the exit code and the words.
fn outcome(told: &Told) -> String {
    match told.code {
        Some(0) => told.stdout.trim().to_owned(),
        code => format!("{} {}", code.unwrap_or_default(), told.last_words()),
    }
}

/// Checks where `chain` places on the sample cluster.
#[track_caller]
fn check(chain: &[&str], arguments: &[&str], expected: &str) {
    for language in LANGUAGES {
        let found = outcome(&place(&file("nodes.json"), chain, language, arguments));
        assert!(agrees(&found, expected), "{chain:?} in {language} {arguments:?}: {found}, expected {expected}");
    }
}

/// Checks where `chain` places on `nodes`.
#[track_caller]
fn check_on(nodes: &[Value], chain: &[&str], arguments: &[&str], expected: &str) {
    let shell = Shell::new();
    let list = shell.write("nodes.json", json!(nodes).to_string());
    for language in LANGUAGES {
        let found = outcome(&place(&list.to_string_lossy(), chain, language, arguments));
        let asked = format!("{chain:?} in {language} {arguments:?} on {nodes:?}");
        assert!(agrees(&found, expected), "{asked}: {found}, expected {expected}");
    }
}

/// A node by its whole name; a failure by its exit code and some of its words, as in `4 in use`.
fn agrees(found: &str, expected: &str) -> bool {
    match expected.split_once(' ') {
        Some((code, words)) => found.starts_with(&format!("{code} ")) && found.contains(words),
        None => found == expected,
    }
}

/// Nodes that reported nothing but their names.
fn dark() -> Vec<Value> {
    vec![json!({"id": "dark-1"}), json!({"serverId": "dark-2"})]
}

/// `node` with more fields.
fn with(node: &str, fields: Value) -> Value {
    let mut document = json!({"id": node, "nodeData": {"sessions": []}});
    document.as_object_mut().into_iter().for_each(|own| own.extend(fields.as_object().cloned().unwrap_or_default()));
    document
}

#[test]
fn gpu_nodes_are_for_their_group() {
    let chain = ["gpu-for-group", FEWEST];
    check(&chain, &[], "cpu-2");
    check(&chain, &["--group", "staff"], "cpu-2");
    check(&chain, &["--group", "gpu-users"], "gpu-2");
    check(&chain, &["--group", "staff", "--group", "gpu-users"], "gpu-2");
    check(&chain, &["--request", r#"{"isAdmin": true}"#], "gpu-2");
    check(&["gpu-for-group", "builtin:most-memory"], &["--group", "gpu-users"], "gpu-2");
    check_on(&dark(), &chain, &[], "dark-1");
    check_on(&dark(), &chain, &["--group", "gpu-users"], "4 All GPU servers are in use");
    check_on(&[], &chain, &[], "4 All servers without a GPU are in use");
}

#[test]
fn metadata_that_says_no_is_no_gpu() {
    let chain = ["gpu-for-group", FEWEST];
    for (gpu, is_gpu) in [
        (json!({"metadata": {"gpu": "false"}}), false),
        (json!({"metadata": {"gpu": "0"}}), false),
        (json!({"metadata": {"gpu": ""}}), false),
        (json!({"metadata": {"gpu": "TRUE"}}), true),
        (json!({"metadata": {"gpu": "yes"}}), true),
        (json!({"staticData": {"gpu": true}}), true),
        (json!({"staticData": {"gpu": false}, "metadata": {"gpu": "on"}}), true),
    ] {
        let nodes = [with("asked", gpu)];
        check_on(&nodes, &chain, &["--group", "gpu-users"], if is_gpu { "asked" } else { "4 in use" });
        check_on(&nodes, &chain, &[], if is_gpu { "4 in use" } else { "asked" });
    }
}

#[test]
fn logins_go_to_login_nodes() {
    let chain = ["login-nodes", FEWEST];
    check(&chain, &["--action", "user/login"], "login-1");
    check(&["login-nodes", "builtin:round-robin"], &["--action", "user/login"], "login-1");
    check(&chain, &[], "3 6 filtered out by"); // login-1 takes no sessions
    check_on(&dark(), &chain, &["--action", "user/login"], "3 2 filtered out by");
    let nodes = [
        with("no", json!({"metadata": {"login": "false"}})),
        with("typed", json!({"staticData": {"login": true}})),
        with("text", json!({"metadata": {"login": "1"}})),
    ];
    check_on(&nodes, &chain, &["--action", "user/login"], "typed");
    check_on(&nodes[..1], &chain, &["--action", "user/login"], "3 1 filtered out by");
}

#[test]
fn load_is_relative_to_cores_and_weight() {
    let chain = ["weighted-load"];
    check(&chain, &[], "cpu-2");
    check_on(&dark(), &chain, &[], "dark-1");
    let node = |id: &str, load: f64, cores: u32, more: Value| {
        let mut node = with(id, more);
        node["nodeData"]["health"] = json!({"cpu": {"load1": load, "cores": cores}});
        node
    };
    let (plain, heavy) =
        (node("plain", 2.0, 4, json!({})), node("heavy", 3.0, 4, json!({"staticData": {"weight": 2}})));
    check_on(&[plain.clone(), heavy.clone()], &chain, &[], "heavy");
    check_on(&[plain.clone(), node("text", 3.0, 4, json!({"metadata": {"weight": "2"}}))], &chain, &[], "text");
    check_on(&[plain.clone(), node("junk", 2.1, 4, json!({"metadata": {"weight": "none"}}))], &chain, &[], "plain");
    check_on(&[plain.clone(), node("zero", 2.1, 4, json!({"staticData": {"weight": 0}}))], &chain, &[], "plain");
    check_on(&[plain.clone(), node("cores", 3.9, 8, json!({}))], &chain, &[], "cores");
    let busy = node("busy", 900.0, 1, json!({}));
    check_on(&[dark()[0].clone(), busy], &chain, &[], "busy");
    // A session that was placed there and has not started yet weighs as much as half a load.
    let mut starting = node("starting", 1.8, 4, json!({}));
    starting["nodeData"]["sessions"] = json!([{"id": "s", "state": "pending"}]);
    check_on(&[starting, plain], &chain, &[], "plain");
}

#[test]
fn lists_of_users_are_kept() {
    let chain = ["allow-list", FEWEST];
    check(&chain, &["--user", "ann"], "gpu-2");
    check(&chain, &["--user", "bob"], "cpu-2");
    check(&chain, &["--user", "zoe"], "gpu-1");
    check(&chain, &[], "gpu-1");
    check_on(&dark(), &chain, &["--user", "ann"], "dark-1");
    let reserved = |users: Value| [with("reserved", users)];
    for users in [
        json!({"staticData": {"users": ["ann", "bob"]}}),
        json!({"staticData": {"users": "ann,bob"}}),
        json!({"metadata": {"users": " bob , ann "}}),
    ] {
        check_on(&reserved(users.clone()), &chain, &["--user", "ann"], "reserved");
        check_on(&reserved(users.clone()), &chain, &["--user", "an"], "3 filtered");
        check_on(&reserved(users), &chain, &[], "3 filtered");
    }
    for nobody in [
        json!({"staticData": {"users": []}}),
        json!({"metadata": {"users": ""}}),
        json!({"staticData": {"users": null}}),
    ] {
        check_on(&reserved(nobody), &chain, &["--user", "zoe"], "reserved");
    }
}

#[test]
fn users_return_to_where_they_work() {
    let chain = ["sticky-user", FEWEST];
    check(&chain, &["--user", "ann"], "cpu-1");
    check(&chain, &["--user", "bob"], "cpu-1");
    check(&chain, &["--user", "zoe"], "cpu-2");
    check(&chain, &[], "cpu-2");
    check_on(&dark(), &chain, &["--user", "ann"], "dark-1");
    let home = |utilization: Value| {
        let mut node = with("home", json!({}));
        node["nodeData"]["sessions"] = json!([{"id": "s", "user": "ann"}]);
        node["nodeData"]["health"] = json!({"cpu": utilization});
        [with("empty", json!({})), node]
    };
    check_on(&home(json!({"utilization": 90})), &chain, &["--user", "ann"], "home");
    check_on(&home(json!({"utilization": 91})), &chain, &["--user", "ann"], "empty");
    check_on(&home(json!({})), &chain, &["--user", "ann"], "home");
    check_on(&home(json!({})), &chain, &["--user", "bob"], "empty");
}

#[test]
fn the_time_of_day_chooses_the_pool() {
    let chain = ["office-hours", FEWEST];
    for (now, zone, node) in [
        ("2026-11-20T11:00:00Z", "UTC", "gpu-2"), // a Friday
        ("2026-11-22T12:00:00Z", "UTC", "cpu-2"), // a Sunday
        ("2026-11-21T12:00:00Z", "UTC", "cpu-2"), // a Saturday
        ("2026-11-20T07:59:59Z", "UTC", "cpu-2"),
        ("2026-11-20T08:00:00Z", "UTC", "gpu-2"),
        ("2026-11-20T17:59:59Z", "UTC", "gpu-2"),
        ("2026-11-20T18:00:00Z", "UTC", "cpu-2"),
        ("2026-11-20T07:30:00Z", "Europe/Berlin", "gpu-2"), // 8:30 there
        ("2026-11-20T11:00:00Z", "America/Chicago", "cpu-2"), // 5:00 there
        ("2026-11-22T23:30:00Z", "Asia/Tokyo", "gpu-2"),    // Monday 8:30 there
        ("2026-07-20T06:30:00Z", "Europe/Berlin", "gpu-2"), // 8:30 in summer
    ] {
        check(&chain, &["--now", now, "--timezone", zone], node);
    }
    let by_day = ["--now", "2026-11-20T11:00:00Z", "--timezone", "UTC"];
    check_on(&dark(), &chain, &by_day, "dark-1");
    let night = [with("night", json!({"metadata": {"pool": "night"}})), dark()[0].clone()];
    check_on(&night, &chain, &by_day, "dark-1");
    check_on(&night[..1], &chain, &by_day, "3 filtered");
}

/// Whatever is added to `scripts/` needs a test here.
#[test]
fn every_script_is_tested() {
    let this = include_str!("scripts.rs");
    let listing = std::fs::read_dir(file("")).unwrap().flatten().map(|entry| entry.path());
    // Programs are tested in resident_helpers.rs.
    let is_script = |path: &PathBuf| {
        let program = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("resident"));
        path.extension().is_some_and(|extension| LANGUAGES.iter().any(|language| extension == *language)) && !program
    };
    let scripts: Vec<_> = listing.filter(is_script).collect();
    assert!(scripts.len() >= 12);
    for script in scripts {
        let name = script.file_stem().unwrap().to_string_lossy().into_owned();
        for language in LANGUAGES {
            assert!(script.with_extension(language).exists(), "{name} is not there in {language}");
        }
        assert!(this.contains(&format!("[\"{name}\"")), "{name} is not tested");
        let readme = include_str!("../../scripts/README.md");
        assert!(readme.contains(&format!("{name} [js]({name}.js) [rhai]({name}.rhai)")), "{name} is not described");
    }
}
