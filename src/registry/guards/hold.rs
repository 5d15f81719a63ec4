//! What each guard is built on.

use crate::{
    Incarnation, Tick, Ticket,
    registry::{map::shard::Slot, slot::queue::wake_queues},
    sync::Arc,
};
use std::fmt;

/// The exclusive right to a slot, without its session. Its drop lets the slot go, which gives the vacancy to the next in the queue
/// or removes the slot.
///
/// One word, and nothing beside it: what else a guard tells of its slot (ticket, incarnation, clock) it reads there. Guards
/// are moved several times in a turn, and each word of them costs at every move.
pub(crate) struct Hold<K, V, H> {
    /// `None` once there is nothing to let go.
    slot: Option<Arc<Slot<K, V, H>>>,
}

impl<K, V, H> Hold<K, V, H> {
    #[inline]
    pub(crate) fn new(slot: Arc<Slot<K, V, H>>) -> Self {
        Self { slot: Some(slot) }
    }

    #[inline]
    pub(crate) fn slot(&self) -> &Arc<Slot<K, V, H>> {
        self.slot.as_ref().expect(HELD)
    }

    #[inline]
    pub(crate) fn now(&self) -> Tick {
        self.slot().clock.now()
    }

    pub(crate) fn key(&self) -> &K {
        &self.slot().key
    }

    pub(crate) fn incarnation(&self) -> Incarnation {
        self.slot().incarnation()
    }

    pub(crate) fn ticket(&self) -> Ticket {
        self.slot().ticket()
    }

    pub(crate) fn is_current(&self) -> bool {
        !self.slot().lock().superseded()
    }

    pub(crate) fn set_handle(&self, handle: Arc<H>) {
        let before = self.slot().lock().swap_handle(Some(handle));
        drop(before); // after the lock
    }

    /// Into other hands.
    #[inline]
    pub(crate) fn take(&mut self) -> Self {
        Self {
            slot: self.slot.take(),
        }
    }

    /// There is nothing to let go any more.
    #[inline]
    pub(crate) fn disarm(&mut self) -> Option<Arc<Slot<K, V, H>>> {
        self.slot.take()
    }

    pub(crate) fn fmt(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(name)
            .field("incarnation", &self.incarnation())
            .field("ticket", &self.ticket())
            .finish_non_exhaustive()
    }
}

/// A hold has its slot, and a turn its session, until a call that consumes the guard takes them.
pub(crate) const HELD: &str = "a guard has its slot and its session until it ends";

impl<K, V, H> Drop for Hold<K, V, H> {
    #[inline]
    fn drop(&mut self) {
        if let Some(slot) = &self.slot {
            let_go(slot);
        }
    }
}

#[cold]
fn let_go<K, V, H>(slot: &Arc<Slot<K, V, H>>) {
    let now = slot.clock.now();
    match slot.home.upgrade() {
        Some(shard) => shard.let_go(slot, now),
        // The registry is gone; who waits for this departure does not need it.
        None => {
            let (queue, handles) = slot.lock().depart();
            wake_queues([queue]);
            drop(handles);
        }
    }
}
