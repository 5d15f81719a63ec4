//! What the transitions of a slot answer, and what they set free.

use crate::{
    Ticket,
    registry::{
        slot::queue::{Place, Queue, Waiter},
        wake::wake_all,
    },
    sync::Arc,
};
use std::task::Waker;

/// What an arriving `Enter` finds.
pub(crate) enum Entered<V> {
    /// The turn, or the vacancy if there is no session, is the caller's.
    Held(Option<V>),
    /// It was granted, or stands in the queue.
    Granted(Place),
    Queued(Place),
    Busy,
    QueueFull,
    Closed,
}

/// How it stands with a place in the queue.
pub(crate) enum Look<V> {
    /// The grant is taken: a turn, or a vacancy if there is no session.
    Granted(Option<V>),
    /// In the queue, and will be woken.
    Waits,
    /// In the queue, but this waker must be cloned first, which is not done under a lock.
    NeedsWaker,
    /// This slot was superseded: the queue is elsewhere.
    Moved,
    /// Dismissed, or the registry closed.
    SentAway,
}

/// A turn has ended: how to wake the next in the queue, and the handle that the call which had the turn left for others.
pub(crate) struct Passed<H> {
    pub(crate) waker: Option<Waker>,
    pub(crate) caller: Option<Arc<H>>,
}

impl<H> Passed<H> {
    /// Nobody is next.
    #[cold]
    pub(crate) fn ended(caller: Arc<H>) -> Self {
        Self {
            waker: None,
            caller: Some(caller),
        }
    }

    /// After the locks. The handle is dropped when nothing can be lost by a panic in it.
    #[cold]
    pub(crate) fn finish(self) {
        let Self { waker, caller } = self;
        wake_all(waker);
        drop(caller);
    }
}

/// What an incarnation and the call that had it left for others to reach, to be dropped after the locks.
pub(crate) type Handles<H> = [Option<Arc<H>>; 2];

/// What became of a place that was given up.
pub(crate) enum Left<V, H> {
    /// The queue is shorter by one. What stood there is to be dropped after the lock.
    Queue(Waiter<H>),
    /// It was granted: the next in the queue is, or the session is idle.
    Passed(Option<Passed<H>>),
    /// It was granted a vacancy: the slot must be let go.
    Vacancy,
    /// It was granted in a registry that is gone: nobody else can have it.
    Orphan {
        _session: Option<V>,
        _handles: Handles<H>,
    },
    /// This slot was superseded: the queue is elsewhere.
    Moved,
    /// It was sent away before.
    SentAway,
}

/// Whether a idle session could be claimed.
pub(crate) enum Claim<V> {
    Taken(V),
    /// Used or touched within the time.
    Young,
    /// Not idle here, or not any more.
    Moved,
}

/// What a superseded slot leaves to its replacement and to who replaced it.
pub(crate) struct Legacy<V, H> {
    pub(crate) queue: Queue<H>,
    pub(crate) next_ticket: Ticket,
    /// The session, if it was idle; a grant that nobody had looked at is back in the queue.
    pub(crate) session: Option<V>,
    pub(crate) handle: Option<Arc<H>>,
    /// Somebody holds a guard of the slot.
    pub(crate) held: bool,
}
