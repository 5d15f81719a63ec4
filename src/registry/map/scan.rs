//! A scan of a shard in steps, so that no map lock is held longer when there are more sessions.

use crate::{
    registry::map::shard::{Shard, Slot},
    sync::{Arc, SCAN_STEP},
};

/// How often a scan starts again because the table has moved its slots. After that it scans all in one step.
const TRIES: usize = 3;

impl<K, V, H> Shard<K, V, H> {
    /// Calls `look` with each slot of the map, under the map lock, and with a value to collect into. Returns that value.
    ///
    /// Between two steps slots come, leave and are replaced. One that stays is seen once; one that comes or goes may be
    /// missed. A table that grows moves its slots to other buckets: some could be seen twice, others not at all. Then the
    /// scan discards what it has collected and starts again. Models: `c15_scan`.
    pub(crate) fn scan<T: Default>(&self, mut look: impl FnMut(&mut T, &Arc<Slot<K, V, H>>)) -> T {
        let seen = (0..TRIES).find_map(|_| self.scan_by(SCAN_STEP, &mut look));
        seen.unwrap_or_else(|| {
            let seen = self.scan_by(usize::MAX, &mut look);
            seen.expect("nothing comes between the steps when there is one")
        })
    }

    /// `step` buckets for each hold of the lock. `None` if the table has moved its slots meanwhile.
    fn scan_by<T: Default>(
        &self,
        step: usize,
        look: &mut impl FnMut(&mut T, &Arc<Slot<K, V, H>>),
    ) -> Option<T> {
        // Dropped after the lock in any case, since it may hold the last reference to a slot.
        let mut seen = T::default();
        let (mut next, mut moves) = (0_usize, None);
        loop {
            let through = self.read(|map| {
                if *moves.get_or_insert(map.moves) != map.moves {
                    return None;
                }
                let buckets = map.table.num_buckets();
                let end = next.saturating_add(step).min(buckets);
                let slots = (next..end).filter_map(|bucket| map.table.get_bucket(bucket));
                slots.for_each(|slot| look(&mut seen, slot));
                next = end;
                Some(end == buckets)
            });
            if through? {
                return Some(seen);
            }
        }
    }
}
