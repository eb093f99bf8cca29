//! The worker process: an evaluator between the two directions of a socket, with a watchdog thread beside the
//! evaluator.
//!
//! The process reads [`WorkerInit`], compiles all chains, seals itself (docs/src/internals/seal.md), sends
//! [`WorkerFrame::Ready`], and then turns batches of commands into batches of replies until the socket closes. A fault
//! in a script ends this process and no other.

use std::collections::BTreeSet;
use std::io::{BufReader, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};

use crate::chain::{Progress, Suspended};
use crate::clock::Stopwatch;
use crate::evaluator::{Evaluator, EvaluatorHost};
use crate::ipc::frame;
use crate::model::{Change, Decision};
use crate::plain::Plain;
use crate::script::Coverage;
use crate::system_clock::unix_ms;

use super::guard::{self, StepWitness};
use super::outbox::{Outbox, lock};
use super::protocol::{
    CompileProblem, NOBODY, PlacementQuestion, Ticket, WaitingDecision, WorkerAudience, WorkerCommand, WorkerFrame,
    WorkerInit, WorkerLimits, WorkerReply,
};
use super::watch::{CallWatch, WatchAlarm, Witnessed};
use super::{answer, attempts, sandbox, seal};

/// The hidden command under which the binary runs as a worker.
pub const COMMAND: &str = "__worker";
/// The stack size of the evaluating thread: Boa's parser takes 26 kB a level of nesting (docs/src/internals/facts.md).
const STACK_BYTES: usize = 64 << 20;
/// The memory that the process itself takes while compiling: the evaluating thread's stack, which counts as data, and a
/// little.
const OWN_BYTES: u64 = STACK_BYTES as u64 + (32 << 20);
/// The memory that the process takes later, on top of the memory in use when everything is compiled.
const LITTLE_BYTES: u64 = 16 << 20;
/// The memory that a byte of node document takes in the mirror and in the engines' objects.
const MIRROR_FACTOR: u64 = 24;
/// The size of node documents up to which the memory limit is not set anew; later the limit is set anew whenever the
/// documents have doubled.
const MIRROR_STEP: u64 = 1 << 20;
/// How long a step may take to load before the step's engine is woken; well below the limit for the start of a worker.
const LOADING: Duration = Duration::from_secs(10);
/// The size of the read buffer of the socket.
const SOCKET_BYTES: usize = 64 << 10;
/// The most replies that are held back to be sent together.
const BATCH: usize = 64;
/// A decision that took this long is sent at once, with those before.
const SLOW: Duration = Duration::from_micros(200);

/// The number of nodes that are refreshed at rest before the next look at the socket: half a millisecond of a usual
/// script.
const PIECE: usize = 128;
/// The number of nodes that must be due before a worker refreshes a chain that was never asked: fewer take a few
/// milliseconds when the chain's first question comes.
const MANY_DUE: usize = 2_000;

/// Runs a worker over the socket on standard input.
#[must_use]
pub fn run() -> ExitCode {
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The front reads the exit code and this line; nobody else can be told.
            drop(writeln!(std::io::stderr(), "whither worker: {}", Plain(error)));
            ExitCode::FAILURE
        }
    }
}

fn serve() -> std::io::Result<()> {
    if !sandbox::die_with_parent()? {
        return Ok(());
    }
    // Where the kernel does not support the flag, the report on the seal says so.
    drop(sandbox::gain_no_privileges());
    let socket = UnixStream::from(std::io::stdin().as_fd().try_clone_to_owned()?);
    let Some(init) = frame::read::<WorkerInit>(&mut &socket)? else { return Ok(()) };
    sandbox::leave_no_core()?;
    sandbox::bound_memory(OWN_BYTES + init.limits.memory_bytes)?;
    let work = move || work(socket, init);
    let thread = thread::Builder::new().name("evaluate".to_owned()).stack_size(STACK_BYTES).spawn(work)?;
    thread.join().unwrap_or_else(|_panic| Err(std::io::Error::other("the evaluating thread panicked")))
}

fn work(socket: UnixStream, init: WorkerInit) -> std::io::Result<()> {
    let outbox = Arc::new(Mutex::new(Outbox::new(socket.try_clone()?)?));
    let watch = Arc::new(CallWatch::default());
    let set = Arc::new(init.set.clone());
    let narration = Arc::new(AtomicBool::new(false));
    let observer = StepWitness {
        watched: Witnessed(Arc::clone(&watch)),
        outbox: Arc::clone(&outbox),
        set: Arc::clone(&set),
        narrated: Arc::clone(&narration),
    };
    let host = EvaluatorHost {
        stopwatch: Box::new(Monotonic(Instant::now())),
        witness: Box::new(observer),
        alarm: Rc::new(WatchAlarm(Arc::clone(&watch))),
    };
    let slow_loads = slow_loads(Arc::clone(&watch))?;
    let mut loading = |step: &Arc<str>| {
        drop(lock(&outbox).send(&WorkerFrame::Loading(Arc::clone(step))));
        let _gone = slow_loads.send(());
    };
    let coverage = (init.audience == WorkerAudience::Coverage).then(Arc::<Coverage>::default);
    let evaluator = Evaluator::covered(&init.set, init.arrangement, host, &mut loading, coverage.as_ref());
    let evaluator = match evaluator {
        Ok(evaluator) => evaluator,
        Err(errors) => {
            let problems = errors.into_iter().map(CompileProblem::from);
            return lock(&outbox).send(&WorkerFrame::Refused(problems.collect()));
        }
    };
    drop(slow_loads);
    guard::start(&watch, &outbox, set, init.limits, coverage.as_ref())?;
    // The number and size of the scripts does not matter: each script may take the limit on top of them.
    let own_bytes = sandbox::data_bytes().map_or(OWN_BYTES, |bytes| bytes + LITTLE_BYTES);
    sandbox::bound_memory(own_bytes + init.limits.memory_bytes)?;
    sandbox::open_nothing()?;
    let lacks = seal();
    let (remarks, tiers) = (evaluator.remarks(), evaluator.tiers());
    lock(&outbox).send(&WorkerFrame::Ready { lacks, remarks, tiers })?;
    let limits = init.limits;
    let (mirror_bytes, mirror_bytes_bounded) = (0, MIRROR_STEP / 2);
    let mut worker_loop = WorkerLoop {
        evaluator,
        coverage,
        watch,
        outbox,
        narration,
        limits,
        asked: BTreeSet::new(),
        own_bytes,
        mirror_bytes,
        mirror_bytes_bounded,
    };
    worker_loop.serve(socket)
}

/// Starts a thread that wakes the engines where a step takes longer than [`LOADING`] to load: steps are not under the
/// watchdog while they load. The returned channel is sent a value at the beginning of each step; the thread ends when
/// the channel is dropped, before the seal.
fn slow_loads(watch: Arc<CallWatch>) -> std::io::Result<mpsc::Sender<()>> {
    let (begins, begun) = mpsc::channel();
    thread::Builder::new().name("hurry".to_owned()).spawn(move || {
        loop {
            match begun.recv_timeout(LOADING) {
                Ok(()) => {}
                Err(RecvTimeoutError::Timeout) => watch.wake(),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    })?;
    Ok(begins)
}

/// Seals the process, and returns a sentence for each thing that the seal lacks. A worker without a seal still works;
/// the process that started the worker decides whether that is good enough.
fn seal() -> Vec<String> {
    let refused = seal::close().err().map(|error| format!("a worker could not be sealed by seccomp: {error}"));
    refused.into_iter().chain(attempts::not_refused()).collect()
}

/// Whether the socket has nothing to read.
fn is_idle(socket: &BufReader<UnixStream>) -> bool {
    let nothing = || recv(socket.get_ref(), &mut [0_u8; 1], RecvFlags::PEEK | RecvFlags::DONTWAIT);
    // The end of the stream counts as something to read, and any other error is found by the next read.
    socket.buffer().is_empty() && nothing().is_err_and(|error| error == Errno::AGAIN)
}

/// The loop that turns commands into replies.
struct WorkerLoop {
    evaluator: Evaluator,
    coverage: Option<Arc<Coverage>>,
    watch: Arc<CallWatch>,
    outbox: Arc<Mutex<Outbox>>,
    narration: Arc<AtomicBool>,
    limits: WorkerLimits,
    /// The actions of the questions so far.
    asked: BTreeSet<Arc<str>>,
    /// The memory that the process took when everything was compiled, in bytes.
    own_bytes: u64,
    /// The size of the node documents as text, and the size for which the memory limit was last set.
    mirror_bytes: u64,
    mirror_bytes_bounded: u64,
}

impl WorkerLoop {
    fn serve(&mut self, socket: UnixStream) -> std::io::Result<()> {
        let (mut socket, mut frame) = (BufReader::with_capacity(SOCKET_BYTES, socket), Vec::new());
        while frame::read_frame(&mut socket, &mut frame)? {
            for command in frame::values(&frame) {
                match command? {
                    WorkerCommand::Change(change) => self.apply(change)?,
                    WorkerCommand::Recall(action, node) => self.evaluator.recall(&action, &node),
                    WorkerCommand::Quarantine(subject, limited) => self.evaluator.quarantine(subject, limited),
                    WorkerCommand::Ask(question) => self.answer(&question)?,
                }
            }
            self.finish(frame.len())?;
            self.use_the_pause(&socket);
        }
        Ok(())
    }

    /// Flushes the replies, and reports that a frame of `bytes` bytes was read.
    fn finish(&self, bytes: usize) -> std::io::Result<()> {
        let mut outbox = lock(&self.outbox);
        outbox.flush()?;
        outbox.has_read(bytes)
    }

    /// Refreshes the caches and indexes, piece by piece, until the socket has something to read. A chain that was never
    /// asked here is not refreshed with each change: where few nodes are due, that takes milliseconds when the chain's
    /// first question comes.
    fn use_the_pause(&mut self, socket: &BufReader<UnixStream>) {
        if !is_idle(socket) {
            return;
        }
        let asked = &self.asked;
        for action in self.evaluator.behind(|action| if asked.contains(action) { 1 } else { MANY_DUE }) {
            let nodes = self.evaluator.cluster().len() as u64;
            self.watch.begin(NOBODY, &action, nodes, false);
            while is_idle(socket) && self.evaluator.refresh(&action, PIECE) > 0 {}
            self.watch.end();
            self.tell_tiers(NOBODY);
        }
    }

    /// Applies `change`. The memory limit is for scripts: the memory of the cluster's mirror comes on top.
    fn apply(&mut self, change: Change) -> std::io::Result<()> {
        if let Change::Report(report) = &change {
            self.mirror_bytes += report.text.len() as u64;
        }
        self.evaluator.apply(change);
        if self.mirror_bytes > 2 * self.mirror_bytes_bounded {
            // The counter holds all bytes since the last time, repeated reports too; here the documents that are
            // present are counted.
            self.mirror_bytes = self.evaluator.cluster().nodes().map(|(_, node)| node.report().text.len() as u64).sum();
            self.mirror_bytes_bounded = self.mirror_bytes.max(MIRROR_STEP);
            sandbox::bound_memory(
                self.own_bytes + self.limits.memory_bytes + MIRROR_FACTOR * 2 * self.mirror_bytes_bounded,
            )?;
        }
        Ok(())
    }

    fn answer(&mut self, question: &PlacementQuestion) -> std::io::Result<()> {
        let start = Instant::now();
        if !self.asked.contains(&question.head.action) {
            self.asked.insert(Arc::clone(&question.head.action));
        }
        self.narration.store(question.narrated, Ordering::Relaxed);
        let nodes = self.evaluator.cluster().len() as u64;
        self.watch.begin(question.ticket, &question.head.action, nodes, question.narrated);
        let progress = answer::decide(&mut self.evaluator, question, unix_ms());
        self.watch.end();
        self.tell_tiers(question.ticket);
        if let Some(coverage) = &self.coverage {
            lock(&self.outbox).add(&WorkerFrame::Covered(coverage.take()));
        }
        let mut decision = match progress {
            Progress::Decided(decision) => decision,
            Progress::Suspended(suspended) => return self.wait(question, &suspended),
        };
        self.search(question, &mut decision);
        answer::shorten(question, &mut decision);
        let mut outbox = lock(&self.outbox);
        match outbox.add(&WorkerFrame::Reply(WorkerReply { ticket: question.ticket, decision })) {
            waiting if waiting >= BATCH || start.elapsed() >= SLOW => outbox.flush(),
            _ => Ok(()),
        }
    }

    /// Tells the front, with the next frame, what became of compiled functions in the decision of `ticket`.
    fn tell_tiers(&self, ticket: Ticket) {
        if let Some(report) = self.evaluator.tier_report() {
            lock(&self.outbox).add(&WorkerFrame::Tiers(ticket, report));
        }
    }

    /// Searches for the values that would have to differ for the node that an explanation asks about. No request is
    /// decided by the search, so the scripts' calls are not narrated.
    fn search(&mut self, question: &PlacementQuestion, decision: &mut Decision) {
        if question.search_us > 0 {
            self.narration.store(false, Ordering::Relaxed);
            let nodes = self.evaluator.cluster().len() as u64;
            self.watch.begin(question.ticket, &question.head.action, nodes, false);
            answer::search(&self.evaluator, question, decision);
            self.watch.end();
        }
    }

    /// Sends a decision that waits for a program back to the front.
    fn wait(&self, question: &PlacementQuestion, suspended: &Suspended) -> std::io::Result<()> {
        let encoded = postcard::to_stdvec(suspended).map_err(std::io::Error::other)?;
        let (ticket, step, taken) = (question.ticket, suspended.step, suspended.taken.clone());
        let waiting = WaitingDecision { ticket, step, suspended: encoded.into(), taken };
        let mut outbox = lock(&self.outbox);
        outbox.add(&WorkerFrame::Waiting(waiting));
        // The program takes longer than anything that the frame could be sent together with.
        outbox.flush()
    }
}

/// The wall time since the start of the worker: the cost of a step is a figure to read, not a limit.
struct Monotonic(Instant);

impl Stopwatch for Monotonic {
    fn micros(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}
