//! Countable facts: set, deleted and listed by administrators, and fed by the reports of nodes.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::config::problem::quoted;
use crate::model::bounds::{MAX_FACT_COUNT, MAX_FACT_NAME_BYTES};
use crate::model::needs::is_fact_name;
use crate::model::{Failure, FailureName, Report};
use crate::nats::message::{Incoming, Verb};
use crate::registry::facts::{FactSetting, MAX_FACTS};

use super::admin::read;
use super::effects::{Effect, FactOrder};
use super::task::Front;

/// The longest time for which a count may be believed, in seconds: a year.
const MAX_TTL_S: u64 = 365 * 86_400;
/// The longest name of an author that is kept, in bytes.
const MAX_BY_BYTES: usize = 256;
/// The reports of a node for which a count from the node is believed, and the shortest such time: a node may miss a few
/// reports.
const FED_REPORTS: u64 = 4;
const LEAST_FED_MS: u64 = 10_000;
/// The time between two reports of an agent that does not tell the time.
const USUAL_INTERVAL_MS: u64 = 15_000;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FactSetRequest {
    fact: String,
    count: Value,
    #[serde(default)]
    ttl_s: Option<Value>,
    #[serde(default)]
    by: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FactDeleteRequest {
    fact: String,
}

/// A request for the list of facts.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FactQuery {
    /// The only fact that is asked for.
    #[serde(default)]
    fact: Option<String>,
}

impl Front {
    /// Handles a request to set or delete a fact; the reply waits until that is written.
    pub(super) fn order_fact(&mut self, incoming: Incoming) {
        let order = match incoming.verb {
            Verb::FactSet => self.fact_setting(&incoming).map(|(name, setting)| (name, Some(setting))),
            _ => Self::fact_deletion(&incoming).map(|name| (name, None)),
        };
        match order {
            Err(failure) => self.fail(&incoming, &failure),
            Ok((name, setting)) => self.order(Effect::SetFact(FactOrder { incoming: Some(incoming), name, setting })),
        }
    }

    fn fact_setting(&self, incoming: &Incoming) -> Result<(Arc<str>, FactSetting), Failure> {
        let FactSetRequest { fact, count, ttl_s, mut by } = read(incoming)?;
        let name = named(&fact)?;
        let count = whole("count", &count, 0, u64::from(MAX_FACT_COUNT))?;
        let ttl_s =
            ttl_s.filter(|ttl_s| !ttl_s.is_null()).map(|ttl_s| whole("ttl_s", &ttl_s, 1, MAX_TTL_S)).transpose()?;
        if self.facts.get(&name).is_none() && self.facts.len() >= MAX_FACTS {
            let message =
                format!("{MAX_FACTS} facts are set already, which is the most; `whither fact delete` makes room");
            return Err(Failure::new(FailureName::Overloaded, message));
        }
        by.truncate(by.floor_char_boundary(MAX_BY_BYTES));
        let setting = FactSetting {
            count: u32::try_from(count).unwrap_or(MAX_FACT_COUNT),
            ttl_ms: ttl_s.map(|ttl_s| ttl_s.saturating_mul(1000)),
            by,
            at_ms: self.now.unix_ms,
        };
        Ok((name, setting))
    }

    fn fact_deletion(incoming: &Incoming) -> Result<Arc<str>, Failure> {
        let FactDeleteRequest { fact } = read(incoming)?;
        named(&fact)
    }

    /// Returns the list of facts, or of the fact that is asked for.
    pub(super) fn listed_facts(&self, query: &FactQuery) -> Value {
        let mut facts = self.facts.status(self.now_ms());
        facts.retain(|status| query.fact.as_ref().is_none_or(|fact| *status.fact == **fact));
        json!({"facts": facts, "total": facts.len(), "most": MAX_FACTS})
    }

    /// Sets the facts that `report` feeds, where a count differs from what is known or is due to be renewed. Each replica
    /// sees the same reports; whichever is first writes, and the others find the count renewed.
    pub(super) fn feed_facts(&mut self, report: &Report) {
        let agent = report.agent();
        if agent.facts.is_empty() || !self.bus {
            return;
        }
        let interval_ms = agent.interval_ms.unwrap_or(USUAL_INTERVAL_MS);
        let ttl_ms = interval_ms.saturating_mul(FED_REPORTS).clamp(LEAST_FED_MS, MAX_TTL_S * 1000);
        let by = format!("node {}", report.id);
        for (name, count) in &agent.facts {
            let known = self.facts.get(name);
            if known.is_none() && self.facts.len() >= MAX_FACTS {
                tracing::debug!(node = %report.id, fact = %name, "a fact of a node is passed over: {MAX_FACTS} are set");
                continue;
            }
            let is_fresh = known.is_some_and(|known| {
                let age_ms = self.now.unix_ms.saturating_sub(known.at_ms).unsigned_abs();
                known.count == *count && known.by == by && known.ttl_ms == Some(ttl_ms) && age_ms < ttl_ms / FED_REPORTS
            });
            if !is_fresh {
                let at_ms = self.now.unix_ms;
                let setting = FactSetting { count: *count, ttl_ms: Some(ttl_ms), by: by.clone(), at_ms };
                let name = Arc::from(&**name);
                self.order(Effect::SetFact(FactOrder { incoming: None, name, setting: Some(setting) }));
            }
        }
    }
}

/// Returns the name of a fact.
///
/// # Errors
/// A text that is no name of a fact.
fn named(fact: &str) -> Result<Arc<str>, Failure> {
    if is_fact_name(fact) {
        return Ok(fact.into());
    }
    let message = format!(
        "{} is no name of a fact, expected 1 to {MAX_FACT_NAME_BYTES} letters, digits, `.`, `_` or `-`",
        quoted(fact)
    );
    Err(Failure::new(FailureName::BadRequest, message))
}

/// Returns the whole number `value` of `field`.
///
/// # Errors
/// Anything else, or a number that is not from `least` to `most`.
fn whole(field: &str, value: &Value, least: u64, most: u64) -> Result<u64, Failure> {
    value.as_u64().filter(|number| (least..=most).contains(number)).ok_or_else(|| {
        let found = if value.is_number() { value.to_string() } else { crate::model::json::kind(value).to_owned() };
        let message = format!("`{field}` must be a whole number from {least} to {most}, not {found}");
        Failure::new(FailureName::BadRequest, message)
    })
}

#[cfg(test)]
mod tests;
