//! Scripts that would never end, or would take the process down: exit code 5, whatever they try.
//!
//! Nothing here measures time. That a case ends at all is the test; how fast, depends on the machine.

use super::{FEWEST, NODES, chose, failed, place, place_by_script, scripted, seemly};
use crate::support::shell::Shell;

#[test]
fn a_script_that_never_ends_is_stopped_and_named() {
    for script in [
        "i => { while (true) ; }",
        "i => { for (;;) i.nodes.sort(); }",
        "async i => { while (true) await null; }",
        "while (true) ;\nfunction balance(input) { return 'b' }",
        "i => ({ then(done) { while (true) ; } })",
        "i => /(a+)+$/.test('a'.repeat(60) + 'b')",
        "i => { try { while (true) ; } catch (e) { return 'b' } finally { return 'b' } }",
        "i => [{id: 'a', toJSON() { while (true) ; }}]",
        "function key(request) { while (true) ; }\nfunction score(node, key) { return 1 }",
        "function score(node, request) { while (true) ; }",
        "function filter(node) { while (true) ; }",
    ] {
        failed(&place_by_script(&scripted(script), &[]), 5, &["script-limit", "CPU time", "step.js"]);
    }
}

/// Where the time went is counted: the line that ran most often is named and drawn, and a loop without statements too.
#[test]
fn the_lines_on_which_the_time_went_are_named() {
    let sum =
        "function(input) {\n  let sum = 0;\n  for (let i = 0; i < 1e12; i++) {\n    sum += i;\n  }\n  return 'b';\n}\n";
    let rhai = "fn balance(input) {\n  let sum = 0;\n  for i in 0..1000000000000 {\n    sum += i;\n  }\n  \"b\"\n}\n";
    // Compiled code says itself which loop it was stopped in; of Rhai the line that ran most often is drawn.
    for (name, script, place) in [("step.js", sum, "step.js:3:19"), ("step.rhai", rhai, "  4 │     sum += i;")] {
        let shell = scripted("i => 'a'");
        shell.write(name, script);
        let nodes = shell.write("own.json", NODES).to_string_lossy().into_owned();
        for command in ["place", "explain"] {
            let told = shell.whither([command, "--nodes", &nodes, "--script", name]);
            let text = format!("{}{}", told.stdout, told.stderr);
            assert_eq!(told.code, Some(5), "{text}");
            for words in ["line 4 ran ", " times", "; the run ended in line 4", place] {
                assert!(text.contains(words), "{name}: {words}: {text}");
            }
        }
    }
    let empty = "function(input) {\n  let sum = 0;\n  while (true) {}\n}\n";
    let told = place_by_script(&scripted(empty), &[]);
    failed(&told, 5, &["the run did not get past line 3", "step.js:3:10"]);
}

/// A function that hangs on a node costs that node where it is pure, and where its compiled code is stopped from inside;
/// an interpreted one that asks for the request costs the request.
#[test]
fn a_node_that_a_script_hangs_on_is_left_out_or_named() {
    let pure = "function score(node) { if (node.id === 'c') while (true) ; return node.id === 'b' ? 2 : 1 }";
    let told = place_by_script(&scripted(pure), &["--explain"]);
    chose(&told, "b");
    assert!(told.stderr.contains("1 over a limit (c)") && told.stderr.contains("node `c`"), "{}", told.stderr);
    let asking = "function score(node, request) { if (node.id === 'c') while (true) ; return node.id === 'b' ? 2 : 1 }";
    let told = place_by_script(&scripted(asking), &["--explain"]);
    chose(&told, "b");
    assert!(told.stderr.contains("1 over a limit (c)") && told.stderr.contains("node `c`"), "{}", told.stderr);
    // What logs a table is interpreted.
    let asking = "function score(node, request) { console.table(1); if (node.id === 'c') while (true) ; return 1 }";
    failed(&place_by_script(&scripted(asking), &[]), 5, &["script-limit", "node `c`", "step.js"]);
}

#[test]
fn the_loop_in_which_compiled_code_was_stopped_is_named() {
    let script = "function (input) {\n  let n = 0\n  for (const node of input.nodes) n += node.sessions\n  \
                  while (n >= 0) n += 1\n  return 'b'\n}";
    failed(&place_by_script(&scripted(script), &[]), 5, &["script-limit", "CPU time", "(at step.js:4:10)"]);
    let script = "input => { const all = []; for (;;) all.push(input.nodes.length) }";
    failed(&place_by_script(&scripted(script), &[]), 5, &["script-limit", "4194304 elements (at step.js:1:"]);
}

#[test]
fn a_step_that_passes_a_limit_follows_its_on_limit() {
    let shell = scripted("i => { while (true) ; }");
    for (on_limit, words) in
        [("skip", "builtin:fewest-sessions"), ("fallback:fewest-sessions", "fallback:fewest-sessions")]
    {
        let text = format!(
            "[chain.\"session/start\"]\nsteps = [{{ script = \"step.js\", on_limit = \"{on_limit}\" }}, \"builtin:fewest-sessions\"]\n"
        );
        shell.write("site.toml", &text);
        let told = place(&shell, &["--config", "site.toml", "--explain"]);
        chose(&told, "b");
        assert!(told.stderr.contains("script-limit") && told.stderr.contains(words), "{}", told.stderr);
    }
}

#[test]
fn a_script_without_measure_takes_nothing_down() {
    for script in [
        "i => { var s = 'x'; while (true) s += s; }",
        "i => { var all = []; while (true) all.push(new Uint8Array(1 << 24).fill(1)); }",
        "i => { var n = 2n; while (true) n = n * n; }",
    ] {
        failed(&place_by_script(&scripted(script), &[]), 5, &["script-limit"]);
    }
}

/// What an engine can refuse by itself is the script's error.
#[test]
fn what_is_refused_at_once_is_an_error_of_the_script() {
    for (script, words) in [
        ("i => { function f() { return f() } return f() }", "too much recursion"),
        ("i => JSON.parse('['.repeat(100000))", "recursion limit"),
        ("i => 'x'.repeat(2 ** 32)", "script-error"),
    ] {
        failed(&place_by_script(&scripted(script), &[]), 4, &[words]);
    }
}

#[test]
fn answers_have_a_size() {
    for (script, words) in [
        ("i => Array(1e9)", "1000000000 elements"),
        ("i => i.nodes.map(n => ({...n, note: 'x'.repeat(70000)}))", "`a` more than 65536 bytes"),
    ] {
        failed(&place_by_script(&scripted(script), &[]), 5, &["script-limit", words]);
    }
    let told = place_by_script(&scripted("i => { throw new Error('x'.repeat(1e6)) }"), &[]);
    failed(&told, 4, &["xxx"]);
    assert!(told.stderr.len() < 10_000, "{} bytes", told.stderr.len());
    let told = place_by_script(&scripted("i => 'x'.repeat(1e6)"), &[]);
    failed(&told, 4, &["unknown-node"]);
    assert!(told.stderr.len() < 10_000, "{} bytes", told.stderr.len());
}

/// After a script was stopped, the same folder answers the next question as if nothing had been.
#[test]
fn the_next_placement_is_as_good_as_the_first() {
    let shell = scripted("i => { if (i.user.login === 'bad') while (true) ; return 'a' }");
    failed(&place_by_script(&shell, &["--user", "bad"]), 5, &["script-limit"]);
    chose(&place_by_script(&shell, &["--user", "good"]), "a");
    chose(&seemly(shell.feed(["place", "--script", FEWEST], NODES)), "b");
}

const PATIENT: &str = r#"
[limits]
script_ms = 60000
node_call_ms = 10000
worker_memory_mb = 128
[chain."session/start"]
steps = ["step.js"]
"#;

/// A place where scripts have all the time they want, so that something else runs out first.
fn patient(script: &str) -> Shell {
    let shell = scripted(script);
    shell.write("site.toml", PATIENT);
    shell
}

#[test]
fn a_script_that_takes_all_memory_is_named() {
    for script in [
        "i => { var s = 'x'; while (true) s += s; }",
        "i => { var n = 2n; while (true) n = n * n; }",
        "i => 'x'.repeat(6e7).split('')",
        "i => { var f = () => 1; while (true) f = f.bind(null); }",
        "i => { var all = new Map(); for (var k = 0; ; k++) all.set(k, {k}); }",
        "i => { try { var s = 'x'; while (true) s += s; } catch (e) { return 'b' } finally { return 'b' } }",
        "i => { var all = []; while (true) all.push(new ArrayBuffer(0, {maxByteLength: 1 << 26})) }",
        "var all = []; while (true) all.push('x'.repeat(1e6).toUpperCase());\nfunction balance(input) { return 'b' }",
    ] {
        let words = ["script-limit", "step step.js needed more than 128 MiB of memory"];
        failed(&place(&patient(script), &["--config", "site.toml"]), 5, &words);
    }
}

#[test]
fn a_program_reads_which_limit_it_was() {
    let shell =
        patient("function score(node, request) { if (node.id === 'c') var s = 'x'; while (s) s += s; return 1 }");
    let told = place(&shell, &["--config", "site.toml", "--json"]);
    assert_eq!(told.code, Some(5), "{}", told.stderr);
    let answer: serde_json::Value = serde_json::from_str(&told.stdout).unwrap();
    let error = &answer["error"];
    assert_eq!((&error["limit"], &error["step"]), (&"memory".into(), &"step.js".into()), "{answer}");
    assert_eq!(error["message"], "step step.js needed more than 128 MiB of memory on node `c`");
}

/// What a step may take for itself it is given, small and large, under the seal too.
#[test]
fn memory_within_the_limit_is_no_fault() {
    let script = "i => { var all = []; for (var k = 0; k < 60; k++) all.push('x'.repeat(1e6)); return 'b' }";
    chose(&place(&patient(script), &["--config", "site.toml"]), "b");
}

/// A million elements that are no nodes are one mistake, and cost no more.
#[test]
fn a_list_of_holes_is_a_mistake_and_takes_no_memory() {
    failed(&place(&patient("i => Array(1e6)"), &["--config", "site.toml"]), 4, &["bad-verdict", "holds undefined"]);
}

/// The engine's stack runs out. There is one step that can have done it.
#[test]
fn a_script_that_takes_its_process_down_is_named() {
    let shell = patient("i => { var a = []; for (var k = 0; k < 1e5; k++) a = [a]; return String(a); }");
    let told = place(&shell, &["--config", "site.toml"]);
    failed(&told, 5, &["script-limit", "step.js took its process down"]);
    assert!(!told.stderr.contains("RUST_BACKTRACE"), "{}", told.stderr);
}
