//! The future of a plain turn. If the session is idle and healthy, it needs neither a task, a timer nor an allocation.

use crate::manager::{
    backend::{Backend, StopReason},
    call::{
        establish::{Looked, begin, establish, looked},
        held::{Taken, Unused, Want},
        place::Place,
        turn::SessionTurn,
    },
    circle::{in_scope, watched},
    error::TurnError,
    reach::{Awaited, Call},
    run::{Reused, either, uncut},
    shared::Shared,
};
use crate::{
    Ticket, ToKey,
    sync::{Arc, in_runtime},
};
use std::{
    fmt,
    future::Future,
    mem,
    pin::{Pin, pin},
    task::{Context, Poll},
};
use tokio::time::Instant;

/// The future of [`SessionManager::turn`](crate::SessionManager::turn). It resolves to the turn. It took its position in the queue when it
/// was made.
///
/// If the key was free, this future holds the turn already. As long as it is neither polled nor dropped, the key is blocked.
///
/// # Cancel safety
///
/// If it is dropped in the queue, it leaves the queue. A start, a check or a stop that it waits for continues, for the next caller.
///
/// # Panics
///
/// Polling it after it has returned its result panics.
#[must_use = "this holds a position in the queue, or the key: await it or drop it"]
pub struct Entering<B: Backend> {
    ticket: Option<Ticket>,
    state: State<B>,
}

enum State<B: Backend> {
    /// The session was idle, and the call has its turn.
    Free(Free<B>),
    Going(Going<B>),
    Over,
}

impl<B: Backend> Entering<B> {
    /// The turn of an idle session; `None` if there is none.
    pub(crate) fn idle<Q: ?Sized + ToKey<B::Key>>(
        shared: &Arc<Shared<B>>,
        key: &Q,
    ) -> Option<Self> {
        let free = Free::take(shared, key)?;
        Some(Self {
            ticket: free.turn.ticket(),
            state: State::Free(free),
        })
    }

    /// The turn of this place. The future owns `keep` until the turn comes: a call that waits keeps the manager alive.
    pub(crate) fn of(place: Place<B>, shared: &Arc<Shared<B>>, keep: impl Send + 'static) -> Self {
        let (ticket, shared) = (place.ticket(), Arc::clone(shared));
        let turn = Box::pin(async move {
            let watch = watch(&shared, || place.awaited());
            let turn = watched(watch, pin!(place.turn(shared))).await;
            drop(keep);
            turn
        });
        Self {
            ticket,
            state: State::Going(turn),
        }
    }

    /// Returns the ticket, which the turn will have too. `None` if the call was refused; the first poll returns the reason.
    pub fn ticket(&self) -> Option<Ticket> {
        self.ticket
    }
}

impl<B: Backend> Future for Entering<B> {
    type Output = Result<SessionTurn<B>, TurnError<B::Error>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let State::Free(_) = self.state {
            let State::Free(free) = mem::replace(&mut self.state, State::Over) else {
                unreachable!("it is free");
            };
            let taken = free.poll(cx, &mut self.state);
            if taken.is_ready() {
                return taken;
            }
        }
        match &mut self.state {
            State::Going(going) => going.as_mut().poll(cx),
            _ => panic!("`Entering` was polled after it was ready"),
        }
    }
}

/// Nothing in it is pinned.
impl<B: Backend> Unpin for Entering<B> {}

impl<B: Backend> fmt::Debug for Entering<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entering")
            .field("ticket", &self.ticket)
            .finish_non_exhaustive()
    }
}

/// The turn of an idle session, which a plain call has from its beginning. The handle of the session stands for the call.
struct Free<B: Backend> {
    turn: Unused<B>,
    called: Option<Instant>,
    shared: Arc<Shared<B>>,
}

/// A future that a call waits for.
type Going<B> = Pin<Box<dyn Future<Output = Taken<B>> + Send>>;

impl<B: Backend> Free<B> {
    fn take<Q: ?Sized + ToKey<B::Key>>(shared: &Arc<Shared<B>>, key: &Q) -> Option<Self> {
        let turn = shared.registry.take_idle(key)?;
        Some(Self {
            turn: Unused::new(turn),
            called: shared.listens().then(Instant::now),
            shared: Arc::clone(shared),
        })
    }

    /// The turn, if the session is healthy at once: then without a task, a timer or an allocation. Else stores the future that goes on.
    fn poll(self, cx: &mut Context<'_>, state: &mut State<B>) -> Poll<Taken<B>> {
        let Self {
            turn,
            called,
            shared,
        } = self;
        // Not even looked at: the call that cancelled this one wants the session next.
        if turn.is_cancelled() {
            return Poll::Ready(begin(shared, turn, None, called));
        }
        let (own, ticket) = turn.own();
        let mut look = Reused::new(looked(shared, turn, true));
        let going = match in_runtime(own.runtime(), || Pin::new(&mut look).poll(cx)) {
            Poll::Ready((shared, turn, None)) => {
                look.keep();
                return Poll::Ready(begin(shared, turn, None, called).map(SessionTurn::taken));
            }
            Poll::Ready((shared, turn, Some(unfit))) => {
                look.keep();
                Self::renews(shared, turn, unfit, own, ticket, called)
            }
            Poll::Pending => Self::looks(look, own, ticket, called),
        };
        *state = State::Going(going);
        Poll::Pending
    }

    /// The check goes on in a task, with the session, since that belongs to the key.
    #[cold]
    fn looks(
        look: Reused<impl Future<Output = Looked<B>> + Send + 'static>,
        own: Arc<Call<B>>,
        ticket: Ticket,
        called: Option<Instant>,
    ) -> Going<B> {
        let call = Arc::clone(&own);
        let task = own.runtime().spawn(async move {
            let (shared, turn, unfit) = look.await;
            let want = Want::any(called);
            establish(shared, turn, call, want, Some(unfit), |_| {}).await
        });
        Box::pin(async move {
            let task = async { task.await.ok() };
            ends_early(task, &own, ticket).await
        })
    }

    /// The session is unfit.
    #[cold]
    fn renews(
        shared: Arc<Shared<B>>,
        turn: Unused<B>,
        unfit: StopReason,
        own: Arc<Call<B>>,
        ticket: Ticket,
        called: Option<Instant>,
    ) -> Going<B> {
        let call = Arc::clone(&own);
        let limited = false;
        let awaited = || turn.spot().map(|call| Awaited { call, limited });
        let watch = watch(&shared, awaited);
        Box::pin(async move {
            let want = Want::any(called);
            let establish = establish(shared, turn, call, want, Some(Some(unfit)), |_| {});
            let found = uncut(own.runtime(), establish);
            watched(watch, pin!(ends_early(found, &own, ticket))).await
        })
    }
}

/// What [`watched`] needs. A future that is polled in a turn, but was polled before that first, is not watched.
fn watch<B: Backend>(
    shared: &Arc<Shared<B>>,
    awaited: impl FnOnce() -> Option<Awaited>,
) -> Option<(Arc<Shared<B>>, Awaited)> {
    if !in_scope() {
        return None;
    }
    Some((Arc::clone(shared), awaited()?))
}

/// The turn when it is there, unless the call is cancelled before. Then what it waits for goes on, for the next caller.
async fn ends_early<B: Backend>(
    found: impl Future<Output = Option<Taken<B>>>,
    own: &Call<B>,
    ticket: Ticket,
) -> Taken<B> {
    match either(pin!(found), own.switch.cancelled(ticket)).await {
        Ok(found) => SessionTurn::fetched(found),
        Err(cause) => Err(TurnError::of(cause)),
    }
}
