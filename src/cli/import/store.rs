//! The files of a FastX 3 store as documents.
//!
//! A store is a folder of `NAME.db`, each a log of JSON documents with a document a line: of two lines with the same
//! `_id` the later one counts, and a line with `$$deleted` takes the document away. An export is a single JSON
//! document. What the documents are about is read elsewhere (`stored_scripts.rs`).

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::config::Files;
use crate::host::Disk;
use crate::model::json::{self, JsonLimits};

use super::report::{ImportOutcome, ImportReport};

/// The most bytes of a file of a store.
const MAX_FILE_BYTES: usize = 32 << 20;
/// The most files of a store.
const MAX_FILES: usize = 1_000;
/// The most documents of a store.
const MAX_DOCUMENTS: usize = 100_000;
/// The most levels of folders below a store.
const MAX_DEPTH: usize = 4;
/// The extensions of logs, and of files that are a single document.
const LOGS: [&str; 3] = ["db", "jsonl", "ndjson"];
const DOCUMENT: &str = "json";
/// The key of a document's name, and the marks of lines that are no document.
const ID: &str = "_id";
const DELETED: &str = "$$deleted";
const INDEXES: [&str; 2] = ["$$indexCreated", "$$indexRemoved"];

/// A document of a store.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct StoreDocument {
    /// The file, as the user named it.
    pub(super) source: String,
    /// The name of the document in that file.
    pub(super) id: String,
    /// The document.
    pub(super) value: Value,
}

/// Reads the store in `folder`, or the single file of that path.
pub(super) fn read(folder: &Path, report: &mut ImportReport) -> Vec<StoreDocument> {
    let (mut files, mut documents) = (Vec::new(), Vec::new());
    if folder.is_dir() {
        find(folder, MAX_DEPTH, &mut files)
    } else {
        files.push(folder.to_owned())
    }
    let shown = folder.to_string_lossy().into_owned();
    if files.is_empty() {
        report.add(ImportOutcome::NotImported, &shown, "", "no file of a store: `NAME.db` or `NAME.json`");
    }
    if files.len() > MAX_FILES {
        let message = format!("more than {MAX_FILES} files; the rest is not read");
        report.add(ImportOutcome::NotImported, &shown, "", message);
        files.truncate(MAX_FILES);
    }
    for file in files {
        let source = file.to_string_lossy().into_owned();
        match text_of(&file) {
            Ok(text) => documents.extend(parse(&source, &text, is_log(&file), report)),
            Err(why) => report.add(ImportOutcome::NotImported, &source, "", why),
        }
        if documents.len() > MAX_DOCUMENTS {
            documents.truncate(MAX_DOCUMENTS);
            let message = format!("more than {MAX_DOCUMENTS} documents; the rest is not read");
            report.add(ImportOutcome::NotImported, &source, "", message);
            break;
        }
    }
    documents
}

/// Adds the files of a store in `folder` and the folders below to `found`.
fn find(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    let mut paths: Vec<PathBuf> = entries.filter_map(Result::ok).map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            if depth > 0 && !path.is_symlink() {
                find(&path, depth - 1, found);
            }
        } else if (is_log(&path) || extension(&path) == DOCUMENT) && found.len() <= MAX_FILES {
            found.push(path);
        }
    }
}

fn extension(path: &Path) -> &str {
    path.extension().and_then(|extension| extension.to_str()).unwrap_or_default()
}

fn is_log(path: &Path) -> bool {
    LOGS.contains(&extension(path))
}

fn text_of(path: &Path) -> Result<String, String> {
    let contents = Disk.read(path, MAX_FILE_BYTES).map_err(|fault| fault.to_string())?;
    contents.text(MAX_FILE_BYTES).map(|text| text.trim_start_matches('\u{feff}').to_owned())
}

fn parse(source: &str, text: &str, is_log: bool, report: &mut ImportReport) -> Vec<StoreDocument> {
    if is_log {
        return parse_log(source, text, report);
    }
    let stem = Path::new(source).file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
    let document = |id: String, value: Value| StoreDocument { source: source.to_owned(), id, value };
    match json::parse(text.as_bytes(), JsonLimits::bytes(MAX_FILE_BYTES)) {
        Ok(Value::Array(items)) => {
            let numbered = items.into_iter().enumerate();
            numbered.map(|(at, value)| document(id_of(&value).unwrap_or_else(|| format!("{at}")), value)).collect()
        }
        Ok(value) => vec![document(id_of(&value).unwrap_or(stem), value)],
        Err(why) => {
            report.add(ImportOutcome::NotImported, source, "", format!("cannot be read: {why}"));
            Vec::new()
        }
    }
}

/// Returns the documents that are left at the end of a log, in the order of their first lines.
fn parse_log(source: &str, text: &str, report: &mut ImportReport) -> Vec<StoreDocument> {
    let mut documents: Vec<StoreDocument> = Vec::new();
    let mut places: std::collections::BTreeMap<String, usize> = std::collections::BTreeMap::new();
    let (mut broken, mut first) = (0, None);
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let value = match json::parse(line.as_bytes(), JsonLimits::bytes(MAX_FILE_BYTES)) {
            Ok(Value::Object(value)) => value,
            Ok(other) => {
                broken += 1;
                first = first.or(Some(format!("line {}: {}, expected an object", number + 1, json::kind(&other))));
                continue;
            }
            Err(why) => {
                broken += 1;
                first = first.or(Some(format!("line {}: {why}", number + 1)));
                continue;
            }
        };
        if INDEXES.iter().any(|mark| value.contains_key(*mark)) {
            continue;
        }
        let id = id_in(&value).unwrap_or_else(|| format!("line {}", number + 1));
        let is_deleted = value.get(DELETED) == Some(&Value::Bool(true));
        let value = if is_deleted { Value::Null } else { Value::Object(value) };
        match places.get(&id).and_then(|place| documents.get_mut(*place)) {
            Some(known) => known.value = value,
            None => {
                places.insert(id.clone(), documents.len());
                documents.push(StoreDocument { source: source.to_owned(), id, value });
            }
        }
    }
    if let Some(first) = first {
        let message = format!("lines that are no documents: {broken}, the first is {first}");
        report.add(ImportOutcome::NotImported, source, "", message);
    }
    documents.retain(|document| !document.value.is_null());
    documents
}

fn id_of(value: &Value) -> Option<String> {
    value.as_object().and_then(id_in)
}

fn id_in(value: &Map<String, Value>) -> Option<String> {
    match value.get(ID)? {
        Value::String(id) => Some(id.clone()),
        Value::Null => None,
        other => Some(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_last_line_of_a_document_counts() {
        let text = "{\"$$indexCreated\":{\"fieldName\":\"x\"}}\n{\"_id\":\"a\",\"data\":1}\n{\"_id\":\"b\",\"data\":2}\n\
            {\"_id\":\"a\",\"data\":3}\n{\"_id\":\"b\",\"$$deleted\":true}\nbroken\n[1]\n\n{\"_id\":7}\n{\"x\":1}\n";
        let mut report = ImportReport::default();
        let documents = parse("config-store.db", text, true, &mut report);
        let told: Vec<_> = documents.iter().map(|one| (one.id.as_str(), one.value.clone())).collect();
        let expected = [("a", json!({"_id": "a", "data": 3})), ("7", json!({"_id": 7})), ("line 10", json!({"x": 1}))];
        assert_eq!(told, expected);
        assert_eq!(report.lines().len(), 1);
        assert!(
            report.lines()[0].message.contains("lines that are no documents: 2, the first is line 6"),
            "{report:?}"
        );
    }

    #[test]
    fn a_folder_is_searched_and_what_cannot_be_read_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        std::fs::create_dir(folder.path().join("below")).unwrap();
        put("a.db", "{\"_id\":\"a\"}\n");
        put("below/override.json", "{\"scripts\": []}");
        put("list.json", "[{\"_id\": \"x\"}, 5]");
        put("deep.json", &"[".repeat(200));
        put("notes.txt", "no");
        let mut report = ImportReport::default();
        let ids: Vec<_> = read(folder.path(), &mut report).into_iter().map(|document| document.id).collect();
        assert_eq!(ids, ["a", "override", "x", "1"]);
        let line = &report.lines()[0];
        assert!(line.source.ends_with("deep.json") && line.message.contains("nested deeper"), "{line:?}");
        let mut report = ImportReport::default();
        assert!(read(&folder.path().join("gone"), &mut report).is_empty());
        assert!(report.lines()[0].message.contains("no such file"), "{report:?}");
    }
}
