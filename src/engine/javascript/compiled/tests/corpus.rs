//! Scripts as administrators write them: which of them are compiled, and that both tiers say the same of them.

use super::world::{TestDice, TestWorld};
use super::{Tally, Tier, engine, load};

/// Scripts of the repository that are written out elsewhere.
const SHIPPED: [(&str, &str); 15] = [
    ("fewest-sessions.js", include_str!("../../../../../tests/fastx/fewest-sessions.js")),
    ("gpu.js", include_str!("../../../../../tests/fastx/gpu.js")),
    ("group.js", include_str!("../../../../../tests/fastx/group.js")),
    ("local.js", include_str!("../../../../../tests/fastx/local.js")),
    ("login.js", include_str!("../../../../../tests/fastx/login.js")),
    ("lowest-load.js", include_str!("../../../../../tests/fastx/lowest-load.js")),
    ("metric.js", include_str!("../../../../../tests/fastx/metric.js")),
    ("most-memory.js", include_str!("../../../../../tests/fastx/most-memory.js")),
    ("reconnect.js", include_str!("../../../../../tests/fastx/reconnect.js")),
    ("users.js", include_str!("../../../../../tests/fastx/users.js")),
    ("allow-list.js", include_str!("../../../../../scripts/allow-list.js")),
    ("gpu-for-group.js", include_str!("../../../../../scripts/gpu-for-group.js")),
    ("login-nodes.js", include_str!("../../../../../scripts/login-nodes.js")),
    ("sticky-user.js", include_str!("../../../../../scripts/sticky-user.js")),
    ("weighted-load.js", include_str!("../../../../../scripts/weighted-load.js")),
];

/// These, and some more in their manner.
fn corpus() -> impl Iterator<Item = (&'static str, &'static str)> {
    let more = include_str!("corpus.txt").split("//// ").skip(1).filter_map(|script| script.split_once('\n'));
    SHIPPED.into_iter().chain(more)
}

#[test]
fn what_administrators_write_says_the_same_in_both_tiers() {
    let engines = [engine(false), engine(true)];
    let (mut tally, mut odd, mut covered) = (Tally::default(), Tally::default(), 0);
    for (name, text) in corpus() {
        let program = load(&engines[1], text);
        for (function, tier) in program.compiled().unwrap().1.each() {
            let why = if let Tier::Compiled(compiled) = tier { compiled.refusal() } else { Some("interpreted") };
            println!("{name} {function}: {:?}, indexed: {why:?}", tier.interpreted());
        }
        for seed in 0..3 {
            odd.compare(text, &engines, &mut TestDice::new(seed), 12);
        }
        let before = (tally.calls, tally.bails, tally.compiled);
        tally.causes.clear();
        for seed in 0..4 {
            let dice = &mut TestDice::new(seed);
            let world = TestWorld::tame(dice);
            tally.compare_in(world, text, &engines, dice, 24);
        }
        let (calls, bails) = (tally.calls - before.0, tally.bails - before.1);
        // What gives up more often than once in four calls is left to Boa in the end.
        let is_covered = tally.compiled > before.2 && bails * 4 <= calls;
        covered += usize::from(is_covered);
        if bails > 0 || !is_covered {
            println!("    gave up {bails} times of {calls}: {:?}", tally.causes);
        }
    }
    let all = corpus().count();
    println!("{covered} of {all} covered, {tally:?}");
    assert!(covered * 10 >= all * 9, "{covered} of {all}, {tally:?}");
}
