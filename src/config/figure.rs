//! Every whole number that a config may set, with default, range and meaning, each listed once.
//!
//! The reader checks against this list, `new config` writes the list out, and a test walks the list.

/// A whole number that a config may set.
#[derive(Debug, PartialEq, Eq)]
pub struct Figure {
    /// The section of the number.
    pub section: &'static str,
    /// The key of the number.
    pub key: &'static str,
    /// The value where the config does not set the number.
    pub default: u32,
    /// The least accepted value.
    pub least: u32,
    /// The greatest accepted value.
    pub most: u32,
    /// The meaning, for people.
    pub about: &'static str,
}

const fn service(key: &'static str, default: u32, (least, most): (u32, u32), about: &'static str) -> Figure {
    Figure { section: "service", key, default, least, most, about }
}

const fn limit(key: &'static str, default: u32, (least, most): (u32, u32), about: &'static str) -> Figure {
    Figure { section: "limits", key, default, least, most, about }
}

const fn token(key: &'static str, default: u32, (least, most): (u32, u32), about: &'static str) -> Figure {
    Figure { section: "tokens", key, default, least, most, about }
}

const fn tracing(key: &'static str, default: u32, (least, most): (u32, u32), about: &'static str) -> Figure {
    Figure { section: "tracing", key, default, least, most, about }
}

/// `service.liveness_s`.
pub const LIVENESS_S: Figure =
    service("liveness_s", 90, (3, 86_400), "a node without a report for so many seconds takes nothing");
/// `service.max_missed`.
pub const MAX_MISSED: Figure = service(
    "max_missed",
    3,
    (1, 1000),
    "reports in a row that a node may miss before it is out of sync, which is noted in its history and told to `notify`",
);
/// `service.reservation_s`.
pub const RESERVATION_S: Figure = service(
    "reservation_s",
    120,
    (1, 86_400),
    "a placed session that its node does not report in this time is given up",
);
/// `service.reservation_max_s`.
pub const RESERVATION_MAX_S: Figure = service(
    "reservation_max_s",
    3600,
    (1, 86_400),
    "the longest life that a request or a renewal may ask for its reservation",
);
/// `service.max_pending`.
pub const MAX_PENDING: Figure = service(
    "max_pending",
    0,
    (0, 100_000),
    "sessions that may start on a node at one time, `maxPending` in its static data over it; 0: any number",
);
/// `service.cooldown_s`.
pub const COOLDOWN_S: Figure =
    service("cooldown_s", 60, (0, 86_400), "how long a node is passed over after a start failed there");
/// `service.cooldown_users`.
pub const COOLDOWN_USERS: Figure = service(
    "cooldown_users",
    2,
    (1, 1000),
    "a node where the starts of so many users failed is passed over for all; before, for those users alone",
);
/// `service.retries`.
pub const RETRIES: Figure =
    service("retries", 3, (0, 100), "how often a request is decided again when its node was taken meanwhile");
/// `service.recorded_decisions`.
pub const RECORDED_DECISIONS: Figure = service(
    "recorded_decisions",
    0,
    (0, 1000),
    "of so many of the last decisions nodes and request are kept, for `whither test --record`; 0: of none",
);
/// `service.workers`.
pub const WORKERS: Figure =
    service("workers", 8, (1, 256), "worker processes; a chain has one of its own while there are enough");

/// `limits.script_ms`.
pub const SCRIPT_MS: Figure = limit("script_ms", 250, (1, 60_000), "CPU time of a script step");
/// `limits.script_us_per_candidate`.
pub const SCRIPT_US_PER_CANDIDATE: Figure =
    limit("script_us_per_candidate", 20, (0, 10_000), "CPU time that a script step has more for each candidate");
/// `limits.node_call_ms`.
pub const NODE_CALL_MS: Figure = limit("node_call_ms", 10, (1, 10_000), "CPU time of one call of `filter` or `score`");
/// `limits.executable_ms`.
pub const EXECUTABLE_MS: Figure = limit("executable_ms", 10_000, (1, 600_000), "wall time of an executable step");
/// `limits.executables`.
pub const EXECUTABLES: Figure = limit(
    "executables",
    32,
    (1, 1024),
    "executables of one chain that run at once, resident ones not counted; others wait",
);
/// `limits.executable_processes`.
pub const EXECUTABLE_PROCESSES: Figure =
    limit("executable_processes", 64, (1, 10_000), "processes that one run of an executable may have");
/// `limits.stdout_kb`.
pub const STDOUT_KB: Figure = limit("stdout_kb", 64, (1, 16_384), "what an executable may answer, in KiB");
/// `limits.stderr_kb`.
pub const STDERR_KB: Figure = limit("stderr_kb", 1024, (1, 65_536), "what one run may print on standard error, in KiB");
/// `limits.wall_factor`.
pub const WALL_FACTOR: Figure =
    limit("wall_factor", 8, (1, 100), "wall time as a multiple of CPU time, for machines that are busy");
/// `limits.worker_memory_mb`.
pub const WORKER_MEMORY_MB: Figure =
    limit("worker_memory_mb", 512, (64, 65_536), "memory of a worker in MiB, beside its mirror of the cluster");
/// `limits.source_kb`.
pub const SOURCE_KB: Figure = limit("source_kb", 256, (1, 16_384), "size of a script in KiB");
/// `limits.component_kb`.
pub const COMPONENT_KB: Figure = limit("component_kb", 4096, (1, 32_768), "size of a WebAssembly component in KiB");
/// `limits.request_kb`.
pub const REQUEST_KB: Figure = limit("request_kb", 1024, (1, 32_768), "size of a request in KiB");
/// `limits.queue`.
pub const QUEUE: Figure = limit("queue", 10_000, (1, 1_000_000), "requests that wait for one chain");
/// `limits.waiting`.
pub const WAITING: Figure =
    limit("waiting", 1000, (0, 100_000), "requests with `wait_ms` that may wait for a free node, of each chain");
/// `limits.waiting_per_user`.
pub const WAITING_PER_USER: Figure = limit(
    "waiting_per_user",
    200,
    (1, 100_000),
    "how many of those may be one user's; those without a login are nobody's",
);
/// `limits.reservations_per_user`.
pub const RESERVATIONS_PER_USER: Figure = limit(
    "reservations_per_user",
    12_000,
    (1, 1_000_000),
    "reservations that one user may have at once; those without a login are nobody's",
);
/// `limits.log_lines`.
pub const LOG_LINES: Figure = limit("log_lines", 100, (0, 10_000), "lines that the scripts of one decision may log");
/// `limits.verify_every`.
pub const VERIFY_EVERY: Figure = limit(
    "verify_every",
    1000,
    (0, 1_000_000_000),
    "one answer of compiled JavaScript in so many is compared with the interpreter's; 0: nothing is compiled",
);
/// `limits.quarantine_kills`.
pub const QUARANTINE_KILLS: Figure =
    limit("quarantine_kills", 3, (0, 1000), "a script that is convicted so often is not run for a while; 0: never");
/// `limits.quarantine_window_s`.
pub const QUARANTINE_WINDOW_S: Figure =
    limit("quarantine_window_s", 60, (1, 86_400), "seconds in which those workers are counted");
/// `limits.quarantine_pause_s`.
pub const QUARANTINE_PAUSE_S: Figure =
    limit("quarantine_pause_s", 10, (1, 600), "seconds of the first quarantine; each further one is twice as long");
/// `limits.recycle_requests`.
pub const RECYCLE_REQUESTS: Figure =
    limit("recycle_requests", 10_000_000, (1, 1_000_000_000), "a worker is replaced after so many decisions");
/// `limits.recycle_mb`.
pub const RECYCLE_MB: Figure =
    limit("recycle_mb", 256, (1, 65_536), "a worker is replaced when it has grown by so many MiB");

/// `tokens.leeway_s`.
pub const LEEWAY_S: Figure =
    token("leeway_s", 60, (0, 3600), "how far the clocks of issuer and service may differ, for `exp`, `nbf` and `iat`");
/// `tokens.max_kb`.
pub const MAX_KB: Figure = token("max_kb", 16, (1, 1024), "size of a token in KiB");
/// `tokens.remembered`.
pub const REMEMBERED: Figure = token(
    "remembered",
    10_000,
    (0, 1_000_000),
    "verified tokens that are not verified again until they expire; 0: each one is, each time",
);
/// `tracing.sampled_per_million`.
pub const SAMPLED_PER_MILLION: Figure = tracing(
    "sampled_per_million",
    1_000_000,
    (0, 1_000_000),
    "of the requests that come without a trace so many are traced; one that comes with a trace does as its sender does",
);
/// `tracing.queue`.
pub const TRACING_QUEUE: Figure =
    tracing("queue", 2048, (1, 100_000), "requests whose spans wait for the collector; more are dropped and counted");

/// Every figure, in the order of a config.
pub const FIGURES: [&Figure; 39] = [
    &LIVENESS_S,
    &MAX_MISSED,
    &RESERVATION_S,
    &RESERVATION_MAX_S,
    &MAX_PENDING,
    &COOLDOWN_S,
    &COOLDOWN_USERS,
    &RETRIES,
    &RECORDED_DECISIONS,
    &WORKERS,
    &SCRIPT_MS,
    &SCRIPT_US_PER_CANDIDATE,
    &NODE_CALL_MS,
    &EXECUTABLE_MS,
    &EXECUTABLES,
    &EXECUTABLE_PROCESSES,
    &STDOUT_KB,
    &STDERR_KB,
    &WALL_FACTOR,
    &WORKER_MEMORY_MB,
    &SOURCE_KB,
    &COMPONENT_KB,
    &REQUEST_KB,
    &QUEUE,
    &WAITING,
    &WAITING_PER_USER,
    &RESERVATIONS_PER_USER,
    &LOG_LINES,
    &VERIFY_EVERY,
    &QUARANTINE_KILLS,
    &QUARANTINE_WINDOW_S,
    &QUARANTINE_PAUSE_S,
    &RECYCLE_REQUESTS,
    &RECYCLE_MB,
    &LEEWAY_S,
    &MAX_KB,
    &REMEMBERED,
    &SAMPLED_PER_MILLION,
    &TRACING_QUEUE,
];

/// The keys of the figures of `section`.
pub fn keys(section: &str) -> impl Iterator<Item = &'static str> {
    FIGURES.into_iter().filter(move |figure| figure.section == section).map(|figure| figure.key)
}
