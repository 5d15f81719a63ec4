//! A word that is written under a lock and read without it.
//!
//! To loom, a load by the writer is the last access to the word. Then it does not see that the next write races with the
//! load of another thread before it, and leaves out the execution in which the two are swapped. So what the writer reads
//! back under its lock comes from a copy beside the word, which loom does not see. Between two threads the lock orders it.
//!
//! | operation | tracked |
//! |---|---|
//! | store, load | yes |
//! | read back, under the lock | no |

use crate::atomic::{AtomicU64, Ordering};
use std::sync::atomic;

/// The source's word.
#[derive(Debug)]
pub struct Posted {
    word: AtomicU64,
    copy: atomic::AtomicU64,
}

impl Posted {
    /// Only inside a model.
    #[must_use]
    pub fn new(value: u64) -> Self {
        Self {
            word: AtomicU64::new(value),
            copy: atomic::AtomicU64::new(value),
        }
    }

    /// As an atomic's. Under the lock.
    #[track_caller]
    pub fn store(&self, value: u64, order: Ordering) {
        self.word.store(value, order);
        self.copy.store(value, atomic::Ordering::Relaxed);
    }

    /// What was stored last. Under the lock.
    #[must_use]
    pub fn read_back(&self) -> u64 {
        self.copy.load(atomic::Ordering::Relaxed)
    }

    /// As an atomic's.
    #[track_caller]
    pub fn load(&self, order: Ordering) -> u64 {
        self.word.load(order)
    }
}
