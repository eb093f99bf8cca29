//! Whatever plan finds the node, it is the node that the steps find one after another with nothing kept.

use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::{Rng, SeedableRng};
use serde_json::{Value, json};
use whither::chain::{
    ChainSet, ChainSpec, LimitRecord, OnFailure, OnUnplaceable, Purpose, StepSource, StepSpec, Subject,
};
use whither::model::diagnosis::DecisionPath;
use whither::model::{Change, Decision, LimitKind, Marks, Reservation, StepVerdict};

use super::stand::{Stand, decided, question, report};

/// How many chains sites have: few are asked often, many hold more shapes.
const CHAINS: [usize; 2] = [4, 30];
const SITES: u64 = 12;
/// Things that happen to a site, with a request after each.
const ROUNDS: usize = 400;
const NODES: usize = 10;

/// Steps in JavaScript: what hangs on the node, on the request, on a key; what fails, and what scripts do beside that.
const JAVASCRIPT: [&str; 20] = [
    "function filter(node) { return node.metadata.pool !== 'c' }",
    "function filter(node) { return node.nodeData.sessions.length < 3 }",
    "function filter(node) { if (node.freemem === 2) throw new Error('two of ' + node.id); return true }",
    "function filter(node) { return false }",
    "function filter(node, request) { return node.metadata.pool === request.data.pool }",
    "function filter(node, request) { return Math.random() < 0.6 }",
    "function filter(node, request) { if (node.metadata.pool === request.data.pool) throw new Error(node.id); return true }",
    "function key(request) { return request.data.pool }\nfunction filter(node, pool) { return node.metadata.pool !== pool }",
    "function key(request) { if (request.data.pool === 'b') throw new Error('no key'); return {pool: request.data.pool} }\n\
     function filter(node, key) { if (node.freemem === 1) throw 1; return node.metadata.pool !== key.pool }",
    "function score(node) { return node.freemem }",
    "function score(node) { return node.freemem === 1 ? undefined : -node.sessions }",
    "function score(node) { if (node.freemem === 0) throw new Error('none'); return 0 }",
    "function score(node) { return node.freemem === 2 ? 'much' : 1 }",
    "function filter(node) { return node.freemem !== 1 }\nfunction score(node) { return -node.sessions }",
    "function filter(node, request) { return node.metadata.pool === request.data.pool }\n\
     function score(node) { return node.freemem }",
    "function filter(node) { return node.freemem > 0 }\n\
     function score(node, request) { return node.metadata.pool === request.data.pool ? 1 : 0 }",
    "function key(request) { return request.data.pool }\nfunction score(node, pool) { return node.metadata.pool === pool }",
    "input => input.nodes.filter(node => node.metadata.pool !== input.data.pool)",
    "input => input.nodes.map(node => ({...node, freemem: 2 - node.freemem, metadata: {pool: 'a'}}))",
    "input => input.data.pool === 'c' ? input.nodes.at(-1)?.id : undefined",
];

const RHAI: [&str; 11] = [
    "fn filter(node) { node.metadata.pool != `c` }",
    "fn filter(node, request) { node.metadata.pool == request.data.pool }",
    "fn key(request) { request.data.pool }\nfn filter(node, pool) { if node.sessions == 2 { throw `two`; } node.metadata.pool != pool }",
    "fn score(node) { if node.freemem == 1 { () } else { node.freemem } }",
    "fn filter(node) { node.sessions < 3 }\nfn score(node) { -node.sessions }",
    "fn filter(node, request) { random() < 0.6 }\nfn score(node) { 0 }",
    "fn filter(node, request) { let wanted = || request.data.pool; wanted.call() == node.metadata.pool }\nfn score(node) { node.freemem }",
    "fn filter(node, request) { if request?.data?.pool == node.metadata.pool { throw `not ${request.data.pool}`; } true }",
    "fn filter(node, request) { switch request.data.pool { \"a\" => node.freemem > 0, \"b\" if request.user.login == `bob` => false, _ => true } }",
    "fn filter(node, request) { help!() }\nfn help() { node.sessions < 2 || request.data.pool == node.metadata.pool }",
    "fn filter(node) { !help!() }\nfn help() { node.sessions == 2 }",
];

/// Tables of home rules: pools by metadata and by id, nodes, one that is not there, and users whom no rule matches.
const RULES: [&str; 4] = [
    "default = { pool = { pool = \"a\" } }\n[[rule]]\nuser = \"ann\"\npool = { pool = [\"b\", \"c\"] }\n\
     [[rule]]\nuser = \"bob\"\npool = [\"n1\", \"n?\"]",
    "[[rule]]\nuser = \"ann\"\nnode = \"n3\"\n[[rule]]\nuser = \"bo.*\"\npool = { pool = \"b\" }",
    "default = \"error\"\n[[rule]]\nuser = \"ann\"\npool = [\"n0\", \"n1\", \"n2\"]\n[[rule]]\nuser = \"bob\"\nnode = \"gone\"",
    "default = { node = \"n5\" }\n[[rule]]\nuser = \"ann|bob\"\npool = { pool = \"a\", weight = 1 }",
];

const BUILTINS: [&str; 6] = ["fewest-sessions", "most-memory", "round-robin", "least-load", "weighted", "sticky-user"];

struct Dice(Pcg64Mcg);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0.next_u64() as usize % sides
    }

    fn one<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.roll(of.len())]
    }
}

fn step(dice: &mut Dice, number: usize) -> StepSpec {
    let mut step = match dice.roll(12) {
        0..=5 => StepSpec::new(&format!("{number}.js"), StepSource::script("js", dice.one(&JAVASCRIPT))),
        6 | 7 => StepSpec::new(&format!("{number}.rhai"), StepSource::script("rhai", dice.one(&RHAI))),
        8 | 9 => StepSpec::new(&format!("{number}.toml"), StepSource::script("toml", dice.one(&RULES))),
        _ => {
            let name = dice.one(&BUILTINS);
            StepSpec::new(&format!("builtin:{name}"), StepSource::Builtin(name.to_owned()))
        }
    };
    step.on_error = match dice.roll(6) {
        0 => OnFailure::Skip,
        1 => OnFailure::Fallback("weighted".to_owned()),
        _ => OnFailure::Stop,
    };
    step
}

fn chain(dice: &mut Dice, number: usize) -> ChainSpec {
    let steps = (0..=dice.roll(4)).map(|step_number| step(dice, number * 10 + step_number)).collect();
    let mut chain = ChainSpec::new(&format!("chain/{number}"), steps);
    chain.reserve = dice.roll(2) == 0;
    chain.on_unplaceable = [OnUnplaceable::Error, OnUnplaceable::Skip, OnUnplaceable::Allow][dice.roll(3)];
    if dice.roll(3) == 0 {
        chain.require_services = vec!["launcher".to_owned()];
    }
    chain
}

/// Something that happens to all stands alike.
enum Event {
    Change(Change),
    Quarantine(Subject, Option<LimitRecord>),
}

fn event(dice: &mut Dice, chains: &[ChainSpec]) -> Event {
    let id = format!("n{}", dice.roll(NODES));
    let node = id.as_str().into();
    let change = match dice.roll(12) {
        0 => Change::Remove(node),
        1 => Change::Stale(node),
        2 => Change::Mark(node, Marks { cordoned: dice.roll(2) == 0, cooling_down: dice.roll(4) == 0 }),
        3 | 4 => Change::Reserve(Reservation {
            id: format!("r{}", dice.roll(6)).as_str().into(),
            node,
            user: dice.one(&["ann", "bob", ""]).into(),
            name: "".into(),
        }),
        5 => Change::Release(format!("{}{}", dice.one(&["r", "d"]), dice.roll(40)).as_str().into()),
        6 => {
            let steps = chains.iter().flat_map(|chain| &chain.steps);
            let steps: Vec<_> = steps.filter(|step| !step.name.starts_with("builtin")).collect();
            let (script, node) = (steps[dice.roll(steps.len())].name.clone(), (dice.roll(4) > 0).then_some(node));
            let limited = LimitRecord { kind: LimitKind::Time, message: "it hung".into() };
            return Event::Quarantine(Subject { script, node }, (dice.roll(2) == 0).then_some(limited));
        }
        _ => {
            let users = ["ann", "bob", "eve"];
            let sessions: Vec<_> = (0..dice.roll(4))
                .map(|number| json!({"id": format!("{id}-{number}"), "user": dice.one(&users)}))
                .collect();
            report(json!({
                "id": id, "freemem": dice.roll(3), "maxSessions": 3 + dice.roll(3), "loadavg": [dice.roll(3)],
                "metadata": {"pool": dice.one(&["a", "b", "c"]), "weight": dice.one(&["1", "2"])},
                "nodeData": {"sessions": sessions, "services": if dice.roll(4) > 0 { json!(["launcher"]) } else { json!([]) }},
            }))
        }
    };
    Event::Change(change)
}

fn decide(stand: &mut Stand, anew: bool, purpose: Purpose, number: usize, request: &Value) -> Decision {
    let mut question = question(&format!("d{}", number % 40), number as u64, request.clone());
    (question.ask.anew, question.ask.purpose) = (anew, purpose);
    decided(stand.evaluator.decide(&question))
}

/// What a request is about: mostly a pool, sometimes none, and sometimes nothing at all.
fn data(dice: &mut Dice) -> Value {
    match dice.roll(12) {
        0 => json!({}),
        1 => json!({"pool": null}),
        2 => json!(null),
        _ => json!({"pool": dice.one(&["a", "b", "c"])}),
    }
}

/// What steps said and whom they lost, whatever it cost.
fn told(decision: &Decision) -> Vec<(&str, &StepVerdict, Value)> {
    let steps = decision.diagnosis.steps.iter();
    steps.map(|step| (&*step.step, &step.said, json!(format!("{:?}", step.lost)))).collect()
}

#[test]
fn a_plan_finds_what_the_steps_find() {
    let (mut scans, mut fewer_calls) = (0, 0);
    for seed in 0..SITES {
        let mut dice = Dice(Pcg64Mcg::seed_from_u64(seed));
        let chains = CHAINS[seed as usize % CHAINS.len()];
        let set = ChainSet::new((0..chains).map(|number| chain(&mut dice, number)).collect());
        let mut stands = [(); 2].map(|()| Stand::of(&set, &[]));
        for number in 0..ROUNDS {
            let event = event(&mut dice, &set.chains);
            for stand in &mut stands {
                match &event {
                    Event::Change(change) => stand.apply(change.clone()),
                    Event::Quarantine(subject, limited) => {
                        stand.evaluator.quarantine(subject.clone(), limited.clone());
                    }
                }
            }
            let chain = &set.chains[dice.roll(chains)];
            let request = json!({
                "action": &*chain.action, "user": {"login": dice.one(&["ann", "bob", ""])},
                "data": data(&mut dice),
            });
            let [reference, planned] = &mut stands;
            // What an explanation keeps, the plan may use.
            let explained = (dice.roll(2) == 0).then(|| decide(planned, false, Purpose::Explain, number, &request));
            let anew = decide(reference, true, Purpose::Place, number, &request);
            let least = decide(planned, false, Purpose::Place, number, &request);
            let context = format!("site {seed}, round {number}: {request} to {:#?}", chain.steps);
            assert_eq!(least.outcome, anew.outcome, "{context}");
            assert_eq!(least.decided_by, anew.decided_by, "{context}");
            if let Some(explained) = explained {
                assert_eq!(explained.outcome, anew.outcome, "{context}");
                assert_eq!(told(&explained), told(&anew), "{context}");
                assert_eq!(explained.diagnosis.excluded, anew.diagnosis.excluded, "{context}");
            }
            scans += u64::from(least.diagnosis.search.plan == DecisionPath::IndexScan);
            fewer_calls += u64::from(least.diagnosis.calls() < anew.diagnosis.calls());
        }
    }
    println!("{scans} index scans, {fewer_calls} decisions with fewer calls");
    let all = SITES * ROUNDS as u64;
    assert!(scans > all / 4 && fewer_calls > all / 8, "{scans} scans, {fewer_calls} with fewer calls, of {all}");
}
