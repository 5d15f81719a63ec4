//! All shards of a registry, what they share, and the end of newcomers.

use crate::{
    Clock, Tick,
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
/// On lines of its own: else each call would read from the line of the count of those who share it, which each wait writes.
#[repr(align(128))]
pub(crate) struct Shards<K, V, H> {
    all: Box<[Arc<Shard<K, V, H>>]>,
    common: Arc<Common>,
}

impl<K, V, H> Shards<K, V, H> {
    /// `count` is a power of two; `first` is the first number of an incarnation.
    pub(crate) fn new(count: usize, first: u64, limits: Limits, clock: Clock) -> Self {
        let common = Arc::new(Common::new(limits, clock));
        let lru = limits.ranked.then(|| Arc::new(Lru::new()));
        let shard = |index: usize| {
            let first = first + index as u64;
            let lru = lru.clone();
            Arc::new(Shard::new(first, count as u64, Arc::clone(&common), lru))
        };
        Self {
            all: (0..count).map(shard).collect(),
            common,
        }
    }

    /// The map takes its buckets from the hash's low bits and its tags from the highest: these are from between.
    #[inline]
    pub(crate) fn of(&self, hash: u64) -> &Arc<Shard<K, V, H>> {
        &self.all[(hash >> 40) as usize & (self.all.len() - 1)]
    }

    pub(crate) fn all(&self) -> &[Arc<Shard<K, V, H>>] {
        &self.all
    }

    /// All shards have the same one.
    #[cfg(feature = "tokio")]
    pub(crate) fn lru(&self) -> Option<&crate::registry::map::shard::Idle<K, V, H>> {
        self.all[0].lru()
    }

    pub(crate) fn common(&self) -> &Common {
        &self.common
    }

    /// No newcomer from now on: one store, which every grant, place and insertion reads under the lock that decides it.
    /// Then each queue is sent away and each grant that nobody has looked at is revoked.
    ///
    /// Between the store and a shard's sweep, somebody who read the flag before may still join a queue or insert a slot
    /// there: that was under a lock which the sweep takes later, and it is found. Whoever takes that lock after the sweep's
    /// first step sees the flag. Hence every shard's lock is taken, an empty one's too. A turn that ends before its slot's sweep
    /// may still grant; it is revoked, or was looked at before `close` returned. Models: `c13_closing`.
    pub(crate) fn close(&self, now: Tick) {
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
        // The slots, their keys and the handles go when everybody was told.
        let panicked = each(&vacant, |(shard, slot)| shard.let_go(slot, now));
        let (second, waited) = wake_each(queues);
        raise(panicked.or(second));
        drop((callers, waited));
    }
}
