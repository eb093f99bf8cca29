//! The service in simulated worlds: nothing that must hold is broken, whatever goes wrong around it.
//!
//! `WHITHER_SEEDS=1000` runs as many worlds, `WHITHER_SEEDS=7..8` the one of seed 7, with its story.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::ops::Range;
use std::time::Duration;

use whither::simulate::{Failed, Fault, FaultKind, Mistake, Plan, find, run};

/// Worlds where nobody says how many.
const WORLDS: u64 = 200;
/// Worlds in which a mistake that is put in on purpose has to be found.
const WORLDS_FOR_A_MISTAKE: u64 = 1000;

/// Seeds of worlds in which something was broken once, with what it was.
const KEPT: [u64; 0] = [];

fn seeds() -> Range<u64> {
    let Ok(asked) = std::env::var("WHITHER_SEEDS") else { return 0..WORLDS };
    match asked.split_once("..") {
        Some((from, to)) => from.parse().unwrap()..to.parse().unwrap(),
        None => 0..asked.parse().unwrap(),
    }
}

fn told(failed: &Failed) -> String {
    let Failed { plan, violations, story } = failed;
    format!("{plan}{}\n\n{}", violations.join("\n"), story.join("\n"))
}

#[test]
fn nothing_is_broken_in_any_world() {
    let mut broken = Vec::new();
    for seed in seeds() {
        if let Err(failed) = run(&Plan::of(seed)) {
            println!("seed {seed}: {}", failed.violations.join("; "));
            broken.push(seed);
        }
    }
    if let Some(first) = broken.first() {
        let failed = find(&Plan::of(*first)).unwrap_err();
        panic!("{} worlds are broken: {broken:?}. The smallest of seed {first}:\n{}", broken.len(), told(&failed));
    }
}

#[test]
fn what_was_broken_once_is_mended() {
    for seed in KEPT {
        if let Err(failed) = run(&Plan::of(seed)) {
            panic!("{}", told(&failed));
        }
    }
}

/// The world of `seed` with `mistake`, and with what it takes for the mistake to show.
fn provoked(mistake: Mistake, seed: u64) -> Plan {
    let mut plan = Plan { mistake: Some(mistake), ..Plan::of(seed) };
    let (at, lasts) = (Duration::from_secs(12), Duration::from_secs(9));
    match mistake {
        Mistake::TrustedCounts => plan.faults.push(Fault { at, lasts, replica: 0, kind: FaultKind::Freeze }),
        Mistake::ReplyTwice => plan.faults.push(Fault { at, lasts, replica: 0, kind: FaultKind::KillWorkers }),
        Mistake::LostRelease | Mistake::DoubleCommit | Mistake::OffByOne => {}
    }
    plan
}

#[test]
fn a_mistake_would_be_found() {
    for mistake in Mistake::ALL {
        let with = |seed| provoked(mistake, seed);
        let found = (0..WORLDS_FOR_A_MISTAKE).find(|seed| run(&with(*seed)).is_err());
        println!("{mistake:?} is found in the world of seed {found:?}");
        assert!(found.is_some(), "{mistake:?} is found in none of {WORLDS_FOR_A_MISTAKE} worlds");
    }
}

#[test]
fn a_world_repeats_itself_to_the_last_event() {
    let with = |seed| Plan { mistake: Some(Mistake::ReplyTwice), ..Plan::of(seed) };
    let failed = (0..WORLDS_FOR_A_MISTAKE).find_map(|seed| run(&with(seed)).err()).unwrap();
    let again = run(&failed.plan).unwrap_err();
    assert_eq!(failed.story, again.story);
    assert!(failed.story.len() > 10, "{:?}", failed.story);
}
