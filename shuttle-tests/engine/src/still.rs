//! What is the same in every run, whichever engine explores it: time, hashes, the steps of a scan. loom's engine has this
//! file too.

use std::{cell::Cell, time::Duration};

/// A clock that stands still: models move a manual clock where time is the matter.
#[must_use]
pub fn coarse_millis() -> u64 {
    0
}

/// The smallest table has four buckets, and is seen in two steps.
pub const SCAN_STEP: usize = 2;

/// Keys have the same hash in every run: a random one would put them into other shards each time, and an execution could
/// not be repeated.
#[derive(Clone, Debug, Default)]
pub struct RandomState;

impl RandomState {
    /// The one seed.
    #[must_use]
    pub fn new() -> Self {
        Self
    }
}

impl std::hash::BuildHasher for RandomState {
    type Hasher = std::hash::DefaultHasher;

    fn build_hasher(&self) -> Self::Hasher {
        Self::Hasher::new()
    }
}

/// A limit of time, which no engine has: it may pass at any moment. It has not passed at the first question and has at every
/// later one, and how much the others do in between is the engine's to explore.
#[derive(Debug)]
pub struct Deadline {
    asked: Cell<bool>,
}

impl Deadline {
    /// How long does not matter.
    #[must_use]
    pub fn after(_limit: Duration) -> Self {
        Self {
            asked: Cell::new(false),
        }
    }

    /// Not at the first question, and ever after.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.asked.replace(true)
    }
}
