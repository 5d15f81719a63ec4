//! The queue of one slot: its calls, their order, their wakers, and the handles that they left.

use crate::{
    Ticket,
    registry::wake::{Panicked, each, raise},
    sync::Arc,
};
#[cfg(feature = "tokio")]
use std::ops::Bound;
use std::{collections::BTreeMap, mem, num::NonZeroU64, task::Waker};

/// A place in the queue: the priority, then the ticket. A higher priority sorts first, and each by ticket, so the order of
/// places is the order of grants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place(pub(crate) NonZeroU64);

/// The three priorities of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Priority {
    /// Before all others: for stop and restart.
    High,
    /// Before normal calls, and in all else like them.
    #[cfg_attr(not(feature = "tokio"), allow(dead_code))] // only the manager has such calls
    First,
    Normal,
}

impl Place {
    /// The bits of the priority. Tickets stay below them.
    const NORMAL: u64 = 1 << 63;
    const FIRST: u64 = 1 << 62;

    #[inline]
    pub(crate) fn new(priority: Priority, ticket: Ticket) -> Self {
        match priority {
            Priority::High => Self(ticket.0),
            Priority::First => Self(ticket.0 | Self::FIRST),
            Priority::Normal => Self(ticket.0 | Self::NORMAL),
        }
    }

    #[inline]
    pub(crate) fn ticket(self) -> Ticket {
        let ticket = self.0.get() & !(Self::NORMAL | Self::FIRST);
        Ticket::new(ticket).expect("a place is made of a ticket")
    }

    #[cfg(feature = "tokio")]
    fn priority(self) -> Priority {
        match self.0.get() & (Self::NORMAL | Self::FIRST) {
            0 => Priority::High,
            Self::FIRST => Priority::First,
            _ => Priority::Normal,
        }
    }
}

/// A queued call.
pub(crate) struct Waiter<H> {
    /// `None` until it is polled.
    pub(crate) waker: Option<Waker>,
    /// The handle that the call left for others. It goes with the call into its turn.
    pub(crate) caller: Option<Arc<H>>,
}

/// The queued calls, by place. A tree: joining, leaving and granting take O(log n), and its memory follows the length of
/// the queue.
pub(crate) struct Queue<H> {
    waiters: BTreeMap<Place, Waiter<H>>,
}

impl<H> Default for Queue<H> {
    fn default() -> Self {
        Self {
            waiters: BTreeMap::new(),
        }
    }
}

impl<H> Queue<H> {
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.waiters.len()
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.waiters.is_empty()
    }

    /// Takes this place, for a new call or for a grant that is put back.
    pub(crate) fn join(&mut self, place: Place, caller: Option<Arc<H>>) {
        let waiter = Waiter {
            waker: None,
            caller,
        };
        let before = self.waiters.insert(place, waiter);
        debug_assert!(before.is_none(), "a place is taken once");
    }

    /// Leaves the queue. The waiter is returned so that it is dropped after the lock.
    pub(crate) fn leave(&mut self, place: Place) -> Option<Waiter<H>> {
        let left = self.waiters.remove(&place);
        self.trim();
        left
    }

    /// Removes the next call to be granted.
    pub(crate) fn next(&mut self) -> Option<(Place, Waiter<H>)> {
        let next = self.waiters.pop_first();
        self.trim();
        next
    }

    /// The waker at this place, if the place is taken.
    pub(crate) fn waker(&mut self, place: Place) -> Option<&mut Option<Waker>> {
        let waiter = self.waiters.get_mut(&place)?;
        Some(&mut waiter.waker)
    }

    /// The number of calls before this place, if the place is taken. Counts them.
    pub(crate) fn ahead(&self, place: Place) -> Option<usize> {
        let here = self.waiters.contains_key(&place);
        here.then(|| self.waiters.range(..place).count())
    }

    /// The place and handle of this ticket, if it is queued.
    pub(crate) fn caller(&self, ticket: Ticket) -> Option<(Place, Option<&Arc<H>>)> {
        [Priority::Normal, Priority::First, Priority::High]
            .into_iter()
            .find_map(|priority| {
                let place = Place::new(priority, ticket);
                let waiter = self.waiters.get(&place)?;
                Some((place, waiter.caller.as_ref()))
            })
    }

    /// The handle of the next call, if it has high priority.
    #[cfg(feature = "tokio")]
    pub(crate) fn first_caller(&self) -> Option<&Arc<H>> {
        let (place, waiter) = self.waiters.first_key_value()?;
        let high = place.priority() == Priority::High;
        high.then_some(waiter.caller.as_ref())?
    }

    /// Whether there is a call that is not of high priority.
    #[cfg(feature = "tokio")]
    pub(crate) fn has_others(&self) -> bool {
        let last = self.waiters.last_key_value();
        last.is_some_and(|(place, _)| place.priority() != Priority::High)
    }

    /// The next calls after this place, and their handles.
    #[cfg(feature = "tokio")]
    pub(crate) fn after(
        &self,
        place: Option<Place>,
    ) -> impl Iterator<Item = (Place, Option<&Arc<H>>)> {
        let from = place.map_or(Bound::Unbounded, Bound::Excluded);
        let waiters = self.waiters.range((from, Bound::Unbounded));
        waiters.map(|(place, waiter)| (*place, waiter.caller.as_ref()))
    }

    /// Empties the queue. The caller wakes its waiters after the lock.
    pub(crate) fn clear(&mut self) -> Self {
        mem::take(self)
    }

    /// Removes all calls but those of high priority.
    #[cfg(feature = "tokio")]
    pub(crate) fn clear_others(&mut self) -> Self {
        let lowest = Place::new(Priority::First, Ticket::FIRST);
        let waiters = self.waiters.split_off(&lowest);
        self.trim();
        Self { waiters }
    }

    #[cfg(feature = "record")]
    pub(crate) fn seen(&self) -> impl Iterator<Item = (&Place, &Waiter<H>)> {
        self.waiters.iter()
    }

    /// The handles of the queued calls.
    #[cfg(feature = "tokio")]
    pub(crate) fn callers(&self) -> impl Iterator<Item = &Arc<H>> {
        let waiters = self.waiters.values();
        waiters.filter_map(|waiter| waiter.caller.as_ref())
    }

    fn into_waiters(self) -> impl Iterator<Item = Waiter<H>> {
        self.waiters.into_values()
    }

    /// The highest ticket in the queue, for the check that tickets are drawn before they are used.
    pub(crate) fn highest_ticket(&self) -> Option<Ticket> {
        self.waiters.keys().map(|place| place.ticket()).max()
    }

    /// An empty tree may still have a node.
    fn trim(&mut self) {
        if self.waiters.is_empty() {
            self.waiters = BTreeMap::new();
        }
    }
}

/// Wakes all waiters of these queues, even if a waker panics. Then drops their handles, and the first panic continues.
pub(crate) fn wake_queues<H>(queues: impl IntoIterator<Item = Queue<H>>) {
    let (panicked, callers) = wake_each(queues);
    raise(panicked);
    drop(callers);
}

/// Wakes them too, for a caller that has more to do before the panic continues and the handles are dropped.
pub(crate) fn wake_each<H>(queues: impl IntoIterator<Item = Queue<H>>) -> (Panicked, Vec<Arc<H>>) {
    let (mut wakers, mut callers) = (Vec::new(), Vec::new());
    for waiter in queues.into_iter().flat_map(Queue::into_waiters) {
        wakers.extend(waiter.waker);
        callers.extend(waiter.caller);
    }
    (each(wakers, Waker::wake), callers)
}
