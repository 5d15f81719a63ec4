//! User values that panic or call the registry when it hashes, compares, makes, wakes or drops them, out of bytes.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| turnwise_fuzz::fuzz("hostile_keys", bytes));
