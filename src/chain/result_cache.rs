//! The results of per-node scripts, cached for as long as the results are valid.
//!
//! A function of a single parameter answers the same for a node until a part of the node changes that the function
//! reads; a function that depends on a key does so for each key. So changes need no invalidation: a result carries the
//! cluster's generation at the call, and the node records the generation of the last change of each part.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::model::{Cluster, FailureName, Node, NodeParts, SlotIndex};
use crate::script::{Arity, NodeFunction, Script};

use super::asking::NodeVerdict;
use super::{Chain, StepKind};

/// The number of keys of a script for which results are kept; past this number, the results of the least recently used
/// key go.
const MAX_KEYS: usize = 256;
/// The length of the longest key that is kept, as JSON, in bytes.
const MAX_KEY_BYTES: usize = 1024;
/// The number of results that are kept for all keys of a script together: where each key holds many, fewer keys are
/// kept.
const MAX_KEYED_RESULTS: usize = 1_000_000;

/// The results of a single function for the nodes.
#[derive(Debug)]
pub(super) struct Results {
    reads: NodeParts,
    results: BySlot,
}

/// The results, by slot.
#[derive(Debug)]
enum BySlot {
    /// Results for all nodes, or nearly all.
    Many(Vec<Option<CachedResult>>),
    /// Results for the nodes that requests of a single key were about: mostly few of many.
    Few(BTreeMap<SlotIndex, CachedResult>),
}

#[derive(Clone, Debug)]
struct CachedResult {
    /// The generation of the cluster at the call.
    generation: u64,
    verdict: NodeVerdict,
}

impl Results {
    /// Returns the number of slots or results held.
    fn len(&self) -> usize {
        match &self.results {
            BySlot::Many(results) => results.len(),
            BySlot::Few(results) => results.len(),
        }
    }

    /// Returns the result for `node`, which is in `slot`; `None` where no result is known, or where the result may be
    /// outdated.
    pub(super) fn get(&self, slot: SlotIndex, node: &Node) -> Option<&NodeVerdict> {
        let CachedResult { generation, verdict } = match &self.results {
            BySlot::Many(results) => results.get(slot.index())?.as_ref()?,
            BySlot::Few(results) => results.get(&slot)?,
        };
        // A function that passed a limit may answer next time: such a result is dropped with any change.
        let is_limit = matches!(verdict, NodeVerdict::Failed(failure) if failure.name == FailureName::ScriptLimit);
        let reads = if is_limit { NodeParts::ALL } else { self.reads };
        (node.revised(reads) <= *generation).then_some(verdict)
    }

    /// Records the result for the node in `slot` of the present `cluster`.
    pub(super) fn put(&mut self, slot: SlotIndex, cluster: &Cluster, verdict: &NodeVerdict) {
        let result = CachedResult { generation: cluster.generation(), verdict: verdict.clone() };
        match &mut self.results {
            BySlot::Few(few) => drop(few.insert(slot, result)),
            BySlot::Many(many) => {
                if many.len() <= slot.index() {
                    many.resize_with(cluster.slots().max(slot.index() + 1), || None);
                }
                if let Some(place) = many.get_mut(slot.index()) {
                    *place = Some(result);
                }
            }
        }
    }
}

/// The results of a script's two functions.
#[derive(Debug)]
struct ScriptResults {
    filter: Results,
    score: Results,
}

impl ScriptResults {
    fn new(reads: [NodeParts; 2], by_slot: fn() -> BySlot) -> Self {
        let [filter, score] = reads.map(|reads| Results { reads, results: by_slot() });
        Self { filter, score }
    }

    /// Returns empty results of functions of a single parameter.
    fn pure(reads: [NodeParts; 2]) -> Self {
        Self::new(reads, || BySlot::Many(Vec::new()))
    }

    /// Returns empty results for a single key.
    fn keyed(reads: [NodeParts; 2]) -> Self {
        Self::new(reads, || BySlot::Few(BTreeMap::new()))
    }

    fn len(&self) -> usize {
        self.filter.len() + self.score.len()
    }

    fn of(&mut self, function: NodeFunction) -> &mut Results {
        match function {
            NodeFunction::Filter => &mut self.filter,
            NodeFunction::Score => &mut self.score,
        }
    }
}

/// The values that `key` returned, by the parts of the request that decide the value.
#[derive(Debug, Default)]
pub(super) struct KeyCache(BTreeMap<String, Value>);

impl KeyCache {
    /// Returns the value that `key` returned for such a request.
    pub(super) fn get(&self, request: &str) -> Option<&Value> {
        self.0.get(request)
    }

    /// Records the value that `key` returned.
    pub(super) fn put(&mut self, request: String, key: &Value) {
        if request.len() > MAX_KEY_BYTES || self.0.contains_key(&request) {
            return;
        }
        if self.0.len() >= MAX_KEYS {
            // Calling `key` again is cheaper than finding the least recently used entry.
            self.0.clear();
        }
        self.0.insert(request, key.clone());
    }
}

/// The cached results of a single script.
#[derive(Debug)]
pub(super) struct ResultCache {
    /// The parts of a node that `filter` and `score` read.
    reads: [NodeParts; 2],
    pub(super) keys: KeyCache,
    pure: ScriptResults,
    /// The results by key as JSON text, with the number of the last use.
    keyed: BTreeMap<Arc<str>, (u64, ScriptResults)>,
    /// The keys by the number of their last use.
    by_use: BTreeMap<u64, Arc<str>>,
    /// The number of results in `keyed`.
    keyed_results: usize,
    uses: u64,
}

impl ResultCache {
    /// Returns an empty cache for `script`.
    fn of(script: &dyn Script) -> Self {
        let reads = [NodeFunction::Filter, NodeFunction::Score].map(|function| script.reads(function));
        Self {
            reads,
            keys: KeyCache::default(),
            pure: ScriptResults::pure(reads),
            keyed: BTreeMap::new(),
            by_use: BTreeMap::new(),
            keyed_results: 0,
            uses: 0,
        }
    }

    /// Returns the results of `function` of a single parameter.
    pub(super) fn pure(&mut self, function: NodeFunction) -> &mut Results {
        self.pure.of(function)
    }

    /// Lends the results for a request with this key, so that they need not be looked up for each node.
    pub(super) fn lend(&mut self, key: Option<&Value>) -> RequestCache {
        let pure = std::mem::replace(&mut self.pure, ScriptResults::pure(self.reads));
        let key = key.map(Value::to_string).filter(|key| key.len() <= MAX_KEY_BYTES);
        let keyed = key.map(|key| match self.forget(&key) {
            Some(pair) => (key.into(), pair),
            None => (key.into(), ScriptResults::keyed(self.reads)),
        });
        RequestCache { pure, keyed }
    }

    /// Takes the lent results back.
    pub(super) fn take_back(&mut self, memory: RequestCache) {
        self.pure = memory.pure;
        let Some((key, pair)) = memory.keyed else { return };
        self.uses += 1;
        self.keyed_results += pair.len();
        self.by_use.insert(self.uses, Arc::clone(&key));
        self.keyed.insert(key, (self.uses, pair));
        while self.keyed.len() > MAX_KEYS || (self.keyed_results > MAX_KEYED_RESULTS && self.keyed.len() > 1) {
            let Some((_, oldest)) = self.by_use.first_key_value() else { return };
            let oldest = Arc::clone(oldest);
            self.forget(&oldest);
        }
    }

    /// Removes the results for `key`.
    fn forget(&mut self, key: &str) -> Option<ScriptResults> {
        let (used, pair) = self.keyed.remove(key)?;
        self.by_use.remove(&used);
        self.keyed_results = self.keyed_results.saturating_sub(pair.len());
        Some(pair)
    }
}

/// The results for the functions of a script and a single request.
#[derive(Debug)]
pub(super) struct RequestCache {
    pure: ScriptResults,
    keyed: Option<(Arc<str>, ScriptResults)>,
}

impl RequestCache {
    /// Returns the key, as JSON, under which results are kept; `None` where functions depend on the whole request.
    pub(super) fn key(&self) -> Option<&str> {
        self.keyed.as_ref().map(|(key, _)| &**key)
    }

    /// Returns the results of `function`; `None` where the function depends on the whole request.
    pub(super) fn of(&mut self, function: NodeFunction, arity: Arity) -> Option<&mut Results> {
        match arity {
            Arity::Node => Some(self.pure.of(function)),
            Arity::NodeAndRequest => self.keyed.as_mut().map(|(_, pair)| pair.of(function)),
        }
    }
}

/// Returns empty caches for the per-node scripts of `chain`, by step.
pub(super) fn of_chain(chain: &Chain) -> Vec<Option<ResultCache>> {
    let tables = chain.steps.iter().map(|step| match &step.kind {
        StepKind::Script(script) => Some(ResultCache::of(&**script)),
        StepKind::Policy(_) | StepKind::External => None,
    });
    tables.collect()
}
