//! Both tiers say the same: of scripts as administrators write them, and of scripts that nobody would write.
#![expect(clippy::print_stdout, reason = "how much was covered is worth a look")]

mod best;
mod bodies;
mod callables;
mod corpus;
mod further;
mod generator;
mod idioms;
mod test262;
mod world;

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use jiff::tz::TimeZone;

use crate::clock::Silent;
use crate::engine::Settings;
use crate::script::{Content, Isolation, ScriptLimits, ScriptSource};

use super::super::engine::JavaScript;
use super::super::program::JavaScriptProgram;
use super::ir::BailCause;
use super::tier::Tier;
use generator::Generator;
use world::{TestDice, TestWorld};

/// An engine that compiles, or one that does not.
fn engine(compiles: bool) -> JavaScript {
    verified(if compiles { u32::MAX } else { 0 })
}

/// An engine that compares one answer in so many.
fn verified(verify_every: u32) -> JavaScript {
    let limits = ScriptLimits { verify_every, ..ScriptLimits::default() };
    JavaScript::new(&Settings { limits, zone: TimeZone::UTC, alarm: Rc::new(Silent) })
}

fn load(engine: &JavaScript, text: &str) -> JavaScriptProgram {
    try_load(engine, text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn try_load(engine: &JavaScript, text: &str) -> Result<JavaScriptProgram, String> {
    let content = Content::Text(text.into());
    let source = ScriptSource { file: Arc::from("test.js"), content, isolation: Isolation::default() };
    engine.load_program(&source).map_err(|error| error.to_string())
}

/// How many scripts were compiled, how often compiled code was asked, and how often it gave up.
#[derive(Default, Debug)]
struct Tally {
    scripts: usize,
    compiled: usize,
    pairs: u64,
    /// How many scripts keep the best node, and how often they were run over that one alone.
    indexed: usize,
    from_index: u64,
    calls: u64,
    bails: u64,
    causes: BTreeMap<BailCause, u64>,
}

impl Tally {
    /// Compares what both tiers say of `text` in `rounds` states of a world each.
    fn compare(&mut self, text: &str, engines: &[JavaScript; 2], dice: &mut TestDice, rounds: usize) {
        let world = TestWorld::new(dice);
        self.compare_in(world, text, engines, dice, rounds);
    }

    /// Compares them in `world`.
    fn compare_in(
        &mut self,
        mut world: TestWorld,
        text: &str,
        engines: &[JavaScript; 2],
        dice: &mut TestDice,
        rounds: usize,
    ) {
        let [boa, both] = engines.each_ref().map(|engine| load(engine, text));
        self.scripts += 1;
        for _ in 0..rounds {
            world.change(dice);
            let request = world.request(dice);
            for calls in world.calls(&both) {
                let said = [&boa, &both].map(|program| world.ask(program, &request, &calls));
                assert_eq!(said[0], said[1], "\n{text}\nrequest {request:?}\n{}", world.describe());
                self.pairs += 1;
            }
        }
        let tiers = both.compiled().unwrap().1;
        let mut is_compiled = false;
        for (_, tier) in tiers.each() {
            if let Tier::Compiled(compiled) = tier {
                let (calls, bails) = compiled.counts();
                for (cause, count) in compiled.causes() {
                    *self.causes.entry(cause).or_default() += count;
                }
                (self.calls, self.bails, is_compiled) = (self.calls + calls, self.bails + bails, true);
                self.indexed += usize::from(compiled.keeps_best());
                self.from_index += compiled.ranked().map_or(0, |(_, answers)| answers);
            }
        }
        self.compiled += usize::from(is_compiled);
    }
}

/// The number in the variable `name` of the environment.
fn asked(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|number| number.parse().ok()).unwrap_or(default)
}

/// Random scripts over random worlds; `WHITHER_PAIRS` asks for more pairs, `WHITHER_SEED` for others.
#[test]
fn random_scripts_say_the_same_in_both_tiers() {
    let (pairs, seed) = (asked("WHITHER_PAIRS", 10_000), asked("WHITHER_SEED", 1));
    // Tells of each script that is not compiled why.
    let shows = std::env::var("WHITHER_SHOW").is_ok();
    let engines = [engine(false), engine(true)];
    let mut tally = Tally::default();
    let mut script = 0;
    while tally.pairs < pairs {
        script += 1;
        let mut dice = TestDice::new(seed * 1_000_003 + script);
        let text = Generator::new(&mut dice).script();
        let before = tally.compiled;
        tally.compare(&text, &engines, &mut dice, 12);
        if tally.compiled == before && shows {
            for (function, tier) in load(&engines[1], &text).compiled().unwrap().1.each() {
                println!("{function}: {:?}\n{text}\n", tier.interpreted());
            }
        }
    }
    println!("{tally:?}");
    // A generator of scripts that are never compiled, or always give up, proves nothing.
    assert!(tally.compiled * 10 > tally.scripts * 9, "{tally:?}");
    assert!(tally.bails * 3 < tally.calls, "{tally:?}");
}

/// Lists that are written to while they are walked or sorted: rare among the random scripts, and easily wrong.
#[test]
fn lists_that_change_while_they_are_walked_say_the_same_in_both_tiers() {
    let engines = [engine(false), engine(true)];
    let mut tally = Tally::default();
    for script in 0..800 {
        let mut dice = TestDice::new(script);
        let body = Generator::new(&mut dice).changing_list("input.nodes");
        tally.compare(&format!("input => {{ {body} }}"), &engines, &mut dice, 3);
    }
    println!("{tally:?}");
    assert!(tally.compiled * 2 > tally.scripts, "{tally:?}");
}

/// Functions as values, in scripts of nothing else; `WHITHER_PAIRS` and `WHITHER_SEED` as above.
#[test]
fn functions_as_values_say_the_same_in_both_tiers() {
    let (pairs, seed) = (asked("WHITHER_PAIRS", 3_200), asked("WHITHER_SEED", 1));
    let shows = std::env::var("WHITHER_SHOW").is_ok();
    let engines = [engine(false), engine(true)];
    let (mut tally, mut script) = (Tally::default(), 0);
    while tally.pairs < pairs {
        script += 1;
        let mut dice = TestDice::new(seed * 1_000_003 + script);
        let body = Generator::new(&mut dice).callables("input.nodes");
        let before = tally.compiled;
        let text = format!("input => {{ {body} }}");
        tally.compare(&text, &engines, &mut dice, 4);
        if tally.compiled == before && shows {
            for (function, tier) in load(&engines[1], &text).compiled().unwrap().1.each() {
                println!("{function}: {:?}\n{text}\n", tier.interpreted());
            }
        }
    }
    println!("{tally:?}");
    assert!(tally.compiled * 10 > tally.scripts * 8, "{tally:?}");
}

/// Scripts, a line each, in which functions, classes, patterns and `finally` are used as they rarely are.
#[test]
fn what_is_easily_got_wrong_says_the_same_in_both_tiers() {
    let engines = [engine(false), engine(true)];
    let mut tally = Tally::default();
    for script in include_str!("closures.txt").lines() {
        tally.compare(script, &engines, &mut TestDice::new(1), 6);
    }
    println!("{tally:?}");
    assert!(tally.compiled * 2 > tally.scripts, "{tally:?}");
}

/// A name that an inner function declares anew is another variable. A variable may be assigned several functions; a
/// script that assigns to a declared function is interpreted.
#[test]
fn a_write_counts_for_the_variable_that_it_reaches() {
    let engines = [engine(false), engine(true)];
    for (body, is_compiled) in [
        ("const f = n => { let f = 0; f += n.sessions; return f }; return '' + input.nodes.map(f)", true),
        ("function f(n) { var f = n.sessions; f++; return f } return '' + input.nodes.map(n => f(n))", true),
        (
            "const f = n => { const g = m => m.id; return g(n) }; const g = n => f(n); return '' + input.nodes.map(g)",
            true,
        ),
        ("var f = n => n.id; const g = () => { f = n => n.sessions }; g(); return '' + input.nodes.map(f)", true),
        ("var f = n => n.id; if (input.isAdmin) { let f = 1; f = 2 } return '' + input.nodes.map(f)", true),
        ("function f(n) { return n.id } { let f = 1; f++ } f = n => n.sessions; return '' + input.nodes.map(f)", false),
        ("let f = n => n.id; const o = { g() { f = n => n.sessions } }; o.g(); return '' + input.nodes.map(f)", true),
        (
            "let f = n => n.id; const g = (a = (f = n => 1)) => { var f = 2; return f }; g(); return '' + input.nodes.map(f)",
            false,
        ),
    ] {
        let mut tally = Tally::default();
        tally.compare(&format!("input => {{ {body} }}"), &engines, &mut TestDice::new(1), 6);
        assert_eq!(tally.compiled > 0, is_compiled, "{body}");
    }
}
