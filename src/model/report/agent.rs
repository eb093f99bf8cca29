//! The agent that made a report, and the group of the node: facts for people and for the status, which no placement
//! depends on.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::bounds::MAX_FACT_COUNT;
use super::super::members::Members;
use super::super::needs::is_fact_name;
use super::Report;

/// The longest text of an agent's facts that is kept, in bytes: an agent's own run takes 16.
const MAX_FACT_BYTES: usize = 64;
/// The most countable facts that a node may feed.
pub const MAX_FED_FACTS: usize = 16;
/// The longest name of a group, in bytes.
const MAX_GROUP_BYTES: usize = 255;

/// The agent that made a report, as far as the report tells.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportingAgent {
    /// The release of the agent.
    pub version: Option<Box<str>>,
    /// The name of the agent's run; differs from run to run.
    pub run: Option<Box<str>>,
    /// The start of the agent's run, in Unix milliseconds by the clock of the node.
    pub started_ms: Option<i64>,
    /// The time between two reports when nothing changes, in milliseconds.
    pub interval_ms: Option<u64>,
    /// The counts of the countable facts that the agent feeds, by name.
    pub facts: Vec<(Box<str>, u32)>,
}

impl ReportingAgent {
    /// Reads the facts from the member `agent` of a document; what is no such fact is passed over.
    pub(super) fn read(own: &Members<'_>) -> Self {
        let agent = own.of_member("agent");
        let text = |name| agent.text(name).filter(|text| text.len() <= MAX_FACT_BYTES).map(Box::from);
        Self {
            version: text("version"),
            run: text("run"),
            started_ms: agent.value("started_ms").as_ref().and_then(Value::as_i64),
            interval_ms: agent.value("interval_ms").as_ref().and_then(Value::as_u64),
            facts: agent.value("facts").as_ref().map(fed).unwrap_or_default(),
        }
    }
}

/// Returns the counts that `facts` feeds; what is no count of a fact is passed over.
fn fed(facts: &Value) -> Vec<(Box<str>, u32)> {
    let counts = facts.as_object().into_iter().flatten().filter(|(name, _)| is_fact_name(name));
    let whole = |count: &Value| count.as_u64().and_then(|count| u32::try_from(count).ok());
    let counts = counts.filter_map(|(name, count)| Some((name.as_str().into(), whole(count)?)));
    counts.filter(|(_, count)| *count <= MAX_FACT_COUNT).take(MAX_FED_FACTS).collect()
}

/// Returns the group of a node: its pool, else `group` of the static data, else of the metadata; empty where none of
/// them names a group.
pub(super) fn group(server_pool: &str, static_data: &Members<'_>, metadata: &Members<'_>) -> Box<str> {
    let usable = |name: &String| !name.is_empty() && name.len() <= MAX_GROUP_BYTES;
    let own = Some(server_pool.to_owned()).filter(usable);
    let given = || [static_data, metadata].into_iter().find_map(|data| data.text("group").filter(usable));
    own.or_else(given).unwrap_or_default().into()
}

impl Report {
    /// Returns the agent that made the report.
    #[must_use]
    pub fn agent(&self) -> &ReportingAgent {
        &self.facts.agent
    }

    /// Returns the group of the node: `serverPool`, else `group` of the static data, else of the metadata; empty where
    /// the document names no group.
    #[must_use]
    pub fn group(&self) -> &str {
        &self.facts.group
    }

    /// Returns the name of the agent's run that made the report, where the agent names the run; differs from run to
    /// run.
    #[must_use]
    pub fn run(&self) -> Option<&str> {
        self.facts.agent.run.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn report(document: Value) -> Report {
        Report::from_value(document).unwrap()
    }

    #[test]
    fn the_group_is_the_pool_else_of_static_data_else_of_metadata() {
        let (pool, own, meta) = (json!("pool"), json!({"group": "own"}), json!({"group": "meta"}));
        let whole = json!({"id": "a", "serverPool": pool, "staticData": own, "metadata": meta});
        assert_eq!(report(whole).group(), "pool");
        assert_eq!(report(json!({"id": "a", "staticData": own, "metadata": meta})).group(), "own");
        assert_eq!(report(json!({"id": "a", "staticData": {"group": 7}, "metadata": meta})).group(), "meta");
        assert_eq!(report(json!({"id": "a", "staticData": {"group": ""}})).group(), "");
        assert_eq!(report(json!({"id": "a", "staticData": {"group": "x".repeat(256)}})).group(), "");
    }

    #[test]
    fn what_an_agent_says_wrongly_of_itself_is_passed_over() {
        let agent = json!({"version": "1.2.3", "run": "r", "started_ms": 5, "interval_ms": 15_000});
        let told = report(json!({"id": "a", "agent": agent})).agent().clone();
        assert_eq!(
            (told.version.as_deref(), told.started_ms, told.interval_ms),
            (Some("1.2.3"), Some(5), Some(15_000))
        );
        let fed = json!({"m": 3, "a b": 1, "x": -1, "y": 1.5, "z": 1_000_001, "n": 0});
        let told = report(json!({"id": "a", "agent": {"facts": fed}})).agent().facts.clone();
        assert_eq!(told, [("m".into(), 3), ("n".into(), 0)]);
        let agent = json!({"version": ["x"], "run": "r".repeat(65), "started_ms": "soon", "interval_ms": -1});
        assert_eq!(*report(json!({"id": "a", "agent": agent})).agent(), ReportingAgent::default());
        assert_eq!(*report(json!({"id": "a", "agent": 5})).agent(), ReportingAgent::default());
    }
}
