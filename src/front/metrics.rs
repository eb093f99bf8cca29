//! The metrics of the service, in Prometheus' text form.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64};
use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Metric, Registry};

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
    /// Requests with a token that was looked at, by what became of the token.
    tokens: Family<OutcomeLabel, Counter>,
    /// Places that another replica claimed first, so that the decision was made again.
    pub lost_claims: Counter,
    /// Units of countable facts that another replica took first.
    pub lost_facts: Counter,
    /// Requests whose needs could not be met when they were looked at.
    pub refused_needs: Counter,
    /// What is left: units of countable facts, places by group.
    pub headroom: HeadroomFigures,
    /// Requests that wait for a free node.
    waiting: Gauge<i64, AtomicI64>,
    /// Waiting requests that made way for a request of another user.
    pub displaced: Counter,
    /// Other replicas.
    pub replicas: Gauge<i64, AtomicI64>,
    /// Other replicas that decide by other chains, or verify tokens otherwise.
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
    /// Requests that were refused for lack of room, on arrival or where they were to wait for a node.
    pub refused_for_room: Counter,
    /// Costly questions of administrators that were refused because too many such questions waited.
    pub refused_costly: Counter,
    /// Replies that could not be sent because NATS did not take them.
    pub lost_replies: Counter,
    /// Log lines that standard error did not take.
    lost_log_lines: Gauge<i64, AtomicI64>,
    /// Questions for log lines that were refused because too many waited.
    refused_log_questions: Gauge<i64, AtomicI64>,
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
        let mut all = Registry::with_prefix("whither");
        let all = &mut all;
        let build: Family<BuildLabel, Gauge> = registered(all, "build_info", "1, with what runs as its labels");
        build.get_or_create(&BuildLabel { version: env!("CARGO_PKG_VERSION").to_owned() }).set(1);
        let metrics = Self {
            decisions: registered(all, "decisions", "Decisions told to requesters"),
            latency: registered_as(
                all,
                "decision_seconds",
                "Seconds from receipt to reply, without the wait for a free node",
                Family::new_with_constructor(latency_buckets),
            ),
            ready: registered(all, "ready", "1 where requests can be decided"),
            bus_up: registered(all, "bus_up", "1 where NATS is connected and the view is kept"),
            nodes: registered(all, "nodes", "Nodes in the cluster"),
            node_states: registered(all, "nodes_in_state", "Nodes in the cluster, by state"),
            view_age: registered(
                all,
                "view_age_seconds",
                "Seconds since the last proof that the node list is current; NaN before the first",
            ),
            reservations: registered(all, "reservations", "Reservations that count"),
            expired_reservations: registered(all, "expired_reservations", "Reservations given up unreported"),
            unanswered: registered(all, "unanswered", "Questions without an answer"),
            strange_requests: registered(
                all,
                "strange_requests",
                "Requests with fields that nothing but a script can look at",
            ),
            untaken: registered(all, "untaken", "Places that nobody was there to take any more"),
            deferred: registered(
                all,
                "deferred_reservations",
                "Reservations that ended because a job will start the session later",
            ),
            starts: registered(all, "starts", "Starts that were answered, by outcome"),
            tokens: registered(all, "tokens", "Requests whose tokens were looked at, by outcome"),
            refused_commits: registered(all, "refused_commits", "Decisions that were taken again"),
            lost_claims: registered(all, "lost_claims", "Places that another replica claimed first"),
            lost_facts: registered(all, "lost_facts", "Requests whose units of a fact another replica took first"),
            refused_needs: registered(
                all,
                "refused_needs",
                "Requests whose needs could not be met, each time they were looked at",
            ),
            headroom: HeadroomFigures::default(),
            pending: registered(all, "pending_requests", "Requests without an answer, by stage"),
            waiting: registered(all, "waiting", "Requests that wait for a free node"),
            displaced: registered(all, "displaced", "Waiting requests that made way for others"),
            replicas: registered(all, "other_replicas", "Other replicas that are there"),
            differing_replicas: registered(
                all,
                "differing_replicas",
                "Other replicas that run other chains or other `[tokens]`",
            ),
            frozen_kept: registered(
                all,
                "frozen_clients_kept",
                "1 where NATS keeps a client that does not answer for long",
            ),
            pauses: registered(all, "pauses", "Times that this process did not run for a second"),
            worker_deaths: registered(all, "worker_deaths", "Workers that ended unasked"),
            index_scans: registered(all, "index_scans", "Placements found by an index scan"),
            looked_at: registered(all, "looked_at", "Nodes that placements looked at"),
            programs_asked: registered(all, "executables_asked", "Questions put to executables"),
            program_ends: registered(all, "resident_ends", "Ends of resident executables"),
            runner_deaths: registered(all, "runner_deaths", "Runners that ended unasked"),
            limits: registered(all, "script_limits", "Limits that scripts were convicted of"),
            suspicions: registered(all, "suspicions", "Limits passed once, to be tried again alone"),
            bailouts: registered(all, "compiled_bailouts", "Calls that compiled JavaScript gave up, by cause"),
            differences: registered(
                all,
                "compiled_differences",
                "Answers of compiled JavaScript that were not the interpreter's, which counted",
            ),
            quarantined: registered(all, "quarantined", "1 while a script is in quarantine"),
            recycled_workers: registered(all, "recycled_workers", "Workers replaced after enough work"),
            refused_documents: registered(all, "refused_documents", "Node documents refused"),
            past_deadline: registered(all, "past_deadline", "Requests not run, past their deadline"),
            expired_on_arrival: registered(all, "expired_on_arrival", "Those late when received"),
            deadlines_mostly_wrong: registered(
                all,
                "deadlines_mostly_wrong",
                "1 while most deadlines had passed when received, or were an hour off",
            ),
            strange_deadlines: registered(all, "strange_deadlines", "Deadlines more than an hour off"),
            unknown_reservations: registered(
                all,
                "unknown_reservations",
                "Confirmations and releases of unknown reservations",
            ),
            refused_unknown: registered(all, "refused_unknown", "Those refused, as there were too many"),
            refused_for_room: registered(
                all,
                "refused_for_room",
                "Requests refused because requests filled the room for them",
            ),
            refused_costly: registered(
                all,
                "refused_costly",
                "Questions of administrators refused because too many waited whose answers take long",
            ),
            lost_replies: registered(all, "lost_replies", "Replies that NATS did not take"),
            refused_log_questions: registered(
                all,
                "refused_log_questions",
                "Questions for log lines refused because too many waited",
            ),
            lost_log_lines: registered(all, "lost_log_lines", "Log lines that standard error did not take"),
            reload_successful: registered(
                all,
                "config_last_reload_successful",
                "1 where the config was read well the last time, 0 where the old one is still in force",
            ),
            spans: SpanMetrics::default(),
            registry: Registry::default(),
        };
        metrics.headroom.register(all);
        metrics.spans.register(all);
        metrics.reload_successful.set(1);
        metrics.pending(&[0; PendingStage::NAMES.len()]);
        metrics.nodes_in_states(&BTreeMap::new());
        Self { registry: std::mem::take(all), ..metrics }
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

/// The buckets from 50 us to 3.3 s: a built-in over NATS at the one end, a script at the limit at the other.
/// Registers a new metric, at zero, under its `name` without the prefix; `about` is its help text.
fn registered<M: Metric + Clone + Default>(all: &mut Registry, name: &str, about: &str) -> M {
    registered_as(all, name, about, M::default())
}

/// Registers `metric`, as [`registered`] does.
fn registered_as<M: Metric + Clone>(all: &mut Registry, name: &str, about: &str, metric: M) -> M {
    all.register(name, about, metric.clone());
    metric
}

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
