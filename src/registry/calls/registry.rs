//! Every call that enters a key, or replaces or removes its session.

use crate::{
    DefaultHasher, Enter, EnterError, Entry, Old, Replaced, ToKey, TryEnterError,
    registry::{
        guards::hold::Hold,
        map::{
            shard::{Purpose, Shard, Slot},
            shards::Shards,
        },
        slot::{leaves::Nothing, queue::Priority},
    },
    sync::Arc,
};
use std::{
    fmt,
    hash::BuildHasher,
    panic::{RefUnwindSafe, UnwindSafe},
};

/// A concurrent map of exclusive sessions.
///
/// Each key `K` owns one session `V`: an agent process, a REPL, a database connection. Callers take turns on it in FIFO order;
/// futures and threads share one queue. Status checks, idle cleanup and other keys never wait for a running turn. `H` is the
/// type of the [handles](Self::handle) that a holder can set for others, such as a switch that aborts its work.
///
/// | to | call |
/// |---|---|
/// | get a turn | [`enter`](Self::enter), [`enter_blocking`](Self::enter_blocking), [`try_enter`](Self::try_enter), [`enter_existing`](Self::enter_existing), [`enter_first`](Self::enter_first) |
/// | read without waiting | [`status`](Self::status), [`observe`](Self::observe), [`snapshot`](Self::snapshot), [`handle`](Self::handle), [`len`](Self::len), [`now`](Self::now) |
/// | end idle sessions | [`cleanup_idle`](Self::cleanup_idle), [`claim_idle`](Self::claim_idle), [`touch`](Self::touch), [`keep_alive`](Self::keep_alive) |
/// | end or replace any session | [`Turn::vacate`](crate::Turn::vacate), [`replace`](Self::replace), [`remove`](Self::remove) |
/// | reach or dismiss a call | [`enter_with`](Self::enter_with), [`caller`](Self::caller), [`withdraw`](Self::withdraw), [`dismiss`](Self::dismiss) |
/// | set limits | [`builder`](Self::builder) |
/// | shut down | [`drain`](Self::drain), [`close`](Self::close), [`is_closed`](Self::is_closed) |
///
/// # Details
///
/// A registry is cheap to clone, and clones share the sessions. An [`Enter`] that waits, a [`Drain`](crate::Drain) and
/// a [`ClaimIdle`](crate::ClaimIdle) count as clones. When the last clone is dropped, idle sessions are dropped and the
/// turns that are still held are superseded: they can finish, and then their sessions are dropped.
///
/// No call holds a lock while your code runs, with one exception: [`ToKey::is_key`] runs under the lock of one shard of
/// the map. A call that waits says so on its page. Every other call returns after a bounded number of steps under a lock.
pub struct Registry<K, V, H = (), S = DefaultHasher> {
    shards: Arc<Shards<K, V, H>>,
    hasher: Arc<S>,
}

impl<K, V, H, S> Registry<K, V, H, S> {
    pub(crate) fn from_parts(shards: Shards<K, V, H>, hasher: S) -> Self {
        Self {
            shards: Arc::new(shards),
            hasher: Arc::new(hasher),
        }
    }

    pub(crate) fn shards(&self) -> &Arc<Shards<K, V, H>> {
        &self.shards
    }
}

/// The result of an arrival.
pub(crate) enum Arrived<K, V, H> {
    /// The caller has the turn, or the vacancy if there is no session.
    /// In the order of their drops, should a panic come between.
    Held(Option<Box<V>>, Hold<K, V, H>),
    Enter(Enter<K, V, H>),
    Busy,
}

impl<K, V, H, S: BuildHasher> Registry<K, V, H, S> {
    /// Waits for the turn of a key. Resolves to an [`Entry`]: the turn, or a vacancy if the key has no session yet.
    /// [`Entry::or_insert_with`] and [`Entry::or_start`] start the session in that case.
    ///
    /// The call itself takes the position in the queue; the future only waits.
    ///
    /// ```
    /// # async fn example() -> Result<(), turnwise::EnterError> {
    /// let sessions: turnwise::Registry<String, Vec<String>> = turnwise::Registry::new();
    ///
    /// let mut turn = sessions.enter("chat-42").await?.or_insert_with(Vec::new);
    /// turn.push("hello".to_owned());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`QueueFull`](EnterError::QueueFull), [`RegistryFull`](EnterError::RegistryFull) or [`Closed`](EnterError::Closed) if
    /// the call is refused. [`Dismissed`](EnterError::Dismissed) or `Closed` if it loses its position while it waits.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the queue. A turn that was already granted passes to the next caller.
    ///
    /// # Performance
    ///
    /// A free session is taken in the call, without an allocation and without [`ToKey::to_key`]. Its turn takes eight atomic
    /// read-modify-writes from start to end: two on the map lock, four on the slot lock, two on a reference count.
    #[inline(always)]
    pub fn enter<Q: ?Sized + ToKey<K>>(&self, key: &Q) -> Enter<K, V, H> {
        self.enter_at(key, Priority::Normal)
    }

    /// Blocks this thread until it has the turn of a key, in the same queue as [`enter`](Self::enter). Not for threads of an async runtime.
    ///
    /// ```
    /// let sessions: turnwise::Registry<String, u32> = turnwise::Registry::new();
    ///
    /// let mut turn = sessions.enter_blocking("chat-42")?.or_insert(0);
    /// *turn += 1;
    /// # Ok::<(), turnwise::EnterError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`enter`](Self::enter).
    #[inline(always)]
    pub fn enter_blocking<Q: ?Sized + ToKey<K>>(
        &self,
        key: &Q,
    ) -> Result<Entry<K, V, H>, EnterError> {
        self.enter_or_wait(key)
    }

    /// Takes the turn or the vacancy of a key if it is free now. Never waits.
    ///
    /// # Errors
    ///
    /// [`TryEnterError::Busy`] if another caller holds the slot or was granted it; `Closed` and `RegistryFull` as for
    /// [`enter`](Self::enter).
    pub fn try_enter<Q: ?Sized + ToKey<K>>(
        &self,
        key: &Q,
    ) -> Result<Entry<K, V, H>, TryEnterError> {
        let arrival = self.arrival(key, Priority::Normal, false);
        match self.arrive(key, arrival, &mut Nothing) {
            Ok(Arrived::Held(session, hold)) => Ok(Entry::new(hold, session)),
            Ok(Arrived::Enter(_) | Arrived::Busy) => Err(TryEnterError::Busy),
            Err(EnterError::RegistryFull) => Err(TryEnterError::RegistryFull),
            Err(_) => Err(TryEnterError::Closed),
        }
    }

    /// Like [`enter`](Self::enter), but returns `None` for an absent key instead of making a slot for it. If the
    /// session ends while the call waits, the entry is a vacancy.
    ///
    /// # Errors
    ///
    /// Those of [`enter`](Self::enter), from the `Enter`.
    pub fn enter_existing<Q: ?Sized + ToKey<K>>(&self, key: &Q) -> Option<Enter<K, V, H>> {
        let arrival = self.arrival(key, Priority::Normal, true);
        let arrived = self.arrive_present(key, arrival, &mut Nothing)?;
        Some(Self::to_enter(arrived))
    }

    /// Like [`enter`](Self::enter), but in the high-priority queue, which is served before the normal one and is FIFO
    /// too. A full queue does not refuse the call. Use it for calls that must not wait behind ordinary turns,
    /// such as a stop.
    ///
    /// # Errors
    ///
    /// Those of [`enter`](Self::enter), except `QueueFull`.
    pub fn enter_first<Q: ?Sized + ToKey<K>>(&self, key: &Q) -> Enter<K, V, H> {
        self.enter_at(key, Priority::High)
    }

    /// Like [`enter`](Self::enter), with a handle that others find by [`caller`](Self::caller). The handle can be found from
    /// this call to the end of the turn, and is dropped then.
    ///
    /// ```
    /// use std::sync::{Arc, atomic::{AtomicBool, Ordering}};
    /// use turnwise::{EnterError, Registry};
    ///
    /// let sessions: Registry<String, u32, AtomicBool> = Registry::builder().build();
    /// let turn = sessions.enter_blocking("a")?.or_insert(1);
    ///
    /// let queued = sessions.enter_with("a", Arc::new(AtomicBool::new(false)));
    /// let ticket = queued.ticket().expect("open");
    ///
    /// // Whoever has the ticket of a call can reach it.
    /// let (_, cancelled) = sessions.caller("a", Some(ticket)).expect("it waits");
    /// cancelled.store(true, Ordering::Relaxed);
    /// assert!(sessions.withdraw("a", ticket));
    /// assert_eq!(queued.wait().unwrap_err(), EnterError::Dismissed);
    /// # drop(turn);
    /// # Ok::<(), EnterError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`enter`](Self::enter).
    pub fn enter_with<Q: ?Sized + ToKey<K>>(&self, key: &Q, handle: Arc<H>) -> Enter<K, V, H> {
        let arrival = self.arrival(key, Priority::Normal, true);
        Self::to_enter(self.arrive(key, arrival, &mut Some(handle)))
    }

    /// Gives the key to a new slot at once, whatever its session is doing. Returns the new slot's vacancy, and what was
    /// in the old slot. Use it for a session that hangs.
    ///
    /// The queue moves to the new slot. A holder of the old slot is *superseded*: its key has been given to another
    /// session, and it can no longer change the map. An absent key gets a slot.
    ///
    /// ```
    /// use turnwise::{Old, Registry, Turn};
    ///
    /// let sessions: Registry<String, &str> = Registry::new();
    /// let hung = sessions.enter_blocking("a")?.or_insert("old");
    ///
    /// let replaced = sessions.replace("a")?;
    /// assert!(matches!(replaced.old, Some(Old::Held(_))));
    /// let turn = replaced.vacancy.fill("new");
    ///
    /// assert!(!Turn::is_current(&hung));
    /// drop(hung); // its session is dropped; the new one stays
    /// assert_eq!(*turn, "new");
    /// # Ok::<(), turnwise::EnterError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`EnterError::Closed`] if the registry is closed. [`EnterError::RegistryFull`] if the key is absent and the limit is reached.
    pub fn replace<Q: ?Sized + ToKey<K>>(&self, key: &Q) -> Result<Replaced<K, V, H>, EnterError> {
        let replaced = self.succeed(key, Purpose::Replace)?;
        Ok(replaced.expect("an absent key gets a slot"))
    }

    /// Removes the session of a key at once, whatever it is doing, and returns it or a future for its release. Queued callers get the next
    /// incarnation. Returns `None` if the key has no slot, or only a vacancy that was granted to a queued call and not yet taken.
    ///
    /// This is [`replace`](Self::replace), with the vacancy dropped.
    pub fn remove<Q: ?Sized + ToKey<K>>(&self, key: &Q) -> Option<Old<K, V, H>> {
        self.with(key, |_| ())?;
        // Between this check and the write lock the slot may leave the map. Then nothing is removed, and no slot is made.
        let replaced = self.succeed(key, Purpose::Remove);
        let Replaced { old, vacancy } = replaced.expect("only an insertion is refused")?;
        drop(vacancy);
        old
    }

    fn succeed<Q: ?Sized + ToKey<K>>(
        &self,
        key: &Q,
        purpose: Purpose,
    ) -> Result<Option<Replaced<K, V, H>>, EnterError> {
        let hash = self.hash(key);
        let mut made = Some(key.to_key());
        let now = self.now();
        let shard = self.shards.of(hash);
        let is_it = |slot: &Arc<Slot<K, V, H>>| key.is_key(&slot.key);
        let succession = Shard::replace(shard, hash, is_it, |_| true, &mut made, purpose, now)?;
        Ok(succession.map(Replaced::new))
    }

    #[inline]
    pub(crate) fn hash<Q: ?Sized + ToKey<K>>(&self, key: &Q) -> u64 {
        self.hasher.hash_one(key)
    }
}

/// A panic in user code leaves the registry consistent: see each call.
impl<K, V, H, S> UnwindSafe for Registry<K, V, H, S> {}
impl<K, V, H, S> RefUnwindSafe for Registry<K, V, H, S> {}

impl<K, V, H, S> Clone for Registry<K, V, H, S> {
    fn clone(&self) -> Self {
        Self {
            shards: Arc::clone(&self.shards),
            hasher: Arc::clone(&self.hasher),
        }
    }
}

impl<K, V, H, S> fmt::Debug for Registry<K, V, H, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry")
            .field("len", &self.len())
            .field("closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}
