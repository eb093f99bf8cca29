//! How the buckets are made where they are missing: on disk or in memory, on how many servers.

use super::problem::Notes;
use super::section::Section;

const EXPECTED_STORAGE: &str = "`file` or `memory`";
/// What a NATS cluster takes.
const MOST_REPLICAS: u32 = 5;

/// How buckets that are missing are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keeping {
    /// Where.
    pub storage: Storage,
    /// On how many servers each.
    pub replicas: u32,
}

/// Where a bucket is kept.
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
