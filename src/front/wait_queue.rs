//! The wait queue of a chain: requests that wait for a free node, bounded, fair among users, asked again when a place
//! was freed. Pure bookkeeping by ticket.
//!
//! Each change that may free a place starts a round: the first request of each user before any user's second, users who
//! were served while they waited after those who were not. A round asks a few requests at once and continues where the
//! round stopped, so that requests that fit the freed place are found behind others that do not, and a full cluster is
//! not asked about all the time.
//!
//! The queue is shared: the number of requests of a user is limited, and where the queue is full, the user with the
//! most requests loses the newest to a user with fewer.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use crate::model::Failure;
use crate::worker::Ticket;

use super::shares::Shares;

/// The most waiting requests of a chain that are asked again at once.
const ASKED_AT_ONCE: usize = 32;
/// The number of requests that found nothing after which a round pauses until the next change.
const FRUITLESS: usize = 64;
/// The waiting requests of a chain.
#[derive(Debug, Default)]
pub(super) struct WaitQueue {
    /// The waiting requests by place, which is the order of arrival.
    waiters: BTreeMap<u64, WaitingRequest>,
    /// The shares of the users.
    shares: Shares,
    /// The number of requests of each user that found a node while others of the user waited.
    served: BTreeMap<Arc<str>, usize>,
    /// The places that the present round still asks.
    round: VecDeque<u64>,
    /// The requests that are being asked again, by ticket.
    asked: BTreeMap<Ticket, WaitingRequest>,
    /// The number of requests that found nothing since the last change.
    fruitless: usize,
    /// Whether there was a change that requests of this round may not have seen: another round follows.
    missed: bool,
}

/// The reason why a request may not wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WaitRefused {
    /// The queue is full, and no user has more requests in the queue than the user of this request would have.
    Full,
    /// The user has this many requests in the queue, which is the limit for a user.
    OfOneUser(usize),
    /// The queue is full, and no user has more requests in the queue than the same user, who has this many.
    MostOfAll(usize),
}

/// A waiting request.
#[derive(Clone, Debug)]
pub(super) struct WaitingRequest {
    /// The ticket of the request, another each time that the request is asked again.
    pub(super) ticket: Ticket,
    /// The place in the queue, the same for as long as the request waits.
    pub(super) place: u64,
    /// The user, as names are compared.
    pub(super) user: Arc<str>,
    /// The time until which the request may wait.
    pub(super) until: Instant,
    /// The failure that the requester is sent where the request waits in vain.
    pub(super) failure: Arc<Failure>,
}

impl WaitQueue {
    /// The number of requests that wait, those that are being asked again included.
    pub(super) fn len(&self) -> usize {
        self.waiters.len() + self.asked.len()
    }

    /// The requests that wait and are not being asked again, in the order of their arrival.
    pub(super) fn waiters(&self) -> impl Iterator<Item = &WaitingRequest> {
        self.waiters.values()
    }

    /// Makes room for another request of `user` in a queue that holds `most`, and at most `per_user` of a user. Returns
    /// the request that makes way, if any.
    ///
    /// # Errors
    /// The reason why the request may not wait.
    pub(super) fn admit(
        &mut self,
        user: &str,
        most: usize,
        per_user: usize,
    ) -> Result<Option<WaitingRequest>, WaitRefused> {
        let own = self.shares.count(user);
        // Requests without a login may be of different users.
        if own >= per_user && !user.is_empty() {
            return Err(WaitRefused::OfOneUser(own));
        }
        if self.len() < most {
            return Ok(None);
        }
        match self.shares.largest() {
            Some((largest, newest)) if largest > own + 1 => Ok(self.take(newest)),
            Some((largest, _)) if largest == own => Err(WaitRefused::MostOfAll(own)),
            _ => Err(WaitRefused::Full),
        }
    }

    /// Adds `waiting` to the queue.
    pub(super) fn enter(&mut self, waiting: WaitingRequest) {
        self.shares.insert(&waiting.user, waiting.place);
        self.waiters.insert(waiting.place, waiting);
    }

    /// Adds `waiting` to the queue and to the present round: a place was freed that the request did not see.
    pub(super) fn enter_round(&mut self, waiting: WaitingRequest) {
        self.round.push_back(waiting.place);
        self.enter(waiting);
    }

    /// Removes and returns the request at `place`.
    fn take(&mut self, place: u64) -> Option<WaitingRequest> {
        let waiting = self.waiters.remove(&place)?;
        self.shares.remove(&waiting.user, place);
        Some(waiting)
    }

    /// Removes and returns the request `ticket`, where the request waits and is not being asked again.
    pub(super) fn leave(&mut self, ticket: Ticket) -> Option<WaitingRequest> {
        let (place, _) = self.waiters.iter().find(|(_, waiting)| waiting.ticket == ticket)?;
        self.take(*place)
    }

    /// Removes and returns the requests that are `late`.
    pub(super) fn take_late(&mut self, late: impl Fn(&WaitingRequest) -> bool) -> Vec<WaitingRequest> {
        let places: Vec<_> =
            self.waiters.iter().filter(|(_, waiting)| late(waiting)).map(|(place, _)| *place).collect();
        places.into_iter().filter_map(|place| self.take(place)).collect()
    }

    /// Continues the round, or begins another.
    pub(super) fn freed(&mut self) {
        self.fruitless = 0;
        self.missed = !self.round.is_empty() || !self.asked.is_empty();
        if self.round.is_empty() {
            self.begin();
        }
    }

    fn begin(&mut self) {
        let here: BTreeSet<_> = self.waiters.values().chain(self.asked.values()).map(|waiting| &waiting.user).collect();
        self.served.retain(|user, _| here.contains(user));
        let mut of_user = BTreeMap::<&str, usize>::new();
        let mut order: Vec<_> = self
            .waiters
            .iter()
            .map(|(place, waiting)| {
                let user = &*waiting.user;
                let before = of_user.entry(user).or_default();
                *before += 1;
                (*before + self.served.get(user).copied().unwrap_or_default(), *place)
            })
            .collect();
        order.sort_unstable();
        self.round = order.into_iter().map(|(_, place)| place).collect();
    }

    /// Removes and returns the request that is to be asked now; the request counts as waiting again after
    /// [`WaitQueue::ask`].
    pub(super) fn next(&mut self) -> Option<WaitingRequest> {
        if self.missed && self.round.is_empty() && self.asked.is_empty() {
            self.missed = false;
            self.begin();
        }
        while self.asked.len() < ASKED_AT_ONCE && self.fruitless + self.asked.len() < FRUITLESS {
            let place = self.round.pop_front()?;
            if let Some(waiting) = self.take(place) {
                return Some(waiting);
            }
        }
        None
    }

    /// Notes that the request of `waiting` is asked again, under the ticket of `waiting`.
    pub(super) fn ask(&mut self, waiting: WaitingRequest) {
        self.asked.insert(waiting.ticket, waiting);
    }

    /// Replaces the ticket `before` of a request that is being asked again by `after`.
    pub(super) fn renumber(&mut self, before: Ticket, after: Ticket) {
        if let Some(waiting) = self.asked.remove(&before) {
            self.ask(WaitingRequest { ticket: after, ..waiting });
        }
    }

    /// Notes that the request `ticket` found nothing when asked again; returns the request's entry.
    pub(super) fn found_nothing(&mut self, ticket: Ticket) -> Option<WaitingRequest> {
        let waiting = self.asked.remove(&ticket)?;
        self.fruitless += 1;
        Some(waiting)
    }

    /// Removes the request `ticket`, which was asked again and has been answered for good.
    pub(super) fn answered(&mut self, ticket: Ticket, placed: bool) {
        let Some(WaitingRequest { user, .. }) = self.asked.remove(&ticket) else { return };
        let mut others = self.waiters.values().chain(self.asked.values());
        if others.all(|other| other.user != user) {
            self.served.remove(&user);
        } else if placed {
            *self.served.entry(user).or_default() += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::FailureName;

    const MOST: usize = 6;
    const PER_USER: usize = 5;

    fn waiting(user: &str, place: u64) -> WaitingRequest {
        let failure = Arc::new(Failure::new(FailureName::NoNode, "none"));
        WaitingRequest { ticket: place, place, user: user.into(), until: Instant::now(), failure }
    }

    fn of(users: &str) -> WaitQueue {
        let mut queue = WaitQueue::default();
        assert!(come(&mut queue, users).is_empty());
        queue
    }

    /// Asks the request whose turn has come, and returns the ticket.
    fn ask_next(queue: &mut WaitQueue) -> Option<Ticket> {
        let waiting = queue.next()?;
        let ticket = waiting.ticket;
        queue.ask(waiting);
        Some(ticket)
    }

    /// Admits a request of each of `users`, in turn; returns which request made way, or why the user may not wait.
    fn come(queue: &mut WaitQueue, users: &str) -> Vec<String> {
        let mut came = Vec::new();
        for user in users.split_whitespace() {
            let place = 1 + queue.waiters.keys().last().copied().unwrap_or_default();
            match queue.admit(user, MOST, PER_USER) {
                Ok(displaced) => {
                    came.extend(displaced.map(|waiting| format!("{}{}", waiting.user, waiting.place)));
                    queue.enter(waiting(user, place));
                }
                Err(crowded) => came.push(format!("{crowded:?}")),
            }
        }
        came
    }

    #[test]
    fn the_newest_of_the_user_with_the_most_makes_way_until_all_have_as_many() {
        let mut queue = WaitQueue::default();
        assert_eq!(come(&mut queue, "greedy greedy greedy greedy greedy greedy"), ["OfOneUser(5)"]);
        assert_eq!(come(&mut queue, "ann bob"), ["greedy5"]);
        assert_eq!(come(&mut queue, "greedy"), ["MostOfAll(4)"]);
        assert_eq!(come(&mut queue, "cy ann"), ["greedy4", "greedy3"]);
        assert_eq!(come(&mut queue, "dan"), ["greedy2"]);
        assert_eq!(come(&mut queue, "bob"), ["Full"], "to have two is no more than to have two");
        assert_eq!(come(&mut queue, "ann"), ["MostOfAll(2)"]);
        assert_eq!((queue.len(), queue.shares.count("greedy"), queue.shares.count("ann")), (MOST, 1, 2));
    }

    #[test]
    fn whoever_says_no_login_is_bounded_by_the_queue_alone_and_makes_way_too() {
        let mut queue = WaitQueue::default();
        (1..=MOST as u64).for_each(|place| {
            assert!(matches!(queue.admit("", MOST, PER_USER), Ok(None)));
            queue.enter(waiting("", place));
        });
        assert_eq!(come(&mut queue, "ann"), ["6"]);
        assert!(matches!(WaitQueue::default().admit("ann", 0, PER_USER), Err(WaitRefused::Full)));
    }

    #[test]
    fn who_leaves_the_queue_leaves_its_share() {
        let mut queue = of("ann ann bob");
        queue.begin();
        let asked = queue.next().unwrap();
        assert_eq!((&*asked.user, queue.shares.count("ann")), ("ann", 1));
        queue.enter(asked);
        assert_eq!(queue.take_late(|waiting| &*waiting.user == "ann").len(), 2);
        assert_eq!((queue.len(), queue.shares.count("ann"), queue.shares.largest()), (1, 0, Some((1, 3))));
        assert!(queue.leave(9).is_none() && queue.leave(3).is_some() && queue.leave(3).is_none());
        assert_eq!((queue.len(), queue.shares.largest()), (0, None));
    }

    #[test]
    fn a_round_asks_each_users_first_before_anybodys_second_and_the_served_last() {
        let mut queue = of("ann ann bob cy");
        queue.freed();
        assert_eq!(std::iter::from_fn(|| ask_next(&mut queue)).collect::<Vec<_>>(), [1, 3, 4, 2]);
        queue.answered(1, true);
        for ticket in [2, 3, 4] {
            let waiting = queue.found_nothing(ticket).unwrap();
            queue.enter(waiting);
        }
        queue.freed();
        assert_eq!(std::iter::from_fn(|| ask_next(&mut queue)).collect::<Vec<_>>(), [3, 4, 2], "ann was served");
    }

    #[test]
    fn a_change_that_some_did_not_see_leads_to_another_round() {
        let mut queue = of("ann bob");
        queue.freed();
        assert_eq!((ask_next(&mut queue), ask_next(&mut queue), ask_next(&mut queue)), (Some(1), Some(2), None));
        queue.freed();
        for ticket in [1, 2] {
            assert_eq!(ask_next(&mut queue), None, "not before the first round is over");
            let waiting = queue.found_nothing(ticket).unwrap();
            queue.enter(waiting);
        }
        assert_eq!((ask_next(&mut queue), ask_next(&mut queue)), (Some(1), Some(2)));
        queue.enter_round(waiting("cy", 3));
        assert_eq!(ask_next(&mut queue), Some(3), "who came between its question and its place");
    }

    #[test]
    fn a_round_that_finds_nothing_pauses_until_the_next_change() {
        let mut queue = WaitQueue::default();
        (1..=FRUITLESS as u64 + 9).for_each(|place| queue.enter(waiting(&format!("u{place}"), place)));
        queue.freed();
        let mut asked = 0;
        while let Some(ticket) = ask_next(&mut queue) {
            asked += 1;
            let waiting = queue.found_nothing(ticket).unwrap();
            queue.enter(waiting);
        }
        assert_eq!(asked, FRUITLESS);
        queue.freed();
        assert_eq!(ask_next(&mut queue), Some(FRUITLESS as u64 + 1), "the round goes on where it stopped");
    }

    #[test]
    fn who_is_asked_again_under_another_ticket_keeps_its_place() {
        let mut queue = of("ann");
        queue.freed();
        assert_eq!(ask_next(&mut queue), Some(1));
        queue.renumber(1, 8);
        assert!(queue.found_nothing(1).is_none());
        assert_eq!(queue.found_nothing(8).map(|waiting| (waiting.ticket, waiting.place)), Some((8, 1)));
        queue.renumber(8, 9);
        assert_eq!(queue.len(), 0);
    }
}
