//! `whither place` and `whither new` as a person or a program meets them: what is printed where, and every exit code.

mod answers;
mod configs;
mod explains;
mod limits;
mod node_files;
mod requests;
mod starts;
mod steps;

use crate::support::shell::{Shell, Told};

/// Three nodes of which `b` has the fewest sessions; ann works on `c`, and `d` takes no sessions.
const NODES: &str = r#"[
    {"id": "a", "nodeData": {"services": ["launcher"], "sessions": [{"user": "u0"}, {"user": "u1"}, {"user": "u2"}]}},
    {"id": "b", "nodeData": {"services": [], "sessions": []}},
    {"id": "c", "nodeData": {"services": ["launcher"], "sessions": [{"user": "ann"}]}},
    {"id": "d", "nodeData": {"services": ["launcher"], "sessions": []}, "cordoned": true}
]"#;

/// The end of most chains.
const FEWEST: &str = "builtin:fewest-sessions";

/// A folder with [`NODES`] in `nodes.json`.
fn site() -> Shell {
    let shell = Shell::new();
    shell.write("nodes.json", NODES);
    shell
}

/// A folder with [`NODES`] and a script in `step.js`.
fn scripted(script: &str) -> Shell {
    let shell = site();
    shell.write("step.js", script);
    shell
}

/// `place` over `nodes.json` with further arguments.
fn place(shell: &Shell, arguments: &[&str]) -> Told {
    seemly(shell.whither(["place", "--nodes", "nodes.json"].iter().chain(arguments)))
}

/// `place` over `nodes.json` by `step.js` with further arguments.
fn place_by_script(shell: &Shell, arguments: &[&str]) -> Told {
    seemly(shell.whither(["place", "--nodes", "nodes.json", "--script", "step.js"].iter().chain(arguments)))
}

/// What holds for whatever a command says: it ended by itself, without a panic, and nothing is coloured in a pipe.
#[track_caller]
fn seemly(told: Told) -> Told {
    assert!(told.code.is_some(), "a signal ended it: {told:?}");
    assert!(!told.stderr.contains("panicked at"), "{}", told.stderr);
    assert!(!told.stdout.contains('\u{1b}') && !told.stderr.contains('\u{1b}'), "{told:?}");
    told
}

/// Checks that the answer, alone, is `node`.
#[track_caller]
fn chose(told: &Told, node: &str) {
    assert_eq!((told.code, told.stdout.as_str()), (Some(0), format!("{node}\n").as_str()), "{}", told.stderr);
}

/// Checks that nothing was answered, with the exit code and the words that say why.
#[track_caller]
fn failed(told: &Told, code: i32, words: &[&str]) {
    assert_eq!((told.code, told.stdout.as_str()), (Some(code), ""), "{words:?}: {}", told.stderr);
    for word in words {
        assert!(told.stderr.contains(word), "`{word}` is not in: {}", told.stderr);
    }
}
