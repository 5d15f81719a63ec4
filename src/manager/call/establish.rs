//! How a call that has the key gets the turn of a healthy session.

use crate::manager::{
    backend::{Backend, StopReason},
    call::{
        held::{Taken, Unused, Want},
        start::start,
        turn::SessionTurn,
    },
    end::stop,
    error::TurnError,
    reach::Call,
    run::{Ended, bounded_here, either, let_go, poll_once, polled},
    shared::{Entered, Held, Seat, Shared},
    switch::Cause,
};
use crate::{Entry, Ticket, Turn, sync::Arc};
use std::{borrow::Borrow, future::Future, pin::pin};
use tokio::time::Instant;

/// The manager, the turn, and why its session must end before it.
pub(crate) type Looked<B> = (Arc<Shared<B>>, Unused<B>, Option<StopReason>);

/// Why the session of this turn must end before it: it is lost, was discarded, has become too old while it was idle, or is not healthy. `None` if
/// it may have the turn. `renews`: the call may start another one.
pub(crate) fn looked<B: Backend>(
    shared: Arc<Shared<B>>,
    mut turn: Unused<B>,
    renews: bool,
) -> impl Future<Output = Looked<B>> + Send {
    async move {
        let unfit = match &mut turn.0 {
            Some(Entry::Occupied(turn)) => {
                let unfit = must_end(&shared, turn, renews);
                if unfit.is_some() {
                    unfit
                } else {
                    let (session, own) = turn.parts_mut();
                    let limit = shared.timeouts().start;
                    let lost = || shared.lost(own.life().term.as_ref());
                    let look = bounded_here(limit, lost, || shared.backend.is_healthy(session));
                    let healthy = matches!(look.await, Ended::Done(true));
                    (!healthy).then_some(StopReason::Unhealthy)
                }
            }
            _ => None,
        };
        (shared, turn, unfit)
    }
}

/// Why a session must end before its next turn, whatever its health. Of age, the slot lock decides: a keep-alive comes before, and the
/// session stays, or it comes too late and there is none.
#[inline]
fn must_end<B: Backend>(shared: &Shared<B>, turn: &Held<B>, renews: bool) -> Option<StopReason> {
    let life = turn.own.life();
    if let Some(reason) = life.must_end() {
        return Some(reason);
    }
    let ends = life.is_old() && renews && shared.accepts() && Turn::seal(turn);
    ends.then_some(StopReason::Aged)
}

/// Turns what is held into the turn of a healthy session. What few calls do is in boxes, so that the future of the others is small.
/// Must not be cut short, because it holds the key.
///
/// Other calls can cancel this one all the while, because they find it by its slot. Its caller is answered at once then, and this
/// continues for the next caller. So one check of the cause after each step is enough.
pub(crate) fn establish<B: Backend>(
    shared: Arc<Shared<B>>,
    entry: Unused<B>,
    call: Arc<Call<B>>,
    want: impl Borrow<Want> + Send,
    looked_at: Option<Option<StopReason>>,
    mut early: impl FnMut(TurnError<B::Error>) + Send,
) -> impl Future<Output = Taken<B>> + Send {
    async move {
        let want: &Want = want.borrow();
        let ticket = entry.ticket().expect(ONCE);
        let cancelled = || call.switch.cause(ticket);
        if want.misses(entry.incarnation()) {
            let_go(entry);
            return Err(shared.refused(TurnError::NotFound));
        }
        let restart = want.restart;
        if restart && !shared.accepts() {
            let_go(entry);
            return Err(shared.refused(TurnError::NotAccepting));
        }
        let (shared, mut entry, unfit) = match looked_at {
            Some(unfit) => (shared, entry, unfit),
            // Not even looked at, if the call was cancelled: the call that did so wants the session next.
            None if restart || cancelled().is_some() => (shared, entry, None),
            None => {
                let mut look = pin!(looked(shared, entry, !want.misses(None)));
                match poll_once(look.as_mut()).await {
                    Some(looked) => looked,
                    None => {
                        let rest = polled(look);
                        Box::pin(heed(rest, &call, ticket, &mut early)).await
                    }
                }
            }
        };
        // What was found unfit is stopped in any case.
        let restarts = restart && cancelled().is_none();
        let reason = unfit.or(restarts.then_some(StopReason::Restarted));
        let (entry, kept) = match (entry.0.take().expect(ONCE), reason) {
            (Entry::Occupied(turn), Some(reason)) => {
                let renew = renew(&shared, turn, &call, reason);
                Box::pin(heed(renew, &call, ticket, &mut early)).await
            }
            (taken, _) => (taken, None),
        };
        if let Some(cause) = cancelled() {
            drop(kept); // before the next caller needs one
            return Err(given_up::<B>(entry, cause));
        }
        let turn = match entry {
            Entry::Occupied(turn) => turn,
            // It was not healthy, and is not to be replaced.
            Entry::Vacant(vacancy) if want.misses(None) && !restart => {
                drop(kept); // before the next caller needs one
                let_go(vacancy);
                return Err(shared.refused(TurnError::NotFound));
            }
            Entry::Vacant(vacancy) => {
                let start = start(&shared, vacancy, kept, &call, want);
                match Box::pin(heed(start, &call, ticket, &mut early)).await {
                    Ok(turn) => turn,
                    Err((vacancy, error)) => {
                        let_go(vacancy);
                        // Closed while it waited for room, before it was cancelled.
                        let closed = matches!(error, TurnError::Closed);
                        let cause = cancelled().filter(|_| !closed);
                        return Err(cause.map_or(error, TurnError::of));
                    }
                }
            }
        };
        begin(shared, Unused::new(turn), Some(call), want.called)
    }
}

/// Awaits a step that belongs to the key. If the call is cancelled meanwhile, `early` is called, and the step continues for the next
/// caller.
async fn heed<B: Backend, T>(
    rest: impl Future<Output = T>,
    call: &Call<B>,
    ticket: Ticket,
    early: &mut impl FnMut(TurnError<B::Error>),
) -> T {
    let mut rest = pin!(rest);
    match either(rest.as_mut(), call.switch.cancelled(ticket)).await {
        Ok(value) => value,
        Err(cause) => {
            early(TurnError::of(cause));
            rest.await
        }
    }
}

const ONCE: &str = "an entry is used once";

/// Begins a turn, unless its call was cancelled.
#[inline]
pub(crate) fn begin<B: Backend>(
    shared: Arc<Shared<B>>,
    mut entry: Unused<B>,
    call: Option<Arc<Call<B>>>,
    called: Option<Instant>,
) -> Taken<B> {
    let Some(Entry::Occupied(turn)) = entry.0.take() else {
        unreachable!("a session was found or started");
    };
    let switch = &call.as_ref().unwrap_or(&turn.own).switch;
    if let Some(cause) = switch.cause(Turn::ticket(&turn)) {
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
    turn: Held<B>,
    call: &Arc<Call<B>>,
    reason: StopReason,
) -> (Entered<B>, Seat) {
    // The handle of the session ends with it, and may stand for this call.
    Turn::set_caller(&turn, Arc::clone(call));
    let mut closing = Turn::vacate(turn);
    let seat = closing.session_mut().seat.take();
    let (vacancy, _) = stop::end(shared, closing, reason).await;
    (Entry::Vacant(vacancy), seat)
}
