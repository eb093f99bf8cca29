//! The files that a test run leaves: JUnit's XML, and coverage as HTML and LCOV. Each is written beside its place and
//! moved there, so that nobody reads half of it.

use std::path::Path;

use crate::suite::{CoverageBook, ScriptCoverage, SuiteResult, html, junit, lcov};

use super::super::exit::{self, CommandExit};

/// The tracefile in the folder of coverage.
const LCOV_FILE: &str = "lcov.info";
/// The first page in the folder of coverage.
const INDEX_FILE: &str = "index.html";

/// Writes `suites` as XML to `path`.
///
/// # Errors
/// Where that cannot be written.
pub(super) fn junit(path: &Path, suites: &[SuiteResult]) -> Result<(), CommandExit> {
    write(path, &junit::junit(suites))
}

/// Writes what is in `book` into `folder`, which is made where it is not there.
///
/// # Errors
/// Where that cannot be written.
pub(super) fn coverage(folder: &Path, book: &CoverageBook) -> Result<(), CommandExit> {
    std::fs::create_dir_all(folder).map_err(|error| unwritten(folder, &error))?;
    let scripts: Vec<_> = book.scripts().into_iter().enumerate().map(named).collect();
    for (script, file) in &scripts {
        write(&folder.join(file), &html::script(script))?;
    }
    write(&folder.join(INDEX_FILE), &html::index(&scripts))?;
    let scripts: Vec<_> = scripts.into_iter().map(|(script, _)| script).collect();
    write(&folder.join(LCOV_FILE), &lcov::lcov(&scripts))
}

/// The name of a script's page: numbered, because two scripts may have one name in two folders.
fn named((number, script): (usize, ScriptCoverage)) -> (ScriptCoverage, String) {
    let name = Path::new(&script.path).file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_') { c } else { '_' };
    let file = format!("{:03}-{}.html", number + 1, name.chars().map(plain).collect::<String>());
    (script, file)
}

fn write(path: &Path, text: &str) -> Result<(), CommandExit> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let write = || -> std::io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        std::io::Write::write_all(&mut file, text.as_bytes())?;
        file.as_file().set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))?;
        file.persist(path).map(|_file| ()).map_err(|error| error.error)
    };
    write().map_err(|error| unwritten(path, &error))
}

fn unwritten(path: &Path, error: &std::io::Error) -> CommandExit {
    CommandExit::new(exit::OTHER, format!("cannot write `{}`: {error}", path.display()))
}
