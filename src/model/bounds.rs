//! The bounds of what documents may say, which their readers keep and their descriptions name.

/// The longest node id in bytes.
pub const MAX_ID_BYTES: usize = 255;
/// The longest `id` and `action` of a request in bytes.
pub const MAX_NAME_BYTES: usize = 256;
/// The longest time that a request may wait for a free node, in milliseconds.
pub const MAX_WAIT_MS: u32 = 600_000;
/// The longest life that a reservation may be asked for, in seconds; a service may grant less.
pub const MAX_RESERVATION_S: u32 = 86_400;
/// The longest name of a countable fact in bytes.
pub const MAX_FACT_NAME_BYTES: usize = 64;
/// The largest count of a countable fact.
pub const MAX_FACT_COUNT: u32 = 1_000_000;
/// The most countable facts that a request may need.
pub const MAX_NEEDS: usize = 8;
