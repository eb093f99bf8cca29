//! From the config and this machine to what the programs of executable steps are run with.

use std::collections::BTreeMap;

use crate::config::Config;
use crate::runner::ProgramLimits;

/// What programs always keep of the environment.
const KEPT: [&str; 2] = ["PATH", "HOME"];
/// Where programs look for others, where this process has no search path.
const USUAL_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The limits of programs that `config` sets.
#[must_use]
pub fn limits(config: &Config) -> ProgramLimits {
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

/// The environment of programs: a search path and a home, those of this process that are `listed`, and what FastX's
/// environment has `beside` them. What is no UTF-8 is left out.
#[must_use]
pub fn environment(listed: &[String], beside: &BTreeMap<String, String>) -> Vec<(String, String)> {
    let mut environment =
        BTreeMap::from([("PATH", USUAL_PATH), ("HOME", "/")].map(|(n, v)| (n.to_owned(), v.to_owned())));
    environment.extend(beside.iter().map(|(name, value)| (name.clone(), value.clone())));
    let kept = KEPT.into_iter().chain(listed.iter().map(String::as_str));
    environment.extend(kept.filter_map(|name| Some((name.to_owned(), std::env::var(name).ok()?))));
    environment.into_iter().collect()
}
