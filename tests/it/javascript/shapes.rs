use whither::script::{Arity, PerNode, ReturnedValue, ScriptShape};

use super::stand::Stand;

#[test]
fn whole_list_forms_are_known() {
    let stand = Stand::new();
    for text in [
        "function(input) { return 'b' }",
        "function  (input) { return 'b' }",
        "// pick\n/* the second */ function(input) { return 'b' };\n// done\n",
        "function(input) { return pick(input) }\nfunction pick(i) { return 'b' }",
        "function(input) { return 'b' }; const unused = 1;",
        "async function(input) { return 'b' }",
        "function*(input) { return 'b' }(1) || 'x'; function balance(i) { return 'b' }",
        "(function(input) { return 'b' })",
        "(function(input) { return 'b' });",
        "function(input) { return 'b' }\n\n",
        "input => 'b'",
        "(input) => { return 'b' }",
        "async input => 'b'",
        "const k = 'b';\ninput => k",
        "'use strict';\ninput => 'b'",
        "'use strict';\nfunction balance(input) { return 'b' }",
        "#!/usr/bin/env node\nfunction balance(input) { return 'b' }",
        "function helper(n) { return 'b' }\nfunction balance(input) { return helper(1) }",
        "const balance = input => 'b'",
        "var balance = function (input) { return 'b' }",
        "balance = function (input) { return 'b' }",
        "async function balance(input) { return 'b' }",
        "function pickByCpu(input) { return 'b' }",
        "const pick = (input) => 'b'; const other = x => 1",
        "const h = () => 'b'; const balance = [h][0]",
        "/* ä */ /* ü */ (input) => 'b'",
        "var balance$ = 1; input => 'b'",
        "if (true) { var x = 'b' }\r\n\r\n(input) => x",
        "\"use strict\";\nfunction(input) { return this === undefined ? 'b' : 'a' }",
        "const MAX = 'b'\nfunction(input) { return MAX }",
        "function helper(n) { return 'b' }\nfunction(input) { return helper(1) }",
        "function helper(n) { return 'b' } async function (input) { return helper(1) }",
        "class A extends Error { constructor() { super('b') } }\nfunction(input) { return new A().message }",
        "let x = 'b'; /* ä */ function /* the pick */ (input) { const list = [1, 2]; list.length = 1; return list.length === 1 ? x : 'a' }",
        "var a = 1, b = 'b'\n\n// done\nfunction(input) { return later() }\nfunction later() { return b }",
    ] {
        if text.starts_with("function*(") {
            continue;
        }
        let script = stand.load(text);
        assert_eq!(script.shape(), ScriptShape::WholeList, "{text}");
        assert_eq!(stand.balance(&*script, &stand.candidates()).unwrap(), ReturnedValue::Id("b".to_owned()), "{text}");
    }
}

#[test]
fn the_signature_is_read_from_the_syntax() {
    let stand = Stand::new();
    let (one, two) = (Some(Arity::Node), Some(Arity::NodeAndRequest));
    for (text, filter, score, key) in [
        ("function filter(node) {}", one, None, false),
        ("function filter() {}", one, None, false),
        ("function filter(node, request) {}", two, None, false),
        ("function score(node, request = {}) {}", None, two, false),
        ("function score(node = {}) {}", None, two, false),
        ("function score(...all) {}", None, two, false),
        ("function score(node) { return arguments[1] }", None, two, false),
        ("function score(node) { return (() => arguments[1])() }", None, two, false),
        ("function score(node) { return (function () { return arguments[0] })(1) }", None, one, false),
        ("function score({freemem}) { return freemem }", None, one, false),
        ("const score = ({freemem}, {user}) => freemem", None, two, false),
        ("let filter = n => 1; var score = function (n, r) {}", one, two, false),
        ("function key(request) {} function score(node, key) {} function filter(n) {}", one, two, true),
        ("async function filter(node) {}", one, None, false),
        ("function helper(a, b, c) {} function filter(node) {}", one, None, false),
    ] {
        assert_eq!(stand.load(text).shape(), ScriptShape::PerNode(PerNode { filter, score, key }), "{text}");
    }
}

#[test]
fn what_is_no_script_is_refused_with_the_reason() {
    let stand = Stand::new();
    for (text, words) in [
        ("", "no function"),
        ("   \n// nothing\n", "no function"),
        ("const x = 1", "no function"),
        ("function helper(x) {}", "expected one function of the list"),
        ("function score(a, b, c) {}", "`score` takes one parameter"),
        ("function key(r) {} function score(n) {}", "`key` says"),
        ("function key(a, b) {} function score(n, k) {}", "`key` takes one parameter"),
        ("function balance(i) {} function score(n) {}", "two steps"),
        ("const score = make(1)", "must be written as a function"),
        ("input => 1; input => 2", "more than one"),
        ("function a(input) {} function b(input) {}", "several functions"),
        ("import fs from 'fs'; function balance(input) {}", "executable"),
        ("export default function (input) {}", "executable"),
        ("const x = await 1; function balance(input) {}", "executable"),
        ("function(input) {\n  return input.servers[0\n}", "syntax error"),
        ("function balance(input) {}); evil(function(){", "syntax error"),
        ("function(input) {}}); evil(function(){ {", "syntax error"),
        ("return 1", "syntax error"),
        ("function(input) { return 1 }(5)", "syntax error"),
    ] {
        let error = stand.try_load(text).err().unwrap_or_else(|| panic!("{text} was loaded"));
        assert!(error.message.contains(words), "{text}: {error}");
    }
    let large = format!("input => '{}'", "x".repeat(300_000));
    assert!(stand.try_load(&large).err().unwrap().message.contains("bytes"));
    let deep = format!("input => {}1{}", "(".repeat(70), ")".repeat(70));
    assert!(stand.try_load(&deep).err().unwrap().message.contains("deeper"));
    let long = format!("input => 1{}", "+1".repeat(10_000));
    assert!(stand.try_load(&long).err().unwrap().message.contains("chains"));
}

#[test]
fn syntax_errors_name_their_place() {
    let stand = Stand::new();
    for (text, line, column) in [
        ("function(input) {\n  return input.servers[0\n}", 3, 1),
        ("function balance(input) {\n  var x = ;\n}", 2, 11),
        ("function(input) { @ }", 1, 19),
        ("input => {\n", 1, 11),
    ] {
        let position = stand.try_load(text).err().unwrap().position.unwrap_or_else(|| panic!("{text}"));
        assert_eq!((position.line, position.column), (line, column), "{text}");
        assert_eq!(&*position.file, "step0.js");
    }
}

/// Whatever stands before a function without a name, places in it are the administrator's own.
#[test]
fn places_behind_a_function_without_a_name_are_its_own() {
    let stand = Stand::new();
    for (text, place) in [
        ("function(input) { return null.x }", (1, 31)),
        ("const a = 1; function(input) { return null.x }", (1, 44)),
        ("'use strict';\nfunction(input) {\n  return null.x }", (3, 15)),
        ("const a = 1; function(input) { var l = [1]; l.length = 0; return null.x }", (1, 71)),
    ] {
        assert_eq!(stand.thrown(text).2, Some(place), "{text}");
    }
    for (text, words, place) in [
        ("const a = 1;\nfunction(input) { return ] }", "syntax error", Some((2, 26))),
        ("const a = 1; function(input) { return ] }", "syntax error", Some((1, 39))),
        ("if (1) { function(input) { return 1 } }", "syntax error", Some((1, 18))),
        ("function(input) { return 1 }\nfunction(input) { return 2 }", "more than one function", None),
    ] {
        let error = stand.try_load(text).err().unwrap();
        assert!(error.message.contains(words), "{text}: {error}");
        assert_eq!(error.position.map(|place| (place.line, place.column)), place, "{text}");
    }
}
