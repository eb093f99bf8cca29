//! The system calls of a runner that no safe function offers.

use std::io;

/// Prevents programs from inheriting descriptors other than the three that they are given. The descriptors that this
/// process opens are closed for programs from the start.
///
/// # Errors
/// The error of the kernel; kernels before 5.11 do not support the call.
#[expect(unsafe_code, reason = "no safe call marks descriptors that nobody in this process owns")]
pub(super) fn keep_descriptors() -> io::Result<()> {
    // SAFETY: the call closes nothing and touches no memory; a descriptor is marked, for a later `exec` alone.
    let result = unsafe { libc::syscall(libc::SYS_close_range, 3_u32, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Prevents programs from inheriting a priority above the usual.
///
/// The kernel is asked, because musl's function of that name refuses whatever it is asked for.
///
/// # Errors
/// The error of the kernel.
#[expect(unsafe_code, reason = "no safe call sets a scheduler's policy")]
pub(super) fn keep_priority() -> io::Result<()> {
    // The kernel's `struct sched_param`: the priority and nothing else.
    let usual: libc::c_int = 0;
    let policy = libc::SCHED_OTHER | libc::SCHED_RESET_ON_FORK;
    // SAFETY: the kernel reads one number, which lives until the call returns.
    let result = unsafe { libc::syscall(libc::SYS_sched_setscheduler, 0, policy, &raw const usual) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
