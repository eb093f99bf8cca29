//! The resident programs of all editions: started, sent nodes and questions, read from, ended.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use rustix::process::Signal;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::chain::{Mode, ProgramAnswer, ShownCandidates, StepSource};
use crate::model::json::{self, JsonLimits};
use crate::model::{Arrangement, Change};
use crate::script::{ScriptError, ScriptLimits};
use crate::system_clock::unix_ms;
use crate::worker::PlacementQuestion;

use super::answer;
use super::document;
use super::mirror::{Programs, RunnerMirror};
use super::once::thrown;
use super::protocol::{ProgramSet, RunnerFrame};
use super::reaper::Reaper;
use super::resident::{Answers, ResidentProgram, ResidentState, UnaskedQuestion};
use super::run::{RunEvent, no_answer, too_long};
use super::scheduler;

/// The key of a resident program: the edition, the place of the chain, and the place of the step.
pub(super) type Key = (u64, usize, usize);

/// The most bytes that are written to a program at once.
const FEED_BYTES: usize = 256 << 10;
/// The number of bytes of a line that an error message shows, where the line is no answer.
const SHOWN_BYTES: usize = 200;
/// The most lines that a program may log in a second; further lines are dropped.
const LINES_A_SECOND: u32 = 100;

/// The resident programs.
#[derive(Default)]
pub(super) struct ResidentPrograms {
    by_key: BTreeMap<Key, ResidentProgram>,
    /// The number of lines that each program logged in the current second.
    logged: BTreeMap<Key, (u64, u32)>,
}

/// A text to write to a program, with the tickets of the questions that the text holds.
pub(super) struct ProgramInput {
    pub(super) key: Key,
    pub(super) text: Vec<u8>,
    pub(super) tickets: Vec<u64>,
}

/// A line that a program prints.
#[derive(Deserialize)]
struct ProgramLine {
    request: u64,
    #[serde(default)]
    answer: Value,
    error: Option<String>,
}

impl ResidentPrograms {
    /// Adds the programs of an edition, which start at once.
    pub(super) fn add(&mut self, edition: &Arc<ProgramSet>, now: Instant) {
        for (chain_place, chain) in edition.chains.iter().enumerate() {
            for (step_place, step) in chain.steps.iter().enumerate() {
                if let StepSource::Executable(program) = &step.source
                    && program.mode == Mode::Resident
                {
                    let resident = ResidentProgram::new(step, chain, program, edition, now);
                    self.by_key.entry((edition.number, chain_place, step_place)).or_insert(resident);
                }
            }
        }
    }

    pub(super) fn get_mut(&mut self, key: Key) -> Option<&mut ResidentProgram> {
        self.by_key.get_mut(&key)
    }

    /// Whether the edition `number` has resident programs.
    pub(super) fn has(&self, number: u64) -> bool {
        self.by_key.range((number, 0, 0)..(number + 1, 0, 0)).next().is_some()
    }

    /// Returns the programs that are to be started now, with the number of the start.
    pub(super) fn starting(&mut self, now: Instant) -> Vec<(Key, u64)> {
        self.by_key
            .iter_mut()
            .filter_map(|(key, resident)| resident.starts(now).then_some((*key, resident.life)))
            .collect()
    }

    /// Ends the programs of editions before `latest` that have no questions, and removes them when they have ended.
    pub(super) fn retire(&mut self, latest: u64) {
        self.by_key.retain(|key, resident| key.0 >= latest || !resident.is_idle() || !resident.is_down());
        for (_, resident) in self.by_key.range_mut(..(latest, 0, 0)) {
            if resident.is_idle() && resident.pid().is_some() {
                // Leaving the running state drops the sender, which closes the program's input.
                resident.convict(thrown(String::new()));
            }
        }
        let known = &self.by_key;
        self.logged.retain(|key, _| known.contains_key(key));
    }

    /// Notes that these nodes have changed.
    pub(super) fn touch(&mut self, ids: &[Arc<str>]) {
        for resident in self.by_key.values_mut() {
            resident.dirty.extend(ids.iter().cloned());
        }
    }

    /// Returns the time at which something is due.
    pub(super) fn due(&self) -> Option<Instant> {
        self.by_key.values().filter_map(ResidentProgram::due).min()
    }

    /// Fails the questions that wait too long, and kills programs that are too slow.
    pub(super) fn expire(&mut self, reaper: &Reaper, now: Instant) -> Vec<RunnerFrame> {
        let mut frames = Vec::new();
        for resident in self.by_key.values_mut() {
            let pid = resident.pid();
            let (failed, is_slow) = resident.expire(now);
            frames.extend(frames_of(failed));
            if let Some(pid) = pid.filter(|_| is_slow) {
                reaper.signal(pid, Signal::KILL);
                frames.push(RunnerFrame::Ended(Arc::clone(&resident.name), "the program was too slow".to_owned()));
            }
        }
        frames
    }

    /// Returns the text for each program that can be written to now, with nodes and questions; and a frame for each
    /// question that came too late.
    pub(super) fn feeds(
        &mut self,
        mirror: &mut RunnerMirror,
        programs: &BTreeMap<u64, Programs>,
        now: Instant,
    ) -> (Vec<ProgramInput>, Vec<RunnerFrame>) {
        let (mut feeds, mut late) = (Vec::new(), Vec::new());
        for (key, resident) in self.by_key.iter_mut().filter(|(_, resident)| resident.is_writable()) {
            let Some(programs) = programs.get(&key.0) else { continue };
            let mut feed = ProgramInput { key: *key, text: Vec::new(), tickets: Vec::new() };
            write_nodes(resident, mirror, programs, &mut feed.text);
            while resident.dirty.is_empty() && feed.text.len() < FEED_BYTES && resident.has_room() {
                let Some(waiting) = resident.queue.pop_front() else { break };
                let ticket = waiting.program_question.question.ticket;
                if waiting.program_question.question.deadline_ms.is_some_and(|deadline| deadline < unix_ms()) {
                    late.push(RunnerFrame::Late(ticket));
                    continue;
                }
                write_question(&waiting, resident, mirror, programs, &mut feed.text);
                feed.tickets.push(ticket);
                resident.asks(waiting, now);
            }
            if !feed.text.is_empty() {
                feeds.push(feed);
            }
        }
        (feeds, late)
    }

    /// Handles an event of the process `life` of the program `key`. Returns the frames to the front, and the
    /// reservations of the program's choices, which hold for the mirror until the front says otherwise.
    pub(super) fn happens(
        &mut self,
        key: Key,
        life: u64,
        event: RunEvent,
        mirror: &RunnerMirror,
        reaper: &Rc<Reaper>,
    ) -> (Vec<RunnerFrame>, Vec<Change>) {
        let Some(resident) = self.by_key.get_mut(&key).filter(|resident| resident.life == life) else {
            return Default::default();
        };
        let mut choices = Vec::new();
        let frames = match event {
            RunEvent::Runs(pid, feed) => {
                resident.runs(pid, feed, mirror.cluster.nodes().map(|(_, node)| Arc::clone(node.id())));
                Vec::new()
            }
            RunEvent::Fed => {
                resident.fed();
                Vec::new()
            }
            RunEvent::Answered(lines) => {
                let mut frames = Vec::new();
                for line in lines {
                    // Lines that the program prints after being convicted are ignored.
                    if resident.pid().is_none() {
                        break;
                    }
                    match read_answer(resident, &line) {
                        Ok((question, answer)) => {
                            let reserves = resident.reserves;
                            choices.extend(scheduler::choice(&question, &answer).filter(|_| reserves));
                            frames.push(RunnerFrame::Heard(question.ticket, answer));
                        }
                        Err(error) => frames.extend(kill_for(resident, reaper, error)),
                    }
                }
                frames
            }
            RunEvent::Misbehaved(error) => kill_for(resident, reaper, error),
            RunEvent::StoppedReading => {
                let error = thrown("the program reads no more".to_owned());
                let unasked: Vec<_> = frames_of(resident.give_up(&error)).collect();
                kill_for(resident, reaper, error).into_iter().chain(unasked).collect()
            }
            RunEvent::Logged(lines) => {
                let name = Arc::clone(&resident.name);
                let limits = resident.edition.limits.script;
                let lines = self.let_through(key, lines);
                let text = |line: Vec<u8>| limits.cut(String::from_utf8_lossy(&line).trim_end());
                lines.into_iter().map(|line| RunnerFrame::Logged(Arc::clone(&name), text(line))).collect()
            }
            RunEvent::Ended(how, killer) => {
                let known = matches!(resident.state, ResidentState::Ending);
                let mut frames: Vec<_> = frames_of(resident.ended(&how, killer, Instant::now())).collect();
                if !known {
                    frames.push(RunnerFrame::Ended(Arc::clone(&resident.name), how));
                }
                frames
            }
        };
        (frames, choices)
    }

    /// Returns as many of `lines` as the program may log in this second.
    fn let_through(&mut self, key: Key, mut lines: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
        let second = u64::try_from(unix_ms()).unwrap_or_default() / 1000;
        let (counted, count) = self.logged.entry(key).or_default();
        if *counted != second {
            (*counted, *count) = (second, 0);
        }
        let left = LINES_A_SECOND.saturating_sub(*count) as usize;
        lines.truncate(left);
        *count += u32::try_from(lines.len()).unwrap_or(u32::MAX);
        lines
    }
}

fn frames_of(answers: Answers) -> impl Iterator<Item = RunnerFrame> {
    answers.into_iter().map(|(ticket, heard)| RunnerFrame::Heard(ticket, heard))
}

/// Kills the program for a fault, where the program runs.
fn kill_for(resident: &mut ResidentProgram, reaper: &Reaper, error: ScriptError) -> Vec<RunnerFrame> {
    let Some(pid) = resident.pid() else { return Vec::new() };
    reaper.signal(pid, Signal::KILL);
    let ended = RunnerFrame::Ended(Arc::clone(&resident.name), error.message().to_owned());
    let failed = resident.convict(error);
    failed.into_iter().map(|(ticket, heard)| RunnerFrame::Heard(ticket, heard)).chain([ended]).collect()
}

/// Writes the nodes that changed since they were sent, as far as they fit.
fn write_nodes(resident: &mut ResidentProgram, mirror: &mut RunnerMirror, programs: &Programs, text: &mut Vec<u8>) {
    let Some((_, index)) = programs.chain(&resident.action) else { return };
    while text.len() < FEED_BYTES {
        let Some(id) = resident.dirty.pop_first() else { break };
        let slot = mirror.cluster.find(&id).filter(|_| index.admits(&id));
        match slot.and_then(|slot| mirror.text(slot)) {
            Some(node) => {
                text.extend_from_slice(b"{\"node\":");
                text.extend_from_slice(&node);
                text.extend_from_slice(b"}\n");
                resident.gone.remove(&id);
                resident.told.insert(id);
            }
            None if resident.told.remove(&id) => {
                text.extend_from_slice(json!({"gone": &*id}).to_string().as_bytes());
                text.push(b'\n');
                resident.gone.insert(id);
            }
            None => {}
        }
    }
    resident.forget_gone();
}

fn write_question(
    waiting: &UnaskedQuestion,
    resident: &ResidentProgram,
    mirror: &RunnerMirror,
    programs: &Programs,
    text: &mut Vec<u8>,
) {
    let Some((chain, index)) = programs.chain(&resident.action) else { return };
    let question = &waiting.program_question.question;
    let input = scheduler::asked(question, chain.pass_jwt, &programs.zone, |asked| asked.to_json(&mirror.cluster));
    let mut line = json!({"request": question.ticket, "input": input});
    let mut put = |name: &str, value: Value| drop(line.as_object_mut().map(|line| line.insert(name.to_owned(), value)));
    match &waiting.suspended.shown {
        ShownCandidates::Eligible if mirror.arrangement == Arrangement::ById => {}
        ShownCandidates::Eligible => {
            let ids = mirror.cluster.nodes().map(|(_, node)| node.id()).filter(|id| index.admits(id));
            put("candidates", ids.map(|id| json!(&**id)).collect());
        }
        ShownCandidates::Listed(held) => {
            let standing: Vec<_> = held.iter().filter_map(|held| document::standing(mirror, index, held)).collect();
            let overlays =
                standing.iter().filter_map(|(held, overlay)| Some((held.node.to_string(), overlay.clone()?)));
            let overlays: Map<_, _> = overlays.map(|(id, overlay)| (id, Value::Object(overlay))).collect();
            put("candidates", standing.iter().map(|(held, _)| json!(&*held.node)).collect());
            if !overlays.is_empty() {
                put("overlays", Value::Object(overlays));
            }
        }
    }
    text.extend_from_slice(line.to_string().as_bytes());
    text.push(b'\n');
}

/// Returns the answer in `line`, with the question.
///
/// # Errors
/// A line that is no answer to the oldest question.
fn read_answer(
    resident: &mut ResidentProgram,
    line: &[u8],
) -> Result<(Arc<PlacementQuestion>, ProgramAnswer), ScriptError> {
    let limits = resident.edition.limits.script;
    let most = resident.edition.limits.stdout_bytes;
    if line.len() > most {
        return Err(too_long(most));
    }
    let few = ScriptLimits { text_bytes: SHOWN_BYTES, ..limits };
    let shown = |line: &[u8]| few.cut(String::from_utf8_lossy(line).trim());
    let read: ProgramLine = json::parse_as(line, JsonLimits::bytes(line.len()))
        .map_err(|error| no_answer(&format!("`{}` ({error})", shown(line))))?;
    let Some((waiting, cost)) = resident.answers(read.request, Instant::now()) else {
        return Err(no_answer(&format!(
            "`{}`, which is not the answer to the oldest question that it has",
            shown(line)
        )));
    };
    let said = match read.error {
        Some(message) => Err(thrown(limits.cut(&message))),
        None => Ok(answer::from_json(read.answer)),
    };
    let heard =
        ProgramAnswer { cost_us: u64::try_from(cost.as_micros()).unwrap_or(u64::MAX), ..ProgramAnswer::only(said) };
    let heard = match &waiting.suspended.shown {
        ShownCandidates::Eligible => heard.seeing(|id| resident.told.contains(id) || resident.gone.contains(id)),
        ShownCandidates::Listed(held) => {
            let ids: BTreeSet<_> = held.iter().map(|held| &*held.node).collect();
            heard.seeing(|id| ids.contains(id))
        }
    };
    Ok((waiting.program_question.question, heard))
}
