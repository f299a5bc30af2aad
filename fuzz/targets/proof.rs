//! See `regionguard_fuzz::proof`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| regionguard_fuzz::proof(data));
