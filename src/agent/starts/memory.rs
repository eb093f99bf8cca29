//! The starts that an agent remembers: no reservation is started twice, and an answer that was lost is given again.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::nats::starts::StartAnswer;

/// The time for which an answer is remembered. The service forgets the request in the same time.
const REMEMBERED: Duration = Duration::from_secs(600);
/// The most answers that are remembered, and the most bytes of printed output in them.
const MOST: usize = 4096;
const MOST_BYTES: usize = 16 << 20;

/// The answer of a start that is under way, once the answer is there.
pub(super) type LaterAnswer = watch::Receiver<Option<StartAnswer>>;

/// A start, as far as the memory knows the start.
#[derive(Debug)]
pub(super) enum KnownStart {
    /// The reservation was not known; whoever asked makes the start, and then calls [`StartMemory::ended`].
    New,
    /// The start is under way.
    UnderWay(LaterAnswer),
    /// The start has ended with this answer.
    Ended(StartAnswer),
}

/// The starts by reservation.
#[derive(Debug, Default)]
pub(super) struct StartMemory {
    under_way: HashMap<String, watch::Sender<Option<StartAnswer>>>,
    ended: HashMap<String, StartAnswer>,
    /// The ended starts from the oldest on, with the time and the size of each.
    order: VecDeque<(Instant, String, usize)>,
    bytes: usize,
}

impl StartMemory {
    /// Returns what is known of `reservation`, which counts as under way from now on where the reservation is new.
    pub(super) fn open(&mut self, reservation: &str) -> KnownStart {
        self.forget_old();
        if let Some(answer) = self.ended.get(reservation) {
            return KnownStart::Ended(answer.clone());
        }
        if let Some(sender) = self.under_way.get(reservation) {
            return KnownStart::UnderWay(sender.subscribe());
        }
        self.under_way.insert(reservation.to_owned(), watch::channel(None).0);
        KnownStart::New
    }

    /// Ends the start of `reservation`, which was under way, with `answer`; everybody who waits gets the answer.
    pub(super) fn ended(&mut self, reservation: &str, answer: StartAnswer) {
        if let Some(sender) = self.under_way.remove(reservation) {
            sender.send_replace(Some(answer.clone()));
        }
        let size = serde_json::to_string(&answer).map_or(0, |text| text.len());
        self.bytes += size;
        self.order.push_back((Instant::now(), reservation.to_owned(), size));
        self.ended.insert(reservation.to_owned(), answer);
        self.forget_old();
    }

    fn forget_old(&mut self) {
        let is_old = |(at, _, _): &(Instant, String, usize)| at.elapsed() > REMEMBERED;
        while self.order.len() > MOST || self.bytes > MOST_BYTES || self.order.front().is_some_and(is_old) {
            let Some((_, reservation, size)) = self.order.pop_front() else { break };
            self.ended.remove(&reservation);
            self.bytes -= size;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(text: &str) -> StartAnswer {
        StartAnswer::Text { text: text.to_owned() }
    }

    fn known(memory: &mut StartMemory, reservation: &str) -> Option<StartAnswer> {
        match memory.open(reservation) {
            KnownStart::Ended(answer) => Some(answer),
            _ => None,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_reservation_is_new_once_and_its_answer_is_kept_for_a_while() {
        let mut memory = StartMemory::default();
        assert!(matches!(memory.open("r"), KnownStart::New));
        let KnownStart::UnderWay(mut later) = memory.open("r") else { panic!("it is under way") };
        memory.ended("r", answer("a"));
        assert_eq!(*later.wait_for(Option::is_some).await.unwrap(), Some(answer("a")));
        assert_eq!(known(&mut memory, "r"), Some(answer("a")));
        tokio::time::advance(REMEMBERED + Duration::from_secs(1)).await;
        assert!(matches!(memory.open("r"), KnownStart::New));
    }

    #[tokio::test]
    async fn the_oldest_are_forgotten_where_there_are_too_many_or_too_large_ones() {
        let mut memory = StartMemory::default();
        for number in 0..=MOST {
            memory.ended(&number.to_string(), answer("x"));
        }
        assert_eq!((known(&mut memory, "0"), known(&mut memory, "1")), (None, Some(answer("x"))));
        memory.ended("large", answer(&"x".repeat(MOST_BYTES - 100)));
        assert!(known(&mut memory, "large").is_some() && known(&mut memory, "1").is_none());
        memory.ended("too large", answer(&"x".repeat(MOST_BYTES)));
        assert!(known(&mut memory, "too large").is_none() && memory.ended.is_empty() && memory.bytes == 0);
    }
}
