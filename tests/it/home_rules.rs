//! Home rules: the table of Faspex's guide field by field, what a chain makes of a home, and the commands around them.

mod commands;

use serde_json::{Value, json};
use whither::chain::{ChainSpec, OnUnplaceable, StepSource, StepSpec};
use whither::model::diagnosis::DecisionPath;
use whither::model::{Decision, FailureName, StepVerdict};

use crate::evaluator::stand::{Stand, builtin, cordoned, failed, outcome, said, start};

const FASPEX: &str = include_str!("../home_rules/faspex.toml");

/// A step that reads `table`.
fn rules(table: &str) -> StepSpec {
    StepSpec::new("home.toml", StepSource::script("toml", table))
}

/// The nodes that the table of Faspex's guide names.
fn site() -> Vec<Value> {
    let node = |id: &str, data: Value| json!({"id": id, "sessions": 0, "staticData": data});
    let ids = ["lab-1", "main", "mail", "media", "partners", "sales-1", "sales-2"];
    let mut nodes: Vec<_> = ids.map(|id| node(id, json!({}))).into();
    nodes.push(node("b1", json!({"site": "berlin", "gpu": true})));
    nodes.push(node("b2", json!({"site": "berlin"})));
    nodes.push(node("p1", json!({"site": "paris", "gpu": true})));
    nodes
}

fn faspex() -> Stand {
    Stand::new(vec![start(vec![rules(FASPEX), builtin("fewest-sessions")])], &site())
}

#[test]
fn the_table_of_the_guide_field_by_field() {
    let mut stand = faspex();
    for (request, expected) in [
        // The user name, whatever the case, and as a whole.
        (json!({"user": {"login": "jdoe"}}), "lab-1"),
        (json!({"user": {"login": "JDoe"}}), "lab-1"),
        (json!({"user": {"login": "jdoe2"}}), "main"),
        (json!({"params": {"me": {"username": "jdoe"}}}), "lab-1"),
        // All patterns that are not empty must match: group and address.
        (json!({"user": {"login": "a", "email": "a@media.example.com"}, "userGroups": ["x", "Media-Berlin"]}), "media"),
        (json!({"user": {"login": "a", "email": "a@example.com"}, "userGroups": ["Media-Berlin"]}), "mail"),
        (json!({"user": {"login": "a", "email": "a@media.example.com"}, "userGroups": ["Audio"]}), "main"),
        (json!({"user": {"login": "a", "email": "a@media.example.com", "groups": [{"name": "media-x"}]}}), "media"),
        (json!({"user": {"login": "a", "email": "a@media.example.com"}, "claims": {"groups": ["media-x"]}}), "media"),
        // The place in the directory: the pool, in which the next step chooses.
        (
            json!({"user": {"group_dn": ["CN=All,DC=example,DC=com", "CN=Sales,OU=Groups,DC=example,DC=com"]}}),
            "sales-1",
        ),
        (json!({"claims": {"group_dn": "cn=sales,ou=groups,dc=example,dc=com"}}), "sales-2"),
        (json!({"user": {"group_dn": "CN=Sales,OU=Groups,DC=example,DC=org"}}), "main"),
        // Three fields of LDAP under their names, and a pool by static data.
        (json!({"user": {"department": "R&D", "l": "Potsdam", "employeeType": "staff"}}), "b1"),
        (json!({"claims": {"department": "R&D", "l": "Berlin", "employeeType": "staff"}}), "b1"),
        (json!({"user": {"department": "R&D", "l": "Paris", "employeeType": "staff"}}), "main"),
        (json!({"user": {"department": "R&D", "l": "Berlin"}}), "main"),
        // A pattern that is empty asks nothing.
        (json!({"user": {"email": "a@example.com"}}), "mail"),
        (json!({"user": {"email": "a@example.com.evil"}}), "main"),
        // External users, by their address alone, and else where the sender lives.
        (json!({"user": {"external": true, "email": "x@north.partner.example"}}), "partners"),
        (json!({"user": {"email": "x@north.partner.example"}}), "main"),
        (json!({"user": {"external": true, "login": "jdoe", "email": "x@else.example"}}), "main"),
        (json!({"user": {"external": true, "email": "x@else.example"}, "data": {"sender": "jdoe"}}), "lab-1"),
        (json!({"user": {"external": true, "email": "x@else.example"}, "data": {"sender": "a@example.com"}}), "mail"),
        (
            json!({"user": {"external": true, "email": "x@else.example"},
                "data": {"sender": {"login": "a", "email": "a@media.example.com", "groups": ["Media-1"]}}}),
            "media",
        ),
        (json!({"user": {"external": true, "email": "x@else.example"}, "data": {"sender": "nobody"}}), "main"),
        (
            json!({"user": {"external": true, "email": "x@else.example"},
                "data": {"sender": {"external": true, "email": "y@south.partner.example"}}}),
            "partners",
        ),
        // A user without anything lives at the default.
        (json!({}), "main"),
        (json!({"user": {"login": "a"}, "userGroups": []}), "main"),
        (json!({"user": {"login": "a", "email": {"not": "a text"}, "groups": 7}}), "main"),
    ] {
        let decision = stand.decide(request.clone());
        assert_eq!(outcome(&decision), expected, "{request}");
    }
}

/// Decides for ann with this `chain`, whose first step is a table with the node `a` for her.
fn for_ann(chain: impl FnOnce(&mut ChainSpec), table: &str, is_cordoned: bool) -> Decision {
    let mut spec = start(vec![rules(table), builtin("fewest-sessions")]);
    chain(&mut spec);
    let mut stand = Stand::new(vec![spec], &[json!({"id": "a", "sessions": 3}), json!({"id": "b", "sessions": 0})]);
    if is_cordoned {
        stand.mark("a", cordoned());
    }
    stand.decide(json!({"user": {"login": "ann"}}))
}

#[test]
fn a_node_is_chosen_at_once_and_where_it_takes_nothing_the_chain_says_what_follows() {
    const TABLE: &str = "[[rule]]\nuser = 'ann'\nnode = 'a'\n";
    let chosen = for_ann(|_| {}, TABLE, false);
    assert_eq!((outcome(&chosen).as_str(), chosen.decided_by.as_deref()), ("a", Some("home.toml")));
    failed(&for_ann(|_| {}, TABLE, true), FailureName::UnplaceableNode, "the step chose `a`, which is cordoned");
    let skipped = for_ann(|chain| chain.on_unplaceable = OnUnplaceable::Skip, TABLE, true);
    assert_eq!(outcome(&skipped), "b");
    let allowed = for_ann(|chain| chain.on_unplaceable = OnUnplaceable::Allow, TABLE, true);
    assert_eq!(outcome(&allowed), "a");
    let gone = TABLE.replace("'a'", "'bb'");
    failed(
        &for_ann(|_| {}, &gone, false),
        FailureName::UnknownNode,
        "chose `bb`, and the cluster has no node of that id",
    );
}

#[test]
fn a_pool_a_pass_and_a_refusal_are_what_scripts_say() {
    let pool = for_ann(|_| {}, "[[rule]]\nuser = 'ann'\npool = ['a', 'x*']\n", false);
    assert_eq!(outcome(&pool), "a");
    let none = for_ann(|_| {}, "[[rule]]\nuser = 'ann'\npool = ['a']\n", true);
    failed(&none, FailureName::NoNode, "home.toml");
    let pass = for_ann(|_| {}, "[[rule]]\nuser = 'bob'\npool = ['a']\n", false);
    assert_eq!(outcome(&pass), "b");
    let refused = for_ann(|_| {}, "default = 'error'\n[[rule]]\nuser = 'bob'\npool = ['a']\n", false);
    failed(&refused, FailureName::ScriptError, "no home rule matches the user `ann`");
    let skipped = for_ann(
        |chain| chain.steps[0].on_error = whither::chain::OnFailure::Skip,
        "default = 'error'\n[[rule]]\nuser = 'bob'\npool = ['a']\n",
        false,
    );
    assert_eq!(outcome(&skipped), "b");
}

#[test]
fn an_explanation_names_the_rule() {
    let mut stand = faspex();
    for (request, expected) in [
        (json!({"user": {"login": "jdoe"}}), "rule 1 (one user), line 5: node lab-1"),
        (json!({"user": {"email": "a@example.com"}}), "rule 5 (addresses of this site), line 28: node mail"),
        (
            json!({"user": {"group_dn": "CN=Sales,OU=Groups,DC=example,DC=com"}}),
            "rule 3 (a place in the directory), line 16: pool [sales-*]",
        ),
        (json!({}), "no rule matches: node main"),
        (
            json!({"user": {"external": true}, "data": {"sender": "jdoe"}}),
            "the home of the sender `jdoe`: rule 1 (one user), line 5: node lab-1",
        ),
    ] {
        let decision = stand.explain(request.clone(), None);
        assert_eq!(decision.diagnosis.steps[0].reason.as_deref(), Some(expected), "{request}");
    }
    let decision = stand.explain(json!({"user": {"login": "jdoe"}}), Some("mail"));
    assert_eq!(decision.diagnosis.asked_fate.as_deref(), Some("it was a candidate, and home.toml chose lab-1"));
}

/// The pool is a key of the plan: the nodes that other users of the pool were about are not looked at again.
#[test]
fn a_pool_is_looked_at_once_for_all_its_users() {
    // The nodes of the pool have the most sessions, so a scan comes to them last.
    let node = |n: usize| {
        let (pool, sessions) = if n % 50 == 49 { ("a", 20) } else { ("b", n % 7) };
        json!({"id": format!("n{n:03}"), "sessions": sessions, "staticData": {"pool": pool}})
    };
    let nodes: Vec<_> = (0..500).map(node).collect();
    let table = "[[rule]]\nemail = '.*@a\\.example'\npool = { pool = 'a' }\n";
    let mut stand = Stand::new(vec![start(vec![rules(table), builtin("fewest-sessions")])], &nodes);
    let mut looked_at = Vec::new();
    for user in 0..20 {
        let decision =
            stand.decide(json!({"user": {"login": format!("u{user}"), "email": format!("u{user}@a.example")}}));
        assert_eq!(decision.diagnosis.search.plan, DecisionPath::IndexScan);
        assert!(outcome(&decision).ends_with("49") || outcome(&decision).ends_with("99"), "{decision:?}");
        looked_at.push(decision.diagnosis.search.looked_at);
    }
    assert!(looked_at[0] == 491 && looked_at[1..].iter().all(|looked| *looked <= 10), "{looked_at:?}");
}

#[test]
fn ten_thousand_lines_and_values_of_any_size_are_fine() {
    let mut table = "default = { node = 'n0' }\n".to_owned();
    for number in 0..1250 {
        table.push_str(&format!("[[rule]]\nuser = 'user{number}'\nemail = ''\nnode = 'n1'\n"));
        table.push_str(&format!("[[rule]]\nemail = '.*@site-{number}\\.example'\ngroups = ''\npool = ['n2']\n"));
    }
    assert!(table.lines().count() > 10_000);
    let nodes: Vec<_> = (0..3).map(|n| json!({"id": format!("n{n}"), "sessions": 0})).collect();
    let mut stand = Stand::new(vec![start(vec![rules(&table), builtin("fewest-sessions")])], &nodes);
    for (request, expected) in [
        (json!({"user": {"login": "user1249"}}), "n1"),
        (json!({"user": {"login": "x", "email": "ann@site-1249.example"}}), "n2"),
        (json!({"user": {"login": "x", "email": "ann@site-1250.example"}}), "n0"),
        (json!({"user": {"login": "x", "email": "a".repeat(500_000)}}), "n0"),
        (json!({"user": {"login": "x"}, "userGroups": vec!["g"; 50_000]}), "n0"),
    ] {
        assert_eq!(outcome(&stand.decide(request)), expected);
    }
    let decision = stand.decide(json!({"user": {"login": "user1249"}}));
    assert_eq!(said(&decision), [StepVerdict::Select("n1".into()), StepVerdict::NotReached]);
}
