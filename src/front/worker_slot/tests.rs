//! Tests of a slot: the questions to the worker, and the request that is blamed when a worker ends.

use super::*;
use crate::worker::PlacementQuestion;

use super::super::ask_window::MOST_ASKED;
use super::super::testing::{FakeProcess, NO_TICKETS, STEP, TICK, crashed, killed, overrun, pending, running};

/// A slot whose first worker is there, with the requests of `tickets` in the queue and in the table.
struct Staffed {
    slot: WorkerSlot,
    requests: Requests,
    process: FakeProcess,
    workers: u64,
}

impl Staffed {
    fn new(tickets: impl IntoIterator<Item = Ticket>) -> Self {
        let (slot, requests, process) = (WorkerSlot::new(1), Requests::default(), FakeProcess::new());
        let mut staffed = Self { slot, requests, process, workers: 0 };
        tickets.into_iter().for_each(|ticket| staffed.submit(ticket));
        staffed.staff();
        staffed
    }

    fn submit(&mut self, ticket: Ticket) {
        self.requests.put(pending(ticket), PendingStage::Queued);
        self.slot.queue.submit(ticket);
    }

    fn staff(&mut self) {
        self.workers += 1;
        self.process = FakeProcess::new();
        self.slot.assign_worker(self.process.handle(self.workers));
    }

    /// Asks all that may be asked; returns the ticket of each question, and whether the question is narrated.
    fn ask(&mut self) -> Vec<(Ticket, bool)> {
        assert_eq!(self.slot.pump(false, &mut self.requests, |_| false), NO_TICKETS);
        self.process.questions().iter().map(|question| (question.ticket, question.narrated)).collect()
    }

    fn accuse(&mut self, overrun: &Overrun) -> OverrunOutcome {
        self.slot.accused(overrun, &self.requests)
    }

    /// Lets the worker end as `ended` says, and another take the slot; returns the guilty request.
    fn replace(&mut self, ended: &ProcessEnd) -> Option<(Ticket, Overrun)> {
        let guilty = self.slot.lost(ended);
        self.staff();
        guilty
    }
}

#[test]
fn requests_are_asked_in_their_order_and_each_once() {
    let mut staffed = Staffed::new([3, 1, 2]);
    assert_eq!(staffed.ask(), [(1, false), (2, false), (3, false)]);
    assert_eq!(staffed.requests.by_stage()[1], 3, "each is in the stage `asked`");
    assert_eq!(staffed.ask(), []);
    assert!(staffed.slot.answered(2) && !staffed.slot.answered(2), "an answer counts once");
    assert!(!staffed.slot.answered(9), "nobody asked that");
}

#[test]
fn a_slot_without_a_worker_asks_nothing() {
    let mut staffed = Staffed::new([1]);
    assert!(staffed.slot.lost(&crashed()).is_none());
    assert!(!staffed.slot.is_staffed() && staffed.slot.is_open() && !staffed.slot.is_held_by(1));
    assert_eq!(staffed.slot.pump(false, &mut staffed.requests, |_| false), NO_TICKETS);
    assert_eq!(staffed.process.tickets(), NO_TICKETS);
}

#[test]
fn whoever_passes_a_limit_among_others_is_suspected_and_convicted_only_alone() {
    let mut staffed = Staffed::new(1..=3);
    staffed.ask();
    assert!(matches!(staffed.accuse(&overrun(running(2, STEP, None))), OverrunOutcome::Suspected));
    assert!(staffed.process.is_killed(), "the worker has said its last word");
    staffed.submit(4);
    assert_eq!(staffed.ask(), [], "a worker that is about to exit is asked nothing more");
    assert_eq!(staffed.replace(&killed()), None);
    assert_eq!(staffed.ask(), [(2, true)], "the suspect comes first, alone, and is narrated");
    assert!(matches!(staffed.accuse(&overrun(running(2, STEP, None))), OverrunOutcome::Convicted));
    assert_eq!(staffed.replace(&killed()), None, "who is named is not judged a second time");
    assert_eq!(staffed.ask(), [(1, false), (3, false), (4, false)]);
}

#[test]
fn a_suspect_that_is_answered_lets_the_others_go_on() {
    let mut staffed = Staffed::new(1..=2);
    staffed.ask();
    staffed.accuse(&overrun(running(1, STEP, None)));
    staffed.replace(&killed());
    assert_eq!(staffed.ask(), [(1, true)]);
    assert!(staffed.slot.answered(1));
    assert_eq!(staffed.ask(), [(2, false)]);
}

#[test]
fn an_overrun_for_no_question_of_the_slot_is_nobodys_and_ends_the_worker() {
    let mut staffed = Staffed::new([1]);
    staffed.ask();
    assert!(matches!(staffed.accuse(&overrun(running(9, STEP, None))), OverrunOutcome::Unknown));
    assert!(staffed.process.is_killed());
    assert_eq!(staffed.replace(&killed()), None);
    assert_eq!(staffed.ask(), [(1, false)], "the question is beyond suspicion");
}

#[test]
fn want_of_memory_convicts_only_the_first_question_of_a_worker() {
    let mut staffed = Staffed::new(1..=2);
    staffed.ask();
    // No question was alone: both are suspects from here on.
    staffed.replace(&crashed());
    assert_eq!(staffed.ask(), [(1, true)]);
    staffed.slot.answered(1);
    assert_eq!(staffed.ask(), [(2, true)]);
    let starved = Overrun { kind: LimitKind::Memory, ..overrun(running(2, STEP, None)) };
    assert!(matches!(staffed.accuse(&starved), OverrunOutcome::Suspected), "the question before may have left little");
    staffed.replace(&killed());
    assert_eq!(staffed.ask(), [(2, true)]);
    assert!(matches!(staffed.accuse(&starved), OverrunOutcome::Convicted), "a fresh worker had all of its memory");
}

#[test]
fn a_call_about_a_node_convicts_only_the_first_question_of_a_worker() {
    for (node, convicts) in [(None, true), (Some("a"), false)] {
        let mut staffed = Staffed::new(1..=2);
        staffed.ask();
        staffed.replace(&crashed());
        staffed.ask();
        staffed.slot.answered(1);
        staffed.ask();
        let accused = staffed.accuse(&overrun(running(2, STEP, node)));
        assert_eq!(matches!(accused, OverrunOutcome::Convicted), convicts, "{node:?}");
    }
}

#[test]
fn a_silent_worker_is_killed_and_the_question_that_it_was_alone_with_is_judged() {
    let mut staffed = Staffed::new(1..=2);
    staffed.ask();
    let limit = 3 * TICK;
    assert!((0..3).all(|_| !staffed.slot.kill_if_silent(TICK, limit)));
    assert!(staffed.slot.kill_if_silent(TICK, limit) && staffed.process.is_killed());
    assert!(!staffed.slot.kill_if_silent(TICK, limit), "one kill is enough until another tick is late");
    assert_eq!(staffed.replace(&killed()), None, "two were asked: either may be innocent");
    assert_eq!(staffed.ask(), [(1, true)]);
    staffed.slot.runs(running(1, STEP, None));
    assert!((0..5).any(|_| staffed.slot.kill_if_silent(TICK, limit)));
    let (ticket, overrun) = staffed.replace(&killed()).unwrap();
    assert_eq!((ticket, overrun.kind), (1, LimitKind::Time));
    assert_eq!(overrun.message, "pick.js gave no answer within its wall time, twice");
    assert_eq!(staffed.ask(), [(2, true)], "the other suspect is still to be tried alone");
}

#[test]
fn a_word_ends_the_silence_and_a_worker_without_questions_owes_none() {
    let mut staffed = Staffed::new([1]);
    let limit = 2 * TICK;
    assert!((0..9).all(|_| !staffed.slot.kill_if_silent(TICK, limit)), "nothing was asked");
    staffed.ask();
    for _ in 0..9 {
        assert!(!staffed.slot.kill_if_silent(TICK, limit) && !staffed.slot.kill_if_silent(TICK, limit));
        staffed.slot.note_frame();
    }
    staffed.slot.answered(1);
    assert!((0..9).all(|_| !staffed.slot.kill_if_silent(TICK, limit)), "all is answered");
    assert!(!staffed.process.is_killed());
}

#[test]
fn silence_is_counted_from_the_question_on() {
    let mut staffed = Staffed::new([1]);
    staffed.ask();
    let limit = 2 * TICK;
    assert!(!staffed.slot.kill_if_silent(TICK, limit) && !staffed.slot.kill_if_silent(TICK, limit));
    staffed.slot.answered(1);
    staffed.submit(2);
    assert_eq!(staffed.ask(), [(2, false)]);
    assert!(!staffed.slot.kill_if_silent(TICK, limit), "the silence before the question does not count");
}

#[test]
fn a_crash_is_put_down_to_the_step_that_was_heard_to_run_alone() {
    let mut staffed = Staffed::new([1]);
    staffed.ask();
    staffed.slot.runs(running(1, STEP, None));
    assert_eq!(staffed.replace(&crashed()), None, "the question was asked among others");
    assert_eq!(staffed.ask(), [(1, true)]);
    staffed.slot.runs(running(1, STEP, Some("a")));
    let (ticket, overrun) = staffed.replace(&crashed()).unwrap();
    assert_eq!((ticket, overrun.kind), (1, LimitKind::Crash));
    assert_eq!(overrun.running, running(1, STEP, Some("a")));
    assert_eq!(overrun.message, "pick.js ended two workers, the last one exited with code 1");
    assert_eq!(staffed.ask(), [], "the guilty request is in no queue any more");
}

#[test]
fn a_question_that_was_never_heard_to_run_is_guilty_only_after_many_deaths() {
    let mut staffed = Staffed::new([1]);
    staffed.ask();
    staffed.replace(&crashed());
    let mut deaths = 0;
    let guilty = loop {
        assert_eq!(staffed.ask(), [(1, true)]);
        deaths += 1;
        if let Some(guilty) = staffed.replace(&crashed()) {
            break guilty;
        }
    };
    assert_eq!((deaths, guilty.0, guilty.1.running.step), (4, 1, None));
    assert!(guilty.1.message.starts_with("the request ended two workers"), "{}", guilty.1.message);
}

#[test]
fn what_an_earlier_worker_ran_is_not_held_against_the_next_one() {
    let mut staffed = Staffed::new(1..=2);
    staffed.ask();
    staffed.slot.runs(running(1, STEP, None));
    staffed.replace(&crashed());
    staffed.ask();
    // The first suspect is alone now, and no running step was reported yet.
    assert_eq!(staffed.replace(&crashed()), None);
}

#[test]
fn a_tired_worker_is_asked_nothing_where_it_is_relieved_and_is_replaced_when_idle() {
    let mut staffed = Staffed::new([1]);
    staffed.ask();
    assert!(!staffed.slot.tire(1, u64::MAX, 0), "it has decided nothing yet");
    staffed.submit(2);
    staffed.ask();
    staffed.slot.answered(1);
    assert!(staffed.slot.tire(1, u64::MAX, 0));
    assert!(!staffed.slot.tire(1, u64::MAX, 0), "it is said once");
    assert!(!staffed.slot.is_open(), "it holds a question");
    staffed.submit(3);
    assert_eq!(staffed.slot.pump(true, &mut staffed.requests, |_| false), NO_TICKETS);
    assert_eq!(staffed.process.tickets(), NO_TICKETS, "a spare will do that");
    staffed.slot.answered(2);
    assert!(staffed.slot.is_open());
    let old = staffed.process.clone();
    staffed.staff();
    assert!(old.is_retired() && !staffed.slot.is_open() && staffed.slot.is_held_by(2));
    assert_eq!(staffed.ask(), [(3, false)]);
    assert!(!staffed.slot.tire(1, u64::MAX, 0), "the next worker begins anew");
}

#[test]
fn a_tired_worker_goes_on_where_nobody_can_relieve_it() {
    let mut staffed = Staffed::new([1]);
    staffed.ask();
    staffed.slot.answered(1);
    assert!(staffed.slot.tire(1, u64::MAX, 0));
    staffed.submit(2);
    assert_eq!(staffed.ask(), [(2, false)]);
}

#[test]
fn a_worker_is_tired_by_what_it_grew_beside_the_cluster() {
    let staffed = |then, mirror| {
        let mut staffed = Staffed::new([]);
        staffed.process.set_memory(5_000);
        assert!(!staffed.slot.tire(u64::MAX, 100, 1_000), "that is what it began with");
        staffed.process.set_memory(then);
        staffed.slot.tire(u64::MAX, 100, mirror)
    };
    assert!(!staffed(5_099, 1_000) && staffed(5_100, 1_000));
    assert!(!staffed(5_149, 1_050) && staffed(5_150, 1_050), "the cluster grew by 50");
    assert!(staffed(5_100, 900), "a cluster that shrinks excuses nothing and forgives nothing");
}

#[test]
fn a_worker_whose_memory_nobody_knows_is_not_tired_by_it() {
    let mut staffed = Staffed::new([]);
    assert!(!staffed.slot.tire(u64::MAX, 0, 0) && !staffed.slot.tire(u64::MAX, 0, 0));
}

#[test]
fn late_requests_are_returned_and_not_asked() {
    let mut staffed = Staffed::new(1..=3);
    let late = staffed.slot.pump(false, &mut staffed.requests, |pending| pending.question.ticket == 2);
    assert_eq!(late, [2]);
    assert_eq!(staffed.process.tickets(), [1, 3]);
    assert!(!staffed.slot.queue.is_asked(2));
    assert_eq!(staffed.slot.queue.len(), 2);
}

#[test]
fn a_ticket_whose_request_is_gone_is_not_asked() {
    let mut staffed = Staffed::new(1..=2);
    staffed.requests.take(1).unwrap();
    assert_eq!(staffed.slot.pump(false, &mut staffed.requests, |_| false), [1]);
    assert_eq!(staffed.process.tickets(), [2]);
}

#[test]
fn a_worker_that_reads_nothing_is_asked_no_more_than_so_many_bytes() {
    let mut staffed = Staffed::new(1..=9);
    for ticket in 1..=9 {
        let question = PlacementQuestion { request: "x".repeat(1 << 20).into(), ..PlacementQuestion::empty(ticket) };
        staffed.requests.put(Box::new(PendingRequest::new(question, Vec::new(), "ann".into())), PendingStage::Queued);
    }
    staffed.process.set_room(0);
    staffed.slot.pump(false, &mut staffed.requests, |_| false);
    assert_eq!(staffed.slot.queue.asked(), WAITING_BYTES >> 20);
    staffed.slot.pump(false, &mut staffed.requests, |_| false);
    assert_eq!(staffed.slot.queue.asked(), WAITING_BYTES >> 20, "nothing was read meanwhile");
    staffed.process.set_room(usize::MAX);
    assert_eq!(staffed.ask().len(), WAITING_BYTES >> 20);
    assert_eq!(staffed.ask().len(), 4, "what was read makes room for as many");
}

#[test]
fn a_worker_holds_more_questions_the_more_it_answers() {
    let mut staffed = Staffed::new(1..=2 * MOST_ASKED as Ticket);
    let first = staffed.ask().len();
    assert!(first < 100, "a worker of which nothing is known is asked {first} at once");
    staffed.slot.answered(1);
    assert_eq!(staffed.ask().len(), 2, "one in the place of the answered one, and one more");
    for ticket in 2..=MOST_ASKED as Ticket {
        staffed.slot.answered(ticket);
        staffed.ask();
    }
    assert_eq!(staffed.slot.queue.asked(), MOST_ASKED);
}

#[test]
fn a_request_at_a_program_is_no_business_of_the_workers() {
    let mut staffed = Staffed::new(1..=2);
    staffed.ask();
    assert_eq!(staffed.slot.park(1), Some(1), "the edition that the slot decides by");
    assert_eq!(staffed.slot.park(1), None);
    staffed.replace(&crashed());
    assert_eq!(staffed.ask(), [(2, true)]);
    assert!(staffed.slot.queue.unpark(1));
}

#[test]
fn orders_reach_the_worker_that_is_there_before_the_questions_after_them() {
    let mut staffed = Staffed::new([1]);
    let removal = WorkerCommand::Change(crate::model::Change::Remove("a".into()));
    staffed.slot.enqueue(&Encoded::new(&removal));
    staffed.slot.order(&removal);
    staffed.slot.pump(false, &mut staffed.requests, |_| false);
    let orders = staffed.process.orders::<WorkerCommand>();
    assert!(
        matches!(&orders[..], [WorkerCommand::Change(_), WorkerCommand::Change(_), WorkerCommand::Ask(_)]),
        "{orders:?}"
    );
    let process = staffed.process.clone();
    staffed.slot.remove_worker();
    assert!(process.is_retired() && !staffed.slot.is_staffed());
    staffed.slot.order(&removal);
}
