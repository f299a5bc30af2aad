//! See `regionguard_fuzz::path`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| regionguard_fuzz::path(data));
