//! The calls that find another call by its ticket: to reach its handle, or to take its position away.

#[cfg(feature = "tokio")]
use crate::sync::SCAN_STEP;
#[cfg(feature = "tokio")]
use crate::{
    Enter, Entry, Incarnation,
    registry::{
        calls::registry::Arrived,
        map::shard::Slot,
        slot::{
            leaves::Leaves,
            queue::{Priority, Queue},
            state::Spot,
        },
    },
};
use crate::{
    Registry, Ticket, ToKey,
    registry::{
        guards::hold::Hold,
        map::leave::finish,
        slot::{outcome::Left, queue::Place, state::Locked},
        wake::wake_all,
    },
    sync::Arc,
};
use std::hash::BuildHasher;

impl<K, V, H, S: BuildHasher> Registry<K, V, H, S> {
    /// Returns the ticket of a call, and the handle that it was given by [`enter_with`](Self::enter_with). With a ticket, finds
    /// that call while it waits and during its turn. Without one, finds the call that has the key now.
    ///
    /// Returns `None` if there is no such call or it left no handle. Takes the slot lock for a moment.
    ///
    /// # Details
    ///
    /// A call can be found from the moment that it has its position. One critical section of the slot stores its ticket and
    /// its handle together, and another moves both from the queue into the grant; both are removed when the turn ends. So
    /// every call that a [status](crate::Status::turn) names is found. A turn that was superseded by
    /// [`replace`](Self::replace) is not.
    pub fn caller<Q: ?Sized + ToKey<K>>(
        &self,
        key: &Q,
        ticket: Option<Ticket>,
    ) -> Option<(Ticket, Arc<H>)> {
        self.with(key, |slot| slot.lock().caller(ticket))?
    }

    /// Dismisses one call: it loses its position in the queue, or its grant if it has not been polled since, and ends with
    /// [`EnterError::Dismissed`](crate::EnterError::Dismissed). A grant passes to the next caller. Returns false if the
    /// call already has the turn, or is over.
    ///
    /// When this returns, the position is free: the queue is one shorter, and another call can take the place.
    ///
    /// # Details
    ///
    /// One critical section of the slot decides between this and the call's own poll or drop: either the call is withdrawn,
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
            // It is woken like a dismissed call.
            Left::Queue(waiter) => {
                let caller = waiter.caller;
                wake_all(waiter.waker);
                drop(caller);
            }
            Left::Passed(passed) => {
                passed.into_iter().for_each(|passed| finish(passed, &slot));
            }
            // Nobody holds the vacancy now. Callers that join its queue before it is released are found there.
            Left::Vacancy => drop(Hold::new(slot)),
            Left::Moved | Left::SentAway => {
                unreachable!("a slot in the map is current, and this place was in it")
            }
        }
        true
    }
}

/// A call that left a handle, if there is one.
#[cfg(feature = "tokio")]
type Caller<H> = Option<(Ticket, Arc<H>)>;

/// For the manager, which leaves a handle with every call.
#[cfg(feature = "tokio")]
impl<K, V, H, S: BuildHasher> Registry<K, V, H, S> {
    /// Like [`enter_with`](Self::enter_with), but returns the entry of a free slot. If `wait` is false, a slot that is not
    /// free is refused.
    pub(crate) fn enter_or_take<Q: ?Sized + ToKey<K>>(
        &self,
        key: &Q,
        handle: &mut impl Leaves<H>,
        priority: Priority,
        wait: bool,
    ) -> Result<Entry<K, V, H>, Option<Enter<K, V, H>>> {
        let arrival = self.arrival(key, priority, wait);
        match self.arrive(key, arrival, handle) {
            Ok(Arrived::Held(session, hold)) => Ok(Entry::new(hold, session)),
            Ok(Arrived::Busy) => Err(None),
            waits => Err(Some(Self::to_enter(waits))),
        }
    }

    /// Like [`enter_first`](Self::enter_first) with a handle, but an absent key stays absent. If `joins` accepts the handle
    /// of the next high-priority call, or of the call that has the slot, that handle is returned instead.
    ///
    /// The entry comes with the call before it, which has the slot. One critical section of the slot decides: of two such
    /// calls at once, one joins the other, and the call before is the one that has the slot at that moment. With a number,
    /// a slot that has another incarnation is left alone, like an absent key.
    pub(crate) fn enter_first_or_join<Q: ?Sized + ToKey<K>>(
        &self,
        key: &Q,
        handle: Arc<H>,
        joins: impl Fn(&H, Option<Incarnation>) -> bool,
        only: Option<Incarnation>,
    ) -> Option<Result<(Enter<K, V, H>, Caller<H>), Arc<H>>> {
        let arrival = self.arrival(key, Priority::High, true);
        let shard = self.shards().of(arrival.hash);
        let mut handle = Some(handle);
        let arrived = shard.read(|map| {
            let slot = map.find(arrival.hash, key)?;
            let mut locked = slot.lock();
            if !locked.is_one_of(only) {
                return None;
            }
            if let Some(other) = locked.joined(joins) {
                return Some(Err(other));
            }
            let before = locked.reach(None);
            let entered = shard.enter_locked(&mut locked, arrival, &mut handle);
            Some(Ok((Arc::clone(slot), entered, before)))
        })?;
        Some(arrived.map(|(slot, entered, before)| {
            let enter = Self::to_enter(self.arrived(slot, entered));
            (enter, before)
        }))
    }

    /// Like [`caller`](Self::caller), also for a call for which the handle of its session stands. With a number, only while
    /// the slot has that incarnation.
    pub(crate) fn reach<Q: ?Sized + ToKey<K>>(
        &self,
        key: &Q,
        ticket: Option<Ticket>,
        only: Option<Incarnation>,
    ) -> Option<(Ticket, Arc<H>)> {
        self.with(key, |slot| {
            let locked = slot.lock();
            locked.is_one_of(only).then(|| locked.reach(ticket))?
        })?
    }

    /// The call that has the key for which this one waits, while it waits; the call itself, while it has the key.
    ///
    /// Decided in one critical section of the slot. Calls no user code.
    pub(crate) fn holder(&self, of: Spot) -> Option<(Spot, Arc<H>)> {
        self.at(of, |slot| {
            let locked = slot.lock();
            locked.reach(Some(of.ticket))?;
            let (ticket, holder) = locked.reach(None)?;
            Some((slot.spot(ticket), holder))
        })?
    }

    /// Names the call of this key with this ticket.
    pub(crate) fn spot<Q: ?Sized + ToKey<K>>(&self, key: &Q, ticket: Ticket) -> Option<Spot> {
        self.with(key, |slot| slot.spot(ticket))
    }

    /// The slot of this call.
    pub(crate) fn slot(&self, of: Spot) -> Option<Arc<Slot<K, V, H>>> {
        self.at(of, Arc::clone)
    }

    fn at<R>(&self, of: Spot, look: impl FnOnce(&Arc<Slot<K, V, H>>) -> R) -> Option<R> {
        let shard = self.shards().of(of.hash);
        shard.read(|map| map.find_queue(of.hash, of.queue).map(look))
    }

    /// The calls in the queue of a key that left a handle, in their order. Copied in steps, each under one hold of the slot lock,
    /// so the list is not of one moment.
    pub(crate) fn queued<Q: ?Sized + ToKey<K>>(&self, key: &Q) -> Vec<(Place, Arc<H>)> {
        let mut queued = Vec::new();
        let mut last = None;
        loop {
            let step = self.with(key, |slot| {
                let locked = slot.lock();
                let after = locked
                    .state
                    .rare
                    .as_ref()
                    .map(|rare| rare.queue.after(last));
                let step = after.into_iter().flatten().take(SCAN_STEP);
                let step: Vec<_> = step
                    .map(|(place, caller)| (place, caller.cloned()))
                    .collect();
                step
            });
            let step = step.unwrap_or_default();
            let Some((place, _)) = step.last() else {
                return queued;
            };
            last = Some(*place);
            let called = |(place, caller): (_, Option<_>)| Some((place, caller?));
            queued.extend(step.into_iter().filter_map(called));
        }
    }

    /// Whether a call is in the queue of a key that is not of high priority. Takes the slot lock for a moment.
    pub(crate) fn is_queued<Q: ?Sized + ToKey<K>>(&self, key: &Q) -> bool {
        let queued = self.with(key, |slot| {
            let locked = slot.lock();
            let rare = locked.state.rare.as_ref();
            rare.is_some_and(|rare| rare.queue.has_others())
        });
        queued == Some(true)
    }

    /// Empties the queue of a key at once, but for the calls of high priority, so that nobody in it is granted any more. The caller must answer each
    /// call, and then wake it. Returns an empty queue if the registry is closed: then only drains wait.
    pub(crate) fn take_queue<Q: ?Sized + ToKey<K>>(&self, key: &Q) -> Queue<H> {
        let queue = self.with(key, |slot| {
            let mut locked = slot.lock();
            (!self.is_closed()).then(|| locked.dismiss_queue())
        });
        queue.flatten().unwrap_or_default()
    }
}

/// The calls of a slot, under its lock.
impl<V, H> Locked<'_, V, H> {
    /// The ticket and handle of the call with this ticket, if it waits or has the slot. Without a ticket: of the call that
    /// has the slot or was granted it.
    pub(crate) fn caller(&self, only: Option<Ticket>) -> Option<(Ticket, Arc<H>)> {
        let turn = self.status().turn;
        let ticket = only.or(turn)?;
        let rare = self.state.rare.as_ref()?;
        let caller = if turn == Some(ticket) {
            rare.caller.as_ref()
        } else {
            rare.queue.caller(ticket)?.1
        };
        Some((ticket, Arc::clone(caller?)))
    }

    /// The same, and if the call left none, the handle that stands for it.
    #[cfg(feature = "tokio")]
    pub(crate) fn reach(&self, only: Option<Ticket>) -> Option<(Ticket, Arc<H>)> {
        self.caller(only).or_else(|| {
            let turn = self.status().turn?;
            let rare = self.state.rare.as_ref()?;
            let stands = rare.stands && only.is_none_or(|only| only == turn);
            let handle = rare.handle.as_ref().filter(|_| stands)?;
            Some((turn, Arc::clone(handle)))
        })
    }

    /// Whether the slot has this incarnation, if one is named.
    #[cfg(feature = "tokio")]
    pub(crate) fn is_one_of(&self, only: Option<Incarnation>) -> bool {
        only.is_none_or(|only| only == self.status().incarnation)
    }

    /// The handle of the next high-priority call or of the call that has the slot, if `joins` accepts it. Of the latter it gets the
    /// incarnation that the call has.
    #[cfg(feature = "tokio")]
    pub(crate) fn joined(&self, joins: impl Fn(&H, Option<Incarnation>) -> bool) -> Option<Arc<H>> {
        let rare = self.state.rare.as_ref()?;
        let queued = rare.queue.first_caller().filter(|call| joins(call, None));
        let has = Some(self.status().incarnation);
        let call = queued.or(rare.caller.as_ref().filter(|call| joins(call, has)));
        call.cloned()
    }

    /// The position of a call that waits, or was granted the slot and has not taken it.
    pub(crate) fn place(&self, ticket: Ticket) -> Option<Place> {
        let rare = self.state.rare.as_ref()?;
        let granted = rare.grant.filter(|place| place.ticket() == ticket);
        granted.or_else(|| rare.queue.caller(ticket).map(|(place, _)| place))
    }

    pub(crate) fn handle(&self) -> Option<Arc<H>> {
        self.state.rare.as_ref()?.handle.clone()
    }

    /// Returns the handle that was there before, to be dropped after the lock.
    pub(crate) fn swap_handle(&mut self, handle: Arc<H>) -> Option<Arc<H>> {
        record!(self, "swap_handle");
        self.state.rare().handle.replace(handle)
    }
}
