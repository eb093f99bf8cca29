//! What a script sees, asked of a script: one that tells the paths of its input with their types, over a node and a
//! request that have everything.
//!
//! The sentences stand in the dictionary of the model. A path without a sentence and a sentence without a path are
//! failures.

use std::rc::Rc;
use std::sync::Arc;

use serde_json::{Value, json};
use whither::chain::{Ask, ChainSet, ChainSpec, NoObserver, Progress, Purpose, StepSource, StepSpec};
use whither::clock::{Silent, Stopped};
use whither::engine::builtin::Builtin;
use whither::evaluator::{Evaluator, EvaluatorHost, Question};
use whither::model::dictionary::{FieldDoc, Holds, NODE, REQUEST, SESSION, USER};
use whither::model::{Arrangement, Change, Outcome, Report, Request};

use super::markdown::{code, table};

/// Tells the paths below the value that `SUBJECT` names; objects that others fill are not looked into.
const TELLING: &str = r#"function (input) {
  const free = ['metadata', 'staticData', 'metrics', 'data', 'me', 'start', 'jwt', 'user', 'sessions', 'services'];
  const node = input.nodes.find((one) => one.id === 'n1');
  const subjects = { input, node, session: node.nodeData.sessions.find((one) => one.id === 's1') };
  const told = [];
  function kind(value) {
    if (value === null) return 'null';
    if (Array.isArray(value)) return 'list';
    return { string: 'text', boolean: 'truth value' }[typeof value] || typeof value;
  }
  function walk(path, value, depth) {
    for (const name of Object.keys(value)) {
      const inner = value[name];
      told.push(path + name + '\t' + kind(inner));
      const closed = free.includes(name) && !(SUBJECT === 'input' && name === 'user' && depth === 0);
      if (kind(inner) === 'object' && !closed) walk(path + name + '.', inner, depth + 1);
    }
  }
  walk('', subjects[SUBJECT], 0);
  throw new Error(told.join('\n'));
}"#;

/// A field of the sample node that its administrator made up.
const MADE_UP: (&str, &str) = ("weight", "static data shows at the top level too, under names that are free");

const BUILTINS: &[(&str, &str)] = &[
    ("fewest-sessions", "the node with the fewest sessions"),
    ("most-memory", "the node with the most free memory"),
    ("round-robin", "the node that this chain chose longest ago"),
    ("least-load", "the node with the least load of the last minute for each core"),
    ("weighted", "the node with the fewest sessions for its `weight` in static data, else metadata, else 1"),
    ("sticky-user", "the node with the most sessions of this user; passes where there is none"),
];

/// The fields of `input`.
pub(crate) fn input() -> String {
    let own = REQUEST.iter().map(|field| (field.path.to_owned(), field));
    let user = USER.iter().map(|field| (format!("user.{}", field.path), field));
    fields("input", own.chain(user).collect())
}

/// The fields of a node.
pub(crate) fn node() -> String {
    fields("node", NODE.iter().map(|field| (field.path.to_owned(), field)).collect())
}

/// The fields of a session.
pub(crate) fn session() -> String {
    fields("session", SESSION.iter().map(|field| (field.path.to_owned(), field)).collect())
}

/// The built-in policies.
pub(crate) fn builtins() -> String {
    let row = |builtin: Builtin| {
        let about = BUILTINS.iter().find(|(name, _)| *name == builtin.name());
        let about = about.unwrap_or_else(|| panic!("`{}` has no sentence", builtin.name())).1;
        let always = if builtin.always_chooses() { "yes" } else { "no" };
        [code(&format!("builtin:{}", builtin.name())), about.to_owned(), always.to_owned()]
    };
    assert_eq!(BUILTINS.len(), Builtin::ALL.len());
    table(["step", "chooses", "always chooses"], Builtin::ALL.map(row))
}

/// The fields of `subject` as a script tells them, each described by the dictionary; a field that either of the two does
/// not know is a failure, and so is a type that differs.
fn fields(subject: &str, mut known: Vec<(String, &FieldDoc)>) -> String {
    known.retain(|(_, field)| field.is_seen());
    let told = told(subject);
    let told: Vec<_> = told.lines().filter_map(|line| line.split_once('\t')).collect();
    let gone: Vec<_> = known.iter().filter(|(path, _)| !told.iter().any(|(seen, _)| seen == path)).collect();
    assert!(gone.is_empty(), "{subject}: a script sees none of {gone:?}");
    let rows = told.iter().map(|(path, kind)| {
        let cells = |unit: &str, there: &str, about: &str| {
            [
                code(&format!("{subject}.{path}")),
                (*kind).to_owned(),
                unit.to_owned(),
                there.to_owned(),
                about.to_owned(),
            ]
        };
        match known.iter().find(|(known, _)| known == path) {
            Some((_, field)) => {
                assert!(agrees(field.holds, kind), "{subject}.{path} is a {kind}, and described as {:?}", field.holds);
                cells(field.unit, if field.optional { "where known" } else { "always" }, field.about)
            }
            None if *path == MADE_UP.0 => cells("", "where known", MADE_UP.1),
            None => panic!("{subject}.{path} is in no table of src/model/dictionary"),
        }
    });
    table(["field", "is", "unit", "is there", "meaning"], rows)
}

/// Whether a value of this kind, as a script tells it, is what the dictionary says.
fn agrees(holds: Holds, kind: &str) -> bool {
    match holds {
        Holds::Text | Holds::Name(..) => kind == "text",
        Holds::Number | Holds::Whole | Holds::Range(..) => kind == "number",
        Holds::Flag => kind == "truth value",
        Holds::Object | Holds::Open | Holds::Texts | Holds::User => kind == "object",
        Holds::List(_) => kind == "list",
        Holds::Any => true,
    }
}

/// What a script tells of the paths of `subject`.
fn told(subject: &str) -> String {
    let source = TELLING.replace("SUBJECT", &format!("'{subject}'"));
    let step = StepSpec::new("telling.js", StepSource::script("js", source.as_str()));
    let mut chain = ChainSpec::new("session/start", vec![step]);
    chain.pass_jwt = true;
    let senses = EvaluatorHost { stopwatch: Box::new(Stopped), witness: Box::new(NoObserver), alarm: Rc::new(Silent) };
    let mut evaluator =
        Evaluator::new(&ChainSet::new(vec![chain]), Arrangement::ById, senses, &mut |_step| ()).unwrap();
    evaluator.apply(Change::Report(Arc::new(Report::from_value(whole_node()).unwrap())));
    let request = json!({
        "user": {"login": "ann", "serverId": "n1"}, "userGroups": ["cad"], "isAdmin": false, "data": {"name": "desktop"},
        "params": {"jwt": "token"},
    });
    let ask = Ask {
        request: Arc::new(Request::from_value(request, "").unwrap()),
        purpose: Purpose::Place,
        about: None,
        anew: false,
        now_ms: 1_795_195_800_000,
        seed: 7,
        sequence: 0,
        limited: Vec::new(),
        assigned: None,
        cooling: Default::default(),
    };
    match evaluator.decide(&Question { decision: "d1".into(), ask }) {
        Progress::Decided(decision) => match decision.outcome {
            Outcome::Failed(failure) => {
                failure.thrown.map_or_else(|| panic!("{}", failure.message), |thrown| thrown.message)
            }
            Outcome::Placed(node) => panic!("placed on {node}"),
        },
        Progress::Suspended(_) => panic!("suspended"),
    }
}

/// A node that reports everything.
fn whole_node() -> Value {
    json!({
        "id": "n1", "hostname": "n1.site.example", "urls": ["https://n1.site.example:3300"], "maxSessions": 40,
        "serverPool": "a", "metadata": {"rack": "7"}, "staticData": {"weight": 2}, "metrics": {"licences": {"free": 3}},
        "nodeData": {
            "health": {
                "cpu": {"load1": 0.5, "load5": 0.5, "load15": 0.5, "cores": 8, "utilization": 12},
                "mem": {"free": 1, "total": 4, "percent": 25}, "os": {"uptime": 3600},
            },
            "services": ["launcher"],
            "sessions": [{"id": "s1", "user": "ann", "name": "desktop", "state": "running", "reservation": "r"}],
        },
    })
}
