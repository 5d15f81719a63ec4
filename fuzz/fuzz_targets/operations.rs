//! Operations out of bytes, on a real registry and on the sequential model: they must agree after every one.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| turnwise_fuzz::fuzz("operations", bytes));
