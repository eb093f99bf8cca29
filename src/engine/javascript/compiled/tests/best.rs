//! Scripts that keep the best node of the list, in the ways in which these are written, and in ways that only look so:
//! both tiers say the same, and from an index of the nodes few of them are looked at.

use std::sync::Arc;

use jiff::tz::TimeZone;
use serde_json::json;

use crate::clock::Moment;
use crate::model::{Candidate, Change, Cluster, Report, Request, Reservation};
use crate::script::{Call, CallContext, LogBook, Script, ScriptLimits, ScriptRequest};

use super::world::{TestDice, TestWorld};
use super::{JavaScript, Tally, Tier, asked, engine, load, verified};

/// Figures of the node `S`.
const KEYS: [&str; 16] = [
    "S.sessions",
    "S.sessions",
    "S.sessions",
    "S.freemem",
    "S.cpu",
    "S.loadavg[0]",
    "S.metrics.licenses",
    "(S.sessions || 0)",
    "S.sessions / (S.staticData.weight || 1)",
    "S.nodeData.health.mem.free",
    "S.metadata.w",
    "S.cpu * 0.7 + S.sessions * 3",
    "weight(S)",
    "load(S)",
    "S.nodeData.sessions.filter(x => x.user === 'ann').length",
    "Math.round(S.sessions / 2)",
];

/// Conditions on the node `S`.
const CONDITIONS: [&str; 13] = [
    "S.sessions < 3",
    "S.metadata.gpu",
    "!S.cordoned",
    "S.serverPool === 'a'",
    "S.staticData.gpu === true",
    "S.metadata.zone && S.metadata.zone.length > 1",
    "(S.metadata.users || []).includes('ann')",
    "S.staticData.login",
    "/-[13579]$/.test(S.id)",
    "S.metadata.tags.length > 0",
    "isOpen(S)",
    "S.sessions < LIMIT",
    "input.userGroups.includes(S.staticData.group)",
];

/// Steps in a loop that are none of its business, some of which forbid an index.
const TRICKS: [&str; 16] = [
    "seen++;",
    "last = s;",
    "if (s.sessions === 0) break;",
    "console.log(s.id);",
    "if (best && s.cpu === best.cpu) continue;",
    "if (s.metadata.gpu) bonus = 1;",
    "if (Math.random() < 0.2) continue;",
    "if (s.metadata.gpu) { var local = s.sessions; if (local > 3) continue; }",
    "if (!best) { bonus = s.sessions; }",
    "if (s.id === input.user.login) continue;",
    "if (s.sessions > 4) throw new Error('full ' + s.id);",
    "s.seen = 1;",
    "if (best === s) continue;",
    "const own = s.staticData.users || []; if (own.length > 1) { continue; }",
    "if (best && best.metadata.gpu) continue;",
    "if (input.nodes.length > 5) continue;",
];

const PROLOGUES: [&str; 9] = [
    "",
    "",
    "",
    "if (input.nodes.length === 0) return null;",
    "if (!input.nodes.length) throw new Error('no nodes');",
    "if (input.action === 'user/login') return false;",
    "console.log('for', input.user.login);",
    "if (input.user.login === '') throw new Error('who are you?');",
    "if (input.nodes.length > 3) console.log('many', input.nodes.length);",
];

const EPILOGUES: [&str; 12] = [
    "return best ? best.id : null;",
    "return best ? best.id : null;",
    "return best && best.serverId;",
    "return best.serverId;",
    "if (!best) throw new Error('none for ' + input.user.login); console.log('took', best.id); return best.id;",
    "return best && (best.sessions > 3 ? null : best.id);",
    "return best ? [best] : [];",
    "return best ? [best.id] : input.userGroups;",
    "console.log(typeof best); return best ? `${best.id}` : undefined;",
    "return best ? best.id : input.nodes.length;",
    "return [seen, bonus, last && last.id].join() === '0,0,' && best ? best.id : null;",
    "return input.nodes[0] && best ? best.id : null;",
];

/// Returns `order` the other way round, and a comparison of the node's figure with the best figure in one of several
/// forms.
fn comparison(dice: &mut TestDice, (own, order, others): (&str, &str, &str)) -> (&'static str, String) {
    let turned = match order {
        "<" => ">",
        ">" => "<",
        "<=" => ">=",
        _ => "<=",
    };
    let better = match dice.below(4) {
        0 => format!("{others} {turned} {own}"),
        1 => format!(
            "!({own} {} {others})",
            match order {
                "<" => ">=",
                ">" => "<=",
                "<=" => ">",
                _ => "<",
            }
        ),
        _ => format!("{own} {order} {others}"),
    };
    (turned, better)
}

/// Statements before the walk that narrow the list, and the name of the narrowed list.
fn narrowed(dice: &mut TestDice) -> (String, String) {
    let mut list = dice.pick(&["input.nodes", "input.servers", "list"]).to_owned();
    let mut before = if list == "list" { "const list = input.nodes;\n".to_owned() } else { String::new() };
    for number in 0..dice.below(5).saturating_sub(2) {
        let own = of(dice.pick(&CONDITIONS), "n");
        let checks = dice.pick(&[
            "",
            "",
            "if (few.length === 0) throw new Error('none is free');",
            "if (!few.length) return 'node-1';",
        ]);
        before += &format!(
            "const few{number} = {list}.filter(n => {own});\n{}\n",
            checks.replace("few", &format!("few{number}"))
        );
        list = format!("few{number}");
    }
    (before, list)
}

/// The figure of a node in its forms.
struct Figures<'a> {
    /// With `S` for the node.
    key: &'a str,
    own: &'a str,
    others: &'a str,
    order: &'a str,
    turned: &'a str,
}

/// A walk over `list` that keeps a node.
fn walk(dice: &mut TestDice, list: &str, figures: Figures<'_>, (body, better, trick): (&str, &str, &str)) -> String {
    let Figures { own, others, order, turned, .. } = figures;
    match dice.below(9) {
        0 => format!("for (const s of {list}) {{ {body} }}"),
        1 => format!("for (var i = 0; i < {list}.length; i++) {{ var s = {list}[i]; {body} }}"),
        2 => format!(
            "{list}.forEach(function (s) {{ {} }});",
            body.replace("continue", "return").replace("break", "return")
        ),
        3 => format!("best = {list}.reduce((best, s) => {own} {order} {others} ? s : best);"),
        4 => format!(
            "best = {list}.reduce(function (best, s) {{ return best && {others} {turned} {own} ? best : s; }}, null);"
        ),
        5 => {
            let reversed = dice.one_in(2);
            let (a, b) = if reversed { ("b", "a") } else { ("a", "b") };
            let second = of(dice.pick(&KEYS), "a");
            let more = if dice.one_in(2) {
                format!(" || {} - {}", second, second.replace("a.", "b.").replace("(a)", "(b)"))
            } else {
                String::new()
            };
            let copy = dice.pick(&["", ".slice()"]);
            format!("best = {list}{copy}.sort((a, b) => {} - {}{more})[0];", of(figures.key, a), of(figures.key, b))
        }
        6 => format!(
            "best = {list}[0]; for (let i = 1; i < {list}.length; i++) {{ const s = {list}[i]; if ({better}) best = s; }}"
        ),
        7 => format!("for (var i in {list}) {{ var s = {list}[i]; {body} }}"),
        _ => format!(
            "for (const s of {list}) {{ {trick} const figure = {own}; if (best && figure {order} {others}) best = s; if (!best) best = s; }}"
        ),
    }
}

/// `template` about the node `name`.
fn of(template: &str, name: &str) -> String {
    template.replace('S', name)
}

/// A script that keeps a node, more or less.
fn script(dice: &mut TestDice) -> String {
    let (key, order) = (dice.pick(&KEYS), dice.pick(&["<", "<", "<", ">", ">", "<=", ">="]));
    let (prologue, epilogue) = (dice.pick(&PROLOGUES), dice.pick(&EPILOGUES));
    let condition = dice.pick(&CONDITIONS);
    let (mut before, list) = narrowed(dice);
    let trick = if dice.one_in(3) { dice.pick(&TRICKS) } else { "" };
    let skip = match dice.below(4) {
        0 => format!("if (!({})) continue;", of(condition, "s")),
        1 => format!("if ({}) continue;", of(condition, "s")),
        _ => String::new(),
    };
    let both = if dice.one_in(4) { format!("{} && ", of(condition, "s")) } else { String::new() };
    let (own, others) = (of(key, "s"), of(key, "best"));
    let none = dice.pick(&["best === null", "!best", "best == null"]);
    let (turned, better) = comparison(dice, (&own, order, &others));
    let body = match dice.below(5) {
        0 => format!("{skip} {trick} if ({none}) best = s; else if ({better}) best = s;"),
        1 => format!("{trick} {skip} if ({both}({none} || {better})) best = s;"),
        2 => format!("{skip} {trick} if ({none} || {better}) {{ best = s; }}"),
        3 => format!("{skip} {trick} if (({none} || {better}) && {}true) best = s;", both),
        _ => {
            let start = if order.starts_with('<') { "Infinity" } else { "-1" };
            before += &format!("let top = {start};\n");
            format!("{skip} {trick} const figure = {own}; if (figure {order} top) {{ top = figure; best = s; }}")
        }
    };
    let walk = walk(dice, &list, Figures { key, own: &own, others: &others, order, turned }, (&body, &better, trick));
    format!(
        "const LIMIT = 4;\nfunction isOpen(n) {{ if (n.cordoned) return false; return n.sessions < LIMIT; }}\n\
         function weight(n) {{ return n.sessions / (n.metadata.w || 1); }}\n\
         function load(n) {{ let all = n.sessions; for (const u of n.metadata.users || []) {{ if (u === 'ann') all++; }} return all; }}\n\
         function(input) {{\nlet best = null, seen = 0, bonus = 0, last = null;\n{prologue}\n{before}{walk}\n{epilogue}\n}}"
    )
}

/// Random scripts of this kind; `WHITHER_PAIRS` asks for more pairs, `WHITHER_SEED` for others.
#[test]
fn scripts_that_keep_a_node_say_the_same_in_both_tiers() {
    let (pairs, seed) = (asked("WHITHER_PAIRS", 6_000), asked("WHITHER_SEED", 1));
    let tally = compare(&[engine(false), engine(true)], pairs, seed);
    assert!(tally.indexed * 4 > tally.scripts, "{tally:?}");
    assert!(tally.from_index * 10 > tally.calls, "{tally:?}");
}

/// Where each answer is compared, the best node alone, all nodes and Boa say the same: a difference would be a line.
#[test]
fn what_is_said_of_the_best_node_is_said_of_all_nodes() {
    let tally = compare(&[engine(false), verified(1)], 1_500, 5);
    assert!(tally.indexed * 4 > tally.scripts, "{tally:?}");
    assert!(tally.from_index > 0, "{tally:?}");
}

/// Compares random scripts in two engines.
fn compare(engines: &[JavaScript; 2], pairs: u64, seed: u64) -> Tally {
    let shows = std::env::var("WHITHER_SHOW").is_ok();
    let (mut tally, mut count) = (Tally::default(), 0);
    while tally.pairs < pairs {
        count += 1;
        let dice = &mut TestDice::new(seed * 7_000_003 + count);
        let text = script(dice);
        let world = if dice.one_in(3) { TestWorld::new(dice) } else { TestWorld::tame(dice) };
        let before = tally.indexed;
        tally.compare_in(world, &text, engines, dice, 12);
        if shows && tally.indexed == before {
            for (_, tier) in load(&engines[1], &text).compiled().unwrap().1.each() {
                let why = if let Tier::Compiled(compiled) = tier { compiled.refusal() } else { None };
                println!("{why:?} {:?}\n{text}\n", tier.interpreted());
            }
        }
    }
    println!("{tally:?}");
    tally
}

/// A decision after a reservation looks at one node of ten thousand.
#[test]
fn a_decision_looks_at_the_nodes_that_changed() {
    let text = "function(input) { var best = null; for (var i = 0; i < input.servers.length; i++) { \
                if (best === null || input.servers[i].sessions < best.sessions) best = input.servers[i]; } \
                return best.serverId; }";
    const NODES: usize = 10_000;
    let program = load(&engine(true), text);
    let mut cluster = Cluster::default();
    for number in 0..NODES {
        let report = json!({"id": format!("node-{number:05}"), "sessions": 0});
        cluster.apply(Change::Report(Arc::new(Report::from_value(report).unwrap())));
    }
    let listed = |cluster: &Cluster, full: usize| -> Arc<[Candidate]> {
        cluster.nodes().skip(full).map(|(slot, _)| Candidate::plain(slot)).collect()
    };
    let candidates = listed(&cluster, 0);
    let request = Request::from_value(json!({"user": {"login": "ann"}}), "node-1").unwrap();
    let moment = Moment::at(0, &TimeZone::UTC);
    let ask = |cluster: &Cluster, candidates: &Arc<[Candidate]>| {
        let asked = ScriptRequest { request: &request, passes_jwt: false, moment: &moment, seed: 1, sequence: 1 };
        let log = LogBook::new(ScriptLimits::default());
        let scene = CallContext { cluster, asked: Some(asked), step: 0, log: &log };
        let answer = program.open(scene).and_then(|mut run| run.call(Call::Balance(candidates)));
        let counts = program.compiled().unwrap().1.whole.as_ref().and_then(Tier::active).and_then(|own| own.ranked());
        (format!("{answer:?}"), counts.unwrap())
    };
    // The list is known from the second time on, and then looked at by and by.
    let mut looked = 0;
    for _ in 0..14 {
        let (answer, (looks, _)) = ask(&cluster, &candidates);
        assert!(answer.contains("node-00000"), "{answer}");
        assert!(looks - looked <= 1024);
        looked = looks;
    }
    assert_eq!(looked, NODES as u64);
    for number in 0..200 {
        let node: Arc<str> = format!("node-{number:05}").into();
        let id: Arc<str> = format!("r{number}").into();
        cluster.apply(Change::Reserve(Reservation { id, node, user: "ann".into(), name: "".into() }));
        let (answer, (looks, answers)) = ask(&cluster, &candidates);
        assert!(answer.contains(&format!("node-{:05}", number + 1)), "{answer}");
        assert_eq!((looks - looked, answers > number), (1, true));
        looked = looks;
    }
    // Where a node fills up at each decision, each list is a new one; and so it is where a node has room again.
    for full in (200..300).chain((250..300).rev()) {
        let (answer, (looks, _)) = ask(&cluster, &listed(&cluster, full));
        assert!(answer.contains(&format!("node-{full:05}")), "{answer}");
        assert_eq!(looks, looked);
    }
    let freed = Change::Release("r100".into());
    cluster.apply(freed);
    let (answer, (looks, _)) = ask(&cluster, &listed(&cluster, 240));
    assert!(answer.contains("node-00240"), "{answer}");
    assert_eq!(looks, looked);
}
