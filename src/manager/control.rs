//! What others may reach while a session is started or used: the switch that cancels its turn. One [`Control`] an
//! incarnation, which is the registry's handle.

use super::{
    error::{StartFailure, TurnError},
    run::{found, quietly},
};
use crate::{Ticket, sync::Arc};
use parking_lot::Mutex;
use tokio::sync::Notify;

/// Why a turn is to end. The first cause stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// Its sender went away or said so.
    Abort,
    /// It lasted for longer than it may.
    TurnTimeout,
    /// The session is to be stopped.
    Stop,
    /// The manager shuts down, and the deadline is over.
    Shutdown,
}

impl<E> TurnError<E> {
    /// What the caller of a turn that was ended so is told.
    pub(super) fn of(cause: Cause) -> Self {
        match cause {
            Cause::TurnTimeout => Self::TurnTimedOut,
            Cause::Abort | Cause::Stop | Cause::Shutdown => Self::Aborted,
        }
    }
}

/// The switch of one turn, from the call that asks for it to its end.
#[derive(Debug, Default)]
pub(super) struct Switch {
    state: Mutex<State>,
    told: Notify,
}

#[derive(Debug, Default)]
struct State {
    cause: Option<Cause>,
    note: Option<Arc<str>>,
}

impl Switch {
    pub(super) fn cancel(&self, cause: Cause) {
        self.state.lock().cause.get_or_insert(cause);
        // The waker of who waits for it may panic: that is no matter of who cancels.
        quietly(|| self.told.notify_waiters());
    }

    pub(super) fn cause(&self) -> Option<Cause> {
        self.state.lock().cause
    }

    /// Resolves when the turn is to end.
    pub(super) async fn cancelled(&self) -> Cause {
        found(&self.told, || self.cause()).await
    }

    pub(super) fn set_note(&self, note: Arc<str>) {
        let before = self.state.lock().note.replace(note);
        drop(before);
    }

    pub(super) fn note(&self) -> Option<Arc<str>> {
        self.state.lock().note.clone()
    }
}

/// What the manager leaves as the registry's handle of an incarnation.
///
/// | from | who | to |
/// |---|---|---|
/// | no turn | who took the slot makes a [`Begun`] | its turn |
/// | a turn | who holds the slot drops the `Begun`, then lets go | no turn |
///
/// A turn of it is under way from the moment that its taker has looked, to the moment before it lets go.
#[derive(Debug)]
pub(super) struct Control<E> {
    turn: Mutex<Option<(Ticket, Arc<Switch>)>>,
    pub(super) failures: Arc<Failures<E>>,
}

impl<E> Control<E> {
    pub(super) fn new(failures: Arc<Failures<E>>) -> Self {
        Self {
            turn: Mutex::new(None),
            failures,
        }
    }

    /// The turn that is under way; with a ticket, only if it is that one.
    pub(super) fn switch(&self, only: Option<Ticket>) -> Option<Arc<Switch>> {
        let turn = self.turn.lock();
        let (ticket, switch) = turn.as_ref()?;
        only.is_none_or(|only| only == *ticket)
            .then(|| Arc::clone(switch))
    }

    pub(super) fn cancel(&self, only: Option<Ticket>, cause: Cause) -> bool {
        let switch = self.switch(only);
        switch.inspect(|switch| switch.cancel(cause)).is_some()
    }
}

/// A turn that is within reach of others until this is dropped.
#[derive(Debug)]
pub(super) struct Begun<E>(Arc<Control<E>>);

impl<E> Begun<E> {
    pub(super) fn new(control: Arc<Control<E>>, ticket: Ticket, switch: &Arc<Switch>) -> Self {
        *control.turn.lock() = Some((ticket, Arc::clone(switch)));
        Self(control)
    }

    pub(super) fn control(&self) -> &Arc<Control<E>> {
        &self.0
    }
}

impl<E> Drop for Begun<E> {
    fn drop(&mut self) {
        let ended = self.0.turn.lock().take();
        drop(ended);
    }
}

/// The failed starts of a key while its line was never empty: who waited for a start that failed has its error too, and
/// does not try again. It goes from one incarnation to the next with those who wait.
#[derive(Debug)]
pub(super) struct Failures<E>(Mutex<(u64, Option<StartFailure<E>>)>);

impl<E> Default for Failures<E> {
    fn default() -> Self {
        Self(Mutex::new((0, None)))
    }
}

impl<E> Failures<E> {
    pub(super) fn add(&self, failure: StartFailure<E>) {
        let mut failures = self.0.lock();
        failures.0 += 1;
        let before = failures.1.replace(failure);
        drop(failures);
        drop(before);
    }

    /// A session came of a start: those who wait have it.
    pub(super) fn clear(&self) {
        let before = self.0.lock().1.take();
        drop(before);
    }

    /// How many there were, for [`since`](Self::since).
    pub(super) fn count(&self) -> u64 {
        self.0.lock().0
    }

    /// The last one, if it came after that many.
    pub(super) fn since(&self, count: u64) -> Option<StartFailure<E>> {
        let failures = self.0.lock();
        (failures.0 > count).then(|| failures.1.clone())?
    }
}
