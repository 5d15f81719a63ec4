//! How a call arrives at its key. A free session is taken on a short path of its own, which all other calls leave at once.

#[cfg(feature = "tokio")]
use crate::Turn;
use crate::{
    Enter, EnterError, Entry, Registry, Tick, ToKey,
    registry::{
        calls::registry::Arrived,
        guards::{enter::Queued, hold::Hold},
        map::shard::{Arrival, Shard, Slot},
        slot::{
            leaves::{Leaves, Nothing},
            outcome::Entered,
            queue::Priority,
        },
    },
    sync::Arc,
};
use std::hash::BuildHasher;

impl<K, V, H, S: BuildHasher> Registry<K, V, H, S> {
    /// For a future.
    #[inline(always)]
    pub(crate) fn enter_at<Q: ?Sized + ToKey<K>>(
        &self,
        key: &Q,
        priority: Priority,
    ) -> Enter<K, V, H> {
        let (arrival, mut absent) = (self.arrival(key, priority, true), false);
        match self.take_free::<Q, false>(key, arrival.hash, arrival.now, &mut absent) {
            Some((session, slot)) => Enter::held(Some(session), slot),
            None => self.enter_late(key, arrival, absent),
        }
    }

    /// For a thread.
    #[inline(always)]
    pub(crate) fn enter_or_wait<Q: ?Sized + ToKey<K>>(
        &self,
        key: &Q,
    ) -> Result<Entry<K, V, H>, EnterError> {
        let (arrival, mut absent) = (self.arrival(key, Priority::Normal, true), false);
        match self.take_free::<Q, false>(key, arrival.hash, arrival.now, &mut absent) {
            Some((session, slot)) => Ok(Entry::new(Hold::new(slot), Some(session))),
            None => self.wait_late(key, arrival, absent),
        }
    }

    /// Takes the turn of an idle session, and does nothing else. The result is two words, which return in registers. That the
    /// key is absent is written elsewhere, because a result with it would return in memory.
    ///
    /// `STANDS`: the handle of the session stands for the call. Without such a handle nothing is taken.
    #[inline(never)]
    fn take_free<Q: ?Sized + ToKey<K>, const STANDS: bool>(
        &self,
        key: &Q,
        hash: u64,
        now: Tick,
        absent: &mut bool,
    ) -> Option<(Box<V>, Arc<Slot<K, V, H>>)> {
        let shard = self.shards().of(hash);
        shard.read(|map| {
            let Some(slot) = map.find(hash, key) else {
                *absent = true;
                return None;
            };
            let session = shard.take_free::<STANDS>(slot, now)?;
            Some((session, Arc::clone(slot)))
        })
    }

    /// The turn of an idle session, whose handle stands for the call.
    #[cfg(feature = "tokio")]
    #[inline]
    pub(crate) fn take_idle<Q: ?Sized + ToKey<K>>(&self, key: &Q) -> Option<Turn<K, V, H>> {
        let (now, hash) = (self.now(), self.hash(key));
        let (session, slot) = self.take_free::<Q, true>(key, hash, now, &mut false)?;
        Some(Turn::new(session, Hold::new(slot)))
    }

    #[cold]
    fn enter_late<Q: ?Sized + ToKey<K>>(
        &self,
        key: &Q,
        arrival: Arrival,
        absent: bool,
    ) -> Enter<K, V, H> {
        Self::to_enter(self.arrive_late(key, arrival, absent))
    }

    #[cold]
    fn wait_late<Q: ?Sized + ToKey<K>>(
        &self,
        key: &Q,
        arrival: Arrival,
        absent: bool,
    ) -> Result<Entry<K, V, H>, EnterError> {
        match self.arrive_late(key, arrival, absent)? {
            Arrived::Held(session, hold) => Ok(Entry::new(hold, session)),
            Arrived::Enter(enter) => enter.wait(),
            Arrived::Busy => unreachable!("a call that may wait is not refused as busy"),
        }
    }

    /// Arrives at a key that was absent or not free a moment ago.
    #[inline(always)]
    fn arrive_late<Q: ?Sized + ToKey<K>>(
        &self,
        key: &Q,
        arrival: Arrival,
        absent: bool,
    ) -> Result<Arrived<K, V, H>, EnterError> {
        if absent {
            self.arrive_absent(key, arrival, &mut Nothing)
        } else {
            self.arrive(key, arrival, &mut Nothing)
        }
    }
}

impl<K, V, H, S: BuildHasher> Registry<K, V, H, S> {
    #[inline]
    pub(crate) fn arrival<Q: ?Sized + ToKey<K>>(
        &self,
        key: &Q,
        priority: Priority,
        wait: bool,
    ) -> Arrival {
        Arrival {
            now: self.now(),
            hash: self.hash(key),
            priority,
            wait,
        }
    }

    /// Arrives at the slot of a key. An absent key gets one.
    pub(crate) fn arrive<Q: ?Sized + ToKey<K>>(
        &self,
        key: &Q,
        arrival: Arrival,
        handle: &mut impl Leaves<H>,
    ) -> Result<Arrived<K, V, H>, EnterError> {
        match self.arrive_present(key, arrival, handle) {
            Some(arrived) => arrived,
            None => self.arrive_absent(key, arrival, handle),
        }
    }

    /// Arrives at a slot in the map. It is current, because the map lock is held.
    pub(crate) fn arrive_present<Q: ?Sized + ToKey<K>>(
        &self,
        key: &Q,
        arrival: Arrival,
        handle: &mut impl Leaves<H>,
    ) -> Option<Result<Arrived<K, V, H>, EnterError>> {
        let shard = self.shards().of(arrival.hash);
        let (slot, entered) = shard.read(|map| {
            let slot = map.find(arrival.hash, key)?;
            let entered = shard.enter(slot, arrival, handle);
            Some((Arc::clone(slot), entered))
        })?;
        Some(self.arrived(slot, entered))
    }

    #[inline(always)]
    fn arrive_absent<Q: ?Sized + ToKey<K>>(
        &self,
        key: &Q,
        arrival: Arrival,
        handle: &mut impl Leaves<H>,
    ) -> Result<Arrived<K, V, H>, EnterError> {
        let mut made = Some(key.to_key());
        let shard = self.shards().of(arrival.hash);
        let entered = Shard::enter_absent(shard, key, &mut made, arrival, handle);
        let arrived = entered.and_then(|(slot, entered)| self.arrived(slot, entered));
        // An unused key is dropped last, when a panic in its drop can lose nothing.
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
            Entered::Held(session) => Ok(Arrived::Held(session, Hold::new(slot))),
            Entered::Queued(place) => {
                let queued = Queued::new(slot, place);
                Ok(Arrived::Enter(Enter::waiting(queued, self.shards())))
            }
            Entered::Busy => Ok(Arrived::Busy),
            Entered::QueueFull => Err(EnterError::QueueFull),
            Entered::Closed => Err(EnterError::Closed),
        }
    }

    #[inline(always)]
    pub(crate) fn to_enter(arrived: Result<Arrived<K, V, H>, EnterError>) -> Enter<K, V, H> {
        match arrived {
            Ok(Arrived::Held(session, mut hold)) => {
                let slot = hold.disarm().expect("it was held until now");
                Enter::held(session, slot)
            }
            Ok(Arrived::Enter(enter)) => enter,
            Ok(Arrived::Busy) => unreachable!("a call that may wait is not refused as busy"),
            Err(error) => Enter::refused(error),
        }
    }
}
