//! The idle session that was used least recently, from a list that is corrected when it is read, so that a turn writes
//! nothing to it.
//!
//! | an entry | by |
//! |---|---|
//! | is made | the end of a turn or of the last keep-alive, if its slot is not listed, or only among the touched |
//! | is moved further back | a lookup that finds its session used, and idle again |
//! | is moved among the touched, behind all others | a lookup that finds its session touched since its last turn |
//! | is removed | a lookup that finds its slot busy or kept, or claims its session; its slot leaves the map |
//!
//! An entry has a tick at which its session was known to become idle. The session may have been used since, so the tick is
//! never too late, and the first entry whose tick still holds is the least recently used one. A lookup takes the first entry,
//! under the lock of the list and then of the slot. It claims the session, or corrects the entry, or removes it. Each
//! correction and removal is paid for by a turn or touch since the lookup before. A lookup takes O(log n). A list without a
//! session to claim gets empty, so the next lookup in it costs nothing.
//!
//! Between the end of a turn and the push of its slot, the session is idle but not listed, and a lookup may miss it. No call
//! that ends a turn of the slot has returned yet: the mark is cleared by the push, under both locks, so each of these calls
//! pushes, and the first one lists. If the slot is used again before the push, it is listed while it is busy, and the next
//! lookup removes it. If it leaves the map before the push, it is marked before it is forgotten: the push sees the mark, or
//! the slot is forgotten after the push. A lookup that finds a slot busy marks it as unlisted, under the slot lock; the end
//! of that turn takes that lock later, and then reads the mark.
//!
//! A lookup that finds nothing leaves its waker, under the lock of the list, and each push takes it under that lock. So the push
//! comes first and the lookup finds the session, or the lookup comes first and is woken. Nothing is written by a turn whose slot
//! no lookup has asked for. Schedules: `a12_room::the_end_of_a_turn`, `a12_room::against_another_start`.

use crate::{
    Clock, Tick,
    registry::{
        slot::state::{Locked, Slot},
        wake::wake_all,
    },
    sync::Arc,
};
use parking_lot::Mutex;
use std::{collections::BTreeMap, mem, task::Waker};

/// The idle sessions of a registry, least recently used first. Its lock comes before a slot lock, and never after one.
pub(crate) struct Lru<K, V, H, Home>(Mutex<Entries<K, V, H, Home>>);

struct Entries<K, V, H, Home> {
    first_to_go: BTreeMap<Rank, Arc<Slot<K, V, H, Home>>>,
    /// The rank of each listed slot, by the slot's address.
    ranks: BTreeMap<usize, Rank>,
    /// Orders entries of the same tick: first listed, first out.
    next: u64,
    /// Of the last lookup that found nothing, if it waits.
    waiter: Option<Waker>,
}

/// Touched ones last; then by the tick at which the session became idle; then in the order of listing.
type Rank = (bool, Tick, u64);

impl<K, V, H, Home> Lru<K, V, H, Home> {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Entries {
            first_to_go: BTreeMap::new(),
            ranks: BTreeMap::new(),
            next: 0,
            waiter: None,
        }))
    }

    /// Lists the session of a turn that has ended, and wakes the lookup that waits for one.
    #[cold]
    pub(crate) fn push(&self, slot: &Arc<Slot<K, V, H, Home>>) {
        let mut entries = self.0.lock();
        let mut locked = slot.lock();
        // If another turn has begun, the session may still become idle again since before that turn.
        let (gone, mut since) = (locked.superseded(), locked.glance().since);
        if !locked.is_idle() {
            since = since.min(locked.state.rested.get());
        }
        record!(locked, "listed");
        let unlisted = mem::replace(&mut locked.state.unlisted, false);
        drop(locked);
        if unlisted && !gone {
            entries.insert(false, since, Arc::clone(slot));
            let waiter = entries.waiter.take();
            drop(entries);
            wake_all(waiter);
        }
    }

    /// Nobody waits any more. Returns the waker, to be dropped after the lock.
    #[cfg(feature = "tokio")]
    pub(crate) fn unwait(&self) -> Option<Waker> {
        self.0.lock().waiter.take()
    }

    /// Removes a slot that has left the map and is marked. Returns its entry, to be dropped after the locks.
    pub(crate) fn forget(
        &self,
        slot: &Arc<Slot<K, V, H, Home>>,
    ) -> Option<Arc<Slot<K, V, H, Home>>> {
        self.0.lock().remove(slot)
    }

    /// The registry ends, and all its slots are superseded: empties the list, which refers to them.
    pub(crate) fn clear(&self) {
        let mut entries = self.0.lock();
        entries.ranks.clear();
        let listed = mem::take(&mut entries.first_to_go);
        drop(entries);
        drop(listed); // keys may be dropped with it, after the lock
    }

    /// Begins to close the idle session that was used least recently, to the resolution of the clock. Sessions that were touched
    /// since their last turn come last. Sessions whose turns ended in the same tick come in any order.
    ///
    /// If there is none, `waiter` is swapped for the waker that waits.
    pub(crate) fn claim(
        &self,
        clock: &Clock,
        waiter: &mut Option<Waker>,
    ) -> Option<(Arc<Slot<K, V, H, Home>>, V)> {
        loop {
            let mut entries = self.0.lock();
            let Some((rank, slot)) = entries.pop_first() else {
                mem::swap(&mut entries.waiter, waiter);
                return None;
            };
            let mut locked = slot.lock();
            match locked.look_at(rank) {
                Found::Oldest => {
                    let now = clock.now();
                    let session = locked.claim_if_idle(now);
                    if session.is_some() {
                        locked.begin_close(now);
                    }
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
                    drop(entries); // before the slot, whose key may be dropped with it
                }
            }
        }
    }
}

/// The state of an entry that was taken out.
enum Found {
    /// The least recently used one, and idle.
    Oldest,
    /// To be put back, further behind.
    Later(bool, Tick),
    /// Busy, kept or gone.
    Out,
}

impl<V, H> Locked<'_, V, H> {
    fn look_at(&mut self, (last, listed, _): Rank) -> Found {
        record!(self, "look_at");
        let (idle, since) = (self.is_idle() && self.kept() == 0, self.glance().since);
        let touched = self.state.touched.get() > since;
        // The end of the next turn, or of the keep-alive, lists it, even if it is among the touched until then.
        if !idle || touched {
            self.state.unlisted = true;
        }
        if !idle {
            return Found::Out;
        }
        if (touched, since) != (last, listed) {
            return Found::Later(touched, since);
        }
        self.state.unlisted = true;
        Found::Oldest
    }
}

impl<K, V, H, Home> Entries<K, V, H, Home> {
    /// Replaces the entry of the slot, if it has one.
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
