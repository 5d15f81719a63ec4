//! The switch that cancels a call.

use crate::manager::bell::Bell;
use crate::{
    Incarnation, Ticket,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};
use parking_lot::Mutex;
use tokio::time::Instant;

/// Why a call is cancelled. The first cause stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// Its sender dropped it.
    Left,
    /// Somebody aborted it.
    Abort,
    /// Its turn exceeded its limit.
    TurnTimeout,
    /// Nothing came from its turn for too long.
    Silent,
    /// The session is to be stopped.
    Stop,
    /// This process does not own the key any more.
    Lost,
    /// The deadline of the shutdown has passed.
    Shutdown,
    /// The runtime is gone, and with it everything that the call could wait for.
    RuntimeGone,
}

/// Cancels a call, and keeps the note of its turn.
///
/// A session has a switch too, which stands for the plain turns of that session, one after the other. Their tickets keep them
/// apart: a caller that found the switch for one of them cannot cancel the next one with it. What is stored for a ticket
/// lasts until a higher one is stored.
#[derive(Debug, Default)]
pub(crate) struct Switch {
    /// A call was cancelled. Read before the lock is taken: most calls are not.
    used: AtomicBool,
    state: Mutex<State>,
    pub(crate) changed: Bell,
}

#[derive(Debug, Default)]
struct State {
    /// The call of which the rest is.
    ticket: Option<Ticket>,
    cause: Option<Cause>,
    /// The number of the session that it starts, or has started; 0 if it starts none.
    starts: u64,
    /// A cause came that cuts its start short, at first or later.
    cuts: bool,
    note: Option<Arc<str>>,
    /// When the last event or note came.
    sign: Option<Instant>,
    /// How many calls of `send` wait for the sender's reader, and since when that has taken nothing.
    sends: u32,
    unread: Option<Instant>,
    /// The reader took nothing for too long.
    reader_lost: bool,
    /// The turn has ended. The stop of a dirty session may hold the slot for longer.
    over: bool,
}

impl State {
    /// The state of this call; `None` if a later call has stored something. What an earlier one has stored goes.
    fn of(&mut self, ticket: Ticket) -> Option<&mut Self> {
        match self.ticket {
            Some(stored) if stored > ticket => return None,
            Some(stored) if stored == ticket => {}
            _ => {
                *self = Self {
                    ticket: Some(ticket),
                    ..Self::default()
                }
            }
        }
        Some(self)
    }
}

impl Switch {
    /// Cancels the call with this ticket, and a start that it waits for if `cuts` says so. False if its turn has ended.
    pub(crate) fn cancel(&self, ticket: Ticket, cause: Cause, cuts: bool) -> bool {
        self.cancel_of(None, ticket, cause, cuts)
    }

    /// The same, but only if it has or awaits this session: false also if it has gone on to one that it starts. One lock decides, so a
    /// call that was found by the session before is not cancelled in the next one.
    pub(crate) fn cancel_of(
        &self,
        only: Option<Incarnation>,
        ticket: Ticket,
        cause: Cause,
        cuts: bool,
    ) -> bool {
        let mut state = self.state.lock();
        let Some(own) = state.of(ticket).filter(|state| !state.over) else {
            return false;
        };
        if only.is_some_and(|only| own.starts != 0 && own.starts != only.get()) {
            return false;
        }
        own.cause.get_or_insert(cause);
        own.cuts |= cuts;
        // Before the ring: a call that it wakes reads `used` once, and then sleeps.
        self.used.store(true, Ordering::Release);
        drop(state);
        self.changed.ring();
        true
    }

    /// The call starts this session.
    pub(crate) fn starts(&self, ticket: Ticket, session: Incarnation) {
        if let Some(own) = self.state.lock().of(ticket) {
            own.starts = session.get();
        }
    }

    pub(crate) fn cause(&self, ticket: Ticket) -> Option<Cause> {
        if !self.used.load(Ordering::Acquire) {
            return None;
        }
        let state = self.state.lock();
        state.cause.filter(|_| state.ticket == Some(ticket))
    }

    /// Resolves when the start of a session for this call is to be cut short.
    pub(crate) async fn cut(&self, ticket: Ticket) {
        let is_cut = || {
            let state = self.state.lock();
            (state.cuts && state.ticket == Some(ticket)).then_some(())
        };
        self.changed.found(is_cut).await;
    }

    /// Of a call that has this switch for itself.
    pub(crate) fn own_cause(&self) -> Option<Cause> {
        self.state.lock().cause
    }

    /// Resolves when the call is cancelled.
    pub(crate) async fn cancelled(&self, ticket: Ticket) -> Cause {
        self.changed.found(|| self.cause(ticket)).await
    }

    /// The turn has ended, so there is nothing left to cancel.
    pub(crate) fn end(&self, ticket: Ticket) {
        let mut state = self.state.lock();
        let note = state.of(ticket).and_then(|state| {
            state.over = true;
            state.note.take()
        });
        drop(state);
        drop(note);
    }

    pub(crate) fn set_note(&self, ticket: Ticket, note: Arc<str>) {
        let now = Instant::now();
        let mut state = self.state.lock();
        let unused = match state.of(ticket).filter(|state| !state.over) {
            Some(state) => {
                state.sign = Some(now);
                state.note.replace(note)
            }
            None => Some(note),
        };
        drop(state);
        drop(unused);
    }

    /// An event has come, or a note.
    pub(crate) fn alive(&self, ticket: Ticket) {
        let now = Instant::now();
        let mut state = self.state.lock();
        if let Some(state) = state.of(ticket) {
            state.sign = Some(now);
        }
    }

    /// When the last event or note came.
    pub(crate) fn sign(&self, ticket: Ticket) -> Option<Instant> {
        let state = self.state.lock();
        state.sign.filter(|_| state.ticket == Some(ticket))
    }

    /// A `send` begins to wait for the reader, or waits no more. Meanwhile the silence is the reader's.
    pub(crate) fn send_waits(&self, ticket: Ticket, waits: bool) {
        let now = Instant::now();
        let mut state = self.state.lock();
        if let Some(state) = state.of(ticket) {
            state.sign = Some(now);
            state.sends = match waits {
                true => state.sends + 1,
                false => state.sends.saturating_sub(1),
            };
            let first = waits && state.sends == 1;
            if first || state.sends == 0 {
                state.unread = first.then_some(now);
            }
        }
    }

    /// The reader for which a `send` waits has taken something.
    pub(crate) fn read(&self, ticket: Ticket) {
        let now = Instant::now();
        let mut state = self.state.lock();
        if let Some(state) = state.of(ticket).filter(|state| state.sends > 0) {
            state.unread = Some(now);
        }
    }

    /// Resolves when a `send` need not wait any longer: the call is cancelled, or its reader is lost.
    pub(crate) async fn send_ends(&self, ticket: Ticket) {
        let ends = || {
            if !self.used.load(Ordering::Acquire) {
                return None;
            }
            let state = self.state.lock();
            let ends = state.cause.is_some() || state.reader_lost;
            (ends && state.ticket == Some(ticket)).then_some(())
        };
        self.changed.found(ends).await;
    }

    /// The sign of life that came after this moment, and since when a reader has taken nothing for which a `send` waits: then the
    /// silence is the reader's. It is lost if it has taken nothing since `expired`. All this is one look under one lock: a `send` that ends
    /// meanwhile leaves its sign first.
    pub(crate) fn signs(
        &self,
        ticket: Ticket,
        last: Instant,
        expired: Option<Instant>,
    ) -> (Option<Instant>, Option<Instant>) {
        let now = Instant::now();
        let mut state = self.state.lock();
        let Some(own) = state.of(ticket) else {
            return (None, None);
        };
        let Some(unread) = own.unread else {
            return (own.sign.filter(|sign| *sign > last), None);
        };
        if expired != Some(unread) {
            return (Some(now), Some(unread));
        }
        own.unread = None;
        own.reader_lost = true;
        drop(state);
        // A `send` that looks before this store is woken by the ring.
        self.used.store(true, Ordering::Release);
        self.changed.ring();
        (Some(now), None)
    }

    pub(crate) fn note(&self, ticket: Ticket) -> Option<Arc<str>> {
        let state = self.state.lock();
        state.note.clone().filter(|_| state.ticket == Some(ticket))
    }
}

#[cfg(test)]
mod tests {
    use super::{Cause, Switch};
    use crate::{Incarnation, Ticket};

    /// Between the search for a call, by its session, and its cancellation it may go on to the next session.
    #[test]
    fn a_call_that_went_on_is_not_cancelled_by_its_last_session() {
        let switch = Switch::default();
        let (old, new) = (Incarnation(1), Incarnation(2));
        let cancel = |only| switch.cancel_of(Some(only), Ticket::FIRST, Cause::Stop, true);
        switch.starts(Ticket::FIRST, new);
        assert!(!cancel(old) && switch.cause(Ticket::FIRST).is_none());
        assert!(cancel(new) && switch.cause(Ticket::FIRST) == Some(Cause::Stop));
    }
}
