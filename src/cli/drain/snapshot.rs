//! A snapshot of a node that is being drained: the fields of the service's answer that a drain needs.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::cli::exit::CommandExit;
use crate::cli::remote::ask;
use crate::config::Namespace;
use crate::nats::{Bus, wire};
use crate::plain::plain;

/// The names under which session lists tell since when a session runs; there is no common name.
const SINCE: [&str; 5] = ["since", "started", "startTime", "startedAt", "created"];
/// The limit above which a number is a time in milliseconds, and below which a time in seconds.
const LEAST_MS: i64 = 100_000_000_000;
/// Users that a summary names.
const NAMED: usize = 3;

/// A node at the time of an answer.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct DrainSnapshot {
    pub(super) node: String,
    pub(super) state: String,
    /// Whether the replica that answered has received the drain.
    pub(super) draining: bool,
    /// Sessions and reservations; absent where the node does not report sessions.
    pub(super) remaining: Option<u64>,
    /// Whether the node still reports.
    pub(super) reporting: bool,
    pub(super) sessions: Vec<RunningSession>,
}

/// A session, with the fields that are shown to a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RunningSession {
    pub(super) user: String,
    pub(super) name: String,
    pub(super) state: String,
    pub(super) since: Option<String>,
}

/// Asks the service for the node `id`; returns `None` where the service knows no such node.
pub(super) async fn at(bus: &Bus, namespace: &Namespace, id: &str) -> Result<Option<DrainSnapshot>, CommandExit> {
    let answer = ask(bus, namespace.nodes(), &json!({"node": id})).await?;
    Ok(answer.pointer("/nodes/0").map(|node| DrainSnapshot::read(id, node)))
}

impl DrainSnapshot {
    fn read(id: &str, node: &Value) -> Self {
        let mark = |name: &str| node.pointer(&format!("/marks/{name}")).is_some_and(|mark| !mark.is_null());
        let state = node.get("state").and_then(Value::as_str).unwrap_or_default().to_owned();
        let listed = node.pointer("/nodeData/sessions").and_then(Value::as_array);
        Self {
            node: id.to_owned(),
            draining: mark("draining") && mark("cordoned"),
            remaining: node.get("sessions").and_then(Value::as_u64),
            reporting: state != wire::STALE,
            state,
            sessions: listed.into_iter().flatten().filter_map(Value::as_object).map(RunningSession::read).collect(),
        }
    }

    /// Whether nothing runs there, for all that this replica knows.
    pub(super) fn is_drained(&self) -> bool {
        self.state == wire::DRAINED
    }

    /// Returns the number of sessions left and their users, in a few words.
    pub(super) fn summary(&self) -> String {
        let Some(count) = self.remaining else {
            return "how many sessions are left is unknown".to_owned();
        };
        let mut users: Vec<&str> =
            self.sessions.iter().map(|session| session.user.as_str()).filter(|user| !user.is_empty()).collect();
        users.sort_unstable();
        users.dedup();
        let more = if users.len() > NAMED { ", …" } else { "" };
        users.truncate(NAMED);
        let whose = if users.is_empty() { String::new() } else { format!(" of {}{more}", plain(&users.join(", "))) };
        match count {
            0 => "no session left".to_owned(),
            1 => format!("1 session left{whose}"),
            _ => format!("{count} sessions left{whose}"),
        }
    }

    /// Returns the reason, beside sessions, why the node cannot be seen empty, if any.
    pub(super) fn doubt(&self) -> Option<&'static str> {
        match (self.reporting, self.remaining) {
            (false, _) => {
                Some("does not report: this is what it last said, and it cannot be seen empty until it reports")
            }
            (true, None) => Some(
                "does not report its sessions, so it cannot be seen empty: give its agent --sessions-from os, or a sessions command",
            ),
            (true, Some(_)) => None,
        }
    }
}

impl RunningSession {
    fn read(session: &Map<String, Value>) -> Self {
        let text = |name: &str| session.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let since = SINCE.iter().find_map(|name| session.get(*name).and_then(since));
        Self { user: text("user"), name: text("name"), state: text("state"), since }
    }

    pub(super) fn to_json(&self) -> Value {
        json!({"user": self.user, "name": self.name, "state": self.state, "since": self.since})
    }
}

/// Returns the start of a session: a text as it stands, a number as the time that the number means.
fn since(value: &Value) -> Option<String> {
    if let Some(text) = value.as_str() {
        return Some(text.to_owned());
    }
    let number = value.as_i64()?;
    let moment = if number > LEAST_MS { Timestamp::from_millisecond(number) } else { Timestamp::from_second(number) };
    moment.ok().map(|moment| moment.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_read_as_the_service_shows_it() {
        let node = json!({
            "id": "a", "state": "draining", "sessions": 3,
            "marks": {"cordoned": {"by": ""}, "draining": {"by": ""}},
            "nodeData": {"sessions": [
                {"user": "bob", "name": "x\u{1b}[2J", "state": "running", "startTime": 1_795_181_392_136_i64},
                {"user": "ann", "name": "", "state": "pending"},
                {"user": "ann\u{202e}", "state": "running", "since": "noon"},
            ]},
        });
        let snapshot = DrainSnapshot::read("a", &node);
        assert!(snapshot.draining && snapshot.reporting && !snapshot.is_drained());
        assert_eq!(snapshot.summary(), "3 sessions left of ann, ann\\u{202e}, bob");
        assert_eq!(snapshot.doubt(), None);
        assert_eq!(snapshot.sessions[0].name, "x\u{1b}[2J", "the data is exact, and escaped where it is shown");
        let since: Vec<_> = snapshot.sessions.iter().map(|session| session.since.as_deref()).collect();
        assert_eq!(since, [Some("2026-11-20T13:29:52.136Z"), None, Some("noon")]);
    }

    #[test]
    fn what_cannot_be_known_is_said() {
        let dark = DrainSnapshot::read("a", &json!({"state": "draining", "sessions": null}));
        assert!(!dark.draining && dark.doubt().is_some_and(|doubt| doubt.contains("its sessions")));
        assert!(dark.summary().contains("is unknown"));
        let stale = DrainSnapshot::read("a", &json!({"state": "stale", "sessions": 0}));
        assert!(!stale.is_drained() && stale.doubt().is_some_and(|doubt| doubt.contains("last said")));
    }
}
