//! The files that a config names, handed in: this folder opens no file.
//!
//! A single method reads content and mode of a file at the same moment; asking for the mode first and reading later
//! would let a file change in between.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::secret::others_may_read;

/// A source of files by path.
pub trait Files {
    /// Reads the file at `path`: at most `at_most` bytes, and a byte more where the file is longer.
    ///
    /// # Errors
    /// [`FileError`] where there is no readable file.
    fn read(&self, path: &Path, at_most: usize) -> Result<Contents, FileError>;

    /// Returns `path` from the root of the file system, where known.
    fn absolute(&self, path: &Path) -> PathBuf;
}

/// The contents of a file, as far as they were read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// The first bytes of the file.
    pub bytes: Vec<u8>,
    /// The size of the file in bytes, as far as known.
    pub size: u64,
    /// The permission bits of the file as on Unix; zero where there are none.
    pub mode: u32,
}

impl Contents {
    /// Whether the file's group or anybody else may read the file.
    #[must_use]
    pub const fn others_may_read(&self) -> bool {
        others_may_read(self.mode)
    }

    /// Whether the file is a program: `#!` or the mark of a compiled program at the start, and somebody may execute the
    /// file.
    #[must_use]
    pub fn is_executable(&self) -> bool {
        (self.bytes.starts_with(b"#!") || self.bytes.starts_with(b"\x7fELF")) && self.mode & 0o111 != 0
    }

    /// Returns the file's text, where the file is at most `at_most` bytes of UTF-8.
    ///
    /// # Errors
    /// A message about the limit that the file exceeds or the line that is not UTF-8, as in "FILE has 3 bytes".
    pub fn text(&self, at_most: usize) -> Result<&str, String> {
        if self.bytes.len() > at_most {
            let size = self.size.max(self.bytes.len() as u64);
            return Err(format!("has {size} bytes, at most {at_most} are accepted"));
        }
        str::from_utf8(&self.bytes).map_err(|error| {
            let good = self.bytes.get(..error.valid_up_to()).unwrap_or_default();
            let line = good.iter().filter(|byte| **byte == b'\n').count() + 1;
            format!("is not UTF-8 on line {line}")
        })
    }
}

/// The reason why a file could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// There is no file at that path.
    #[error("no such file")]
    Missing,
    /// The path is a directory.
    #[error("is a directory, expected a file")]
    Directory,
    /// The system's error.
    #[error("cannot be read: {0}")]
    Unreadable(String),
}

/// Files in memory: for tests and the simulator.
#[derive(Clone, Debug, Default)]
pub struct MemoryFiles {
    files: BTreeMap<PathBuf, Result<Contents, FileError>>,
}

impl MemoryFiles {
    /// Adds a file that everybody may read.
    #[must_use]
    pub fn with(self, path: &str, bytes: impl AsRef<[u8]>) -> Self {
        self.with_mode(path, bytes, 0o644)
    }

    /// Adds a file with the permission bits `mode`.
    #[must_use]
    pub fn with_mode(mut self, path: &str, bytes: impl AsRef<[u8]>, mode: u32) -> Self {
        let bytes = bytes.as_ref().to_vec();
        let contents = Contents { size: bytes.len() as u64, bytes, mode };
        self.files.insert(PathBuf::from(path), Ok(contents));
        self
    }

    /// Adds a path that fails with `fault`.
    #[must_use]
    pub fn with_fault(mut self, path: &str, fault: FileError) -> Self {
        self.files.insert(PathBuf::from(path), Err(fault));
        self
    }
}

impl Files for MemoryFiles {
    fn read(&self, path: &Path, at_most: usize) -> Result<Contents, FileError> {
        let mut contents = self.files.get(path).cloned().unwrap_or(Err(FileError::Missing))?;
        contents.bytes.truncate(at_most.saturating_add(1));
        Ok(contents)
    }

    fn absolute(&self, path: &Path) -> PathBuf {
        Path::new("/").join(path)
    }
}
