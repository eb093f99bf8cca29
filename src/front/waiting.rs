//! Requests that wait for a free node: bounded, fair among users, asked again when something was freed.
//!
//! A request that may wait and finds no node goes into its chain's room. Each change that may free a place starts a
//! round through it: the first request of each user before anybody's second, users who were served while they waited
//! after those who were not. A round asks a few at once and goes on where it stopped, so that those who can take what
//! was freed are found behind others who cannot, and a full cluster is not asked about all the time.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::model::{Failure, UserNames};
use crate::worker::desk::Ticket;
use crate::worker::unix_ms;

use super::flight::Flight;
use super::task::Front;

/// Waiting requests of one chain that are asked again at once.
const ASKED_AT_ONCE: usize = 32;
/// After so many that found nothing, a round pauses until the next change.
const FRUITLESS: usize = 64;
/// The answer leaves so long before a deadline passes.
const MARGIN: Duration = Duration::from_millis(200);

/// The requests of one chain that wait.
#[derive(Debug, Default)]
pub(super) struct Room {
    /// By place, which is the order of arrival.
    waiters: BTreeMap<u64, Waiter>,
    /// How many requests of each user found a node while others of the user waited.
    served: BTreeMap<Arc<str>, usize>,
    /// Those that the present round still asks.
    round: VecDeque<u64>,
    /// Waiters that are being asked, with what they were told last.
    asked: BTreeMap<Ticket, Waiting>,
    /// How many found nothing since the last change.
    fruitless: usize,
    /// There was a change of which some who were asked, or are, cannot have known: another round follows.
    missed: bool,
}

#[derive(Debug)]
struct Waiter {
    flight: Flight,
    waiting: Waiting,
}

/// What a waiting request is about.
#[derive(Clone, Debug)]
struct Waiting {
    place: u64,
    user: Arc<str>,
    until: Instant,
    failure: Arc<Failure>,
}

impl Room {
    /// How many wait, those that are being asked again included.
    fn len(&self) -> usize {
        self.waiters.len() + self.asked.len()
    }

    /// Lets the round go on, or another one begin.
    fn freed(&mut self) {
        self.fruitless = 0;
        self.missed = !self.round.is_empty() || !self.asked.is_empty();
        if self.round.is_empty() {
            self.begin();
        }
    }

    fn begin(&mut self) {
        let waiters = self.waiters.values().map(|waiter| &waiter.waiting);
        let here: BTreeSet<_> = waiters.chain(self.asked.values()).map(|waiting| &waiting.user).collect();
        self.served.retain(|user, _| here.contains(user));
        let mut of_user = BTreeMap::<&str, usize>::new();
        let mut order: Vec<_> = self
            .waiters
            .iter()
            .map(|(place, waiter)| {
                let user = &*waiter.waiting.user;
                let before = of_user.entry(user).or_default();
                *before += 1;
                (*before + self.served.get(user).copied().unwrap_or_default(), *place)
            })
            .collect();
        order.sort_unstable();
        self.round = order.into_iter().map(|(_, place)| place).collect();
    }

    /// Who is to be asked now.
    fn next(&mut self) -> Option<Waiter> {
        if self.missed && self.round.is_empty() && self.asked.is_empty() {
            self.missed = false;
            self.begin();
        }
        while self.asked.len() < ASKED_AT_ONCE && self.fruitless + self.asked.len() < FRUITLESS {
            let place = self.round.pop_front()?;
            if let Some(waiter) = self.waiters.remove(&place) {
                return Some(waiter);
            }
        }
        None
    }

    /// The request `ticket`, which was asked again, is answered for good.
    fn answered(&mut self, ticket: Ticket, placed: bool) {
        let Some(Waiting { user, .. }) = self.asked.remove(&ticket) else { return };
        let mut others = self.waiters.values().map(|waiter| &waiter.waiting).chain(self.asked.values());
        if others.all(|other| other.user != user) {
            self.served.remove(&user);
        } else if placed {
            *self.served.entry(user).or_default() += 1;
        }
    }
}

impl Front {
    /// `flight` came to nothing for want of a node: it waits where it may, else its requester is told `failure`.
    pub(super) fn come_to_nothing(&mut self, mut flight: Flight, failure: Failure) {
        match self.place_in_room(&flight, failure) {
            Ok(waiting) => {
                flight.retries = 0;
                let room = self.rooms.entry(Arc::clone(&flight.question.head.action)).or_default();
                room.waiters.insert(waiting.place, Waiter { flight, waiting });
            }
            Err(failure) => {
                tracing::info!(chain = %flight.question.head.action, decision = %flight.question.decision, %failure,
                    "not placed");
                self.give_up(flight, &failure);
            }
        }
    }

    /// Where `flight` waits; the failure where it may not, or where there is no room.
    fn place_in_room(&mut self, flight: &Flight, failure: Failure) -> Result<Waiting, Failure> {
        if flight.question.head.wait_ms == 0 {
            return Err(failure);
        }
        let (ticket, names) = (flight.question.ticket, self.crew.setup().birth.set.names);
        let (now, most, stopping) = (Instant::now(), self.crew.setup().waiting, self.stopping.is_some());
        let room = self.rooms.entry(Arc::clone(&flight.question.head.action)).or_default();
        let waiting = match room.asked.remove(&ticket) {
            Some(waiting) => {
                room.fruitless += 1;
                Waiting { failure: Arc::new(failure), ..waiting }
            }
            None if room.len() >= most => return Err(failure),
            None => match until(flight, now) {
                Some(until) => Waiting { place: ticket, user: user(flight, names), until, failure: Arc::new(failure) },
                None => return Err(failure),
            },
        };
        if stopping || waiting.until <= now {
            return Err(Arc::unwrap_or_clone(waiting.failure));
        }
        Ok(waiting)
    }

    /// The request `ticket` of `action` is answered for good: it waits no more.
    pub(super) fn wait_is_over(&mut self, action: &str, ticket: Ticket, placed: bool) {
        if let Some(room) = self.rooms.get_mut(action) {
            room.answered(ticket, placed);
            if room.len() == 0 {
                self.rooms.remove(action);
            }
        }
    }

    /// A place may have been freed.
    pub(super) fn note_freed(&mut self) {
        self.freed = true;
    }

    /// Asks those again who may find a node now; where it is `time`, answers those who have waited long enough.
    pub(super) fn ask_waiting(&mut self, time: bool) {
        if self.rooms.is_empty() {
            self.freed = false;
            return;
        }
        self.answer_overdue(time);
        if self.crew.setup().is_strict && !self.bus {
            // No place could be claimed. When NATS is there again, all are asked.
            self.freed = true;
            return;
        }
        if std::mem::take(&mut self.freed) {
            self.rooms.values_mut().for_each(Room::freed);
        }
        let actions: Vec<_> = self.rooms.keys().cloned().collect();
        for action in actions {
            while let Some(Waiter { flight, waiting }) = self.rooms.get_mut(&action).and_then(Room::next) {
                let Some(mut flight) = self.unless_placed_elsewhere(flight) else { continue };
                self.renew(&mut flight);
                if let Some(room) = self.rooms.get_mut(&action) {
                    room.asked.insert(flight.question.ticket, waiting);
                }
                self.submit(flight);
            }
        }
    }

    /// Where it is `time`, answers those who have waited long enough; where the service stops, everybody who waits.
    fn answer_overdue(&mut self, time: bool) {
        let (now, stopping) = (Instant::now(), self.stopping.is_some());
        let mut over = Vec::new();
        if time || stopping {
            for room in self.rooms.values_mut() {
                let late = |waiter: &Waiter| stopping || waiter.waiting.until <= now;
                over.extend(room.waiters.extract_if(.., |_, waiter| late(waiter)).map(|(_, waiter)| waiter));
            }
        }
        for Waiter { flight, waiting } in over {
            self.give_up(flight, &waiting.failure);
        }
    }

    /// Asked again, a request is another question: decided in its turn now, under another id, by programs anew.
    pub(super) fn renew(&mut self, flight: &mut Flight) {
        if flight.edition > 0 {
            self.forget_choice(&flight.question.decision);
        }
        let (ticket, decision) = self.number();
        let question = Arc::make_mut(&mut flight.question);
        if let Some(room) = self.rooms.get_mut(&question.head.action)
            && let Some(waiting) = room.asked.remove(&question.ticket)
        {
            room.asked.insert(ticket, waiting);
        }
        (question.ticket, question.decision) = (ticket, decision);
        question.now_ms = unix_ms();
        question.from = None;
        if let Some(key) = &flight.key {
            self.by_request.insert(key.clone(), ticket);
        }
    }

    /// Requests that wait for a free node, and are not being asked again.
    pub(super) fn waiting(&self) -> usize {
        self.rooms.values().map(|room| room.waiters.len()).sum()
    }

    /// The waiting request `ticket`.
    pub(super) fn waiting_flight(&mut self, ticket: Ticket) -> Option<&mut Flight> {
        let mut waiters = self.rooms.values_mut().flat_map(|room| room.waiters.values_mut());
        waiters.find(|waiter| waiter.flight.question.ticket == ticket).map(|waiter| &mut waiter.flight)
    }

    /// Takes every waiting request out.
    pub(super) fn clear_waiting(&mut self) -> Vec<Flight> {
        let rooms = std::mem::take(&mut self.rooms);
        rooms.into_values().flat_map(|room| room.waiters.into_values()).map(|waiter| waiter.flight).collect()
    }
}

/// Until when `flight` may wait from `now` on; nothing where it may not.
fn until(flight: &Flight, now: Instant) -> Option<Instant> {
    let wait = Duration::from_millis(u64::from(flight.question.head.wait_ms));
    let until = flight.waiting.first()?.received + wait;
    let deadline = flight.deadline_ms().and_then(|deadline_ms| {
        let left_ms = u64::try_from(deadline_ms.saturating_sub(unix_ms())).unwrap_or_default();
        now.checked_add(Duration::from_millis(left_ms).saturating_sub(MARGIN))
    });
    let until = deadline.map_or(until, |deadline| until.min(deadline));
    (until > now).then_some(until)
}

fn user(flight: &Flight, names: UserNames) -> Arc<str> {
    names.key(&flight.question.head.login).into()
}
