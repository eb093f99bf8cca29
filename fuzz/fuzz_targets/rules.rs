//! The target `rules`, for libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| whither_fuzz::within_memory(whither_fuzz::targets::rules::run, bytes));
