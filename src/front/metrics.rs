//! The metrics of the service, in Prometheus' text form.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64};
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use super::pending_request::PendingStage;
use crate::nats::wire;

mod spans;

pub use spans::{DropReason, SpanMetrics};

/// The labels of decisions.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct DecisionLabels {
    /// The chain's action.
    pub chain: String,
    /// `placed`, `explained`, or the name of the failure.
    pub outcome: String,
}

/// The labels of limits that were passed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct LimitLabels {
    /// The script, by the name of the step; empty where none is known.
    pub script: String,
    /// The limit.
    pub limit: String,
}

/// The labels of what compiled code did.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct CompiledLabels {
    /// The script, by the name of the step.
    pub script: String,
    /// The cause.
    pub cause: String,
}

/// The label of a script.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ScriptLabel {
    /// The script, by the name of the step.
    pub script: String,
}

/// The label of a chain.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ChainLabel {
    /// The chain's action.
    pub chain: String,
}

/// The label of a stage of pending requests.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StageLabel {
    stage: &'static str,
}

/// The label of starts.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabel {
    /// `started`, `text`, `deferred`, or the name of the failure.
    outcome: &'static str,
}

/// The label of a state of nodes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabel {
    state: &'static str,
}

/// The label of the build.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BuildLabel {
    /// The release.
    version: String,
}

/// The counter of the decisions with the same labels.
pub type DecisionCounter = Counter<u64, AtomicU64>;

/// The metrics of the decisions with the same labels.
#[derive(Clone, Debug)]
pub struct DecisionFigures {
    /// The number of decisions.
    pub count: DecisionCounter,
    /// The time that the decisions of the chain took.
    pub latency: Histogram,
}

/// All metrics of the service.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// Decisions that were sent to requesters.
    pub decisions: Family<DecisionLabels, DecisionCounter>,
    /// Limits that scripts were convicted of, each at the price of two workers.
    limits: Family<LimitLabels, Counter>,
    /// Limits that were passed once, and are tried again alone before a script is convicted.
    suspicions: Family<LimitLabels, Counter>,
    /// Calls that compiled code gave up, so that they were interpreted.
    bailouts: Family<CompiledLabels, Counter>,
    /// Compared answers of compiled code that were not the interpreter's.
    differences: Family<CompiledLabels, Counter>,
    /// 1 for a script that is in quarantine.
    quarantined: Family<ScriptLabel, Gauge>,
    /// Seconds from receipt to reply, without the time for which a request waited for a free node, by chain.
    latency: Family<ChainLabel, Histogram>,
    /// 1 where requests can be decided, as `/readyz` says.
    ready: Gauge<i64, AtomicI64>,
    /// 1 where NATS is connected and the view of the cluster is kept.
    bus_up: Gauge<i64, AtomicI64>,
    /// Nodes that may be chosen from or are stale.
    pub nodes: Gauge<i64, AtomicI64>,
    /// Nodes, by state.
    node_states: Family<StateLabel, Gauge<i64, AtomicI64>>,
    /// Seconds since the last proof that the node list misses nothing.
    view_age: Gauge<f64, AtomicU64>,
    /// Reservations that count.
    pub reservations: Gauge<i64, AtomicI64>,
    /// Reservations that no report and no launcher ended.
    pub expired_reservations: Counter,
    /// Questions without an answer.
    unanswered: Gauge<i64, AtomicI64>,
    /// Requests without an answer, by stage.
    pending: Family<StageLabel, Gauge<i64, AtomicI64>>,
    /// Decisions that the ledger refused, so that they were made again.
    pub refused_commits: Counter,
    /// Requests with fields that only a script can look at.
    pub strange_requests: Counter,
    /// Places whose requesters were gone.
    pub untaken: Counter,
    /// Reservations that ended because a job will start the session later.
    pub deferred: Counter,
    /// Starts by outcome: `started`, `text`, `deferred`, or the name of the failure.
    starts: Family<OutcomeLabel, Counter>,
    /// Places that another replica claimed first, so that the decision was made again.
    pub lost_claims: Counter,
    /// Requests that wait for a free node.
    waiting: Gauge<i64, AtomicI64>,
    /// Waiting requests that made way for a request of another user.
    pub displaced: Counter,
    /// Other replicas.
    pub replicas: Gauge<i64, AtomicI64>,
    /// Other replicas that decide by other chains.
    pub differing_replicas: Gauge<i64, AtomicI64>,
    /// 1 where NATS keeps a client that is frozen for long.
    pub frozen_kept: Gauge<i64, AtomicI64>,
    /// Times that this process did not run for more than a second.
    pub pauses: Counter,
    /// Workers that exited without being told to.
    pub worker_deaths: Counter,
    /// Placements that were found by an index scan, without a look at all nodes.
    pub index_scans: Counter,
    /// Nodes that placements looked at.
    pub looked_at: Counter,
    /// Questions that came to an executable step.
    pub programs_asked: Counter,
    /// Exits of resident programs.
    program_ends: Family<ScriptLabel, Counter>,
    /// Runners that exited without being told to.
    pub runner_deaths: Counter,
    /// Workers that were replaced after enough work.
    pub recycled_workers: Counter,
    /// Node documents that were refused.
    pub refused_documents: Counter,
    /// Requests that were not run because their deadline had passed.
    pub past_deadline: Counter,
    /// Requests whose deadline had passed before they were received.
    pub expired_on_arrival: Counter,
    /// 1 while most deadlines are wrong on arrival.
    pub deadlines_mostly_wrong: Gauge,
    /// Deadlines that were ignored because they were more than an hour off.
    pub strange_deadlines: Counter,
    /// Confirmations and releases of unknown reservations.
    pub unknown_reservations: Counter,
    /// Confirmations and releases that were refused because there were too many of unknown reservations.
    pub refused_unknown: Counter,
    /// Replies that could not be sent because NATS did not take them.
    pub lost_replies: Counter,
    /// Log lines that standard error did not take.
    lost_log_lines: Gauge<i64, AtomicI64>,
    /// 1 where the config was read well the last time, 0 where an edited config is faulty and the old config stays in
    /// force.
    pub reload_successful: Gauge<i64, AtomicI64>,
    /// Spans for the collector of traces.
    pub spans: SpanMetrics,
}

impl Metrics {
    /// Creates all metrics, at zero.
    #[must_use]
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("whither");
        let metrics = Self {
            decisions: Family::default(),
            limits: Family::default(),
            suspicions: Family::default(),
            bailouts: Family::default(),
            differences: Family::default(),
            quarantined: Family::default(),
            latency: Family::new_with_constructor(latency_buckets),
            ready: Gauge::default(),
            bus_up: Gauge::default(),
            nodes: Gauge::default(),
            node_states: Family::default(),
            view_age: Gauge::default(),
            reservations: Gauge::default(),
            expired_reservations: Counter::default(),
            unanswered: Gauge::default(),
            pending: Family::default(),
            refused_commits: Counter::default(),
            untaken: Counter::default(),
            deferred: Counter::default(),
            starts: Family::default(),
            strange_requests: Counter::default(),
            lost_claims: Counter::default(),
            waiting: Gauge::default(),
            displaced: Counter::default(),
            replicas: Gauge::default(),
            differing_replicas: Gauge::default(),
            frozen_kept: Gauge::default(),
            pauses: Counter::default(),
            worker_deaths: Counter::default(),
            index_scans: Counter::default(),
            looked_at: Counter::default(),
            programs_asked: Counter::default(),
            program_ends: Family::default(),
            runner_deaths: Counter::default(),
            recycled_workers: Counter::default(),
            refused_documents: Counter::default(),
            past_deadline: Counter::default(),
            expired_on_arrival: Counter::default(),
            deadlines_mostly_wrong: Gauge::default(),
            strange_deadlines: Counter::default(),
            unknown_reservations: Counter::default(),
            refused_unknown: Counter::default(),
            lost_replies: Counter::default(),
            lost_log_lines: Gauge::default(),
            reload_successful: Gauge::default(),
            spans: SpanMetrics::default(),
            registry: Registry::default(),
        };
        registry.register("decisions", "Decisions told to requesters", metrics.decisions.clone());
        let about = "Seconds from receipt to reply, without the wait for a free node";
        registry.register("decision_seconds", about, metrics.latency.clone());
        registry.register("ready", "1 where requests can be decided", metrics.ready.clone());
        registry.register("bus_up", "1 where NATS is connected and the view is kept", metrics.bus_up.clone());
        let build = Family::<BuildLabel, Gauge>::default();
        build.get_or_create(&BuildLabel { version: env!("CARGO_PKG_VERSION").to_owned() }).set(1);
        registry.register("build_info", "1, with what runs as its labels", build);
        registry.register("nodes", "Nodes in the cluster", metrics.nodes.clone());
        registry.register("nodes_in_state", "Nodes in the cluster, by state", metrics.node_states.clone());
        let about = "Seconds since the last proof that the node list is current; NaN before the first";
        registry.register("view_age_seconds", about, metrics.view_age.clone());
        registry.register("reservations", "Reservations that count", metrics.reservations.clone());
        registry.register(
            "expired_reservations",
            "Reservations given up unreported",
            metrics.expired_reservations.clone(),
        );
        registry.register("unanswered", "Questions without an answer", metrics.unanswered.clone());
        let about = "Requests with fields that nothing but a script can look at";
        registry.register("strange_requests", about, metrics.strange_requests.clone());
        registry.register("untaken", "Places that nobody was there to take any more", metrics.untaken.clone());
        let about = "Reservations that ended because a job will start the session later";
        registry.register("deferred_reservations", about, metrics.deferred.clone());
        registry.register("starts", "Starts that were answered, by outcome", metrics.starts.clone());
        registry.register("refused_commits", "Decisions that were taken again", metrics.refused_commits.clone());
        registry.register("lost_claims", "Places that another replica claimed first", metrics.lost_claims.clone());
        registry.register("pending_requests", "Requests without an answer, by stage", metrics.pending.clone());
        registry.register("waiting", "Requests that wait for a free node", metrics.waiting.clone());
        registry.register("displaced", "Waiting requests that made way for others", metrics.displaced.clone());
        registry.register("other_replicas", "Other replicas that are there", metrics.replicas.clone());
        registry.register(
            "differing_replicas",
            "Other replicas that run other chains",
            metrics.differing_replicas.clone(),
        );
        let about = "1 where NATS keeps a client that does not answer for long";
        registry.register("frozen_clients_kept", about, metrics.frozen_kept.clone());
        registry.register("pauses", "Times that this process did not run for a second", metrics.pauses.clone());
        registry.register("worker_deaths", "Workers that ended unasked", metrics.worker_deaths.clone());
        registry.register("index_scans", "Placements found by an index scan", metrics.index_scans.clone());
        registry.register("looked_at", "Nodes that placements looked at", metrics.looked_at.clone());
        registry.register("executables_asked", "Questions put to executables", metrics.programs_asked.clone());
        registry.register("resident_ends", "Ends of resident executables", metrics.program_ends.clone());
        registry.register("runner_deaths", "Runners that ended unasked", metrics.runner_deaths.clone());
        registry.register("script_limits", "Limits that scripts were convicted of", metrics.limits.clone());
        registry.register("suspicions", "Limits passed once, to be tried again alone", metrics.suspicions.clone());
        let about = "Calls that compiled JavaScript gave up, by cause";
        registry.register("compiled_bailouts", about, metrics.bailouts.clone());
        let about = "Answers of compiled JavaScript that were not the interpreter's, which counted";
        registry.register("compiled_differences", about, metrics.differences.clone());
        registry.register("quarantined", "1 while a script is in quarantine", metrics.quarantined.clone());
        registry.register("recycled_workers", "Workers replaced after enough work", metrics.recycled_workers.clone());
        registry.register("refused_documents", "Node documents refused", metrics.refused_documents.clone());
        registry.register("past_deadline", "Requests not run, past their deadline", metrics.past_deadline.clone());
        registry.register("expired_on_arrival", "Those late when received", metrics.expired_on_arrival.clone());
        let about = "1 while most deadlines had passed when received, or were an hour off";
        registry.register("deadlines_mostly_wrong", about, metrics.deadlines_mostly_wrong.clone());
        registry.register("strange_deadlines", "Deadlines more than an hour off", metrics.strange_deadlines.clone());
        let about = "Confirmations and releases of unknown reservations";
        registry.register("unknown_reservations", about, metrics.unknown_reservations.clone());
        registry.register("refused_unknown", "Those refused, as there were too many", metrics.refused_unknown.clone());
        registry.register("lost_replies", "Replies that NATS did not take", metrics.lost_replies.clone());
        let about = "Log lines that standard error did not take";
        registry.register("lost_log_lines", about, metrics.lost_log_lines.clone());
        let about = "1 where the config was read well the last time, 0 where the old one is still in force";
        registry.register("config_last_reload_successful", about, metrics.reload_successful.clone());
        metrics.reload_successful.set(1);
        metrics.spans.register(&mut registry);
        metrics.pending(&[0; PendingStage::NAMES.len()]);
        metrics.nodes_in_states(&BTreeMap::new());
        Self { registry, ..metrics }
    }

    /// Returns the metrics of the decisions of `chain` that end with `outcome`.
    #[must_use]
    pub fn decisions(&self, chain: &str, outcome: &str) -> DecisionFigures {
        let labels = DecisionLabels { chain: chain.to_owned(), outcome: outcome.to_owned() };
        DecisionFigures {
            count: self.decisions.get_or_create(&labels).clone(),
            latency: self.latency.get_or_create(&ChainLabel { chain: chain.to_owned() }).clone(),
        }
    }

    /// Sets whether requests can be decided, and whether NATS is connected.
    pub fn readiness(&self, ready: bool, bus: bool) {
        self.ready.set(i64::from(ready));
        self.bus_up.set(i64::from(bus));
    }

    /// Counts a start that was answered with `outcome`.
    pub fn start_ended(&self, outcome: &'static str) {
        self.starts.get_or_create(&OutcomeLabel { outcome }).inc();
    }

    /// Counts a limit that `script` was convicted of.
    pub fn limit(&self, script: &str, limit: &str) {
        let labels = LimitLabels { script: script.to_owned(), limit: limit.to_owned() };
        self.limits.get_or_create(&labels).inc();
    }

    /// Counts a limit that `script` passed and may be innocent of.
    pub fn suspicion(&self, script: &str, limit: &str) {
        let labels = LimitLabels { script: script.to_owned(), limit: limit.to_owned() };
        self.suspicions.get_or_create(&labels).inc();
    }

    /// Counts that compiled code of `script` gave up `count` calls for `cause`.
    pub fn bailed_out(&self, script: &str, cause: &str, count: u64) {
        self.bailouts.get_or_create(&compiled_labels(script, cause)).inc_by(count);
    }

    /// Counts an answer of compiled code of `script` that was not the interpreter's: an `answer`, or an `error`.
    pub fn differed(&self, script: &str, cause: &str) {
        self.differences.get_or_create(&compiled_labels(script, cause)).inc();
    }

    /// Counts an exit of the resident program of the step `script`.
    pub fn program_ended(&self, script: &str) {
        self.program_ends.get_or_create(&ScriptLabel { script: script.to_owned() }).inc();
    }

    /// Sets the age of the view of the cluster, where the age is known.
    pub fn view_age(&self, age: Option<Duration>) {
        self.view_age.set(age.map_or(f64::NAN, |age| age.as_secs_f64()));
    }

    /// Sets the number of log lines that were lost since the start.
    pub fn lost_log_lines(&self, lines: u64) {
        self.lost_log_lines.set(i64::try_from(lines).unwrap_or(i64::MAX));
    }

    /// Sets the number of requests in each stage, in the order of [`PendingStage::NAMES`].
    pub(super) fn pending(&self, counts: &[usize; PendingStage::NAMES.len()]) {
        let mut unanswered = 0;
        for (stage, count) in PendingStage::NAMES.into_iter().zip(counts) {
            self.pending.get_or_create(&StageLabel { stage }).set(*count as i64);
            match stage {
                "waiting" => drop(self.waiting.set(*count as i64)),
                "queued" | "asked" | "suspended" => unanswered += *count as i64,
                _ => {}
            }
        }
        self.unanswered.set(unanswered);
    }

    /// Sets the number of nodes in each state; states that `counts` does not name have none.
    pub(super) fn nodes_in_states(&self, counts: &BTreeMap<&'static str, usize>) {
        for state in wire::STATES {
            let count = counts.get(state).copied().unwrap_or_default();
            self.node_states.get_or_create(&StateLabel { state }).set(count as i64);
        }
    }

    /// Sets whether `script` is in quarantine.
    pub fn quarantined(&self, script: &str, is: bool) {
        self.quarantined.get_or_create(&ScriptLabel { script: script.to_owned() }).set(i64::from(is));
    }

    /// Returns the text that Prometheus scrapes.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        if encode(&mut text, &self.registry).is_err() {
            // Writing into a string cannot fail; an empty page would say the same.
            text.push_str("# the figures could not be written\n");
        }
        text
    }
}

fn compiled_labels(script: &str, cause: &str) -> CompiledLabels {
    CompiledLabels { script: script.to_owned(), cause: cause.to_owned() }
}

/// The buckets from 50 us to 3.3 s: a built-in over NATS at the one end, a script at the limit at the other.
fn latency_buckets() -> Histogram {
    Histogram::new(exponential_buckets(50e-6, 2.0, 17))
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests;
