//! Findings as SARIF 2.1.0, which editors and CI systems read.

use serde_json::{Value, json};

use super::codes::Code;
use super::finding::{CheckedFile, Finding, Fix, place_of};
use super::json::level;
use crate::script::tree::SourceRange;

/// The schema of a document.
const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";
/// The file with the pages of codes.
const PAGES: &str = "docs/src/reference/checks.md";

/// Returns `files` as a SARIF log.
#[must_use]
pub fn document(files: &[CheckedFile]) -> Value {
    let results: Vec<Value> =
        files.iter().flat_map(|file| file.findings.iter().map(move |finding| result(file, finding))).collect();
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "whither check",
                "version": env!("CARGO_PKG_VERSION"),
                "informationUri": PAGES,
                "rules": Code::ALL.iter().map(|code| rule(*code)).collect::<Vec<_>>(),
            }},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn rule(code: Code) -> Value {
    json!({
        "id": code.name(),
        "shortDescription": {"text": code.about()},
        "fullDescription": {"text": code.page().why},
        "helpUri": format!("{PAGES}#{}", code.name().to_lowercase()),
        "defaultConfiguration": {"level": level(code.level())},
    })
}

fn result(file: &CheckedFile, finding: &Finding) -> Value {
    let text = match &finding.help {
        Some(help) => format!("{} ({help})", finding.message),
        None => finding.message.clone(),
    };
    let mut physical = json!({"artifactLocation": {"uri": uri(&file.file)}});
    if let (Some(span), Some(members)) = (&finding.span, physical.as_object_mut()) {
        members.insert("region".to_owned(), region(&file.text, span));
    }
    let index = Code::ALL.iter().position(|code| *code == finding.code);
    let mut result = json!({
        "ruleId": finding.code.name(),
        "ruleIndex": index,
        "level": level(finding.level),
        "message": {"text": text},
        "locations": [{"physicalLocation": physical}],
    });
    if let (Some(fix), Some(members)) = (&finding.fix, result.as_object_mut()) {
        members.insert("fixes".to_owned(), json!([fixed(file, fix)]));
    }
    result
}

fn fixed(file: &CheckedFile, fix: &Fix) -> Value {
    let replacements: Vec<_> = fix
        .edits
        .iter()
        .map(|edit| json!({"deletedRegion": region(&file.text, &edit.span), "insertedContent": {"text": edit.text}}))
        .collect();
    json!({
        "description": {"text": fix.title},
        "artifactChanges": [{"artifactLocation": {"uri": uri(&file.file)}, "replacements": replacements}],
    })
}

fn region(text: &str, span: &SourceRange) -> Value {
    let ((line, column), (end_line, end_column)) = (place_of(text, span.start), place_of(text, span.end));
    json!({"startLine": line, "startColumn": column, "endLine": end_line, "endColumn": end_column})
}

/// Returns a path as a relative reference, in which blanks and signs are written by their numbers.
fn uri(path: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-~".contains(&byte);
    path.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}
