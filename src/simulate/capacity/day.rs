//! The course of a simulated day: the service with its workers, the hosts and the users.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::{Value, json};

use crate::clock::{Dice, Now};
use crate::front::metrics::Metrics;
use crate::front::{Effect, Front, FrontEvent, Tick};
use crate::ipc::ProcessEnd;
use crate::model::{Change, Report};
use crate::nats::message::{Incoming, Outgoing, Verb};
use crate::registry::RegistryEvent;
use crate::registry::claims::Claimed;
use crate::simulate::plan::{below, dice};
use crate::simulate::replica::{BucketView, EPOCH_MS};
use crate::simulate::timeline::Timeline;
use crate::simulate::worker::SimulatedWorker;
use crate::worker::{BirthError, WorkerEvent};

use super::host::CapacityHost;
use super::{CapacitySample, CapacityScenario, DayOutcome};

/// The step of [`Dice`] that the course of a day is drawn from.
const COURSE: u64 = 4;
/// The time between two ticks of the service: nothing in a day hangs on tenths of a second.
const TICK: Duration = Duration::from_secs(1);
/// The time that a decision takes.
const DECIDING: Duration = Duration::from_millis(1);
/// The shortest and the longest time from a placement until the session runs.
const STARTING: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(10));
/// The time without a report after which a host is stale, as in the registry.
const STALE: Duration = Duration::from_secs(30);
/// The longest time until a user asks again whose session was lost with the host.
const BACK: Duration = Duration::from_secs(60);
/// The time between two samples of the cluster.
const SAMPLE: Duration = Duration::from_secs(60);

/// An event of the day.
#[derive(Debug)]
enum DayEvent {
    Asks(usize),
    Arrives(FrontEvent),
    Works(u64),
    Reports(usize),
    Ticks,
    Starts(usize, Arc<str>, Arc<str>),
    Stops(usize, Arc<str>),
    Fails(usize),
    Stale(usize),
    Recovers(usize),
    Samples,
}

/// A day under way.
pub(super) struct CapacityDay<'a> {
    scenario: &'a CapacityScenario,
    timeline: Timeline<DayEvent>,
    dice: Dice,
    base: Instant,
    front: Front,
    workers: BTreeMap<u64, SimulatedWorker>,
    busy: BTreeSet<u64>,
    hosts: Vec<CapacityHost>,
    /// The time when each arrival asked last.
    asked: Vec<Duration>,
    outcome: DayOutcome,
    failed: Option<BirthError>,
}

impl<'a> CapacityDay<'a> {
    /// Handles the next event; returns false where the day is over.
    pub(super) fn go_on(&mut self, passed: &mut impl FnMut(Duration)) -> Result<bool, BirthError> {
        let Some(event) = self.timeline.next(self.scenario.day) else { return Ok(false) };
        if matches!(event, DayEvent::Samples) {
            passed(self.timeline.now());
        }
        self.happen(event);
        self.failed.take().map_or(Ok(true), Err)
    }

    /// Returns the outcome of the day.
    pub(super) fn end(mut self) -> DayOutcome {
        self.outcome.waits.sort_unstable();
        self.outcome
    }

    /// Creates a day at the beginning.
    pub(super) fn begin(scenario: &'a CapacityScenario) -> Self {
        let (base, view) = (Instant::now(), BucketView::default());
        let mut dice = dice(scenario.seed, COURSE);
        let mut entropy = [0; 32];
        entropy.chunks_mut(8).for_each(|chunk| chunk.copy_from_slice(&dice.bits().to_le_bytes()));
        let now = Now { instant: base, unix_ms: EPOCH_MS };
        let front = Front::new(scenario.setup.clone(), Box::new(view), Arc::new(Metrics::new()), entropy, now);
        let hosts: Vec<_> = scenario.hosts.iter().filter_map(CapacityHost::of).collect();
        let outcome = DayOutcome {
            hosts: hosts.iter().map(|host| Arc::clone(&host.id)).collect(),
            capacities: hosts.iter().map(|host| host.capacity).collect(),
            ..DayOutcome::default()
        };
        let mut day = Self {
            scenario,
            timeline: Timeline::new(),
            dice,
            base,
            front,
            workers: BTreeMap::new(),
            busy: BTreeSet::new(),
            asked: vec![Duration::ZERO; scenario.arrivals.len()],
            hosts,
            outcome,
            failed: None,
        };
        day.plan();
        day
    }

    fn plan(&mut self) {
        for place in 0..self.hosts.len() {
            let first = Duration::from_millis(below(&mut self.dice, self.scenario.report.as_millis() as u64));
            self.report(place);
            self.timeline.at(first, DayEvent::Reports(place));
        }
        let nodes = self.hosts.len();
        self.drive(vec![FrontEvent::Registry(RegistryEvent::Ready { nodes })], true);
        for (place, arrival) in self.scenario.arrivals.iter().enumerate() {
            self.timeline.at(arrival.at, DayEvent::Asks(place));
        }
        for outage in &self.scenario.outages {
            let place = self.hosts.iter().position(|host| host.id == outage.host);
            if let Some(place) = place {
                self.timeline.at(outage.at, DayEvent::Fails(place));
                self.timeline.at(outage.at + outage.lasts, DayEvent::Recovers(place));
            }
        }
        self.timeline.after(TICK, DayEvent::Ticks);
        self.timeline.after(Duration::ZERO, DayEvent::Samples);
    }

    fn now(&self) -> Now {
        let now = self.timeline.now();
        Now { instant: self.base + now, unix_ms: EPOCH_MS + now.as_millis() as i64 }
    }

    fn between(&mut self, from: Duration, to: Duration) -> Duration {
        from + Duration::from_millis(below(&mut self.dice, to.saturating_sub(from).as_millis() as u64 + 1))
    }

    fn happen(&mut self, event: DayEvent) {
        match event {
            DayEvent::Asks(arrival) => self.ask(arrival),
            DayEvent::Arrives(event) => self.drive(vec![event], false),
            DayEvent::Works(worker) => self.work(worker),
            DayEvent::Reports(host) => {
                self.report(host);
                self.timeline.after(self.scenario.report, DayEvent::Reports(host));
            }
            DayEvent::Ticks => {
                self.drive(vec![FrontEvent::Tick(Tick { passed: TICK, is_drained: true })], true);
                self.timeline.after(TICK, DayEvent::Ticks);
            }
            DayEvent::Starts(arrival, node, reservation) => self.start(arrival, &node, reservation),
            DayEvent::Stops(host, reservation) => {
                if let Some(host) = self.hosts.get_mut(host) {
                    host.sessions.remove(&reservation);
                }
            }
            DayEvent::Fails(host) => self.fail(host),
            DayEvent::Stale(host) => {
                let stale = self.hosts.get(host).filter(|host| host.is_down).map(|host| Arc::clone(&host.id));
                stale.into_iter().for_each(|id| self.drive(vec![changed(Change::Stale(id))], false));
            }
            DayEvent::Recovers(host) => {
                if let Some(found) = self.hosts.get_mut(host) {
                    found.is_down = false;
                }
                self.report(host);
            }
            DayEvent::Samples => self.sample(),
        }
    }

    fn sample(&mut self) {
        let sessions = self.hosts.iter().map(CapacityHost::count).collect();
        let waiting = self.front.waiting_requests() as u64;
        self.outcome.samples.push(CapacitySample { at: self.timeline.now(), sessions, waiting });
        self.timeline.after(SAMPLE, DayEvent::Samples);
    }

    fn ask(&mut self, number: usize) {
        let Some(arrival) = self.scenario.arrivals.get(number) else { return };
        if let Some(asked) = self.asked.get_mut(number) {
            *asked = self.timeline.now();
        }
        let incoming = Incoming {
            verb: Verb::Place,
            payload: arrival.request.to_string().into(),
            deadline_ms: None,
            timeout_ms: None,
            reply: Some(number.to_string().into()),
            received: self.base + self.timeline.now(),
            pass: None,
            trace: None,
        };
        self.drive(vec![FrontEvent::Request(incoming)], false);
    }

    fn report(&mut self, place: usize) {
        let Some(host) = self.hosts.get(place).filter(|host| !host.is_down) else { return };
        if let Ok(report) = Report::from_value(host.report(self.scenario)) {
            self.drive(vec![changed(Change::Report(Arc::new(report)))], false);
        }
    }

    fn start(&mut self, number: usize, node: &str, reservation: Arc<str>) {
        let place = self.hosts.iter().position(|host| *host.id == *node);
        let Some(arrival) = self.scenario.arrivals.get(number) else { return };
        let Some((place, host)) = place.and_then(|place| Some((place, self.hosts.get_mut(place)?))) else { return };
        if host.is_down {
            // The session could not start: the launcher reports that, and the user asks again.
            let body = json!({"reservation": reservation, "failed": true});
            self.release(body.to_string().into());
            let back = self.between(Duration::ZERO, BACK);
            return self.timeline.after(back, DayEvent::Asks(number));
        }
        host.sessions.insert(Arc::clone(&reservation), number);
        self.timeline.after(arrival.lasts, DayEvent::Stops(place, reservation));
    }

    fn release(&mut self, payload: Bytes) {
        let received = self.base + self.timeline.now();
        let incoming = Incoming {
            verb: Verb::Release,
            payload,
            deadline_ms: None,
            timeout_ms: None,
            reply: None,
            received,
            pass: None,
            trace: None,
        };
        self.drive(vec![FrontEvent::Request(incoming)], false);
    }

    fn fail(&mut self, place: usize) {
        let Some(host) = self.hosts.get_mut(place) else { return };
        host.is_down = true;
        let lost: Vec<_> = std::mem::take(&mut host.sessions).into_values().collect();
        self.outcome.lost += lost.len() as u64;
        for number in lost {
            let back = self.between(Duration::ZERO, BACK);
            self.timeline.after(back, DayEvent::Asks(number));
        }
        self.timeline.after(STALE, DayEvent::Stale(place));
    }

    fn drive(&mut self, events: Vec<FrontEvent>, time: bool) {
        let now = self.now();
        events.into_iter().for_each(|event| self.front.handle(now, event));
        self.front.settle(time);
        for effect in self.front.take_effects() {
            self.carry_out(effect);
        }
        let ready = self.workers.iter().filter(|(number, worker)| worker.has_work() && !self.busy.contains(number));
        let ready: Vec<_> = ready.map(|(number, _)| *number).collect();
        for number in ready {
            self.busy.insert(number);
            self.timeline.after(DECIDING, DayEvent::Works(number));
        }
    }

    fn work(&mut self, number: u64) {
        let unix_ms = self.now().unix_ms;
        self.busy.remove(&number);
        let Some(worker) = self.workers.get_mut(&number) else { return };
        let mut events = worker.work(unix_ms);
        if worker.is_dismissed().is_some() {
            self.workers.remove(&number);
            let ended = ProcessEnd { how: "exited with code 0".to_owned(), killed: false, stopped: false };
            events.push(WorkerEvent::Exited(ended));
        }
        if !events.is_empty() {
            self.drive(events.into_iter().map(|event| FrontEvent::Worker(number, event)).collect(), false);
        }
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Reply(outgoing) | Effect::ReplyLater(_, outgoing) => self.answered(&outgoing),
            Effect::StartWorker { number, birth, snapshot, .. } => {
                match SimulatedWorker::start(&birth, number, snapshot) {
                    Ok((worker, new)) => {
                        self.workers.insert(number, worker);
                        self.timeline.after(DECIDING, DayEvent::Arrives(FrontEvent::Born(number, Ok(new))));
                    }
                    Err(error) => self.failed = Some(error),
                }
            }
            Effect::StartRunner { number, .. } => {
                let error = std::io::Error::other("no programs are simulated");
                self.timeline.after(TICK, DayEvent::Arrives(FrontEvent::RunnerStarted(number, Err(error))));
            }
            // There is a single replica, without competing claims, and no administrator.
            Effect::Claim(ticket, _) => {
                let won = Ok(Claimed::Won);
                self.timeline.after(DECIDING, DayEvent::Arrives(FrontEvent::Claimed(ticket, won)));
            }
            Effect::Gossip(_)
            | Effect::WriteOff(..)
            | Effect::TakeFacts(..)
            | Effect::GiveFactBack(..)
            | Effect::SetFact(_)
            | Effect::Mark(_)
            | Effect::Assign(_)
            | Effect::CoolDown { .. }
            | Effect::Reload(_)
            | Effect::Start(_)
            | Effect::Verify(_)
            | Effect::LookSoon
            | Effect::BoundCoolDowns(_)
            | Effect::Show(_) => {}
        }
    }

    fn answered(&mut self, outgoing: &Outgoing) {
        let Some(number) = outgoing.reply.as_deref().and_then(|reply| reply.parse::<usize>().ok()) else { return };
        let body: Value = serde_json::from_slice(&outgoing.body).unwrap_or_default();
        let text = |name: &str| body.get(name).and_then(Value::as_str).map(Arc::<str>::from);
        let Some(node) = text("node").filter(|_| outgoing.error.is_none()) else {
            let name = outgoing.error.as_ref().map_or("internal", |(name, _)| name.as_str());
            *self.outcome.refused.entry(name.to_owned()).or_default() += 1;
            return;
        };
        self.outcome.placed += 1;
        let waited = self.timeline.now().saturating_sub(self.asked.get(number).copied().unwrap_or_default());
        if waited > TICK {
            self.outcome.waits.push(waited);
        }
        // In a chain that reserves nothing, the session is known by the number of the request.
        let reservation = text("reservation").unwrap_or_else(|| format!("request-{number}").into());
        let starting = self.between(STARTING.0, STARTING.1);
        self.timeline.after(starting, DayEvent::Starts(number, node, reservation));
    }
}

fn changed(change: Change) -> FrontEvent {
    FrontEvent::Registry(RegistryEvent::Change(change))
}
