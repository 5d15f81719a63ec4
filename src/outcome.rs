//! What the transitions of a slot answer, and what they set free.

use crate::{
    Ticket,
    line::{Line, Place},
    sync::Arc,
};
use std::task::Waker;

/// What an arriving `Enter` finds.
pub(crate) enum Entered<V> {
    /// The turn, or the vacancy if there is no session, is the caller's.
    Held(Option<V>),
    /// It was granted, or stands in the line.
    Granted(Place),
    InLine(Place),
    Busy,
    QueueFull,
    Closed,
}

/// How it stands with a place in the line.
pub(crate) enum Look<V> {
    /// The grant is taken: a turn, or a vacancy if there is no session.
    Granted(Option<V>),
    /// In the line, and will be woken.
    Waits,
    /// In the line, but this waker must be cloned first, which is not done under a lock.
    NeedsWaker,
    /// This slot was superseded: the line is elsewhere.
    Moved,
    /// Dismissed, or the registry closed.
    SentAway,
}

/// What became of a place that was given up.
pub(crate) enum Left<V, H> {
    /// The line is shorter by one. The waker, to be dropped after the lock.
    Line { _waker: Option<Waker> },
    /// It was granted: the next in line is, or the session rests.
    Passed(Option<Waker>),
    /// It was granted a vacancy: the slot must be let go.
    Vacancy,
    /// It was granted in a registry that is gone: nobody else can have it.
    Orphan {
        _session: Option<V>,
        _handle: Option<Arc<H>>,
    },
    /// This slot was superseded: the line is elsewhere.
    Moved,
    /// It was sent away before.
    SentAway,
}

/// Whether a resting session could be claimed.
pub(crate) enum Claim<V> {
    Taken(V),
    /// Used or touched within the time.
    Young,
    /// Not resting here, or not any more.
    Moved,
}

/// What a superseded slot leaves to its replacement and to who replaced it.
pub(crate) struct Legacy<V, H> {
    pub(crate) line: Line,
    pub(crate) next_ticket: Ticket,
    /// The session, if it was resting; a grant that nobody had looked at is back in the line.
    pub(crate) session: Option<V>,
    pub(crate) handle: Option<Arc<H>>,
    /// Somebody holds a guard of the slot.
    pub(crate) held: bool,
}
