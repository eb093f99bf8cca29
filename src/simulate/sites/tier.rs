//! The first tier of a site: the real service, whose nodes are the groups of all sites, known from their summaries.
//!
//! Summaries that arrived meanwhile are passed to the front when a launcher asks, all at once: between two requests
//! nothing hangs on the moment, and most sites are seldom asked. The front keeps its own reservations, so the sessions
//! that the front has sent to a site since the last summary count there; a confirmed reservation ends with the next
//! summary, which includes the session.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::chain::{ChainSet, ChainSpec, StepSource, StepSpec};
use crate::clock::{Dice, Now};
use crate::front::metrics::Metrics;
use crate::front::{Effect, Front, FrontEvent, QuarantineSettings, Setup, Tick};
use crate::model::{Arrangement, Change, Marks};
use crate::nats::message::{Incoming, Outgoing, Verb};
use crate::registry::RegistryEvent;
use crate::runner::ProgramLimits;
use crate::simulate::replica::{BucketView, EPOCH_MS};
use crate::simulate::worker::SimulatedWorker;
use crate::worker::{BirthError, WorkerAudience, WorkerInit, WorkerLimits};

use super::summary::{SiteSummary, id};
use super::{GROUPS, MISSED_SUMMARIES, SitesScenario, name};

/// The step of every chain: the group of a site that is fullest relative to the capacity comes last.
const STEP: &str = "weighted";
/// The lifetime of a reservation that is not confirmed, in milliseconds; the service's default.
const RESERVATION_MS: u64 = 120_000;
/// The time for which a site is passed over after a try that failed there, in milliseconds.
const COOLDOWN_MS: u64 = 10_000;
/// The number of users with failed tries at a site from which on the site is passed over for all.
const COOLDOWN_USERS: usize = 2;

/// The choice of a first tier.
#[derive(Debug)]
pub(super) struct SiteChoice {
    /// The number of the site.
    pub(super) site: usize,
    /// The reservation, which the launcher confirms or releases.
    pub(super) reservation: Arc<str>,
    /// The age of the summary by which the site was chosen, in milliseconds.
    pub(super) age_ms: u64,
    /// The bytes of the request and of the reply: a site is asked with the same request.
    pub(super) bytes: (usize, usize),
}

/// The first tier of a site.
pub(super) struct FirstTier {
    front: Front,
    base: Instant,
    workers: BTreeMap<u64, SimulatedWorker>,
    replies: Vec<Outgoing>,
    /// The summaries, by site and group.
    summaries: Vec<GroupSummary>,
    sites: BTreeMap<Arc<str>, usize>,
    liveness_ms: u64,
    /// The end of each mark of a site, in milliseconds, with the node.
    cooling: VecDeque<(u64, Arc<str>)>,
    ticked_ms: u64,
    failed: Option<BirthError>,
}

/// The summaries of one group of one site that a first tier has received.
#[derive(Debug, Default)]
struct GroupSummary {
    last: Option<Rc<SiteSummary>>,
    /// The time when the last summary arrived, in milliseconds of the day.
    at_ms: u64,
    /// The summary that is on the way, with the time of arrival.
    coming: Option<(u64, Rc<SiteSummary>)>,
    /// Whether the front has yet to receive the last summary.
    is_new: bool,
    is_stale: bool,
}

impl FirstTier {
    /// Creates a first tier of `scenario` that knows no site.
    ///
    /// # Errors
    /// [`BirthError`] if the worker does not start.
    pub(super) fn start(scenario: &SitesScenario, dice: &mut Dice) -> Result<Self, BirthError> {
        let mut entropy = [0; 32];
        entropy.chunks_mut(8).for_each(|chunk| chunk.copy_from_slice(&dice.bits().to_le_bytes()));
        let base = Instant::now();
        let now = Now { instant: base, unix_ms: EPOCH_MS };
        let front = Front::new(setup(), Box::new(BucketView::default()), Arc::new(Metrics::new()), entropy, now);
        let groups =
            (0..scenario.sites).flat_map(|site| GROUPS.map(|group| (id(&name(site), group.name).into(), site)));
        let mut tier = Self {
            front,
            base,
            workers: BTreeMap::new(),
            replies: Vec::new(),
            summaries: (0..scenario.sites * GROUPS.len()).map(|_| GroupSummary::default()).collect(),
            sites: groups.collect(),
            liveness_ms: (scenario.summary_every * MISSED_SUMMARIES).as_millis() as u64,
            cooling: VecDeque::new(),
            ticked_ms: 0,
            failed: None,
        };
        tier.drive(0, vec![FrontEvent::Registry(RegistryEvent::Ready { nodes: 0 })], true);
        tier.failed.take().map_or(Ok(tier), Err)
    }

    /// Delivers a summary of `group` at `site` at `at_ms`.
    pub(super) fn deliver(&mut self, site: usize, group: usize, at_ms: u64, summary: &Rc<SiteSummary>) {
        if let Some(group_summary) = self.summaries.get_mut(site * GROUPS.len() + group) {
            group_summary.receive(u64::MAX);
            group_summary.coming = Some((at_ms, Rc::clone(summary)));
        }
    }

    /// Chooses a site for a session of `login` on a node of `group`.
    ///
    /// # Errors
    /// The name of the failure in the service's answer.
    pub(super) fn choose(&mut self, now_ms: u64, login: &str, group: u8) -> Result<SiteChoice, String> {
        self.catch_up(now_ms);
        let action = GROUPS.get(usize::from(group)).map(|group| action(group.name)).unwrap_or_default();
        let request = json!({"action": action, "user": {"login": login}}).to_string();
        let asked = request.len();
        let Some(outgoing) = self.ask(now_ms, Verb::Place, request) else { return Err("internal".to_owned()) };
        if let Some((name, _)) = &outgoing.error {
            return Err(name.as_str().to_owned());
        }
        let body: Value = serde_json::from_slice(&outgoing.body).unwrap_or_default();
        let text = |name: &str| body.get(name).and_then(Value::as_str);
        let site = text("node").and_then(|node| self.sites.get(node)).copied();
        let (Some(site), Some(reservation)) = (site, text("reservation")) else { return Err("internal".to_owned()) };
        let group_summary = self.summaries.get(site * GROUPS.len() + usize::from(group));
        let last = group_summary.and_then(|group_summary| group_summary.last.as_ref());
        let age_ms = last.map_or(0, |summary| now_ms.saturating_sub(summary.at_ms));
        Ok(SiteChoice { site, reservation: reservation.into(), age_ms, bytes: (asked, outgoing.body.len()) })
    }

    /// Confirms the session of `reservation`. Returns the bytes of the confirmation, which the site is sent too.
    pub(super) fn confirm(&mut self, now_ms: u64, reservation: &str) -> usize {
        self.catch_up(now_ms);
        let body = json!({"reservation": reservation}).to_string();
        let bytes = body.len();
        self.ask(now_ms, Verb::Confirm, body);
        bytes
    }

    /// Notes that the site of `reservation` had no node, or did not answer.
    pub(super) fn fail(&mut self, now_ms: u64, reservation: &str) {
        self.catch_up(now_ms);
        self.ask(now_ms, Verb::Release, json!({"reservation": reservation, "failed": true}).to_string());
    }

    /// Returns the error of a worker that did not start, if any.
    pub(super) fn take_failure(&mut self) -> Option<BirthError> {
        self.failed.take()
    }

    /// Returns the size in bytes of the summaries that are kept.
    pub(super) fn kept_bytes(&self) -> usize {
        self.summaries
            .iter()
            .filter_map(|group_summary| group_summary.last.as_ref())
            .map(|summary| summary.text.len())
            .sum()
    }

    /// Passes to the front the summaries that arrived until `now_ms`, and the time.
    fn catch_up(&mut self, now_ms: u64) {
        let mut events = Vec::new();
        for group_summary in &mut self.summaries {
            group_summary.receive(now_ms);
            events.extend(group_summary.changes(now_ms, self.liveness_ms));
        }
        while self.cooling.front().is_some_and(|(end_ms, _)| *end_ms <= now_ms) {
            let freed = self.cooling.pop_front().map(|(_, node)| FrontEvent::Marked(node, Marks::default()));
            events.extend(freed);
        }
        if now_ms > self.ticked_ms {
            let passed = Duration::from_millis(now_ms - self.ticked_ms);
            self.ticked_ms = now_ms;
            events.push(FrontEvent::Tick(Tick { passed, is_drained: true }));
        }
        if !events.is_empty() {
            self.drive(now_ms, events, true);
        }
    }

    fn ask(&mut self, now_ms: u64, verb: Verb, body: String) -> Option<Outgoing> {
        let incoming = Incoming {
            verb,
            payload: body.into(),
            deadline_ms: None,
            timeout_ms: None,
            reply: Some("launcher".into()),
            received: self.base + Duration::from_millis(now_ms),
            pass: None,
            trace: None,
        };
        self.drive(now_ms, vec![FrontEvent::Request(incoming)], false);
        self.replies.pop()
    }

    /// Passes `events` to the front and carries out the effects, until nothing is left to do.
    fn drive(&mut self, now_ms: u64, mut events: Vec<FrontEvent>, time: bool) {
        let now = Now { instant: self.base + Duration::from_millis(now_ms), unix_ms: EPOCH_MS + now_ms as i64 };
        while !events.is_empty() {
            events.drain(..).for_each(|event| self.front.handle(now, event));
            self.front.settle(time);
            for effect in self.front.take_effects() {
                events.extend(self.carry_out(effect, now_ms));
            }
            for (number, worker) in &mut self.workers {
                let worker_events = if worker.has_work() { worker.work(now.unix_ms) } else { Vec::new() };
                events.extend(worker_events.into_iter().map(|event| FrontEvent::Worker(*number, event)));
            }
        }
    }

    fn carry_out(&mut self, effect: Effect, now_ms: u64) -> Option<FrontEvent> {
        match effect {
            Effect::Reply(outgoing) | Effect::ReplyLater(_, outgoing) => self.replies.push(outgoing),
            Effect::StartWorker { number, birth, snapshot, .. } => {
                match SimulatedWorker::start(&birth, number, snapshot) {
                    Ok((worker, new)) => {
                        self.workers.insert(number, worker);
                        return Some(FrontEvent::Born(number, Ok(new)));
                    }
                    Err(error) => self.failed = Some(error),
                }
            }
            Effect::CoolDown { node, pause_ms, .. } => {
                self.cooling.push_back((now_ms + pause_ms, Arc::clone(&node)));
                return Some(FrontEvent::Marked(node, Marks { cooling_down: true, ..Marks::default() }));
            }
            // Each site has one replica, without an administrator, programs and claims.
            Effect::StartRunner { .. }
            | Effect::Claim(..)
            | Effect::Gossip(_)
            | Effect::WriteOff(..)
            | Effect::TakeFacts(..)
            | Effect::GiveFactBack(..)
            | Effect::SetFact(_)
            | Effect::Mark(_)
            | Effect::Assign(_)
            | Effect::Reload(_)
            | Effect::Start(_)
            | Effect::Verify(_)
            | Effect::LookSoon
            | Effect::BoundCoolDowns(_)
            | Effect::Show(_) => {}
        }
        None
    }
}

impl GroupSummary {
    /// Takes over the summary that is on the way, where that has arrived by `now_ms`.
    fn receive(&mut self, now_ms: u64) {
        if let Some((at_ms, summary)) = self.coming.take_if(|(at_ms, _)| *at_ms <= now_ms) {
            (self.last, self.at_ms, self.is_new) = (Some(summary), at_ms, true);
        }
    }

    /// Returns the changes since the last call, as events for the front.
    fn changes(&mut self, now_ms: u64, liveness_ms: u64) -> Vec<FrontEvent> {
        let mut changes = Vec::new();
        let Some(summary) = &self.last else { return changes };
        let report = if std::mem::take(&mut self.is_new) { summary.report() } else { None };
        if let Some(report) = report {
            self.is_stale = false;
            changes.push(changed(Change::Report(report)));
        }
        if !self.is_stale && now_ms.saturating_sub(self.at_ms) > liveness_ms {
            self.is_stale = true;
            changes.extend(summary.report().map(|report| changed(Change::Stale(Arc::clone(&report.id)))));
        }
        changes
    }
}

fn changed(change: Change) -> FrontEvent {
    FrontEvent::Registry(RegistryEvent::Change(change))
}

/// Returns the action that a launcher asks the first tier for.
fn action(group: &str) -> String {
    format!("session/{group}")
}

/// Returns the configuration of a first tier: a chain for each group, with one built-in.
fn setup() -> Setup {
    let chain = |name: &str| {
        let step = StepSpec::new(&format!("builtin:{STEP}"), StepSource::Builtin(STEP.to_owned()));
        let require_services = vec![name.to_owned()];
        ChainSpec { reserve: true, require_services, ..ChainSpec::new(&action(name), vec![step]) }
    };
    let set = ChainSet::new(GROUPS.iter().map(|group| chain(group.name)).collect());
    let birth = WorkerInit {
        set,
        arrangement: Arrangement::ById,
        limits: WorkerLimits::default(),
        audience: WorkerAudience::Front,
    };
    Setup {
        birth: Arc::new(birth),
        program: PathBuf::new(),
        workers: 1,
        recycle_requests: u64::MAX,
        recycle_bytes: u64::MAX,
        quarantine: QuarantineSettings { kills: 0, window_ms: 60_000, pause_ms: 10_000 },
        tokens: None,
        strict_requests: false,
        queue: 1_000,
        reservation_ms: RESERVATION_MS,
        longest_reservation_ms: RESERVATION_MS,
        cooldown_ms: COOLDOWN_MS,
        cooldown_users: COOLDOWN_USERS,
        is_last_resort: false,
        is_strict: false,
        waiting: 0,
        waiting_per_user: 0,
        reservations_per_user: 1_000_000,
        digest: "simulated".into(),
        retries: 3,
        recorded_decisions: 0,
        programs: ProgramLimits::default(),
        environment: Vec::new(),
    }
}
