//! The results of a day, in a row.

use std::time::Duration;

use serde_json::{Value, json};

use crate::cli::table;
use crate::simulate::capacity::{CapacitySample, DayOutcome};

use super::Ran;

/// A day in figures.
#[derive(Clone, Debug, Default)]
pub(super) struct DaySummary {
    /// The moment with the most sessions.
    peak: Peak,
    refused: u64,
}

/// The cluster at the time of the most sessions.
#[derive(Clone, Debug, Default)]
struct Peak {
    at: Duration,
    total: u64,
    fullest: u64,
    mean: f64,
    emptiest: u64,
    /// The standard deviation over the mean: of the shares of used capacity, where all nodes report a capacity, else of
    /// the numbers of sessions.
    spread: f64,
}

impl DaySummary {
    pub(super) fn of(outcome: &DayOutcome) -> Self {
        let peaks = outcome.samples.iter().map(|sample| Peak::of(sample, &outcome.capacities));
        let peak = peaks.reduce(|best, peak| if peak.total > best.total { peak } else { best }).unwrap_or_default();
        Self { peak, refused: outcome.refused.values().sum() }
    }
}

impl Peak {
    fn of(sample: &CapacitySample, capacities: &[Option<u64>]) -> Self {
        let counts: Vec<_> = sample.sessions.iter().flatten().copied().collect();
        let (total, nodes) = (counts.iter().sum::<u64>(), counts.len().max(1) as f64);
        Self {
            at: sample.at,
            total,
            fullest: counts.iter().max().copied().unwrap_or_default(),
            mean: total as f64 / nodes,
            emptiest: counts.iter().min().copied().unwrap_or_default(),
            spread: spread(&shares(sample, capacities).unwrap_or(counts.iter().map(|count| *count as f64).collect())),
        }
    }
}

/// Returns the share of used capacity of each node that takes part; absent where any node does not report a capacity.
fn shares(sample: &CapacitySample, capacities: &[Option<u64>]) -> Option<Vec<f64>> {
    let nodes =
        sample.sessions.iter().zip(capacities).filter_map(|(count, capacity)| Some((count.as_ref()?, capacity)));
    nodes.map(|(count, capacity)| Some(*count as f64 / (*capacity)?.max(1) as f64)).collect()
}

/// Returns the standard deviation of `values` over their mean.
fn spread(values: &[f64]) -> f64 {
    let count = values.len().max(1) as f64;
    let mean = values.iter().sum::<f64>() / count;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
    if mean > 0.0 { variance.sqrt() / mean } else { 0.0 }
}

/// Returns the days side by side, for a person.
pub(super) fn table(ran: &[Ran], nodes: usize, requests: usize) -> String {
    let headings =
        ["chain", "placed", "refused", "waited", "longest", "lost", "peak", "fullest", "mean", "emptiest", "spread"];
    let mut table = table::table(&headings);
    for Ran { name, outcome, summary: DaySummary { peak, refused } } in ran {
        let longest = outcome.waits.last().map_or_else(|| "-".to_owned(), |wait| format!("{} s", wait.as_secs()));
        table.add_row(table::row([
            name.clone(),
            outcome.placed.to_string(),
            refused.to_string(),
            outcome.waits.len().to_string(),
            longest,
            outcome.lost.to_string(),
            format!("{} at {}", peak.total, clock(peak.at)),
            peak.fullest.to_string(),
            format!("{:.1}", peak.mean),
            peak.emptiest.to_string(),
            format!("{:.2}", peak.spread),
        ]));
    }
    let refusals = ran.iter().flat_map(|ran| {
        ran.outcome
            .refused
            .iter()
            .map(move |(name, count)| format!("{}: {count} {name}", crate::plain::plain(&ran.name)))
    });
    let refusals: Vec<_> = refusals.collect();
    let why = if refusals.is_empty() { String::new() } else { format!("\nRefused: {}", refusals.join("; ")) };
    format!(
        "{table}\n{nodes} nodes, {requests} requests. At the peak, of nodes that are neither down nor cordoned: sessions on the \
         fullest, in the mean and on the emptiest one; spread is the standard deviation over the mean, of how full nodes are \
         where all of them state `maxSessions`. Lost are sessions on nodes that failed.{why}"
    )
}

/// A day as JSON.
pub(super) fn json(name: &str, DaySummary { peak, refused }: &DaySummary, outcome: &DayOutcome) -> Value {
    let samples: Vec<_> = outcome
        .samples
        .iter()
        .map(|sample| {
            let Peak { at, total, fullest, mean, emptiest, .. } = Peak::of(sample, &outcome.capacities);
            json!({
                "at_s": at.as_secs(), "sessions": total, "fullest": fullest, "mean": mean, "emptiest": emptiest,
                "waiting": sample.waiting,
            })
        })
        .collect();
    json!({
        "chain": name, "placed": outcome.placed, "refused": refused, "refused_by": outcome.refused, "lost": outcome.lost,
        "waits": {"count": outcome.waits.len(), "p50_ms": share(&outcome.waits, 50), "p99_ms": share(&outcome.waits, 99), "max_ms": share(&outcome.waits, 100)},
        "peak": {
            "at_s": peak.at.as_secs(), "sessions": peak.total, "fullest": peak.fullest, "mean": peak.mean,
            "emptiest": peak.emptiest, "spread": peak.spread,
        },
        "samples": samples,
    })
}

/// Returns the percentile `percent` of `waits`, which ascend, in milliseconds.
fn share(waits: &[Duration], percent: usize) -> Option<u64> {
    let place = (waits.len() * percent).div_ceil(100).checked_sub(1)?;
    waits.get(place).map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX))
}

/// Renders a time of the day as HH:MM.
pub(super) fn clock(time: Duration) -> String {
    let minutes = time.as_secs() / 60;
    format!("{:02}:{:02}", minutes / 60, minutes % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peak_is_the_moment_with_the_most_sessions() {
        let sample = |minutes: u64, sessions: &[u64]| CapacitySample {
            at: Duration::from_secs(60 * minutes),
            sessions: sessions.iter().copied().map(Some).chain([None]).collect(),
            waiting: 0,
        };
        let samples = vec![sample(1, &[1, 2]), sample(540, &[2, 6]), sample(541, &[4, 4])];
        let capacities = vec![None; 3];
        let summary = DaySummary::of(&DayOutcome { samples, capacities, ..DayOutcome::default() });
        let Peak { at, total, fullest, mean, emptiest, spread } = summary.peak;
        assert_eq!((clock(at).as_str(), total, fullest, emptiest), ("09:00", 8, 6, 2));
        assert!((mean - 4.0).abs() < 1e-9 && (spread - 0.5).abs() < 1e-9);
        let sample = sample(1, &[2, 6]);
        assert_eq!(
            shares(&sample, &[Some(4), Some(12), None]),
            Some(vec![0.5, 0.5]),
            "whoever takes no part says nothing"
        );
        assert_eq!(shares(&sample, &[Some(4), None, None]), None);
    }

    #[test]
    fn a_share_of_waits_is_one_of_them() {
        let waits: Vec<_> = (1..=200).map(Duration::from_millis).collect();
        assert_eq!((share(&waits, 50), share(&waits, 99), share(&waits, 100)), (Some(100), Some(198), Some(200)));
        assert_eq!(share(&[], 50), None);
    }
}
