//! The figures that a service publishes over HTTP, and those of the kernel for the service's processes: CPU time,
//! memory.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::Serialize;

/// The most time that the service may take for a page: the service may be busy.
const PAGE_PATIENCE: Duration = Duration::from_secs(5);
/// The interval at which scripts in quarantine are counted: the shortest quarantine is ten seconds.
const LOOK: Duration = Duration::from_secs(1);
/// The figure of scripts in quarantine.
const QUARANTINED: &str = "whither_quarantined";
/// The words by which the command lines of the service's own processes end.
const WORKER: &str = "__worker";
const RUNNER: &str = "__runner";

/// The figures of a service, summed over their labels.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct ServiceFigures(BTreeMap<String, f64>);

/// The CPU time or memory of the processes of a service, by kind of process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct CpuTaken {
    /// The front; of a service other than whither, the whole service.
    pub(super) front: u64,
    /// The workers, those that have ended included.
    pub(super) workers: u64,
    /// The runner, which starts programs.
    pub(super) runner: u64,
    /// The programs.
    pub(super) programs: u64,
}

impl ServiceFigures {
    /// Returns the figures of the service at `port`; empty where the service does not answer.
    pub(super) fn of(port: u16) -> Self {
        get(port, "/metrics").map(|(_, text)| Self::parse(&text)).unwrap_or_default()
    }

    fn parse(text: &str) -> Self {
        let mut figures = BTreeMap::new();
        for line in text.lines().filter(|line| !line.starts_with('#') && !line.contains("_bucket{")) {
            let Some((name, value)) = line.rsplit_once(' ') else { continue };
            let name = name.split('{').next().unwrap_or(name);
            // JSON has no NaN: a figure that is not known yet is left out.
            if let Ok(value) = value.parse::<f64>()
                && value.is_finite()
            {
                *figures.entry(name.to_owned()).or_default() += value;
            }
        }
        Self(figures)
    }

    /// Returns the figure `name`, or `None` where the service publishes no figure of that name.
    pub(super) fn get(&self, name: &str) -> Option<u64> {
        self.0.get(name).map(|value| *value as u64)
    }
}

/// The largest number of scripts that were in quarantine at the same time.
#[derive(Clone, Debug, Default)]
pub(super) struct Quarantined(Arc<AtomicU64>);

impl Quarantined {
    /// Polls the service at `port` until the future is dropped.
    pub(super) async fn watch(&self, port: u16) -> Infallible {
        loop {
            let figures = tokio::task::spawn_blocking(move || ServiceFigures::of(port)).await.unwrap_or_default();
            self.note(&figures);
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Looks at `figures`.
    pub(super) fn note(&self, figures: &ServiceFigures) {
        self.0.fetch_max(figures.get(QUARANTINED).unwrap_or_default(), Ordering::Relaxed);
    }

    /// Returns the largest number of scripts that were in quarantine at the same time.
    pub(super) fn most(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl CpuTaken {
    /// CPU time in microseconds that the service of the process `front` has taken so far.
    pub(super) fn cpu_us(front: u32) -> Self {
        Self::of(front, |pid| Times::of(pid).map(|times| (times.own_us, times.ended_us)))
    }

    /// Memory in bytes that the service of the process `front` takes.
    pub(super) fn memory_bytes(front: u32) -> Self {
        Self::of(front, |pid| Some((memory_bytes(pid)?, 0)))
    }

    /// Returns the CPU time that the service has taken since `before`.
    pub(super) fn since(self, before: Self) -> Self {
        Self {
            front: self.front.saturating_sub(before.front),
            workers: self.workers.saturating_sub(before.workers),
            runner: self.runner.saturating_sub(before.runner),
            programs: self.programs.saturating_sub(before.programs),
        }
    }

    /// Everything.
    pub(super) fn sum(self) -> u64 {
        self.front + self.workers + self.runner + self.programs
    }

    /// Sums the processes below `front`; `measure` returns the figure of a process, and that of the ended children.
    fn of(front: u32, measure: impl Fn(u32) -> Option<(u64, u64)>) -> Self {
        let (own, ended) = measure(front).unwrap_or_default();
        // The front's own children that have ended are workers: a runner ends with the service.
        let mut taken = Self { front: own, workers: ended, ..Self::default() };
        for child in children(front) {
            let (own, ended) = measure(child).unwrap_or_default();
            let command = std::fs::read_to_string(format!("/proc/{child}/cmdline")).unwrap_or_default();
            if command.split('\0').any(|word| word == RUNNER) {
                taken.runner += own;
                taken.programs += ended + descendants(child).into_iter().filter_map(&measure).map(both).sum::<u64>();
            } else if command.split('\0').any(|word| word == WORKER) {
                taken.workers += own + ended;
            } else {
                taken.front += own + ended;
            }
        }
        taken
    }
}

/// CPU time of a process.
struct Times {
    own_us: u64,
    /// The CPU time of the process's children that have ended.
    ended_us: u64,
}

impl Times {
    fn of(pid: u32) -> Option<Self> {
        Self::parse(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    /// Parses `/proc/PID/stat`. The name of the process stands in brackets and may hold anything; of the fields after
    /// the name, user and system time are the 12th to 15th.
    fn parse(stat: &str) -> Option<Self> {
        let ticks: Vec<u64> =
            stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11).take(4).flat_map(str::parse).collect();
        let [user, system, ended_user, ended_system] = ticks.try_into().ok()?;
        let us = |ticks: u64| ticks * 1_000_000 / rustix::param::clock_ticks_per_second().max(1);
        Some(Self { own_us: us(user + system), ended_us: us(ended_user + ended_system) })
    }
}

/// Returns the CPU time in microseconds that the process `pid` has taken so far, in all threads.
pub(super) fn cpu_us(pid: u32) -> u64 {
    Times::of(pid).map_or(0, |times| times.own_us)
}

/// Gets the status and the body of the page at `path` of this machine's `port`; `None` where nobody answers in time.
pub(super) fn get(port: u16, path: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(PAGE_PATIENCE)).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let status = answer.split(' ').nth(1)?.parse().ok()?;
    Some((status, answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned())?))
}

fn memory_bytes(pid: u32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
    let pages = text.split_ascii_whitespace().nth(1)?.parse::<u64>().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

fn children(pid: u32) -> Vec<u32> {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let listed = threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("children")).ok());
    listed.flat_map(|listed| listed.split_whitespace().flat_map(str::parse).collect::<Vec<u32>>()).collect()
}

fn descendants(pid: u32) -> Vec<u32> {
    let mut found = children(pid);
    let mut place = 0;
    while let Some(next) = found.get(place).copied() {
        found.extend(children(next));
        place += 1;
    }
    found
}

fn both((own, ended): (u64, u64)) -> u64 {
    own + ended
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_summed_over_their_labels() {
        let text = "# HELP whither_script_limits x\nwhither_script_limits_total{script=\"a b\",limit=\"time\"} 2\n\
                    whither_script_limits_total{script=\"c\",limit=\"crash\"} 1\nwhither_view_age_seconds NaN\n\
                    whither_decision_seconds_bucket{le=\"0.1\"} 7\nwhither_nodes 100\n";
        let figures = ServiceFigures::parse(text);
        assert_eq!((figures.get("whither_script_limits_total"), figures.get("whither_nodes")), (Some(3), Some(100)));
        assert_eq!((figures.get("whither_view_age_seconds"), figures.0.len()), (None, 2));
    }

    #[test]
    fn cpu_time_is_read_past_any_name() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 1 2 3 4 150 50 20 10 20 0 5 0";
        let times = Times::parse(stat).unwrap();
        let tick = 1_000_000 / rustix::param::clock_ticks_per_second();
        assert_eq!((times.own_us, times.ended_us), (200 * tick, 30 * tick));
        let own = CpuTaken::memory_bytes(std::process::id());
        assert!(own.front > 1 << 20, "{own:?}");
        assert!(Times::parse("7 (x) S 1").is_none());
    }
}
