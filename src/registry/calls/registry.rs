//! The registry: every call that names a key.

use crate::{
    Enter, EnterError, Entry, Old, Replaced, Tick, ToKey, TryEnterError,
    registry::{
        guards::{enter::Queued, hold::Hold},
        map::{
            shard::{Arrival, Purpose, Shard, Slot},
            shards::Shards,
        },
        slot::{
            leaves::{Leaves, Nothing},
            outcome::Entered,
            queue::Priority,
        },
    },
    sync::{Arc, RandomState},
};
use std::{
    fmt,
    hash::BuildHasher,
    panic::{RefUnwindSafe, UnwindSafe},
};

/// The hasher of keys by default: std's, randomly seeded, so that nobody can choose keys that collide.
pub type DefaultHasher = RandomState;

/// A registry that gives every session one turn at a time.
///
/// Keys `K` have sessions `V`. Whoever [enters](Self::enter) a key gets its turn, or the right to start its session; those
/// who come later stand in a queue, first in, first out, futures and threads alike. Status, snapshot and the search for
/// idle sessions never wait for a turn. `H` is the type of the [handles](Self::handle) that a holder may leave for others.
///
/// It is a cheap handle itself: clones share the sessions. When the last clone goes (an [`Enter`] that waits, a
/// [`Drain`](crate::Drain) and a [`ClaimIdle`](crate::ClaimIdle) count as one), sessions idle are dropped, and turns that are still held are superseded.
///
/// No call holds a lock while user code runs, except that [`ToKey::is_key`] runs under the lock of one shard of the map.
/// No call blocks for longer than a bounded number of steps under a lock, except those that say that they wait.
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

    /// This moment, by the registry's clock.
    pub fn now(&self) -> Tick {
        self.shards.common().clock.now()
    }

    /// No newcomer from now on. Entries that wait, or were granted and have not looked, get [`EnterError::Closed`]; when
    /// this returns nobody is granted any more. Turns, starts and closes that are held go on. Sessions idle stay, for
    /// [`drain`](Self::drain), [`cleanup_idle`](Self::cleanup_idle) or the last drop of the registry.
    ///
    /// To close again changes nothing but that a [`drain`](Self::drain) looks anew.
    pub fn close(&self) {
        self.shards.close(self.now());
    }

    /// True once [`close`](Self::close) was called.
    pub fn is_closed(&self) -> bool {
        self.shards.common().closed()
    }
}

impl<K, V, H, S: BuildHasher> Registry<K, V, H, S> {
    /// Joins the queue of a key. The place is taken now, in the call; the future only waits. A free session is granted in
    /// the call; an absent key gets a slot, and its vacancy is granted.
    ///
    /// For a free session it allocates nothing and does not call [`ToKey::to_key`]. Such a turn, to its end, takes ten atomic
    /// read-modify-writes: two of the map lock, three times two of the slot lock, two of the guard's reference.
    ///
    /// # Errors
    ///
    /// The future's: [`EnterError`]. A full queue, a full or a closed registry refuse in the call; `Dismissed`, and `Closed`
    /// by a later close, may come while it waits.
    ///
    /// ```
    /// # async fn example() -> Result<(), turnwise::EnterError> {
    /// let sessions: turnwise::Registry<String, Vec<String>> = turnwise::Registry::new();
    ///
    /// let mut turn = sessions.enter("chat-42").await?.or_insert_with(Vec::new);
    /// turn.push("hello".to_owned());
    /// # Ok(()) }
    /// ```
    #[inline]
    pub fn enter<Q: ?Sized + ToKey<K>>(&self, key: &Q) -> Enter<K, V, H> {
        self.enter_at(key, Priority::Normal, &mut Nothing)
    }

    /// As [`enter`](Self::enter), and leaves a handle for others to reach by [`caller`](Self::caller): from this call on, while it
    /// waits, and to the end of the turn. It is dropped then.
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
    /// // Anyone who knows the number of the call reaches it, wherever it is.
    /// let (_, cancelled) = sessions.caller("a", Some(ticket)).expect("it waits");
    /// cancelled.store(true, Ordering::Relaxed);
    /// assert!(sessions.withdraw("a", ticket));
    /// assert_eq!(queued.wait().unwrap_err(), EnterError::Dismissed);
    /// # drop(turn);
    /// # Ok::<(), EnterError>(())
    /// ```
    pub fn enter_with<Q: ?Sized + ToKey<K>>(&self, key: &Q, handle: Arc<H>) -> Enter<K, V, H> {
        self.enter_at(key, Priority::Normal, &mut Some(handle))
    }

    /// As [`enter`](Self::enter), but ahead of the queue; in order among those who do so. For stop and restart: a full queue
    /// does not refuse it.
    pub fn enter_first<Q: ?Sized + ToKey<K>>(&self, key: &Q) -> Enter<K, V, H> {
        self.enter_at(key, Priority::High, &mut Nothing)
    }

    /// As [`enter`](Self::enter) and [`Enter::wait`]: waits with this thread. A free session is held in the call: eight atomic
    /// read-modify-writes to the end of the turn instead of ten.
    ///
    /// # Errors
    ///
    /// [`EnterError`].
    ///
    /// ```
    /// let sessions: turnwise::Registry<String, u32> = turnwise::Registry::new();
    ///
    /// let mut turn = sessions.enter_blocking("chat-42")?.or_insert(0);
    /// *turn += 1;
    /// # Ok::<(), turnwise::EnterError>(())
    /// ```
    #[inline]
    pub fn enter_blocking<Q: ?Sized + ToKey<K>>(
        &self,
        key: &Q,
    ) -> Result<Entry<K, V, H>, EnterError> {
        match self.arrive(
            key,
            self.arrival(Priority::Normal, true, true),
            &mut Nothing,
        )? {
            Arrived::Entry(entry) => Ok(entry),
            Arrived::Enter(enter) => enter.wait(),
            Arrived::Busy => unreachable!("who may wait is not turned away as busy"),
        }
    }

    /// As [`enter`](Self::enter), but an absent key stays absent: a question about an unknown key makes no slot. (A session
    /// that ends while this waits still gives a vacancy: its key was there.)
    pub fn enter_existing<Q: ?Sized + ToKey<K>>(&self, key: &Q) -> Option<Enter<K, V, H>> {
        let arrival = self.arrival(Priority::Normal, false, true);
        let (slot, entered) = self.arrive_present(key, self.hash(key), arrival, &mut Nothing)?;
        Some(Self::to_enter(self.arrived(slot, entered)))
    }

    /// The turn, or the vacancy, at once.
    ///
    /// # Errors
    ///
    /// [`TryEnterError::Busy`] if somebody holds the slot or was granted it.
    pub fn try_enter<Q: ?Sized + ToKey<K>>(
        &self,
        key: &Q,
    ) -> Result<Entry<K, V, H>, TryEnterError> {
        match self.arrive(
            key,
            self.arrival(Priority::Normal, true, false),
            &mut Nothing,
        ) {
            Ok(Arrived::Entry(entry)) => Ok(entry),
            Ok(Arrived::Enter(_) | Arrived::Busy) => Err(TryEnterError::Busy),
            Err(EnterError::RegistryFull) => Err(TryEnterError::RegistryFull),
            Err(_) => Err(TryEnterError::Closed),
        }
    }

    /// Puts a new slot in the place of the key's, at once, whatever happens to the session there; the caller holds its
    /// vacancy, and the queue waits behind it. Who holds the old slot is superseded: nothing it does touches the map any
    /// more. For an absent key it makes a slot.
    ///
    /// # Errors
    ///
    /// [`EnterError::Closed`]; and [`EnterError::RegistryFull`] if the key is absent.
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
    pub fn replace<Q: ?Sized + ToKey<K>>(&self, key: &Q) -> Result<Replaced<K, V, H>, EnterError> {
        let replaced = self.succeed(key, Purpose::Replace)?;
        Ok(replaced.expect("an absent key gets a slot"))
    }

    /// Takes the key's session out of the registry, whatever happens to it: [`replace`](Self::replace), and the vacancy
    /// dropped, so those in the queue get the next incarnation. `None` if the key has no slot, or only a start that was granted
    /// and that nobody has taken up.
    pub fn remove<Q: ?Sized + ToKey<K>>(&self, key: &Q) -> Option<Old<K, V, H>> {
        self.with(key, |_| ())?;
        // Between this look and the write lock, the slot may leave: then there is nothing to remove, and none is made.
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

    #[inline]
    pub(crate) fn arrival(&self, priority: Priority, take: bool, wait: bool) -> Arrival {
        Arrival {
            priority,
            take,
            wait,
            now: self.now(),
        }
    }

    #[inline]
    fn enter_at<Q: ?Sized + ToKey<K>>(
        &self,
        key: &Q,
        priority: Priority,
        handle: &mut impl Leaves<H>,
    ) -> Enter<K, V, H> {
        Self::to_enter(self.arrive(key, self.arrival(priority, false, true), handle))
    }

    #[inline(always)]
    pub(crate) fn to_enter(arrived: Result<Arrived<K, V, H>, EnterError>) -> Enter<K, V, H> {
        match arrived {
            Ok(Arrived::Enter(enter)) => enter,
            Ok(Arrived::Entry(_) | Arrived::Busy) => {
                unreachable!("who waits is granted or stands in the queue")
            }
            Err(error) => Enter::refused(error),
        }
    }

    /// Arrives at the slot of a key; an absent key gets one.
    ///
    /// Inlined with what follows it, so that of all that can come only what can come there is made: moving the larger of
    /// these types costs more than the locks.
    #[inline(always)]
    pub(crate) fn arrive<Q: ?Sized + ToKey<K>>(
        &self,
        key: &Q,
        arrival: Arrival,
        handle: &mut impl Leaves<H>,
    ) -> Result<Arrived<K, V, H>, EnterError> {
        let hash = self.hash(key);
        match self.arrive_present(key, hash, arrival, handle) {
            Some((slot, entered)) => self.arrived(slot, entered),
            None => self.arrive_absent(key, hash, arrival, handle),
        }
    }

    /// Arrives at a slot that is in the map: it is current while the map's lock is held.
    #[inline]
    fn arrive_present<Q: ?Sized + ToKey<K>>(
        &self,
        key: &Q,
        hash: u64,
        arrival: Arrival,
        handle: &mut impl Leaves<H>,
    ) -> Option<(Arc<Slot<K, V, H>>, Entered<Box<V>>)> {
        let shard = self.shards.of(hash);
        shard.read(|map| {
            let slot = map.find(hash, key)?;
            let entered = shard.enter(slot, arrival, handle);
            Some((Arc::clone(slot), entered))
        })
    }

    #[cold]
    fn arrive_absent<Q: ?Sized + ToKey<K>>(
        &self,
        key: &Q,
        hash: u64,
        arrival: Arrival,
        handle: &mut impl Leaves<H>,
    ) -> Result<Arrived<K, V, H>, EnterError> {
        let mut made = Some(key.to_key());
        let shard = self.shards.of(hash);
        let entered = Shard::enter_absent(shard, key, hash, &mut made, arrival, handle);
        let arrived = entered.and_then(|(slot, entered)| self.arrived(slot, entered));
        // A key that was not needed is dropped when nothing can be lost by a panic in it.
        drop(made);
        arrived
    }

    #[inline(always)]
    pub(crate) fn arrived(
        &self,
        slot: Arc<Slot<K, V, H>>,
        entered: Entered<Box<V>>,
    ) -> Result<Arrived<K, V, H>, EnterError> {
        match entered {
            Entered::Held(session) => Ok(Arrived::Entry(Entry::new(Hold::new(slot), session))),
            Entered::Granted(place) => {
                let queue = Queued::new(slot, place, false);
                Ok(Arrived::Enter(Enter::granted(queue)))
            }
            Entered::Queued(place) => {
                let queue = Queued::new(slot, place, true);
                Ok(Arrived::Enter(Enter::waiting(queue, &self.shards)))
            }
            Entered::Busy => Ok(Arrived::Busy),
            Entered::QueueFull => Err(EnterError::QueueFull),
            Entered::Closed => Err(EnterError::Closed),
        }
    }
}

/// An entry that has arrived.
pub(crate) enum Arrived<K, V, H> {
    Entry(Entry<K, V, H>),
    Enter(Enter<K, V, H>),
    Busy,
}

/// A panic in user code leaves the registry as consistent as before: see each call.
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
