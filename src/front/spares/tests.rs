//! Tests of spares: the number of workers that are started, and the workers until they take a slot.

use super::*;
use crate::model::Change;
use crate::worker::WorkerCommand;

use super::super::testing::{FakeProcess, crashed, killed, read_orders, setup};

/// Spares with the numbers of their workers, and the time.
struct Nursery {
    spares: Spares,
    births: u64,
    now: Instant,
}

impl Nursery {
    fn new() -> Self {
        Self { spares: Spares::new(setup()), births: 0, now: Instant::now() }
    }

    /// Starts the workers that are missing for `wanted`; returns their numbers.
    fn start(&mut self, wanted: usize) -> Vec<u64> {
        let count = self.spares.short(wanted, self.now);
        let effects = self.spares.start(count, (&Orders::default(), 0), &mut self.births);
        let numbers = effects.iter().map(|effect| match effect {
            Effect::StartWorker { number, .. } => *number,
            other => panic!("{other:?}"),
        });
        numbers.collect()
    }

    fn born(&mut self, number: u64) -> FakeProcess {
        let process = FakeProcess::new();
        self.spares.started(number, Ok(process.ready()), self.now).unwrap();
        process
    }

    fn fail(&mut self, number: u64) {
        let error = BirthError::Died(None, "was ended".into());
        assert!(self.spares.started(number, Err(error), self.now).is_err());
    }

    /// Returns the time in milliseconds until another worker may be started.
    fn pause_ms(&mut self) -> u64 {
        let is_short = |ms: &u64| self.spares.short(1, self.now + Duration::from_millis(*ms)) > 0;
        let pause_ms = (0..10_000).find(is_short).unwrap();
        self.now += Duration::from_millis(pause_ms);
        pause_ms
    }
}

fn removal(id: &str) -> WorkerCommand {
    WorkerCommand::Change(Change::Remove(id.into()))
}

#[test]
fn as_many_are_started_as_are_missing_and_a_few_at_a_time() {
    let mut nursery = Nursery::new();
    assert_eq!(nursery.start(0), [] as [u64; 0]);
    assert_eq!(nursery.start(2), [1, 2]);
    assert_eq!(nursery.start(2), [] as [u64; 0], "they are on their way");
    assert_eq!(nursery.start(9), [3, 4], "four at a time");
    nursery.born(1);
    assert_eq!(nursery.start(9), [5]);
    assert_eq!(nursery.spares.ready(), 1);
    assert!(nursery.spares.expects(5) && !nursery.spares.expects(1) && !nursery.spares.expects(9));
}

#[test]
fn a_worker_is_started_with_the_setup_and_the_cluster_as_it_is() {
    let mut spares = Spares::new(setup());
    let mut snapshot = Orders::default();
    snapshot.push(&removal("a"));
    let mut effects = spares.start(1, (&snapshot, 5), &mut 7);
    let Some(Effect::StartWorker { number, birth, snapshot, program }) = effects.pop() else { panic!("{effects:?}") };
    assert_eq!((number, program.to_str()), (8, Some("whither")));
    assert_eq!(birth.set, setup().birth.set);
    assert_eq!(read_orders::<WorkerCommand>(snapshot).len(), 1);
    spares.started(8, Ok(FakeProcess::new().ready()), Instant::now()).unwrap();
    assert_eq!(spares.take().unwrap().choices(), 5);
}

#[test]
fn the_first_that_was_ready_takes_a_slot_first() {
    let mut nursery = Nursery::new();
    nursery.start(3);
    [2, 3, 1].into_iter().for_each(|number| drop(nursery.born(number)));
    let taken = [(); 4].map(|()| nursery.spares.take().map(|worker| worker.number()));
    assert_eq!(taken, [Some(2), Some(3), Some(1), None]);
}

#[test]
fn what_happens_while_a_worker_is_born_is_told_when_it_is_there() {
    let mut nursery = Nursery::new();
    nursery.start(1);
    nursery.spares.enqueue(&Encoded::new(&removal("a")));
    let process = nursery.born(1);
    nursery.spares.enqueue(&Encoded::new(&removal("b")));
    nursery.spares.send(true);
    let told: Vec<_> = process.orders::<WorkerCommand>().iter().map(|order| format!("{order:?}")).collect();
    assert_eq!(told, [format!("{:?}", removal("a")), format!("{:?}", removal("b"))]);
}

#[test]
fn a_spare_is_not_woken_for_little_until_there_is_a_tick() {
    let mut nursery = Nursery::new();
    nursery.start(1);
    let process = nursery.born(1);
    nursery.spares.enqueue(&Encoded::new(&removal("a")));
    nursery.spares.send(false);
    assert_eq!(process.orders::<WorkerCommand>().len(), 0);
    nursery.spares.send(true);
    assert_eq!(process.orders::<WorkerCommand>().len(), 1);
    nursery.spares.enqueue(&Encoded::new(&removal(&"x".repeat(LAZY_BYTES))));
    nursery.spares.send(false);
    assert_eq!(process.orders::<WorkerCommand>().len(), 1, "that is much");
}

#[test]
fn the_pause_after_a_failure_grows_until_a_worker_takes_a_slot() {
    let mut nursery = Nursery::new();
    let mut pauses = Vec::new();
    for _ in 0..8 {
        let number = nursery.start(1)[0];
        nursery.fail(number);
        pauses.push(nursery.pause_ms());
    }
    assert_eq!(pauses, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
    let number = nursery.start(1)[0];
    nursery.born(number);
    nursery.spares.take().unwrap();
    let number = nursery.start(1)[0];
    nursery.fail(number);
    assert_eq!(nursery.pause_ms(), 100);
}

#[test]
fn a_worker_that_ends_before_it_is_told_of_was_never_there() {
    let mut nursery = Nursery::new();
    nursery.start(1);
    assert!(nursery.spares.gone(1, &crashed(), nursery.now));
    let born = nursery.spares.started(1, Ok(FakeProcess::new().ready()), nursery.now);
    assert!(matches!(&born, Err(BirthError::Died(None, how)) if how == "exited with code 1"), "{born:?}");
    assert_eq!(nursery.spares.ready(), 0);
    assert_eq!(nursery.pause_ms(), 100);
}

#[test]
fn a_spare_that_crashes_is_replaced_after_a_pause_and_one_that_is_killed_at_once() {
    for (ended, pause_ms) in [(crashed(), 100), (killed(), 0)] {
        let mut nursery = Nursery::new();
        nursery.start(1);
        nursery.born(1);
        assert!(nursery.spares.gone(1, &ended, nursery.now));
        assert_eq!((nursery.spares.ready(), nursery.pause_ms()), (0, pause_ms), "{ended}");
    }
}

#[test]
fn word_of_a_worker_that_nobody_expects_is_passed_over() {
    let mut nursery = Nursery::new();
    nursery.start(1);
    assert!(nursery.spares.started(9, Err(BirthError::Died(None, "was ended".into())), nursery.now).is_ok());
    assert!(!nursery.spares.gone(9, &crashed(), nursery.now));
    assert_eq!(nursery.spares.short(2, nursery.now), 1, "that is no reason to pause");
}

#[test]
fn a_worker_that_comes_too_late_for_the_changes_is_not_taken() {
    let mut nursery = Nursery::new();
    nursery.start(1);
    let order = Encoded::new(&removal(&"x".repeat(ORDERS_WAITING_BYTES / 2)));
    (0..5).for_each(|_| nursery.spares.enqueue(&order));
    let process = FakeProcess::new();
    let born = nursery.spares.started(1, Ok(process.ready()), nursery.now);
    assert!(born.is_err_and(|error| error.to_string().contains("came too late for the changes")));
    assert_eq!(nursery.spares.ready(), 0);
}

#[test]
fn those_that_are_ready_end_with_their_setup() {
    let mut nursery = Nursery::new();
    nursery.start(2);
    let processes = [nursery.born(1), nursery.born(2)];
    nursery.spares.retire();
    assert!(processes.iter().all(FakeProcess::is_retired));
}
