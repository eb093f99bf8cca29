//! The worker process: an evaluator between two ends of a socket, a watchdog beside it.
//!
//! It reads its birth, compiles everything, says ready, and then turns batches of orders into batches of replies until
//! its socket closes. It is sealed before it says ready (docs/src/internals/seal.md). Whatever goes wrong in a script
//! ends this process and no other.

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
use crate::evaluator::{Evaluator, Senses};
use crate::model::Change;
use crate::plain::Plain;
use crate::script::Coverage;

use super::guard::{self, Narrator};
use super::now::unix_ms;
use super::outbox::{Outbox, lock};
use super::protocol::{Audience, Birth, CompileProblem, NOBODY, Order, Question, Reply, Waiting, Word, WorkerLimits};
use super::watch::{Bell, Watch, Witnessed};
use super::{answer, attempts, frame, sandbox, seal};

/// The hidden command under which the binary is a worker.
pub const COMMAND: &str = "__worker";
/// The evaluating thread's stack: Boa's parser takes 26 kB a level of nesting (docs/src/internals/facts.md).
const STACK_BYTES: usize = 64 << 20;
/// Memory that the process itself takes while it compiles: the evaluating thread's stack, which counts as data, and a
/// little.
const OWN_BYTES: u64 = STACK_BYTES as u64 + (32 << 20);
/// Memory that it takes later beside what it has when everything is compiled.
const LITTLE_BYTES: u64 = 16 << 20;
/// Memory that a byte of node document takes in the mirror and in the engines' objects over it.
const MIRROR_FACTOR: u64 = 24;
/// The memory limit is set anew when the node documents have doubled, and not before they are this large.
const MIRROR_STEP: u64 = 1 << 20;
/// How long a step may take to load before its engine is woken; well below the time that a worker's birth may take.
const LOADING: Duration = Duration::from_secs(10);
/// What is read from the socket at once.
const SOCKET_BYTES: usize = 64 << 10;
/// Replies that are held back for company at most.
const BATCH: usize = 64;
/// A decision that took this long is told at once, with those before it.
const SLOW: Duration = Duration::from_micros(200);

/// Nodes that are looked at while nobody asks before the next look at the socket: half a millisecond of a usual script.
const PIECE: usize = 128;
/// For a chain that it was never asked about, a worker catches up when so many nodes are due: fewer take a few milliseconds when its turn comes.
const MANY_DUE: usize = 2_000;

/// Runs a worker on the socket that standard input is.
#[must_use]
pub fn run() -> ExitCode {
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The front reads our exit and this line; there is nobody else to tell.
            drop(writeln!(std::io::stderr(), "whither worker: {}", Plain(error)));
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
    let set = Arc::new(birth.set.clone());
    let narration = Arc::new(AtomicBool::new(false));
    let narrator = Narrator {
        watched: Witnessed(Arc::clone(&watch)),
        outbox: Arc::clone(&outbox),
        set: Arc::clone(&set),
        aloud: Arc::clone(&narration),
    };
    let senses = Senses {
        stopwatch: Box::new(Monotonic(Instant::now())),
        witness: Box::new(narrator),
        alarm: Rc::new(Bell(Arc::clone(&watch))),
    };
    let hurry = hurry(Arc::clone(&watch))?;
    let mut loading = |step: &Arc<str>| {
        drop(lock(&outbox).say(&Word::Loading(Arc::clone(step))));
        let _gone = hurry.send(());
    };
    let coverage = (birth.audience == Audience::Coverage).then(Rc::<Coverage>::default);
    let evaluator = Evaluator::covered(&birth.set, birth.arrangement, senses, &mut loading, coverage.as_ref());
    let evaluator = match evaluator {
        Ok(evaluator) => evaluator,
        Err(errors) => {
            let problems = errors.into_iter().map(CompileProblem::from);
            return lock(&outbox).say(&Word::Refused(problems.collect()));
        }
    };
    drop(hurry);
    guard::start(&watch, &outbox, set, birth.limits)?;
    // However many scripts there are and however large: each may take its limit on top of them.
    let own_bytes = sandbox::data_bytes().map_or(OWN_BYTES, |bytes| bytes + LITTLE_BYTES);
    sandbox::bound_memory(own_bytes + birth.limits.memory_bytes)?;
    sandbox::open_nothing()?;
    let lacks = seal();
    lock(&outbox).say(&Word::Ready { lacks, remarks: evaluator.remarks() })?;
    let limits = birth.limits;
    let (mirror_bytes, mirror_bytes_bounded) = (0, MIRROR_STEP / 2);
    let mut clerk = Clerk {
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
    clerk.serve(socket)
}

/// Wakes the engines where a step takes too long to load, which is told at each step's beginning: what runs then is not
/// watched yet. It ends, before the seal, with whoever tells it.
fn hurry(watch: Arc<Watch>) -> std::io::Result<mpsc::Sender<()>> {
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

/// Seals the process, and says what it is not sealed against after all. A worker without a seal still works: whether
/// that is good enough, its holder decides.
fn seal() -> Vec<String> {
    let refused = seal::close().err().map(|error| format!("a worker could not be sealed by seccomp: {error}"));
    refused.into_iter().chain(attempts::not_refused()).collect()
}

/// Whether nothing is to be read.
fn is_idle(socket: &BufReader<UnixStream>) -> bool {
    let nothing = || recv(socket.get_ref(), &mut [0_u8; 1], RecvFlags::PEEK | RecvFlags::DONTWAIT);
    // The end of the stream is something to read too, and any other error is found by whoever reads.
    socket.buffer().is_empty() && nothing().is_err_and(|error| error == Errno::AGAIN)
}

/// Turns orders into replies.
struct Clerk {
    evaluator: Evaluator,
    coverage: Option<Rc<Coverage>>,
    watch: Arc<Watch>,
    outbox: Arc<Mutex<Outbox>>,
    narration: Arc<AtomicBool>,
    limits: WorkerLimits,
    /// The actions that it was asked to decide for.
    asked: BTreeSet<Arc<str>>,
    /// What the process took when everything was compiled.
    own_bytes: u64,
    /// Node documents held, as text, and the size for which the memory limit was last set.
    mirror_bytes: u64,
    mirror_bytes_bounded: u64,
}

impl Clerk {
    fn serve(&mut self, socket: UnixStream) -> std::io::Result<()> {
        let (mut socket, mut frame) = (BufReader::with_capacity(SOCKET_BYTES, socket), Vec::new());
        while frame::read_frame(&mut socket, &mut frame)? {
            for order in frame::values(&frame) {
                match order? {
                    Order::Change(change) => self.apply(change)?,
                    Order::Recall(action, node) => self.evaluator.recall(&action, &node),
                    Order::Quarantine(subject, limited) => self.evaluator.quarantine(subject, limited),
                    Order::Ask(question) => self.answer(&question)?,
                }
            }
            self.finish(frame.len())?;
            self.use_the_pause(&socket);
        }
        Ok(())
    }

    /// Says what a frame of `bytes` came to.
    fn finish(&self, bytes: usize) -> std::io::Result<()> {
        let mut outbox = lock(&self.outbox);
        outbox.flush()?;
        outbox.has_read(bytes)
    }

    /// Brings what is kept up to date, piece by piece, until there is something to read. What a chain needs that was never
    /// asked here is not followed change by change: what few nodes need is done within milliseconds when its turn comes.
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
        }
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
                self.own_bytes + self.limits.memory_bytes + MIRROR_FACTOR * 2 * self.mirror_bytes_bounded,
            )?;
        }
        Ok(())
    }

    fn answer(&mut self, question: &Question) -> std::io::Result<()> {
        let start = Instant::now();
        if !self.asked.contains(&question.head.action) {
            self.asked.insert(Arc::clone(&question.head.action));
        }
        self.narration.store(question.narrated, Ordering::Relaxed);
        let nodes = self.evaluator.cluster().len() as u64;
        self.watch.begin(question.ticket, &question.head.action, nodes, question.narrated);
        let progress = answer::decide(&mut self.evaluator, question, unix_ms());
        self.watch.end();
        if let Some(coverage) = &self.coverage {
            lock(&self.outbox).add(&Word::Covered(coverage.take()));
        }
        let mut decision = match progress {
            Progress::Decided(decision) => decision,
            Progress::Suspended(suspended) => return self.wait(question, &suspended),
        };
        answer::shorten(question, &mut decision);
        let mut outbox = lock(&self.outbox);
        match outbox.add(&Word::Reply(Reply { ticket: question.ticket, decision })) {
            waiting if waiting >= BATCH || start.elapsed() >= SLOW => outbox.flush(),
            _ => Ok(()),
        }
    }

    /// Hands a decision back that waits for a program.
    fn wait(&self, question: &Question, suspended: &Suspended) -> std::io::Result<()> {
        let encoded = postcard::to_stdvec(suspended).map_err(std::io::Error::other)?;
        let (ticket, step, taken) = (question.ticket, suspended.step, suspended.taken.clone());
        let waiting = Waiting { ticket, step, suspended: encoded.into(), taken };
        let mut outbox = lock(&self.outbox);
        outbox.add(&Word::Waiting(waiting));
        // The program takes longer than anything that it could be told together with.
        outbox.flush()
    }
}

/// Wall time since the worker's birth: what a step cost is a figure to read, not a limit.
struct Monotonic(Instant);

impl Stopwatch for Monotonic {
    fn micros(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}
