//! See `regionguard_fuzz::token`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| regionguard_fuzz::token(data));
