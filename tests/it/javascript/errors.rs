use whither::script::{Argument, Call, CallAnswer, Score};

use super::stand::Stand;

#[test]
fn thrown_things_keep_their_words_and_their_place() {
    let stand = Stand::new();
    for (text, name, message, place) in [
        ("function(input) {\n  return input.nothing.here;\n}", "TypeError", "", Some((2, 24))),
        (
            "input => { throw new Error('All GPU servers are in use') }",
            "Error",
            "All GPU servers are in use",
            Some((1, 18)),
        ),
        ("input => { throw 'come back later' }", "Error", "come back later", Some((1, 18))),
        ("input => { throw new RangeError('r') }", "RangeError", "r", Some((1, 18))),
        ("input => { throw {message: 'm', name: 'Own'} }", "Own", "m", Some((1, 18))),
        ("input => { throw {code: 5} }", "Error", "{\"code\":5}", Some((1, 18))),
        ("input => { throw 42 }", "Error", "42", Some((1, 18))),
        ("input => { throw undefined }", "Error", "undefined", Some((1, 18))),
        ("input => { throw null }", "Error", "null", Some((1, 18))),
        ("input => { throw new Error() }", "Error", "", Some((1, 18))),
        ("input => { throw {get message() { throw 1 }} }", "Error", "[object]", Some((1, 18))),
        ("input => { throw {get message() { return f() }}; function f() { return f() } }", "Error", "", None),
        (
            "class GpuError extends Error { constructor(m) { super(m); this.name = 'GpuError'; } }\n\
             function balance(input) {\n  throw new GpuError('in use');\n}",
            "GpuError",
            "in use",
            Some((3, 9)),
        ),
        (
            "function f(x) {\n  return x.y.z;\n}\nfunction balance(input) {\n  return [1].map(() => f({}))\n}",
            "TypeError",
            "",
            Some((2, 14)),
        ),
        ("input => Promise.reject(new Error('later'))", "Error", "later", Some((1, 25))),
        ("async input => { throw new TypeError('t') }", "TypeError", "t", Some((1, 24))),
        ("input => undefinedName", "ReferenceError", "undefinedName is not defined", Some((1, 10))),
    ] {
        let thrown = stand.thrown(text);
        assert_eq!(thrown.0, name, "{text}: {thrown:?}");
        assert!(thrown.1.contains(message), "{text}: {thrown:?}");
        if place.is_some() {
            assert_eq!(thrown.2, place, "{text}: {thrown:?}");
        }
    }
}

#[test]
fn the_commonest_slips_are_named() {
    let stand = Stand::new();
    for (text, message) in [
        (
            "function(input) {\n  return input.nothing.here;\n}",
            "cannot use `here` of undefined or null: `input.nothing` is not there",
        ),
        ("i => i.nodes.find(n => n.id === 'z').id", "cannot use `id` of undefined or null"),
        ("i => { var x; return x[0] }", "cannot use a property of undefined or null: `x` is not there"),
        (
            "i => i.nodes.filter(node => node.static.gpu)",
            "cannot use `gpu` of undefined or null: `node.static` is not there; did you mean `node.staticData`?",
        ),
        (
            "i => i.nodes.map(n => n.health.mem.free)[0]",
            "cannot use `mem` of undefined or null: `n.health` is not there; did you mean `n.nodeData.health`?",
        ),
        ("i => i.foo()", "`i.foo` is not a function"),
        ("i => { var s = i.servers; s.first ( 1 ) }", "`s.first` is not a function"),
        ("i => (1, i)()", "what is called here is not a function"),
        ("i => ('ä' + undefined())", "`undefined` is not a function"),
        ("i => { for (const n of i.nodes) n.first(1) }", "`n.first` is not a function"),
    ] {
        assert_eq!(stand.thrown(text).1, message, "{text}");
    }
}

#[test]
fn a_method_of_nothing_is_told_with_its_name_where_it_stands() {
    let stand = Stand::new();
    for (text, member, missing, place) in [
        (
            "function(input) {\n  var app = input.data.app;\n  if (app.toLowerCase() === 'matlab')\n    return 'a';\n}",
            "toLowerCase",
            "app",
            (3, 11),
        ),
        (
            "function(input) {\n  var list = [];\n  for (var s of input.servers) {\n    \
             if (s.staticData.users.indexOf('x') >= 0)\n      list.push(s);\n  }\n  return list;\n}",
            "indexOf",
            "s.staticData.users",
            (4, 28),
        ),
        (
            "function(input) {\n  return input.servers.filter(function (s) {\n    var a = [1].map(String);\n\n    \
             return s.staticData.users.indexOf(a.join(input.user.login)) >= 0;\n  });\n}",
            "indexOf",
            "s.staticData.users",
            (5, 31),
        ),
        ("i => i.nodes.filter(n => n.metadata.tags.split(',').length > 1)", "split", "n.metadata.tags", (1, 42)),
        ("i => i.nodes.filter(n => n.metadata.tags.split(','))", "split", "n.metadata.tags", (1, 42)),
        ("i => { throw i.a.b().c(i.d) }", "b", "i.a", (1, 18)),
        ("i => { i.nodes.map(n => n.id).join(i.a.b(i.nodes.map(n => n))) }", "b", "i.a", (1, 40)),
        ("i => { const a = i.a; String(i.user.login.trim(), a.b(...i.nodes)); a.c() }", "b", "a", (1, 53)),
        (
            "i => { const a = i.a; return i.nodes.map(() => 1).length + a.b((i.x = i.nodes.map(String))) }",
            "b",
            "a",
            (1, 62),
        ),
        ("i => { let t; t = i.a.b(t = 1, i.c()); i.c() }", "b", "i.a", (1, 23)),
        ("i => { let t; t = i.nodes.map(n => n); t = i.a.b(i.nodes.at(0).id) }", "b", "i.a", (1, 48)),
        ("i => { i.user.login.trim(); i.a.b = i.user.login.trim(); i.c() }", "b", "i.a", (1, 33)),
        ("i => { i.user.login.trim(); i.a.b++; i.c() }", "b", "i.a", (1, 33)),
        ("i => { i.user.login.trim(); delete i.a.b; i.c() }", "b", "i.a", (1, 40)),
        ("/* ü */ i => { i.user.login.trim(); `ä${i.a.b()}${i.c()}` }", "b", "i.a", (1, 45)),
        ("i => { try { i.user.login.trim(); i.a.b() } finally { i.c } }", "b", "i.a", (1, 39)),
        ("async i => { i.user.login.trim(); i.a.b() }", "b", "i.a", (1, 39)),
        ("i => { for (const n of i.nodes.map(n => n)) { if (!i.a.b(n)) i.c(n) } }", "b", "i.a", (1, 56)),
    ] {
        let (name, message, found) = stand.thrown(text);
        let expected = format!("cannot use `{member}` of undefined or null: `{missing}` is not there");
        assert_eq!((name.as_str(), message.as_str()), ("TypeError", expected.as_str()), "{text}: {found:?}");
        assert_eq!(found, Some(place), "{text}");
    }
}

#[test]
fn a_method_of_nothing_that_may_be_one_of_several_is_not_guessed() {
    let stand = Stand::new();
    for (text, message) in [
        ("i => { i.nodes?.[0].a.b(); i.c() }", "cannot use a property of undefined or null"),
        ("i => { return Object.keys(i.a) }", "cannot use a property of undefined or null"),
        ("i => Object.keys(i.a)", "cannot use a property of undefined or null"),
        ("i => { throw Object.keys(i.a) }", "cannot use a property of undefined or null"),
        ("i => i.nodes.find(n => n.id === 'z').id", "cannot use `id` of undefined or null"),
        ("i => { throw i.nodes.find(n => n.id === 'z').id }", "cannot use `id` of undefined or null"),
    ] {
        assert_eq!(stand.thrown(text).1, message, "{text}");
    }
}

#[test]
fn a_name_that_nobody_declares_is_told_where_it_stands() {
    let stand = Stand::new();
    for (text, place) in [
        ("function balance(input) {\n  const a = 1;\n  return nope.x;\n}", (3, 10)),
        ("function balance(input) {\n  if (!input) nope();\n  return [1].map(x => x\n    + nope);\n}", (4, 7)),
        ("const f = () => {\n\n  return { nope } }\nfunction(input) { return f() }", (3, 12)),
        ("const f = () => 1; function(input) { return f() + nope }", (1, 51)),
    ] {
        let (name, message, found) = stand.thrown(text);
        assert_eq!((name.as_str(), message.as_str()), ("ReferenceError", "nope is not defined"), "{text}");
        assert_eq!(found, Some(place), "{text}");
    }
}

#[test]
fn names_that_nobody_declares_are_remarked_on_at_load() {
    let stand = Stand::new();
    let remarks = |text: &str| stand.load(text).remarks().iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(remarks("function balance(input) {\n  return pikc(input);\n}"), ["step0.js:2:10: pikc is not defined"]);
    assert_eq!(remarks("const a = 1; function(input) { return b }"), ["step0.js:1:39: b is not defined"]);
    let elsewhere = remarks("input => process.env.HOME");
    assert!(elsewhere[0].contains("not available in a balancer script"), "{elsewhere:?}");
    for fine in [
        "input => typeof process === 'object' ? process.pid : Math.max(1, NaN, Infinity)",
        "input => { made = 1; return made }",
        "this.lib = 1; input => lib",
        "input => new URL('x:y').href + atob('') + structuredClone(1) + undefined + JSON.stringify(globalThis)",
        "function balance(input) { try { input() } catch (error) { return error } for (const x of []) x(); label: for (;;) break label }",
        "class A { #x = 1; static y = () => A; get z() { return this.#x + arguments.length + new.target } } input => A",
        "input => ({ a: 1, b() { return input.c.d?.e } })",
    ] {
        assert!(remarks(fine).is_empty(), "{fine}: {:?}", remarks(fine));
    }
}

#[test]
fn what_is_not_here_points_to_executables() {
    let stand = Stand::new();
    for (text, word) in [
        ("input => require('fs')", "require"),
        ("input => process.env.HOME", "process"),
        ("input => { module.exports = 1 }", "module"),
        ("input => fetch('http://x')", "fetch"),
        ("input => setTimeout(() => 1, 1)", "setTimeout"),
        ("input => new XMLHttpRequest()", "XMLHttpRequest"),
        ("input => eval('1')", "eval"),
        ("input => (0, eval)('1')", "eval"),
        ("input => new Function('return 1')()", "Function"),
        ("input => (() => {}).constructor('return this')()", "Function"),
        ("input => (function* () {}).constructor('yield 1')()", "Function"),
        ("input => import('fs')", "import"),
    ] {
        let (_, message, _) = stand.thrown(text);
        assert!(message.contains(word) && message.contains("executable"), "{text}: {message}");
    }
}

#[test]
fn endless_recursion_is_an_error_and_leaves_nothing_behind() {
    let stand = std::thread::Builder::new().stack_size(64 << 20).spawn(|| {
        let stand = Stand::new();
        for text in [
            "input => { function f(n) { return f(n + 1) } return f(0) }",
            "input => { function f() { return [1].map(f) } return f() }",
            "input => { function f() { return [2, 1].sort(f) } return f() }",
            "input => { var o = {get a() { return this.a }}; return o.a }",
            "input => { var o = {toJSON() { return JSON.stringify(this) }}; return JSON.stringify(o) }",
            "input => { function f() { return 'a'.replace('a', f) } return f() }",
            "input => { function f() { return Reflect.construct(f, []) } return f() }",
            "input => { class A { constructor() { new A() } } return new A() }",
            "input => { function f() { for (const x of {[Symbol.iterator]: f}) ; } return f() }",
            "input => { var p = new Proxy({}, {get(t, k, r) { return r[k] }}); return p.x }",
            "input => { function f() { return f.apply(null, arguments) } return f() }",
            "input => { function f() { return Array.from([1], f) } return f() }",
        ] {
            let (name, message, _) = stand.thrown(text);
            assert_eq!((name.as_str(), message.as_str()), ("RangeError", "too much recursion"), "{text}");
            assert_eq!(stand.id("input => input.nodes[0].id"), "a", "after {text}");
        }
        // A run goes on after one of its calls was stopped.
        let script = stand.load(
            "let n = 0; function score(node, request) { n++; if (node.id === 'a') { (function f() { [1].map(f) })() } return n }",
        );
        let mut run = script.open(stand.scene()).unwrap();
        for _ in 0..300 {
            assert!(run.call(Call::Score(&stand.candidate("a"), Argument::Request)).is_err());
        }
        let answer = run.call(Call::Score(&stand.candidate("b"), Argument::Request)).unwrap();
        assert_eq!(answer, CallAnswer::Score(Score::Number(301.0)));
        let hostile = "input => { function f() { return f() } throw {get message() { return f() }} }";
        assert_eq!(stand.thrown(hostile).0, "Error");
        let deep = "input => { function f(n) { return n ? f(n - 1) : 'b' } return f(500) }";
        assert_eq!(stand.id(deep), "b");
    });
    stand.unwrap().join().unwrap();
}

#[test]
fn slips_that_would_take_the_process_down_are_errors() {
    let stand = Stand::new();
    for text in [
        "input => 'x'.repeat(2 ** 32 - 1)",
        "input => 'x'.padStart(2 ** 32 - 1)",
        "input => 'x'.padEnd(2 ** 31)",
        "input => new Array(2 ** 32 - 1).fill(0)",
        "input => Array(2 ** 32 - 1).join('x')",
        "input => Array.prototype.sort.call({length: 2 ** 40})",
        "input => Array.prototype.toSorted.call({length: 2 ** 31})",
        "input => Array.from({length: 2 ** 40})",
        "input => Math.max.apply(null, {length: 2 ** 32})",
        "input => 'x'.repeat(-1)",
        "input => 'x'.repeat(Infinity)",
    ] {
        let (name, message, _) = stand.thrown(text);
        assert_eq!(name, "RangeError", "{text}: {message}");
    }
    assert_eq!(stand.id("input => 'b'.repeat(3).slice(0, 1)"), "b");
    assert_eq!(stand.id("input => Math.max.apply(null, [1, 2]) === 2 && Array.from({length: 2}, (_, i) => i).join() === '0,1' ? 'b' : 'a'"), "b");
}

#[test]
fn a_failing_top_level_is_an_error_of_the_run() {
    let stand = Stand::new();
    let script = stand.load("throw new Error('top');\nfunction balance(input) {}");
    let error = script.open(stand.scene()).err().unwrap();
    assert_eq!(error.message(), "top");
    let later = stand.load("const x = y;\nconst y = 1;\nfunction balance(input) {}");
    assert!(later.open(stand.scene()).is_err());
}
