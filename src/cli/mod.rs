//! The command line: one file per command.

pub mod files;
pub mod new;
pub mod problem;
pub mod zone;
