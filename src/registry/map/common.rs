//! What all shards of a registry share: its end, its limits, its clock.

use crate::{
    Clock,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
};
use crossbeam_utils::CachePadded;

/// Read often, written only by `close`. The count is kept only if `max_sessions` is set, and is on cache lines of its own.
pub(crate) struct Common {
    pub(crate) clock: Clock,
    closed: AtomicBool,
    slots: CachePadded<AtomicUsize>,
    pub(crate) limits: Limits,
}

/// The limits that a builder sets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) sessions: Option<usize>,
    pub(crate) waiting: usize,
    /// Idle sessions are listed, to find the least recently used one without a scan.
    pub(crate) ranked: bool,
}

impl Common {
    pub(crate) fn new(limits: Limits, clock: Clock) -> Self {
        Self {
            clock,
            closed: AtomicBool::new(false),
            slots: CachePadded::new(AtomicUsize::new(0)),
            limits,
        }
    }

    /// Refuses new calls from now on.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    /// Read under the lock that decides: the slot lock for a grant or a place in a queue, the map's write lock for a new slot.
    #[inline]
    pub(crate) fn closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Counts a slot, if there is room. Under the shard's write lock, once the key is known to be absent.
    pub(crate) fn count_in(&self) -> bool {
        let Some(most) = self.limits.sessions else {
            return true;
        };
        let room = |slots| (slots < most).then_some(slots + 1);
        self.slots
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, room)
            .is_ok()
    }

    /// The number of slots in the map, if they are counted.
    pub(crate) fn counted(&self) -> Option<usize> {
        let limited = self.limits.sessions.is_some();
        limited.then(|| self.slots.load(Ordering::Relaxed))
    }

    pub(crate) fn count_out(&self) {
        if self.limits.sessions.is_some() {
            self.slots.fetch_sub(1, Ordering::Relaxed);
        }
    }
}
