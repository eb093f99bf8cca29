//! Tests of function bodies, and of the parts that the bodies can read.

use super::super::tree::parse;
use super::*;
use crate::script::NodeFunction;

const S: NodeParts = NodeParts::SESSIONS;
const H: NodeParts = NodeParts::HEALTH;
const R: NodeParts = NodeParts::REST;
const ALL: NodeParts = NodeParts::ALL;

fn read(source: &str) -> Reads {
    let tree = parse(source).unwrap_or_else(|error| panic!("{source}: {error}"));
    reads(&tree, &GlobalUse::of(&tree)).parts
}

/// Returns the parts that a `score` with this body reads.
#[track_caller]
fn check(body: &str, expected: NodeParts) {
    let source = format!("function score(node) {{ {body} }}");
    assert_eq!(read(&source).by(NodeFunction::Score), expected, "{body}");
}

/// Makes sure that a `score` with each of these bodies reads all parts.
#[track_caller]
fn check_all(bodies: &[&str]) {
    for body in bodies {
        check(body, ALL);
    }
}

#[test]
fn fields_behind_the_name_are_read() {
    for (body, expected) in [
        ("return 1", NodeParts::NONE),
        ("return node.metadata.gpu", R),
        ("return node.sessions", S),
        ("return -node.loggedInUsers + node.cpu", S.and(H)),
        ("return node.gpu", R),
        ("return node['sessions'] + node[`x`.length]", ALL),
        ("return node['sessions']", S),
        ("return node?.sessions", S),
        ("return node?.['freemem']", H),
        (r"return n\u006fde.sessions", S),
        ("return (node).metadata", R),
        ("return ((node)).nodeData.health.cpu.load1", H),
        ("return node.nodeData.sessions.filter(s => s.user === 'ann').length", S),
        ("return node.nodeData['health'].mem", H),
        ("return node.nodeData.services.includes('x') && node.nodeData.other", R),
        ("return node?.nodeData?.health?.cpu.load1", H),
        ("return node.nodeData?.health", H),
        ("return node?.nodeData.sessions.map(s => s.user)", S),
        ("return node.metadata.tags.includes('a').toString()", R),
        ("return node.metadata?.tags?.includes?.('a')", R),
        ("const f = () => node.metadata.x; return [1].map(x => node.sessions + f())", R.and(S)),
        ("for (const s of node.nodeData.sessions) if (s.user in node.metadata) return 1", S.and(R)),
        ("return `${node.id}:${node.freemem}`", R.and(H)),
        ("node.rank = node.sessions; return node.rank", S.and(R)),
        ("delete node.sessions; node.cpu++; return 1", S.and(H)),
        ("return {node: 1, x: node.cpu}.x", H),
        ("return {'a': node.cpu}.a + other.node", H),
        ("return new Set(node.urls).size", R),
        ("class A { x = node.sessions; static y() { return node.cpu } } return 1", S.and(H)),
        ("try { return node.metadata.a.b } catch (error) { return node.sessions }", R.and(S)),
        ("label: while (node.cpu) { break label }", H),
        ("switch (node.metadata.x) { case node.cpu: return 1; default: return node.sessions }", ALL),
    ] {
        check(body, expected);
    }
}

#[test]
fn destructuring_reads_its_keys() {
    for (body, expected) in [
        ("const {metadata, sessions} = node; return metadata.x", R.and(S)),
        ("const {metadata: {gpu = 1} = {}} = node; return gpu", R),
        ("const {'freemem': free} = node; return free", H),
        ("const {nodeData: {health, sessions: [first]}} = node; return health", H.and(S)),
        ("const {nodeData: {health: {cpu: {load1}}}} = node; return load1", H),
        ("const {health} = node.nodeData; return health", H),
        ("const {health} = node.nodeData || {}; return health", H),
        ("var {cpu = node.sessions} = node; return cpu", H.and(S)),
        ("const {} = node; return 1", NodeParts::NONE),
        ("const {nodeData} = node; return nodeData", ALL),
        ("const {nodeData: {...all}} = node; return all", ALL),
        ("const {nodeData: {health} = {}} = node; return health", ALL),
        ("const {nodeData: [x]} = node; return x", ALL),
        ("const {metadata, ...rest} = node; return rest", ALL),
        ("const {['meta' + 'data']: x} = node; return x", ALL),
        ("const {['metadata']: x} = node; return x", ALL),
        ("const {toString} = node; return toString", ALL),
        ("const {metadata: node2} = node, {x} = node2; return x", R),
        ("var {metadata: node} = node; return 1", ALL),
        ("const [a] = node; return a", ALL),
        ("let x; ({metadata: x} = node); return x", ALL),
        ("let x; ({metadata: node.y} = x)", R),
        ("[node.cpu] = [1]", H),
    ] {
        check(body, expected);
    }
}

#[test]
fn variables_that_hold_the_data_are_followed() {
    for (body, expected) in [
        ("const d = node.nodeData; return d.health.cpu", H),
        ("var d = node.nodeData || {}; return (d.health || {}).cpu", H),
        ("let d = node?.nodeData; if (!d) return 0; return d?.sessions.length", S),
        ("const n = node, d = n.nodeData; return d.sessions.length + n.cpu", S.and(H)),
        ("const f = () => d.sessions; const d = node.nodeData; return f()", S),
        (
            "const f = () => { const g = () => e.sessions; const e = d; return g() }; const d = node.nodeData; return f()",
            ALL,
        ),
        ("const d = node.nodeData; return JSON.stringify(d)", ALL),
        ("let d = node.nodeData; d = node.metadata; return d.x", ALL),
        ("const d = node.nodeData; { const d = node; return d.sessions }", ALL),
        ("const d = node.nodeData; { const d = node.metadata; return d.sessions }", ALL),
        ("const d = node.nodeData; return d.valueOf()", ALL),
        ("const d = node.nodeData; return d[x]", ALL),
        ("const d = node.nodeData; const {health} = d; return health", H),
        ("function g(d = node.nodeData) { return d.health } return g()", H),
        ("function g(d = node.nodeData) { return d } return g()", ALL),
    ] {
        check(body, expected);
    }
}

#[test]
fn that_the_node_is_there_says_nothing() {
    for (body, expected) in [
        ("return node && node.metadata", R),
        ("return node && node.nodeData && node.nodeData.health", H),
        ("if (!node || !node.nodeData) return 0; return node.sessions", S),
        ("if (node.nodeData) return node.cpu; else return node.sessions", H.and(S)),
        ("return node.nodeData ? node.nodeData.health : node.metadata", H.and(R)),
        ("return ((node.nodeData || {}).health || {}).cpu", H),
        ("return (node.nodeData ?? node.metadata).health", H.and(R)),
        ("return (node?.nodeData || {}).sessions", S),
        ("if (node && node.sessions && !(node.nodeData && node.cpu)) return 1", S.and(H)),
        ("return node.cpu && node.nodeData && node.nodeData.sessions", H.and(S)),
        ("return (node && node.nodeData).sessions", S),
        ("return (node && node.nodeData && node.cpu && node.nodeData) ? 1 : 2", H),
        ("return node && (node.cpu || node)", ALL),
        ("return (node.cpu && node.nodeData).sessions", ALL),
        ("return !node", NodeParts::NONE),
        ("return node || 1", ALL),
        ("return (node.nodeData || node).health", ALL),
        ("return node.nodeData || {}", ALL),
        ("return node.cpu && node", ALL),
        ("return (node && node.nodeData)", ALL),
        ("return (node.cpu ? node : 1)", ALL),
        ("return [node.cpu || node.nodeData]", ALL),
        ("if (node.nodeData = 0) return node.sessions", ALL),
    ] {
        check(body, expected);
    }
}

#[test]
fn a_node_that_goes_elsewhere_whole_reads_all() {
    check_all(&[
        "return node",
        "return node.nodeData",
        "return helper(node)",
        "return helper(node.nodeData)",
        "return helper.call(node)",
        "return JSON.stringify(node)",
        "return node + ''",
        "return `${node}`",
        "return node == 'a'",
        "return typeof node",
        "return 'x' in node",
        "return node[key]",
        "return node[0]",
        "return node?.[key]",
        "return node.nodeData[key]",
        "return node.nodeData?.[key]",
        "return {...node}.sessions",
        "return {node}.node.sessions",
        "return [node][0].sessions",
        "return (0, node).sessions",
        "return (node, node).sessions",
        "let n; n = node; return n.sessions",
        "let n; (n ??= node); return n.sessions",
        "node = node.nodeData; return node.sessions",
        "for (const k in node) return k",
        "for (const k of node) return k",
        "for (node of []) ;",
        "for (node.nodeData of []) ;",
        "return Object.keys(node.nodeData)",
        "return Object.entries({...node.nodeData})",
        "return arguments[0].sessions",
        "return (() => arguments[0].sessions)()",
        r"return \u0061rguments[0].sessions",
        "return eval('node.sessions')",
        "with (node) { return sessions }",
        "with (node.metadata) { return sessions }",
        "return (async () => await node)()",
        "throw node",
        "return class extends node {}",
        "class A { #x; static has() { return #x in node } } return A.has()",
        "return [...node]",
        "return import(node)",
        "return new Proxy(node, {})",
        "return node?.nodeData",
        "return void node",
        "return (node.nodeData)",
        "x = {get [node]() { return 1 }}",
        "return tag`${node}`",
        "return score(node)",
    ]);
}

#[test]
fn a_function_that_gets_the_node_as_this_reads_all() {
    check_all(&[
        "return this.node",
        "node.f = function () { return this.sessions }; return node.f()",
        "node.f = function () { return this.sessions }; return (node.f)()",
        "node.f = function () { return this.sessions }; return node?.f()",
        "node.f = function () { return this.sessions }; return node.f?.()",
        "node.f = function () { return this.sessions }; return (node?.f)()",
        "return node.f()",
        "return (node.f)()",
        "return node?.f()",
        "return node.f?.()",
        "return (node?.f)()",
        "return node['f']()",
        "return node.f`x`",
        "return new node.f()",
        "return node.nodeData.f()",
        "return node.nodeData?.f()",
        "return node?.nodeData.f()",
        "return node?.nodeData()",
        "return (node.nodeData || {}).f()",
        "return node.toString()",
        "return node.toString",
        "return node.valueOf().sessions",
        "return node.constructor",
        "return node.hasOwnProperty('sessions')",
        "return node['propertyIsEnumerable']('sessions')",
        "return node.__proto__",
        "node.__proto__ = {get x() { return 1 }}",
        "node.__defineGetter__('x', f); return node.x",
        "return node.nodeData.__lookupGetter__('sessions')",
        "return node.nodeData.toLocaleString",
    ]);
}

#[test]
fn a_name_or_a_part_that_is_given_anew_reads_all() {
    check_all(&[
        "node.nodeData = {}; return 1",
        "delete node.nodeData",
        "[node.nodeData] = [1]",
        "function inner(node) { return node.metadata } return inner({})",
        "var node; return node.metadata",
        "{ let node = {}; node.x = 1 }",
        "function node() {} return node.x",
        "{ class node {} return node.x }",
        "try { f() } catch (node) { return node.x }",
        "return [1].map(node => node.x)",
        "var {x: node} = {}; return node.x",
        "{ const {x: node} = {}; return node.x }",
        "node ||= {}; return node.sessions",
        "node++",
    ]);
}

#[test]
fn the_first_parameter_may_be_taken_apart() {
    for (source, expected) in [
        ("function score({metadata}) { return metadata }", R),
        ("const score = ({metadata, nodeData: {health}}) => health + metadata.x", R.and(H)),
        ("function score({cpu}, key) { return cpu + key.cpu }", H),
        ("function score({cpu = 1}) { return cpu }", H),
        ("function score({cpu: {x = sessions} = {}}) { return x }", H),
        ("function score({nodeData}) { return 1 }", ALL),
        ("function score({cpu, ...others}) { return cpu }", ALL),
        ("function score({['cpu']: x}) { return x }", ALL),
        ("function score({cpu}) { return arguments[0] }", ALL),
        ("function score([cpu]) { return cpu }", ALL),
        ("function score({cpu} = {}) { return cpu }", ALL),
        ("function score(...[node]) { return node.cpu }", ALL),
        ("function score(node = {}) { return node.cpu }", ALL),
        ("function score() { return 1 }", NodeParts::NONE),
        ("function score() { return arguments[0].cpu }", ALL),
        ("function score(node, key) { return node.cpu + key.sessions }", H),
        ("function score(node, key = node) { return node.cpu + key.sessions }", H.and(S)),
        ("function score(node, key = node) { return f(key) }", ALL),
        ("function score(node, key = f(node)) { return node.cpu }", ALL),
        ("function score(node, {x = node.sessions}) { return node.cpu + x }", H.and(S)),
        ("function score(node, node) { return node.cpu }", ALL),
        ("function score(node, ...rest) { return node.cpu }", H),
        ("const score = node => node.cpu", H),
        ("const score = async node => (await node.metadata.x)", R),
        ("async function score(node) { return node.cpu }", H),
        ("var score = function score(node) { return node.cpu }", H),
        ("score = function (node) { return node.cpu }", H),
        ("score = function (node) { return node.cpu }; this.score = 1", ALL),
        ("score = node => node.cpu; globalThis['score'] = 1", ALL),
        ("function score(node) { return node.cpu } score = f", ALL),
        ("function score(node) { return node.cpu } if (x) { function score(node) { return node.sessions } }", ALL),
        ("function me() { return this } function score(n) { n.f = me; return n.f().sessions }", ALL),
        (
            "function me() { return this } function score(n) { n.nodeData.f = me; return n.nodeData?.f?.().sessions }",
            ALL,
        ),
        ("function me() { return this } function score(n) { n.f = me; return (0, n.f)(n.cpu) }", R.and(H)),
        ("var node; function score(n) { return n.cpu + node.sessions }", H),
        ("let kept; function filter(n) { kept = n; return 1 } function score(n) { return n.cpu + kept.sessions }", H),
    ] {
        assert_eq!(read(source).by(NodeFunction::Score), expected, "{source}");
    }
}

#[test]
fn each_function_reads_its_own() {
    let both =
        read("const LIMIT = 9; function filter(n) { return n.cpu < LIMIT } const score = node => -node.sessions");
    assert_eq!((both.by(NodeFunction::Filter), both.by(NodeFunction::Score)), (H, S));
    let one = read("function filter(n) { return n.cpu < 9 }");
    assert_eq!((one.by(NodeFunction::Filter), one.by(NodeFunction::Score)), (H, ALL));
}

/// Returns the fields that a `score` with this body can look at, where the fields are known.
fn fields_of(body: &str) -> Option<String> {
    let tree = parse(&format!("function score(node) {{ {body} }}")).unwrap();
    let reading = reads(&tree, &GlobalUse::of(&tree));
    let fields = reading.fields(NodeFunction::Score)?.iter().cloned().collect::<Vec<_>>();
    Some(fields.join(" "))
}

#[test]
fn fields_are_known_where_the_node_shows_itself_by_no_other_way() {
    for (body, expected) in [
        ("return 1", Some("")),
        ("return node.metadata.pool === 'a' ? node.freemem : -node.sessions", Some("freemem metadata sessions")),
        ("return node.nodeData.sessions.length", Some("nodeData")),
        ("const {health} = node.nodeData; return health.cpu.load1 + node.cpu", Some("cpu nodeData")),
        ("const {id, ...rest} = node; return rest", None),
        ("return Object.keys(node).length", None),
        ("return node['a' + 'b']", None),
        ("return 'sessions' in node", None),
        ("return node.nodeData && node.nodeData", Some("nodeData")),
        ("for (const name in node) return name", None),
        ("return node.hasOwnProperty('x')", None),
    ] {
        assert_eq!(fields_of(body).as_deref(), expected, "{body}");
    }
}
