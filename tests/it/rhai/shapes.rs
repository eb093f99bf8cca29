//! Which functions a source has, and what is refused.

use whither::script::{Arity, PerNode, ScriptShape};

use super::stand::Stand;

#[test]
fn shapes_are_read_from_the_functions() {
    let stand = Stand::speaking("rhai");
    let per_node = |filter, score, key| ScriptShape::PerNode(PerNode { filter, score, key });
    let (node, both) = (Some(Arity::Node), Some(Arity::NodeAndRequest));
    for (script, expected) in [
        ("fn balance(input) { () }", ScriptShape::WholeList),
        ("fn balance(x) { helper(x) } fn helper(input) { () }", ScriptShape::WholeList),
        ("fn choose(input) { () }", ScriptShape::WholeList),
        ("fn choose(input) { help(1) } fn help(x) { x }", ScriptShape::WholeList),
        ("private fn balance(input) { () }", ScriptShape::WholeList),
        ("#!/usr/bin/env rhai\nfn balance(input) { () }", ScriptShape::WholeList),
        ("fn filter(node) { true }", per_node(node, None, false)),
        ("fn score(node, request) { 1 }", per_node(None, both, false)),
        ("fn filter(node) { true } fn score(n, r) { 1 } fn help(input) { 1 }", per_node(node, both, false)),
        ("fn key(request) { 1 } fn score(node, key) { 1 }", per_node(None, both, true)),
    ] {
        assert_eq!(stand.load(script).shape(), expected, "{script}");
    }
    assert_eq!(stand.id("#!/usr/bin/env rhai\nfn choose(input) { input.nodes[0].id }"), "a");
}

#[test]
fn what_could_mean_two_things_is_refused() {
    let stand = Stand::speaking("rhai");
    for (script, words) in [
        ("", "the script has no function"),
        ("1 + 1", "the script has no function"),
        ("fn other(x) { 1 }", "none of the script's functions is known"),
        ("fn a(input) { 1 } fn b(input) { 1 }", "several functions have a parameter `input`"),
        ("fn balance(input) { 1 } fn score(node) { 1 }", "make them two steps"),
        ("fn balance(input) { 1 } fn balance(input, more) { 1 }", "`balance` takes one parameter"),
        ("fn balance() { 1 }", "`balance` takes one parameter"),
        ("fn score(node) { 1 } fn score(node, request) { 1 }", "there are several functions `score`"),
        ("fn filter(node, request, more) { 1 }", "`filter` takes one parameter, the node, or two"),
        ("fn score() { 1 }", "`score` takes one parameter, the node, or two"),
        ("fn key(request) { 1 } fn score(node) { 1 }", "`key` says what functions of two parameters depend on"),
        ("fn key(a, b) { 1 } fn score(node, key) { 1 }", "`key` takes one parameter"),
    ] {
        let error = stand.try_load(script).err().unwrap_or_else(|| panic!("{script} was loaded"));
        assert!(error.message.contains(words), "{script}: {error}");
    }
    let long = format!("fn balance(input) {{ () }} // {}", "x".repeat(300 * 1024));
    assert!(stand.try_load(&long).err().unwrap().message.contains("at most 262144 are accepted"));
}
