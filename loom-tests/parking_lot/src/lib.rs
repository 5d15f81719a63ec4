//! parking_lot's `Mutex` and `RwLock` over loom's, so that the source that ships can be explored under the names it uses.
//!
//! Why this is faithful: loom's locks exclude and order memory as any lock does (acquire at the lock, release at the
//! unlock), and loom tries every thread that waits as the next owner, so every fairness that parking_lot may or may not have
//! is among what is explored. There is no poisoning here, as there is none in parking_lot.
//!
//! More than parking_lot does: each model thread counts what it holds, so that the order of locks (claim C10) is asserted at
//! every lock, and [`assert_unlocked`] can say that user code runs without any (claim C9). `RwLock` is the map lock, `Mutex`
//! is the slot lock; the crate under test has no others.
//!
//! What each thread does is recorded (`record`), so that a failing execution can be told (`tell`); that is no step of the model.
//!
//! What it cannot see: parking_lot's own code, and waits that only its fairness would end.

mod held;
mod locks;
pub mod record;
mod section;
mod tell;

pub use self::held::{
    actor, assert_no_slot_lock, assert_unlocked, begin_execution, fail, in_model, model, step,
};
pub use self::locks::{Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};
pub use self::tell::{Failure, tell};
