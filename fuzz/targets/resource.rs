//! See `fuzz::resource`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::resource::run(data));
