//! `Arc`: std's, and beside the value one loom atomic that every operation steps through whose result depends on what
//! other threads do.
//!
//! | operation | tracked | std's order |
//! |---|---|---|
//! | drop of an `Arc` | release; the last one acquires | the same |
//! | `Arc::clone` | no: the caller has a reference in hand, so the drop of another cannot be the last; std's count is relaxed and orders nothing | |
//!
//! Between the tracked step and std's own no other model thread runs, so the two are one. What this cannot see: std's code.

use loom::sync::atomic::{AtomicUsize, Ordering, fence};
use parking_lot::record::{What, record};
use std::{fmt, ops::Deref, sync};

/// std's `Arc`, its drops visible to loom.
pub struct Arc<T> {
    value: sync::Arc<T>,
    steps: Steps,
}

/// The tracked word. It outlives the value: the last drop is a step on it.
#[derive(Clone)]
struct Steps(sync::Arc<AtomicUsize>);

impl Steps {
    fn new() -> Self {
        Self(sync::Arc::new(AtomicUsize::new(0)))
    }

    fn step(&self, order: Ordering) {
        // What a failed model leaves behind is dropped without an execution, and without other threads.
        if parking_lot::in_model() {
            parking_lot::step();
            // The value carries nothing; that it is a read-modify-write orders it with all others.
            self.0.fetch_add(1, order);
        }
    }
}

impl<T> Arc<T> {
    /// As std's; only inside a model.
    pub fn new(value: T) -> Self {
        Self {
            value: sync::Arc::new(value),
            steps: Steps::new(),
        }
    }

    /// As std's.
    #[must_use]
    pub fn ptr_eq(this: &Self, other: &Self) -> bool {
        sync::Arc::ptr_eq(&this.value, &other.value)
    }

    /// As std's.
    #[must_use]
    pub fn as_ptr(this: &Self) -> *const T {
        sync::Arc::as_ptr(&this.value)
    }
}

impl<T> Clone for Arc<T> {
    fn clone(&self) -> Self {
        Self {
            value: sync::Arc::clone(&self.value),
            steps: self.steps.clone(),
        }
    }
}

/// The fields go right after, and with the last reference the value's destructor, in this model thread.
impl<T> Drop for Arc<T> {
    fn drop(&mut self) {
        self.steps.step(Ordering::Release);
        // Asked after the step: by now this is the last one or it is not, and nobody can change that any more.
        if sync::Arc::strong_count(&self.value) == 1 && parking_lot::in_model() {
            fence(Ordering::Acquire);
        }
        let address = sync::Arc::as_ptr(&self.value).addr();
        record(What::Dropped(address, size_of::<T>()));
    }
}

impl<T> Deref for Arc<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: fmt::Debug> fmt::Debug for Arc<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        T::fmt(self, f)
    }
}
