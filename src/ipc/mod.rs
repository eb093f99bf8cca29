//! Child processes and the frames to and from them: started, supervised, written to, read from, ended.
//!
//! `frame` is the format on the wire, `outgoing` collects values into frames of bounded size, `process` supervises a
//! child at the other end of a socket pair, `process_guard` holds a handle of the child in the kernel, and `awake`
//! limits waits by the time that this process was awake. The content of frames belongs to `worker` and `runner`.

pub mod awake;
pub mod frame;
pub mod outgoing;
pub mod process;
pub mod process_guard;

pub use outgoing::{Encoded, Orders};
pub use process::{ProcessEnd, SupervisedProcess, UnsupervisedProcess};
