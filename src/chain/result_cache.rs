//! What the functions of per-node scripts said of each node, kept for as long as it holds.
//!
//! A function of one parameter says the same of a node until a part of the node changes that it reads; one that depends
//! on a key does for each key. So nothing that changed is searched for: what was said carries the generation of the
//! cluster that it was said of, and the node tells since when its parts are what they are.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::model::{Cluster, FailureName, Node, NodeParts, SlotIndex};
use crate::script::{Arity, NodeFunction, Script};

use super::asking::NodeVerdict;
use super::{Chain, StepKind};

/// Keys of a script for which results are kept; past it, those of the key that was not used for longest go.
const MAX_KEYS: usize = 256;
/// The longest key that is kept, as JSON, in bytes.
const MAX_KEY_BYTES: usize = 1024;
/// Results that are kept for all keys of a script together: where each holds many, fewer keys are kept.
const MAX_KEYED_RESULTS: usize = 1_000_000;

/// What one function said of the nodes.
#[derive(Debug)]
pub(super) struct Results {
    reads: NodeParts,
    said: BySlot,
}

/// What was said, by slot.
#[derive(Debug)]
enum BySlot {
    /// Of all nodes, or nearly.
    Many(Vec<Option<CachedResult>>),
    /// Of those that a request of one key was about: mostly few of many.
    Few(BTreeMap<SlotIndex, CachedResult>),
}

#[derive(Clone, Debug)]
struct CachedResult {
    /// The generation of the cluster that it was said of.
    generation: u64,
    word: NodeVerdict,
}

impl Results {
    /// How many are held.
    fn len(&self) -> usize {
        match &self.said {
            BySlot::Many(said) => said.len(),
            BySlot::Few(said) => said.len(),
        }
    }

    /// What was said of `node`, which lies in `slot`; absent where nothing was, or where that may hold no more.
    pub(super) fn get(&self, slot: SlotIndex, node: &Node) -> Option<&NodeVerdict> {
        let CachedResult { generation, word } = match &self.said {
            BySlot::Many(said) => said.get(slot.index())?.as_ref()?,
            BySlot::Few(said) => said.get(&slot)?,
        };
        // What passed a limit may do better next time: that is forgotten with any change.
        let is_limit = matches!(word, NodeVerdict::Failed(failure) if failure.name == FailureName::ScriptLimit);
        let reads = if is_limit { NodeParts::ALL } else { self.reads };
        (node.revised(reads) <= *generation).then_some(word)
    }

    /// Notes what was said of the node in `slot` of `cluster` as it is.
    pub(super) fn put(&mut self, slot: SlotIndex, cluster: &Cluster, word: &NodeVerdict) {
        let said = CachedResult { generation: cluster.generation(), word: word.clone() };
        match &mut self.said {
            BySlot::Few(few) => drop(few.insert(slot, said)),
            BySlot::Many(many) => {
                if many.len() <= slot.index() {
                    many.resize_with(cluster.slots().max(slot.index() + 1), || None);
                }
                if let Some(place) = many.get_mut(slot.index()) {
                    *place = Some(said);
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
        let [filter, score] = reads.map(|reads| Results { reads, said: by_slot() });
        Self { filter, score }
    }

    /// Nothing yet, of functions of one parameter.
    fn pure(reads: [NodeParts; 2]) -> Self {
        Self::new(reads, || BySlot::Many(Vec::new()))
    }

    /// Nothing yet, for one key.
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

/// What `key` returned, by what of the request decides that.
#[derive(Debug, Default)]
pub(super) struct KeyCache(BTreeMap<String, Value>);

impl KeyCache {
    /// What `key` returned for such a request.
    pub(super) fn get(&self, request: &str) -> Option<&Value> {
        self.0.get(request)
    }

    /// Notes what `key` returned.
    pub(super) fn put(&mut self, request: String, key: &Value) {
        if request.len() > MAX_KEY_BYTES || self.0.contains_key(&request) {
            return;
        }
        if self.0.len() >= MAX_KEYS {
            // To ask again costs a call; to find out who was not used for longest would cost more.
            self.0.clear();
        }
        self.0.insert(request, key.clone());
    }
}

/// All that is kept of one script.
#[derive(Debug)]
pub(super) struct ResultCache {
    /// What `filter` and `score` read.
    reads: [NodeParts; 2],
    pub(super) keys: KeyCache,
    pure: ScriptResults,
    /// By key as JSON text, with when it was last used.
    keyed: BTreeMap<Arc<str>, (u64, ScriptResults)>,
    /// The keys by when they were last used.
    by_use: BTreeMap<u64, Arc<str>>,
    /// Results in there.
    keyed_results: usize,
    uses: u64,
}

impl ResultCache {
    /// Nothing yet, of `script`.
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

    /// What is kept of functions of one parameter.
    pub(super) fn pure(&mut self, function: NodeFunction) -> &mut Results {
        self.pure.of(function)
    }

    /// Lends what is kept for a request with this key, so that it need not be found for each node.
    pub(super) fn lend(&mut self, key: Option<&Value>) -> RequestCache {
        let pure = std::mem::replace(&mut self.pure, ScriptResults::pure(self.reads));
        let key = key.map(Value::to_string).filter(|key| key.len() <= MAX_KEY_BYTES);
        let keyed = key.map(|key| match self.forget(&key) {
            Some(pair) => (key.into(), pair),
            None => (key.into(), ScriptResults::keyed(self.reads)),
        });
        RequestCache { pure, keyed }
    }

    /// Takes back what was lent.
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

    /// Takes out what is kept for `key`.
    fn forget(&mut self, key: &str) -> Option<ScriptResults> {
        let (used, pair) = self.keyed.remove(key)?;
        self.by_use.remove(&used);
        self.keyed_results = self.keyed_results.saturating_sub(pair.len());
        Some(pair)
    }
}

/// What is kept for the functions of a script and one request.
#[derive(Debug)]
pub(super) struct RequestCache {
    pure: ScriptResults,
    keyed: Option<(Arc<str>, ScriptResults)>,
}

impl RequestCache {
    /// The key, as JSON, by which results are kept; absent where functions depend on the whole request.
    pub(super) fn key(&self) -> Option<&str> {
        self.keyed.as_ref().map(|(key, _)| &**key)
    }

    /// The results of `function`; absent where it depends on the whole request.
    pub(super) fn of(&mut self, function: NodeFunction, arity: Arity) -> Option<&mut Results> {
        match arity {
            Arity::Node => Some(self.pure.of(function)),
            Arity::NodeAndRequest => self.keyed.as_mut().map(|(_, pair)| pair.of(function)),
        }
    }
}

/// What is kept of the per-node scripts of `chain`, by step.
pub(super) fn of_chain(chain: &Chain) -> Vec<Option<ResultCache>> {
    let tables = chain.steps.iter().map(|step| match &step.kind {
        StepKind::Script(script) => Some(ResultCache::of(&**script)),
        StepKind::Policy(_) | StepKind::External => None,
    });
    tables.collect()
}
