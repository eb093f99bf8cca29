//! Findings as JSON, for programs.

use serde_json::{Value, json};

use crate::script::FunctionTier;

use super::finding::{CheckedFile, Finding, FindingLevel, place_of};

/// The longest line that is included in a finding, in bytes.
const MAX_EXCERPT: usize = 1_000;

/// Returns `files` as a single document: the findings, and apart from them the notes, which report no mistake.
#[must_use]
pub fn document(files: &[CheckedFile]) -> Value {
    let all = || files.iter().flat_map(|file| file.findings.iter().map(move |finding| (file, finding)));
    let listed = |is_note: bool| -> Vec<Value> {
        all()
            .filter(|(_, one)| (one.level == FindingLevel::Note) == is_note)
            .map(|(file, one)| finding(file, one))
            .collect()
    };
    let more: usize = files.iter().map(|file| file.more).sum();
    let tiers: Vec<_> = files.iter().flat_map(|file| file.tiers.iter().map(|one| tier(&file.file, one))).collect();
    json!({"files": files.len(), "findings": listed(false), "notes": listed(true), "more": more, "tiers": tiers})
}

fn tier(file: &str, tier: &FunctionTier) -> Value {
    let name = if tier.interpreted.is_none() { "compiled" } else { "interpreted" };
    let (line, column) = tier.place().unzip();
    json!({
        "file": file,
        "function": tier.function,
        "tier": name,
        "because": tier.interpreted,
        "line": line,
        "column": column,
        "indexed": tier.is_indexed,
    })
}

fn finding(file: &CheckedFile, finding: &Finding) -> Value {
    let mut record = json!({
        "code": finding.code.name(),
        "level": level(finding.level),
        "file": &*file.file,
        "message": finding.message,
    });
    let put = |name: &str, value: Value| (!value.is_null()).then_some((name.to_owned(), value));
    let mut members = Vec::new();
    if let Some(span) = &finding.span {
        let (line, column) = place_of(&file.text, span.start);
        let (end_line, end_column) = place_of(&file.text, span.end);
        for (name, number) in [("line", line), ("column", column), ("end_line", end_line), ("end_column", end_column)] {
            members.extend(put(name, number.into()));
        }
        let excerpt = file.text.lines().nth(line - 1).unwrap_or_default();
        // The line of a source that a program made may be the whole source.
        if excerpt.len() <= MAX_EXCERPT {
            members.extend(put("source", excerpt.into()));
        }
    }
    members.extend(put("help", finding.help.clone().into()));
    if let Some(fix) = &finding.fix {
        let edits: Vec<_> = fix
            .edits
            .iter()
            .map(|edit| json!({"start": edit.span.start, "end": edit.span.end, "text": edit.text}))
            .collect();
        members.extend(put("fix", json!({"title": fix.title, "safe": fix.is_safe, "edits": edits})));
    }
    if let Some(object) = record.as_object_mut() {
        object.extend(members);
    }
    record
}

/// Returns the word for `level`.
#[must_use]
pub const fn level(level: FindingLevel) -> &'static str {
    match level {
        FindingLevel::Error => "error",
        FindingLevel::Warning => "warning",
        FindingLevel::Note => "note",
    }
}
