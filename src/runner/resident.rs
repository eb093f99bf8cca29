//! A program that stays running: told of nodes at the start and of changes later, asked questions in turn.
//!
//! The program is sent several questions at a time and takes them in turn, so that only the oldest can be the question
//! under work. When the program exits, that question fails; those behind are asked again of the next process. Pure
//! bookkeeping: times are handed in, and the caller carries out the results.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::Pid;
use tokio::sync::mpsc;

use crate::backoff::Backoff;
use crate::chain::{ChainSpec, ProgramAnswer, ProgramSpec, StepSpec, Suspended};
use crate::model::LimitKind;
use crate::script::ScriptError;

use super::once::{late, thrown};
use super::protocol::{ProgramQuestion, ProgramSet};
use super::run::KilledBy;

/// The most questions that the program is sent at a time. Where a choice is a reservation, questions are sent singly,
/// so that each question sees the result of the question before: a window would send a storm of logins to one node.
const WINDOW: usize = 64;
/// The pause before the program is started again: after the first exit, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// A resident program, with the nodes that were sent and the questions under way.
pub(super) struct ResidentProgram {
    pub(super) name: Arc<str>,
    pub(super) action: Arc<str>,
    pub(super) program: ProgramSpec,
    pub(super) edition: Arc<ProgramSet>,
    /// Whether the chain reserves what is chosen.
    pub(super) reserves: bool,
    pub(super) state: ResidentState,
    /// The number of starts: late events of an earlier process are ignored.
    pub(super) life: u64,
    /// The nodes that the program knows, those that the program has to be sent, and those that left while questions
    /// were under way.
    pub(super) told: BTreeSet<Arc<str>>,
    pub(super) dirty: BTreeSet<Arc<str>>,
    pub(super) gone: BTreeSet<Arc<str>>,
    /// The questions that the program was not sent yet, in order.
    pub(super) queue: VecDeque<UnaskedQuestion>,
    /// The questions that the program was sent, the oldest first.
    asked: VecDeque<AskedQuestion>,
    /// The time since which the oldest question is the oldest.
    since: Instant,
    pauses: Backoff,
    /// Whether this process has answered anything.
    answered: bool,
    /// The reason why the program cannot be asked: questions do not wait for a program that never answered.
    trouble: Option<String>,
    /// The lack of the machine at the last start: the error of questions that wait too long for the program.
    lack: Option<String>,
}

/// The state of a resident program's process.
pub(super) enum ResidentState {
    /// The program is not running, and is not started before this time.
    Resting(Instant),
    /// The program is being started.
    Starting,
    /// The program runs.
    Running {
        /// The process.
        pid: Pid,
        /// The channel to the standard input of the program.
        feed: mpsc::Sender<Vec<u8>>,
        /// The time since which input is being written; absent where the program has all that was sent.
        fed_since: Option<Instant>,
    },
    /// The program was told to end.
    Ending,
}

/// A question that the program was not sent yet.
pub(super) struct UnaskedQuestion {
    pub(super) program_question: ProgramQuestion,
    pub(super) suspended: Suspended,
    pub(super) since: Instant,
}

/// A question that the program was sent.
struct AskedQuestion {
    waiting: UnaskedQuestion,
    at: Instant,
}

/// The answers that result from an event, by ticket.
pub(super) type Answers = Vec<(u64, ProgramAnswer)>;

impl ResidentProgram {
    /// Creates the resident program of `step`, whose chain is `chain`; the program may be started from `now` on.
    pub(super) fn new(
        step: &StepSpec,
        chain: &ChainSpec,
        program: &ProgramSpec,
        edition: &Arc<ProgramSet>,
        now: Instant,
    ) -> Self {
        Self {
            name: Arc::clone(&step.name),
            action: Arc::clone(&chain.action),
            program: program.clone(),
            edition: Arc::clone(edition),
            reserves: chain.reserve,
            state: ResidentState::Resting(now),
            life: 0,
            told: BTreeSet::new(),
            dirty: BTreeSet::new(),
            gone: BTreeSet::new(),
            queue: VecDeque::new(),
            asked: VecDeque::new(),
            since: now,
            pauses: Backoff::exact(FIRST_PAUSE, LONGEST_PAUSE),
            answered: false,
            trouble: None,
            lack: None,
        }
    }

    fn wall_ms(&self) -> u32 {
        self.program.wall_ms.unwrap_or(self.edition.limits.wall_ms)
    }

    fn wall(&self) -> Duration {
        Duration::from_millis(u64::from(self.wall_ms()))
    }

    /// Queues a question; returns the answer at once where the program cannot be asked.
    pub(super) fn submit(&mut self, waiting: UnaskedQuestion) -> Answers {
        match &self.trouble {
            Some(trouble) => vec![fail(&waiting, thrown(trouble.clone()), Duration::ZERO)],
            None => {
                self.queue.push_back(waiting);
                Vec::new()
            }
        }
    }

    /// Whether the program is to be started now; if so, marks the program as starting.
    pub(super) fn starts(&mut self, now: Instant) -> bool {
        let due = matches!(self.state, ResidentState::Resting(until) if until <= now);
        if due {
            self.state = ResidentState::Starting;
            self.life += 1;
            self.answered = false;
        }
        due
    }

    /// Notes that the process runs. The process knows nothing yet: all `nodes` have to be sent.
    pub(super) fn runs(&mut self, pid: Pid, feed: mpsc::Sender<Vec<u8>>, nodes: impl Iterator<Item = Arc<str>>) {
        self.state = ResidentState::Running { pid, feed, fed_since: None };
        self.told.clear();
        self.gone.clear();
        self.dirty = nodes.collect();
        (self.trouble, self.lack) = (None, None);
    }

    /// Notes that all input was written.
    pub(super) fn fed(&mut self) {
        if let ResidentState::Running { fed_since, .. } = &mut self.state {
            *fed_since = None;
        }
    }

    /// Sends `text` to the program.
    pub(super) fn feed(&mut self, text: Vec<u8>) {
        if let ResidentState::Running { feed, fed_since, .. } = &mut self.state {
            *fed_since = Some(Instant::now());
            // The channel has room for one text, and was empty; where the process has exited, the exit event will say
            // so.
            drop(feed.try_send(text));
        }
    }

    /// Returns the process, where the program runs.
    pub(super) fn pid(&self) -> Option<Pid> {
        match &self.state {
            ResidentState::Running { pid, .. } => Some(*pid),
            _ => None,
        }
    }

    /// Whether input can be written now.
    pub(super) fn is_writable(&self) -> bool {
        matches!(self.state, ResidentState::Running { fed_since: None, .. })
    }

    /// Whether the program may be sent one question more.
    pub(super) fn has_room(&self) -> bool {
        self.asked.len() < if self.reserves { 1 } else { WINDOW }
    }

    /// Whether the program neither runs nor is about to run.
    pub(super) fn is_down(&self) -> bool {
        matches!(self.state, ResidentState::Resting(_))
    }

    /// Whether no question is under way or waits.
    pub(super) fn is_idle(&self) -> bool {
        self.asked.is_empty() && self.queue.is_empty()
    }

    /// Notes that the program is sent this question, after those before.
    pub(super) fn asks(&mut self, waiting: UnaskedQuestion, now: Instant) {
        if self.asked.is_empty() {
            self.since = now;
        }
        self.asked.push_back(AskedQuestion { waiting, at: now });
    }

    /// Notes an answer to the question `ticket`; returns the question and the time since the question was sent, or
    /// `None` where that is not the oldest question.
    pub(super) fn answers(&mut self, ticket: u64, now: Instant) -> Option<(UnaskedQuestion, Duration)> {
        let asked = self.asked.pop_front_if(|asked| asked.waiting.program_question.question.ticket == ticket)?;
        self.since = now;
        (self.answered, self.trouble) = (true, None);
        self.pauses.succeeded();
        Some((asked.waiting, now.saturating_duration_since(asked.at)))
    }

    /// Forgets the nodes that left. Questions under way may still name such nodes, so only where none is under way.
    pub(super) fn forget_gone(&mut self) {
        if self.asked.is_empty() {
            self.gone.clear();
        }
    }

    /// Returns the time at which something is due: a start, or the time limit of a question.
    pub(super) fn due(&self) -> Option<Instant> {
        let start = match self.state {
            ResidentState::Resting(until) => Some(until),
            _ => None,
        };
        let down = self.queue.front().filter(|_| self.keeps_waiting()).map(|waiting| waiting.since + self.wall());
        [start, down, self.slow_at()].into_iter().flatten().min()
    }

    /// Whether questions wait because the program does not run. During a start, questions wait for the result of the
    /// start, which takes a bounded time: a lack of the machine's is not the program's slowness.
    fn keeps_waiting(&self) -> bool {
        matches!(self.state, ResidentState::Resting(_) | ResidentState::Ending)
    }

    /// Returns the time at which the program will have been too slow: with the oldest question, or with reading input
    /// while a question waits.
    fn slow_at(&self) -> Option<Instant> {
        let ResidentState::Running { fed_since, .. } = &self.state else { return None };
        let oldest = (!self.asked.is_empty()).then_some(self.since);
        let reading = fed_since.filter(|_| !self.is_idle());
        [oldest, reading].into_iter().flatten().min().map(|since| since + self.wall())
    }

    /// Fails the questions that wait too long for a program that does not run; behind a program that runs, each
    /// question waits for its turn. Also returns whether the program itself is too slow and is to be killed.
    pub(super) fn expire(&mut self, now: Instant) -> (Answers, bool) {
        let (wall, message) = (self.wall(), late(&self.name, self.wall_ms()));
        let mut failed = Vec::new();
        let keeps_waiting = self.keeps_waiting();
        while let Some(waiting) = self.queue.pop_front_if(|waiting| keeps_waiting && waiting.since + wall <= now) {
            let slow = || ScriptError::Limit(LimitKind::Time, message.clone());
            failed.push(fail(&waiting, self.lack.clone().map_or_else(slow, ScriptError::Machine), wall));
        }
        let is_slow = self.slow_at().is_some_and(|at| at <= now);
        if is_slow {
            let error = ScriptError::Limit(LimitKind::Time, message);
            if self.asked.is_empty() {
                // The program does not even read; the next question must not wait for another such process.
                failed.extend(self.queue.pop_front().map(|waiting| fail(&waiting, error.clone(), wall)));
            }
            failed.extend(self.convict(error));
        }
        (failed, is_slow)
    }

    /// Marks the program as to be killed for a fault; the question under work fails by the step's policy.
    pub(super) fn convict(&mut self, error: ScriptError) -> Option<(u64, ProgramAnswer)> {
        self.state = ResidentState::Ending;
        let oldest = self.asked.pop_front()?;
        Some(fail(&oldest.waiting, error, oldest.at.elapsed()))
    }

    /// Fails the questions that wait, where the program never answered: they do not wait for the next process.
    pub(super) fn give_up(&mut self, error: &ScriptError) -> Answers {
        let waiting = if self.answered { 0 } else { self.queue.len() };
        self.queue.drain(..waiting).map(|waiting| fail(&waiting, error.clone(), Duration::ZERO)).collect()
    }

    /// Notes that the process has ended, in the way that `how` says. The question under work fails, those behind wait
    /// for the next process; where the process exited by itself and had never answered, none waits.
    pub(super) fn ended(&mut self, how: &str, killer: KilledBy, now: Instant) -> Answers {
        let mut failed = Vec::new();
        let by_us = matches!(self.state, ResidentState::Ending);
        if !by_us {
            let message = format!("while it was asked, {how}");
            failed.extend(self.convict(thrown(message)));
        }
        while let Some(asked) = self.asked.pop_back() {
            self.queue.push_front(asked.waiting);
        }
        if by_us || self.answered || !failed.is_empty() {
            // The cause of their waiting is over; a program that exits before doing anything does not extend the wait.
            self.queue.iter_mut().for_each(|waiting| waiting.since = now);
        }
        if !self.answered && !by_us && killer == KilledBy::Itself {
            self.trouble = Some(how.to_owned());
            failed.extend(self.give_up(&thrown(how.to_owned())));
        }
        if killer == KilledBy::Machine {
            // The lack was waited out already, and says nothing about the program's next start.
            self.lack = Some(how.to_owned());
            self.state = ResidentState::Resting(now + FIRST_PAUSE);
            return failed;
        }
        self.state = ResidentState::Resting(now + self.pauses.failed());
        failed
    }
}

fn fail(waiting: &UnaskedQuestion, error: ScriptError, cost: Duration) -> (u64, ProgramAnswer) {
    let cost_us = u64::try_from(cost.as_micros()).unwrap_or(u64::MAX);
    (waiting.program_question.question.ticket, ProgramAnswer { cost_us, ..ProgramAnswer::only(Err(error)) })
}
