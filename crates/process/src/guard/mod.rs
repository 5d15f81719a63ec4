//! Guards: a process ends when its program is killed or stopped.
//!
//! | module | its one idea |
//! |---|---|
//! | `held` | a guarded process, from the side of the daemon |
//! | `setting` | what a user sets |
//! | `serve` | the guard and the shim: the program, started again |
//! | `family` | all descendants of a guard |
//! | `carry`, `wire` | a command, as bytes that a shim reads; the records between the daemon and its guard |
//! | `deadline`, `error` | deadlines; why a process cannot be guarded |

#[cfg(target_os = "linux")]
mod carry;
mod deadline;
mod error;
#[cfg(target_os = "linux")]
mod family;
#[cfg(target_os = "linux")]
mod held;
#[cfg(target_os = "linux")]
mod serve;
mod setting;
#[cfg(target_os = "linux")]
mod wire;

pub use deadline::{BootTime, GuardDeadline};
pub use error::GuardError;
#[cfg(target_os = "linux")]
pub(crate) use held::{Guarded, Start};
pub use setting::Guard;
