//! The settings of a registry, and how one comes to be.

use crate::{
    Clock, Registry,
    registry::{
        calls::registry::DefaultHasher,
        map::{common::Limits, shards::Shards},
    },
};
use std::{fmt, marker::PhantomData};

/// Settings of a [`Registry`]; see [`Registry::builder`].
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
    /// Into how many parts, each with its own lock, the map is divided; rounded up to a power of two, at least 1. More parts
    /// let more threads insert and remove at once, and make the growth of one part, which is an insertion, shorter. By default
    /// 4 per core, at least 64.
    pub fn shards(mut self, shards: usize) -> Self {
        self.shards = Some(shards);
        self
    }

    /// How many slots there may be: sessions, and keys that are being started or waited for. Entering an absent key is
    /// refused with [`RegistryFull`](crate::EnterError::RegistryFull) above it. Without it nothing is counted.
    pub fn max_sessions(mut self, most: usize) -> Self {
        self.limits.sessions = Some(most);
        self
    }

    /// How many may wait in the queue of one key; the next is refused with
    /// [`QueueFull`](crate::EnterError::QueueFull). 0: a key that is not free is refused.
    /// [`enter_first`](Registry::enter_first) is not, and counts.
    pub fn max_waiting(mut self, most: usize) -> Self {
        self.limits.waiting = most;
        self
    }

    /// The idle sessions are listed, for [`claim_longest_idle`](Registry::claim_longest_idle).
    #[cfg(feature = "tokio")]
    pub(crate) fn ranked(mut self) -> Self {
        self.limits.ranked = true;
        self
    }

    /// Where the registry reads time. By default the platform's coarse monotonic clock.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// The number that incarnations start from: higher than every number that was ever given out, if fencing is to survive
    /// a restart of the program. At most half of `u64::MAX`. By default 1.
    pub fn first_incarnation(mut self, number: u64) -> Self {
        self.first_incarnation = number.min(u64::MAX / 2);
        self
    }

    /// The hasher of keys. By default std's, which is randomly seeded and resists keys that were chosen to collide. The high
    /// half of the hash chooses the shard: with a hasher that leaves it zero, all keys share one.
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

    /// The registry.
    pub fn build(self) -> Registry<K, V, H, S> {
        let shards = self.shards.unwrap_or_else(default_shards);
        let shards = shards.clamp(1, MOST_SHARDS).next_power_of_two();
        let shards = Shards::new(shards, self.first_incarnation, self.limits, self.clock);
        Registry::from_parts(shards, self.hasher)
    }
}

impl<K, V> Registry<K, V> {
    /// An empty registry with the default settings. With another type of handles: [`Registry::default`] or
    /// [`Registry::builder`].
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
    /// For other settings: limits, shards, hasher, clock.
    pub fn builder() -> Builder<K, V, H> {
        Builder::default()
    }
}

/// Each is an allocation with a lock: more would only cost memory.
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
