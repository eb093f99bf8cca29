//! `whither test`: files of tests, what is said of those that fail, coverage, and the tests that come with the project.

use std::path::PathBuf;

use crate::support::serve::{ask, retire, site};
use crate::support::shell::{Shell, Told};
use serde_json::{Value, json};

fn shipped(name: &str) -> String {
    [env!("CARGO_MANIFEST_DIR"), name].iter().collect::<PathBuf>().to_string_lossy().into_owned()
}

/// Runs `whither test` in a folder with `files`.
fn test(files: &[(&str, &str)], arguments: &[&str]) -> (Shell, Told) {
    let shell = Shell::new();
    for (name, text) in files {
        shell.write(name, text);
    }
    let told = shell.whither(["test"].iter().chain(arguments));
    (shell, told)
}

fn answer(told: &Told) -> Value {
    serde_json::from_str(&told.stdout).unwrap_or_else(|error| panic!("{error}: {told:?}"))
}

/// The result of each case, by its name.
fn results(told: &Told) -> Vec<(String, String)> {
    let files = answer(told)["files"].as_array().unwrap().clone();
    let cases = files.iter().flat_map(|file| file["cases"].as_array().unwrap().clone());
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    cases.map(|case| (text(&case["name"]), text(&case["result"]))).collect()
}

#[test]
fn the_shipped_scripts_pass_their_tests() {
    let told = Shell::new().whither(["test", &shipped("scripts"), "--coverage", "--json"]);
    assert_eq!(told.code, Some(0), "{}\n{}", told.stdout, told.stderr);
    let told = answer(&told);
    assert!(told["passed"].as_u64().unwrap() >= 50, "{}", told["passed"]);
    let scripts = told["coverage"].as_array().unwrap();
    assert_eq!(scripts.len(), 12, "each script in both languages");
    for script in scripts {
        let (lines, ways) = (&script["lines"], &script["branches"]);
        assert_eq!(lines["reached"], lines["total"], "{script:#}");
        let missed = ways["total"].as_u64().unwrap() - ways["reached"].as_u64().unwrap();
        assert!(missed <= 3, "{script:#}");
    }
}

#[test]
fn what_new_writes_passes() {
    let shell = Shell::new();
    for arguments in [["js", "list", "list"], ["js", "one", "node"], ["rhai", "list", "list"], ["rhai", "one", "node"]]
    {
        let [language, name, shape] = arguments;
        assert_eq!(shell.whither(["new", language, name, "--shape", shape]).code, Some(0), "{arguments:?}");
    }
    let told = shell.whither(["test", "--json"]);
    assert_eq!(told.code, Some(0), "{}\n{}", told.stdout, told.stderr);
    assert_eq!(answer(&told)["files"].as_array().unwrap().len(), 4);
}

/// A chain of one filter, `f.js`, and `builtin:fewest-sessions`.
const CHAIN: &str = "steps = [\"f.js\", \"builtin:fewest-sessions\"]\n";
const FILTER: &str =
    "function filter(node, request) { return request.user.login !== 'eve' || node.metadata.vip === 'yes' }";
const NODES: &str = "nodes = [{ id = \"a\", sessions = 2 }, { id = \"b\", sessions = 1 }, { id = \"v\", sessions = 9, metadata = { vip = \"yes\" } }]\n";

#[test]
fn each_expectation_passes_and_fails_as_it_should() {
    let cases = "
[[case]]
name = 'node'
expect = { node = 'b' }
[[case]]
name = 'node fails'
expect = { node = 'a' }
[[case]]
name = 'one of'
expect = { one_of = ['a', 'b'] }
[[case]]
name = 'one of fails'
request = { user = 'eve' }
expect = { one_of = ['a', 'b'] }
[[case]]
name = 'none'
nodes = [{ id = 'a' }]
request = { user = 'eve' }
expect = { placed = false }
[[case]]
name = 'none fails'
expect = { placed = false }
[[case]]
name = 'error'
request = { user = 7 }
expect = { error = { name = 'bad-request', words = 'user' } }
[[case]]
name = 'error fails'
expect = { error = 'busy' }
[[case]]
name = 'never'
expect = { never = { metadata = { vip = 'yes' } } }
[[case]]
name = 'never fails'
request = { user = 'eve' }
expect = { never = { metadata.vip = 'yes' } }
[[case]]
name = 'order'
expect = { order = ['b', 'a', 'v'] }
[[case]]
name = 'order fails'
expect = { order = ['a', 'b'] }
[[case]]
name = 'calls'
expect = { calls = 3 }
[[case]]
name = 'calls fail'
expect = { calls = 2 }
[[case]]
name = 'a row of requests'
requests = [{ expect = { node = 'b' } }, { user = 'eve', expect = { node = 'v' } }]
[[case]]
name = 'a row of requests fails'
requests = [{ expect = { node = 'b' } }, { user = 'eve', expect = { node = 'b' } }]
[[case]]
name = 'sessions that were placed count'
repeat = 3
expect = { spread = { max_difference = 2 } }
[[case]]
name = 'a spread fails'
request = { user = 'eve' }
repeat = 3
expect = { spread = { max_share = 0.5 } }
";
    let file = format!("{CHAIN}{NODES}{cases}");
    let (_shell, told) = test(&[("f.js", FILTER), ("f.test.toml", &file)], &["--json"]);
    assert_eq!(told.code, Some(1), "{}", told.stderr);
    for (name, result) in results(&told) {
        let expected = if name.ends_with("fails") || name.ends_with("fail") { "failed" } else { "passed" };
        assert_eq!(result, expected, "{name}: {}", told.stdout);
    }
}

#[test]
fn a_failure_is_told_with_a_diff_and_its_diagnosis() {
    let file =
        format!("{CHAIN}{NODES}[[case]]\nname = 'eve'\nrequest = {{ user = 'eve' }}\nexpect = {{ node = 'b' }}\n");
    let (shell, told) = test(&[("f.js", FILTER), ("f.test.toml", &file)], &["--junit", "out.xml"]);
    assert_eq!(told.code, Some(1));
    for words in [
        "f.test.toml:3: eve",
        "expect.node",
        "- expected node b",
        "+ got      node v",
        "chain session/start, 3 nodes",
        "narrow to 1",
        "2 filtered out",
        "1 failed, 0 passed",
    ] {
        assert!(told.stdout.contains(words), "{words}: {}", told.stdout);
    }
    let report = shell.read("out.xml");
    assert!(report.contains("<failure message=\"expect.node: expected node b, got node v (request 1)\">"), "{report}");
}

#[test]
fn a_script_that_hangs_costs_its_own_case_alone() {
    let script = "function balance(input) { while (input.user.login === 'loop') {} return input.nodes[0].id }";
    let file = "nodes = [{ id = 'a' }]\n\
        [[case]]\nname = 'before'\nexpect = { node = 'a' }\n\
        [[case]]\nname = 'hangs'\nrequest = { user = 'loop' }\nexpect = { node = 'a' }\n\
        [[case]]\nname = 'is expected to hang'\nrequest = { user = 'loop' }\nexpect = { error = { name = 'script-limit' } }\n\
        [[case]]\nname = 'after'\nexpect = { node = 'a' }\n";
    let (_shell, told) = test(&[("s.js", script), ("s.test.toml", file)], &["--json"]);
    let passed: Vec<_> = results(&told).into_iter().map(|(_, result)| result).collect();
    assert_eq!(passed, ["passed", "failed", "passed", "passed"], "{}", told.stdout);
    let complaint = &answer(&told)["files"][0]["cases"][1]["complaints"][0];
    assert!(complaint["got"][0].as_str().unwrap().starts_with("script-limit"), "{complaint}");
}

#[test]
fn a_property_that_does_not_hold_is_shown_by_the_smallest_cluster() {
    let script = "function balance(input) { const gpus = input.nodes.filter(n => n.metadata.gpu === 'true'); \
        return gpus.length >= 2 ? gpus[1].id : input.nodes[0] && input.nodes[0].id }";
    let file = "[[case]]\nname = 'never a GPU'\nfor_all = { clusters = 200, min_nodes = 8 }\n\
        expect = { never = { metadata = { gpu = 'true' } } }\n\
        [[case]]\nname = 'holds'\nfor_all = { clusters = 20 }\nexpect = { never = { cordoned = true } }\n";
    let (_shell, told) = test(&[("s.js", script), ("s.test.toml", file)], &["--json"]);
    assert_eq!(told.code, Some(1), "{}", told.stderr);
    let cases = &answer(&told)["files"][0]["cases"];
    let (cluster, holds) = (&cases[0]["cluster"], &cases[1]["result"]);
    assert_eq!(holds, "passed");
    assert!(cluster["drawn"].as_u64().unwrap() >= 8);
    let nodes = cluster["nodes"].as_array().unwrap();
    assert!(nodes.len() <= 2, "{cluster:#}");
    for node in nodes {
        let fields: Vec<_> = node.as_object().unwrap().keys().cloned().collect();
        assert_eq!(fields, ["id", "metadata"], "{cluster:#}");
    }
}

#[test]
fn bad_files_are_told_with_their_lines_and_the_others_run() {
    let good = "nodes = [{ id = 'a' }]\n[[case]]\nname = 'x'\nexpect = { node = 'a' }\n";
    let bad = "nodez = 1\n[[case]]\nname = 'x'\nnodes = []\nexpect = { node = 'a' }\n[[case]]\nname = 'x'\nnodes = []\nexpect = {}\n";
    let script = "function balance(input) { return input.nodes[0].id }";
    let files = [
        ("a/good.js", script),
        ("a/good.test.toml", good),
        ("b/bad.js", script),
        ("b/bad.test.toml", bad),
        ("c/orphan.test.toml", good),
        ("d/broken.js", "function balance(input) { return ( }"),
        ("d/broken.test.toml", good),
    ];
    let (shell, told) = test(&files, &[]);
    assert_eq!(told.code, Some(2), "{}", told.stdout);
    for words in [
        "b/bad.test.toml:1:1: unknown section or key `nodez` (did you mean `nodes`?)",
        "the name `x` is that of the case on line 3",
        "no script is named, and there is none of `orphan.js`, `orphan.rhai`, `orphan.wasm`",
        "broken.js:1:",
        "1 passed",
        "3 files could not be run",
    ] {
        assert!(told.stdout.contains(words), "{words}: {}", told.stdout);
    }
    assert_eq!(shell.whither(["test", "a"]).code, Some(0));
    assert_eq!(shell.whither(["test", "d"]).code, Some(1), "a script that does not compile fails its tests");
    let none = shell.whither(["test", "a", "--filter", "nothing"]);
    assert_eq!(
        (none.code, none.stderr.contains("none of 1 tests has `nothing` in its name")),
        (Some(2), true),
        "{none:?}"
    );
    shell.write("empty/readme", "");
    let none = shell.whither(["test", "empty"]);
    assert_eq!((none.code, none.stderr.contains("there is no file *.test.toml in empty")), (Some(2), true), "{none:?}");
    assert_eq!(shell.whither(["test", "gone"]).code, Some(2));
    let told = shell.whither(["test", "a/good.js"]);
    assert!(told.code == Some(0) && told.stdout.contains("1 passed"), "the tests of a script: {told:?}");
    let told = shell.whither(["test", "empty/readme"]);
    assert!(told.code == Some(2) && told.stderr.contains("`empty/readme` is no file of tests"), "{told:?}");
}

/// What ran, counted by hand. `count` has the lines, each with how often a statement on it began, and the ways of its
/// branches; all cases of a script are asked once each.
struct ByHand {
    file: &'static str,
    script: &'static str,
    cases: &'static str,
    lines: &'static [(u32, u64)],
    branches: &'static [(u32, &'static [u64])],
}

const THREE_SCRIPTS: [ByHand; 4] = [
    // Two requests over two nodes: the loop runs four times.
    ByHand {
        file: "list.js",
        script: "function balance(input) {\n  let best;\n  for (const node of input.nodes) {\n    if (node.sessions > 5) continue;\n    best = best ?? node;\n  }\n  if (!best) {\n    throw new Error('none');\n  } else\n    return best.id;\n}\n",
        cases: "[[case]]\nname = '1'\nnodes = [{ id = 'a', sessions = 9 }, { id = 'b', sessions = 1 }]\nexpect = { node = 'b' }\n[[case]]\nname = '2'\nnodes = [{ id = 'a', sessions = 9 }, { id = 'b', sessions = 9 }]\nexpect = { error = 'none' }\n",
        lines: &[(2, 2), (3, 2), (4, 4), (5, 1), (7, 2), (8, 1), (10, 1)],
        branches: &[(4, &[3, 1]), (5, &[1, 1]), (7, &[1, 1])],
    },
    // One request over three nodes: one call of each function for each, but `score` is not asked about what was filtered.
    ByHand {
        file: "node.js",
        script: "const LIMIT = 5;\nconst free = (n) => LIMIT - n.sessions;\nfunction filter(n) { return n.id !== 'x' && free(n) > 0 }\nfunction score(n) {\n  switch (n.id) {\n    case 'a': return 1;\n    default:\n      return free(n) > 4 ? 3 : 2;\n  }\n}\n",
        cases: "[[case]]\nname = '1'\nnodes = [{ id = 'a', sessions = 1 }, { id = 'b', sessions = 0 }, { id = 'x', sessions = 0 }]\nexpect = { node = 'b' }\n",
        lines: &[(2, 3), (3, 3), (5, 2), (6, 1), (8, 1)],
        branches: &[(3, &[3, 2]), (6, &[1, 1]), (8, &[1, 0])],
    },
    // Rhai: one request over three nodes.
    ByHand {
        file: "list.rhai",
        script: "fn balance(input) {\n  let best = ();\n  for node in input.nodes {\n    if node.sessions > 5 {\n      continue;\n    }\n    if best == () || node.sessions < best.sessions { best = node; }\n  }\n  best?.id\n}\n",
        cases: "[[case]]\nname = '1'\nnodes = [{ id = 'a', sessions = 3 }, { id = 'b', sessions = 9 }, { id = 'c', sessions = 1 }]\nexpect = { node = 'c' }\n",
        lines: &[(2, 1), (3, 1), (4, 3), (5, 1), (7, 2), (9, 1)],
        branches: &[(4, &[1, 2]), (7, &[2, 0]), (7, &[2, 1])],
    },
    ByHand {
        file: "node.rhai",
        script: "const LIMIT = 5;\nfn filter(n) {\n  n.sessions < global::LIMIT && n.id != \"x\"\n}\nfn score(n) {\n  if n.id == \"a\" { 1 } else { 2 }\n}\n",
        cases: "[[case]]\nname = '1'\nnodes = [{ id = 'a', sessions = 1 }, { id = 'b', sessions = 0 }, { id = 'c', sessions = 7 }]\nexpect = { node = 'b' }\n",
        lines: &[(3, 3), (6, 2)],
        branches: &[(3, &[3, 2]), (6, &[1, 1])],
    },
];

#[test]
fn coverage_agrees_with_a_count_by_hand() {
    for hand in &THREE_SCRIPTS {
        let file = format!("steps = [\"{}\"]\n{}", hand.file, hand.cases);
        let arguments = ["--coverage", "--json"];
        let (_shell, told) = test(&[(hand.file, hand.script), ("s.test.toml", &file)], &arguments);
        assert_eq!(told.code, Some(0), "{}: {}\n{}", hand.file, told.stdout, told.stderr);
        let script = &answer(&told)["coverage"][0];
        // What runs at the top level is run as often as the engine needs it.
        let top = |line: u32| hand.script.lines().nth(line as usize - 1).unwrap().starts_with("const LIMIT");
        let lines = script["lines"]["counts"].as_object().unwrap().iter();
        let lines: Vec<_> = lines.map(|(line, count)| (line.parse().unwrap(), count.as_u64().unwrap())).collect();
        let lines: Vec<(u32, u64)> = lines.into_iter().filter(|(line, _)| !top(*line)).collect();
        assert_eq!(lines, hand.lines, "{}: {script:#}", hand.file);
        let ways = |branch: &Value| branch["ways"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).collect();
        let branches = script["branches"]["counts"].as_array().unwrap().iter();
        let branches: Vec<(u64, Vec<u64>)> =
            branches.map(|branch| (branch["line"].as_u64().unwrap(), ways(branch))).collect();
        let expected: Vec<_> = hand.branches.iter().map(|(line, ways)| (u64::from(*line), ways.to_vec())).collect();
        assert_eq!(branches, expected, "{}: {script:#}", hand.file);
    }
}

#[test]
fn coverage_is_written_as_pages_and_as_a_tracefile() {
    let hand = &THREE_SCRIPTS[0];
    let file = format!("steps = [\"{}\"]\n{}", hand.file, hand.cases);
    let files = [(hand.file, hand.script), ("s.test.toml", file.as_str())];
    let (shell, told) = test(&files, &["--coverage-dir", "out/coverage"]);
    assert_eq!(told.code, Some(0), "{}", told.stderr);
    assert!(told.stdout.contains("7 of 7 (100.0 %)") && told.stdout.contains("6 of 6"), "{}", told.stdout);
    let trace = shell.read("out/coverage/lcov.info");
    assert!(trace.starts_with("TN:\nSF:list.js\nBRDA:4,0,0,3\n") && trace.contains("\nDA:4,4\n"), "{trace}");
    assert!(shell.read("out/coverage/index.html").contains("001-list.js.html"));
    assert!(shell.read("out/coverage/001-list.js.html").contains("if (node.sessions &gt; 5) continue;"));
}

#[test]
fn a_thrown_error_keeps_its_place_under_coverage() {
    let script = "function balance(input) {\n  if (input.nodes.length) { const none = null; return none.id }\n}\n";
    let file = "nodes = [{ id = 'a' }]\n[[case]]\nname = 'x'\nexpect = { error = 'line 2' }\n";
    let files = [("s.js", script), ("s.test.toml", file)];
    let place = |arguments: &[&str]| {
        let (_shell, told) = test(&files, arguments);
        let error = answer(&told)["files"][0]["cases"][0]["explanation"]["error"]["position"].clone();
        assert!(error["line"] == 2, "{error}");
        error
    };
    assert_eq!(place(&["--json"]), place(&["--json", "--coverage"]));
}

#[test]
fn ten_thousand_cases_run() {
    let case = |number: u32| format!("[[case]]\nname = '{number}'\nexpect = {{ node = 'b' }}\n");
    let cases: String = (0..10_000).map(case).collect();
    let file = format!("steps = [\"builtin:fewest-sessions\"]\n{NODES}{cases}");
    let (_shell, told) = test(&[("s.test.toml", &file)], &[]);
    assert_eq!(told.code, Some(0), "{}", told.last_words());
    assert!(told.stdout.contains("10000 cases passed") && told.stdout.lines().count() < 20, "{}", told.stdout);
}

/// Cases over the same nodes begin alike: what one placed, took away or hung on is nothing to the next.
#[test]
fn cases_over_the_same_nodes_know_nothing_of_each_other() {
    let script =
        "function score(node, request) { console.table(); if (request.data.hang === node.id) while (true) ; return 1 }";
    let case = |number: usize, more: &str| format!("[[case]]\nname = '{number}'\n{more}\n");
    let placed = |node: &str| format!("repeat = 2\nexpect = {{ one_of = ['{node}', 'b'] }}");
    let cases: String = [
        "expect = { order = ['a', 'b', 'c'] }".to_owned(),
        "expect = { node = 'a' }".to_owned(),
        placed("a"),
        "request = { data = { hang = 'a' } }\nexpect = { error = 'CPU time' }".to_owned(),
        "expect = { order = ['a', 'b', 'c'] }".to_owned(),
    ]
    .iter()
    .enumerate()
    .map(|(number, more)| case(number, more))
    .collect();
    let many: String = (0..3_000).map(|number| format!("{{ id = 'x{number}', cordoned = true }},")).collect();
    for nodes in ["", many.as_str()] {
        let file = format!("nodes = [{{ id = 'a' }}, {{ id = 'b' }}, {{ id = 'c' }}, {nodes}]\n{cases}");
        let (_shell, told) = test(&[("s.js", script), ("s.test.toml", &file)], &[]);
        assert_eq!(told.code, Some(0), "{}{}", told.stdout, told.last_words());
    }
}

#[test]
fn a_case_that_hangs_says_where() {
    let script = "function balance(input) {\n  let n = 0;\n  while (true) {\n    n++;\n  }\n}\n";
    let file = "nodes = [{ id = 'a' }]\n[[case]]\nname = 'x'\nexpect = { node = 'a' }\n";
    let (_shell, told) = test(&[("s.js", script), ("s.test.toml", file)], &[]);
    assert_eq!(told.code, Some(1), "{told:?}");
    assert!(told.stdout.contains("line 4 ran ") && told.stdout.contains("s.js:3:10"), "{}", told.stdout);
}

#[test]
fn large_clusters_run_and_larger_ones_are_refused() {
    // The most is 100,000, which takes a build without optimisations half a minute.
    let file = |count: u32| {
        format!(
            "steps = [\"builtin:fewest-sessions\"]\nnodes = {{ generate = {{ count = {count} }} }}\n\
             [[case]]\nname = 'x'\nexpect = {{ placed = true }}\n"
        )
    };
    let (_shell, told) = test(&[("s.test.toml", &file(5_000))], &[]);
    assert_eq!(told.code, Some(0), "{}{}", told.stdout, told.last_words());
    // So much text that a worker says hundreds of times, while it reads, that it is alive.
    let long = "x".repeat(250_000);
    let large = format!(
        "steps = [\"builtin:fewest-sessions\"]\n\
         nodes = {{ generate = {{ count = 600, with = {{ metadata = {{ long = '{long}' }} }} }} }}\n\
         [[case]]\nname = 'x'\nexpect = {{ placed = true }}\n[[case]]\nname = 'y'\nexpect = {{ placed = true }}\n"
    );
    let (_shell, told) = test(&[("s.test.toml", &large)], &[]);
    assert_eq!(told.code, Some(0), "{}{}", told.stdout, told.last_words());
    let (_shell, told) = test(&[("s.test.toml", &file(100_001))], &[]);
    let words = "`nodes.generate.count` is the number 100001, expected a whole number from 1 to 100000";
    assert!(told.code == Some(2) && told.stdout.contains(words), "{}", told.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_of_a_service_becomes_a_test_that_passes() {
    let chains = "[service]\nrecorded_decisions = 10\n[chain.\"session/start\"]\n\
        steps = [\"f.js\", \"builtin:fewest-sessions\"]\n";
    let script = "function filter(node, request) { return node.id !== request.data.not }";
    let (nats, _serve, client) = site(chains, &[("f.js", script)], 5).await;
    let request = json!({"user": {"login": "ann"}, "data": {"not": "n01"}, "params": {"jwt": "secret"}});
    ask(&client, "whither.place", &request).await;
    let placed = ask(&client, "whither.place", &request).await.body;
    let id = placed["decision"].as_str().unwrap();
    let shell = Shell::new();
    shell.write("f.js", script);
    let url = nats.url();
    let record = ["test", "--record", id, "--nats", &url, "--script", "f.js", "--script", "builtin:fewest-sessions"];
    let told = shell.whither(record);
    assert_eq!(told.code, Some(0), "{}", told.stderr);
    let recorded = shell.read(&format!("{id}.decision.json"));
    assert!(recorded.contains("\"pending\"") && !recorded.contains("secret"), "{recorded}");
    let told = shell.whither(["test"]);
    assert_eq!(told.code, Some(0), "{}{}", told.stdout, shell.read(&format!("{id}.test.toml")));
    let why = |named: &str, node: &str| {
        let options = ["--script", "f.js", "--script", "builtin:fewest-sessions", "--node", node, "--nats", &url];
        shell.whither(["explain", "--decision", named].into_iter().chain(options))
    };
    retire(&client, "n01").await;
    for named in [id, &format!("{id}.decision.json")] {
        let told = why(named, "n01");
        assert_eq!((told.code, told.stderr.as_str()), (Some(0), ""), "{named}: {}", told.stdout);
        let chosen = format!("chosen {}", placed["node"].as_str().unwrap());
        for words in [&*chosen, "asked n01: f.js", "`request.data.not`"] {
            assert!(told.stdout.contains(words), "{named}: {words}: {}", told.stdout);
        }
    }
    let told = why(id, "node-9");
    assert!(told.code == Some(3) && told.stderr.contains("no node of the cluster has the id `node-9`"), "{told:?}");
    shell.write("f.js", "function filter(node) { return node.id === 'n01' }");
    let told = why(id, "n01");
    assert!(told.code == Some(0) && told.stderr.contains("and here it is n01"), "{told:?}");
    let again = shell.whither(record);
    assert!(again.code == Some(2) && again.stderr.contains("is there already"), "{again:?}");
    let replica = id.rsplit_once('-').unwrap().0;
    let unknown = shell.whither(["test", "--record", &format!("{replica}-none"), "--nats", &url, "--script", "f.js"]);
    assert!(unknown.stderr.contains("is not recorded: the last 10 are"), "{unknown:?}");
    let unknown = why(&format!("{replica}-none"), "node-1");
    assert!(unknown.code == Some(2) && unknown.stderr.contains("is not recorded: the last 10 are"), "{unknown:?}");
}
