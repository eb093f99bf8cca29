//! The first tier of a site: the real service, whose nodes are the groups of all sites as their summaries tell of them.
//!
//! What arrives meanwhile is handed on to the front when a launcher asks, in one go: between two requests nothing hangs on
//! the moment, and most sites are seldom asked. The front keeps its own reservations, so what it has sent to a site since
//! the last summary counts there; a confirmed one ends with the next summary, which has the session in it.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::chain::{ChainSet, ChainSpec, StepSource, StepSpec};
use crate::clock::{Dice, Now};
use crate::front::metrics::Metrics;
use crate::front::{Effect, Event, Front, QuarantineSettings, Setup, Tick};
use crate::model::{Arrangement, Change, Marks};
use crate::nats::message::{Incoming, Outgoing, Verb};
use crate::registry::RegistryEvent;
use crate::runner::ProgramLimits;
use crate::simulate::replica::{EPOCH_MS, View};
use crate::simulate::worker::Worker;
use crate::worker::{Audience, Birth, BirthError, WorkerLimits};

use super::summary::{Summary, id};
use super::{GROUPS, MISSED_SUMMARIES, Scenario, name};

/// The step of every chain: the group of a site that is fullest relative to its capacity comes last.
const STEP: &str = "weighted";
/// How long a reservation lives that nobody confirms, in milliseconds; the service's default.
const RESERVATION_MS: u64 = 120_000;
/// How long a site is passed over after a try that failed there, in milliseconds.
const COOLDOWN_MS: u64 = 10_000;
/// A site where the tries of so many users failed is passed over for all.
const COOLDOWN_USERS: usize = 2;

/// What a first tier answered.
#[derive(Debug)]
pub(super) struct Choice {
    /// The site.
    pub(super) site: usize,
    /// The reservation, which the launcher confirms or releases.
    pub(super) reservation: Arc<str>,
    /// How old the summary was by which the site was chosen, in milliseconds.
    pub(super) age_ms: u64,
    /// Bytes of the request and of the reply: a site is asked in the same words.
    pub(super) bytes: (usize, usize),
}

/// The first tier of one site.
pub(super) struct FirstTier {
    front: Front,
    base: Instant,
    workers: BTreeMap<u64, Worker>,
    replies: Vec<Outgoing>,
    /// By site and group.
    heard: Vec<Heard>,
    sites: BTreeMap<Arc<str>, usize>,
    liveness_ms: u64,
    /// When which mark of a site ends.
    cooling: VecDeque<(u64, Arc<str>)>,
    ticked_ms: u64,
    failed: Option<BirthError>,
}

/// What a first tier has heard of one group of one site.
#[derive(Debug, Default)]
struct Heard {
    last: Option<Rc<Summary>>,
    /// When that arrived, in milliseconds of the day.
    at_ms: u64,
    /// The summary that is on its way, with the time of its arrival.
    coming: Option<(u64, Rc<Summary>)>,
    /// Whether the front does not know the last one yet.
    is_new: bool,
    is_stale: bool,
}

impl FirstTier {
    /// A first tier of `scenario` that has heard of no site.
    ///
    /// # Errors
    /// [`BirthError`] if its worker does not start.
    pub(super) fn start(scenario: &Scenario, dice: &mut Dice) -> Result<Self, BirthError> {
        let mut entropy = [0; 32];
        entropy.chunks_mut(8).for_each(|chunk| chunk.copy_from_slice(&dice.bits().to_le_bytes()));
        let base = Instant::now();
        let now = Now { instant: base, unix_ms: EPOCH_MS };
        let front = Front::new(setup(), Box::new(View::default()), Arc::new(Metrics::new()), entropy, now);
        let groups =
            (0..scenario.sites).flat_map(|site| GROUPS.map(|group| (id(&name(site), group.name).into(), site)));
        let mut tier = Self {
            front,
            base,
            workers: BTreeMap::new(),
            replies: Vec::new(),
            heard: (0..scenario.sites * GROUPS.len()).map(|_| Heard::default()).collect(),
            sites: groups.collect(),
            liveness_ms: (scenario.summary_every * MISSED_SUMMARIES).as_millis() as u64,
            cooling: VecDeque::new(),
            ticked_ms: 0,
            failed: None,
        };
        tier.drive(0, vec![Event::Registry(RegistryEvent::Ready { nodes: 0 })], true);
        tier.failed.take().map_or(Ok(tier), Err)
    }

    /// A summary of `group` at `site` will arrive at `at_ms`.
    pub(super) fn deliver(&mut self, site: usize, group: usize, at_ms: u64, summary: &Rc<Summary>) {
        if let Some(heard) = self.heard.get_mut(site * GROUPS.len() + group) {
            heard.hear(u64::MAX);
            heard.coming = Some((at_ms, Rc::clone(summary)));
        }
    }

    /// Chooses a site for a session of `login` on a node of `group`.
    ///
    /// # Errors
    /// The name of the failure that the service answers.
    pub(super) fn choose(&mut self, now_ms: u64, login: &str, group: u8) -> Result<Choice, String> {
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
        let heard = self.heard.get(site * GROUPS.len() + usize::from(group));
        let last = heard.and_then(|heard| heard.last.as_ref());
        let age_ms = last.map_or(0, |summary| now_ms.saturating_sub(summary.at_ms));
        Ok(Choice { site, reservation: reservation.into(), age_ms, bytes: (asked, outgoing.body.len()) })
    }

    /// The session of `reservation` runs. Returns the bytes of the confirmation, which the site is sent too.
    pub(super) fn confirm(&mut self, now_ms: u64, reservation: &str) -> usize {
        self.catch_up(now_ms);
        let body = json!({"reservation": reservation}).to_string();
        let bytes = body.len();
        self.ask(now_ms, Verb::Confirm, body);
        bytes
    }

    /// The site of `reservation` had no node, or did not answer.
    pub(super) fn fail(&mut self, now_ms: u64, reservation: &str) {
        self.catch_up(now_ms);
        self.ask(now_ms, Verb::Release, json!({"reservation": reservation, "failed": true}).to_string());
    }

    /// Why a worker did not start, where one did not.
    pub(super) fn take_failure(&mut self) -> Option<BirthError> {
        self.failed.take()
    }

    /// Bytes of the summaries that are kept.
    pub(super) fn kept_bytes(&self) -> usize {
        self.heard.iter().filter_map(|heard| heard.last.as_ref()).map(|summary| summary.text.len()).sum()
    }

    /// Tells the front what arrived until `now_ms`, and that time has passed.
    fn catch_up(&mut self, now_ms: u64) {
        let mut events = Vec::new();
        for heard in &mut self.heard {
            heard.hear(now_ms);
            events.extend(heard.changes(now_ms, self.liveness_ms));
        }
        while self.cooling.front().is_some_and(|(end_ms, _)| *end_ms <= now_ms) {
            let freed = self.cooling.pop_front().map(|(_, node)| Event::Marked(node, Marks::default()));
            events.extend(freed);
        }
        if now_ms > self.ticked_ms {
            let passed = Duration::from_millis(now_ms - self.ticked_ms);
            self.ticked_ms = now_ms;
            events.push(Event::Tick(Tick { passed, is_drained: true }));
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
        };
        self.drive(now_ms, vec![Event::Request(incoming)], false);
        self.replies.pop()
    }

    /// Hands `events` over and carries out what follows, until nothing is left to do.
    fn drive(&mut self, now_ms: u64, mut events: Vec<Event>, time: bool) {
        let now = Now { instant: self.base + Duration::from_millis(now_ms), unix_ms: EPOCH_MS + now_ms as i64 };
        while !events.is_empty() {
            events.drain(..).for_each(|event| self.front.handle(now, event));
            self.front.settle(time);
            for effect in self.front.take_effects() {
                events.extend(self.carry_out(effect, now_ms));
            }
            for (number, worker) in &mut self.workers {
                let said = if worker.has_work() { worker.work(now.unix_ms) } else { Vec::new() };
                events.extend(said.into_iter().map(|event| Event::Worker(*number, event)));
            }
        }
    }

    fn carry_out(&mut self, effect: Effect, now_ms: u64) -> Option<Event> {
        match effect {
            Effect::Reply(outgoing) | Effect::ReplyLater(_, outgoing) => self.replies.push(outgoing),
            Effect::StartWorker { number, birth, snapshot, .. } => match Worker::start(&birth, number, snapshot) {
                Ok((worker, new)) => {
                    self.workers.insert(number, worker);
                    return Some(Event::Born(number, Ok(new)));
                }
                Err(error) => self.failed = Some(error),
            },
            Effect::CoolDown { node, pause_ms, .. } => {
                self.cooling.push_back((now_ms + pause_ms, Arc::clone(&node)));
                return Some(Event::Marked(node, Marks { cooling_down: true, ..Marks::default() }));
            }
            // One replica at each site, without an administrator, programs and claims.
            Effect::StartRunner { .. }
            | Effect::Claim(..)
            | Effect::Gossip(_)
            | Effect::WriteOff(..)
            | Effect::Mark(_)
            | Effect::Reload(_)
            | Effect::LookSoon
            | Effect::BoundCoolDowns(_)
            | Effect::Show(_) => {}
        }
        None
    }
}

impl Heard {
    /// Takes in the summary that is on its way, where it has arrived by `now_ms`.
    fn hear(&mut self, now_ms: u64) {
        if let Some((at_ms, summary)) = self.coming.take_if(|(at_ms, _)| *at_ms <= now_ms) {
            (self.last, self.at_ms, self.is_new) = (Some(summary), at_ms, true);
        }
    }

    /// What changed since the front was told last.
    fn changes(&mut self, now_ms: u64, liveness_ms: u64) -> Vec<Event> {
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

fn changed(change: Change) -> Event {
    Event::Registry(RegistryEvent::Change(change))
}

/// The action that a launcher asks the first tier for.
fn action(group: &str) -> String {
    format!("session/{group}")
}

/// The configuration of a first tier: a chain for each group, with one built-in.
fn setup() -> Setup {
    let chain = |name: &str| {
        let step = StepSpec::new(&format!("builtin:{STEP}"), StepSource::Builtin(STEP.to_owned()));
        let require_services = vec![name.to_owned()];
        ChainSpec { reserve: true, require_services, ..ChainSpec::new(&action(name), vec![step]) }
    };
    let set = ChainSet::new(GROUPS.iter().map(|group| chain(group.name)).collect());
    let birth =
        Birth { set, arrangement: Arrangement::ById, limits: WorkerLimits::default(), audience: Audience::Front };
    Setup {
        birth: Arc::new(birth),
        program: PathBuf::new(),
        workers: 1,
        recycle_requests: u64::MAX,
        recycle_bytes: u64::MAX,
        quarantine: QuarantineSettings { kills: 0, window_ms: 60_000, pause_ms: 10_000 },
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
        digest: "simulated".into(),
        retries: 3,
        recorded_decisions: 0,
        programs: ProgramLimits::default(),
        environment: Vec::new(),
    }
}
