//! What a call holds before its turn begins, and the session that it wants.

use crate::manager::{
    backend::Backend,
    call::turn::SessionTurn,
    error::TurnError,
    reach::Call,
    shared::{Entered, Held},
};
use crate::{Entry, Incarnation, Ticket, Turn, registry::slot::state::Spot, sync::Arc};
use std::time::Duration;
use tokio::time::Instant;

/// The turn of a call, or why it got none.
pub(crate) type Taken<B> = Result<SessionTurn<B>, TurnError<<B as Backend>::Error>>;

/// The session that a call wants, how long it waits, and since when.
#[derive(Clone, Copy)]
pub(crate) struct Want {
    /// A new one in place of that which is there.
    pub(crate) restart: bool,
    /// One that is there.
    pub(crate) existing: bool,
    /// The one with this number.
    pub(crate) only: Option<Incarnation>,
    /// It does not wait for room.
    pub(crate) no_wait: bool,
    /// Limits the wait in the queue and for room, from the call on.
    pub(crate) wait: Option<Duration>,
    /// When the call was made: if it was queued or is to start a session, and of each call while somebody listens.
    pub(crate) called: Option<Instant>,
}

impl Want {
    /// Any healthy one, for a call that was made at this moment.
    pub(crate) fn any(called: Option<Instant>) -> Self {
        Self {
            restart: false,
            existing: false,
            only: None,
            no_wait: false,
            wait: None,
            called,
        }
    }

    /// Whether this is not the session that is wanted. A vacancy has none.
    pub(crate) fn misses(&self, session: Option<Incarnation>) -> bool {
        match session {
            Some(number) => self.only.is_some_and(|only| only != number),
            None => self.existing || self.only.is_some(),
        }
    }

    /// How long the call may still wait.
    pub(crate) fn wait_left(&self) -> Option<Duration> {
        let waited = self
            .called
            .map_or(Duration::ZERO, |called| called.elapsed());
        Some(self.wait?.saturating_sub(waited))
    }
}

/// A turn or a vacancy that nobody has used yet. A drop releases the turn, also in a thread that unwinds: the session is clean.
pub(crate) struct Unused<B: Backend>(pub(crate) Option<Entered<B>>);

impl<B: Backend> Unused<B> {
    /// Of the turn of an idle session.
    pub(crate) fn new(turn: Held<B>) -> Self {
        Self(Some(Entry::Occupied(turn)))
    }

    pub(crate) fn ticket(&self) -> Option<Ticket> {
        Some(match self.0.as_ref()? {
            Entry::Occupied(turn) => Turn::ticket(turn),
            Entry::Vacant(vacancy) => vacancy.ticket(),
        })
    }

    pub(crate) fn spot(&self) -> Option<Spot> {
        Some(match self.0.as_ref()? {
            Entry::Occupied(turn) => Turn::spot(turn),
            Entry::Vacant(vacancy) => vacancy.spot(),
        })
    }

    /// Of its session; `None` for a vacancy.
    pub(crate) fn incarnation(&self) -> Option<Incarnation> {
        match &self.0 {
            Some(Entry::Occupied(turn)) => Some(Turn::incarnation(turn)),
            _ => None,
        }
    }

    /// Of a plain call, for which the handle of the session stands.
    pub(crate) fn is_cancelled(&self) -> bool {
        match &self.0 {
            Some(Entry::Occupied(turn)) => turn.own.switch.cause(Turn::ticket(turn)).is_some(),
            _ => false,
        }
    }

    /// The handle that stands for a plain call, and the ticket of that.
    pub(crate) fn own(&self) -> (Arc<Call<B>>, Ticket) {
        match &self.0 {
            Some(Entry::Occupied(turn)) => (Arc::clone(&turn.own), Turn::ticket(turn)),
            _ => unreachable!("it is the turn of a session"),
        }
    }
}

impl<B: Backend> Drop for Unused<B> {
    fn drop(&mut self) {
        if let Some(Entry::Occupied(turn)) = self.0.take() {
            drop(Turn::release(turn));
        }
    }
}
