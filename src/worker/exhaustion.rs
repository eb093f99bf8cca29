//! Last words of a worker whose memory has run out: which step took it all.
//!
//! They are said from within an allocation that found nothing, on a thread that may hold any lock. So no lock is waited
//! for without end; where one stays held, the allocation fails as it would have, and the process aborts without words.

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

/// What last words may take: up to a batch of finished replies, and the name.
const RESERVE_BYTES: u64 = 32 << 20;
/// How often a lock is tried, and how long apart: another thread holds one for microseconds, or until the process ends.
const TRIES: u32 = 50;
const APART: Duration = Duration::from_millis(1);

/// From now on a step that runs when memory runs out is named, and the process ends. `set` has its name; `allowed_bytes`
/// is what the site lets it have.
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
        // Where it is refused, the words may still fit into what the allocator has.
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
