//! The events of the registry: changes of the cluster, and whether the view of the cluster is complete.

use crate::model::Change;
use crate::registry::RegistryEvent;
use crate::registry::peers::ReservationEnd;

use super::task::Front;

/// The key of the note why the node list was never read.
pub(super) const NO_LIST: &str = "nodes";

impl Front {
    /// Handles an event of the registry.
    pub(super) fn receive(&mut self, event: RegistryEvent) {
        match event {
            RegistryEvent::Change(change) => self.cluster_change(change),
            event @ (RegistryEvent::Assignments(_) | RegistryEvent::Assigned(..)) => self.assignments_changed(event),
            RegistryEvent::Facts(facts) => self.replace_facts(facts),
            RegistryEvent::Fact(name, entry) => self.note_fact(name, entry),
            RegistryEvent::Ready { .. } => {
                if !std::mem::replace(&mut self.bus, true) {
                    self.was_cut_off();
                }
                self.nodes_known = true;
                self.view_trouble = None;
                self.notes.remove(NO_LIST);
                self.show();
                tracing::info!(nodes = self.cluster.len(), "the node list is read");
            }
            RegistryEvent::Lost { reason } => {
                self.bus = false;
                self.view_trouble = Some(reason.clone());
                if !self.nodes_known {
                    self.notes.insert(NO_LIST, format!("the node list is not known: {reason}"));
                }
                self.show();
                tracing::warn!(
                    nodes = self.cluster.len(),
                    reason,
                    "the view is not kept: deciding on the nodes known so far"
                );
            }
            RegistryEvent::Refused { .. } => drop(self.metrics.refused_documents.inc()),
        }
    }

    /// Handles a change from the registry, and ends the reservations that the change ends.
    pub(super) fn cluster_change(&mut self, change: Change) {
        if let Change::Report(report) = &change {
            self.feed_facts(report);
            let now_ms = self.now_ms();
            for entry in self.ledger.reported(report, self.cluster.get(&report.id), now_ms) {
                if entry.own {
                    self.queue_over(&entry.reservation.id, ReservationEnd::Reported);
                }
                self.end_claim(&entry, ReservationEnd::Reported, false);
                self.change(Change::Release(entry.reservation.id));
            }
        }
        if let Change::Remove(node) = &change {
            for nodes in self.chosen.values_mut() {
                nodes.remove(node);
            }
            self.failures.forget(node);
        }
        self.change(change);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::chain::eligibility::CoolingPolicy;
    use crate::nats::message::Verb;
    use crate::registry::peers::Message;

    use super::super::events::FrontEvent;
    use super::super::testing::{Harness, other_holds, other_says, report, request, setup};

    fn tell(harness: &mut Harness, event: RegistryEvent) {
        harness.tell(FrontEvent::Registry(event));
    }

    #[test]
    fn a_front_is_ready_when_it_knows_the_nodes_and_has_its_workers() {
        let mut harness = Harness::bare(setup());
        harness.tick();
        tell(&mut harness, RegistryEvent::Lost { reason: "no stream".into() });
        let health = harness.health();
        assert_eq!((health.ready, health.worker, health.bus, health.nodes_known), (false, true, false, false));
        assert_eq!(health.notes, ["nodes: the node list is not known: no stream"]);
        harness.change(report("a", None, &[]));
        tell(&mut harness, RegistryEvent::Ready { nodes: 1 });
        let health = harness.health();
        assert!(health.ready && health.bus && health.nodes_known && health.notes.is_empty());
    }

    #[test]
    fn a_view_that_is_lost_is_decided_by_all_the_same() {
        let mut harness = Harness::new(setup(), &["a"]);
        tell(&mut harness, RegistryEvent::Lost { reason: "no connection".into() });
        let health = harness.health();
        assert_eq!((health.ready, health.bus, health.nodes_known), (false, false, true));
        assert!(health.notes.is_empty(), "the nodes were known once");
        harness.placed("ann", "a");
    }

    #[test]
    fn a_session_that_carries_its_reservation_ends_that_alone() {
        let mut harness = Harness::new(setup(), &["a"]);
        harness.hear(&other_says());
        let (one, two) = (harness.placed("ann", "a"), harness.placed("ann", "a"));
        harness.said();
        harness.change(report("a", None, &[json!({"id": "s1", "user": "ann", "reservation": one})]));
        assert_eq!(harness.reserved("a"), [two.as_str()]);
        assert_eq!(harness.said()[0].reported, [one.as_str().into()], "the others may have missed the report");
    }

    #[test]
    fn a_new_session_without_an_id_ends_its_users_oldest_reservation() {
        let mut harness = Harness::new(setup(), &["a"]);
        let [of_ann, of_bob, later] = ["ann", "bob", "ann"].map(|user| harness.placed(user, "a"));
        harness.change(report("a", None, &[json!({"id": "s1", "user": "ann"})]));
        let mut left = vec![of_bob, later];
        left.sort();
        let mut reserved = harness.reserved("a");
        reserved.sort();
        assert_eq!(reserved, left);
        assert!(!reserved.contains(&of_ann));
    }

    #[test]
    fn a_report_ends_confirmed_reservations_of_its_own_node_alone() {
        let mut harness = Harness::new(setup(), &["a", "b"]);
        let (on_a, on_b) = (harness.placed("ann", "a"), harness.placed("bob", "b"));
        for id in [&on_a, &on_b] {
            harness.send(Verb::Confirm, &json!({"reservation": id}));
        }
        harness.change(report("a", None, &[]));
        assert!(harness.reserved("a").is_empty());
        assert_eq!(harness.reserved("b"), [on_b.as_str()]);
    }

    #[test]
    fn what_another_replica_placed_ends_with_the_same_report_and_nobody_is_told() {
        let mut harness = Harness::new(setup(), &["a"]);
        harness.hear(&Message { held: vec![other_holds("other-1", "a", None)], ..other_says() });
        harness.said();
        harness.change(report("a", None, &[json!({"id": "s1", "reservation": "other-1"})]));
        assert!(harness.reserved("a").is_empty());
        assert!(harness.said().iter().all(|message| message.reported.is_empty()), "its owner reads the report, too");
    }

    #[test]
    fn a_node_that_leaves_takes_what_failed_there_with_it() {
        let mut harness = Harness::new(setup(), &["a", "b"]);
        let id = harness.placed("ann", "a");
        harness.send(Verb::Release, &json!({"reservation": id, "failed": true}));
        harness.change(Change::Remove("a".into()));
        let (_, asked) = harness.place_asked(&request("ann"));
        assert_eq!(asked.question.cooling, CoolingPolicy::default());
        assert!(harness.front.chosen.values().all(|nodes| !nodes.contains_key("a")), "nor was it chosen ever");
    }

    #[test]
    fn documents_that_were_refused_are_counted() {
        let mut harness = Harness::new(setup(), &["a"]);
        let refused = RegistryEvent::Refused { node: Some("a".into()), key: "a".into(), reason: "no object".into() };
        tell(&mut harness, refused.clone());
        tell(&mut harness, refused);
        assert_eq!(harness.figure("whither_refused_documents_total"), "2");
        assert!(harness.front.cluster().get("a").is_some(), "the node keeps its last good report");
    }
}
