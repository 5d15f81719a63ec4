//! The line of one slot: who waits, in which order, and how to wake them.

use crate::Ticket;
use std::{collections::BTreeMap, mem, num::NonZeroU64, task::Waker};

/// A place in the line: the lane, then the ticket. The first lane sorts before the other, and each by ticket, so the order
/// of places is the order of grants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place(NonZeroU64);

/// The two lanes of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    /// Ahead of the line: for stop and restart.
    First,
    /// The line.
    Line,
}

impl Place {
    /// The lane's bit. Tickets stay below it.
    const LINE: u64 = 1 << 63;

    #[inline]
    pub(crate) fn new(lane: Lane, ticket: Ticket) -> Self {
        match lane {
            Lane::First => Self(ticket.0),
            Lane::Line => Self(ticket.0 | Self::LINE),
        }
    }

    #[inline]
    pub(crate) fn ticket(self) -> Ticket {
        Ticket::new(self.0.get() & !Self::LINE).expect("a place is made of a ticket")
    }
}

/// Those who wait, by place. A waiter that was never polled has no waker yet.
///
/// A tree: joining, leaving and granting cost O(log n), and its memory follows those who wait now.
type Waiters = BTreeMap<Place, Option<Waker>>;

/// One word in the slot: most slots have no line.
#[derive(Debug, Default)]
pub(crate) struct Line {
    /// `None` while nobody waits.
    waiters: Option<Box<Waiters>>,
}

impl Line {
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.waiters.as_ref().map_or(0, |waiters| waiters.len())
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.waiters.is_none()
    }

    /// Takes this place: a newcomer's, or that of a grant which is put back.
    pub(crate) fn join(&mut self, place: Place) {
        let before = self.waiters.get_or_insert_default().insert(place, None);
        debug_assert!(before.is_none(), "a place is taken once");
    }

    /// Leaves the line. The waker is returned so that it is dropped after the lock.
    pub(crate) fn leave(&mut self, place: Place) -> Option<Option<Waker>> {
        let left = self.waiters.as_mut()?.remove(&place);
        self.trim();
        left
    }

    /// The next to be granted leaves the line.
    pub(crate) fn next(&mut self) -> Option<(Place, Option<Waker>)> {
        let next = self.waiters.as_mut()?.pop_first();
        self.trim();
        next
    }

    /// The waker that stands at this place, if somebody does.
    pub(crate) fn waker(&mut self, place: Place) -> Option<&mut Option<Waker>> {
        self.waiters.as_mut()?.get_mut(&place)
    }

    /// How many stand before this place, if somebody stands there. Counts them.
    pub(crate) fn ahead(&self, place: Place) -> Option<usize> {
        let waiters = self.waiters.as_ref()?;
        let here = waiters.contains_key(&place);
        here.then(|| waiters.range(..place).count())
    }

    /// True if somebody stands in the lane ahead of the line.
    #[cfg(feature = "tokio")]
    pub(crate) fn first_waits(&self) -> bool {
        let next = self.waiters.as_ref().and_then(|all| all.keys().next());
        next.is_some_and(|place| place.0.get() & Place::LINE == 0)
    }

    /// Everybody leaves; to be woken after the lock.
    pub(crate) fn clear(&mut self) -> Self {
        mem::take(self)
    }

    /// Everybody leaves who does not stand ahead of the line.
    #[cfg(feature = "tokio")]
    pub(crate) fn clear_line(&mut self) -> Self {
        let lowest = Place::new(Lane::Line, Ticket::FIRST);
        let left = self.waiters.as_mut().map(|all| all.split_off(&lowest));
        self.trim();
        let mut line = Self {
            waiters: left.map(Box::new),
        };
        line.trim();
        line
    }

    pub(crate) fn into_wakers(self) -> impl Iterator<Item = Waker> {
        self.waiters
            .into_iter()
            .flat_map(|all| all.into_values())
            .flatten()
    }

    /// The last place of all, for the check that tickets are drawn before they are used.
    pub(crate) fn highest_ticket(&self) -> Option<Ticket> {
        let waiters = self.waiters.iter().flat_map(|waiters| waiters.keys());
        waiters.map(|place| place.ticket()).max()
    }

    /// An empty line has no tree.
    fn trim(&mut self) {
        self.waiters.take_if(|waiters| waiters.is_empty());
    }
}
