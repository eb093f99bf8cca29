//! `whither check`: it names the mistake in each wrong script, and says nothing about any right one.
//!
//! The wrong scripts are in `check/wrong`, each called after the code that it must get; the right ones are in
//! `check/right`, and all that the repository ships: scripts, FastX's corpus, the cases of chains, the innocent scripts.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::nats::Nats;
use crate::support::serve::{Serve, report};
use assert_cmd::Command;
use serde_json::{Value, json};
use whither::check::finding::fixed;
use whither::check::{Checker, Code, Finding, FindingLevel};
use whither::engine::LANGUAGES;
use whither::script::{Content, ScriptLimits, SourceText};

use crate::innocent::scripts;

/// The stack on which workers parse scripts.
const STACK_BYTES: usize = 64 << 20;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What a check of each of `sources`, called by their names, finds.
fn findings(sources: Vec<(String, String)>) -> Vec<(String, String, Vec<Finding>)> {
    let work = move || {
        let mut checker = Checker::new(ScriptLimits::default());
        let one = |(name, text): (String, String)| {
            let extension = name.rsplit('.').next().unwrap().to_owned();
            let report =
                checker.script(&name.as_str().into(), &extension, &Content::from(text.as_str()), &BTreeSet::new());
            (name, text, report.findings)
        };
        sources.into_iter().map(one).collect()
    };
    thread::Builder::new().stack_size(STACK_BYTES).spawn(work).unwrap().join().unwrap()
}

fn sources(folder: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(root().join(folder)).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "js" || extension == "rhai") {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            found.push((name, std::fs::read_to_string(path).unwrap()));
        }
    }
    found.sort();
    found
}

#[test]
fn each_wrong_script_gets_the_code_of_its_mistake_and_no_other_one() {
    let wrong = sources("tests/check/wrong");
    assert!(wrong.len() >= 20, "{} wrong scripts", wrong.len());
    let mut missed = Vec::new();
    for (name, _, found) in findings(wrong) {
        let expected: BTreeSet<_> = name.split('-').next().unwrap().split('+').collect();
        let codes: BTreeSet<_> =
            found.iter().filter(|one| one.level != FindingLevel::Note).map(|one| one.code.name()).collect();
        if codes != expected {
            missed.push(format!("{name}: {codes:?}"));
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

#[track_caller]
fn silent(sources: Vec<(String, String)>) {
    let mut alarms = Vec::new();
    for (name, text, found) in findings(sources) {
        for one in found.iter().filter(|one| one.level != FindingLevel::Note) {
            let part = one.span.clone().and_then(|span| text.get(span)).unwrap_or_default();
            alarms.push(format!("{name}: {} {} at {part:?}", one.code.name(), one.message));
        }
    }
    assert!(alarms.is_empty(), "{} false alarms\n{}", alarms.len(), alarms.join("\n"));
}

#[test]
fn right_scripts_get_nothing() {
    let right = sources("tests/check/right");
    assert!(right.len() >= 20, "{} right scripts", right.len());
    silent(right);
}

#[test]
fn shipped_scripts_and_those_that_new_writes_get_nothing() {
    let modules = ["resident.js", "resident-fewest.js"];
    silent(sources("scripts").into_iter().filter(|(name, _)| !modules.contains(&name.as_str())).collect());
    silent(sources("src/cli/new"));
}

#[test]
fn the_corpus_of_fastx_and_the_innocent_scripts_get_nothing() {
    silent(sources("tests/fastx"));
    silent(scripts::SCRIPTS.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect());
    assert!(!scripts::COMPONENTS.is_empty());
}

/// Those cases in which a chain places a session; what fails is a mistake, and may be called one.
#[test]
fn the_cases_of_chains_get_nothing() {
    let text = std::fs::read_to_string(root().join("tests/cases/chain.json")).unwrap();
    let document: Value = serde_json::from_str(&text).unwrap();
    let mut sources = Vec::new();
    for case in document["cases"].as_array().unwrap() {
        // The case shows that nothing comes of the mistake.
        if case["expect"].get("node").is_none() || case["name"] == "isolation-prototypes" {
            continue;
        }
        for (number, step) in case["chain"].as_array().unwrap().iter().enumerate() {
            for language in ["js", "rhai"] {
                if let Some(source) = step[language].as_str() {
                    let name = format!("{}-{number}.{language}", case["name"].as_str().unwrap());
                    sources.push((name, source.to_owned()));
                }
            }
        }
    }
    assert!(sources.len() > 80, "{} scripts", sources.len());
    silent(sources);
}

/// The page of each code shows the mistake and the same put right.
#[test]
fn the_examples_of_pages_are_what_they_say() {
    // These are about chains, configs and clusters.
    let elsewhere = [
        Code::Unreadable,
        Code::Config,
        Code::LastStepPasses,
        Code::LastStepNeverChooses,
        Code::StepNeverAsked,
        Code::UnknownNode,
    ];
    let mut wrong = Vec::new();
    for code in Code::ALL.iter().filter(|code| !elsewhere.contains(code)) {
        let page = code.page();
        let pair = [("wrong", page.wrong), ("right", page.right)]
            .map(|(name, text)| (format!("{name}.{}", page.language), text.to_owned()));
        for (name, text, found) in findings(pair.to_vec()) {
            // What is right may be a note.
            let counts = |one: &&Finding| one.level != FindingLevel::Note || *code == Code::NotKept;
            let mut codes: Vec<_> = found.iter().filter(counts).map(|one| one.code).collect();
            codes.dedup();
            let expected = if name.starts_with("wrong") { vec![*code] } else { Vec::new() };
            if codes != expected {
                wrong.push(format!("{} {name}: {codes:?}\n{text}", code.name()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn sure_fixes_leave_nothing_to_find() {
    for (name, text, found) in findings(sources("tests/check/wrong")) {
        let (made, done) = fixed(&text, &found);
        if done.is_empty() {
            continue;
        }
        let again = findings(vec![(name.clone(), made.clone())]).remove(0).2;
        let left: Vec<_> = again.iter().filter(|one| done.iter().any(|fixed| fixed.code == one.code)).collect();
        assert!(left.is_empty(), "{name}: {left:#?}\n{made}");
    }
}

fn whither() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_whither"));
    command.env_remove("WHITHER_NATS").timeout(Duration::from_secs(120));
    command
}

fn folder(files: &[(&str, &str)]) -> (tempfile::TempDir, impl Fn(&str) -> PathBuf + use<>) {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let path = folder.path().to_owned();
    (folder, move |name: &str| path.join(name))
}

fn output(command: &mut Command) -> (i32, String, String) {
    let done = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (done.status.code().unwrap(), text(&done.stdout), text(&done.stderr))
}

const MISSPELT: &str = "function score(node) {\n  return -node.sesions;\n}\n";

#[test]
fn a_finding_names_the_place_and_the_fix_is_made_at_once() {
    let (_folder, path) = folder(&[("a.js", MISSPELT)]);
    let (code, shown, summary) = output(whither().arg("check").arg(path("a.js")));
    assert_eq!(code, 6, "{shown}{summary}");
    for words in ["a.js:2:16: warning[W001]: a node has no field `sesions`", "did you mean `sessions`?", "^^^^^^^"] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    assert!(summary.contains("1 file, 1 finding; --fix puts 1 right"), "{summary}");
    let (code, shown, told) = output(whither().arg("check").arg("--fix").arg(path("a.js")));
    assert_eq!((code, shown.as_str()), (0, ""), "{told}");
    assert!(told.contains("a.js:2:16: `sesions` becomes `sessions` (W001)"), "{told}");
    assert_eq!(std::fs::read_to_string(path("a.js")).unwrap(), MISSPELT.replace("sesions", "sessions"));
}

#[test]
fn chains_are_looked_at_together() {
    let config = "[chain.\"session/start\"]\nsteps = [\"score.js\", \"builtin:fewest-sessions\"]\n\
                  [chain.\"user/login\"]\nsteps = [\"gpu.js\"]\n[chain.batch]\nsteps = [\"some.js\"]\n";
    let (_folder, path) = folder(&[
        ("whither.toml", config),
        ("score.js", "function score(node) { return node.freemem }"),
        ("gpu.js", "input => input.nodes.filter(node => node.staticData.gpu)"),
        ("some.js", "function(input) { for (const n of input.nodes) if (n.sessions < 5) return n.id }"),
    ]);
    let (code, shown, _) = output(whither().args(["check", "--json"]).arg(path("whither.toml")));
    let document: Value = serde_json::from_str(&shown).unwrap();
    let codes: BTreeSet<_> =
        document["findings"].as_array().unwrap().iter().map(|one| one["code"].as_str().unwrap()).collect();
    assert_eq!((code, codes), (6, BTreeSet::from(["W014", "W015", "W016"])), "{shown}");
    let steps = "steps = [\"score.js\", \"builtin:fewest-sessions\"]";
    let better = config
        .replace(steps, "steps = [\"score.js\"]")
        .replace("[\"gpu.js\"]", "[\"gpu.js\", \"builtin:round-robin\"]");
    let better = better.replace("[\"some.js\"]", "[\"some.js\", \"builtin:round-robin\"]");
    std::fs::write(path("whither.toml"), better).unwrap();
    let (code, shown, told) = output(whither().arg("check").current_dir(path("")));
    assert_eq!(code, 0, "{shown}{told}");
}

#[test]
fn a_config_is_read_as_the_service_reads_it() {
    let (_folder, path) = folder(&[("w.toml", include_str!("../data/five-mistakes.toml"))]);
    let (code, shown, _) = output(whither().args(["check", "--json"]).arg(path("w.toml")));
    let document: Value = serde_json::from_str(&shown).unwrap();
    let all = document["findings"].as_array().unwrap();
    assert!(code == 6 && all.len() >= 4 && all.iter().all(|one| one["code"] == "E003"), "{shown}");
}

#[test]
fn ids_are_looked_up_in_a_node_list() {
    let source = "function(input) {\n  if (input.isAdmin) return 'admin-01';\n  return input.nodes.filter(n => n.id !== 'gpu-1');\n}\n";
    let (_folder, path) = folder(&[("a.js", source), ("nodes.json", r#"[{"id": "gpu-1"}, {"id": "admin-1"}]"#)]);
    let (code, shown, _) = output(whither().arg("check").arg(path("a.js")).arg("--nodes").arg(path("nodes.json")));
    assert!(code == 6 && shown.contains("W026") && shown.contains("`admin-01`"), "{shown}");
    assert_eq!(shown.matches("W026").count(), 1, "{shown}");
}

#[test]
fn what_cannot_be_read_is_a_clear_error() {
    let (_folder, path) = folder(&[("a.lua", "x"), ("empty.js", "\n")]);
    std::fs::write(path("latin.js"), b"// caf\xe9\nfunction(input) { return 1 }").unwrap();
    std::fs::create_dir(path("none")).unwrap();
    for (name, words) in [
        ("a.lua", "is no script"),
        ("empty.js", "is empty"),
        ("latin.js", "is not UTF-8 on line 1"),
        ("none", "has no scripts"),
        ("missing.js", "no such file"),
        ("missing.toml", "no such file"),
    ] {
        let (code, shown, told) = output(whither().arg("check").arg(path(name)));
        assert!(code == 2 && (shown.contains(words) || told.contains(words)), "{name}: {code} {shown}{told}");
    }
}

#[test]
fn a_large_source_and_one_that_a_program_made_take_no_time() {
    let line =
        "  if (node.staticData.a === 'x') total += input.nodes.map(n => n.sessions).filter(n => n > 1).length;\n";
    let large = format!(
        "function(input) {{\n  let total = 0; const node = input.nodes[0];\n{}  return node.id;\n}}\n",
        line.repeat(2_400)
    );
    assert!(large.len() > 240_000 && large.len() < 256 * 1024, "{}", large.len());
    let minified = large.replace('\n', "");
    let began = Instant::now();
    silent(vec![("large.js".to_owned(), large), ("minified.js".to_owned(), minified)]);
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
    let (_folder, path) = folder(&[("huge.js", &format!("//{}\n{MISSPELT}", "x".repeat(256 * 1024)))]);
    let (code, shown, _) = output(whither().arg("check").arg(path("huge.js")));
    assert!(code == 2 && shown.contains("at most 262144 are accepted"), "{code} {shown}");
}

#[test]
fn pages_json_and_sarif_are_there() {
    let (code, shown, _) = output(whither().args(["check", "--explain", "w012"]));
    assert!(code == 0 && shown.starts_with("W012: ") && shown.contains("Wrong:"), "{shown}");
    let (code, _, told) = output(whither().args(["check", "--explain", "W999"]));
    assert!(code == 2 && told.contains("no code `W999`; they go from E001 to"), "{told}");
    let (_folder, path) = folder(&[("a.js", MISSPELT)]);
    let (code, shown, _) = output(whither().args(["check", "--sarif"]).arg(path("a.js")));
    let document: Value = serde_json::from_str(&shown).unwrap();
    let run = &document["runs"][0];
    assert_eq!((code, document["version"].as_str()), (6, Some("2.1.0")));
    assert_eq!(run["results"][0]["ruleId"], "W001");
    assert_eq!(run["results"][0]["locations"][0]["physicalLocation"]["region"]["startLine"], 2);
    assert_eq!(
        run["results"][0]["fixes"][0]["artifactChanges"][0]["replacements"][0]["insertedContent"]["text"],
        "sessions"
    );
    assert_eq!(run["tool"]["driver"]["rules"].as_array().unwrap().len(), Code::ALL.len());
}

#[test]
fn notes_are_no_findings_unless_they_are_to_be() {
    let source = "function filter(node, request) {\n  return request.time.hour < 18 || node.staticData.night;\n}\n";
    let (_folder, path) = folder(&[("a.js", source)]);
    let (code, shown, _) = output(whither().arg("check").arg(path("a.js")));
    assert!(code == 0 && shown.contains("note[W027]") && shown.contains("a.js:2:10"), "{code} {shown}");
    let (code, _, told) = output(whither().args(["check", "--strict"]).arg(path("a.js")));
    assert_eq!(code, 6, "{told}");
    if findings(vec![("a.js".to_owned(), source.to_owned())])[0].2.len() != 1 {
        panic!("one note");
    }
}

/// Without a tree no rule looks, so that a parser that gives up would look like a script without mistakes.
#[test]
fn every_script_has_a_tree_and_names_stand_where_it_says() {
    let folders = ["scripts", "src/cli/new", "tests/fastx", "tests/check/right", "tests/check/wrong"];
    let work = move || {
        let mut names = 0;
        for (name, text) in folders
            .into_iter()
            .flat_map(sources)
            .filter(|(name, _)| !name.contains("resident") && !name.starts_with('E'))
        {
            let extension = name.rsplit('.').next().unwrap();
            let language = LANGUAGES.iter().find(|language| language.extension == extension).unwrap();
            let source = SourceText { file: name.as_str().into(), text: text.as_str().into() };
            let tree = (language.tree)(&source).unwrap_or_else(|| panic!("{name} has no tree"));
            for (field, span) in fields(&format!("{tree:?}")) {
                assert_eq!(text.get(span.clone()), Some(field.as_str()), "{name} at {span:?}");
                names += 1;
            }
        }
        assert!(names > 300, "{names} names were looked at");
    };
    thread::Builder::new().stack_size(STACK_BYTES).spawn(work).unwrap().join().unwrap();
}

/// The fields in a tree, as it is written for a programmer, each with where it stands.
fn fields(tree: &str) -> Vec<(String, std::ops::Range<usize>)> {
    let mut found = Vec::new();
    for (at, _) in tree.match_indices("\", name_span: ") {
        let name = tree[..at].rsplit('"').next().unwrap();
        let rest = &tree[at + "\", name_span: ".len()..];
        let (start, rest) = rest.split_once("..").unwrap();
        let end: String = rest.chars().take_while(char::is_ascii_digit).collect();
        found.push((name.to_owned(), start.parse().unwrap()..end.parse().unwrap()));
    }
    found
}

#[test]
fn rhai_is_understood_in_all_its_forms() {
    let forms = [
        "fn balance(input) { let x = if input.isAdmin { 1 } else if true { 2 } else { 3 }; x }",
        "fn balance(input) { switch input.action { \"a\" | \"b\" if true => 1, 1..5 => { 2 } _ => return 3 } }",
        "fn balance(input) { let t = `a ${input.user.login + `b ${1}`} c`; t.len() - 1 }",
        "fn balance(input) { for (n, i) in input.nodes { if i > 2 { break; } continue; } }",
        "fn balance(input) { let m = #{a: 1, \"b c\": [1, 2,], }; m.a += 1; m[\"b c\"][0] = 2; m?.a ?? m?[\"x\"] }",
        "fn balance(input) { let f = |a, b| a + b; f.call(1, 2); (|| 1).call() }",
        "fn balance(input) { do { } while false; loop { break 1; } while true { return; } }",
        "fn balance(input) { try { throw \"x\"; } catch (e) { print(e); } -1.5e3 - 0xff_ff ** 2 % 3 }",
        "const A = 1_000; private fn help(x) { x } fn balance(input) { help(global::A) in 0..=5 && !(1 !in [1]) }",
        "/* a /* nested */ comment */ fn balance(input) { #\"raw \" text\"#; 'c' } // end",
    ];
    let language = LANGUAGES.iter().find(|language| language.extension == "rhai").unwrap();
    for form in forms {
        let source = SourceText { file: "a.rhai".into(), text: form.into() };
        assert!((language.tree)(&source).is_some(), "{form}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_are_looked_up_in_a_running_cluster() {
    let nats = Nats::start();
    let chain = "[chain.\"session/start\"]\nsteps = [\"builtin:fewest-sessions\"]\n";
    let _serve = Serve::start(&nats, chain, &[]).await;
    report(&nats.client().await, &[json!({"id": "gpu-1"}), json!({"id": "cpu-1"})]).await;
    let source = "const GPU = ['gpu-1', 'gpu-9'];\nfunction balance(input) {\n  \
                  return input.nodes.filter(n => GPU.includes(n.id) || n.id === 'cpu-1');\n}\n";
    let (_folder, path) = folder(&[("a.js", source)]);
    let began = Instant::now();
    loop {
        let (code, shown, told) = output(whither().arg("check").arg(path("a.js")).args(["--nats", &nats.url()]));
        if code == 6 && shown.matches("W026").count() == 1 && shown.contains("the cluster has no node `gpu-9`") {
            break;
        }
        // The reports are on their way.
        assert!(began.elapsed() < Duration::from_secs(30), "{code} {shown}{told}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[test]
fn the_tier_of_each_function_is_told() {
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("a.js");
    std::fs::write(
        &path,
        "function filter(node) { return node.sessions < 9 }\nfunction score(node) { delete node.x; return node.sessions }",
    )
    .unwrap();
    let told = Command::cargo_bin("whither").unwrap().arg("check").arg(&path).arg("--tiers").output().unwrap();
    let told = String::from_utf8(told.stdout).unwrap();
    assert!(told.contains("a.js: `filter` is compiled"), "{told}");
    assert!(told.contains("a.js: `score` is interpreted, because of ") && told.contains(" at 2:"), "{told}");
    for arguments in [["--json"].as_slice(), &["--tiers", "--json"]] {
        let told = Command::cargo_bin("whither").unwrap().arg("check").arg(&path).args(arguments).output().unwrap();
        let told: Value = serde_json::from_slice(&told.stdout).unwrap();
        let (filter, score) = (&told["tiers"][0], &told["tiers"][1]);
        assert_eq!((&filter["tier"], &score["tier"]), (&json!("compiled"), &json!("interpreted")));
        assert_eq!(
            (&filter["because"], &filter["line"], &filter["column"]),
            (&json!(null), &json!(null), &json!(null))
        );
        assert!(score["because"].as_str().unwrap().starts_with("of "), "{score}");
        let column = score["column"].as_u64().unwrap();
        assert!(
            score["line"] == 2 && score["because"].as_str().unwrap().ends_with(&format!(" at 2:{column}")),
            "{score}"
        );
    }
}
