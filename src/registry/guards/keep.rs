//! A guard that keeps a session alive without its turn.

use crate::{Incarnation, registry::map::shard::Slot, sync::Arc};
use std::fmt;

/// Keeps a session alive, without its turn; see [`Registry::keep_alive`](crate::Registry::keep_alive).
///
/// The drop of the last guard counts as activity: the idle time begins then. A drop never waits for a turn.
#[must_use = "dropping it ends the keep-alive"]
pub struct KeepAlive<K, V, H = ()> {
    slot: Arc<Slot<K, V, H>>,
    incarnation: Incarnation,
}

impl<K, V, H> KeepAlive<K, V, H> {
    /// Keeps the session of this slot alive, which is in the map. `None` if there is none, or if it is being closed.
    pub(crate) fn new(slot: &Arc<Slot<K, V, H>>) -> Option<Self> {
        let incarnation = slot.lock().keep()?;
        Some(Self {
            slot: Arc::clone(slot),
            incarnation,
        })
    }

    /// Returns the key.
    pub fn key(&self) -> &K {
        &self.slot.key
    }

    /// Returns the incarnation that it keeps alive.
    pub fn incarnation(&self) -> Incarnation {
        self.incarnation
    }

    /// Returns the [handle](crate::Turn::set_handle) of the session, until the session ends. Takes the slot lock for a moment.
    pub fn handle(&self) -> Option<Arc<H>> {
        let locked = self.slot.lock();
        let same = !locked.superseded() && locked.status().incarnation == self.incarnation;
        if same { locked.handle() } else { None }
    }
}

/// A lookup in the list of idle sessions may have removed the session while it was kept. Then this lists it again: the lookup
/// marks it under the slot lock, so the mark is seen here, or the lookup comes later and finds that nothing keeps the session.
impl<K, V, H> Drop for KeepAlive<K, V, H> {
    fn drop(&mut self) {
        let now = self.slot.home.now();
        let unlisted = self.slot.lock().unkeep(self.incarnation, now);
        if let Some(lru) = self.slot.home.lru().filter(|_| unlisted) {
            lru.push(&self.slot);
        }
    }
}

impl<K, V, H> fmt::Debug for KeepAlive<K, V, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeepAlive")
            .field("incarnation", &self.incarnation)
            .finish_non_exhaustive()
    }
}
