//! Hostile scripts against a real service on a real NATS server: each is told its own error, good ones the right node,
//! everybody once, and the front never notices.
//!
//! The scripts and what they must be told stand in `tests/hostile/*.toml`; `tests/it/hostile/case.rs` describes them.
//! `WHITHER_ONLY` names files to ask the scripts of, as in `loops,memory`; `WHITHER_SEED` chooses another order of the questions, `WHITHER_ROUNDS` how often each is asked.

mod bursts;
mod case;
mod documents;
mod site;
mod sources;

use crate::support::serve::Reply;
use case::Case;
use serde_json::json;
use site::Site;

/// Scripts that their own engine stops.
const RHAI: &str = include_str!("../hostile/rhai.toml");

/// Scripts that are compiled, and stopped in their compiled code.
const COMPILED: &str = include_str!("../hostile/compiled.toml");

/// Scripts that call themselves, most of them without end.
const RECURSION: &str = include_str!("../hostile/recursion.toml");

/// The files of cases, each by its name.
const FILES: [(&str, &str); 11] = [
    ("loops", include_str!("../hostile/loops.toml")),
    ("memory", include_str!("../hostile/memory.toml")),
    ("stack", include_str!("../hostile/stack.toml")),
    ("comparators", include_str!("../hostile/comparators.toml")),
    ("prototypes", include_str!("../hostile/prototypes.toml")),
    ("throws", include_str!("../hostile/throws.toml")),
    ("returns", include_str!("../hostile/returns.toml")),
    ("language", include_str!("../hostile/language.toml")),
    ("rhai", RHAI),
    ("compiled", COMPILED),
    ("recursion", RECURSION),
];

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

/// All hostile scripts beside good scripts, in an order by chance, asked of a single service. Recursive scripts have a
/// service without time limits: on a busy machine they pass the short limit of a call here before the limit of the stack.
#[tokio::test]
async fn one_service_outlives_them_all() {
    let only = std::env::var("WHITHER_ONLY").unwrap_or_default();
    let is_asked = |name: &str, text: &str| match only.as_str() {
        "" => text != RECURSION,
        only => only.split(',').any(|one| one == name),
    };
    let files = FILES.iter().filter(|(name, text)| is_asked(name, text));
    let cases = files.flat_map(|(_, text)| Case::read(&[text])).filter(Case::can_be_asked);
    Site::start(cases.collect()).await.storm().await;
}

/// An engine that can stop a script does, and its worker goes on: whatever the script did, it costs nobody a worker.
#[tokio::test]
async fn what_an_engine_stops_costs_no_worker() {
    let cases = Case::read(&[RHAI]);
    let mut site = Site::start_patient(cases).await;
    site.ask_everything().await;
    assert_eq!(site.worker_deaths(), 0);
    site.stop().await;
}

/// The same of compiled JavaScript: that each of the scripts is compiled stands in the log.
#[tokio::test]
async fn a_loop_in_compiled_code_costs_no_worker() {
    let cases = Case::read(&[COMPILED]);
    let files: Vec<_> = cases.iter().map(Case::file).collect();
    let mut site = Site::start_patient(cases).await;
    let log = site.log();
    for file in files {
        assert!(log.lines().any(|line| line.contains(&file) && line.contains("is compiled")), "{file}: {log}");
    }
    site.ask_everything().await;
    assert_eq!(site.worker_deaths(), 0, "{}", site.log());
    site.stop().await;
}

/// Recursion is the interpreter's, which counts the calls that are within each other.
#[tokio::test]
async fn recursion_costs_no_worker() {
    let mut site = Site::start_untimed(Case::read(&[RECURSION])).await;
    site.ask_everything().await;
    assert_eq!(site.worker_deaths(), 0, "{}", site.log());
    site.stop().await;
}
