//! Tests of blame: which script is suspected, which is convicted, and how the question goes on.

use std::time::Duration;

use super::*;
use crate::chain::{ChainSpec, OnFailure};
use crate::model::LimitKind;
use crate::worker::{RunningStep, WorkerEvent};

use super::super::events::{FrontEvent, Setup};
use super::super::testing::{
    ACTION, Asked, Harness, STEP, chain, crashed, killed, overrun, request, running, setup, setup_of,
};

/// Lets the worker that was asked `asked` report an overrun of `running`, and end.
fn overruns(harness: &mut Harness, asked: &Asked, running: RunningStep) {
    harness.worker(asked.worker, WorkerEvent::Overrun(overrun(running)));
    harness.end(asked.worker, killed());
}

/// Lets a question of `user` pass a limit, be asked again alone, and pass the limit again as `running` says.
fn pass_twice(harness: &mut Harness, user: &str, running: impl Fn(Ticket) -> RunningStep) -> usize {
    let (number, asked) = harness.place_asked(&request(user));
    overruns(harness, &asked, running(asked.question.ticket));
    harness.no_reply(number);
    let again = harness.only_asked();
    assert!(again.question.narrated && again.question.ticket == asked.question.ticket);
    overruns(harness, &again, running(asked.question.ticket));
    number
}

fn at_step(ticket: Ticket) -> RunningStep {
    running(ticket, STEP, None)
}

/// A call of a function whose only argument is the node `a`.
fn pure(ticket: Ticket) -> RunningStep {
    RunningStep { pure: true, ..running(ticket, STEP, Some("a")) }
}

fn quarantined(harness: &mut Harness, worker: u64) -> Vec<(Subject, bool)> {
    let told = harness.told(worker).into_iter().filter_map(|order| match order {
        WorkerCommand::Quarantine(subject, limited) => Some((subject, limited.is_some())),
        _ => None,
    });
    told.collect()
}

#[test]
fn the_first_limit_convicts_nobody_and_the_second_one_does() {
    let mut harness = Harness::new(setup(), &["a"]);
    let number = pass_twice(&mut harness, "ann", at_step);
    let failure = harness.reply(number);
    let error = &failure["error"];
    assert_eq!(
        (&error["name"], &error["step"], &error["limit"]),
        (&"script-limit".into(), &STEP.into(), &"time".into())
    );
    assert_eq!(error["message"], "it took too long");
    let counted = |name: &str| harness.figure(&format!("whither_{name}_total{{script=\"pick.js\",limit=\"time\"}}"));
    assert_eq!((counted("suspicions"), counted("script_limits")), ("1".into(), "1".into()));
    assert_eq!(harness.figure("whither_worker_deaths_total"), "2");
}

#[test]
fn the_others_are_asked_again_and_pay_nothing_else() {
    let mut harness = Harness::new(setup(), &["a"]);
    let (first, asked) = harness.place_asked(&request("ann"));
    let (second, _) = harness.place_asked(&request("bob"));
    overruns(&mut harness, &asked, at_step(asked.question.ticket));
    let alone = harness.only_asked();
    assert_eq!(alone.question.ticket, asked.question.ticket, "the suspect is asked alone");
    harness.choose(&alone, "a");
    assert_eq!(harness.reply(first)["node"], "a", "it was innocent");
    let other = harness.only_asked();
    assert!(!other.question.narrated);
    harness.choose(&other, "a");
    assert_eq!(harness.reply(second)["node"], "a");
}

#[test]
fn a_step_that_may_be_skipped_is_left_out_when_the_question_is_asked_again() {
    let mut spec = chain(ACTION);
    spec.steps[0].on_limit = OnFailure::Skip;
    let mut harness = Harness::new(setup_of(vec![spec]), &["a"]);
    let number = pass_twice(&mut harness, "ann", at_step);
    harness.no_reply(number);
    let asked = harness.only_asked();
    let limited: Vec<_> = asked.question.limited.iter().map(|(step, limited)| (&**step, limited.kind)).collect();
    assert_eq!(limited, [(STEP, LimitKind::Time)]);
    harness.choose(&asked, "a");
    assert_eq!(harness.reply(number)["node"], "a");
}

#[test]
fn a_node_that_a_pure_function_hangs_on_is_not_asked_about_again() {
    let mut harness = Harness::new(setup(), &["a", "b"]);
    let number = pass_twice(&mut harness, "ann", pure);
    harness.no_reply(number);
    let asked = harness.only_asked();
    let subject = Subject { script: STEP.into(), node: Some("a".into()) };
    assert_eq!(quarantined(&mut harness, asked.worker), [(subject.clone(), true)]);
    let born_later = harness.snapshots.values().next_back().unwrap();
    let is_told = |order: &WorkerCommand| matches!(order, WorkerCommand::Quarantine(told, Some(_)) if *told == subject);
    assert!(born_later.iter().any(is_told), "whoever comes later is told at the start");
    harness.choose(&asked, "b");
    assert_eq!(harness.reply(number)["node"], "b");
    assert!(harness.front.is_anybody_confined());
    harness.pass(Duration::from_secs(60));
    assert!(!harness.front.is_anybody_confined());
    harness.tick();
    assert_eq!(quarantined(&mut harness, asked.worker), [(subject, false)], "the node may be asked about again");
}

#[test]
fn a_script_that_several_users_convict_is_in_quarantine_for_a_while() {
    let mut harness = Harness::new(setup(), &["a"]);
    for user in ["ann", "bob", "eve"] {
        let number = pass_twice(&mut harness, user, at_step);
        assert_eq!(harness.failure(number).0, "script-limit");
    }
    assert_eq!(harness.figure("whither_quarantined{script=\"pick.js\"}"), "1");
    let health = harness.health();
    assert!(health.notes[0].starts_with("quarantine: pick.js "), "{:?}", health.notes);
    let (_, asked) = harness.place_asked(&request("dan"));
    assert_eq!(quarantined(&mut harness, asked.worker), [(Subject { script: STEP.into(), node: None }, true)]);
    harness.pass(Duration::from_secs(10));
    assert_eq!(harness.figure("whither_quarantined{script=\"pick.js\"}"), "0");
    harness.tick();
    assert_eq!(quarantined(&mut harness, asked.worker), [(Subject { script: STEP.into(), node: None }, false)]);
}

#[test]
fn a_script_that_one_user_makes_hang_is_not_run_for_that_user() {
    let mut harness = Harness::new(setup(), &["a"]);
    for _ in 0..3 {
        pass_twice(&mut harness, "eve", at_step);
    }
    assert!(harness.front.is_anybody_confined());
    let (_, asked) = harness.place_asked(&request("eve"));
    assert!(asked.question.limited[0].1.message.starts_with("pick.js is not run for `eve`"));
    let (_, asked) = harness.place_asked(&request("ann"));
    assert!(asked.question.limited.is_empty());
}

#[test]
fn a_worker_that_hangs_on_what_nobody_asked_for_is_suspected_once_and_convicted_then() {
    let mut harness = Harness::new(setup(), &["a"]);
    let hangs = |harness: &mut Harness, worker| {
        harness.worker(worker, WorkerEvent::Overrun(overrun(pure(NOBODY))));
        harness.end(worker, killed());
        harness.front.is_anybody_confined()
    };
    assert!(!hangs(&mut harness, 2), "a spare may be slow for other reasons");
    assert!(hangs(&mut harness, 3));
    assert_eq!(harness.figure("whither_script_limits_total{script=\"pick.js\",limit=\"time\"}"), "1");
    assert!(hangs(&mut harness, 4));
    let counted = harness.figure("whither_script_limits_total{script=\"pick.js\",limit=\"time\"}");
    assert_eq!(counted, "1", "a worker that had not read of the quarantine yet adds nothing");
}

#[test]
fn a_suspicion_of_long_ago_counts_no_more() {
    let mut harness = Harness::new(setup(), &["a"]);
    for worker in 2..5 {
        harness.worker(worker, WorkerEvent::Overrun(overrun(pure(NOBODY))));
        harness.end(worker, killed());
        assert!(!harness.front.is_anybody_confined(), "{worker}");
        harness.pass(Duration::from_secs(61));
    }
}

#[test]
fn a_worker_in_a_slot_that_hangs_for_nobody_is_treated_as_a_spare_is() {
    let mut harness = Harness::new(setup(), &["a"]);
    let (number, asked) = harness.place_asked(&request("ann"));
    for _ in 0..2 {
        let worker = harness.workers.keys().copied().find(|worker| harness.front.workers.slot_of(*worker).is_some());
        harness.worker(worker.unwrap(), WorkerEvent::Overrun(overrun(pure(NOBODY))));
        harness.end(worker.unwrap(), killed());
    }
    assert!(harness.front.is_anybody_confined());
    let again = harness.asked().pop().unwrap();
    assert_eq!((again.question.ticket, again.question.narrated), (asked.question.ticket, false));
    harness.choose(&again, "a");
    assert_eq!(harness.reply(number)["node"], "a");
}

#[test]
fn a_crash_without_a_word_convicts_the_step_that_ran_alone() {
    let mut harness = Harness::new(setup(), &["a"]);
    let (number, asked) = harness.place_asked(&request("ann"));
    harness.end(asked.worker, crashed());
    let again = harness.only_asked();
    harness.worker(again.worker, WorkerEvent::Running(at_step(again.question.ticket)));
    harness.end(again.worker, crashed());
    let reply = harness.reply(number);
    assert_eq!((&reply["error"]["limit"], &reply["error"]["step"]), (&"crash".into(), &STEP.into()));
    assert_eq!(harness.figure("whither_script_limits_total{script=\"pick.js\",limit=\"crash\"}"), "1");
}

#[test]
fn whoever_decides_by_an_older_configuration_is_not_judged_by_it() {
    let mut harness = Harness::new(setup(), &["a"]);
    let (number, asked) = harness.place_asked(&request("ann"));
    overruns(&mut harness, &asked, at_step(asked.question.ticket));
    let again = harness.only_asked();
    let next = ChainSpec { max_pending: Some(9), ..chain(ACTION) };
    harness.tell(FrontEvent::Reload(Box::new(setup_of(vec![next]))));
    overruns(&mut harness, &again, at_step(asked.question.ticket));
    harness.no_reply(number);
    let last = harness.only_asked();
    assert!(last.worker > again.worker && last.question.ticket == asked.question.ticket);
    harness.choose(&last, "a");
    assert_eq!(harness.reply(number)["node"], "a");
}

#[test]
fn a_reload_forgets_suspicions_and_lets_other_sources_run() {
    let mut harness = Harness::new(Setup { workers: 1, ..setup() }, &["a"]);
    harness.worker(2, WorkerEvent::Overrun(overrun(pure(NOBODY))));
    harness.end(2, killed());
    harness.tell(FrontEvent::Reload(Box::new(setup())));
    let spare = *harness.workers.keys().next_back().unwrap();
    harness.worker(spare, WorkerEvent::Overrun(overrun(pure(NOBODY))));
    assert!(!harness.front.is_anybody_confined(), "another source may stand under the same name");
}

#[test]
fn the_figure_of_a_script_goes_with_the_script() {
    let mut harness = Harness::new(setup(), &["a"]);
    for user in ["ann", "bob", "eve"] {
        pass_twice(&mut harness, user, at_step);
    }
    let is_shown = |harness: &Harness| harness.metrics.text().contains("whither_quarantined{script=\"pick.js\"}");
    let reload = |harness: &mut Harness, chain| harness.tell(FrontEvent::Reload(Box::new(setup_of(vec![chain]))));
    let more = ChainSpec { max_pending: Some(9), ..chain(ACTION) };
    reload(&mut harness, more);
    assert_eq!(harness.figure("whither_quarantined{script=\"pick.js\"}"), "1", "the script is there");
    let mut other = chain(ACTION);
    other.steps.iter_mut().for_each(|step| step.name = "other.js".into());
    reload(&mut harness, other);
    assert!(!is_shown(&harness), "{}", harness.metrics.text());
    assert!(!harness.front.is_anybody_confined());
}

#[test]
fn a_worker_that_is_told_to_stop_is_nobodys_fault() {
    let mut harness = Harness::new(setup(), &["a"]);
    let (number, asked) = harness.place_asked(&request("ann"));
    harness.end(asked.worker, ProcessEnd { how: "was told to stop".into(), killed: true, stopped: true });
    let again = harness.only_asked();
    harness.choose(&again, "a");
    assert_eq!(harness.reply(number)["node"], "a");
}
