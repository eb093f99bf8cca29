//! A row of a storm's tables: the figures of a contender in a cell.

use std::time::Duration;

use serde_json::{Value, json};

use crate::cli::bench::row::p99;
use crate::cli::bench::units;

use super::figures::{CpuTaken, ServiceFigures};
use super::tally::LauncherTally;

/// The metrics of the service's own faults.
const DEATHS: &str = "whither_worker_deaths_total";
const CONVICTIONS: &str = "whither_script_limits_total";
const SUSPICIONS: &str = "whither_suspicions_total";
const RUNNER_DEATHS: &str = "whither_runner_deaths_total";
const RESIDENT_ENDS: &str = "whither_resident_ends_total";
const REFUSED_DOCUMENTS: &str = "whither_refused_documents_total";
const LOST_REPLIES: &str = "whither_lost_replies_total";
/// Different lines of a log that are shown below a table.
const LOGGED: usize = 5;

/// The figures of a contender in a cell.
#[derive(Clone, Debug)]
pub(super) struct StormRow {
    /// The name of the contender.
    pub(super) name: String,
    /// Whether that was a service of ours.
    pub(super) is_ours: bool,
    /// The tally of the launchers.
    pub(super) tally: LauncherTally,
    /// Placements a second in the first seconds.
    pub(super) first: f64,
    /// Placements a second in the last seconds.
    pub(super) last: f64,
    /// CPU time of the contender's processes, in microseconds.
    pub(super) cpu_us: CpuTaken,
    /// CPU time of the nats-server.
    pub(super) nats_us: u64,
    /// CPU time of this process: launchers, nodes, and the echo.
    pub(super) client_us: u64,
    /// Memory of the contender's processes at the end, in bytes.
    pub(super) memory_bytes: CpuTaken,
    /// The metrics of the service at the end.
    pub(super) figures: Option<ServiceFigures>,
    /// The largest number of scripts that were in quarantine at the same time.
    pub(super) quarantined: u64,
    /// The time of the first answer after the service knew every node: the workers may still be receiving the nodes.
    pub(super) first_answer: Option<Duration>,
    /// Warnings and errors of the service's log.
    pub(super) complaints: Vec<String>,
}

/// The rates that the rows of a cell are compared with.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct CellBaselines {
    /// Placements a second of the echo.
    pub(super) echo: Option<f64>,
    /// Placements a second of the peer.
    pub(super) peer: Option<f64>,
}

impl StormRow {
    /// Returns the faults in words; empty where there were none.
    pub(super) fn faults(&self) -> Vec<String> {
        let figure = |name: &str| self.figure(name).unwrap_or_default();
        let counted = [
            (figure(DEATHS), "deaths of workers"),
            (figure(CONVICTIONS), "convictions of a script"),
            (self.quarantined, "in quarantine"),
            (figure(RUNNER_DEATHS), "deaths of the runner"),
            (figure(RESIDENT_ENDS), "ends of resident programs"),
            (figure(REFUSED_DOCUMENTS), "reports refused"),
            (figure(LOST_REPLIES), "replies that NATS did not take"),
        ];
        let counted = counted.into_iter().filter(|(count, _)| *count > 0);
        let mut faults: Vec<_> = counted.map(|(count, what)| format!("{} {what}", units::count(count))).collect();
        faults.extend(self.tally.faults.iter().map(|(name, fault)| {
            let words = if fault.example.is_empty() { String::new() } else { format!(" ({})", fault.example) };
            format!("{} {name}{words}", units::count(fault.count))
        }));
        if self.tally.placed == 0 && faults.is_empty() {
            faults.push("nothing was placed".to_owned());
        }
        faults
    }

    /// Returns the log lines about faults, without the time of each line; repeated lines are counted.
    pub(super) fn logged(&self) -> Vec<String> {
        let mut lines: Vec<(&str, u64)> = Vec::new();
        for line in &self.complaints {
            let words = line.split_once(' ').map_or(line.as_str(), |(_time, words)| words.trim());
            match lines.iter_mut().find(|(known, _)| *known == words) {
                Some((_, count)) => *count += 1,
                None => lines.push((words, 1)),
            }
        }
        let lines = lines.into_iter().take(LOGGED);
        lines
            .map(|(words, count)| if count > 1 { format!("{words} ({count} times)") } else { words.to_owned() })
            .collect()
    }

    /// Returns the cells of the table, in the order of the headings.
    pub(super) fn cells(&self, beside: CellBaselines) -> Vec<String> {
        let tally = &self.tally;
        let each =
            |us: u64| if us == 0 || tally.placed == 0 { String::new() } else { units::average(tenth(self.each(us))) };
        let bytes = |bytes: u64| if bytes == 0 { String::new() } else { units::bytes(bytes) };
        let ratio = |other: Option<f64>| self.ratio(other).map(units::ratio).unwrap_or_default();
        vec![
            self.name.clone(),
            units::rate(tally.per_second()),
            ratio(beside.echo),
            ratio(beside.peer),
            units::duration(tally.latencies.p50_ns()),
            p99(tally.latencies.p99_ns()),
            units::duration(tally.latencies.max_ns()),
            units::rate(self.first),
            units::rate(self.last),
            each(self.cpu_us.front),
            each(self.cpu_us.workers),
            each(self.cpu_us.runner),
            each(self.cpu_us.programs),
            bytes(self.memory_bytes.front),
            bytes(self.memory_bytes.workers),
            self.suspicions().filter(|count| *count > 0).map(units::count).unwrap_or_default(),
        ]
    }

    /// Returns the row as JSON.
    pub(super) fn to_json(&self, beside: CellBaselines) -> Value {
        let tally = &self.tally;
        let faults: serde_json::Map<_, _> = tally
            .faults
            .iter()
            .map(|(name, fault)| (name.clone(), json!({"count": fault.count, "example": fault.example})))
            .collect();
        json!({
            "who": self.name,
            "ours": self.is_ours,
            "placed": tally.placed,
            "confirmed": tally.confirmed,
            "per_second": tally.per_second(),
            "p50_ns": tally.latencies.p50_ns(),
            "p99_ns": tally.latencies.p99_ns(),
            "max_ns": tally.latencies.max_ns(),
            "first_per_second": self.first,
            "last_per_second": self.last,
            "placed_in_each_second": tally.seconds(),
            "cpu_us_each": {
                "front": self.each(self.cpu_us.front),
                "workers": self.each(self.cpu_us.workers),
                "runner": self.each(self.cpu_us.runner),
                "programs": self.each(self.cpu_us.programs),
                "all": self.each(self.cpu_us.sum()),
                "nats": self.each(self.nats_us),
                "bench": self.each(self.client_us),
            },
            "memory_bytes": self.memory_bytes,
            "rate_to_echo": self.ratio(beside.echo),
            "rate_to_peer": self.ratio(beside.peer),
            "first_answer_ms": self.first_answer.map(|took| took.as_millis() as u64),
            "worker_deaths": self.count(DEATHS),
            "convictions": self.count(CONVICTIONS),
            "suspicions": self.suspicions(),
            "quarantines": self.figures.as_ref().map(|_| self.quarantined),
            "failed": faults,
            "faults": self.faults(),
            "complaints": self.complaints,
            "figures": self.figures,
        })
    }

    fn figure(&self, name: &str) -> Option<u64> {
        self.figures.as_ref()?.get(name)
    }

    /// Returns the metric `name` of the service; 0 for a metric that is published from the first increment on.
    fn count(&self, name: &str) -> Option<u64> {
        self.figures.as_ref().map(|figures| figures.get(name).unwrap_or_default())
    }

    fn suspicions(&self) -> Option<u64> {
        self.figure(SUSPICIONS)
    }

    /// Returns the part of `us` that falls to a placement; 0 where there was no placement.
    fn each(&self, us: u64) -> f64 {
        if self.tally.placed == 0 { 0.0 } else { us as f64 / self.tally.placed as f64 }
    }

    fn ratio(&self, other: Option<f64>) -> Option<f64> {
        other.filter(|other| *other > 0.0).map(|other| self.tally.per_second() / other)
    }
}

fn tenth(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::cli::bench::storm::answer::StormFailure;

    pub(in crate::cli::bench::storm) fn row(name: &str, placed: u64) -> StormRow {
        let mut tally = LauncherTally::new().unwrap();
        let start = std::time::Instant::now();
        for number in 0..placed {
            let now = start + Duration::from_millis(number);
            tally.answered(now, now, start, None);
        }
        StormRow {
            name: name.to_owned(),
            is_ours: true,
            tally,
            first: 1000.0,
            last: 900.0,
            cpu_us: CpuTaken { front: 20_000, workers: 5_000, ..CpuTaken::default() },
            nats_us: 10_000,
            client_us: 10_000,
            memory_bytes: CpuTaken { front: 40 << 20, workers: 60 << 20, ..CpuTaken::default() },
            figures: Some(ServiceFigures::default()),
            quarantined: 0,
            first_answer: None,
            complaints: Vec::new(),
        }
    }

    #[test]
    fn every_fault_is_told() {
        let mut row = row("js-pure", 1000);
        assert_eq!(row.faults(), Vec::<String>::new());
        row.quarantined = 1;
        row.complaints = ["1 WARN a worker died", "2 WARN a worker died", "3 ERROR hm"].map(str::to_owned).to_vec();
        assert_eq!(row.logged(), ["WARN a worker died (2 times)", "ERROR hm"]);
        row.tally.fault("no-node", "all are full");
        assert_eq!(row.faults(), ["1 in quarantine", "1 no-node (all are full)"]);
        let now = std::time::Instant::now();
        let failure = StormFailure { name: "no-node".to_owned(), message: String::new() };
        row.tally.answered(now, now, now, Some(&failure));
        assert_eq!(row.to_json(CellBaselines::default())["failed"]["no-node"]["count"], 2);
        assert_eq!(super::tests::row("idle", 0).faults(), ["nothing was placed"]);
    }

    #[test]
    fn ratios_stand_beside_what_they_compare() {
        let row = row("js-pure", 1001);
        let beside = CellBaselines { echo: Some(2002.0), peer: None };
        let json = row.to_json(beside);
        assert!((json["rate_to_echo"].as_f64().unwrap() - 0.5).abs() < 0.01, "{json}");
        assert_eq!((&json["rate_to_peer"], &json["suspicions"]), (&Value::Null, &Value::Null));
        assert_eq!((&json["convictions"], &json["quarantines"]), (&json!(0), &json!(0)));
        assert_eq!(row.cells(beside).len(), super::super::table::HEADINGS.len());
    }
}
