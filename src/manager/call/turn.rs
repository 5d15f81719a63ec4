//! The turn of a managed session, and how user code runs in one.

use crate::manager::{
    backend::{Backend, StopReason},
    end::stop,
    error::TurnError,
    reach::{Call, Cause, Switch},
    report::reports::{Outcome, SessionEvent},
    run::{Payload, caught, drop_caught, either, within},
    shared::{Held, Shared},
};
use crate::{
    Incarnation, Ticket, Turn,
    sync::{Arc, panicking},
};
use std::{
    fmt,
    future::Future,
    ops::{Deref, DerefMut},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::Instant;

/// The turn of a managed session, which it dereferences to.
///
/// Dropping it ends the turn, and the next in the queue goes on; [`discard`](Self::discard) has the session stopped instead, and
/// so has a panic. A plain guard cannot be known to be dropped in the middle of something: if it may be, use
/// [`SessionManager::with_turn`](crate::SessionManager::with_turn).
///
/// Nobody can take it away: a stop and a shutdown [cancel](Self::cancelled) it and wait.
///
/// Its functions are associated functions, so that they hide none of the session's methods.
#[must_use = "dropping a turn ends it"]
pub struct SessionTurn<B: Backend> {
    turn: Option<Held<B>>,
    shared: Arc<Shared<B>>,
    call: Arc<Call<B::Error>>,
    began: Instant,
    pub(crate) outcome: Outcome,
    /// Something is half-done: should the turn end now, the session is dirty.
    half_done: bool,
    /// The thread was unwinding already when its caller got the turn; or nobody has got it, and a thread that unwinds meanwhile has
    /// done nothing to the session.
    unwinding: bool,
}

impl<B: Backend> SessionTurn<B> {
    pub(crate) fn begin(
        shared: Arc<Shared<B>>,
        turn: Held<B>,
        call: Arc<Call<B::Error>>,
        called: Instant,
    ) -> Self {
        let began = Instant::now();
        shared.tell(|| SessionEvent::TurnBegan {
            key: Turn::key(&turn).clone(),
            incarnation: Turn::incarnation(&turn),
            turn: Turn::ticket(&turn),
            waited: began - called,
        });
        Self {
            turn: Some(turn),
            shared,
            call,
            began,
            outcome: Outcome::Done,
            half_done: false,
            unwinding: true,
        }
    }

    /// Its caller gets it.
    pub(crate) fn taken(mut this: Self) -> Self {
        this.unwinding = panicking();
        this
    }

    fn held(this: &Self) -> &Held<B> {
        this.turn.as_ref().expect(HELD)
    }

    /// The key.
    pub fn key(this: &Self) -> &B::Key {
        Turn::key(Self::held(this))
    }

    /// The session's number.
    pub fn incarnation(this: &Self) -> Incarnation {
        Turn::incarnation(Self::held(this))
    }

    /// The turn's ticket.
    pub fn ticket(this: &Self) -> Ticket {
        Turn::ticket(Self::held(this))
    }

    /// Resolves when the turn is to end: a stop or a shutdown waits for it. Cancel-safe.
    pub async fn cancelled(this: &Self) {
        this.call.switch.cancelled().await;
    }

    /// True once the turn is to end.
    pub fn is_cancelled(this: &Self) -> bool {
        this.call.switch.cause().is_some()
    }

    /// Ends the turn, and has the session stopped: the next in the queue waits for that and starts afresh.
    pub fn discard(mut this: Self) {
        this.half_done = true;
        this.outcome = Outcome::Dropped;
    }

    pub(crate) fn call(this: &Self) -> &Arc<Call<B::Error>> {
        &this.call
    }

    /// The agent answered with an error, because of a cancellation or not.
    pub(crate) fn failed(this: &mut Self, cause: Option<Cause>) {
        this.outcome = cause.map_or(Outcome::Failed, Outcome::of);
    }

    /// The session for code that, cut short or panicking, leaves it dirty: until [`drove`](Self::drove) says otherwise.
    pub(crate) fn session(this: &mut Self) -> (&mut B::Session, &Switch) {
        this.half_done = true;
        this.outcome = Outcome::Dropped;
        let turn = this.turn.as_mut().expect(HELD);
        (turn.session_mut(), &this.call.switch)
    }

    /// How that code ended.
    pub(crate) fn drove<T>(this: &mut Self, drove: &Drove<T>) {
        this.half_done = !matches!(drove, Drove::Done(_));
        this.outcome = match drove {
            Drove::Done(_) => Outcome::Done,
            Drove::Cut(cause) => Outcome::of(*cause),
            Drove::Panicked(_) => Outcome::Panicked,
        };
    }
}

/// A turn has its session until it ends.
const HELD: &str = "a turn has its session until it ends";

/// How user code in a turn ended.
pub(crate) enum Drove<T> {
    Done(T),
    /// Cancelled, and not over within the abort timeout.
    Cut(Cause),
    Panicked(Payload),
}

/// Runs it until it ends; from its limit or its cancellation on, for the abort timeout at most. It is dropped before this
/// returns.
pub(crate) async fn drive<B: Backend, F: Future>(
    shared: &Shared<B>,
    call: impl FnOnce() -> F,
    switch: &Switch,
    limit: Option<Duration>,
) -> Drove<F::Output> {
    let mut future = Box::pin(caught(call));
    let first = {
        let first = std::pin::pin!(either(future.as_mut(), switch.cancelled()));
        within(&shared.runtime, limit, first).await
    };
    let ended = match first {
        Some(Ok(ended)) => Some(ended),
        Some(Err(_)) => None,
        None => {
            switch.cancel(Cause::TurnTimeout);
            None
        }
    };
    let ended = match ended {
        Some(ended) => Some(ended),
        None => {
            within(
                &shared.runtime,
                Some(shared.timeouts().abort),
                future.as_mut(),
            )
            .await
        }
    };
    let dropped = drop_caught(future);
    match (ended, dropped) {
        (Some(Err(payload)), _) | (_, Err(payload)) => Drove::Panicked(payload),
        (Some(Ok(value)), Ok(())) => Drove::Done(value),
        (None, Ok(())) => Drove::Cut(switch.cause().unwrap_or(Cause::Abort)),
    }
}

impl<B: Backend> Deref for SessionTurn<B> {
    type Target = B::Session;

    fn deref(&self) -> &B::Session {
        Self::held(self).session()
    }
}

impl<B: Backend> DerefMut for SessionTurn<B> {
    fn deref_mut(&mut self) -> &mut B::Session {
        self.turn.as_mut().expect(HELD).session_mut()
    }
}

impl<B: Backend> Drop for SessionTurn<B> {
    fn drop(&mut self) {
        let Some(turn) = self.turn.take() else {
            return;
        };
        let panicked = panicking() && !self.unwinding;
        if panicked {
            self.outcome = Outcome::Panicked;
        }
        let took = self.began.elapsed();
        let outcome = self.outcome;
        self.shared.tell(|| SessionEvent::TurnEnded {
            key: Turn::key(&turn).clone(),
            incarnation: Turn::incarnation(&turn),
            turn: Turn::ticket(&turn),
            took,
            outcome,
        });
        if panicked || self.half_done {
            // Its slot is held for longer, by the stop. A turn that is given back is out of reach from the same moment.
            self.call.switch.end();
            stop::aside(&self.shared, Turn::vacate(turn), StopReason::Dirty);
        } else {
            // Not by a drop, which would end the session without a stop if this thread unwinds.
            drop(Turn::release(turn));
        }
    }
}

impl<B: Backend> fmt::Debug for SessionTurn<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let turn = Self::held(self);
        let key: &B::Key = Turn::key(turn);
        f.debug_struct("SessionTurn")
            .field("key", key)
            .field("incarnation", &Turn::incarnation(turn))
            .field("ticket", &Turn::ticket(turn))
            .finish_non_exhaustive()
    }
}

/// The future of a turn of a managed session; its place in the queue was taken in the call.
///
/// **Cancel-safe**: dropped in the queue, it leaves the queue; dropped while its session is started, checked or stopped, that
/// runs on, and the next in the queue has what comes of it.
///
/// **Hazard**: of a free key it holds the turn already. Kept and neither polled nor dropped, it holds its key.
#[must_use = "this holds a place in the queue, or the key: await it or drop it"]
pub struct Entering<B: Backend> {
    ticket: Option<Ticket>,
    turn: Pin<Box<dyn Future<Output = Result<SessionTurn<B>, TurnError<B::Error>>> + Send>>,
}

impl<B: Backend> Entering<B> {
    pub(crate) fn new(
        ticket: Option<Ticket>,
        turn: impl Future<Output = Result<SessionTurn<B>, TurnError<B::Error>>> + Send + 'static,
    ) -> Self {
        let turn = Box::pin(turn);
        Self { ticket, turn }
    }

    /// The ticket, which the turn will have too. `None` if the call was refused; the reason comes with the first poll.
    pub fn ticket(&self) -> Option<Ticket> {
        self.ticket
    }
}

impl<B: Backend> Future for Entering<B> {
    type Output = Result<SessionTurn<B>, TurnError<B::Error>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.turn.as_mut().poll(cx)
    }
}

impl<B: Backend> fmt::Debug for Entering<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entering")
            .field("ticket", &self.ticket)
            .finish_non_exhaustive()
    }
}
