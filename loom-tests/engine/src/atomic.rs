//! loom's atomics: a load may read any value that the memory model allows it.
//!
//! Those in which something is published record their stores and loads, for the trace of an execution.

use parking_lot::record::{What, record};

pub use loom::sync::atomic::{AtomicUsize, Ordering, fence};

macro_rules! recorded {
    ($($(#[$doc:meta])* $name:ident($value:ty);)*) => { $(
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name(loom::sync::atomic::$name);

        impl $name {
            /// As std's; only inside a model.
            #[must_use]
            pub fn new(value: $value) -> Self {
                Self(loom::sync::atomic::$name::new(value))
            }

            /// As std's.
            #[track_caller]
            pub fn store(&self, value: $value, order: Ordering) {
                self.0.store(value, order);
                record(What::Stored);
            }
        }
    )* };
}

recorded! {
    /// `std::sync::atomic::AtomicU64`.
    AtomicU64(u64);
    /// `std::sync::atomic::AtomicBool`.
    AtomicBool(bool);
}

impl AtomicBool {
    /// As std's. Not recorded: it is asked at every step, and what matters is where it changes.
    pub fn load(&self, order: Ordering) -> bool {
        self.0.load(order)
    }

    /// As std's.
    #[track_caller]
    pub fn swap(&self, value: bool, order: Ordering) -> bool {
        let before = self.0.swap(value, order);
        record(What::Stored);
        before
    }
}

impl AtomicU64 {
    /// As std's.
    #[track_caller]
    pub fn load(&self, order: Ordering) -> u64 {
        let value = self.0.load(order);
        record(What::Loaded);
        value
    }

    /// As std's.
    pub fn fetch_add(&self, more: u64, order: Ordering) -> u64 {
        self.0.fetch_add(more, order)
    }

    /// As std's.
    ///
    /// # Errors
    ///
    /// As std's.
    #[track_caller]
    pub fn fetch_update(
        &self,
        set: Ordering,
        fetch: Ordering,
        update: impl FnMut(u64) -> Option<u64>,
    ) -> Result<u64, u64> {
        let updated = self.0.fetch_update(set, fetch, update);
        record(What::Stored);
        updated
    }
}
