//! What a script sees, asked of a script: one that tells the paths of its input with their types, over a node and a
//! request that have everything.
//!
//! The sentences stand here. A path without a sentence and a sentence without a path are failures.

use std::rc::Rc;
use std::sync::Arc;

use serde_json::{Value, json};
use whither::chain::{Ask, ChainSet, ChainSpec, NoObserver, Progress, Purpose, StepSource, StepSpec};
use whither::clock::{Silent, Stopped};
use whither::engine::builtin::Builtin;
use whither::evaluator::{Evaluator, EvaluatorHost, Question};
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

const INPUT: &[(&str, &str)] = &[
    ("action", "what the request is for; names the chain"),
    ("user", "who asks"),
    ("user.login", "the login: `login` of the request, else `username`, else `sub`"),
    ("user.sessions", "the sessions of this user on all nodes, those that start too"),
    ("userGroups", "the groups of the user, as the requester says"),
    ("isManager", "as the requester says"),
    ("isAdmin", "as the requester says"),
    ("local", "about the requester's own machine"),
    ("local.serverId", "the requester's word; else empty in the service, and the host's name in `place`"),
    ("data", "what is to be started, as FastX 3 calls it; any fields"),
    ("params", "the same as FastX 4 calls it"),
    ("params.me", "the user"),
    ("params.start", "what is to be started; the other one of `data` where the request has only one of them"),
    ("params.jwt", "the request's token, or `null` unless the chain has `pass_jwt`"),
    ("nodes", "the candidates, in order"),
    ("servers", "the same list, as FastX 3 calls it"),
    ("now", "the time of the request, in Unix milliseconds"),
    ("time", "the same time in the time zone of the config"),
    ("time.ms", "the time in Unix milliseconds"),
    ("time.hour", "the hour, 0 to 23"),
    ("time.minute", "the minute, 0 to 59"),
    ("time.weekday", "the day of the week; Sunday is 0"),
    ("time.offset_min", "the time zone's distance from UTC, in minutes"),
    ("sequence", "the number of the request among those of its action in this replica, from 0"),
];

const NODE: &[(&str, &str)] = &[
    ("id", "the node's id"),
    ("serverId", "the same, as FastX 3 calls it"),
    ("hostname", "its name for people; may be empty"),
    ("urls", "where sessions on it are reached"),
    ("nodeData", "what the node reports of itself, as FastX 4 has it"),
    ("nodeData.health", "the health of the machine"),
    ("nodeData.health.cpu", "the processor"),
    ("nodeData.health.cpu.load1", "the load of the last minute"),
    ("nodeData.health.cpu.load5", "the load of the last five minutes"),
    ("nodeData.health.cpu.load15", "the load of the last fifteen minutes"),
    ("nodeData.health.cpu.utilization", "percent of the processor in use"),
    ("nodeData.health.cpu.cores", "the number of cores"),
    ("nodeData.health.mem", "the memory"),
    ("nodeData.health.mem.percent", "the *free* percentage, as FastX's health library has it"),
    ("nodeData.health.mem.free", "free bytes"),
    ("nodeData.health.mem.total", "all bytes"),
    (
        "nodeData.health.os",
        "the operating system, as the agent or FastX tells of it; other members of `health` pass through",
    ),
    ("nodeData.health.os.uptime", "seconds since the machine started"),
    ("nodeData.services", "the services that run there: texts, or objects with `name`"),
    ("nodeData.sessions", "the sessions, those that start too (`state: \"pending\"`)"),
    ("metadata", "`METADATA_NAME` of the agent's environment as `NAME`; always text"),
    ("staticData", "what an administrator wrote down for the node, with types"),
    ("metrics", "what the agent's executables for metrics print, by their names"),
    ("cordoned", "whether the node takes no new sessions"),
    ("maxSessions", "the most sessions that the node takes"),
    ("sessions", "how many sessions there are, those that start too; unknown is not zero"),
    ("freemem", "free bytes of memory"),
    ("totalmem", "all bytes of memory"),
    ("loadavg", "the three loads in a list"),
    ("cpu", "percent of the processor in use"),
    ("uptime", "seconds since the machine started"),
    ("loggedInUsers", "how many different users have sessions there"),
    ("serverPool", "FastX 3's name for a group of nodes"),
    ("weight", "static data shows at the top level too, under names that are free"),
];

const SESSION: &[(&str, &str)] = &[
    ("id", "the session's id"),
    ("sessionId", "the same, as FastX 4 calls it"),
    ("user", "the login of its user"),
    ("login", "the same, as FastX 4 calls it"),
    ("name", "the name of what was started"),
    ("state", "its state; `\"pending\"` where a session is placed and not reported yet"),
    ("serverId", "the id of its node"),
    ("reservation", "the reservation that it was started under, where it is known"),
];

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
    fields("input", INPUT)
}

/// The fields of a node.
pub(crate) fn node() -> String {
    fields("node", NODE)
}

/// The fields of a session.
pub(crate) fn session() -> String {
    fields("session", SESSION)
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

fn fields(subject: &str, sentences: &[(&str, &str)]) -> String {
    let told = told(subject);
    let told: Vec<_> = told.lines().filter_map(|line| line.split_once('\t')).collect();
    let known: Vec<_> = sentences.iter().map(|(path, _)| *path).collect();
    let seen: Vec<_> = told.iter().map(|(path, _)| *path).collect();
    let without: Vec<_> = seen.iter().filter(|path| !known.contains(path)).collect();
    let gone: Vec<_> = known.iter().filter(|path| !seen.contains(path)).collect();
    assert!(without.is_empty() && gone.is_empty(), "{subject}: without a sentence {without:?}, not there {gone:?}");
    let about = |path: &str| sentences.iter().find(|(known, _)| *known == path).map(|(_, about)| (*about).to_owned());
    let rows =
        told.iter().map(|(path, kind)| [code(&format!("{subject}.{path}")), (*kind).to_owned(), about(path).unwrap()]);
    table(["field", "is", "meaning"], rows)
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
        "user": {"login": "ann"}, "userGroups": ["cad"], "isAdmin": false, "data": {"name": "desktop"},
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
