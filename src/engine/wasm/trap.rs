//! The reasons why a call into a component gave no answer, in words.

use wasmtime::Trap;

use crate::clock::{Alarm, Overtime};
use crate::model::{LimitKind, Thrown};
use crate::script::{ScriptError, ScriptLimits};

use super::host::{InstanceHost, MEMORY_BYTES};

/// The reason why a call was ended.
pub(super) enum EndedCall {
    /// The component trapped, or ran out of memory: another request may have been the cause.
    Trapped(ScriptError),
    /// The component passed a limit.
    Passed(ScriptError),
    /// The time of another call was up: the call may be made again.
    Interrupted,
}

/// Returns the meaning of `error`, the result of a call on an instance with this `host`.
pub(super) fn ended(
    error: &wasmtime::Error,
    host: &InstanceHost,
    alarm: &dyn Alarm,
    limits: &ScriptLimits,
) -> EndedCall {
    let trap = error.downcast_ref::<Trap>().copied();
    let trapped = |what: &str| {
        let words = host.last_error().map(|words| format!(" (it said: {words})")).unwrap_or_default();
        let message = limits.cut(&format!("the component trapped: {what}{words}"));
        EndedCall::Trapped(ScriptError::Thrown(Thrown { name: "Trap".to_owned(), message }, None))
    };
    match trap {
        Some(Trap::Interrupt) => match alarm.overtime() {
            None => EndedCall::Interrupted,
            Some(overtime) => EndedCall::Passed(ScriptError::Limit(LimitKind::Time, late(overtime).to_owned())),
        },
        // Code after refused memory is the component's own affair; most guests trap.
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

/// Returns the error that a component's function returned.
pub(super) fn declared(message: &str, limits: &ScriptLimits) -> ScriptError {
    ScriptError::Thrown(Thrown { name: "Error".to_owned(), message: limits.cut(message) }, None)
}
