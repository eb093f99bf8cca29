//! The targets for libFuzzer, each within bounds of memory.

pub mod targets;

use std::alloc::System;
use std::panic;
use std::sync::Once;

use cap::Cap;

use targets::Target;

/// The memory that any input may take beside what it takes for its size: a decoder that is told of a long list makes room
/// for some of it (serde: 1 MiB a list) before it sees that the list is not there.
const MOST_BYTES: usize = 16 << 20;
/// The memory that each byte of an input may take: a byte of JSON is at most a value in a tree, seen from several sides.
const MOST_A_BYTE: usize = 4 << 10;

/// Counts what is allocated, and refuses more than the limit: the process aborts, and libFuzzer keeps the input.
#[global_allocator]
static MEMORY: Cap<System> = Cap::new(System, usize::MAX);

/// Runs `target` on `bytes`, and aborts where that takes more memory than an input of its size may.
pub fn within_memory(target: Target, bytes: &[u8]) {
    LIFTING.call_once(lift_for_panics);
    let most = MOST_BYTES.saturating_add(bytes.len().saturating_mul(MOST_A_BYTE));
    let is_set = MEMORY.set_limit(MEMORY.allocated().saturating_add(most));
    assert!(is_set.is_ok(), "the limit is above what is allocated");
    target(bytes);
    let is_lifted = MEMORY.set_limit(usize::MAX);
    assert!(is_lifted.is_ok(), "there is no higher limit");
}

static LIFTING: Once = Once::new();

/// A broken promise is told of without a limit: the names of a backtrace take more memory than most inputs may.
fn lift_for_panics() {
    let tell = panic::take_hook();
    panic::set_hook(Box::new(move |told| {
        let _lifted = MEMORY.set_limit(usize::MAX);
        tell(told);
    }));
}
