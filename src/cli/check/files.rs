//! Writes fixes into files: all fixes of a file or none.

use std::fmt;
use std::io::Write;
use std::path::Path;

use serde_json::{Value, json};

use crate::check::finding::{fixed, place_of};
use crate::check::{CheckedFile, Checker, Code};
use crate::cli::exit::{self, CommandExit};
use crate::plain::Plain;
use crate::script::{Content, ScriptLimits};

/// A fix that was made.
#[derive(Debug)]
pub(super) struct MadeFix {
    file: String,
    line: usize,
    column: usize,
    code: Code,
    title: String,
}

impl MadeFix {
    /// Returns the fix as JSON.
    pub(super) fn to_json(&self) -> Value {
        json!({"code": self.code.name(), "file": self.file, "line": self.line, "column": self.column, "title": self.title})
    }
}

impl fmt::Display for MadeFix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (file, title) = (Plain(&self.file), Plain(&self.title));
        write!(f, "{file}:{}:{}: {title} ({})", self.line, self.column, self.code.name())
    }
}

/// Makes the sure fixes of `files`, and returns them.
pub(super) fn fix(files: &[CheckedFile]) -> Result<Vec<MadeFix>, CommandExit> {
    let mut all = Vec::new();
    for file in files {
        let (text, done) = fixed(&file.text, &file.findings);
        if done.is_empty() || !compiles(file, &text) {
            continue;
        }
        replace(Path::new(&*file.file), &file.text, &text)?;
        all.extend(done.into_iter().map(|finding| {
            let (line, column) = finding.span.as_ref().map_or((1, 1), |span| place_of(&file.text, span.start));
            let title = finding.fix.as_ref().map(|fix| fix.title.clone()).unwrap_or_default();
            MadeFix { file: file.file.to_string(), line, column, code: finding.code, title }
        }));
    }
    Ok(all)
}

/// Whether `text`, which `file` is to become, is a script still.
fn compiles(file: &CheckedFile, text: &str) -> bool {
    let extension = Path::new(&*file.file).extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    let mut checker = Checker::new(ScriptLimits { source_bytes: usize::MAX, ..ScriptLimits::default() });
    let report = checker.script(&file.file, extension, &Content::from(text), &Default::default());
    report.findings.iter().all(|finding| finding.code != Code::BrokenSource)
}

/// Replaces the content of the file at `path` by `text`, atomically, unless the content is no longer `read`.
fn replace(path: &Path, read: &str, text: &str) -> Result<(), CommandExit> {
    let unwritten =
        |error: std::io::Error| CommandExit::new(exit::OTHER, format!("cannot write `{}`: {error}", path.display()));
    // A link stays a link to the file; the file is replaced.
    let path = std::fs::canonicalize(path).map_err(unwritten)?;
    if std::fs::read(&path).map_err(unwritten)? != read.as_bytes() {
        let message = format!("`{}` was changed while it was checked; nothing was written", path.display());
        return Err(CommandExit::new(exit::OTHER, message));
    }
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut beside = tempfile::NamedTempFile::new_in(folder).map_err(unwritten)?;
    beside.write_all(text.as_bytes()).map_err(unwritten)?;
    let permissions = std::fs::metadata(&path).map_err(unwritten)?.permissions();
    beside.as_file().set_permissions(permissions).map_err(unwritten)?;
    beside.as_file().sync_all().map_err(unwritten)?;
    beside.persist(&path).map_err(|error| unwritten(error.error))?;
    Ok(())
}
