//! The handle of a call: the switch that cancels it, and the answer that another call may give it.
//!
//! Each call stores its handle in the registry. So others find it in every state, from its position in the queue to the end of its
//! turn, and the slot lock decides which call they find.

use crate::manager::{
    bell::Bell,
    error::{StartFailure, StopError, TurnError},
};
use crate::sync::Arc;
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
        if self.switch.cause().is_none() {
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
        let cancelled = || self.switch.cause().map(TurnError::of);
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

/// A call without the type of its errors.
pub(crate) trait Switched: Send + Sync {
    fn switch(&self) -> &Switch;
}

impl<E: Send + Sync> Switched for Call<E> {
    fn switch(&self) -> &Switch {
        &self.switch
    }
}

/// Cancels a call, and keeps the note of its turn.
#[derive(Debug, Default)]
pub(crate) struct Switch {
    state: Mutex<State>,
    changed: Bell,
}

#[derive(Debug, Default)]
struct State {
    cause: Option<Cause>,
    note: Option<Arc<str>>,
    /// The turn has ended. The stop of a dirty session may hold the slot for longer.
    over: bool,
}

impl Switch {
    /// Cancels the call. False if its turn has ended.
    pub(crate) fn cancel(&self, cause: Cause) -> bool {
        let mut state = self.state.lock();
        if state.over {
            return false;
        }
        state.cause.get_or_insert(cause);
        drop(state);
        self.changed.ring();
        true
    }

    pub(crate) fn cause(&self) -> Option<Cause> {
        self.state.lock().cause
    }

    /// Resolves when the call is cancelled.
    pub(crate) async fn cancelled(&self) -> Cause {
        self.changed.found(|| self.cause()).await
    }

    /// The turn has ended, so there is nothing left to cancel.
    pub(crate) fn end(&self) {
        let mut state = self.state.lock();
        state.over = true;
        let note = state.note.take();
        drop(state);
        drop(note);
    }

    pub(crate) fn set_note(&self, note: Arc<str>) {
        let mut state = self.state.lock();
        let unused = if state.over {
            Some(note)
        } else {
            state.note.replace(note)
        };
        drop(state);
        drop(unused);
    }

    pub(crate) fn note(&self) -> Option<Arc<str>> {
        self.state.lock().note.clone()
    }
}
