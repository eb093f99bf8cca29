//! The invariants that must hold in every simulation.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::model::{Change, Cluster};

use super::launchers::PlacementUse;
use super::replica::{QUEUE, RESERVATION};
use super::world::World;

/// How long after the deadline an answer may come at the latest.
const SLACK: Duration = Duration::from_secs(3);
/// The timeout that a launcher gives each request; a wait for a node counts towards the timeout.
const DEADLINE: Duration = Duration::from_secs(5);

impl World {
    /// Checks a replica after each step of the replica.
    pub(super) fn check_replica(&mut self, place: usize) {
        let Some(Some(replica)) = self.replicas.get(place) else { return };
        let owed = replica.front.owed();
        if owed > QUEUE {
            return self.violated(format!("replica {place} owes {owed} answers, more than its queue holds"));
        }
        if replica.front.is_anybody_confined() {
            self.violated(format!("replica {place} put somebody in quarantine who spent no time"));
        }
    }

    /// Checks a request that was asked again: where the replicas could talk, both answers name the same reservation.
    pub(super) fn check_repeated(&mut self, number: usize, attempt: usize) {
        let Some(launcher) = self.launchers.get(number) else { return };
        let reservation = |attempt: &usize| launcher.answers.get(attempt)?.place.as_ref().map(|(_, id)| id.clone());
        let Some(own) = reservation(&attempt) else { return };
        let other = launcher.answers.keys().copied().find(|other| reservation(other).is_some_and(|id| id != own));
        let Some(other) = other else { return };
        let when = |attempt: usize| {
            (launcher.sent.get(attempt).copied(), launcher.answers.get(&attempt).map(|answer| answer.at))
        };
        let (earlier, later) = (attempt.min(other), attempt.max(other));
        let ((Some(from), Some(told)), (Some(asked), Some(to))) = (when(earlier), when(later)) else { return };
        // A replica that is asked before the first answer was known to all cannot know that answer, and a request that
        // comes when the session runs, or the place was given back, is another question.
        let lives_until = match launcher.place_use {
            PlacementUse::Starts(after, _, _) => told + after,
            PlacementUse::Released | PlacementUse::Fails => told,
            PlacementUse::Abandoned => told + RESERVATION / 2,
        };
        let is_known = asked > told + Duration::from_millis(50) && asked < lives_until;
        if is_known && self.network.could_talk(from, asked, to) {
            self.violated(format!("request {number} was placed twice, by attempts {earlier} and {later}"));
        }
    }

    /// Checks everything when all faults are over.
    pub(super) fn check_end(&mut self) {
        self.check_answers();
        for place in 0..self.replicas.len() {
            let Some(Some(replica)) = self.replicas.get(place) else { continue };
            let owed = replica.front.owed();
            let held: Vec<_> = replica.front.cluster().reservations().map(|held| held.id.clone()).collect();
            let own = contents(replica.front.cluster());
            let differing = replica.workers.iter().find(|(_, worker)| contents(worker.cluster()) != own);
            let differing =
                differing.map(|(number, worker)| (*number, difference(worker.cluster(), replica.front.cluster())));
            if owed > 0 {
                self.violated(format!("replica {place} owes {owed} answers at the end"));
            }
            if let Some(id) = held.first() {
                self.violated(format!("replica {place} holds {} reservations at the end, {id} among them", held.len()));
            }
            if let Some((number, difference)) = differing {
                self.violated(format!("worker {number} of replica {place} sees another cluster: {difference}"));
            }
        }
        self.check_agreement();
    }

    /// Checks that every attempt that a replica could answer was answered in time.
    fn check_answers(&mut self) {
        let mut wrong = Vec::new();
        for (number, launcher) in self.launchers.iter().enumerate() {
            for (attempt, sent) in launcher.sent.iter().enumerate() {
                let latest = *sent + DEADLINE + SLACK;
                if self.network.was_rough(*sent, latest) {
                    continue;
                }
                match launcher.answers.get(&attempt) {
                    None => wrong.push(format!("request {number}, attempt {attempt}, was never answered")),
                    Some(answer) if answer.at > latest => {
                        wrong.push(format!("request {number}, attempt {attempt}, was answered after its deadline"));
                    }
                    Some(_) => {}
                }
            }
        }
        wrong.into_iter().take(3).for_each(|wrong| self.violated(wrong));
    }

    /// Checks that all replicas see the same nodes, and each other.
    fn check_agreement(&mut self) {
        let others = self.replicas.iter().flatten().count().saturating_sub(1);
        let lonely = self.replicas.iter().flatten().find(|replica| replica.front.other_replicas() != others);
        if let Some(lonely) = lonely {
            let known = lonely.front.other_replicas();
            self.violated(format!("a replica hears {known} others at the end, of {others}"));
        }
        let seen: BTreeSet<_> =
            self.replicas.iter().flatten().map(|replica| contents(replica.front.cluster())).collect();
        if seen.len() > 1 {
            self.violated("the replicas see different clusters at the end".to_owned());
        }
    }
}

/// Returns the whole content of a cluster, in order.
fn contents(cluster: &Cluster) -> Vec<String> {
    let mut contents: Vec<_> = cluster.snapshot().map(|change| shown(&change)).collect();
    contents.sort();
    contents
}

fn shown(change: &Change) -> String {
    match change {
        Change::Report(report) => format!("report {}", report.text),
        other => format!("{other:?}"),
    }
}

/// Describes the differences between two clusters.
fn difference(theirs: &Cluster, own: &Cluster) -> String {
    let (theirs, own): (BTreeSet<_>, BTreeSet<_>) =
        (contents(theirs).into_iter().collect(), contents(own).into_iter().collect());
    let only =
        |a: &BTreeSet<String>, b: &BTreeSet<String>| a.difference(b).take(3).cloned().collect::<Vec<_>>().join("; ");
    format!("it alone has [{}], it lacks [{}]", only(&theirs, &own), only(&own, &theirs))
}
