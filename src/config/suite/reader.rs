//! The reader of a file of tests: from its tree to a [`Suite`].

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value, json};
use toml::Spanned;
use toml::de::DeTable;

use crate::chain::{ChainSet, ChainSpec};
use crate::clock;
use crate::engine::LANGUAGES;
use crate::model::head::DEFAULT_ACTION;
use crate::script::ScriptLimits;

use super::super::files::{FileError, Files};
use super::super::problem::{Notes, Problem, locate, quoted};
use super::super::section::{Section, SectionEntry};
use super::super::steps::load_step;
use super::super::{Config, ConfigNeeds, Loading, chains};
use super::key::{self, expected};
use super::{
    Case, CaseRequest, Expectations, MAX_CASE_NAME_BYTES, MAX_CASES, MAX_REPEAT, MAX_REQUESTS, NodeSource,
    SUITE_SUFFIX, Suite, Variant,
};

/// Fields of a request that are written shorter in tests.
const USER: &str = "user";
const GROUPS: (&str, &str) = ("groups", "userGroups");

/// What a file of tests is read with.
pub(super) struct SuiteReader<'a> {
    pub(super) file: &'a str,
    pub(super) text: &'a str,
    pub(super) path: &'a Path,
    pub(super) base: &'a Path,
    pub(super) files: &'a dyn Files,
}

/// What cases have that say nothing else.
struct Defaults {
    action: Option<Arc<str>>,
    nodes: Option<NodeSource>,
    request: Map<String, Value>,
    now_ms: Option<i64>,
    seed: Option<u64>,
}

impl SuiteReader<'_> {
    /// The suite; a problem of the file as a whole where there is none.
    pub(super) fn read(&self, tree: &Spanned<DeTable<'_>>, notes: &mut Notes) -> Result<Suite, Problem> {
        let root = Section::root(tree, &key::of(""), notes);
        let defaults = self.defaults(&root, notes);
        let (mut set, config) = self.chains(&root, &defaults, notes);
        let mut variants = self.variants(&root, &set, notes);
        if let Some((entry, zone)) = root.text("timezone", expected("", "timezone"), notes) {
            if clock::zone(zone).is_none() {
                entry.wrong(expected("", "timezone"), notes);
            }
            variants.iter_mut().for_each(|variant| zone.clone_into(&mut variant.set.zone));
            zone.clone_into(&mut set.zone);
        }
        let cases = self.cases(&root, &defaults, notes);
        let file = Arc::from(self.file);
        Ok(Suite { file, base: self.base.to_owned(), set, variants, config, cases })
    }

    fn defaults(&self, root: &Section<'_>, notes: &mut Notes) -> Defaults {
        Defaults {
            action: root.text("action", expected("", "action"), notes).map(|(_, action)| action.into()),
            nodes: root.get("nodes").and_then(|entry| self.nodes(&entry, notes)),
            request: root.get("request").and_then(|entry| request(&entry, notes)).unwrap_or_default(),
            now_ms: now(root, notes),
            seed: seed(root, notes),
        }
    }

    /// The chains that are tested: the file's own, those of a config, or the script of the same name.
    fn chains(&self, root: &Section<'_>, defaults: &Defaults, notes: &mut Notes) -> (ChainSet, Option<Box<Config>>) {
        let given: Vec<_> = ["steps", "chain", "config"].into_iter().filter_map(|key| root.get(key)).collect();
        if let [first, second, ..] = given.as_slice() {
            let problem = format!("{} stands beside `{}`", quoted(&second.path), first.path);
            notes.at(&second.span, Problem::new(problem).help("leave one of them out"));
        }
        let limits = ScriptLimits::default();
        let reader = chains::ChainsReader { base: self.base, files: self.files, limits: &limits, has_tokens: false };
        let action = defaults.action.as_deref().unwrap_or(DEFAULT_ACTION);
        let own = if root.get("steps").is_some() {
            vec![ChainSpec::new(action, reader.steps(root, notes))]
        } else if let Some(entry) = root.get("chain") {
            reader.read(&entry, notes)
        } else if let Some((entry, written)) = root.text("config", expected("", "config"), notes) {
            return match self.config(written) {
                Ok(config) => (config.chains.clone(), Some(Box::new(config))),
                Err(problem) => {
                    notes.at(&entry.span, problem);
                    (ChainSet::new(Vec::new()), None)
                }
            };
        } else {
            self.namesake().map_or_else(
                |problem| {
                    notes.missing(None, problem);
                    Vec::new()
                },
                |step| vec![ChainSpec::new(action, vec![step])],
            )
        };
        (ChainSet::new(own), None)
    }

    /// The other chains that must pass the cases: each is the file's chain with other steps.
    fn variants(&self, root: &Section<'_>, set: &ChainSet, notes: &mut Notes) -> Vec<Variant> {
        let Some(entry) = root.get("variants") else { return Vec::new() };
        let (Some(named), [chain]) = (entry.named(), set.chains.as_slice()) else {
            let problem = format!("{} needs tables with steps, beside `steps` of the file", quoted(&entry.path));
            notes.at(&entry.span, Problem::new(problem).help("`[variants.rhai]` with `steps = [\"SCRIPT.rhai\"]`"));
            return Vec::new();
        };
        let limits = ScriptLimits::default();
        let reader = chains::ChainsReader { base: self.base, files: self.files, limits: &limits, has_tokens: false };
        let read = |(name, _, entry): &(&str, _, SectionEntry<'_>)| {
            let section = entry.section(&key::of("variants"), expected("", "variants"), notes)?;
            let chain = ChainSpec { steps: reader.steps(&section, notes), ..chain.clone() };
            Some(Variant { name: Arc::from(*name), set: ChainSet { chains: vec![chain], ..set.clone() } })
        };
        named.iter().filter_map(read).collect()
    }

    fn config(&self, written: &str) -> Result<Config, Problem> {
        let loading = Loading { files: self.files, host_zone: "UTC", needs: ConfigNeeds::Chains };
        super::super::load(&self.base.join(written), loading).map_err(|errors| {
            let more = errors.problems.len() + errors.more;
            let first = errors.problems.first().map(ToString::to_string).unwrap_or_default();
            let rest = if more > 1 { format!(", and {} more problems", more - 1) } else { String::new() };
            Problem::new(format!("the config {} cannot be used: {first}{rest}", quoted(written)))
        })
    }

    /// The step that runs the script which is called like the file.
    fn namesake(&self) -> Result<crate::chain::StepSpec, Problem> {
        let name = self.path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
        let stem = name.strip_suffix(SUITE_SUFFIX).unwrap_or(&name);
        let extension = Path::new(stem).extension().and_then(|extension| extension.to_str());
        if LANGUAGES.iter().any(|language| Some(language.extension) == extension) {
            return load_step(stem, self.base, self.files, &ScriptLimits::default());
        }
        for language in LANGUAGES {
            let script = format!("{stem}.{}", language.extension);
            if !matches!(self.files.read(&self.base.join(&script), 0), Err(FileError::Missing)) {
                return load_step(&script, self.base, self.files, &ScriptLimits::default());
            }
        }
        let beside: Vec<_> =
            LANGUAGES.iter().map(|language| quoted(&format!("{stem}.{}", language.extension))).collect();
        let problem = format!("no script is named, and there is none of {}", beside.join(", "));
        Err(Problem::new(problem).help("`steps = [\"SCRIPT.js\"]` names the chain that is tested"))
    }

    fn cases(&self, root: &Section<'_>, defaults: &Defaults, notes: &mut Notes) -> Vec<Case> {
        let Some(entry) = root.get("case") else {
            notes.missing(None, Problem::new("there is no case").help("a test is a table `[[case]]`"));
            return Vec::new();
        };
        let Some(items) = entry.items() else {
            entry.wrong(expected("", "case"), notes);
            return Vec::new();
        };
        if items.len() > MAX_CASES {
            let problem = format!("the file has {} cases, at most {MAX_CASES} are accepted", items.len());
            notes.at(&entry.span, Problem::new(problem).help("write a second file"));
            return Vec::new();
        }
        let (mut cases, mut names) = (Vec::with_capacity(items.len()), BTreeMap::new());
        // Counted on from case to case: a file may have ten thousand of them.
        let (mut line, mut counted) = (1, 0);
        for item in &items {
            line += self.text.get(counted..item.span.start).map_or(0, |between| between.matches('\n').count());
            counted = counted.max(item.span.start);
            let case = self.case(item, defaults, &mut names, notes);
            cases.extend(case.map(|case| Case { line, ..case }));
        }
        cases
    }

    fn case(
        &self,
        entry: &SectionEntry<'_>,
        defaults: &Defaults,
        names: &mut BTreeMap<String, usize>,
        notes: &mut Notes,
    ) -> Option<Case> {
        let section = entry.section(&key::of("case"), expected("", "case"), notes)?;
        let name = self.name(&section, names, notes).unwrap_or_default();
        let nodes = self.nodes_of_case(&section, notes).or_else(|| defaults.nodes.clone());
        if nodes.is_none() && section.get("nodes").is_none() && section.get("for_all").is_none() {
            let problem = Problem::new(format!("the case {} has no nodes", quoted(&name)));
            let help =
                "`nodes = [{ id = \"a\", sessions = 1 }]`, `nodes = { generate = { count = 20 } }` or `for_all = {}`";
            notes.missing(Some(&section.span), problem.help(help));
        }
        let expected_of_case = match section.get("expect") {
            Some(entry) => super::expected::read(&entry, notes),
            None => Some(Expectations::default()),
        };
        let requests = self.requests(&section, defaults, notes);
        let repeat = section.get("repeat").and_then(|entry| entry.whole(1, MAX_REPEAT, notes)).unwrap_or(1);
        let case = Case {
            name: name.into(),
            line: 0,
            nodes: nodes?,
            action: section.text("action", expected("case", "action"), notes).map(|(_, action)| action.into()),
            requests: requests?,
            repeat,
            now_ms: now(&section, notes).or(defaults.now_ms),
            seed: seed(&section, notes).or(defaults.seed),
            expected: expected_of_case?,
        };
        let case = Case { action: case.action.or_else(|| defaults.action.clone()), ..case };
        super::check::check(&case, &section, notes);
        Some(case)
    }

    /// The name of a case, which no case before it may have.
    fn name(&self, section: &Section<'_>, names: &mut BTreeMap<String, usize>, notes: &mut Notes) -> Option<String> {
        let Some(_stated) = section.get("name") else {
            let problem = Problem::new(format!("{} has no `name`", quoted(&section.path)));
            notes.missing(Some(&section.span), problem.help("a name says what the test is about"));
            return None;
        };
        let (entry, name) = section.text("name", expected("case", "name"), notes)?;
        if name.len() > MAX_CASE_NAME_BYTES {
            let problem =
                format!("{} has {} bytes, at most {MAX_CASE_NAME_BYTES} are accepted", quoted(&entry.path), name.len());
            notes.at(&entry.span, Problem::new(problem));
        }
        match names.get(name) {
            Some(start) => {
                let line = locate(&Arc::from(self.file), self.text, *start..*start).line;
                let problem = format!("the name {} is that of the case on line {line}", quoted(name));
                notes.at(&entry.span, Problem::new(problem).help("give one of them another name"));
            }
            None => drop(names.insert(name.to_owned(), entry.span.start)),
        }
        Some(name.to_owned())
    }

    fn requests(&self, section: &Section<'_>, defaults: &Defaults, notes: &mut Notes) -> Option<Vec<CaseRequest>> {
        let over = |own: Map<String, Value>| {
            let mut fields = defaults.request.clone();
            fields.extend(own);
            fields
        };
        let one = section.get("request");
        let Some(many) = section.get("requests") else {
            let own = match one {
                Some(entry) => request(&entry, notes)?,
                None => Map::new(),
            };
            return Some(vec![CaseRequest { fields: over(own), expected: Expectations::default() }]);
        };
        if one.is_some() {
            let problem = format!("{} stands beside `request`", quoted(&many.path));
            notes.at(&many.span, Problem::new(problem).help("leave one of them out"));
        }
        let items = many.items().filter(|items| (1..=MAX_REQUESTS).contains(&items.len()));
        let Some(items) = items else {
            many.wrong(&format!("a list of 1 to {MAX_REQUESTS} requests"), notes);
            return None;
        };
        let read = |item: &SectionEntry<'_>| {
            let mut own = request(item, notes)?;
            let expected = match item.member("expect") {
                Some(entry) => {
                    own.shift_remove("expect");
                    super::expected::read(&entry, notes)?
                }
                None => Expectations::default(),
            };
            Some(CaseRequest { fields: over(own), expected })
        };
        Some(items.iter().filter_map(read).collect())
    }
}

/// A table with keys of the writer's choice.
pub(super) fn free(entry: &SectionEntry<'_>, expected: &str, notes: &mut Notes) -> Option<Map<String, Value>> {
    match entry.json() {
        Ok(Value::Object(fields)) => Some(fields),
        Ok(_other) => {
            entry.wrong(expected, notes);
            None
        }
        Err(why) => {
            notes.at(&entry.span, Problem::new(format!("{}: {why}", quoted(&entry.path))));
            None
        }
    }
}

/// A request, in which `user = "ann"` and `groups` may stand for the longer forms.
fn request(entry: &SectionEntry<'_>, notes: &mut Notes) -> Option<Map<String, Value>> {
    let mut fields = free(entry, "a table: `{ user = \"ann\" }`", notes)?;
    if let Some(Value::String(login)) = fields.get(USER) {
        let user = json!({ "login": login });
        fields.insert(USER.to_owned(), user);
    }
    if let Some(groups) = fields.shift_remove(GROUPS.0) {
        fields.insert(GROUPS.1.to_owned(), groups);
    }
    Some(fields)
}

fn now(section: &Section<'_>, notes: &mut Notes) -> Option<i64> {
    let (entry, text) = section.text("now", expected("", "now"), notes)?;
    match text.parse::<jiff::Timestamp>() {
        Ok(time) => Some(time.as_millisecond()),
        Err(_other) => {
            entry.wrong("a time such as `\"2026-11-20T17:30:00Z\"`", notes);
            None
        }
    }
}

/// Seeds have 64 bits, of which TOML's whole numbers hold 63: larger ones stand in quotes.
pub(super) fn seed(section: &Section<'_>, notes: &mut Notes) -> Option<u64> {
    let entry = section.get("seed")?;
    let read = match entry.json() {
        Ok(Value::String(digits)) => digits.parse().ok(),
        Ok(Value::Number(number)) => number.as_u64(),
        _ => None,
    };
    if read.is_none() {
        entry.wrong(expected("", "seed"), notes);
    }
    read
}
