//! The page of each code: the reason why the pattern is a mistake, and the mistake made and put right.

use super::codes::Code;

/// A page.
#[derive(Clone, Copy, Debug)]
pub struct CodePage {
    /// The reason why the code is a mistake, in a few sentences.
    pub why: &'static str,
    /// The language of the examples, as a fenced block names the language.
    pub language: &'static str,
    /// The example in which the mistake is made.
    pub wrong: &'static str,
    /// The same example put right.
    pub right: &'static str,
}

const fn js(why: &'static str, wrong: &'static str, right: &'static str) -> CodePage {
    CodePage { why, language: "js", wrong, right }
}

const fn toml(why: &'static str, wrong: &'static str, right: &'static str) -> CodePage {
    CodePage { why, language: "toml", wrong, right }
}

const BROKEN_SOURCE: CodePage = js(
    "The engine cannot compile the source, or finds no function in it that could be asked. A service does not start \
     with such a script.",
    "function(input) {\n  return input.servers[0\n}",
    "function(input) {\n  return input.servers[0].serverId\n}",
);
const UNREADABLE: CodePage = toml(
    "The file is not there, may not be read, is empty, is larger than `limits.source_kb`, is no UTF-8, or is no \
     script by its name; or a folder has no scripts.",
    "whither check scripts/gpu.lua",
    "whither check scripts/gpu.js",
);
const CONFIG: CodePage = toml(
    "A service does not start with this config: a key is unknown, a value out of its range, a file missing. `whither \
     serve` says the same.",
    "[chain.\"session/start\"]\nstpes = [\"gpu.js\"]",
    "[chain.\"session/start\"]\nsteps = [\"gpu.js\"]",
);
const UNKNOWN_FIELD: CodePage = js(
    "Reading a field that is not there is no error: it is `undefined`, and any comparison with that is false. Static \
     data show on a node under any name, so a name is a finding only where it looks like a known one, or where \
     nothing else can be there.",
    "function score(node) {\n  return -node.sesions\n}",
    "function score(node) {\n  return -node.sessions\n}",
);
const COUNT_AS_LIST: CodePage = js(
    "`sessions` of a node is a number, as FastX 3 has it. The list is `nodeData.sessions`.",
    "input => input.servers.filter(server => server.sessions.length < 10)",
    "input => input.servers.filter(server => server.sessions < 10)",
);
const THING_AS_LIST: CodePage = js(
    "The input is an object whose `nodes` (or `servers`) is the list; a function of one node gets one node.",
    "function(input) {\n  return input.filter(node => node.staticData.gpu)\n}",
    "function(input) {\n  return input.nodes.filter(node => node.staticData.gpu)\n}",
);
const METADATA_COMPARED: CodePage = js(
    "Metadata come from the environment, `METADATA_GPU=true`, and are text whatever they look like. `===` with `true` \
     or with a number is false for each of them. Static data have types.",
    "function filter(node) {\n  return node.metadata.gpu === true\n}",
    "function filter(node) {\n  return node.metadata.gpu === 'true'\n}",
);
const METADATA_TRUTH: CodePage = js(
    "A text is true unless it is empty: `METADATA_MAINTENANCE=false` is as true as any. Only names that read like yes \
     or no are findings; to ask whether a text is there is right.",
    "function filter(node) {\n  return !node.metadata.maintenance\n}",
    "function filter(node) {\n  return node.metadata.maintenance !== 'true'\n}",
);
const TRUTH_COMPARATOR: CodePage = js(
    "A comparator says by a number below 0, 0 or above 0 which of two comes first. `true` is 1 and `false` is 0, which \
     never says \"before\", so that the order is left to chance and to the engine.",
    "input => input.nodes.sort((a, b) => a.sessions > b.sessions)",
    "input => input.nodes.sort((a, b) => a.sessions - b.sessions)",
);
const BARE_SORT: CodePage = js(
    "Without a comparator elements are compared as texts, and every node is `[object Object]`.",
    "input => input.nodes.sort()[0].id",
    "input => input.nodes.sort((a, b) => a.sessions - b.sessions)[0].id",
);
const RESULT_UNUSED: CodePage = js(
    "`filter` leaves its list as it is and returns a new one; `sort` sorts in place, which nobody sees where the list \
     is not returned or looked at after it.",
    "function(input) {\n  input.servers.filter(server => server.gpu)\n}",
    "function(input) {\n  return input.servers.filter(server => server.gpu)\n}",
);
const CALLBACK_RETURNS_NOTHING: CodePage = js(
    "An arrow with braces returns nothing without `return`: `filter` then keeps no node.",
    "input => input.nodes.filter(node => { node.staticData.gpu })",
    "input => input.nodes.filter(node => node.staticData.gpu)",
);
const PLACE_FOR_NODE: CodePage = js(
    "`for … in` goes through the places of a list, the texts `0`, `1`, `2`. `for … of` goes through what stands there.",
    "function(input) {\n  for (const s in input.servers) {\n    if (s.sessions < 5) return s.serverId\n  }\n}",
    "function(input) {\n  for (const s of input.servers) {\n    if (s.sessions < 5) return s.serverId\n  }\n}",
);
const NODE_RETURNED: CodePage = js(
    "A verdict is the id of a node, or a list. A node object fails the request with `bad-verdict`.",
    "input => input.nodes.sort((a, b) => a.sessions - b.sessions)[0]",
    "input => input.nodes.sort((a, b) => a.sessions - b.sessions)[0].id",
);
const NO_VERDICT: CodePage = js(
    "`true`, a number and an object without an id fail the request with `bad-verdict`.",
    "function(input) {\n  return input.nodes.length\n}",
    "function(input) {\n  return input.nodes\n}",
);
const SCORE_NO_NUMBER: CodePage = js(
    "`score` returns a number; `undefined`, `null` and `false` leave a node out. `true` and texts are errors on that \
     node.",
    "function score(node) {\n  return node.cpu < 50\n}",
    "function score(node) {\n  return node.cpu < 50 ? 1 : 0\n}",
);
const LAST_STEP_PASSES: CodePage = js(
    "Behind the last step nobody decides: where it returns nothing, the request fails with `no-node`, and users read \
     words that nobody wrote. End the chain with a built-in, or throw what they should read.",
    "function(input) {\n  for (const node of input.nodes) {\n    if (node.sessions < 5) return node.id\n  }\n}",
    "function(input) {\n  for (const node of input.nodes) {\n    if (node.sessions < 5) return node.id\n  }\n  \
     throw new Error('All nodes are busy')\n}",
);
const LAST_STEP_NEVER_CHOOSES: CodePage = toml(
    "A list is for the next step to choose from. With none behind it, each request fails with `no-node`.",
    "[chain.\"session/start\"]\nsteps = [\"gpu.js\"]   # returns a list",
    "[chain.\"session/start\"]\nsteps = [\"gpu.js\", \"builtin:fewest-sessions\"]",
);
const STEP_NEVER_ASKED: CodePage = toml(
    "An id ends the chain. A step behind one that returns an id on each way, or behind a `score` that leaves no node \
     out, is never asked.",
    "[chain.\"session/start\"]\nsteps = [\"score.js\", \"builtin:fewest-sessions\"]",
    "[chain.\"session/start\"]\nsteps = [\"score.js\"]",
);
const IMPURE_FUNCTION: CodePage = js(
    "A function of one parameter depends on its node alone, so that what it says is kept until the node changes. It \
     has no clock, no chance and no request; using one is an error that leaves the node out.",
    "function filter(node) {\n  return new Date().getHours() < 18 || node.staticData.night\n}",
    "function filter(node, request) {\n  return request.time.hour < 18 || node.staticData.night\n}",
);
const UNDECLARED: CodePage = js(
    "Nothing in the script declares this name, and no global has it. Reading it is an error. There is no network, no \
     file, no timer and no `require` in a balancer script: an executable has them.",
    "function score(node) {\n  return -nod.sessions\n}",
    "function score(node) {\n  return -node.sessions\n}",
);
const LASTING_VARIABLE: CodePage = js(
    "Each request runs the script anew, so a counter is 0 each time. `input.sequence` counts requests, and \
     `builtin:round-robin` takes turns.",
    "let next = 0\nfunction balance({ nodes }) {\n  next = (next + 1) % nodes.length\n  return nodes[next].id\n}",
    "function balance(input) {\n  return input.nodes[input.sequence % input.nodes.length].id\n}",
);
const ASYNC: CodePage = js(
    "There is nothing to wait for in a balancer script: no network, no timer, no file. A callback that is `async` \
     returns a promise, which `filter` takes for true.",
    "input => input.nodes.filter(async node => node.sessions < 5)",
    "input => input.nodes.filter(node => node.sessions < 5)",
);
const WRONG_UNIT: CodePage = js(
    "Memory is in bytes, `cpu` and `utilization` in percent, hours go from 0 to 23 and days from 0, Sunday, to 6. A \
     figure in another unit makes a test that is always true or never.",
    "function filter(node) {\n  return node.nodeData.health.mem.free > 16\n}",
    "function filter(node) {\n  return node.nodeData.health.mem.free > 16 * 1024 ** 3\n}",
);
const COMPARED_DIFFERENT: CodePage = js(
    "A list and an object are equal to no text and to no number: `userGroups` is a list of texts, `user` an object \
     with a `login`, `loadavg` a list of three numbers.",
    "function(input) {\n  if (input.userGroups === 'cad') return 'gpu-1'\n}",
    "function(input) {\n  if (input.userGroups.includes('cad')) return 'gpu-1'\n}",
);
const INDEX_TRUTH: CodePage = js(
    "`indexOf` says where something stands: 0 for the first element, which is false, and -1 for none, which is true.",
    "function(input) {\n  if (input.userGroups.indexOf('cad')) return 'gpu-1'\n}",
    "function(input) {\n  if (input.userGroups.includes('cad')) return 'gpu-1'\n}",
);
const ASSIGNMENT_CONDITION: CodePage = js(
    "`=` gives a value, and the condition is as true as that value. `===` compares.",
    "input => input.nodes.filter(node => node.staticData.pool = 'cad')",
    "input => input.nodes.filter(node => node.staticData.pool === 'cad')",
);
const UNKNOWN_ACTION: CodePage = js(
    "FastX's actions are `session/start` and `user/login`. A comparison with another spelling of them is never true.",
    "function(input) {\n  if (input.action === 'session.start') return 'gpu-1'\n}",
    "function(input) {\n  if (input.action === 'session/start') return 'gpu-1'\n}",
);
const UNKNOWN_NODE: CodePage = js(
    "The id is written into the script, and no node of the cluster (`--nodes FILE`, `--nats URL`) has it. A verdict \
     that names it fails the request with `unknown-node`.",
    "input => input.isAdmin ? 'admin-1' : input.nodes[0].id",
    "input => input.isAdmin ? 'n1' : input.nodes[0].id",
);
const NOT_KEPT: CodePage = js(
    "A note: nothing is wrong. What a `filter(node, request)` says is kept for each value of the fields of the \
     request that it reads by name. Where it reads the time, chance or the user's sessions, or hands the request on \
     whole, it is asked anew each time, which costs time in large clusters. `key(request)` says what it depends on. \
     `--strict` counts notes.",
    "function filter(node, request) {\n  return request.time.hour < 18 || node.staticData.night\n}",
    "function key(request) {\n  return request.time.hour < 18\n}\nfunction filter(node, isDay) {\n  \
     return isDay || node.staticData.night\n}",
);
const METADATA_ADDED: CodePage = js(
    "Metadata are text, and `+` with a text puts both behind each other: `'2' + 3` is `'23'`.",
    "function score(node) {\n  return node.freemem / (node.metadata.weight + 1)\n}",
    "function score(node) {\n  return node.freemem / (Number(node.metadata.weight) + 1)\n}",
);
const RULE_FIELD: CodePage = toml(
    "A rule may look at any field of a user, so a misspelt one is no error: no user has it, and the rule never matches. \
     A field that is really called so is written as `fields = { emial = \"…\" }`.",
    "[[rule]]\nemial = '.*@north\\.example'\npool = [\"north-*\"]",
    "[[rule]]\nemail = '.*@north\\.example'\npool = [\"north-*\"]",
);
const BUILT_IN_EXTENDED: CodePage = js(
    "Built-in objects and their prototypes are frozen, so that no script changes them for another one. The assignment \
     is lost without a word, or an error under `'use strict'`, and a call of the member is an error. A function does \
     the same. Members that the engine has already, as libraries put them in for old engines, are no finding.",
    "Array.prototype.first = function () { return this[0] }\nfunction balance(input) {\n  \
     return input.nodes.first().id\n}",
    "function first(list) { return list[0] }\nfunction balance(input) {\n  return first(input.nodes).id\n}",
);

/// Returns the page of `code`.
pub(super) const fn of(code: Code) -> &'static CodePage {
    match code {
        Code::BrokenSource => &BROKEN_SOURCE,
        Code::Unreadable => &UNREADABLE,
        Code::Config => &CONFIG,
        Code::UnknownField => &UNKNOWN_FIELD,
        Code::CountAsList => &COUNT_AS_LIST,
        Code::ThingAsList => &THING_AS_LIST,
        Code::MetadataCompared => &METADATA_COMPARED,
        Code::MetadataTruth => &METADATA_TRUTH,
        Code::TruthComparator => &TRUTH_COMPARATOR,
        Code::BareSort => &BARE_SORT,
        Code::ResultUnused => &RESULT_UNUSED,
        Code::CallbackReturnsNothing => &CALLBACK_RETURNS_NOTHING,
        Code::PlaceForNode => &PLACE_FOR_NODE,
        Code::NodeReturned => &NODE_RETURNED,
        Code::NoVerdict => &NO_VERDICT,
        Code::ScoreNoNumber => &SCORE_NO_NUMBER,
        Code::LastStepPasses => &LAST_STEP_PASSES,
        Code::LastStepNeverChooses => &LAST_STEP_NEVER_CHOOSES,
        Code::StepNeverAsked => &STEP_NEVER_ASKED,
        Code::ImpureFunction => &IMPURE_FUNCTION,
        Code::Undeclared => &UNDECLARED,
        Code::LastingVariable => &LASTING_VARIABLE,
        Code::Async => &ASYNC,
        Code::WrongUnit => &WRONG_UNIT,
        Code::ComparedDifferent => &COMPARED_DIFFERENT,
        Code::IndexTruth => &INDEX_TRUTH,
        Code::AssignmentCondition => &ASSIGNMENT_CONDITION,
        Code::UnknownAction => &UNKNOWN_ACTION,
        Code::UnknownNode => &UNKNOWN_NODE,
        Code::NotKept => &NOT_KEPT,
        Code::MetadataAdded => &METADATA_ADDED,
        Code::RuleField => &RULE_FIELD,
        Code::BuiltInExtended => &BUILT_IN_EXTENDED,
    }
}
