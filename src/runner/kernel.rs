//! What a runner asks of the kernel that no safe call offers.

use std::io;

/// Lets no program inherit a descriptor but the three that it is given. What this process opens itself is closed for
/// programs from the start.
///
/// # Errors
/// What the kernel says; one before 5.11 cannot do it.
#[expect(unsafe_code, reason = "no safe call marks descriptors that nobody in this process owns")]
pub(super) fn keep_descriptors() -> io::Result<()> {
    // SAFETY: it closes nothing and touches no memory; a descriptor is marked, for a later `exec` alone.
    let result = unsafe { libc::syscall(libc::SYS_close_range, 3_u32, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Lets no program inherit a priority above the usual one.
///
/// # Errors
/// What the kernel says.
#[expect(unsafe_code, reason = "no safe call sets a scheduler's policy")]
pub(super) fn keep_priority() -> io::Result<()> {
    let usual = libc::sched_param { sched_priority: 0 };
    // SAFETY: the kernel reads one structure, which lives until the call returns.
    let result =
        unsafe { libc::sched_setscheduler(0, libc::SCHED_OTHER | libc::SCHED_RESET_ON_FORK, &raw const usual) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
