//! The target `nodes_file`, for libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| whither_fuzz::within_memory(whither_fuzz::targets::nodes_file::run, bytes));
