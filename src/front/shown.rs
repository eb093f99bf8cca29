//! The publication of the front's state: metrics, readiness, and notes for the operator.

use std::sync::Arc;
use std::time::Duration;

use crate::model::{Cluster, Node};
use crate::nats::frozen::FROZEN;
use crate::nats::wire;

use super::effects::Effect;
use super::health::Health;
use super::quarantine::Culprit;
use super::task::Front;

/// The age of the view from which on a note is made: heartbeats prove the view every second, looks at the buckets every
/// five.
const OLD_VIEW: Duration = Duration::from_secs(10);
/// The most quarantines that the notes name.
const MAX_CONFINED_SHOWN: usize = 20;

impl Front {
    /// Logs when the view grows too old, and when the view is current again.
    pub(super) fn look_at_view(&mut self) {
        let old = self.view.age(self.now.instant).filter(|age| *age > OLD_VIEW);
        match old {
            Some(age) => {
                let note = format!("the node list was last confirmed {} s ago", age.as_secs());
                if self.notes.insert("view", note.clone()).is_none() {
                    tracing::warn!(seconds = age.as_secs(), "{note}: deciding on the nodes known so far");
                }
            }
            None if self.notes.remove("view").is_some() => tracing::info!("the node list is current again"),
            None => {}
        }
    }

    /// Logs where a frozen replica would go on being sent requests although other replicas are there to take them; that
    /// one of them is not seen at the moment may be just this.
    pub(super) fn look_at_pings(&mut self) {
        if self.metrics.frozen_kept.get() == 0 || !self.replicas.has_met_others() {
            self.notes.remove("frozen");
            return;
        }
        let note = format!(
            "NATS keeps a client that does not answer for more than {} s, and hands a frozen replica its share of the \
             requests until then: set `ping_interval: \"1s\"` and `ping_max: 2` in the config of nats-server",
            FROZEN.as_secs()
        );
        if self.notes.insert("frozen", note.clone()).is_none() {
            tracing::warn!("{note}");
        }
    }

    /// Publishes the front's state: metrics and health.
    pub(super) fn show(&mut self) {
        let census = self.census();
        self.metrics.nodes.set(self.cluster.len() as i64);
        self.metrics.nodes_in_states(&census.states);
        self.metrics.headroom.groups(census.capacity().1.iter().map(|group| (&*group.group, group.left)));
        let facts = self.facts.status(self.now_ms());
        self.metrics
            .headroom
            .facts(facts.iter().map(|fact| (&*fact.fact, [u64::from(fact.count), fact.held, fact.free])));
        self.metrics.reservations.set(self.ledger.len() as i64);
        self.metrics.pending(&self.requests.by_stage());
        self.metrics.replicas.set(self.replicas.others() as i64);
        let differing = self.replicas.differing(&self.workers.setup().digest);
        self.metrics.differing_replicas.set(differing.len() as i64);
        let health = Health {
            ready: self.is_ready(),
            worker: self.workers.is_ready(),
            bus: self.bus,
            nodes_known: self.nodes_known,
            // The server fills in the age when the health is shown.
            view_age_ms: None,
            notes: self.notes(),
            status: Arc::new(self.usual_status(&census)),
            nodes: census.states,
        };
        self.order(Effect::Show(health));
    }

    /// Returns the cluster as the service sees the cluster, with the service's placements.
    #[must_use]
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// Returns the number of unanswered requests, in all stages.
    #[must_use]
    pub fn owed(&self) -> usize {
        self.requests.len() + self.catch_up.unread() + self.tokens.waiting() + self.costly.len()
    }

    /// Returns the number of other replicas that this replica knows.
    #[must_use]
    pub fn other_replicas(&self) -> usize {
        self.replicas.others()
    }

    /// Returns the number of requests that wait for a free node.
    #[must_use]
    pub fn waiting_requests(&self) -> usize {
        self.wait_queues.values().map(|queue| queue.waiters().count()).sum()
    }

    /// Whether a script, a node or a user is in quarantine.
    #[must_use]
    pub fn is_anybody_confined(&self) -> bool {
        self.quarantine.confined().next().is_some()
    }

    /// Returns the state of `node` in one word. A drain is of interest to people alone: for placements the node is
    /// cordoned, so workers are not told of drains, and the view is asked.
    pub(super) fn state(&self, node: &Node) -> &'static str {
        let is_draining = || self.view.mark(node.id()).is_some_and(|mark| mark.is_draining());
        let is_marked = || self.view.mark(node.id()).is_some_and(|mark| mark.cordoned.is_some());
        let is_held = || self.view.is_held(node.id()) && !is_marked();
        match wire::state(node) {
            wire::CORDONED if is_draining() => wire::drain_state(node),
            wire::CORDONED if is_held() => wire::HELD,
            state => state,
        }
    }

    fn notes(&self) -> Vec<String> {
        let mut notes: Vec<_> = self.notes.iter().map(|(about, note)| format!("{about}: {note}")).collect();
        notes.extend(self.lacks.iter().map(|lack| format!("seal: {lack}")));
        notes.extend(self.replicas.differing(&self.workers.setup().digest));
        let confined = self.quarantine.confined().take(MAX_CONFINED_SHOWN);
        notes.extend(confined.map(|(confined, limited)| match &confined.culprit {
            Culprit::Node(node) => {
                format!("quarantine: {} is not asked about `{node}`: {}", confined.script, limited.message)
            }
            Culprit::Script | Culprit::Login(_) => format!("quarantine: {}", limited.message),
        }));
        notes
    }

    /// Logs each gap in the workers' seals and each probable mistake in a script once.
    pub(super) fn look_at_seals(&mut self) {
        for lack in self.workers.lacks() {
            if self.lacks.insert(lack.clone()) {
                tracing::warn!("workers are not sealed completely: {lack}");
            }
        }
        for remark in self.workers.remarks() {
            if self.remarks.insert(remark.clone()) {
                tracing::warn!("{remark}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::{Change, Marks};
    use crate::registry::RegistryEvent;
    use crate::registry::mark::{Mark, MarkAuthor};
    use crate::registry::peers::Message;
    use crate::worker::WorkerEvent;

    use super::super::events::FrontEvent;
    use super::super::ports::NewWorker;
    use super::super::testing::{
        FakeProcess, Harness, STEP, Starts, killed, other_says, overrun, report, request, running, setup,
    };

    /// The health after the next look.
    fn look(harness: &mut Harness) -> Health {
        harness.tick_for(Duration::from_secs(1));
        harness.health()
    }

    #[test]
    fn nodes_are_counted_by_their_state() {
        let full = report("full", Some(1), &[json!({"id": "s1"})]);
        let mut harness = Harness::with_nodes(setup(), [full, report("ready", None, &[]), report("stale", None, &[])]);
        harness.change(Change::Stale("stale".into()));
        for id in ["draining", "drained", "cordoned"] {
            let sessions = if id == "draining" { vec![json!({"id": "s1"})] } else { Vec::new() };
            harness.change(report(id, None, &sessions));
            harness.change(Change::Mark(id.into(), Marks { cordoned: true, ..Marks::default() }));
            let word = Some(MarkAuthor::default());
            let draining = word.clone().filter(|_| id != "cordoned");
            harness.view.seen().marks.insert(id.into(), Mark { cordoned: word, draining, ..Mark::default() });
        }
        harness.change(report("cooling", None, &[]));
        harness.change(Change::Mark("cooling".into(), Marks { cooling_down: true, ..Marks::default() }));
        let expected = ["cooling-down", "cordoned", "drained", "draining", "full", "ready", "stale"]
            .map(|state| (state, 1))
            .into();
        assert_eq!(look(&mut harness).nodes, expected);
        assert_eq!(harness.figure("whither_nodes"), "7");
    }

    #[test]
    fn requests_and_reservations_are_counted_at_each_look() {
        let mut harness = Harness::new(setup(), &["a"]);
        harness.placed("ann", "a");
        harness.place_asked(&request("bob"));
        look(&mut harness);
        assert_eq!(harness.figure("whither_reservations"), "1");
        assert_eq!(harness.figure("whither_pending_requests{stage=\"asked\"}"), "1");
        assert_eq!(harness.figure("whither_unanswered"), "1");
        assert_eq!((harness.front.owed(), harness.front.waiting_requests()), (1, 0));
    }

    #[test]
    fn an_old_view_is_noted_until_it_is_young_again() {
        let mut harness = Harness::new(setup(), &["a"]);
        harness.view.seen().age = Some(OLD_VIEW);
        assert!(look(&mut harness).notes.is_empty());
        harness.view.seen().age = Some(OLD_VIEW + Duration::from_secs(1));
        assert_eq!(look(&mut harness).notes, ["view: the node list was last confirmed 11 s ago"]);
        harness.view.seen().age = Some(Duration::ZERO);
        assert!(look(&mut harness).notes.is_empty());
    }

    #[test]
    fn a_nats_server_that_keeps_frozen_clients_is_noted_where_there_are_other_replicas() {
        let mut harness = Harness::new(setup(), &["a"]);
        harness.tell(FrontEvent::FrozenKept(true));
        assert!(look(&mut harness).notes.is_empty(), "nobody else could take the requests");
        assert_eq!(harness.figure("whither_frozen_clients_kept"), "1");
        harness.hear(&other_says());
        let notes = look(&mut harness).notes;
        assert!(notes.len() == 1 && notes[0].starts_with("frozen: NATS keeps a client"), "{notes:?}");
        harness.tell(FrontEvent::FrozenKept(false));
        assert!(look(&mut harness).notes.is_empty());
    }

    #[test]
    fn replicas_with_other_chains_are_named() {
        let mut harness = Harness::new(setup(), &["a"]);
        harness.hear(&other_says());
        let health = harness.health();
        assert!(health.notes.is_empty(), "the same chains");
        harness.hear(&Message { from: "third".into(), chains: "strange".into(), ..other_says() });
        assert_eq!(harness.health().notes, ["replica third runs other chains or other `[tokens]` (digest strange)"]);
        assert_eq!(harness.figure("whither_other_replicas"), "2");
        assert_eq!(harness.figure("whither_differing_replicas"), "1");
        assert_eq!(harness.front.other_replicas(), 2);
    }

    #[test]
    fn what_the_seal_of_workers_lacks_is_noted() {
        let mut harness = Harness::bare(setup());
        harness.starts = Starts::ByHand;
        harness.tick();
        let started = harness.take(|effect| match effect {
            Effect::StartWorker { number, .. } => Some(*number),
            _ => None,
        });
        let process = FakeProcess::new();
        let ready = NewWorker { lacks: vec!["no seccomp here".into()], ..process.ready() };
        harness.tell(FrontEvent::Born(started[0], Ok(ready)));
        assert_eq!(harness.health().notes, ["seal: no seccomp here"]);
    }

    #[test]
    fn whoever_is_in_quarantine_is_noted() {
        let mut harness = Harness::new(setup(), &["a"]);
        let (_, mut asked) = harness.place_asked(&request("ann"));
        for _ in 0..2 {
            let mut hangs = running(asked.question.ticket, STEP, Some("a"));
            hangs.pure = true;
            harness.worker(asked.worker, WorkerEvent::Overrun(overrun(hangs)));
            harness.end(asked.worker, killed());
            asked = harness.only_asked();
        }
        let notes = look(&mut harness).notes;
        assert!(notes.len() == 1 && notes[0].starts_with("quarantine: pick.js is not asked about `a`: "), "{notes:?}");
    }

    #[test]
    fn the_state_is_shown_when_it_changes_and_every_second() {
        let mut harness = Harness::bare(setup());
        harness.tell(FrontEvent::Registry(RegistryEvent::Ready { nodes: 0 }));
        assert!(harness.health().ready, "at once");
        let shown =
            |harness: &mut Harness| harness.take(|effect| matches!(effect, Effect::Show(_)).then_some(())).len();
        shown(&mut harness);
        harness.tick_for(Duration::from_secs(3));
        assert_eq!(shown(&mut harness), 3);
    }
}
