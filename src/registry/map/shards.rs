//! All shards of a registry, what they share, and how it is closed to new calls.

use crate::{
    Clock, Incarnation,
    registry::{
        map::{
            common::{Common, Limits},
            lru::Lru,
            shard::Shard,
        },
        slot::queue::wake_each,
        wake::{each, raise},
    },
    sync::Arc,
};

/// All shards of a registry. Registries, waiting entries and iterators share it; guards and granted entries do not.
///
/// On cache lines of its own. Otherwise each call would read the line of the reference count, which each wait writes.
#[repr(align(128))]
pub(crate) struct Shards<K, V, H> {
    all: Box<[Arc<Shard<K, V, H>>]>,
    common: Arc<Common>,
}

impl<K, V, H> Shards<K, V, H> {
    /// `count` is a power of two; `first` is the first incarnation, and that of each vacancy if it is unknown.
    pub(crate) fn new(count: usize, first: u64, limits: Limits, clock: Clock) -> Self {
        let common = Arc::new(Common::new(limits, clock));
        let lru = limits.ranked.then(|| Arc::new(Lru::new()));
        let shard = |index: usize| {
            let (first, stride) = match Incarnation(first) {
                Incarnation::UNKNOWN => (first, 0),
                _ => (first + index as u64, count as u64),
            };
            let lru = lru.clone();
            Arc::new(Shard::new(first, stride, Arc::clone(&common), lru))
        };
        Self {
            all: (0..count).map(shard).collect(),
            common,
        }
    }

    /// The map takes its buckets from the low bits of the hash and its tags from the highest. These are the bits between.
    #[inline]
    pub(crate) fn of(&self, hash: u64) -> &Arc<Shard<K, V, H>> {
        &self.all[(hash >> 40) as usize & (self.all.len() - 1)]
    }

    pub(crate) fn all(&self) -> &[Arc<Shard<K, V, H>>] {
        &self.all
    }

    /// The same in all shards.
    #[cfg(feature = "tokio")]
    pub(crate) fn lru(&self) -> Option<&crate::registry::map::shard::Idle<K, V, H>> {
        self.all[0].lru()
    }

    pub(crate) fn common(&self) -> &Common {
        &self.common
    }

    /// Closes the registry. One store sets the flag, which every grant, place and insertion reads under the lock that
    /// decides it. Then each queue is emptied, and each grant that was not taken is revoked.
    ///
    /// Between the store and the sweep of a shard, a call that read the flag before may still join a queue or insert a slot
    /// there. It did so under a lock that the sweep takes later, so it is found. A call that takes that lock after the
    /// sweep's first step sees the flag; hence the lock of every shard is taken, even of an empty one. A turn that ends
    /// before its slot is swept may still grant the next one. That grant is revoked, or was taken before `close` returned.
    /// Models: `c13_closing`.
    pub(crate) fn close(&self) {
        self.common.close();
        let mut queues = Vec::new();
        let mut vacant = Vec::new();
        let mut callers = Vec::new();
        for shard in &self.all {
            shard.scan(|(): &mut (), slot| {
                let mut locked = slot.lock();
                queues.push(locked.send_away());
                let (is_vacant, caller) = locked.revoke();
                callers.extend(caller);
                if is_vacant {
                    vacant.push((shard, Arc::clone(slot)));
                }
            });
        }
        // Slots, keys and handles are dropped after all are woken.
        let panicked = each(&vacant, |(shard, slot)| shard.let_go(slot));
        let (second, waited) = wake_each(queues);
        raise(panicked.or(second));
        drop((callers, waited));
    }
}

/// The end of a registry, in the thread that drops the last reference to it. Every shard is emptied, even if the drop of a
/// session or a key panics: the slots refer to their shards, and would never be freed.
impl<K, V, H> Drop for Shards<K, V, H> {
    fn drop(&mut self) {
        let panicked = each(self.all.iter(), |shard| shard.abandon());
        let listed = each(self.all[0].lru(), |lru| lru.clear());
        raise(panicked.or(listed));
    }
}
