//! What anyone may do to a call by its number: find the handle that it left, and take its place away.

#[cfg(feature = "tokio")]
use crate::{
    Enter, Entry,
    registry::{
        calls::registry::Arrived,
        slot::queue::{Priority, Queue},
    },
};
use crate::{
    Registry, Ticket, ToKey,
    registry::{
        guards::hold::Hold,
        map::shard::list,
        slot::{
            outcome::{Left, Passed},
            queue::Place,
            state::Locked,
        },
        wake::wake_all,
    },
    sync::Arc,
};
use std::{hash::BuildHasher, mem};

impl<K, V, H, S: BuildHasher> Registry<K, V, H, S> {
    /// The handle that a call left by [`enter_with`](Self::enter_with), and the call's ticket. With a ticket, of that call: while it
    /// waits, and from its grant to the end of its turn. Without, of the call that has the key now.
    ///
    /// `None` if there is no such call, or it left no handle. Takes the slot lock for a moment.
    ///
    /// # Details
    ///
    /// A call is found from the moment that it has its place: its ticket and its handle come into the slot in one critical
    /// section, go from the queue into its grant in another, and leave when the turn ends. So no call that the
    /// [status](crate::Status::turn) names is missed. A turn that was superseded by [`replace`](Self::replace) is not found.
    pub fn caller<Q: ?Sized + ToKey<K>>(
        &self,
        key: &Q,
        ticket: Option<Ticket>,
    ) -> Option<(Ticket, Arc<H>)> {
        self.with(key, |slot| slot.lock().caller(ticket))?
    }

    /// Takes the place of a call away: out of the queue, or a grant that it has not taken up, which passes on to the next. The call
    /// ends with [`EnterError::Dismissed`](crate::EnterError::Dismissed). True if it had such a place; false if it has the turn
    /// already, or none any more.
    ///
    /// When this returns the place is gone: the count of those who wait is one less, and another call may have it.
    ///
    /// # Details
    ///
    /// Between this and the call's own look or drop, one critical section of the slot decides: either the call is withdrawn,
    /// or it has the turn. Models: `c16_reach`.
    pub fn withdraw<Q: ?Sized + ToKey<K>>(&self, key: &Q, ticket: Ticket) -> bool {
        let now = self.now();
        let left = self.with(key, |slot| {
            let mut locked = slot.lock();
            let place = locked.place(ticket)?;
            Some((Arc::clone(slot), locked.leave(place, now)))
        });
        let Some((slot, left)) = left.flatten() else {
            return false;
        };
        match left {
            // It is woken as one that was sent away.
            Left::Queue(waiter) => {
                let caller = waiter.caller;
                wake_all(waiter.waker);
                drop(caller);
            }
            Left::Passed(passed) => {
                passed.into_iter().for_each(Passed::finish);
                list(&slot);
            }
            // Nobody holds the vacancy now. Newcomers may join its queue before it is let go: they are seen there.
            Left::Vacancy => drop(Hold::new(slot)),
            Left::Orphan { .. } | Left::Moved | Left::SentAway => {
                unreachable!("a slot in the map is current, and this place was in it")
            }
        }
        true
    }
}

/// A call, if there is one that left a handle.
#[cfg(feature = "tokio")]
type Caller<H> = Option<(Ticket, Arc<H>)>;

/// The calls of the manager, which leaves a handle in each.
#[cfg(feature = "tokio")]
impl<K, V, H, S: BuildHasher> Registry<K, V, H, S> {
    /// As [`enter_with`](Self::enter_with), but what is free is taken in the call; and if `wait` is false, what is not free is
    /// refused.
    pub(crate) fn enter_or_take<Q: ?Sized + ToKey<K>>(
        &self,
        key: &Q,
        handle: Arc<H>,
        wait: bool,
    ) -> Result<Entry<K, V, H>, Option<Enter<K, V, H>>> {
        let arrival = self.arrival(Priority::Normal, true, wait);
        match self.arrive(key, arrival, &mut Some(handle)) {
            Ok(Arrived::Entry(entry)) => Ok(entry),
            Ok(Arrived::Busy) => Err(None),
            waits => Err(Some(Self::to_enter(waits))),
        }
    }

    /// As [`enter_first`](Self::enter_first) with a handle, but an absent key stays absent; and if the handle of the call that is
    /// next ahead of the queue, or of the one that has the slot, is one to join, that comes back instead.
    ///
    /// Beside the entry comes the call before it, which has the slot. One critical section of the slot decides, so
    /// of two at once one joins the other, and the call before is the one that is there.
    pub(crate) fn enter_first_or_join<Q: ?Sized + ToKey<K>>(
        &self,
        key: &Q,
        handle: Arc<H>,
        joins: impl Fn(&H) -> bool,
    ) -> Option<Result<(Enter<K, V, H>, Caller<H>), Arc<H>>> {
        let arrival = self.arrival(Priority::High, false, true);
        let hash = self.hash(key);
        let shard = self.shards().of(hash);
        let mut handle = Some(handle);
        let arrived = shard.read(|map| {
            let slot = map.find(hash, key)?;
            let mut locked = slot.lock();
            if let Some(other) = locked.joined(joins) {
                return Some(Err(other));
            }
            let before = locked.caller(None);
            let entered = shard.enter_locked(&mut locked, arrival, &mut handle);
            Some(Ok((Arc::clone(slot), entered, before)))
        })?;
        Some(arrived.map(|(slot, entered, before)| {
            let enter = Self::to_enter(self.arrived(slot, entered));
            (enter, before)
        }))
    }

    /// Takes the queue of a key out of it at once, without those ahead of it: nobody in it is granted any more. Each is to be
    /// answered, and then woken. Empty if the registry is closed: then nothing but a drain waits.
    pub(crate) fn take_queue<Q: ?Sized + ToKey<K>>(&self, key: &Q) -> Queue<H> {
        let queue = self.with(key, |slot| {
            let mut locked = slot.lock();
            (!self.is_closed()).then(|| locked.dismiss_queue())
        });
        queue.flatten().unwrap_or_default()
    }
}

/// What the slot knows of its calls, under its lock.
impl<V, H> Locked<'_, V, H> {
    /// The call that has the slot or was granted it, or the one with this ticket, if it waits or has the slot: its ticket, and
    /// the handle that it left.
    pub(crate) fn caller(&self, only: Option<Ticket>) -> Option<(Ticket, Arc<H>)> {
        let turn = self.state.status.turn;
        let ticket = only.or(turn)?;
        let caller = if turn == Some(ticket) {
            self.state.caller.as_ref()
        } else {
            self.state.queue.caller(ticket)?.1
        };
        Some((ticket, Arc::clone(caller?)))
    }

    /// The handle of a call that is next ahead of the queue, or has the slot, if it is one to join.
    #[cfg(feature = "tokio")]
    pub(crate) fn joined(&self, joins: impl Fn(&H) -> bool) -> Option<Arc<H>> {
        let mut calls = [self.state.queue.first_caller(), self.state.caller.as_ref()]
            .into_iter()
            .flatten();
        calls.find(|caller| joins(caller)).cloned()
    }

    /// The place of a call that waits, or was granted the slot and has not looked.
    pub(crate) fn place(&self, ticket: Ticket) -> Option<Place> {
        let granted = self.state.grant.as_ref().map(|grant| grant.place);
        let granted = granted.filter(|place| place.ticket() == ticket);
        granted.or_else(|| self.state.queue.caller(ticket).map(|(place, _)| place))
    }

    pub(crate) fn handle(&self) -> Option<Arc<H>> {
        self.state.handle.clone()
    }

    /// The handle that was there before, or the given one itself: to be dropped after the lock.
    pub(crate) fn swap_handle(&mut self, handle: Option<Arc<H>>) -> Option<Arc<H>> {
        mem::replace(&mut self.state.handle, handle)
    }
}
