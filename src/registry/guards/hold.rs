//! The base of each guard.

use crate::{Incarnation, Tick, Ticket, registry::map::shard::Slot, sync::Arc};
use std::fmt;

/// The exclusive right to a slot, without its session. Its drop passes the vacancy to the next caller in the queue, or
/// removes the slot.
///
/// It is one word. Ticket, incarnation and clock are read from the slot, because a guard is moved several times in a turn,
/// and each word costs at every move.
pub(crate) struct Hold<K, V, H> {
    /// `None` once nothing is left to release.
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
        self.slot().home.now()
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

    #[cfg(feature = "tokio")]
    pub(crate) fn spot(&self) -> crate::registry::slot::state::Spot {
        self.slot().spot(self.ticket())
    }

    pub(crate) fn is_current(&self) -> bool {
        !self.slot().lock().superseded()
    }

    pub(crate) fn set_handle(&self, handle: Arc<H>) {
        let before = self.slot().lock().swap_handle(handle);
        drop(before); // after the lock
    }

    /// In one critical section, so that others find the one handle or the other.
    #[cfg(feature = "tokio")]
    pub(crate) fn set_caller(&self, handle: Arc<H>) {
        let mut locked = self.slot().lock();
        record!(locked, "set_caller");
        let rare = locked.state.rare();
        rare.stands = false;
        let before = rare.caller.replace(handle);
        drop(locked);
        drop(before); // after the lock
    }

    /// Moves the right out of this hold.
    #[inline]
    pub(crate) fn take(&mut self) -> Self {
        Self {
            slot: self.slot.take(),
        }
    }

    /// Gives the right up without releasing the slot.
    #[inline]
    pub(crate) fn disarm(&mut self) -> Option<Arc<Slot<K, V, H>>> {
        self.slot.take()
    }

    /// The thread was already unwinding when the turn began. Then unwinding at its end means nothing. (A count of panics
    /// would be more exact, but std has none.)
    #[cold]
    pub(crate) fn began_unwinding(&self) {
        let mut locked = self.slot().lock();
        record!(locked, "began_unwinding");
        locked.state.unwinding = true;
    }

    #[cold]
    pub(crate) fn was_unwinding(&self) -> bool {
        self.slot().lock().state.unwinding
    }

    pub(crate) fn fmt(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(name)
            .field("incarnation", &self.incarnation())
            .field("ticket", &self.ticket())
            .finish_non_exhaustive()
    }
}

/// The invariant of the guards: a call that consumes a guard takes its slot and its session.
pub(crate) const HELD: &str = "a guard has its slot and its session until it ends";

impl<K, V, H> Drop for Hold<K, V, H> {
    #[inline]
    fn drop(&mut self) {
        if let Some(slot) = &self.slot {
            slot.home.let_go(slot);
        }
    }
}
