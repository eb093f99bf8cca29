//! The desk: takes the service's requests for starts on this node, a bounded number at once, and answers each.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_nats::{Client, Message};
use futures_util::StreamExt;
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::config::Namespace;
use crate::model::json::{self, JsonLimits};
use crate::model::report::MAX_ID_BYTES;
use crate::nats::Bus;
use crate::nats::starts::{StartAnswer, StartFault, StartOrder};
use crate::trace::TraceContext;

use super::launch::{self, failed};
use super::memory::{KnownStart, StartMemory};
use super::{StartProgram, StartSettings, leftovers};

/// The largest request for a start, in bytes.
const MAX_ORDER: usize = 1 << 20;
/// The most requests for starts that are under way or wait.
const MAX_REQUESTS: usize = 256;
/// The longest time that the agent, when told to stop, takes to end the starts that are under way.
const ENDING: Duration = Duration::from_secs(5);
/// How far off a deadline may be, in milliseconds; past that, the deadline comes from a wrong clock.
const HORIZON_MS: i64 = 3_600_000;

/// The desk of a node.
#[derive(Debug)]
pub(in crate::agent) struct StartDesk {
    settings: StartSettings,
    node: String,
    memory: Mutex<StartMemory>,
    turns: Semaphore,
    /// Told after each start of a session.
    started: Arc<Notify>,
    stop: CancellationToken,
}

impl StartDesk {
    /// Creates the desk of `node`; `started` is told after each start of a session, and `stop` ends all starts.
    pub(in crate::agent) fn new(
        settings: StartSettings,
        node: &str,
        started: Arc<Notify>,
        stop: CancellationToken,
    ) -> Self {
        let turns = Semaphore::new(settings.at_once);
        Self { settings, node: node.to_owned(), memory: Mutex::default(), turns, started, stop }
    }

    /// Answers the requests for starts on this node until the stop, and then ends the starts that are under way. A
    /// request is not run where the answer would go to a bucket or to an endpoint: the requester may not write there,
    /// but the agent may.
    pub(in crate::agent) async fn run(self, bus: Bus, namespace: Namespace) {
        let subject = namespace.node_start(&self.node);
        self.log(&subject);
        let (desk, client) = (Arc::new(self), bus.client().clone());
        let mut requests = match client.subscribe(subject.clone()).await {
            Ok(requests) => requests,
            Err(error) => return warn!(%error, "this agent starts no sessions: it cannot listen on {subject}"),
        };
        let mut under_way = JoinSet::new();
        loop {
            tokio::select! {
                () = desk.stop.cancelled() => break,
                Some(_ended) = under_way.join_next() => {}
                request = requests.next() => {
                    let Some(request) = request else { break };
                    if request.reply.as_ref().is_some_and(|reply| !namespace.may_answer_to(reply)) {
                        warn!("a request for a start was not run: its answer would go to no inbox");
                        continue;
                    }
                    let is_full = under_way.len() >= MAX_REQUESTS;
                    under_way.spawn(Arc::clone(&desk).answer(client.clone(), request, is_full));
                }
            }
        }
        drop(requests.unsubscribe().await);
        let ended = timeout(ENDING, async { while under_way.join_next().await.is_some() {} }).await;
        if ended.is_err() {
            warn!(starts = under_way.len(), "starts were still under way");
        }
    }

    fn log(&self, subject: &str) {
        let StartSettings { program, runner, limit, at_once, .. } = &self.settings;
        let seconds = limit.as_secs_f64();
        info!("starts {program}, asked on `{subject}`: {seconds} s each, {at_once} at once");
        match runner {
            Some(runner) => info!("each start runs as the requesting user, by `{runner}`"),
            None => warn!(
                "there is no --start-runner: every start runs as the user of this agent, number {}, whoever asks",
                rustix::process::getuid().as_raw()
            ),
        }
    }

    async fn answer(self: Arc<Self>, client: Client, request: Message, is_full: bool) {
        let header = |name| request.headers.as_ref().and_then(|headers| headers.get(name));
        let trace = TraceContext::read(|name| header(name).map(|value| value.as_str()));
        let Some(reply) = request.reply else { return };
        let answer = match read(&request.payload) {
            Ok(_) if is_full => failed(StartFault::Busy, format!("{MAX_REQUESTS} starts wait on this node already")),
            Ok(order) => self.outcome(&order, trace.as_ref()).await,
            Err(message) => failed(StartFault::Unreadable, message),
        };
        // An answer is words and numbers, which can always be written.
        let text = serde_json::to_vec(&answer).unwrap_or_default();
        if let Err(error) = client.publish(reply, text.into()).await {
            warn!(%error, "the answer of a start could not be sent");
        }
        drop(client.flush().await);
    }

    /// Returns the answer for `order`: the answer that was given before, if any.
    async fn outcome(&self, order: &StartOrder, trace: Option<&TraceContext>) -> StartAnswer {
        let id = &order.reservation;
        let known = self.memory().open(id);
        match known {
            KnownStart::Ended(answer) => answer,
            KnownStart::UnderWay(mut later) => {
                let answer = timeout(Duration::from_millis(order.limit_ms), later.wait_for(Option::is_some)).await;
                let answer = answer.ok().and_then(Result::ok).and_then(|answer| (*answer).clone());
                answer.unwrap_or_else(|| failed(StartFault::Unknown, "the start is still under way"))
            }
            KnownStart::New => {
                let answer = self.start(order, trace).await;
                self.log_answer(order, &answer);
                self.memory().ended(id, answer.clone());
                if matches!(answer, StartAnswer::Started { .. }) {
                    self.started.notify_one();
                }
                answer
            }
        }
    }

    async fn start(&self, order: &StartOrder, trace: Option<&TraceContext>) -> StartAnswer {
        let limit = self.settings.limit.min(Duration::from_millis(order.limit_ms));
        let until = Instant::now() + limit;
        if let Some(answer) = late(order.deadline_ms) {
            return answer;
        }
        let turn = tokio::select! {
            turn = timeout(limit, self.turns.acquire()) => turn,
            () = self.stop.cancelled() => return stopping(),
        };
        let Ok(_turn) = turn else {
            let most = self.settings.at_once;
            return failed(StartFault::Busy, format!("{most} other starts took all the time on this node"));
        };
        // An agent that was started anew remembers nothing; the processes do.
        if leftovers::is_any(&order.reservation).await {
            return StartAnswer::Started { output: None };
        }
        if order.recall {
            return failed(StartFault::Forgotten, "the agent does not remember this start, and its session is gone");
        }
        let left = until.saturating_duration_since(Instant::now());
        tokio::select! {
            answer = launch::launch(&self.settings, (order, trace), &self.node, left) => answer,
            () = self.stop.cancelled() => {
                launch::clean_up(&order.reservation).await;
                stopping()
            }
        }
    }

    fn log_answer(&self, order: &StartOrder, answer: &StartAnswer) {
        let StartOrder { reservation, login, .. } = order;
        let user = &**login;
        let kind = match &self.settings.program {
            StartProgram::Session(_) => "session",
            StartProgram::Job(_) => "job",
        };
        match answer {
            StartAnswer::Started { .. } => info!(reservation, user, "a {kind} was started"),
            StartAnswer::Text { .. } => {
                info!(reservation, user, "no {kind} was started: the command had a text to show")
            }
            StartAnswer::Deferred { .. } => info!(reservation, user, "a {kind} was submitted"),
            StartAnswer::Failed { reason, message } => {
                warn!(reservation, user, %reason, "a {kind} could not be started: {message}");
            }
        }
    }

    fn memory(&self) -> MutexGuard<'_, StartMemory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read(payload: &[u8]) -> Result<StartOrder, String> {
    let order: StartOrder =
        json::parse_as(payload, JsonLimits::bytes(MAX_ORDER)).map_err(|error| format!("the request is {error}"))?;
    let is_usable =
        (1..=MAX_ID_BYTES).contains(&order.reservation.len()) && !order.reservation.chars().any(char::is_control);
    if is_usable { Ok(order) } else { Err("the request has no usable reservation".to_owned()) }
}

fn stopping() -> StartAnswer {
    failed(StartFault::Stopping, "the agent is stopping")
}

/// Returns the answer where `deadline_ms`, in Unix milliseconds, has passed: the request was held back on the way, and
/// the service waits no more.
fn late(deadline_ms: i64) -> Option<StartAnswer> {
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_millis();
    let late_ms = i64::try_from(now_ms).ok()?.saturating_sub(deadline_ms);
    let words = "the time of the start had passed when the request came; are the clocks of service and node right?";
    (1..=HORIZON_MS).contains(&late_ms).then(|| failed(StartFault::Late, words))
}
