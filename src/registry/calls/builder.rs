//! The settings of a registry.

use crate::{
    Clock, DefaultHasher, Incarnation, Registry,
    registry::map::{common::Limits, shards::Shards},
};
use std::{fmt, marker::PhantomData};

/// Settings of a [`Registry`]. [`Registry::builder`] returns it, and [`build`](Self::build) makes the registry.
///
/// ```
/// use turnwise::Registry;
///
/// let sessions: Registry<String, u32> = Registry::builder()
///     .max_sessions(1_000)
///     .max_waiting(32)
///     .build();
/// # let _ = sessions;
/// ```
#[must_use = "a builder does nothing until `build`"]
pub struct Builder<K, V, H = (), S = DefaultHasher> {
    shards: Option<usize>,
    limits: Limits,
    clock: Clock,
    first_incarnation: u64,
    hasher: S,
    of: PhantomData<fn() -> (K, V, H)>,
}

impl<K, V, H> Default for Builder<K, V, H> {
    fn default() -> Self {
        Self {
            shards: None,
            limits: Limits {
                sessions: None,
                waiting: usize::MAX,
                ranked: false,
            },
            clock: Clock::new(),
            first_incarnation: 1,
            hasher: DefaultHasher::new(),
            of: PhantomData,
        }
    }
}

impl<K, V, H, S> Builder<K, V, H, S> {
    /// Sets the number of shards of the map, each with its own lock. It is rounded up to a power of two. Default: 4 per core, at
    /// least 64. With more shards, more threads can insert and remove at once, and an insertion that grows its shard
    /// takes less time.
    pub fn shards(mut self, shards: usize) -> Self {
        self.shards = Some(shards);
        self
    }

    /// Limits the number of slots: sessions, and keys that are being started or waited for. At the limit, a call for an absent
    /// key gets [`RegistryFull`](crate::EnterError::RegistryFull). Default: no limit, and nothing is counted.
    pub fn max_sessions(mut self, most: usize) -> Self {
        self.limits.sessions = Some(most);
        self
    }

    /// Limits the number of callers in the queue of one key. The next caller gets
    /// [`QueueFull`](crate::EnterError::QueueFull). With 0, no call waits. Default: no limit.
    /// An [`enter_first`](Registry::enter_first) counts, but is never refused.
    pub fn max_waiting(mut self, most: usize) -> Self {
        self.limits.waiting = most;
        self
    }

    /// Lists the idle sessions, for [`close_lru`](Registry::close_lru).
    #[cfg(feature = "tokio")]
    pub(crate) fn ranked(mut self) -> Self {
        self.limits.ranked = true;
        self
    }

    /// Sets the clock. Default: the platform's coarse monotonic clock.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Sets a lower bound for incarnation numbers, from 1 to 2^62. Default: 1. The shards draw numbers in turn, so the first
    /// session of a key often has a higher one. Fencing survives a restart of the program if this is higher than every number
    /// that was given out before.
    pub fn first_incarnation(mut self, number: u64) -> Self {
        self.first_incarnation = number.clamp(1, 1 << 62);
        self
    }

    /// Draws no numbers: the holder of each vacancy gives it one, by [`Vacancy::renumber`](crate::Vacancy::renumber). Until then, the
    /// number is one that nothing else has: at least 2^63.
    #[doc(hidden)]
    pub fn unnumbered(mut self) -> Self {
        self.first_incarnation = Incarnation::UNKNOWN.0;
        self
    }

    /// Sets the hasher of keys. The default resists keys that were chosen to collide; see [`DefaultHasher`] for a faster one.
    /// The high half of the hash chooses the shard. A hasher that leaves it zero puts all keys into one shard.
    pub fn hasher<T>(self, hasher: T) -> Builder<K, V, H, T> {
        Builder {
            shards: self.shards,
            limits: self.limits,
            clock: self.clock,
            first_incarnation: self.first_incarnation,
            hasher,
            of: PhantomData,
        }
    }

    /// Makes the registry.
    pub fn build(self) -> Registry<K, V, H, S> {
        let shards = self.shards.unwrap_or_else(default_shards);
        let shards = shards.clamp(1, MOST_SHARDS).next_power_of_two();
        let shards = Shards::new(shards, self.first_incarnation, self.limits, self.clock);
        Registry::from_parts(shards, self.hasher)
    }
}

impl<K, V> Registry<K, V> {
    /// Returns an empty registry with the default settings and without handles. For handles of another type, use
    /// [`Registry::default`] or [`Registry::builder`].
    pub fn new() -> Self {
        Self::default()
    }
}

impl<K, V, H> Default for Registry<K, V, H> {
    fn default() -> Self {
        Builder::default().build()
    }
}

impl<K, V, H> Registry<K, V, H> {
    /// Returns a builder for other settings: limits, shards, hasher, clock.
    pub fn builder() -> Builder<K, V, H> {
        Builder::default()
    }
}

/// Each shard is an allocation with a lock: more of them only cost memory.
const MOST_SHARDS: usize = 1 << 16;

fn default_shards() -> usize {
    let cores = std::thread::available_parallelism().map_or(4, usize::from);
    (4 * cores).max(64)
}

impl<K, V, H, S> fmt::Debug for Builder<K, V, H, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("shards", &self.shards)
            .field("limits", &self.limits)
            .field("clock", &self.clock)
            .field("first_incarnation", &self.first_incarnation)
            .finish_non_exhaustive()
    }
}
