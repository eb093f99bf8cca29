//! Descriptors that this process inherited from whoever started the service: programs shall not have them too.

use std::io;

/// Lets no program inherit a descriptor but the three that it is given. What this process opens itself is closed for
/// programs from the start.
///
/// # Errors
/// What the kernel says; one before 5.11 cannot do it.
#[expect(unsafe_code, reason = "no safe call marks descriptors that nobody in this process owns")]
pub(super) fn keep_to_ourselves() -> io::Result<()> {
    // SAFETY: it closes nothing and touches no memory; a descriptor is marked, for a later `exec` alone.
    let result = unsafe { libc::syscall(libc::SYS_close_range, 3_u32, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
