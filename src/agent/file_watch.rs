//! A watch on a single file by name, which reports writes and renames and nothing else.
//!
//! The folder is watched rather than the file, because editors and config management replace files. Only ends of writes
//! and renames are asked of the kernel: a watch on openings would wake the agent for the agent's own reading of the
//! file. Rejected: the crate `notify`, with a watch on a folder that cannot leave the openings out.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::Path;

use futures_util::StreamExt;
use inotify::{EventMask, EventStream, Inotify, WatchMask};

/// The bytes read of the kernel's queue at a time: more than an event with the longest name.
const BUFFER: usize = 4096;
/// The link that Kubernetes replaces where the files of a mounted config map change.
const CONFIG_MAP: &str = "..data";

/// A watch on a file.
#[derive(Debug)]
pub(super) struct FileWatch {
    events: EventStream<[u8; BUFFER]>,
    name: OsString,
}

impl FileWatch {
    /// Watches the file at `path`, whether the file exists or not.
    ///
    /// # Errors
    /// [`io::Error`] where the folder cannot be watched.
    pub(super) fn new(path: &Path) -> io::Result<Self> {
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_owned();
        Ok(Self { events: watch_folder(path)?.into_event_stream([0; BUFFER])?, name })
    }

    /// Returns when the file was written or replaced.
    ///
    /// # Errors
    /// [`io::Error`] where the folder is gone, after which no more events come.
    pub(super) async fn touched(&mut self) -> io::Result<()> {
        while let Some(event) = self.events.next().await {
            let event = event?;
            if event.mask.contains(EventMask::IGNORED) {
                break;
            }
            if concerns(&self.name, event.mask, event.name.as_deref()) {
                return Ok(());
            }
        }
        Err(io::ErrorKind::NotFound.into())
    }
}

fn watch_folder(path: &Path) -> io::Result<Inotify> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let inotify = Inotify::init()?;
    inotify.watches().add(folder, WatchMask::CLOSE_WRITE | WatchMask::MOVED_TO | WatchMask::ONLYDIR)?;
    Ok(inotify)
}

/// Whether an event in the folder may have changed the file called `own`. True also where the queue ran over, since the
/// lost events are unknown.
fn concerns(own: &OsStr, mask: EventMask, name: Option<&OsStr>) -> bool {
    mask.contains(EventMask::Q_OVERFLOW) || name.is_some_and(|name| name == own || name == CONFIG_MAP)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn writes_and_renames_count_and_openings_do_not_even_come() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name);
        let path = file("node.json");
        std::fs::write(&path, "{}").unwrap();
        let mut inotify = watch_folder(&path).unwrap();
        for _ in 0..100 {
            std::fs::read(&path).unwrap();
            std::fs::read_dir(folder.path()).unwrap().count();
            std::fs::metadata(&path).unwrap();
        }
        let waiting = rustix::io::ioctl_fionread(&inotify).unwrap();
        assert_eq!(waiting, 0, "so nobody wakes, and nobody asks the system for anything");

        let mut touched = || {
            let mut buffer = [0; BUFFER];
            let events = inotify.read_events(&mut buffer).unwrap();
            events.filter(|event| concerns(OsStr::new("node.json"), event.mask, event.name)).count()
        };
        std::fs::write(file("other.json"), "{}").unwrap();
        assert_eq!(touched(), 0, "three agents may have their files in one folder");
        std::fs::write(&path, "{\"a\": 1}").unwrap();
        assert_eq!(touched(), 1);
        std::fs::write(file("new"), "{}").unwrap();
        std::fs::rename(file("new"), &path).unwrap();
        assert_eq!(touched(), 1);
        std::os::unix::fs::symlink("nowhere", file("..new")).unwrap();
        std::fs::rename(file("..new"), file("..data")).unwrap();
        assert_eq!(touched(), 1, "a config map");

        let mut watch = FileWatch::new(&path).unwrap();
        std::fs::write(&path, "{}").unwrap();
        watch.touched().await.unwrap();
        drop(folder);
        assert!(watch.touched().await.is_err(), "its folder is gone");
    }
}
