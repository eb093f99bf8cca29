//! The world of a simulation: replicas of the service, session hosts, launchers and the network, in simulated time.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::clock::{Dice, Now};
use crate::front::{Effect, FrontEvent, Tick};
use crate::model::Change;
use crate::nats::frozen::SURELY_KEPT;
use crate::nats::message::{Incoming, Outgoing, Verb};
use crate::nats::peers::PeerMessage;
use crate::registry::RegistryEvent;
use crate::registry::claims::{Claim, NodeClaims};
use crate::worker::Ticket;

use super::faults::NetworkFaults;
use super::hosts::SessionHost;
use super::launchers::Launcher;
use super::plan::{BUSY, Mistake, SimulationPlan, below, dice};
use super::replica::{EPOCH_MS, RESERVATION, Replica};
use super::timeline::Timeline;

/// The step of [`Dice`] that the course of a simulation is drawn from.
const COURSE: u64 = 3;
/// The time between two ticks of a replica, as in the server.
const TICK: Duration = Duration::from_millis(100);
/// The mean time between two reports of a host; each is up to a quarter of that later or sooner.
const REPORT: Duration = Duration::from_secs(3);
/// The time between two checks whether the view of a replica misses something.
const LOOK: Duration = Duration::from_secs(5);
/// The time after the last request within which all reservations end.
const CALM: Duration = Duration::from_secs(RESERVATION.as_secs() + 40);
/// The most events of a world: most worlds end after some ten thousand events.
const MOST_EVENTS: u64 = 2_000_000;
/// The number of lines of the record that are kept.
const STORY: usize = 400;

/// An event of the world.
#[derive(Debug)]
pub(super) enum WorldEvent {
    /// The fault at this place of the plan begins.
    Begins(usize),
    /// The fault at this place of the plan ends.
    Ends(usize),
    /// The launcher of this number asks, or asks again.
    Asks(usize),
    /// The event reaches the replica, where the process is still the same.
    Arrives(usize, u32, FrontEvent),
    /// The replica ticks.
    Ticks(usize, u32),
    /// The worker reads all frames.
    Works(usize, u32, u64),
    /// The reply to an attempt of a launcher arrives.
    Answers(usize, usize, Bytes),
    /// A claim reaches the bucket.
    Claims(usize, u32, Ticket, Claim),
    /// Claims are written off.
    WritesOff(Arc<str>, BTreeSet<Arc<str>>),
    /// A host reports.
    Reports(usize),
    /// The view of the replica is checked for missed changes.
    Looks(usize, u32),
    /// The replica's view is known to hold all changes up to this moment.
    Seen(usize, u32, Instant),
    /// The session of a launcher starts on the host.
    Starts(usize),
    /// The session of a launcher ends.
    Stops(usize),
}

/// A world in which a plan runs.
pub(super) struct World {
    pub(super) plan: SimulationPlan,
    pub(super) timeline: Timeline<WorldEvent>,
    pub(super) dice: Dice,
    base: Instant,
    pub(super) network: NetworkFaults,
    /// The replicas; absent where the process does not run.
    pub(super) replicas: Vec<Option<Replica>>,
    lives: u32,
    pub(super) hosts: Vec<SessionHost>,
    pub(super) host_of: BTreeMap<Arc<str>, usize>,
    pub(super) launchers: Vec<Launcher>,
    claims: BTreeMap<Arc<str>, NodeClaims>,
    /// The last reply of any replica, for [`Mistake::ReplyTwice`].
    last_reply: Option<(usize, usize, Bytes)>,
    story: VecDeque<String>,
    pub(super) violations: Vec<String>,
}

impl World {
    /// Creates the world of `plan` at the beginning.
    pub(super) fn new(plan: &SimulationPlan) -> Self {
        let ids = (0..plan.hosts).map(|place| Arc::<str>::from(format!("n{place}")));
        let host_of: BTreeMap<_, _> = ids.enumerate().map(|(place, id)| (id, place)).collect();
        let mut world = Self {
            timeline: Timeline::new(),
            dice: dice(plan.seed, COURSE),
            base: Instant::now(),
            network: NetworkFaults::new(plan),
            replicas: (0..plan.replicas).map(|_| None).collect(),
            lives: 0,
            hosts: host_of.keys().map(|id| SessionHost::new(Arc::clone(id), plan.capacity)).collect(),
            host_of,
            launchers: Launcher::all(plan),
            claims: BTreeMap::new(),
            last_reply: None,
            story: VecDeque::new(),
            violations: Vec::new(),
            plan: plan.clone(),
        };
        (0..plan.replicas).for_each(|place| world.start_replica(place));
        (0..plan.hosts).for_each(|host| world.timeline.at(Duration::ZERO, WorldEvent::Reports(host)));
        for (place, launcher) in world.launchers.iter().enumerate() {
            world.timeline.at(launcher.at, WorldEvent::Asks(place));
        }
        for (place, fault) in plan.faults.iter().enumerate() {
            world.timeline.at(fault.at, WorldEvent::Begins(place));
            world.timeline.at(fault.at + fault.lasts, WorldEvent::Ends(place));
        }
        world
    }

    /// Runs to the end, or to the first violation.
    pub(super) fn run(&mut self) {
        let (end, mut events) = (BUSY + CALM, 0_u64);
        while let Some(event) = self.timeline.next(end) {
            self.happen(event);
            events += 1;
            if events > MOST_EVENTS {
                self.violated(format!("more than {MOST_EVENTS} things happened: something goes round in circles"));
            }
            if !self.violations.is_empty() {
                return;
            }
        }
        self.check_end();
    }

    /// Adds a line to the record of events, for readers of a violation.
    pub(super) fn record(&mut self, words: impl FnOnce() -> String) {
        if self.story.len() == STORY {
            self.story.pop_front();
        }
        let at = self.timeline.now().as_secs_f64();
        self.story.push_back(format!("{at:8.3}  {}", words()));
    }

    /// Returns the last part of the record.
    pub(super) fn recorded(&self) -> impl Iterator<Item = &String> {
        self.story.iter()
    }

    /// Notes a violation of an invariant.
    pub(super) fn violated(&mut self, what: String) {
        self.record(|| format!("VIOLATED: {what}"));
        self.violations.push(what);
    }

    /// Returns the time on a clock that is wrong by `skew_ms`.
    pub(super) fn now(&self, skew_ms: i64) -> Now {
        let now = self.timeline.now();
        Now { instant: self.base + now, unix_ms: EPOCH_MS + now.as_millis() as i64 + skew_ms }
    }

    /// Draws a time between the two.
    pub(super) fn between(&mut self, from: Duration, to: Duration) -> Duration {
        let span = to.saturating_sub(from).as_micros() as u64;
        from + Duration::from_micros(below(&mut self.dice, span + 1))
    }

    fn happen(&mut self, event: WorldEvent) {
        match event {
            WorldEvent::Begins(fault) => self.begin(fault),
            WorldEvent::Ends(fault) => self.end(fault),
            WorldEvent::Asks(launcher) => self.ask(launcher),
            WorldEvent::Arrives(place, life, event) => self.deliver(place, life, event),
            WorldEvent::Ticks(place, life) => self.tick(place, life),
            WorldEvent::Works(place, life, worker) => self.work(place, life, worker),
            WorldEvent::Answers(launcher, attempt, body) => self.answer(launcher, attempt, &body),
            WorldEvent::Claims(place, life, ticket, claim) => self.claim(place, life, ticket, claim),
            WorldEvent::WritesOff(node, ids) => {
                self.claims.entry(node).or_default().write_off(&ids);
            }
            WorldEvent::Reports(host) => self.report(host),
            WorldEvent::Looks(place, life) => self.look(place, life),
            WorldEvent::Seen(place, life, at) => {
                if let Some(replica) = self.alive(place, life) {
                    replica.view.look(at);
                }
            }
            WorldEvent::Starts(launcher) => self.start_session(launcher),
            WorldEvent::Stops(launcher) => self.stop_session(launcher),
        }
    }

    /// Returns the replica in this place, where the process is still number `life`.
    pub(super) fn alive(&mut self, place: usize, life: u32) -> Option<&mut Replica> {
        self.replicas.get_mut(place)?.as_mut().filter(|replica| replica.life == life)
    }

    /// Starts a process in this place, which reads the buckets first.
    pub(super) fn start_replica(&mut self, place: usize) {
        self.lives += 1;
        let life = self.lives;
        let mut entropy = [0; 32];
        entropy.chunks_mut(8).for_each(|chunk| chunk.copy_from_slice(&self.dice.bits().to_le_bytes()));
        let replica = Replica::start(&self.plan, entropy, self.now(0), self.timeline.now(), life);
        self.record(|| format!("replica {place} starts as {}", replica.front.replica()));
        if let Some(slot) = self.replicas.get_mut(place) {
            *slot = Some(replica);
        }
        self.read_buckets(place);
        self.timeline.after(TICK, WorldEvent::Ticks(place, life));
        self.timeline.after(LOOK, WorldEvent::Looks(place, life));
        self.drive(place, Vec::new(), true);
    }

    /// Lets the replica see the whole content of the buckets.
    pub(super) fn read_buckets(&mut self, place: usize) {
        let reports: Vec<_> = self.hosts.iter().filter_map(|host| host.reported.clone()).collect();
        let nodes = reports.len();
        for report in reports {
            self.show(place, RegistryEvent::Change(Change::Report(report)));
        }
        self.show(place, RegistryEvent::Ready { nodes });
    }

    /// Lets the replica see `event` of the view, after all events before.
    pub(super) fn show(&mut self, place: usize, event: RegistryEvent) {
        let at = self.view_delay(place);
        let Some(Some(replica)) = self.replicas.get_mut(place) else { return };
        replica.view_free = at.max(replica.view_free);
        let (at, life) = (replica.view_free, replica.life);
        self.timeline.at(at, WorldEvent::Arrives(place, life, FrontEvent::Registry(event)));
    }

    fn view_delay(&mut self, place: usize) -> Duration {
        let lag = self.network.lag(place, self.timeline.now());
        self.timeline.now() + lag + self.between(Duration::from_millis(2), Duration::from_millis(30))
    }

    fn look(&mut self, place: usize, life: u32) {
        let asked = self.base + self.timeline.now();
        let at = self.view_delay(place);
        let Some(replica) = self.alive(place, life) else { return };
        replica.view_free = at.max(replica.view_free);
        let at = replica.view_free;
        self.timeline.at(at, WorldEvent::Seen(place, life, asked));
        self.timeline.after(LOOK, WorldEvent::Looks(place, life));
    }

    fn report(&mut self, host: usize) {
        let too_many = u64::from(self.plan.mistake == Some(Mistake::OffByOne));
        let report = self.hosts.get_mut(host).and_then(|host| host.report(too_many));
        if let Some(report) = report {
            for place in 0..self.replicas.len() {
                self.show(place, RegistryEvent::Change(Change::Report(Arc::clone(&report))));
            }
        }
        let next = self.between(REPORT * 3 / 4, REPORT * 5 / 4);
        self.timeline.after(next, WorldEvent::Reports(host));
    }

    fn deliver(&mut self, place: usize, life: u32, event: FrontEvent) {
        let now = self.timeline.now();
        let Some(replica) = self.alive(place, life) else { return };
        match replica.frozen {
            // Core NATS does not keep gossip for long for a process that does not read.
            Some(since) if matches!(event, FrontEvent::Gossip(_)) && now > since + SURELY_KEPT => {}
            Some(_) => replica.backlog.push_back(event),
            None => self.drive(place, vec![event], false),
        }
    }

    fn tick(&mut self, place: usize, life: u32) {
        let now = self.timeline.now();
        let Some(replica) = self.alive(place, life) else { return };
        if replica.frozen.is_none() {
            let passed = now.saturating_sub(std::mem::replace(&mut replica.ticked, now));
            self.drive(place, vec![FrontEvent::Tick(Tick { passed, is_drained: true })], true);
        }
        self.timeline.after(TICK, WorldEvent::Ticks(place, life));
    }

    /// Passes `events` to the replica, and carries out the effects.
    pub(super) fn drive(&mut self, place: usize, events: Vec<FrontEvent>, time: bool) {
        let Some(Some(skew_ms)) = self.replicas.get(place).map(|slot| slot.as_ref().map(|replica| replica.skew_ms))
        else {
            return;
        };
        let now = self.now(skew_ms);
        let Some(Some(replica)) = self.replicas.get_mut(place) else { return };
        let (effects, life) = (replica.handle(now, events, time), replica.life);
        for effect in effects {
            self.carry_out(place, life, effect);
        }
        self.check_replica(place);
        self.wake_workers(place);
    }

    fn carry_out(&mut self, place: usize, life: u32, effect: Effect) {
        match effect {
            Effect::Reply(outgoing) => self.reply(place, &outgoing, Duration::ZERO),
            Effect::ReplyLater(after, outgoing) => self.reply(place, &outgoing, after),
            Effect::Gossip(PeerMessage::All(text)) => self.gossip(place, &text),
            Effect::Gossip(PeerMessage::One(name, incoming)) => {
                let is_named = |slot: &Option<Replica>| slot.as_ref().is_some_and(|it| it.front.replica() == &*name);
                let to = self.replicas.iter().position(is_named);
                if let Some(to) = to {
                    self.send(place, to, || FrontEvent::Request(incoming.clone()));
                }
            }
            Effect::Claim(ticket, claim) => {
                let delay = self.between(Duration::from_millis(1), Duration::from_millis(15));
                self.timeline.after(delay, WorldEvent::Claims(place, life, ticket, claim));
            }
            Effect::WriteOff(node, ids) => {
                let delay = self.between(Duration::from_millis(1), Duration::from_millis(15));
                self.timeline.after(delay, WorldEvent::WritesOff(node, ids));
            }
            Effect::StartWorker { number, birth, snapshot, .. } => self.start_worker(place, number, &birth, snapshot),
            Effect::StartRunner { number, .. } => {
                let error = std::io::Error::other("a simulation runs no programs");
                self.timeline
                    .after(TICK, WorldEvent::Arrives(place, life, FrontEvent::RunnerStarted(number, Err(error))));
            }
            Effect::LookSoon => self.timeline.after(TICK / 4, WorldEvent::Looks(place, life)),
            // Marks are the registry's, whose cool-downs have tests of their own; reloads by message and starts do not
            // occur here.
            Effect::CoolDown { .. } | Effect::Mark(_) | Effect::Assign(_) | Effect::Reload(_) | Effect::Start(_) => {}
            // A simulated cluster has no facts.
            Effect::TakeFacts(..) | Effect::GiveFactBack(..) | Effect::SetFact(_) => {}
            // The simulated requests have no tokens.
            Effect::BoundCoolDowns(_) | Effect::Show(_) | Effect::Verify(_) => {}
        }
    }

    fn claim(&mut self, place: usize, life: u32, ticket: Ticket, mut claim: Claim) {
        if self.plan.mistake == Some(Mistake::DoubleCommit) {
            claim.room = u64::MAX;
        }
        let claimed = self.claims.entry(Arc::clone(&claim.node)).or_default().take(&claim);
        self.record(|| {
            let Claim { node, id, room, held, over } = &claim;
            let over: Vec<_> = over.keys().collect();
            format!("replica {place} claims {id} on {node}: room {room}, held {held:?}, over {over:?}: {claimed:?}")
        });
        let delay = self.between(Duration::from_millis(1), Duration::from_millis(15));
        self.timeline.after(delay, WorldEvent::Arrives(place, life, FrontEvent::Claimed(ticket, Ok(claimed))));
    }

    fn gossip(&mut self, from: usize, text: &Bytes) {
        for to in 0..self.replicas.len() {
            self.send(from, to, || FrontEvent::Gossip(text.clone()));
        }
    }

    /// Sends `event` from one replica to another, subject to the faults.
    fn send(&mut self, from: usize, to: usize, event: impl Fn() -> FrontEvent) {
        let Some(life) = self.replicas.get(to).and_then(Option::as_ref).map(|replica| replica.life) else { return };
        let now = self.timeline.now();
        for delay in self.network.passes(from, to, now, &mut self.dice) {
            self.timeline.after(delay, WorldEvent::Arrives(to, life, event()));
        }
    }

    fn reply(&mut self, place: usize, outgoing: &Outgoing, after: Duration) {
        let Some((launcher, attempt)) = outgoing.reply.as_deref().and_then(read_inbox) else { return };
        self.last_reply = Some((launcher, attempt, outgoing.body.clone()));
        let now = self.timeline.now();
        // A requester receives a reply once at most.
        let delay = self.network.passes(place, usize::MAX, now, &mut self.dice).into_iter().next();
        if let Some(delay) = delay {
            self.timeline.after(after + delay, WorldEvent::Answers(launcher, attempt, outgoing.body.clone()));
        }
    }

    /// Sends the last reply once more, where that is the mistake of this plan.
    pub(super) fn maybe_reply_again(&mut self) {
        if self.plan.mistake == Some(Mistake::ReplyTwice)
            && let Some((launcher, attempt, body)) = self.last_reply.clone()
        {
            self.timeline.after(TICK, WorldEvent::Answers(launcher, attempt, body));
        }
    }

    /// Sends a request of a launcher to the replica.
    pub(super) fn request(&mut self, place: usize, verb: Verb, payload: Bytes, reply: Option<String>) {
        let delay = self.between(Duration::from_micros(200), Duration::from_millis(5));
        let Some(life) = self.replicas.get(place).and_then(Option::as_ref).map(|replica| replica.life) else { return };
        let incoming = Incoming {
            verb,
            payload,
            deadline_ms: None,
            timeout_ms: (verb == Verb::Place).then_some(5_000),
            reply: reply.map(Into::into),
            received: self.base + self.timeline.now() + delay,
            pass: None,
            trace: None,
        };
        self.timeline.after(delay, WorldEvent::Arrives(place, life, FrontEvent::Request(incoming)));
    }
}

/// Returns the reply subject for `attempt` of `launcher`.
pub(super) fn inbox(launcher: usize, attempt: usize) -> String {
    format!("{launcher}.{attempt}")
}

fn read_inbox(subject: &str) -> Option<(usize, usize)> {
    let (launcher, attempt) = subject.split_once('.')?;
    Some((launcher.parse().ok()?, attempt.parse().ok()?))
}
