//! One policy in every language, over random clusters that change between requests: they agree, always.

use std::cell::RefCell;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use whither::chain::{ChainSpec, StepSource, StepSpec};
use whither::model::{Change, Reservation};

use super::stand::{Stand, builtin, js, outcome};
use super::step;

const JAVASCRIPT: &str = "input => {
    let best, most = -Infinity;
    for (const node of input.nodes) {
        const free = node.freemem ?? -1;
        if (free > most) { best = node.id; most = free; }
    }
    return best;
}";
const RHAI: &str = "fn balance(input) {
    let best = ();
    let most = -2.0;
    for node in input.nodes {
        let free = if node.freemem == () { -1.0 } else { node.freemem.to_float() };
        if free > most { best = node.id; most = free; }
    }
    best
}";

/// The languages, each as the action of its chain.
const LANGUAGES: [&str; 4] = ["builtin", "javascript", "rhai", "wasm"];

fn stand() -> Stand {
    let chain = |action: &str, step: StepSpec| {
        let mut chain = ChainSpec::new(action, vec![step]);
        // Each is asked the same; a choice must change nothing for the next language.
        chain.reserve = false;
        chain
    };
    let steps = [
        builtin("most-memory"),
        js("memory.js", JAVASCRIPT),
        StepSpec::new("memory.rhai", StepSource::script("rhai", RHAI)),
        step("answers"),
    ];
    Stand::new(LANGUAGES.into_iter().zip(steps).map(|(action, step)| chain(action, step)).collect(), &[])
}

/// Something that happens to the cluster.
#[derive(Clone, Debug)]
enum Event {
    Reports(u8, Option<u32>),
    Leaves(u8),
    Reserved(u8, u8),
    Released(u8),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        4 => (0..12_u8, proptest::option::weighted(0.8, any::<u32>())).prop_map(|(node, free)| Event::Reports(node, free)),
        1 => (0..12_u8).prop_map(Event::Leaves),
        1 => (0..6_u8, 0..12_u8).prop_map(|(id, node)| Event::Reserved(id, node)),
        1 => (0..6_u8).prop_map(Event::Released),
    ];
    proptest::collection::vec(event, 1..12)
}

fn happen(stand: &mut Stand, event: Event) {
    let name = |node: u8| format!("n{node:02}");
    match event {
        Event::Reports(node, free) => {
            let mut document = json!({"id": name(node), "sessions": 1});
            if let Some(free) = free {
                // Ties are another test's: built-ins break them by what was chosen before.
                document["freemem"] = Value::from(u64::from(free) * 16 + u64::from(node));
            }
            stand.report(document);
        }
        Event::Leaves(node) => stand.apply(Change::Remove(name(node).as_str().into())),
        Event::Reserved(id, node) => stand.apply(Change::Reserve(Reservation {
            id: format!("r{id}").as_str().into(),
            node: name(node).as_str().into(),
            user: "ann".into(),
            name: "".into(),
        })),
        Event::Released(id) => stand.apply(Change::Release(format!("r{id}").as_str().into())),
    }
}

/// A thousand clusters, each changed and asked about a few times. One stand serves them all, because a component takes
/// its time to compile.
#[test]
fn one_policy_in_every_language_gives_one_answer() {
    let stand = RefCell::new(stand());
    let mut runner = TestRunner::new(ProptestConfig { cases: 1000, ..ProptestConfig::default() });
    let rounds = proptest::collection::vec(events(), 1..4);
    runner.run(&rounds, |rounds| agree(&mut stand.borrow_mut(), rounds)).unwrap();
}

fn agree(stand: &mut Stand, rounds: Vec<Vec<Event>>) -> Result<(), TestCaseError> {
    (0..12).for_each(|node| happen(stand, Event::Leaves(node)));
    (0..6).for_each(|id| happen(stand, Event::Released(id)));
    for round in rounds {
        round.into_iter().for_each(|event| happen(stand, event));
        let known = stand.evaluator.cluster().nodes().any(|(_, node)| node.field("freemem").is_some());
        let ask = |action: &str| outcome(&stand.decide(json!({"action": action, "user": {"login": "most-memory"}})));
        let answers = LANGUAGES.map(ask);
        // Where no node has the figure all are equal.
        if known {
            prop_assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
        }
    }
    Ok(())
}
