//! The files to check: scripts by themselves, the scripts of a folder, and the chains of a config with their scripts.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::chain::{ChainSpec, StepSource};
use crate::check::{CheckedFile, Checker, Code, Finding, ScriptReport, chain, unknown_ids};
use crate::cli::exit::CommandExit;
use crate::config::{self, Config, ConfigErrors, ConfigNeeds, Files, Loading};
use crate::engine::home_rules::is_table;
use crate::engine::{self, Form, LANGUAGES, MAX_TABLE_BYTES};
use crate::host::Disk;
use crate::host::zone;
use crate::script::{Content, FunctionTier, ScriptLimits};

/// The ids of a cluster's nodes.
pub(super) type NodeIds = BTreeSet<String>;

/// The most levels of folders that are searched.
const MAX_FOLDER_DEPTH: usize = 8;
/// The most scripts of a folder that are checked.
const MAX_SCRIPTS: usize = 10_000;
/// Folders with code of others, which is not checked.
const FOREIGN_FOLDERS: [&str; 2] = ["node_modules", "target"];

/// The files to check.
pub(super) struct Targets {
    configs: Vec<PathBuf>,
    scripts: Vec<PathBuf>,
    /// Scripts that a folder holds, and that may be something else.
    found: Vec<PathBuf>,
}

impl Targets {
    /// Finds the files that `paths` name; where there are no paths, the `default` config.
    ///
    /// # Errors
    /// A path that does not exist, or a folder without scripts.
    pub(super) fn find(paths: &[PathBuf], default: fn() -> Option<PathBuf>) -> Result<Self, CommandExit> {
        let mut targets = Self { configs: Vec::new(), scripts: Vec::new(), found: Vec::new() };
        if paths.is_empty() {
            let config = default().ok_or_else(|| {
                CommandExit::usage(
                    "there is no whither.toml here; name a config, a script or a folder: `whither check gpu.js`",
                )
            })?;
            targets.configs.push(config);
        }
        for path in paths {
            if path.is_dir() {
                let before = targets.found.len();
                scripts_in(path, MAX_FOLDER_DEPTH, &mut targets.found);
                if targets.found.len() == before {
                    let endings: Vec<_> = LANGUAGES.iter().map(|language| format!(".{}", language.extension)).collect();
                    let message =
                        format!("`{}` has no scripts, files that end in {}", path.display(), endings.join(", "));
                    return Err(CommandExit::usage(message));
                }
                if targets.found.len() >= MAX_SCRIPTS {
                    let message =
                        format!("`{}` has more than {MAX_SCRIPTS} scripts; name some of them", path.display());
                    return Err(CommandExit::usage(message));
                }
            } else if extension(path) == "toml" && !is_rules(path) {
                targets.configs.push(path.clone());
            } else {
                targets.scripts.push(path.clone());
            }
        }
        Ok(targets)
    }

    /// Checks all files.
    pub(super) fn check(&self, ids: Option<&NodeIds>) -> Vec<CheckedFile> {
        let mut bench = CheckRun { ids, files: BTreeMap::new(), tiers: BTreeMap::new() };
        self.configs.iter().for_each(|path| bench.config(path));
        let mut checker = Checker::new(ScriptLimits::default());
        for path in self.scripts.iter().filter(|path| !bench.has(path)).cloned().collect::<Vec<_>>() {
            bench.script(&mut checker, &path, false);
        }
        for path in self.found.iter().filter(|path| !bench.has(path)).cloned().collect::<Vec<_>>() {
            bench.script(&mut checker, &path, true);
        }
        let tiers = bench.tiers;
        let files = bench.files.into_iter().map(|(path, (file, text, findings))| {
            let tiers = tiers.get(&path).cloned().unwrap_or_default();
            CheckedFile { tiers, ..CheckedFile::new(file, text, findings) }
        });
        files.collect()
    }
}

/// Adds the scripts in `folder` and in the folders below to `found`.
fn scripts_in(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    let mut paths: Vec<PathBuf> = entries.filter_map(Result::ok).map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let is_hidden = name.starts_with('.') || FOREIGN_FOLDERS.contains(&name);
        if is_hidden || found.len() >= MAX_SCRIPTS {
            continue;
        }
        if path.is_dir() {
            if depth > 0 && !path.is_symlink() {
                scripts_in(&path, depth - 1, found);
            }
        } else if LANGUAGES.iter().any(|language| language.extension == extension(&path))
            && (extension(&path) != "toml" || is_rules(&path))
        {
            found.push(path);
        }
    }
}

/// Whether the file at `path` is a table of home rules: configs and tests have the same ending.
fn is_rules(path: &Path) -> bool {
    Disk.read(path, MAX_TABLE_BYTES).is_ok_and(|read| is_table(&String::from_utf8_lossy(&read.bytes)))
}

fn extension(path: &Path) -> &str {
    path.extension().and_then(|extension| extension.to_str()).unwrap_or_default()
}

type Checked = (Arc<str>, Arc<str>, Vec<Finding>);

/// The files that were checked so far, by their paths.
struct CheckRun<'a> {
    ids: Option<&'a NodeIds>,
    files: BTreeMap<PathBuf, Checked>,
    /// The tiers of the scripts' functions, by path.
    tiers: BTreeMap<PathBuf, Vec<FunctionTier>>,
}

impl CheckRun<'_> {
    fn has(&self, path: &Path) -> bool {
        self.files.contains_key(&Disk.absolute(path))
    }

    fn put(&mut self, path: &Path, text: &str, findings: Vec<Finding>) {
        let file: Arc<str> = path.to_string_lossy().into();
        let entry = self.files.entry(Disk.absolute(path)).or_insert_with(|| (file, text.into(), Vec::new()));
        entry.2.extend(findings);
    }

    fn script(&mut self, checker: &mut Checker, path: &Path, is_found: bool) {
        let limits = ScriptLimits::default();
        let (name, extension) = (path.to_string_lossy(), extension(path).to_owned());
        let unread = |why: String| vec![Finding::new(Code::Unreadable, None, why)];
        let contents = match Disk.read(path, engine::max_file_bytes(&limits)) {
            Ok(contents) => contents,
            Err(fault) => return self.put(path, "", unread(format!("`{name}`: {fault}"))),
        };
        if contents.is_executable() {
            let why = format!("`{name}` is a program of its own, which nothing here can look into");
            // Among the scripts of a folder programs are no mistake.
            return if is_found { self.put(path, "", Vec::new()) } else { self.put(path, "", unread(why)) };
        }
        let Some(language) = LANGUAGES.iter().find(|language| language.extension == extension) else {
            let known: Vec<_> = LANGUAGES.iter().map(|language| format!(".{}", language.extension)).collect();
            let why = format!("`{name}` is no script: its name ends in none of {}", known.join(", "));
            return self.put(path, "", unread(why));
        };
        let content = match language.form {
            Form::Compiled => Content::Binary(contents.bytes.into()),
            form @ (Form::Text | Form::Table) => match contents.text(form.max_bytes(&limits)) {
                Ok(text) if text.trim().is_empty() => return self.put(path, "", unread(format!("`{name}` is empty"))),
                Ok(text) => Content::from(text),
                Err(why) => return self.put(path, "", unread(format!("`{name}` {why}"))),
            },
        };
        let report = checker.script(&name.as_ref().into(), &extension, &content, &BTreeSet::new());
        if is_found && is_library(&report, &content) {
            return;
        }
        self.take(path, &content, &report);
    }

    /// Adds the findings of `report` about the script at `path`.
    fn take(&mut self, path: &Path, content: &Content, report: &ScriptReport) {
        let text = match content {
            Content::Text(text) => text.to_string(),
            Content::Binary(_) => String::new(),
        };
        self.tiers.insert(Disk.absolute(path), report.tiers.clone());
        let mut findings = report.findings.clone();
        findings.extend(self.ids.map(|ids| unknown_ids(&report.ids, ids)).unwrap_or_default());
        self.put(path, &text, findings);
    }

    fn config(&mut self, path: &Path) {
        let host_zone = zone::of_host(&Disk);
        let loading = Loading { files: &Disk, host_zone: &host_zone, needs: ConfigNeeds::Chains };
        match config::load(path, loading) {
            Ok(config) => self.chains(path, &config),
            Err(errors) => self.refused(path, &errors),
        }
    }

    fn refused(&mut self, path: &Path, errors: &ConfigErrors) {
        let is_unread = errors.text.is_empty();
        let findings = errors.problems.iter().map(|problem| {
            let code = if is_unread && problem.place.is_none() { Code::Unreadable } else { Code::Config };
            let span = problem.place.as_ref().map(|place| place.span.clone());
            let finding = Finding::new(code, span, problem.message.clone());
            Finding { help: problem.help.clone(), ..finding }
        });
        self.put(path, &errors.text, findings.collect());
    }

    fn chains(&mut self, path: &Path, config: &Config) {
        let text = Disk.read(path, MAX_CONFIG_BYTES).map(|read| String::from_utf8_lossy(&read.bytes).into_owned());
        let (text, base) = (text.unwrap_or_default(), path.parent().unwrap_or(Path::new("")));
        self.put(path, &text, Vec::new());
        let mut checker = Checker::new(config.chains.limits);
        let mut reports: BTreeMap<PathBuf, ScriptReport> = BTreeMap::new();
        let actions: BTreeSet<&str> = config.chains.chains.iter().map(|chain| &*chain.action).collect();
        for spec in &config.chains.chains {
            let own = self.steps(&mut checker, spec, base, &mut reports);
            for (number, finding) in chain(spec, &own) {
                let Some(step) = spec.steps.get(number) else { continue };
                let file = base.join(&*step.name);
                match finding.span {
                    Some(_) => self.put(&file, "", vec![finding]),
                    None => {
                        let span = step_in(&text, &step.name);
                        self.put(path, &text, vec![Finding { span, ..finding }]);
                    }
                }
            }
        }
        // Sites may have any action.
        for (_, text, findings) in self.files.values_mut() {
            findings.retain(|finding| {
                let written = finding.span.clone().and_then(|span| text.get(span)).unwrap_or_default();
                finding.code != Code::UnknownAction || !actions.contains(written.trim_matches(['\'', '"', '`']))
            });
        }
    }

    /// Checks the scripts of `chain`, each once, and returns the report of each step.
    fn steps(
        &mut self,
        checker: &mut Checker,
        chain: &ChainSpec,
        base: &Path,
        reports: &mut BTreeMap<PathBuf, ScriptReport>,
    ) -> Vec<Option<ScriptReport>> {
        let (mut known, mut all) = (BTreeSet::new(), Vec::new());
        for step in &chain.steps {
            let StepSource::Script { extension, content, .. } = &step.source else {
                all.push(None);
                continue;
            };
            let path = base.join(&*step.name);
            let report = match reports.get(&path) {
                Some(report) => report.clone(),
                None => {
                    let name: Arc<str> = path.to_string_lossy().into();
                    let report = checker.script(&name, extension, content, &known);
                    self.take(&path, content, &report);
                    reports.insert(path, report.clone());
                    report
                }
            };
            known.extend(Checker::sets(extension, content));
            all.push(Some(report));
        }
        all
    }
}

/// The most bytes of a config that are read again to show lines of the config.
const MAX_CONFIG_BYTES: usize = 1 << 20;

/// Returns the place of the step `name` in the config `text`.
fn step_in(text: &str, name: &str) -> Option<std::ops::Range<usize>> {
    let quoted = ['"', '\''].map(|quote| format!("{quote}{name}{quote}"));
    // A step that is never asked stands behind another step: the last place is the likeliest.
    let start = quoted.iter().filter_map(|quoted| text.rfind(quoted)).max()?;
    Some(start..start + name.len() + 2)
}

/// Whether a file of a folder is no balancer script but a module of Node.js.
fn is_library(report: &ScriptReport, content: &Content) -> bool {
    let is_refused = report.findings.iter().any(|finding| finding.code == Code::BrokenSource);
    let Content::Text(text) = content else { return false };
    is_refused && ["module.exports", "require(", "export ", "import "].iter().any(|word| text.contains(word))
}
