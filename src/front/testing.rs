//! The test harness of the front: a [`Harness`] drives a whole front by hand.
//!
//! A test plays all other parties: requesters, workers, runners, the registry and other replicas. Time is manual, and
//! each decision is made by the test itself, so that a test says exactly which decision counts. Rejected: an evaluator
//! behind each fake worker, which would decide for the test.

mod fakes;
mod samples;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::clock::Now;
use crate::ipc::ProcessEnd;
use crate::model::{Change, Decision, Diagnosis, Failure, FailureName, Outcome};
use crate::nats::message::{Incoming, Outgoing, Verb};
use crate::nats::peers::PeerMessage;
use crate::registry::RegistryEvent;
use crate::registry::peers::Message;
use crate::runner::{self, RunnerEvent};
use crate::worker::{PlacementQuestion, WorkerCommand, WorkerEvent, WorkerReply};

use super::effects::Effect;
use super::events::{FrontEvent, Setup, Tick};
use super::health::Health;
use super::metrics::Metrics;
use super::task::Front;

pub(super) use fakes::{FakeProcess, FakeView, read_orders};
pub(super) use samples::{
    ACTION, EPOCH_MS, LOGIN, NO_TICKETS, PROGRAM, STEP, TICK, chain, crashed, killed, other_holds, other_says, overrun,
    pending, program_chain, report, request, running, setup, setup_of, strict_setup, with,
};

/// A question that a worker was asked.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) worker: u64,
    pub(super) question: Arc<PlacementQuestion>,
}

/// The time when the processes that the front starts are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Starts {
    /// At once.
    AtOnce,
    /// When the test says so: the effects stay among the others.
    ByHand,
}

/// A front that a test drives by hand.
pub(super) struct Harness {
    pub(super) front: Front,
    pub(super) view: FakeView,
    pub(super) metrics: Arc<Metrics>,
    pub(super) starts: Starts,
    /// The workers that were started, by number.
    pub(super) workers: BTreeMap<u64, FakeProcess>,
    /// The snapshot of each worker.
    pub(super) snapshots: BTreeMap<u64, Vec<WorkerCommand>>,
    /// The runners that were started, by number.
    pub(super) runners: BTreeMap<u64, FakeProcess>,
    /// The effects that were not looked at yet, without replies.
    pub(super) effects: Vec<Effect>,
    pub(super) now: Now,
    replies: Vec<Outgoing>,
    asked: Vec<Asked>,
    told: Vec<(u64, WorkerCommand)>,
    messages: usize,
}

impl Harness {
    /// A front of `setup` with an empty cluster and without a worker.
    pub(super) fn bare(setup: Setup) -> Self {
        let now = Now { instant: Instant::now(), unix_ms: EPOCH_MS };
        let (view, metrics) = (FakeView::default(), Arc::new(Metrics::new()));
        let front = Front::new(setup, Box::new(view.clone()), Arc::clone(&metrics), [7; 32], now);
        Self {
            front,
            view,
            metrics,
            starts: Starts::AtOnce,
            workers: BTreeMap::new(),
            snapshots: BTreeMap::new(),
            runners: BTreeMap::new(),
            effects: Vec::new(),
            now,
            replies: Vec::new(),
            asked: Vec::new(),
            told: Vec::new(),
            messages: 0,
        }
    }

    /// A front of `setup` that is ready, in a cluster where the nodes of `ids` take any number of sessions.
    pub(super) fn new(setup: Setup, ids: &[&str]) -> Self {
        Self::with_nodes(setup, ids.iter().map(|id| report(id, None, &[])))
    }

    /// A front of `setup` that is ready, after `changes` of the cluster.
    pub(super) fn with_nodes(setup: Setup, changes: impl IntoIterator<Item = Change>) -> Self {
        let mut harness = Self::bare(setup);
        changes.into_iter().for_each(|change| harness.change(change));
        harness.tell(FrontEvent::Registry(RegistryEvent::Ready { nodes: 0 }));
        harness.tick();
        harness.asked();
        harness.told.clear();
        harness.effects.clear();
        harness
    }

    /// Handles `event`, and settles.
    pub(super) fn tell(&mut self, event: FrontEvent) {
        self.front.handle(self.now, event);
        self.settle(false);
    }

    /// Handles `change` as an event of the registry.
    pub(super) fn change(&mut self, change: Change) {
        self.tell(FrontEvent::Registry(RegistryEvent::Change(change)));
    }

    /// Handles `message` as gossip of another replica.
    pub(super) fn hear(&mut self, message: &Message) {
        self.tell(FrontEvent::Gossip(serde_json::to_vec(message).unwrap().into()));
    }

    /// Lets the time between two ticks pass.
    pub(super) fn tick(&mut self) {
        self.pass(TICK);
    }

    /// Lets `passed` pass, with a tick at the end.
    pub(super) fn pass(&mut self, passed: Duration) {
        self.sleep(passed);
        self.front.handle(self.now, FrontEvent::Tick(Tick { passed, is_drained: true }));
        self.settle(true);
    }

    /// Lets `passed` pass, with a tick whenever a tick is due.
    pub(super) fn tick_for(&mut self, passed: Duration) {
        (0..passed.as_millis() / TICK.as_millis()).for_each(|_| self.tick());
    }

    /// Lets `passed` pass without an event.
    pub(super) fn sleep(&mut self, passed: Duration) {
        self.now.instant += passed;
        self.now.unix_ms += passed.as_millis() as i64;
    }

    fn settle(&mut self, time: bool) {
        self.front.settle(time);
        loop {
            let effects = self.front.take_effects();
            let events: Vec<_> = effects.into_iter().filter_map(|effect| self.carry_out(effect)).collect();
            if events.is_empty() {
                return;
            }
            events.into_iter().for_each(|event| self.front.handle(self.now, event));
            self.front.settle(false);
        }
    }

    fn carry_out(&mut self, effect: Effect) -> Option<FrontEvent> {
        match effect {
            Effect::Reply(outgoing) => self.replies.push(outgoing),
            Effect::StartWorker { number, snapshot, .. } if self.starts == Starts::AtOnce => {
                let process = FakeProcess::new();
                self.snapshots.insert(number, read_orders(snapshot));
                self.workers.insert(number, process.clone());
                return Some(FrontEvent::Born(number, Ok(process.ready())));
            }
            Effect::StartRunner { number, .. } if self.starts == Starts::AtOnce => {
                let process = FakeProcess::new();
                self.runners.insert(number, process.clone());
                return Some(FrontEvent::RunnerStarted(number, Ok(process.link())));
            }
            effect => self.effects.push(effect),
        }
        None
    }

    /// Returns a message to the endpoint of `verb`, with the number for [`Harness::reply`].
    pub(super) fn message(&mut self, verb: Verb, body: &Value) -> (usize, Incoming) {
        self.messages += 1;
        let incoming = Incoming {
            verb,
            payload: body.to_string().into(),
            deadline_ms: None,
            timeout_ms: None,
            reply: Some(self.messages.to_string().into()),
            received: self.now.instant,
            pass: None,
            trace: None,
        };
        (self.messages, incoming)
    }

    /// Sends `body` to the endpoint of `verb`; returns the number of the message.
    pub(super) fn send(&mut self, verb: Verb, body: &Value) -> usize {
        let (number, incoming) = self.message(verb, body);
        self.tell(FrontEvent::Request(incoming));
        number
    }

    /// Asks for a placement; returns the number of the message.
    pub(super) fn place(&mut self, body: &Value) -> usize {
        self.send(Verb::Place, body)
    }

    /// Asks for a placement with a timeout of `timeout` after the receipt.
    pub(super) fn place_within(&mut self, body: &Value, timeout: Duration) -> usize {
        let (number, incoming) = self.message(Verb::Place, body);
        let timeout_ms = Some(timeout.as_millis() as u64);
        self.tell(FrontEvent::Request(Incoming { timeout_ms, ..incoming }));
        number
    }

    /// Asks for a placement that is sent to a worker at once; returns the number of the message and the question.
    pub(super) fn place_asked(&mut self, body: &Value) -> (usize, Asked) {
        let number = self.place(body);
        (number, self.only_asked())
    }

    /// Places a session of `user` on `node`; returns the id of the reservation.
    pub(super) fn placed(&mut self, user: &str, node: &str) -> String {
        let (number, asked) = self.place_asked(&request(user));
        self.choose(&asked, node);
        self.reply(number)["reservation"].as_str().unwrap().to_owned()
    }

    fn read(&mut self) {
        for (number, process) in &self.workers {
            for order in process.orders::<WorkerCommand>() {
                match order {
                    WorkerCommand::Ask(question) => self.asked.push(Asked { worker: *number, question }),
                    order => self.told.push((*number, order)),
                }
            }
        }
    }

    /// Removes and returns the questions that workers were asked, by worker.
    pub(super) fn asked(&mut self) -> Vec<Asked> {
        self.read();
        std::mem::take(&mut self.asked)
    }

    /// Removes and returns the only question that was asked.
    pub(super) fn only_asked(&mut self) -> Asked {
        let mut asked = self.asked();
        assert_eq!(asked.len(), 1, "{asked:?}");
        asked.remove(0)
    }

    /// Removes and returns the commands other than questions that the worker `number` was sent.
    pub(super) fn told(&mut self, number: u64) -> Vec<WorkerCommand> {
        self.read();
        self.told.extract_if(.., |(worker, _)| *worker == number).map(|(_, order)| order).collect()
    }

    /// Removes and returns the questions that the runner `number` was sent; other commands are dropped.
    pub(super) fn errands(&mut self, number: u64) -> Vec<runner::ProgramQuestion> {
        let orders = self.runners[&number].orders::<runner::RunnerCommand>().into_iter();
        let errands = orders.filter_map(|order| match order {
            runner::RunnerCommand::Run(errand) => Some(errand),
            runner::RunnerCommand::Change(_) | runner::RunnerCommand::Edition(_) => None,
        });
        errands.collect()
    }

    /// Lets the worker `number` end as `ended` says.
    pub(super) fn end(&mut self, number: u64, ended: ProcessEnd) {
        self.worker(number, WorkerEvent::Exited(ended));
    }

    /// Handles `event` as an event of the worker `number`.
    pub(super) fn worker(&mut self, number: u64, event: WorkerEvent) {
        self.tell(FrontEvent::Worker(number, event));
    }

    /// Handles `event` as an event of the runner `number`.
    pub(super) fn runner(&mut self, number: u64, event: RunnerEvent) {
        self.tell(FrontEvent::Runner(number, event));
    }

    /// Lets the worker that was asked `asked` decide `outcome`.
    pub(super) fn decide(&mut self, asked: &Asked, outcome: Outcome) {
        self.decide_with(asked, outcome, Diagnosis::default());
    }

    /// Lets the worker that was asked `asked` decide `outcome`, as `diagnosis` explains.
    pub(super) fn decide_with(&mut self, asked: &Asked, outcome: Outcome, diagnosis: Diagnosis) {
        let chain = Arc::clone(&asked.question.head.action);
        let generation = self.front.cluster().generation();
        let spec = self.front.workers.setup().birth.set.get(&chain);
        let decided_by = spec.map(|spec| Arc::clone(&spec.steps[0].name));
        let decision = Decision { chain, generation, decided_by, outcome, diagnosis };
        let reply = WorkerReply { ticket: asked.question.ticket, decision };
        self.worker(asked.worker, WorkerEvent::Replies(vec![reply]));
    }

    /// Lets the worker that was asked `asked` decide `outcome`, by the step or the assignment `by`.
    pub(super) fn decide_by(&mut self, asked: &Asked, by: &str, outcome: Outcome) {
        let (chain, generation) = (Arc::clone(&asked.question.head.action), self.front.cluster().generation());
        let diagnosis = Diagnosis::default();
        let decision = Decision { chain, generation, decided_by: Some(by.into()), outcome, diagnosis };
        let reply = WorkerReply { ticket: asked.question.ticket, decision };
        self.worker(asked.worker, WorkerEvent::Replies(vec![reply]));
    }

    /// Lets the worker that was asked `asked` choose `node`.
    pub(super) fn choose(&mut self, asked: &Asked, node: &str) {
        self.decide(asked, Outcome::Placed(node.into()));
    }

    /// Lets the worker that was asked `asked` find no node.
    pub(super) fn find_none(&mut self, asked: &Asked) {
        self.decide(asked, Outcome::Failed(Failure::new(FailureName::NoNode, "all nodes are full")));
    }

    /// Removes and returns the replies to the message `number`.
    pub(super) fn replies(&mut self, number: usize) -> Vec<Value> {
        let name = number.to_string();
        let own = self.replies.extract_if(.., |outgoing| outgoing.reply.as_deref() == Some(&*name));
        own.map(|outgoing| serde_json::from_slice(&outgoing.body).unwrap()).collect()
    }

    /// Removes and returns the only reply to the message `number`.
    #[track_caller]
    pub(super) fn reply(&mut self, number: usize) -> Value {
        let mut replies = self.replies(number);
        assert_eq!(replies.len(), 1, "of message {number}: {replies:?}");
        replies.remove(0)
    }

    /// Removes and returns the reply to the message `number`, with the headers.
    pub(super) fn outgoing(&mut self, number: usize) -> Outgoing {
        let name = number.to_string();
        let place = self.replies.iter().position(|outgoing| outgoing.reply.as_deref() == Some(&*name));
        self.replies.remove(place.unwrap())
    }

    /// Removes the only reply to the message `number`, which is a failure; returns the failure's name and message.
    #[track_caller]
    pub(super) fn failure(&mut self, number: usize) -> (String, String) {
        let reply = self.reply(number);
        let text =
            |name: &str| reply["error"][name].as_str().unwrap_or_else(|| panic!("no failure: {reply}")).to_owned();
        (text("name"), text("message"))
    }

    /// Checks that the message `number` has no reply yet.
    #[track_caller]
    pub(super) fn no_reply(&mut self, number: usize) {
        assert_eq!(self.replies(number), Vec::<Value>::new(), "of message {number}");
    }

    /// Removes and returns the effects for which `pick` returns something; the others stay.
    pub(super) fn take<T>(&mut self, pick: impl Fn(&Effect) -> Option<T>) -> Vec<T> {
        let (picked, effects) = std::mem::take(&mut self.effects).into_iter().fold(
            (Vec::new(), Vec::new()),
            |(mut picked, mut others), effect| {
                match pick(&effect) {
                    Some(found) => picked.push(found),
                    None => others.push(effect),
                }
                (picked, others)
            },
        );
        self.effects = effects;
        picked
    }

    /// Removes and returns the messages to all other replicas.
    pub(super) fn said(&mut self) -> Vec<Message> {
        self.take(|effect| match effect {
            Effect::Gossip(PeerMessage::All(text)) => Some(Message::parse(text).unwrap()),
            _ => None,
        })
    }

    /// Returns the last health that the front published.
    pub(super) fn health(&mut self) -> Health {
        let shown = self.take(|effect| if let Effect::Show(health) = effect { Some(health.clone()) } else { None });
        shown.into_iter().next_back().unwrap()
    }

    /// The reservations on `node`, as the front counts them.
    pub(super) fn reserved(&self, node: &str) -> Vec<String> {
        let sessions = self.front.cluster().get(node).unwrap().pending();
        sessions.map(|session| session.reservation().unwrap().to_string()).collect()
    }

    /// The requests in each stage, in the order of
    /// [`PendingStage::NAMES`](super::pending_request::PendingStage::NAMES).
    pub(super) fn stages(&self) -> [usize; 6] {
        self.front.requests.by_stage()
    }

    /// Returns the value of the metric `name`, labels included.
    pub(super) fn figure(&self, name: &str) -> String {
        let text = self.metrics.text();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no figure {name} in {text}")).to_owned()
    }
}
