//! The system calls with which a worker gives up what it will not need.

use std::io;

use rustix::process::{Resource, Rlimit, Signal, getppid, getrlimit, set_parent_process_death_signal, setrlimit};
use rustix::thread::set_no_new_privs;

use crate::resources;

/// Makes the calling process die with its parent, which must be `parent`; false where that one is gone already.
///
/// # Errors
/// What the kernel says.
pub fn die_with_parent() -> io::Result<bool> {
    let parent = getppid();
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // The parent may have died between the two calls, and then no signal will ever come.
    Ok(getppid() == parent)
}

/// Lets the end of the process's parent wake the process where somebody has stopped it: it finds out then that it is alone,
/// and ends what it has to end before itself. To a process that runs, the signal means nothing.
///
/// # Errors
/// What the kernel says.
pub fn wake_at_parents_end() -> io::Result<()> {
    Ok(set_parent_process_death_signal(Some(Signal::CONT))?)
}

/// Lets no program that the process might start give it rights, which a seal asks for too. Said by the first thread
/// before there are others: threads inherit it.
///
/// # Errors
/// What the kernel says.
pub fn gain_no_privileges() -> io::Result<()> {
    Ok(set_no_new_privs(true)?)
}

/// Bounds the memory that the process may have to `bytes`; may be called again as the cluster grows.
///
/// The limit is on data and not on address space, which wasmtime reserves in gigabytes without using it.
///
/// # Errors
/// What the kernel says.
pub fn bound_memory(bytes: u64) -> io::Result<()> {
    // The hard limit stays as it was: lowered once, it could not be raised again.
    let maximum = getrlimit(Resource::Data).maximum;
    let bytes = maximum.map_or(bytes, |maximum| bytes.min(maximum));
    Ok(setrlimit(Resource::Data, Rlimit { current: Some(bytes), maximum })?)
}

/// The memory that the process has, as [`bound_memory`] counts it.
///
/// # Errors
/// What reading `/proc` says, or that it does not tell.
pub fn data_bytes() -> io::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmData:"));
    let kb = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kb.map(|kb| kb << 10).ok_or_else(|| io::Error::other("the system does not tell how much memory the process has"))
}

/// Moves the bound of memory up by `bytes`: for the last words of a process that has none left.
///
/// # Errors
/// What the kernel says.
pub fn bound_more_memory(bytes: u64) -> io::Result<()> {
    match getrlimit(Resource::Data).current {
        Some(bound) => bound_memory(bound.saturating_add(bytes)),
        None => Ok(()),
    }
}

/// Lets the process, and whatever it starts, leave no core dump.
///
/// The limit alone stops no dump that the kernel hands to a program; that the memory is closed does.
///
/// # Errors
/// What the kernel says.
pub fn leave_no_core() -> io::Result<()> {
    resources::close_memory()?;
    limit_to(Resource::Core, 0)
}

/// From here on the process can open nothing: no file, no socket. What is open stays usable.
///
/// # Errors
/// What the kernel says.
pub fn open_nothing() -> io::Result<()> {
    limit_to(Resource::Nofile, 0)
}

fn limit_to(resource: Resource, limit: u64) -> io::Result<()> {
    Ok(setrlimit(resource, Rlimit { current: Some(limit), maximum: Some(limit) })?)
}
