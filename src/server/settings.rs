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
use crate::token::TokenVerifier;
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
        reservations_per_user: config.limits.reservations_per_user as usize,
        digest: digest(set, config.tokens.as_deref()).into(),
        programs: program_limits(config),
        environment,
    }
}

/// Returns a text that is the same wherever the chains are the same and `tokens` verifies the same tokens alike:
/// replicas compare their digests. Without a verifier the digest is that of the chains alone, as releases made it that
/// knew no tokens.
fn digest(set: &ChainSet, tokens: Option<&TokenVerifier>) -> String {
    let mut hash = Sha256::new_with_prefix(postcard::to_stdvec(set).unwrap_or_default());
    if let Some(tokens) = tokens {
        hash.update(tokens.public_digest());
    }
    hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::testing::{policy, verifier};
    use crate::token::{TokenKeys, TokenPolicy, Unverified};

    /// Two public keys of P-256, as a JWK set in which they stand in the order of `keys`.
    fn key_set(keys: &[usize]) -> TokenKeys {
        let all = [
            ("a", "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"),
            ("b", "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4", "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"),
        ];
        let keys = keys
            .iter()
            .filter_map(|at| all.get(*at))
            .map(|(kid, x, y)| serde_json::json!({"kty": "EC", "crv": "P-256", "kid": kid, "x": x, "y": y}));
        TokenKeys::public(&serde_json::json!({"keys": keys.collect::<Vec<_>>()}).to_string()).unwrap()
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn without_tokens_the_digest_is_that_of_the_chains() {
        let set = ChainSet::new(Vec::new());
        let chains = Sha256::digest(postcard::to_stdvec(&set).unwrap());
        let chains: String = chains.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(digest(&set, None), chains);
        assert_ne!(digest(&set, Some(&verifier(policy()))), chains);
    }

    #[test]
    fn what_changes_decisions_changes_the_digest_and_nothing_else_does() {
        let set = ChainSet::new(Vec::new());
        let of = |policy: TokenPolicy| digest(&set, Some(&verifier(policy)));
        let own = TokenPolicy { audiences: names(&["a", "b"]), ..policy() };
        let alike = [
            TokenPolicy { remembered: 5, ..own.clone() },
            TokenPolicy { audiences: names(&["b", "a", "b"]), ..own.clone() },
        ];
        for policy in alike {
            assert_eq!(of(policy.clone()), of(own.clone()), "{policy:?}");
        }
        let others = [
            TokenPolicy { algorithms: Vec::new(), ..own.clone() },
            TokenPolicy { issuers: Vec::new(), ..own.clone() },
            TokenPolicy { audiences: names(&["ab"]), ..own.clone() },
            TokenPolicy { leeway_s: 61, ..own.clone() },
            TokenPolicy { max_bytes: 1 << 10, ..own.clone() },
            TokenPolicy { claims: names(&["roles", "email"]), ..own.clone() },
            TokenPolicy { groups_claim: None, ..own.clone() },
            TokenPolicy { admin_claim: Some("groups".to_owned()), ..own.clone() },
            TokenPolicy { admin_values: Vec::new(), ..own.clone() },
            TokenPolicy { login_claim: Some("sub".to_owned()), ..own.clone() },
            TokenPolicy { login_domains: names(&["a"]), ..own.clone() },
            TokenPolicy { unverified: Unverified::Ignore, ..own.clone() },
            own,
        ];
        let digests: std::collections::BTreeSet<_> = others.iter().map(|policy| of(policy.clone())).collect();
        assert_eq!(digests.len(), others.len());
    }

    #[test]
    fn public_keys_count_in_any_order_and_of_a_secret_its_presence_alone() {
        let set = ChainSet::new(Vec::new());
        let of = |keys: TokenKeys| digest(&set, Some(&TokenVerifier::new(policy(), keys)));
        assert_eq!(of(key_set(&[0, 1])), of(key_set(&[1, 0])));
        assert_ne!(of(key_set(&[0, 1])), of(key_set(&[0])));
        assert_ne!(of(key_set(&[0])), of(key_set(&[1])));
        let secret = |byte: u8| TokenKeys::secret(&[byte; 64], &[]).unwrap();
        assert_eq!(of(secret(1)), of(secret(2)), "the digest is shown to whoever sees the status");
        assert_ne!(of(secret(1)), of(key_set(&[0])));
    }
}
