//! The files that a config names, handed in: this floor opens none itself.
//!
//! One method answers everything that is asked of a file, so that its content and its mode belong to the same moment;
//! asking the mode first and reading later would let a file change in between.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::secret::others_may_read;

/// Whatever can be read by its path.
pub trait Files {
    /// Reads the file at `path`: at most `at_most` bytes, and one more where the file is longer.
    ///
    /// # Errors
    /// [`FileError`] where there is nothing to read.
    fn read(&self, path: &Path, at_most: usize) -> Result<Contents, FileError>;

    /// `path` from the root of the file system, where it is known.
    fn absolute(&self, path: &Path) -> PathBuf;
}

/// What was read of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// Its first bytes.
    pub bytes: Vec<u8>,
    /// Its size in bytes, as far as it is known.
    pub size: u64,
    /// Its permission bits as Unix counts them; zero where there are none.
    pub mode: u32,
}

impl Contents {
    /// Whether the file's group or anybody else may read it.
    #[must_use]
    pub const fn others_may_read(&self) -> bool {
        others_may_read(self.mode)
    }

    /// Whether it is a program: `#!` or a compiled program's mark at its start, and somebody may execute it.
    #[must_use]
    pub fn is_executable(&self) -> bool {
        (self.bytes.starts_with(b"#!") || self.bytes.starts_with(b"\x7fELF")) && self.mode & 0o111 != 0
    }

    /// The file's text, where it is at most `at_most` bytes of UTF-8.
    ///
    /// # Errors
    /// Which of the two it is not, as in "FILE has 3 bytes".
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

/// Why a file could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// There is none at that path.
    #[error("no such file")]
    Missing,
    /// There is a directory.
    #[error("is a directory, expected a file")]
    Directory,
    /// The system's own words.
    #[error("cannot be read: {0}")]
    Unreadable(String),
}

/// Files in memory: for tests and the simulator.
#[derive(Clone, Debug, Default)]
pub struct MemoryFiles {
    files: BTreeMap<PathBuf, Result<Contents, FileError>>,
}

impl MemoryFiles {
    /// These files beside those that are there, everybody's to read.
    #[must_use]
    pub fn with(self, path: &str, bytes: impl AsRef<[u8]>) -> Self {
        self.with_mode(path, bytes, 0o644)
    }

    /// A file whose permission bits are `mode`.
    #[must_use]
    pub fn with_mode(mut self, path: &str, bytes: impl AsRef<[u8]>, mode: u32) -> Self {
        let bytes = bytes.as_ref().to_vec();
        let contents = Contents { size: bytes.len() as u64, bytes, mode };
        self.files.insert(PathBuf::from(path), Ok(contents));
        self
    }

    /// A path that answers with `fault`.
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
