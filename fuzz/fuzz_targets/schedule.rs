//! Which of eight actors goes on next, and how, out of bytes: at every point the registry is as the sequential model says.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| turnwise_fuzz::fuzz("schedule", bytes));
