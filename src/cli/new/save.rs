//! Writes starting points, and never over an existing file without `--force`.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::plain;

use anyhow::anyhow;
use clap::Args;

/// The option for files that exist already.
#[derive(Clone, Copy, Debug, Default, Args)]
pub(super) struct Existing {
    /// Replace the file if it is there already
    #[arg(long)]
    force: bool,
}

impl Existing {
    /// Makes sure that the file at `path` may be written.
    pub(super) fn check(self, path: &Path) -> anyhow::Result<()> {
        if !self.force && path.exists() {
            return Err(is_there(path));
        }
        Ok(())
    }

    #[cfg(test)]
    pub(super) const fn forced(force: bool) -> Self {
        Self { force }
    }
}

fn is_there(path: &Path) -> anyhow::Error {
    anyhow!("`{}` is there already (--force replaces it)", path.display())
}

/// Writes the output of `write` into the file at `path`.
pub(super) fn save(
    path: &Path,
    existing: Existing,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> anyhow::Result<()> {
    write_out(path, existing, write).map(|_file| ())
}

/// Writes a program as [`save`] writes a file; everybody may run the program.
pub(super) fn save_program(
    path: &Path,
    existing: Existing,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> anyhow::Result<()> {
    let file = write_out(path, existing, write)?;
    // Not as the mode for creating the file: a file that is replaced has a mode already, and a umask would take bits
    // away.
    file.set_permissions(Permissions::from_mode(0o755)).map_err(|error| unwritten(path, &error))
}

fn write_out(
    path: &Path,
    existing: Existing,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> anyhow::Result<File> {
    let mut writer = BufWriter::new(open(path, existing)?);
    write(&mut writer).map_err(|error| unwritten(path, &error))?;
    writer.into_inner().map_err(|error| unwritten(path, error.error()))
}

fn open(path: &Path, existing: Existing) -> anyhow::Result<File> {
    let mut options = OpenOptions::new();
    match existing.force {
        true => options.write(true).create(true).truncate(true),
        false => options.write(true).create_new(true),
    };
    match options.open(path) {
        Ok(file) => Ok(file),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(is_there(path)),
        Err(error) => Err(unwritten(path, &error)),
    }
}

fn unwritten(path: &Path, error: &io::Error) -> anyhow::Error {
    anyhow!("cannot write `{}`: {error}", path.display())
}

/// Prints the written files and the next commands; on standard error, because standard output may be the file.
pub(super) fn print_next_steps(done: &str, next: &[String]) {
    let mut lines = format!("{done}\n");
    for (place, command) in next.iter().enumerate() {
        lines.push_str(if place == 0 { "try: " } else { "     " });
        lines.push_str(command);
        lines.push('\n');
    }
    let _unread = io::stderr().write_all(plain::lines(&lines).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_there_stays_unless_forced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.js");
        let write = |text: &'static str, force| save(&path, Existing { force }, |out| out.write_all(text.as_bytes()));
        write("first, and longer", false).unwrap();
        let error = write("second", false).unwrap_err().to_string();
        assert!(error.contains("a.js` is there already (--force replaces it)"), "{error}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "first, and longer");
        write("second", true).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "second");
        save_program(&path, Existing { force: true }, |out| out.write_all(b"#!")).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o755);
        let nowhere = folder.path().join("none/a.js");
        let error = save(&nowhere, Existing { force: true }, |_| Ok(())).unwrap_err().to_string();
        assert!(error.contains("none/a.js`: No such file"), "{error}");
    }
}
