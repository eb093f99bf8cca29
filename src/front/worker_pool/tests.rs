//! Tests of the pool: which worker decides for which chain, while workers die, are replaced, and hand over.

use std::collections::BTreeMap;

use super::*;
use crate::chain::ChainSpec;
use crate::worker::protocol::CompileProblem;
use crate::worker::{Ticket, WorkerCommand};

use super::super::pending_request::PendingStage;
use super::super::testing::{
    ACTION, FakeProcess, LOGIN, NO_TICKETS, TICK, chain, crashed, killed, pending, setup, setup_of,
};

/// A pool whose workers start as soon as they are wanted, unless a test delays them.
struct Works {
    pool: WorkerPool,
    requests: Requests,
    processes: BTreeMap<u64, FakeProcess>,
    now: Instant,
}

impl Works {
    fn new(setup: Setup) -> Self {
        let (requests, processes) = (Requests::default(), BTreeMap::new());
        let mut works = Self { pool: WorkerPool::new(setup), requests, processes, now: Instant::now() };
        works.staff();
        works
    }

    /// Starts the workers that are missing; returns their numbers.
    fn start(&mut self) -> Vec<u64> {
        let effects = self.pool.start((&Orders::default(), 0), self.now);
        let numbers = effects.iter().map(|effect| match effect {
            Effect::StartWorker { number, .. } => *number,
            other => panic!("{other:?}"),
        });
        numbers.collect()
    }

    fn born(&mut self, number: u64) {
        let process = FakeProcess::new();
        self.pool.started(number, Ok(process.ready()), self.now).unwrap();
        self.processes.insert(number, process);
    }

    /// Starts the workers that are missing, and lets them take the open slots; returns the slots that were taken.
    fn staff(&mut self) -> Vec<usize> {
        let mut taken = Vec::new();
        while self.pool.is_short(self.now) {
            self.start().into_iter().for_each(|number| self.born(number));
            taken.extend(self.pool.fill_slots().iter().map(|taken| taken.slot));
        }
        taken.extend(self.pool.fill_slots().iter().map(|taken| taken.slot));
        taken
    }

    fn submit(&mut self, action: &str, ticket: Ticket) -> bool {
        self.requests.put(pending(ticket), PendingStage::Queued);
        self.pool.submit(action, ticket)
    }

    /// Asks all that can be asked; returns the tickets by worker.
    fn asked(&mut self) -> BTreeMap<u64, Vec<Ticket>> {
        assert_eq!(self.pool.pump(true, &mut self.requests, |_| false), NO_TICKETS);
        let asked = self.processes.iter().map(|(number, process)| (*number, process.tickets()));
        asked.filter(|(_, tickets)| !tickets.is_empty()).collect()
    }

    fn lose(&mut self, number: u64, ended: &ProcessEnd) {
        let (_, slot) = self.pool.slot_of(number).unwrap();
        assert_eq!(slot.lost(ended), None);
    }

    fn answered(&mut self, number: u64, ticket: Ticket) {
        assert!(self.pool.slot_of(number).unwrap().1.answered(ticket));
    }
}

fn two_chains() -> Setup {
    setup_of(vec![chain(ACTION), chain(LOGIN)])
}

#[test]
fn each_slot_gets_a_worker_and_one_more_is_kept_in_store() {
    let mut works = Works { pool: WorkerPool::new(two_chains()), ..Works::new(setup()) };
    assert!(works.pool.is_short(works.now) && !works.pool.is_ready());
    assert_eq!(works.start(), [1, 2, 3]);
    assert!(!works.pool.is_short(works.now), "they are on their way");
    works.born(1);
    assert_eq!(works.staff(), [0]);
    assert!(!works.pool.is_ready(), "a chain has no worker yet");
    works.born(3);
    assert_eq!(works.staff(), [1]);
    assert!(works.pool.is_ready() && works.pool.slot_count() == 2);
    works.born(2);
    assert_eq!(works.staff(), [] as [usize; 0], "the third is the spare");
}

#[test]
fn a_spare_takes_a_vacancy_at_once_and_another_one_is_started() {
    let mut works = Works::new(setup());
    works.lose(1, &crashed());
    assert!(!works.pool.is_ready(), "the only slot is empty");
    let taken = works.pool.fill_slots();
    assert_eq!((taken.len(), taken[0].slot, taken[0].recycled), (1, 0, false));
    assert!(works.pool.is_ready() && works.pool.slot_of(2).is_some() && works.pool.slot_of(1).is_none());
    assert_eq!(works.start(), [3]);
}

#[test]
fn a_service_with_a_vacancy_is_ready_while_another_slot_has_its_worker() {
    let mut works = Works::new(two_chains());
    works.lose(1, &crashed());
    assert!(works.pool.is_ready());
}

#[test]
fn a_tired_worker_is_relieved_when_it_is_idle() {
    let mut works = Works::new(Setup { recycle_requests: 1, ..setup() });
    works.submit(ACTION, 1);
    works.submit(ACTION, 2);
    assert_eq!(works.asked(), BTreeMap::from([(1, vec![1, 2])]));
    works.answered(1, 1);
    works.pool.tire(0);
    assert_eq!(works.staff(), [] as [usize; 0], "it holds a question");
    works.answered(1, 2);
    let taken = works.pool.fill_slots();
    assert_eq!((taken.len(), taken[0].recycled), (1, true));
    assert!(works.processes[&1].is_retired());
}

#[test]
fn requests_of_a_chain_are_spread_over_its_slots() {
    let chain = ChainSpec { workers: Some(2), ..chain(ACTION) };
    let mut works = Works::new(setup_of(vec![chain]));
    (1..=4).for_each(|ticket| assert!(works.submit(ACTION, ticket)));
    assert_eq!(works.asked(), BTreeMap::from([(1, vec![1, 3]), (2, vec![2, 4])]));
    works.answered(2, 2);
    works.submit(ACTION, 5);
    assert_eq!(works.asked(), BTreeMap::from([(2, vec![5])]), "the slot with the fewest");
    assert!(!works.submit("no/chain", 6));
}

#[test]
fn a_chain_that_hangs_holds_up_no_other_one() {
    let mut works = Works::new(two_chains());
    works.submit(ACTION, 1);
    works.asked();
    works.submit(LOGIN, 2);
    assert_eq!(works.asked(), BTreeMap::from([(2, vec![2])]));
    works.answered(2, 2);
    assert_eq!([works.pool.chains(0), works.pool.chains(1)], [[ACTION.into()], [LOGIN.into()]]);
}

#[test]
fn all_are_told_but_the_one_who_knows() {
    let mut works = Works::new(two_chains());
    let removal = WorkerCommand::Change(Change::Remove("a".into()));
    works.pool.broadcast(&Encoded::new(&removal), Some(0));
    works.pool.pump(true, &mut works.requests, |_| false);
    let told = |works: &Works| {
        works.processes.values().map(|process| process.orders::<WorkerCommand>().len()).collect::<Vec<_>>()
    };
    assert_eq!(told(&works), [0, 1, 1], "the spare too");
    works.pool.undo(1, Change::Release("r".into()));
    works.pool.pump(true, &mut works.requests, |_| false);
    assert_eq!(told(&works), [0, 1, 0]);
}

#[test]
fn a_choice_is_told_to_those_who_decide_for_the_same_chain() {
    let many = ChainSpec { workers: Some(2), ..chain(ACTION) };
    let mut works = Works::new(setup_of(vec![many, chain(LOGIN)]));
    let slots: Vec<_> = (0..3).filter(|slot| works.pool.chains(*slot) == [ACTION.into()]).collect();
    works.pool.send_to_slots_of(ACTION, &WorkerCommand::Recall(ACTION.into(), "a".into()), slots[0]);
    works.pool.pump(true, &mut works.requests, |_| false);
    let told: Vec<_> =
        works.processes.iter().filter(|(_, process)| !process.orders::<WorkerCommand>().is_empty()).collect();
    assert_eq!(told.len(), 1);
    assert_eq!(works.pool.slot_of(*told[0].0).unwrap().0, slots[1]);
}

#[test]
fn a_reload_takes_over_when_each_slot_has_its_worker() {
    let mut works = Works::new(setup());
    (1..=2).for_each(|ticket| assert!(works.submit(ACTION, ticket)));
    works.asked();
    works.pool.prepare(two_chains());
    assert_eq!(works.start(), [3, 4]);
    works.born(4);
    assert!(works.pool.take_over(&works.requests).is_none(), "one of two is there");
    assert!(works.pool.setup().birth.set.get(LOGIN).is_none(), "the old configuration is in force");
    works.born(3);
    assert_eq!(works.pool.take_over(&works.requests), Some(Vec::new()));
    assert!(works.pool.setup().birth.set.get(LOGIN).is_some());
    assert_eq!((works.pool.edition(), works.pool.oldest_edition()), (2, 1));
    assert!(works.processes[&2].is_retired(), "the old spare is of no use any more");
    assert_eq!(works.staff(), [0, 1]);
    assert!(works.pool.is_ready() && !works.processes[&1].is_retired(), "the old worker still owes answers");
}

#[test]
fn waiting_requests_move_and_asked_ones_are_answered_by_the_old_worker() {
    let mut works = Works::new(setup());
    works.submit(ACTION, 1);
    works.asked();
    works.submit(ACTION, 2);
    works.pool.prepare(setup());
    let started = works.start();
    works.born(started[0]);
    assert_eq!(works.pool.take_over(&works.requests), Some(vec![2]));
    works.pool.submit(ACTION, 2);
    works.staff();
    let asked = works.asked();
    assert_eq!(asked.values().collect::<Vec<_>>(), [&vec![2]]);
    assert!(!asked.contains_key(&1), "the new worker is asked");
    works.answered(1, 1);
    assert!(!works.processes[&1].is_retired());
    works.staff();
    assert!(works.processes[&1].is_retired(), "all that it was asked is answered");
    assert_eq!(works.pool.oldest_edition(), 2);
}

#[test]
fn what_an_old_worker_leaves_behind_when_it_dies_is_asked_of_the_new_one() {
    let mut works = Works::new(setup());
    works.submit(ACTION, 1);
    works.asked();
    works.pool.prepare(setup());
    let started = works.start();
    works.born(started[0]);
    works.pool.take_over(&works.requests);
    works.staff();
    assert_eq!(works.pool.strays(), NO_TICKETS);
    works.lose(1, &killed());
    assert_eq!(works.pool.strays(), [1]);
    assert_eq!(works.pool.strays(), NO_TICKETS, "each once");
}

#[test]
fn a_setup_that_does_not_compile_is_given_up() {
    let problem =
        CompileProblem { action: ACTION.into(), step: "pick.js".into(), message: "a slip".into(), position: None };
    let hopeless =
        [BirthError::Refused(vec![problem]), BirthError::Died(Some("pick.js".into()), "ran out of memory".into())];
    for error in hopeless {
        let mut works = Works::new(setup());
        works.pool.prepare(two_chains());
        let started = works.start();
        works.born(started[0]);
        assert!(works.pool.started(started[1], Err(error), works.now).is_err());
        assert!(works.processes[&started[0]].is_retired(), "whoever was there is let go");
        works.now += Duration::from_secs(60);
        assert!(!works.pool.is_short(works.now), "nobody tries that again");
        assert!(works.pool.take_over(&works.requests).is_none());
        assert!(works.pool.is_ready(), "the old configuration goes on");
    }
}

#[test]
fn a_worker_of_the_next_setup_that_could_not_be_started_is_tried_again() {
    let mut works = Works::new(setup());
    works.pool.prepare(setup());
    let started = works.start();
    let error = BirthError::Died(None, "was ended by signal 9".into());
    assert!(works.pool.started(started[0], Err(error), works.now).is_err());
    assert!(!works.pool.is_short(works.now), "not at once");
    works.now += Duration::from_millis(100);
    let again = works.start();
    works.born(again[0]);
    assert!(works.pool.take_over(&works.requests).is_some());
}

#[test]
fn a_second_reload_replaces_the_first() {
    let mut works = Works::new(setup());
    works.pool.prepare(two_chains());
    let first = works.start();
    works.born(first[0]);
    works.pool.prepare(setup());
    assert!(works.processes[&first[0]].is_retired());
    works.pool.started(first[1], Ok(FakeProcess::new().ready()), works.now).unwrap();
    assert!(works.pool.take_over(&works.requests).is_none(), "a worker of the first one is of no use");
    let second = works.start();
    works.born(second[0]);
    assert!(works.pool.take_over(&works.requests).is_some());
    assert!(works.pool.setup().birth.set.get(LOGIN).is_none());
}

#[test]
fn a_request_at_a_program_goes_back_to_the_slot_that_it_came_from() {
    let mut works = Works::new(setup());
    works.submit(ACTION, 1);
    works.asked();
    works.pool.slot_of(1).unwrap().1.park(1);
    works.pool.prepare(setup());
    let started = works.start();
    works.born(started[0]);
    works.pool.take_over(&works.requests);
    works.staff();
    assert!(works.pool.unpark(1) && !works.pool.unpark(1));
    assert_eq!(works.asked(), BTreeMap::from([(1, vec![1])]), "only a worker of the same chains can go on with it");
    works.pool.slot_of(1).unwrap().1.park(1);
    works.pool.drop_parked(1);
    assert!(!works.pool.unpark(1));
    works.staff();
    assert!(works.processes[&1].is_retired());
}

#[test]
fn a_spare_that_ends_is_replaced() {
    let mut works = Works::new(setup());
    works.pool.gone(2, &killed(), works.now);
    assert_eq!(works.start(), [3]);
    works.pool.prepare(setup());
    let next = works.start();
    works.born(next[0]);
    works.pool.gone(next[0], &killed(), works.now);
    assert!(works.pool.take_over(&works.requests).is_none());
    assert_eq!(works.start().len(), 1);
}

#[test]
fn a_worker_is_killed_when_it_is_silent_for_longer_than_its_slowest_chain_may_take() {
    let mut works = Works::new(two_chains());
    works.submit(LOGIN, 1);
    works.asked();
    let slowest = |chain: &ChainSpec| if &*chain.action == LOGIN { 3 * TICK } else { 100 * TICK };
    assert!((0..3).all(|_| works.pool.kill_silent(TICK, slowest).is_empty()));
    assert_eq!(works.pool.kill_silent(TICK, slowest), [3 * TICK]);
    assert!(works.processes[&2].is_killed() && !works.processes[&1].is_killed());
}

#[test]
fn what_workers_found_is_told_once() {
    let mut works = Works::new(setup_of(vec![ChainSpec { workers: Some(2), ..chain(ACTION) }]));
    for number in [1, 2] {
        works.lose(number, &killed());
    }
    works.pool.fill_slots();
    let started = works.start();
    for number in started {
        let (lacks, remarks) = (vec!["no seccomp".to_owned()], vec!["a slip".to_owned()]);
        let ready = NewWorker { lacks, remarks, ..FakeProcess::new().ready() };
        works.pool.started(number, Ok(ready), works.now).unwrap();
    }
    works.pool.fill_slots();
    assert_eq!(works.pool.lacks(), ["no seccomp"]);
    assert!(works.pool.remarks().iter().all(|remark| remark == "a slip") && !works.pool.remarks().is_empty());
}
