//! A call's place: taken when it is called, then waited for, then a turn of a session that is there and healthy.

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

/// What a call has from the moment that it is called. Its drop leaves no trace: the place in the queue, or the key, goes on.
pub(crate) struct Place<B: Backend> {
    pub(crate) call: Arc<Call<B::Error>>,
    restart: bool,
    wait: Option<Duration>,
    called: Instant,
    state: State<B>,
    shared: Arc<Shared<B>>,
}

enum State<B: Backend> {
    Taken(Unlooked<B>),
    Waits(Waiting<B>),
    Busy,
}

/// A turn or a vacancy whose session nobody has looked at. Dropped, the turn goes on to the next, or the session is idle:
/// nothing is half-done, also if the thread unwinds.
struct Unlooked<B: Backend>(Option<Entered<B>>);

impl<B: Backend> Drop for Unlooked<B> {
    fn drop(&mut self) {
        if let Some(Entry::Occupied(turn)) = self.0.take() {
            drop(Turn::release(turn));
        }
    }
}

impl<B: Backend> Place<B> {
    /// Takes the place now: of a free key the turn or the vacancy, of another the next one in the queue. Others reach the call by
    /// its ticket from the same moment.
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
            Ok(entry) => State::Taken(Unlooked(Some(entry))),
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

    /// The same, for its caller, who has `keep` until the turn has come: a call that waits counts as a handle of the manager.
    pub(crate) fn entering(self, keep: impl Send + 'static) -> Entering<B> {
        Entering::new(self.ticket(), async move {
            let turn = self.turn().await;
            drop(keep);
            turn
        })
    }

    /// Waits in the queue, then for the session. Dropped in the queue, it leaves; dropped later, start and stop run on, and the next
    /// in the queue has what comes of them.
    ///
    /// Another call may take the place away, in the queue or granted: by an abort, a stop, a dismissal or a start that fails. A
    /// call that finds its place gone waits for the reason, which is there by then or comes at once.
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
                    Some(Ok(Ok(entry))) => Unlooked(Some(entry)),
                    // Whoever has taken its place says why, now or in a moment.
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

/// What is held becomes the turn of a session that is there and healthy. Not to be cut short: it holds the key.
///
/// Whoever cancels the call finds it by its slot all the while, so one look at the cause after each step is enough.
async fn establish<B: Backend>(
    shared: Arc<Shared<B>>,
    mut entry: Unlooked<B>,
    call: Arc<Call<B::Error>>,
    restart: bool,
    called: Instant,
) -> Result<SessionTurn<B>, TurnError<B::Error>> {
    let (entry, seat) = match entry.0.take().expect("it is looked at once") {
        Entry::Occupied(turn) => renew(&shared, turn, &call, restart).await,
        vacant => (vacant, None),
    };
    if let Some(cause) = call.switch.cause() {
        drop(seat); // before the next in the queue looks for one
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

/// The call was cancelled before its turn began: the next in the queue has what it held.
fn given_up<B: Backend>(entry: Entered<B>, cause: Cause) -> TurnError<B::Error> {
    let_go(Unlooked::<B>(Some(entry)));
    TurnError::of(cause)
}

/// A session that is to be restarted, or is not healthy, is stopped: its vacancy is held next, and its room is kept.
async fn renew<B: Backend>(
    shared: &Shared<B>,
    mut turn: Held<B>,
    call: &Call<B::Error>,
    restart: bool,
) -> (Entered<B>, Option<Seat>) {
    let cancelled = || call.switch.cause().is_some();
    let reason = if cancelled() {
        // Not even looked at: who cancelled this wants the session next.
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

/// Fills a vacancy. When that fails it comes back, after what the start left behind is gone.
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
        // By decree, should it hang too: the key is not lost to it.
        let gone = || shared.backend.start_abandoned(key, incarnation);
        bounded(&shared.runtime, shared.timeouts().stop, gone).await;
    }
    // Who waited for it has the failure too; who comes later tries again.
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
