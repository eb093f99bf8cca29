//! Tests of nesting and chaining, and of text that only looks like either.

use super::*;

fn check(text: &str, max_depth: usize) -> Result<(), LoadError> {
    check_depth(&SourceText { file: "a.js".into(), text: text.into() }, max_depth)
}

#[test]
fn brackets_in_text_do_not_nest() {
    for quiet in [
        r#""[[[[[[""#.to_owned(),
        "'\\'[[[[[['".to_owned(),
        "`[[[[[[`".to_owned(),
        "// [[[[[[".to_owned(),
        "/* [[[[[[ */".to_owned(),
        "x = /[[(((]/".to_owned(),
        "if (x) /((((((/.test(y)".to_owned(),
        "`${1}[[[[[[${2}`".to_owned(),
    ] {
        assert!(check(&quiet, 3).is_ok(), "{quiet}");
    }
    for deep in ["[[[[", "`${`${`${`${1}`}`}`}`", "f(g(h(i(", "a / [[[[ / 1", "{({[("] {
        assert!(check(deep, 3).is_err(), "{deep}");
    }
}

#[test]
fn chains_are_bounded_and_long_programs_are_not() {
    for link in [
        "+1",
        "&&1",
        "=>a",
        "!",
        "typeof ",
        "?1:1",
        "new ",
        ".a",
        "()",
        "[0]",
        "=a",
        "``",
        "if(1)",
        "else if(0){}",
        " in a",
    ] {
        let source = format!("a{}", link.repeat(3_000));
        assert!(check(&source, 64).is_err(), "{link}");
    }
    for line in [
        "a = b + c\n",
        "if (a) { b() }\n",
        "a.b(c)\n",
        "x = a ? b : c;\n",
        "1, ",
        "else_();",
        "for (;;) { }\n",
        "i++\nj\n",
    ] {
        let source = line.repeat(3_000);
        assert!(check(&source, 64).is_ok(), "{line}");
    }
}

#[test]
fn commas_that_chain_are_bounded_and_those_that_separate_are_not() {
    let many = |link: &str| link.repeat(30_000);
    for chained in [
        format!("(1{})", many(",1")),
        format!("x => (1{})", many(", f(1, 2)")),
        format!("return 1{}", many(",[1,2]")),
        format!("a[1{}]", many(",1")),
        format!("if (1{}) ;", many(",1")),
        format!("`${{1{}}}`", many(",1")),
        format!("for (;1{};) ;", many(",a.b = 1")),
        format!("((1{},1){})", ",1".repeat(15_000), ",1".repeat(15_000)),
    ] {
        assert!(check(&chained, 64).is_err(), "{}", &chained[..30]);
    }
    for separated in [
        format!("x = [{}]", many("1,")),
        format!("f([{}], {{a: [{}]}})", many("[1,2],"), many("'a',")),
        format!("x = {{{}}}", many("a: 1,")),
        format!("x = {{{}}}", many("'a': [1, {b: 2}],\n")),
        format!("f({})", many("1,")),
        format!("new Set([{}])", many("'a',")),
        format!("return [{}]", many("{a, b},")),
        many("x = (1, 2);"),
        many("f(a, b)\n"),
        many("f((a, b), (c, d))\n"),
        format!("x = [{}]", many("(a, b), x => (1, 2), ")),
        format!("(function () {{ {} }})()", many("function f(a) { var b, c }\n")),
        many("var a = 1, b = 2\n"),
    ] {
        assert_eq!(check(&separated, 64), Ok(()), "{}", &separated[..30]);
    }
}

#[test]
fn a_refusal_has_its_place() {
    for (text, place) in [
        ("a\n  [[[[".to_owned(), (2, 6)),
        (format!("ä => ({}", "1,".repeat(30_000)), (1, 40_008)),
        (format!("x\r\ny{}", "+1".repeat(3_000)), (2, 4_002)),
    ] {
        let position = check(&text, 3).unwrap_err().position.unwrap();
        assert_eq!((&*position.file, position.line, position.column), ("a.js", place.0, place.1));
    }
}
