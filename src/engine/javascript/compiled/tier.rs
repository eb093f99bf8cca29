//! Which functions of a script are compiled, and which of them still answer.
//!
//! Boa is the reference. One call in so many is answered by both; a compiled function that ever says anything else is not
//! asked again, nor is one that keeps giving up.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use crate::model::Position;
use crate::model::diagnosis::LogLevel;
use crate::script::{NodeFunction, PerNode, ScriptShape, TierChange, TierLedger, TierNews};

use super::super::analysis::edits::Moves;
use super::super::analysis::source::EntryPoint;
use super::super::analysis::tree::{INHERITED, Tree};
use super::emit::TYPE_NAMES;
use super::ir::BailCause;
use super::lower::{CompileTarget, Uncompiled, has_quiet_top, lower};
use super::machine::{Machine, Unanswered};
use super::module_compiler::{CompiledCode, ModuleCompiler};
use super::strings::Strings;

/// So many bail-outs are borne before they are compared with the calls.
const MIN_BAILS: u64 = 32;
/// A function that gives up more than once in so many calls goes back to Boa.
const CALLS_PER_BAIL: u64 = 4;

/// What runs a function.
pub(in super::super) enum Tier {
    /// Compiled code, with Boa behind it.
    Compiled(Box<Compiled>),
    /// Boa; the construct that keeps the function out, with its line.
    Interpreted(Uncompiled),
}

/// A compiled function with all that was seen of it.
pub(in super::super) struct Compiled {
    code: CompiledCode,
    machine: RefCell<Option<Machine>>,
    calls: Cell<u64>,
    bails: RefCell<Vec<(BailCause, u64)>>,
    /// The lines that the last call logged.
    lines: RefCell<Vec<(LogLevel, Rc<str>)>>,
    /// Where the errors of each place at which it throws stand, as Boa said.
    thrown: RefCell<BTreeMap<usize, Option<Position>>>,
    /// Why it is not asked any more.
    retired: RefCell<Option<String>>,
    scribe: TierScribe,
}

/// Writes down what becomes of a function, where anybody wants to know.
struct TierScribe {
    step: Arc<str>,
    function: &'static str,
    ledger: Option<Rc<TierLedger>>,
}

impl TierScribe {
    fn bailed(&self, cause: BailCause) {
        self.ledger.iter().for_each(|ledger| ledger.bailed(&self.step, cause.label()));
    }

    fn note(&self, what: TierChange) {
        let (step, function) = (&self.step, self.function);
        let news = |what| TierNews { step: Arc::clone(step), function: function.to_owned(), what };
        if let Some(ledger) = &self.ledger {
            ledger.note(news(what));
        }
    }
}

/// The functions of a script.
pub(in super::super) struct Tiers {
    pub(in super::super) whole: Option<Tier>,
    pub(in super::super) filter: Option<Tier>,
    pub(in super::super) score: Option<Tier>,
    /// Whether the top level does nothing but to declare, so that it cannot fail.
    pub(in super::super) has_quiet_top: bool,
}

impl Tiers {
    /// Compiles the functions of the script `tree` as far as that can be done.
    pub(in super::super) fn compile(
        tree: &Tree,
        moves: &Moves,
        (shape, entry): (ScriptShape, &EntryPoint),
        (compiler, (step, ledger)): (&ModuleCompiler, (&Arc<str>, Option<Rc<TierLedger>>)),
        has_global: &dyn Fn(&str) -> bool,
    ) -> Self {
        let compile = |target: CompileTarget<'_>| {
            let mut strings = Strings::default();
            for name in TYPE_NAMES {
                strings.intern(name);
            }
            strings.intern_inherited(INHERITED.into_iter());
            let code = lower(tree, moves, target, &mut strings, has_global).and_then(|lowered| {
                compiler.compile(lowered, &strings).map_err(|construct| Uncompiled { line: 1, column: 1, construct })
            });
            match code {
                Ok(code) => {
                    let scribe = TierScribe { step: Arc::clone(step), function: target.name(), ledger: ledger.clone() };
                    Tier::Compiled(Box::new(Compiled::new(code, scribe)))
                }
                Err(uncompiled) => Tier::Interpreted(uncompiled),
            }
        };
        let (mut whole, mut filter, mut score) = (None, None, None);
        match shape {
            ScriptShape::WholeList => whole = Some(compile(CompileTarget::Whole(entry))),
            ScriptShape::PerNode(PerNode { filter: filters, score: scores, key }) => {
                let target = |name, arity| {
                    let parameters = if arity == crate::script::Arity::Node { 1 } else { 2 };
                    CompileTarget::OfNode { name, parameters, has_key: key }
                };
                filter = filters.map(|arity| compile(target("filter", arity)));
                score = scores.map(|arity| compile(target("score", arity)));
            }
        }
        Self { whole, filter, score, has_quiet_top: has_quiet_top(tree) }
    }

    /// The compiled code of `function`, where it still answers.
    pub(in super::super) fn of(&self, function: NodeFunction) -> Option<&Compiled> {
        let tier = match function {
            NodeFunction::Filter => &self.filter,
            NodeFunction::Score => &self.score,
        };
        tier.as_ref().and_then(Tier::active)
    }

    /// Each function with what runs it.
    pub(in super::super) fn each(&self) -> impl Iterator<Item = (&'static str, &Tier)> {
        let named = [("balance", &self.whole), ("filter", &self.filter), ("score", &self.score)];
        named.into_iter().filter_map(|(name, tier)| Some((name, tier.as_ref()?)))
    }
}

impl Tier {
    /// The compiled code, where it still answers.
    pub(in super::super) fn active(&self) -> Option<&Compiled> {
        match self {
            Self::Compiled(compiled) if compiled.retired.borrow().is_none() => Some(compiled),
            Self::Compiled(_) | Self::Interpreted(_) => None,
        }
    }

    /// Whether the function is compiled and answered from an index.
    pub(in super::super) fn is_indexed(&self) -> bool {
        self.active().is_some_and(Compiled::keeps_best)
    }

    /// Why Boa runs it, where Boa does.
    pub(in super::super) fn interpreted(&self) -> Option<String> {
        match self {
            Self::Interpreted(Uncompiled { line, column, construct }) => {
                Some(format!("of {construct} at {line}:{column}"))
            }
            Self::Compiled(compiled) => compiled.retired.borrow().clone(),
        }
    }
}

impl Compiled {
    fn new(code: CompiledCode, scribe: TierScribe) -> Self {
        Self {
            code,
            machine: RefCell::default(),
            calls: Cell::default(),
            bails: RefCell::default(),
            lines: RefCell::default(),
            thrown: RefCell::default(),
            retired: RefCell::default(),
            scribe,
        }
    }

    /// Lets `ask` ask the instance, and counts what comes of it.
    pub(in super::super) fn ask<T>(
        &self,
        compiler: &ModuleCompiler,
        ask: impl FnOnce(&mut Machine, &CompiledCode) -> Result<T, Unanswered>,
    ) -> Result<T, Unanswered> {
        self.calls.set(self.calls.get() + 1);
        let answer = self.asked(compiler, ask);
        match &answer {
            Err(Unanswered::Bailed(cause)) => self.count(*cause),
            Err(Unanswered::Full) => {
                self.give_up("the nodes do not fit into the memory of its compiled code".to_owned())
            }
            Err(Unanswered::Passed(..) | Unanswered::Thrown(..)) | Ok(_) => {}
        }
        answer
    }

    /// Lets `ask` ask the instance about several nodes at once; `ask` returns how many it was answered about. What went
    /// wrong about the next node is not counted: a call of its own finds that out.
    pub(in super::super) fn ask_many(
        &self,
        compiler: &ModuleCompiler,
        ask: impl FnOnce(&mut Machine, &CompiledCode) -> Result<usize, Unanswered>,
    ) -> Result<usize, Unanswered> {
        let answered = self.asked(compiler, ask);
        self.lines.take();
        if let Ok(answered) = answered {
            self.calls.set(self.calls.get() + answered as u64);
        }
        answered
    }

    fn asked<T>(
        &self,
        compiler: &ModuleCompiler,
        ask: impl FnOnce(&mut Machine, &CompiledCode) -> Result<T, Unanswered>,
    ) -> Result<T, Unanswered> {
        let mut kept = self.machine.borrow_mut();
        let machine = match &mut *kept {
            Some(machine) => machine,
            // An instance that does not start is a reason to give up, each time until it is given up on.
            none => none.insert(
                compiler
                    .alarm()
                    .own_work(|| Machine::new(&self.code))
                    .map_err(|_error| Unanswered::Bailed(BailCause::Memory))?,
            ),
        };
        let answer = ask(machine, &self.code);
        self.lines.replace(machine.take_lines());
        if machine.is_swollen() {
            *kept = None;
        }
        answer
    }

    /// Takes the lines that the last call logged.
    pub(in super::super) fn take_lines(&self) -> Vec<(LogLevel, Rc<str>)> {
        self.lines.take()
    }

    /// Whether the last call logged these lines.
    pub(in super::super) fn has_lines(&self, lines: &[(LogLevel, Rc<str>)]) -> bool {
        *self.lines.borrow() == lines
    }

    /// Where errors of the place with this number stand; nothing where Boa was not asked yet.
    pub(in super::super) fn thrown_at(&self, place: usize) -> Option<Option<Position>> {
        self.thrown.borrow().get(&place).cloned()
    }

    /// Learns where errors of a place stand.
    pub(in super::super) fn learn_thrown(&self, place: usize, position: Option<Position>) {
        self.thrown.borrow_mut().insert(place, position);
    }

    /// Whether the next answer is to be compared with Boa's, which one in `every` is.
    pub(in super::super) fn is_due(&self, every: u32) -> bool {
        every > 0 && (self.calls.get() + 1).is_multiple_of(u64::from(every))
    }

    /// The number of calls before the next that is due, see [`Compiled::is_due`].
    pub(in super::super) fn calls_until_due(&self, every: u32) -> usize {
        let every = u64::from(every.max(1));
        usize::try_from(every - 1 - self.calls.get() % every).unwrap_or(usize::MAX)
    }

    /// Counts a bail-out.
    pub(in super::super) fn count(&self, cause: BailCause) {
        self.scribe.bailed(cause);
        let mut bails = self.bails.borrow_mut();
        match bails.iter_mut().find(|(known, _)| *known == cause) {
            Some((_, count)) => *count += 1,
            None => bails.push((cause, 1)),
        }
        let all: u64 = bails.iter().map(|(_, count)| count).sum();
        if all >= MIN_BAILS && all.saturating_mul(CALLS_PER_BAIL) > self.calls.get() {
            let words = cause.words();
            drop(bails);
            self.give_up(format!("its compiled code gave up {all} times, the last time for {words}"));
        }
    }

    /// Does not ask it any more, because it answers too seldom.
    fn give_up(&self, why: String) {
        self.scribe.note(TierChange::GaveUp(why.clone()));
        self.retire(why);
    }

    /// Does not ask it any more, because it said something else than Boa, which had an error where it `is_error`.
    pub(in super::super) fn differed(&self, compiled: String, interpreted: String, is_error: bool) {
        self.scribe.note(TierChange::Differed { compiled, interpreted, is_error });
        self.retire("its compiled code said something else than Boa".to_owned());
    }

    fn retire(&self, why: String) {
        self.retired.replace(Some(why));
        self.machine.replace(None);
    }

    /// Whether the function keeps the best node, which an index finds.
    pub(in super::super) fn keeps_best(&self) -> bool {
        self.code.keeps_best()
    }

    /// The reason why the function has no index.
    #[cfg(test)]
    pub(super) fn refusal(&self) -> Option<&'static str> {
        self.code.refusal()
    }

    /// The number of runs of the probe, and the number of best nodes that the index found.
    #[cfg(test)]
    pub(super) fn ranked(&self) -> Option<(u64, u64)> {
        Some(self.machine.borrow().as_ref()?.ranked.as_ref()?.1.counts())
    }

    /// Why it gave up, and how often.
    #[cfg(test)]
    pub(super) fn causes(&self) -> Vec<(BailCause, u64)> {
        self.bails.borrow().clone()
    }

    /// How often it was asked, and how often it gave up.
    #[cfg(test)]
    pub(super) fn counts(&self) -> (u64, u64) {
        (self.calls.get(), self.bails.borrow().iter().map(|(_, count)| count).sum())
    }
}
