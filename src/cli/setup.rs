//! What a config makes of a service.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::chain::ChainSet;
use crate::config::{Capacity, Config, Cooldown};
use crate::front::{QuarantineSettings, Setup};
use crate::model::Arrangement;
use crate::worker::{Audience, Birth};

use super::{limits, one_shot, programs};

/// The service of `config`, whose programs have this `environment`.
#[must_use]
pub(super) fn of(config: &Config, environment: Vec<(String, String)>) -> Setup {
    let (set, limits) = (&config.chains, limits::of(config));
    let birth = Birth { set: set.clone(), arrangement: Arrangement::ById, limits, audience: Audience::Front };
    Setup {
        birth: Arc::new(birth),
        program: one_shot::program(),
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
        strict_requests: config.service.strict_requests,
        cooldown_users: config.service.cooldown_users as usize,
        is_last_resort: config.service.cooldown == Cooldown::Last,
        retries: config.service.retries,
        recorded_decisions: config.service.recorded_decisions as usize,
        is_strict: config.service.capacity == Capacity::Strict,
        waiting: config.limits.waiting as usize,
        waiting_per_user: config.limits.waiting_per_user as usize,
        digest: digest(set).into(),
        programs: programs::limits(config),
        environment,
    }
}

/// A number that is the same wherever the chains are: replicas compare it.
fn digest(set: &ChainSet) -> String {
    let bytes = postcard::to_stdvec(set).unwrap_or_default();
    Sha256::digest(bytes).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}
