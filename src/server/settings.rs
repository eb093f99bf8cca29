//! The settings of a service, its workers and its programs, made from the config.

use std::collections::BTreeMap;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::chain::ChainSet;
use crate::config::{Capacity, Config, Cooldown};
use crate::front::{QuarantineSettings, Setup};
use crate::host;
use crate::model::Arrangement;
use crate::runner::ProgramLimits;
use crate::worker::{WorkerAudience, WorkerInit, WorkerLimits};

/// The variables of this process's environment that programs always keep.
const KEPT: [&str; 2] = ["PATH", "HOME"];
/// The search path of programs where this process has none.
const USUAL_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Returns the settings of the service that `config` describes; programs are run with `environment`.
#[must_use]
pub fn service(config: &Config, environment: Vec<(String, String)>) -> Setup {
    let (set, limits) = (&config.chains, worker_limits(config));
    let birth =
        WorkerInit { set: set.clone(), arrangement: Arrangement::ById, limits, audience: WorkerAudience::Front };
    Setup {
        birth: Arc::new(birth),
        program: host::program(),
        workers: config.service.workers as usize,
        recycle_requests: u64::from(config.limits.recycle_requests),
        recycle_bytes: u64::from(config.limits.recycle_mb) << 20,
        quarantine: QuarantineSettings {
            kills: config.limits.quarantine_kills,
            window_ms: u64::from(config.limits.quarantine_window_s) * 1000,
            pause_ms: u64::from(config.limits.quarantine_pause_s) * 1000,
        },
        queue: config.limits.queue as usize,
        reservation_ms: u64::from(config.service.reservation_s) * 1000,
        longest_reservation_ms: u64::from(config.service.reservation_max_s.max(config.service.reservation_s)) * 1000,
        cooldown_ms: u64::from(config.service.cooldown_s) * 1000,
        tokens: config.tokens.clone(),
        strict_requests: config.service.strict_requests,
        cooldown_users: config.service.cooldown_users as usize,
        is_last_resort: config.service.cooldown == Cooldown::Last,
        retries: config.service.retries,
        recorded_decisions: config.service.recorded_decisions as usize,
        is_strict: config.service.capacity == Capacity::Strict,
        waiting: config.limits.waiting as usize,
        waiting_per_user: config.limits.waiting_per_user as usize,
        digest: digest(set).into(),
        programs: program_limits(config),
        environment,
    }
}

/// Returns a text that is the same wherever the chains are the same: replicas compare their digests.
fn digest(set: &ChainSet) -> String {
    let bytes = postcard::to_stdvec(set).unwrap_or_default();
    Sha256::digest(bytes).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// Returns the limits of workers that `config` sets.
#[must_use]
pub fn worker_limits(config: &Config) -> WorkerLimits {
    let limits = &config.limits;
    WorkerLimits {
        script_ms: limits.script_ms,
        script_us_per_candidate: limits.script_us_per_candidate,
        node_call_ms: limits.node_call_ms,
        wall_factor: limits.wall_factor,
        memory_bytes: u64::from(limits.worker_memory_mb) << 20,
        request_bytes: (limits.request_kb as usize) << 10,
    }
}

/// Returns the limits of programs that `config` sets.
#[must_use]
pub fn program_limits(config: &Config) -> ProgramLimits {
    let limits = &config.limits;
    ProgramLimits {
        wall_ms: limits.executable_ms,
        at_once: limits.executables,
        processes: limits.executable_processes,
        stdout_bytes: (limits.stdout_kb as usize) << 10,
        stderr_bytes: (limits.stderr_kb as usize) << 10,
        script: config.chains.limits,
    }
}

/// Returns the environment of programs: a search path and a home, the variables of this process that are `listed`, and
/// the variables `beside` them, which FastX's environment has. A value that is no UTF-8 is left out.
#[must_use]
pub fn program_environment(listed: &[String], beside: &BTreeMap<String, String>) -> Vec<(String, String)> {
    let mut environment =
        BTreeMap::from([("PATH", USUAL_PATH), ("HOME", "/")].map(|(n, v)| (n.to_owned(), v.to_owned())));
    environment.extend(beside.iter().map(|(name, value)| (name.clone(), value.clone())));
    let kept = KEPT.into_iter().chain(listed.iter().map(String::as_str));
    environment.extend(kept.filter_map(|name| Some((name.to_owned(), std::env::var(name).ok()?))));
    environment.into_iter().collect()
}
