//! An instance of a component, with memory, and knowledge of the cluster.

use std::collections::BTreeMap;
use std::sync::Arc;

use wasmtime::Store;
use wasmtime::component::{ComponentNamedList, InstancePre, Lift, Lower, TypedFunc};

use crate::model::{Candidate, Cluster, ClusterIdentity, Overlay, SlotIndex};
use crate::script::{LogBook, ScriptLimits};

use super::columns::{self, MAX_WISHES};
use super::contract::{ColumnWishes, ComponentRequest, ComponentVerdict};
use super::exports::{Asks, ComponentExports, Exports};
use super::host::InstanceHost;

/// The size of the data that a component may pass to the host in a single call, in bytes.
const PASSED_BYTES: usize = 16 << 20;

/// The result of a call: the value that the component returned, or the component's own error; and an error of wasmtime
/// where the component trapped, after which the instance is of no use.
pub(super) type Called<T> = wasmtime::Result<Result<T, String>>;

/// An instance.
pub(super) struct Instance {
    store: Store<InstanceHost>,
    exports: Exports,
    wishes: ColumnWishes,
    documents: bool,
    /// The cluster in the instance's table, with the generation: a copy of a cluster goes on with the original's numbers.
    known: Option<(ClusterIdentity, u64)>,
    /// The slots with an overlay in the instance's table.
    overlaid: Vec<SlotIndex>,
    /// The number of the run that the instance served last; `is_shared` is whether the instance served other runs
    /// before.
    served: Option<u64>,
    is_shared: bool,
    /// The rows of the candidates of the last whole-list call.
    asked: Arc<[u32]>,
}

/// The cluster on which a call works.
pub(super) struct InstanceContext<'a> {
    pub(super) cluster: &'a Cluster,
    /// Whether a component with an empty table receives every node, and not only the candidates of the call.
    pub(super) whole: bool,
}

/// The reason why there is no instance.
pub(super) enum InstantiationError {
    /// The component has wrong functions or too many columns.
    Wrong(String),
    /// The component trapped before the first call.
    Trapped(wasmtime::Error, Box<InstanceHost>),
}

impl Instance {
    /// Creates an instance from `pre`.
    ///
    /// # Errors
    /// The reason why there is no instance.
    pub(super) fn new(
        pre: &InstancePre<InstanceHost>,
        outline: ComponentExports,
        limits: &ScriptLimits,
    ) -> Result<Self, InstantiationError> {
        let mut store = Store::new(pre.engine(), InstanceHost::new(*limits));
        store.limiter(|host| host);
        store.set_hostcall_fuel(PASSED_BYTES);
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
            known: None,
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

    /// Returns the host state of the instance.
    pub(super) fn host(&self) -> &InstanceHost {
        self.store.data()
    }

    /// Records that the instance serves the run of this number from here on; returns whether the instance ever served
    /// another run.
    pub(super) fn begin_run(&mut self, run: u64) -> bool {
        self.is_shared |= self.served.replace(run).is_some_and(|before| before != run);
        self.is_shared
    }

    /// Sends the cluster to the component in advance of calls about single nodes.
    pub(super) fn prepare(&mut self, context: &InstanceContext<'_>) -> Called<()> {
        self.update_nodes(&[], context).map(Ok)
    }

    /// Sets the documents that the next call may see beside the columns.
    pub(super) fn show(&mut self, request: Option<Arc<str>>, only: Option<SlotIndex>) {
        self.store.data_mut().show(request, only.map(row));
    }

    /// Passes the logged lines to `book`.
    pub(super) fn flush(&mut self, book: &LogBook) {
        self.store.data_mut().flush(book);
    }

    /// Calls the whole-list function.
    pub(super) fn balance(
        &mut self,
        request: ComponentRequest,
        candidates: &[Candidate],
        context: &InstanceContext<'_>,
    ) -> Called<ComponentVerdict> {
        let Some(balance) = self.exports.balance else { return Ok(Ok(ComponentVerdict::Pass)) };
        let rows = self.rows(candidates);
        self.update_nodes(candidates, context)?;
        enter(&mut self.store, balance, (request, rows)).map(|(answer,)| answer)
    }

    /// Calls the filter.
    pub(super) fn filter(&mut self, call: NodeCall<'_>, context: &InstanceContext<'_>) -> Called<bool> {
        self.update_nodes(std::slice::from_ref(call.candidate), context)?;
        match &self.exports.filter {
            Some(asks) => ask(asks, &mut self.store, &call),
            None => Ok(Ok(true)),
        }
    }

    /// Calls the score.
    pub(super) fn score(&mut self, call: NodeCall<'_>, context: &InstanceContext<'_>) -> Called<Option<f64>> {
        self.update_nodes(std::slice::from_ref(call.candidate), context)?;
        match &self.exports.score {
            Some(asks) => ask(asks, &mut self.store, &call),
            None => Ok(Ok(None)),
        }
    }

    /// Returns the rows of `candidates`: most requests have the same candidates.
    fn rows(&mut self, candidates: &[Candidate]) -> Arc<[u32]> {
        let is_same = self.asked.len() == candidates.len()
            && self.asked.iter().zip(candidates).all(|(asked, candidate)| *asked == row(candidate.slot));
        if !is_same {
            self.asked = candidates.iter().map(|candidate| row(candidate.slot)).collect();
        }
        Arc::clone(&self.asked)
    }

    /// Sends the component the rows that changed since the last update, and the overlays of the `candidates`.
    fn update_nodes(&mut self, candidates: &[Candidate], context: &InstanceContext<'_>) -> wasmtime::Result<()> {
        let cluster = context.cluster;
        let generation = cluster.generation();
        let known = self.known.take().filter(|(known, _)| known.is_same(cluster.identity()));
        let known = known.map(|(_, generation)| generation);
        let is_plain = candidates.iter().all(|candidate| candidate.overlay.is_none());
        if known.is_some() || context.whole {
            self.known = Some((cluster.identity().handle(), generation));
        }
        if known == Some(generation) && is_plain && self.overlaid.is_empty() {
            return Ok(());
        }
        let overlays: BTreeMap<SlotIndex, &Overlay> =
            candidates.iter().filter_map(|candidate| Some((candidate.slot, candidate.overlay.as_ref()?))).collect();
        let mut slots = std::mem::take(&mut self.overlaid);
        match known.and_then(|known| cluster.changed_since(known)) {
            Some(changed) => slots.extend(changed),
            None if context.whole => slots.extend(cluster.nodes().map(|(slot, _)| slot)),
            None => slots.extend(candidates.iter().map(|candidate| candidate.slot)),
        }
        slots.extend(overlays.keys());
        slots.sort_unstable();
        slots.dedup();
        self.overlaid = overlays.keys().copied().collect();
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

/// Calls a per-node function, after `begin` where the request is another than before.
fn ask<T>(asks: &Asks<T>, store: &mut Store<InstanceHost>, call: &NodeCall<'_>) -> Called<T>
where
    (Result<T, String>,): ComponentNamedList + Lift + 'static,
{
    if let (Some(begin), Some((run, request))) = (asks.begin, call.request)
        && asks.begun.get() != run
    {
        if let (Err(message),) = enter(store, begin, (request(),))? {
            return Ok(Err(message));
        }
        asks.begun.set(run);
    }
    enter(store, asks.ask, (row(call.candidate.slot),)).map(|(answer,)| answer)
}

/// Calls `function`, which ends when the alarm goes off.
fn enter<P, R>(store: &mut Store<InstanceHost>, function: TypedFunc<P, R>, parameters: P) -> wasmtime::Result<R>
where
    P: ComponentNamedList + Lower,
    R: ComponentNamedList + Lift,
{
    store.data_mut().enter();
    store.set_epoch_deadline(1);
    function.call(store, parameters)
}

/// A call of a per-node function.
pub(super) struct NodeCall<'a> {
    pub(super) candidate: &'a Candidate,
    /// The request that the function may see: the number of the run, and a function that builds the request.
    pub(super) request: Option<(u64, &'a dyn Fn() -> ComponentRequest)>,
}

/// Returns the row of the node in `slot`.
fn row(slot: SlotIndex) -> u32 {
    // A slot number has 32 bits.
    u32::try_from(slot.index()).unwrap_or(u32::MAX)
}
