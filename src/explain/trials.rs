//! Trials: decisions over a supposed cluster, one after another, until the node is chosen or the budget is spent.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::chain::{Ask, Purpose};
use crate::evaluator::Rehearsal;
use crate::model::{Outcome, Request, SearchEnd};

use super::fields::SearchedField;
use super::supposition::Supposition;

/// The most decisions that a search tries, whatever the search's time.
pub const MAX_TRIES: u64 = 20_000;

/// The most time and tries that a search may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SearchBudget {
    /// The time in microseconds, by the evaluator's stopwatch.
    pub time_us: u64,
    /// The number of decisions that are tried.
    pub tries: u64,
}

/// Decisions over a supposed cluster.
pub(super) struct Trials<'a> {
    rehearsal: Rehearsal<'a>,
    ask: Ask,
    node: Arc<str>,
    /// The supposition that was applied to the rehearsal's cluster last.
    made: Supposition,
    budget: SearchBudget,
    start_us: u64,
    tries: u64,
}

impl<'a> Trials<'a> {
    /// Returns trials of whether `node` is chosen for `ask` in `rehearsal`, whose cluster has the node as `made` at the
    /// start.
    pub(super) fn new(
        rehearsal: Rehearsal<'a>,
        ask: Ask,
        node: &Arc<str>,
        made: Supposition,
        budget: SearchBudget,
    ) -> Self {
        let start_us = rehearsal.micros();
        Self { rehearsal, ask, node: Arc::clone(node), made, budget, start_us, tries: 0 }
    }

    /// Returns the question that is tried.
    pub(super) fn ask(&self) -> &Ask {
        &self.ask
    }

    /// Returns the number of decisions tried so far.
    pub(super) fn tries(&self) -> u64 {
        self.tries
    }

    /// Whether the node is chosen where `field` is `value` on top of `supposition`.
    ///
    /// # Errors
    /// The reason for an early end, where the budget is spent.
    pub(super) fn works_with(
        &mut self,
        supposition: &Supposition,
        field: &SearchedField,
        value: Option<&Value>,
    ) -> Result<bool, SearchEnd> {
        match supposition.with(&field.target, value, &self.ask) {
            Some(supposed) => self.works(&supposed),
            None => Ok(false),
        }
    }

    /// Whether the node is chosen where things are as `supposed`.
    ///
    /// # Errors
    /// As [`Trials::works_with`].
    pub(super) fn works(&mut self, supposed: &Supposition) -> Result<bool, SearchEnd> {
        if self.tries >= self.budget.tries {
            return Err(SearchEnd::OutOfTries);
        }
        if self.rehearsal.micros().saturating_sub(self.start_us) > self.budget.time_us {
            return Err(SearchEnd::OutOfTime);
        }
        self.tries += 1;
        Ok(self.decide(supposed, false))
    }

    /// Whether the node is chosen with everything as `supposed`, with every script asked anew about every node: the
    /// reference, for results that the search found with kept results.
    pub(super) fn is_confirmed(&mut self, supposed: &Supposition) -> bool {
        self.tries += 1;
        self.decide(supposed, true)
    }

    /// Returns the node that is chosen with everything as `supposed`, every script asked anew; `None` where no node is.
    pub(super) fn chosen(&mut self, supposed: &Supposition) -> Option<Arc<str>> {
        self.tries += 1;
        self.outcome(supposed, true)
    }

    /// Returns the time that is left of the budget, in microseconds.
    pub(super) fn left_us(&self) -> u64 {
        self.budget.time_us.saturating_sub(self.rehearsal.micros().saturating_sub(self.start_us))
    }

    fn decide(&mut self, supposed: &Supposition, anew: bool) -> bool {
        self.outcome(supposed, anew).is_some_and(|chosen| chosen == self.node)
    }

    fn outcome(&mut self, supposed: &Supposition, anew: bool) -> Option<Arc<str>> {
        let ask = supposed.make(&self.made, &mut self.rehearsal, &self.ask)?;
        self.made = supposed.clone();
        match self.rehearsal.decide(&Ask { anew, ..ask })?.outcome {
            Outcome::Placed(chosen) => Some(chosen),
            Outcome::Failed(_) => None,
        }
    }
}

/// Returns `ask` as a placement without an explanation: the chain's plan may answer the placement, in microseconds.
pub(super) fn placement(ask: &Ask) -> Ask {
    let request = Request::from_value(whole_request(ask), "").ok().map(Arc::new);
    let request = request.unwrap_or_else(|| Arc::clone(&ask.request));
    Ask { request, purpose: Purpose::Place, about: None, anew: false, ..ask.clone() }
}

/// Returns the request of `ask` as a launcher would write the request, with the user's token.
pub(super) fn whole_request(ask: &Ask) -> Value {
    let mut fields = ask.request.fields().clone();
    fields.shift_remove("explain");
    if let Some(params) = fields.get_mut("params").and_then(Value::as_object_mut) {
        params.insert("jwt".to_owned(), ask.request.jwt().clone());
    }
    json!(fields)
}
