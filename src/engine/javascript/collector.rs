//! The observation of Boa's garbage collector: collections count as the engine's time, not the script's.
//!
//! A collection starts by the number of bytes allocated, inside any allocation, and cannot be configured. Two things
//! help. A root with a `Trace` that notices a starting collection: the collection's time is excused. And a collection
//! that is forced between two calls, where no call pays: the number of calls between two collections is learned from
//! the collections that fell into a call.

use std::cell::Cell;
use std::rc::Rc;

use boa_engine::{Finalize, Trace};
use boa_gc::{Gc, Tracer};

use crate::clock::Alarm;

/// The number of calls between two collections below which no collection is forced: then a single call makes most of
/// the garbage, and pays for the collection.
const LEAST_CALLS: u32 = 16;
/// The share of the calls between two collections, in percent, after which a collection is forced, a little before the
/// next is due by itself.
const EARLY_PERCENT: u32 = 75;
/// The factor by which the rest of a collection is estimated from the time of counting the roots: the rest marks live
/// values, finalizes dead values, looks at all again and sweeps, four walks after the first. An estimate, not a
/// measurement.
const REST_TIMES: u64 = 4;

/// The observed collector of a thread.
pub(super) struct Collector {
    watched: Rc<Watched>,
    /// The root that is traced first, kept alive: a collection walks the heap in the order of allocation.
    _first: Gc<HeapRoot>,
}

/// The observed state of collections.
struct Watched {
    alarm: Rc<dyn Alarm>,
    /// Whether a collection has begun that is still counting roots.
    is_counting: Cell<bool>,
    /// Whether a call is running.
    in_call: Cell<bool>,
    /// The number of calls since the last collection.
    calls: Cell<u32>,
    /// The number of calls after which a collection is forced; `None` where that was not learned yet.
    due: Cell<Option<u32>>,
}

/// The first value on the heap.
struct HeapRoot(Rc<Watched>);

impl Collector {
    /// Observes the collections of this thread. To be created before anything else is allocated on the heap; otherwise
    /// the collector's work on older values goes unseen.
    pub(super) fn new(alarm: Rc<dyn Alarm>) -> Self {
        let watched = Rc::new(Watched {
            alarm,
            is_counting: Cell::default(),
            in_call: Cell::default(),
            calls: Cell::default(),
            due: Cell::default(),
        });
        let first = Gc::new(HeapRoot(Rc::clone(&watched)));
        Self { watched, _first: first }
    }

    /// Records that a call begins.
    pub(super) fn call_begins(&self) {
        self.watched.in_call.set(true);
    }

    /// Records that a call has ended, and forces a collection where a collection is due, since no call pays for the
    /// time between calls.
    pub(super) fn call_ends(&self) {
        self.watched.in_call.set(false);
        let calls = self.watched.calls.get().saturating_add(1);
        self.watched.calls.set(calls);
        if let Some(due) = self.watched.due.get()
            && calls >= due
        {
            // Calls may make less garbage by now: the next collection is forced a little later each time.
            self.watched.due.set(Some(due.saturating_add(due / 16 + 1)));
            boa_gc::force_collect();
        }
    }
}

impl Watched {
    /// Records that a collection begins, by counting the roots.
    fn begins(&self) {
        self.alarm.pause();
        self.is_counting.set(true);
        let calls = self.calls.replace(0);
        if self.in_call.get() {
            let due = calls.saturating_mul(EARLY_PERCENT) / 100;
            self.due.set(Some(due).filter(|due| *due >= LEAST_CALLS));
        }
    }

    /// Records that the roots are counted, and marking begins. The collection's end cannot be observed, so the rest is
    /// estimated.
    fn marks(&self) {
        if self.is_counting.replace(false) {
            let counting_us = self.alarm.resume();
            self.alarm.excuse_garbage(counting_us.saturating_mul(REST_TIMES));
        }
    }
}

impl Finalize for HeapRoot {}

// SAFETY: the value holds nothing that lives on Boa's heap, so there is nothing to trace; both methods touch neither
// that heap nor the collector.
#[expect(unsafe_code, reason = "what a collection does is seen in no other way; `Trace` is unsafe to implement")]
unsafe impl Trace for HeapRoot {
    unsafe fn trace(&self, _tracer: &mut Tracer) {
        self.0.marks();
    }

    unsafe fn trace_non_roots(&self) {
        self.0.begins();
    }

    fn run_finalizer(&self) {}
}
