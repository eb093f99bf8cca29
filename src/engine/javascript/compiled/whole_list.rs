//! Runs a function of the whole list: over all candidates, or, where the function keeps the best node, over that node
//! alone.
//!
//! The function's probe returns the figures by which the best node is found, and is run for changed nodes alone.

use std::sync::Arc;

use crate::chain::candidates::Places;
use crate::clock::Dice;
use crate::model::{Candidate, Cluster};
use crate::script::{Element, ReturnedValue, ScriptLimits};

use super::host::read_list;
use super::ir::BailCause;
use super::machine::{CompiledCode, Entry, Machine, ModuleCompiler, Occasion, PassedLimit, Unanswered};
use super::paths::{NODE, REQUEST};
use super::table::REQUEST_AT;
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

impl Machine {
    /// Asks the whole-list function about `candidates`, or about the best of them alone where that comes to the same and
    /// `scope` allows it. Nothing where what it returned is for Boa to say.
    pub(in super::super) fn balance(
        &mut self,
        (compiler, code): (&ModuleCompiler, &CompiledCode),
        occasion: Occasion<'_>,
        candidates: &Arc<[Candidate]>,
        (scope, limits): (Scope, &ScriptLimits),
    ) -> Result<Option<ReturnedValue>, Unanswered> {
        let Some(asked) = occasion.scene.asked else { return Err(Unanswered::Bailed(BailCause::Throws)) };
        self.check_plain(candidates)?;
        let cluster = occasion.scene.cluster;
        self.tell(compiler, cluster)?;
        let best = match scope {
            Scope::Best => self.best_of((compiler, code), cluster, candidates)?,
            Scope::All => None,
        };
        let texts = self.store.data().strings.len();
        let given = (best.as_ref().map_or(&candidates[..], std::slice::from_ref), self.owner);
        let end = self.table.ask(&mut self.store, &asked, cluster, Some(given))?;
        self.store.data_mut().moment = Some(asked.moment.clone());
        self.store.data_mut().most_lines = occasion.log_lines;
        let dice = Dice::new(asked.seed, occasion.scene.step, "");
        let request = value::object(REQUEST, REQUEST_AT);
        let run = self.run.clone();
        let said = self.enter((compiler, code), &run, (request, 0), Some(dice), end);
        let returned = said.map(|bits| self.returned(bits, candidates, cluster, limits));
        self.store.data_mut().strings.truncate(texts);
        returned
    }

    /// Gives up where a candidate has an overlay.
    fn check_plain(&mut self, candidates: &Arc<[Candidate]>) -> Result<(), Unanswered> {
        if self.plain.as_ref().is_some_and(|plain| Arc::ptr_eq(plain, candidates)) {
            return Ok(());
        }
        if candidates.iter().any(|candidate| candidate.overlay.is_some()) {
            return Err(Unanswered::Bailed(BailCause::Kind));
        }
        self.plain = Some(Arc::clone(candidates));
        Ok(())
    }

    /// The candidate that alone comes to the same as all of them.
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
        let best = ranking.best().cloned();
        self.ranked = Some((probe, ranking));
        Ok(best)
    }

    /// The marks of `candidate`; none where the probe gives up.
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

    fn returned(
        &self,
        bits: u64,
        candidates: &[Candidate],
        cluster: &Cluster,
        limits: &ScriptLimits,
    ) -> Option<ReturnedValue> {
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
                let items = read_list(self.memory, &self.store, list)?;
                // What was written into them goes along with them, as Boa tells.
                let is_node = |bits: &u64| matches!(value::kind(*bits), Kind::Object(NODE, _));
                if self.writes_nodes && items.iter().any(is_node) {
                    return None;
                }
                if items.len() > limits.returned_elements {
                    return None;
                }
                let places = Places::of(candidates);
                let element = |bits: u64| match value::kind(bits) {
                    Kind::Text(number) => Some(Element::Id(limits.cut(self.text(number)?))),
                    Kind::Object(NODE, row) => places.find(cluster.slot(row as usize)?).map(Element::Given),
                    _ => None,
                };
                items.into_iter().map(element).collect::<Option<_>>().map(ReturnedValue::List)
            }
            _ => None,
        }
    }
}
