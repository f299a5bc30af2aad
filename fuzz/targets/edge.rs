//! See `regionguard_fuzz::edge`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| regionguard_fuzz::edge(data));
