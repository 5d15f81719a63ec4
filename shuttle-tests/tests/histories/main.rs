//! The real source over shuttle's primitives: larger histories than loom can finish, tested and not checked.
//!
//! `canaries` shows that the engine sees what it should, `world` says what a task may do, `ledger` what must hold then, `harness`
//! how often and in which schedules, and `histories` are the tests.

mod canaries;
mod harness;
mod histories;
mod ledger;
mod world;
