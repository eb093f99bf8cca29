//! The files that an import writes: the config with its chains, the scripts, and what the agents need.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::chains::MAX_STEPS;
use crate::config::steps::BUILTIN_PREFIX;
use crate::engine::builtin::Builtin;
use crate::model::head::DEFAULT_ACTION;

use super::broker::BrokerSettings;
use super::environment::EnvironmentSettings;
use super::found::{ChainPlace, ChainTarget, FoundScript, ScriptBody};
use super::report::{ImportOutcome, ImportReport};
use super::stored_scripts::StoreContents;
use super::words::{LOGIN_ACTION, file_stem};

/// The names of the written files.
pub(super) const CONFIG: &str = "whither.toml";
const SCRIPTS: &str = "scripts";
const STATIC_DATA: &str = "static-data";
const AGENT_FILE: &str = "agent.env";
/// The permission bits of a file with a secret, and of any other file.
const SECRET_MODE: u32 = 0o600;
const OPEN_MODE: u32 = 0o644;
/// The step of a chain for sessions of which nothing was found.
const FALLBACK: Builtin = Builtin::FewestSessions;

/// A file to write.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PlannedFile {
    /// The path below the folder that is written to.
    pub(super) path: String,
    pub(super) content: String,
    /// The permission bits.
    pub(super) mode: u32,
}

/// Everything that was read of FastX.
#[derive(Debug, Default)]
pub(super) struct FastxSources {
    /// The files and folders that were read.
    pub(super) read: Vec<String>,
    pub(super) broker: Option<BrokerSettings>,
    pub(super) environment: Option<EnvironmentSettings>,
    pub(super) contents: StoreContents,
}

/// Returns the files to write; the config is the last.
pub(super) fn files(sources: &FastxSources, report: &mut ImportReport) -> Vec<PlannedFile> {
    let (mut files, steps) = scripts(&sources.contents.scripts, report);
    let mut chains = BTreeMap::new();
    for action in [DEFAULT_ACTION, LOGIN_ACTION] {
        let own = sources.environment.as_ref().and_then(|settings| settings.step.clone());
        let own = own.filter(|_| action == DEFAULT_ACTION);
        let reader = ChainReader { contents: &sources.contents, steps: &steps, action };
        let chain = match own {
            Some(step) => {
                reader.leave_out_all(report);
                vec![step]
            }
            None => reader.read(report),
        };
        if !chain.is_empty() {
            chains.insert(action, chain);
        }
    }
    chains.entry(DEFAULT_ACTION).or_insert_with(|| {
        let step = format!("{BUILTIN_PREFIX}{}", FALLBACK.name());
        let message = format!("nothing of FastX says how to choose a server: the chain is `{step}`");
        let place = format!("chain.\"{DEFAULT_ACTION}\"");
        report.advise(ImportOutcome::NotImported, CONFIG, &place, message, "put the steps of your site there");
        vec![step]
    });
    files.extend(static_data(sources, report));
    let agent_file = sources.environment.as_ref().and_then(EnvironmentSettings::agent_file);
    files.extend(agent_file.map(|content| PlannedFile { path: AGENT_FILE.to_owned(), content, mode: OPEN_MODE }));
    let is_secret = sources.broker.as_ref().is_some_and(BrokerSettings::has_secret);
    let mode = if is_secret { SECRET_MODE } else { OPEN_MODE };
    files.push(PlannedFile { path: CONFIG.to_owned(), content: config(sources, &chains), mode });
    files
}

/// Returns the files of the scripts, and how a config names each script.
fn scripts(found: &[FoundScript], report: &mut ImportReport) -> (Vec<PlannedFile>, Vec<String>) {
    let (mut files, mut steps, mut taken) = (Vec::new(), Vec::new(), BTreeSet::new());
    for script in found {
        if let Some(builtin) = script.builtin {
            let step = format!("{BUILTIN_PREFIX}{}", builtin.name());
            let message = format!("FastX's predefined `{}` is `{step}`; its text is not needed", script.name);
            report.add(ImportOutcome::Imported, &script.source, &script.place, message);
            steps.push(step);
            continue;
        }
        match &script.body {
            ScriptBody::Program(path) => {
                let advice = "it stays where it is: move it beside the config before FastX goes";
                let message = "a program, which is a step as it is";
                report.advise(ImportOutcome::Imported, &script.source, &script.place, message, advice);
                steps.push(path.to_string_lossy().into_owned());
            }
            ScriptBody::Text(text, extension) => {
                let stem = file_stem(&script.name);
                let numbered = (1..).map(|number| match number {
                    1 => format!("{SCRIPTS}/{stem}.{extension}"),
                    _ => format!("{SCRIPTS}/{stem}-{number}.{extension}"),
                });
                let path = numbered.into_iter().find(|path| taken.insert(path.clone())).unwrap_or_default();
                report.add(ImportOutcome::Imported, &script.source, &script.place, format!("`{path}`, unchanged"));
                let end = if text.ends_with('\n') { "" } else { "\n" };
                files.push(PlannedFile { path: path.clone(), content: format!("{text}{end}"), mode: OPEN_MODE });
                steps.push(path);
            }
        }
    }
    (files, steps)
}

/// The chain of an action while its steps are chosen.
struct ChainReader<'a> {
    contents: &'a StoreContents,
    /// How a config names each script.
    steps: &'a [String],
    action: &'static str,
}

impl ChainReader<'_> {
    /// Returns the steps of the chain: the places of its lists, else those of the scripts with its label, else, for
    /// sessions, every script of which nothing tells the chain.
    fn read(&self, report: &mut ImportReport) -> Vec<String> {
        let (listed, labelled): (Vec<_>, Vec<_>) =
            self.places(Some(self.action)).partition(|place: &&ChainPlace| place.is_listed);
        let unlabelled: Vec<_> = self.places(None).filter(|_| self.action == DEFAULT_ACTION).collect();
        let (mut chosen, left) = match (listed.is_empty(), labelled.is_empty()) {
            (false, _) => (listed, [labelled, unlabelled].concat()),
            (true, false) => (labelled, unlabelled),
            (true, true) => {
                self.guessed(&unlabelled, report);
                (unlabelled, Vec::new())
            }
        };
        if chosen.iter().all(|place| place.order.is_some()) {
            chosen.sort_by(|one, other| one.order.partial_cmp(&other.order).unwrap_or(std::cmp::Ordering::Equal));
        }
        let steps = self.in_order(&chosen, report);
        for place in left.into_iter().filter(|place| !steps.contains(&self.step(place))) {
            self.left_out(place, "nothing names it in a chain", report);
        }
        steps
    }

    /// Reports every place of the chain as left out: FastX 4 has a single step, and asks no script of FastX 3.
    fn leave_out_all(&self, report: &mut ImportReport) {
        for place in self.places(Some(self.action)).chain(self.places(None)) {
            self.left_out(place, "`LOAD_BALANCER` of FastX 4 is the chain of `session/start`", report);
        }
    }

    fn places(&self, action: Option<&'static str>) -> impl Iterator<Item = &ChainPlace> {
        self.contents.places.iter().filter(move |place| place.action == action)
    }

    fn guessed(&self, places: &[&ChainPlace], report: &mut ImportReport) {
        for place in places {
            let message = format!("nothing tells the chain of `{}`: taken for `{}`", self.step(place), self.action);
            report.add(ImportOutcome::Note, &place.source, &place.place, message);
        }
    }

    /// Returns the steps of `places`: each once, and none behind a step that always chooses.
    fn in_order(&self, places: &[&ChainPlace], report: &mut ImportReport) -> Vec<String> {
        let (mut steps, mut last): (Vec<String>, Option<String>) = (Vec::new(), None);
        for place in places {
            let step = self.step(place);
            if place.is_off {
                self.left_out(place, "it is switched off", report);
            } else if let Some(last) = &last {
                self.left_out(place, &format!("it stands behind `{last}`, which always chooses"), report);
            } else if steps.len() >= MAX_STEPS {
                self.left_out(place, &format!("a chain has at most {MAX_STEPS} steps"), report);
            } else if !steps.contains(&step) {
                let message = format!("step {} of `{}`: `{step}`", steps.len() + 1, self.action);
                report.add(ImportOutcome::Imported, &place.source, &place.place, message);
                let builtin = step.strip_prefix(BUILTIN_PREFIX).and_then(|name| Builtin::parse(name).ok());
                last = builtin.filter(|builtin| builtin.always_chooses()).map(|_| step.clone());
                steps.push(step);
            }
        }
        steps
    }

    fn step(&self, place: &ChainPlace) -> String {
        match place.target {
            ChainTarget::Builtin(builtin) => format!("{BUILTIN_PREFIX}{}", builtin.name()),
            ChainTarget::Script(number) => self.steps.get(number).cloned().unwrap_or_default(),
        }
    }

    fn left_out(&self, place: &ChainPlace, why: &str, report: &mut ImportReport) {
        let message = format!("`{}` is in no chain: {why}", self.step(place));
        let advice = format!("add it to the steps of a chain in {CONFIG} where it should run");
        report.advise(ImportOutcome::NotImported, &place.source, &place.place, message, advice);
    }
}

/// Returns the files of static data, each for the agent of its server.
fn static_data(sources: &FastxSources, report: &mut ImportReport) -> Vec<PlannedFile> {
    let mut files = BTreeMap::new();
    for server in &sources.contents.servers {
        let path = format!("{STATIC_DATA}/{}.json", file_stem(&server.server));
        let message = format!("static data of `{}`, in `{path}`", server.server);
        let advice = format!("copy it to that node: whither agent --static-data {path}");
        report.advise(ImportOutcome::Imported, &server.source, &server.place, message, advice);
        let content = serde_json::Value::Object(server.data.clone());
        files.insert(path.clone(), PlannedFile { path, content: format!("{content:#}\n"), mode: OPEN_MODE });
    }
    files.into_values().collect()
}

fn config(sources: &FastxSources, chains: &BTreeMap<&'static str, Vec<String>>) -> String {
    let mut text = String::from("# Written by `whither import fastx` from\n");
    for source in &sources.read {
        text.push_str(&format!("#   {}\n", crate::plain::plain(source)));
    }
    text.push_str("# `whither new config` writes a config in which every key stands with its default.\n\n");
    let broker = BrokerSettings::default();
    text.push_str(&sources.broker.as_ref().unwrap_or(&broker).section());
    let environment = sources.environment.as_ref();
    let kept = environment.map(|settings| settings.kept.clone()).unwrap_or_default();
    if !kept.is_empty() {
        text.push_str(&format!("\n[service]\nenvironment = {} # what programs keep\n", toml::Value::from(kept)));
    }
    let is_fastx4 = environment.is_some_and(|settings| settings.step.is_some());
    for (action, steps) in chains {
        let lines: Vec<_> = steps.iter().map(|step| format!("    {},\n", toml::Value::from(step.as_str()))).collect();
        text.push_str(&format!("\n[chain.\"{action}\"]\nsteps = [\n{}]\n", lines.concat()));
        if is_fastx4 && *action == DEFAULT_ACTION {
            text.push_str(
                "require_services = [\"launcher\"] # as in FastX; an agent reports it unless told otherwise\n",
            );
        }
    }
    text
}
