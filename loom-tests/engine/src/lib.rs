//! What `src/sync.rs` names, over loom: each name with the meaning that it has in production, made visible to the checker.
//!
//! | name | in production | here |
//! |---|---|---|
//! | `Arc` | std's | std's, each drop a step that loom sees |
//! | `Posted` | std's atomic | loom's atomic, and a copy from which its writer reads it back |
//! | `atomic` | std's | loom's |
//! | `panicking`, `catch_unwind`, `resume_unwind` | std's | std's, remembered per model thread |
//! | `Parker`, `Deadline` | crossbeam's, the system's clock | loom's notification; a deadline passes at any moment |
//! | `coarse_millis` | the platform's coarse clock | always 0 |
//! | `SCAN_STEP` | hundreds of buckets | 2: the smallest table takes two steps |
//! | `RandomState` | std's, seeded at random | one seed |
//!
//! Models, not the source, use [`unwind`] and [`panic_now`].

mod arc;
pub mod atomic;
mod panic;
mod park;
// shuttle's engine has the same two. They lie there, because it is published and a package holds nothing from outside.
#[path = "../../../shuttle-tests/engine/src/posted.rs"]
mod posted;
#[path = "../../../shuttle-tests/engine/src/still.rs"]
mod still;

pub use self::arc::Arc;
pub use self::panic::{catch_unwind, panic_now, panicking, resume_unwind, unwind};
pub use self::park::Parker;
pub use self::posted::Posted;
pub use self::still::{Deadline, RandomState, SCAN_STEP, coarse_millis};
