//! All patterns of one field, matched against a value at once.
//!
//! A table may have thousands of rules, and a user who asks for the first time is matched against all of them. So
//! patterns that are plain texts are looked up, and the others are compiled into sets, which read a value once for many
//! patterns. A set reads in linear time whatever its patterns are. Rejected: a compiled expression for each rule, which
//! takes ten kilobytes each and is tried one after another.

use std::collections::BTreeMap;

use regex::{RegexSet, RegexSetBuilder};
use regex_syntax::hir::HirKind;

use super::rule_set::RuleSet;

/// The most memory of a compiled set of patterns in bytes, hence also of a single pattern.
const MAX_SET_BYTES: usize = 1 << 20;
/// The memory in which a set caches what it has seen of values, in bytes.
const SET_CACHE_BYTES: usize = 512 << 10;
/// The most patterns of a set.
const MAX_SET_PATTERNS: usize = 128;
/// The most sets of a table, which together with [`MAX_SET_BYTES`] bounds the memory of a table.
const MAX_SETS: usize = 128;
/// The sets that any table may have, and the bytes of a table for which it may have one set more: a short table takes
/// little memory.
const FREE_SETS: usize = 8;
const BYTES_FOR_SET: usize = 1 << 10;

/// Returns the most sets of a table of `bytes` bytes.
pub(super) fn max_sets(bytes: usize) -> usize {
    (FREE_SETS + bytes / BYTES_FOR_SET).min(MAX_SETS)
}

/// The treatment of upper and lower case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Case {
    /// `Ann` matches `ann`.
    #[default]
    Ignored,
    /// `Ann` does not match `ann`.
    Counts,
}

/// A pattern that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BadPattern {
    /// The fault.
    pub(super) fault: String,
    /// The byte of the pattern at which the fault was found, where that is known.
    pub(super) at: Option<usize>,
}

/// The patterns of a field.
#[derive(Debug)]
pub(super) struct FieldPatterns {
    /// The name of the field.
    pub(super) field: String,
    case: Case,
    rules: usize,
    /// Plain texts, each with the rules that have the text for a pattern.
    texts: BTreeMap<String, Vec<usize>>,
    sets: Vec<PatternSet>,
    /// The rules without a pattern of the field: any value will do.
    without: RuleSet,
}

/// Patterns that are compiled together.
#[derive(Debug)]
struct PatternSet {
    set: RegexSet,
    /// The rules of each pattern.
    rules: Vec<Vec<usize>>,
}

/// Patterns with the rules that have them.
type Patterns = Vec<(String, Vec<usize>)>;

impl FieldPatterns {
    /// Compiles the `patterns` of `field`, each of them with the place of its rule in a table of `rules` rules, into at
    /// most `most` sets; every pattern has passed [`check`].
    ///
    /// # Errors
    /// The place of the first rule whose pattern is too large, by itself or with those before, and the fault.
    pub(super) fn compile(
        field: &str,
        patterns: &[(usize, &str)],
        rules: usize,
        case: Case,
        most: usize,
    ) -> Result<Self, (usize, BadPattern)> {
        let (mut texts, mut others) = (BTreeMap::<String, Vec<usize>>::new(), BTreeMap::<&str, Vec<usize>>::new());
        for (rule, pattern) in patterns {
            match plain_text(pattern) {
                Some(text) => texts.entry(folded(&text, case)).or_default().push(*rule),
                None => others.entry(pattern).or_default().push(*rule),
            }
        }
        let others: Patterns = others.into_iter().map(|(pattern, rules)| (pattern.to_owned(), rules)).collect();
        let mut sets = Vec::new();
        for chunk in others.chunks(MAX_SET_PATTERNS) {
            compile(chunk, case, most, &mut sets)?;
        }
        let mut used = RuleSet::none(rules);
        patterns.iter().for_each(|(rule, _)| used.insert(*rule));
        let without = RuleSet::of(rules, |rule| !used.has(rule));
        Ok(Self { field: field.to_owned(), case, rules, texts, sets, without })
    }

    /// Returns the number of compiled sets.
    pub(super) fn sets(&self) -> usize {
        self.sets.len()
    }

    /// Returns the rules that have no pattern of the field, or a pattern that matches one of `values`.
    pub(super) fn meeting(&self, values: &[String]) -> RuleSet {
        let mut met = self.without.clone();
        if self.rules == 0 {
            return met;
        }
        for value in values {
            let text = self.texts.get(&folded(value, self.case));
            text.into_iter().flatten().for_each(|rule| met.insert(*rule));
            for set in &self.sets {
                let matched = set.set.matches(value).into_iter().filter_map(|pattern| set.rules.get(pattern));
                matched.flatten().for_each(|rule| met.insert(*rule));
            }
        }
        met
    }
}

/// Makes sure that `pattern` is a regular expression.
pub(super) fn check(pattern: &str) -> Result<(), BadPattern> {
    parse(pattern)?;
    // Only flags can change what the text around a pattern means, as `(?x)` does, with which `#` begins a comment.
    match pattern.contains("(?") && parse(&whole(pattern)).is_err() {
        true => Err(BadPattern { fault: "its flags reach beyond its end".to_owned(), at: None }),
        false => Ok(()),
    }
}

fn parse(pattern: &str) -> Result<regex_syntax::hir::Hir, BadPattern> {
    regex_syntax::parse(pattern).map_err(|error| match error {
        regex_syntax::Error::Parse(error) => {
            BadPattern { fault: error.kind().to_string(), at: Some(error.span().start.offset) }
        }
        regex_syntax::Error::Translate(error) => {
            BadPattern { fault: error.kind().to_string(), at: Some(error.span().start.offset) }
        }
        _ => BadPattern { fault: "it is not understood".to_owned(), at: None },
    })
}

/// Returns the pattern that matches a value as a whole.
fn whole(pattern: &str) -> String {
    format!("^(?:{pattern})$")
}

/// Returns the only text that `pattern` matches, where there is one and no flag says more.
fn plain_text(pattern: &str) -> Option<String> {
    if pattern.contains("(?") {
        return None;
    }
    match parse(pattern).ok()?.into_kind() {
        HirKind::Literal(literal) => String::from_utf8(literal.0.into_vec()).ok(),
        _ => None,
    }
}

fn folded(text: &str, case: Case) -> String {
    match case {
        Case::Ignored => text.to_lowercase(),
        Case::Counts => text.to_owned(),
    }
}

/// Adds the compiled `patterns` to `sets`; patterns that are too large together become several sets.
fn compile(
    patterns: &[(String, Vec<usize>)],
    case: Case,
    most: usize,
    sets: &mut Vec<PatternSet>,
) -> Result<(), (usize, BadPattern)> {
    let refused = |fault: String| {
        let rule = patterns.first().and_then(|(_, rules)| rules.first()).copied().unwrap_or_default();
        Err((rule, BadPattern { fault, at: None }))
    };
    if sets.len() >= most {
        let fault =
            format!("with those before, the patterns take more than {most} MiB; write less of `\\w` and `{{n}}`");
        return refused(fault);
    }
    let built = RegexSetBuilder::new(patterns.iter().map(|(pattern, _)| whole(pattern)))
        .case_insensitive(case == Case::Ignored)
        .size_limit(MAX_SET_BYTES)
        .dfa_size_limit(SET_CACHE_BYTES)
        .build();
    match (built, patterns) {
        (Ok(set), _) => {
            sets.push(PatternSet { set, rules: patterns.iter().map(|(_, rules)| rules.clone()).collect() });
            Ok(())
        }
        (Err(_), [] | [_]) => refused(format!("it takes more than {} KiB when it is compiled", MAX_SET_BYTES >> 10)),
        (Err(_), _) => {
            let (first, second) = patterns.split_at(patterns.len() / 2);
            compile(first, case, most, sets)?;
            compile(second, case, most, sets)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meets(pattern: &str, value: &str, case: Case) -> bool {
        check(pattern).unwrap();
        let patterns = FieldPatterns::compile("email", &[(0, pattern)], 1, case, 1).unwrap();
        patterns.meeting(&[value.to_owned()]).has(0)
    }

    #[test]
    fn a_pattern_matches_the_whole_value_whatever_the_case() {
        for (pattern, value, expected) in [
            ("ann", "ann", true),
            ("ann", "Ann", true),
            ("ANN", "ann", true),
            ("(?-i)Ann", "ann", false),
            ("(?-i)Ann", "Ann", true),
            ("ann", "anna", false),
            ("ann|bob", "bob", true),
            ("ann|bob", "joann", false),
            (".*@north\\.example", "ann@north.example", true),
            (".*@north\\.example", "ann@northXexample", false),
            (".*@north\\.example", "ann@north.example.org", false),
            ("a\\.b", "a.b", true),
            ("a\\.b", "aXb", false),
            ("", "", true),
            ("", "x", false),
            ("münchen", "MÜNCHEN", true),
            ("(?m)^ann$", "bob\nann", false),
        ] {
            assert_eq!(meets(pattern, value, Case::Ignored), expected, "{pattern} {value}");
        }
        assert!(!meets("ann", "Ann", Case::Counts) && !meets("ann.?", "Ann", Case::Counts));
        assert!(meets("Ann", "Ann", Case::Counts) && meets("Ann.?", "Anna", Case::Counts));
    }

    #[test]
    fn what_is_no_pattern_is_refused_with_the_place() {
        for (pattern, at) in
            [("(", Some(0)), ("ab[", Some(2)), ("a)|(b", Some(1)), ("\\p{nix}", Some(0)), ("*", Some(0))]
        {
            assert_eq!(check(pattern).unwrap_err().at, at, "{pattern}");
        }
        assert_eq!(check("(?x) a # b").unwrap_err().fault, "its flags reach beyond its end");
        for pattern in ["(?i)a", "(?x) a", "a#b", "(?:a)"] {
            assert_eq!(check(pattern), Ok(()), "{pattern}");
        }
    }

    #[test]
    fn patterns_that_blow_up_are_refused_and_named() {
        for pattern in ["(a{1000}){1000}", "((a{100}){100}){100}", "\\pL{5000}"] {
            check(pattern).unwrap();
            let patterns = [(0, "a.*"), (7, pattern), (8, "b.*")];
            let (rule, bad) = FieldPatterns::compile("user", &patterns, 9, Case::Ignored, 9).unwrap_err();
            assert_eq!((rule, bad.fault.as_str()), (7, "it takes more than 1024 KiB when it is compiled"), "{pattern}");
        }
        let many: Vec<_> = (0..40).map(|rule| (rule, format!("{rule}\\w{{20}}"))).collect();
        let many: Vec<_> = many.iter().map(|(rule, pattern)| (*rule, pattern.as_str())).collect();
        let (_, bad) = FieldPatterns::compile("user", &many, 40, Case::Ignored, 2).unwrap_err();
        assert!(bad.fault.starts_with("with those before"), "{}", bad.fault);
        // Linear in the value: a backtracking engine would not end.
        assert!(!meets("(a*)*(a*)*b", &"a".repeat(1000), Case::Ignored));
    }
}
