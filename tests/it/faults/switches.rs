//! Every fault that can be switched on and off, one after another and many at once, while launchers ask two replicas.

use serde_json::json;

use super::site::{Agent, Load, until_lost};
use crate::support::eventually;
use crate::support::fault::{Fault, On, Readiness, Victims};
use crate::support::serve::Serve;

/// Each decision logs a line of a thousand bytes.
const CHAINS: &str = "[chain.\"session/start\"]\nsteps = [\"talk.js\", \"builtin:fewest-sessions\"]\n";
const TALK: (&str, &str) = ("talk.js", "i => { console.log('x'.repeat(1000)) }");
const LAUNCHERS: usize = 8;

/// Two replicas with three agents, and launchers that ask.
struct Site {
    victims: Victims,
    _agents: Vec<Agent>,
    load: Load,
}

impl Site {
    async fn start() -> Self {
        let victims = Victims::start(CHAINS, &[TALK]).await;
        let agents = ["a", "b", "c"].map(|id| Agent::start(&victims.nats.url(), id)).into();
        for replica in [&victims.one, &victims.other] {
            until_counts(replica, &json!({"ready": 3})).await;
        }
        let load = Load::start(&victims.client, LAUNCHERS);
        load.goes_on().await;
        Self { victims, _agents: agents, load }
    }

    /// Checks what is said and done while `fault` is `on`.
    async fn goes_on_under(&self, fault: Fault, on: &On) {
        let Victims { one, other, .. } = &self.victims;
        match fault.readiness() {
            Readiness::Ready => assert_eq!(one.readyz().0, 200, "{fault:?}"),
            Readiness::Lost => return until_lost(one).await,
            // Whoever asks would wait.
            Readiness::Silent => assert_eq!(other.readyz().0, 200, "{fault:?}"),
        }
        match fault {
            Fault::SkewedClock => until_counts(one, &json!({"cooling-down": 1, "ready": 2})).await,
            Fault::ClosedPipe => until_lines_are_lost(one).await,
            Fault::FullDisk if self.victims.has_a_disk() => until_lines_are_lost(other).await,
            // A worker that gets no memory, or does not run, is replaced.
            Fault::NoMemory => until_gone(other, on).await,
            Fault::PausedWorker => until_gone(one, on).await,
            _ => {}
        }
        self.load.goes_on().await;
    }

    /// Waits until everything is as it was before any fault.
    async fn is_as_before(&mut self) {
        for replica in [&mut self.victims.one, &mut self.victims.other] {
            replica.ready().await;
            until_counts(replica, &json!({"ready": 3})).await;
            eventually("nothing is noted", async || has_no_fault_noted(replica).then_some(())).await;
        }
        self.load.goes_on().await;
    }
}

/// Whether the notes of `replica` are about nothing but the server's pings, which are the default ones here.
fn has_no_fault_noted(replica: &Serve) -> bool {
    let health = replica.health();
    let mut notes = health["notes"].as_array().into_iter().flatten();
    notes.all(|note| note.as_str().is_some_and(|note| note.starts_with("frozen: ")))
}

/// Waits until `replica` counts its nodes so, by their states.
async fn until_counts(replica: &Serve, counts: &serde_json::Value) {
    eventually(&counts.to_string(), async || (replica.health()["nodes"] == *counts).then_some(())).await;
}

async fn until_lines_are_lost(replica: &Serve) {
    let lost = || replica.figure("whither_lost_log_lines").unwrap_or_default();
    let before = lost();
    eventually("log lines are lost", async || (lost() > before).then_some(())).await;
}

/// Waits until `replica` has no more to do with the process that a fault befell.
async fn until_gone(replica: &Serve, on: &On) {
    eventually("another worker", async || {
        on.befalls.is_none_or(|worker| !replica.children().contains(&worker)).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_fault_can_come_and_go_and_costs_no_honest_request() {
    let mut site = Site::start().await;
    for fault in Fault::ALL {
        let on = fault.on(&site.victims).await;
        site.goes_on_under(fault, &on).await;
        on.off().await;
        site.is_as_before().await;
    }
    site.load.ends_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_may_come_together() {
    let mut site = Site::start().await;
    let together = [
        Fault::ClosedPipe,
        Fault::FullDisk,
        Fault::SlowReader,
        Fault::SkewedClock,
        Fault::NoMemory,
        Fault::PausedWorker,
        Fault::NoDescriptors,
        Fault::PausedService,
    ];
    let mut on = Vec::new();
    for fault in together {
        on.push(fault.on(&site.victims).await);
    }
    site.load.goes_on().await;
    while let Some(last) = on.pop() {
        last.off().await;
        site.load.goes_on().await;
    }
    site.is_as_before().await;
    site.load.ends_well().await;
}
