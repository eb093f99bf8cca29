use whither::script::{ReturnedValue, ScriptError};

use super::stand::Stand;

/// What a script says that is asked again and again, as it is in a service.
#[test]
fn a_list_is_cut_each_time() {
    let stand = Stand::new();
    for cut in [
        "list.length = 1",
        "list.length -= 2",
        "list.length &&= 1",
        "list.length--; --list.length",
        "input.list = [list]; input.list[0].length = 1",
        "({n: list.length} = {n: 1})",
        "[list.length] = [1]",
        "for (list.length of [2, 1]) ;",
        "(() => { list /* . */ . // .\n length = 1 })()",
        "class Cut { #list = list; run() { this.#list.length = 1 } } new Cut().run()",
    ] {
        for form in ["function(input) { BODY }", "input => { BODY }", "function balance(input) { BODY }"] {
            let body = format!("const list = ['b', 'c', 'a']; {cut}; return 1 in list ? 'not cut' : list[0]");
            let script = stand.load(&form.replace("BODY", &body));
            for turn in 0..3 {
                let said = stand.balance(&*script, &stand.candidates());
                assert_eq!(said, Ok(ReturnedValue::Id("b".to_owned())), "{cut}, turn {turn} of {form}");
            }
        }
    }
    let guarded = "let list = [1, 2]; const cut = n => { list.length = n }; \
        function balance(input) { cut(1); list = [1, 2]; cut(1); try { cut(-1) } catch (e) { return e.name } }";
    assert_eq!(stand.id(guarded), "RangeError");
    let own = "input => { let seen; const o = { set length(n) { seen = n } }; \
        for (const n of [1, 2]) o.length = n; const p = {}; for (p.length of [3, 4]) ; return seen + '-' + p.length }";
    assert_eq!(stand.id(own), "2-4");
    let frozen = "input => { 'use strict'; try { Object.freeze([1]).length = 0 } catch (e) { return e.name } }";
    assert_eq!(stand.id(frozen), "TypeError");
}

#[test]
fn places_are_the_sources_own_after_a_length() {
    let stand = Stand::new();
    for (marked, message) in [
        ("input => { let a = [1, 2]; a.length = 1; throw ^'x' }", "x"),
        ("function(input) { let a = [1, 2]; a.length = 1; throw ^'x' }", "x"),
        ("function balance(input) {\n  let a = [1]; a.length--; a.length++; throw ^'x'\n}", "x"),
        ("input => { let a = []; a.length = 1; throw ^'ä' }; var\nb = []; b.length = 1", "ä"),
        ("function(input) { let a = [1]; a\n  .length = 0; throw ^'x' }", "x"),
        ("input => { let a = []; throw ^'x'; a.length = 1 }", "x"),
        ("input => { var a = []; a.length = 1; return a.b.^c }", "cannot use `c` of undefined or null"),
        ("input => { var a = []; a.length = 1; a.b^() }", "`a.b` is not a function"),
        ("input => { var a; a.^length = 1 }", "cannot use `length` of undefined or null: `a` is not there"),
        (
            "input => { var a; a.^length = 1; a.length = 2 }",
            "cannot use `length` of undefined or null: `a` is not there",
        ),
        ("input => { var a; a.^length++ }", "cannot use `length` of undefined or null: `a` is not there"),
        ("input => { ^[].length = -1 }", ""),
    ] {
        let (text, before) = (marked.replace('^', ""), marked.split('^').next().unwrap_or_default());
        let (line, column) = (before.lines().count(), before.lines().last().unwrap_or_default().chars().count() + 1);
        let (_, said, position) = stand.thrown(&text);
        assert!(said.contains(message), "{text}: {said}");
        assert_eq!(position, Some((line as u32, column as u32)), "{text}: {said}");
    }
}

/// A source that no computed form fits is compiled as it stands.
#[test]
fn what_cannot_be_rewritten_still_runs() {
    let stand = Stand::new();
    let odd =
        "var let = [1, 2]\nfunction balance(input) {\n  let.length = 1; return let[0] === 1 && input.nodes[1].id\n}";
    let script = stand.load(odd);
    for _ in 0..3 {
        let said = stand.balance(&*script, &stand.candidates());
        assert!(matches!(&said, Ok(ReturnedValue::Id(id)) if id == "b"), "{said:?}");
    }
    assert!(matches!(stand.returned("input => { throw input.x.length = 1 }"), Err(ScriptError::Thrown(..))));
}

/// Boa keeps in a rest what a pattern took apart.
#[test]
fn a_rest_has_no_key_that_was_taken_apart() {
    let stand = Stand::new();
    for (taken, expected) in [
        ("const { b: { c }, ...o } = { b: { c: 1 }, d: 2 }; return JSON.stringify(o)", "{\"d\":2}"),
        (
            "var { a, b: [e], 'f-g': { h } = {}, ...o } = { a: 0, b: [1], d: 2 }; return JSON.stringify([a, e, h, o])",
            "[0,1,null,{\"d\":2}]",
        ),
        ("let c, o; ({ b: { c }, ...o } = { b: { c: 1 }, d: 2 }); return JSON.stringify([c, o])", "[1,{\"d\":2}]"),
        (
            "const { b: { c }, 1: { e }, ...o } = { b: { c: 1 }, 1: { e: 2 }, d: 2 }; return JSON.stringify([e, o])",
            "[2,{\"d\":2}]",
        ),
        (
            "'use strict'; let c, o = {}; ({ b: { c }, ...o.p } = { b: { c: 1 }, d: 2 }); return JSON.stringify(o)",
            "{\"p\":{\"d\":2}}",
        ),
        (
            "return (({ b: { c: { e }, ...p }, ...o }) => JSON.stringify([e, p, o]))({ b: { c: { e: 1 }, f: 3 }, d: 2 })",
            "[1,{\"f\":3},{\"d\":2}]",
        ),
        (
            "const k = 'b'; for (const { [k]: { c }, ...o } of [{ b: { c: 1 }, d: 2 }]) return JSON.stringify(o)",
            "{\"d\":2}",
        ),
        ("const { nodeData: { health }, ...rest } = input.nodes[0]; return String('nodeData' in rest)", "false"),
    ] {
        for form in ["function(input) { BODY }", "input => { BODY }", "function balance(input) {\n BODY }"] {
            assert_eq!(stand.id(&form.replace("BODY", taken)), expected, "{taken}");
        }
    }
    let refused = stand.try_load("input => {\n const { [input.key()]: { c }, ...o } = {} }").map(|_| ());
    let refused = refused.unwrap_err().to_string();
    assert!(refused.starts_with("step0.js:2:8: the engine cannot leave a computed key out"), "{refused}");
    let thrown = stand.thrown("input => { const { b: { c }, ...o } = { b: 1 }; throw 'x' }");
    assert_eq!(thrown.2, Some((1, 55)), "{thrown:?}");
}
