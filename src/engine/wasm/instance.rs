//! One instance of a component, with its memory, and what it was told of the cluster.

use std::collections::BTreeMap;
use std::sync::Arc;

use wasmtime::Store;
use wasmtime::component::{ComponentNamedList, InstancePre, Lift, Lower, TypedFunc};

use crate::model::{Candidate, Cluster, Overlay, SlotIndex};
use crate::script::{LogBook, ScriptLimits};

use super::columns::{self, MAX_WISHES};
use super::contract::{ColumnWishes, ComponentRequest, ComponentVerdict};
use super::exports::{Asks, ComponentExports, Exports};
use super::host::InstanceHost;

/// What a component may hand us in one call, in bytes.
const HANDED_BYTES: usize = 16 << 20;

/// What a call came to: what the component returned, or its own error; and an error of wasmtime's where it trapped, after
/// which the instance is of no use.
pub(super) type Called<T> = wasmtime::Result<Result<T, String>>;

/// An instance.
pub(super) struct Instance {
    store: Store<InstanceHost>,
    exports: Exports,
    wishes: ColumnWishes,
    documents: bool,
    /// The generation of the cluster that it knows.
    told: Option<u64>,
    /// The slots that it was told of with an overlay.
    overlaid: Vec<SlotIndex>,
    /// The run that it served last, by number, and whether it served others before.
    served: Option<u64>,
    is_shared: bool,
    /// The rows of the candidates that it was asked about last.
    asked: Arc<[u32]>,
}

/// What a call stands on.
pub(super) struct InstanceContext<'a> {
    pub(super) cluster: &'a Cluster,
    /// Whether a component that was told nothing yet is told of every node, and not of those alone that it is asked about.
    pub(super) whole: bool,
}

/// Why there is no instance.
pub(super) enum InstantiationError {
    /// The component is not what it must be.
    Wrong(String),
    /// It trapped before it could be asked.
    Trapped(wasmtime::Error, Box<InstanceHost>),
}

impl Instance {
    /// Makes an instance of what `pre` has ready.
    ///
    /// # Errors
    /// What went wrong.
    pub(super) fn new(
        pre: &InstancePre<InstanceHost>,
        outline: ComponentExports,
        limits: &ScriptLimits,
    ) -> Result<Self, InstantiationError> {
        let mut store = Store::new(pre.engine(), InstanceHost::new(*limits));
        store.limiter(|host| host);
        store.set_hostcall_fuel(HANDED_BYTES);
        store.set_epoch_deadline(1);
        let instance = match pre.instantiate(&mut store) {
            Ok(instance) => instance,
            Err(error) => return Err(InstantiationError::Trapped(error, Box::new(store.into_data()))),
        };
        let exports = Exports::find(outline, &instance, &mut store).map_err(InstantiationError::Wrong)?;
        let declare = exports.table.as_ref().map(|table| table.declare);
        let mut instance = Self {
            store,
            exports,
            wishes: ColumnWishes::default(),
            documents: outline.documents,
            told: None,
            overlaid: Vec::new(),
            served: None,
            is_shared: false,
            asked: Arc::new([]),
        };
        if let Some(declare) = declare {
            match enter(&mut instance.store, declare, ()) {
                Ok((wishes,)) => instance.wishes = wishes,
                Err(error) => return Err(InstantiationError::Trapped(error, Box::new(instance.store.into_data()))),
            }
        }
        let count = instance.wishes.metadata.len() + instance.wishes.static_data.len();
        if count > MAX_WISHES {
            return Err(InstantiationError::Wrong(format!(
                "it wishes for {count} columns, at most {MAX_WISHES} are kept"
            )));
        }
        instance.store.data_mut().forget();
        Ok(instance)
    }

    /// What is around it.
    pub(super) fn host(&self) -> &InstanceHost {
        self.store.data()
    }

    /// Notes that it serves the run of this number from here on; whether it ever served another one.
    pub(super) fn begin_run(&mut self, run: u64) -> bool {
        self.is_shared |= self.served.replace(run).is_some_and(|before| before != run);
        self.is_shared
    }

    /// Tells the component of the cluster, so that questions about single nodes find it told.
    pub(super) fn prepare(&mut self, ground: &InstanceContext<'_>) -> Called<()> {
        self.update_nodes(&[], ground).map(Ok)
    }

    /// Sets what the next call may see beside the columns.
    pub(super) fn show(&mut self, request: Option<Arc<str>>, only: Option<SlotIndex>) {
        self.store.data_mut().show(request, only.map(row));
    }

    /// Hands what it logged to `book`.
    pub(super) fn flush(&mut self, book: &LogBook) {
        self.store.data_mut().flush(book);
    }

    /// Asks the whole-list function.
    pub(super) fn balance(
        &mut self,
        request: ComponentRequest,
        candidates: &[Candidate],
        ground: &InstanceContext<'_>,
    ) -> Called<ComponentVerdict> {
        let Some(balance) = self.exports.balance else { return Ok(Ok(ComponentVerdict::Pass)) };
        let rows = self.rows(candidates);
        self.update_nodes(candidates, ground)?;
        enter(&mut self.store, balance, (request, rows)).map(|(said,)| said)
    }

    /// Asks the filter.
    pub(super) fn filter(&mut self, asking: NodeCall<'_>, ground: &InstanceContext<'_>) -> Called<bool> {
        self.update_nodes(std::slice::from_ref(asking.candidate), ground)?;
        match &self.exports.filter {
            Some(asks) => ask(asks, &mut self.store, &asking),
            None => Ok(Ok(true)),
        }
    }

    /// Asks the score.
    pub(super) fn score(&mut self, asking: NodeCall<'_>, ground: &InstanceContext<'_>) -> Called<Option<f64>> {
        self.update_nodes(std::slice::from_ref(asking.candidate), ground)?;
        match &self.exports.score {
            Some(asks) => ask(asks, &mut self.store, &asking),
            None => Ok(Ok(None)),
        }
    }

    /// The rows of `candidates`: most requests ask about the same.
    fn rows(&mut self, candidates: &[Candidate]) -> Arc<[u32]> {
        let is_same = self.asked.len() == candidates.len()
            && self.asked.iter().zip(candidates).all(|(asked, candidate)| *asked == row(candidate.slot));
        if !is_same {
            self.asked = candidates.iter().map(|candidate| row(candidate.slot)).collect();
        }
        Arc::clone(&self.asked)
    }

    /// Tells the component what has changed since it was told last, and what lies on the `candidates`.
    fn update_nodes(&mut self, candidates: &[Candidate], ground: &InstanceContext<'_>) -> wasmtime::Result<()> {
        let cluster = ground.cluster;
        let generation = cluster.generation();
        let is_plain = candidates.iter().all(|candidate| candidate.overlay.is_none());
        if self.told == Some(generation) && is_plain && self.overlaid.is_empty() {
            return Ok(());
        }
        let overlays: BTreeMap<SlotIndex, &Overlay> =
            candidates.iter().filter_map(|candidate| Some((candidate.slot, candidate.overlay.as_ref()?))).collect();
        let mut slots = std::mem::take(&mut self.overlaid);
        match self.told.and_then(|told| cluster.changed_since(told)) {
            Some(changed) => slots.extend(changed),
            None if ground.whole => slots.extend(cluster.nodes().map(|(slot, _)| slot)),
            None => slots.extend(candidates.iter().map(|candidate| candidate.slot)),
        }
        slots.extend(overlays.keys());
        slots.sort_unstable();
        slots.dedup();
        self.overlaid = overlays.keys().copied().collect();
        self.told = (self.told.is_some() || ground.whole).then_some(generation);
        if self.documents {
            for slot in &slots {
                self.store.data_mut().keep(row(*slot), cluster.node(*slot), overlays.get(slot).copied());
            }
        }
        let Some(update) = self.exports.table.as_ref().map(|table| table.update) else { return Ok(()) };
        let overlay = |slot| overlays.get(&slot).map(|overlay| &***overlay);
        let rows = columns::rows(cluster, slots.into_iter(), overlay, &self.wishes);
        if rows.rows.is_empty() {
            return Ok(());
        }
        enter(&mut self.store, update, (u32::try_from(cluster.slots()).unwrap_or(u32::MAX), rows))
    }
}

/// Asks one of the functions of one node, after its `begin` where the request is another one.
fn ask<T>(asks: &Asks<T>, store: &mut Store<InstanceHost>, asking: &NodeCall<'_>) -> Called<T>
where
    (Result<T, String>,): ComponentNamedList + Lift + 'static,
{
    if let (Some(begin), Some((run, request))) = (asks.begin, asking.request)
        && asks.begun.get() != run
    {
        if let (Err(message),) = enter(store, begin, (request(),))? {
            return Ok(Err(message));
        }
        asks.begun.set(run);
    }
    enter(store, asks.ask, (row(asking.candidate.slot),)).map(|(said,)| said)
}

/// Calls `function`, which ends when the alarm rings.
fn enter<P, R>(store: &mut Store<InstanceHost>, function: TypedFunc<P, R>, parameters: P) -> wasmtime::Result<R>
where
    P: ComponentNamedList + Lower,
    R: ComponentNamedList + Lift,
{
    store.data_mut().enter();
    store.set_epoch_deadline(1);
    function.call(store, parameters)
}

/// A question about one node.
pub(super) struct NodeCall<'a> {
    pub(super) candidate: &'a Candidate,
    /// What the function may know of the request: the number of its run, and how it is made.
    pub(super) request: Option<(u64, &'a dyn Fn() -> ComponentRequest)>,
}

/// The row of the node in `slot`.
fn row(slot: SlotIndex) -> u32 {
    // A slot is that wide.
    u32::try_from(slot.index()).unwrap_or(u32::MAX)
}
