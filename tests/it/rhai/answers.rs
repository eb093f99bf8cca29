//! What a script may return, and what that means.

use serde_json::{Value, json};
use whither::model::LimitKind;
use whither::script::{Argument, CallAnswer, Element, ReturnedValue, Score, ScriptError};

use super::stand::{NOW_MS, Stand};

fn list(elements: impl IntoIterator<Item = Element>) -> ReturnedValue {
    ReturnedValue::list(elements.into_iter().collect())
}

fn node(id: &str, fields: Value) -> Element {
    Element::Node(id.to_owned(), fields.as_object().unwrap().clone())
}

#[test]
fn whole_lists_answer_in_every_way_the_contract_names() {
    let stand = Stand::speaking("rhai");
    let (given, id) = (Element::Given, |id: &str| Element::Id(id.to_owned()));
    for (body, expected) in [
        ("()", ReturnedValue::Falsy),
        ("false", ReturnedValue::Falsy),
        ("0", ReturnedValue::Falsy),
        ("0.0", ReturnedValue::Falsy),
        ("-0.0", ReturnedValue::Falsy),
        ("0.0 / 0.0", ReturnedValue::Falsy),
        (r#""""#, ReturnedValue::Falsy),
        ("", ReturnedValue::Falsy),
        ("let x = 1;", ReturnedValue::Falsy),
        (r#""b""#, ReturnedValue::Id("b".into())),
        ("input.nodes[1].id", ReturnedValue::Id("b".into())),
        ("return `${input.nodes[2].id}`;", ReturnedValue::Id("c".into())),
        (r#"exit("a")"#, ReturnedValue::Id("a".into())),
        ("true", ReturnedValue::Other("true".into())),
        ("7", ReturnedValue::Other("the number 7".into())),
        ("-1.5", ReturnedValue::Other("the number -1.5".into())),
        ("'x'", ReturnedValue::Other("the character `x`".into())),
        ("#{}", ReturnedValue::Other("a map".into())),
        ("#{id: 7}", ReturnedValue::Other("a map".into())),
        ("|x| x", ReturnedValue::Other("a function".into())),
        ("0..9", ReturnedValue::Other("a value of the type `core::ops::range::Range<i64>`".into())),
        ("input.nodes[1]", ReturnedValue::Node("b".into())),
        (r#"#{serverId: "b"}"#, ReturnedValue::Node("b".into())),
        ("input.nodes[1].metadata", ReturnedValue::Other("a map".into())),
        ("[]", list([])),
        ("input.nodes", list([given(0), given(1), given(2)])),
        ("input.servers", list([given(0), given(1), given(2)])),
        ("input.nodes.filter(|n| n.metadata.gpu == true)", list([given(1), given(2)])),
        (r#"["c", input.nodes[0], "nobody"]"#, list([id("c"), given(0), id("nobody")])),
        ("input.nodes.map(|n| n.id)", list([id("a"), id("b"), id("c")])),
        ("input.nodes[1].metadata.users", list([id("ann"), id("bob")])),
        ("[input.nodes[0], 7, input.nodes[1]]", list([given(0), Element::Other("the number 7".into())])),
        (r#"[#{id: "a", rank: 1, f: |x| x}]"#, list([node("a", json!({"rank": 1}))])),
        (r#"[#{serverId: "b"}, ()]"#, list([node("b", json!({})), Element::Other("()".into())])),
        (r#"[#{id: "nobody", rank: 1}]"#, list([node("nobody", json!({}))])),
    ] {
        let script = format!("fn balance(input) {{ {body} }}");
        assert_eq!(stand.returned(&script), Ok(expected), "{script}");
    }
}

#[test]
fn what_a_script_sets_on_a_node_travels_with_a_list() {
    let stand = Stand::speaking("rhai");
    for (body, expected) in [
        ("let n = input.nodes[0]; n.rank = 1; [n]", list([node("a", json!({"rank": 1}))])),
        ("input.nodes[0].rank = 1; [input.nodes[0]]", list([node("a", json!({"rank": 1}))])),
        // A node is the same wherever a script meets it.
        ("for n in input.nodes { n.rank = 1; } [input.servers[2]]", list([node("c", json!({"rank": 1}))])),
        (r#"let n = input.nodes[0]; n["my rank"] = 1; [n]"#, list([node("a", json!({"my rank": 1}))])),
        ("let n = input.nodes[0]; n.rank = 1; n.rank += 2; [n]", list([node("a", json!({"rank": 3}))])),
        (
            "let n = input.nodes[0]; n.set(`rank`, 1); n += #{b: 2}; n.mixin(#{c: 3}); [n]",
            list([node("a", json!({"rank": 1, "b": 2, "c": 3}))]),
        ),
        (
            "let n = input.nodes[0]; n.at = #{list: [1, 2.5, 'x', (), true], of: #{}}; [n]",
            list([node("a", json!({"at": {"list": [1, 2.5, "x", null, true], "of": {}}}))]),
        ),
        // Parts are written back into the node that they belong to.
        ("let n = input.nodes[0]; n.metadata.group = `x`; [n]", list([node("a", json!({"metadata": {"group": "x"}}))])),
        ("let n = input.nodes[0]; n.urls.push(`x`); [n]", list([node("a", json!({"urls": ["x"]}))])),
        ("let n = input.nodes[0]; n.loadavg[0] = 9.5; [n]", list([node("a", json!({"loadavg": [9.5, 0.5, 0.5]}))])),
        // A name of its own is not written, and a function does not travel.
        ("let n = input.nodes[0]; n.id = `b`; n.f = |x| x; [n]", list([node("a", json!({}))])),
        // What only looks at a node leaves it as it is.
        (
            "let n = input.nodes[0]; n.urls.len(); n.metadata.keys(); n.nodeData.sessions.filter(|s| true); [n]",
            list([Element::Given(0)]),
        ),
        ("[input.nodes[1] + #{rank: 1}].map(|m| #{id: m.id, rank: m.rank})", list([node("b", json!({"rank": 1}))])),
    ] {
        let script = format!("fn balance(input) {{ {body} }}");
        assert_eq!(stand.returned(&script), Ok(expected), "{script}");
    }
    assert_eq!(
        stand.returned("fn balance(input) { input.nodes }"),
        Ok(list((0..3).map(Element::Given))),
        "nothing is left"
    );
}

#[test]
fn too_much_is_refused() {
    let stand = Stand::speaking("rhai");
    for body in [
        "for n in input.nodes { n.all = input.nodes; n.more = n.to_map(); n.most = [n.more, n.more]; } input.nodes",
        "let n = input.nodes[0]; let deep = 1; for i in 0..80 { deep = #{d: deep}; } n.deep = deep; [n]",
    ] {
        let script = format!("fn balance(input) {{ {body} }}");
        let found = stand.returned(&script);
        let is_small = matches!(&found, Ok(ReturnedValue::List(_) | ReturnedValue::Given(_)));
        let is_refused = matches!(&found, Err(ScriptError::Limit(LimitKind::Output, _)));
        assert!(is_refused || (is_small && body.contains("all")), "{script}: {found:?}");
    }
    let long = stand.returned("fn balance(input) { let s = `x`; for i in 0..14 { s += s; } s }");
    assert!(matches!(&long, Ok(ReturnedValue::Id(id)) if id.len() < 5_000 && id.ends_with('…')), "{long:?}");
}

#[test]
fn per_node_functions_keep_and_score() {
    let stand = Stand::speaking("rhai");
    let score = |body: &str| stand.call(&format!("fn score(node) {{ {body} }}"), "score", "b", Argument::Nothing);
    for (body, expected) in [
        ("node.freemem", Score::Number(2e9)),
        ("-node.sessions", Score::Number(-1.0)),
        ("node.loadavg[0]", Score::Number(0.5)),
        ("0", Score::Number(0.0)),
        ("()", Score::LeftOut),
        ("", Score::LeftOut),
        ("false", Score::LeftOut),
        ("0.0 / 0.0", Score::LeftOut),
        ("true", Score::Other("true".into())),
        ("\"9\"", Score::Other("the string `9`".into())),
        ("node", Score::Other("a map".into())),
    ] {
        assert_eq!(score(body), Ok(CallAnswer::Score(expected)), "{body}");
    }
    let filter = |body: &str| stand.call(&format!("fn filter(node) {{ {body} }}"), "filter", "b", Argument::Nothing);
    for (body, kept) in [
        ("node.metadata.gpu", true),
        ("node.metadata.login", false),
        ("node.sessions", true),
        ("\"\"", false),
        ("[]", true),
        ("`launcher` in node.nodeData.services", true),
        ("`gpu` in node.metadata", true),
        ("`nope` in node.metadata", false),
        ("`metadata` in node", true),
        ("node.nope?.deeper", false),
    ] {
        assert_eq!(filter(body), Ok(CallAnswer::Keep(kept)), "{body}");
    }
}

#[test]
fn a_key_is_json_and_comes_back_as_it_was() {
    let stand = Stand::speaking("rhai");
    let script = "fn key(request) { #{groups: request.userGroups, hour: request.time.hour, now: request.now} }
        fn filter(node, key) { key.groups[0] == \"cad\" && key.hour == 11 && type_of(key.groups) == \"array\" }";
    let key = json!({"groups": ["cad"], "hour": 11, "now": NOW_MS});
    assert_eq!(stand.call(script, "key", "a", Argument::Request), Ok(CallAnswer::Key(key.clone())));
    let kept = stand.balance_key(script, &key);
    assert_eq!(kept, Ok(CallAnswer::Keep(true)));
    let nothing = "fn key(request) { |x| x } fn filter(node, key) { key == () }";
    assert_eq!(stand.call(nothing, "key", "a", Argument::Request), Ok(CallAnswer::Key(Value::Null)));
    assert_eq!(stand.balance_key(nothing, &Value::Null), Ok(CallAnswer::Keep(true)));
}

impl Stand {
    /// What `filter` says of node `a` with `key`.
    fn balance_key(&self, script: &str, key: &Value) -> Result<CallAnswer, ScriptError> {
        self.call(script, "filter", "a", Argument::Key(key))
    }
}
