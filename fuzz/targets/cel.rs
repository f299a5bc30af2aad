//! See `regionguard_fuzz::cel`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| regionguard_fuzz::cel(data));
