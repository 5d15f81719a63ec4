//! What one call of a scripted backend does.

use super::watch::Watched;
use crate::{
    manager::run::either,
    sync::{Arc, panic_now},
};
use std::{
    future::{Future, pending},
    pin::pin,
    time::Duration,
};

/// What a call does instead of the backend's own method, or before it. Queued with [`Script::on`](crate::testing::Script::on).
#[derive(Clone, Debug)]
#[must_use = "an act does nothing until it is queued or played"]
pub struct Act<E> {
    deed: Deed<E>,
    after: Option<Gate>,
    or_cancelled: Option<E>,
}

#[derive(Clone, Debug)]
enum Deed<E> {
    Pass,
    Fail(E),
    Hang,
    UntilCancelled,
    Take(Duration),
    Panic,
    PanicAtOnce,
}

impl<E> Act<E> {
    /// Runs the backend's own method. A call without an act does the same: use it with [`after`](Self::after), or to leave
    /// out a call before the next act.
    pub fn pass() -> Self {
        Self::of(Deed::Pass)
    }

    /// Fails, and does not call the backend's method. A session whose stop fails this way is dropped. A failed `is_healthy`
    /// returns `false`.
    pub fn fail(error: E) -> Self {
        Self::of(Deed::Fail(error))
    }

    /// Never ends. The manager drops it after its limit.
    pub fn hang() -> Self {
        Self::of(Deed::Hang)
    }

    /// For `send` and `start`: waits until the turn or the start is cancelled, then passes. The other methods are never cancelled: they
    /// hang.
    pub fn until_cancelled() -> Self {
        Self::of(Deed::UntilCancelled)
    }

    /// Sleeps for this time, then passes.
    pub fn take(time: Duration) -> Self {
        Self::of(Deed::Take(time))
    }

    /// Panics when it is polled, without a message on stderr.
    pub fn panic() -> Self {
        Self::of(Deed::Panic)
    }

    /// Panics in the call itself, before the method has returned a future.
    pub fn panic_at_once() -> Self {
        Self::of(Deed::PanicAtOnce)
    }

    /// Waits for the gate first.
    pub fn after(self, gate: &Gate) -> Self {
        Self {
            after: Some(gate.clone()),
            ..self
        }
    }

    /// For `send` and `start`: ends with this error as soon as the turn or the start is cancelled.
    pub fn or_cancelled(self, error: E) -> Self {
        Self {
            or_cancelled: Some(error),
            ..self
        }
    }

    fn of(deed: Deed<E>) -> Self {
        Self {
            deed,
            after: None,
            or_cancelled: None,
        }
    }

    /// Plays the act: for a backend that chooses its acts itself, or receives them in its messages. `cancelled` is the
    /// [`cancelled`](crate::TurnContext::cancelled) of a turn, or [`pending`].
    ///
    /// # Errors
    ///
    /// The error of [`fail`](Self::fail) or [`or_cancelled`](Self::or_cancelled).
    ///
    /// # Panics
    ///
    /// If the act is [`panic`](Self::panic) or [`panic_at_once`](Self::panic_at_once).
    pub fn play(self, cancelled: impl Future<Output = ()>) -> impl Future<Output = Result<(), E>> {
        let Self {
            deed,
            after,
            or_cancelled,
        } = self;
        if matches!(deed, Deed::PanicAtOnce) {
            panic_now();
        }
        async move {
            let Some(error) = or_cancelled else {
                return deed.play(after, cancelled).await;
            };
            let played = pin!(deed.play(after, pending()));
            either(played, cancelled).await.unwrap_or(Err(error))
        }
    }
}

impl<E> Deed<E> {
    async fn play(self, after: Option<Gate>, cancelled: impl Future<Output = ()>) -> Result<(), E> {
        if let Some(gate) = after {
            gate.pass().await;
        }
        match self {
            Self::Pass => {}
            Self::Fail(error) => return Err(error),
            Self::Hang => pending().await,
            Self::UntilCancelled => cancelled.await,
            Self::Take(time) => tokio::time::sleep(time).await,
            Self::Panic | Self::PanicAtOnce => panic_now(),
        }
        Ok(())
    }
}

/// A gate at which calls wait until a test opens it. A clone is the same gate. An open gate stays open.
#[derive(Clone, Debug, Default)]
pub struct Gate(Arc<Watched<Door>>);

#[derive(Debug, Default)]
struct Door {
    reached: bool,
    open: bool,
}

impl Gate {
    /// Returns a closed gate.
    pub fn new() -> Self {
        Self::default()
    }

    /// Opens the gate: every call that waits at it goes on, and later calls do not wait.
    pub fn open(&self) {
        self.0.change(|door| door.open = true);
    }

    /// Resolves when a call has come to the gate.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn reached(&self) {
        self.0.until(|door| door.reached).await;
    }

    /// Waits until the gate is open. Use it in your own code, such as a closure in a turn.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn pass(&self) {
        self.0.change(|door| door.reached = true);
        self.0.until(|door| door.open).await;
    }
}
