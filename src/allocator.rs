//! The allocator of the whole process, which reports before an allocation fails: a worker can then name the script that
//! used up the memory.
//!
//! Without the report, running out of memory is an abort without a message. The standard library's own hook for that
//! case is unstable, and a handler of the abort's signal could neither allocate nor take locks.

use std::alloc::{GlobalAlloc, Layout};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use mimalloc::MiMalloc;

/// Mimalloc, which halves the time of building script objects, mostly allocation; with a report before an allocation
/// fails.
#[derive(Debug)]
pub struct Allocator;

/// The function that is called where memory runs out.
static HOOK: OnceLock<Box<dyn Fn() + Send + Sync>> = OnceLock::new();
/// Whether the hook is running: the hook allocates too.
static REPORTING: AtomicBool = AtomicBool::new(false);

/// Calls `hook` wherever memory runs out from now on, on the thread of the failed allocation. The hook may end the
/// process; where the hook returns, the allocation is tried once more and then fails as usual. Allocations of the hook
/// do not call the hook again. Only the first hook counts.
pub fn when_exhausted(hook: impl Fn() + Send + Sync + 'static) {
    // A process is one worker at most; a second hook could only be the same again.
    drop(HOOK.set(Box::new(hook)));
}

#[expect(unsafe_code, reason = "a global allocator is `unsafe` by its trait; this one passes every call on")]
// SAFETY: each block comes from MiMalloc and goes back to it with the layout that the caller gave; the hook touches no
// block, and a null is passed on as such.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises about `layout` are passed on.
        or_report(|| unsafe { MiMalloc.alloc(layout) })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        or_report(|| unsafe { MiMalloc.alloc_zeroed(layout) })
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as above; a null leaves `block` as it was, so that it may be tried twice.
        or_report(|| unsafe { MiMalloc.realloc(block, layout, size) })
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { MiMalloc.dealloc(block, layout) }
    }
}

#[inline]
fn or_report(allocate: impl Fn() -> *mut u8) -> *mut u8 {
    let block = allocate();
    if block.is_null() { report_failure(&allocate) } else { block }
}

#[cold]
fn report_failure(allocate: &dyn Fn() -> *mut u8) -> *mut u8 {
    let Some(hook) = HOOK.get() else { return std::ptr::null_mut() };
    if !REPORTING.swap(true, Ordering::AcqRel) {
        hook();
        REPORTING.store(false, Ordering::Release);
    }
    allocate()
}
