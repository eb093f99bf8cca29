//! The last frame of a worker whose memory has run out: names the step that took the memory.
//!
//! The frame is sent from within a failed allocation, on a thread that may hold any lock. So no lock is waited for
//! without end; where a lock stays held, the allocation fails as usual, and the process aborts without a frame.

use std::sync::{Arc, Mutex, TryLockError};
use std::thread;
use std::time::Duration;

use crate::allocator;
use crate::chain::ChainSet;
use crate::model::LimitKind;

use super::outbox::Outbox;
use super::protocol::{Overrun, RunningStep};
use super::sandbox;
use super::watch::CallWatch;

/// The memory that the last frame may take: up to a batch of finished replies, and the name of the step.
const RESERVE_BYTES: u64 = 32 << 20;
/// The number of attempts to take a lock, and the pause between two attempts: another thread holds a lock for
/// microseconds, or until the process ends.
const TRIES: u32 = 50;
const APART: Duration = Duration::from_millis(1);

/// Installs a handler that names the running step and ends the process when memory runs out. `set` has the names of the
/// steps; `allowed_bytes` is the limit that the site has set.
pub(super) fn name_the_step(watch: Arc<CallWatch>, outbox: Arc<Mutex<Outbox>>, set: Arc<ChainSet>, allowed_bytes: u64) {
    allocator::when_exhausted(move || {
        let Some(current) = patiently(|| watch.try_current()) else { return };
        let Some(mut outbox) = patiently(|| match outbox.try_lock() {
            Ok(outbox) => Some(outbox),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }) else {
            return;
        };
        // Where the kernel refuses, the frame may still fit into the memory that the allocator has.
        drop(sandbox::bound_more_memory(RESERVE_BYTES));
        outbox.leave(overrun(current.named(&set), allowed_bytes));
    });
}

fn overrun(running: RunningStep, allowed_bytes: u64) -> Overrun {
    let name = running.step.as_deref().unwrap_or("a step");
    let needed = format!("step {name} needed more than {} MiB of memory", allowed_bytes >> 20);
    let message = match &running.node {
        Some(node) => format!("{needed} on node `{node}`"),
        None => needed,
    };
    Overrun { running, kind: LimitKind::Memory, message }
}

fn patiently<T>(mut take: impl FnMut() -> Option<T>) -> Option<T> {
    for _ in 0..TRIES {
        if let Some(taken) = take() {
            return Some(taken);
        }
        thread::sleep(APART);
    }
    None
}
