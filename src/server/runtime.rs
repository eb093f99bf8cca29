//! The task that drives the service: passes events in batches, and carries out the effects.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::front::{Front, FrontEvent, LONGEST_TICK, Tick};
use crate::pulse::Pulse;
use crate::system_clock::now;

use super::executor::Executor;
use super::inbox::Inbox;
use super::standstill::Standstill;

/// The time between two ticks, which drive expiries, silence and metrics.
const TICK: Duration = Duration::from_millis(100);
/// The most events that are handled before commands are sent: events that come in a batch leave in a batch.
const BATCH: usize = 512;

/// Runs the service until told to stop and all requests are answered; `pulse` is given the task's signs of life.
pub async fn run(front: Front, mut inbox: Inbox, executor: Executor, pulse: Arc<Pulse>) {
    let (standstill, beaten) = (Standstill::default(), Instant::now());
    let mut driver = Driver { front, executor, standstill, pulse, beaten };
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut ticked = Instant::now();
    let (mut requests, mut changes, mut gossip) = (Vec::new(), Vec::new(), Vec::new());
    let (mut worker_events, mut runner_events) = (Vec::new(), Vec::new());
    driver.settle(true);
    while !driver.front.is_done() || !inbox.requests.is_empty() {
        // Answers come first: they make room. Then the cluster, so that questions see the latest state.
        let mut time = false;
        tokio::select! {
            biased;
            Some(event) = inbox.events.recv() => driver.send_event(event),
            1.. = inbox.worker_events.recv_many(&mut worker_events, BATCH) => {
                worker_events.drain(..).for_each(|(number, event)| driver.send_event(FrontEvent::Worker(number, event)));
            }
            1.. = inbox.runner.recv_many(&mut runner_events, BATCH) => {
                runner_events.drain(..).for_each(|(number, event)| driver.send_event(FrontEvent::Runner(number, event)));
            }
            1.. = inbox.registry.recv_many(&mut changes, BATCH) => {
                changes.drain(..).for_each(|event| driver.send_event(FrontEvent::Registry(event)));
            }
            1.. = inbox.peers.recv_many(&mut gossip, BATCH) => {
                gossip.drain(..).for_each(|text| driver.send_event(FrontEvent::Gossip(text)));
            }
            1.. = inbox.requests.recv_many(&mut requests, BATCH) => {
                requests.drain(..).for_each(|incoming| driver.send_event(FrontEvent::Request(incoming)));
            }
            // Work that is done bit by bit lets other tasks go first.
            () = tokio::task::yield_now(), if driver.front.has_work() => {}
            _ = tick.tick() => time = true,
        }
        // Under any load, time goes on.
        time |= ticked.elapsed() > LONGEST_TICK;
        if time {
            let at = Instant::now();
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

/// The service with the parts that drive it.
struct Driver {
    front: Front,
    executor: Executor,
    standstill: Standstill,
    pulse: Arc<Pulse>,
    /// The time of the last sign of life.
    beaten: Instant,
}

impl Driver {
    /// Passes `event` to the front, and carries out the effects at once: a decision from before a standstill must not
    /// be carried out after the standstill.
    fn send_event(&mut self, event: FrontEvent) {
        self.handle_event(event);
        self.carry_out();
    }

    fn handle_event(&mut self, event: FrontEvent) {
        let now = now();
        // Between the events of a batch, too: many events that each take a while are no standstill.
        if now.instant.duration_since(self.beaten) >= TICK {
            self.pulse.beat();
            self.beaten = now.instant;
        }
        if let Some(gap) = self.standstill.notice(now.instant) {
            self.front.handle(now, FrontEvent::StoodStill(gap));
        }
        if matches!(event, FrontEvent::Tick(_)) {
            // Before the tick is handled: the time for that is no standstill.
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
                // The effects of that event are carried out with the next event.
                self.handle_event(event);
            }
        }
    }
}
