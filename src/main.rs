//! The program `whither`: everything is in the library.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: whither::allocator::Allocator = whither::allocator::Allocator;

fn main() -> ExitCode {
    whither::cli::whither::main()
}
