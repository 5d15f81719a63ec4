//! The calls that read a key, or change it, without its turn.

#[cfg(feature = "tokio")]
use crate::Ticket;
use crate::{
    KeepAlive, Observed, Registry, Status, Tick, ToKey,
    registry::{
        map::shard::{Shard, Slot},
        slot::queue::wake_queues,
    },
    sync::Arc,
};
use std::hash::BuildHasher;

impl<K, V, H, S: BuildHasher> Registry<K, V, H, S> {
    /// Returns the status of a key's session or of its start. `None` if the key has no slot. Never waits for a turn, a start or a
    /// close.
    ///
    /// # Performance
    ///
    /// Two atomic read-modify-writes, on the map lock. The slot lock is taken once, and only if this very slot changes
    /// during the read.
    #[doc(alias = "get_status")]
    #[inline]
    pub fn status<Q: ?Sized + ToKey<K>>(&self, key: &Q) -> Option<Status> {
        self.with(key, |slot| slot.read().0)
    }

    /// Like [`status`](Self::status), with the identity of the slot, to act on it later if nothing has changed.
    pub fn observe<Q: ?Sized + ToKey<K>>(&self, key: &Q) -> Option<Observed<K, V, H>> {
        self.with(key, Observed::new)
    }

    /// Returns the [handle](crate::Turn::set_handle) of a key's session, if its holder has set one. Takes the slot lock for a moment.
    pub fn handle<Q: ?Sized + ToKey<K>>(&self, key: &Q) -> Option<Arc<H>> {
        self.with(key, |slot| slot.lock().handle())?
    }

    /// Marks a key's session as active now, which restarts the idle time that [`claim_idle`](Self::claim_idle) measures.
    /// Returns false if the key has no slot. Takes the slot lock for a moment.
    ///
    /// [`Status::since`] does not change, so a choice by `since` ignores touches.
    pub fn touch<Q: ?Sized + ToKey<K>>(&self, key: &Q) -> bool {
        let now = self.now();
        self.with(key, |slot| slot.lock().touch(now)).is_some()
    }

    /// Keeps a key's session alive, without its turn: until the guard is dropped, [`claim_idle`](Self::claim_idle),
    /// [`cleanup_idle`](Self::cleanup_idle) and [`Observed::claim`] leave it alone. [`Turn::vacate`](crate::Turn::vacate),
    /// [`replace`](Self::replace), a panic and the end of the registry do not.
    ///
    /// Returns `None` if the key has no session, or one that is being closed. The guard is for one incarnation. The drop of the
    /// last guard counts as activity.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let sessions: turnwise::Registry<String, u32> = turnwise::Registry::new();
    /// drop(sessions.enter_blocking("a")?.or_insert(1));
    ///
    /// let kept = sessions.keep_alive("a").expect("it is there");
    /// assert_eq!(sessions.cleanup_idle(Duration::ZERO, |_, _, _| {}).kept, 1);
    /// drop(kept);
    /// assert_eq!(sessions.cleanup_idle(Duration::ZERO, |_, _, _| {}).closed, 1);
    /// # Ok::<(), turnwise::EnterError>(())
    /// ```
    ///
    /// # Details
    ///
    /// One critical section of the slot decides between this and a claim. A turn that was claimed before is a turn: its holder
    /// may still vacate it. `cleanup_idle` claims and closes in one step. Takes the slot lock for a moment. Models: `c07_kept`.
    pub fn keep_alive<Q: ?Sized + ToKey<K>>(&self, key: &Q) -> Option<KeepAlive<K, V, H>> {
        self.with(key, KeepAlive::new)?
    }

    /// Empties the queue of a key, and returns the number of calls that were in it. Each of them ends with
    /// [`EnterError::Dismissed`](crate::EnterError::Dismissed). The running turn goes on, and so does a call that was already granted the next one.
    pub fn dismiss<Q: ?Sized + ToKey<K>>(&self, key: &Q) -> usize {
        let queue = self.with(key, |slot| slot.lock().send_away());
        let queue = queue.unwrap_or_default();
        let count = queue.len();
        wake_queues([queue]);
        count
    }

    /// The number of calls before this ticket in the queue of its key; 0 if it is not queued. Counts them under the slot lock.
    #[cfg(feature = "tokio")]
    pub(crate) fn ahead<Q: ?Sized + ToKey<K>>(&self, key: &Q, ticket: Ticket) -> usize {
        let ahead = self.with(key, |slot| {
            let locked = slot.lock();
            locked.ahead(locked.place(ticket)?)
        });
        ahead.flatten().unwrap_or(0)
    }

    /// Calls `look` with the current slot of a key, under the map's read lock.
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

impl<K, V, H, S> Registry<K, V, H, S> {
    /// Returns the number of slots: keys with a session, a holder or a queue. Counted shard by shard.
    pub fn len(&self) -> usize {
        let len = |shard: &Arc<Shard<K, V, H>>| shard.read(|map| map.table.len());
        self.shards().all().iter().map(len).sum()
    }

    /// Returns true if no key has a slot.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the current time of the registry's clock.
    pub fn now(&self) -> Tick {
        self.shards().common().clock.now()
    }
}
