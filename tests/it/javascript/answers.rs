use serde_json::json;
use whither::model::LimitKind;
use whither::script::{Argument, CallAnswer, Element, ReturnedValue, Score, ScriptError};

use super::stand::Stand;

#[test]
fn every_kind_of_value_has_its_answer() {
    let stand = Stand::new();
    let other = |words: &str| ReturnedValue::Other(words.to_owned());
    for (value, expected) in [
        ("undefined", ReturnedValue::Falsy),
        ("null", ReturnedValue::Falsy),
        ("false", ReturnedValue::Falsy),
        ("0", ReturnedValue::Falsy),
        ("-0", ReturnedValue::Falsy),
        ("0n", ReturnedValue::Falsy),
        ("NaN", ReturnedValue::Falsy),
        ("''", ReturnedValue::Falsy),
        ("'b'", ReturnedValue::Id("b".to_owned())),
        ("'zz9'", ReturnedValue::Id("zz9".to_owned())),
        ("Promise.resolve('b')", ReturnedValue::Id("b".to_owned())),
        ("Promise.resolve()", ReturnedValue::Falsy),
        ("({then(done) { done('c') }})", ReturnedValue::Id("c".to_owned())),
        ("(async () => { await null; await 1; return input.nodes[1].id })()", ReturnedValue::Id("b".to_owned())),
        ("true", other("true")),
        ("7", other("the number 7")),
        ("1.5", other("the number 1.5")),
        ("({})", other("an object")),
        ("() => 1", other("a function")),
        ("Symbol('x')", other("a symbol")),
        ("5n", other("a BigInt")),
        ("new Map()", other("an object")),
        ("new Promise(() => {})", other("a promise that never settles")),
        ("input.servers[0]", ReturnedValue::Node("a".to_owned())),
        ("({serverId: 'c'})", ReturnedValue::Node("c".to_owned())),
        ("[]", ReturnedValue::list(vec![])),
        ("input.servers", ReturnedValue::list(vec![Element::Given(0), Element::Given(1), Element::Given(2)])),
        (
            "[input.nodes[2], 'a', input.nodes[2]]",
            ReturnedValue::list(vec![Element::Given(2), Element::Id("a".to_owned()), Element::Given(2)]),
        ),
        (
            "[{id: 'b'}, {serverId: 'nowhere'}]",
            ReturnedValue::list(vec![
                Element::Node("b".to_owned(), json!({}).as_object().unwrap().clone()),
                Element::Node("nowhere".to_owned(), json!({}).as_object().unwrap().clone()),
            ]),
        ),
        ("new Proxy([input.nodes[0]], {})", other("a proxy")),
        ("new Proxy([], {get: (list, name) => name === 'then' ? undefined : 'a'})", other("a proxy")),
    ] {
        assert_eq!(stand.returned(&format!("input => {value}")).unwrap(), expected, "{value}");
    }
    for (element, words) in [
        ("1", "the number 1"),
        ("null", "null"),
        ("{}", "an object"),
        ("", "undefined"),
        ("() => 1", "a function"),
        ("[2]", "a list"),
        ("new Proxy([], {})", "a proxy"),
    ] {
        // What comes after the first such element is not read.
        let list = format!(
            "input => {{ var l = ['b', {element}, 1]; Object.defineProperty(l, 2, {{get() {{ throw 1 }}}}); return l }}"
        );
        let expected = vec![Element::Id("b".to_owned()), Element::Other(words.to_owned())];
        assert_eq!(stand.returned(&list).unwrap(), ReturnedValue::list(expected), "{element}");
    }
    let expected = ReturnedValue::list(vec![Element::Other("undefined".to_owned())]);
    assert_eq!(stand.returned("input => Array(1000000)").unwrap(), expected);
}

#[test]
fn overlays_hold_what_differs_and_nothing_else() {
    let stand = Stand::new();
    for (returned, overlay) in [
        ("input.nodes.map(n => ({...n, rank: 1}))", json!({"rank": 1})),
        ("input.nodes.map(n => ({...n}))", json!({})),
        (
            "input.nodes.map(n => Object.assign({}, n, {sessions: 9, urls: ['x']}))",
            json!({"sessions": 9, "urls": ["x"]}),
        ),
        ("(input.nodes.forEach(n => { n.rank = 1; n.metadata.gpu }), input.nodes)", json!({"rank": 1})),
        (
            "(input.nodes.forEach(n => { n.metadata.weight = 5 }), input.nodes.slice())",
            json!({"metadata": {"group": "cpu", "weight": 5}}),
        ),
        (
            "(input.nodes.forEach(n => { n.nodeData.sessions.length; n.rank = 'x'; n.f = () => 1; n.u = undefined }), input.nodes)",
            json!({"rank": "x"}),
        ),
        (
            "input.nodes.map(n => ({id: n.id, d: new Date(0), n: NaN, s: Symbol(), j: {toJSON() { return 'j' }}, a: [undefined]}))",
            json!({"d": "1970-01-01T00:00:00.000Z", "n": null, "j": "j", "a": [null]}),
        ),
        (
            "input.nodes.map(n => { class P { constructor() { this.id = n.id; this.k = 1 } get hidden() { return 1 } } return new P() })",
            json!({"k": 1}),
        ),
        (
            "input.nodes.map(n => Object.create(n, {own: {value: 1, enumerable: true}, not: {value: 2}}))",
            json!({"own": 1}),
        ),
        (
            "input.nodes.map(n => ({...n, a: 1e21, b: 2 ** 53, c: -0, d: 3 / 1, e: Infinity, f: 0.5, g: 4294967296}))",
            json!({"a": 1e21, "b": 9007199254740992_i64, "c": 0, "d": 3, "e": null, "f": 0.5, "g": 4294967296_i64}),
        ),
        (
            "(input.nodes[1].id = 'a', delete input.nodes[1].nodeData, [input.nodes[1]])",
            json!({"metadata": {"group": "gpu", "gpu": true, "users": ["ann", "bob"]}, "sessions": 1, "freemem": 2_000_000_000_i64, "loggedInUsers": 1}),
        ),
        ("input.nodes.map(n => ({...n, id: n.id, serverId: 'other', cpu: 12, freemem: n.freemem}))", json!({})),
    ] {
        let text = format!("input => {returned}");
        match stand.returned(&text) {
            Ok(ReturnedValue::List(list)) => match &list[0] {
                Element::Node(id, fields) => assert_eq!((id.as_str(), json!(fields)), ("a", overlay), "{text}"),
                other => panic!("{text}: {other:?}"),
            },
            other => panic!("{text}: {other:?}"),
        }
    }
}

#[test]
fn a_returned_list_has_a_limit_and_a_cycle_is_thrown() {
    let stand = Stand::new();
    for huge in ["new Array(4e9)", "Array(2000000).fill('a')"] {
        let error = stand.returned(&format!("input => {huge}")).unwrap_err();
        assert!(matches!(error, ScriptError::Limit(LimitKind::Output, _)), "{error:?}");
    }
    let (name, message, _) = stand.thrown("input => { var a = {id: 'a'}; a.a = a; return [a] }");
    assert_eq!(name, "TypeError", "{message}");
    let deep = "input => { var a = {}; for (var i = 0; i < 200; i++) a = {a}; return [{id: 'a', a}] }";
    assert!(matches!(stand.returned(deep).unwrap_err(), ScriptError::Limit(LimitKind::Output, _)));
}

#[test]
fn scores_and_filters_say_what_they_mean() {
    let stand = Stand::new();
    for (value, expected) in [
        ("3", Score::Number(3.0)),
        ("-0.5", Score::Number(-0.5)),
        ("Infinity", Score::Number(f64::INFINITY)),
        ("node.freemem", Score::Number(4e9)),
        ("undefined", Score::LeftOut),
        ("null", Score::LeftOut),
        ("false", Score::LeftOut),
        ("NaN", Score::LeftOut),
        ("node.nothing - 1", Score::LeftOut),
        ("true", Score::Other("true".to_owned())),
        ("'3'", Score::Other("the string `3`".to_owned())),
        ("3n", Score::Other("a BigInt".to_owned())),
        ("({})", Score::Other("an object".to_owned())),
    ] {
        let answer =
            stand.call(&format!("function score(node) {{ return {value}; }}"), "score", "a", Argument::Nothing);
        assert_eq!(answer.unwrap(), CallAnswer::Score(expected), "{value}");
    }
    for (value, kept) in [("1", true), ("''", false), ("undefined", false), ("[]", true), ("Promise.resolve(0)", false)]
    {
        let answer = stand.call(&format!("const filter = node => {value}"), "filter", "a", Argument::Nothing);
        assert_eq!(answer.unwrap(), CallAnswer::Keep(kept), "{value}");
    }
    let text = "async function filter(node) { return node.id === 'c'; }";
    assert_eq!(stand.call(text, "filter", "c", Argument::Nothing).unwrap(), CallAnswer::Keep(true));
    assert_eq!(stand.call(text, "filter", "a", Argument::Nothing).unwrap(), CallAnswer::Keep(false));
}

#[test]
fn keys_are_json_and_reach_the_functions() {
    let stand = Stand::new();
    let text = "function key(request) { return {group: request.data.group, u: undefined}; }\n\
                function filter(node, key) { return node.metadata.group === key.group; }";
    let key = stand.call(text, "key", "a", Argument::Request).unwrap();
    assert_eq!(key, CallAnswer::Key(json!({"group": "gpu"})));
    let CallAnswer::Key(key) = key else { panic!() };
    assert_eq!(stand.call(text, "filter", "b", Argument::Key(&key)).unwrap(), CallAnswer::Keep(true));
    assert_eq!(stand.call(text, "filter", "a", Argument::Key(&key)).unwrap(), CallAnswer::Keep(false));
    let undefined = "function key() {} function score(n, k) { return k === null ? 1 : 0 }";
    assert_eq!(stand.call(undefined, "key", "a", Argument::Request).unwrap(), CallAnswer::Key(json!(null)));
}
