//! Tests that a program is asked once, also where the runner dies.

use super::*;
use crate::chain::{ChainSet, ChainSpec};
use crate::model::Change;
use crate::runner::ProgramLimits;
use crate::worker::PlacementQuestion;

use super::super::testing::{ACTION, FakeProcess, NO_TICKETS, TICK, chain, program_chain};

/// A client with a runner, and the time.
struct Bureau {
    client: RunnerClient,
    process: FakeProcess,
    now: Instant,
}

impl Bureau {
    /// A client of a configuration with one program, whose runner is there.
    fn new() -> Self {
        let mut bureau = Self { client: RunnerClient::default(), process: FakeProcess::new(), now: Instant::now() };
        bureau.client.publish(edition(1, &[program_chain(ACTION, 1)]), 1);
        bureau.start();
        bureau
    }

    fn start(&mut self) -> u64 {
        assert!(self.client.is_short(self.now));
        let number = self.client.start();
        assert!(!self.client.is_short(self.now), "one is on its way");
        self.process = FakeProcess::new();
        self.client.started(number, Ok(self.process.link()), Orders::default, self.now).unwrap();
        number
    }

    fn ask(&mut self, tickets: &[Ticket]) {
        tickets.iter().for_each(|ticket| self.client.ask(errand(*ticket)));
    }

    /// Sends the waiting commands; returns the tickets of the questions among them.
    fn sent(&mut self) -> Vec<Ticket> {
        self.client.send(true);
        let orders = self.process.orders::<RunnerCommand>().into_iter().filter_map(|order| match order {
            RunnerCommand::Run(errand) => Some(errand.question.ticket),
            RunnerCommand::Change(_) | RunnerCommand::Edition(_) => None,
        });
        orders.collect()
    }

    /// Lets the runner exit; returns the questions that come back.
    fn lose(&mut self) -> Vec<Ticket> {
        self.client.lost(self.now).iter().map(|returned| returned.ticket).collect()
    }

    /// Returns the time in milliseconds until another runner may be started.
    fn pause_ms(&mut self) -> u64 {
        let is_short = |ms: &u64| self.client.is_short(self.now + Duration::from_millis(*ms));
        let pause_ms = (0..10_000).find(is_short).unwrap();
        self.now += Duration::from_millis(pause_ms);
        pause_ms
    }
}

fn edition(number: u64, chains: &[ChainSpec]) -> ProgramSet {
    ProgramSet::of(number, &ChainSet::new(chains.to_vec()), Vec::new(), ProgramLimits::default())
}

fn errand(ticket: Ticket) -> ProgramQuestion {
    let (question, suspended) = (Arc::new(PlacementQuestion::empty(ticket)), Bytes::from_static(b"so far"));
    ProgramQuestion { edition: 1, step: 2, question, suspended }
}

#[test]
fn without_programs_nobody_is_started() {
    let mut client = RunnerClient::default();
    let now = Instant::now();
    assert!(!client.is_short(now));
    client.publish(edition(1, &[chain(ACTION)]), 1);
    assert!(!client.is_short(now), "a chain of scripts needs none");
    client.publish(edition(2, &[program_chain(ACTION, 1)]), 2);
    assert!(client.is_short(now));
}

#[test]
fn a_question_is_asked_once_and_comes_back_with_what_its_decision_stood_at() {
    let mut bureau = Bureau::new();
    bureau.ask(&[1, 2]);
    assert_eq!((bureau.sent(), bureau.client.len()), (vec![1, 2], 2));
    assert_eq!(bureau.sent(), NO_TICKETS);
    let returned = bureau.client.close(1).unwrap();
    assert_eq!((returned.ticket, returned.step, &returned.suspended[..]), (1, 2, &b"so far"[..]));
    assert!(bureau.client.close(1).is_none());
    assert_eq!(bureau.client.len(), 1);
}

#[test]
fn what_was_being_asked_fails_and_the_rest_is_asked_of_the_next_runner() {
    let mut bureau = Bureau::new();
    bureau.ask(&[1, 2, 3]);
    bureau.sent();
    bureau.client.asking(&[1, 3, 9]);
    let old = bureau.process.clone();
    assert_eq!(bureau.lose(), [1, 3], "their programs may have done what they do");
    assert!(old.is_buried(), "what the runner left behind is ended");
    bureau.pause_ms();
    bureau.start();
    assert_eq!(bureau.sent(), [2]);
    bureau.lose();
    bureau.pause_ms();
    bureau.start();
    assert_eq!(bureau.sent(), [2], "as often as it takes");
}

#[test]
fn what_is_asked_while_there_is_no_runner_waits_for_one() {
    let mut bureau = Bureau::new();
    bureau.lose();
    bureau.ask(&[1]);
    bureau.client.send(true);
    bureau.pause_ms();
    bureau.start();
    assert_eq!(bureau.sent(), [1], "once, although it was asked before the runner was there");
}

#[test]
fn pauses_grow_until_a_question_comes_back() {
    let mut bureau = Bureau::new();
    let mut pauses = Vec::new();
    for _ in 0..8 {
        bureau.lose();
        pauses.push(bureau.pause_ms());
        bureau.start();
    }
    assert_eq!(pauses, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
    bureau.ask(&[1]);
    bureau.client.close(1);
    bureau.lose();
    assert_eq!(bureau.pause_ms(), 100);
}

#[test]
fn a_runner_that_cannot_be_started_is_tried_again_after_a_pause() {
    let mut client = RunnerClient::default();
    let now = Instant::now();
    client.publish(edition(1, &[program_chain(ACTION, 1)]), 1);
    let number = client.start();
    let failed = client.started(number, Err(io::Error::other("no memory")), Orders::default, now);
    assert_eq!(failed.unwrap_err().to_string(), "no memory");
    assert!(!client.is_short(now) && client.is_short(now + FIRST_PAUSE));
    assert!(!client.is_held_by(number));
}

#[test]
fn word_of_another_runner_is_not_the_present_ones() {
    let mut bureau = Bureau::new();
    assert!(bureau.client.is_held_by(1) && !bureau.client.is_held_by(2));
    let stranger = FakeProcess::new();
    bureau.client.started(7, Ok(stranger.link()), Orders::default, bureau.now).unwrap();
    assert!(bureau.client.is_held_by(1), "nobody wanted that one");
    bureau.lose();
    assert!(!bureau.client.is_held_by(1));
}

#[test]
fn a_runner_is_told_of_the_cluster_and_of_the_programs_before_the_questions() {
    let mut bureau = Bureau::new();
    bureau.lose();
    bureau.ask(&[1]);
    bureau.pause_ms();
    let number = bureau.client.start();
    let process = FakeProcess::new();
    let snapshot = || {
        let mut orders = Orders::default();
        orders.push(&RunnerCommand::Change(Change::Remove("a".into())));
        orders
    };
    bureau.client.started(number, Ok(process.link()), snapshot, bureau.now).unwrap();
    bureau.client.enqueue(&Encoded::new(&RunnerCommand::Change(Change::Remove("b".into()))));
    bureau.client.send(false);
    let orders = process.orders::<RunnerCommand>();
    let kinds = [RunnerCommand::Change(Change::Remove("a".into())), RunnerCommand::Edition(edition(1, &[]).into())];
    assert!(
        matches!((&orders[0], &kinds[0]), (RunnerCommand::Change(one), RunnerCommand::Change(other)) if one == other)
    );
    assert!(matches!(&orders[1], RunnerCommand::Edition(edition) if edition.number == 1));
    assert!(matches!(&orders[2], RunnerCommand::Run(errand) if errand.question.ticket == 1));
    assert!(matches!(&orders[3], RunnerCommand::Change(Change::Remove(id)) if &**id == "b"));
}

#[test]
fn editions_that_nobody_decides_by_are_forgotten() {
    let mut bureau = Bureau::new();
    bureau.client.publish(edition(2, &[chain(ACTION)]), 1);
    let numbers = |bureau: &mut Bureau| {
        bureau.lose();
        bureau.pause_ms();
        bureau.start();
        bureau.client.send(true);
        let orders = bureau.process.orders::<RunnerCommand>().into_iter();
        let editions =
            orders.filter_map(|order| if let RunnerCommand::Edition(one) = order { Some(one.number) } else { None });
        editions.collect::<Vec<_>>()
    };
    assert_eq!(numbers(&mut bureau), [1, 2]);
    bureau.client.publish(edition(3, &[program_chain(ACTION, 1)]), 3);
    assert_eq!(numbers(&mut bureau), [3]);
}

#[test]
fn a_runner_is_not_woken_for_little_but_for_a_question() {
    let mut bureau = Bureau::new();
    bureau.client.send(true);
    bureau.process.orders::<RunnerCommand>();
    let removal = |length| Encoded::new(&RunnerCommand::Change(Change::Remove("x".repeat(length).into())));
    let sent = |bureau: &mut Bureau| {
        bureau.client.send(false);
        bureau.process.orders::<RunnerCommand>().len()
    };
    bureau.client.enqueue(&removal(1));
    assert_eq!(sent(&mut bureau), 0);
    bureau.ask(&[1]);
    assert_eq!(sent(&mut bureau), 2);
    bureau.client.enqueue(&removal(LAZY_BYTES));
    assert_eq!(sent(&mut bureau), 1);
    bureau.client.enqueue(&removal(1));
    bureau.client.send(true);
    assert_eq!(bureau.process.orders::<RunnerCommand>().len(), 1);
}

#[test]
fn a_question_that_did_not_fit_is_sent_as_soon_as_there_is_room() {
    let mut bureau = Bureau::new();
    bureau.client.send(true);
    bureau.process.orders::<RunnerCommand>();
    bureau.process.set_room(0);
    bureau.ask(&[1]);
    bureau.client.send(false);
    bureau.process.set_room(usize::MAX);
    bureau.client.send(false);
    assert_eq!(bureau.process.orders::<RunnerCommand>().len(), 1);
}

#[test]
fn a_runner_that_owes_answers_is_killed_when_it_is_silent_for_longer_than_any_program() {
    let mut bureau = Bureau::new();
    let longest = Duration::from_millis(u64::from(ProgramLimits::default().wall_ms)) + PATIENCE;
    let ticks = (longest.as_millis() / TICK.as_millis()) as u32;
    assert!((0..2 * ticks).all(|_| !bureau.client.kill_if_silent(TICK)), "it owes nothing");
    bureau.ask(&[1]);
    assert!((0..ticks).all(|_| !bureau.client.kill_if_silent(TICK)));
    bureau.client.note_frame();
    assert!((0..ticks).all(|_| !bureau.client.kill_if_silent(TICK)), "it said something");
    assert!(bureau.client.kill_if_silent(TICK) && bureau.process.is_killed());
}

#[test]
fn a_program_with_more_time_of_its_own_keeps_the_runner_alive_for_longer() {
    let mut bureau = Bureau::new();
    let mut slow = program_chain(ACTION, 1);
    if let StepSource::Executable(program) = &mut slow.steps[0].source {
        program.wall_ms = Some(60_000);
    }
    bureau.client.publish(edition(2, &[slow]), 2);
    bureau.ask(&[1]);
    let until_killed = (0..10_000_u32).find(|_| bureau.client.kill_if_silent(TICK)).unwrap();
    assert_eq!(until_killed * TICK, Duration::from_secs(75));
}

#[test]
fn a_runner_that_is_retired_is_not_buried() {
    let mut bureau = Bureau::new();
    bureau.client.retire();
    assert!(bureau.process.is_retired() && !bureau.process.is_buried());
    bureau.client.retire();
}
