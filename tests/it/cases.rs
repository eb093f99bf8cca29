//! The chain cases of the contract, run through the binary: what `place` answers to each chain, nodes and request.

use std::path::Path;

use crate::support::chain::Suite;

fn suite() -> Suite {
    Suite::parse(include_str!("../cases/chain.json"), Path::new(""))
}

#[test]
fn every_case_ends_as_it_must() {
    suite().run(|_case| true);
}

/// Cases whose expectations are wrong on purpose, each in another way; the last one is right.
#[test]
fn a_wrong_expectation_fails() {
    let suite = Suite::parse(
        r#"{"node_sets": {"two": [{"id": "a", "sessions": 1}, {"id": "b", "sessions": 0}]}, "cases": [
            {"name": "node", "why": "", "nodes": "two", "chain": [{"builtin": "fewest-sessions"}], "expect": {"node": "a"}},
            {"name": "placed", "why": "", "nodes": "two", "chain": [{"builtin": "fewest-sessions"}], "expect": {"exit": 3}},
            {"name": "failed", "why": "", "nodes": [], "chain": [{"builtin": "fewest-sessions"}], "expect": {"node": "a"}},
            {"name": "words", "why": "", "nodes": [], "chain": [{"builtin": "fewest-sessions"}],
             "expect": {"exit": 3, "stderr": ["no nodes", "these words"]}},
            {"name": "zero", "why": "", "nodes": "two", "chain": [{"builtin": "fewest-sessions"}], "expect": {"exit": 0}},
            {"name": "range", "why": "", "nodes": "two", "chain": [{"builtin": "fewest-sessions"}], "expect": {"exit_in": [3, 4]}},
            {"name": "set", "why": "", "nodes": "none", "chain": [{"builtin": "fewest-sessions"}], "expect": {"node": "b"}},
            {"name": "right", "why": "", "nodes": "two", "chain": [{"builtin": "fewest-sessions"}], "expect": {"node": "b"}}
        ]}"#,
        Path::new(""),
    );
    let failures = suite.failures(&suite.cases());
    let expected = [
        ("node", "chose `b`, expected `a`"),
        ("placed", "exit 0 (`b`), expected exit 3"),
        ("failed", "exit 3, expected `a`"),
        ("words", "stderr lacks [\"these words\"]"),
        ("zero", "printed `b`"),
        ("range", "exit 0, expected one of [3, 4]"),
        ("set", "no node set `none`"),
    ];
    assert_eq!(failures.len(), expected.len(), "{failures:#?}");
    for ((name, reason), (expected_name, words)) in failures.iter().zip(expected) {
        assert_eq!(*name, expected_name);
        assert!(reason.contains(words), "{name}: {reason}");
    }
}
