//! Tests of reading a table: each mistake with its place, remarks, and what is no table.

use super::*;

fn source(text: &str) -> SourceText {
    SourceText { file: "home.toml".into(), text: text.into() }
}

fn refused(text: &str) -> String {
    table(&source(text)).unwrap_err().to_string()
}

#[test]
fn each_mistake_is_named_with_its_rule_and_place() {
    let end = "\nnode = \"a\"\n";
    for (text, expected) in [
        ("", "home.toml:1:1: there is no rule: each is a table `[[rule]]`"),
        ("rule = 1", "home.toml:1:8: there is no rule"),
        ("rule = []", "home.toml:1:8: the table has 0 rules; it has 1 to 20000"),
        ("[[rule]\n", "home.toml:1:8: not valid TOML: unclosed"),
        (
            "[[rules]]\nuser = \"a\"\nnode = \"a\"",
            "home.toml:1:3: unknown key `rules` in a table of home rules; did you mean `rule`?",
        ),
        ("[[rule]]\nnode = \"a\"", "home.toml:1:1: rule 1 has no pattern and would match everybody"),
        ("[[rule]]\nuser = \"\"\nemail = \"\"\nnode = \"a\"", "home.toml:1:1: rule 1 has no pattern"),
        ("[[rule]]\nuser = \"a\"", "home.toml:1:1: rule 1 says no home; expected `node"),
        ("[[rule]]\nuser = \"a\"\nnode = \"a\"\npool = [\"b\"]", "home.toml:4:8: rule 1 has a `node` and a `pool`"),
        ("[[rule]]\nuser = 1\nnode = \"a\"", "home.toml:2:8: rule 1: the pattern of `user` is a string"),
        ("[[rule]]\nuser = \"a\"\npool = []", "home.toml:3:8: this is no pool; expected a list of ids"),
        ("[[rule]]\nuser = \"a\"\npool = [1]", "home.toml:3:8: this is no pool"),
        ("[[rule]]\nuser = \"a\"\npool = {}", "home.toml:3:8: this is no pool"),
        (
            "[[rule]]\nuser = \"a\"\npool = \"nroth\"\n[pools]\nnorth = [\"n\"]",
            "home.toml:3:8: no pool `nroth` stands in `[pools]`; did you mean `north`?",
        ),
        ("[[rule]]\nuser = \"a\"\nnode = \"\"", "home.toml:3:8: rule 1: `node` is the id of a node"),
        ("default = \"none\"\n[[rule]]\nuser = \"a\"\nnode = \"a\"", "home.toml:1:11: `default` is `\"pass\"`"),
        ("default = {}\n[[rule]]\nuser = \"a\"\nnode = \"a\"", "home.toml:1:11: the default says no home"),
        ("case_sensitive = 1\n[[rule]]\nuser = \"a\"\nnode = \"a\"", "home.toml:1:18: `case_sensitive` is"),
    ] {
        let message = refused(text);
        assert!(message.starts_with(expected), "{text}\n{message}\n{expected}");
    }
    for (rule, expected) in [
        (
            "[[rule]]\nuser = \"a\"\nnode=\"a\"\n[[rule]]\nname = \"cad\"\ngroups = 'ca(d'",
            "home.toml:6:13: rule 2 (cad): the pattern of `groups` cannot be used: unclosed group, at byte 3 of the pattern",
        ),
        (
            "[[rule]]\nuser = \"\\t(\"",
            "home.toml:2:8: rule 1: the pattern of `user` cannot be used: unclosed group, at byte 2 of the pattern",
        ),
        (
            "[[rule]]\nuser = '(a{1000}){1000}'",
            "home.toml:2:8: rule 1: the pattern of `user` cannot be used: it takes more than",
        ),
        (
            "[[rule]]\nexternal = true\ngroups = 'x'",
            "home.toml:3:1: rule 1 is for external users, who are told apart by `email` alone, not by `groups`",
        ),
        ("[[rule]]\nexternal = 1\nemail = 'x'", "home.toml:2:12: rule 1: `external` is"),
        ("[[rule]]\nname = 1\nemail = 'x'", "home.toml:2:8: rule 1: `name` is"),
        ("[[rule]]\nfields = 1\nemail = 'x'", "home.toml:2:10: rule 1: `fields` is"),
    ] {
        let message = refused(&format!("{rule}{end}"));
        assert!(message.starts_with(expected), "{rule}\n{message}\n{expected}");
    }
    let several = refused("[[rule]]\nuser = '('\nnode = 'a'\n[[rule]]\nuser = ')'\n");
    assert!(several.contains("rule 1") && several.ends_with("(and 2 more problems)"), "{several}");
}

#[test]
fn a_field_that_is_nearly_a_known_one_is_remarked() {
    let remarks = |field: &str| {
        let table = table(&source(&format!("[[rule]]\n{field}\nnode = 'a'"))).unwrap();
        table.remarks.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(remarks("emial = 'x'"), ["home.toml:2:1: rule 1 looks at a field `emial`; did you mean `email`?"]);
    for field in ["mail = 'x'", "email = 'x'", "department = 'x'", "fields = { emial = 'x' }"] {
        assert!(remarks(field).is_empty(), "{field}");
    }
}

#[test]
fn a_table_is_told_from_a_config_and_from_tests() {
    for (text, expected) in [
        ("[[rule]]\nuser = 'a'\nnode = 'a'", true),
        ("[[rule]]\nuser = ", true),
        ("[pools]\na = ['a']", true),
        ("[nats]\nurl = 'x'\n[chain.x]\nsteps = []", false),
        ("[[case]]\nname = 'a'\n", false),
        ("", false),
    ] {
        assert_eq!(is_table(text), expected, "{text}");
    }
}
