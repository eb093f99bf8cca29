//! The facts of this machine: host name, time zone, files, random bits, and the path of the running program.

pub mod disk;
pub mod zone;

use std::path::PathBuf;

use rustix::rand::{GetRandomFlags, getrandom};

pub use disk::Disk;

/// Returns the name of the host, or an empty text where the host has none.
#[must_use]
pub fn name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// Returns 64 random bits.
///
/// # Errors
/// The kernel's error.
pub fn random() -> std::io::Result<u64> {
    Ok(u64::from_le_bytes(bytes()?))
}

/// Returns `N` random bytes; `N` is at most 256, which the kernel always returns whole.
///
/// # Errors
/// The kernel's error.
pub fn bytes<const N: usize>() -> std::io::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom(&mut bytes[..], GetRandomFlags::empty())?;
    Ok(bytes)
}

/// Returns the path of the running program, also where the file was replaced meanwhile: workers are started from this
/// path.
#[must_use]
pub fn program() -> PathBuf {
    PathBuf::from("/proc/self/exe")
}
