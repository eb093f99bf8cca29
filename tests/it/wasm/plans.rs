//! Components in plans: what they said of a node is kept, and the node that is found is the one without that.

use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::{Rng, SeedableRng};
use serde_json::json;
use whither::chain::{ChainSpec, StepSpec};
use whither::model::diagnosis::DecisionPath;
use whither::model::{Change, Marks, Reservation};

use super::stand::{Stand, builtin, decided, js, question, report};
use super::{fresh, step};

const ROUNDS: u64 = 300;
const NODES: u64 = 8;

fn chains() -> Vec<ChainSpec> {
    let asked =
        || js("sequence.js", "function filter(node, request) { return (request.sequence + node.sessions) % 3 > 0 }");
    let keyed = || js("pool.js", "function filter(node, request) { return node.metadata.pool !== request.data.pool }");
    let chain = |action: &str, steps: Vec<StepSpec>| ChainSpec { reserve: true, ..ChainSpec::new(action, steps) };
    vec![
        chain("warm", vec![step("gpu-weight")]),
        chain("fresh", vec![fresh("gpu-weight")]),
        chain("behind a filter", vec![asked(), step("gpu-weight")]),
        chain("behind a key", vec![builtin("sticky-user"), keyed(), step("gpu-weight")]),
        chain("by request", vec![keyed(), step("by-request"), builtin("fewest-sessions")]),
    ]
}

/// Something that happens to a node.
fn change(roll: &mut impl FnMut(u64) -> u64) -> Change {
    let id = format!("n{}", roll(NODES));
    let node = id.as_str().into();
    match roll(8) {
        0 => Change::Remove(node),
        1 => Change::Mark(node, Marks { cordoned: roll(2) == 0, cooling_down: false }),
        2 => Change::Release(format!("d{}", roll(ROUNDS)).as_str().into()),
        3 => Change::Reserve(Reservation { id: "r".into(), node, user: "n".into(), name: "".into() }),
        _ => {
            let sessions: Vec<_> = (0..roll(4)).map(|number| json!({"id": number.to_string(), "user": "n"})).collect();
            report(json!({
                "id": id, "metadata": {"pool": format!("p{}", roll(3))},
                "staticData": {"gpu": roll(4) > 0, "weight": 1 + roll(3)}, "nodeData": {"sessions": sessions},
            }))
        }
    }
}

#[test]
fn a_plan_of_components_finds_what_the_steps_find() {
    let mut dice = Pcg64Mcg::seed_from_u64(6);
    let mut roll = |sides: u64| dice.next_u64() % sides;
    let [mut reference, mut planned] = [(); 2].map(|()| Stand::new(chains(), &[]));
    let (actions, mut scans) = (chains().into_iter().map(|chain| chain.action).collect::<Vec<_>>(), 0);
    for number in 0..ROUNDS {
        let change = change(&mut roll);
        let action = actions.get(roll(actions.len() as u64) as usize).unwrap();
        let pool = format!("p{}", roll(3));
        let request = json!({"action": &**action, "user": {"login": if roll(2) == 0 { "n" } else { "x" }}, "data": {"pool": pool}});
        let [anew, least] = [(&mut reference, true), (&mut planned, false)].map(|(stand, anew)| {
            stand.apply(change.clone());
            let mut question = question(&format!("d{number}"), number, request.clone());
            question.ask.anew = anew;
            decided(stand.evaluator.decide(&question))
        });
        assert_eq!(least.outcome, anew.outcome, "round {number}: {request}");
        assert_eq!(least.decided_by, anew.decided_by, "round {number}: {request}");
        scans += u64::from(least.diagnosis.search.plan == DecisionPath::IndexScan);
    }
    assert!(scans > ROUNDS / 4, "{scans} scans of {ROUNDS}");
}
