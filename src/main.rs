//! The binary: everything is in the library.

use std::process::ExitCode;

/// Building script objects is mostly allocation, which this one halves.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    whither::cli::main()
}
