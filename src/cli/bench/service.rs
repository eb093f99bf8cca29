//! A running service, end to end: placements over NATS beside a bare echo on the same server, in turn.
//!
//! The machine, the server and the client are the same for both, so the ratio is the cost of the service on top of
//! NATS.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use comfy_table::CellAlignment;
use serde_json::{Value, json};

use crate::cli::bus::BusArgs;
use crate::cli::exit::{self, CommandExit};
use crate::cli::{remote, table};
use crate::config::Namespace;
use crate::nats::Bus;

use super::echo::Echo;
use super::load::{BenchLoad, LoadRun};
use super::progress::BenchProgress;
use super::row::{failed, p99};
use super::units;
use super::users::BenchUsers;

/// The number of runs of the service and of the echo, in turn.
pub(super) const RUNS: usize = 5;
const THREADS: usize = 2;

/// The load that a service is measured under.
#[derive(Clone, Copy, Debug)]
pub(super) struct Demand {
    /// Requests under way.
    pub(super) in_flight: usize,
    /// The requests a second of the open loop, where an open loop is run.
    pub(super) rate: Option<u32>,
    /// The time of each run.
    pub(super) time: Duration,
}

/// The runs of one kind of loop: the service and the echo beside the service.
#[derive(Clone, Debug)]
pub(super) struct ServiceAndEcho {
    /// The name of the loop.
    pub(super) name: String,
    echo: Vec<LoadRun>,
    placed: Vec<LoadRun>,
}

/// The medians of some runs, and the failures of all of them.
struct Medians {
    p50_ns: f64,
    p99_ns: Option<f64>,
    per_second: f64,
    failures: std::collections::BTreeMap<String, u64>,
}

/// Measures the service of `bus` with the requests of `users` under `demand`.
///
/// # Errors
/// A service that does not answer, and the service's error for the first request: that answer is checked before
/// anything is measured.
pub(super) fn run(
    bus: &BusArgs,
    config: Option<&Path>,
    users: &BenchUsers,
    demand: Demand,
) -> Result<Vec<ServiceAndEcho>, CommandExit> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(THREADS).enable_all().build();
    runtime.map_err(|error| CommandExit::new(exit::OTHER, error))?.block_on(async {
        let (connected, namespace) = remote::connect(bus, config).await?;
        let bodies: Vec<_> = users.texts().map(|text| Bytes::copy_from_slice(text.as_bytes())).collect();
        let first = bodies.first().cloned().unwrap_or_default();
        let (reply_bytes, reserves) = probe(&connected, &namespace, &first).await?;
        let echo = Echo::start(bus, config, vec![b'x'; reply_bytes].into())?;
        let client = connected.client();
        let load = |subject: String| BenchLoad {
            client,
            subject: subject.into(),
            bodies: &bodies,
            in_flight: demand.in_flight,
            release: None,
        };
        let release = reserves.then(|| namespace.release().into());
        let loads = [load(echo.subject().to_owned()), BenchLoad { release, ..load(namespace.place()) }];
        measure(&loads, demand).await
    })
}

/// Sends a request; returns the size of the answer in bytes, and whether the answer has a reservation.
async fn probe(bus: &Bus, namespace: &Namespace, body: &[u8]) -> Result<(usize, bool), CommandExit> {
    let body: Value = serde_json::from_slice(body).map_err(|error| CommandExit::new(exit::OTHER, error))?;
    let answer = remote::ask(bus, namespace.place(), &body).await?;
    let reservation = answer.get("reservation").cloned();
    if let Some(reservation) = &reservation {
        remote::ask(bus, namespace.release(), &json!({"reservation": reservation})).await?;
    }
    Ok((answer.to_string().len(), reservation.is_some()))
}

async fn measure([echo, placing]: &[BenchLoad<'_>; 2], demand: Demand) -> Result<Vec<ServiceAndEcho>, CommandExit> {
    let Demand { in_flight, rate, time } = demand;
    let pair = |name: String| ServiceAndEcho { name, echo: Vec::new(), placed: Vec::new() };
    let mut closed = pair(format!("closed loop, {} in flight", units::count(in_flight as u64)));
    let mut open = rate.map(|rate| (rate, pair(format!("open loop, {} a second", units::count(u64::from(rate))))));
    let loops = 1 + u32::from(open.is_some());
    let mut progress = BenchProgress::over(time * RUNS as u32 * 2 * loops);
    for run in 1..=RUNS {
        progress.begins(&format!("run {run} of {RUNS}, closed loop"));
        closed.echo.push(echo.run(None, time).await?);
        progress.tick();
        closed.placed.push(placing.run(None, time).await?);
        progress.tick();
        if let Some((rate, open)) = &mut open {
            progress.begins(&format!("run {run} of {RUNS}, open loop"));
            open.echo.push(echo.run(Some(*rate), time).await?);
            progress.tick();
            open.placed.push(placing.run(Some(*rate), time).await?);
            progress.tick();
        }
    }
    progress.end();
    Ok(std::iter::once(closed).chain(open.map(|(_, pair)| pair)).collect())
}

impl Medians {
    fn of(runs: &[LoadRun]) -> Self {
        let over = |figure: &dyn Fn(&LoadRun) -> Option<f64>| median(runs.iter().filter_map(figure).collect());
        let mut failures = std::collections::BTreeMap::new();
        for (name, count) in runs.iter().flat_map(|run| &run.failures) {
            *failures.entry(name.clone()).or_default() += count;
        }
        Self {
            p50_ns: over(&|run| Some(run.latencies.p50_ns() as f64)).unwrap_or_default(),
            p99_ns: over(&|run| run.latencies.p99_ns().map(|ns| ns as f64)),
            per_second: over(&|run| Some(run.per_second())).unwrap_or_default(),
            failures,
        }
    }

    fn to_json(&self) -> Value {
        json!({
            "p50_ns": self.p50_ns, "p99_ns": self.p99_ns, "per_second": self.per_second,
            "failures": self.failures,
        })
    }

    fn cells(&self, name: String, echo: Option<&Self>) -> Vec<String> {
        let to = |ours: f64, echo: f64| units::ratio(ours / echo.max(f64::MIN_POSITIVE));
        vec![
            name,
            units::duration(self.p50_ns as u64),
            p99(self.p99_ns.map(|ns| ns as u64)),
            units::rate(self.per_second),
            echo.map_or("1".to_owned(), |echo| to(self.p50_ns, echo.p50_ns)),
            echo.map_or("1".to_owned(), |echo| to(self.per_second, echo.per_second)),
            failed(&self.failures),
        ]
    }
}

impl ServiceAndEcho {
    /// Returns the pair as JSON.
    #[must_use]
    pub(super) fn to_json(&self) -> Value {
        let (echo, placed) = (Medians::of(&self.echo), Medians::of(&self.placed));
        json!({
            "loop": self.name, "runs": self.placed.len(), "echo": echo.to_json(), "place": placed.to_json(),
            "p50_to_echo": placed.p50_ns / echo.p50_ns.max(f64::MIN_POSITIVE),
            "rate_to_echo": placed.per_second / echo.per_second.max(f64::MIN_POSITIVE),
        })
    }
}

/// Returns the pairs as a table.
#[must_use]
pub(super) fn table(pairs: &[ServiceAndEcho]) -> String {
    let headings = ["what", "p50", "p99", "a second", "p50 to echo", "rate to echo", "failed"];
    let (mut table, mut any_failed) = (table::table(&headings), false);
    for pair in pairs {
        let (echo, placed) = (Medians::of(&pair.echo), Medians::of(&pair.placed));
        any_failed |= !echo.failures.is_empty() || !placed.failures.is_empty();
        table.add_row(echo.cells(format!("echo, {}", pair.name), None));
        table.add_row(placed.cells(format!("place, {}", pair.name), Some(&echo)));
    }
    (1..headings.len() - 1).for_each(|place| {
        if let Some(column) = table.column_mut(place) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    });
    if !any_failed && let Some(column) = table.column_mut(headings.len() - 1) {
        column.set_constraint(comfy_table::ColumnConstraint::Hidden);
    }
    table.to_string()
}

/// Returns the median; of an even number of figures the upper of the two in the middle.
fn median(mut figures: Vec<f64>) -> Option<f64> {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::super::latencies::Latencies;
    use super::*;

    fn run(us: u64, failures: &[(&str, u64)]) -> LoadRun {
        let mut latencies = Latencies::new().unwrap();
        (0..1000).for_each(|_| latencies.record(Duration::from_micros(us)));
        let failures = failures.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
        LoadRun { latencies, placed: 1000, elapsed: Duration::from_millis(us), failures }
    }

    #[test]
    fn medians_stand_beside_the_echo() {
        let echo = vec![run(9, &[]), run(2, &[]), run(4, &[])];
        let placed = vec![run(8, &[("no-node", 1)]), run(80, &[("no-node", 2), ("no-answer", 1)]), run(2, &[])];
        let mut pair = ServiceAndEcho { name: "closed loop, 64 in flight".to_owned(), echo, placed };
        let json = pair.to_json();
        assert_eq!(json["place"]["failures"], json!({"no-answer": 1, "no-node": 3}));
        assert!((json["p50_to_echo"].as_f64().unwrap() - 2.0).abs() < 0.01, "{json}");
        assert!((json["rate_to_echo"].as_f64().unwrap() - 0.5).abs() < 0.01, "{json}");
        let shown = table(std::slice::from_ref(&pair));
        for words in ["echo, closed loop, 64 in flight", "4.00 µs", "250 k", "0.50", "1 no-answer, 3 no-node"] {
            assert!(shown.contains(words), "{words}: {shown}");
        }
        pair.placed = vec![run(8, &[])];
        assert!(!table(&[pair]).contains("failed"));
        assert_eq!((median(vec![]), median(vec![3.0, 1.0])), (None, Some(3.0)));
    }
}
