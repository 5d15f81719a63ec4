//! A look at every slot of a shard, in steps: no map lock is held for longer the more sessions there are.

use crate::{
    registry::map::shard::{Shard, Slot},
    sync::{Arc, SCAN_STEP},
};

/// So often a scan begins anew because the table has moved its slots; then it looks at all of them in one step.
const TRIES: usize = 3;

impl<K, V, H> Shard<K, V, H> {
    /// Shows each slot of the map to `look`, under the map lock, together with what it is to add to; that comes back.
    ///
    /// Between two steps slots may come, leave and be replaced: one that stays is seen, once; one that comes or goes is seen
    /// or not. A table that grows puts its slots into other buckets, and some would be seen twice, others not at all: then
    /// what was seen is forgotten, and the scan begins anew. Models: `c15_scan`.
    pub(crate) fn scan<T: Default>(&self, mut look: impl FnMut(&mut T, &Arc<Slot<K, V, H>>)) -> T {
        let seen = (0..TRIES).find_map(|_| self.scan_by(SCAN_STEP, &mut look));
        seen.unwrap_or_else(|| {
            let seen = self.scan_by(usize::MAX, &mut look);
            seen.expect("nothing comes between the steps when there is one")
        })
    }

    /// By so many buckets under one hold of the lock. `None` if the table has moved its slots meanwhile.
    fn scan_by<T: Default>(
        &self,
        step: usize,
        look: &mut impl FnMut(&mut T, &Arc<Slot<K, V, H>>),
    ) -> Option<T> {
        // Dropped after the lock, whatever happens: it may be the last to hold a slot.
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
