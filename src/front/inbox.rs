//! The front's inbox: where its events come from, and the order in which it takes them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::nats::message::Incoming;
use crate::registry::RegistryEvent;
use crate::runner::RunnerEvent;
use crate::worker::WorkerEvent;

use super::events::{Event, Links};
use super::task::Front;

/// How often expiries, silence and figures are looked at.
const TICK: Duration = Duration::from_millis(100);
/// The longest time between two such looks, however much there is to hear.
pub(super) const LONGEST_TICK: Duration = Duration::from_millis(200);
/// Events that are handled before orders are sent: what comes in a batch goes out in a batch.
const BATCH: usize = 512;
/// Words of workers that may wait.
const WORDS_WAITING: usize = 1024;
/// Births, reloads and stops that may wait.
const EVENTS_WAITING: usize = 16;

/// Where the front's events come from.
pub struct Inbox {
    requests: mpsc::Receiver<Incoming>,
    registry: mpsc::Receiver<RegistryEvent>,
    events: mpsc::Receiver<Event>,
    words: mpsc::Receiver<(u64, WorkerEvent)>,
    runner: mpsc::Receiver<(u64, RunnerEvent)>,
    peers: mpsc::Receiver<Bytes>,
}

impl Inbox {
    /// An inbox for requests, changes of the cluster and what other replicas say, and its links.
    #[must_use]
    pub fn new(
        requests: mpsc::Receiver<Incoming>,
        registry: mpsc::Receiver<RegistryEvent>,
        peers: mpsc::Receiver<Bytes>,
    ) -> (Self, Links) {
        let (events_in, events) = mpsc::channel(EVENTS_WAITING);
        let (words_in, words) = mpsc::channel(WORDS_WAITING);
        let (runner_in, runner) = mpsc::channel(WORDS_WAITING);
        (
            Self { requests, registry, events, words, runner, peers },
            Links { events: events_in, words: words_in, runner: runner_in, births: Arc::default() },
        )
    }
}

/// Runs the front until it was told to stop and has answered what it owes.
pub async fn run(mut front: Front, mut inbox: Inbox) {
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut ticked = Instant::now();
    let (mut requests, mut changes, mut said) = (Vec::new(), Vec::new(), Vec::new());
    let (mut words, mut heard) = (Vec::new(), Vec::new());
    front.settle(true);
    while !front.is_done() || !inbox.requests.is_empty() {
        // Answers come first: they make room. Then the cluster, so that questions see it as it is.
        let mut time = false;
        tokio::select! {
            biased;
            Some(event) = inbox.events.recv() => front.event(event),
            1.. = inbox.words.recv_many(&mut words, BATCH) => {
                words.drain(..).for_each(|(number, event)| front.words(number, event));
            }
            1.. = inbox.runner.recv_many(&mut heard, BATCH) => {
                heard.drain(..).for_each(|(number, event)| front.runner_words(number, event));
            }
            1.. = inbox.registry.recv_many(&mut changes, BATCH) => changes.drain(..).for_each(|event| front.hear(event)),
            1.. = inbox.peers.recv_many(&mut said, BATCH) => said.drain(..).for_each(|text| front.hear_peer(&text)),
            1.. = inbox.requests.recv_many(&mut requests, BATCH) => requests.drain(..).for_each(|one| front.request(one)),
            _ = tick.tick() => time = true,
        }
        // However much there is to hear, time goes on.
        time |= ticked.elapsed() > LONGEST_TICK;
        if time {
            let now = Instant::now();
            front.tick(now.duration_since(ticked));
            front.go_on_with_time(inbox.registry.is_empty());
            ticked = now;
        }
        front.settle(time);
    }
    front.close();
    front.errands.retire().await;
}
