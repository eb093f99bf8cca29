//! From the config's limits to those of a worker.

use crate::config::Config;
use crate::worker::WorkerLimits;

/// The limits of workers that `config` sets.
#[must_use]
pub fn of(config: &Config) -> WorkerLimits {
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
