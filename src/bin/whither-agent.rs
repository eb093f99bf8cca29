//! The program `whither-agent`: the agent without the service and the script engines, for the nodes.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: whither::allocator::Allocator = whither::allocator::Allocator;

fn main() -> ExitCode {
    whither::cli::agent::main()
}
