//! See `regionguard_fuzz::revocations`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| regionguard_fuzz::revocations(data));
