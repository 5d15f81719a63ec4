//! Which idle session was used least recently: a list that is corrected when it is read, so that a turn writes nothing to it.
//!
//! | an entry | what brings it there |
//! |---|---|
//! | is made | the end of a turn, if its slot is not listed, or only among the touched |
//! | is put back further behind | a look that finds its session used and idle again |
//! | is put among the touched, behind all others | a look that finds its session touched since its last turn |
//! | is taken out | a look that finds its slot busy, or claims its session; its slot leaves the map |
//!
//! An entry has the tick at which its session was last known to become idle. The session may have been used since; so that tick is
//! never too late, and the first entry whose tick still holds is the least recently used one. A look takes the first entry,
//! under the lock of the list and then of the slot, and claims the session, or corrects the entry, or takes it out. Each correction
//! and each removal is paid for by one turn or touch since the look before, each look is O(log n), and a list in which
//! nothing can be claimed gets empty: the next look at it costs nothing.
//!
//! Between the end of a turn and the push of its slot, the session is idle and not listed: a look may miss it, but the call
//! that ends the turn has not returned yet, nor has any other that ends one meanwhile: the mark is cleared by the push, under both
//! locks, so each of them pushes, and the first one lists. If the slot is used again before the push, it is listed while it is busy, and the next
//! look takes it out. If it leaves the map before the push, it is marked before it asks to be forgotten: the push sees the mark, or
//! the slot is forgotten after the push. A look that finds a slot busy marks it as unlisted, under the slot lock; the end
//! of that turn takes the lock later, and then reads the mark.

use crate::{
    Phase, Tick,
    registry::slot::state::{Locked, Mark, Slot},
    sync::Arc,
};
use parking_lot::Mutex;
use std::collections::BTreeMap;

/// The idle sessions of a registry, in the order in which they go. Its lock comes before a slot lock, and never after one.
pub(crate) struct Lru<K, V, H, Home>(Mutex<Entries<K, V, H, Home>>);

struct Entries<K, V, H, Home> {
    first_to_go: BTreeMap<Rank, Arc<Slot<K, V, H, Home>>>,
    /// Of each slot that is listed, by its address.
    ranks: BTreeMap<usize, Rank>,
    /// Distinguishes entries of the same tick: first listed, first out.
    next: u64,
}

/// Touched ones last, then by the tick at which the session became idle, then as listed.
type Rank = (bool, Tick, u64);

impl<K, V, H, Home> Lru<K, V, H, Home> {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Entries {
            first_to_go: BTreeMap::new(),
            ranks: BTreeMap::new(),
            next: 0,
        }))
    }

    /// The end of a turn lists its session.
    #[cold]
    pub(crate) fn push(&self, slot: &Arc<Slot<K, V, H, Home>>) {
        let mut entries = self.0.lock();
        let locked = slot.lock();
        // If another turn has begun, this is the tick of its begin, which is not too late either.
        let (gone, since) = (locked.superseded(), locked.status().since);
        let unlisted = slot.mark.listed();
        drop(locked);
        if unlisted && !gone {
            entries.insert(false, since, Arc::clone(slot));
        }
    }

    /// The slot has left the map, and is marked. Its entry comes back, to be dropped after the locks.
    pub(crate) fn forget(
        &self,
        slot: &Arc<Slot<K, V, H, Home>>,
    ) -> Option<Arc<Slot<K, V, H, Home>>> {
        self.0.lock().remove(slot)
    }

    /// Takes the idle session that was used least recently, to the resolution of the clock; those that were touched since
    /// their last turn come last. Of several whose last turns ended in the same tick, one.
    pub(crate) fn claim(&self) -> Option<(Arc<Slot<K, V, H, Home>>, V)> {
        loop {
            let mut entries = self.0.lock();
            let (rank, slot) = entries.pop_first()?;
            let now = slot.clock.now();
            let mut locked = slot.lock();
            match locked.look_at(rank, &slot.mark) {
                Found::Oldest => {
                    let session = locked.claim_if_idle(now);
                    drop(locked);
                    drop(entries);
                    if let Some(session) = session {
                        return Some((slot, session));
                    }
                }
                Found::Later(touched, since) => {
                    drop(locked);
                    entries.insert(touched, since, slot);
                }
                Found::Out => {
                    drop(locked);
                    drop(entries); // before the slot, whose key may go with it
                }
            }
        }
    }
}

/// What an entry that was taken out is.
enum Found {
    /// The first of all, and idle.
    Oldest,
    /// To be put back, further behind.
    Later(bool, Tick),
    /// Busy or gone.
    Out,
}

impl<V, H> Locked<'_, V, H> {
    fn look_at(&self, (last, listed, _): Rank, mark: &Mark) -> Found {
        let state = &*self.state;
        let since = state.status.since;
        let idle = !state.superseded && state.status.phase == Phase::Idle;
        let touched = state.touched > since;
        // The end of the next turn lists it, also if it is among the touched until then.
        if !idle || touched {
            mark.unlisted();
        }
        if !idle {
            return Found::Out;
        }
        if (touched, since) != (last, listed) {
            return Found::Later(touched, since);
        }
        mark.unlisted();
        Found::Oldest
    }
}

impl<K, V, H, Home> Entries<K, V, H, Home> {
    /// In place of the one that the slot has, if it has one.
    fn insert(&mut self, touched: bool, since: Tick, slot: Arc<Slot<K, V, H, Home>>) {
        let rank = (touched, since, self.next);
        self.next += 1;
        if let Some(before) = self.ranks.insert(Arc::as_ptr(&slot).addr(), rank) {
            self.first_to_go.remove(&before);
        }
        self.first_to_go.insert(rank, slot);
    }

    fn remove(&mut self, slot: &Arc<Slot<K, V, H, Home>>) -> Option<Arc<Slot<K, V, H, Home>>> {
        let rank = self.ranks.remove(&Arc::as_ptr(slot).addr())?;
        self.first_to_go.remove(&rank)
    }

    fn pop_first(&mut self) -> Option<(Rank, Arc<Slot<K, V, H, Home>>)> {
        let (rank, slot) = self.first_to_go.pop_first()?;
        self.ranks.remove(&Arc::as_ptr(&slot).addr());
        Some((rank, slot))
    }
}
