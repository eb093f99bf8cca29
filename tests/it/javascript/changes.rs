//! A node that changes, one part at a time or several, and what scripts say of it: as long as the parts that a function
//! reads by its own account stay as they are, so does its answer.

use std::sync::Arc;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::{Map, Value, json};
use whither::model::Change;
use whither::model::{Marks, NodeParts, Report, Reservation};
use whither::script::{Argument, Arity, Call, NodeFunction, PerNode, Script, ScriptShape};

use super::stand::Stand;

/// Something that happens to the node `a`.
#[derive(Clone, Debug)]
enum Event {
    /// It reports this piece of its document anew.
    Piece(&'static str, Value),
    Cordoned(bool),
    Reserved(u8, u8),
    Released(u8),
    Leaves,
}

/// A value, now and then one whose members are only in another order than those of one before.
fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        (0..3_u8).prop_map(Value::from),
        Just(json!({"x": 1, "y": [1, 2]})),
        Just(json!({"y": [1, 2], "x": 1})),
        Just(json!({"x": 2})),
        Just(json!(["x", {"b": 1, "c": -0.0}])),
        Just(json!(["x", {"b": 1, "c": 0.0}])),
    ]
}

fn fields(names: &'static [&'static str]) -> impl Strategy<Value = Value> {
    proptest::collection::vec((proptest::sample::select(names), value()), 0..4).prop_map(|fields| {
        let fields: Map<_, _> = fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        fields.into()
    })
}

fn health() -> impl Strategy<Value = Value> {
    (0..3_u8, 0..3_u8, proptest::option::of(0..2_u8)).prop_map(|(load, free, host)| {
        json!({"cpu": {"load1": load, "utilization": load}, "mem": {"free": free}, "os": {"hostname": host.map(|n| format!("h{n}")), "uptime": free}})
    })
}

fn sessions() -> impl Strategy<Value = Value> {
    let session = (0..2_u8, 0..2_u8).prop_map(|(id, user)| json!({"id": format!("s{id}"), "user": format!("u{user}")}));
    prop_oneof![
        4 => proptest::collection::vec(session, 0..3).prop_map(Value::from),
        1 => Just(json!([{"x": 1, "y": 2}])),
        1 => Just(json!([{"y": 2, "x": 1}])),
        1 => (0..3_u8).prop_map(Value::from),
        1 => Just(Value::Null),
    ]
}

/// Names that mean something elsewhere, in a script's language or in the document.
const ODD: &[&str] =
    &["gpu", "zone", "toString", "valueOf", "sessions", "cpu", "health", "nodeData", "weight", "metrics"];

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => health().prop_map(|health| Event::Piece("health", health)),
        4 => sessions().prop_map(|sessions| Event::Piece("sessions", sessions)),
        3 => fields(ODD).prop_map(|fields| Event::Piece("metadata", fields)),
        3 => fields(ODD).prop_map(|fields| Event::Piece("staticData", fields)),
        2 => fields(&["x", "y"]).prop_map(|fields| Event::Piece("metrics", fields)),
        2 => fields(&["gpu", "zone", "toString", "then", "x"]).prop_map(|fields| Event::Piece("own", fields)),
        1 => fields(&["x", "y"]).prop_map(|fields| Event::Piece("data", fields)),
        1 => value().prop_map(|value| Event::Piece("services", json!([value]))),
        1 => any::<bool>().prop_map(Event::Cordoned),
        2 => (0..3_u8, 0..3_u8).prop_map(|(id, user)| Event::Reserved(id, user)),
        2 => (0..3_u8).prop_map(Event::Released),
        1 => Just(Event::Leaves),
    ]
}

/// The node's document by its pieces.
#[derive(Default)]
struct Pieces(Map<String, Value>);

impl Pieces {
    fn document(&self) -> Value {
        let piece = |name: &str| self.0.get(name).cloned().unwrap_or_else(|| json!({}));
        let mut document = piece("own");
        document["id"] = "a".into();
        document["nodeData"] = piece("data");
        document["nodeData"]["health"] = piece("health");
        document["nodeData"]["sessions"] = self.0.get("sessions").cloned().unwrap_or_default();
        document["nodeData"]["services"] = self.0.get("services").cloned().unwrap_or_default();
        for name in ["metadata", "staticData", "metrics"] {
            document[name] = piece(name);
        }
        document
    }
}

fn happen(stand: &mut Stand, pieces: &mut Pieces, event: Event) {
    let change = match event {
        Event::Piece(name, value) => {
            pieces.0.insert(name.to_owned(), value);
            Change::Report(Arc::new(Report::from_value(pieces.document()).unwrap()))
        }
        Event::Cordoned(cordoned) => Change::Mark("a".into(), Marks { cordoned, cooling_down: false }),
        Event::Reserved(id, user) => Change::Reserve(Reservation {
            id: format!("r{id}").as_str().into(),
            node: "a".into(),
            user: format!("u{user}").as_str().into(),
            name: "".into(),
        }),
        Event::Released(id) => Change::Release(format!("r{id}").as_str().into()),
        Event::Leaves => {
            stand.cluster.apply(Change::Remove("a".into()));
            Change::Report(Arc::new(Report::from_value(pieces.document()).unwrap()))
        }
    };
    stand.cluster.apply(change);
}

/// A script's `score`, with the last answer and since when the parts that it reads were as they were then.
struct Watched {
    text: &'static str,
    script: Box<dyn Script>,
    reads: NodeParts,
    last: Option<(u64, String)>,
    /// How often its last answer should have held.
    held: usize,
    /// How often it was another one.
    changed: usize,
}

impl Watched {
    fn look(&mut self, stand: &Stand) -> Result<(), TestCaseError> {
        let since = stand.cluster.get("a").unwrap().revised(self.reads);
        let candidate = stand.candidate("a");
        let run = self.script.open(stand.pure_scene());
        let key = json!(1);
        let argument = match self.script.shape() {
            ScriptShape::PerNode(PerNode { score: Some(Arity::NodeAndRequest), .. }) => Argument::Key(&key),
            _ => Argument::Nothing,
        };
        // Errors are answers too: scripts say in them what they saw.
        let answer = match run.and_then(|mut run| run.call(Call::Score(&candidate, argument))) {
            Ok(answer) => format!("{answer:?}"),
            Err(error) => format!("{error:?}"),
        };
        if let Some((before, last)) = &self.last
            && *before == since
        {
            self.held += 1;
            prop_assert_eq!(last, &answer, "{}", self.text);
        }
        self.changed += usize::from(self.last.as_ref().is_some_and(|(_, last)| *last != answer));
        self.last = Some((since, answer));
        Ok(())
    }
}

/// Checks the `score` of each of `texts`, which reads no more than the parts beside it, while a node changes.
pub(crate) fn check(mut stand: Stand, texts: &[(&'static str, NodeParts)]) {
    let watched = texts.iter().map(|(text, parts)| {
        let script = stand.load(text);
        let reads = script.reads(NodeFunction::Score);
        assert_eq!(reads, *parts, "{text}");
        Watched { text, script, reads, last: None, held: 0, changed: 0 }
    });
    let mut watched: Vec<_> = watched.collect();
    let mut runner = TestRunner::new(ProptestConfig { cases: 100, ..ProptestConfig::default() });
    let state = std::cell::RefCell::new((&mut stand, &mut watched));
    let events = proptest::collection::vec(event(), 1..20);
    let result = runner.run(&events, |events| {
        let (stand, watched) = &mut *state.borrow_mut();
        let mut pieces = Pieces::default();
        happen(stand, &mut pieces, Event::Leaves);
        for event in events {
            happen(stand, &mut pieces, event);
            watched.iter_mut().try_for_each(|watched| watched.look(stand))?;
        }
        Ok(())
    });
    result.unwrap();
    for Watched { text, reads, held, changed, .. } in &watched {
        assert!(*held > 50 || *reads == NodeParts::ALL, "held {held} times: {text}");
        assert!(*changed > 20 || *reads == NodeParts::NONE, "changed {changed} times: {text}");
    }
}
