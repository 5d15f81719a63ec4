//! A call, as others reach it by its number: the switch that cancels it, and the answer that somebody else has for it.
//!
//! It is the handle that the call leaves in the registry. So it is found in every state of the call, from its place in the
//! queue to the end of its turn, and the slot lock decides which call that is.

use crate::manager::{
    bell::Bell,
    error::{StartFailure, StopError, TurnError},
};
use crate::sync::Arc;
use parking_lot::Mutex;

/// Why a call is to end. The first cause stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// Its sender dropped it, or somebody aborted it.
    Abort,
    /// Its turn lasted for longer than it may.
    TurnTimeout,
    /// The session is to be stopped.
    Stop,
    /// The manager shuts down, and the deadline is over.
    Shutdown,
    /// The runtime is gone, and with it all that the call could wait for.
    RuntimeGone,
}

impl<E> TurnError<E> {
    /// What the caller of a turn that was ended so gets.
    pub(crate) fn of(cause: Cause) -> Self {
        match cause {
            Cause::TurnTimeout => Self::TurnTimedOut,
            Cause::Abort | Cause::Stop | Cause::Shutdown => Self::Aborted,
            Cause::RuntimeGone => Self::Closed,
        }
    }
}

/// A call that has, or had, a place.
#[derive(Debug)]
pub(crate) struct Call<E> {
    pub(crate) switch: Switch,
    /// It ends the session, and has no turn.
    pub(crate) stops: bool,
    answer: Mutex<Option<Answer<E>>>,
}

/// What others decide for a call.
#[derive(Debug)]
enum Answer<E> {
    Refused(Refusal<E>),
    /// The stop has ended, for all who asked for it.
    Stopped(Result<bool, StopError<E>>),
}

/// Why a call leaves the queue without a turn.
#[derive(Debug)]
pub(crate) enum Refusal<E> {
    /// Somebody has sent the queue away.
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

    /// The call has left the queue. The first reason stays: a call that was cancelled before has that one.
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

    /// Why the call gets no turn, once somebody has decided so. A call that was sent away may be cancelled after that.
    pub(crate) fn refusal(&self) -> Option<TurnError<E>> {
        let cancelled = || self.switch.cause().map(TurnError::of);
        self.sent_away().or_else(cancelled)
    }

    /// Resolves when the call is to end without a turn.
    pub(crate) async fn refused(&self) -> TurnError<E> {
        self.switch.changed.found(|| self.refusal()).await
    }

    /// The stop has ended; the first answer stays.
    pub(crate) fn end(&self, stopped: Result<bool, StopError<E>>) {
        self.decide(Answer::Stopped(stopped));
    }

    /// Resolves when the stop has ended.
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
            return drop(given); // before the answer
        }
        *given = Some(answer);
        drop(given);
        self.switch.changed.ring();
    }
}

/// The switch of a call, without the type of its errors.
pub(crate) trait Switched: Send + Sync {
    fn switch(&self) -> &Switch;
}

impl<E: Send + Sync> Switched for Call<E> {
    fn switch(&self) -> &Switch {
        &self.switch
    }
}

/// What cancels a call, and what its turn has noted.
#[derive(Debug, Default)]
pub(crate) struct Switch {
    state: Mutex<State>,
    changed: Bell,
}

#[derive(Debug, Default)]
struct State {
    cause: Option<Cause>,
    note: Option<Arc<str>>,
    /// The turn has ended. Its slot may be held for longer, by the stop of a dirty session.
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

    /// Resolves when the call is to end.
    pub(crate) async fn cancelled(&self) -> Cause {
        self.changed.found(|| self.cause()).await
    }

    /// The turn has ended: there is nothing to cancel any more.
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
