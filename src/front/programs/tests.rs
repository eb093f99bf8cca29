//! Tests of questions to programs: their turns, their answers, and the death of the runner.

use std::time::Duration;

use serde_json::json;

use super::*;
use crate::model::{LostReason, Marks, Outcome};
use crate::nats::message::Verb;
use crate::registry::claims::Claimed;
use crate::script::ReturnedValue;
use crate::worker::WorkerEvent;

use super::super::events::{FrontEvent, Setup};
use super::super::testing::{
    ACTION, Asked, FakeProcess, Harness, NO_TICKETS, PROGRAM, Starts, chain, crashed, program_chain, report, request,
    setup_of, with,
};

/// A front whose chain has one program, which is asked about at most `parallel` requests at a time.
fn with_program(parallel: u32) -> Harness {
    Harness::new(setup_of(vec![program_chain(ACTION, parallel)]), &["a", "b"])
}

/// Lets the worker that was asked `asked` come to the program.
fn suspend(harness: &mut Harness, asked: &Asked) {
    suspend_after(harness, asked, None);
}

fn suspend_after(harness: &mut Harness, asked: &Asked, taken: Option<(Arc<str>, LostReason)>) {
    let waiting = WaitingDecision { ticket: asked.question.ticket, step: 0, suspended: "so far".into(), taken };
    harness.worker(asked.worker, WorkerEvent::Waiting(waiting));
}

/// A request of `user` that came as far as the program.
fn suspended(harness: &mut Harness, user: &str) -> (usize, Ticket) {
    let (number, asked) = harness.place_asked(&request(user));
    suspend(harness, &asked);
    (number, asked.question.ticket)
}

/// The answer of a program that chooses `node`, which the program was shown.
fn chose(node: &str) -> ProgramAnswer {
    ProgramAnswer { seen: vec![node.into()], ..ProgramAnswer::only(Ok(ReturnedValue::Id(node.into()))) }
}

fn errands(harness: &mut Harness, runner: u64) -> Vec<Ticket> {
    harness.errands(runner).iter().map(|errand| errand.question.ticket).collect()
}

/// The program's answer with which the question `asked` is resumed.
fn heard(asked: &Asked) -> Option<&ProgramAnswer> {
    asked.question.from.as_ref().unwrap().heard.as_ref()
}

#[test]
fn a_question_goes_to_its_program_and_on_with_what_that_said() {
    let mut harness = with_program(1);
    let (number, asked) = harness.place_asked(&request("ann"));
    suspend(&mut harness, &asked);
    assert_eq!(harness.stages(), [0, 0, 1, 0, 0, 0]);
    let errand = harness.errands(1).remove(0);
    assert_eq!((errand.edition, errand.step, &errand.suspended[..]), (1, 0, &b"so far"[..]));
    assert_eq!(errand.question.ticket, asked.question.ticket);
    harness.runner(1, RunnerEvent::Asking(vec![asked.question.ticket]));
    harness.runner(1, RunnerEvent::Heard(asked.question.ticket, chose("a")));
    let again = harness.only_asked();
    assert_eq!(heard(&again), Some(&chose("a")));
    assert_eq!(&again.question.from.as_ref().unwrap().suspended[..], b"so far");
    harness.choose(&again, "a");
    assert_eq!((&harness.reply(number)["decided_by"], harness.stages()), (&PROGRAM.into(), [0; 6]));
    assert_eq!(harness.figure("whither_executables_asked_total"), "1");
}

#[test]
fn questions_take_turns_at_a_program_that_must_see_every_place() {
    let mut harness = with_program(1);
    let (first, ticket) = suspended(&mut harness, "ann");
    let (_, next) = suspended(&mut harness, "bob");
    assert_eq!(errands(&mut harness, 1), [ticket], "one at a time");
    harness.runner(1, RunnerEvent::Heard(ticket, ProgramAnswer::only(Ok(ReturnedValue::Falsy))));
    assert_eq!(errands(&mut harness, 1), NO_TICKETS, "the placement is not known yet");
    let again = harness.only_asked();
    harness.choose(&again, "a");
    harness.reply(first);
    assert_eq!(errands(&mut harness, 1), [next]);
}

#[test]
fn the_turn_is_over_when_the_only_program_that_was_asked_has_chosen() {
    let mut harness = with_program(1);
    let (_, ticket) = suspended(&mut harness, "ann");
    let (_, next) = suspended(&mut harness, "bob");
    errands(&mut harness, 1);
    harness.runner(1, RunnerEvent::Heard(ticket, chose("a")));
    assert_eq!(errands(&mut harness, 1), [next]);
}

#[test]
fn several_questions_are_asked_side_by_side_where_the_program_allows() {
    let mut harness = with_program(2);
    let tickets = ["ann", "bob", "eve"].map(|user| suspended(&mut harness, user).1);
    assert_eq!(errands(&mut harness, 1), tickets[..2]);
}

#[test]
fn a_choice_that_did_not_see_the_last_place_is_made_again() {
    let mut harness = with_program(2);
    let (first, one) = suspended(&mut harness, "ann");
    let (second, two) = suspended(&mut harness, "bob");
    errands(&mut harness, 1);
    for (number, ticket) in [(first, one), (second, two)] {
        harness.runner(1, RunnerEvent::Heard(ticket, chose("a")));
        let again = harness.only_asked();
        harness.choose(&again, "a");
        if number == first {
            assert_eq!(harness.reply(first)["node"], "a");
        }
    }
    harness.no_reply(second);
    let again = harness.only_asked();
    assert_eq!((again.question.ticket, heard(&again)), (two, None), "its program is to be asked again");
    suspend(&mut harness, &again);
    assert_eq!(errands(&mut harness, 1), [two]);
    harness.runner(1, RunnerEvent::Heard(two, chose("a")));
    let again = harness.only_asked();
    harness.choose(&again, "a");
    assert_eq!(harness.reply(second)["node"], "a");
}

#[test]
fn a_node_that_was_taken_meanwhile_is_chosen_again_only_so_often() {
    let mut harness = with_program(1);
    let (number, ticket) = suspended(&mut harness, "ann");
    for _ in 0..2 {
        harness.runner(1, RunnerEvent::Heard(ticket, chose("a")));
        let again = harness.only_asked();
        suspend_after(&mut harness, &again, Some(("a".into(), LostReason::Full)));
        harness.no_reply(number);
    }
    harness.runner(1, RunnerEvent::Heard(ticket, chose("a")));
    let again = harness.only_asked();
    suspend_after(&mut harness, &again, Some(("a".into(), LostReason::Full)));
    let (name, message) = harness.failure(number);
    assert_eq!(name, "no-node");
    assert!(message.starts_with("`a` was chosen last, after 3 tries, and is full"), "{message}");
    assert_eq!((harness.front.owed(), harness.figure("whither_refused_commits_total")), (0, "3".to_owned()));
}

#[test]
fn a_program_whose_choice_was_refused_makes_another_one() {
    let mut harness = with_program(1);
    let (number, ticket) = suspended(&mut harness, "ann");
    harness.runner(1, RunnerEvent::Heard(ticket, chose("a")));
    let again = harness.only_asked();
    harness.change(Change::Stale("a".into()));
    harness.choose(&again, "a");
    harness.no_reply(number);
    assert_eq!(heard(&harness.only_asked()), None, "what it said before would lead to the same node");
}

#[test]
fn what_was_being_asked_when_the_runner_died_fails_as_its_step_says() {
    let mut harness = with_program(2);
    let (_, one) = suspended(&mut harness, "ann");
    let (_, two) = suspended(&mut harness, "bob");
    errands(&mut harness, 1);
    harness.runner(1, RunnerEvent::Asking(vec![one]));
    harness.runner(1, RunnerEvent::Exited(crashed()));
    let again = harness.only_asked();
    assert_eq!(again.question.ticket, one);
    let message = "the runner exited with code 1 while the program ran".to_owned();
    assert_eq!(heard(&again), Some(&ProgramAnswer::only(Err(ScriptError::Limit(LimitKind::Crash, message)))));
    assert!(harness.runners[&1].is_buried());
    harness.tick();
    assert_eq!(errands(&mut harness, 2), [two], "the next runner is asked what nobody was");
    assert_eq!(harness.figure("whither_runner_deaths_total"), "1");
    harness.runner(1, RunnerEvent::Heard(two, chose("a")));
    assert!(harness.asked().is_empty(), "nobody hears the dead one");
}

#[test]
fn a_silent_runner_is_killed() {
    let mut harness = with_program(1);
    suspended(&mut harness, "ann");
    harness.tick_for(Duration::from_secs(25));
    assert!(!harness.runners[&1].is_killed());
    harness.tick();
    assert!(harness.runners[&1].is_killed());
}

#[test]
fn a_question_that_is_late_at_its_program_is_not_asked() {
    let mut harness = with_program(1);
    let number = harness.place_within(&request("ann"), Duration::from_secs(1));
    let asked = harness.only_asked();
    suspend(&mut harness, &asked);
    harness.sleep(Duration::from_secs(2));
    harness.runner(1, RunnerEvent::Late(asked.question.ticket));
    let (name, message) = harness.failure(number);
    assert_eq!((&*name, &*message), ("overloaded", "the deadline passed before its program's turn came"));
    assert_eq!((harness.front.owed(), harness.figure("whither_past_deadline_total")), (0, "1".to_owned()));
}

#[test]
fn a_question_that_is_late_for_one_and_not_for_another_is_asked_after_all() {
    let mut harness = with_program(1);
    let named = with(request("ann"), json!({"id": "x"}));
    harness.place_within(&named, Duration::from_secs(1));
    let asked = harness.only_asked();
    suspend(&mut harness, &asked);
    harness.place(&named);
    harness.sleep(Duration::from_secs(2));
    harness.runner(1, RunnerEvent::Late(asked.question.ticket));
    let again = harness.only_asked();
    assert_eq!((again.question.deadline_ms, heard(&again)), (None, None));
}

#[test]
fn a_request_that_is_called_off_at_its_program_takes_no_place() {
    let mut harness = with_program(1);
    let named = with(request("ann"), json!({"id": "x"}));
    let (number, asked) = harness.place_asked(&named);
    suspend(&mut harness, &asked);
    let cancel = harness.send(Verb::Cancel, &named);
    assert_eq!(harness.reply(cancel)["state"], "cancelled");
    harness.runner(1, RunnerEvent::Heard(asked.question.ticket, chose("a")));
    let again = harness.only_asked();
    harness.choose(&again, "a");
    assert_eq!(harness.failure(number).0, "cancelled");
    assert!(harness.reserved("a").is_empty());
}

#[test]
fn what_came_to_nothing_after_a_program_is_forgotten_by_the_runner() {
    let mut harness = with_program(1);
    let (number, asked) = harness.place_asked(&request("ann"));
    suspend(&mut harness, &asked);
    harness.runner(1, RunnerEvent::Heard(asked.question.ticket, chose("a")));
    let again = harness.only_asked();
    harness.runners[&1].orders::<runner::RunnerCommand>();
    harness.decide(&again, Outcome::Failed(Failure::new(FailureName::NoNode, "none")));
    assert_eq!(harness.failure(number).0, "no-node");
    harness.tick();
    let orders = harness.runners[&1].orders::<runner::RunnerCommand>();
    let decision = &asked.question.decision;
    let is_told = |order: &runner::RunnerCommand| matches!(order, runner::RunnerCommand::Change(Change::Release(id)) if id == decision);
    assert!(orders.iter().any(is_told), "{orders:?}");
}

#[test]
fn a_runner_that_cannot_be_started_leaves_a_note_until_one_is_there() {
    let mut harness = Harness::bare(setup_of(vec![program_chain(ACTION, 1)]));
    harness.starts = Starts::ByHand;
    let started = |harness: &mut Harness| {
        harness.take(|effect| if let Effect::StartRunner { number, .. } = effect { Some(*number) } else { None })
    };
    harness.tick();
    assert_eq!(started(&mut harness), [1]);
    harness.tell(FrontEvent::RunnerStarted(1, Err(std::io::Error::other("no memory"))));
    harness.tick_for(Duration::from_secs(1));
    assert_eq!(harness.health().notes, ["runner: it cannot be started: no memory"]);
    assert_eq!(started(&mut harness), [2], "it is tried again");
    harness.tell(FrontEvent::RunnerStarted(2, Ok(FakeProcess::new().link())));
    harness.tick_for(Duration::from_secs(1));
    assert_eq!(harness.health().notes, [] as [&str; 0]);
}

#[test]
fn without_programs_there_is_no_runner() {
    let mut harness = Harness::new(setup_of(vec![chain(ACTION)]), &["a"]);
    assert!(harness.runners.is_empty());
    harness.tell(FrontEvent::Reload(Box::new(setup_of(vec![program_chain(ACTION, 1)]))));
    assert_eq!(harness.runners.len(), 1, "a reload brings one");
}

#[test]
fn a_resident_program_that_ends_is_counted() {
    let mut harness = with_program(1);
    harness.runner(1, RunnerEvent::Ended(PROGRAM.into(), "it exited with code 3".into()));
    harness.runner(1, RunnerEvent::Logged(PROGRAM.into(), "a line".into()));
    harness.runner(9, RunnerEvent::Ended(PROGRAM.into(), "it exited with code 3".into()));
    assert_eq!(harness.figure("whither_resident_ends_total{script=\"pick\"}"), "1");
}

#[test]
fn a_question_is_gone_on_with_by_the_chains_that_it_began_with() {
    let mut harness = with_program(1);
    let (number, ticket) = suspended(&mut harness, "ann");
    errands(&mut harness, 1);
    harness.tell(FrontEvent::Reload(Box::new(setup_of(vec![program_chain(ACTION, 1)]))));
    harness.runner(1, RunnerEvent::Heard(ticket, chose("a")));
    let again = harness.only_asked();
    assert_eq!(again.worker, 1, "the old worker");
    harness.choose(&again, "a");
    assert_eq!(harness.reply(number)["node"], "a");
    harness.tick();
    assert!(harness.workers[&1].is_retired());
}

#[test]
fn nobody_begins_anew_where_a_program_was_asked_under_an_older_configuration() {
    let mut harness = with_program(1);
    let (number, ticket) = suspended(&mut harness, "ann");
    harness.tell(FrontEvent::Reload(Box::new(setup_of(vec![program_chain(ACTION, 1)]))));
    harness.runner(1, RunnerEvent::Heard(ticket, chose("a")));
    assert_eq!(harness.only_asked().worker, 1);
    harness.end(1, crashed());
    let (name, message) = harness.failure(number);
    assert_eq!(name, "internal");
    assert!(message.starts_with("the configuration changed while its program ran"), "{message}");
}

#[test]
fn a_reload_that_ends_the_turns_lets_everybody_go() {
    let mut harness = with_program(1);
    let (_, one) = suspended(&mut harness, "ann");
    let (_, two) = suspended(&mut harness, "bob");
    let (_, three) = suspended(&mut harness, "eve");
    assert_eq!(errands(&mut harness, 1), [one]);
    let mut free = program_chain(ACTION, 1);
    free.reserve = false;
    harness.tell(FrontEvent::Reload(Box::new(Setup { workers: 1, ..setup_of(vec![free]) })));
    harness.runner(1, RunnerEvent::Heard(one, chose("a")));
    let again = harness.only_asked();
    harness.choose(&again, "a");
    assert_eq!(errands(&mut harness, 1), [two, three]);
}

#[test]
fn a_question_whose_choices_are_always_taken_is_asked_the_last_time_with_nobody_beside_it() {
    let setup = Setup { retries: 0, ..setup_of(vec![program_chain(ACTION, 2)]) };
    let mut harness = Harness::new(setup, &["a", "b"]);
    let (first, one) = suspended(&mut harness, "ann");
    let (second, two) = suspended(&mut harness, "bob");
    let (_, three) = suspended(&mut harness, "eve");
    assert_eq!(errands(&mut harness, 1), [one, two]);
    for ticket in [one, two] {
        harness.runner(1, RunnerEvent::Heard(ticket, chose("a")));
        let again = harness.only_asked();
        harness.choose(&again, "a");
    }
    harness.reply(first);
    harness.no_reply(second);
    assert_eq!(errands(&mut harness, 1), [three], "whose turn had come");
    let again = harness.only_asked();
    suspend(&mut harness, &again);
    assert_eq!(errands(&mut harness, 1), NO_TICKETS, "not beside another one");
    harness.runner(1, RunnerEvent::Heard(three, chose("a")));
    let other = harness.only_asked();
    harness.choose(&other, "a");
    assert_eq!(errands(&mut harness, 1), [two]);
    harness.runner(1, RunnerEvent::Heard(two, chose("a")));
    let again = harness.only_asked();
    harness.choose(&again, "a");
    assert_eq!(harness.reply(second)["node"], "a");
}

#[test]
fn a_choice_that_reserves_nothing_is_forgotten_by_the_runner() {
    let mut harness = Harness::new(setup_of(vec![program_chain("user/login", 1)]), &["a"]);
    let (number, asked) = harness.place_asked(&with(request("ann"), json!({"action": "user/login"})));
    suspend(&mut harness, &asked);
    harness.runner(1, RunnerEvent::Heard(asked.question.ticket, chose("a")));
    let again = harness.only_asked();
    harness.runners[&1].orders::<runner::RunnerCommand>();
    harness.choose(&again, "a");
    assert_eq!(harness.reply(number)["node"], "a");
    harness.tick();
    let orders = harness.runners[&1].orders::<runner::RunnerCommand>();
    assert!(matches!(&orders[..], [runner::RunnerCommand::Change(Change::Release(_))]), "{orders:?}");
}

#[test]
fn a_change_of_the_cluster_reaches_the_runner_before_the_questions_after_it() {
    let mut harness = with_program(1);
    harness.tick();
    harness.runners[&1].orders::<runner::RunnerCommand>();
    harness.change(Change::Remove("b".into()));
    suspended(&mut harness, "ann");
    let orders = harness.runners[&1].orders::<runner::RunnerCommand>();
    assert!(
        matches!(&orders[..], [runner::RunnerCommand::Change(Change::Remove(_)), runner::RunnerCommand::Run(_)]),
        "{orders:?}"
    );
}

#[test]
fn a_question_that_is_decided_anew_after_its_claim_gives_its_turn_back() {
    let chain = ChainSpec { strict: true, ..program_chain(ACTION, 2) };
    let setup = Setup { is_strict: true, ..setup_of(vec![chain]) };
    let mut harness = Harness::with_nodes(setup, [report("a", Some(1), &[]), report("b", Some(3), &[])]);
    let (_, asked) = harness.place_asked(&request("ann"));
    suspend(&mut harness, &asked);
    assert_eq!(errands(&mut harness, 1), [asked.question.ticket]);
    harness.runner(1, RunnerEvent::Heard(asked.question.ticket, chose("a")));
    let again = harness.only_asked();
    harness.choose(&again, "a");
    harness.change(Change::Mark("a".into(), Marks { cordoned: true, ..Marks::default() }));
    harness.tell(FrontEvent::Claimed(again.question.ticket, Ok(Claimed::Won)));
    let anew = harness.only_asked();
    suspend(&mut harness, &anew);
    assert_eq!(errands(&mut harness, 1), [anew.question.ticket]);
    let (_, other) = suspended(&mut harness, "bob");
    assert_eq!(errands(&mut harness, 1), [other], "two may have a turn, and one of them has none any more");
}
