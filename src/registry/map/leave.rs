//! How a slot is passed on or leaves the map: the ends of guards, and of the registry.

use crate::{
    registry::{
        map::shard::{Shard, Slot, draw},
        slot::{outcome::Passed, queue::wake_queues},
        wake::wake_all,
    },
    sync::Arc,
};
use std::mem;

impl<K, V, H> Shard<K, V, H> {
    /// The end of every guard whose session is gone: the vacancy passes to the next call, or without a queue the slot
    /// leaves the map. **No other function removes a slot.**
    ///
    /// Only the map decides whether this very slot is current, by its stored hash and its address. Its key does not,
    /// because the replacement has the same. Its superseded mark does not either: that is for calls that came by a clone of
    /// the `Arc`. Between the end of the guard's work and this map lock, the slot may be superseded. Then it is not found,
    /// and the slot that has its key is left alone. In between it may also get waiters, which the slot lock
    /// shows. Models: `c06_identity`, `c11_no_stuck_key`.
    #[cold]
    pub(crate) fn let_go(&self, slot: &Arc<Slot<K, V, H>>) {
        let mut guard = self.map.write();
        let map = &mut *guard;
        let found = map
            .table
            .find_entry(slot.hash, |held| Arc::ptr_eq(held, slot));
        let Ok(entry) = found else {
            let departed = map.departing.remove(&Arc::as_ptr(slot).addr());
            let (queue, handles) = slot.lock().depart();
            drop(guard);
            wake_queues([queue]);
            return drop((departed, handles));
        };
        let mut locked = slot.lock();
        if locked.waits() {
            let number = draw(&mut map.next_number, map.stride);
            let (passed, handle) = locked.hand_on(number, self.now());
            drop(locked);
            drop(guard);
            finish(passed, slot);
            return drop(handle);
        }
        let (next_ticket, handles) = locked.retire();
        drop(locked);
        let (gone, _) = entry.remove();
        map.next_ticket = map.next_ticket.max(next_ticket);
        self.common.count_out();
        drop(guard);
        let listed = self.lru.as_ref().and_then(|lru| lru.forget(&gone));
        drop((listed, gone, handles));
    }

    /// Ends a close: its holder has the vacancy of the next incarnation, whose number is drawn if the map says that this
    /// very slot is current. Returns the handle of the old incarnation, to be dropped by the caller.
    pub(crate) fn begin_start(&self, slot: &Arc<Slot<K, V, H>>) -> Option<Arc<H>> {
        let now = self.now();
        let mut map = self.map.write();
        let current = map.table.find(slot.hash, |held| Arc::ptr_eq(held, slot));
        let number = current.is_some().then(|| map.draw());
        slot.lock().begin_start(number, now)
    }

    /// The end of the registry: idle sessions are dropped, and slots that are held are superseded. It empties the map, whose
    /// slots refer to their shard.
    ///
    /// Nobody can enter or replace any more: a queued call keeps the registry alive, and an [`Observed`](crate::Observed)
    /// finds its slot in the map or not at all. A turn may end between the two steps below. Then its session is in the slot,
    /// and is dropped here, or the slot is superseded already, and its holder drops the session. Models: `c12_end`.
    pub(crate) fn abandon(&self) {
        let mut map = self.map.write();
        let table = mem::take(&mut map.table);
        drop(map);
        // Into a vector, which drops the rest when the drop of a key panics; a table does not.
        let slots: Vec<_> = table.into_iter().collect();
        let (mut sessions, mut handles) = (Vec::new(), Vec::new());
        for slot in &slots {
            let (session, left) = slot.lock().orphan();
            sessions.extend(session);
            handles.extend(left.into_iter().flatten());
        }
        drop((sessions, handles, slots));
    }
}

/// Finishes the end of a turn, after the locks. Drops the handle last, when a panic in its drop can lose nothing.
#[cold]
pub(crate) fn finish<K, V, H>(passed: Passed<H>, slot: &Arc<Slot<K, V, H>>) {
    let Passed {
        waker,
        caller,
        unlisted,
    } = passed;
    wake_all(waker);
    if let Some(lru) = slot.home.lru().filter(|_| unlisted) {
        lru.push(slot);
    }
    drop(caller);
}
