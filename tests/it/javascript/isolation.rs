use whither::script::{Argument, Call, CallAnswer, ReturnedValue};

use super::stand::Stand;

/// What one script does, and what the next one must not see of it.
#[test]
fn nothing_of_one_request_reaches_the_next() {
    let stand = Stand::new();
    for (first, second) in [
        ("leak = 1", "typeof leak === 'undefined'"),
        ("throw {get message() { leak = 1; return 'm' }}", "typeof leak === 'undefined'"),
        ("toString = 1; constructor = 2", "typeof toString === 'function' && typeof constructor === 'function'"),
        ("__proto__ = {leak: 1}", "typeof leak === 'undefined'"),
        (
            "isNaN = 1; delete parseInt; [escape] = [1]; ({unescape} = {unescape: 1})",
            "isNaN(NaN) && parseInt('1') === 1 && typeof escape === 'function' && typeof unescape === 'function'",
        ),
        ("globalThis.leak = 1", "typeof leak === 'undefined'"),
        ("(function () { this.leak = 1 })()", "typeof leak === 'undefined'"),
        ("for (leak = 0; leak < 3; leak++) ;", "typeof leak === 'undefined'"),
        ("Object = 5; Math = null; undefinedThing = 1", "typeof Object === 'function' && Math.max(1) === 1"),
        ("delete globalThis.Array; delete globalThis.JSON", "typeof Array === 'function' && typeof JSON === 'object'"),
        (
            "Object.defineProperty(globalThis, 'leak', {get() { return 1 }, configurable: true})",
            "typeof leak === 'undefined'",
        ),
        ("Object.defineProperty(globalThis, 'leak', {value: 1})", "typeof leak === 'undefined'"),
        ("Object.preventExtensions(globalThis)", "Object.isExtensible(globalThis)"),
        ("Object.freeze(globalThis)", "!Object.isFrozen(globalThis)"),
        ("Object.setPrototypeOf(globalThis, {leak: 1})", "typeof leak === 'undefined'"),
        ("globalThis.__proto__ = {leak: 1}", "typeof leak === 'undefined'"),
        (
            "Array.prototype.stolen = 1; Object.prototype.stolen = 1",
            "[].stolen === undefined && ({}).stolen === undefined",
        ),
        ("Array.prototype.map = 1", "typeof [].map === 'function'"),
        ("Object.defineProperty(Object.prototype, 'leak', {value: 1})", "({}).leak === undefined"),
        ("Array.prototype[Symbol.iterator] = function* () {}", "[...[1]].length === 1"),
        ("[][Symbol.iterator]().__proto__.next = () => ({done: true})", "[...[1]].length === 1"),
        (
            "(function* () {})().__proto__.__proto__.leak = 1; Object.getPrototypeOf(function* () {}).leak = 1",
            "(function* () {})().leak === undefined && (function* () {}).leak === undefined",
        ),
        ("Object.getPrototypeOf(Int8Array).prototype.leak = 1", "new Uint8Array(1).leak === undefined"),
        ("Object.getPrototypeOf(async function () {}).leak = 1", "(async function () {}).leak === undefined"),
        ("Promise.prototype.then = 1; Promise.resolve = 1", "typeof Promise.resolve().then === 'function'"),
        (
            "Function.prototype.call = 1; Function.prototype.leak = 1",
            "(() => 1).leak === undefined && typeof (() => 1).call === 'function'",
        ),
        (
            "JSON.stringify = () => 'x'; Math.random.leak = 1; console.log = 1",
            "JSON.stringify(1) === '1' && Math.random.leak === undefined && typeof console.log === 'function'",
        ),
        (
            "RegExp.prototype.test = () => true; /(x)/.test('x')",
            "!/a/.test('b') && (RegExp.$1 === undefined || RegExp.$1 === '')",
        ),
        (
            "Error.prototype.message = 'leak'; Error.prototype.name = 'leak'",
            "new Error().message === '' && new Error().name === 'Error'",
        ),
        (
            "Symbol.prototype.leak = 1; String.prototype.leak = 1; Number.prototype.leak = 1",
            "'a'.leak === undefined && (1).leak === undefined",
        ),
        ("Date.now = () => 1; Date.prototype.getTime = () => 1", "Date.now() > 1 && new Date(5).getTime() === 5"),
        (
            "Object.getOwnPropertyDescriptor(Object.prototype, 'toString').get.leak = 1",
            "Object.getOwnPropertyDescriptor(Object.prototype, 'toString').get.leak === undefined",
        ),
        (
            "input.nodes[0].sessions = 99; input.nodes[0].nodeData.sessions.pop()",
            "input.nodes[0].sessions === 3 && input.nodes[0].nodeData.sessions.length === 3",
        ),
        ("Object.assign(input.nodes[0], {leak: 1})", "input.nodes[0].leak === undefined"),
        ("Object.defineProperty(input.nodes[0], 'leak', {value: 1})", "input.nodes[0].leak === undefined"),
        ("input.nodes[0].metadata.constructor.leak = 1", "({}).constructor.leak === undefined"),
        (
            "input.user.login = 'x'; input.servers.length = 0; input.action = 'x'",
            "input.user.login === 'u0' && input.servers.length === 3 && input.action === 'session/start'",
        ),
        (
            "class B { constructor(o) { return o } } class S extends B { #x = 1; static has(o) { return #x in o } } new S(input.nodes[0])",
            "true",
        ),
        ("Object.setPrototypeOf(input.nodes[0], {leak: 1})", "input.nodes[0].leak === undefined"),
        ("function t(s) { return s } t`a`.leak = 1; (() => t`a`)().leak = 2", "(s => s)`a`.leak === undefined"),
    ] {
        let first = stand.load(&format!("function balance(input) {{ {first} }}"));
        let second = stand.load(&format!("function balance(input) {{ return {second} ? 'clean' : 'dirty' }}"));
        for _ in 0..3 {
            // What the first comes to is its own affair: some of these throw.
            let _ = stand.balance(&*first, &stand.candidates());
            let answer = stand.balance(&*second, &stand.candidates());
            assert_eq!(answer.unwrap(), ReturnedValue::Id("clean".to_owned()));
        }
    }
}

#[test]
fn the_top_level_runs_anew_and_its_globals_last_as_long_as_the_run() {
    let stand = Stand::new();
    let counting = stand.load("let calls = 0; function balance(input) { calls += 1; return String(calls) }");
    for _ in 0..3 {
        assert_eq!(stand.balance(&*counting, &stand.candidates()).unwrap(), ReturnedValue::Id("1".to_owned()));
    }
    // Undeclared globals of two runs that take turns.
    let first = stand.load("limit = 1; function filter(node, request) { return node.sessions <= limit }");
    let second = stand.load("limit = 2; function filter(node, request) { return node.sessions <= limit }");
    let candidate = stand.candidate("c");
    let (mut one, mut two) = (first.open(stand.scene()).unwrap(), second.open(stand.scene()).unwrap());
    for _ in 0..2 {
        assert_eq!(one.call(Call::Filter(&candidate, Argument::Request)).unwrap(), CallAnswer::Keep(false));
        assert_eq!(two.call(Call::Filter(&candidate, Argument::Request)).unwrap(), CallAnswer::Keep(true));
    }
}

#[test]
fn every_intrinsic_that_a_script_can_find_is_frozen() {
    let stand = Stand::new();
    let walk = "function balance(input) {
        var seen = new Set([globalThis]), open = [], loose = [];
        function meet(v, path) {
            if ((typeof v === 'object' && v !== null || typeof v === 'function') && !seen.has(v)) { seen.add(v); open.push([v, path]) }
        }
        function look(o, path) {
            meet(Object.getPrototypeOf(o), path + '.[[proto]]');
            Object.getOwnPropertyNames(o).concat(Object.getOwnPropertySymbols(o)).forEach(function (k) {
                var d = Object.getOwnPropertyDescriptor(o, k);
                meet(d.value, path + '.' + String(k)); meet(d.get, path + '.get ' + String(k)); meet(d.set, path + '.set ' + String(k));
            });
        }
        look(globalThis, 'global');
        [function () {}, async function () {}, function* () {}, async function* () {},
            [][Symbol.iterator](), new Map().values(), new Set().values(), ''[Symbol.iterator](), 'a'.matchAll(/a/g), /a/,
            Promise.resolve(), [].values().map(x => x), new Date(0), Iterator.from({next() {}}), new Uint8Array(1)
        ].forEach(function (o, i) { meet(Object.getPrototypeOf(o), 'hidden ' + i) });
        (function () { 'use strict'; meet(Object.getOwnPropertyDescriptor(arguments, 'callee').get, 'thrower') })();
        while (open.length) {
            var next = open.pop();
            if (!Object.isFrozen(next[0])) loose.push(next[1]);
            look(next[0], next[1]);
        }
        return seen.size > 500 ? 'loose: ' + loose.join(', ') : 'too few: ' + seen.size;
    }";
    assert_eq!(stand.id(walk), "loose: ");
}

#[test]
fn assignments_over_intrinsics_work_on_the_scripts_own_objects() {
    let stand = Stand::new();
    for expression in [
        "(() => { var counts = {}; counts['toString'] = 1; return counts.toString === 1 && Object.keys(counts)[0] === 'toString' })()",
        "(() => { var o = {}; o.constructor = 5; o.valueOf = 6; return o.constructor === 5 && o.valueOf === 6 })()",
        "(() => { class E extends Error { constructor(m) { super(m); this.name = 'E'; this.message += '!' } } var e = new E('m'); return e.name === 'E' && e.message === 'm!' && e instanceof Error && String(e) === 'E: m!' })()",
        "(() => { function E(m) { this.message = m } E.prototype = Object.create(Error.prototype); E.prototype.constructor = E; E.prototype.name = 'E'; return String(new E('m')) === 'E: m' })()",
        "(() => { var a = [3, 1]; a.map = 7; return a.map === 7 && [1].map(x => x)[0] === 1 })()",
        "(() => { class L extends Array {} L.prototype.filter = function () { return 'own' }; return new L().filter() === 'own' })()",
        "(() => { function f() {} f.call = 1; f.toString = () => 'f'; return f.call === 1 && '' + f === 'f' })()",
        "(() => { var d = new Date(0); d.getTime = () => 9; return d.getTime() === 9 })()",
        "(() => { 'use strict'; var o = {}; o.hasOwnProperty = 1; return o.hasOwnProperty === 1 })()",
        "(() => { var o = Object.create({}); o.toLocaleString = 2; return o.toLocaleString === 2 })()",
    ] {
        let text = format!("input => {expression} ? 'b' : 'a'");
        assert_eq!(stand.id(&text), "b", "{expression}");
    }
}
