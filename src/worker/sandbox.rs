//! The system calls with which a worker gives up rights that the worker will not need.

use std::io;

use rustix::process::{Resource, Rlimit, Signal, getppid, getrlimit, set_parent_process_death_signal, setrlimit};
use rustix::thread::set_no_new_privs;

use crate::resources;

/// Makes the kernel kill the calling process when the parent dies; returns false where the parent is gone already.
///
/// # Errors
/// The error of the kernel.
pub fn die_with_parent() -> io::Result<bool> {
    let parent = getppid();
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // The parent may have died between the two calls, and then no signal will ever come.
    Ok(getppid() == parent)
}

/// Makes the end of the parent wake a process that somebody has stopped: the process then finds out that the parent is
/// gone, and ends the children before itself. To a process that runs, the signal means nothing.
///
/// # Errors
/// The error of the kernel.
pub fn wake_at_parents_end() -> io::Result<()> {
    Ok(set_parent_process_death_signal(Some(Signal::CONT))?)
}

/// Denies rights to all programs that the process might start, which a seal needs too. Called by the first thread
/// before there are others: threads inherit the flag.
///
/// # Errors
/// The error of the kernel.
pub fn gain_no_privileges() -> io::Result<()> {
    Ok(set_no_new_privs(true)?)
}

/// Bounds the data memory of the process to `bytes`; may be called again as the cluster grows.
///
/// The limit is on data and not on address space, which wasmtime reserves in gigabytes without using it.
///
/// # Errors
/// The error of the kernel.
pub fn bound_memory(bytes: u64) -> io::Result<()> {
    // The hard limit is left alone: once lowered, the hard limit could not be raised again.
    let maximum = getrlimit(Resource::Data).maximum;
    let bytes = maximum.map_or(bytes, |maximum| bytes.min(maximum));
    Ok(setrlimit(Resource::Data, Rlimit { current: Some(bytes), maximum })?)
}

/// Returns the memory that the process has in bytes, as [`bound_memory`] counts memory.
///
/// # Errors
/// The error of reading `/proc`, or a line that is missing there.
pub fn data_bytes() -> io::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmData:"));
    let kb = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kb.map(|kb| kb << 10).ok_or_else(|| io::Error::other("the system does not tell how much memory the process has"))
}

/// Moves the bound of memory up by `bytes`: for the last frame of a process that has no memory left.
///
/// # Errors
/// The error of the kernel.
pub fn bound_more_memory(bytes: u64) -> io::Result<()> {
    match getrlimit(Resource::Data).current {
        Some(bound) => bound_memory(bound.saturating_add(bytes)),
        None => Ok(()),
    }
}

/// Prevents core dumps of the process, and of all that the process starts.
///
/// The limit alone stops no dump that the kernel hands to a program; closing the memory stops that too.
///
/// # Errors
/// The error of the kernel.
pub fn leave_no_core() -> io::Result<()> {
    resources::close_memory()?;
    limit_to(Resource::Core, 0)
}

/// Prevents the process from opening anything: no file, no socket. Open descriptors stay usable.
///
/// # Errors
/// The error of the kernel.
pub fn open_nothing() -> io::Result<()> {
    limit_to(Resource::Nofile, 0)
}

fn limit_to(resource: Resource, limit: u64) -> io::Result<()> {
    Ok(setrlimit(resource, Rlimit { current: Some(limit), maximum: Some(limit) })?)
}
