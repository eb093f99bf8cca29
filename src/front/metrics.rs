//! The metrics of the service, in Prometheus' text form.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64};
use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use super::headroom::HeadroomFigures;
use super::pending_request::PendingStage;
use crate::nats::wire;
use crate::plain::plain;

mod labels;
mod spans;

pub use labels::{ChainLabel, CompiledLabels, DecisionLabels, LimitLabels, ScriptLabel};
pub use spans::{DropReason, SpanMetrics};

use labels::{BuildLabel, OutcomeLabel, StageLabel, StateLabel};

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

/// Declares [`Metrics`]: for each metric the field, the type, the name without the prefix, and the help text, which
/// documents the field too.
macro_rules! metrics {
    ($($seen:vis $field:ident: $type:ty = $name:literal, $about:literal;)*) => {
        /// All metrics of the service.
        #[derive(Debug)]
        pub struct Metrics {
            registry: Registry,
            /// Seconds from receipt to reply, without the time for which a request waited for a free node, by chain.
            latency: Family<ChainLabel, Histogram>,
            /// Units of countable facts that are left, and places by group.
            pub headroom: HeadroomFigures,
            /// Spans for the collector of traces.
            pub spans: SpanMetrics,
            $(#[doc = $about] $seen $field: $type,)*
        }

        impl Metrics {
            /// Creates the metrics, at zero, and registers them.
            fn registered() -> Self {
                let mut registry = Registry::with_prefix("whither");
                let mut metrics = Self {
                    latency: Family::new_with_constructor(latency_buckets),
                    headroom: HeadroomFigures::default(),
                    spans: SpanMetrics::default(),
                    $($field: <$type>::default(),)*
                    registry: Registry::default(),
                };
                let about = "Seconds from receipt to reply, without the wait for a free node";
                registry.register("decision_seconds", about, metrics.latency.clone());
                $(registry.register($name, $about, metrics.$field.clone());)*
                metrics.headroom.register(&mut registry);
                metrics.spans.register(&mut registry);
                metrics.registry = registry;
                metrics
            }
        }
    };
}

metrics! {
    pub decisions: Family<DecisionLabels, DecisionCounter> = "decisions", "Decisions that were sent to requesters";
    ready: Gauge<i64, AtomicI64> = "ready", "1 where requests can be decided, as /readyz says";
    bus_up: Gauge<i64, AtomicI64> = "bus_up", "1 where NATS is connected and the view of the cluster is kept";
    pub nodes: Gauge<i64, AtomicI64> = "nodes", "Nodes that may be chosen from or are stale";
    node_states: Family<StateLabel, Gauge<i64, AtomicI64>> = "nodes_in_state", "Nodes in the cluster, by state";
    view_age: Gauge<f64, AtomicU64> = "view_age_seconds",
        "Seconds since the last proof that the node list misses nothing; NaN before the first";
    pub reservations: Gauge<i64, AtomicI64> = "reservations", "Reservations that count";
    pub expired_reservations: Counter = "expired_reservations", "Reservations that no report and no launcher ended";
    unanswered: Gauge<i64, AtomicI64> = "unanswered", "Questions without an answer";
    pub strange_requests: Counter = "strange_requests", "Requests with fields that only a script can look at";
    pub untaken: Counter = "untaken", "Places whose requesters were gone";
    pub deferred: Counter = "deferred_reservations",
        "Reservations that ended because a job will start the session later";
    starts: Family<OutcomeLabel, Counter> = "starts",
        "Starts that were answered, by outcome: started, text, deferred, or the name of the failure";
    tokens: Family<OutcomeLabel, Counter> = "tokens",
        "Requests with a token that was looked at, by what became of the token";
    pub refused_commits: Counter = "refused_commits", "Decisions that the ledger refused, so that they were made again";
    pub lost_claims: Counter = "lost_claims",
        "Places that another replica claimed first, so that the decision was made again";
    pub lost_facts: Counter = "lost_facts", "Requests whose units of a countable fact another replica took first";
    pub refused_needs: Counter = "refused_needs",
        "Requests whose needs could not be met, each time they were looked at";
    pending: Family<StageLabel, Gauge<i64, AtomicI64>> = "pending_requests", "Requests without an answer, by stage";
    waiting: Gauge<i64, AtomicI64> = "waiting", "Requests that wait for a free node";
    pub displaced: Counter = "displaced", "Waiting requests that made way for a request of another user";
    pub replicas: Gauge<i64, AtomicI64> = "other_replicas", "Other replicas";
    pub differing_replicas: Gauge<i64, AtomicI64> = "differing_replicas",
        "Other replicas that decide by other chains, or verify tokens otherwise";
    pub frozen_kept: Gauge<i64, AtomicI64> = "frozen_clients_kept",
        "1 where NATS keeps a client that is frozen for long";
    pub pauses: Counter = "pauses", "Times that this process did not run for more than a second";
    pub worker_deaths: Counter = "worker_deaths", "Workers that exited without being told to";
    pub index_scans: Counter = "index_scans",
        "Placements that were found by an index scan, without a look at all nodes";
    pub looked_at: Counter = "looked_at", "Nodes that placements looked at";
    pub programs_asked: Counter = "executables_asked", "Questions that came to an executable step";
    program_ends: Family<ScriptLabel, Counter> = "resident_ends", "Exits of resident programs";
    pub runner_deaths: Counter = "runner_deaths", "Runners that exited without being told to";
    limits: Family<LimitLabels, Counter> = "script_limits", "Limits that scripts were convicted of";
    suspicions: Family<LimitLabels, Counter> = "suspicions",
        "Limits that were passed once, and are tried again alone before a script is convicted";
    bailouts: Family<CompiledLabels, Counter> = "compiled_bailouts",
        "Calls that compiled JavaScript gave up, so that they were interpreted, by cause";
    differences: Family<CompiledLabels, Counter> = "compiled_differences",
        "Compared answers of compiled JavaScript that were not the interpreter's, which counted";
    quarantined: Family<ScriptLabel, Gauge> = "quarantined", "1 while the script is in quarantine";
    pub recycled_workers: Counter = "recycled_workers", "Workers that were replaced after enough work";
    pub refused_documents: Counter = "refused_documents", "Node documents that were refused";
    pub past_deadline: Counter = "past_deadline", "Requests that were not run because their deadline had passed";
    pub expired_on_arrival: Counter = "expired_on_arrival",
        "Requests whose deadline had passed before they were received";
    pub deadlines_mostly_wrong: Gauge = "deadlines_mostly_wrong",
        "1 while most deadlines had passed when received, or were an hour off";
    pub strange_deadlines: Counter = "strange_deadlines",
        "Deadlines that were ignored because they were more than an hour off";
    pub unknown_reservations: Counter = "unknown_reservations", "Confirmations and releases of unknown reservations";
    pub refused_unknown: Counter = "refused_unknown",
        "Confirmations and releases that were refused because too many named unknown reservations";
    pub refused_for_room: Counter = "refused_for_room",
        "Requests that were refused for lack of room, on arrival or where they were to wait for a node";
    pub refused_costly: Counter = "refused_costly",
        "Costly questions of administrators that were refused because too many such questions waited";
    pub lost_replies: Counter = "lost_replies", "Replies that could not be sent because NATS did not take them";
    refused_log_questions: Gauge<i64, AtomicI64> = "refused_log_questions",
        "Questions for log lines that were refused because too many waited";
    lost_log_lines: Gauge<i64, AtomicI64> = "lost_log_lines", "Log lines that standard error did not take";
    pub reload_successful: Gauge<i64, AtomicI64> = "config_last_reload_successful",
        "1 where the config was read well the last time, 0 where the old one is still in force";
}

impl Metrics {
    /// Creates all metrics, at zero.
    #[must_use]
    pub fn new() -> Self {
        let mut metrics = Self::registered();
        let build: Family<BuildLabel, Gauge> = Family::default();
        build.get_or_create(&BuildLabel { version: env!("CARGO_PKG_VERSION").to_owned() }).set(1);
        metrics.registry.register("build_info", "1, with what runs as its labels", build);
        metrics.reload_successful.set(1);
        metrics.pending(&[0; PendingStage::NAMES.len()]);
        metrics.nodes_in_states(&BTreeMap::new());
        metrics
    }

    /// Returns the metrics of the decisions of `chain` that end with `outcome`.
    #[must_use]
    pub fn decisions(&self, chain: &str, outcome: &str) -> DecisionFigures {
        let labels = DecisionLabels { chain: plain(chain).into_owned(), outcome: outcome.to_owned() };
        DecisionFigures {
            count: self.decisions.get_or_create(&labels).clone(),
            latency: self.latency.get_or_create(&ChainLabel { chain: plain(chain).into_owned() }).clone(),
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

    /// Counts a request whose token was `accepted`, `ignored`, or refused under the name of the failure.
    pub fn token_judged(&self, outcome: &'static str) {
        self.tokens.get_or_create(&OutcomeLabel { outcome }).inc();
    }

    /// Counts a limit that `script` was convicted of.
    pub fn limit(&self, script: &str, limit: &str) {
        let labels = LimitLabels { script: plain(script).into_owned(), limit: limit.to_owned() };
        self.limits.get_or_create(&labels).inc();
    }

    /// Counts a limit that `script` passed and may be innocent of.
    pub fn suspicion(&self, script: &str, limit: &str) {
        let labels = LimitLabels { script: plain(script).into_owned(), limit: limit.to_owned() };
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
        self.program_ends.get_or_create(&ScriptLabel { script: plain(script).into_owned() }).inc();
    }

    /// Sets the age of the view of the cluster, where the age is known.
    pub fn view_age(&self, age: Option<Duration>) {
        self.view_age.set(age.map_or(f64::NAN, |age| age.as_secs_f64()));
    }

    /// Sets the number of questions for log lines that were refused since the start.
    pub fn refused_log_questions(&self, questions: u64) {
        self.refused_log_questions.set(i64::try_from(questions).unwrap_or(i64::MAX));
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
        self.quarantined.get_or_create(&ScriptLabel { script: plain(script).into_owned() }).set(i64::from(is));
    }

    /// Takes out the figure of `script`, which no chain has any more.
    pub(super) fn forget_quarantine(&self, script: &str) {
        self.quarantined.remove(&ScriptLabel { script: plain(script).into_owned() });
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
    CompiledLabels { script: plain(script).into_owned(), cause: plain(cause).into_owned() }
}

/// Buckets from 50 us to 3.3 s: a built-in over NATS takes the shortest, a script at its limit the longest.
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
