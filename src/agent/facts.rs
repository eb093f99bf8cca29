//! Countable facts from metrics: `--fact matlab=flexlm.matlab.total` reports a number of the metrics as the count of a
//! fact.
//!
//! The count goes with the report of the node, so an agent needs no further rights, and the service sets the fact for as
//! long as reports come. A metric that is stale feeds nothing: the fact runs out, and nobody is promised a licence that a
//! licence server that is away may not have. Rejected: a command of its own for each fact. The folder of metrics has the
//! intervals, limits and warnings already.

use std::str::FromStr;

use serde_json::{Map, Value, json};

use crate::model::bounds::{MAX_FACT_COUNT, MAX_FACT_NAME_BYTES};
use crate::model::needs::is_fact_name;

use super::metrics::AgentMetrics;

/// The beginning of a warning about a fact.
const WARNING: &str = "the fact `";

/// A fact, and the number among the metrics that is its count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FactSource {
    /// The name of the fact.
    pub name: String,
    /// The name of the metric, and the names of the members down to the number.
    pub path: Vec<String>,
}

/// The error for a text that names no fact with its metric.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected NAME=METRIC.MEMBER, such as matlab=flexlm.total: a name of 1 to {MAX_FACT_NAME_BYTES} letters, digits, `.`, \
     `_` or `-`, and the path to a number among the metrics"
)]
pub struct FactSourceError;

impl FromStr for FactSource {
    type Err = FactSourceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, path) = text.split_once('=').ok_or(FactSourceError)?;
        let path: Vec<_> = path.split('.').map(str::to_owned).collect();
        let is_path = path.len() > 1 && path.iter().all(|part| !part.is_empty());
        match is_fact_name(name) && is_path {
            true => Ok(Self { name: name.to_owned(), path }),
            false => Err(FactSourceError),
        }
    }
}

/// Returns the counts of the facts of `sources` by `metrics`, and a warning for each fact that has no count now.
pub(super) fn counts(sources: &[FactSource], metrics: &AgentMetrics) -> (Map<String, Value>, Vec<String>) {
    let (mut counts, mut warnings) = (Map::new(), Vec::new());
    if sources.is_empty() {
        return (counts, warnings);
    }
    let (values, stale) = (metrics.values(), metrics.stale());
    for source in sources {
        match source.count(&values, &stale) {
            Ok(count) => drop(counts.insert(source.name.clone(), json!(count))),
            Err(reason) => warnings.push(format!("{WARNING}{}` is not reported: {reason}", source.name)),
        }
    }
    (counts, warnings)
}

/// Whether `warning` tells of a fact that has no count.
pub(super) fn is_about_fact(warning: &str) -> bool {
    warning.starts_with(WARNING)
}

impl FactSource {
    fn count(&self, values: &Map<String, Value>, stale: &Map<String, Value>) -> Result<u32, String> {
        let shown = || format!("`metrics.{}`", self.path.join("."));
        let Some((metric, members)) = self.path.split_first() else { return Err("it names no metric".to_owned()) };
        if stale.contains_key(metric) {
            return Err(format!("the metrics of `{metric}` are stale"));
        }
        let metric = values.get(metric);
        let found = members.iter().try_fold(metric, |value, member| value.map(|value| value.get(member)));
        let found = found.flatten().ok_or_else(|| format!("there is no {}", shown()))?;
        let whole = found.as_u64().and_then(|count| u32::try_from(count).ok()).filter(|count| *count <= MAX_FACT_COUNT);
        whole.ok_or_else(|| {
            let is = if found.is_number() { found.to_string() } else { crate::model::json::kind(found).to_owned() };
            format!("{} is {is}, expected a whole number from 0 to {MAX_FACT_COUNT}", shown())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> FactSource {
        text.parse().unwrap()
    }

    #[test]
    fn a_source_is_a_name_and_a_path() {
        assert_eq!(source("mat.lab=flexlm.a.free").path, ["flexlm", "a", "free"]);
        for wrong in ["matlab", "matlab=", "matlab=flexlm", "=flexlm.free", "a b=flexlm.free", "a=flexlm..free", "a=.x"]
        {
            assert!(wrong.parse::<FactSource>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_count_is_a_whole_number_of_a_metric_that_is_not_stale() {
        let metrics =
            json!({"flexlm": {"free": 12, "all": {"m": 20}, "bad": -1, "half": 1.5, "name": "x"}, "old": {"n": 3}});
        let (values, stale) =
            (metrics.as_object().unwrap(), Map::from_iter([("old".to_owned(), json!({"error": "ended"}))]));
        let count = |path: &str| source(&format!("m={path}")).count(values, &stale);
        assert_eq!((count("flexlm.free"), count("flexlm.all.m")), (Ok(12), Ok(20)));
        for (path, words) in [
            ("old.n", "the metrics of `old` are stale"),
            ("flexlm.none", "there is no `metrics.flexlm.none`"),
            ("gone.n", "there is no `metrics.gone.n`"),
            ("flexlm.free.more", "there is no `metrics.flexlm.free.more`"),
            ("flexlm.bad", "`metrics.flexlm.bad` is -1, expected a whole number from 0 to 1000000"),
            ("flexlm.half", "is 1.5, expected"),
            ("flexlm.name", "is a string, expected"),
        ] {
            assert!(count(path).is_err_and(|reason| reason.contains(words)), "{path}");
        }
    }
}
