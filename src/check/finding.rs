//! The findings of a check: the mistake, the place, and the fix.

use std::sync::Arc;

use crate::script::FunctionTier;
use crate::script::tree::SourceRange;

use super::codes::Code;

/// A mistake that a check found.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// The kind of mistake.
    pub code: Code,
    /// The bytes of the source that are wrong; absent where the finding is about the file as a whole.
    pub span: Option<SourceRange>,
    /// The mistake, in a sentence.
    pub message: String,
    /// The advice that a person gets.
    pub help: Option<String>,
    /// The change that puts the source right.
    pub fix: Option<Fix>,
    /// The weight of the finding.
    pub level: FindingLevel,
}

/// The weight of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FindingLevel {
    /// The file cannot be used.
    Error,
    /// Probably a mistake.
    Warning,
    /// Good to know: nothing is wrong.
    Note,
}

/// A change that puts the mistake of a finding right.
#[derive(Clone, Debug, PartialEq)]
pub struct Fix {
    /// The change in words.
    pub title: String,
    /// The changes, which do not overlap.
    pub edits: Vec<Replacement>,
    /// Whether the fix is beyond doubt, so that the fix may be made without a look.
    pub is_safe: bool,
}

/// A part of a source that is replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replacement {
    /// The bytes that go.
    pub span: SourceRange,
    /// The text that comes in the place of those bytes.
    pub text: String,
}

/// A file that was checked, with the findings about that file.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckedFile {
    /// The file as named by the user.
    pub file: Arc<str>,
    /// The text of the file; empty where the file is no text.
    pub text: Arc<str>,
    /// The findings in the order of their places.
    pub findings: Vec<Finding>,
    /// The number of further findings, past [`MAX_FINDINGS`].
    pub more: usize,
    /// The tier that runs each function of a script, in languages that have more than one.
    pub tiers: Vec<FunctionTier>,
}

/// The most findings of a file that are reported.
pub const MAX_FINDINGS: usize = 100;

impl Finding {
    /// Returns the finding of `code` at `span`.
    #[must_use]
    pub fn new(code: Code, span: Option<SourceRange>, message: impl Into<String>) -> Self {
        Self { code, span, message: message.into(), help: None, fix: None, level: code.level() }
    }

    /// Returns the same finding with advice.
    #[must_use]
    pub fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }

    /// Returns the same finding with `fix`.
    #[must_use]
    pub fn fix(self, fix: Fix) -> Self {
        Self { fix: Some(fix), ..self }
    }
}

impl Fix {
    /// Returns the fix that puts `text` in the place of `span`.
    #[must_use]
    pub fn replace(span: SourceRange, text: impl Into<String>, title: impl Into<String>) -> Self {
        Self { title: title.into(), edits: vec![Replacement { span, text: text.into() }], is_safe: true }
    }

    /// Returns the same fix as a fix that a person should look at.
    #[must_use]
    pub fn unsure(self) -> Self {
        Self { is_safe: false, ..self }
    }
}

impl CheckedFile {
    /// Returns the findings about `file`, in order, and at most [`MAX_FINDINGS`].
    #[must_use]
    pub fn new(file: Arc<str>, text: Arc<str>, mut findings: Vec<Finding>) -> Self {
        let place = |finding: &Finding| finding.span.as_ref().map_or((0, 0), |span| (span.start, span.end));
        findings.sort_by(|one, other| place(one).cmp(&place(other)).then_with(|| one.code.cmp(&other.code)));
        findings.dedup_by(|later, earlier| later.code == earlier.code && later.span == earlier.span);
        let more = findings.len().saturating_sub(MAX_FINDINGS);
        findings.truncate(MAX_FINDINGS);
        Self { file, text, findings, more, tiers: Vec::new() }
    }

    /// Returns the line of `finding` and the character in that line, both from 1.
    #[must_use]
    pub fn place(&self, finding: &Finding) -> Option<(usize, usize)> {
        let start = finding.span.as_ref()?.start;
        Some(place_of(&self.text, start))
    }
}

/// Returns the line of the byte `offset` of `text` and the character in that line, both from 1.
#[must_use]
pub fn place_of(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..text.floor_char_boundary(offset)).unwrap_or(text);
    let line = before.rsplit('\n').next().unwrap_or_default();
    (before.matches('\n').count() + 1, line.chars().count() + 1)
}

/// Returns `text` with the safe fixes of `findings`, and the findings that were fixed; a fix that overlaps an earlier
/// fix is left for the next round.
#[must_use]
pub fn fixed<'a>(text: &str, findings: &'a [Finding]) -> (String, Vec<&'a Finding>) {
    let (mut edits, mut done): (Vec<&Replacement>, Vec<&Finding>) = (Vec::new(), Vec::new());
    for finding in findings {
        let Some(fix) = finding.fix.as_ref().filter(|fix| fix.is_safe) else { continue };
        let overlaps = |edit: &Replacement| {
            edits.iter().any(|other| edit.span.start < other.span.end && other.span.start < edit.span.end)
                || edits.iter().any(|other| edit.span.start == other.span.start)
        };
        let is_sound = fix.edits.iter().all(|edit| text.get(edit.span.clone()).is_some() && !overlaps(edit));
        if is_sound {
            edits.extend(&fix.edits);
            done.push(finding);
        }
    }
    edits.sort_by_key(|edit| edit.span.start);
    let (mut made, mut end) = (String::with_capacity(text.len()), 0);
    for edit in edits {
        made.push_str(text.get(end..edit.span.start).unwrap_or_default());
        made.push_str(&edit.text);
        end = edit.span.end;
    }
    made.push_str(text.get(end..).unwrap_or_default());
    (made, done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn safe_fixes_are_made_and_no_two_over_each_other() {
        let finding = |span: SourceRange, text: &str| {
            Finding::new(Code::UnknownField, Some(span.clone()), "x").fix(Fix::replace(span, text, "y"))
        };
        let mut unsure = finding(0..1, "Z");
        unsure.fix = unsure.fix.map(Fix::unsure);
        let findings = [finding(2..4, "CD"), finding(3..5, "no"), unsure, finding(5..5, "!"), finding(1..2, "")];
        let (text, done) = fixed("abcdef", &findings);
        assert_eq!((text.as_str(), done.len()), ("aCDe!f", 3));
        assert_eq!(place_of("a\nüx", 4), (2, 2));
    }
}
