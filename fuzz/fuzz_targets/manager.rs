//! Calls of a session manager, what its backend does, and the passing of time, out of bytes: it must agree with the model.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| turnwise_fuzz::fuzz("manager", bytes));
