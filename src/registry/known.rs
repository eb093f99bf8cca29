//! A node as the mirror knows it: its last report, and what two reports of one node say about each other.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use tracing::warn;

use crate::model::Report;

/// How often the log says that two agents report as one node.
const REPEAT: Duration = Duration::from_secs(60);
/// What a node says of itself that is worth a line of its history when it changes.
const WORTH_NOTING: [&str; 6] = ["hostname", "urls", "metadata", "staticData", "maxSessions", "cordoned"];

/// A node that reported at least once.
#[derive(Debug)]
pub(super) struct Known {
    /// What it last said.
    pub(super) report: Arc<Report>,
    /// The number of that report in the bucket.
    pub(super) revision: u64,
    /// The agent whose report came before that of the present one.
    former: Option<String>,
    /// When the log last said that there are two.
    said: Option<Instant>,
}

impl Known {
    /// A node that reported `report` after whatever it was known as `before`.
    pub(super) fn new(report: Arc<Report>, revision: u64, before: Option<&Self>, now: Instant) -> Self {
        let mut known = Self { report, revision, former: None, said: None };
        if let Some(before) = before {
            known.succeed(before, now);
        }
        known
    }

    /// Where a person would look for it.
    pub(super) fn address(&self) -> &str {
        let fields = &self.report.fields;
        let url = fields.get("urls").and_then(|urls| urls.get(0)).and_then(Value::as_str);
        let hostname = || fields.get("hostname").and_then(Value::as_str);
        url.or_else(hostname).unwrap_or_default()
    }

    /// What it now says of itself otherwise than `before`, beyond health and sessions.
    pub(super) fn differences(&self, before: &Self) -> Vec<&'static str> {
        let (before, after) = (&before.report, &self.report);
        let fields = WORTH_NOTING.into_iter().filter(|name| before.fields.get(*name) != after.fields.get(*name));
        fields.chain((before.services != after.services).then_some("services")).collect()
    }

    /// Looks for two agents that report as one node, each overwriting the other: an agent that was started again is
    /// another one too, but the former does not come back.
    fn succeed(&mut self, before: &Self, now: Instant) {
        self.former.clone_from(&before.former);
        self.said = before.said;
        let (present, last) = (agent(&self.report), agent(&before.report));
        if present == last {
            return;
        }
        let repeated = before.said.is_some_and(|said| now.saturating_duration_since(said) < REPEAT);
        if present.is_some() && before.former == present && !repeated {
            let (one, other) = (present.as_deref().unwrap_or_default(), last.as_deref().unwrap_or_default());
            warn!(node = %self.report.id, "two agents report as node `{}`: {one}, and {other}", self.report.id);
            self.said = Some(now);
        }
        self.former = last;
    }
}

/// The process that made a report, where it says so.
fn agent(report: &Report) -> Option<String> {
    let hostname = report.fields.get("hostname").and_then(Value::as_str).unwrap_or_default();
    let process = report.fields.get("nodeData")?.get("health")?.get("process")?.get("pid")?;
    Some(format!("process {process} on `{hostname}`"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn two_agents_of_one_node_are_told_from_one_that_was_started_again() {
        let start = Instant::now();
        let mut present: Option<Known> = None;
        let mut report = |pid: u64, second: u64| {
            let document = json!({"id": "a", "nodeData": {"health": {"process": {"pid": pid}}}});
            let report = Arc::new(Report::from_value(document).unwrap());
            let now = start + Duration::from_secs(second);
            let known = Known::new(report, 0, present.as_ref(), now);
            let said_now = known.said == Some(now);
            present = Some(known);
            said_now
        };
        let said: Vec<bool> =
            [(1, 0), (1, 1), (2, 2), (2, 3), (3, 4), (2, 5), (3, 6), (2, 70)].map(|(pid, at)| report(pid, at)).into();
        assert_eq!(said, [false, false, false, false, false, true, false, true]);
    }
}
