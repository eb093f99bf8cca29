//! The search for remedies: fields one by one, then in pairs.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::chain::{Ask, ChainSpec, StepSource};
use crate::evaluator::Evaluator;
use crate::model::counterfactual::MAX_REMEDIES;
use crate::model::{Cluster, Counterfactual, FieldChange, Outcome, Remedy, SearchEnd};

use super::fields::{self, SearchedField};
use super::sampled;
use super::supposition::Supposition;
use super::trials::{SearchBudget, Trials, placement};
use super::values::{FieldValues, FoundValue};
use super::vocabulary::Vocabulary;

/// The most nodes whose values are tried.
const MAX_PEERS: usize = 32;
/// The most fields of which two are changed together.
const MAX_PAIRED: usize = 16;
/// The most values of each that are tried then.
const MAX_PAIRED_VALUES: usize = 7;

/// Searches for the smallest changes that would have the node `ask.about` chosen, or returns `None` if `ask` names no
/// node or that node is chosen.
#[must_use]
pub fn search(evaluator: &Evaluator, ask: &Ask, budget: SearchBudget) -> Option<Counterfactual> {
    let about = ask.about.as_ref()?;
    let untried = |reason: &str| Some(Counterfactual::untried(about, reason));
    let Some(mut rehearsal) = evaluator.rehearse(ask.request.action()) else {
        return untried("there is no such chain");
    };
    let (chain, ask) = (Arc::clone(rehearsal.chain()), placement(ask));
    if let Some(program) = executable(&chain) {
        return untried(&format!("{program} is an executable, and is not run to explain"));
    }
    let Some(node) = rehearsal.cluster().get(about).cloned() else { return untried("it is not in the cluster") };
    let Some(actual) = Supposition::actual(&node, &ask, &rehearsal) else { return untried("its document is no JSON") };
    let start_us = rehearsal.micros();
    let chosen = match rehearsal.decide(&ask).map(|decision| decision.outcome) {
        Some(Outcome::Placed(chosen)) if chosen == *about => return None,
        Some(Outcome::Placed(chosen)) => Some(chosen),
        Some(Outcome::Failed(_)) | None => None,
    };
    let first_us = rehearsal.micros().saturating_sub(start_us);
    let mut vocabulary = Vocabulary::of(&chain);
    vocabulary.learn(ask.request.fields());
    vocabulary.learn(
        &["metadata", "staticData"].into_iter().filter_map(|name| Some((name.to_owned(), node.field(name)?))).collect(),
    );
    let peers = peers(rehearsal.cluster(), about, chosen.as_deref());
    let with_values = |field| {
        let values = FieldValues::of(&field, &peers, &vocabulary);
        (field, values)
    };
    let fields: Vec<_> = fields::of(&node, &ask, &actual, &peers, &vocabulary).into_iter().map(with_values).collect();
    let is_slow = sampled::is_slow(&mut rehearsal, &ask, first_us, budget);
    let budget = SearchBudget { time_us: budget.time_us.saturating_sub(rehearsal.micros() - start_us), ..budget };
    let mut trials = Trials::new(rehearsal, ask, about, actual.in_cluster(&node), budget);
    if is_slow {
        let sample = sampled::sample(evaluator.cluster(), &node, chosen.as_ref(), trials.ask());
        let found = sampled::search(evaluator, &mut trials, (&node, chosen.as_ref()), (&actual, &fields), sample);
        if found.is_some() {
            return found;
        }
    }
    let mut search = RemedySearch::new(trials, actual, &fields);
    let end = search.run().err().unwrap_or(SearchEnd::Complete);
    Some(search.into_counterfactual(about, end))
}

/// Returns the name of the first step of `chain` that is an executable.
fn executable(chain: &ChainSpec) -> Option<&str> {
    let is_program = |source: &StepSource| matches!(source, StepSource::Executable(_));
    chain.steps.iter().find(|step| is_program(&step.source)).map(|step| &*step.name)
}

/// Returns nodes of `cluster` other than `about` as scripts see them: the chosen node, then some from everywhere.
fn peers(cluster: &Cluster, about: &str, chosen: Option<&str>) -> Vec<Map<String, Value>> {
    let others = cluster.nodes().map(|(_, node)| node);
    let others = others.filter(|node| &**node.id() != about && Some(&**node.id()) != chosen);
    let step = (cluster.len() / MAX_PEERS).max(1);
    let chosen = chosen.and_then(|chosen| cluster.get(chosen));
    chosen.into_iter().chain(others.step_by(step)).take(MAX_PEERS).map(|node| node.to_json()).collect()
}

/// Changes that have the node chosen, and how large they are together.
pub(super) struct FoundRemedy<'a> {
    size: f64,
    pub(super) changes: Vec<(&'a SearchedField, Option<Value>)>,
}

impl FoundRemedy<'_> {
    /// Returns the changes as they are told.
    pub(super) fn told(&self) -> Remedy {
        Remedy { changes: self.changes.iter().map(|(field, value)| field_change(field, value.as_ref())).collect() }
    }

    /// Returns `actual` with the changes, or `None` if one of them cannot be made.
    pub(super) fn supposed(&self, actual: &Supposition, ask: &Ask) -> Option<Supposition> {
        self.changes
            .iter()
            .try_fold(actual.clone(), |supposed, (field, value)| supposed.with(&field.target, value.as_ref(), ask))
    }
}

/// A search under way.
pub(super) struct RemedySearch<'a> {
    trials: Trials<'a>,
    actual: Supposition,
    fields: &'a [(SearchedField, FieldValues)],
    looked_at: u64,
    /// The changes that were found, with their sizes.
    found: Vec<FoundRemedy<'a>>,
}

impl<'a> RemedySearch<'a> {
    pub(super) fn new(trials: Trials<'a>, actual: Supposition, fields: &'a [(SearchedField, FieldValues)]) -> Self {
        Self { trials, actual, fields, looked_at: 0, found: Vec::new() }
    }

    /// Returns what was found, the smallest first, with how many fields were looked at and how many decisions tried.
    pub(super) fn into_found(mut self) -> (Vec<FoundRemedy<'a>>, u64, u64) {
        self.found.sort_by(|left, right| left.size.total_cmp(&right.size));
        (self.found, self.looked_at, self.trials.tries())
    }

    /// Tries all fields.
    ///
    /// # Errors
    /// The reason for an early end, where the budget is spent.
    pub(super) fn run(&mut self) -> Result<(), SearchEnd> {
        let fields = self.fields;
        let read = fields.partition_point(|(field, _)| field.is_read);
        let (read, unread) = fields.split_at(read);
        self.singly(read)?;
        if self.found.is_empty() {
            // A script may reach a field without naming the field.
            self.singly(unread)?;
        }
        if self.found.is_empty() {
            self.in_pairs(read.get(..MAX_PAIRED.min(read.len())).unwrap_or(read))?;
        }
        Ok(())
    }

    fn singly(&mut self, fields: &'a [(SearchedField, FieldValues)]) -> Result<(), SearchEnd> {
        for (field, values) in fields {
            self.looked_at += 1;
            if let Some(FoundValue { value, size }) = values.smallest(field, &self.actual, &mut self.trials)? {
                self.found.push(FoundRemedy { size, changes: vec![(field, value)] });
            }
        }
        Ok(())
    }

    fn in_pairs(&mut self, fields: &'a [(SearchedField, FieldValues)]) -> Result<(), SearchEnd> {
        for (place, (first, values)) in fields.iter().enumerate() {
            for (second, others) in fields.iter().skip(place + 1) {
                if let Some(pair) = self.pair((first, values), (second, others))? {
                    self.found.push(pair);
                    if self.found.len() >= MAX_REMEDIES {
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }

    /// Returns changes of two fields that do together, each as small as the other allows.
    fn pair(
        &mut self,
        (first, values): (&'a SearchedField, &FieldValues),
        (second, others): (&'a SearchedField, &FieldValues),
    ) -> Result<Option<FoundRemedy<'a>>, SearchEnd> {
        for value in values.telling(MAX_PAIRED_VALUES) {
            let Some(half) = self.actual.with(&first.target, value.as_ref(), self.trials.ask()) else { continue };
            for other in others.telling(MAX_PAIRED_VALUES) {
                if !self.trials.works_with(&half, second, other.as_ref())? {
                    continue;
                }
                let least = others.smallest(second, &half, &mut self.trials)?;
                let least = least.unwrap_or(FoundValue { value: other, size: 1.0 });
                let Some(rest) = self.actual.with(&second.target, least.value.as_ref(), self.trials.ask()) else {
                    continue;
                };
                let own = values.smallest(first, &rest, &mut self.trials)?;
                let own = own.unwrap_or(FoundValue { value, size: 1.0 });
                let changes = vec![(first, own.value), (second, least.value)];
                return Ok(Some(FoundRemedy { size: own.size + least.size, changes }));
            }
        }
        Ok(None)
    }

    /// Returns the counterfactual of the node `about` after the search came to `end`; each remedy is tried once more.
    fn into_counterfactual(mut self, about: &Arc<str>, end: SearchEnd) -> Counterfactual {
        let mut found = std::mem::take(&mut self.found);
        found.sort_by(|left, right| left.size.total_cmp(&right.size));
        let mut remedies = Vec::new();
        for remedy in found {
            let supposed = remedy.supposed(&self.actual, self.trials.ask());
            if remedies.len() < MAX_REMEDIES && supposed.is_some_and(|supposed| self.trials.is_confirmed(&supposed)) {
                remedies.push(remedy.told());
            }
        }
        let (fields, tries) = (self.looked_at, self.trials.tries());
        Counterfactual { node: Arc::clone(about), remedies, fields, tries, end }
    }
}

fn field_change(field: &SearchedField, value: Option<&Value>) -> FieldChange {
    let text = |value: &Value| value.to_string();
    FieldChange { field: field.name.clone(), from: field.now.as_ref().map(text), to: value.map(text) }
}
