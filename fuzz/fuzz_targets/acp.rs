//! What an agent may write, and what its sessions do meanwhile, out of bytes: typed errors, and never a hang, a panic or growth.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| turnwise_fuzz::fuzz("acp", bytes));
