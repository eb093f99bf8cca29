//! The crew: all lanes with their workers, the spares, and the crew of the next configuration while it gathers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::chain::ChainSpec;
use crate::model::Change;
use crate::worker::desk::Ticket;
use crate::worker::{BirthError, Encoded, Ended, Order, Orders};

use super::effects::Effect;
use super::events::Setup;
use super::flight::Flight;
use super::homes::Homes;
use super::lane::Lane;
use super::ports::NewWorker;
use super::spares::Spares;

/// Workers that wait for another one to die.
const SPARES: usize = 1;

/// A lane that a spare has taken.
pub(super) struct Taken {
    /// Which one.
    pub(super) lane: usize,
    /// Whether a worker was there that had done enough.
    pub(super) recycled: bool,
    /// How many choices of all chains the spare was born with.
    pub(super) choices: u64,
}

/// All that decides for this front.
pub(super) struct Crew {
    /// The lanes of the present homes; behind them those of earlier ones, until they have answered.
    lanes: Vec<Lane>,
    homes: Homes,
    spares: Spares,
    next: Option<Spares>,
    /// How many workers were started so far.
    births: u64,
    /// Counts the configurations that were in force.
    edition: u64,
    /// Whether each home had a worker once.
    complete: bool,
}

impl Crew {
    pub(super) fn new(setup: Setup) -> Self {
        let homes = homes(&setup);
        let edition = 1;
        let lanes = (0..homes.count()).map(|_| Lane::new(edition)).collect();
        Self { lanes, homes, spares: Spares::new(setup), next: None, births: 0, edition, complete: false }
    }

    /// What the present workers were born with.
    pub(super) fn setup(&self) -> &Setup {
        &self.spares.setup
    }

    /// Begins to gather workers for `setup`, which take over when each home has one.
    pub(super) fn prepare(&mut self, setup: Setup) {
        if let Some(given_up) = self.next.replace(Spares::new(setup)) {
            given_up.retire();
        }
    }

    /// How many workers have to be started now.
    pub(super) fn is_short(&self, now: Instant) -> bool {
        let next = self.next.as_ref().map_or(0, |next| next.short(homes(&next.setup).count(), now));
        next + self.spares.short(self.vacancies() + SPARES, now) > 0
    }

    /// Starts the workers that are missing at `now`; `snapshot` makes them mirrors of the cluster as it is, with the number
    /// of choices that is in it.
    pub(super) fn start(&mut self, snapshot: (&Orders, u64), now: Instant) -> Vec<Effect> {
        let vacancies = self.vacancies();
        let mut started = self.spares.start(self.spares.short(vacancies + SPARES, now), snapshot, &mut self.births);
        if let Some(next) = &mut self.next {
            started.extend(next.start(next.short(homes(&next.setup).count(), now), snapshot, &mut self.births));
        }
        started
    }

    fn vacancies(&self) -> usize {
        self.present().iter().filter(|lane| !lane.is_staffed()).count()
    }

    fn present(&self) -> &[Lane] {
        self.lanes.get(..self.homes.count()).unwrap_or_default()
    }

    /// A worker was born, or could not be.
    ///
    /// # Errors
    /// Why it could not be; where the next setup does not compile, that one is given up.
    pub(super) fn born(
        &mut self,
        number: u64,
        worker: Result<NewWorker, BirthError>,
        now: Instant,
    ) -> Result<(), BirthError> {
        match self.next.as_mut().filter(|next| next.expects(number)) {
            Some(next) => next.born(number, worker, now).inspect_err(|error| {
                // What does not compile never will; anything else is tried again.
                let hopeless = matches!(error, BirthError::Refused(_) | BirthError::Died(Some(_), _));
                if let Some(given_up) = self.next.take_if(|_| hopeless) {
                    given_up.retire();
                }
            }),
            None => self.spares.born(number, worker, now),
        }
    }

    /// The lane whose worker speaks under `number`.
    pub(super) fn lane_of(&mut self, number: u64) -> Option<(usize, &mut Lane)> {
        self.lanes.iter_mut().enumerate().find(|(_, lane)| lane.is_held_by(number))
    }

    /// A worker without a lane is gone.
    pub(super) fn gone(&mut self, number: u64, ended: &Ended, now: Instant) {
        if !self.spares.gone(number, ended, now)
            && let Some(next) = &mut self.next
        {
            next.gone(number, ended, now);
        }
    }

    /// Puts `flight` to the home of its chain; the lane with the fewest questions where there are several.
    ///
    /// # Errors
    /// The flight, where its chain has no home any more.
    pub(super) fn submit(&mut self, flight: Flight) -> Result<(), Box<Flight>> {
        let flight = Box::new(flight);
        let lanes = self.lanes.get_mut(self.homes.lanes(&flight.question.head.action)).unwrap_or_default();
        match lanes.iter_mut().min_by_key(|lane| lane.desk.len()) {
            Some(lane) => lane.desk.submit(flight.question.ticket, flight),
            None => return Err(flight),
        }
        Ok(())
    }

    /// The question `ticket`, where it has no answer yet.
    pub(super) fn flight_mut(&mut self, ticket: Ticket) -> Option<&mut Flight> {
        self.lanes.iter_mut().find_map(|lane| lane.desk.get_mut(ticket)).map(|flight| &mut **flight)
    }

    pub(super) fn lane_mut(&mut self, lane: usize) -> Option<&mut Lane> {
        self.lanes.get_mut(lane)
    }

    /// The question `ticket`, which waited for a program, is changed by `change` and goes back to its lane: only a worker
    /// of the same chains can go on with it.
    pub(super) fn unpark(&mut self, ticket: Ticket, change: impl FnOnce(&mut Flight)) {
        let found = self.lanes.iter_mut().find_map(|lane| lane.desk.unpark(ticket).map(|flight| (lane, flight)));
        if let Some((lane, mut flight)) = found {
            change(&mut flight);
            lane.desk.submit(ticket, flight);
        }
    }

    /// Takes the question `ticket` out, which waited for a program.
    pub(super) fn take_parked(&mut self, ticket: Ticket) -> Option<Flight> {
        self.lanes.iter_mut().find_map(|lane| lane.desk.unpark(ticket)).map(|flight| *flight)
    }

    /// The number of the configuration in force.
    pub(super) fn edition(&self) -> u64 {
        self.edition
    }

    /// The number of the oldest configuration that somebody still decides by.
    pub(super) fn oldest_edition(&self) -> u64 {
        self.lanes.iter().map(Lane::edition).min().unwrap_or(self.edition)
    }

    /// Passes `order` on to all workers, but not to the one in lane `except`, who knows.
    pub(super) fn tell(&mut self, order: &Encoded, except: Option<usize>) {
        let lanes = self.lanes.iter_mut().enumerate().filter(|(place, _)| Some(*place) != except);
        lanes.for_each(|(_, lane)| lane.tell(order));
        self.tell_spares(order);
    }

    /// Passes `order` on to those who decide for `action`, but not to the worker in lane `except`.
    pub(super) fn tell_home(&mut self, action: &str, order: &Order, except: usize) {
        for place in self.homes.lanes(action).filter(|place| *place != except) {
            if let Some(lane) = self.lanes.get_mut(place) {
                lane.order(order);
            }
        }
    }

    /// Tells the worker in `lane` alone.
    pub(super) fn order(&mut self, lane: usize, order: &Order) {
        if let Some(lane) = self.lanes.get_mut(lane) {
            lane.order(order);
        }
    }

    /// The chains that `lane` decides for.
    pub(super) fn chains(&self, lane: usize) -> Vec<Arc<str>> {
        self.homes.chains(lane).cloned().collect()
    }

    fn tell_spares(&mut self, order: &Encoded) {
        self.spares.tell(order);
        if let Some(next) = &mut self.next {
            next.tell(order);
        }
    }

    /// Undoes what the worker in `lane` alone believes.
    pub(super) fn undo(&mut self, lane: usize, change: Change) {
        self.order(lane, &Order::Change(change));
    }

    /// Lets the next crew take over where each of its homes has a worker. Returns the questions that the old crew was
    /// not asked yet; what it was asked, it still answers.
    pub(super) fn take_over(&mut self) -> Option<Vec<Flight>> {
        let next = self.next.take_if(|next| next.ready() >= homes(&next.setup).count())?;
        std::mem::replace(&mut self.spares, next).retire();
        self.homes = homes(&self.spares.setup);
        self.edition += 1;
        let mut lanes: Vec<_> = (0..self.homes.count()).map(|_| Lane::new(self.edition)).collect();
        // What a program has answered is gone on with by the chains that asked it.
        let taken = |lane: &mut Lane| lane.desk.take_waiting(|flight| flight.question.from.is_some());
        let waiting = self.lanes.iter_mut().flat_map(taken).map(|flight| *flight).collect();
        lanes.append(&mut self.lanes);
        self.lanes = lanes;
        Some(waiting)
    }

    /// Lets spares take the lanes that have no worker, or a tired one; ends the lanes of earlier homes that have
    /// answered. Returns the lanes that were taken.
    pub(super) fn staff(&mut self) -> Vec<Taken> {
        let mut taken = Vec::new();
        let (spares, count) = (&mut self.spares, self.homes.count());
        for (place, lane) in self.lanes.iter_mut().take(count).enumerate().filter(|(_, lane)| lane.is_open()) {
            let Some(hand) = spares.take() else { break };
            taken.push(Taken { lane: place, recycled: lane.is_staffed(), choices: hand.choices() });
            lane.staff(hand);
        }
        let mut place = 0;
        self.lanes.retain_mut(|lane| {
            place += 1;
            let stays = place <= count || !lane.desk.is_empty();
            if !stays {
                lane.dismiss();
            }
            stays
        });
        self.complete |= self.vacancies() == 0;
        taken
    }

    /// The questions that the worker of an earlier home left behind when it died.
    pub(super) fn strays(&mut self) -> Vec<Flight> {
        let old = self.lanes.iter_mut().skip(self.homes.count());
        let left = old.filter(|lane| !lane.is_staffed()).flat_map(|lane| lane.desk.take_all());
        left.map(|flight| *flight).collect()
    }

    /// Asks and sends what can be asked and sent now. Returns the questions that are `late`.
    pub(super) fn pump(&mut self, time: bool, late: impl Fn(&Flight) -> bool) -> Vec<Flight> {
        let relieved = self.spares.ready() > 0;
        self.spares.send(time);
        if let Some(next) = &mut self.next {
            next.send(time);
        }
        self.lanes.iter_mut().flat_map(|lane| lane.pump(relieved, &late)).collect()
    }

    /// Kills the workers that have held questions for too long without a word; `slowest` says how long a chain may take
    /// at most, and `passed` how long ago the last look was. Returns how long they were given.
    pub(super) fn kill_silent(&mut self, passed: Duration, slowest: impl Fn(&ChainSpec) -> Duration) -> Vec<Duration> {
        let set = &self.spares.setup.birth.set;
        let longest = |chains: &mut dyn Iterator<Item = &ChainSpec>| chains.map(&slowest).max().unwrap_or_default();
        let mut killed = Vec::new();
        for (place, lane) in self.lanes.iter_mut().enumerate() {
            let limit = match place < self.homes.count() {
                true => longest(&mut self.homes.chains(place).filter_map(|action| set.get(action))),
                false => longest(&mut set.chains.iter()),
            };
            if lane.kill_if_silent(passed, limit) {
                killed.push(limit);
            }
        }
        killed
    }

    /// Marks workers for replacement, as [`Lane::tire`] says; `mirror` is what the cluster may take of each.
    pub(super) fn tire(&mut self, mirror: u64) {
        let (requests, bytes) = (self.setup().recycle_requests, self.setup().recycle_bytes);
        for lane in &mut self.lanes {
            if lane.tire(requests, bytes, mirror) {
                tracing::debug!("a worker has done enough: it is replaced");
            }
        }
    }

    /// Questions without an answer.
    pub(super) fn unanswered(&self) -> usize {
        self.lanes.iter().map(|lane| lane.desk.len()).sum()
    }

    /// Whether requests are decided: each home had a worker once, and there is one now. That one is being replaced is
    /// no reason to send requesters elsewhere.
    pub(super) fn is_ready(&self) -> bool {
        self.complete && self.present().iter().any(Lane::is_staffed)
    }

    /// How many homes there are.
    pub(super) fn homes(&self) -> usize {
        self.homes.count()
    }

    /// What the machine does not keep from the workers, as they found.
    pub(super) fn lacks(&self) -> Vec<String> {
        let hands = self.lanes.iter().filter_map(Lane::hand);
        let mut lacks: Vec<_> = hands.flat_map(|hand| hand.lacks().iter().cloned()).collect();
        lacks.sort();
        lacks.dedup();
        lacks
    }

    /// What is probably a mistake in one of the scripts, as the workers found when they compiled them.
    pub(super) fn remarks(&self) -> Vec<String> {
        let hands = self.lanes.iter().filter_map(Lane::hand);
        hands.flat_map(|hand| hand.remarks().iter().cloned()).collect()
    }

    /// Takes every question out.
    pub(super) fn clear(&mut self) -> Vec<Flight> {
        self.lanes.iter_mut().flat_map(|lane| lane.desk.clear()).map(|flight| *flight).collect()
    }
}

fn homes(setup: &Setup) -> Homes {
    Homes::of(&setup.birth.set, setup.workers)
}
