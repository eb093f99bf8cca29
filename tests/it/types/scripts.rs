//! Scripts under TypeScript's checker: right ones pass, and each wrong one fails for its mistake.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::checkers::{checkers, tsc};
use crate::support::shell::Shell;

/// Programs for Node.js, which are no scripts of an engine.
const PROGRAMS: [&str; 2] = ["resident.js", "resident-fewest.js"];

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The JavaScript files of the folder `path` of the repository, by their names.
fn scripts(path: &str) -> Vec<(String, String)> {
    let mut found: Vec<_> = std::fs::read_dir(root(path))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "js"))
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, std::fs::read_to_string(path).unwrap())
        })
        .collect();
    found.sort();
    found
}

/// A folder with the definitions, for a cluster of `nodes`.
fn project(nodes: &str) -> Shell {
    let shell = Shell::new();
    shell.write("cluster/nodes.json", nodes);
    let told = shell.whither(["types", "--nodes", "cluster/nodes.json"]);
    assert_eq!((told.code, told.stderr.as_str()), (Some(0), ""));
    shell
}

/// The script as `whither types --annotate` prints it.
fn annotated(shell: &Shell, text: &str) -> String {
    shell.write("plain/script.js", text);
    let told = shell.whither(["types", "--annotate", "plain/script.js"]);
    std::fs::remove_dir_all(shell.folder().join("plain")).unwrap();
    assert_eq!((told.code, told.stderr.as_str()), (Some(0), ""), "{text}");
    told.stdout
}

/// What the checker must say of a wrong script: `// expect: CODE WORDS` stands in it.
fn expected(text: &str) -> (&str, &str) {
    let line = text.lines().find_map(|line| line.strip_prefix("// expect: ")).unwrap();
    line.split_once(' ').unwrap()
}

#[test]
fn shipped_scripts_pass() {
    let Some(checkers) = checkers() else { return };
    let shell = project(include_str!("../../../scripts/nodes.json"));
    let shipped: Vec<_> =
        scripts("scripts").into_iter().filter(|(name, _)| !PROGRAMS.contains(&name.as_str())).collect();
    assert_eq!(shipped.len(), 6);
    for (name, text) in &shipped {
        let is_typed = text.contains("// @ts-check\n/// <reference path=\"whither.d.ts\" />\n");
        assert!(is_typed, "{name}");
        shell.write(name, annotated(&shell, text));
    }
    assert_eq!(tsc(&checkers, shell.folder()), "");
}

#[test]
fn fastx_scripts_pass() {
    let Some(checkers) = checkers() else { return };
    let cases: Value = serde_json::from_str(include_str!("../../fastx/cases.json")).unwrap();
    let sets = cases["node_sets"].as_object().unwrap();
    let nodes = Value::Array(sets["servers"].as_array().unwrap().clone());
    let shell = project(&nodes.to_string());
    let corpus = scripts("tests/fastx");
    assert_eq!(corpus.len(), 10);
    for (name, text) in &corpus {
        shell.write(name, annotated(&shell, text));
    }
    assert_eq!(tsc(&checkers, shell.folder()), "");
}

#[test]
fn new_scripts_pass_as_they_are() {
    let Some(checkers) = checkers() else { return };
    let shell = Shell::new();
    for arguments in [["new", "js", "list", "--shape", "list"], ["new", "js", "node", "--shape", "node"]] {
        assert_eq!(shell.whither(arguments).code, Some(0));
    }
    assert_eq!(tsc(&checkers, shell.folder()), "");
    // Their first lines are what a checker looks for: the whole folder is looked at only where somebody says so.
    let list = shell.read("list.js").replace("node.cpu >", "node.cpus >");
    shell.write("list.js", list);
    let said = tsc(&checkers, shell.folder());
    assert!(said.contains("list.js") && said.contains("'cpus'"), "{said}");
}

/// Each wrong script is alone in its folder: what one says must not count for another.
#[test]
fn each_wrong_script_fails_for_its_mistake() {
    let Some(checkers) = checkers() else { return };
    for (folder, is_annotated) in [("tests/types/wrong", false), ("tests/types/fastx", true)] {
        let wrong = scripts(folder);
        assert_eq!(wrong.len(), 5, "{folder}");
        for (name, text) in wrong {
            let shell = project("[{\"id\": \"a\"}]");
            let checked = if is_annotated { annotated(&shell, &text) } else { text.clone() };
            shell.write(&name, checked);
            let said = tsc(&checkers, shell.folder());
            let (code, words) = expected(&text);
            assert_eq!(said.lines().filter(|line| line.contains("error TS")).count(), 1, "{folder}/{name}: {said}");
            assert!(said.contains(&format!("error {code}")) && said.contains(words), "{folder}/{name}: {said}");
        }
    }
}

/// A checker's places are those of the administrator's own file.
#[test]
fn annotations_move_no_line() {
    let shell = Shell::new();
    for (name, text) in scripts("tests/fastx").into_iter().chain(scripts("tests/types/fastx")) {
        let lines: Vec<_> = text.lines().map(str::to_owned).collect();
        let annotated = annotated(&shell, &text);
        for (own, typed) in lines.iter().zip(annotated.lines()) {
            let end = own.rsplit("function").next().unwrap_or(own);
            assert!(typed.ends_with(end), "{name}: {own}\n{typed}");
        }
    }
}

/// The definitions beside the shipped scripts, which their first lines refer to.
#[test]
fn the_definitions_beside_the_shipped_scripts_are_those_of_today() {
    let shell = project(include_str!("../../../scripts/nodes.json"));
    for name in ["whither.d.ts", "jsconfig.json"] {
        let (path, text) = (root("scripts").join(name), shell.read(name));
        if std::env::var_os("WHITHER_BLESS").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        let words = "is out of date; `WHITHER_BLESS=1 cargo test --test it -- types::` writes it anew";
        assert!(std::fs::read_to_string(&path).unwrap_or_default() == text, "scripts/{name} {words}");
    }
}
