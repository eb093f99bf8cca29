//! The agent's answer to a ping: which run of which release lives on the node, and what it last reported.
//!
//! A ping goes to the agent and not to the service, so that an operator sees whether agent and service agree: an agent
//! that answers and whose report the service does not have is out of sync, which neither of them can tell alone.

use async_nats::Subscriber;
use futures_util::StreamExt;
use serde_json::json;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::config::Namespace;
use crate::nats::Bus;

use super::report::AgentRunFacts;

/// The last report of the node, as far as the agent knows.
#[derive(Clone, Debug, Default)]
pub(super) struct StoredReport {
    /// The revision under which the report was stored, and when.
    pub(super) stored: Option<(u64, Instant)>,
    /// The reason why later reports were not stored, where there is one.
    pub(super) failing: Option<String>,
}

/// Answers pings of the node `id` until the task is dropped.
pub(super) async fn serve(
    bus: Bus,
    namespace: Namespace,
    id: String,
    run: AgentRunFacts,
    last: watch::Receiver<StoredReport>,
) {
    let subject = namespace.of_node(&id, "ping");
    // An agent that may not listen is one that does not answer.
    let Ok(mut pings): Result<Subscriber, _> = bus.client().subscribe(subject).await else { return };
    while let Some(ping) = pings.next().await {
        let Some(reply) = ping.reply.filter(|reply| namespace.may_answer_to(reply)) else { continue };
        let StoredReport { stored, failing } = last.borrow().clone();
        let stored =
            stored.map(|(revision, at)| json!({"revision": revision, "age_ms": at.elapsed().as_millis() as u64}));
        let answer = json!({
            "node": id, "version": env!("CARGO_PKG_VERSION"), "run": run.name, "started_ms": run.started_ms,
            "interval_ms": run.interval.as_millis() as u64, "reported": stored, "failing": failing,
        });
        // Whoever gets no answer asks again.
        drop(bus.client().publish(reply, answer.to_string().into()).await);
    }
}
