//! See `regionguard_fuzz::jwks`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| regionguard_fuzz::jwks(data));
