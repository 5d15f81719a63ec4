//! The line of one slot: who waits, in which order, and how to wake them.

use std::{collections::BTreeMap, mem, task::Waker};

/// A place in the line: the lane, then the ticket. The first lane sorts before the other, and each by ticket, so the order
/// of places is the order of grants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place(u64);

/// The two lanes of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    /// Ahead of the line: for stop and restart.
    First,
    /// The line.
    Line,
}

impl Place {
    /// Tickets stay below: at a billion a second they would last for 292 years.
    const LINE: u64 = 1 << 63;

    pub(crate) fn new(lane: Lane, ticket: u64) -> Self {
        match lane {
            Lane::First => Self(ticket),
            Lane::Line => Self(ticket | Self::LINE),
        }
    }

    pub(crate) fn ticket(self) -> u64 {
        self.0 & !Self::LINE
    }
}

/// Those who wait, by place. A waiter that was never polled has no waker yet.
///
/// A tree: joining, leaving and granting cost O(log n), and its memory follows those who wait now.
#[derive(Debug, Default)]
pub(crate) struct Line {
    waiters: BTreeMap<Place, Option<Waker>>,
}

impl Line {
    pub(crate) fn len(&self) -> usize {
        self.waiters.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiters.is_empty()
    }

    /// Takes this place: a newcomer's, or that of a grant which is put back.
    pub(crate) fn join(&mut self, place: Place) {
        let before = self.waiters.insert(place, None);
        debug_assert!(before.is_none(), "a place is taken once");
    }

    /// Leaves the line. The waker is returned so that it is dropped after the lock.
    pub(crate) fn leave(&mut self, place: Place) -> Option<Option<Waker>> {
        self.waiters.remove(&place)
    }

    /// The next to be granted leaves the line.
    pub(crate) fn next(&mut self) -> Option<(Place, Option<Waker>)> {
        self.waiters.pop_first()
    }

    /// The waker that stands at this place, if somebody does.
    pub(crate) fn waker(&mut self, place: Place) -> Option<&mut Option<Waker>> {
        self.waiters.get_mut(&place)
    }

    /// How many stand before this place. Counts them.
    pub(crate) fn ahead(&self, place: Place) -> usize {
        self.waiters.range(..place).count()
    }

    /// True if somebody stands in the lane ahead of the line.
    #[cfg(feature = "tokio")]
    pub(crate) fn first_waits(&self) -> bool {
        let first = self.waiters.first_key_value();
        first.is_some_and(|(place, _)| place.0 & Place::LINE == 0)
    }

    pub(crate) fn contains(&self, place: Place) -> bool {
        self.waiters.contains_key(&place)
    }

    /// Everybody leaves; to be woken after the lock.
    pub(crate) fn clear(&mut self) -> Self {
        mem::take(self)
    }

    /// Everybody leaves who does not stand ahead of the line.
    #[cfg(feature = "tokio")]
    pub(crate) fn clear_line(&mut self) -> Self {
        let waiters = self.waiters.split_off(&Place(Place::LINE));
        Self { waiters }
    }

    pub(crate) fn into_wakers(self) -> impl Iterator<Item = Waker> {
        self.waiters.into_values().flatten()
    }

    /// The last place of all, for the check that tickets are drawn before they are used.
    pub(crate) fn highest_ticket(&self) -> Option<u64> {
        self.waiters.keys().map(|place| place.ticket()).max()
    }
}
