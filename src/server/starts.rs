//! Starts: each is carried out by a task of its own, step by step over the bus, and answered in the end.
//!
//! Every step is a message that any replica may answer, so a task has no state that anybody would miss: where the
//! replica dies in the middle, the reservation ends by itself, and the same request, asked again, is answered with the
//! same reservation by another replica and with the same start by the agent.

mod body;
mod bus;
mod run;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Namespace;
use crate::front::StartRequest;
use crate::front::metrics::Metrics;
use crate::model::{Failure, FailureName};
use crate::nats::Bus;
use crate::nats::call::Caller;
use crate::nats::message::Outgoing;
use crate::trace::TimedSpan;

use bus::CallingBus;
use run::StartRun;

/// The most starts that are under way at once; more are refused.
const STARTS_AT_ONCE: usize = 1024;
/// How long a service that stops waits for the starts that are under way.
const LAST_STARTS: Duration = Duration::from_secs(10);

/// The starts of a service. Must be used within a tokio runtime.
#[derive(Clone, Debug)]
pub(super) struct StartTasks {
    caller: Caller,
    namespace: Namespace,
    replies: mpsc::Sender<Outgoing>,
    metrics: Arc<Metrics>,
    turns: Arc<Semaphore>,
    under_way: TaskTracker,
    stop: CancellationToken,
}

impl StartTasks {
    /// Creates the starts of a service on `bus`, which answer over `replies`.
    pub(super) fn new(bus: &Bus, namespace: Namespace, replies: mpsc::Sender<Outgoing>, metrics: Arc<Metrics>) -> Self {
        Self {
            caller: Caller::new(bus),
            namespace,
            replies,
            metrics,
            turns: Arc::new(Semaphore::new(STARTS_AT_ONCE)),
            under_way: TaskTracker::new(),
            stop: CancellationToken::new(),
        }
    }

    /// Begins a start, which answers the request when the start has ended.
    pub(super) fn begin(&self, start: StartRequest) {
        let turn = Arc::clone(&self.turns).try_acquire_owned();
        let (Ok(turn), false) = (turn, self.under_way.is_closed()) else {
            let message = match self.under_way.is_closed() {
                true => "the service is stopping: ask again with the same `id`".to_owned(),
                false => format!("{STARTS_AT_ONCE} starts are under way already"),
            };
            return self.refuse(&start, message);
        };
        let starts = self.clone();
        self.under_way.spawn(async move {
            let progress = start.progress.clone().filter(|subject| starts.namespace.may_answer_to(subject));
            let trace = start.incoming.trace.clone();
            let bus = CallingBus::new(starts.caller.clone(), starts.namespace.clone(), progress, trace);
            match starts.stop.run_until_cancelled(StartRun::new(&bus, &start).run()).await {
                Some(end) => {
                    end.log(&start.login);
                    starts.reply(end.outcome, traced(end.outgoing(&start.incoming), bus.into_spans()));
                }
                None => {
                    starts.refuse(&start, "the service stopped in the middle: ask again with the same `id`".to_owned())
                }
            }
            drop(turn);
        });
    }

    /// Takes no more starts, and waits for those that are under way, for a bounded time.
    pub(super) async fn end(&self) {
        self.under_way.close();
        if !self.under_way.is_empty() {
            tracing::info!(starts = self.under_way.len(), "stopping: the starts that are under way end first");
        }
        if timeout(LAST_STARTS, self.under_way.wait()).await.is_err() {
            tracing::warn!(starts = self.under_way.len(), "starts are still under way: their requesters ask again");
        }
        self.stop.cancel();
        self.under_way.wait().await;
    }

    fn refuse(&self, start: &StartRequest, message: String) {
        let failure = Failure::new(FailureName::Overloaded, message);
        self.reply(failure.name.as_str(), Outgoing::failed(&start.incoming, &failure));
    }

    fn reply(&self, outcome: &'static str, outgoing: Outgoing) {
        self.metrics.start_ended(outcome);
        if self.replies.try_send(outgoing).is_err() {
            self.metrics.lost_replies.inc();
        }
    }
}

/// Returns `outgoing` with `spans` in its record, where the request is recorded.
fn traced(mut outgoing: Outgoing, spans: Vec<TimedSpan>) -> Outgoing {
    if let Some(record) = &mut outgoing.trace {
        record.concluded = Some(Instant::now());
        record.spans = spans;
    }
    outgoing
}
