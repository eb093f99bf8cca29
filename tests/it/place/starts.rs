//! `whither new`: what it writes works with `place` as it is, and it overwrites nobody's work.

use serde_json::Value;

use super::{FEWEST, chose, failed, place, seemly};
use crate::support::components;
use crate::support::shell::{Shell, Told};

fn new(shell: &Shell, arguments: &[&str]) -> Told {
    seemly(shell.whither(["new"].iter().chain(arguments)))
}

/// Checks that something was written, and that standard output stayed empty for it.
#[track_caller]
fn wrote(told: &Told) {
    assert_eq!((told.code, told.stdout.as_str()), (Some(0), ""), "{}", told.stderr);
    assert!(told.stderr.contains("try: whither"), "{}", told.stderr);
}

/// Checks that a node of the list was chosen.
#[track_caller]
fn placed(told: &Told) {
    assert_eq!(told.code, Some(0), "{}", told.stderr);
    assert!(told.stdout.starts_with("node-") && told.stdout.lines().count() == 1, "{}", told.stdout);
}

/// A folder with a new node list.
fn with_nodes() -> Shell {
    let shell = Shell::new();
    wrote(&new(&shell, &["nodes", "--out", "nodes.json"]));
    shell
}

#[test]
fn a_new_node_list_is_placed_on() {
    let shell = Shell::new();
    let told = new(&shell, &["nodes"]);
    assert_eq!(told.code, Some(0));
    let nodes: Vec<Value> = serde_json::from_str(&told.stdout).unwrap();
    assert_eq!(nodes.len(), 20);
    shell.write("nodes.json", &told.stdout);
    for builtin in ["fewest-sessions", "most-memory", "round-robin", "least-load", "weighted"] {
        placed(&place(&shell, &["--script", &format!("builtin:{builtin}")]));
    }
    assert_eq!(new(&shell, &["nodes"]).stdout, told.stdout, "the same every time");
    assert_ne!(new(&shell, &["nodes", "--seed", "2"]).stdout, told.stdout);
    let few: Vec<Value> = serde_json::from_str(&new(&shell, &["nodes", "--count", "3"]).stdout).unwrap();
    assert_eq!(few, nodes[..3]);
    for count in ["0", "100001", "-1", "many"] {
        failed(&new(&shell, &["nodes", &format!("--count={count}")]), 2, &["--count"]);
    }
}

#[test]
fn new_scripts_of_both_shapes_choose() {
    let shell = with_nodes();
    for language in ["js", "rhai"] {
        let (whole, each) = (format!("whole.{language}"), format!("each.{language}"));
        wrote(&new(&shell, &[language, "whole"]));
        wrote(&new(&shell, &[language, &each, "--shape", "node"]));
        placed(&place(&shell, &["--script", &whole]));
        placed(&place(&shell, &["--script", &each, "--explain"]));
        for file in [whole, each] {
            let text = shell.read(&file);
            // Editors check JavaScript where the first lines ask for that.
            let head =
                if language == "js" { "// @ts-check\n/// <reference path=\"whither.d.ts\" />\n//\n" } else { "" };
            assert!(text.starts_with(&format!("{head}// {file}: ")), "{text}");
        }
    }
    for name in ["", "..", "folder/"] {
        failed(&new(&shell, &["js", name]), 2, &["no name for a script"]);
    }
    failed(&new(&shell, &["js", "none/script"]), 2, &["none/script.js"]);
}

/// Built as their author builds them; what they need of others was fetched for the shipped ones.
#[test]
fn new_components_choose_when_they_are_built() {
    let shell = with_nodes();
    let shipped = components::path("fewest-sessions");
    let target = shipped.ancestors().nth(3).unwrap();
    for (name, shape) in [("whole-list", "list"), ("per-node", "node")] {
        wrote_crate(&new(&shell, &["wasm", name, "--shape", shape]), name);
        let built = std::process::Command::new(env!("CARGO"))
            .args(["build", "--release", "--offline", "--quiet"])
            .current_dir(shell.folder().join(name))
            .env("CARGO_TARGET_DIR", target)
            .status();
        assert!(built.unwrap().success(), "{name}");
        let component = components::path(name);
        placed(&place(&shell, &["--script", component.to_str().unwrap(), "--explain"]));
    }
    for name in ["", "1st", "a b"] {
        failed(&new(&shell, &["wasm", name]), 2, &["no name for a crate"]);
    }
}

#[track_caller]
fn wrote_crate(told: &Told, name: &str) {
    assert_eq!((told.code, told.stdout.as_str()), (Some(0), ""), "{}", told.stderr);
    assert!(told.stderr.contains(&format!("(cd {name} && cargo build --release)")), "{}", told.stderr);
}

/// The programs alone, on a document made by hand; how the service runs them is tested elsewhere.
#[test]
fn new_programs_choose() {
    use std::os::unix::fs::PermissionsExt;
    let shell = Shell::new();
    let nodes = r#"[
        {"id": "dark", "nodeData": {"sessions": []}},
        {"id": "idle", "sessions": 0, "nodeData": {"sessions": []}},
        {"id": "home", "sessions": 2, "nodeData": {"sessions": [{"user": "ann"}, {"user": "bob"}]}}
    ]"#;
    let programs = std::env::var_os("PATH").unwrap();
    let has_jq = std::env::split_paths(&programs).any(|folder| folder.join("jq").is_file());
    for (arguments, file) in [
        (vec!["exec", "own"], "own.py"),
        (vec!["exec", "own", "--in", "node"], "own.js"),
        (vec!["exec", "own.sh", "--in", "sh"], "own.sh"),
    ] {
        shell.write(file, "somebody's work");
        let told = new(&shell, &[arguments.as_slice(), &["--force"]].concat());
        wrote(&told);
        assert!(told.stderr.contains(&format!("config: steps = [{{ script = \"{file}\", wall_ms")), "{}", told.stderr);
        let path = shell.folder().join(file);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o755);
        assert!(
            shell.read(file).contains(&format!("# {file}: ")) || shell.read(file).contains(&format!("// {file}: "))
        );
        if file == "own.sh" && !has_jq {
            eprintln!("skipped: own.sh, because there is no jq");
            continue;
        }
        let ask = |nodes: &str, user: &str| {
            let document = format!("{{\"nodes\": {nodes}, \"user\": {user}, \"params\": {{}}}}");
            shell.run(&path, std::iter::empty::<&str>(), &document)
        };
        chose(&ask(nodes, r#"{"login": "ann"}"#), "home");
        chose(&ask(nodes, r#"{"login": "zoe"}"#), "idle");
        chose(&ask(nodes, r#"{"login": ""}"#), "idle");
        chose(&ask(nodes, "{}"), "idle");
        failed(&ask("[]", "{}"), 1, &["All nodes are in use, please try again later"]);
    }
    failed(&new(&shell, &["exec", "other", "--in", "sh", "--resident"]), 2, &["`python` or `node`"]);
    failed(&new(&shell, &["exec", ".."]), 2, &["no name for a script"]);
}

#[test]
fn a_new_config_places_and_names_its_scripts_from_anywhere() {
    let shell = with_nodes();
    wrote(&new(&shell, &["config"]));
    placed(&place(&shell, &[]));
    placed(&place(&shell, &["--config", "whither.toml", "--action", "user/login", "--user", "ann"]));
    wrote(&new(&shell, &["js", "own"]));
    shell.write("etc/keep", "");
    let chain = ["--script", "own.js", "--script", "builtin:weighted"];
    wrote(&new(&shell, &[&["config", "--out", "etc/site.toml"], chain.as_slice()].concat()));
    let told = place(&shell, &["--config", "etc/site.toml", "--explain"]);
    placed(&told);
    assert!(told.stderr.contains("own.js"), "{}", told.stderr);
    failed(&new(&shell, &["config", "--out", "other.toml", "--script", "none.js"]), 2, &["`none.js`", "no such file"]);
    failed(&new(&shell, &["config", "--out", "other.toml", "--script", "builtin:magic"]), 2, &["`magic`"]);
    assert!(!shell.folder().join("other.toml").exists());
}

#[test]
fn what_is_there_stays_unless_forced() {
    let shell = Shell::new();
    for (file, arguments) in [
        ("nodes.json", vec!["nodes", "--out", "nodes.json"]),
        ("own.js", vec!["js", "own"]),
        ("own.py", vec!["exec", "own"]),
        ("whither.toml", vec!["config"]),
    ] {
        shell.write(file, "somebody's work");
        failed(&new(&shell, &arguments), 2, &[file, "--force"]);
        assert_eq!(shell.read(file), "somebody's work");
        wrote(&new(&shell, &[arguments.as_slice(), &["--force"]].concat()));
        assert_ne!(shell.read(file), "somebody's work");
    }
    placed(&place(&shell, &["--script", "own.js", "--script", FEWEST]));
}

#[test]
fn what_cannot_be_written_says_why() {
    let shell = Shell::new();
    for arguments in [
        vec!["nodes", "--out", "none/x.json"],
        vec!["js", "none/x"],
        vec!["exec", "none/x"],
        vec!["config", "--out", "none/x.toml"],
    ] {
        failed(&new(&shell, &arguments), 2, &["cannot write `none/x.", "No such file or directory"]);
    }
}
