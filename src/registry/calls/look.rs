//! What anyone may ask of a key, or do to it, without its turn.

use crate::{
    Observed, Registry, Status, ToKey,
    registry::{
        map::shard::{Shard, Slot},
        slot::queue::wake_queues,
    },
    sync::Arc,
};
#[cfg(feature = "tokio")]
use crate::{
    Ticket,
    registry::slot::queue::{Place, Priority},
};
use std::hash::BuildHasher;

impl<K, V, H, S> Registry<K, V, H, S> {
    /// How many keys have a slot: a session, a holder or a waiter. Counted shard by shard.
    pub fn len(&self) -> usize {
        let len = |shard: &Arc<Shard<K, V, H>>| shard.read(|map| map.table.len());
        self.shards().all().iter().map(len).sum()
    }

    /// True if no key has a slot.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<K, V, H, S: BuildHasher> Registry<K, V, H, S> {
    /// Sends the queue of a key away: each who waits gets [`EnterError::Dismissed`](crate::EnterError::Dismissed). The turn goes
    /// on, and who was granted it already keeps it. Returns how many were sent away.
    pub fn dismiss<Q: ?Sized + ToKey<K>>(&self, key: &Q) -> usize {
        let queue = self.with(key, |slot| slot.lock().send_away());
        let queue = queue.unwrap_or_default();
        let count = queue.len();
        wake_queues([queue]);
        count
    }

    /// The status of a key's session, or of its start; `None` if the key has no slot. Waits for no turn, start or close; takes no slot
    /// lock, unless a transition of this very slot came between, and then once. Two atomic read-modify-writes: the map lock's.
    #[doc(alias = "get_status")]
    #[inline]
    pub fn status<Q: ?Sized + ToKey<K>>(&self, key: &Q) -> Option<Status> {
        self.with(key, |slot| slot.read().0)
    }

    /// As [`status`](Self::status), with the identity of what was seen: to act on it only if it still holds.
    pub fn observe<Q: ?Sized + ToKey<K>>(&self, key: &Q) -> Option<Observed<K, V, H>> {
        self.with(key, Observed::new)
    }

    /// What the holder of a key's session left for others to reach. Takes the slot lock for a moment.
    pub fn handle<Q: ?Sized + ToKey<K>>(&self, key: &Q) -> Option<Arc<H>> {
        self.with(key, |slot| slot.lock().handle())?
    }

    /// Says that a key's session is active: [`claim_idle`](Self::claim_idle) counts its idle time from now. False if the
    /// key has no slot. The status does not tell it: a choice by [`Status::since`] passes over touches. Takes the slot lock
    /// for a moment.
    pub fn touch<Q: ?Sized + ToKey<K>>(&self, key: &Q) -> bool {
        let now = self.now();
        self.with(key, |slot| slot.lock().touch(now)).is_some()
    }

    /// How many stand before this ticket in the queue of its key; 0 if it is not there. Counts them under the slot lock.
    #[cfg(feature = "tokio")]
    pub(crate) fn ahead<Q: ?Sized + ToKey<K>>(&self, key: &Q, ticket: Ticket) -> usize {
        let place = Place::new(Priority::Normal, ticket);
        let ahead = self.with(key, |slot| slot.lock().ahead(place));
        ahead.flatten().unwrap_or(0)
    }

    /// Looks at the current slot of a key, under the map's read lock.
    #[inline]
    #[track_caller]
    pub(crate) fn with<Q: ?Sized + ToKey<K>, R>(
        &self,
        key: &Q,
        look: impl FnOnce(&Arc<Slot<K, V, H>>) -> R,
    ) -> Option<R> {
        let hash = self.hash(key);
        let shard = self.shards().of(hash);
        shard.read(|map| map.find(hash, key).map(look))
    }
}
