//! Writing several files into a folder, of which none is ever there in part.

use std::fs::Permissions;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde::Serialize;
use tempfile::{Builder, NamedTempFile};

use crate::cli::exit::{self, CommandExit};
use crate::plain::Plain;
use crate::types::{DEFINITIONS, Observed, PROJECT};

/// The settings files that make a folder a project for an editor.
const PROJECTS: [&str; 2] = ["jsconfig.json", "tsconfig.json"];

/// The outcome of writing a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::cli) enum FileOutcome {
    /// The file was not there before.
    Wrote,
    /// The file was there with another text.
    Replaced,
    /// The file was there with this text.
    Unchanged,
    /// The file, or a file that stands for it, exists and stays as it is.
    Kept,
}

impl FileOutcome {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Wrote => "wrote",
            Self::Replaced => "replaced",
            Self::Unchanged => "unchanged",
            Self::Kept => "kept",
        }
    }
}

/// A file that was to be written, with the outcome.
#[derive(Clone, Copy, Debug, Serialize)]
pub(in crate::cli) struct Written {
    /// The file's name.
    pub(in crate::cli) name: &'static str,
    /// The outcome of writing the file.
    pub(in crate::cli) outcome: FileOutcome,
}

/// Whether `folder` has settings for editors already.
pub(super) fn is_project(folder: &Path) -> bool {
    PROJECTS.iter().any(|name| folder.join(name).exists())
}

/// Writes those of the definitions and the settings into `folder` that are not there; returns their names.
///
/// # Errors
/// A file that could not be written.
pub(in crate::cli) fn write_missing(folder: &Path) -> Result<Vec<&'static str>, CommandExit> {
    let mut texts = Vec::new();
    if !folder.join(DEFINITIONS.name).exists() {
        texts.push((DEFINITIONS.name, DEFINITIONS.render(&Observed::default())));
    }
    if !is_project(folder) {
        texts.push((PROJECT.name, PROJECT.render(&Observed::default())));
    }
    let written = write(folder, texts.into_iter())?;
    Ok(written.into_iter().map(|file| file.name).collect())
}

/// Writes `files`, each a name with a text, into `folder`: all of them as temporary files first, so that a full disk
/// leaves everything as before.
///
/// # Errors
/// A file that could not be written.
pub(super) fn write(
    folder: &Path,
    files: impl Iterator<Item = (&'static str, String)>,
) -> Result<Vec<Written>, CommandExit> {
    // The empty path is the folder that we are in.
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    if !folder.is_dir() {
        let shown = Plain(folder.display());
        return Err(CommandExit::usage(format!("`{shown}` is no folder (mkdir -p makes one)")));
    }
    let mut staged = Vec::new();
    for (name, text) in files {
        let outcome = match std::fs::read(folder.join(name)) {
            Ok(old) if old == text.as_bytes() => FileOutcome::Unchanged,
            Ok(_) => FileOutcome::Replaced,
            Err(error) if error.kind() == io::ErrorKind::NotFound => FileOutcome::Wrote,
            Err(error) => return Err(unwritten(folder, name, &error)),
        };
        let file = match outcome {
            FileOutcome::Unchanged | FileOutcome::Kept => None,
            FileOutcome::Wrote | FileOutcome::Replaced => {
                Some(stage(folder, &text).map_err(|error| unwritten(folder, name, &error))?)
            }
        };
        staged.push((Written { name, outcome }, file));
    }
    let mut written = Vec::new();
    for (file, staged) in staged {
        if let Some(staged) = staged {
            staged.persist(folder.join(file.name)).map_err(|error| unwritten(folder, file.name, &error.error))?;
        }
        written.push(file);
    }
    Ok(written)
}

/// Returns a temporary file in `folder` with `text`, which is deleted when dropped.
fn stage(folder: &Path, text: &str) -> io::Result<NamedTempFile> {
    // The mode with which any file is created, without the bits of the umask.
    let mut file = Builder::new().prefix(".whither-").permissions(Permissions::from_mode(0o666)).tempfile_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.flush()?;
    Ok(file)
}

fn unwritten(folder: &Path, name: &str, error: &io::Error) -> CommandExit {
    CommandExit::new(exit::USAGE, format!("cannot write `{}`: {error}", Plain(folder.join(name).display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcomes(folder: &Path, files: &[(&'static str, &str)]) -> Vec<FileOutcome> {
        let files = files.iter().map(|(name, text)| (*name, (*text).to_owned()));
        write(folder, files).unwrap().iter().map(|file| file.outcome).collect()
    }

    #[test]
    fn what_is_replaced_is_said() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(outcomes(folder.path(), &[("a", "1"), ("b", "2")]), [FileOutcome::Wrote; 2]);
        let again = outcomes(folder.path(), &[("a", "1"), ("b", "3")]);
        assert_eq!(again, [FileOutcome::Unchanged, FileOutcome::Replaced]);
        assert_eq!(std::fs::read_to_string(folder.path().join("b")).unwrap(), "3");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn what_cannot_be_written_leaves_everything_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("b")).unwrap();
        let files = [("a", "1"), ("b", "2")].map(|(name, text)| (name, text.to_owned()));
        let error = write(folder.path(), files.into_iter()).unwrap_err();
        assert!(error.message.contains("cannot write `") && error.message.contains("/b`"), "{error}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        let nowhere = write(&folder.path().join("c"), std::iter::empty()).unwrap_err();
        assert!(nowhere.message.contains("is no folder"), "{nowhere}");
    }

    #[test]
    fn a_folder_with_settings_of_its_own_keeps_them() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("tsconfig.json"), "{}").unwrap();
        assert_eq!(write_missing(folder.path()).unwrap(), [DEFINITIONS.name]);
        assert!(write_missing(folder.path()).unwrap().is_empty());
        assert!(!folder.path().join(PROJECT.name).exists());
    }
}
