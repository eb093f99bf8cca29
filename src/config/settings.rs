//! The sections `[http]`, `[service]` and `[limits]`: a few texts, and the figures.

use core::net::SocketAddr;

use crate::clock;
use crate::model::UserNames;
use crate::script::ScriptLimits;

use super::figure;
use super::key;
use super::problem::{Notes, Problem, quoted};
use super::section::Section;

const EXPECTED_LISTEN: &str = "an address with its port such as `127.0.0.1:4280`";
const EXPECTED_TABLE: &str = "a table";
const EXPECTED_NOTIFY: &str = "a program with its arguments such as `[\"/usr/local/bin/page\", \"ops\"]`";
const EXPECTED_ENVIRONMENT: &str = "a name, or a list of environment variables such as `[\"LM_LICENSE_FILE\"]`";
const EXPECTED_ZONE: &str = "a time zone such as `Europe/Berlin`";

/// The settings of the service's state; [`figure`] describes each number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceSettings {
    /// The site's time zone, as in [`ChainSet::zone`](crate::chain::ChainSet::zone).
    pub timezone: String,
    /// The environment variables that executables keep, beside `PATH`, `HOME` and `TZ`.
    pub environment: Vec<String>,
    /// The way user names are compared.
    pub user_names: UserNames,
    /// The kind of capacity limit: whether a node may briefly take more sessions than the maximum.
    pub capacity: Capacity,
    /// Whether requests are refused that have fields which only a script can read.
    pub strict_requests: bool,
    /// [`figure::LIVENESS_S`].
    pub liveness_s: u32,
    /// [`figure::MAX_MISSED`].
    pub max_missed: u32,
    /// What becomes of a node that reports for the first time.
    pub new_nodes: NewNodes,
    /// The program with its arguments that is told of nodes that join, leave, or are out of sync; empty for none.
    pub notify: Vec<String>,
    /// [`figure::RESERVATION_S`].
    pub reservation_s: u32,
    /// [`figure::RESERVATION_MAX_S`].
    pub reservation_max_s: u32,
    /// [`figure::MAX_PENDING`].
    pub max_pending: u32,
    /// [`figure::COOLDOWN_S`].
    pub cooldown_s: u32,
    /// [`figure::COOLDOWN_USERS`].
    pub cooldown_users: u32,
    /// The treatment of nodes that cool down, where no other node is left.
    pub cooldown: Cooldown,
    /// [`figure::RETRIES`].
    pub retries: u32,
    /// [`figure::RECORDED_DECISIONS`].
    pub recorded_decisions: u32,
    /// [`figure::WORKERS`].
    pub workers: u32,
}

/// The limits; [`figure`] describes each number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitSettings {
    /// [`figure::SCRIPT_MS`].
    pub script_ms: u32,
    /// [`figure::SCRIPT_US_PER_CANDIDATE`].
    pub script_us_per_candidate: u32,
    /// [`figure::NODE_CALL_MS`].
    pub node_call_ms: u32,
    /// [`figure::EXECUTABLE_MS`].
    pub executable_ms: u32,
    /// [`figure::EXECUTABLES`].
    pub executables: u32,
    /// [`figure::EXECUTABLE_PROCESSES`].
    pub executable_processes: u32,
    /// [`figure::STDOUT_KB`].
    pub stdout_kb: u32,
    /// [`figure::STDERR_KB`].
    pub stderr_kb: u32,
    /// [`figure::WALL_FACTOR`].
    pub wall_factor: u32,
    /// [`figure::WORKER_MEMORY_MB`].
    pub worker_memory_mb: u32,
    /// [`figure::SOURCE_KB`].
    pub source_kb: u32,
    /// [`figure::COMPONENT_KB`].
    pub component_kb: u32,
    /// [`figure::REQUEST_KB`].
    pub request_kb: u32,
    /// [`figure::QUEUE`].
    pub queue: u32,
    /// [`figure::WAITING`].
    pub waiting: u32,
    /// [`figure::WAITING_PER_USER`].
    pub waiting_per_user: u32,
    /// [`figure::RESERVATIONS_PER_USER`].
    pub reservations_per_user: u32,
    /// [`figure::LOG_LINES`].
    pub log_lines: u32,
    /// [`figure::VERIFY_EVERY`].
    pub verify_every: u32,
    /// [`figure::QUARANTINE_KILLS`].
    pub quarantine_kills: u32,
    /// [`figure::QUARANTINE_WINDOW_S`].
    pub quarantine_window_s: u32,
    /// [`figure::QUARANTINE_PAUSE_S`].
    pub quarantine_pause_s: u32,
    /// [`figure::RECYCLE_REQUESTS`].
    pub recycle_requests: u32,
    /// [`figure::RECYCLE_MB`].
    pub recycle_mb: u32,
}

/// The strictness with which a node's maximum of sessions is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Capacity {
    /// Replicas tell each other of their placements: placements that are on their way between replicas may exceed the
    /// maximum.
    #[default]
    Fast,
    /// Each place is claimed in NATS before the answer: the maximum is never exceeded, at the price of two round trips.
    Strict,
}

impl Capacity {
    /// Every kind.
    pub const ALL: [Self; 2] = [Self::Fast, Self::Strict];

    /// The name in a config.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fast => "fast",
            Self::Strict => "strict",
        }
    }
}

/// The treatment of a node that is passed over after a failed start, where no other node is left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cooldown {
    /// The node is chosen after all.
    #[default]
    Last,
    /// The node takes no session.
    Out,
}

/// What becomes of a node that reports for the first time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NewNodes {
    /// The node takes sessions at once.
    #[default]
    Admit,
    /// The node takes sessions when an administrator has accepted it.
    Hold,
}

impl NewNodes {
    const ALL: [Self; 2] = [Self::Admit, Self::Hold];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Admit => "admit",
            Self::Hold => "hold",
        }
    }
}

impl Cooldown {
    /// Every kind.
    pub const ALL: [Self; 2] = [Self::Last, Self::Out];

    /// The name in a config.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Last => "last",
            Self::Out => "out",
        }
    }
}

impl ServiceSettings {
    /// Returns every setting at the default, in the time zone `timezone`.
    #[must_use]
    pub fn new(timezone: &str) -> Self {
        Self {
            timezone: timezone.to_owned(),
            environment: Vec::new(),
            user_names: UserNames::default(),
            capacity: Capacity::default(),
            strict_requests: false,
            liveness_s: figure::LIVENESS_S.default,
            max_missed: figure::MAX_MISSED.default,
            new_nodes: NewNodes::default(),
            notify: Vec::new(),
            reservation_s: figure::RESERVATION_S.default,
            reservation_max_s: figure::RESERVATION_MAX_S.default,
            max_pending: figure::MAX_PENDING.default,
            cooldown_s: figure::COOLDOWN_S.default,
            cooldown_users: figure::COOLDOWN_USERS.default,
            cooldown: Cooldown::default(),
            retries: figure::RETRIES.default,
            recorded_decisions: figure::RECORDED_DECISIONS.default,
            workers: figure::WORKERS.default,
        }
    }

    pub(super) fn read(root: &Section<'_>, host_zone: &str, notes: &mut Notes) -> Self {
        let known = key::of("service");
        let entry = root.get("service");
        let Some(section) = entry.and_then(|entry| entry.section(&known, EXPECTED_TABLE, notes)) else {
            return Self::new(&checked_host_zone(host_zone, notes));
        };
        Self {
            timezone: timezone(&section, host_zone, notes),
            environment: environment(&section, notes),
            user_names: section.choice("user_names", &UserNames::ALL, UserNames::as_str, notes),
            capacity: section.choice("capacity", &Capacity::ALL, Capacity::as_str, notes),
            strict_requests: section.flag("strict_requests", notes).unwrap_or_default(),
            liveness_s: section.figure(&figure::LIVENESS_S, notes),
            max_missed: section.figure(&figure::MAX_MISSED, notes),
            new_nodes: section.choice("new_nodes", &NewNodes::ALL, NewNodes::as_str, notes),
            notify: notify(&section, notes),
            reservation_s: section.figure(&figure::RESERVATION_S, notes),
            reservation_max_s: section.figure(&figure::RESERVATION_MAX_S, notes),
            max_pending: section.figure(&figure::MAX_PENDING, notes),
            cooldown_s: section.figure(&figure::COOLDOWN_S, notes),
            cooldown_users: section.figure(&figure::COOLDOWN_USERS, notes),
            cooldown: section.choice("cooldown", &Cooldown::ALL, Cooldown::as_str, notes),
            retries: section.figure(&figure::RETRIES, notes),
            recorded_decisions: section.figure(&figure::RECORDED_DECISIONS, notes),
            workers: section.figure(&figure::WORKERS, notes),
        }
    }
}

impl Default for LimitSettings {
    fn default() -> Self {
        Self {
            script_ms: figure::SCRIPT_MS.default,
            script_us_per_candidate: figure::SCRIPT_US_PER_CANDIDATE.default,
            node_call_ms: figure::NODE_CALL_MS.default,
            executable_ms: figure::EXECUTABLE_MS.default,
            executables: figure::EXECUTABLES.default,
            executable_processes: figure::EXECUTABLE_PROCESSES.default,
            stdout_kb: figure::STDOUT_KB.default,
            stderr_kb: figure::STDERR_KB.default,
            wall_factor: figure::WALL_FACTOR.default,
            worker_memory_mb: figure::WORKER_MEMORY_MB.default,
            source_kb: figure::SOURCE_KB.default,
            component_kb: figure::COMPONENT_KB.default,
            request_kb: figure::REQUEST_KB.default,
            queue: figure::QUEUE.default,
            waiting: figure::WAITING.default,
            waiting_per_user: figure::WAITING_PER_USER.default,
            reservations_per_user: figure::RESERVATIONS_PER_USER.default,
            log_lines: figure::LOG_LINES.default,
            verify_every: figure::VERIFY_EVERY.default,
            quarantine_kills: figure::QUARANTINE_KILLS.default,
            quarantine_window_s: figure::QUARANTINE_WINDOW_S.default,
            quarantine_pause_s: figure::QUARANTINE_PAUSE_S.default,
            recycle_requests: figure::RECYCLE_REQUESTS.default,
            recycle_mb: figure::RECYCLE_MB.default,
        }
    }
}

impl LimitSettings {
    /// Returns the limits that engines keep themselves.
    #[must_use]
    pub fn script(&self) -> ScriptLimits {
        ScriptLimits {
            source_bytes: self.source_kb as usize * 1024,
            component_bytes: self.component_kb as usize * 1024,
            log_lines: self.log_lines as usize,
            verify_every: self.verify_every,
            ..ScriptLimits::default()
        }
    }

    pub(super) fn read(root: &Section<'_>, notes: &mut Notes) -> Self {
        let known = key::of("limits");
        let entry = root.get("limits");
        let Some(section) = entry.and_then(|entry| entry.section(&known, EXPECTED_TABLE, notes)) else {
            return Self::default();
        };
        Self {
            script_ms: section.figure(&figure::SCRIPT_MS, notes),
            script_us_per_candidate: section.figure(&figure::SCRIPT_US_PER_CANDIDATE, notes),
            node_call_ms: section.figure(&figure::NODE_CALL_MS, notes),
            executable_ms: section.figure(&figure::EXECUTABLE_MS, notes),
            executables: section.figure(&figure::EXECUTABLES, notes),
            executable_processes: section.figure(&figure::EXECUTABLE_PROCESSES, notes),
            stdout_kb: section.figure(&figure::STDOUT_KB, notes),
            stderr_kb: section.figure(&figure::STDERR_KB, notes),
            wall_factor: section.figure(&figure::WALL_FACTOR, notes),
            worker_memory_mb: section.figure(&figure::WORKER_MEMORY_MB, notes),
            source_kb: section.figure(&figure::SOURCE_KB, notes),
            component_kb: section.figure(&figure::COMPONENT_KB, notes),
            request_kb: section.figure(&figure::REQUEST_KB, notes),
            queue: section.figure(&figure::QUEUE, notes),
            waiting: section.figure(&figure::WAITING, notes),
            waiting_per_user: section.figure(&figure::WAITING_PER_USER, notes),
            reservations_per_user: section.figure(&figure::RESERVATIONS_PER_USER, notes),
            log_lines: section.figure(&figure::LOG_LINES, notes),
            verify_every: section.figure(&figure::VERIFY_EVERY, notes),
            quarantine_kills: section.figure(&figure::QUARANTINE_KILLS, notes),
            quarantine_window_s: section.figure(&figure::QUARANTINE_WINDOW_S, notes),
            quarantine_pause_s: section.figure(&figure::QUARANTINE_PAUSE_S, notes),
            recycle_requests: section.figure(&figure::RECYCLE_REQUESTS, notes),
            recycle_mb: section.figure(&figure::RECYCLE_MB, notes),
        }
    }
}

/// Reads the address of the small HTTP port.
pub(super) fn read_http(root: &Section<'_>, notes: &mut Notes) -> Option<SocketAddr> {
    let section = root.get("http")?.section(&key::of("http"), EXPECTED_TABLE, notes)?;
    let Some((entry, text)) = section.text("listen", EXPECTED_LISTEN, notes) else {
        if section.get("listen").is_none() {
            notes.missing(Some(&section.span), Problem::new("`http` has no `listen`").help(EXPECTED_LISTEN));
        }
        return None;
    };
    text.parse().map_err(|_unknown| entry.wrong(EXPECTED_LISTEN, notes)).ok()
}

fn timezone(section: &Section<'_>, host_zone: &str, notes: &mut Notes) -> String {
    if section.get("timezone").is_none() {
        return checked_host_zone(host_zone, notes);
    }
    let Some((entry, name)) = section.text("timezone", EXPECTED_ZONE, notes) else { return String::new() };
    if clock::zone(name).is_none() {
        entry.wrong(EXPECTED_ZONE, notes);
    }
    name.to_owned()
}

fn environment(section: &Section<'_>, notes: &mut Notes) -> Vec<String> {
    let Some(entry) = section.get("environment") else { return Vec::new() };
    let names = entry.texts(EXPECTED_ENVIRONMENT, notes);
    for (entry, _) in names.iter().filter(|(_, name)| name.contains(['=', '\0'])) {
        entry.wrong("the name of an environment variable", notes);
    }
    names.into_iter().map(|(_, name)| name.to_owned()).collect()
}

/// Reads the program that is told of nodes: the program itself is an absolute path, since the service has no search path
/// that an administrator could rely on.
fn notify(section: &Section<'_>, notes: &mut Notes) -> Vec<String> {
    let Some(entry) = section.get("notify") else { return Vec::new() };
    let words = entry.texts(EXPECTED_NOTIFY, notes);
    if let Some((entry, program)) = words.first()
        && !program.starts_with('/')
    {
        entry.wrong("the absolute path of a program", notes);
    }
    words.into_iter().map(|(_, word)| word.to_owned()).collect()
}

fn checked_host_zone(host_zone: &str, notes: &mut Notes) -> String {
    if clock::zone(host_zone).is_none() {
        let problem = Problem::new(format!("the host's time zone {} is not known", quoted(host_zone)));
        notes.missing(None, problem.help(format!("set `service.timezone` to {EXPECTED_ZONE}")));
    }
    host_zone.to_owned()
}

#[cfg(test)]
mod tests;
