//! From the config and this machine to what the programs of executable steps are run with.

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

/// The environment of programs: a search path and a home, and those of this process that are `listed`. What is no UTF-8
/// is left out.
#[must_use]
pub fn environment(listed: &[String]) -> Vec<(String, String)> {
    let kept = KEPT.into_iter().chain(listed.iter().map(String::as_str));
    let kept = kept.filter_map(|name| Some((name.to_owned(), std::env::var(name).ok()?)));
    let mut environment: Vec<(String, String)> = kept.collect();
    for (name, usual) in [("PATH", USUAL_PATH), ("HOME", "/")] {
        if !environment.iter().any(|(known, _)| known == name) {
            environment.push((name.to_owned(), usual.to_owned()));
        }
    }
    environment
}
