//! Snapshots: the commands by which a new process becomes a mirror of the cluster.

use std::sync::Arc;

use crate::ipc::Orders;
use crate::model::Cluster;
use crate::worker::WorkerCommand;

use super::task::Front;
use super::worker_pool::TakenSlot;

impl Front {
    /// Returns the commands by which a new worker can decide as the others do.
    pub(super) fn snapshot(&self) -> Orders {
        let mut orders = cluster_snapshot(&self.cluster);
        for (action, nodes) in &self.chosen {
            let mut nodes: Vec<_> = nodes.iter().collect();
            nodes.sort_by_key(|(_, when)| **when);
            nodes
                .into_iter()
                .for_each(|(node, _)| orders.push(&WorkerCommand::Recall(Arc::clone(action), Arc::clone(node))));
        }
        for (confined, limited) in self.quarantine.confined() {
            if let Some(subject) = confined.subject() {
                orders.push(&WorkerCommand::Quarantine(subject, Some(limited.clone())));
            }
        }
        orders
    }

    /// Sends the worker that has just taken a slot the choices of the slot's chains since the worker was started.
    pub(super) fn recall(&mut self, taken: &TakenSlot) {
        let mut later = Vec::new();
        for action in self.workers.chains(taken.slot) {
            let chosen = self.chosen.get(&action).into_iter().flatten().filter(|(_, when)| **when > taken.choices);
            later.extend(
                chosen.map(|(node, when)| (*when, WorkerCommand::Recall(Arc::clone(&action), Arc::clone(node)))),
            );
        }
        later.sort_unstable_by_key(|(when, _)| *when);
        later.iter().for_each(|(_, order)| self.workers.order(taken.slot, order));
    }
}

/// Returns the present `cluster` as changes.
pub(super) fn cluster_snapshot(cluster: &Cluster) -> Orders {
    let mut orders = Orders::default();
    cluster.snapshot().for_each(|change| orders.push(&WorkerCommand::Change(change)));
    orders
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::chain::ChainSpec;
    use crate::model::{Change, Marks};
    use crate::runner;

    use super::super::effects::Effect;
    use super::super::events::FrontEvent;
    use super::super::testing::{
        ACTION, FakeProcess, Harness, LOGIN, Starts, chain, crashed, killed, program_chain, report, request, setup,
        setup_of, with,
    };

    /// The changes and choices of `orders`, as text.
    fn words(orders: &[WorkerCommand]) -> Vec<String> {
        let said = orders.iter().map(|order| match order {
            WorkerCommand::Change(Change::Report(report)) => format!("report {}", report.id),
            WorkerCommand::Change(Change::Mark(node, _)) => format!("mark {node}"),
            WorkerCommand::Change(Change::Stale(node)) => format!("stale {node}"),
            WorkerCommand::Change(Change::Reserve(reservation)) => format!("reserve {}", reservation.node),
            WorkerCommand::Change(Change::Release(_)) => "release".to_owned(),
            WorkerCommand::Recall(action, node) => format!("{action} chose {node}"),
            other => format!("{other:?}"),
        });
        said.collect()
    }

    /// Lets the spare of `harness` end, so that another spare is started; returns the snapshot of that spare, as text.
    fn next_snapshot(harness: &mut Harness) -> Vec<String> {
        let spare = *harness.workers.keys().next_back().unwrap();
        harness.end(spare, killed());
        words(&harness.snapshots[&(spare + 1)])
    }

    #[test]
    fn a_new_worker_is_told_of_the_cluster_as_it_is() {
        let mut harness = Harness::new(setup(), &["a", "b"]);
        harness.change(Change::Stale("b".into()));
        harness.change(Change::Mark("a".into(), Marks { cordoned: true, ..Marks::default() }));
        assert_eq!(next_snapshot(&mut harness), ["report a", "report b", "stale b", "mark a"]);
    }

    #[test]
    fn a_new_worker_is_told_what_is_reserved_and_who_was_chosen_last() {
        let mut harness = Harness::new(setup(), &["a", "b"]);
        for node in ["b", "a", "b"] {
            harness.placed("ann", node);
        }
        let told = next_snapshot(&mut harness);
        let expected = ["report a", "report b", "reserve b", "reserve a", "reserve b"];
        assert_eq!(told[..5], expected, "in the order in which they were made");
        assert_eq!(told[5..], ["session/start chose a", "session/start chose b"], "the last one last");
    }

    #[test]
    fn a_spare_that_takes_a_slot_is_told_what_was_chosen_since_its_birth() {
        let mut harness = Harness::new(setup(), &["a", "b", "c"]);
        harness.placed("ann", "c");
        next_snapshot(&mut harness);
        for node in ["b", "a", "b"] {
            harness.placed("ann", node);
        }
        harness.tick();
        harness.told(3);
        harness.end(1, crashed());
        assert_eq!(
            words(&harness.told(3)),
            ["session/start chose a", "session/start chose b"],
            "`c` stood in its snapshot"
        );
    }

    #[test]
    fn a_spare_is_told_of_choices_of_the_chains_of_its_slot_alone() {
        let mut harness = Harness::new(setup_of(vec![chain(ACTION), chain(LOGIN)]), &["a", "b"]);
        harness.placed("ann", "a");
        let (_, asked) = harness.place_asked(&with(request("ann"), json!({"action": LOGIN})));
        harness.choose(&asked, "b");
        harness.tick();
        harness.told(3);
        harness.end(asked.worker, crashed());
        assert_eq!(words(&harness.told(3)), ["user/login chose b"]);
    }

    #[test]
    fn workers_of_a_chain_tell_each_other_of_their_choices() {
        let many = ChainSpec { workers: Some(2), ..chain(ACTION) };
        let mut harness = Harness::new(setup_of(vec![many]), &["a"]);
        let (_, asked) = harness.place_asked(&request("ann"));
        harness.choose(&asked, "a");
        harness.tick();
        let other = if asked.worker == 1 { 2 } else { 1 };
        assert_eq!(words(&harness.told(other)), ["session/start chose a", "reserve a"]);
        assert_eq!(words(&harness.told(asked.worker)), [] as [&str; 0]);
    }

    #[test]
    fn what_changes_while_a_worker_is_born_is_told_after_the_snapshot() {
        let mut harness = Harness::new(setup(), &["a"]);
        harness.starts = Starts::ByHand;
        harness.end(2, killed());
        let number = harness.take(|effect| match effect {
            Effect::StartWorker { number, .. } => Some(*number),
            _ => None,
        })[0];
        harness.change(report("b", None, &[]));
        let process = FakeProcess::new();
        harness.workers.insert(number, process.clone());
        harness.tell(FrontEvent::Born(number, Ok(process.ready())));
        harness.tick();
        assert_eq!(words(&harness.told(number)), ["report b"]);
    }

    #[test]
    fn a_runner_is_told_of_the_cluster_and_not_of_choices() {
        let mut harness = Harness::new(setup_of(vec![program_chain(LOGIN, 1), chain(ACTION)]), &["a"]);
        harness.placed("ann", "a");
        harness.runner(1, runner::RunnerEvent::Exited(crashed()));
        harness.pass(Duration::from_secs(1));
        let orders = harness.runners[&2].orders::<runner::RunnerCommand>();
        let kinds = orders.iter().map(|order| match order {
            runner::RunnerCommand::Change(Change::Report(_)) => "report",
            runner::RunnerCommand::Change(Change::Reserve(_)) => "reserve",
            runner::RunnerCommand::Edition(_) => "edition",
            other => panic!("{other:?}"),
        });
        assert_eq!(kinds.collect::<Vec<_>>(), ["report", "reserve", "edition"]);
    }
}
