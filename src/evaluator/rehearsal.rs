//! A rehearsal: decisions of one chain over a copy of the cluster, or of a part, in which nodes may be made to differ.
//!
//! Nothing of a rehearsal reaches the evaluator that it was taken from: not the nodes, not the past choices, not what is
//! kept of scripts. So a rehearsal can try what a decision would be if a node were otherwise.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::chain::evaluate::{self, EvaluationContext, Progress};
use crate::chain::{Ask, ChainSpec, EligibilityIndex, Recency, Store};
use crate::clock::Moment;
use crate::model::{Change, Cluster, Decision, Reservation};

use super::{ChainState, Evaluator};

/// Decisions of one chain over a copy of the cluster.
pub struct Rehearsal<'a> {
    evaluator: &'a Evaluator,
    state: &'a ChainState,
    cluster: Cluster,
    eligibility: EligibilityIndex,
    recency: Recency,
    store: Store,
}

impl Evaluator {
    /// Returns a rehearsal of the chain of `action` over the cluster as it is now, or `None` if there is no such chain.
    #[must_use]
    pub fn rehearse(&self, action: &str) -> Option<Rehearsal<'_>> {
        let state = self.chains.get(action)?;
        let (cluster, eligibility, recency) = (self.cluster.clone(), state.eligibility.clone(), state.recency.clone());
        Some(Rehearsal { evaluator: self, state, cluster, eligibility, recency, store: Store::of(&state.chain) })
    }

    /// Returns a rehearsal as [`Evaluator::rehearse`] does, over a cluster of the nodes `kept` alone, with their marks,
    /// reservations and past choices.
    #[must_use]
    pub fn rehearse_among(&self, action: &str, kept: &BTreeSet<Arc<str>>) -> Option<Rehearsal<'_>> {
        let state = self.chains.get(action)?;
        let mut cluster = self.cluster.emptied();
        let is_kept = |id: &Arc<str>| kept.contains(id);
        let held = |reservation: &Reservation| kept.contains(&reservation.node);
        for change in self.cluster.snapshot() {
            let is_wanted = match &change {
                Change::Report(report) => is_kept(&report.id),
                Change::Remove(id) | Change::Stale(id) | Change::Mark(id, _) => is_kept(id),
                Change::Reserve(reservation) => held(reservation),
                Change::Release(_) => false,
            };
            if is_wanted {
                drop(cluster.apply(change));
            }
        }
        let old = |id: &Arc<str>| self.cluster.find(id).map_or(0, |slot| state.recency.of(slot));
        let mut past: Vec<_> = kept.iter().map(|id| (old(id), id)).filter(|(choice, _)| *choice > 0).collect();
        past.sort_unstable();
        let mut recency = Recency::default();
        past.into_iter().filter_map(|(_, id)| cluster.find(id)).for_each(|slot| recency.choose(slot));
        let eligibility = EligibilityIndex::of(&state.chain.spec, &cluster);
        Some(Rehearsal { evaluator: self, state, cluster, eligibility, recency, store: Store::of(&state.chain) })
    }
}

impl Rehearsal<'_> {
    /// The chain as it was configured.
    #[must_use]
    pub fn chain(&self) -> &Arc<ChainSpec> {
        &self.state.chain.spec
    }

    /// The copy of the cluster.
    #[must_use]
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// Microseconds by the evaluator's stopwatch.
    #[must_use]
    pub fn micros(&self) -> u64 {
        self.evaluator.host.stopwatch.micros()
    }

    /// Lets `change` happen in the copy.
    pub fn apply(&mut self, change: Change) {
        for id in self.cluster.apply(change) {
            self.eligibility.look(&self.state.chain.spec, &self.cluster, &id);
        }
    }

    /// Decides `ask` over the copy, or returns `None` if a program would have to be asked.
    #[must_use]
    pub fn decide(&mut self, ask: &Ask) -> Option<Decision> {
        let Evaluator { limits, quarantine, host, zone, .. } = self.evaluator;
        let moment = Moment::at(ask.now_ms, zone);
        let context = EvaluationContext {
            cluster: &self.cluster,
            eligibility: &self.eligibility,
            limits,
            recency: &self.recency,
            quarantine,
            moment: &moment,
            stopwatch: &*host.stopwatch,
            observer: &*host.witness,
            alarm: &*host.alarm,
        };
        // The time that scripts may take begins anew with each decision, as it does with each request.
        host.witness.step(0);
        match evaluate::begin(&self.state.chain, ask, context, &mut self.store) {
            Progress::Decided(decision) => Some(decision),
            Progress::Suspended(_) => None,
        }
    }
}
