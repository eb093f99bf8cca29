//! The command line: one file per command.

pub mod files;
pub mod problem;
pub mod zone;
