//! The storage of buckets that are made where they are missing: on disk or in memory, on how many servers.

use super::problem::Notes;
use super::section::Section;

const EXPECTED_STORAGE: &str = "`file` or `memory`";
/// The most replicas that a NATS cluster takes.
const MOST_REPLICAS: u32 = 5;

/// The storage of buckets that are missing and have to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keeping {
    /// The kind of storage.
    pub storage: Storage,
    /// The number of servers that keep each bucket.
    pub replicas: u32,
}

/// The kind of storage of a bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Storage {
    /// On the servers' disks.
    #[default]
    File,
    /// In the servers' memory.
    Memory,
}

impl Keeping {
    pub(super) fn read(section: &Section<'_>, notes: &mut Notes) -> Self {
        let storage = match section.text("storage", EXPECTED_STORAGE, notes) {
            Some((_, "memory")) => Storage::Memory,
            Some((_, "file")) | None => Storage::File,
            Some((entry, _)) => {
                entry.wrong(EXPECTED_STORAGE, notes);
                Storage::File
            }
        };
        let replicas = section.get("replicas").and_then(|entry| entry.whole(1, MOST_REPLICAS, notes));
        Self { storage, replicas: replicas.unwrap_or(1) }
    }
}

impl Default for Keeping {
    fn default() -> Self {
        Self { storage: Storage::default(), replicas: 1 }
    }
}
