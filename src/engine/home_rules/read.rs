//! Reading a table: from TOML to rules, with the place of every mistake.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use serde_json::{Value, json};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::model::Position;
use crate::script::{LoadError, SourceText};

use super::patterns::{self, BadPattern, Case, FieldPatterns};
use super::pool::{MAX_POOL_GLOBS, MAX_POOL_IDS, NodePool};
use super::rule_set::RuleSet;
use super::table::{Home, HomeRule, MAX_FIELDS, MAX_RULES, NoMatch, RuleTable};

/// The keys of a table.
const KEYS: [&str; 4] = ["case_sensitive", "default", "pools", "rule"];
/// The keys of a rule that are no fields.
const RULE_KEYS: [&str; 5] = ["name", "external", "node", "pool", "fields"];
/// The fields that every site has.
const FIELDS: [&str; 4] = ["email", "user", "groups", "group_dn"];
/// Fields of directories that look like a slip of the pen and are none.
const DIRECTORY_FIELDS: [&str; 2] = ["mail", "group"];
/// The longest name of a field in bytes.
const MAX_FIELD_BYTES: usize = 128;

const EXPECTED_HOME: &str = "`node = \"ID\"` or `pool = …`";
const EXPECTED_POOL: &str =
    "a list of ids such as `[\"north-*\"]`, a filter such as `{ gpu = true }`, or the name of a pool of `[pools]`";
const EXPECTED_DEFAULT: &str = "`\"pass\"`, `\"error\"`, `{ node = \"ID\" }` or `{ pool = … }`";

/// Whether `text` is a table of home rules, and no config and no file of tests.
#[must_use]
pub fn is_table(text: &str) -> bool {
    let (root, _errors) = DeTable::parse_recoverable(text);
    let has = |key: &str| root.get_ref().contains_key(key);
    (has("rule") || has("pools")) && !has("chain") && !has("case")
}

/// Reads the table in `source`.
pub(super) fn table(source: &SourceText) -> Result<RuleTable, LoadError> {
    let text = &*source.text;
    let mut reader = TableReader::new(source);
    let root = DeTable::parse(text).map_err(|error| {
        let position = error.span().map(|span| reader.position(span.start));
        LoadError { message: format!("not valid TOML: {}", error.message()), position }
    })?;
    let table = reader.read(root.get_ref());
    let more = reader.problems.len().saturating_sub(1);
    match reader.problems.into_iter().next() {
        None => Ok(table),
        Some(first) if more == 0 => Err(first),
        Some(first) => {
            let more = format!("and {more} more problem{}", if more == 1 { "" } else { "s" });
            Err(LoadError { message: format!("{} ({more})", first.message), ..first })
        }
    }
}

/// A table that is being read.
struct TableReader<'t> {
    source: &'t SourceText,
    /// The byte at which each line begins.
    lines: Vec<usize>,
    /// The pools of `[pools]`, by name.
    named: BTreeMap<String, usize>,
    pools: Vec<NodePool>,
    /// The places of the pools among `pools`, by all that they say.
    places: BTreeMap<String, usize>,
    problems: Vec<LoadError>,
    remarks: Vec<LoadError>,
}

/// The patterns of a table by their fields: of each the place of its rule, and the bytes that it stands at.
type FieldSpans = BTreeMap<String, Vec<(usize, Range<usize>)>>;

impl<'t> TableReader<'t> {
    fn new(source: &'t SourceText) -> Self {
        let ends = source.text.match_indices('\n').map(|(end, _)| end + 1);
        let lines = std::iter::once(0).chain(ends).collect();
        let (named, pools, places, problems, remarks) = Default::default();
        Self { source, lines, named, pools, places, problems, remarks }
    }

    fn position(&self, byte: usize) -> Position {
        let line = self.lines.partition_point(|start| *start <= byte).max(1);
        let start = self.lines.get(line - 1).copied().unwrap_or_default();
        let column = self.source.text.get(start..byte).map_or(0, |before| before.chars().count()) + 1;
        let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Position { file: Arc::clone(&self.source.file), line: number(line), column: number(column) }
    }

    fn wrong(&mut self, byte: usize, message: impl Into<String>) {
        let position = Some(self.position(byte));
        self.problems.push(LoadError { message: message.into(), position });
    }

    fn read(&mut self, root: &DeTable<'_>) -> RuleTable {
        for key in root.keys().filter(|key| !KEYS.contains(&&**key.get_ref())) {
            let advice = meant(key.get_ref(), &KEYS);
            self.wrong(key.span().start, format!("unknown key `{}` in a table of home rules{advice}", key.get_ref()));
        }
        let case = match root.get("case_sensitive").map(|flag| (flag.span(), flag.get_ref())) {
            None | Some((_, DeValue::Boolean(false))) => Case::Ignored,
            Some((_, DeValue::Boolean(true))) => Case::Counts,
            Some((span, _)) => {
                self.wrong(span.start, "`case_sensitive` is `true` or `false`");
                Case::Ignored
            }
        };
        self.named_pools(root.get("pools"));
        let no_match = root.get("default").map(|value| self.no_match(value)).unwrap_or_default();
        let (rules, spans) = self.rules(root.get("rule"));
        let fields = self.compile(&rules, &spans, case);
        let external = RuleSet::of(rules.len(), |rule| rules.get(rule).is_some_and(|rule| rule.external));
        let internal = RuleSet::of(rules.len(), |rule| !external.has(rule));
        let (pools, remarks) = (std::mem::take(&mut self.pools), std::mem::take(&mut self.remarks));
        RuleTable { rules, pools, no_match, fields, external, internal, remarks }
    }

    fn named_pools(&mut self, pools: Option<&Spanned<DeValue<'_>>>) {
        let Some(pools) = pools else { return };
        let DeValue::Table(pools) = pools.get_ref() else {
            return self.wrong(pools.span().start, "`pools` is a table: `[pools]`, and in it `gpu = { gpu = true }`");
        };
        for (name, value) in pools {
            if let Some(pool) = self.pool(value) {
                self.named.insert(name.get_ref().to_string(), pool);
            }
        }
    }

    fn no_match(&mut self, value: &Spanned<DeValue<'_>>) -> NoMatch {
        match value.get_ref() {
            DeValue::String(text) if text == "pass" => return NoMatch::Pass,
            DeValue::String(text) if text == "error" => return NoMatch::Error,
            DeValue::Table(table) if table.keys().all(|key| matches!(&**key.get_ref(), "node" | "pool")) => {
                if let Some(home) = self.home("the default", value.span().start, table) {
                    return NoMatch::Home(home);
                }
            }
            _ => self.wrong(value.span().start, format!("`default` is {EXPECTED_DEFAULT}")),
        }
        NoMatch::Pass
    }

    fn rules(&mut self, value: Option<&Spanned<DeValue<'_>>>) -> (Vec<HomeRule>, FieldSpans) {
        let (mut rules, mut spans) = (Vec::new(), FieldSpans::new());
        let start = value.map_or(0, |value| value.span().start);
        let Some(DeValue::Array(items)) = value.map(Spanned::get_ref) else {
            self.wrong(start, "there is no rule: each is a table `[[rule]]`");
            return (rules, spans);
        };
        if items.is_empty() || items.len() > MAX_RULES {
            let message = format!("the table has {} rules; it has 1 to {MAX_RULES}", items.len());
            self.wrong(start, message);
            return (rules, spans);
        }
        for (place, item) in items.iter().enumerate() {
            rules.push(self.rule(place, item, &mut spans));
        }
        (rules, spans)
    }

    fn rule(&mut self, place: usize, item: &Spanned<DeValue<'_>>, spans: &mut FieldSpans) -> HomeRule {
        let start = item.span().start;
        let (line, home) = (self.position(start).line, Home::Pool(0));
        let (name, external, patterns) = Default::default();
        let mut rule = HomeRule { number: place + 1, name, line, external, patterns, home };
        let DeValue::Table(table) = item.get_ref() else {
            self.wrong(start, format!("{rule} is no table"));
            return rule;
        };
        match table.get("name").map(|name| (name.span(), name.get_ref())) {
            Some((_, DeValue::String(name))) => rule.name = name.to_string(),
            Some((span, _)) => self.wrong(span.start, format!("{rule}: `name` is a string")),
            None => {}
        }
        match table.get("external").map(|flag| (flag.span(), flag.get_ref())) {
            Some((_, DeValue::Boolean(flag))) => rule.external = *flag,
            Some((span, _)) => self.wrong(span.start, format!("{rule}: `external` is `true` or `false`")),
            None => {}
        }
        let problems = self.problems.len();
        for (field, value) in table.iter().filter(|(field, _)| !RULE_KEYS.contains(&&**field.get_ref())) {
            self.look_at_spelling(&rule, field);
            self.pattern(&mut rule, field, value, spans);
        }
        match table.get("fields").map(|fields| (fields.span(), fields.get_ref())) {
            Some((_, DeValue::Table(fields))) => {
                fields.iter().for_each(|(field, value)| self.pattern(&mut rule, field, value, spans));
            }
            Some((span, _)) => self.wrong(span.start, format!("{rule}: `fields` is a table of fields and patterns")),
            None => {}
        }
        // A pattern that was refused is there, and has a problem of its own.
        if rule.patterns.is_empty() && self.problems.len() == problems {
            let advice = "the home of all whom no rule matches is the `default`";
            self.wrong(start, format!("{rule} has no pattern and would match everybody; {advice}"));
        }
        let rule_name = rule.to_string();
        if let Some(home) = self.home(&rule_name, start, table) {
            rule.home = home;
        }
        rule
    }

    fn pattern(
        &mut self,
        rule: &mut HomeRule,
        field: &Spanned<toml::de::DeString<'_>>,
        value: &Spanned<DeValue<'_>>,
        spans: &mut FieldSpans,
    ) {
        let (name, span) = (field.get_ref().to_string(), value.span());
        let DeValue::String(pattern) = value.get_ref() else {
            let message = format!("{rule}: the pattern of `{name}` is a string, a regular expression");
            return self.wrong(span.start, message);
        };
        // As in Faspex, an empty field of a rule asks nothing.
        if pattern.is_empty() {
            return;
        }
        if name.is_empty() || name.len() > MAX_FIELD_BYTES {
            return self.wrong(field.span().start, format!("{rule}: a field's name has 1 to {MAX_FIELD_BYTES} bytes"));
        }
        if rule.external && name != "email" {
            let message = format!("{rule} is for external users, who are told apart by `email` alone, not by `{name}`");
            return self.wrong(field.span().start, message);
        }
        if let Err(bad) = patterns::check(pattern) {
            return self.bad_pattern(&rule.to_string(), &name, &span, &bad);
        }
        spans.entry(name.clone()).or_default().push((rule.number - 1, span));
        rule.patterns.push((name, pattern.to_string()));
    }

    /// Remarks that a field is written nearly like one that every site has: any other field may be one of the site's.
    fn look_at_spelling(&mut self, rule: &HomeRule, field: &Spanned<toml::de::DeString<'_>>) {
        let name = &**field.get_ref();
        let is_known = FIELDS.iter().chain(&DIRECTORY_FIELDS).any(|known| *known == name);
        let advice = if is_known { String::new() } else { meant(name, &FIELDS) };
        if !advice.is_empty() {
            let position = Some(self.position(field.span().start));
            let message = format!("{rule} looks at a field `{name}`{advice}");
            self.remarks.push(LoadError { message, position });
        }
    }

    /// Notes the fault of the pattern of `field` that stands, with its quotes, at `span`.
    fn bad_pattern(&mut self, rule: &str, field: &str, span: &Range<usize>, bad: &BadPattern) {
        let quoted = self.source.text.get(span.clone()).unwrap_or_default();
        // With escapes, or over several lines, the bytes of the pattern are not those of the file.
        let is_plain = !quoted.starts_with("'''") && !quoted.starts_with("\"\"\"");
        let is_plain = is_plain && (quoted.starts_with('\'') || !quoted.contains('\\'));
        let at = span.start + bad.at.filter(|_| is_plain).map_or(0, |at| at + 1);
        let place = bad.at.map(|at| format!(", at byte {} of the pattern", at + 1)).unwrap_or_default();
        self.wrong(at, format!("{rule}: the pattern of `{field}` cannot be used: {}{place}", bad.fault));
    }

    fn home(&mut self, whose: &str, start: usize, table: &DeTable<'_>) -> Option<Home> {
        match (table.get("node"), table.get("pool")) {
            (Some(node), None) => match node.get_ref() {
                DeValue::String(id) if !id.is_empty() => Some(Home::Node(id.as_ref().into())),
                _ => {
                    self.wrong(node.span().start, format!("{whose}: `node` is the id of a node"));
                    None
                }
            },
            (None, Some(pool)) => self.pool(pool).map(Home::Pool),
            (Some(_), Some(pool)) => {
                self.wrong(pool.span().start, format!("{whose} has a `node` and a `pool`; it has one of them"));
                None
            }
            (None, None) => {
                self.wrong(start, format!("{whose} says no home; expected {EXPECTED_HOME}"));
                None
            }
        }
    }

    /// Returns the place of the pool that `value` describes or names.
    fn pool(&mut self, value: &Spanned<DeValue<'_>>) -> Option<usize> {
        let start = value.span().start;
        let pool = match value.get_ref() {
            DeValue::String(name) => {
                let known = self.named.get(&**name).copied();
                if known.is_none() {
                    let names: Vec<_> = self.named.keys().map(String::as_str).collect();
                    let advice = meant(name, &names);
                    self.wrong(
                        start,
                        format!("no pool `{name}` stands in `[pools]`{advice}; a pool is {EXPECTED_POOL}"),
                    );
                }
                return known;
            }
            DeValue::Array(ids) => {
                let texts: Option<Vec<String>> = ids.iter().map(|id| Some(id.get_ref().as_str()?.to_owned())).collect();
                texts.filter(|ids| !ids.is_empty() && ids.iter().all(|id| !id.is_empty())).map(NodePool::of_ids)
            }
            DeValue::Table(fields) if !fields.is_empty() => fields
                .iter()
                .map(|(name, value)| Some((name.get_ref().to_string(), wanted(value.get_ref())?)))
                .collect::<Option<_>>()
                .map(NodePool::Filter),
            _ => None,
        };
        let Some(pool) = pool else {
            self.wrong(start, format!("this is no pool; expected {EXPECTED_POOL}"));
            return None;
        };
        if let NodePool::Ids { exact, globs } = &pool
            && (exact.len() > MAX_POOL_IDS || globs.len() > MAX_POOL_GLOBS)
        {
            let most = format!("at most {MAX_POOL_IDS} ids and {MAX_POOL_GLOBS} patterns of ids");
            self.wrong(start, format!("a pool lists {most}; a filter on static data has no such limit"));
            return None;
        }
        let pools = &mut self.pools;
        Some(*self.places.entry(format!("{pool:?}")).or_insert_with(|| {
            pools.push(pool);
            pools.len() - 1
        }))
    }

    fn compile(&mut self, rules: &[HomeRule], spans: &FieldSpans, case: Case) -> Vec<FieldPatterns> {
        let (mut fields, mut sets) = (Vec::new(), patterns::max_sets(self.source.text.len()));
        if spans.len() > MAX_FIELDS {
            self.wrong(
                0,
                format!("the rules look at {} different fields, at most {MAX_FIELDS} are accepted", spans.len()),
            );
            return fields;
        }
        for (field, places) in spans {
            let of_rule = |(rule, _): &(usize, Range<usize>)| {
                let own = rules.get(*rule)?.patterns.iter().find(|(name, _)| name == field)?;
                Some((*rule, own.1.as_str()))
            };
            let patterns: Vec<_> = places.iter().filter_map(of_rule).collect();
            match FieldPatterns::compile(field, &patterns, rules.len(), case, sets) {
                Ok(compiled) => {
                    sets = sets.saturating_sub(compiled.sets());
                    fields.push(compiled);
                }
                Err((rule, bad)) => {
                    let span = places.iter().find(|(place, _)| *place == rule).map_or(0..0, |(_, span)| span.clone());
                    let name = rules.get(rule).map(ToString::to_string).unwrap_or_default();
                    self.bad_pattern(&name, field, &span, &bad);
                }
            }
        }
        fields
    }
}

/// Returns the values that a field of a filter may have.
fn wanted(value: &DeValue<'_>) -> Option<Vec<Value>> {
    let one = |value: &DeValue<'_>| match value {
        DeValue::String(text) => Some(json!(&**text)),
        DeValue::Boolean(flag) => Some(json!(flag)),
        DeValue::Integer(number) => {
            i64::from_str_radix(number.as_str(), number.radix()).ok().map(|number| json!(number))
        }
        DeValue::Float(number) => number.as_str().parse::<f64>().ok().map(|number| json!(number)),
        _ => None,
    };
    match value {
        DeValue::Array(values) if !values.is_empty() => values.iter().map(|value| one(value.get_ref())).collect(),
        value => one(value).map(|value| vec![value]),
    }
}

/// Returns advice on the word of `known` that was probably meant by `word`; empty where none is near.
fn meant(word: &str, known: &[&str]) -> String {
    let word = word.to_lowercase();
    let distance = |known: &str| strsim::damerau_levenshtein(&word, known);
    let near = |known: &&&str| word.len() <= MAX_FIELD_BYTES && distance(known) <= known.len() / 3;
    let best = known.iter().filter(near).min_by_key(|known| distance(known));
    best.map(|meant| format!("; did you mean `{meant}`?")).unwrap_or_default()
}

#[cfg(test)]
mod tests;
