//! Why a call into a component came to no answer, in words.

use wasmtime::Trap;

use crate::clock::{Alarm, Overtime};
use crate::model::{LimitKind, Thrown};
use crate::script::{ScriptError, ScriptLimits};

use super::host::{InstanceHost, MEMORY_BYTES};

/// Why a call was ended.
pub(super) enum EndedCall {
    /// The component trapped, or had no memory left: another one may have been the cause.
    Trapped(ScriptError),
    /// It passed a limit.
    Passed(ScriptError),
    /// Somebody else's time was up: the call may be made again.
    Interrupted,
}

/// What `error` means, which a call left behind on an instance around which is `host`.
pub(super) fn ended(
    error: &wasmtime::Error,
    host: &InstanceHost,
    alarm: &dyn Alarm,
    limits: &ScriptLimits,
) -> EndedCall {
    let trap = error.downcast_ref::<Trap>().copied();
    let trapped = |what: &str| {
        let words = host.last_words().map(|words| format!(" (it said: {words})")).unwrap_or_default();
        let message = limits.cut(&format!("the component trapped: {what}{words}"));
        EndedCall::Trapped(ScriptError::Thrown(Thrown { name: "Trap".to_owned(), message }, None))
    };
    match trap {
        Some(Trap::Interrupt) => match alarm.overtime() {
            None => EndedCall::Interrupted,
            Some(overtime) => EndedCall::Passed(ScriptError::Limit(LimitKind::Time, late(overtime).to_owned())),
        },
        // What it did when it got no more is its own affair; most guests trap.
        _ if host.starved => {
            let message = format!("the component asked for more than {} MiB of memory", MEMORY_BYTES >> 20);
            EndedCall::Trapped(ScriptError::Limit(LimitKind::Memory, message))
        }
        Some(Trap::StackOverflow) => trapped("its call stack is exhausted"),
        Some(trap) => trapped(trap.to_string().trim_start_matches("wasm trap: ")),
        None => trapped(&error.root_cause().to_string()),
    }
}

fn late(overtime: Overtime) -> &'static str {
    match overtime {
        Overtime::Step => "the component used up its CPU time",
        Overtime::Call => "the component used up its CPU time for one node",
    }
}

/// The error that a component's function returned.
pub(super) fn declared(message: &str, limits: &ScriptLimits) -> ScriptError {
    ScriptError::Thrown(Thrown { name: "Error".to_owned(), message: limits.cut(message) }, None)
}
