//! The handle of a call: the switch that cancels it, and the answer that another call may give it.
//!
//! Each call stores its handle in the registry, or that of its session stands for it. So others find it in every state, from its
//! position in the queue to the end of its turn, and the slot lock decides which call they find.

use crate::manager::{
    bell::Bell,
    error::{StartFailure, StopError, TurnError},
};
use crate::{
    Ticket,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};
use parking_lot::Mutex;

/// Why a call is cancelled. The first cause stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// Its sender dropped it, or somebody aborted it.
    Abort,
    /// Its turn exceeded its limit.
    TurnTimeout,
    /// The session is to be stopped.
    Stop,
    /// The deadline of the shutdown has passed.
    Shutdown,
    /// The runtime is gone, and with it everything that the call could wait for.
    RuntimeGone,
}

impl<E> TurnError<E> {
    /// The error of a call that was cancelled for this cause.
    pub(crate) fn of(cause: Cause) -> Self {
        match cause {
            Cause::TurnTimeout => Self::TurnTimedOut,
            Cause::Abort | Cause::Stop | Cause::Shutdown => Self::Aborted,
            Cause::RuntimeGone => Self::Closed,
        }
    }
}

/// The handle of a call.
#[derive(Debug)]
pub(crate) struct Call<E> {
    pub(crate) switch: Switch,
    /// True for a stop, which has no turn.
    pub(crate) stops: bool,
    answer: Mutex<Option<Answer<E>>>,
}

/// An answer that another call gives.
#[derive(Debug)]
enum Answer<E> {
    Refused(Refusal<E>),
    /// The stop has ended, for all callers that joined it.
    Stopped(Result<bool, StopError<E>>),
}

/// Why a call leaves the queue without a turn.
#[derive(Debug)]
pub(crate) enum Refusal<E> {
    /// Its queue was dismissed.
    Dismissed,
    /// The start that it waited for has failed.
    NotStarted(StartFailure<E>),
}

impl<E> Refusal<E> {
    pub(crate) fn error(&self) -> TurnError<E> {
        match self {
            Self::Dismissed => TurnError::Dismissed,
            Self::NotStarted(failure) => failure.clone().into(),
        }
    }
}

impl<E> Call<E> {
    /// A call that wants a turn.
    pub(crate) fn turn() -> Arc<Self> {
        Self::new(false)
    }

    /// A call that ends the session.
    pub(crate) fn stop() -> Arc<Self> {
        Self::new(true)
    }

    fn new(stops: bool) -> Arc<Self> {
        Arc::new(Self {
            switch: Switch::default(),
            stops,
            answer: Mutex::new(None),
        })
    }

    /// Gives the reason to a call that was taken out of the queue. A call that was cancelled before keeps that cause.
    pub(crate) fn refuse(&self, refusal: Refusal<E>) {
        if self.switch.own_cause().is_none() {
            self.decide(Answer::Refused(refusal));
        }
    }

    fn sent_away(&self) -> Option<TurnError<E>> {
        match &*self.answer.lock() {
            Some(Answer::Refused(refusal)) => Some(refusal.error()),
            _ => None,
        }
    }

    /// Why the call gets no turn, if another call has decided so. A refusal wins over a cause that came after it.
    pub(crate) fn refusal(&self) -> Option<TurnError<E>> {
        let cancelled = || self.switch.own_cause().map(TurnError::of);
        self.sent_away().or_else(cancelled)
    }

    /// Resolves when another call has decided that this one gets no turn.
    pub(crate) async fn refused(&self) -> TurnError<E> {
        self.switch.changed.found(|| self.refusal()).await
    }

    /// Answers a stop. The first answer stays.
    pub(crate) fn end(&self, stopped: Result<bool, StopError<E>>) {
        self.decide(Answer::Stopped(stopped));
    }

    /// Resolves when the stop is answered.
    pub(crate) async fn ended(&self) -> Result<bool, StopError<E>> {
        let ended = || match &*self.answer.lock() {
            Some(Answer::Stopped(stopped)) => Some(stopped.clone()),
            _ => None,
        };
        self.switch.changed.found(ended).await
    }

    /// The first answer stays.
    fn decide(&self, answer: Answer<E>) {
        let mut given = self.answer.lock();
        if given.is_some() {
            return drop(given); // before `answer` is dropped
        }
        *given = Some(answer);
        drop(given);
        self.switch.changed.ring();
    }
}

/// What the context of a turn reaches: the switch of its call, and the readers of its events.
pub(crate) trait Outlet<E>: Send + Sync {
    fn switch(&self) -> &Switch;
    fn emit(&self, event: E);
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
    changed: Bell,
}

#[derive(Debug, Default)]
struct State {
    /// The call of which the rest is.
    ticket: Option<Ticket>,
    cause: Option<Cause>,
    note: Option<Arc<str>>,
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
    /// Cancels the call with this ticket. False if its turn has ended.
    pub(crate) fn cancel(&self, ticket: Ticket, cause: Cause) -> bool {
        let mut state = self.state.lock();
        let Some(own) = state.of(ticket).filter(|state| !state.over) else {
            return false;
        };
        own.cause.get_or_insert(cause);
        // Before the ring: a call that it wakes reads `used` once, and then sleeps.
        self.used.store(true, Ordering::Release);
        drop(state);
        self.changed.ring();
        true
    }

    pub(crate) fn cause(&self, ticket: Ticket) -> Option<Cause> {
        if !self.used.load(Ordering::Acquire) {
            return None;
        }
        let state = self.state.lock();
        state.cause.filter(|_| state.ticket == Some(ticket))
    }

    /// Of a call that has this switch for itself.
    fn own_cause(&self) -> Option<Cause> {
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
        let mut state = self.state.lock();
        let unused = match state.of(ticket).filter(|state| !state.over) {
            Some(state) => state.note.replace(note),
            None => Some(note),
        };
        drop(state);
        drop(unused);
    }

    pub(crate) fn note(&self, ticket: Ticket) -> Option<Arc<str>> {
        let state = self.state.lock();
        state.note.clone().filter(|_| state.ticket == Some(ticket))
    }
}
