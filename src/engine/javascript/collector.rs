//! Boa's garbage collector, as far as it can be watched and led: its pauses are the engine's, not the script's.
//!
//! A collection starts by bytes allocated, inside any allocation, and cannot be configured. Two things help. A root whose
//! `Trace` says that one has begun: its time is excused. And a collection that is asked for between two calls, where it
//! costs nobody: how many calls lie between two collections is learned from those that fell into a call.

use std::cell::Cell;
use std::rc::Rc;

use boa_engine::{Finalize, Trace};
use boa_gc::{Gc, Tracer};

use crate::clock::Alarm;

/// Fewer calls than this between two collections: then one call makes most of the garbage, and pays for it.
const LEAST_CALLS: u32 = 16;
/// A collection is asked for a little before the next one is due by itself: after so many hundredths of the calls.
const EARLY_PERCENT: u32 = 75;
/// What is left of a collection when it has counted the roots is reckoned as so many times as long as that: it marks what
/// lives, finalizes what is dead, looks at all again and sweeps, four walks after the first. An estimate, not a figure.
const REST_TIMES: u64 = 4;

/// The collector of a thread, watched.
pub(super) struct Collector {
    watched: Rc<Watched>,
    /// Keeps the root that is traced first: a collection goes through its heap in the order of allocation.
    _first: Gc<HeapRoot>,
}

/// What is known of collections.
struct Watched {
    alarm: Rc<dyn Alarm>,
    /// Whether a collection has begun whose end is not known.
    is_counting: Cell<bool>,
    /// Whether a call is on its way.
    in_call: Cell<bool>,
    /// Calls since the last collection.
    calls: Cell<u32>,
    /// After so many calls a collection is asked for; absent where that was not learned yet.
    due: Cell<Option<u32>>,
}

/// The first value on the heap.
struct HeapRoot(Rc<Watched>);

impl Collector {
    /// Watches the collections of this thread. To be made before anything else is allocated on the heap; otherwise what
    /// a collection does with what is older goes unseen.
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

    /// A call begins.
    pub(super) fn call_begins(&self) {
        self.watched.in_call.set(true);
    }

    /// A call has ended: from here on a collection costs nobody.
    pub(super) fn call_ends(&self) {
        self.watched.in_call.set(false);
        let calls = self.watched.calls.get().saturating_add(1);
        self.watched.calls.set(calls);
        if let Some(due) = self.watched.due.get()
            && calls >= due
        {
            // Calls may have come to make less garbage: it is tried a little later each time.
            self.watched.due.set(Some(due.saturating_add(due / 16 + 1)));
            boa_gc::force_collect();
        }
    }
}

impl Watched {
    /// A collection begins: it counts the roots.
    fn begins(&self) {
        self.alarm.pause();
        self.is_counting.set(true);
        let calls = self.calls.replace(0);
        if self.in_call.get() {
            let due = calls.saturating_mul(EARLY_PERCENT) / 100;
            self.due.set(Some(due).filter(|due| *due >= LEAST_CALLS));
        }
    }

    /// The roots are counted, and marking begins. No look tells the collection's end, so what is left is reckoned.
    fn marks(&self) {
        if self.is_counting.replace(false) {
            let counting_us = self.alarm.resume();
            self.alarm.excuse(counting_us.saturating_mul(REST_TIMES));
        }
    }
}

impl Finalize for HeapRoot {}

// SAFETY: the value holds nothing that lives on Boa's heap, so there is nothing to trace; what it does instead touches
// neither that heap nor the collector.
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
