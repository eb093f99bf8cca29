//! The `[chain]` sections, a chain for each action.

use std::ops::Range;
use std::path::Path;

use crate::chain::{
    ChainSpec, Mode, OnAssignedUnplaceable, OnFailure, OnUnplaceable, ProgramSpec, StepSource, StepSpec,
};
use crate::script::{Content, Isolation, ScriptLimits};

use super::figure::{EXECUTABLE_MS, SCRIPT_MS};
use super::files::Files;
use super::key;
use super::problem::{Notes, Problem, quoted};
use super::section::{Section, SectionEntry};
use super::steps;

/// The most steps of a chain.
pub const MAX_STEPS: usize = 100;
/// The most workers of a chain.
pub const MAX_WORKERS: u32 = 64;
/// The most requests of a chain that reserves that may be at an executable at a time.
pub const MAX_PARALLEL: u32 = 1024;
/// The longest name of an action in bytes.
pub const MAX_ACTION_BYTES: usize = 128;

/// The keys of a step that apply to an executable alone.
const EXECUTABLE_KEYS: [&str; 3] = ["mode", "wall_ms", "parallel"];

const EXPECTED_CHAIN: &str = "a table for each action, as in `[chain.\"session/start\"]`";
const EXPECTED_STEPS: &str = "a list such as `[\"scripts/gpu.js\", \"builtin:fewest-sessions\"]`";
const EXPECTED_STEP: &str =
    "the path of a script, `builtin:NAME`, or a table such as `{ script = \"gpu.js\", on_error = \"skip\" }`";
const EXPECTED_ON_FAILURE: &str = "`stop`, `skip` or `fallback:NAME` with the name of a built-in";
const ISOLATIONS: [(&str, Isolation); 2] = [("warm", Isolation::Warm), ("fresh", Isolation::Fresh)];
const EXPECTED_ISOLATION: &str = "`warm` or `fresh`";
const NO_EXECUTABLE: &str = "no executable";
const NO_COMPONENT: &str = "no WebAssembly component";
const MODES: [(&str, Mode); 2] = [("once", Mode::Once), ("resident", Mode::Resident)];
const EXPECTED_MODE: &str = "`once` or `resident`";
const ON_UNPLACEABLE: [(&str, OnUnplaceable); 3] =
    [("error", OnUnplaceable::Error), ("skip", OnUnplaceable::Skip), ("allow", OnUnplaceable::Allow)];
const EXPECTED_ON_UNPLACEABLE: &str = "`error`, `skip` or `allow`";
const ON_ASSIGNED_UNPLACEABLE: [(&str, OnAssignedUnplaceable); 3] = [
    ("chain", OnAssignedUnplaceable::Chain),
    ("error", OnAssignedUnplaceable::Error),
    ("wait", OnAssignedUnplaceable::Wait),
];
const EXPECTED_ON_ASSIGNED_UNPLACEABLE: &str = "`chain`, `error` or `wait`";

/// The context in which chains are read.
pub(super) struct ChainsReader<'a> {
    pub(super) base: &'a Path,
    pub(super) files: &'a dyn Files,
    pub(super) limits: &'a ScriptLimits,
    /// Whether the config has a section about tokens.
    pub(super) has_tokens: bool,
}

impl ChainsReader<'_> {
    /// Returns the chains in the entry `chains`, in the order of the file.
    pub(super) fn read(&self, chains: &SectionEntry<'_>, notes: &mut Notes) -> Vec<ChainSpec> {
        let Some(named) = chains.named() else {
            chains.wrong(EXPECTED_CHAIN, notes);
            return Vec::new();
        };
        if named.is_empty() {
            chains.wrong(EXPECTED_CHAIN, notes);
        }
        named.iter().filter_map(|(action, span, entry)| self.chain(action, span, entry, notes)).collect()
    }

    fn chain(
        &self,
        action: &str,
        key: &Range<usize>,
        entry: &SectionEntry<'_>,
        notes: &mut Notes,
    ) -> Option<ChainSpec> {
        if action.is_empty() || action.len() > MAX_ACTION_BYTES || action.chars().any(char::is_control) {
            let message = format!(
                "{} is no action, expected 1 to {MAX_ACTION_BYTES} bytes without control characters",
                quoted(action)
            );
            notes.at(key, Problem::new(message));
        }
        let section = entry.section(&key::of("chain"), EXPECTED_CHAIN, notes)?;
        let steps = self.steps(&section, notes);
        let defaults = ChainSpec::new(action, steps);
        Some(ChainSpec {
            reserve: section.flag("reserve", notes).unwrap_or(defaults.reserve),
            on_unplaceable: section
                .one_of("on_unplaceable", EXPECTED_ON_UNPLACEABLE, &ON_UNPLACEABLE, notes)
                .unwrap_or_default(),
            on_assigned_unplaceable: section
                .one_of("on_assigned_unplaceable", EXPECTED_ON_ASSIGNED_UNPLACEABLE, &ON_ASSIGNED_UNPLACEABLE, notes)
                .unwrap_or_default(),
            require_services: required_services(&section, notes),
            pass_jwt: section.flag("pass_jwt", notes).unwrap_or(defaults.pass_jwt),
            verify_jwt: self.verify_jwt(&section, notes),
            workers: section.get("workers").and_then(|entry| entry.whole(1, MAX_WORKERS, notes)),
            ..defaults
        })
    }

    /// Whether tokens are verified: where the config says how, unless the chain says otherwise.
    fn verify_jwt(&self, section: &Section<'_>, notes: &mut Notes) -> bool {
        let is_wanted = section.flag("verify_jwt", notes).unwrap_or(self.has_tokens);
        if let Some(entry) = section.get("verify_jwt").filter(|_| is_wanted && !self.has_tokens) {
            let problem = Problem::new(format!("{} needs a section `[tokens]`", quoted(&entry.path)));
            notes.missing(Some(&entry.span), problem.help("it says by which keys and rules tokens are verified"));
        }
        is_wanted && self.has_tokens
    }

    /// The steps that `section` has under that name.
    pub(super) fn steps(&self, section: &Section<'_>, notes: &mut Notes) -> Vec<StepSpec> {
        let Some(entry) = section.get("steps") else {
            let problem = Problem::new(format!("the chain {} has no `steps`", quoted(&section.path)));
            notes.missing(Some(&section.span), problem.help(format!("expected {EXPECTED_STEPS}")));
            return Vec::new();
        };
        match entry.items() {
            Some(items) if (1..=MAX_STEPS).contains(&items.len()) => {
                let read = |item: &SectionEntry<'_>| Some((item.span.clone(), self.step(item, notes)?));
                let (places, steps): (Vec<_>, Vec<_>) = items.iter().filter_map(read).unzip();
                if let Some((number, problem)) = steps::never_asked(&steps)
                    && let Some(place) = places.get(number)
                {
                    notes.at(place, problem);
                }
                steps
            }
            Some(items) if items.len() > MAX_STEPS => {
                let message =
                    format!("{} has {} steps, at most {MAX_STEPS} are accepted", quoted(&entry.path), items.len());
                notes.at(&entry.span, Problem::new(message));
                Vec::new()
            }
            _ => {
                entry.wrong(EXPECTED_STEPS, notes);
                Vec::new()
            }
        }
    }

    fn step(&self, entry: &SectionEntry<'_>, notes: &mut Notes) -> Option<StepSpec> {
        if !entry.is_table() {
            let written = entry.text(EXPECTED_STEP, notes)?;
            return self.load(written, &entry.span, notes);
        }
        let section = entry.section(&key::of("step"), EXPECTED_STEP, notes)?;
        let on_error = on_failure("on_error", &section, notes).unwrap_or_default();
        let on_limit = on_failure("on_limit", &section, notes).unwrap_or_default();
        let cpu_ms = section.get("cpu_ms").and_then(|entry| entry.whole(SCRIPT_MS.least, SCRIPT_MS.most, notes));
        let step = match (section.get("script"), section.get("builtin")) {
            (Some(entry), None) => self.load(entry.text("the path of a script", notes)?, &entry.span, notes)?,
            (None, Some(entry)) => {
                let name = entry.text("the name of a built-in", notes)?;
                let name = name.strip_prefix(steps::BUILTIN_PREFIX).unwrap_or(name);
                self.load(&format!("{}{name}", steps::BUILTIN_PREFIX), &entry.span, notes)?
            }
            (Some(_), Some(entry)) => {
                notes.at(&entry.span, Problem::new("a step is a `script` or a `builtin`, this one is both"));
                return None;
            }
            (None, None) => {
                notes.missing(Some(&section.span), Problem::new("a step needs `script` or `builtin`"));
                return None;
            }
        };
        let source = match step.source {
            StepSource::Executable(program) => {
                misplaced(&section, &["cpu_ms"], "an executable, which has `wall_ms`", notes);
                misplaced(&section, &["isolation"], NO_COMPONENT, notes);
                StepSource::Executable(asked_how(program, &section, notes))
            }
            StepSource::Script { extension, content: content @ Content::Binary(_), .. } => {
                misplaced(&section, &EXECUTABLE_KEYS, NO_EXECUTABLE, notes);
                let isolation = section.one_of("isolation", EXPECTED_ISOLATION, &ISOLATIONS, notes);
                StepSource::Script { extension, content, isolation: isolation.unwrap_or_default() }
            }
            source => {
                misplaced(&section, &EXECUTABLE_KEYS, NO_EXECUTABLE, notes);
                misplaced(&section, &["isolation"], NO_COMPONENT, notes);
                source
            }
        };
        Some(StepSpec { on_error, on_limit, cpu_ms, source, ..step })
    }

    fn load(&self, written: &str, span: &Range<usize>, notes: &mut Notes) -> Option<StepSpec> {
        steps::load_step(written, self.base, self.files, self.limits).map_err(|problem| notes.at(span, problem)).ok()
    }
}

/// Returns `program` with the mode, time limit and parallelism of the step.
fn asked_how(program: ProgramSpec, section: &Section<'_>, notes: &mut Notes) -> ProgramSpec {
    let mode = section.one_of("mode", EXPECTED_MODE, &MODES, notes);
    let wall_ms = section.get("wall_ms").and_then(|entry| entry.whole(EXECUTABLE_MS.least, EXECUTABLE_MS.most, notes));
    let parallel = section.get("parallel").and_then(|entry| entry.whole(1, MAX_PARALLEL, notes));
    ProgramSpec { mode: mode.unwrap_or_default(), wall_ms, parallel: parallel.unwrap_or(program.parallel), ..program }
}

/// Notes those of `keys` that are given although they do not apply to such a step.
fn misplaced(section: &Section<'_>, keys: &[&str], step: &str, notes: &mut Notes) {
    for (key, entry) in keys.iter().filter_map(|key| Some((key, section.get(key)?))) {
        notes.at(&entry.span, Problem::new(format!("`{key}` says nothing here: the step is {step}")));
    }
}

/// Reads the value of `key`, which says what follows a failure.
fn on_failure(key: &'static str, section: &Section<'_>, notes: &mut Notes) -> Option<OnFailure> {
    let (entry, text) = section.text(key, EXPECTED_ON_FAILURE, notes)?;
    match (text, text.strip_prefix("fallback:")) {
        ("stop", _) => Some(OnFailure::Stop),
        ("skip", _) => Some(OnFailure::Skip),
        (_, Some(name)) => {
            let name = name.strip_prefix(steps::BUILTIN_PREFIX).unwrap_or(name);
            let builtin = steps::builtin(name).map_err(|problem| notes.at(&entry.span, problem)).ok()?;
            Some(OnFailure::Fallback(builtin.name().to_owned()))
        }
        _ => {
            entry.none_of(text, EXPECTED_ON_FAILURE, ["stop", "skip"], notes);
            None
        }
    }
}

fn required_services(section: &Section<'_>, notes: &mut Notes) -> Vec<String> {
    let Some(entry) = section.get("require_services") else { return Vec::new() };
    let names = entry.texts("a service, or a list of services such as `[\"launcher\"]`", notes);
    names.into_iter().map(|(_, name)| name.to_owned()).collect()
}
