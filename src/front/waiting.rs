//! Requests that wait for a free node: bounded, fair among users, asked again when something was freed.
//!
//! A request that may wait and finds no node goes into its chain's room. Each change that may free a place starts a
//! round through it: the first request of each user before anybody's second, users who were served while they waited
//! after those who were not. A round asks a few at once and goes on where it stopped, so that those who can take what
//! was freed are found behind others who cannot, and a full cluster is not asked about all the time.
//!
//! The room is shared: a user may have so many requests in it, and where it is full, the user with the most of them loses
//! the newest to somebody who has fewer.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::chain::eligibility::Cooling;
use crate::clock::Now;
use crate::model::{Failure, FailureName};
use crate::worker::desk::Ticket;

use super::flight::Flight;
use super::placing::log_failure;
use super::requests::called_off;
use super::shares::Shares;
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
    /// Whose they are.
    shares: Shares,
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

/// Why a request may not wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Crowded {
    /// There is no room, and nobody has more of it than the user of this request would have.
    Full,
    /// So many requests wait that are the same user's, and that is all one user may have.
    OfOneUser(usize),
    /// There is no room, and nobody has so many requests in it as the same user.
    MostOfAll(usize),
}

/// What a waiting request is about.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    place: u64,
    user: Arc<str>,
    pub(super) until: Instant,
    pub(super) failure: Arc<Failure>,
}

impl Room {
    /// How many wait, those that are being asked again included.
    fn len(&self) -> usize {
        self.waiters.len() + self.asked.len()
    }

    /// Lets another request of `user` in, where the room holds `most` and so many `per_user`. Returns the request that makes
    /// way for it, where one does.
    ///
    /// # Errors
    /// Why it may not wait.
    fn admit(&mut self, user: &str, most: usize, per_user: usize, now: Instant) -> Result<Option<Waiter>, Crowded> {
        let own = self.shares.count(user);
        // Whoever says no login may be anybody.
        if own >= per_user && !user.is_empty() {
            return Err(Crowded::OfOneUser(own));
        }
        if self.len() < most {
            return Ok(None);
        }
        match self.shares.largest() {
            Some((largest, newest)) if largest > own + 1 => Ok(self.take(newest, now)),
            Some((largest, _)) if largest == own => Err(Crowded::MostOfAll(own)),
            _ => Err(Crowded::Full),
        }
    }

    /// The request of `waiter` waits here.
    fn sit(&mut self, mut waiter: Waiter, now: Instant) {
        waiter.flight.sits(now);
        self.shares.insert(&waiter.waiting.user, waiter.waiting.place);
        self.waiters.insert(waiter.waiting.place, waiter);
    }

    /// Takes the request out that waits at `place`.
    fn take(&mut self, place: u64, now: Instant) -> Option<Waiter> {
        let mut waiter = self.waiters.remove(&place)?;
        waiter.flight.rises(now);
        self.shares.remove(&waiter.waiting.user, place);
        Some(waiter)
    }

    /// Takes the requests out that are `late`.
    fn take_late(&mut self, now: Instant, late: impl Fn(&Waiter) -> bool) -> Vec<Waiter> {
        let places: Vec<_> = self.waiters.iter().filter(|(_, waiter)| late(waiter)).map(|(place, _)| *place).collect();
        places.into_iter().filter_map(|place| self.take(place, now)).collect()
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
    fn next(&mut self, now: Instant) -> Option<Waiter> {
        if self.missed && self.round.is_empty() && self.asked.is_empty() {
            self.missed = false;
            self.begin();
        }
        while self.asked.len() < ASKED_AT_ONCE && self.fruitless + self.asked.len() < FRUITLESS {
            let place = self.round.pop_front()?;
            if let Some(waiter) = self.take(place, now) {
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
        if flight.is_cancelled {
            return self.give_up(flight, &called_off());
        }
        match self.place_in_room(&flight, failure) {
            Ok(waiting) => {
                flight.retries = 0;
                if flight.edition > 0 {
                    self.end_turn(&flight.question.head.action, flight.question.ticket);
                }
                let room = self.rooms.entry(Arc::clone(&flight.question.head.action)).or_default();
                // For a change that came between its question and its seat it was not asked again.
                let is_outdated = flight.frees_seen != self.frees && !flight.has_waited();
                room.round.extend(is_outdated.then_some(waiting.place));
                room.sit(Waiter { flight, waiting }, self.now.instant);
            }
            Err(failure) => {
                log_failure(&flight, &failure, 0);
                self.give_up(flight, &failure);
            }
        }
    }

    /// Where `flight` waits; the failure where it may not, or where there is no room. Another request may make way for it.
    fn place_in_room(&mut self, flight: &Flight, failure: Failure) -> Result<Waiting, Failure> {
        if flight.question.head.wait_ms == 0 {
            return Err(failure);
        }
        let ticket = flight.question.ticket;
        let (now, stopping) = (self.now, self.stopping.is_some());
        let room = self.rooms.entry(Arc::clone(&flight.question.head.action)).or_default();
        if let Some(waiting) = room.asked.remove(&ticket) {
            room.fruitless += 1;
            let is_over = stopping || waiting.until <= now.instant;
            return if is_over { Err(failure) } else { Ok(Waiting { failure: Arc::new(failure), ..waiting }) };
        }
        let Some(until) = until(flight, now).filter(|_| !stopping) else { return Err(failure) };
        self.make_room(flight, &failure)?;
        Ok(Waiting { place: ticket, user: Arc::clone(&flight.user), until, failure: Arc::new(failure) })
    }

    /// Makes sure that there is room for `flight`, which came to `failure`.
    ///
    /// # Errors
    /// That failure where the room is full; `overloaded` where it is full of the same user's requests.
    fn make_room(&mut self, flight: &Flight, failure: &Failure) -> Result<(), Failure> {
        let (most, per_user) = (self.crew.setup().waiting, self.crew.setup().waiting_per_user);
        let now = self.now.instant;
        let room = self.rooms.entry(Arc::clone(&flight.question.head.action)).or_default();
        let overloaded = |words: String| {
            let message = format!("{words}, and no node is free; ask again later");
            Failure::new(FailureName::Overloaded, message)
        };
        match room.admit(&flight.user, most, per_user, now) {
            Ok(None) => Ok(()),
            Ok(Some(Waiter { flight, .. })) => {
                self.metrics.displaced.inc();
                let (chain, decision) = (&flight.question.head.action, &flight.question.decision);
                tracing::info!(%chain, %decision, user = %flight.user, "a waiting request makes way for another user's");
                let words = "so many requests wait for a node that the newest of the user with the most of them, which is \
                             this one, made way for another user's";
                self.give_up(flight, &overloaded(words.to_owned()));
                Ok(())
            }
            Err(Crowded::Full) => Err(failure.clone()),
            Err(Crowded::OfOneUser(own)) => Err(overloaded(format!(
                "{own} requests of this user wait for a node, which is all that one user may have"
            ))),
            Err(Crowded::MostOfAll(own)) => Err(overloaded(format!(
                "so many requests wait for a node that there is no room, {own} of them this user's, who has the most"
            ))),
        }
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
        self.frees += 1;
    }

    /// Asks those again who may find a node now; where it is `time`, answers those who have waited long enough.
    pub(super) fn ask_waiting(&mut self, time: bool) {
        if self.rooms.is_empty() {
            self.frees_told = self.frees;
            return;
        }
        self.answer_overdue(time);
        if self.catch_up.is_under_way() || (self.crew.setup().is_strict && !self.bus) {
            // No place could be claimed. When this replica has caught up, and NATS is there again, all are asked.
            self.note_freed();
            return;
        }
        if std::mem::replace(&mut self.frees_told, self.frees) != self.frees {
            self.rooms.values_mut().for_each(Room::freed);
        }
        let (actions, now): (Vec<_>, _) = (self.rooms.keys().cloned().collect(), self.now.instant);
        for action in actions {
            while let Some(Waiter { flight, waiting }) = self.rooms.get_mut(&action).and_then(|room| room.next(now)) {
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
        let (now, stopping) = (self.now.instant, self.stopping.is_some());
        let mut over = Vec::new();
        if time || stopping {
            for room in self.rooms.values_mut() {
                let late = |waiter: &Waiter| stopping || waiter.waiting.until <= now;
                over.extend(room.take_late(now, late));
            }
        }
        for Waiter { flight, waiting } in over {
            log_failure(&flight, &waiting.failure, 0);
            self.give_up(flight, &waiting.failure);
        }
    }

    /// Asked again, a request is another question: decided in its turn now, under another id, by programs anew.
    pub(super) fn renew(&mut self, flight: &mut Flight) {
        if flight.edition > 0 {
            self.forget_choice(&flight.question.decision);
        }
        let ((ticket, decision), now_ms) = (self.number(), self.now.unix_ms);
        let question = Arc::make_mut(&mut flight.question);
        if let Some(room) = self.rooms.get_mut(&question.head.action)
            && let Some(waiting) = room.asked.remove(&question.ticket)
        {
            room.asked.insert(ticket, waiting);
        }
        (question.ticket, question.decision) = (ticket, decision);
        question.now_ms = now_ms;
        question.from = None;
        question.cooling = Cooling::Out(self.failures.of(&flight.user));
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

    /// Every waiting request, with what is known of its waiting.
    pub(super) fn waiters(&self) -> impl Iterator<Item = (&Flight, &Waiting)> {
        self.rooms.values().flat_map(|room| room.waiters.values()).map(|waiter| (&waiter.flight, &waiter.waiting))
    }

    /// Takes the request `ticket` of `action` out, where it waits.
    pub(super) fn leave_room(&mut self, action: &str, ticket: Ticket) -> Option<Flight> {
        let now = self.now.instant;
        let room = self.rooms.get_mut(action)?;
        let found = room.waiters.iter().find(|(_, waiter)| waiter.flight.question.ticket == ticket);
        let place = found.map(|(place, _)| *place)?;
        room.take(place, now).map(|waiter| waiter.flight)
    }

    /// Takes every waiting request out.
    pub(super) fn clear_waiting(&mut self) -> Vec<Flight> {
        let rooms = std::mem::take(&mut self.rooms);
        rooms.into_values().flat_map(|room| room.waiters.into_values()).map(|waiter| waiter.flight).collect()
    }
}

/// Until when `flight` may wait from `now` on; nothing where it may not.
fn until(flight: &Flight, now: Now) -> Option<Instant> {
    let wait = Duration::from_millis(u64::from(flight.question.head.wait_ms));
    let until = flight.waiting.first()?.received + wait;
    let deadline = flight.deadline_ms().and_then(|deadline_ms| {
        let left_ms = u64::try_from(deadline_ms.saturating_sub(now.unix_ms)).unwrap_or_default();
        now.instant.checked_add(Duration::from_millis(left_ms).saturating_sub(MARGIN))
    });
    let until = deadline.map_or(until, |deadline| until.min(deadline));
    (until > now.instant).then_some(until)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::Question;

    const MOST: usize = 6;
    const PER_USER: usize = 5;

    fn waiter(user: &str, place: u64) -> Waiter {
        let flight = Flight::new(Question::empty(place), Vec::new(), user.into());
        let failure = Arc::new(Failure::new(FailureName::NoNode, "none"));
        Waiter { flight, waiting: Waiting { place, user: user.into(), until: Instant::now(), failure } }
    }

    /// Lets each of `users` in, in turn, and says who came out for it, or why the user may not wait.
    fn come(room: &mut Room, users: &str) -> Vec<String> {
        let mut came = Vec::new();
        for user in users.split_whitespace() {
            let place = 1 + room.waiters.keys().last().copied().unwrap_or_default();
            match room.admit(user, MOST, PER_USER, Instant::now()) {
                Ok(displaced) => {
                    came.extend(displaced.map(|Waiter { waiting, .. }| format!("{}{}", waiting.user, waiting.place)));
                    room.sit(waiter(user, place), Instant::now());
                }
                Err(crowded) => came.push(format!("{crowded:?}")),
            }
        }
        came
    }

    #[test]
    fn the_newest_of_the_user_with_the_most_makes_way_until_all_have_as_many() {
        let mut room = Room::default();
        assert_eq!(come(&mut room, "greedy greedy greedy greedy greedy greedy"), ["OfOneUser(5)"]);
        assert_eq!(come(&mut room, "ann bob"), ["greedy5"]);
        assert_eq!(come(&mut room, "greedy"), ["MostOfAll(4)"]);
        assert_eq!(come(&mut room, "cy ann"), ["greedy4", "greedy3"]);
        assert_eq!(come(&mut room, "dan"), ["greedy2"]);
        assert_eq!(come(&mut room, "bob"), ["Full"], "to have two is no more than to have two");
        assert_eq!(come(&mut room, "ann"), ["MostOfAll(2)"]);
        assert_eq!((room.len(), room.shares.count("greedy"), room.shares.count("ann")), (MOST, 1, 2));
    }

    #[test]
    fn whoever_says_no_login_is_bounded_by_the_room_alone_and_makes_way_too() {
        let mut room = Room::default();
        (1..=MOST as u64).for_each(|place| {
            assert!(matches!(room.admit("", MOST, PER_USER, Instant::now()), Ok(None)));
            room.sit(waiter("", place), Instant::now());
        });
        assert_eq!(come(&mut room, "ann"), ["6"]);
        assert!(matches!(Room::default().admit("ann", 0, PER_USER, Instant::now()), Err(Crowded::Full)));
    }

    #[test]
    fn who_leaves_the_room_leaves_its_share() {
        let mut room = Room::default();
        come(&mut room, "ann ann bob");
        room.begin();
        let asked = room.next(Instant::now()).unwrap();
        assert_eq!((&*asked.waiting.user, room.shares.count("ann")), ("ann", 1));
        room.sit(asked, Instant::now());
        assert_eq!(room.take_late(Instant::now(), |waiter| &*waiter.waiting.user == "ann").len(), 2);
        assert_eq!((room.len(), room.shares.count("ann"), room.shares.largest()), (1, 0, Some((1, 3))));
    }
}
