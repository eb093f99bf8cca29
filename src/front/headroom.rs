//! The gauges of what is left: units of countable facts, and places by group of nodes.

use std::collections::BTreeSet;
use std::sync::atomic::AtomicI64;
use std::sync::{Mutex, PoisonError};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::plain::plain;

/// The label of a countable fact.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FactLabel {
    /// The name of the fact.
    fact: String,
}

/// The label of a group of nodes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct GroupLabel {
    /// The name of the group; empty for nodes without any.
    group: String,
}

/// The gauges of what is left.
#[derive(Debug, Default)]
pub struct HeadroomFigures {
    /// Units of countable facts: all, held, free.
    fact_counts: [Family<FactLabel, Gauge<i64, AtomicI64>>; 3],
    /// Places that are left on nodes that may be chosen, by group.
    group_left: Family<GroupLabel, Gauge<i64, AtomicI64>>,
    /// The facts and the groups that have such gauges.
    shown_facts: Mutex<BTreeSet<String>>,
    shown_groups: Mutex<BTreeSet<String>>,
}

impl HeadroomFigures {
    /// Registers the gauges.
    pub(super) fn register(&self, registry: &mut Registry) {
        let abouts = [
            ("fact_count", "Units of a countable fact that sessions may hold"),
            ("fact_held", "Units of a countable fact that are held"),
            ("fact_free", "Units of a countable fact that are free; 0 where nobody renewed the fact in time"),
        ];
        for ((name, about), family) in abouts.into_iter().zip(&self.fact_counts) {
            registry.register(name, about, family.clone());
        }
        let about = "Places left on nodes that may be chosen and say how many sessions they take, by group";
        registry.register("group_left", about, self.group_left.clone());
    }

    /// Sets the units of the countable facts: all, held and free, by name. Facts that are not among them are gone.
    pub fn facts<'f>(&self, facts: impl IntoIterator<Item = (&'f str, [u64; 3])>) {
        let mut there = BTreeSet::new();
        for (fact, figures) in facts {
            let label = FactLabel { fact: plain(fact).into_owned() };
            for (family, figure) in self.fact_counts.iter().zip(figures) {
                family.get_or_create(&label).set(i64::try_from(figure).unwrap_or(i64::MAX));
            }
            there.insert(label.fact);
        }
        let mut shown = self.shown_facts.lock().unwrap_or_else(PoisonError::into_inner);
        for gone in shown.difference(&there).map(|fact| FactLabel { fact: fact.clone() }) {
            for family in &self.fact_counts {
                family.remove(&gone);
            }
        }
        *shown = there;
    }

    /// Sets the places that are left, by group. Groups that are not among them are gone.
    pub fn groups<'g>(&self, groups: impl IntoIterator<Item = (&'g str, u64)>) {
        let mut there = BTreeSet::new();
        for (group, left) in groups {
            let label = GroupLabel { group: plain(group).into_owned() };
            self.group_left.get_or_create(&label).set(i64::try_from(left).unwrap_or(i64::MAX));
            there.insert(label.group);
        }
        let mut shown = self.shown_groups.lock().unwrap_or_else(PoisonError::into_inner);
        for gone in shown.difference(&there).map(|group| GroupLabel { group: group.clone() }) {
            self.group_left.remove(&gone);
        }
        *shown = there;
    }
}
