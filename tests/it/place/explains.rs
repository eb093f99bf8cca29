//! `whither explain` and `--watch`: why that node, what would have to differ, and what changed since the last save.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::{Value, json};

use super::{FEWEST, NODES, site};
use crate::support::PATIENCE;
use crate::support::shell::{Shell, WHITHER};

/// The words `words` stand in `text`, in this order.
#[track_caller]
fn says(text: &str, words: &[&str]) {
    let mut rest = text;
    for word in words {
        rest = rest.split_once(word).unwrap_or_else(|| panic!("`{word}` does not follow in: {text}")).1;
    }
}

#[test]
fn a_tree_tells_the_steps_the_scores_and_by_how_much_the_node_won() {
    let shell = site();
    shell.write("launcher.js", "function filter(node) { return node.id !== 'a' }");
    let arguments = ["explain", "--nodes", "nodes.json", "--script", "launcher.js", "--script", FEWEST, "--node", "c"];
    let told = shell.whither(arguments);
    assert_eq!(told.code, Some(0), "{told:?}");
    says(
        &told.stdout,
        &[
            "over 4 nodes",
            "├─ left out before the first step",
            "1 cordoned: d",
            "├─ launcher.js",
            "narrow to 2",
            "1 filtered out: a",
            "└─ builtin:fewest-sessions",
            "select b",
            "node  launcher.js",
            "b     kept          0 sessions               chosen",
            "c     kept          1 session\n",
            "a     filtered out",
            "d     left out",
            "chosen b, by builtin:fewest-sessions: 0 sessions against 1 of c, which was next",
            "asked c: builtin:fewest-sessions chose b: 0 sessions against 1",
        ],
    );
    let told = shell.whither(["explain", "--nodes", "nodes.json", "--script", FEWEST, "--node", "d"]);
    says(&told.stdout, &["asked d: it cannot take the request: cordoned", "no change of one or two fields"]);
    shell.write("nodes.json", NODES.replace(r#""services": [], "sessions": []"#, r#""sessions": [{"user": "bob"}]"#));
    let told = shell.whither(["explain", "--nodes", "nodes.json", "--script", FEWEST, "--node", "d"]);
    says(&told.stdout, &["d would be chosen if `cordoned` were false instead of true"]);
}

#[test]
fn what_would_have_to_differ_is_data_too() {
    let shell = site();
    shell.write("score.js", "function score(node) { return 10 - node.sessions }");
    let told = shell.whither([
        "explain",
        "--nodes",
        "nodes.json",
        "--script",
        "score.js",
        "--node",
        "d",
        "--json",
        "--user",
        "ann",
    ]);
    let explanation: Value = serde_json::from_str(&told.stdout).unwrap();
    assert_eq!(explanation["won_by"]["next"], "c");
    let asked = &explanation["asked"]["counterfactual"];
    assert_eq!(asked["search"], "complete", "{explanation}");
    // `b` stands first, so that `d` needs to be better than none.
    assert!(asked["tries"].as_u64().unwrap() > 0);
    let told = shell.whither(["explain", "--nodes", "nodes.json", "--script", "score.js", "--node", "c", "--json"]);
    let explanation: Value = serde_json::from_str(&told.stdout).unwrap();
    let text = &explanation["asked"]["counterfactual"]["text"];
    assert!(text.as_str().unwrap().starts_with("no change"), "a tie goes to the first: {text}");
    let told = shell.whither(["explain", "--nodes", "nodes.json", "--script", "score.js", "--node", "a", "--json"]);
    assert_eq!(told.code, Some(0));
}

#[test]
fn nodes_and_users_that_are_not_there_are_told() {
    let shell = site();
    let told = shell.whither(["explain", "--nodes", "nodes.json", "--script", FEWEST, "--node", "node-a"]);
    assert_eq!(told.code, Some(3), "{told:?}");
    assert!(told.stderr.contains("unknown-node: no node of the cluster has the id `node-a`"), "{told:?}");
    let told = shell.whither(["explain", "--nodes", "nodes.json", "--script", FEWEST, "--user", "anm"]);
    assert_eq!(told.code, Some(0), "whoever has no session yet may start one");
    assert!(told.stderr.contains("no node has a session of `anm`; did you mean `ann`?"), "{told:?}");
}

#[test]
fn a_recorded_decision_is_explained_and_nothing_else_is() {
    let shell = site();
    let made = shell.whither(["place", "--nodes", "nodes.json", "--script", FEWEST, "--explain", "--json"]);
    shell.write("decision.json", &made.stdout);
    let told = shell.whither(["explain", "--decision", "decision.json", "--node", "c"]);
    assert_eq!(told.code, Some(0), "{told:?}");
    says(&told.stdout, &["└─ builtin:fewest-sessions", "chosen b", "asked c: it was a candidate, with 1"]);
    let told = shell.whither(["explain", "--decision", "decision.json", "--node", "gone"]);
    assert_eq!(told.code, Some(3), "{told:?}");
    assert!(told.stderr.contains("the recorded decision says nothing of a node `gone`"), "{told:?}");
    shell.write("answer.json", json!({"node": "b", "explanation": {"steps": [], "node": "b"}}).to_string());
    assert_eq!(shell.whither(["explain", "--decision", "answer.json"]).code, Some(0));
    for (name, content, words) in [
        ("none.json", None, "No such file"),
        ("nodes.json", Some(NODES), "no decision is recorded in it"),
        ("broken.json", Some("{"), "not valid JSON"),
    ] {
        content.map(|content| shell.write(name, content));
        let told = shell.whither(["explain", "--decision", name]);
        assert_eq!((told.code, told.stdout.as_str()), (Some(2), ""), "{name}: {told:?}");
        assert!(told.stderr.contains(words) && told.stderr.contains(name), "{name}: {told:?}");
    }
}

#[test]
fn the_line_that_failed_is_drawn() {
    let shell = site();
    shell.write("slip.js", "function(input) {\n  return input.nodes.filter(node => node.static.gpu);\n}\n");
    let told = shell.whither(["place", "--nodes", "nodes.json", "--script", "slip.js"]);
    assert_eq!(told.code, Some(4), "{told:?}");
    says(
        &told.stderr,
        &[
            "cannot use `gpu` of undefined or null: `node.static` is not there; did you mean `node.staticData`?",
            "(at slip.js:2:",
            "  2 │   return input.nodes.filter(node => node.static.gpu);",
            "    │ ",
            "^",
        ],
    );
    for command in [vec!["explain"], vec!["place", "--explain"]] {
        let told = shell.whither(command.into_iter().chain(["--nodes", "nodes.json", "--script", "slip.js"]));
        assert_eq!(told.code, Some(4), "{told:?}");
    }
}

#[test]
fn a_search_that_a_script_hangs_in_costs_the_search_alone() {
    let shell = site();
    // What logs a table is interpreted, and cannot be stopped.
    let spin = "for (const n of input.nodes) { while (n.sessions > 50) {} }";
    shell.write("hang.js", format!("function(input) {{ console.table('asked'); {spin} return 'b' }}"));
    let told = shell.whither(["explain", "--nodes", "nodes.json", "--script", "hang.js", "--node", "a"]);
    assert_eq!(told.code, Some(0), "{told:?}");
    says(
        &told.stdout,
        &["chosen b", "asked a", "nothing was tried for a: with a value that was tried, step hang.js used"],
    );
}

/// A `--watch` under way.
struct Watching {
    child: Child,
    lines: Receiver<String>,
}

impl Watching {
    fn start(shell: &Shell, arguments: &[&str]) -> Self {
        let mut command = Command::new(WHITHER);
        command.args(arguments).current_dir(shell.folder()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || out.lines().map_while(Result::ok).for_each(|line| drop(sender.send(line))));
        Self { child, lines }
    }

    /// The lines up to the one that says how long the answer took, and those that follow at once.
    fn answer(&self) -> String {
        let mut text = String::new();
        let mut patience = PATIENCE;
        while let Ok(line) = self.lines.recv_timeout(patience) {
            if line.contains("answered in") {
                patience = Duration::from_millis(300);
            }
            text += &(line + "\n");
        }
        assert!(text.contains("answered in"), "{text}");
        text
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _ended = self.child.wait();
    }
}

#[test]
fn a_watch_answers_on_each_save_with_what_changed() {
    let shell = site();
    let script = |text: &str| shell.write("s.js", text);
    script("input => 'a'");
    let watching = Watching::start(&shell, &["place", "--nodes", "nodes.json", "--script", "s.js", "--watch"]);
    assert!(watching.answer().starts_with("a\n"));
    script("input => 'b'");
    says(
        &watching.answer(),
        &["b\n", "answered in", "changed:", "b instead of a", "s.js: select b instead of select a"],
    );
    script("input => {");
    says(&watching.answer(), &["error:", "s.js", "the last good answer:", "b\n"]);
    // An editor writes another file and renames it.
    shell.write("s.js~", "input => 'c'");
    std::fs::rename(shell.folder().join("s.js~"), shell.folder().join("s.js")).unwrap();
    says(&watching.answer(), &["c\n", "c instead of b"]);
    let without = shell.whither(["place", "--watch"]);
    assert_eq!(without.code, Some(2), "{without:?}");
}
