//! The files of tests below a folder.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::config::suite::SUITE_SUFFIX;

use super::super::exit::CommandExit;

/// The most files of tests of one run.
const MAX_FILES: usize = 10_000;
/// The most entries of folders that are looked at for them.
const MAX_ENTRIES: usize = 1_000_000;
/// How deep folders are looked into.
const MAX_DEPTH: usize = 32;
/// Folders in which nobody keeps tests of scripts, beside those whose names begin with a dot.
const PASSED_OVER: [&str; 2] = ["node_modules", "target"];

/// The files of tests that `paths` name, or that lie below them, each once and in order.
///
/// # Errors
/// A path that cannot be read, and more files than one run may have.
pub(super) fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, CommandExit> {
    let mut found = BTreeSet::new();
    let mut entries = 0;
    for path in paths {
        let unreadable = |error: std::io::Error| CommandExit::usage(format!("{}: {error}", path.display()));
        if std::fs::metadata(path).map_err(unreadable)?.is_dir() {
            below(path, 0, &mut entries, &mut found)?;
        } else {
            found.extend(named(path)?);
        }
    }
    if found.len() > MAX_FILES {
        let count = found.len();
        return Err(CommandExit::usage(format!(
            "there are {count} files of tests, at most {MAX_FILES} are run at a time"
        )));
    }
    Ok(found.into_iter().collect())
}

/// The file of tests that `path` is, or those beside it, where `path` is a script.
fn named(path: &Path) -> Result<Vec<PathBuf>, CommandExit> {
    let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    if name.ends_with(SUITE_SUFFIX) {
        return Ok(vec![path.to_owned()]);
    }
    let stem = path.file_stem().map(|stem| stem.to_string_lossy()).unwrap_or_default();
    let beside = [&stem, &name].map(|name| path.with_file_name(format!("{name}{SUITE_SUFFIX}")));
    let found: Vec<_> = beside.into_iter().filter(|beside| beside.is_file()).collect();
    if found.is_empty() {
        let message =
            format!("`{}` is no file of tests: {stem}{SUITE_SUFFIX} would be one, and is not there", path.display());
        return Err(CommandExit::usage(message));
    }
    Ok(found)
}

fn below(folder: &Path, depth: usize, entries: &mut usize, found: &mut BTreeSet<PathBuf>) -> Result<(), CommandExit> {
    let unreadable = |error: std::io::Error| CommandExit::usage(format!("{}: {error}", folder.display()));
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        *entries += 1;
        if *entries > MAX_ENTRIES {
            let message = format!("there are more than {MAX_ENTRIES} files in the folders; name a smaller folder");
            return Err(CommandExit::usage(message));
        }
        let (name, kind) = (entry.file_name(), entry.file_type().map_err(unreadable)?);
        let Some(name) = name.to_str() else { continue };
        // Links to folders are not followed: they may lead back.
        if kind.is_dir() {
            let is_passed_over = name.starts_with('.') || PASSED_OVER.contains(&name);
            if depth < MAX_DEPTH && !is_passed_over {
                below(&joined(folder, name), depth + 1, entries, found)?;
            }
        } else if name.ends_with(SUITE_SUFFIX) && name != SUITE_SUFFIX {
            found.insert(joined(folder, name));
        }
    }
    Ok(())
}

/// The path of `name` in `folder`, without a `./` before it.
fn joined(folder: &Path, name: &str) -> PathBuf {
    if folder == Path::new(".") { PathBuf::from(name) } else { folder.join(name) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_tests_are_found_in_order_and_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in ["b/x.test.toml", "a.test.toml", ".git/y.test.toml", "node_modules/z.test.toml", "a.js"] {
            std::fs::create_dir_all(path(name).parent().unwrap()).unwrap();
            std::fs::write(path(name), "").unwrap();
        }
        let found = files(&[folder.path().to_owned(), path("a.test.toml")]).unwrap();
        assert_eq!(found, [path("a.test.toml"), path("b/x.test.toml")]);
        assert!(files(&[path("gone")]).unwrap_err().message.contains("gone: No such file"));
    }
}
