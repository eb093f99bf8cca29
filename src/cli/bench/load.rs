//! Load on a subject: a closed loop, in which each answer is followed by the next request, or an open loop by a
//! schedule.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use async_nats::{Client, Message, StatusCode, Subject, Subscriber};
use bytes::Bytes;
use futures_util::StreamExt;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::cli::exit::{self, CommandExit};
use crate::nats::subjects::HEADER_ERROR_CODE;

use super::in_flight::RequestsInFlight;
use super::latencies::Latencies;
use super::schedule::Schedule;

/// The time after which a request without an answer is lost; a lost request counts as a latency of this time.
const PATIENCE: Duration = Duration::from_secs(5);
/// The most time of a run on top of the planned time, with every answer late; past that the bus itself is gone.
const SLACK: Duration = Duration::from_secs(20);
/// The interval at which lost requests are looked for.
const PERIOD: Duration = Duration::from_millis(100);
/// The name under which requests count that got no answer, or that were due and could not be sent in time.
const LOST: &str = "no-answer";
const UNSENT: &str = "not-sent";
const NOBODY: &str = "no-responders";

/// The requests of a load, their subject, and how many are under way.
#[derive(Clone, Debug)]
pub(super) struct BenchLoad<'a> {
    /// The connection.
    pub(super) client: &'a Client,
    /// The subject of the requests.
    pub(super) subject: Subject,
    /// The bodies of the requests, sent in turn.
    pub(super) bodies: &'a [Bytes],
    /// The number of requests that may be under way.
    pub(super) in_flight: usize,
    /// The subject for giving reservations back, where answers have reservations.
    pub(super) release: Option<Subject>,
}

/// The result of a load.
#[derive(Clone, Debug)]
pub(super) struct LoadRun {
    /// The latencies from the request, or the moment at which the request was due, to the answer; lost requests
    /// included.
    pub(super) latencies: Latencies,
    /// The number of answers with a node.
    pub(super) placed: u64,
    /// From the first request to the last answer.
    pub(super) elapsed: Duration,
    /// The numbers of answers without a node and of requests without an answer, by name.
    pub(super) failures: BTreeMap<String, u64>,
}

impl BenchLoad<'_> {
    /// Runs a closed loop for `time`; with `rate`, an open loop of `rate` requests a second.
    ///
    /// # Errors
    /// A lost connection.
    pub(super) async fn run(&self, rate: Option<u32>, time: Duration) -> Result<LoadRun, CommandExit> {
        let run = async {
            match rate {
                Some(rate) => self.by_schedule(rate, time).await,
                None => self.closed(time).await,
            }
        };
        tokio::time::timeout(time + SLACK, run).await.map_err(|_late| gone())?
    }

    /// Keeps the number of requests under way constant for `time`, and waits for the last answers.
    async fn closed(&self, time: Duration) -> Result<LoadRun, CommandExit> {
        let (mut traffic, mut replies) = LoadTraffic::open(self).await?;
        let (start, mut clock) = (Instant::now(), tokio::time::interval(PERIOD));
        for _ in 0..self.in_flight {
            traffic.send(Instant::now()).await?;
        }
        while !traffic.under_way.is_empty() {
            let ended = tokio::select! {
                reply = replies.next() => u64::from(traffic.receive(reply.ok_or_else(gone)?).await?),
                _ = clock.tick() => traffic.give_up(),
            };
            if start.elapsed() < time {
                for _ in 0..ended {
                    traffic.send(Instant::now()).await?;
                }
            }
        }
        traffic.end(start).await
    }

    /// Sends `rate` requests a second for `time`, as far as the limit of requests under way allows, and waits for the
    /// last answers.
    async fn by_schedule(&self, rate: u32, time: Duration) -> Result<LoadRun, CommandExit> {
        let (mut traffic, mut replies) = LoadTraffic::open(self).await?;
        let (start, mut clock) = (Instant::now(), tokio::time::interval(PERIOD));
        let schedule = Schedule::new(start, rate, time);
        let mut due = schedule.play(self.in_flight)?;
        let mut is_over = false;
        while !is_over || !traffic.under_way.is_empty() {
            tokio::select! {
                moment = due.recv(), if !is_over && traffic.under_way.len() < self.in_flight => match moment {
                    Some(moment) => traffic.send(moment).await?,
                    None => is_over = true,
                },
                reply = replies.next() => drop(traffic.receive(reply.ok_or_else(gone)?).await?),
                _ = clock.tick() => {
                    traffic.give_up();
                    if start.elapsed() > time + PATIENCE && !is_over {
                        is_over = true;
                        let unsent = schedule.count().saturating_sub(traffic.under_way.departed());
                        traffic.run.lose(UNSENT, unsent);
                    }
                }
            }
        }
        traffic.end(start).await
    }
}

/// The requests and answers of a run.
struct LoadTraffic<'a> {
    load: &'a BenchLoad<'a>,
    inbox: String,
    /// A subject without listeners: the service answers no request without a reply address.
    sink: Subject,
    under_way: RequestsInFlight,
    run: LoadRun,
}

/// The fields of an answer that are read.
#[derive(Deserialize)]
struct LoadAnswer<'a> {
    #[serde(borrow, default)]
    reservation: Option<Cow<'a, str>>,
}

impl<'a> LoadTraffic<'a> {
    async fn open(load: &'a BenchLoad<'a>) -> Result<(Self, Subscriber), CommandExit> {
        let inbox = load.client.new_inbox();
        let replies = load.client.subscribe(format!("{inbox}.*")).await.map_err(other)?;
        let run =
            LoadRun { latencies: Latencies::new()?, placed: 0, elapsed: Duration::ZERO, failures: BTreeMap::new() };
        let sink = load.client.new_inbox().into();
        Ok((Self { load, inbox, sink, under_way: RequestsInFlight::new(PATIENCE), run }, replies))
    }

    async fn send(&mut self, since: Instant) -> Result<(), CommandExit> {
        let number = self.under_way.depart(since);
        let BenchLoad { client, subject, bodies, .. } = self.load;
        let body = bodies.get((number % bodies.len().max(1) as u64) as usize).cloned().unwrap_or_default();
        client.publish_with_reply(subject.clone(), format!("{}.{number}", self.inbox), body).await.map_err(other)
    }

    /// Takes an answer; returns whether the request was still under way.
    async fn receive(&mut self, reply: Message) -> Result<bool, CommandExit> {
        let now = Instant::now();
        let number = reply.subject.rsplit('.').next().and_then(|number| number.parse().ok());
        let since = number.and_then(|number| self.under_way.arrive(number));
        if let Some(since) = since {
            match failure(&reply) {
                // The server's message that nobody listens comes at once, and is no answer.
                Some(name) if name == NOBODY => self.run.lose(NOBODY, 1),
                name => self.run.count(now.saturating_duration_since(since), name),
            }
        }
        // Also where the request was given up already.
        if let Some(release) = &self.load.release
            && let Some(reservation) =
                serde_json::from_slice::<LoadAnswer<'_>>(&reply.payload).ok().and_then(|placed| placed.reservation)
        {
            let body = json!({"reservation": reservation}).to_string();
            let sent = self.load.client.publish_with_reply(release.clone(), self.sink.clone(), body.into()).await;
            sent.map_err(other)?;
        }
        Ok(since.is_some())
    }

    fn give_up(&mut self) -> u64 {
        let lost = self.under_way.give_up(Instant::now());
        self.run.lose(LOST, lost);
        lost
    }

    async fn end(mut self, start: Instant) -> Result<LoadRun, CommandExit> {
        self.run.elapsed = start.elapsed();
        self.load.client.flush().await.map_err(other)?;
        Ok(self.run)
    }
}

impl LoadRun {
    /// Placements a second.
    #[must_use]
    pub(super) fn per_second(&self) -> f64 {
        self.placed as f64 / self.elapsed.as_secs_f64().max(f64::MIN_POSITIVE)
    }

    fn count(&mut self, took: Duration, failure: Option<String>) {
        self.latencies.record(took);
        match failure {
            Some(name) => *self.failures.entry(name).or_default() += 1,
            None => self.placed += 1,
        }
    }

    fn lose(&mut self, name: &str, count: u64) {
        if count > 0 {
            *self.failures.entry(name.to_owned()).or_default() += count;
            // A request without an answer took that long at least; left out, the worst service would look best.
            (0..count).for_each(|_| self.latencies.record(PATIENCE));
        }
    }
}

/// Returns the reason why an answer has no node, or `None` where the answer has a node.
fn failure(reply: &Message) -> Option<String> {
    if reply.status == Some(StatusCode::NO_RESPONDERS) {
        return Some(NOBODY.to_owned());
    }
    reply.headers.as_ref()?.get(HEADER_ERROR_CODE)?;
    let body: Value = serde_json::from_slice(&reply.payload).unwrap_or_default();
    let name = body.pointer("/error/name").and_then(Value::as_str).unwrap_or("an error without a name");
    Some(name.to_owned())
}

fn other(error: impl std::fmt::Display) -> CommandExit {
    CommandExit::new(exit::OTHER, error)
}

fn gone() -> CommandExit {
    other("the connection to NATS is gone")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lost_is_counted_as_slow() {
        let mut run = LoadRun {
            latencies: Latencies::new().unwrap(),
            placed: 0,
            elapsed: Duration::from_secs(1),
            failures: BTreeMap::new(),
        };
        run.lose(LOST, 0);
        assert!(run.failures.is_empty());
        run.lose(LOST, 200);
        assert_eq!((run.latencies.count(), run.failures[LOST], run.placed), (200, 200, 0));
        assert!(run.latencies.p50_ns() > 4_900_000_000);
        run.count(Duration::from_millis(1), None);
        run.count(Duration::from_millis(1), Some("no-node".to_owned()));
        assert_eq!((run.latencies.count(), run.failures["no-node"], run.placed), (202, 1, 1));
    }
}
