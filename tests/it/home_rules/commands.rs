//! `whither rules test`, `check`, `new rules`, `place` and `explain` with tables, as an administrator meets them.

use serde_json::{Value, json};

use super::FASPEX;
use crate::support::shell::{Shell, Told};

/// A folder with the table of Faspex's guide, and a config whose chain has it.
fn site() -> Shell {
    let shell = Shell::new();
    shell.write("home.toml", FASPEX);
    shell.write("whither.toml", "[chain.\"session/start\"]\nsteps = [\"home.toml\", \"builtin:fewest-sessions\"]\n");
    shell.write(
        "nodes.json",
        r#"[{"id": "lab-1"}, {"id": "main"}, {"id": "sales-1", "sessions": 2}, {"id": "sales-2", "sessions": 1}]"#,
    );
    shell
}

#[track_caller]
fn seemly(told: Told) -> Told {
    assert!(told.code.is_some() && !told.stderr.contains("panicked at"), "{told:?}");
    told
}

fn whither(shell: &Shell, arguments: &[&str]) -> Told {
    seemly(shell.whither(arguments))
}

#[test]
fn a_test_shows_the_rule_and_for_each_above_the_field_that_does_not_match() {
    let shell = site();
    shell.write("ann.json", r#"{"login": "ann", "email": "ann@example.com", "groups": ["Media-1", "staff"]}"#);
    let told = whither(&shell, &["rules", "test", "ann.json"]);
    let expected = "home.toml
  - rule 1 (one user), line 5: `user` is `ann`, not like `jdoe`
  - rule 2 (a group, and an address besides), line 10: `email` is `ann@example.com`, not like `.*@media\\.example\\.com`
  - rule 3 (a place in the directory), line 16: the user has no `group_dn`, which must be like `CN=Sales,OU=Groups,DC=example,DC=com`
  - rule 4 (three fields of LDAP), line 21: the user has no `department`, which must be like `R&D`
  * rule 5 (addresses of this site), line 28: node mail
ann: node mail, by rule 5 (addresses of this site), line 28
";
    assert_eq!((told.code, told.stdout.as_str()), (Some(0), expected), "{}", told.stderr);
    let told = whither(&shell, &["rules", "test", r#"{"login": "jdoe", "external": true}"#, "--rules", "home.toml"]);
    assert!(told.stdout.contains("- rule 1 (one user), line 5: it is not for external users"), "{}", told.stdout);
    assert!(told.stdout.ends_with("jdoe: node main, by the default: no rule matches\n"), "{}", told.stdout);
    let request = r#"{"user": {"login": "x", "external": true}, "data": {"sender": "jdoe"}}"#;
    let told = whither(&shell, &["rules", "test", request]);
    assert!(
        told.stdout.contains("no rule for external users matches; the sender jdoe:\n  * rule 1"),
        "{}",
        told.stdout
    );
    assert!(told.stdout.ends_with("x: node lab-1, by rule 1 (one user), line 5\n"), "{}", told.stdout);
}

#[test]
fn programs_read_the_same_as_json() {
    let shell = site();
    let told = whither(
        &shell,
        &["rules", "test", r#"{"login": "ann", "group_dn": "CN=Sales,OU=Groups,DC=example,DC=com"}"#, "--json"],
    );
    let found: Value = serde_json::from_str(&told.stdout).unwrap();
    let table = &found["tables"][0];
    assert_eq!(
        (&found["user"], &table["matched"], &table["home"]),
        (&json!("ann"), &json!(3), &json!({"pool": "[sales-*]"}))
    );
    assert_eq!(
        table["rules"][0],
        json!({"rule": 1, "line": 5, "name": "one user", "matched": false, "field": "user", "pattern": "jdoe",
            "values": ["ann"], "why": "`user` is `ann`, not like `jdoe`"})
    );
    assert_eq!(table["rules"].as_array().unwrap().len(), 3);
}

#[test]
fn what_cannot_be_tested_is_a_clear_error() {
    let shell = site();
    shell.write("bad.toml", "[[rule]]\nuser = '('\nnode = 'a'\n");
    shell.write("none.toml", "[chain.x]\nsteps = [\"builtin:fewest-sessions\"]\n");
    shell.write("strict.toml", "default = 'error'\n[[rule]]\nuser = 'bob'\nnode = 'a'\n");
    for (arguments, code, words) in [
        (&["rules", "test", "gone.json"][..], 2, "gone.json: no such file"),
        (&["rules", "test", "{"], 2, "the user: "),
        (&["rules", "test", "whither.toml"], 2, "whither.toml: "),
        (&["rules", "test", "{}", "--rules", "gone.toml"], 2, "gone.toml: no such file"),
        (&["rules", "test", "{}", "--rules", "bad.toml"], 2, "bad.toml:2:9: rule 1: the pattern of `user`"),
        (&["rules", "test", "{}", "--rules", "none.toml"], 2, "no chain of this config has a table"),
        (&["rules", "test", "{}", "--rules", "strict.toml"], 3, "strict.toml refuses the user"),
    ] {
        let told = whither(&shell, arguments);
        assert!(told.code == Some(code) && told.stderr.contains(words), "{arguments:?}: {told:?}");
    }
}

#[test]
fn tables_are_placed_by_explained_and_checked() {
    let shell = site();
    let user = r#"{"user": {"group_dn": "CN=Sales,OU=Groups,DC=example,DC=com"}}"#;
    let told = whither(
        &shell,
        &["place", "--nodes", "nodes.json", "--config", "whither.toml", "--request", user, "--explain"],
    );
    assert_eq!((told.code, told.stdout.as_str()), (Some(0), "sales-2\n"), "{told:?}");
    assert!(
        told.stderr.contains("by home.toml: rule 3 (a place in the directory), line 16: pool [sales-*]"),
        "{}",
        told.stderr
    );
    let told = whither(&shell, &["explain", "--nodes", "nodes.json", "--config", "whither.toml", "--user", "jdoe"]);
    assert!(told.stdout.contains("because of rule 1 (one user), line 5: node lab-1"), "{}", told.stdout);
    let told = whither(&shell, &["check"]);
    assert_eq!(told.code, Some(0), "{told:?}");
    shell.write("home.toml", "[[rule]]\nemial = '.*@a'\nnode = 'a'\n");
    let told = whither(&shell, &["check"]);
    assert!(told.code == Some(6) && told.stdout.contains("W029") && told.stdout.contains("home.toml:2:1"), "{told:?}");
    shell.write("home.toml", "[[rule]]\nemail = '.*@(a'\nnode = 'a'\n[[rule]]\nnode = 'b'\n");
    for arguments in [&["check", "home.toml"][..], &["check", "."]] {
        let told = whither(&shell, arguments);
        assert!(
            told.code == Some(6) && told.stdout.contains("E001") && told.stdout.contains("home.toml:2:13"),
            "{told:?}"
        );
    }
}

#[test]
fn the_table_that_new_writes_works_as_it_is() {
    let shell = Shell::new();
    let told = whither(&shell, &["new", "rules"]);
    assert!(
        told.code == Some(0) && told.stderr.starts_with("wrote home.toml\ntry: whither check home.toml\n"),
        "{told:?}"
    );
    assert_eq!(whither(&shell, &["check", "home.toml"]).code, Some(0));
    let told = whither(&shell, &["rules", "test", r#"{"login": "ann", "groups": ["cad"]}"#, "--rules", "home.toml"]);
    assert!(told.stdout.ends_with("ann: pool gpu = true, by rule 1 (cad), line 24\n"), "{}", told.stdout);
    assert_eq!(whither(&shell, &["new", "rules"]).code, Some(2));
}
