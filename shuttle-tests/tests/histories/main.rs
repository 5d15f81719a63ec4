//! The real source over shuttle's primitives: larger histories than loom can finish, tested and not checked.
//!
//! `histories` and `small` are the tests; `caller` is what a task does in them, `world` what tasks share, `ledger` what must hold of
//! sessions. Each history is written down (`record`) as steps of the sequential model (`steps`, `model`), and refused if they
//! have no order. `harness` says how often a history runs and in which schedules, and shows a failure; `schedule` runs it
//! again. `canaries` show that the engine sees what it should, `lies` that the checker does, `replays` that a failure is had
//! again.

mod caller;
mod canaries;
mod harness;
mod histories;
mod ledger;
mod lies;
mod model;
#[path = "../../../tests/oracle/mod.rs"]
mod oracle;
mod record;
mod replays;
mod schedule;
mod small;
mod steps;
mod world;
