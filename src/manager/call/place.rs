//! A call's position: taken in the call, awaited, and then turned into the turn of a healthy session.

use crate::manager::{
    backend::{Backend, StopReason},
    call::{
        room::seat,
        turn::{Entering, SessionTurn},
    },
    end::stop,
    error::{StartFailure, TurnError, error_text},
    reach::{Call, Cause, Refusal},
    report::reports::SessionEvent,
    run::{Ended, bounded, either, let_go, quietly, uncut, within},
    settings::TurnOptions,
    shared::{Entered, Held, Resident, Seat, Shared, Vacant, Waiting},
};
use crate::{EnterError, Entry, Ticket, ToKey, Turn, sync::Arc};
use std::{pin::pin, time::Duration};
use tokio::time::Instant;

/// What a call holds from its beginning: a position in the queue, or the key. A drop gives it to the next caller, without a trace.
pub(crate) struct Place<B: Backend> {
    pub(crate) call: Arc<Call<B::Error>>,
    restart: bool,
    wait: Option<Duration>,
    called: Instant,
    state: State<B>,
    shared: Arc<Shared<B>>,
}

enum State<B: Backend> {
    Taken(Unused<B>),
    Waits(Waiting<B>),
    Busy,
}

/// A turn or a vacancy that nobody has used yet. A drop releases the turn, also in a thread that unwinds: the session is clean.
struct Unused<B: Backend>(Option<Entered<B>>);

impl<B: Backend> Drop for Unused<B> {
    fn drop(&mut self) {
        if let Some(Entry::Occupied(turn)) = self.0.take() {
            drop(Turn::release(turn));
        }
    }
}

impl<B: Backend> Place<B> {
    /// Takes the turn or the vacancy of a free key, or the next position in the queue. From this moment other calls reach this one
    /// by its ticket.
    pub(crate) fn take<Q: ?Sized + ToKey<B::Key>>(
        shared: &Arc<Shared<B>>,
        key: &Q,
        options: &TurnOptions,
        restart: bool,
    ) -> Self {
        let call = Call::turn();
        let entered = shared
            .registry
            .enter_or_take(key, Arc::clone(&call), !options.no_wait);
        let state = match entered {
            Ok(entry) => State::Taken(Unused(Some(entry))),
            Err(Some(enter)) => State::Waits(enter),
            Err(None) => State::Busy,
        };
        Self {
            call,
            restart,
            wait: options.wait.or(shared.timeouts().wait),
            called: Instant::now(),
            state,
            shared: Arc::clone(shared),
        }
    }

    pub(crate) fn ticket(&self) -> Option<Ticket> {
        match &self.state {
            State::Taken(entry) => entry.0.as_ref().map(|entry| match entry {
                Entry::Occupied(turn) => Turn::ticket(turn),
                Entry::Vacant(vacancy) => vacancy.ticket(),
            }),
            State::Waits(enter) => enter.ticket(),
            State::Busy => None,
        }
    }

    /// The future of the turn. It owns `keep` until the turn comes, because a call that waits keeps the manager alive.
    pub(crate) fn entering(self, keep: impl Send + 'static) -> Entering<B> {
        Entering::new(self.ticket(), async move {
            let turn = self.turn().await;
            drop(keep);
            turn
        })
    }

    /// Waits in the queue, then for the session. A drop in the queue leaves the queue. After that, a start or a stop continues for
    /// the next caller.
    ///
    /// An abort, a stop, a dismissal or a failed start may take the position away, in the queue or granted. A call whose position is
    /// gone waits for the reason, which is stored already or follows at once.
    pub(crate) async fn turn(self) -> Result<SessionTurn<B>, TurnError<B::Error>> {
        let Self {
            call,
            restart,
            wait,
            called,
            state,
            shared,
        } = self;
        let entry = match state {
            State::Busy => return Err(TurnError::Busy),
            State::Taken(entry) => entry,
            State::Waits(enter) => {
                let mut enter = pin!(enter);
                let turn = pin!(either(enter.as_mut(), call.refused()));
                match within(&shared.runtime, wait, turn).await {
                    Some(Ok(Ok(entry))) => Unused(Some(entry)),
                    // The call that has taken the position away stores the reason, now or in a moment.
                    Some(Ok(Err(EnterError::Dismissed))) => return Err(call.refused().await),
                    Some(Ok(Err(refused))) => {
                        return Err(call.refusal().unwrap_or_else(|| refused.into()));
                    }
                    Some(Err(error)) => return Err(error),
                    None => return Err(call.refusal().unwrap_or(TurnError::WaitTimedOut)),
                }
            }
        };
        let runtime = shared.runtime.clone();
        let found = uncut(&runtime, establish(shared, entry, call, restart, called));
        let turn = found.await.unwrap_or(Err(TurnError::Closed))?;
        Ok(SessionTurn::taken(turn))
    }
}

/// Turns what is held into the turn of a healthy session. Must not be cut short, because it holds the key.
///
/// Other calls can cancel this one all the while, because they find it by its slot. So one check of the cause after each step is
/// enough.
async fn establish<B: Backend>(
    shared: Arc<Shared<B>>,
    mut entry: Unused<B>,
    call: Arc<Call<B::Error>>,
    restart: bool,
    called: Instant,
) -> Result<SessionTurn<B>, TurnError<B::Error>> {
    let (entry, seat) = match entry.0.take().expect("an entry is used once") {
        Entry::Occupied(turn) => renew(&shared, turn, &call, restart).await,
        vacant => (vacant, None),
    };
    if let Some(cause) = call.switch.cause() {
        drop(seat); // before the next caller needs one
        return Err(given_up::<B>(entry, cause));
    }
    let turn = match entry {
        Entry::Occupied(turn) => turn,
        Entry::Vacant(vacancy) => match start(&shared, vacancy, seat).await {
            Ok(turn) => turn,
            Err((vacancy, error)) => {
                let_go(vacancy);
                return Err(call.switch.cause().map_or(error, TurnError::of));
            }
        },
    };
    if let Some(cause) = call.switch.cause() {
        return Err(given_up::<B>(Entry::Occupied(turn), cause));
    }
    Ok(SessionTurn::begin(shared, turn, call, called))
}

/// The call was cancelled before its turn began. The next caller gets what it held.
fn given_up<B: Backend>(entry: Entered<B>, cause: Cause) -> TurnError<B::Error> {
    let_go(Unused::<B>(Some(entry)));
    TurnError::of(cause)
}

/// Stops a session that is to be restarted or is not healthy. Then returns its vacancy and its seat.
async fn renew<B: Backend>(
    shared: &Shared<B>,
    mut turn: Held<B>,
    call: &Call<B::Error>,
    restart: bool,
) -> (Entered<B>, Option<Seat>) {
    let cancelled = || call.switch.cause().is_some();
    let reason = if cancelled() {
        // Not even checked: the call that cancelled this one wants the session next.
        None
    } else if restart {
        Some(StopReason::Restarted)
    } else {
        let healthy = healthy(shared, &mut turn).await;
        (!healthy).then_some(StopReason::Unhealthy)
    };
    let Some(reason) = reason else {
        return (Entry::Occupied(turn), None);
    };
    let mut closing = Turn::vacate(turn);
    let seat = closing.session_mut().seat.take();
    let (vacancy, _) = stop::end(shared, closing, reason).await;
    (Entry::Vacant(vacancy), seat)
}

async fn healthy<B: Backend>(shared: &Shared<B>, turn: &mut Held<B>) -> bool {
    let session = turn.session_mut();
    let limit = shared.timeouts().start;
    let look = bounded(&shared.runtime, limit, || {
        shared.backend.is_healthy(session)
    });
    matches!(look.await, Ended::Done(true))
}

/// Starts a session in a vacancy. If that fails, returns the vacancy after the cleanup of the start.
async fn start<B: Backend>(
    shared: &Shared<B>,
    vacancy: Vacant<B>,
    kept: Option<Seat>,
) -> Result<Held<B>, (Vacant<B>, TurnError<B::Error>)> {
    let taken = match kept {
        Some(kept) => Some(kept),
        None => seat(shared).await,
    };
    let Some(seat) = taken else {
        return Err((vacancy, TurnError::RegistryFull));
    };
    let key = vacancy.key();
    let incarnation = vacancy.incarnation();
    let begun = Instant::now();
    let start = || shared.backend.start(key, incarnation);
    let failure = match bounded(&shared.runtime, shared.timeouts().start, start).await {
        Ended::Done(Ok(session)) => {
            let took = begun.elapsed();
            shared.tell(|| SessionEvent::Started {
                key: key.clone(),
                incarnation,
                took,
            });
            return Ok(vacancy.fill(Resident {
                session: Some(session),
                seat: Some(seat),
            }));
        }
        Ended::Done(Err(error)) => StartFailure::Failed(Arc::new(error)),
        Ended::Overran => StartFailure::TimedOut,
        Ended::Panicked => StartFailure::Panicked,
    };
    if !matches!(failure, StartFailure::Failed(_)) {
        // Bounded as well: if the cleanup hangs, the key is not lost.
        let gone = || shared.backend.start_abandoned(key, incarnation);
        bounded(&shared.runtime, shared.timeouts().stop, gone).await;
    }
    // Every call in the queue gets this error. Calls that arrive later try again.
    quietly(|| {
        shared.send_away(key, || Refusal::NotStarted(failure.clone()));
    });
    let took = begun.elapsed();
    let error = TurnError::from(failure);
    shared.tell(|| SessionEvent::StartFailed {
        key: key.clone(),
        incarnation,
        error: error_text(&error),
        took,
    });
    Err((vacancy, error))
}
