//! Hostile scripts against a real service on a real NATS server: each is told its own error, good ones the right node,
//! everybody once, and the front never notices.
//!
//! The scripts and what they must be told stand in `tests/hostile/*.toml`; `tests/hostile/case.rs` describes them. One
//! test a file: a chain has a process, and all of them at once would be a test of the machine's memory.
//! `WHITHER_SEED` chooses another order of the questions, `WHITHER_ROUNDS` how often each is asked.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail loudly")]

mod support;

#[path = "hostile/case.rs"]
mod case;
#[path = "hostile/documents.rs"]
mod documents;
#[path = "hostile/site.rs"]
mod site;
#[path = "hostile/sources.rs"]
mod sources;

use case::Case;
use serde_json::json;
use site::Site;
use support::serve::Reply;

/// The files of cases, each by its name.
const FILES: [(&str, &str); 8] = [
    ("loops", include_str!("hostile/loops.toml")),
    ("memory", include_str!("hostile/memory.toml")),
    ("stack", include_str!("hostile/stack.toml")),
    ("comparators", include_str!("hostile/comparators.toml")),
    ("prototypes", include_str!("hostile/prototypes.toml")),
    ("throws", include_str!("hostile/throws.toml")),
    ("returns", include_str!("hostile/returns.toml")),
    ("language", include_str!("hostile/language.toml")),
];

/// Asks the scripts of one file.
async fn storm(name: &str) {
    let (_, text) = FILES.iter().find(|(own, _)| *own == name).unwrap();
    let cases: Vec<_> = Case::read(&[text]).into_iter().filter(Case::can_be_asked).collect();
    Site::start(cases).await.storm().await;
}

#[test]
fn the_cases_are_many_and_each_has_its_name() {
    let cases = Case::read(&FILES.map(|(_, text)| text));
    assert!(cases.len() >= 300, "{} cases", cases.len());
}

/// Replies that are wrong in one way each; the last one is right.
#[test]
fn a_wrong_answer_is_seen() {
    let case = r#"
        [[case]]
        name = "a"
        script = "input => { throw 'the words' }"
        expect = [{ error = "script-error", words = ["the words"], longest = 300 }, { node = "n05" }]
    "#;
    let [case] = Case::read(&[case]).try_into().unwrap();
    let told = |name: &str, step: &str, words: &str, code: &str| Reply {
        body: json!({"error": {"name": name, "step": step, "message": words, "code": 422}}),
        code: Some(code.to_owned()),
    };
    let placed = |node: &str| Reply { body: json!({"node": node}), code: None };
    for (reply, seen) in [
        (placed("n04"), "not `script-error`; nor: not node n05"),
        (told("script-limit", "a.js", "the words", "422"), "not `script-error`"),
        (told("script-error", "b.js", "the words", "422"), "the step is \"b.js\""),
        (told("script-error", "a.js", "other words", "422"), "`the words` is not said"),
        (told("script-error", "a.js", "the words", "504"), "the header's code is"),
        (told("script-error", "a.js", &"the words".repeat(100), "422"), "at most 300"),
    ] {
        let wrong = case.check(&reply, "n04").unwrap_err();
        assert!(wrong.contains(seen), "{seen}: {wrong}");
    }
    assert_eq!(case.check(&told("script-error", "a.js", "the words", "422"), "n04"), Ok(()));
    assert_eq!(case.check(&placed("n05"), "n04"), Ok(()));
}

#[tokio::test]
async fn scripts_that_never_end() {
    storm("loops").await;
}

#[tokio::test]
async fn scripts_that_eat_memory() {
    storm("memory").await;
}

#[tokio::test]
async fn scripts_that_run_out_of_stack() {
    storm("stack").await;
}

#[tokio::test]
async fn comparators_that_lie() {
    storm("comparators").await;
}

#[tokio::test]
async fn scripts_that_change_what_all_share() {
    storm("prototypes").await;
}

#[tokio::test]
async fn scripts_that_throw_strange_things() {
    storm("throws").await;
}

#[tokio::test]
async fn scripts_that_return_strange_things() {
    storm("returns").await;
}

#[tokio::test]
async fn scripts_that_use_the_language_to_its_ends() {
    storm("language").await;
}
