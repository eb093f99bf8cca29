//! The scheduler of a runner: commands in, frames out; owns the mirror of the cluster and the questions under way.
//!
//! One task owns the state, as in the front; the tasks around that task only carry.

use std::cell::LazyCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use jiff::tz::TimeZone;
use tokio::sync::mpsc;
use tokio::task::spawn_local;

use crate::chain::{Mode, ProgramAnswer, ProgramSpec, StepSource, Suspended};
use crate::clock::Moment;
use crate::model::{Arrangement, Change, Request};
use crate::script::{ReturnedValue, ScriptRequest};
use crate::system_clock::unix_ms;
use crate::worker::PlacementQuestion;

use super::answer;
use super::document;
use super::mirror::{self, Programs, RunnerMirror};
use super::once::{self, Job, RunOutcome};
use super::protocol::{ProgramQuestion, RunnerCommand, RunnerFrame};
use super::reaper::Reaper;
use super::resident::UnaskedQuestion;
use super::residents::{Key, ResidentPrograms};
use super::run::{self, RunEvent};

/// The most configurations that are kept: decisions under way when their configuration was replaced still ask its
/// programs.
const MAX_EDITIONS: usize = 8;

/// An event that the scheduler's tasks report.
pub(super) enum SchedulerEvent {
    /// The result of a program that was started for the question of this ticket.
    Outcome(u64, RunOutcome),
    /// Nothing of a program is left, so that another program of the chain may be started.
    Free(ChainKey),
    /// An event of a resident program's process.
    Happens(Key, u64, RunEvent),
}

/// The state of a runner.
pub(super) struct RunnerScheduler {
    mirror: RunnerMirror,
    programs: BTreeMap<u64, Programs>,
    /// The queues by chain, so that a chain with slow programs starves no other.
    queues: BTreeMap<ChainKey, ProgramQueue>,
    /// The programs that were started for a question, by the question's ticket.
    running: BTreeMap<u64, RunningProgram>,
    residents: ResidentPrograms,
    reaper: Rc<Reaper>,
    events: mpsc::Sender<SchedulerEvent>,
    runs: u64,
}

/// The key of a chain: the edition, and the place in that edition.
type ChainKey = (u64, usize);

/// The questions of one chain that wait for their programs to be started.
#[derive(Default)]
struct ProgramQueue {
    waiting: VecDeque<Queued>,
    /// The number of the chain's programs that run, those that are being ended included.
    busy: u32,
}

/// A question that waits for its program to be started.
struct Queued {
    program_question: ProgramQuestion,
    suspended: Suspended,
    name: Arc<str>,
    program: ProgramSpec,
}

/// A program that was started for a question.
struct RunningProgram {
    question: Arc<PlacementQuestion>,
    /// Whether the chain reserves what is chosen.
    reserves: bool,
    /// The ids of the nodes that the program was shown.
    ids: Vec<Arc<str>>,
}

/// An action that is carried out once the front has been told.
pub(super) enum SchedulerAction {
    /// Starts the job for the question of this ticket.
    Run(u64, ChainKey, Box<Job>),
    /// Sends the text to a resident program.
    Feed(Key, Vec<u8>),
}

impl RunnerScheduler {
    pub(super) fn new(arrangement: Arrangement, reaper: Rc<Reaper>, events: mpsc::Sender<SchedulerEvent>) -> Self {
        Self {
            mirror: RunnerMirror::new(arrangement),
            programs: BTreeMap::new(),
            queues: BTreeMap::new(),
            running: BTreeMap::new(),
            residents: ResidentPrograms::default(),
            reaper,
            events,
            runs: 0,
        }
    }

    /// Handles a command of the front; programs are started and asked by [`RunnerScheduler::proceed`].
    pub(super) fn order(&mut self, order: RunnerCommand) -> Vec<RunnerFrame> {
        match order {
            RunnerCommand::Change(change) => {
                self.change(change);
                Vec::new()
            }
            RunnerCommand::Edition(edition) => {
                self.residents.add(&edition, Instant::now());
                self.programs.insert(edition.number, Programs::new(edition, &self.mirror.cluster));
                let surplus = self.programs.len().saturating_sub(MAX_EDITIONS);
                let old: Vec<_> = self.programs.keys().copied().take(surplus).collect();
                old.iter().filter(|number| !self.residents.has(**number)).for_each(|number| {
                    self.programs.remove(number);
                });
                Vec::new()
            }
            RunnerCommand::Run(program_question) => self.submit(program_question),
        }
    }

    fn change(&mut self, change: Change) {
        let touched = mirror::apply(&mut self.mirror, self.programs.values_mut(), change);
        self.residents.touch(&touched);
    }

    fn submit(&mut self, program_question: ProgramQuestion) -> Vec<RunnerFrame> {
        let ticket = program_question.question.ticket;
        // Where the question was asked before, the choice of then came to nothing.
        self.change(Change::Release(Arc::clone(&program_question.question.decision)));
        let Some((key, name, program)) = self.find(&program_question) else {
            return vec![lost(ticket, "the program is not in the configuration any more")];
        };
        let Ok(suspended) = postcard::from_bytes::<Suspended>(&program_question.suspended) else {
            return vec![lost(ticket, "what was decided before the program ran was lost")];
        };
        if let Some(programs) = self.programs.get(&program_question.edition).filter(|_| program.mode == Mode::Resident)
        {
            // The program of an earlier edition may have been ended already.
            self.residents.add(&programs.edition, Instant::now());
        }
        match (program.mode, self.residents.get_mut(key)) {
            (Mode::Resident, Some(resident)) => {
                let waiting = UnaskedQuestion { program_question, suspended, since: Instant::now() };
                resident.submit(waiting).into_iter().map(|(ticket, heard)| RunnerFrame::Heard(ticket, heard)).collect()
            }
            _ => {
                let queue = self.queues.entry((key.0, key.1)).or_default();
                queue.waiting.push_back(Queued { program_question, suspended, name, program });
                Vec::new()
            }
        }
    }

    fn find(&self, program_question: &ProgramQuestion) -> Option<(Key, Arc<str>, ProgramSpec)> {
        let edition = &self.programs.get(&program_question.edition)?.edition;
        let action = &program_question.question.head.action;
        let place = edition.chains.iter().position(|chain| chain.action == *action)?;
        let step = edition.chains.get(place)?.steps.get(program_question.step)?;
        match &step.source {
            StepSource::Executable(program) => {
                Some(((edition.number, place, program_question.step), Arc::clone(&step.name), program.clone()))
            }
            StepSource::Script { .. } | StepSource::Builtin(_) => None,
        }
    }

    /// Handles an event of the scheduler's tasks.
    pub(super) fn event(&mut self, event: SchedulerEvent) -> Vec<RunnerFrame> {
        match event {
            SchedulerEvent::Outcome(ticket, outcome) => self.outcome(ticket, outcome).into_iter().collect(),
            SchedulerEvent::Free(chain) => {
                if let Some(queue) = self.queues.get_mut(&chain) {
                    queue.busy = queue.busy.saturating_sub(1);
                }
                self.queues.retain(|_, queue| queue.busy > 0 || !queue.waiting.is_empty());
                Vec::new()
            }
            SchedulerEvent::Happens(key, life, event) => {
                let (frames, choices) = self.residents.happens(key, life, event, &self.mirror, &self.reaper);
                choices.into_iter().for_each(|choice| self.change(choice));
                frames
            }
        }
    }

    fn outcome(&mut self, ticket: u64, outcome: RunOutcome) -> Option<RunnerFrame> {
        let RunningProgram { question, reserves, ids } = self.running.remove(&ticket)?;
        let RunOutcome { said, log, cost_us } = outcome;
        let set = LazyCell::new(|| ids.iter().map(|id| &**id).collect::<BTreeSet<_>>());
        let is_node = |id: &str| self.mirror.get(id).is_some() || set.contains(id);
        let said = said.map(|printed| answer::read(&printed, is_node));
        let names_one = matches!(said, Ok(ReturnedValue::Id(_)));
        let heard = ProgramAnswer { cost_us, log, ..ProgramAnswer::only(said) };
        // For a single name a walk is cheaper than a set.
        let was_shown = |name: &str| if names_one { ids.iter().any(|id| **id == *name) } else { set.contains(name) };
        let heard = heard.seeing(was_shown);
        if let Some(choice) = choice(&question, &heard).filter(|_| reserves) {
            self.change(choice);
        }
        Some(RunnerFrame::Heard(ticket, heard))
    }

    /// Starts and asks the programs whose turn has come: returns the frames that the front must get first, and then the
    /// actions.
    pub(super) fn proceed(&mut self) -> (Vec<RunnerFrame>, Vec<SchedulerAction>) {
        let now = Instant::now();
        let mut frames = self.residents.expire(&self.reaper, now);
        let mut actions = Vec::new();
        let mut tickets = Vec::new();
        self.start_residents(now);
        let (feeds, late) = self.residents.feeds(&mut self.mirror, &self.programs, now);
        frames.extend(late);
        for feed in feeds {
            tickets.extend(feed.tickets);
            actions.push(SchedulerAction::Feed(feed.key, feed.text));
        }
        while let Some((chain, queued)) = self.next_queued() {
            let ticket = queued.program_question.question.ticket;
            if queued.program_question.question.deadline_ms.is_some_and(|deadline| deadline < unix_ms()) {
                frames.push(RunnerFrame::Late(ticket));
            } else if let Some((job, running)) = self.job(queued) {
                self.queues.entry(chain).or_default().busy += 1;
                self.running.insert(ticket, running);
                tickets.push(ticket);
                actions.push(SchedulerAction::Run(ticket, chain, Box::new(job)));
            } else {
                frames.push(lost(ticket, "the program is not in the configuration any more"));
            }
        }
        if !tickets.is_empty() {
            frames.push(RunnerFrame::Asking(tickets));
        }
        (frames, actions)
    }

    fn latest(&self) -> u64 {
        self.programs.last_key_value().map_or(0, |(number, _)| *number)
    }

    /// Returns a question whose program may be started now.
    fn next_queued(&mut self) -> Option<(ChainKey, Queued)> {
        let at_once = self.programs.last_key_value().map_or(0, |(_, programs)| programs.edition.limits.at_once);
        let mut free = self.queues.iter_mut().filter(|(_, queue)| queue.busy < at_once);
        free.find_map(|(chain, queue)| Some((*chain, queue.waiting.pop_front()?)))
    }

    /// Returns the job for a question, and the record that is kept until the program has answered.
    fn job(&mut self, queued: Queued) -> Option<(Job, RunningProgram)> {
        let Queued { program_question, suspended, name, program } = queued;
        let run = self.next_run();
        let programs = self.programs.get(&program_question.edition)?;
        let (chain, index) = programs.chain(&program_question.question.head.action)?;
        let input = asked(&program_question.question, chain.pass_jwt, &programs.zone, |asked| {
            asked.to_json(&self.mirror.cluster)
        });
        let (document, ids) = document::whole(&mut self.mirror, index, &suspended.shown, &input);
        let running = RunningProgram { question: program_question.question, reserves: chain.reserve, ids };
        Some((Job { name, program, edition: Arc::clone(&programs.edition), run, document }, running))
    }

    /// Returns a run name that no other run of any runner has.
    fn next_run(&mut self) -> String {
        self.runs += 1;
        format!("{}-{}", std::process::id(), self.runs)
    }

    fn start_residents(&mut self, now: Instant) {
        let latest = self.latest();
        self.residents.retire(latest);
        for (key, life) in self.residents.starting(now) {
            let run = self.next_run();
            let Some(resident) = self.residents.get_mut(key) else { continue };
            let (program, edition) = (resident.program.clone(), Arc::clone(&resident.edition));
            let (reaper, events) = (Rc::clone(&self.reaper), self.events.clone());
            spawn_local(async move {
                let tell = async |event| drop(events.send(SchedulerEvent::Happens(key, life, event)).await);
                run::live(program, edition, run, reaper, tell).await;
            });
        }
    }

    /// Carries out actions that the front has been told of.
    pub(super) fn act(&mut self, actions: Vec<SchedulerAction>) {
        for action in actions {
            match action {
                SchedulerAction::Feed(key, text) => {
                    if let Some(resident) = self.residents.get_mut(key) {
                        resident.feed(text);
                    }
                }
                SchedulerAction::Run(ticket, chain, job) => {
                    let (reaper, events) = (Rc::clone(&self.reaper), self.events.clone());
                    spawn_local(async move {
                        let tell = async |outcome| drop(events.send(SchedulerEvent::Outcome(ticket, outcome)).await);
                        once::run(*job, reaper, tell).await;
                        drop(events.send(SchedulerEvent::Free(chain)).await);
                    });
                }
            }
        }
    }

    /// Returns the time at which [`RunnerScheduler::proceed`] is due although nothing happens.
    pub(super) fn due(&self) -> Option<Instant> {
        self.residents.due()
    }
}

/// Returns the reservation that the choice in `heard` makes until the front says otherwise: the next program must see
/// that reservation.
pub(super) fn choice(question: &PlacementQuestion, heard: &ProgramAnswer) -> Option<Change> {
    let Ok(ReturnedValue::Id(_)) = &heard.said else { return None };
    heard.seen.first().map(|node| Change::Reserve(question.reservation(node)))
}

/// Calls `with` with the request of `question` as scripts see the request.
pub(super) fn asked<T>(
    question: &PlacementQuestion,
    passes_jwt: bool,
    zone: &TimeZone,
    with: impl FnOnce(ScriptRequest<'_>) -> T,
) -> T {
    let (text, server_id) = (Arc::clone(&question.request), Arc::clone(&question.server_id));
    let request = Request::deferred(question.head.clone(), text, server_id);
    let moment = Moment::at(question.now_ms, zone);
    with(ScriptRequest {
        request: &request,
        passes_jwt,
        moment: &moment,
        seed: question.seed,
        sequence: question.sequence,
    })
}

/// The answer to a question for which there is no program.
fn lost(ticket: u64, message: &str) -> RunnerFrame {
    RunnerFrame::Heard(ticket, ProgramAnswer::only(Err(once::thrown(message.to_owned()))))
}
