//! The notes on each step during a scan, and the step reports made of these notes.

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

/// The notes on a step during a scan.
pub(super) struct Note<'a> {
    /// The counter of calls.
    pub(super) calls: Calls<'a>,
    /// The number of nodes that the step was asked about for the request.
    pub(super) asked: Cell<u64>,
    log: RefCell<Vec<LogLine>>,
}

impl<'a> Note<'a> {
    /// Returns empty notes; `observer` is notified of calls.
    pub(super) fn new(observer: &'a dyn StepObserver) -> Self {
        Self { calls: Calls::new(observer), asked: Cell::default(), log: RefCell::default() }
    }

    /// Moves the lines that a call left in `book` into the notes.
    pub(super) fn log_to(&self, book: &LogBook) {
        self.log.borrow_mut().extend(book.take());
    }

    /// Takes the logged lines.
    pub(super) fn take_log(&self) -> Vec<LogLine> {
        self.log.take()
    }
}

/// Returns the reports of the steps up to the step that chose.
pub(super) fn reports(
    chain: &Chain,
    index: &Index,
    context: EvaluationContext<'_>,
    (slot, chooser): (SlotIndex, usize),
    notes: &[Note<'_>],
    cost_us: u64,
) -> Vec<StepReport> {
    let chosen = context.cluster.node(slot).map(|node| node.id().clone()).unwrap_or_default();
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
            tiers: Vec::new(),
            reason: None,
        }
    });
    reports.collect()
}
