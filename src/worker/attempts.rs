//! The capabilities that a sealed worker still has: each forbidden operation is tried once, and those that the kernel
//! did not refuse are reported.
//!
//! A kernel without seccomp, a container's own filter, a limit that an administrator raised: the restrictions of a
//! worker depend on more than the seal that the worker asked for, so they are measured and not assumed
//! (docs/src/internals/seal.md).

use std::fs::{self, File};
use std::thread;

use rustix::io::Errno;
use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap_anonymous, mprotect, munmap};
use rustix::net::{AddressFamily, SocketType, socket};
use rustix::process::{
    DumpableBehavior, Pid, Resource, WaitOptions, dumpable_behavior, getpid, getrlimit, test_kill_process, waitpid,
};
use rustix::thread::no_new_privs;

/// The sentence for the report, and a function that tries the operation and returns whether the operation worked.
type Attempt = (&'static str, fn() -> bool);

const ATTEMPTS: [Attempt; 10] = [
    ("a worker can open files", opens_a_file),
    ("a worker can see which files there are", || fs::metadata("/").is_ok()),
    ("a worker can open sockets", || socket(AddressFamily::UNIX, SocketType::STREAM, None).is_ok()),
    ("a worker can start threads", starts_a_thread),
    ("a worker can start processes", forks),
    ("a worker can become another program", becomes_a_program),
    ("a worker can run code that it wrote into memory", || maps_executable() || turns_executable()),
    // The seal refuses this call for any target, and without the seal the kernel would allow the call for the front
    // too.
    ("a worker can send signals to other processes", || test_kill_process(getpid()).is_ok()),
    ("a worker can gain privileges", || no_new_privs() != Ok(true)),
    ("a worker can leave a core dump, and others can read its memory", leaves_a_core),
];

/// Tries every operation, and returns a sentence for each that was not refused.
#[must_use]
pub fn not_refused() -> Vec<String> {
    ATTEMPTS.iter().filter(|(_, worked)| worked()).map(|(sentence, _)| (*sentence).to_owned()).collect()
}

fn opens_a_file() -> bool {
    File::open("/").is_ok()
}

fn starts_a_thread() -> bool {
    thread::Builder::new().stack_size(64 << 10).spawn(|| ()).is_ok_and(|thread| thread.join().is_ok())
}

/// Whether a core dump is possible. The core limit stops a dump into a file; only the dumpable flag stops a dump into a
/// program.
fn leaves_a_core() -> bool {
    getrlimit(Resource::Core).current != Some(0) || dumpable_behavior() != Ok(DumpableBehavior::NotDumpable)
}

#[expect(unsafe_code, reason = "that no process can be started is known by trying")]
fn forks() -> bool {
    // SAFETY: the child does nothing but end at once, which is allowed after a fork from several threads.
    let child = unsafe { libc::fork() };
    if child == 0 {
        // SAFETY: `_exit` takes a number, runs nothing of this process, and does not return.
        unsafe { libc::_exit(0) }
    }
    let Some(child) = Pid::from_raw(child.max(0)) else { return false };
    // Where waiting fails, the child is reaped when this process ends.
    let _reaped = waitpid(Some(child), WaitOptions::empty());
    true
}

#[expect(unsafe_code, reason = "that no program can be started is known by trying")]
fn becomes_a_program() -> bool {
    // SAFETY: the path is a string; the kernel takes null for an empty list. No program has an empty path, so the call
    // returns in any case.
    unsafe { libc::execve(c"".as_ptr(), std::ptr::null(), std::ptr::null()) };
    std::io::Error::last_os_error().raw_os_error() != Some(libc::EPERM)
}

#[expect(unsafe_code, reason = "that no memory can be made executable is known by trying")]
fn maps_executable() -> bool {
    // SAFETY: the kernel chooses a place that nothing uses; the address is given to nobody.
    let mapped = unsafe { mmap_anonymous(std::ptr::null_mut(), PAGE, ProtFlags::READ | ProtFlags::EXEC, PRIVATE) };
    let Ok(place) = mapped else { return false };
    // SAFETY: the page was mapped just now, and nothing points into the page.
    let _unmapped = unsafe { munmap(place, PAGE) };
    true
}

#[expect(unsafe_code, reason = "that no memory can be made executable is known by trying")]
fn turns_executable() -> bool {
    // SAFETY: the kernel chooses a place that nothing uses; the address is given to nobody.
    let mapped = unsafe { mmap_anonymous(std::ptr::null_mut(), PAGE, ProtFlags::READ | ProtFlags::WRITE, PRIVATE) };
    let Ok(place) = mapped else { return false };
    // SAFETY: the page was mapped just now, and nothing points into the page.
    let turned: Result<(), Errno> = unsafe { mprotect(place, PAGE, MprotectFlags::READ | MprotectFlags::EXEC) };
    // SAFETY: as above.
    let _unmapped = unsafe { munmap(place, PAGE) };
    turned.is_ok()
}

/// The number of bytes to map, at least; the kernel rounds up to a page of the machine.
const PAGE: usize = 4096;
const PRIVATE: MapFlags = MapFlags::PRIVATE;
