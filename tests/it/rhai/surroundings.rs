//! Time, chance, the log, and the top level of a script.

use whither::model::diagnosis::LogLevel;
use whither::script::{Argument, Call, CallAnswer, Score};

use super::stand::Stand;

#[test]
fn chance_is_the_requests_own() {
    let mut stand = Stand::speaking("rhai");
    let script = "fn balance(input) { `${random()} ${random()}` }";
    let first = stand.id(script);
    assert_eq!(stand.id(script), first);
    let numbers: Vec<f64> = first.split(' ').map(|number| number.parse().unwrap()).collect();
    assert!(numbers.iter().all(|number| (0.0..1.0).contains(number)) && numbers[0] != numbers[1], "{first}");
    stand.seed = 8;
    assert_ne!(stand.id(script), first);
}

#[test]
fn each_node_has_its_own_stream_whenever_its_turn_comes() {
    let stand = Stand::speaking("rhai");
    let script = stand.load("fn score(node, request) { random() }");
    let scores = |ids: &[&str]| -> Vec<f64> {
        let mut run = script.open(stand.scene()).unwrap();
        let mut score = |id: &str| match run.call(Call::Score(&stand.candidate(id), Argument::Request)) {
            Ok(CallAnswer::Score(Score::Number(score))) => score,
            other => panic!("{other:?}"),
        };
        ids.iter().map(|id| score(id)).collect()
    };
    let (forth, mut back) = (scores(&["a", "b", "c"]), scores(&["c", "b", "a"]));
    back.reverse();
    assert_eq!(forth, back);
    assert_ne!(forth[0], forth[1]);
}

#[test]
fn what_is_printed_is_logged() {
    let stand = Stand::speaking("rhai");
    stand.id("print(`top`);
         fn balance(input) { print(input.nodes[0].metadata); print([input.nodes[0].urls, input.nodes[0]]);
         debug(`x`); print(1 == 1); input.nodes[0].id }");
    let lines = stand.lines();
    let texts: Vec<_> = lines.iter().map(|line| line.text.as_str()).collect();
    assert_eq!(texts, ["top", "#{\"group\": \"cpu\"}", "[[], node `a`]", "line 3, position 10: \"x\"", "true"]);
    assert!(lines.iter().all(|line| line.level == LogLevel::Info));
}

#[test]
fn a_flood_of_lines_is_cut() {
    let stand = Stand::speaking("rhai");
    stand.id("fn balance(input) { for i in 0..100000 { print(`line`); } `a` }");
    let lines = stand.lines();
    assert_eq!(lines.len(), 101);
    assert!(lines[100].text.contains("100 lines"), "{:?}", lines[100]);
    let stand = Stand::speaking("rhai");
    stand.id("fn balance(input) { let s = `x`; for i in 0..15 { s += s; } print(s); `a` }");
    assert!(stand.lines()[0].text.len() < 5_000);
}

#[test]
fn constants_of_the_top_level_are_there_and_run_anew() {
    let stand = Stand::speaking("rhai");
    assert_eq!(stand.id("const BEST = \"b\"; fn balance(input) { global::BEST }"), "b");
    assert_eq!(stand.id("let x = 3; const BEST = \"n\" + (x * 2); fn balance(input) { global::BEST }"), "n6");
    let script = "const MOST = 2; fn filter(node) { node.sessions < global::MOST }";
    for (id, kept) in [("a", false), ("b", true)] {
        assert_eq!(stand.call(script, "filter", id, Argument::Nothing), Ok(CallAnswer::Keep(kept)));
    }
}

#[test]
fn two_scripts_of_one_engine_do_not_meet() {
    let stand = Stand::speaking("rhai");
    let scripts: Vec<_> = ["a", "b"]
        .map(|id| {
            stand.load(&format!("const ID = \"{id}\"; fn help() {{ global::ID }} fn balance(input) {{ help() }}"))
        })
        .into_iter()
        .collect();
    for _ in 0..2 {
        for (script, id) in scripts.iter().zip(["a", "b"]) {
            let returned = stand.balance(&**script, &stand.candidates()).unwrap();
            assert_eq!(returned, whither::script::ReturnedValue::Id(id.into()));
        }
    }
}

#[test]
fn closures_and_methods_work() {
    let stand = Stand::speaking("rhai");
    for body in [
        "let group = input.data.group; input.nodes.filter(|n| n.metadata.group == group)[0].id",
        "let best = input.nodes[0]; for n in input.nodes { if n.sessions < best.sessions { best = n; } } best.id",
        "let counts = #{}; for s in input.user.sessions { counts[s.serverId] = (counts[s.serverId] ?? 0) + 1; } counts.keys()[1]",
        "let f = |n| n.id; f.call(input.nodes[1])",
        "fewest(input.nodes).id",
        "let n = input.nodes[1]; n.own_id()",
        "switch input.data.group { \"gpu\" => \"b\", _ => \"a\" }",
        "let i = 0; while i < 1 { i += 1; } input.nodes[i].id",
    ] {
        let script = format!(
            "fn balance(input) {{ {body} }} fn own_id() {{ this.id }}
             fn fewest(nodes) {{ nodes.reduce(|best, n| if best == () || n.sessions < best.sessions {{ n }} else {{ best }}) }}"
        );
        assert_eq!(stand.id(&script), "b", "{body}");
    }
}
