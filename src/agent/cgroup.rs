//! The memory that the control groups around this process leave for the process, of version 1 or 2.
//!
//! In a container the operating system's figures are the host's, and a node that reports those figures draws everybody.
//! A limit may be set at any level from the process's own group up, so all levels are read and the tightest limit
//! counts. Rejected: sysinfo's `cgroup_limits`, which reads the root of the mount alone and not the group of the
//! process.

use std::path::{Path, PathBuf};

/// The most bytes that are read of a file below `/proc` or `/sys/fs/cgroup`.
const MAX_BYTES: u64 = 1024 * 1024;

/// The memory that a process may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MemoryBound {
    /// The tightest limit in bytes.
    pub(super) total: u64,
    /// The bytes left below the limit that is nearest to being reached; pages that merely cache files count as left,
    /// too.
    pub(super) free: u64,
}

/// The files of a version of control groups that hold the limits and the usage of memory.
struct Version {
    file_system: &'static str,
    limits: &'static [&'static str],
    usage: &'static str,
    /// The counters of pages that cache files.
    caches: [&'static str; 2],
}

const VERSION_1: Version = Version {
    file_system: "cgroup",
    limits: &["memory.limit_in_bytes"],
    usage: "memory.usage_in_bytes",
    caches: ["total_inactive_file", "total_active_file"],
};

const VERSION_2: Version = Version {
    file_system: "cgroup2",
    // Past `memory.high` processes are slowed down until they have given memory back: that memory is no room for
    // sessions.
    limits: &["memory.max", "memory.high"],
    usage: "memory.current",
    caches: ["inactive_file", "active_file"],
};

/// Returns the bound of this process's memory; `None` where no control group sets a bound.
pub(super) fn memory_bound() -> Option<MemoryBound> {
    bound_below(Path::new("/"))
}

/// Returns the bound in the files below `root`, which is the root folder except in tests.
fn bound_below(root: &Path) -> Option<MemoryBound> {
    let groups = read(&root.join("proc/self/cgroup"))?;
    let mounts = read(&root.join("proc/self/mountinfo"))?;
    let (version, group) = group_of_memory(&groups)?;
    let (top, levels) = levels(root, &version, group, &mounts)?;
    let bounds = levels.iter().map(|level| top.join(level)).filter_map(|level| bound_of(&level, &version));
    bounds.reduce(|one, other| MemoryBound { total: one.total.min(other.total), free: one.free.min(other.free) })
}

/// Returns the version that governs memory, and the path of this process's group in that version.
fn group_of_memory(groups: &str) -> Option<(Version, &str)> {
    let lines = || {
        groups.lines().filter_map(|line| {
            let (_number, rest) = line.split_once(':')?;
            rest.split_once(':')
        })
    };
    let first = lines().find(|(controllers, _)| controllers.split(',').any(|name| name == "memory"));
    let second = || lines().find(|(controllers, _)| controllers.is_empty());
    match first {
        Some((_, group)) => Some((VERSION_1, group)),
        None => second().map(|(_, group)| (VERSION_2, group)),
    }
}

/// Returns the folder of the mount, and the groups below the mount from the process's own to the topmost that is
/// visible here.
fn levels(root: &Path, version: &Version, group: &str, mounts: &str) -> Option<(PathBuf, Vec<PathBuf>)> {
    let (seen_from, folder) = mounts.lines().find_map(|line| {
        let (place, kind) = line.split_once(" - ")?;
        let mut kind = kind.split(' ');
        let is_it = kind.next() == Some(version.file_system)
            && (version.file_system == VERSION_2.file_system
                || kind.nth(1).is_some_and(|options| options.split(',').any(|name| name == "memory")));
        let mut place = place.split(' ').skip(3);
        place.next().zip(place.next()).filter(|_| is_it)
    })?;
    // In a container's own mount the groups above are not visible, and the group's path may begin there.
    let inner = Path::new(group).strip_prefix(seen_from).unwrap_or(Path::new(""));
    let inner = if inner.components().any(|part| part.as_os_str() == "..") { Path::new("") } else { inner };
    let levels = inner.ancestors().map(Path::to_owned).collect();
    Some((root.join(folder.trim_start_matches('/')), levels))
}

/// Returns the bound of a group; `None` where the group sets no bound.
fn bound_of(group: &Path, version: &Version) -> Option<MemoryBound> {
    let number = |name: &str| read(&group.join(name))?.trim().parse::<u64>().ok();
    let total = version.limits.iter().filter_map(|name| number(name)).min()?;
    let counters = read(&group.join("memory.stat")).unwrap_or_default();
    let counter =
        |name: &str| counters.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse::<u64>().ok());
    let cached: u64 = version.caches.iter().filter_map(|name| counter(name)).fold(0, u64::saturating_add);
    let used = number(version.usage)?.saturating_sub(cached);
    Some(MemoryBound { total, free: total.saturating_sub(used) })
}

fn read(path: &Path) -> Option<String> {
    let mut text = String::new();
    let file = std::fs::File::open(path).ok()?;
    std::io::Read::read_to_string(&mut std::io::Read::take(file, MAX_BYTES), &mut text).ok()?;
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bound of a machine with these files.
    fn bound(files: &[(&str, &str)]) -> Option<MemoryBound> {
        let root = tempfile::tempdir().unwrap();
        for (name, content) in files {
            let path = root.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        bound_below(root.path())
    }

    const MOUNT_2: (&str, &str) =
        ("proc/self/mountinfo", "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n");

    #[test]
    fn the_tightest_level_of_version_2_counts() {
        let stat = "anon 10\nfile 50\ninactive_file 20\nactive_file 10\nworkingset_refault_file 9\n";
        let files = [
            ("proc/self/cgroup", "0::/pod/app\n"),
            MOUNT_2,
            ("sys/fs/cgroup/pod/app/memory.max", "max\n"),
            ("sys/fs/cgroup/pod/app/memory.high", "900\n"),
            ("sys/fs/cgroup/pod/app/memory.current", "100\n"),
            ("sys/fs/cgroup/pod/app/memory.stat", stat),
            ("sys/fs/cgroup/pod/memory.max", "1000\n"),
            ("sys/fs/cgroup/pod/memory.current", "950\n"),
        ];
        // The group's own limit is the lower one; the other programs of the pod leave less of theirs.
        assert_eq!(bound(&files), Some(MemoryBound { total: 900, free: 50 }));
    }

    #[test]
    fn version_1_is_found_beside_others_and_in_a_container() {
        let mounts = "1 2 0:1 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n\
                      3 2 0:2 /docker/c1 /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n\
                      5 2 0:3 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
        let files = [
            ("proc/self/cgroup", "9:name=systemd:/\n4:hugetlb,memory:/docker/c1\n0::/\n"),
            ("proc/self/mountinfo", mounts),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "314572800\n"),
            ("sys/fs/cgroup/memory/memory.usage_in_bytes", "14572800\n"),
            ("sys/fs/cgroup/memory/memory.stat", "inactive_file 7\ntotal_inactive_file 4572800\ntotal_active_file 0\n"),
        ];
        assert_eq!(bound(&files), Some(MemoryBound { total: 314_572_800, free: 304_572_800 }));
    }

    #[test]
    fn where_nothing_is_limited_there_is_no_bound() {
        assert_eq!(bound(&[]), None);
        assert_eq!(bound(&[("proc/self/cgroup", "0::/\n"), MOUNT_2]), None);
        let outside = [
            ("proc/self/cgroup", "0::/../../other\n"),
            MOUNT_2,
            ("sys/fs/cgroup/memory.max", "max\n"),
            ("other/memory.max", "1\n"),
        ];
        assert_eq!(bound(&outside), None);
        // This machine's own files, whatever they say, are read without harm.
        assert!(memory_bound().is_none_or(|bound| bound.free <= bound.total));
    }
}
