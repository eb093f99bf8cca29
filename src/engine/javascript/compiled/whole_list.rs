//! Runs a function of the whole list: over all candidates, or, where the function keeps the best node, over that node
//! alone.
//!
//! The function's probe returns the figures by which the best node is found, and is run for changed nodes alone.

use std::cell::OnceCell;
use std::sync::Arc;

use crate::chain::candidates::Places;
use crate::clock::Dice;
use crate::model::{Candidate, Cluster};
use crate::script::{Element, ReturnedValue, ScriptLimits};

use super::host::{elements, read_list};
use super::ir::BailCause;
use super::machine::{Entry, Machine, Occasion, PassedLimit, Unanswered};
use super::module_compiler::{CompiledCode, ModuleCompiler};
use super::paths::{NODE, REQUEST};
use super::table::{GivenList, REQUEST_AT};
use super::value::{self, Kind, kind};

/// The most nodes that the probe is run for in a request. Until the probe has run for all nodes, the function runs over
/// the whole list.
const MOST_LOOKS: usize = 1024;
/// The number of runs of the probe up to which their time counts as the function's; more are the engine's own work.
const FEW_LOOKS: usize = 16;

/// Which candidates a whole-list function is run over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Scope {
    /// All candidates.
    All,
    /// The best candidate alone, where the function keeps the best candidate.
    Best,
}

/// Candidates without overlays, and the place of each.
pub(super) struct PlainList {
    list: Arc<[Candidate]>,
    /// The number of lists before this list.
    number: u64,
    /// Filled when the function first returns a list.
    places: OnceCell<Places>,
}

impl Machine {
    /// Runs the whole-list function over `candidates`; or over the best candidate alone, where that gives the same
    /// answer and `scope` allows it. `None` where the returned value is left to Boa.
    pub(in super::super) fn balance(
        &mut self,
        (compiler, code): (&ModuleCompiler, &CompiledCode),
        occasion: Occasion<'_>,
        candidates: &Arc<[Candidate]>,
        (scope, limits): (Scope, &ScriptLimits),
    ) -> Result<Option<ReturnedValue>, Unanswered> {
        let Some(asked) = occasion.scene.asked else { return Err(Unanswered::Bailed(BailCause::Throws)) };
        self.note_list(candidates)?;
        let cluster = occasion.scene.cluster;
        self.tell(compiler, cluster)?;
        let best = match scope {
            Scope::Best => self.best_of((compiler, code), cluster, candidates)?,
            Scope::All => None,
        };
        let texts = self.store.data().strings.len();
        let number = self.asked_about.as_ref().map(|known| known.number).filter(|_| best.is_none());
        let listed = best.as_ref().map_or(&candidates[..], std::slice::from_ref);
        let given = GivenList { candidates: listed, owner: self.owner, number };
        let end = self.table.ask(&mut self.store, &asked, cluster, Some(given))?;
        self.store.data_mut().moment = Some(asked.moment.clone());
        self.store.data_mut().most_lines = occasion.log_lines;
        let dice = Dice::new(asked.seed, occasion.scene.step, "");
        let request = value::object(REQUEST, REQUEST_AT);
        let run = self.run.clone();
        let said = self.enter((compiler, code), &run, (request, 0), Some(dice), end);
        let returned = said.map(|bits| self.returned(bits, cluster, limits));
        self.store.data_mut().strings.truncate(texts);
        returned
    }

    /// Records `candidates`, unless the last request had the same list. Gives up where a candidate has an overlay.
    fn note_list(&mut self, candidates: &Arc<[Candidate]>) -> Result<(), Unanswered> {
        if self.asked_about.as_ref().is_some_and(|known| Arc::ptr_eq(&known.list, candidates)) {
            return Ok(());
        }
        if candidates.iter().any(|candidate| candidate.overlay.is_some()) {
            return Err(Unanswered::Bailed(BailCause::Kind));
        }
        let number = self.asked_about.as_ref().map_or(0, |last| last.number + 1);
        self.asked_about = Some(PlainList { list: Arc::clone(candidates), number, places: OnceCell::new() });
        Ok(())
    }

    /// Returns the candidate for which alone the function answers as for all `candidates`; `None` where no such
    /// candidate is known.
    fn best_of(
        &mut self,
        (compiler, code): (&ModuleCompiler, &CompiledCode),
        cluster: &Cluster,
        candidates: &Arc<[Candidate]>,
    ) -> Result<Option<Candidate>, Unanswered> {
        let Some((probe, mut ranking)) = self.ranked.take() else { return Ok(None) };
        if candidates.is_empty() || !ranking.tell(cluster, candidates) {
            self.ranked = Some((probe, ranking));
            return Ok(None);
        }
        let mut looks = 0;
        while let Some((place, candidate)) = ranking.next_due().filter(|_| looks < MOST_LOOKS) {
            match self.look((compiler, code), &probe, &candidate) {
                Ok(marks) => ranking.put(place, marks.as_deref()),
                // Nobody asks it again: the time of a request is the function's.
                Err(Unanswered::Passed(PassedLimit::Time(_), _)) => {
                    compiler.alarm().begin_anew();
                    return Ok(None);
                }
                Err(unanswered) => return Err(unanswered),
            }
            looks += 1;
        }
        if looks > FEW_LOOKS {
            compiler.alarm().begin_anew();
        }
        let best = ranking.best();
        self.ranked = Some((probe, ranking));
        Ok(best)
    }

    /// Returns the marks of `candidate`; `None` where the probe gives up.
    fn look(
        &mut self,
        (compiler, code): (&ModuleCompiler, &CompiledCode),
        probe: &Entry,
        candidate: &Candidate,
    ) -> Result<Option<Vec<u64>>, Unanswered> {
        let texts = self.store.data().strings.len();
        let end = self.table.show(&mut self.store, candidate, self.owner)?;
        let said = self.enter((compiler, code), probe, (value::object(REQUEST, REQUEST_AT), 0), None, end);
        self.store.data_mut().strings.truncate(texts);
        match said {
            Ok(bits) => Ok(match kind(bits) {
                Kind::List(list) => read_list(self.memory, &self.store, list),
                _ => None,
            }),
            Err(Unanswered::Bailed(_) | Unanswered::Thrown(..) | Unanswered::Passed(PassedLimit::Length, _)) => {
                Ok(None)
            }
            Err(unanswered) => Err(unanswered),
        }
    }

    fn returned(&self, bits: u64, cluster: &Cluster, limits: &ScriptLimits) -> Option<ReturnedValue> {
        let kind = kind(bits);
        if kind == Kind::Unknown {
            return None;
        }
        if !self.is_truthy(kind) {
            return Some(ReturnedValue::Falsy);
        }
        match kind {
            Kind::Text(number) => Some(ReturnedValue::Id(limits.cut(self.text(number)?))),
            Kind::Object(NODE, row) => {
                let node = cluster.node(cluster.slot(row as usize)?)?;
                Some(ReturnedValue::Node(limits.cut(node.id())))
            }
            Kind::List(list) => {
                let length = elements(self.memory.data(&self.store), list)?.count();
                if length > limits.returned_elements { None } else { self.returned_list(list, limits) }
            }
            _ => None,
        }
    }

    /// Returns `list` as nodes and ids; `None` where the list has other values.
    fn returned_list(&self, list: u32, limits: &ScriptLimits) -> Option<ReturnedValue> {
        let items = || elements(self.memory.data(&self.store), list);
        let about = self.asked_about.as_ref()?;
        let places = about.places.get_or_init(|| Places::of(&about.list));
        // What was written into a node goes along with the node, as Boa tells.
        let place = |bits: u64| match value::kind(bits) {
            Kind::Object(NODE, row) if !self.writes_nodes => places.of_index(row as usize),
            _ => None,
        };
        // Most lists are of nodes alone.
        if let Some(given) = items()?.map(place).collect() {
            return Some(ReturnedValue::Given(given));
        }
        let element = |bits: u64| match value::kind(bits) {
            Kind::Text(number) => Some(Element::Id(limits.cut(self.text(number)?))),
            _ => place(bits).map(|place| Element::Given(place as usize)),
        };
        items()?.map(element).collect::<Option<_>>().map(ReturnedValue::list)
    }
}
