//! The files of this machine, for the folders that open no files themselves.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::config::{Contents, FileError, Files};

/// The files of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct Disk;

impl Files for Disk {
    fn read(&self, path: &Path, at_most: usize) -> Result<Contents, FileError> {
        let is_device = path.starts_with("/dev");
        // Opening a named pipe waits for a writer; the files below /dev were handed to this process.
        if !is_device && is_pipe(path) {
            return Err(FileError::Unreadable("it is a named pipe, not a file".to_owned()));
        }
        let file = File::open(path).map_err(|error| fault(&error))?;
        // Of the open file, not of the path: content and mode belong together.
        let metadata = file.metadata().map_err(|error| fault(&error))?;
        if metadata.is_dir() {
            return Err(FileError::Directory);
        }
        let mut bytes = Vec::new();
        file.take(at_most as u64 + 1).read_to_end(&mut bytes).map_err(|error| fault(&error))?;
        Ok(Contents { bytes, size: metadata.len(), mode: mode(&metadata) })
    }

    fn absolute(&self, path: &Path) -> PathBuf {
        // The empty path is the current folder, which `absolute` would refuse.
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        std::path::absolute(path).unwrap_or_else(|_nowhere| path.to_owned())
    }
}

/// Opens the file at `path`, which must be a regular file: opening a named pipe would wait for a writer, and reading a
/// device or a terminal would wait for the end. The kind is judged after opening, so that a pipe that takes the place
/// of the file in between is found too.
///
/// # Errors
/// The system's error, or the kind of the thing that is there in place of a file.
#[cfg(unix)]
pub fn open_regular(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
    let file = std::fs::OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let kind = file.metadata()?.file_type();
    let found = match kind {
        _ if kind.is_file() => return Ok(file),
        _ if kind.is_dir() => "a folder",
        _ if kind.is_fifo() => "a named pipe",
        _ => "a device",
    };
    Err(io::Error::other(format!("it is {found}, not a file")))
}

fn is_pipe(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt;
    std::fs::metadata(path).is_ok_and(|metadata| metadata.file_type().is_fifo())
}

fn fault(error: &io::Error) -> FileError {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => FileError::Missing,
        io::ErrorKind::IsADirectory => FileError::Directory,
        io::ErrorKind::PermissionDenied => FileError::Unreadable("permission denied".to_owned()),
        _ => FileError::Unreadable(error.to_string()),
    }
}

/// Returns the permission bits of a file by which its secrecy is judged. As PostgreSQL judges the keys of its
/// certificates: a file of root's with another group than root's was given to that group by root, and the bit for the
/// group is left out. That is how packages and Kubernetes hand a secret to a service.
#[cfg(unix)]
#[must_use]
pub fn mode(metadata: &std::fs::Metadata) -> u32 {
    use std::os::unix::fs::MetadataExt;
    judged(metadata.mode() & 0o7777, metadata.uid(), metadata.gid())
}

#[cfg(unix)]
const fn judged(mode: u32, owner: u32, group: u32) -> u32 {
    if owner == 0 && group != 0 { mode & !0o040 } else { mode }
}

/// Returns no permission bits, where there are none.
#[cfg(not(unix))]
#[must_use]
pub fn mode(_metadata: &std::fs::Metadata) -> u32 {
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_disk_answers_like_its_twin() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.js");
        std::fs::write(&path, "#!/bin/x").unwrap();
        let contents = Disk.read(&path, 3).unwrap();
        assert_eq!((contents.bytes.as_slice(), contents.size), (b"#!/b".as_slice(), 8));
        assert!(!contents.is_executable());
        assert_eq!(Disk.read(folder.path(), 3), Err(FileError::Directory));
        assert_eq!(Disk.read(&folder.path().join("none"), 3), Err(FileError::Missing));
        assert_eq!(Disk.read(&path.join("below"), 3), Err(FileError::Missing));
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_regular_file_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let told = |path: &Path| open_regular(path).unwrap_err().to_string();
        assert_eq!(told(&pipe), "it is a named pipe, not a file");
        assert_eq!(told(folder.path()), "it is a folder, not a file");
        assert_eq!(told(Path::new("/dev/zero")), "it is a device, not a file");
        assert!(told(&folder.path().join("none")).contains("No such file"));
        let file = folder.path().join("file");
        std::fs::write(&file, "{}").unwrap();
        assert_eq!(io::read_to_string(open_regular(&file).unwrap()).unwrap(), "{}");
    }

    #[cfg(unix)]
    #[test]
    fn a_file_with_a_shebang_that_may_run_is_a_program() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.sh");
        std::fs::write(&path, "#!/bin/sh\n").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
        let contents = Disk.read(&path, 100).unwrap();
        assert!(contents.is_executable() && !contents.others_may_read());
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_root_gave_to_a_group_is_that_groups_secret() {
        for (mode, owner, group, expected) in [
            (0o640, 0, 998, 0o600),
            (0o440, 0, 998, 0o400),
            (0o644, 0, 998, 0o604),
            (0o640, 998, 998, 0o640),
            (0o640, 0, 0, 0o640),
            (0o640, 1000, 998, 0o640),
        ] {
            assert_eq!(judged(mode, owner, group), expected, "{mode:o} of {owner}:{group}");
        }
    }
}
