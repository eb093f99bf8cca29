//! The launchers of a storm: they ask where, confirm what they were answered, and start the session there.
//!
//! One connection and one inbox for all of them: what drives the load shares its machine with what is measured. No
//! user's next step waits for another user's, so a placement is confirmed beside the next placements.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_nats::{Client, Message, Subject, Subscriber};
use futures_util::StreamExt;

use crate::cli::bench::in_flight::RequestsInFlight;
use crate::cli::bench::schedule::Schedule;
use crate::cli::exit::{self, CommandExit};

use super::answer::{Reserved, StormPlaced, failure};
use super::nodes::Nodes;
use super::tally::LauncherTally;
use super::users::{self, StormUsers};

/// A request without an answer for so long is lost, and counts as one that took so long. Longer than a chain that looks
/// at ten thousand nodes takes for what 512 launchers ask at one time.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);
/// What a run may take on top of its time, every answer late; past that the bus itself is gone.
const SLACK: Duration = Duration::from_secs(150);
/// How often requests without an answer and sessions that are over are looked for.
const PERIOD: Duration = Duration::from_millis(100);
/// Requests under way in an open loop, at most; past that, what is due is late, and counts from the moment it was due.
const OPEN_AT_MOST: usize = 16_384;
/// Answers that are taken in one go.
const BATCH: usize = 256;

/// How requests follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// So many under way: each answer is the next request.
    Closed(u32),
    /// So many a second, whatever becomes of them.
    Open(u32),
}

/// Where launchers ask.
#[derive(Clone, Debug)]
pub(super) struct Subjects {
    /// For a node.
    pub(super) place: Subject,
    /// To confirm that a session runs.
    pub(super) confirm: Subject,
    /// To give a reservation back.
    pub(super) release: Subject,
}

/// What becomes of a placement.
#[derive(Clone, Debug)]
pub(super) enum After {
    /// The reservation is given back after so many others, and never confirmed.
    GivenBack(usize),
    /// It is confirmed, and its session is in the next report of its node.
    Reported(Arc<Mutex<Nodes>>),
    /// It is confirmed, and given back when its session is over: `life` later, or when there are more than `most`.
    Ended {
        /// How long a session runs.
        life: Duration,
        /// How many there are at most.
        most: usize,
    },
    /// It is confirmed, and nothing comes after it.
    Confirmed,
}

/// What is asked, where, and how much at a time.
#[derive(Debug)]
pub(super) struct Launchers<'a> {
    /// The connection.
    pub(super) client: &'a Client,
    /// Where.
    pub(super) subjects: Subjects,
    /// In whose name.
    pub(super) users: StormUsers,
    /// How requests follow each other.
    pub(super) pace: Pace,
    /// For how long.
    pub(super) time: Duration,
    /// What becomes of placements.
    pub(super) after: After,
}

impl Launchers<'_> {
    /// Asks for as long as it was told, and waits for the last answers.
    ///
    /// # Errors
    /// Where the connection is lost.
    pub(super) async fn run(&self) -> Result<LauncherTally, CommandExit> {
        let run = async {
            match self.pace {
                Pace::Closed(in_flight) => self.closed(in_flight).await,
                Pace::Open(rate) => self.open(rate).await,
            }
        };
        tokio::time::timeout(self.time + SLACK, run).await.map_err(|_late| gone())?
    }

    async fn closed(&self, in_flight: u32) -> Result<LauncherTally, CommandExit> {
        let (mut traffic, replies) = LauncherTraffic::begin(self).await?;
        let (mut replies, mut clock) = (replies.ready_chunks(BATCH), tokio::time::interval(PERIOD));
        for _ in 0..in_flight {
            traffic.place(Instant::now()).await?;
        }
        while !traffic.is_over() {
            let ended = tokio::select! {
                messages = replies.next() => traffic.receive(messages.ok_or_else(gone)?).await?,
                _ = clock.tick() => traffic.tick().await?,
            };
            if traffic.start.elapsed() < self.time {
                for _ in 0..ended {
                    traffic.place(Instant::now()).await?;
                }
            }
        }
        traffic.end().await
    }

    async fn open(&self, rate: u32) -> Result<LauncherTally, CommandExit> {
        let (mut traffic, replies) = LauncherTraffic::begin(self).await?;
        let (mut replies, mut clock) = (replies.ready_chunks(BATCH), tokio::time::interval(PERIOD));
        let schedule = Schedule::new(traffic.start, rate, self.time);
        let mut due = schedule.play(OPEN_AT_MOST)?;
        let mut all_sent = false;
        while !all_sent || !traffic.is_over() {
            tokio::select! {
                moment = due.recv(), if !all_sent && traffic.places.len() < OPEN_AT_MOST => match moment {
                    Some(moment) => traffic.place(moment).await?,
                    None => all_sent = true,
                },
                messages = replies.next() => drop(traffic.receive(messages.ok_or_else(gone)?).await?),
                _ = clock.tick() => {
                    traffic.tick().await?;
                    if traffic.start.elapsed() > self.time + PATIENCE && !all_sent {
                        all_sent = true;
                        let unsent = schedule.count().saturating_sub(traffic.places.departed());
                        traffic.tally.lose("not-sent", unsent, PATIENCE);
                    }
                }
            }
        }
        traffic.end().await
    }
}

/// Requests and answers of one run.
struct LauncherTraffic<'a> {
    launchers: &'a Launchers<'a>,
    start: Instant,
    inbox: String,
    /// Where nobody listens: the service answers nothing that has no address.
    sink: Subject,
    places: RequestsInFlight,
    confirms: RequestsInFlight,
    /// What is being confirmed, by the number of its confirmation.
    confirming: HashMap<u64, Confirming>,
    /// Reservations to be given back, the oldest first.
    held: VecDeque<(Instant, String)>,
    tally: LauncherTally,
}

/// A placement between its answer and its session.
struct Confirming {
    node: String,
    login: String,
    reservation: String,
}

impl<'a> LauncherTraffic<'a> {
    async fn begin(launchers: &'a Launchers<'a>) -> Result<(Self, Subscriber), CommandExit> {
        let inbox = launchers.client.new_inbox();
        let replies = launchers.client.subscribe(format!("{inbox}.*")).await.map_err(other)?;
        let traffic = Self {
            launchers,
            start: Instant::now(),
            inbox,
            sink: launchers.client.new_inbox().into(),
            places: RequestsInFlight::new(PATIENCE),
            confirms: RequestsInFlight::new(PATIENCE),
            confirming: HashMap::new(),
            held: VecDeque::new(),
            tally: LauncherTally::new()?,
        };
        Ok((traffic, replies))
    }

    fn is_over(&self) -> bool {
        self.places.is_empty() && self.confirms.is_empty()
    }

    async fn place(&mut self, since: Instant) -> Result<(), CommandExit> {
        let number = self.places.depart(since);
        let Launchers { client, subjects, users, .. } = self.launchers;
        let reply = format!("{}.p{number}", self.inbox);
        client.publish_with_reply(subjects.place.clone(), reply, users.request(number)).await.map_err(other)
    }

    /// Takes answers; returns how many of the requests for a node they ended.
    async fn receive(&mut self, messages: Vec<Message>) -> Result<u64, CommandExit> {
        let (mut ended, now) = (0, Instant::now());
        for message in messages {
            let name = message.subject.rsplit('.').next().unwrap_or_default();
            let number = |prefix| name.strip_prefix(prefix).and_then(|number| number.parse().ok());
            if let Some(number) = number('p') {
                ended += u64::from(self.placed(number, &message, now).await?);
            } else if let Some(number) = number('c') {
                self.confirmed(number, &message, now).await?;
            }
        }
        Ok(ended)
    }

    /// Takes an answer to the request `number` for a node; returns whether a launcher still waited for it.
    async fn placed(&mut self, number: u64, message: &Message, now: Instant) -> Result<bool, CommandExit> {
        let since = self.places.arrive(number);
        let failure = failure(message);
        if let Some(since) = since {
            self.tally.answered(since, now, self.start, failure.as_ref());
        }
        // Also where nobody waited for it any more: what is reserved is to be ended.
        if failure.is_none()
            && let Ok(placed) = serde_json::from_slice::<StormPlaced<'_>>(&message.payload)
            && let Some(reservation) = placed.reservation
        {
            match self.launchers.after {
                After::GivenBack(after) => {
                    self.held.push_back((now, reservation.into_owned()));
                    self.give_back(after, None).await?;
                }
                _ => {
                    let login = users::login(self.launchers.users.user(number));
                    let (node, reservation) = (placed.node.into_owned(), reservation.into_owned());
                    self.confirm(Confirming { node, login, reservation }, now).await?;
                }
            }
        }
        Ok(since.is_some())
    }

    async fn confirm(&mut self, confirming: Confirming, now: Instant) -> Result<(), CommandExit> {
        let number = self.confirms.depart(now);
        let Launchers { client, subjects, .. } = self.launchers;
        let (reply, body) = (format!("{}.c{number}", self.inbox), by_reservation(&confirming.reservation));
        self.confirming.insert(number, confirming);
        client.publish_with_reply(subjects.confirm.clone(), reply, body.into()).await.map_err(other)
    }

    async fn confirmed(&mut self, number: u64, message: &Message, now: Instant) -> Result<(), CommandExit> {
        let confirming = self.confirming.remove(&number);
        let (Some(_), Some(confirming)) = (self.confirms.arrive(number), confirming) else { return Ok(()) };
        if let Some(failure) = failure(message) {
            self.tally.fault(&format!("confirm: {}", failure.name), &failure.message);
        } else if serde_json::from_slice(&message.payload).is_ok_and(|Reserved { state }| state == "gone") {
            // Nothing has reported the session yet, so its reservation must be there.
            self.tally.fault("confirm: gone", "a reservation was over before it was confirmed");
        } else {
            self.tally.confirmed += 1;
        }
        match &self.launchers.after {
            After::Reported(nodes) => {
                let mut nodes = nodes.lock().unwrap_or_else(PoisonError::into_inner);
                nodes.start(&confirming.node, &confirming.login, &confirming.reservation, now);
            }
            After::Ended { life, most } => {
                let (life, most) = (*life, *most);
                self.held.push_back((now + life, confirming.reservation));
                self.give_back(most, None).await?;
            }
            After::GivenBack(_) | After::Confirmed => {}
        }
        Ok(())
    }

    /// Gives back the oldest reservations: those past the number `most`, and those that are over at `now`.
    async fn give_back(&mut self, most: usize, now: Option<Instant>) -> Result<(), CommandExit> {
        let Launchers { client, subjects, .. } = self.launchers;
        while let Some((ends, _)) = self.held.front()
            && (self.held.len() > most || now.is_some_and(|now| *ends <= now))
            && let Some((_, reservation)) = self.held.pop_front()
        {
            let body = by_reservation(&reservation).into();
            client.publish_with_reply(subjects.release.clone(), self.sink.clone(), body).await.map_err(other)?;
        }
        Ok(())
    }

    /// Gives up what has waited too long, and ends sessions that are over; returns how many requests for a node were
    /// lost.
    async fn tick(&mut self) -> Result<u64, CommandExit> {
        let now = Instant::now();
        let lost = self.places.give_up(now);
        self.tally.lose("no-answer", lost, PATIENCE);
        for _ in 0..self.confirms.give_up(now) {
            self.tally.fault("confirm: no-answer", "");
        }
        if let After::Ended { most, .. } = self.launchers.after {
            self.give_back(most, Some(now)).await?;
        }
        Ok(lost)
    }

    async fn end(self) -> Result<LauncherTally, CommandExit> {
        self.launchers.client.flush().await.map_err(other)?;
        Ok(self.tally)
    }
}

fn by_reservation(reservation: &str) -> String {
    format!("{{\"reservation\":\"{reservation}\"}}")
}

fn other(error: impl std::fmt::Display) -> CommandExit {
    CommandExit::new(exit::OTHER, error)
}

fn gone() -> CommandExit {
    other("the connection to NATS is gone")
}
