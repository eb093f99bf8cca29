//! The task that drives the service: hands it what happens, in batches, and carries out what it wants to be done.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::front::{Front, FrontEvent, LONGEST_TICK, Tick};
use crate::pulse::Pulse;
use crate::system_clock::now;

use super::executor::Executor;
use super::inbox::Inbox;
use super::standstill::Standstill;

/// How often expiries, silence and figures are looked at.
const TICK: Duration = Duration::from_millis(100);
/// Events that are handled before orders are sent: what comes in a batch goes out in a batch.
const BATCH: usize = 512;

/// Runs the service until it was told to stop and has answered what it owes; `pulse` tells that it lives.
pub async fn run(front: Front, mut inbox: Inbox, executor: Executor, pulse: Arc<Pulse>) {
    let mut driver = Driver { front, executor, standstill: Standstill::default() };
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut ticked = Instant::now();
    let (mut requests, mut changes, mut said) = (Vec::new(), Vec::new(), Vec::new());
    let (mut words, mut heard) = (Vec::new(), Vec::new());
    driver.settle(true);
    while !driver.front.is_done() || !inbox.requests.is_empty() {
        // Answers come first: they make room. Then the cluster, so that questions see it as it is.
        let mut time = false;
        tokio::select! {
            biased;
            Some(event) = inbox.events.recv() => driver.send_event(event),
            1.. = inbox.words.recv_many(&mut words, BATCH) => {
                words.drain(..).for_each(|(number, event)| driver.send_event(FrontEvent::Worker(number, event)));
            }
            1.. = inbox.runner.recv_many(&mut heard, BATCH) => {
                heard.drain(..).for_each(|(number, event)| driver.send_event(FrontEvent::Runner(number, event)));
            }
            1.. = inbox.registry.recv_many(&mut changes, BATCH) => {
                changes.drain(..).for_each(|event| driver.send_event(FrontEvent::Registry(event)));
            }
            1.. = inbox.peers.recv_many(&mut said, BATCH) => {
                said.drain(..).for_each(|text| driver.send_event(FrontEvent::Gossip(text)));
            }
            1.. = inbox.requests.recv_many(&mut requests, BATCH) => {
                requests.drain(..).for_each(|incoming| driver.send_event(FrontEvent::Request(incoming)));
            }
            _ = tick.tick() => time = true,
        }
        // However much there is to hear, time goes on.
        time |= ticked.elapsed() > LONGEST_TICK;
        if time {
            let at = Instant::now();
            pulse.beat();
            driver.send_event(FrontEvent::Tick(Tick {
                passed: at.duration_since(ticked),
                is_drained: inbox.registry.is_empty(),
            }));
            ticked = at;
        }
        driver.settle(time);
    }
    driver.front.close();
    driver.carry_out();
    driver.executor.wait_for_goodbyes().await;
}

/// The service with what it is driven by.
struct Driver {
    front: Front,
    executor: Executor,
    standstill: Standstill,
}

impl Driver {
    /// Hands `event` over, and does at once what it leads to: what was decided before a standstill must not be done after it.
    fn send_event(&mut self, event: FrontEvent) {
        self.handle_event(event);
        self.carry_out();
    }

    fn handle_event(&mut self, event: FrontEvent) {
        let now = now();
        if let Some(gap) = self.standstill.notice(now.instant) {
            self.front.handle(now, FrontEvent::StoodStill(gap));
        }
        if matches!(event, FrontEvent::Tick(_)) {
            // Before the tick is worked off: what that takes is no standstill.
            self.standstill.tick();
        }
        self.front.handle(now, event);
    }

    /// Ends a batch of events.
    fn settle(&mut self, time: bool) {
        self.front.settle(time);
        self.carry_out();
    }

    fn carry_out(&mut self) {
        for effect in self.front.take_effects() {
            if let Some(event) = self.executor.carry_out(effect) {
                // What comes of that is done with the next event.
                self.handle_event(event);
            }
        }
    }
}
