//! The launchers of a storm: they ask for a node, confirm the placement, and start the session on that node.
//!
//! All launchers share a connection and an inbox: the load generator runs on the same machine as the measured service.
//! No user's next step waits for another user's, so a placement is confirmed beside the next placements.

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

/// The time after which a request without an answer is lost; a lost request counts as a latency of this time. Longer
/// than the time of a chain that looks at ten thousand nodes for the requests of 512 launchers at the same time.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);
/// The most time of a run on top of the planned time, with every answer late; past that the bus itself is gone.
const SLACK: Duration = Duration::from_secs(150);
/// The interval at which requests without an answer and sessions that are over are looked for.
const PERIOD: Duration = Duration::from_millis(100);
/// The most requests under way in an open loop; past that, a due request is late, and counts from the moment when the
/// request was due.
const OPEN_AT_MOST: usize = 16_384;
/// The most answers that are taken together.
const BATCH: usize = 256;

/// The pace of the requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// So many under way: each answer is the next request.
    Closed(u32),
    /// So many requests a second, whatever becomes of the requests before.
    Open(u32),
}

/// The subjects of the launchers' requests.
#[derive(Clone, Debug)]
pub(super) struct Subjects {
    /// For a node.
    pub(super) place: Subject,
    /// To confirm that a session runs.
    pub(super) confirm: Subject,
    /// To give a reservation back.
    pub(super) release: Subject,
}

/// The fate of a placement.
#[derive(Clone, Debug)]
pub(super) enum After {
    /// The reservation is given back after so many later reservations, and never confirmed.
    GivenBack(usize),
    /// The placement is confirmed, and the session is in the next report of the session's node.
    Reported(Arc<Mutex<Nodes>>),
    /// The placement is confirmed, and given back when the session is over: `life` later, or when there are more than
    /// `most`.
    Ended {
        /// The time for which a session runs.
        life: Duration,
        /// The most sessions at a time.
        most: usize,
    },
    /// The placement is confirmed, and nothing comes after the confirmation.
    Confirmed,
}

/// The subjects, the users and the pace of the launchers.
#[derive(Debug)]
pub(super) struct Launchers<'a> {
    /// The connection.
    pub(super) client: &'a Client,
    /// The subjects of the requests.
    pub(super) subjects: Subjects,
    /// The users in whose names the requests are sent.
    pub(super) users: StormUsers,
    /// The pace of the requests.
    pub(super) pace: Pace,
    /// For how long.
    pub(super) time: Duration,
    /// The fate of placements.
    pub(super) after: After,
}

impl Launchers<'_> {
    /// Sends requests for the planned time, and waits for the last answers.
    ///
    /// # Errors
    /// A lost connection.
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

/// The requests and answers of a run.
struct LauncherTraffic<'a> {
    launchers: &'a Launchers<'a>,
    start: Instant,
    inbox: String,
    /// A subject without listeners: the service answers no request without a reply address.
    sink: Subject,
    places: RequestsInFlight,
    confirms: RequestsInFlight,
    /// The placements that are being confirmed, by the numbers of their confirmations.
    confirming: HashMap<u64, Confirming>,
    /// Reservations to be given back, the oldest first.
    held: VecDeque<(Instant, String)>,
    tally: LauncherTally,
}

/// A placement whose confirmation was sent and not answered yet.
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

    /// Takes an answer to the request `number` for a node; returns whether the request was still under way.
    async fn placed(&mut self, number: u64, message: &Message, now: Instant) -> Result<bool, CommandExit> {
        let since = self.places.arrive(number);
        let failure = failure(message);
        if let Some(since) = since {
            self.tally.answered(since, now, self.start, failure.as_ref());
        }
        // Also where the request was given up already: the reservation is to be ended.
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
            // No report has the session yet, so the session's reservation must be there.
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

    /// Gives up requests without an answer for `PATIENCE`, and ends sessions that are over; returns the number of
    /// requests for a node that were lost.
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
