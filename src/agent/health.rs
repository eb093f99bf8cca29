//! The machine's health from the operating system, in the field names and with the meanings that FastX 4 reports.
//!
//! Those are Moleculer's: `cpu.utilization` is the load of the last minute per core in percent, at most 100, and
//! `mem.percent` is the *free* percentage. Free memory is the memory that the kernel would give a new program, as Node
//! counts free memory; pages that merely cache files are no reason to send a session elsewhere.
//!
//! Memory and cores are those that this process may use: a container has the host's files below `/proc`, and the
//! container's limits in control groups and affinity. The load is the whole machine's, so the load is divided by the
//! machine's cores.

use std::net::IpAddr;
use std::thread::available_parallelism;
use std::time::Instant;

use jiff::Timestamp;
use rustix::system::uname;
use serde_json::{Map, Value, json};
use sysinfo::{
    CpuRefreshKind, MemoryRefreshKind, Networks, Pid, ProcessRefreshKind, ProcessesToUpdate, RefreshKind, System,
};

use super::cgroup::{MemoryBound, memory_bound};

/// The source of the machine's health.
#[derive(Debug)]
pub struct HealthSource {
    system: Option<System>,
    started: Instant,
}

impl HealthSource {
    /// Creates the source of this machine's health.
    #[must_use]
    pub fn new() -> Self {
        let what = RefreshKind::nothing().with_cpu(CpuRefreshKind::nothing());
        Self { system: System::new_with_specifics(what).ok(), started: Instant::now() }
    }

    /// Returns the machine's health at `now`. A figure that the operating system does not report is absent, never zero.
    pub fn health(&mut self, now: Timestamp) -> Value {
        json!({
            "cpu": self.cpu(),
            "mem": self.memory(),
            "os": os(),
            "process": self.process(),
            "client": {"type": "rust", "version": env!("CARGO_PKG_VERSION"), "langVersion": env!("CARGO_PKG_RUST_VERSION")},
            "net": {"ip": addresses()},
            "time": {
                "now": now.as_millisecond(),
                "iso": now.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string(),
                "utc": now.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string(),
            },
        })
    }

    fn cpu(&self) -> Value {
        let all = self.cores();
        // The cores that affinity and the quotas of control groups leave.
        let cores = available_parallelism().map(usize::from).ok().or(all);
        let load = System::load_average().ok();
        let utilization = load.as_ref().zip(all).map(|(load, all)| utilization(load.one, all));
        object([
            ("load1", load.as_ref().map(|load| json!(load.one))),
            ("load5", load.as_ref().map(|load| json!(load.five))),
            ("load15", load.as_ref().map(|load| json!(load.fifteen))),
            ("cores", cores.map(|cores| json!(cores))),
            ("utilization", utilization.map(|percent| json!(percent))),
        ])
    }

    /// The number of cores of the whole machine.
    fn cores(&self) -> Option<usize> {
        self.system.as_ref().map(|system| system.cpus().len()).filter(|cores| *cores > 0)
    }

    fn memory(&mut self) -> Value {
        let Some(system) = &mut self.system else { return json!({}) };
        system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
        let whole = MemoryBound { free: system.available_memory(), total: system.total_memory() };
        let bound = memory_bound().unwrap_or(whole);
        let (free, total) = (bound.free.min(whole.free), bound.total.min(whole.total));
        if total == 0 {
            return json!({});
        }
        json!({"free": free, "total": total, "percent": free as f64 * 100.0 / total as f64})
    }

    /// Returns the part of the machine that this process may use, as text for the log, where that is less than all.
    pub fn shares(&mut self) -> Option<String> {
        let share = |name: &str, own: u64, all: u64, unit: u64| {
            (own < all).then(|| format!("{} of {} {name}", own / unit, all / unit))
        };
        let cores = available_parallelism().ok().zip(self.cores());
        let cores = cores.and_then(|(own, all)| share("cores", own.get() as u64, all as u64, 1));
        let system = self.system.as_mut()?;
        system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
        let memory =
            memory_bound().and_then(|bound| share("MiB of memory", bound.total, system.total_memory(), 1 << 20));
        let shares: Vec<String> = cores.into_iter().chain(memory).collect();
        (!shares.is_empty()).then(|| shares.join(" and "))
    }

    /// The agent itself, where Moleculer has the broker's process. Only the program's name of the command line: there
    /// may be a token in the rest.
    fn process(&mut self) -> Value {
        let id = Pid::from_u32(std::process::id());
        let rss = self.system.as_mut().and_then(|system| {
            let what = ProcessRefreshKind::nothing().with_memory();
            system.refresh_processes_specifics(ProcessesToUpdate::Some(&[id]), true, what);
            system.process(id).map(sysinfo::Process::memory)
        });
        object([
            ("pid", Some(json!(std::process::id()))),
            ("memory", rss.map(|rss| json!({"rss": rss}))),
            ("uptime", Some(json!(self.started.elapsed().as_secs_f64()))),
            ("argv", Some(json!(std::env::args().take(1).collect::<Vec<_>>()))),
        ])
    }
}

impl Default for HealthSource {
    fn default() -> Self {
        Self::new()
    }
}

/// Returns the machine's host name; empty where the machine has none.
#[must_use]
pub fn hostname() -> String {
    uname().nodename().to_string_lossy().into_owned()
}

fn os() -> Value {
    let name = uname();
    object([
        ("uptime", System::uptime().ok().map(|seconds| json!(seconds))),
        ("type", Some(json!(name.sysname().to_string_lossy()))),
        ("release", Some(json!(name.release().to_string_lossy()))),
        ("hostname", Some(json!(name.nodename().to_string_lossy()))),
        ("arch", Some(json!(node_arch(std::env::consts::ARCH)))),
        ("platform", Some(json!(std::env::consts::OS))),
    ])
}

/// The IPv4 addresses by which others may reach this machine.
fn addresses() -> Vec<String> {
    let Ok(networks) = Networks::new_with_refreshed_list() else { return Vec::new() };
    let mut addresses: Vec<_> = networks
        .values()
        .flat_map(|network| network.ip_networks())
        .filter_map(|network| match network.addr {
            IpAddr::V4(address) if !address.is_loopback() && !address.is_unspecified() => Some(address),
            _ => None,
        })
        .collect();
    addresses.sort_unstable();
    addresses.dedup();
    addresses.iter().map(ToString::to_string).collect()
}

fn utilization(load1: f64, cores: usize) -> u64 {
    (load1 * 100.0 / cores as f64).floor().clamp(0.0, 100.0) as u64
}

/// Returns Node's name of an architecture, which scripts may compare with.
fn node_arch(arch: &str) -> &str {
    match arch {
        "x86_64" => "x64",
        "aarch64" => "arm64",
        "x86" => "ia32",
        other => other,
    }
}

fn object<const N: usize>(members: [(&str, Option<Value>); N]) -> Value {
    let members = members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(members.collect::<Map<_, _>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_are_those_of_a_fastx_node() {
        let health = HealthSource::new().health(Timestamp::from_millisecond(1_795_181_392_136).unwrap());
        let fields = [
            ("cpu", "cores load1 load15 load5 utilization"),
            ("mem", "free percent total"),
            ("os", "arch hostname platform release type uptime"),
            ("process", "argv memory pid uptime"),
            ("client", "langVersion type version"),
            ("net", "ip"),
            ("time", "iso now utc"),
        ];
        for (part, expected) in fields {
            let mut names: Vec<&str> = health[part].as_object().unwrap().keys().map(String::as_str).collect();
            names.sort_unstable();
            assert_eq!(names.join(" "), expected, "{part}");
        }
        assert_eq!(health["time"]["iso"], "2026-11-20T13:29:52.136Z");
        assert_eq!(health["time"]["utc"], "Fri, 20 Nov 2026 13:29:52 GMT");
        let memory = &health["mem"];
        let percent = memory["free"].as_f64().unwrap() * 100.0 / memory["total"].as_f64().unwrap();
        assert!((memory["percent"].as_f64().unwrap() - percent).abs() < 1e-9, "the free percentage");
        assert_eq!(health["os"]["platform"], "linux");
    }

    #[test]
    fn utilization_is_load_per_core() {
        assert_eq!([utilization(0.11, 2), utilization(3.0, 2), utilization(0.0, 1)], [5, 100, 0]);
    }
}
