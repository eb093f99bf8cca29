//! Why a call into a component came to no answer, in words.

use wasmtime::Trap;

use crate::clock::Alarm;
use crate::model::{LimitKind, Thrown};
use crate::script::{ScriptError, ScriptLimits};

use super::host::{Host, MEMORY_BYTES};

/// Why a call was ended.
pub(super) enum Ended {
    /// The component's fault.
    Failed(ScriptError),
    /// Somebody else's time was up: the call may be made again.
    Interrupted,
}

/// What `error` means, which a call left behind on an instance around which is `host`.
pub(super) fn ended(error: &wasmtime::Error, host: &Host, alarm: &dyn Alarm, limits: &ScriptLimits) -> Ended {
    let trap = error.downcast_ref::<Trap>().copied();
    Ended::Failed(match trap {
        Some(Trap::Interrupt) if alarm.rings().is_none() => return Ended::Interrupted,
        Some(Trap::Interrupt) => ScriptError::Limit(LimitKind::Time, "the component used up its CPU time".to_owned()),
        // What it did when it got no more is its own affair; most guests trap.
        _ if host.starved => {
            let message = format!("the component asked for more than {} MiB of memory", MEMORY_BYTES >> 20);
            ScriptError::Limit(LimitKind::Memory, message)
        }
        Some(Trap::StackOverflow) => thrown(limits, "its call stack is exhausted"),
        Some(trap) => thrown(limits, trap.to_string().trim_start_matches("wasm trap: ")),
        None => thrown(limits, &error.root_cause().to_string()),
    })
}

/// A trap of this kind.
fn thrown(limits: &ScriptLimits, what: &str) -> ScriptError {
    let message = limits.cut(&format!("the component trapped: {what}"));
    ScriptError::Thrown(Thrown { name: "Trap".to_owned(), message }, None)
}

/// The error that a component's function returned.
pub(super) fn declared(message: &str, limits: &ScriptLimits) -> ScriptError {
    ScriptError::Thrown(Thrown { name: "Error".to_owned(), message: limits.cut(message) }, None)
}
