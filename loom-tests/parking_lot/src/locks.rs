//! The two locks and their guards.
//!
//! loom keeps the data in std's locks, which poison themselves when a guard is dropped while
//! `std::thread::panicking()` is true, and loom then refuses them. All model threads are one thread to std: an innocent
//! guard, dropped while another model thread unwinds, would poison its lock. So models that unwind run where
//! `panicking()` is true from the first lock to the last (the harness does that, `engine::unwind` insists on it): std
//! poisons only if it has changed since the lock was taken.

use crate::held::{Count, Kind, may_lock};
use std::{
    fmt,
    ops::{Deref, DerefMut},
};

/// Why a lock of loom's never gives an error: its results have std's shape, and it refuses poison with a panic of its own.
const NO_POISON: &str = "loom's locks give no errors";

/// The slot lock: `parking_lot::Mutex` over loom's.
#[derive(Default)]
pub struct Mutex<T>(loom::sync::Mutex<T>);

impl<T> Mutex<T> {
    /// Makes a lock; only inside a model.
    #[must_use]
    pub fn new(value: T) -> Self {
        Self(loom::sync::Mutex::new(value))
    }

    /// Waits for the lock.
    #[track_caller]
    pub fn lock(&self) -> MutexGuard<'_, T> {
        may_lock(Kind::Slot);
        let guard = self.0.lock().expect(NO_POISON);
        MutexGuard {
            guard,
            _count: Count::new(Kind::Slot),
        }
    }

    /// The value, without the lock.
    pub fn get_mut(&mut self) -> &mut T {
        self.0.get_mut().expect(NO_POISON)
    }

    /// The value, at the end of the lock.
    pub fn into_inner(self) -> T {
        self.0.into_inner().expect(NO_POISON)
    }
}

/// The map lock: `parking_lot::RwLock` over loom's.
#[derive(Default)]
pub struct RwLock<T>(loom::sync::RwLock<T>);

impl<T> RwLock<T> {
    /// Makes a lock; only inside a model.
    #[must_use]
    pub fn new(value: T) -> Self {
        Self(loom::sync::RwLock::new(value))
    }

    /// Waits until nobody writes.
    #[track_caller]
    pub fn read(&self) -> RwLockReadGuard<'_, T> {
        may_lock(Kind::Map);
        let guard = self.0.read().expect(NO_POISON);
        RwLockReadGuard {
            guard,
            _count: Count::new(Kind::Map),
        }
    }

    /// Waits until nobody reads or writes.
    #[track_caller]
    pub fn write(&self) -> RwLockWriteGuard<'_, T> {
        may_lock(Kind::Map);
        let guard = self.0.write().expect(NO_POISON);
        RwLockWriteGuard {
            guard,
            _count: Count::new(Kind::Map),
        }
    }

    /// The value, without the lock.
    pub fn get_mut(&mut self) -> &mut T {
        self.0.get_mut().expect(NO_POISON)
    }

    /// The value, at the end of the lock.
    pub fn into_inner(self) -> T {
        self.0.into_inner().expect(NO_POISON)
    }
}

/// As in parking_lot, a guard belongs to the thread that took it: std's guards inside keep it from being `Send`.
/// The lock is released first, then no longer counted; no model thread runs in between.
macro_rules! guards {
    ($($(#[$doc:meta])* $name:ident;)*) => { $(
        $(#[$doc])*
        #[must_use = "dropped, it releases the lock"]
        pub struct $name<'a, T> {
            guard: loom::sync::$name<'a, T>,
            _count: Count,
        }

        impl<T> Deref for $name<'_, T> {
            type Target = T;

            fn deref(&self) -> &T {
                &self.guard
            }
        }

        impl<T: fmt::Debug> fmt::Debug for $name<'_, T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                T::fmt(self, f)
            }
        }
    )* };
}

guards! {
    /// A slot lock that is held.
    MutexGuard;
    /// A map lock that is held for reading.
    RwLockReadGuard;
    /// A map lock that is held for writing.
    RwLockWriteGuard;
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.guard
    }
}

impl<T> DerefMut for RwLockWriteGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.guard
    }
}

/// Without a lock: a `Debug` that waits would be a step of its own.
impl<T> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mutex").finish_non_exhaustive()
    }
}

/// Without a lock: a `Debug` that waits would be a step of its own.
impl<T> fmt::Debug for RwLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RwLock").finish_non_exhaustive()
    }
}
