//! A program that stays running: told of nodes once and then of changes, asked in turn.
//!
//! It is asked several questions at a time and takes them in turn, so that only the oldest one can be what it is at.
//! When it ends, that one is what it held; those behind it are asked again of its next incarnation. Pure bookkeeping:
//! times are handed in, and whoever holds this does what it says.

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

/// Questions that it is asked at one time. Where its choice is a reservation, it is asked one at a time, so that each
/// question finds what came of the one before: a window would send a storm of logins to one node.
const WINDOW: usize = 64;
/// The pause before it is started again: after its first end, and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// A resident program, with what it was told and is asked.
pub(super) struct ResidentProgram {
    pub(super) name: Arc<str>,
    pub(super) action: Arc<str>,
    pub(super) program: ProgramSpec,
    pub(super) edition: Arc<ProgramSet>,
    /// Whether the chain reserves what is chosen.
    pub(super) reserves: bool,
    pub(super) state: ResidentState,
    /// Counts its lives: what an earlier one says late is of no interest.
    pub(super) life: u64,
    /// The nodes that it knows, those that it has to be told of, and those that left while it was asked something.
    pub(super) told: BTreeSet<Arc<str>>,
    pub(super) dirty: BTreeSet<Arc<str>>,
    pub(super) gone: BTreeSet<Arc<str>>,
    /// Questions that it was not asked yet, in order.
    pub(super) queue: VecDeque<UnaskedQuestion>,
    /// Questions that it was asked, the oldest first.
    asked: VecDeque<AskedQuestion>,
    /// Since when the oldest is the oldest.
    since: Instant,
    pauses: Backoff,
    /// Whether this life has answered anything.
    answered: bool,
    /// Why there is no program to ask: nobody waits for one that never answered.
    trouble: Option<String>,
    /// What the machine lacked to start it the last time: whoever waits too long for it hears that.
    lack: Option<String>,
}

/// Whether it runs.
pub(super) enum ResidentState {
    /// Not before this moment is it started again.
    Resting(Instant),
    /// It is being started.
    Starting,
    /// It runs.
    Running {
        /// Its process.
        pid: Pid,
        /// What it reads.
        feed: mpsc::Sender<Vec<u8>>,
        /// Since when it is being given something; absent where it has all that it was sent.
        fed_since: Option<Instant>,
    },
    /// It was told to end.
    Ending,
}

/// A question that it was not asked yet.
pub(super) struct UnaskedQuestion {
    pub(super) errand: ProgramQuestion,
    pub(super) suspended: Suspended,
    pub(super) since: Instant,
}

/// A question that it was asked.
struct AskedQuestion {
    waiting: UnaskedQuestion,
    at: Instant,
}

/// What comes of something that it did: the answers, by ticket.
pub(super) type Answers = Vec<(u64, ProgramAnswer)>;

impl ResidentProgram {
    /// The program of `step`, whose chain is `chain`; it may be started from `now` on.
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

    /// Takes a question; returns its answer where there is nobody to ask.
    pub(super) fn submit(&mut self, waiting: UnaskedQuestion) -> Answers {
        match &self.trouble {
            Some(trouble) => vec![fail(&waiting, thrown(trouble.clone()), Duration::ZERO)],
            None => {
                self.queue.push_back(waiting);
                Vec::new()
            }
        }
    }

    /// Whether it is to be started now; it is, from here on.
    pub(super) fn starts(&mut self, now: Instant) -> bool {
        let due = matches!(self.state, ResidentState::Resting(until) if until <= now);
        if due {
            self.state = ResidentState::Starting;
            self.life += 1;
            self.answered = false;
        }
        due
    }

    /// It runs, and knows nothing yet: of all these nodes it has to be told.
    pub(super) fn runs(&mut self, pid: Pid, feed: mpsc::Sender<Vec<u8>>, nodes: impl Iterator<Item = Arc<str>>) {
        self.state = ResidentState::Running { pid, feed, fed_since: None };
        self.told.clear();
        self.gone.clear();
        self.dirty = nodes.collect();
        (self.trouble, self.lack) = (None, None);
    }

    /// It was given what was sent.
    pub(super) fn fed(&mut self) {
        if let ResidentState::Running { fed_since, .. } = &mut self.state {
            *fed_since = None;
        }
    }

    /// It is given `text`.
    pub(super) fn feed(&mut self, text: Vec<u8>) {
        if let ResidentState::Running { feed, fed_since, .. } = &mut self.state {
            *fed_since = Some(Instant::now());
            // There is room for one, and it was idle; where the life is over, its end will be told.
            drop(feed.try_send(text));
        }
    }

    /// The process, where it runs.
    pub(super) fn pid(&self) -> Option<Pid> {
        match &self.state {
            ResidentState::Running { pid, .. } => Some(*pid),
            _ => None,
        }
    }

    /// Whether something can be written now.
    pub(super) fn is_listening(&self) -> bool {
        matches!(self.state, ResidentState::Running { fed_since: None, .. })
    }

    /// Whether it may be asked one question more.
    pub(super) fn has_room(&self) -> bool {
        self.asked.len() < if self.reserves { 1 } else { WINDOW }
    }

    /// Whether it neither runs nor is about to.
    pub(super) fn is_down(&self) -> bool {
        matches!(self.state, ResidentState::Resting(_))
    }

    /// Whether nothing is asked of it.
    pub(super) fn is_idle(&self) -> bool {
        self.asked.is_empty() && self.queue.is_empty()
    }

    /// It is asked this, after what it was asked before.
    pub(super) fn asks(&mut self, waiting: UnaskedQuestion, now: Instant) {
        if self.asked.is_empty() {
            self.since = now;
        }
        self.asked.push_back(AskedQuestion { waiting, at: now });
    }

    /// It answered the question `ticket`; absent where that is not the oldest that it has.
    pub(super) fn answers(&mut self, ticket: u64, now: Instant) -> Option<(UnaskedQuestion, Duration)> {
        let asked = self.asked.pop_front_if(|asked| asked.waiting.errand.question.ticket == ticket)?;
        self.since = now;
        (self.answered, self.trouble) = (true, None);
        self.pauses.succeeded();
        Some((asked.waiting, now.saturating_duration_since(asked.at)))
    }

    /// The questions under way may name what has left since; none is under way any more.
    pub(super) fn forget_gone(&mut self) {
        if self.asked.is_empty() {
            self.gone.clear();
        }
    }

    /// When something is due: its start, or the end of somebody's patience.
    pub(super) fn due(&self) -> Option<Instant> {
        let start = match self.state {
            ResidentState::Resting(until) => Some(until),
            _ => None,
        };
        let down = self.queue.front().filter(|_| self.keeps_waiting()).map(|waiting| waiting.since + self.wall());
        [start, down, self.slow_at()].into_iter().flatten().min()
    }

    /// Whether questions wait because it does not run. Where it is just being started they wait for what comes of that,
    /// which takes a bounded time: a lack of the machine's is not the program's slowness.
    fn keeps_waiting(&self) -> bool {
        matches!(self.state, ResidentState::Resting(_) | ResidentState::Ending)
    }

    /// When it will have been too slow: with the oldest question, or with reading while something waits for it.
    fn slow_at(&self) -> Option<Instant> {
        let ResidentState::Running { fed_since, .. } = &self.state else { return None };
        let oldest = (!self.asked.is_empty()).then_some(self.since);
        let reading = fed_since.filter(|_| !self.is_idle());
        [oldest, reading].into_iter().flatten().min().map(|since| since + self.wall())
    }

    /// Fails what waits for too long for a program that does not run; behind one that runs, each has its turn. Whether
    /// the program itself is too slow: then it is to be ended.
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
                // It does not even read; whoever is next must not wait for another such life.
                failed.extend(self.queue.pop_front().map(|waiting| fail(&waiting, error.clone(), wall)));
            }
            failed.extend(self.convict(error));
        }
        (failed, is_slow)
    }

    /// The program is to be ended for what it did; the question that it was at follows the step's policy.
    pub(super) fn convict(&mut self, error: ScriptError) -> Option<(u64, ProgramAnswer)> {
        self.state = ResidentState::Ending;
        let oldest = self.asked.pop_front()?;
        Some(fail(&oldest.waiting, error, oldest.at.elapsed()))
    }

    /// It cannot be asked any more: where it never answered, nobody waits for the next life.
    pub(super) fn give_up(&mut self, error: &ScriptError) -> Answers {
        let waiting = if self.answered { 0 } else { self.queue.len() };
        self.queue.drain(..waiting).map(|waiting| fail(&waiting, error.clone(), Duration::ZERO)).collect()
    }

    /// It has ended, in which way `how` says. What it was at fails, what was behind that waits for its next life; where
    /// this one ended itself and had never answered, nobody waits.
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
            // What kept them waiting is over; a program that dies before it does anything keeps them no longer.
            self.queue.iter_mut().for_each(|waiting| waiting.since = now);
        }
        if !self.answered && !by_us && killer == KilledBy::Itself {
            self.trouble = Some(how.to_owned());
            failed.extend(self.give_up(&thrown(how.to_owned())));
        }
        if killer == KilledBy::Machine {
            // That was waited out already, and no later life of the program is less likely for it.
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
    (waiting.errand.question.ticket, ProgramAnswer { cost_us, ..ProgramAnswer::only(Err(error)) })
}
