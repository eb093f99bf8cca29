//! The binary as a person runs it: in a folder of its own, with none of this machine's settings in the environment.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use tempfile::TempDir;

use super::PATIENCE;

/// The binary under test.
pub(crate) const WHITHER: &str = env!("CARGO_BIN_EXE_whither");

/// A working directory and an environment.
pub(crate) struct Shell {
    folder: TempDir,
    variables: Vec<(String, String)>,
}

/// What a command came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    /// Absent where a signal ended it: ours, where it did not end in time.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Shell {
    /// An empty folder; the environment has the search path and nothing else.
    pub(crate) fn new() -> Self {
        let path = std::env::var("PATH").unwrap_or_default();
        Self { folder: TempDir::new().unwrap(), variables: vec![("PATH".to_owned(), path)] }
    }

    /// The same with a variable more.
    pub(crate) fn with(mut self, variable: &str, value: &str) -> Self {
        self.variables.push((variable.to_owned(), value.to_owned()));
        self
    }

    /// Its folder.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file below the folder, which is made where it is missing.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.folder().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    /// Reads a file of the folder.
    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder().join(name)).unwrap()
    }

    /// Runs the binary with nothing on standard input.
    pub(crate) fn whither<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Told {
        self.feed(arguments, "")
    }

    /// Runs the binary with `input` on standard input.
    pub(crate) fn feed<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>, input: &str) -> Told {
        self.run(Path::new(WHITHER), arguments, input)
    }

    /// Runs any program the same way.
    pub(crate) fn run<S: AsRef<OsStr>>(
        &self,
        program: &Path,
        arguments: impl IntoIterator<Item = S>,
        input: &str,
    ) -> Told {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(self.folder()).env_clear().timeout(PATIENCE).write_stdin(input);
        let output = command.envs(self.variables.iter().cloned()).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Told { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }
}

impl Told {
    /// The last words on standard error, as far as a report needs them.
    pub(crate) fn last_words(&self) -> String {
        let words = self.stderr.trim();
        let start = words.len().saturating_sub(400);
        words.get(words.ceil_char_boundary(start)..).unwrap_or_default().to_owned()
    }
}
