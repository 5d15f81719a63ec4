//! What one call of a scripted backend does.

use super::watch::Watched;
use crate::sync::{Arc, panic_now};
use std::future::{Future, pending};

/// What the next call of a method does. Fails with an `E`: see the `on_..` methods of [`Script`](crate::testing::Script).
#[derive(Debug)]
#[must_use = "an act is played when it is queued"]
pub struct Act<E> {
    deed: Deed<E>,
    after: Option<Gate>,
}

#[derive(Debug)]
enum Deed<E> {
    Pass,
    Fail(E),
    Hang,
    UntilCancelled,
    Panic,
}

impl<E> Act<E> {
    /// The backend's own method runs. What nothing is queued for does so; here to be [`after`](Self::after) a gate, or to
    /// leave a call out.
    pub fn pass() -> Self {
        Self::of(Deed::Pass)
    }

    /// Fails; the backend does not hear of the call. A session whose stop fails so is dropped.
    pub fn fail(error: E) -> Self {
        Self::of(Deed::Fail(error))
    }

    /// Does not end, until the manager drops it.
    pub fn hang() -> Self {
        Self::of(Deed::Hang)
    }

    /// Of a `send`: waits until its turn is cancelled, then passes, and the backend sees a cancelled turn. Nobody cancels
    /// the other calls: they hang.
    pub fn until_cancelled() -> Self {
        Self::of(Deed::UntilCancelled)
    }

    /// Panics. Nothing is printed, for nothing is wrong.
    pub fn panic() -> Self {
        Self::of(Deed::Panic)
    }

    /// Waits for the gate first.
    pub fn after(self, gate: &Gate) -> Self {
        Self {
            after: Some(gate.clone()),
            ..self
        }
    }

    fn of(deed: Deed<E>) -> Self {
        Self { deed, after: None }
    }

    /// Returns when the call is the backend's to answer.
    pub(super) async fn play(self, cancelled: impl Future<Output = ()>) -> Result<(), E> {
        if let Some(gate) = self.after {
            gate.pass().await;
        }
        match self.deed {
            Deed::Pass => {}
            Deed::Fail(error) => return Err(error),
            Deed::Hang => pending().await,
            Deed::UntilCancelled => cancelled.await,
            Deed::Panic => panic_now(),
        }
        Ok(())
    }
}

/// With it `is_healthy` fails: the answer is no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unhealthy;

/// Where calls wait until a test lets them go on. Its clones are the same gate, which opens once and for all.
#[derive(Clone, Debug, Default)]
pub struct Gate(Arc<Watched<Door>>);

#[derive(Debug, Default)]
struct Door {
    reached: bool,
    open: bool,
}

impl Gate {
    /// A closed one.
    pub fn new() -> Self {
        Self::default()
    }

    /// All that wait go on, and nobody waits any more.
    pub fn open(&self) {
        self.0.change(|door| door.open = true);
    }

    /// Resolves when a call has come to the gate. Cancel-safe.
    pub async fn reached(&self) {
        self.0.until(|door| door.reached).await;
    }

    async fn pass(&self) {
        self.0.change(|door| door.reached = true);
        self.0.until(|door| door.open).await;
    }
}
