//! Whatever happens, it happens the same way again: in a second evaluator, and in one that is rebuilt from a snapshot.

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};
use whither::chain::ProgramAnswer;
use whither::chain::{ChainSet, Progress};
use whither::evaluator::Evaluator;
use whither::model::{Change, Decision, Marks, Outcome, Reservation};
use whither::script::ReturnedValue;

use super::stand::{builtin, evaluator, js, login, program, question, report, start};

/// What a step of history is, drawn by chance; small numbers, so that events meet the same nodes.
#[derive(Clone, Debug)]
enum Event {
    Report { node: u8, sessions: Vec<u8>, max: Option<u8>, memory: Option<u8>, cordoned: bool },
    Remove(u8),
    Stale(u8),
    Mark(u8, Marks),
    Reserve { reservation: u8, node: u8, user: u8 },
    Release(u8),
    Ask { action: u8, user: u8, seed: u64 },
}

const ACTIONS: [&str; 4] = ["session/start", "user/login", "dice", "ask"];
const USERS: [&str; 4] = ["", "ann", "bob", "zoe"];

fn node_id(number: u8) -> Arc<str> {
    format!("n{number}").into()
}

/// Chains of every kind: a reserving one with ties, one by turns, one that rolls dice, one with a program in it.
fn chains() -> ChainSet {
    let dice = "i => { var kept = i.nodes.filter(n => Math.random() < 0.6); return kept.length ? kept : undefined }";
    let score = "function score(node, request) { return Math.floor(Math.random() * 3) - node.sessions }";
    let mut rolling = login(vec![js("dice.js", dice), js("score.js", score), builtin("round-robin")]);
    let mut asking = start(vec![builtin("sticky-user"), program("./ask"), builtin("most-memory")]);
    (rolling.action, asking.action) = ("dice".into(), "ask".into());
    (rolling.reserve, asking.reserve) = (true, true);
    ChainSet::new(vec![
        start(vec![builtin("fewest-sessions")]),
        login(vec![builtin("sticky-user"), builtin("round-robin")]),
        rolling,
        asking,
    ])
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let node = || 0..5_u8;
    let report = (
        node(),
        prop::collection::vec(0..4_u8, 0..4),
        prop::option::of(0..5_u8),
        prop::option::of(0..3_u8),
        prop::bool::weighted(0.1),
    )
        .prop_map(|(node, sessions, max, memory, cordoned)| Event::Report {
            node,
            sessions,
            max,
            memory,
            cordoned,
        });
    let marks = (any::<bool>(), any::<bool>()).prop_map(|(cordoned, cooling_down)| Marks { cordoned, cooling_down });
    let event = prop_oneof![
        4 => report,
        1 => node().prop_map(Event::Remove),
        1 => node().prop_map(Event::Stale),
        1 => (node(), marks).prop_map(|(node, marks)| Event::Mark(node, marks)),
        1 => (0..6_u8, node(), 0..4_u8).prop_map(|(reservation, node, user)| Event::Reserve { reservation, node, user }),
        1 => (0..12_u8).prop_map(Event::Release),
        6 => (0..4_u8, 0..4_u8, any::<u64>()).prop_map(|(action, user, seed)| Event::Ask { action, user, seed }),
    ];
    prop::collection::vec(event, 1..40)
}

/// An evaluator with what the front remembers of it: the choices of each chain, oldest first.
struct Mirror {
    evaluator: Evaluator,
    chosen: Vec<(&'static str, Arc<str>)>,
}

impl Mirror {
    fn new() -> Self {
        Self { evaluator: evaluator(&chains()).unwrap(), chosen: Vec::new() }
    }

    /// Another one that was told the snapshot and the choices.
    fn rebuilt(&self) -> Self {
        let mut other = Self::new();
        self.evaluator.cluster().snapshot().for_each(|change| other.evaluator.apply(change));
        for (action, node) in &self.chosen {
            other.evaluator.recall(action, node);
        }
        other.chosen.clone_from(&self.chosen);
        other
    }

    /// Lets `event` happen as number `number`; the decision where it is a question.
    fn live(&mut self, number: usize, event: &Event) -> Option<Decision> {
        let change = match event {
            Event::Ask { action, user, seed } => return Some(self.ask(number, *action, *user, *seed)),
            Event::Report { node, sessions, max, memory, cordoned } => {
                let sessions: Vec<_> = sessions.iter().map(|user| json!({"user": USERS[usize::from(*user)]})).collect();
                let mut document =
                    json!({"id": &*node_id(*node), "cordoned": cordoned, "nodeData": {"sessions": sessions}});
                document["maxSessions"] = max.map_or(Value::Null, Value::from);
                document["freemem"] = memory.map_or(Value::Null, Value::from);
                report(document)
            }
            Event::Remove(node) => {
                self.chosen.retain(|(_, chosen)| *chosen != node_id(*node));
                Change::Remove(node_id(*node))
            }
            Event::Stale(node) => Change::Stale(node_id(*node)),
            Event::Mark(node, marks) => Change::Mark(node_id(*node), marks.clone()),
            Event::Reserve { reservation, node, user } => Change::Reserve(Reservation {
                id: format!("r{reservation}").into(),
                node: node_id(*node),
                user: USERS[usize::from(*user)].into(),
                name: "".into(),
            }),
            Event::Release(number) => Change::Release(format!("r{number}").into()),
        };
        self.evaluator.apply(change);
        None
    }

    fn ask(&mut self, number: usize, action: u8, user: u8, seed: u64) -> Decision {
        let action = ACTIONS[usize::from(action)];
        let request = json!({"action": action, "user": {"login": USERS[usize::from(user)]}});
        let question = question(&format!("d{number}"), seed, request);
        let mut progress = self.evaluator.decide(&question);
        if let Progress::Suspended(suspended) = progress {
            let said = match seed % 3 {
                0 => ReturnedValue::Falsy,
                1 => ReturnedValue::Id(format!("n{}", seed % 5)),
                _ => ReturnedValue::List(Vec::new()),
            };
            progress = self.evaluator.resume(&question, suspended, Some(ProgramAnswer::only(Ok(said))));
        }
        let Progress::Decided(decision) = progress else { panic!("suspended twice") };
        if let Outcome::Placed(node) = &decision.outcome {
            self.chosen.push((action, Arc::clone(node)));
        }
        decision
    }

    /// Everything that scripts see of the cluster. Pending sessions are compared as a set.
    fn view(&self) -> Vec<Value> {
        let cluster = self.evaluator.cluster();
        let node = |node: &whither::model::Node| {
            let mut document = Value::Object(node.to_json());
            let sessions = document["nodeData"]["sessions"].as_array_mut().unwrap();
            sessions.sort_by_key(|session| session["id"].to_string());
            json!([document, node.is_stale(), node.marks().cooling_down])
        };
        let users = USERS.iter().map(|user| {
            let counts: Vec<_> = (0..5).map(|number| cluster.sessions_on(user, &node_id(number))).collect();
            json!([user, counts, cluster.sessions_of(user).count()])
        });
        cluster.nodes().map(|(_, it)| node(it)).chain(users).collect()
    }
}

/// A decision without the generation, which counts the changes that a rebuilt cluster did not live through.
fn told(decision: Option<Decision>) -> Option<Decision> {
    decision.map(|mut decision| {
        (decision.generation, decision.diagnosis.search.refreshed) = (0, 0);
        decision.diagnosis.steps.iter_mut().for_each(|step| step.calls = 0);
        decision
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_same_history_gives_the_same_decisions(events in events()) {
        let (mut one, mut other) = (Mirror::new(), Mirror::new());
        for (number, event) in events.iter().enumerate() {
            prop_assert_eq!(one.live(number, event), other.live(number, event));
        }
        prop_assert_eq!(one.view(), other.view());
    }

    #[test]
    fn a_snapshot_and_the_past_choices_rebuild_an_equal_evaluator(events in events(), cut in any::<prop::sample::Index>()) {
        let mut old = Mirror::new();
        let cut = cut.index(events.len());
        for (number, event) in events.iter().enumerate().take(cut) {
            old.live(number, event);
        }
        let mut new = old.rebuilt();
        prop_assert_eq!(new.view(), old.view());
        for (number, event) in events.iter().enumerate().skip(cut) {
            prop_assert_eq!(told(new.live(number, event)), told(old.live(number, event)));
        }
        prop_assert_eq!(new.view(), old.view());
    }

    /// The changes of a snapshot cross a process border as they are.
    #[test]
    fn a_snapshot_can_be_carried(events in events()) {
        let mut mirror = Mirror::new();
        for (number, event) in events.iter().enumerate() {
            mirror.live(number, event);
        }
        let changes: Vec<_> = mirror.evaluator.cluster().snapshot().collect();
        let bytes = postcard::to_stdvec(&changes).unwrap();
        let back: Vec<Change> = postcard::from_bytes(&bytes).unwrap();
        prop_assert_eq!(back, changes);
    }
}

/// The order of pending sessions is that of the placements, and scripts see it.
#[test]
fn a_rebuilt_cluster_has_its_pending_sessions_in_the_same_order() {
    let mut old = Mirror::new();
    old.evaluator.apply(report(json!({"id": "n1"})));
    for id in ["r9", "r10", "r1"] {
        old.evaluator.apply(Change::Reserve(Reservation {
            id: id.into(),
            node: "n1".into(),
            user: "ann".into(),
            name: "".into(),
        }));
    }
    let pending = |mirror: &Mirror| -> Vec<_> {
        let node = mirror.evaluator.cluster().get("n1").unwrap();
        node.pending().map(|session| session.id().to_owned()).collect()
    };
    assert_eq!(pending(&old), ["r9", "r10", "r1"]);
    assert_eq!(pending(&old.rebuilt()), pending(&old));
}
