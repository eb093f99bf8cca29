//! Files of tests as their reader takes and refuses them.

use std::path::Path;

use super::*;
use crate::config::MemoryFiles;

fn files(text: &str) -> MemoryFiles {
    MemoryFiles::default()
        .with("s/a.test.toml", text)
        .with("s/a.js", "function filter(n) { return true }")
        .with("s/b.js", "function score(n) { return 1 }")
        .with("s/nodes.json", "[]")
}

fn problems(text: &str) -> Vec<String> {
    let errors = load(Path::new("s/a.test.toml"), &files(text)).unwrap_err();
    errors.to_string().lines().map(|line| line.replace("s/a.test.toml", "f")).collect()
}

fn suite(text: &str) -> Suite {
    load(Path::new("s/a.test.toml"), &files(text)).unwrap_or_else(|errors| panic!("{errors}"))
}

const CASE: &str = "[[case]]\nname = \"x\"\nnodes = [{ id = \"a\" }]\nexpect = { node = \"a\" }\n";

#[test]
fn the_chain_is_named_or_is_the_script_of_the_same_name() {
    let names = |text: &str| -> Vec<String> {
        let steps = suite(text).set.chains.into_iter().flat_map(|chain| chain.steps);
        steps.map(|step| step.name.to_string()).collect()
    };
    assert_eq!(names(CASE), ["a.js"]);
    assert_eq!(names(&format!("steps = [\"b.js\", \"builtin:round-robin\"]\n{CASE}")), ["b.js", "builtin:round-robin"]);
    let chains = format!("[chain.x]\nsteps = [\"b.js\"]\nreserve = true\n{CASE}");
    assert!(suite(&chains).set.chains[0].reserve);
    let orphan = MemoryFiles::default().with("o.test.toml", CASE);
    let error = load(Path::new("o.test.toml"), &orphan).unwrap_err().to_string();
    assert!(error.contains("no script is named, and there is none of `o.js`, `o.rhai`, `o.wasm`"), "{error}");
}

#[test]
fn cases_are_read_with_what_the_file_says_for_all() {
    let text = "now = \"2026-11-20T17:30:00Z\"\nseed = 7\nrequest = { user = \"ann\", groups = [\"cad\"] }\n\
        nodes = [{ id = \"a\", sessions = 3, metadata = { gpu = \"true\" } }]\n\
        [[case]]\nname = \"one\"\nexpect = { never = { metadata.gpu = \"false\" }, calls = 4 }\n\
        [[case]]\nname = \"two\"\nseed = \"18446744073709551615\"\nrepeat = 3\n\
        requests = [{ user = \"bob\", expect = { error = { name = \"no-node\", words = \"full\" } } }, {}]\n\
        [[case]]\nname = \"three\"\nfor_all = { clusters = 5, max_nodes = 3 }\nexpect = { placed = true }\n";
    let suite = suite(text);
    let [one, two, three] = suite.cases.as_slice() else { panic!("{:?}", suite.cases) };
    assert_eq!((one.line, one.now_ms, one.seed, one.expected.calls), (5, Some(1_795_195_800_000), Some(7), Some(4)));
    assert_eq!(one.requests[0].fields["user"]["login"], "ann");
    assert_eq!(one.requests[0].fields["userGroups"][0], "cad");
    assert_eq!(one.expected.never.as_ref().unwrap()["metadata"]["gpu"], "false");
    assert_eq!((two.seed, two.repeat, two.requests.len()), (Some(u64::MAX), 3, 2));
    assert_eq!(two.requests[0].fields["user"]["login"], "bob");
    assert!(two.requests[0].fields.get("expect").is_none());
    let error = ExpectedOutcome::Error(Some(FailureName::NoNode), "full".to_owned());
    assert_eq!(two.requests[0].expected.outcome, Some(error));
    assert_eq!(three.nodes, NodeSource::ForAll { clusters: 5, sizes: (1, 3), seed: 1 });
    assert_eq!(three.expected.outcome, Some(ExpectedOutcome::Any));
}

#[test]
fn every_mistake_is_told_with_its_line_and_what_was_meant() {
    let text = "chian = 1\n[[case]]\nname = \"x\"\nnodes = [{ id = \"a\", maxSessions = \"no\" }, { id = \"b\" }, { id = \"b\" }]\n\
        expct = {}\nexpect = { nod = \"a\" }\n\
        [[case]]\nname = \"x\"\nexpect = { node = \"a\", placed = true, error = { name = \"no-nod\" } }\nrepeat = 0\n\
        [[case]]\nnodes = { file = \"gone.json\" }\nexpect = {}\n\
        [[case]]\nname = \"y\"\nnodes = { generate = { count = 100001 } }\nexpect = { spread = { max_share = 2 } }\n";
    let found = problems(text);
    for words in [
        "f:1:1: unknown section or key `chian` (did you mean `chain`?)",
        "f:4:10: `case[0].nodes[0]`",
        "f:4:58: `case[0].nodes[2]` has the id `b` of an earlier node",
        "f:5:1: unknown key `expct` in `case[0]` (did you mean `expect`?)",
        "unknown key `nod` in `case[0].expect` (did you mean `node`?)",
        "f:8:8: the name `x` is that of the case on line 3 (give one of them another name)",
        "the case `x` has no nodes",
        "stands beside `node`, and a decision ends in one way",
        "is `no-nod`, which is no error's name (did you mean `no-node`?)",
        "`case[1].repeat` is the number 0, expected a whole number from 1 to 100000",
        "`case[2]` has no `name`",
        "node list `gone.json`: no such file",
        "`case[2].expect` expects nothing",
        "`case[3].nodes.generate.count` is the number 100001, expected a whole number from 1 to 100000",
        "`case[3].expect.spread.max_share` is the number 2, expected a number from 0 to 1",
    ] {
        assert!(found.iter().any(|line| line.contains(words)), "{words}: {found:#?}");
    }
    assert!(problems("").iter().any(|line| line.contains("there is no case (a test is a table `[[case]]`)")));
    let missing = problems(&format!("steps = [\"gone.js\"]\n{CASE}"));
    assert_eq!(missing, ["f:1:10: script `gone.js`: no such file"]);
    let both = problems(&format!("steps = [\"a.js\"]\nconfig = \"w.toml\"\n{CASE}"));
    assert!(both[0].contains("`config` stands beside `steps`"), "{both:?}");
}

#[test]
fn what_is_too_much_is_refused() {
    let many: String = (0..=MAX_CASES).map(|number| format!("[[case]]\nname = \"{number}\"\n")).collect();
    let found = problems(&many);
    assert!(found[0].contains("the file has 20001 cases, at most 20000 are accepted"), "{found:?}");
    let questions = "[[case]]\nname = \"x\"\nrepeat = 100000\nfor_all = { clusters = 3 }\nexpect = { placed = true }\n";
    let found = problems(questions);
    assert!(found[0].contains("asks 300000 questions, at most 200000 are accepted"), "{found:?}");
}

#[test]
fn ten_thousand_cases_are_read() {
    let case = |number: u32| CASE.replace("\"x\"", &format!("\"{number}\""));
    let text: String = (0..10_000).map(case).collect();
    let cases = suite(&text).cases;
    assert_eq!((cases.len(), cases[9_999].line), (10_000, 39_997));
}

#[test]
fn the_schema_has_every_key_and_no_other() {
    let schema = schema::schema();
    assert_eq!(schema["properties"]["case"]["items"]["$ref"], "#/$defs/case");
    for key in &key::SUITE_KEYS {
        let section = if key.section.is_empty() { &schema } else { &schema["$defs"][key.section] };
        assert_eq!(section["properties"][key.key]["description"], key.about, "{}.{}", key.section, key.key);
    }
}
