//! Static data: a JSON object that an administrator keeps in a file, watched, so that an edit counts at once.
//!
//! An edit that cannot be read leaves the last good content in force and is logged; a half-written file is read again
//! after a moment first. The file is watched (`file_watch.rs`), and read every few seconds anyway, because network file
//! systems report no changes.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};
use tokio::sync::watch;
use tracing::{info, warn};

use super::file_watch::FileWatch;
use crate::host::disk;
use crate::model::json::{self, JsonError, JsonLimits};

/// The largest file, in bytes.
pub const MAX_BYTES: usize = 32 * 1024;
/// Two levels less than a node document may have, because the data becomes part of the document.
const LIMITS: JsonLimits = JsonLimits { max_bytes: MAX_BYTES, max_depth: json::MAX_DEPTH - 2 };
const LOOK: Duration = Duration::from_secs(5);
/// The time that a file may be half-written.
const SETTLE: Duration = Duration::from_millis(300);

/// The reason why a file holds no static data.
#[derive(Debug, thiserror::Error)]
pub enum StaticDataError {
    /// The file cannot be read.
    #[error("the static data `{}` cannot be read: {reason}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The reason.
        reason: std::io::Error,
    },
    /// The file holds no acceptable JSON.
    #[error("the static data `{}`: {reason}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// The reason.
        reason: JsonError,
    },
    /// The file holds JSON that is no object.
    #[error("the static data `{}` is {found}, expected an object", path.display())]
    NotAnObject {
        /// The file.
        path: PathBuf,
        /// The kind of the JSON value.
        found: &'static str,
    },
}

/// The static data in force, and the present fault of the file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StaticData {
    /// The last good content.
    pub data: Arc<Map<String, Value>>,
    /// The reason why the file's present content is not in force.
    pub fault: Option<String>,
}

/// Reads the file once.
///
/// # Errors
/// [`StaticDataError`] with the file and its fault.
pub fn read(path: &Path) -> Result<Map<String, Value>, StaticDataError> {
    let unreadable = |reason| StaticDataError::Unreadable { path: path.to_owned(), reason };
    let file = disk::open_regular(path).map_err(unreadable)?;
    let mut text = Vec::new();
    // A byte beyond the limit is enough to see that the limit is passed.
    std::io::Read::read_to_end(&mut std::io::Read::take(file, MAX_BYTES as u64 + 1), &mut text).map_err(unreadable)?;
    match json::parse(&text, LIMITS).map_err(|reason| StaticDataError::Json { path: path.to_owned(), reason })? {
        Value::Object(data) => Ok(data),
        other => Err(StaticDataError::NotAnObject { path: path.to_owned(), found: json::kind(&other) }),
    }
}

/// Sends each new content of the file at `path` to `current`, which holds the last content, and never ends by itself.
pub async fn follow(path: PathBuf, current: watch::Sender<StaticData>) {
    let mut watch = watch(&path);
    loop {
        let touched = async {
            match &mut watch {
                Some(watch) => watch.touched().await,
                None => std::future::pending().await,
            }
        };
        // Where the folder cannot be watched, only the clock wakes this task.
        let outcome = tokio::time::timeout(LOOK, touched).await;
        match outcome {
            Ok(Ok(())) => {}
            Ok(Err(_folder_is_gone)) => watch = None,
            Err(_elapsed) if watch.is_none() => watch = FileWatch::new(&path).ok(),
            Err(_elapsed) => {}
        }
        let outcome = match read(&path) {
            Err(_perhaps_half_written) => {
                tokio::time::sleep(SETTLE).await;
                read(&path)
            }
            good => good,
        };
        match outcome {
            Ok(data) => accept(&current, data),
            Err(error) => refuse(&current, &error),
        }
    }
}

fn accept(current: &watch::Sender<StaticData>, data: Map<String, Value>) {
    current.send_if_modified(|known| {
        let changed = *known.data != data || known.fault.is_some();
        if changed {
            info!("the static data was read again: {} values", data.len());
            *known = StaticData { data: Arc::new(data), fault: None };
        }
        changed
    });
}

fn refuse(current: &watch::Sender<StaticData>, error: &StaticDataError) {
    let fault = error.to_string();
    current.send_if_modified(|known| {
        let news = known.fault.as_deref() != Some(&fault);
        if news {
            warn!("{fault}; the last good one stays in force");
            known.fault = Some(fault);
        }
        news
    });
}

/// Returns a watch on the file at `path`, where the folder can be watched.
fn watch(path: &Path) -> Option<FileWatch> {
    let unwatched = |error: &std::io::Error| {
        let seconds = LOOK.as_secs();
        warn!("`{}` cannot be watched, the file is looked at every {seconds} s instead: {error}", path.display());
    };
    FileWatch::new(path).inspect_err(unwatched).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(content: &[u8]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), content).unwrap();
        file
    }

    #[test]
    fn types_are_kept_and_everything_else_is_named() {
        let good = read(file(br#"{"gpu": true, "users": ["ann"], "weight": 2}"#).path()).unwrap();
        assert_eq!(good.get("gpu"), Some(&Value::Bool(true)));
        let deep = format!(r#"{{"a":{}{}}}"#, "[".repeat(80), "]".repeat(80));
        let large = vec![b' '; MAX_BYTES + 1];
        let cases: [(&[u8], &str); 6] = [
            (b"", "not valid JSON"),
            (b"{\"a\": NaN}", "not valid JSON"),
            (b"[1]", "is a list, expected an object"),
            (b"\"\xff\"", "not valid JSON"),
            (deep.as_bytes(), "nested deeper"),
            (&large, "at most 32768"),
        ];
        for (content, expected) in cases {
            let file = file(content);
            let error = read(file.path()).unwrap_err().to_string();
            assert!(error.contains(expected) && error.contains(file.path().to_str().unwrap()), "{error}");
        }
        assert!(read(Path::new("/nonexistent")).unwrap_err().to_string().contains("cannot be read"));
    }

    #[test]
    fn what_is_no_file_is_refused_at_once() {
        assert!(read(Path::new("/dev/zero")).unwrap_err().to_string().contains("it is a device, not a file"));
    }

    #[tokio::test]
    async fn a_pipe_in_place_of_the_file_leaves_the_last_good_content_in_force() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("node.json");
        std::fs::write(&path, r#"{"gpu": true}"#).unwrap();
        let good = StaticData { data: Arc::new(read(&path).unwrap()), fault: None };
        let (sender, mut seen) = watch::channel(good.clone());
        let follower = tokio::spawn(follow(path.clone(), sender));
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        std::fs::rename(&pipe, &path).unwrap();
        seen.changed().await.unwrap();
        let now = seen.borrow_and_update().clone();
        assert_eq!(now.data, good.data);
        assert!(now.fault.unwrap().ends_with("cannot be read: it is a named pipe, not a file"));
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "{}").unwrap();
        seen.wait_for(|now| now.fault.is_none() && now.data.is_empty()).await.unwrap();
        follower.abort();
    }
}
