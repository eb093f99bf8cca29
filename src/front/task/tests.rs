//! Tests of events and time on the front as a whole: stops, reloads, deaths, ends of reservations.

use serde_json::json;

use super::*;
use crate::chain::ChainSpec;
use crate::ipc::ProcessEnd;
use crate::model::{Change, Marks};
use crate::worker::{BirthError, WaitingDecision};

use super::super::testing::{
    ACTION, Asked, FakeProcess, FakeView, Harness, LOGIN, STEP, Starts, chain, crashed, killed, overrun, program_chain,
    report, request, running, setup, setup_of, with,
};
use super::super::ticks::RESERVATION_BYTES;
use super::settling::LAST_ANSWERS;

#[test]
fn a_stopping_front_is_done_when_everything_is_answered() {
    let mut harness = Harness::new(setup(), &["a"]);
    let (number, asked) = harness.place_asked(&request("ann"));
    assert!(!harness.front.is_done());
    harness.tell(FrontEvent::Stop);
    assert!(!harness.front.is_done(), "it owes an answer");
    assert!(!harness.health().ready, "no more requests are to come");
    let said = harness.said();
    assert!(said.iter().any(|message| message.leaving), "the others hand nothing on to this replica: {said:?}");
    harness.choose(&asked, "a");
    assert_eq!(harness.reply(number)["node"], "a");
    assert!(harness.front.is_done());
}

#[test]
fn a_stopping_front_waits_for_answers_only_so_long() {
    let mut harness = Harness::new(setup(), &["a"]);
    harness.place_asked(&request("ann"));
    harness.tell(FrontEvent::Stop);
    harness.pass(LAST_ANSWERS);
    assert!(!harness.front.is_done());
    harness.pass(Duration::from_millis(1));
    assert!(harness.front.is_done());
}

#[test]
fn a_front_that_closes_answers_everybody_whatever_the_stage() {
    let mut harness = Harness::new(setup_of(vec![chain(ACTION), program_chain(LOGIN, 1)]), &["a"]);
    let (waits, asked) = harness.place_asked(&with(request("ann"), json!({"wait_ms": 60_000})));
    harness.find_none(&asked);
    let (asked_of, asked) = harness.place_asked(&request("bob"));
    harness.worker(asked.worker, WorkerEvent::Overrun(overrun(running(99, STEP, None))));
    let queued = harness.place(&request("eve"));
    let (at_program, asked) = harness.place_asked(&with(request("ann"), json!({"action": LOGIN})));
    let waiting = WaitingDecision { ticket: asked.question.ticket, step: 0, suspended: "".into(), taken: None };
    harness.worker(asked.worker, WorkerEvent::Waiting(waiting));
    harness.tell(FrontEvent::StoodStill(Duration::from_secs(9)));
    let held_back = harness.place(&request("ann"));
    assert_eq!((harness.stages(), harness.front.owed()), ([1, 1, 1, 0, 1, 0], 5));
    harness.front.close();
    harness.tell(FrontEvent::Marked("a".into(), Marks::default()));
    for number in [waits, asked_of, queued, at_program, held_back] {
        assert_eq!(harness.failure(number), ("internal".into(), "the service is stopping".into()));
    }
    assert!(harness.front.owed() == 0 && harness.runners[&1].is_retired());
}

#[test]
fn a_worker_that_dies_is_replaced_and_its_questions_are_asked_again() {
    let mut harness = Harness::new(setup(), &["a"]);
    let (number, asked) = harness.place_asked(&request("ann"));
    harness.end(1, crashed());
    let again = harness.only_asked();
    assert_eq!((again.worker, again.question.ticket), (2, asked.question.ticket));
    assert!(again.question.narrated, "it was asked when the worker died");
    harness.choose(&asked, "a");
    harness.no_reply(number);
    harness.choose(&again, "a");
    assert_eq!(harness.reply(number)["node"], "a");
    assert_eq!((harness.figure("whither_worker_deaths_total"), harness.workers.len()), ("1".into(), 3));
}

#[test]
fn a_silent_worker_is_killed_after_what_its_chain_may_take() {
    let mut harness = Harness::new(setup(), &["a"]);
    harness.place_asked(&request("ann"));
    let limit = harness.front.workers.setup().birth.limits.chain_wall(&chain(ACTION), 1);
    harness.tick_for(limit);
    assert!(!harness.workers[&1].is_killed());
    harness.worker(1, WorkerEvent::Reading);
    harness.tick_for(limit);
    assert!(!harness.workers[&1].is_killed(), "a worker that reads is not silent");
    harness.tick_for(Duration::from_millis(300));
    assert!(harness.workers[&1].is_killed() && !harness.workers[&2].is_killed());
}

#[test]
fn a_worker_that_has_decided_enough_is_replaced() {
    let mut harness = Harness::new(Setup { recycle_requests: 3, ..setup() }, &["a"]);
    (0..3).for_each(|_| drop(harness.placed("ann", "a")));
    harness.tick_for(Duration::from_secs(1));
    assert!(harness.workers[&1].is_retired());
    assert_eq!(harness.figure("whither_recycled_workers_total"), "1");
    let (_, asked) = harness.place_asked(&request("ann"));
    assert_eq!(asked.worker, 2);
}

#[test]
fn a_worker_may_grow_with_the_cluster_that_it_mirrors() {
    let mut harness = Harness::new(Setup { recycle_bytes: 1000, ..setup() }, &["a"]);
    harness.workers[&1].set_memory(1 << 20);
    harness.tick_for(Duration::from_secs(1));
    (0..100).for_each(|_| drop(harness.placed("ann", "a")));
    harness.workers[&1].set_memory((1 << 20) + 100 * RESERVATION_BYTES);
    harness.tick_for(Duration::from_secs(1));
    assert!(!harness.workers[&1].is_retired(), "a hundred reservations take that");
    harness.workers[&1].set_memory((1 << 20) + 100 * RESERVATION_BYTES + 1000);
    harness.tick_for(Duration::from_secs(1));
    assert!(harness.workers[&1].is_retired());
}

#[test]
fn a_reservation_that_nobody_speaks_of_expires() {
    let mut harness = Harness::new(setup(), &["a"]);
    let id = harness.placed("ann", "a");
    harness.pass(Duration::from_secs(59));
    assert_eq!(harness.reserved("a"), [id.as_str()]);
    harness.told(1);
    harness.pass(Duration::from_secs(1));
    assert!(harness.reserved("a").is_empty());
    assert_eq!(harness.figure("whither_expired_reservations_total"), "1");
    let told = harness.told(1);
    assert!(
        told.iter().any(|order| matches!(order, WorkerCommand::Change(Change::Release(over)) if **over == *id)),
        "{told:?}"
    );
}

#[test]
fn a_reload_is_in_force_when_its_workers_are_there() {
    let mut harness = Harness::new(setup(), &["a"]);
    harness.starts = Starts::ByHand;
    let next = Setup { cooldown_ms: 9_000, ..setup_of(vec![chain(ACTION), chain(LOGIN)]) };
    harness.tell(FrontEvent::Reload(Box::new(next)));
    let login = with(request("ann"), json!({"action": LOGIN}));
    let number = harness.place(&login);
    assert_eq!(harness.failure(number).0, "unknown-action", "the old configuration is in force");
    let started = harness.take(|effect| match effect {
        Effect::StartWorker { number, .. } => Some(*number),
        _ => None,
    });
    for number in started {
        let process = FakeProcess::new();
        harness.workers.insert(number, process.clone());
        harness.tell(FrontEvent::Born(number, Ok(process.ready())));
    }
    harness.place_asked(&login);
    let bounds = harness.take(|effect| if let Effect::BoundCoolDowns(ms) = effect { Some(*ms) } else { None });
    assert_eq!(bounds, [9_000]);
    assert!(harness.workers[&1].is_retired());
}

#[test]
fn a_config_that_cannot_be_read_leaves_a_note_until_one_can() {
    let mut harness = Harness::new(setup(), &["a"]);
    harness.tell(FrontEvent::ReloadFailed("line 3: no such key".into()));
    assert_eq!(harness.health().notes, ["reload: it failed, the old config stays: line 3: no such key"]);
    assert_eq!(harness.figure("whither_config_last_reload_successful"), "0");
    harness.tell(FrontEvent::Reload(Box::new(setup())));
    assert_eq!(harness.figure("whither_config_last_reload_successful"), "1");
    harness.tick_for(Duration::from_secs(1));
    assert_eq!(harness.health().notes, [] as [&str; 0]);
}

#[test]
fn a_worker_that_cannot_be_started_leaves_a_note_until_one_is_there() {
    let mut harness = Harness::new(setup(), &["a"]);
    harness.starts = Starts::ByHand;
    harness.end(2, killed());
    let started = |harness: &mut Harness| {
        harness.take(|effect| if let Effect::StartWorker { number, .. } = effect { Some(*number) } else { None })
    };
    let number = started(&mut harness)[0];
    harness.tell(FrontEvent::Born(number, Err(BirthError::Io(std::io::Error::other("no memory")))));
    harness.tick_for(Duration::from_secs(1));
    let health = harness.health();
    assert_eq!(health.notes, ["worker: a worker process could not be started: no memory"]);
    assert!(health.ready, "the worker that is there goes on");
    let number = started(&mut harness)[0];
    harness.tell(FrontEvent::Born(number, Ok(FakeProcess::new().ready())));
    harness.tick_for(Duration::from_secs(1));
    assert_eq!(harness.health().notes, [] as [&str; 0]);
}

#[test]
fn a_mark_counts_as_soon_as_it_is_written() {
    let mut harness = Harness::new(setup(), &["a"]);
    harness.tell(FrontEvent::Marked("a".into(), Marks { cordoned: true, ..Marks::default() }));
    assert!(harness.front.cluster().get("a").unwrap().is_cordoned());
    harness.tick();
    for worker in [1, 2] {
        let told = harness.told(worker);
        assert!(
            matches!(&told[..], [WorkerCommand::Change(Change::Mark(node, _))] if &**node == "a"),
            "{worker}: {told:?}"
        );
    }
}

#[test]
fn the_registry_is_told_at_the_start_how_long_a_node_may_cool_down() {
    let mut harness = Harness::bare(setup());
    harness.tick();
    let bounds = harness.take(|effect| if let Effect::BoundCoolDowns(ms) = effect { Some(*ms) } else { None });
    assert_eq!(bounds, [5_000]);
}

#[test]
fn chains_that_share_no_worker_do_not_wait_for_each_other() {
    let slow = ChainSpec { workers: Some(1), ..chain(LOGIN) };
    let mut harness = Harness::with_nodes(setup_of(vec![chain(ACTION), slow]), [report("a", None, &[])]);
    let (_, login) = harness.place_asked(&with(request("ann"), json!({"action": LOGIN})));
    let (_, start) = harness.place_asked(&request("ann"));
    assert_ne!(login.worker, start.worker);
}

#[test]
fn words_of_a_worker_without_a_slot_decide_nothing() {
    let mut harness = Harness::new(setup(), &["a"]);
    let (number, asked) = harness.place_asked(&request("ann"));
    for worker in [2, 99] {
        harness.choose(&Asked { worker, ..asked.clone() }, "a");
        harness.worker(worker, WorkerEvent::Running(running(asked.question.ticket, STEP, None)));
        harness.worker(worker, WorkerEvent::Reading);
    }
    harness.no_reply(number);
    harness.end(99, crashed());
    assert_eq!(harness.figure("whither_worker_deaths_total"), "0", "nobody held that one");
    harness.choose(&asked, "a");
    assert_eq!(harness.reply(number)["node"], "a");
}

#[test]
fn what_was_on_its_way_when_the_service_was_told_to_stop_is_answered() {
    let mut harness = Harness::new(setup(), &["a"]);
    harness.tell(FrontEvent::Stop);
    let (number, asked) = harness.place_asked(&request("ann"));
    assert!(!harness.front.is_done());
    harness.end(asked.worker, ProcessEnd { stopped: true, ..killed() });
    let again = harness.only_asked();
    harness.choose(&again, "a");
    assert_eq!(harness.reply(number)["node"], "a");
    assert!(harness.front.is_done());
}

#[test]
fn a_front_is_named_by_its_entropy() {
    let now = Now { instant: Instant::now(), unix_ms: 0 };
    let name = |entropy| {
        let view = Box::new(FakeView::default());
        Front::new(setup(), view, Arc::new(Metrics::new()), [entropy; 32], now).replica().to_owned()
    };
    assert_eq!(name(1), name(1));
    assert_ne!(name(1), name(2));
}
