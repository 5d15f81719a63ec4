//! The results of the transitions of a slot, with what they set free.

use crate::{
    Ticket,
    registry::slot::queue::{Place, Queue, Waiter},
    sync::Arc,
};
use std::task::Waker;

/// The result of an arrival.
pub(crate) enum Entered<V> {
    /// The caller has the turn, or the vacancy if there is no session.
    Held(Option<V>),
    Queued(Place),
    Busy,
    QueueFull,
    Closed,
}

/// The result of polling a place.
pub(crate) enum Look<V> {
    /// The grant was taken: a turn, or a vacancy if there is no session.
    Granted(Option<V>),
    /// In the queue, with a waker.
    Waits,
    /// In the queue, but the waker must be cloned first, which is not done under a lock.
    NeedsWaker,
    /// This slot was superseded: the queue is elsewhere.
    Moved,
    /// Dismissed, or the registry was closed.
    SentAway,
}

/// The end of a turn, as far as there is more to do than to make its session idle. To be finished after the locks, by
/// [`finish`](crate::registry::map::leave::finish).
pub(crate) struct Passed<H> {
    /// The waker of the next caller.
    pub(crate) waker: Option<Waker>,
    /// The handle of the call that had the turn.
    pub(crate) caller: Option<Arc<H>>,
    /// The session is idle, and not in the registry's list of idle sessions.
    pub(crate) unlisted: bool,
}

/// The handles of an incarnation and of the call that had it, to be dropped after the locks.
pub(crate) type Handles<H> = [Option<Arc<H>>; 2];

/// The result of giving up a place.
pub(crate) enum Left<H> {
    /// It left the queue. Drop the waiter after the lock.
    Queue(Waiter<H>),
    /// It had a grant: the next call has it now, or the session is idle.
    Passed(Option<Passed<H>>),
    /// It was granted a vacancy: release the slot.
    Vacancy,
    /// This slot was superseded: the queue is elsewhere.
    Moved,
    /// It was dismissed before.
    SentAway,
}

/// The result of claiming an idle session.
pub(crate) enum Claim<V> {
    Taken(V),
    /// Used or touched within the time.
    Young,
    /// A guard keeps it alive.
    Kept,
    /// Not idle in this slot, or not any more.
    Moved,
}

/// What a superseded slot passes to its replacement, and to the caller that replaced it.
pub(crate) struct Legacy<V, H> {
    /// `None` if it is empty.
    pub(crate) queue: Option<Queue<H>>,
    pub(crate) next_ticket: Ticket,
    /// The session, if it was idle or granted. A grant that was not taken is back in the queue.
    pub(crate) session: Option<V>,
    pub(crate) handle: Option<Arc<H>>,
    /// The slot is held by a guard.
    pub(crate) held: bool,
}
