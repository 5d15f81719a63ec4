//! The two locks and their guards.
//!
//! loom keeps the data in std's locks, which poison themselves when a guard is dropped while
//! `std::thread::panicking()` is true, and loom then refuses them. All model threads are one thread to std: an innocent
//! guard, dropped while another model thread unwinds, would poison its lock. So models that unwind run where
//! `panicking()` is true from the first lock to the last (the harness does that, `engine::unwind` insists on it): std
//! poisons only if it has changed since the lock was taken.

use crate::{
    held::{Count, may_lock},
    record::{Kind, Lock, What, next_number, record},
};
use std::{
    fmt,
    ops::{Deref, DerefMut},
    panic::Location,
};

/// Why a lock of loom's never gives an error: its results have std's shape, and it refuses poison with a panic of its own.
const NO_POISON: &str = "loom's locks give no errors";

/// The slot lock: `parking_lot::Mutex` over loom's.
pub struct Mutex<T> {
    lock: loom::sync::Mutex<T>,
    number: usize,
}

impl<T> Mutex<T> {
    /// Makes a lock; only inside a model.
    #[must_use]
    #[track_caller]
    pub fn new(value: T) -> Self {
        let number = next_number(Kind::Slot);
        record(What::Made(Lock {
            kind: Kind::Slot,
            number,
        }));
        Self {
            lock: loom::sync::Mutex::new(value),
            number,
        }
    }

    /// Waits for the lock.
    #[track_caller]
    pub fn lock(&self) -> MutexGuard<'_, T> {
        may_lock(Kind::Slot);
        let guard = self.lock.lock().expect(NO_POISON);
        let lock = Lock {
            kind: Kind::Slot,
            number: self.number,
        };
        MutexGuard {
            guard,
            _count: Count::new(lock, address(self), Location::caller()),
        }
    }

    /// The value, without the lock.
    pub fn get_mut(&mut self) -> &mut T {
        self.lock.get_mut().expect(NO_POISON)
    }

    /// The value, at the end of the lock.
    pub fn into_inner(self) -> T {
        self.lock.into_inner().expect(NO_POISON)
    }
}

/// The map lock: `parking_lot::RwLock` over loom's.
pub struct RwLock<T> {
    lock: loom::sync::RwLock<T>,
    number: usize,
}

impl<T> RwLock<T> {
    /// Makes a lock; only inside a model.
    #[must_use]
    pub fn new(value: T) -> Self {
        Self {
            lock: loom::sync::RwLock::new(value),
            number: next_number(Kind::MapWrite),
        }
    }

    /// Waits until nobody writes.
    #[track_caller]
    pub fn read(&self) -> RwLockReadGuard<'_, T> {
        may_lock(Kind::MapRead);
        let guard = self.lock.read().expect(NO_POISON);
        let lock = Lock {
            kind: Kind::MapRead,
            number: self.number,
        };
        RwLockReadGuard {
            guard,
            _count: Count::new(lock, address(self), Location::caller()),
        }
    }

    /// Waits until nobody reads or writes.
    #[track_caller]
    pub fn write(&self) -> RwLockWriteGuard<'_, T> {
        may_lock(Kind::MapWrite);
        let guard = self.lock.write().expect(NO_POISON);
        let lock = Lock {
            kind: Kind::MapWrite,
            number: self.number,
        };
        RwLockWriteGuard {
            guard,
            _count: Count::new(lock, address(self), Location::caller()),
        }
    }

    /// The value, without the lock.
    pub fn get_mut(&mut self) -> &mut T {
        self.lock.get_mut().expect(NO_POISON)
    }

    /// The value, at the end of the lock.
    pub fn into_inner(self) -> T {
        self.lock.into_inner().expect(NO_POISON)
    }
}

impl<T: Default> Default for Mutex<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T: Default> Default for RwLock<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

fn address<T>(lock: &T) -> usize {
    std::ptr::from_ref(lock).addr()
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
