//! The sessions in a node's report: a list, a number alone, or unknown.

use std::cell::RefCell;
use std::sync::Arc;

use serde_json::Value;
use serde_json::value::RawValue;

use super::figures::{whole, wrong};
use super::members;
use super::oddities;
use super::report::ReportError;
use super::session::Session;

/// The largest number of sessions that a report may list.
pub const MAX_SESSIONS: usize = 10_000;

/// The known sessions of a node.
#[derive(Clone, Debug, PartialEq)]
pub enum Sessions {
    /// The node never reported sessions: such a node sorts last, as not known to be empty.
    Unknown,
    /// A count alone, as FastX 3 reports sessions.
    Count(u64),
    /// A list, as FastX 4 reports sessions.
    List(Vec<Arc<Session>>),
}

impl Sessions {
    /// Returns the number of sessions; `None` where the node never reported sessions.
    #[must_use]
    pub fn count(&self) -> Option<u64> {
        match self {
            Self::Unknown => None,
            Self::Count(count) => Some(*count),
            Self::List(list) => Some(list.len() as u64),
        }
    }

    /// Returns the listed sessions.
    #[must_use]
    pub fn listed(&self) -> &[Arc<Session>] {
        match self {
            Self::Unknown | Self::Count(_) => &[],
            Self::List(list) => list,
        }
    }

    /// Returns the number of users with a session; `None` where no list says it.
    pub(super) fn distinct_users(&self) -> Option<u64> {
        match self {
            Self::List(list) => {
                let mut users: Vec<&str> = list.iter().map(|session| &**session.user()).collect();
                users.sort_unstable();
                users.dedup();
                Some(users.len() as u64)
            }
            Self::Unknown | Self::Count(_) => None,
        }
    }
}

/// Reads the sessions of the node `id`, whose document `text` has `top` as `sessions` and `listed` in `nodeData`; adds to
/// `notes` how an oddity counts.
///
/// # Errors
/// [`ReportError`] where the value is none of sessions.
pub(super) fn read(
    (id, text): (&Arc<str>, &Arc<str>),
    top: Option<&RawValue>,
    listed: Option<&RawValue>,
    notes: &RefCell<Vec<String>>,
) -> Result<Sessions, ReportError> {
    let (field, raw) = match (listed, top) {
        (Some(listed), _) => ("nodeData.sessions", listed),
        (None, Some(top)) => ("sessions", top),
        (None, None) => return Ok(Sessions::Unknown),
    };
    let refuse = |raw: &RawValue| {
        let found = members::value(raw).unwrap_or_default();
        wrong(id, field, &found, "a list of at most 10000 sessions, each an object or an id, or their number")
    };
    let note = |words: String| notes.borrow_mut().push(format!("`{field}` {words}"));
    if !members::is_list(raw) {
        return match members::value(raw).unwrap_or_default() {
            Value::String(text) => Ok(oddities::sessions_of_text(&text, note)),
            value if value.as_f64().is_some_and(|number| number < 0.0) => {
                note(format!("is {value}, which counts as unknown"));
                Ok(Sessions::Unknown)
            }
            value if value.is_number() => whole(&value).map(Sessions::Count).ok_or_else(|| refuse(raw)),
            _ => Err(refuse(raw)),
        };
    }
    let list: Vec<&RawValue> = serde_json::from_str(raw.get()).unwrap_or_default();
    if list.len() > MAX_SESSIONS {
        note(format!("lists {} sessions, more than {MAX_SESSIONS}: only their number counts", list.len()));
        return Ok(Sessions::Count(list.len() as u64));
    }
    let sessions = list.into_iter().map(|raw| {
        let session = Session::listed(raw, text, id);
        session.map(Arc::new).ok_or_else(|| refuse(raw))
    });
    sessions.collect::<Result<_, _>>().map(Sessions::List)
}
