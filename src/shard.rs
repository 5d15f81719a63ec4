//! The map in shards, each behind its map lock: how slots come into it, are replaced, and leave it.

use crate::{
    EnterError, Incarnation, Tick, ToKey,
    line::{Lane, Line, Place},
    slot::{self, Holding, Locked},
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    transitions::{Entered, Legacy},
    wake::{each, raise, wake_all},
};
use crossbeam_utils::CachePadded;
use hashbrown::HashTable;
use parking_lot::RwLock;
use std::{mem, task::Waker};

/// The session is in a box: it moves from the slot to its holder and back by one word, whatever its size.
pub(crate) type Slot<K, V, H> = slot::Slot<K, Box<V>, H, Shard<K, V, H>>;

/// All shards of a registry. Registries, waiting entries and iterators share it; guards and granted entries do not.
pub(crate) struct Shards<K, V, H> {
    all: Box<[Arc<Shard<K, V, H>>]>,
    common: Arc<Common>,
}

/// What all shards share. Read often, written by `close`, and counted in only if `max_sessions` is set.
pub(crate) struct Common {
    closed: AtomicBool,
    slots: AtomicUsize,
    limits: Limits,
}

/// What a builder may limit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) sessions: Option<usize>,
    pub(crate) waiting: usize,
}

/// One part of the map. On cache lines of its own.
pub(crate) struct Shard<K, V, H> {
    map: CachePadded<RwLock<Map<K, V, H>>>,
    /// The last number drawn here; numbers of different shards interleave, so that none is drawn twice.
    numbers: AtomicU64,
    stride: u64,
    common: Arc<Common>,
}

/// What the map lock guards. Held for a bounded number of steps; scans are linear in one shard. Under it, one slot lock may
/// be taken. The only user code under it is `ToKey::is_key`.
pub(crate) struct Map<K, V, H> {
    pub(crate) table: HashTable<Arc<Slot<K, V, H>>>,
    /// Superseded slots whose holders have not let go.
    pub(crate) departing: Vec<Arc<Slot<K, V, H>>>,
    next_line: u64,
    /// Higher than every ticket of a slot that has left.
    next_ticket: u64,
}

/// How an `Enter` arrives.
#[derive(Clone, Copy)]
pub(crate) struct Arrival {
    pub(crate) lane: Lane,
    /// It looks at once: what is free is held, not granted.
    pub(crate) take: bool,
    /// It may stand in the line.
    pub(crate) wait: bool,
    pub(crate) now: Tick,
}

/// What a replacement did.
pub(crate) struct Succession<K, V, H> {
    /// The new slot, and its vacancy.
    pub(crate) slot: Arc<Slot<K, V, H>>,
    pub(crate) holding: Holding<Box<V>>,
    /// The old slot, if there was one.
    pub(crate) old: Option<(Arc<Slot<K, V, H>>, Remains<V, H>)>,
}

/// What is left of a superseded slot after its line has moved.
pub(crate) struct Remains<V, H> {
    pub(crate) session: Option<Box<V>>,
    /// To be dropped outside the locks.
    pub(crate) handle: Option<Arc<H>>,
    pub(crate) held: bool,
}

impl Common {
    /// Read under the lock that decides: the slot lock for a grant or a place in a line, the map's write lock for a slot.
    #[inline]
    pub(crate) fn closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Under the shard's write lock, once the key is known to be absent.
    fn count_in(&self) -> bool {
        let Some(most) = self.limits.sessions else {
            return true;
        };
        let room = |slots| (slots < most).then_some(slots + 1);
        self.slots
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, room)
            .is_ok()
    }

    /// How many slots were counted in and not out, if they are counted.
    pub(crate) fn counted(&self) -> Option<usize> {
        let limited = self.limits.sessions.is_some();
        limited.then(|| self.slots.load(Ordering::Relaxed))
    }

    fn count_out(&self) {
        if self.limits.sessions.is_some() {
            self.slots.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl<K, V, H> Shards<K, V, H> {
    /// `count` is a power of two; `first` is the first number of an incarnation.
    pub(crate) fn new(count: usize, first: u64, limits: Limits) -> Self {
        let common = Arc::new(Common {
            closed: AtomicBool::new(false),
            slots: AtomicUsize::new(0),
            limits,
        });
        let shard = |index: usize| {
            Arc::new(Shard {
                map: CachePadded::new(RwLock::new(Map {
                    table: HashTable::new(),
                    departing: Vec::new(),
                    next_line: 0,
                    next_ticket: 1,
                })),
                numbers: AtomicU64::new(first + index as u64),
                stride: count as u64,
                common: Arc::clone(&common),
            })
        };
        Self {
            all: (0..count).map(shard).collect(),
            common,
        }
    }

    /// The map takes its buckets from the hash's low bits and its tags from the highest: these are from between.
    #[inline]
    pub(crate) fn of(&self, hash: u64) -> &Arc<Shard<K, V, H>> {
        &self.all[(hash >> 40) as usize & (self.all.len() - 1)]
    }

    pub(crate) fn all(&self) -> &[Arc<Shard<K, V, H>>] {
        &self.all
    }

    pub(crate) fn common(&self) -> &Common {
        &self.common
    }

    /// No newcomer from now on: one store, which every grant, place and insertion reads under the lock that decides it.
    /// Then each line is sent away and each grant that nobody has looked at is revoked.
    ///
    /// Between the store and a shard's sweep, somebody who read the flag before may still join a line or insert a slot
    /// there: that was under a lock which the sweep takes later, and it is found. Whoever takes that lock after the sweep
    /// sees the flag. Hence every shard's lock is taken, an empty one's too. A turn that ends before its slot's sweep may
    /// still grant; it is revoked, or was looked at before `close` returned. Models: `c13_closing`.
    pub(crate) fn close(&self, now: Tick) {
        self.common.closed.store(true, Ordering::Release);
        let mut lines = Vec::new();
        let mut vacant = Vec::new();
        for shard in &self.all {
            let map = shard.map.read();
            for slot in &map.table {
                let mut locked = slot.lock();
                lines.push(locked.send_away());
                if locked.revoke() {
                    vacant.push((shard, Arc::clone(slot)));
                }
            }
        }
        let panicked = each(vacant, |(shard, slot)| shard.let_go(&slot, now));
        let wakers = lines.into_iter().flat_map(Line::into_wakers);
        raise(panicked.or(each(wakers, Waker::wake)));
    }
}

impl<K, V, H> Shard<K, V, H> {
    #[inline]
    #[track_caller]
    pub(crate) fn read<R>(&self, look: impl FnOnce(&Map<K, V, H>) -> R) -> R {
        look(&self.map.read())
    }

    pub(crate) fn common(&self) -> &Common {
        &self.common
    }

    /// The number of an incarnation: under the slot lock, or the map's write lock, of a current slot.
    pub(crate) fn draw(&self) -> Incarnation {
        Incarnation(self.numbers.fetch_add(self.stride, Ordering::Relaxed))
    }

    /// An `Enter` arrives at a slot that was found in the map, whose lock is still held: so it is current.
    #[inline]
    pub(crate) fn enter(&self, slot: &Arc<Slot<K, V, H>>, arrival: Arrival) -> Entered<Box<V>> {
        let mut locked = slot.lock();
        if self.common.closed() {
            return Entered::Closed;
        }
        let limit = arrival.wait.then_some(match arrival.lane {
            // Who ends a session is not turned away by those who use it.
            Lane::First => usize::MAX,
            Lane::Line => self.common.limits.waiting,
        });
        locked.enter(arrival.lane, arrival.take, limit, arrival.now)
    }

    /// An `Enter` arrives at a key that was absent a moment ago. Between that look and the write lock the key may have
    /// come: then it enters there. `key` is taken if the slot is inserted; else it is left to be dropped after the lock.
    pub(crate) fn enter_absent<Q: ?Sized + ToKey<K>>(
        this: &Arc<Self>,
        query: &Q,
        hash: u64,
        key: &mut Option<K>,
        arrival: Arrival,
    ) -> Result<(Arc<Slot<K, V, H>>, Entered<Box<V>>), EnterError> {
        let mut map = this.map.write();
        let map = &mut *map;
        match map.table.find(hash, |slot| query.is_key(&slot.key)) {
            Some(slot) => Ok((Arc::clone(slot), this.enter(slot, arrival))),
            None => {
                let (mut slot, holding) = Self::admit(this, map, hash, key, arrival.now)?;
                let entered = if arrival.take {
                    Entered::Held(holding)
                } else {
                    let place = Place::new(arrival.lane, holding.ticket.get());
                    slot.grant_first(place);
                    Entered::Granted(place)
                };
                Ok((Self::insert(map, hash, slot), entered))
            }
        }
    }

    /// A slot for an absent key, if the registry is open and has room; only then is `key` taken.
    fn admit(
        this: &Arc<Self>,
        map: &mut Map<K, V, H>,
        hash: u64,
        key: &mut Option<K>,
        now: Tick,
    ) -> Result<(Slot<K, V, H>, Holding<Box<V>>), EnterError> {
        if this.common.closed() {
            return Err(EnterError::Closed);
        }
        if !this.common.count_in() {
            return Err(EnterError::RegistryFull);
        }
        let key = key.take().expect("the key was made before the lock");
        let line = map.next_line;
        map.next_line += 1;
        let line = (line, Line::default(), map.next_ticket);
        let home = Arc::downgrade(this);
        Ok(Slot::new((key, hash), line, home, this.draw(), now))
    }

    fn insert(map: &mut Map<K, V, H>, hash: u64, slot: Slot<K, V, H>) -> Arc<Slot<K, V, H>> {
        let slot = Arc::new(slot);
        map.table
            .insert_unique(hash, Arc::clone(&slot), |held| held.hash);
        slot
    }

    /// Swaps the slot in the map for a new one, whose vacancy the caller holds, and marks the old one superseded: in one
    /// critical section, map write and then old slot. The line, and a grant that nobody has looked at, go into the new
    /// slot before its mutex is made, so two slots are never locked.
    ///
    /// `chosen` says which slot is meant, under its lock; `key` is the new slot's, `None` once it is used.
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
            let (slot, holding) = Self::admit(this, map, hash, key, now)?;
            let slot = Self::insert(map, hash, slot);
            return Ok(Some(Succession {
                slot,
                holding,
                old: None,
            }));
        };
        let mut locked = held.lock();
        if !chosen(&locked) {
            return Ok(None);
        }
        if purpose != Purpose::Remove && this.common.closed() {
            return Err(EnterError::Closed);
        }
        let Legacy {
            line,
            next_ticket,
            session,
            handle,
            held: holder,
        } = locked.supersede();
        let key = key.take().expect("the key was made before the lock");
        let line = (held.line, line, next_ticket);
        let home = Weak::clone(&held.home);
        let (slot, holding) = Slot::new((key, hash), line, home, this.draw(), now);
        drop(locked);
        let slot = Arc::new(slot);
        let old = mem::replace(held, Arc::clone(&slot));
        if holder {
            map.departing.push(Arc::clone(&old));
        }
        let remains = Remains {
            session,
            handle,
            held: holder,
        };
        Ok(Some(Succession {
            slot,
            holding,
            old: Some((old, remains)),
        }))
    }

    /// The end of every guard whose session is gone: the vacancy goes to the next in line, and if nobody is there the slot
    /// leaves the map. **The one function that removes a slot.**
    ///
    /// It asks the map and nothing else whether this very slot is current: by its stored hash and its address. Not by its
    /// key, which the replacement has too; nor by the superseded mark, which is for those who came by a clone of the
    /// `Arc`. Between the end of the guard's work and the map lock taken here, the slot may be superseded: then it is not
    /// found, and what is found there is nobody's business here. It may get waiters: they are seen under the slot lock.
    /// Models: `c06_identity`, `c11_no_stuck_key`.
    pub(crate) fn let_go(&self, slot: &Arc<Slot<K, V, H>>, now: Tick) {
        let mut guard = self.map.write();
        let map = &mut *guard;
        let found = map
            .table
            .find_entry(slot.hash, |held| Arc::ptr_eq(held, slot));
        let Ok(entry) = found else {
            let here = |held: &Arc<_>| Arc::ptr_eq(held, slot);
            let departed = map.departing.iter().position(here);
            let departed = departed.map(|index| map.departing.swap_remove(index));
            let (line, handle) = slot.lock().depart();
            drop(guard);
            wake_all(line.into_wakers());
            return drop((departed, handle));
        };
        let mut locked = slot.lock();
        if locked.waits() {
            let (waker, handle) = locked.hand_on(self.draw(), now);
            drop(locked);
            drop(guard);
            wake_all(waker);
            return drop(handle);
        }
        let (next_ticket, handle) = locked.retire();
        drop(locked);
        let (gone, _) = entry.remove();
        map.next_ticket = map.next_ticket.max(next_ticket);
        self.common.count_out();
        drop(guard);
        drop((gone, handle));
    }
}

/// What a replacement is for. To remove is to replace, and to drop the vacancy.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Of a key: an absent one gets a slot. Refused when closed.
    Replace,
    /// Of a slot that was seen: if it is not there any more, nothing is done. Refused when closed.
    ReplaceSeen,
    /// Of a key or a slot that was seen, also when closed. What is absent stays absent.
    Remove,
}

impl<K, V, H> Map<K, V, H> {
    #[inline]
    pub(crate) fn find<Q: ?Sized + ToKey<K>>(
        &self,
        hash: u64,
        query: &Q,
    ) -> Option<&Arc<Slot<K, V, H>>> {
        self.table.find(hash, |slot| query.is_key(&slot.key))
    }

    /// The current slot of a line: the slots of one line follow each other by replacement.
    pub(crate) fn find_line(&self, hash: u64, line: u64) -> Option<&Arc<Slot<K, V, H>>> {
        self.table.find(hash, |slot| slot.line == line)
    }
}

/// The registry is gone, and what waits for nobody with it: sessions at rest are dropped, waiters are sent away, and the
/// guards that are still out are superseded.
impl<K, V, H> Drop for Shard<K, V, H> {
    fn drop(&mut self) {
        // Into a vector, which drops the others when the drop of a key panics; a table does not.
        let slots: Vec<_> = mem::take(&mut self.map.get_mut().table)
            .into_iter()
            .collect();
        let (mut sessions, mut handles) = (Vec::new(), Vec::new());
        let mut lines = Vec::new();
        for slot in &slots {
            let (session, handle, line) = slot.lock().orphan();
            sessions.extend(session);
            handles.extend(handle);
            lines.push(line);
        }
        wake_all(lines.into_iter().flat_map(Line::into_wakers));
        drop((sessions, handles, slots));
    }
}
