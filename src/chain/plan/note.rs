//! What is noted of the steps on the way of a scan, and told of them in the end.

use std::cell::{Cell, RefCell};

use crate::chain::Chain;
use crate::chain::evaluate::EvaluationContext;
use crate::chain::observer::{Calls, StepObserver};
use crate::model::diagnosis::LogLine;
use crate::model::lost::LostNodes;
use crate::model::{SlotIndex, StepReport, StepVerdict};
use crate::script::{Arity, LogBook};

use super::PlanPart;
use super::index::Index;

/// What is noted of a step on the way.
pub(super) struct Note<'a> {
    /// Makes the calls.
    pub(super) calls: Calls<'a>,
    /// How many nodes the step was asked about for the request.
    pub(super) asked: Cell<u64>,
    log: RefCell<Vec<LogLine>>,
}

impl<'a> Note<'a> {
    /// Nothing yet; `observer` is told of calls.
    pub(super) fn new(witness: &'a dyn StepObserver) -> Self {
        Self { calls: Calls::new(witness), asked: Cell::default(), log: RefCell::default() }
    }

    /// Notes what a call left in `book`.
    pub(super) fn log_to(&self, book: &LogBook) {
        self.log.borrow_mut().extend(book.take());
    }

    /// Takes what was logged.
    pub(super) fn take_log(&self) -> Vec<LogLine> {
        self.log.take()
    }
}

/// What the steps said up to the one that chose.
pub(super) fn reports(
    chain: &Chain,
    index: &Index,
    stage: EvaluationContext<'_>,
    (slot, chooser): (SlotIndex, usize),
    notes: &[Note<'_>],
    cost_us: u64,
) -> Vec<StepReport> {
    let chosen = stage.cluster.node(slot).map(|node| node.id().clone()).unwrap_or_default();
    let mut filters = 0;
    let steps = chain.steps.iter().zip(notes).enumerate().take(chooser + 1);
    let reports = steps.map(|(number, (step, note))| {
        let candidates = index.reach.passing(filters);
        let mut said = StepVerdict::Pass;
        for part in &index.plan.parts {
            match part {
                PlanPart::Sieve(at, Arity::Node) if *at == number => {
                    filters += 1;
                    said = StepVerdict::Narrow(index.reach.passing(filters));
                }
                PlanPart::Sieve(at, Arity::NodeAndRequest) if *at == number => {
                    said = StepVerdict::Asked(note.asked.get())
                }
                PlanPart::Sieve(..) | PlanPart::Nominate(_) => {}
            }
        }
        if number == chooser {
            said = StepVerdict::Select(chosen.clone());
        }
        StepReport {
            step: step.spec.name.clone(),
            said,
            candidates,
            calls: note.calls.made(),
            cost_us: if number == chooser { cost_us } else { 0 },
            lost: LostNodes::default(),
            scores: Vec::new(),
            log: note.take_log(),
            position: None,
        }
    });
    reports.collect()
}
