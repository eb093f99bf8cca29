//! What a handle sends, in which order, and how its worker ends.

use super::*;
use crate::model::Change;

use super::super::testing::FakeProcess;

fn removal(id: &str) -> Order {
    Order::Change(Change::Remove(id.into()))
}

fn ids(process: &FakeProcess) -> Vec<String> {
    let orders = process.orders::<Order>().into_iter().map(|order| match order {
        Order::Change(Change::Remove(id)) => id.to_string(),
        other => panic!("{other:?}"),
    });
    orders.collect()
}

#[test]
fn orders_leave_as_they_were_given() {
    let process = FakeProcess::new();
    let mut backlog = Orders::default();
    backlog.push(&removal("a"));
    let mut handle = WorkerHandle::new(7, process.ready(), backlog, 3);
    assert_eq!((handle.number(), handle.choices()), (7, 3));
    handle.order(&removal("b"));
    handle.tell(&Encoded::new(&removal("c")));
    assert_eq!(ids(&process), [] as [&str; 0], "nothing is sent by itself");
    handle.send();
    assert_eq!(ids(&process), ["a", "b", "c"], "what it was told before it was there comes first");
    assert_eq!(handle.waiting_bytes(), 0);
}

#[test]
fn what_does_not_fit_waits_and_goes_later() {
    let process = FakeProcess::new();
    let mut handle = process.handle(1);
    process.set_room(1);
    let long = "x".repeat(100_000);
    [long.as_str(), "b"].iter().for_each(|id| handle.order(&removal(id)));
    handle.send();
    assert_eq!(ids(&process), [long.as_str()], "a frame that has begun is sent whole");
    assert!((1..100).contains(&handle.waiting_bytes()), "{}", handle.waiting_bytes());
    handle.order(&removal("c"));
    handle.send();
    assert_eq!(ids(&process), [] as [&str; 0]);
    process.set_room(usize::MAX);
    handle.send();
    assert_eq!(ids(&process), ["b", "c"]);
    assert!(!process.is_killed());
}

#[test]
fn a_worker_that_is_hopelessly_behind_is_killed() {
    let process = FakeProcess::new();
    process.set_room(0);
    let mut handle = process.handle(1);
    let order = Encoded::new(&removal(&"x".repeat(ORDERS_WAITING_BYTES / 4)));
    (0..3).for_each(|_| handle.tell(&order));
    handle.send();
    assert!(!process.is_killed());
    handle.tell(&order);
    handle.send();
    assert!(process.is_killed());
}

#[test]
fn a_worker_tells_of_itself_and_ends_as_it_is_told() {
    let process = FakeProcess::new();
    let ready = NewWorker { lacks: vec!["no seal".into()], remarks: vec!["a slip".into()], ..process.ready() };
    let handle = WorkerHandle::new(1, ready, Orders::default(), 0);
    assert_eq!((handle.lacks(), handle.remarks()), (&["no seal".to_owned()][..], &["a slip".to_owned()][..]));
    assert_eq!((handle.memory_bytes(), handle.pid()), (None, 1));
    process.set_memory(7);
    assert_eq!(handle.memory_bytes(), Some(7));
    handle.kill();
    assert!(process.is_killed() && !process.is_retired());
    handle.retire();
    assert!(process.is_retired());
}
