//! Writing the files of an import: all of them beside their places first, then each by a rename.
//!
//! A rename can fail in the middle (a full disk does not, but a file of another user may), so what was moved is moved
//! back then. A file that appears meanwhile is never replaced without `--force`.

use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use tempfile::TempDir;

use crate::cli::exit::{self, CommandExit};
use crate::plain::Plain;

use super::plan::PlannedFile;

/// The folder below the staged files for the files that they replace.
const REPLACED: &str = ".replaced";

/// Files that were written and are not in their places yet.
#[derive(Debug)]
pub(super) struct StagedFiles {
    folder: TempDir,
}

/// A file that is in its place.
struct MovedFile {
    target: PathBuf,
    staged: PathBuf,
    /// The file that was there before.
    replaced: Option<PathBuf>,
}

/// Makes sure that none of `files` is in `out` already.
pub(super) fn must_be_absent(files: &[PlannedFile], out: &Path) -> Result<(), CommandExit> {
    let there: Vec<_> =
        files.iter().map(|file| out.join(&file.path)).filter(|path| path.symlink_metadata().is_ok()).collect();
    if there.is_empty() {
        return Ok(());
    }
    let named: Vec<_> = there.iter().map(|path| format!("`{}`", Plain(path.display()))).collect();
    let message = format!(
        "{} there already; nothing was written (--force replaces, --out names another folder)",
        if let [one] = named.as_slice() { format!("{one} is") } else { format!("{} are", named.join(", ")) }
    );
    Err(CommandExit::usage(message))
}

impl StagedFiles {
    /// Writes `files` into a new folder in `beside`, or, where nothing is to be moved, in the folder of temporary files.
    pub(super) fn write(files: &[PlannedFile], beside: Option<&Path>) -> Result<Self, CommandExit> {
        let mut builder = tempfile::Builder::new();
        builder.prefix(".whither-import-");
        let folder = match beside {
            Some(out) => fs::create_dir_all(out).and_then(|()| builder.tempdir_in(out)),
            None => builder.tempdir(),
        };
        let unmade = |error| unwritten(beside.unwrap_or(Path::new("a temporary folder")), &error);
        let staged = Self { folder: folder.map_err(unmade)? };
        for file in files {
            let path = staged.path().join(&file.path);
            put(&path, file).map_err(|error| unwritten(&path, &error))?;
        }
        Ok(staged)
    }

    /// The folder of the files.
    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Moves `files` to their places in `out`: all of them, or none.
    pub(super) fn install(self, files: &[PlannedFile], out: &Path, replaces: bool) -> Result<(), CommandExit> {
        let mut moved = Vec::new();
        for file in files {
            match self.place(file, out, replaces) {
                Ok(one) => moved.push(one),
                Err(error) => {
                    moved.into_iter().rev().for_each(MovedFile::back);
                    return Err(unwritten(&out.join(&file.path), &error));
                }
            }
        }
        Ok(())
    }

    fn place(&self, file: &PlannedFile, out: &Path, replaces: bool) -> io::Result<MovedFile> {
        let (staged, target) = (self.path().join(&file.path), out.join(&file.path));
        if let Some(folder) = target.parent() {
            fs::create_dir_all(folder)?;
        }
        let replaced = match replaces && target.symlink_metadata().is_ok() {
            true if target.is_dir() => return Err(io::ErrorKind::IsADirectory.into()),
            true => {
                let kept = self.path().join(REPLACED).join(&file.path);
                kept.parent().map_or(Ok(()), fs::create_dir_all)?;
                fs::rename(&target, &kept)?;
                Some(kept)
            }
            false => None,
        };
        let moved = MovedFile { target, staged, replaced };
        match renameat_with(CWD, &moved.staged, CWD, &moved.target, RenameFlags::NOREPLACE) {
            Ok(()) => Ok(moved),
            Err(error) => {
                moved.restore();
                Err(error.into())
            }
        }
    }
}

impl MovedFile {
    /// Takes the file out of its place again.
    fn back(self) {
        let _stays = fs::rename(&self.target, &self.staged);
        self.restore();
    }

    fn restore(&self) {
        if let Some(kept) = &self.replaced {
            let _stays = fs::rename(kept, &self.target);
        }
    }
}

fn put(path: &Path, file: &PlannedFile) -> io::Result<()> {
    path.parent().map_or(Ok(()), fs::create_dir_all)?;
    // Nobody else may read the file for a moment only.
    let mut written = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    written.write_all(file.content.as_bytes())?;
    written.set_permissions(Permissions::from_mode(file.mode))?;
    written.sync_all()
}

fn unwritten(path: &Path, error: &io::Error) -> CommandExit {
    CommandExit::new(exit::OTHER, format!("cannot write `{}`: {error}; nothing was written", Plain(path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(text: &str) -> Vec<PlannedFile> {
        let file = |path: &str, mode| PlannedFile { path: path.to_owned(), content: text.to_owned(), mode };
        vec![file("scripts/a.js", 0o644), file("whither.toml", 0o600)]
    }

    fn listed(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn files_come_together_with_their_modes() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        must_be_absent(&files("1"), &out).unwrap();
        let staged = StagedFiles::write(&files("1"), Some(&out)).unwrap();
        staged.install(&files("1"), &out, false).unwrap();
        assert_eq!(listed(&out), ["scripts", "whither.toml"]);
        assert_eq!(fs::metadata(out.join("whither.toml")).unwrap().permissions().mode() & 0o777, 0o600);
        let told = must_be_absent(&files("2"), &out).unwrap_err().message;
        assert!(told.contains("scripts/a.js`, `") && told.contains("whither.toml` are there already"), "{told}");
        StagedFiles::write(&files("2"), Some(&out)).unwrap().install(&files("2"), &out, true).unwrap();
        assert_eq!(fs::read_to_string(out.join("scripts/a.js")).unwrap(), "2");
        assert_eq!(listed(&out), ["scripts", "whither.toml"]);
    }

    #[test]
    fn a_failure_in_the_middle_leaves_everything_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path();
        fs::create_dir_all(out.join("scripts")).unwrap();
        fs::write(out.join("scripts/a.js"), "old").unwrap();
        fs::create_dir(out.join("whither.toml")).unwrap();
        let staged = StagedFiles::write(&files("new"), Some(out)).unwrap();
        let error = staged.install(&files("new"), out, true).unwrap_err();
        assert!(error.message.contains("whither.toml`") && error.message.contains("nothing was written"), "{error}");
        assert_eq!(fs::read_to_string(out.join("scripts/a.js")).unwrap(), "old");
        assert_eq!(listed(out), ["scripts", "whither.toml"]);
        // A file that appears after the look is not replaced.
        let staged = StagedFiles::write(&files("new"), Some(out)).unwrap();
        assert!(staged.install(&files("new"), out, false).is_err());
        assert_eq!(fs::read_to_string(out.join("scripts/a.js")).unwrap(), "old");
    }
}
