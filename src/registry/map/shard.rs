//! One shard of the map, behind its map lock: how slots enter it and are replaced.

use crate::{
    Clock, EnterError, Incarnation, Tick, Ticket, ToKey,
    registry::{
        map::{common::Common, lru::Lru},
        slot::{
            leaves::Leaves,
            outcome::{Entered, Legacy},
            queue::Priority,
            state::{self, Locked},
        },
    },
    sync::Arc,
};
use crossbeam_utils::CachePadded;
use hashbrown::HashTable;
use parking_lot::RwLock;
use std::{collections::BTreeMap, mem};

/// The session is boxed: moving it between the slot and its holder moves one word, whatever its size.
pub(crate) type Slot<K, V, H> = state::Slot<K, Box<V>, H, Shard<K, V, H>>;

/// The list of idle sessions.
pub(crate) type Idle<K, V, H> = Lru<K, Box<V>, H, Shard<K, V, H>>;

/// One part of the map, on cache lines of its own.
pub(crate) struct Shard<K, V, H> {
    pub(crate) map: CachePadded<RwLock<Map<K, V, H>>>,
    /// The registry's clock. Stored here so that a guard finds it by its slot.
    clock: Clock,
    pub(crate) common: Arc<Common>,
    /// The same in all shards; there if the registry lists its idle sessions.
    pub(crate) lru: Option<Arc<Idle<K, V, H>>>,
}

/// The state under the map lock. The lock is held for a bounded number of steps, also by a scan. One slot lock may be taken
/// under it. The only user code under it is `ToKey::is_key`.
pub(crate) struct Map<K, V, H> {
    pub(crate) table: HashTable<Arc<Slot<K, V, H>>>,
    /// How often the table may have moved its slots to other buckets.
    pub(crate) moves: u64,
    /// Superseded slots that are still held, by address.
    pub(crate) departing: BTreeMap<usize, Arc<Slot<K, V, H>>>,
    next_queue: u64,
    /// At least the next ticket of every slot that has left.
    pub(crate) next_ticket: Ticket,
    /// The next incarnation. Those of different shards interleave, so that no number is drawn twice.
    pub(crate) next_number: u64,
    pub(crate) stride: u64,
}

/// How a call arrives.
#[derive(Clone, Copy)]
pub(crate) struct Arrival {
    pub(crate) priority: Priority,
    /// It may wait in the queue.
    pub(crate) wait: bool,
    pub(crate) now: Tick,
    pub(crate) hash: u64,
}

/// The result of a replacement.
pub(crate) struct Succession<K, V, H> {
    /// The new slot. The caller has its vacancy.
    pub(crate) slot: Arc<Slot<K, V, H>>,
    /// The old slot, if there was one.
    pub(crate) old: Option<(Arc<Slot<K, V, H>>, Remains<V, H>)>,
}

/// What is left in a superseded slot after its queue has moved.
pub(crate) struct Remains<V, H> {
    pub(crate) session: Option<Box<V>>,
    /// To be dropped outside the locks.
    pub(crate) handle: Option<Arc<H>>,
    pub(crate) held: bool,
}

impl<K, V, H> Shard<K, V, H> {
    /// Its incarnations begin with `first`, in steps of `stride`.
    pub(crate) fn new(
        first: u64,
        stride: u64,
        common: Arc<Common>,
        lru: Option<Arc<Idle<K, V, H>>>,
    ) -> Self {
        let map = Map {
            table: HashTable::new(),
            moves: 0,
            departing: BTreeMap::new(),
            next_queue: 0,
            next_ticket: Ticket::FIRST,
            next_number: first,
            stride,
        };
        Self {
            map: CachePadded::new(RwLock::new(map)),
            clock: common.clock.clone(),
            common,
            lru,
        }
    }

    #[inline]
    #[track_caller]
    pub(crate) fn read<R>(&self, look: impl FnOnce(&Map<K, V, H>) -> R) -> R {
        look(&self.map.read())
    }

    pub(crate) fn common(&self) -> &Common {
        &self.common
    }

    #[inline]
    pub(crate) fn now(&self) -> Tick {
        self.clock.now()
    }

    pub(crate) fn lru(&self) -> Option<&Idle<K, V, H>> {
        self.lru.as_deref()
    }

    /// Takes the turn of an idle session. The map lock is held, so the slot is current.
    #[inline(always)]
    pub(crate) fn take_free<const STANDS: bool>(
        &self,
        slot: &Arc<Slot<K, V, H>>,
        now: Tick,
    ) -> Option<Box<V>> {
        let mut locked = slot.lock();
        if self.common.closed() {
            return None;
        }
        if STANDS {
            locked.take_standing(now)
        } else {
            locked.take_free(now)
        }
    }

    /// A call arrives at a slot in the map. The map lock is held, so the slot is current.
    #[inline]
    pub(crate) fn enter(
        &self,
        slot: &Arc<Slot<K, V, H>>,
        arrival: Arrival,
        caller: &mut impl Leaves<H>,
    ) -> Entered<Box<V>> {
        self.enter_locked(&mut slot.lock(), arrival, caller)
    }

    #[inline]
    pub(crate) fn enter_locked(
        &self,
        locked: &mut Locked<'_, Box<V>, H>,
        arrival: Arrival,
        caller: &mut impl Leaves<H>,
    ) -> Entered<Box<V>> {
        if self.common.closed() {
            return Entered::Closed;
        }
        let limit = arrival.wait.then_some(match arrival.priority {
            // A full queue does not refuse a call that ends the session.
            Priority::High => usize::MAX,
            Priority::First | Priority::Normal => self.common.limits.waiting,
        });
        locked.enter(arrival.priority, limit, caller, arrival.now)
    }

    /// A call arrives at a key that was absent a moment ago. If the key has come before this write lock, the call enters
    /// there. `key` is taken if a slot is inserted, `caller` if there is a place; what is left is dropped after the lock.
    pub(crate) fn enter_absent<Q: ?Sized + ToKey<K>>(
        this: &Arc<Self>,
        query: &Q,
        key: &mut Option<K>,
        arrival: Arrival,
        caller: &mut impl Leaves<H>,
    ) -> Result<(Arc<Slot<K, V, H>>, Entered<Box<V>>), EnterError> {
        let hash = arrival.hash;
        let mut map = this.map.write();
        let map = &mut *map;
        match map.table.find(hash, |slot| query.is_key(&slot.key)) {
            Some(slot) => Ok((Arc::clone(slot), this.enter(slot, arrival, caller))),
            None => {
                let mut slot = Self::admit(this, map, hash, key, arrival.now)?;
                slot.set_caller(caller.take());
                Ok((Self::insert(map, hash, slot), Entered::Held(None)))
            }
        }
    }

    /// Makes a slot for an absent key, if the registry is open and has room. Only then is `key` taken.
    fn admit(
        this: &Arc<Self>,
        map: &mut Map<K, V, H>,
        hash: u64,
        key: &mut Option<K>,
        now: Tick,
    ) -> Result<Slot<K, V, H>, EnterError> {
        if this.common.closed() {
            return Err(EnterError::Closed);
        }
        if !this.common.count_in() {
            return Err(EnterError::RegistryFull);
        }
        let key = key.take().expect("the key was made before the lock");
        let queue = map.next_queue;
        map.next_queue += 1;
        let queue = (queue, None, map.next_ticket);
        let home = (Arc::clone(this), this.lru.is_some());
        Ok(Slot::new((key, hash), queue, home, map.draw(), now))
    }

    fn insert(map: &mut Map<K, V, H>, hash: u64, slot: Slot<K, V, H>) -> Arc<Slot<K, V, H>> {
        let slot = Arc::new(slot);
        if map.table.len() == map.table.capacity() {
            map.moves += 1;
        }
        map.table
            .insert_unique(hash, Arc::clone(&slot), |held| held.hash);
        slot
    }

    /// Swaps the slot in the map for a new one, whose vacancy the caller has, and marks the old one superseded. Both happen
    /// in one critical section, under the map's write lock and then the old slot's. The queue, and a grant that was not
    /// taken, move into the new slot before its mutex is made, so two slots are never locked at once.
    ///
    /// `chosen` decides under the slot lock whether this slot is meant. `key` becomes the new slot's, and is then `None`.
    pub(crate) fn replace(
        this: &Arc<Self>,
        hash: u64,
        is_it: impl Fn(&Arc<Slot<K, V, H>>) -> bool,
        chosen: impl FnOnce(&Locked<'_, Box<V>, H>) -> bool,
        key: &mut Option<K>,
        purpose: Purpose,
        now: Tick,
    ) -> Result<Option<Succession<K, V, H>>, EnterError> {
        let mut map = this.map.write();
        let map = &mut *map;
        let Some(held) = map.table.find_mut(hash, is_it) else {
            if purpose != Purpose::Replace {
                return Ok(None);
            }
            let slot = Self::admit(this, map, hash, key, now)?;
            let slot = Self::insert(map, hash, slot);
            return Ok(Some(Succession { slot, old: None }));
        };
        let mut locked = held.lock();
        if !chosen(&locked) {
            return Ok(None);
        }
        if purpose != Purpose::Remove && this.common.closed() {
            return Err(EnterError::Closed);
        }
        let Legacy {
            queue,
            next_ticket,
            session,
            handle,
            held: holder,
        } = locked.supersede();
        let key = key.take().expect("the key was made before the lock");
        let queue = (held.queue, queue, next_ticket);
        let home = (Arc::clone(this), this.lru.is_some());
        let number = draw(&mut map.next_number, map.stride);
        let number = number.after(locked.board.last_number());
        // The old slot's hash: by it the queue finds the new slot, even if the key hashes differently now.
        let slot = Slot::new((key, held.hash), queue, home, number, now);
        drop(locked);
        let slot = Arc::new(slot);
        let old = mem::replace(held, Arc::clone(&slot));
        if holder {
            map.departing
                .insert(Arc::as_ptr(&old).addr(), Arc::clone(&old));
        }
        let remains = Remains {
            session,
            handle,
            held: holder,
        };
        Ok(Some(Succession {
            slot,
            old: Some((old, remains)),
        }))
    }
}

/// The purpose of a replacement. A removal is a replacement whose vacancy is dropped.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Of a key. An absent one gets a slot. Refused when the registry is closed.
    Replace,
    /// Of an observed slot. Does nothing if that is not there any more. Refused when the registry is closed.
    ReplaceSeen,
    /// Of a key or an observed slot, even when the registry is closed. What is absent stays absent.
    Remove,
}

impl<K, V, H> Map<K, V, H> {
    /// Draws the number of an incarnation.
    pub(crate) fn draw(&mut self) -> Incarnation {
        draw(&mut self.next_number, self.stride)
    }

    #[inline]
    pub(crate) fn find<Q: ?Sized + ToKey<K>>(
        &self,
        hash: u64,
        query: &Q,
    ) -> Option<&Arc<Slot<K, V, H>>> {
        self.table.find(hash, |slot| query.is_key(&slot.key))
    }

    /// The current slot of a queue: its slots follow each other by replacement.
    pub(crate) fn find_queue(&self, hash: u64, queue: u64) -> Option<&Arc<Slot<K, V, H>>> {
        self.table.find(hash, |slot| slot.queue == queue)
    }
}

/// Of a map of which another part is borrowed.
pub(crate) fn draw(next: &mut u64, stride: u64) -> Incarnation {
    let number = Incarnation(*next);
    *next += stride;
    number
}
