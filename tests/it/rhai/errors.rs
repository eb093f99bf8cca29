//! What a script throws, and what is said of its mistakes: its own words, with the place in its own source.

use whither::script::{Argument, ScriptError};

use super::stand::Stand;

#[test]
fn what_is_thrown_are_the_scripts_own_words() {
    let stand = Stand::speaking("rhai");
    for (body, name, message) in [
        ("throw `All GPU servers are in use`;", "Error", "All GPU servers are in use"),
        ("throw #{message: `in use`};", "Error", "in use"),
        ("throw #{name: `Full`, message: `in use`};", "Full", "in use"),
        ("throw 7;", "Error", "7"),
        ("throw;", "Error", "the script threw nothing that says why"),
        ("fn_that_throws();", "Error", "from deep within"),
        ("input.nodes.filter(|n| { throw `in a closure`; });", "Error", "in a closure"),
        ("try { throw `caught`; } catch (e) { throw `again: ${e}`; }", "Error", "again: caught"),
        ("let m = input.nodes[0]; throw m;", "Error", "node `a`"),
    ] {
        let script = format!(
            "fn balance(input) {{ {body} }}\nfn fn_that_throws() {{ another() }}\nfn another() {{ throw `from deep within`; }}"
        );
        let (found_name, found, position) = stand.thrown(&script);
        assert_eq!((found_name.as_str(), found.as_str()), (name, message), "{body}");
        assert!(position.is_some(), "{body}");
    }
}

#[test]
fn mistakes_are_told_with_their_place_and_with_help() {
    let stand = Stand::speaking("rhai");
    for (script, words, place) in [
        ("fn balance(input) {\n  nope\n}", "Variable not found: nope", Some((2, 3))),
        ("const MAX = 3;\nfn balance(input) {\n  MAX }", "global::MAX", Some((3, 3))),
        ("fn balance(input) {\n  nope()\n}", "Function not found: nope", Some((2, 3))),
        ("fn balance(input) { input.nodes.nope() }", "Function not found: nope (array)", Some((1, 33))),
        ("fn balance(input) { input.nodes[9].id }", "Array index 9 out of bounds", Some((1, 33))),
        ("fn balance(input) { input.nodes[0].urls[3] }", "Array index 3 out of bounds", Some((1, 40))),
        ("fn balance(input) { let n = input.nodes[0]; n.nope + 1 }", "`()` stands for what is absent", Some((1, 52))),
        ("fn balance(input) { input.nope.deeper }", "first: `input.nope` is not there", Some((1, 32))),
        ("fn balance(input) { let n = input.nodes[0]; n.metaData.gpu }", "did you mean `n.metadata`?", Some((1, 56))),
        ("fn balance(input) { 1 / 0 }", "Division by zero", Some((1, 23))),
        (
            "fn balance(input) {\n  helper(input)\n}\nfn helper(x) {\n  x.nodes[0].freemem.foo()\n}",
            "foo",
            Some((5, 22)),
        ),
        (
            "fn balance(input) { input.nodes.filter(|n| n.id == input.nodes[0].id) }",
            "put it into a variable first",
            None,
        ),
        (
            "fn balance(input) {\n  input.nodes[0].metadata.group > 3 }",
            "the text `cpu` is compared with the number 3",
            Some((2, 33)),
        ),
        ("fn balance(input) { 3.5 <= `4` }", "the text `4` is compared with the number 3.5", Some((1, 25))),
        ("fn balance(input) { `4` == 4 }", "`parse_float(text)`", Some((1, 25))),
        ("fn balance(input) { let x = 4; x != `4` }", "compared with the number 4", Some((1, 34))),
        ("fn balance(input) { sleep(1) }", "`sleep` is not available in a balancer script", Some((1, 21))),
        ("fn balance(input) { timestamp() }", "the request has `now` and `time`", Some((1, 21))),
        (
            "fn balance(input) { let n = input.nodes[0]; n.remove(`id`); }",
            "copy it first, `node.to_map()`",
            Some((1, 47)),
        ),
        ("throw `top`;\nfn balance(input) { 1 }", "top", Some((1, 1))),
    ] {
        let (_, message, position) = stand.thrown(script);
        assert!(message.contains(words), "{script}: {message}");
        assert!(!message.contains("position"), "{script}: {message}");
        assert!(!(script.contains("nope()") && message.contains("absent")), "{script}: {message}");
        assert_eq!(position, place, "{script}: {message}");
    }
}

#[test]
fn what_cannot_be_loaded_says_where() {
    let stand = Stand::speaking("rhai");
    for (script, words, place) in [
        ("fn balance(input) {\n  let x = ;\n}", "syntax error", Some((2, 11))),
        (
            "fn balance(input) { eval(`1`) }",
            "`eval` is not available in a balancer script: use an executable",
            Some((1, 21)),
        ),
        ("fn balance(input) { let f = |x, y| x; f.curry(1) }", "`curry` is not available", Some((1, 41))),
        ("import `x` as y;\nfn balance(input) { 1 }", "`import` is not available", Some((1, 1))),
        ("fn balance(input) { (", "syntax error", Some((1, 22))),
    ] {
        let error = stand.try_load(script).err().unwrap();
        assert!(error.message.contains(words), "{script}: {error}");
        let found = error.position.as_ref().map(|position| (position.line, position.column));
        assert_eq!(found, place, "{script}: {error}");
        assert!(error.position.is_none_or(|position| &*position.file == "step0.rhai"));
    }
}

#[test]
fn a_long_message_is_cut() {
    let stand = Stand::speaking("rhai");
    let (_, message, _) = stand.thrown("fn balance(input) { let s = `x`; for i in 0..16 { s += s; } throw s; }");
    assert!(message.len() < 5_000 && message.ends_with('…'), "{} bytes", message.len());
}

#[test]
fn a_pure_function_has_no_request() {
    let stand = Stand::speaking("rhai");
    for (body, words) in [
        ("request.user", "`request` is not available to a function of one parameter"),
        ("input.now", "`input` is not available to a function of one parameter"),
        ("now", "`now` is not available to a function of one parameter"),
        ("random()", "`random` is not available to a function of one parameter"),
    ] {
        let script = format!("fn score(node) {{ {body} }}");
        match stand.call(&script, "score", "a", Argument::Nothing) {
            Err(ScriptError::Thrown(thrown, Some(_))) => assert!(thrown.message.contains(words), "{body}: {thrown:?}"),
            other => panic!("{body}: {other:?}"),
        }
    }
}
