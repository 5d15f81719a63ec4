//! Managers of several nodes over shuttle's tokio: the cluster's claims over the manager that ships, tested and not checked.
//!
//! A world has machines, each with a node and a manager, and a task that lets time pass whenever it is chosen: mostly little, at times
//! much. So any task may be slow, and any time limit may pass. `world` is what a scenario has; `harness`, `schedule` and `record` are those of
//! the histories and the adapters.

#[path = "../../../tests/histories/harness.rs"]
#[allow(dead_code)] // the histories use all of it
mod harness;
#[path = "../../../tests/adapters/record.rs"]
#[allow(dead_code)] // the adapters use all of it
mod record;
#[path = "../../../tests/histories/schedule.rs"]
mod schedule;

mod b1_exclusion;
mod b4_loss;
mod world;
