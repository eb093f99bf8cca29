//! The reasons why a call gave no answer, before they are reported in the requester's terms.

use boa_engine::JsError;

use crate::model::LimitKind;

/// The reason why a call gave no answer.
pub(super) enum CallFault {
    /// The script threw, or the engine gave up.
    Js(JsError),
    /// The call passed a limit of whither.
    Limit(LimitKind, String),
    /// A pure function read the clock.
    ClockMisused,
}

impl CallFault {
    /// Returns the fault of a script that returned too much.
    pub(super) fn output(message: String) -> Self {
        Self::Limit(LimitKind::Output, message)
    }

    /// Whether the fault is a write that a frozen object refused. The messages are Boa's own.
    pub(super) fn is_refused_write(&self) -> bool {
        const REFUSALS: [&str; 5] = [
            "cannot set non-writable property",
            "cannot redefine property",
            "cannot delete non-configurable property",
            "Cannot delete property",
            "not extensible",
        ];
        match self {
            Self::Js(error) => {
                let words = error.to_string();
                let words = words.lines().next().unwrap_or_default();
                REFUSALS.iter().any(|refusal| words.contains(refusal))
            }
            Self::Limit(..) | Self::ClockMisused => false,
        }
    }
}

impl From<JsError> for CallFault {
    fn from(error: JsError) -> Self {
        Self::Js(error)
    }
}
