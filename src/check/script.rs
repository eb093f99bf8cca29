//! A script, compiled by the engine of the language, and checked by the rules.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

use jiff::tz::TimeZone;

use crate::clock::Silent;
use crate::engine::{LANGUAGES, Settings};
use crate::script::tree::{SourceRange, SyntaxTree};
use crate::script::{
    Content, Engine, FunctionTier, Isolation, LoadError, PerNode, Script, ScriptLimits, ScriptShape, ScriptSource,
};

use super::codes::Code;
use super::finding::Finding;
use super::flow::{ValueFlow, own_fields};
use super::rules::{self, LoadedScript};

/// The engines, each made when the first script of the engine's language comes.
#[derive(Default)]
pub struct Checker {
    limits: ScriptLimits,
    engines: BTreeMap<&'static str, Box<dyn Engine>>,
}

/// The results of the check of a script.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ScriptReport {
    /// The findings.
    pub findings: Vec<Finding>,
    /// The ids that are written into the script, with their places.
    pub ids: Vec<(String, SourceRange)>,
    /// The effect of the script on the end of a chain.
    pub ending: ChainEnding,
    /// The place of a way through the function of the whole list that returns nothing.
    pub passes: Option<SourceRange>,
    /// The place of the function that never chooses.
    pub narrows: Option<SourceRange>,
    /// The tier that runs each function, in languages that have more than one.
    pub tiers: Vec<FunctionTier>,
}

/// The effect of a script on the end of a chain, as far as can be told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ChainEnding {
    /// The script may choose a node, or not.
    #[default]
    Open,
    /// The script chooses a node on each way.
    Always,
    /// The script never chooses a node.
    Never,
}

impl Checker {
    /// Returns a checker of scripts that `limits` allow.
    #[must_use]
    pub fn new(limits: ScriptLimits) -> Self {
        Self { limits, engines: BTreeMap::new() }
    }

    /// Checks the script in `content`, whose name ends in `extension`; `known` are fields that earlier steps set on
    /// nodes.
    #[must_use]
    pub fn script(
        &mut self,
        file: &Arc<str>,
        extension: &str,
        content: &Content,
        known: &BTreeSet<String>,
    ) -> ScriptReport {
        let Some(language) = LANGUAGES.iter().find(|language| language.extension == extension) else {
            return ScriptReport::default();
        };
        let settings = Settings { limits: self.limits, zone: TimeZone::UTC, alarm: Rc::new(Silent) };
        let engine = self.engines.entry(language.extension).or_insert_with(|| (language.engine)(&settings));
        let source = ScriptSource { file: Arc::clone(file), content: content.clone(), isolation: Isolation::Fresh };
        let script = match engine.load(&source) {
            Ok(script) => script,
            Err(error) => return ScriptReport { findings: vec![refused(&error, content)], ..ScriptReport::default() },
        };
        let tree = source.text().ok().and_then(|text| (language.tree)(&text));
        let report = match (tree, content) {
            (Some(tree), Content::Text(text)) => look(&*script, &tree, text, known),
            _ => unwritten(&*script, content),
        };
        ScriptReport { tiers: script.tiers(), ..report }
    }

    /// Returns the names of fields that the script in `content` sets on nodes.
    #[must_use]
    pub fn sets(extension: &str, content: &Content) -> BTreeSet<String> {
        let language = LANGUAGES.iter().find(|language| language.extension == extension);
        let source = ScriptSource { file: "".into(), content: content.clone(), isolation: Isolation::Fresh };
        let tree = language.zip(source.text().ok()).and_then(|(language, text)| (language.tree)(&text));
        tree.map(|tree| own_fields(&tree.body)).unwrap_or_default()
    }
}

fn look(script: &dyn Script, tree: &SyntaxTree, text: &str, known: &BTreeSet<String>) -> ScriptReport {
    let remarks = script.remarks().iter().filter_map(|remark| {
        let place = remark.position.as_ref()?;
        Some((remark, offset(text, place.line, place.column)))
    });
    let loaded = LoadedScript { script, remarks: remarks.collect() };
    let mut flow = ValueFlow::of(tree, text, known);
    let (passes, narrows) = (rules::passes(&flow), rules::never_selects(&mut flow));
    let ending = match (&narrows, rules::always_selects(&flow)) {
        (Some(_), _) => ChainEnding::Never,
        (None, true) => ChainEnding::Always,
        (None, false) => ChainEnding::Open,
    };
    let (findings, ids) = rules::findings(flow, &loaded);
    ScriptReport { findings, ids, ending, passes, narrows, tiers: Vec::new() }
}

/// Returns the report of a script without a tree: a component, whose exports tell the shape, or a table.
fn unwritten(script: &dyn Script, content: &Content) -> ScriptReport {
    let is_component = matches!(content, Content::Binary(_));
    let ending = match script.shape() {
        ScriptShape::PerNode(PerNode { score: None, .. }) if is_component => ChainEnding::Never,
        _ => ChainEnding::Open,
    };
    let text = match content {
        Content::Text(text) => &**text,
        Content::Binary(_) => "",
    };
    let findings = script.remarks().iter().map(|remark| {
        let span = remark.position.as_ref().and_then(|place| word_at(text, offset(text, place.line, place.column)));
        Finding::new(Code::RuleField, span, remark.message.clone())
    });
    ScriptReport { findings: findings.collect(), ending, ..ScriptReport::default() }
}

/// Returns the bytes of the word, or else of the character, that begins at `start`.
fn word_at(text: &str, start: usize) -> Option<SourceRange> {
    let rest = text.get(start..)?;
    let word = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
    Some(start..start + word.max(rest.chars().next().map_or(0, char::len_utf8)))
}

fn refused(error: &LoadError, content: &Content) -> Finding {
    let span = match (content, &error.position) {
        (Content::Text(text), Some(place)) => word_at(text, offset(text, place.line, place.column)),
        _ => None,
    };
    Finding::new(Code::BrokenSource, span, error.message.clone())
}

/// Returns the byte of `text` at `line` and `column`, both from 1.
fn offset(text: &str, line: u32, column: u32) -> usize {
    let index = |number: u32| usize::try_from(number).unwrap_or(usize::MAX).saturating_sub(1);
    let start: usize = text.split_inclusive('\n').take(index(line)).map(str::len).sum();
    let own = text.get(start..).unwrap_or_default();
    let own = own.lines().next().unwrap_or_default();
    start + own.char_indices().nth(index(column)).map_or(own.len(), |(at, _)| at)
}
