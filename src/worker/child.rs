//! The worker process: an evaluator between two ends of a socket, a watchdog beside it.
//!
//! It reads its birth, compiles everything, says ready, and then turns batches of orders into batches of replies until
//! its socket closes. It is sealed before it says ready (ARCHITECTURE.md, The seal). Whatever goes wrong in a script ends
//! this process and no other.

use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::chain::{Ask, ChainSet, Progress, Witness};
use crate::clock::Stopwatch;
use crate::evaluator::{self, Evaluator, Senses};
use crate::model::{Change, Decision, Diagnosis, Failure, FailureName, LimitKind, Outcome, Request};

use super::outbox::{Outbox, lock};
use super::protocol::{Audience, Birth, CompileProblem, Order, Overrun, Question, Reply, Word, WorkerLimits};
use super::watchdog::{self, Allowance, Current, Passed, Watch, Witnessed};
use super::{attempts, exhaustion, frame, sandbox, seal};

/// The hidden command under which the binary is a worker.
pub const COMMAND: &str = "__worker";
/// The evaluating thread's stack: Boa's parser takes 26 kB a level of nesting (ARCHITECTURE.md, Facts).
const STACK_BYTES: usize = 64 << 20;
/// Memory that the process itself takes: the evaluating thread's stack, which counts as data, and a little.
const OWN_BYTES: u64 = STACK_BYTES as u64 + (32 << 20);
/// Memory that a byte of node document takes in the mirror and in the engines' objects over it.
const MIRROR_FACTOR: u64 = 24;
/// The memory limit is set anew when the node documents have doubled, and not before they are this large.
const MIRROR_STEP: u64 = 1 << 20;
/// Replies that are held back for company at most.
const BATCH: usize = 64;
/// A decision that took this long is told at once, with those before it.
const SLOW: Duration = Duration::from_micros(200);

/// Runs a worker on the socket that standard input is.
#[must_use]
pub fn run() -> ExitCode {
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The front reads our exit and this line; there is nobody else to tell.
            drop(writeln!(std::io::stderr(), "whither worker: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn serve() -> std::io::Result<()> {
    if !sandbox::die_with_parent()? {
        return Ok(());
    }
    // Where it cannot be had, the report on the seal says so.
    drop(sandbox::gain_no_privileges());
    let socket = UnixStream::from(std::io::stdin().as_fd().try_clone_to_owned()?);
    let Some(birth) = frame::read::<Birth>(&mut &socket)? else { return Ok(()) };
    sandbox::leave_no_core()?;
    sandbox::bound_memory(OWN_BYTES + birth.limits.memory_bytes)?;
    let work = move || work(socket, birth);
    let thread = thread::Builder::new().name("evaluate".to_owned()).stack_size(STACK_BYTES).spawn(work)?;
    thread.join().unwrap_or_else(|_panic| Err(std::io::Error::other("the evaluating thread panicked")))
}

fn work(socket: UnixStream, birth: Birth) -> std::io::Result<()> {
    let outbox = Arc::new(Mutex::new(Outbox::new(socket.try_clone()?)?));
    let watch = Arc::new(Watch::default());
    let senses = Senses { stopwatch: Box::new(Monotonic(Instant::now())), witness: witness(&watch, &outbox, &birth) };
    let mut loading = |step: &Arc<str>| drop(lock(&outbox).say(&Word::Loading(Arc::clone(step))));
    let evaluator = match Evaluator::new(&birth.set, birth.arrangement, senses, &mut loading) {
        Ok(evaluator) => evaluator,
        Err(errors) => {
            let problems = errors.into_iter().map(|error| CompileProblem {
                action: error.action,
                step: error.step,
                message: error.error.message,
                position: error.error.position,
            });
            return lock(&outbox).say(&Word::Refused(problems.collect()));
        }
    };
    guard(&watch, &outbox, Arc::new(birth.set), birth.limits)?;
    sandbox::open_nothing()?;
    let lacks = seal();
    lock(&outbox).say(&Word::Ready(lacks))?;
    let limits = birth.limits;
    Clerk { evaluator, watch, outbox, limits, mirror_bytes: 0, mirror_bytes_bounded: MIRROR_STEP / 2 }.serve(socket)
}

/// Seals the process, and says what it is not sealed against after all. A worker without a seal still works: whether
/// that is good enough, its holder decides.
fn seal() -> Vec<String> {
    let refused = seal::close().err().map(|error| format!("a worker could not be sealed by seccomp: {error}"));
    refused.into_iter().chain(attempts::not_refused()).collect()
}

/// Who is told what runs: the watchdog, and a person who waits for one answer.
fn witness(watch: &Arc<Watch>, outbox: &Arc<Mutex<Outbox>>, birth: &Birth) -> Box<dyn Witness> {
    let watched = Witnessed(Arc::clone(watch));
    match birth.audience {
        Audience::Front => Box::new(watched),
        Audience::Person => {
            let (outbox, set) = (Arc::clone(outbox), Arc::new(birth.set.clone()));
            Box::new(Narrated { watched, outbox, set })
        }
    }
}

/// Tells a person each step before it runs.
struct Narrated {
    watched: Witnessed,
    outbox: Arc<Mutex<Outbox>>,
    set: Arc<ChainSet>,
}

impl Witness for Narrated {
    fn step(&self, step: usize) {
        self.watched.step(step);
        let current = self.watched.0.current();
        if let Some(spec) = current.and_then(|current| self.set.get(&current.action)?.steps.get(step)) {
            // Where nobody reads any more, nobody asks for the name either.
            drop(lock(&self.outbox).say(&Word::Running(Arc::clone(&spec.name))));
        }
    }

    fn node(&self, node: &Arc<str>) {
        self.watched.node(node);
    }
}

/// Sets the watchdog, and lets a panic in an engine and want of memory name their script before the process ends.
fn guard(
    watch: &Arc<Watch>,
    outbox: &Arc<Mutex<Outbox>>,
    set: Arc<ChainSet>,
    limits: WorkerLimits,
) -> std::io::Result<()> {
    let step_of = {
        let set = Arc::clone(&set);
        move |current: &Current| set.get(&current.action).and_then(|chain| chain.steps.get(current.step)).cloned()
    };
    let allow = {
        let step_of = step_of.clone();
        move |current: &Current| Allowance {
            step_us: limits.step_us(step_of(current).and_then(|step| step.cpu_ms), current.nodes),
            call_us: u64::from(limits.node_call_ms) * 1000,
        }
    };
    let panicked = {
        let (watch, outbox, step_of) = (Arc::clone(watch), Arc::clone(outbox), step_of.clone());
        move |current: Current, words: String| {
            let overrun = Overrun {
                ticket: current.ticket,
                step: step_of(&current).map(|step| step.name),
                node: current.node,
                kind: LimitKind::Crash,
                message: format!("the script crashed its engine: {words}"),
            };
            watch.end();
            lock(&outbox).leave(overrun);
        }
    };
    let quiet = Arc::clone(watch);
    std::panic::set_hook(Box::new(move |info| {
        let words = info.payload_as_str().unwrap_or("a fault without words").to_owned();
        if let Some(current) = quiet.current() {
            panicked(current, words);
        }
    }));
    exhaustion::name_the_step(Arc::clone(watch), Arc::clone(outbox), step_of.clone(), limits.memory_bytes);
    let outbox = Arc::clone(outbox);
    watchdog::start(Arc::clone(watch), allow, move |current, passed, allowed_us| {
        let step = step_of(&current).map(|step| step.name);
        let overrun = overrun(current, step, passed, allowed_us);
        lock(&outbox).leave(overrun);
    })?;
    Ok(())
}

fn overrun(current: Current, step: Option<Arc<str>>, passed: Passed, allowed_us: u64) -> Overrun {
    let name = step.as_deref().unwrap_or("a step");
    let allowed_ms = allowed_us / 1000;
    let message = match (passed, &current.node) {
        (Passed::Call, Some(node)) => {
            format!("step {name} used more than {allowed_ms} ms of CPU time on node `{node}`")
        }
        _ => format!("step {name} used more than {allowed_ms} ms of CPU time"),
    };
    Overrun { ticket: current.ticket, step, node: current.node, kind: LimitKind::Time, message }
}

/// Turns orders into replies.
struct Clerk {
    evaluator: Evaluator,
    watch: Arc<Watch>,
    outbox: Arc<Mutex<Outbox>>,
    limits: WorkerLimits,
    /// Node documents held, as text, and the size for which the memory limit was last set.
    mirror_bytes: u64,
    mirror_bytes_bounded: u64,
}

impl Clerk {
    fn serve(&mut self, mut socket: UnixStream) -> std::io::Result<()> {
        while let Some(orders) = frame::read::<Vec<Order>>(&mut socket)? {
            for order in orders {
                match order {
                    Order::Change(change) => self.apply(change)?,
                    Order::Recall(action, node) => self.evaluator.recall(&action, &node),
                    Order::Ask(question) => self.answer(&question)?,
                }
            }
            lock(&self.outbox).flush()?;
        }
        Ok(())
    }

    /// The memory limit is for scripts: what the mirror of the cluster needs comes on top.
    fn apply(&mut self, change: Change) -> std::io::Result<()> {
        if let Change::Report(report) = &change {
            self.mirror_bytes += report.text.len() as u64;
        }
        self.evaluator.apply(change);
        if self.mirror_bytes > 2 * self.mirror_bytes_bounded {
            // Counted since the last time, repeated reports too; what is there now is what counts.
            self.mirror_bytes = self.evaluator.cluster().nodes().map(|(_, node)| node.report().text.len() as u64).sum();
            self.mirror_bytes_bounded = self.mirror_bytes.max(MIRROR_STEP);
            sandbox::bound_memory(
                OWN_BYTES + self.limits.memory_bytes + MIRROR_FACTOR * 2 * self.mirror_bytes_bounded,
            )?;
        }
        Ok(())
    }

    fn answer(&mut self, question: &Question) -> std::io::Result<()> {
        let start = Instant::now();
        self.watch.begin(question.ticket, &question.action, self.evaluator.cluster().len() as u64);
        let decision = self.decide(question);
        self.watch.end();
        let mut outbox = lock(&self.outbox);
        outbox.replies.push(Reply { ticket: question.ticket, decision });
        if outbox.replies.len() >= BATCH || start.elapsed() >= SLOW {
            outbox.flush()?;
        }
        Ok(())
    }

    fn decide(&mut self, question: &Question) -> Decision {
        let request = match Request::parse(question.request.as_bytes(), self.limits.request_bytes, &question.server_id)
        {
            Ok(request) => request,
            Err(error) => return self.failed(question, Failure::new(FailureName::BadRequest, error.to_string())),
        };
        let ask = Ask {
            request: Arc::new(request),
            purpose: question.purpose,
            about: question.about.clone(),
            now_ms: question.now_ms,
            seed: question.seed,
            sequence: question.sequence,
        };
        match self.evaluator.decide(&evaluator::Question { decision: Arc::clone(&question.decision), ask }) {
            Progress::Decided(decision) => decision,
            Progress::Suspended(_) => {
                let message = "the chain has an executable step, and this version runs none";
                self.failed(question, Failure::new(FailureName::Internal, message))
            }
        }
    }

    fn failed(&self, question: &Question, failure: Failure) -> Decision {
        Decision {
            chain: Arc::clone(&question.action),
            generation: self.evaluator.cluster().generation(),
            decided_by: None,
            outcome: Outcome::Failed(failure),
            diagnosis: Diagnosis { now_ms: question.now_ms, seed: question.seed, ..Diagnosis::default() },
        }
    }
}

/// Wall time since the worker's birth: what a step cost is a figure to read, not a limit.
struct Monotonic(Instant);

impl Stopwatch for Monotonic {
    fn micros(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}
