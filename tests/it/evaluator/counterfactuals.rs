//! What would have to differ: what is told does choose the node, and nothing smaller does.

use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::{Rng, SeedableRng};
use serde_json::{Value, json};
use whither::chain::{Ask, ChainSet, ChainSpec, Purpose, StepSource, StepSpec};
use whither::explain::{self, MAX_TRIES, SearchBudget};
use whither::model::{Change, Counterfactual, FieldChange, Reservation, SearchEnd};

use super::stand::{Stand, builtin, cordoned, evaluator_by, js, login, node, outcome, program, report, start};

const BUDGET: SearchBudget = SearchBudget { time_us: u64::MAX, tries: MAX_TRIES };

/// Searches for what would have `about` chosen for `request`.
fn search(stand: &mut Stand, request: &Value, about: &str) -> Option<Counterfactual> {
    let question = stand.question(request.clone());
    let ask = Ask { purpose: Purpose::Explain, about: Some(about.into()), ..question.ask };
    explain::search(&stand.evaluator, &ask, BUDGET)
}

/// The same in words.
fn told(stand: &mut Stand, request: &Value, about: &str) -> String {
    search(stand, request, about).map_or("it is chosen".to_owned(), |found| found.to_string())
}

#[test]
fn the_smallest_change_is_told_in_a_sentence() {
    let nodes = [node("a", 1), node("b", 3), node("c", 3)];
    let mut stand = Stand::new(vec![start(vec![builtin("fewest-sessions")])], &nodes);
    assert_eq!(told(&mut stand, &json!({}), "b"), "b would be chosen if `sessions` were 0 instead of 3");
    assert_eq!(told(&mut stand, &json!({}), "a"), "it is chosen");
    stand.mark("a", cordoned());
    let of_a = told(&mut stand, &json!({}), "a");
    assert_eq!(of_a, "a would be chosen if `cordoned` were false instead of true");
    assert_eq!(told(&mut stand, &json!({}), "x"), "nothing was tried for x: it is not in the cluster");
}

#[test]
fn fields_are_named_as_the_scripts_name_them() {
    let with = |id: &str, pool: &str, free: u64| {
        json!({"id": id, "metadata": {"pool": pool}, "staticData": {"rack": "r1"},
               "nodeData": {"health": {"mem": {"free": free, "total": 100}}, "sessions": []}})
    };
    let nodes = [with("a", "cad", 50), with("b", "office", 80), with("c", "cad", 20)];
    let chain = start(vec![
        js("pool.js", "function filter(node) { return node.metadata.pool === 'cad' }"),
        js("free.js", "function score(node) { return node.freemem }"),
    ]);
    let mut stand = Stand::new(vec![chain], &nodes);
    assert_eq!(told(&mut stand, &json!({}), "c"), "c would be chosen if `freemem` were 51 instead of 20");
    let of_b = told(&mut stand, &json!({}), "b");
    assert_eq!(of_b, "b would be chosen if `metadata.pool` were \"cad\" instead of \"office\"");
    let chain = login(vec![js("list.js", "i => i.nodes.find(n => n.staticData.gpu === 'a100' && n.freemem > 30)?.id")]);
    let mut stand = Stand::new(vec![chain], &nodes);
    let asked = json!({"action": "user/login"});
    let of_a = told(&mut stand, &asked, "a");
    assert_eq!(of_a, "a would be chosen if `staticData.gpu` were \"a100\" instead of absent");
    let of_c = told(&mut stand, &asked, "c");
    let both =
        "c would be chosen if `nodeData.health.mem.free` were 31 instead of 20 and `staticData.gpu` were \"a100\"";
    assert!(of_c.starts_with(&both.replace("nodeData.health.mem.free", "freemem")), "{of_c}");
}

#[test]
fn what_hangs_on_the_request_or_the_user_is_told_too() {
    let nodes = [node("a", 0), node("b", 2)];
    let groups = js("groups.js", "i => i.userGroups.includes('cad') && i.data.pool !== 'x' ? 'b' : 'a'");
    let mut stand = Stand::new(vec![login(vec![groups])], &nodes);
    let of_b = told(&mut stand, &json!({"action": "user/login", "userGroups": ["office"]}), "b");
    assert!(of_b.contains("`request.userGroups` were [\"office\",\"cad\"] instead of [\"office\"]"), "{of_b}");
    let mut stand = Stand::new(vec![start(vec![builtin("sticky-user"), builtin("fewest-sessions")])], &nodes);
    let of_b = told(&mut stand, &json!({"user": {"login": "ann"}}), "b");
    assert!(of_b.contains("`sessions of ann` were 1 instead of 0"), "{of_b}");
}

#[test]
fn what_cannot_be_reached_and_what_cannot_be_tried_is_said() {
    let nodes = [node("a", 0), node("b", 2)];
    let mut stand = Stand::new(vec![login(vec![js("a.js", "i => 'a'")])], &nodes);
    let found = search(&mut stand, &json!({"action": "user/login"}), "b").unwrap();
    assert_eq!((found.remedies.len(), &found.end), (0, &SearchEnd::Complete), "{found}");
    assert!(found.to_string().starts_with("no change of one or two fields"), "{found}");
    let mut stand = Stand::new(vec![start(vec![program("p.sh"), builtin("round-robin")])], &nodes);
    assert!(told(&mut stand, &json!({}), "b").contains("p.sh is an executable"));
    let mut stand = Stand::new(vec![start(vec![builtin("fewest-sessions")])], &nodes);
    let ask = Ask { about: Some("b".into()), ..stand.question(json!({})).ask };
    let cut = explain::search(&stand.evaluator, &ask, SearchBudget { time_us: u64::MAX, tries: 1 }).unwrap();
    assert_eq!(cut.end, SearchEnd::OutOfTries);
}

#[test]
fn a_search_leaves_no_trace() {
    let nodes = [node("a", 1), node("b", 2)];
    let chain = start(vec![js("s.js", "function score(node) { return -node.sessions }")]);
    let mut stand = Stand::new(vec![chain], &nodes);
    let reservation = Reservation { id: "r".into(), node: "b".into(), user: "ann".into(), name: "".into() };
    stand.apply(Change::Reserve(reservation));
    let before = (stand.evaluator.cluster().generation(), stand.evaluator.cluster().get("b").cloned());
    assert_eq!(told(&mut stand, &json!({}), "b"), "b would be chosen if `sessions` were 0 instead of 3");
    assert_eq!(before, (stand.evaluator.cluster().generation(), stand.evaluator.cluster().get("b").cloned()));
    assert_eq!(stand.place(), "a");
}

/// A clock on which each look costs so much that a decision over all nodes cannot be tried a thousand times.
#[derive(Default)]
struct Ticking(std::cell::Cell<u64>);

impl whither::clock::Stopwatch for Ticking {
    fn micros(&self) -> u64 {
        self.0.set(self.0.get() + 1);
        self.0.get()
    }
}

const SHORT: SearchBudget = SearchBudget { time_us: 2_000, tries: MAX_TRIES };

/// Where a decision takes long, few nodes stand for all; what is told is true of all.
#[test]
fn what_is_found_among_few_nodes_is_true_of_all() {
    let pool = |number: usize| if number % 997 == 5 { "b" } else { "a" };
    let sessions = |number: usize| vec![json!({"id": "s"}); if number == 1_777 { 2 } else { 3 + number * 7 % 5 }];
    let document = |number: usize| json!({"id": format!("n-{number:04}"), "nodeData": {"sessions": sessions(number)}, "metadata": {"pool": pool(number)}});
    let nodes: Vec<_> = (0..2_000).map(document).collect();
    let list = "i => i.nodes.filter(n => n.metadata.pool === i.data.pool).reduce((best, n) => n.sessions < best.sessions ? n : best).id";
    let chain = start(vec![js("list.js", list)]);
    let mut slow = Stand::new(vec![chain.clone()], &[]);
    let ticking: Box<Ticking> = Box::default();
    slow.evaluator = evaluator_by(&ChainSet::new(vec![chain.clone()]), ticking).unwrap();
    nodes.iter().for_each(|node| slow.report(node.clone()));
    let mut whole = Stand::new(vec![chain], &nodes);
    let request = json!({"data": {"pool": "a"}});
    // Three nodes are of the pool `b`, of which n-0005 has the fewest sessions.
    for about in [500, 1_002] {
        let case = Case { nodes: nodes.clone(), request: request.clone(), user: "", about };
        let ask = Ask { about: Some(case.id().into()), ..slow.question(request.clone()).ask };
        let found = explain::search(&slow.evaluator, &ask, SHORT).unwrap();
        assert!(matches!(found.end, SearchEnd::Sampled(30..200)), "{found:?}");
        assert!(!found.remedies.is_empty(), "{found}");
        for remedy in &found.remedies {
            assert!(case.is_true(&mut whole, &remedy.changes), "not true: {remedy}");
        }
        assert!(found.to_string().contains("true over all"), "{found}");
    }
}

// --- random decisions -------------------------------------------------------------------------------------------

/// Decisions that are explained in each part, 1,000 in all; each over a chain and a cluster that are drawn.
const DECISIONS: usize = 250;
/// How many decisions are explained over one chain.
const OVER_ONE_CHAIN: usize = 10;
const NODES: usize = 6;

const JAVASCRIPT: [&str; 14] = [
    "function filter(node) { return node.metadata.pool !== 'c' }",
    "function filter(node) { return node.nodeData.sessions.length < 4 }",
    "function filter(node) { return node.metadata.pool === 'a' || node.sessions < 2 }",
    "function filter(node) { return node.staticData.gpu }",
    "function filter(node, request) { return node.metadata.pool === request.data.pool }",
    "function score(node) { return node.freemem }",
    "function score(node) { return -node.sessions - node.loadavg[0] }",
    "function score(node) { return node.freemem / 3 - 2 * node.sessions }",
    "function score(node) { return node.nodeData.health.cpu.load1 > 2 ? undefined : node.freemem }",
    "function score(node) { return node.sessions % 3 === 0 ? 5 : 1 }",
    "input => input.nodes.filter(node => node.metadata.pool !== input.data.pool)",
    "input => input.nodes.sort((a, b) => a.nodeData.health.cpu.load1 - b.nodeData.health.cpu.load1)[0].id",
    "input => { const best = input.nodes.filter(n => n.freemem > 20); return best.length ? best : undefined }",
    "input => input.nodes.reduce((a, b) => b.sessions * 2 + b.loadavg[0] < a.sessions * 2 + a.loadavg[0] ? b : a).id",
];
const RHAI: [&str; 4] = [
    "fn filter(node) { node.metadata.pool != \"b\" }",
    "fn score(node) { node.freemem - node.sessions * 2 }",
    "fn score(node, request) { if node.metadata.pool == request.data.pool { 1 } else { 0 } }",
    "fn filter(node) { node.sessions < 3 || node.freemem > 40 }",
];
const BUILTINS: [&str; 5] = ["fewest-sessions", "most-memory", "least-load", "weighted", "sticky-user"];
const POOLS: [&str; 3] = ["a", "b", "c"];

struct Dice(Pcg64Mcg);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        (self.0.next_u64() >> 33) as usize % sides
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.roll(of.len())]
    }

    fn step(&mut self, number: usize) -> StepSpec {
        match self.roll(8) {
            0..=3 => js(&format!("{number}.js"), self.one(&JAVASCRIPT)),
            4 => StepSpec::new(&format!("{number}.rhai"), StepSource::script("rhai", self.one(&RHAI))),
            _ => builtin(self.one(&BUILTINS)),
        }
    }

    fn chain(&mut self) -> ChainSpec {
        let steps = (0..=self.roll(3)).map(|number| self.step(number)).collect();
        let mut chain = ChainSpec::new("session/start", steps);
        chain.reserve = self.roll(4) > 0;
        chain
    }

    fn node(&mut self, number: usize) -> Value {
        let user = |number: usize| ["ann", "bob", "zoe"][number % 3];
        let sessions: Vec<_> = (0..self.roll(6))
            .map(|place| json!({"id": format!("n{number}-{place}"), "user": user(place + number)}))
            .collect();
        let mut node = json!({
            "id": format!("n{number}"),
            "metadata": {"pool": self.one(&POOLS)},
            "nodeData": {
                "health": {
                    "cpu": {"load1": self.roll(40) as f64 / 10.0, "cores": 1 + self.roll(3)},
                    "mem": {"free": self.roll(60), "total": 64},
                },
                "sessions": sessions,
            },
        });
        if self.roll(3) == 0 {
            node["staticData"] = json!({"gpu": true, "weight": 1 + self.roll(3)});
        }
        if self.roll(4) == 0 {
            node["maxSessions"] = json!(1 + self.roll(6));
        }
        if self.roll(8) == 0 {
            node["cordoned"] = json!(true);
        }
        node
    }
}

/// A node with one field set, or taken out, by the test's own hand.
fn with(document: &Value, field: &str, value: Option<&Value>, user: &str) -> Value {
    let mut changed = document.clone();
    let sessions = changed["nodeData"]["sessions"].as_array_mut().unwrap();
    let is_own = |session: &Value| session["user"] == user;
    let count = value.and_then(Value::as_u64).unwrap_or_default() as usize;
    match field {
        "sessions" => {
            while sessions.len() > count {
                let last = sessions.iter().rposition(|session| !is_own(session)).unwrap_or(sessions.len() - 1);
                sessions.remove(last);
            }
            sessions.extend((sessions.len()..count).map(|number| json!({"id": format!("more-{number}")})));
        }
        _ if field.starts_with("sessions of ") => {
            let own = sessions.iter().filter(|session| is_own(session)).count();
            for _ in count..own {
                let last = sessions.iter().rposition(is_own).unwrap();
                sessions.remove(last);
            }
            sessions.extend((own..count).map(|number| json!({"id": format!("own-{number}"), "user": user})));
        }
        _ => {
            let pointer = match field {
                "freemem" => "/nodeData/health/mem/free".to_owned(),
                "loadavg[0]" => "/nodeData/health/cpu/load1".to_owned(),
                "gpu" | "weight" => format!("/staticData/{field}"),
                other => format!("/{}", other.replace('.', "/")),
            };
            let (way, last) = pointer.rsplit_once('/').unwrap();
            let mut inner = &mut changed;
            for name in way.split('/').skip(1) {
                if inner.get(name).is_none() {
                    inner[name] = json!({});
                }
                inner = &mut inner[name];
            }
            match value {
                Some(value) => inner[last] = value.clone(),
                None => drop(inner.as_object_mut().unwrap().remove(last)),
            }
        }
    }
    changed
}

/// A cluster, a request, and a node that is not chosen.
struct Case {
    nodes: Vec<Value>,
    request: Value,
    user: &'static str,
    about: usize,
}

impl Case {
    /// Whether the node is chosen where its document is `document` and the request is `request`.
    fn chooses(&self, stand: &mut Stand, document: &Value, request: &Value) -> bool {
        stand.apply(report(document.clone()));
        let decision = stand.explain(request.clone(), None);
        stand.apply(report(self.nodes[self.about].clone()));
        outcome(&decision) == self.id()
    }

    fn id(&self) -> &str {
        self.nodes[self.about]["id"].as_str().unwrap()
    }

    /// Whether `changes`, made together, have the node chosen.
    fn is_true(&self, stand: &mut Stand, changes: &[FieldChange]) -> bool {
        let (mut document, mut request) = (self.nodes[self.about].clone(), self.request.clone());
        for change in changes {
            let value: Option<Value> = change.to.as_ref().map(|text| serde_json::from_str(text).unwrap());
            match change.field.strip_prefix("request.") {
                Some(field) => request = with_request(&request, field, value),
                None => document = with(&document, &change.field, value.as_ref(), self.user),
            }
        }
        self.chooses(stand, &document, &request)
    }

    /// The values that a grid has for each field, beside what the field is now.
    fn grid(&self) -> Vec<(&'static str, Option<f64>, Vec<Value>)> {
        let node = &self.nodes[self.about];
        let sessions = node["nodeData"]["sessions"].as_array().unwrap().len() as f64;
        let numbers = |range: std::ops::Range<i64>| range.map(|number| json!(number)).collect::<Vec<_>>();
        let health = &node["nodeData"]["health"];
        let loads = (0..90).map(|tenths| json!(f64::from(tenths) / 20.0)).collect();
        vec![
            ("sessions", Some(sessions), numbers(0..12)),
            ("nodeData.health.mem.free", health["mem"]["free"].as_f64(), numbers(0..100)),
            ("nodeData.health.cpu.load1", health["cpu"]["load1"].as_f64(), loads),
            ("metadata.pool", None, POOLS.map(|pool| json!(pool)).to_vec()),
            ("staticData.gpu", None, vec![json!(true)]),
            ("maxSessions", node["maxSessions"].as_f64(), numbers(0..12)),
            ("cordoned", None, vec![json!(false)]),
        ]
    }
}

fn with_request(request: &Value, field: &str, value: Option<Value>) -> Value {
    let mut changed = request.clone();
    let name = field.strip_prefix("data.").unwrap_or_else(|| panic!("{field}"));
    match value {
        Some(value) => changed["data"][name] = value,
        None => drop(changed["data"].as_object_mut().unwrap().remove(name)),
    }
    changed
}

/// The names under which a field of the grid may be told.
fn names(field: &str) -> Vec<&str> {
    match field {
        "nodeData.health.mem.free" => vec![field, "freemem"],
        "nodeData.health.cpu.load1" => vec![field, "loadavg[0]"],
        "staticData.gpu" => vec![field, "gpu"],
        other => vec![other],
    }
}

// In four parts, which run side by side.

#[test]
fn the_change_chooses_the_node_and_no_smaller_single_change_does() {
    what_is_told_is_true_and_the_smallest(20);
}

#[test]
fn the_change_chooses_the_node_in_the_second_part() {
    what_is_told_is_true_and_the_smallest(21);
}

#[test]
fn the_change_chooses_the_node_in_the_third_part() {
    what_is_told_is_true_and_the_smallest(22);
}

#[test]
fn the_change_chooses_the_node_in_the_fourth_part() {
    what_is_told_is_true_and_the_smallest(23);
}

/// Explains a share of the decisions, which the `seed` draws.
fn what_is_told_is_true_and_the_smallest(seed: u64) {
    let mut dice = Dice(Pcg64Mcg::seed_from_u64(seed));
    let (mut decided, mut single, mut double, mut none, mut tries) = (0, 0, 0, 0, 0);
    while decided < DECISIONS {
        let chain = dice.chain();
        let mut stand = Stand::new(vec![chain.clone()], &[]);
        for _ in 0..OVER_ONE_CHAIN {
            let nodes: Vec<Value> = (0..NODES).map(|number| dice.node(number)).collect();
            nodes.iter().for_each(|node| stand.report(node.clone()));
            let user = ["ann", ""][dice.roll(2)];
            let request = json!({"user": {"login": user}, "data": {"pool": dice.one(&POOLS)}});
            let case = Case { nodes, request, user, about: dice.roll(NODES) };
            let context = || format!("{} of {:#?}\n{:#?} {}", case.id(), case.nodes, chain.steps, case.request);
            let Some(found) = search(&mut stand, &case.request, case.id()) else { continue };
            decided += 1;
            tries += found.tries;
            assert_eq!(found.end, SearchEnd::Complete, "{found}\n{}", context());
            for remedy in &found.remedies {
                assert!(case.is_true(&mut stand, &remedy.changes), "not true: {remedy}\n{}", context());
            }
            match found.remedies.first().map(|remedy| remedy.changes.len()) {
                None => none += 1,
                Some(1) => single += 1,
                Some(_) => double += 1,
            }
            nothing_smaller(&case, &mut stand, &found, &context);
        }
    }
    println!("{decided} decisions: {single} with one change, {double} with two, {none} without; {tries} tries");
    assert!(single > DECISIONS / 2 && double > DECISIONS / 100, "{single} single, {double} double, {none} none");
}

/// Tries the grid: what of it does is told, or lies further off than what is told of the same field.
fn nothing_smaller(case: &Case, stand: &mut Stand, found: &Counterfactual, context: &dyn Fn() -> String) {
    for (field, now, values) in case.grid() {
        let document = &case.nodes[case.about];
        let told = found
            .remedies
            .iter()
            .find(|remedy| remedy.changes.len() == 1 && names(field).contains(&remedy.changes[0].field.as_str()));
        let to = told.and_then(|remedy| remedy.changes[0].to.as_ref()?.parse::<f64>().ok());
        let distance = to.zip(now).map_or(f64::INFINITY, |(to, now)| (to - now).abs());
        for value in values {
            let way = value.as_f64().zip(now).map_or(0.0, |(value, now)| (value - now).abs());
            // What is further off than what was told need not be tried.
            if way >= distance * 0.999 || (told.is_some() && now.is_none()) {
                continue;
            }
            let works = case.chooses(stand, &with(document, field, Some(&value), case.user), &case.request);
            let is_full = found.remedies.len() == whither::model::counterfactual::MAX_REMEDIES;
            assert!(
                !works || (told.is_none() && is_full),
                "`{field}` = {value} does, and it is told: {found}\n{}",
                context()
            );
        }
    }
}
