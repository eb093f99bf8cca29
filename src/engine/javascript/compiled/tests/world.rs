//! Random clusters and requests, with whatever may stand in a field, and what both tiers say of them.

use std::cell::RefCell;
use std::sync::Arc;

use jiff::tz::TimeZone;
use serde_json::{Value, json};

use crate::clock::Moment;
use crate::model::{Candidate, Change, Cluster, Marks, Report, Request, Reservation};
use crate::script::{
    Argument, Arity, Call, CallAnswer, CallContext, LogBook, NodeFunction, ReturnedValue, Script, ScriptError,
    ScriptLimits, ScriptRequest, ScriptShape,
};

/// Chance with a seed.
pub(super) struct TestDice(u64);

impl TestDice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0xD1B5_4A32_D192_ED03)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `end`.
    pub(super) fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// Once in so many times.
    pub(super) fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    pub(super) fn pick<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())].clone()
    }
}

/// A cluster that changes.
pub(super) struct TestWorld {
    cluster: Cluster,
    now_ms: i64,
    reservations: usize,
    /// Whether documents are as agents and administrators write them.
    is_tame: bool,
    /// The candidates, which stay the same list for as long as these are the same nodes.
    candidates: RefCell<Arc<[Candidate]>>,
}

/// One call of a function.
#[derive(Clone, Debug)]
pub(super) enum Asking {
    Whole,
    Node(NodeFunction, Arity, usize),
}

/// What came of a call, with what was logged.
#[derive(Debug, PartialEq)]
pub(super) struct Heard {
    answer: Result<CallAnswer, ScriptError>,
    lines: Vec<String>,
}

impl Heard {
    /// Whether the answer is this identifier, and nothing was logged.
    pub(super) fn says(&self, id: &str) -> bool {
        matches!(&self.answer, Ok(CallAnswer::Returned(ReturnedValue::Id(said))) if **said == *id)
            && self.lines.is_empty()
    }
}

impl TestWorld {
    pub(super) fn new(dice: &mut TestDice) -> Self {
        Self::of(dice, false)
    }

    /// A world in which nothing is odd.
    pub(super) fn tame(dice: &mut TestDice) -> Self {
        Self::of(dice, true)
    }

    fn of(dice: &mut TestDice, is_tame: bool) -> Self {
        let (cluster, candidates) = (Cluster::default(), RefCell::new(Arc::from([])));
        let mut world = Self { cluster, now_ms: 1_790_000_000_000, reservations: 0, is_tame, candidates };
        for _ in 0..dice.below(14) {
            world.report(dice);
        }
        world
    }

    fn report(&mut self, dice: &mut TestDice) {
        let id = format!("node-{}", dice.below(16));
        let is_odd = dice.one_in(4) && !self.is_tame;
        let mut document = json!({
            "id": id,
            "serverPool": dice.pick(&["a", "b"]),
            "metrics": {"licenses": dice.below(4)},
            "metadata": object(dice, is_odd, &["zone", "w", "users", "gpu", "tags"]),
            "staticData": object(dice, is_odd, &["group", "gpu", "users", "weight", "login"]),
        });
        let sessions: Vec<Value> =
            (0..dice.below(4)).map(|n| json!({"id": format!("s{n}"), "user": dice.pick(&["ann", "bob"])})).collect();
        let health = json!({
            "cpu": {"load1": dice.below(9) as f64 / 4.0, "cores": dice.below(5), "utilization": dice.below(101)},
            "mem": {"free": dice.below(1 << 20), "total": 1 << 20},
        });
        match dice.below(4) {
            0 => document["sessions"] = dice.below(6).into(),
            1 => {
                document["sessions"] = dice.below(6).into();
                document["freemem"] = dice.below(1000).into();
                document["loadavg"] = json!([dice.below(8) as f64 / 2.0, 1, 0.5]);
            }
            _ => document["nodeData"] = json!({"sessions": sessions, "services": ["launcher"], "health": health}),
        }
        if let Ok(report) = Report::from_value(document) {
            self.cluster.apply(Change::Report(Arc::new(report)));
        }
    }

    pub(super) fn change(&mut self, dice: &mut TestDice) {
        self.now_ms += dice.below(4_000_000) as i64;
        for _ in 0..dice.below(3) {
            let node: Arc<str> = format!("node-{}", dice.below(16)).into();
            match dice.below(8) {
                0 | 1 => self.report(dice),
                2 => drop(self.cluster.apply(Change::Remove(node))),
                3 => {
                    let marks = Marks { cordoned: dice.one_in(2), cooling_down: false };
                    self.cluster.apply(Change::Mark(node, marks));
                }
                4 => {
                    drop(self.cluster.apply(Change::Release(format!("r{}", dice.below(self.reservations + 1)).into())))
                }
                _ => {
                    self.reservations += 1;
                    let (id, user) = (format!("r{}", self.reservations), dice.pick(&["ann", "bob", "eve"]));
                    let reservation = Reservation { id: id.into(), node, user: user.into(), name: "".into() };
                    self.cluster.apply(Change::Reserve(reservation));
                }
            }
        }
    }

    pub(super) fn request(&self, dice: &mut TestDice) -> Request {
        let mut request = json!({
            "action": dice.pick(&["session/start", "user/login"]),
            "userGroups": dice.pick(&[json!(["cad", "staff"]), json!(["staff"]), json!([])]),
            "user": {"login": dice.pick(&["ann", "bob", "eve", ""])},
            "data": {"pool": any(dice), "n": any(dice), "list": any(dice)},
            "isAdmin": dice.one_in(2),
        });
        if self.is_tame {
            request["data"] = json!({"pool": dice.pick(&["a", "b"]), "n": dice.pick(&["3", "12"]), "list": ["cad"]});
        }
        if dice.one_in(5) {
            request["data"] = json!({});
        }
        Request::from_value(request, "node-1").unwrap()
    }

    /// The calls that are made of a script in this state.
    pub(super) fn calls(&self, script: &dyn Script) -> Vec<Asking> {
        let ScriptShape::PerNode(functions) = script.shape() else { return vec![Asking::Whole] };
        let named = [(NodeFunction::Filter, functions.filter), (NodeFunction::Score, functions.score)];
        let named = named.into_iter().filter_map(|(function, arity)| Some((function, arity?)));
        named
            .flat_map(|(function, arity)| (0..self.cluster.len().min(3)).map(move |n| Asking::Node(function, arity, n)))
            .collect()
    }

    fn candidates(&self) -> Arc<[Candidate]> {
        let now: Vec<_> = self.cluster.nodes().map(|(slot, _)| Candidate::plain(slot)).collect();
        let mut kept = self.candidates.borrow_mut();
        if kept[..] != now[..] {
            *kept = now.into();
        }
        Arc::clone(&kept)
    }

    /// What `script` says.
    pub(super) fn ask(&self, script: &dyn Script, request: &Request, asking: &Asking) -> Heard {
        let moment = Moment::at(self.now_ms, &TimeZone::UTC);
        let asked =
            ScriptRequest { request, passes_jwt: false, moment: &moment, seed: self.now_ms as u64, sequence: 3 };
        let log = LogBook::new(ScriptLimits::default());
        let candidates = self.candidates();
        let is_pure = matches!(asking, Asking::Node(_, Arity::Node, _));
        let scene = CallContext { cluster: &self.cluster, asked: (!is_pure).then_some(asked), step: 1, log: &log };
        let argument = if is_pure { Argument::Nothing } else { Argument::Request };
        let call = match asking {
            Asking::Whole => Call::Balance(&candidates),
            Asking::Node(NodeFunction::Filter, _, place) => Call::Filter(&candidates[*place], argument),
            Asking::Node(NodeFunction::Score, _, place) => Call::Score(&candidates[*place], argument),
        };
        let answer = script.open(scene).and_then(|mut run| run.call(call));
        let lines = log.take().into_iter().map(|line| line.text).collect();
        Heard { answer, lines }
    }

    pub(super) fn describe(&self) -> String {
        let nodes = self.cluster.nodes().map(|(_, node)| serde_json::to_string(&node.to_json()).unwrap());
        nodes.collect::<Vec<_>>().join("\n")
    }
}

/// Some of these fields, each with a usual value, or any where it `is_odd`.
fn object(dice: &mut TestDice, is_odd: bool, names: &[&str]) -> Value {
    let mut fields = serde_json::Map::new();
    for name in names {
        if dice.one_in(3) {
            continue;
        }
        let usual = match *name {
            "users" | "tags" => dice.pick(&[json!(["ann", "bob"]), json!([]), json!(["eve"])]),
            "w" | "weight" => dice.below(9).into(),
            "gpu" | "login" => dice.one_in(2).into(),
            _ => dice.pick(&["cad", "north", "staff", "B"]).into(),
        };
        fields.insert((*name).to_owned(), if is_odd { any(dice) } else { usual });
    }
    fields.into()
}

/// Whatever may stand in a document.
fn any(dice: &mut TestDice) -> Value {
    dice.pick(&[
        json!(null),
        json!(true),
        json!(false),
        json!(0),
        json!(-0.0),
        json!(7),
        json!(-2.5),
        json!(1e300),
        json!(""),
        json!("cad"),
        json!("12"),
        json!(" 3 "),
        json!("ä😀"),
        json!("zebra"),
        json!([]),
        json!(["ann"]),
        json!([1, null, "cad", {"a": 1}]),
        json!({}),
        json!({"a": 1, "length": 3}),
    ])
}
