//! Why a call gave no answer, before it is told in the requester's terms.

use boa_engine::JsError;

use crate::model::LimitKind;

/// What went wrong in a call.
pub(super) enum CallFault {
    /// Something was thrown, or the engine gave up.
    Js(JsError),
    /// A limit of ours was passed.
    Limit(LimitKind, String),
    /// A pure function read the clock.
    ClockMisused,
}

impl CallFault {
    /// It returned too much.
    pub(super) fn output(message: String) -> Self {
        Self::Limit(LimitKind::Output, message)
    }

    /// Whether it is a write that a frozen object refused. The words are Boa's own.
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
