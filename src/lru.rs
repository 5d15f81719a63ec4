//! Which idle session was used least recently: a list that is corrected when it is read, so that a turn writes nothing to it.
//!
//! | an entry | what brings it there |
//! |---|---|
//! | is made | the end of a turn, if its slot is not listed, or only among the touched |
//! | is put back further behind | a look that finds its session used and idle again |
//! | is put among the touched, behind all others | a look that finds its session touched since its last turn |
//! | is taken out | a look that finds its slot busy or gone, or claims its session |
//!
//! An entry has the tick at which its session was last known to become idle. The session may have been used since; so that tick is
//! never too late, and the first entry whose tick still holds is the least recently used one. A look takes the first entry,
//! under the lock of the list and then of the slot, and claims the session, or corrects the entry, or takes it out. Each correction
//! and each removal is paid for by one turn or touch since the look before, each look is O(log n), and a list in which
//! nothing can be claimed gets empty: the next look at it costs nothing.
//!
//! Between the end of a turn and the push of its slot, the session is idle and not listed: a look may miss it, but the call
//! that ends the turn has not returned yet. The slot may also be used again, or leave the map, before the push: the next look
//! takes it out. A look that finds a slot busy marks it as unlisted, under the slot lock; the end of that turn takes the lock
//! later, and then reads the mark.

use crate::{
    Phase, Tick,
    slot::{Locked, Mark, Slot},
    sync::Arc,
};
use parking_lot::Mutex;
use std::{
    collections::BTreeMap,
    ops::Bound::{Excluded, Unbounded},
};

/// The idle sessions of a registry, in the order in which they go. Its lock comes before a slot lock, and never after one.
///
/// Slots that have left the map are taken out by later pushes: each looks at [`TIDIED`] entries.
pub(crate) struct Lru<K, V, H, Home>(Mutex<Entries<K, V, H, Home>>);

struct Entries<K, V, H, Home> {
    entries: BTreeMap<Rank, Arc<Slot<K, V, H, Home>>>,
    /// Distinguishes entries of the same tick: first listed, first out.
    next: u64,
    /// How far the search for slots that have left the map has come.
    tidied: Rank,
}

/// Touched ones last, then by the tick at which the session became idle, then as listed.
type Rank = (bool, Tick, u64);

/// How many entries each push looks at. With two, the slots that have left the map are never more than the others for long.
const TIDIED: usize = 2;

impl<K, V, H, Home> Lru<K, V, H, Home> {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Entries {
            entries: BTreeMap::new(),
            next: 1,
            tidied: FIRST,
        }))
    }

    /// The end of a turn lists its session.
    #[cold]
    pub(crate) fn push(&self, slot: &Arc<Slot<K, V, H, Home>>) {
        // Read without the slot lock: if another turn has begun, it is the tick of its begin, which is not too late either.
        let since = slot.glance().since;
        let mut entries = self.0.lock();
        entries.insert(false, since, Arc::clone(slot));
        let gone = entries.tidy();
        drop(entries);
        drop(gone); // keys, after the lock
    }

    /// Takes the idle session that was used least recently, to the resolution of the clock; those that were touched since
    /// their last turn come last. Of several whose last turns ended in the same tick, one.
    pub(crate) fn claim(&self) -> Option<(Arc<Slot<K, V, H, Home>>, V)> {
        loop {
            let mut entries = self.0.lock();
            let (rank, slot) = entries.entries.pop_first()?;
            let now = slot.clock.now();
            let mut locked = slot.lock();
            match locked.look_at(rank, &slot.mark) {
                Found::Oldest => {
                    let session = locked.claim_rested(now);
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
    /// Busy or gone, or there is another entry of it.
    Out,
}

const FIRST: Rank = (false, Tick(0), 0);

impl<V, H> Locked<'_, V, H> {
    fn look_at(&self, (last, listed, _): Rank, mark: &Mark) -> Found {
        let state = &*self.state;
        let since = state.status.since;
        if last && since != listed {
            return Found::Out; // it was used since, and that turn's end lists it
        }
        if state.superseded || state.status.phase != Phase::Idle {
            mark.unlisted();
            return Found::Out;
        }
        let touched = state.touched > since;
        if touched != last {
            // The end of a turn is to bring it back from among the touched.
            mark.unlisted();
            return Found::Later(touched, since);
        }
        if since != listed {
            return Found::Later(touched, since);
        }
        mark.unlisted();
        Found::Oldest
    }
}

impl<K, V, H, Home> Entries<K, V, H, Home> {
    fn insert(&mut self, touched: bool, since: Tick, slot: Arc<Slot<K, V, H, Home>>) {
        self.entries.insert((touched, since, self.next), slot);
        self.next += 1;
    }

    /// Takes out some of the slots that have left the map.
    fn tidy(&mut self) -> [Option<Arc<Slot<K, V, H, Home>>>; TIDIED] {
        [(); TIDIED].map(|()| {
            let mut after = self.entries.range((Excluded(self.tidied), Unbounded));
            let Some((rank, slot)) = after.next() else {
                self.tidied = FIRST;
                return None;
            };
            self.tidied = *rank;
            let gone = slot.lock().superseded();
            gone.then(|| self.entries.remove(&self.tidied))?
        })
    }
}
