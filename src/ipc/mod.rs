//! Processes of ours and the frames between them and us: started, supervised, written to, read from, ended.
//!
//! `frame` is the format on the wire, `outgoing` collects values into frames of bounded size, `process` supervises a
//! child at the other end of a socket pair, `process_guard` holds the child as the kernel knows the process, and `awake`
//! limits waits by the time that this process was awake. What frames say belongs to `worker` and `runner`.

pub mod awake;
pub mod frame;
pub mod outgoing;
pub mod process;
pub mod process_guard;

pub use outgoing::{Encoded, Orders};
pub use process::{ProcessEnd, SupervisedProcess, UnsupervisedProcess};
