//! What benches over a real service share: a closed loop of questions whose answers are checked, and its figures.
#![allow(dead_code, reason = "each bench uses its own part")]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use async_nats::{Client, HeaderMap, Message, Subject};
use bytes::Bytes;
use futures_util::StreamExt;
use serde_json::Value;

/// `long`, or `short` where `WHITHER_BENCH` says so, as in `make bench`: the same figures with more noise.
pub(crate) fn shortened<T>(long: T, short: T) -> T {
    let is_short = std::env::var_os("WHITHER_BENCH").is_some_and(|form| form == "short");
    if is_short { short } else { long }
}

/// A question, and what its answer must have in it.
pub(crate) struct Question {
    pub(crate) body: Bytes,
    pub(crate) right: String,
}

/// A closed loop: so many questions under way, a new one for each answer, taken from the list in turn.
pub(crate) struct Load<'a> {
    pub(crate) subject: &'static str,
    pub(crate) questions: &'a [Question],
    pub(crate) in_flight: usize,
    pub(crate) aside: Option<Aside<'a>>,
}

/// Questions for whose answers nobody waits, one after so many answers to the others.
#[derive(Clone, Copy)]
pub(crate) struct Aside<'a> {
    pub(crate) every: usize,
    pub(crate) questions: &'a [Question],
    /// Where so many of them have no answer yet, none is asked.
    pub(crate) open_at_most: usize,
    /// How long their askers would wait: past that they are not run.
    pub(crate) deadline: Duration,
}

/// What a loop came to.
#[derive(Default)]
pub(crate) struct Figures {
    pub(crate) answers: usize,
    pub(crate) rate: f64,
    pub(crate) p50_us: u128,
    pub(crate) p99_us: u128,
    /// CPU time of the service for one answer, where it was looked at.
    pub(crate) cpu_us: f64,
    /// Questions that were asked once more, because nobody answered: a replica that NATS had handed them to was dropped.
    pub(crate) again: usize,
    /// Answers that were not right, and the first of them.
    pub(crate) wrong: usize,
    pub(crate) first_wrong: Option<String>,
    /// How often the questions aside were answered with what.
    pub(crate) aside: BTreeMap<String, usize>,
}

impl std::fmt::Display for Figures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.0}/s p50 {} us p99 {} us", self.rate, self.p50_us, self.p99_us)?;
        match self.cpu_us > 0.0 {
            true => write!(f, " CPU {:.1} us each", self.cpu_us),
            false => Ok(()),
        }
    }
}

impl Load<'_> {
    /// Runs for `time`, and then until the last of its questions is answered.
    pub(crate) async fn run(&self, client: &Client, time: Duration) -> Figures {
        let inbox = client.new_inbox();
        let mut replies = client.subscribe(format!("{inbox}.*")).await.unwrap();
        let addresses: Vec<_> = (0..self.in_flight).map(|slot| Subject::from(format!("{inbox}.{slot}"))).collect();
        let beside = Subject::from(format!("{inbox}.{ASIDE}"));
        let mut asked: Vec<(Instant, usize)> = Vec::with_capacity(self.in_flight);
        for (slot, address) in addresses.iter().enumerate() {
            let turn = slot % self.questions.len();
            asked.push((Instant::now(), turn));
            client.publish_with_reply(self.subject, address.clone(), self.questions[turn].body.clone()).await.unwrap();
        }
        let (start, mut figures, mut latencies) = (Instant::now(), Figures::default(), Vec::new());
        let (mut next, mut open, mut aside_open, mut aside_next) = (self.in_flight, self.in_flight, 0, 0);
        let mut is_done = vec![false; self.in_flight];
        while open > 0 {
            let Ok(reply) = tokio::time::timeout(ASKED_AGAIN, replies.next()).await else {
                let unanswered = (0..self.in_flight).filter(|slot| !is_done[*slot]).map(|slot| asked[slot].1);
                figures.ask_again(client, self, unanswered).await;
                break;
            };
            let reply = reply.unwrap();
            let place = reply.subject.rsplit('.').next().unwrap_or_default();
            let Ok(slot) = place.parse::<usize>() else {
                aside_open -= 1;
                *figures.aside.entry(outcome(&reply)).or_default() += 1;
                continue;
            };
            let (since, turn) = asked[slot];
            latencies.push(since.elapsed().as_micros());
            figures.check(&reply, &self.questions[turn]);
            if start.elapsed() >= time {
                (open, is_done[slot]) = (open - 1, true);
                continue;
            }
            let turn = next % self.questions.len();
            asked[slot] = (Instant::now(), turn);
            next += 1;
            let body = self.questions[turn].body.clone();
            client.publish_with_reply(self.subject, addresses[slot].clone(), body).await.unwrap();
            if let Some(aside) = &self.aside
                && next.is_multiple_of(aside.every)
                && aside_open < aside.open_at_most
            {
                let body = aside.questions[aside_next % aside.questions.len()].body.clone();
                let headers = aside.headers();
                client.publish_with_reply_and_headers(self.subject, beside.clone(), headers, body).await.unwrap();
                (aside_open, aside_next) = (aside_open + 1, aside_next + 1);
            }
        }
        figures.answers = latencies.len();
        figures.rate = latencies.len() as f64 / start.elapsed().as_secs_f64();
        latencies.sort_unstable();
        (figures.p50_us, figures.p99_us) = (latencies[latencies.len() / 2], latencies[latencies.len() * 99 / 100]);
        figures
    }
}

/// A launcher asks again where it heard nothing for so long.
const ASKED_AGAIN: Duration = Duration::from_secs(15);
/// Where the answers to questions aside are sent.
const ASIDE: &str = "aside";

impl Aside<'_> {
    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert("Whither-Timeout", self.deadline.as_millis().to_string());
        headers
    }
}

impl Figures {
    /// Asks the questions of `load` at these turns once more, as a launcher does; a question that is not answered then is
    /// a wrong one.
    async fn ask_again(&mut self, client: &Client, load: &Load<'_>, turns: impl Iterator<Item = usize>) {
        for question in turns.map(|turn| &load.questions[turn]) {
            self.again += 1;
            let request = async_nats::Request::new().payload(question.body.clone()).timeout(Some(ASKED_AGAIN));
            match client.send_request(load.subject, request).await {
                Ok(reply) => self.check(&reply, question),
                Err(error) => {
                    self.wrong += 1;
                    self.first_wrong.get_or_insert_with(|| format!("a question was lost twice: {error}"));
                }
            }
        }
    }

    fn check(&mut self, reply: &Message, question: &Question) {
        let text = String::from_utf8_lossy(&reply.payload);
        if reply.headers.is_some() || !text.contains(&question.right) {
            self.wrong += 1;
            self.first_wrong
                .get_or_insert_with(|| format!("{} was told {:.400}", String::from_utf8_lossy(&question.body), text));
        }
    }
}

/// What a question aside came to, in words.
fn outcome(reply: &Message) -> String {
    let body: Value = serde_json::from_slice(&reply.payload).unwrap_or_default();
    let error = &body["error"];
    match (error["name"].as_str(), error["limit"].as_str()) {
        (Some(name), Some(limit)) => format!("{name} ({limit})"),
        (Some(name), None) => name.to_owned(),
        (None, _) => "an answer".to_owned(),
    }
}
