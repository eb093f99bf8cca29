//! How files are written and printed, and what bad input comes to.

use serde_json::Value;

use crate::support::shell::Shell;

const ALL: [&str; 8] = [
    "whither.d.ts",
    "jsconfig.json",
    "whither.d.rhai",
    "node.schema.json",
    "request.schema.json",
    "reply.schema.json",
    "config.schema.json",
    "suite.schema.json",
];

#[test]
fn files_are_written_and_what_is_replaced_is_said() {
    let shell = Shell::new();
    std::fs::create_dir(shell.folder().join("types")).unwrap();
    let told = shell.whither(["types", "types"]);
    assert_eq!(told.code, Some(0), "{}", told.stderr);
    for name in ALL {
        assert!(told.stdout.contains(&format!("wrote     types/{name}: ")), "{}", told.stdout);
        assert!(shell.read(&format!("types/{name}")).len() > 100, "{name}");
    }
    assert_eq!(std::fs::read_dir(shell.folder().join("types")).unwrap().count(), ALL.len());
    shell.write("types/whither.d.ts", "mine");
    shell.write("types/jsconfig.json", "{}");
    let again: Value = serde_json::from_str(&shell.whither(["types", "types", "--json"]).stdout).unwrap();
    let outcome = |name: &str| {
        let files = again["files"].as_array().unwrap();
        files.iter().find(|file| file["name"] == name).unwrap()["outcome"].as_str().unwrap().to_owned()
    };
    let outcomes = ["whither.d.ts", "jsconfig.json", "node.schema.json"].map(outcome);
    assert_eq!(outcomes, ["replaced", "kept", "unchanged"]);
    assert_eq!(shell.read("types/jsconfig.json"), "{}");
    assert!(shell.read("types/whither.d.ts").contains("declare namespace Whither"));
}

#[test]
fn one_file_is_printed_as_it_would_be_written() {
    let shell = Shell::new();
    for name in ALL {
        let told = shell.whither(["types", "--stdout", name]);
        assert_eq!((told.code, told.stderr.as_str()), (Some(0), ""));
        assert_eq!(std::fs::read_dir(shell.folder()).unwrap().count(), 0);
        if name.ends_with(".json") {
            serde_json::from_str::<Value>(&told.stdout).unwrap();
        }
    }
    shell.write("nodes.json", r#"[{"id": "a", "staticData": {"gpu": true}}]"#);
    let told = shell.whither(["types", "--stdout", "whither.d.ts", "--nodes", "nodes.json"]);
    assert!(told.stdout.contains("gpu?: boolean;"), "{}", told.stdout);
}

#[test]
fn new_js_writes_what_its_script_refers_to_and_leaves_what_is_there() {
    let shell = Shell::new();
    let told = shell.whither(["new", "js", "gpu"]);
    assert!(told.stderr.contains("wrote whither.d.ts, for editors"), "{}", told.stderr);
    assert!(shell.read("gpu.js").starts_with("// @ts-check\n/// <reference path=\"whither.d.ts\" />\n"));
    shell.write("whither.d.ts", "mine");
    let told = shell.whither(["new", "js", "other", "--shape", "node"]);
    assert!(!told.stderr.contains("whither.d.ts"), "{}", told.stderr);
    assert_eq!(shell.read("whither.d.ts"), "mine");
    assert!(shell.whither(["new", "rhai", "plain"]).code == Some(0));
}

#[test]
fn bad_input_gets_a_clear_error() {
    let shell = Shell::new();
    shell.write("broken.js", "function filter(node) {");
    shell.write("none.js", "var x = 1");
    shell.write("latin.js", b"function filter(node) { return '\xff' }");
    shell.write("nodes.json", "7");
    shell.write("file", "");
    std::fs::create_dir_all(shell.folder().join("taken/whither.d.ts")).unwrap();
    for (arguments, code, words) in [
        (vec!["types", "nowhere"], 2, "`nowhere` is no folder (mkdir -p makes one)"),
        (vec!["types", "file"], 2, "`file` is no folder"),
        (vec!["types", "taken"], 2, "cannot write `taken/whither.d.ts`"),
        (vec!["types", "--stdout", "whither.ts"], 2, "whither.d.ts"),
        (vec!["types", "--nodes", "gone.json"], 2, "gone.json"),
        (vec!["types", "--nodes", "nodes.json"], 2, "nodes.json: it is a number"),
        (vec!["types", "--annotate", "gone.js"], 2, "script `gone.js`: no such file"),
        (vec!["types", "--annotate", "x.rhai"], 2, "`x.rhai` is no JavaScript"),
        (vec!["types", "--annotate", "latin.js"], 2, "is not UTF-8"),
        (vec!["types", "--annotate", "broken.js"], 4, "broken.js:1"),
        (vec!["types", "--annotate", "none.js"], 4, "the script has no function"),
    ] {
        let told = shell.whither(&arguments);
        assert_eq!(told.code, Some(code), "{arguments:?}: {}", told.stderr);
        assert!(told.stderr.contains(words), "{arguments:?}: {}", told.stderr);
        assert_eq!(told.stdout, "", "{arguments:?}");
    }
    // Nothing is left of what could not be written.
    assert_eq!(std::fs::read_dir(shell.folder().join("taken")).unwrap().count(), 1);
    assert!(!shell.folder().join("whither.d.ts").exists());
}
