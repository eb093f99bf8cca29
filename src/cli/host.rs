//! What this machine is asked for: its name, and random bits.

use rustix::rand::{GetRandomFlags, getrandom};

/// The host's name; empty where it has none.
#[must_use]
pub fn name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// 64 random bits.
///
/// # Errors
/// Where the kernel has none.
pub fn random() -> std::io::Result<u64> {
    Ok(u64::from_le_bytes(bytes()?))
}

/// `N` random bytes; `N` is at most 256, which the kernel gives whole.
///
/// # Errors
/// Where the kernel has none.
pub fn bytes<const N: usize>() -> std::io::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom(&mut bytes[..], GetRandomFlags::empty())?;
    Ok(bytes)
}
