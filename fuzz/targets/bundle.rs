//! See `regionguard_fuzz::bundle`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| regionguard_fuzz::bundle(data));
