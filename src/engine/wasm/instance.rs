//! One instance of a component, with its memory, and what it was told of the cluster.

use std::collections::BTreeMap;
use std::sync::Arc;

use wasmtime::Store;
use wasmtime::component::{ComponentNamedList, InstancePre, Lift, Lower, TypedFunc};

use crate::model::{Candidate, Cluster, Overlay, SlotIndex};
use crate::script::{LogBook, ScriptLimits};

use super::columns::{self, MAX_WISHES};
use super::contract::{Request, Verdict, Wishes};
use super::exports::{Asks, Begin, Exports, OfNode, Outline};
use super::host::Host;

/// What a component may hand us in one call, in bytes.
const HANDED_BYTES: usize = 16 << 20;

/// What a call came to: what the component returned, or its own error; and an error of wasmtime's where it trapped, after
/// which the instance is of no use.
pub(super) type Called<T> = wasmtime::Result<Result<T, String>>;

/// An instance.
pub(super) struct Instance {
    store: Store<Host>,
    exports: Exports,
    wishes: Wishes,
    documents: bool,
    /// The generation of the cluster that it knows.
    told: Option<u64>,
    /// The slots that it was told of with an overlay.
    overlaid: Vec<SlotIndex>,
    /// The run that it served last, and the one whose request `begin` was called for, by number.
    served: Option<u64>,
    begun: u64,
    /// The rows of the candidates that it was asked about last.
    asked: Arc<[u32]>,
}

/// What a call stands on.
pub(super) struct Ground<'a> {
    pub(super) cluster: &'a Cluster,
    /// Whether the component may be told of nodes that it is not asked about: it will be asked again.
    pub(super) stays: bool,
}

impl Instance {
    /// Makes an instance of what `pre` has ready.
    ///
    /// # Errors
    /// What is wrong with the component, in words.
    pub(super) fn new(pre: &InstancePre<Host>, outline: Outline, limits: &ScriptLimits) -> Result<Self, String> {
        let mut store = Store::new(pre.engine(), Host::new(*limits));
        store.limiter(|host| host);
        store.set_hostcall_fuel(HANDED_BYTES);
        store.set_epoch_deadline(1);
        let instance = pre.instantiate(&mut store).map_err(|error| error.root_cause().to_string())?;
        let exports = Exports::find(outline, &instance, &mut store)?;
        let mut instance = Self {
            store,
            exports,
            wishes: Wishes::default(),
            documents: outline.documents,
            told: None,
            overlaid: Vec::new(),
            served: None,
            begun: 0,
            asked: Arc::new([]),
        };
        if let Some(table) = &instance.exports.table {
            let declare = table.declare;
            let (wishes,) = instance.enter(declare, ()).map_err(|error| error.root_cause().to_string())?;
            let count = wishes.metadata.len() + wishes.static_data.len();
            if count > MAX_WISHES {
                return Err(format!("it wishes for {count} columns, at most {MAX_WISHES} are kept"));
            }
            instance.wishes = wishes;
        }
        Ok(instance)
    }

    /// What is around it.
    pub(super) fn host(&self) -> &Host {
        self.store.data()
    }

    /// Notes that it serves the run of this number from here on; whether it served another one before.
    pub(super) fn begin_run(&mut self, run: u64) -> bool {
        self.served.replace(run).is_some_and(|before| before != run)
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
        request: Request,
        candidates: &[Candidate],
        ground: &Ground<'_>,
    ) -> Called<Verdict> {
        let Some(balance) = self.exports.balance else { return Ok(Ok(Verdict::Pass)) };
        let rows = self.rows(candidates);
        self.tell(candidates, ground)?;
        self.enter(balance, (request, rows)).map(|(said,)| said)
    }

    /// Asks the filter.
    pub(super) fn filter(&mut self, asking: Asking<'_>, ground: &Ground<'_>) -> Called<bool> {
        match &self.exports.filter {
            Some(Asks { begin, ask }) => self.ask(*begin, *ask, asking, ground),
            None => Ok(Ok(true)),
        }
    }

    /// Asks the score.
    pub(super) fn score(&mut self, asking: Asking<'_>, ground: &Ground<'_>) -> Called<Option<f64>> {
        match &self.exports.score {
            Some(Asks { begin, ask }) => self.ask(*begin, *ask, asking, ground),
            None => Ok(Ok(None)),
        }
    }

    fn ask<T>(&mut self, begin: Option<Begin>, ask: OfNode<T>, asking: Asking<'_>, ground: &Ground<'_>) -> Called<T>
    where
        (Result<T, String>,): ComponentNamedList + Lift + 'static,
    {
        self.tell(std::slice::from_ref(asking.candidate), ground)?;
        if let (Some(begin), Some((run, request))) = (begin, asking.request)
            && self.begun != run
        {
            if let (Err(message),) = self.enter(begin, (request(),))? {
                return Ok(Err(message));
            }
            self.begun = run;
        }
        self.enter(ask, (row(asking.candidate.slot),)).map(|(said,)| said)
    }

    /// Calls `function` with the time of a call before it.
    fn enter<P, R>(&mut self, function: TypedFunc<P, R>, parameters: P) -> wasmtime::Result<R>
    where
        P: ComponentNamedList + Lower,
        R: ComponentNamedList + Lift,
    {
        self.store.set_epoch_deadline(1);
        function.call(&mut self.store, parameters)
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
    fn tell(&mut self, candidates: &[Candidate], ground: &Ground<'_>) -> wasmtime::Result<()> {
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
            None if ground.stays => slots.extend(cluster.nodes().map(|(slot, _)| slot)),
            None => slots.extend(candidates.iter().map(|candidate| candidate.slot)),
        }
        slots.extend(overlays.keys());
        slots.sort_unstable();
        slots.dedup();
        self.overlaid = overlays.keys().copied().collect();
        self.told = ground.stays.then_some(generation);
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
        self.enter(update, (u32::try_from(cluster.slots()).unwrap_or(u32::MAX), rows))
    }
}

/// A question about one node.
pub(super) struct Asking<'a> {
    pub(super) candidate: &'a Candidate,
    /// What the function may know of the request: the number of its run, and how it is made.
    pub(super) request: Option<(u64, &'a dyn Fn() -> Request)>,
}

/// The row of the node in `slot`.
fn row(slot: SlotIndex) -> u32 {
    // A slot is that wide.
    u32::try_from(slot.index()).unwrap_or(u32::MAX)
}
