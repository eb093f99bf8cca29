//! A node as the mirror knows the node: the last report, and the conclusions from two reports of the same node.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use tracing::warn;

use crate::model::{NodeParts, Report};

/// The time between two log lines about the same node being reported by two agents.
const REPEAT: Duration = Duration::from_secs(60);
/// The fields of a report that are worth a record of the node's history when they change.
const WORTH_NOTING: [&str; 6] = ["hostname", "urls", "metadata", "staticData", "maxSessions", "cordoned"];

/// A node that reported at least once.
#[derive(Debug)]
pub(super) struct Known {
    /// The last report of the node.
    pub(super) report: Arc<Report>,
    /// The revision of that report in the bucket.
    pub(super) revision: u64,
    /// The incarnation of the bucket that held that report: only from that bucket can the report vanish.
    pub(super) bucket: Arc<str>,
    /// The agent that reported before the present agent.
    former: Option<AgentRun>,
    /// The last time at which the log warned of two agents.
    warned_at: Option<Instant>,
}

impl Known {
    /// Creates the record of a node with `report` under `revision` in `bucket`, after the record `before`.
    pub(super) fn new(
        report: Arc<Report>,
        (bucket, revision): (Arc<str>, u64),
        before: Option<&Self>,
        now: Instant,
    ) -> Self {
        let mut known = Self { report, revision, bucket, former: None, warned_at: None };
        if let Some(before) = before {
            known.succeed(before, now);
        }
        known
    }

    /// The node's first URL, or else its host name, for log lines.
    pub(super) fn address(&self) -> String {
        let urls: Option<Vec<Value>> = self.report.urls().and_then(|urls| serde_json::from_str(urls.get()).ok());
        let url = urls.as_ref().and_then(|urls| urls.first()).and_then(Value::as_str);
        url.unwrap_or(self.report.hostname()).to_owned()
    }

    /// The names of the fields in which the node's own description differs from `before`, health and sessions apart.
    pub(super) fn differences(&self, before: &Self) -> Vec<&'static str> {
        let (before, after) = (&before.report, &self.report);
        if !before.differs(after).includes(NodeParts::REST) {
            return Vec::new();
        }
        let [past, present] = [before, after].map(|report| report.fields(Some(&WORTH_NOTING)));
        let fields = WORTH_NOTING.into_iter().filter(|name| past.get(*name) != present.get(*name));
        fields.chain((before.services() != after.services()).then_some("services")).collect()
    }

    /// Warns where two agents report as the same node, each overwriting the other: an agent that was started again is
    /// another agent too, but there the former agent does not come back.
    fn succeed(&mut self, before: &Self, now: Instant) {
        self.warned_at = before.warned_at;
        if agent_run_of(&self.report) == agent_run_of(&before.report) {
            self.former.clone_from(&before.former);
            return;
        }
        let (present, last) = (AgentRun::of(&self.report), AgentRun::of(&before.report));
        let repeated = before.warned_at.is_some_and(|warned_at| now.saturating_duration_since(warned_at) < REPEAT);
        if present.is_some() && before.former == present && !repeated {
            let [one, other] =
                [&present, &last].map(|agent| agent.as_ref().map(ToString::to_string).unwrap_or_default());
            warn!(
                node = %self.report.id,
                "two agents report as node `{}`: {one}, and {other}; give each of them an --id of its own", self.report.id
            );
            self.warned_at = Some(now);
        }
        self.former = last;
    }
}

/// The process that made a report, the run of that process, and its host; `None` where the report does not tell. Copies
/// of one container have the same process id and may have the same host name, and differ in the run alone.
fn agent_run_of(report: &Report) -> Option<(u64, Option<&str>, &str)> {
    report.process().map(|process| (process, report.run(), report.hostname()))
}

/// An owned copy of the result of [`agent_run_of`].
#[derive(Clone, Debug, PartialEq, Eq)]
struct AgentRun {
    process: u64,
    run: Option<Box<str>>,
    hostname: Box<str>,
}

impl AgentRun {
    fn of(report: &Report) -> Option<Self> {
        let (process, run, hostname) = agent_run_of(report)?;
        Some(Self { process, run: run.map(Box::from), hostname: hostname.into() })
    }
}

impl std::fmt::Display for AgentRun {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "process {} on `{}`", self.process, self.hostname)?;
        self.run.as_ref().map_or(Ok(()), |run| write!(f, " (run {run})"))
    }
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
            let known = Known::new(report, ("".into(), 0), present.as_ref(), now);
            let said_now = known.warned_at == Some(now);
            present = Some(known);
            said_now
        };
        let warned_at: Vec<bool> =
            [(1, 0), (1, 1), (2, 2), (2, 3), (3, 4), (2, 5), (3, 6), (2, 70)].map(|(pid, at)| report(pid, at)).into();
        assert_eq!(warned_at, [false, false, false, false, false, true, false, true]);
    }

    #[test]
    fn copies_of_a_container_are_told_apart_by_their_runs() {
        let (now, mut present) = (Instant::now(), None::<Known>);
        let mut report = |run: &str| {
            let health = json!({"process": {"pid": 1}});
            let document = json!({"id": "a", "hostname": "web", "nodeData": {"health": health}, "agent": {"run": run}});
            let report = Arc::new(Report::from_value(document).unwrap());
            present = Some(Known::new(report, ("".into(), 0), present.as_ref(), now));
            present.as_ref().is_some_and(|known| known.warned_at.is_some())
        };
        let warned_at: Vec<bool> = ["x", "x", "y", "x"].map(&mut report).into();
        assert_eq!(warned_at, [false, false, false, true]);
    }
}
