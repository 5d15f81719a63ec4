//! A call's position: taken in the call, awaited, and then turned into the turn of a healthy session.

use crate::manager::{
    backend::{Backend, StopReason},
    call::{start::start, turn::SessionTurn},
    end::stop,
    error::TurnError,
    reach::Call,
    run::{Ended, bounded_here, either, inside, let_go, poll_once, polled, uncut, within},
    settings::TurnOptions,
    shared::{Entered, Held, Seat, Shared, Waiting},
    switch::Cause,
};
use crate::{
    EnterError, Entry, Incarnation, Ticket, ToKey, Turn,
    registry::slot::{leaves::Lazy, queue::Priority},
    sync::Arc,
};
use std::{future::Future, pin::pin, time::Duration};
use tokio::time::Instant;

/// What a call holds from its beginning: a position in the queue, or the key. A drop gives it to the next caller, without a trace.
pub(crate) struct Place<B: Backend> {
    pub(crate) call: Arc<Call<B>>,
    want: Want,
    wait: Option<Duration>,
    /// Of a call that was queued, and of each call while somebody listens.
    called: Option<Instant>,
    state: State<B>,
}

enum State<B: Backend> {
    Taken(Unused<B>),
    Waits(Waiting<B>),
    Busy,
    NotFound,
}

/// The session that a call wants.
#[derive(Clone, Copy)]
pub(crate) struct Want {
    /// A new one in place of that which is there.
    restart: bool,
    /// One that is there.
    existing: bool,
    /// The one with this number.
    only: Option<Incarnation>,
}

impl Want {
    /// Any healthy one.
    pub(crate) const ANY: Self = Self {
        restart: false,
        existing: false,
        only: None,
    };

    /// Whether this is not the session that is wanted. A vacancy has none.
    fn misses(&self, session: Option<Incarnation>) -> bool {
        match session {
            Some(number) => self.only.is_some_and(|only| only != number),
            None => self.existing || self.only.is_some(),
        }
    }
}

/// A turn or a vacancy that nobody has used yet. A drop releases the turn, also in a thread that unwinds: the session is clean.
pub(crate) struct Unused<B: Backend>(Option<Entered<B>>);

impl<B: Backend> Unused<B> {
    /// Of the turn of an idle session.
    pub(crate) fn new(turn: Held<B>) -> Self {
        Self(Some(Entry::Occupied(turn)))
    }

    pub(crate) fn ticket(&self) -> Option<Ticket> {
        self.0.as_ref().map(ticket_of::<B>)
    }

    /// Of its session; `None` for a vacancy.
    fn incarnation(&self) -> Option<Incarnation> {
        match &self.0 {
            Some(Entry::Occupied(turn)) => Some(Turn::incarnation(turn)),
            _ => None,
        }
    }

    /// Of a plain call, for which the handle of the session stands.
    pub(crate) fn is_cancelled(&self) -> bool {
        match &self.0 {
            Some(Entry::Occupied(turn)) => turn.own.switch.cause(Turn::ticket(turn)).is_some(),
            _ => false,
        }
    }

    /// The handle that stands for a plain call, and the ticket of that.
    pub(crate) fn own(&self) -> (Arc<Call<B>>, Ticket) {
        match &self.0 {
            Some(Entry::Occupied(turn)) => (Arc::clone(&turn.own), Turn::ticket(turn)),
            _ => unreachable!("it is the turn of a session"),
        }
    }
}

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
        shared: &Shared<B>,
        key: &Q,
        options: &TurnOptions,
        restart: bool,
        call: Option<Arc<Call<B>>>,
    ) -> Self {
        let wait = !options.no_wait;
        let priority = match options.first {
            true => Priority::First,
            false => Priority::Normal,
        };
        let make = || Call::turn(options);
        let want = Want {
            restart,
            existing: options.existing,
            only: options.only,
        };
        if options.seeks() && want.misses(shared.incarnation(key)) {
            return Self {
                call: call.unwrap_or_else(make),
                want,
                wait: None,
                called: None,
                state: State::NotFound,
            };
        }
        let (entered, call) = match call {
            Some(call) => {
                let mut left = Some(Arc::clone(&call));
                (
                    shared
                        .registry
                        .enter_or_take(key, &mut left, priority, wait),
                    Some(call),
                )
            }
            None => {
                let mut left = Lazy::new(make);
                (
                    shared
                        .registry
                        .enter_or_take(key, &mut left, priority, wait),
                    left.made,
                )
            }
        };
        let call = call.unwrap_or_else(make); // it was refused
        let queued = matches!(entered, Err(Some(_)));
        if queued {
            call.set_queued(shared.registry.now());
        }
        let called = (queued || shared.listens()).then(Instant::now);
        let state = match entered {
            Ok(entry) => State::Taken(Unused(Some(entry))),
            Err(Some(enter)) => State::Waits(enter),
            Err(None) => State::Busy,
        };
        Self {
            call,
            want,
            wait: options.wait.or(shared.timeouts().wait),
            called,
            state,
        }
    }

    pub(crate) fn ticket(&self) -> Option<Ticket> {
        match &self.state {
            State::Taken(entry) => entry.ticket(),
            State::Waits(enter) => enter.ticket(),
            State::Busy | State::NotFound => None,
        }
    }

    /// Waits in the queue, then for the session. A drop in the queue leaves the queue. After that, a start or a stop continues for
    /// the next caller.
    ///
    /// An abort, a stop, a dismissal or a failed start may take the position away, in the queue or granted. A call whose position is
    /// gone waits for the reason, which is stored already or follows at once.
    async fn entry(
        state: State<B>,
        call: &Call<B>,
        shared: &Shared<B>,
        wait: Option<Duration>,
    ) -> Result<Unused<B>, TurnError<B::Error>> {
        let enter = match state {
            State::Busy => return Err(shared.refused(TurnError::Busy)),
            State::NotFound => return Err(shared.refused(TurnError::NotFound)),
            State::Taken(entry) => return Ok(entry),
            State::Waits(enter) => enter,
        };
        let waits = async move {
            let mut enter = pin!(enter);
            let turn = pin!(either(enter.as_mut(), call.refused()));
            match within(wait, turn).await {
                Some(Ok(Ok(entry))) => Ok(Unused(Some(entry))),
                // The call that has taken the position away stores the reason, now or in a moment.
                Some(Ok(Err(EnterError::Dismissed))) => Err(call.refused().await),
                Some(Ok(Err(refused))) => Err(call.refusal().unwrap_or_else(|| refused.into())),
                Some(Err(error)) => Err(error),
                None => Err(call.refusal().unwrap_or(TurnError::WaitTimedOut)),
            }
        };
        let entry = Box::pin(inside(&shared.runtime, waits)).await;
        entry.map_err(|error| shared.refused(error))
    }

    /// The turn. What must not be cut short moves to a task of its own, unless it ends at once.
    pub(crate) async fn turn(self, shared: Arc<Shared<B>>) -> Taken<B> {
        let call = self.call;
        let entry = Self::entry(self.state, &call, &shared, self.wait).await?;
        let runtime = shared.runtime.clone();
        let establish = establish(
            shared,
            entry,
            Arc::clone(&call),
            self.want,
            self.called,
            None,
            |_| {},
        );
        let found = pin!(uncut(&runtime, establish));
        match either(found, call.refused()).await {
            Ok(found) => Ok(SessionTurn::taken(found.unwrap_or(Err(TurnError::Closed))?)),
            // The session is for the next caller.
            Err(refused) => Err(refused),
        }
    }

    /// The turn, for a task that nobody cuts short. A call that is cancelled while it waits for more than the queue is told `early`.
    pub(crate) fn establish(
        self,
        shared: Arc<Shared<B>>,
        early: impl FnMut(TurnError<B::Error>) + Send,
    ) -> impl Future<Output = Taken<B>> + Send {
        let Self {
            call,
            want,
            wait,
            called,
            state,
        } = self;
        async move {
            let entry = Self::entry(state, &call, &shared, wait).await?;
            let turn = establish(shared, entry, call, want, called, None, early);
            Ok(SessionTurn::taken(turn.await?))
        }
    }
}

/// The turn of a call, or why it got none.
pub(crate) type Taken<B> = Result<SessionTurn<B>, TurnError<<B as Backend>::Error>>;

/// Whether the session of this turn is healthy.
pub(crate) fn looked<B: Backend>(
    shared: Arc<Shared<B>>,
    mut turn: Unused<B>,
) -> impl Future<Output = (Arc<Shared<B>>, Unused<B>, bool)> + Send {
    async move {
        let healthy = match &mut turn.0 {
            Some(Entry::Occupied(turn)) => {
                let session = turn.session_mut();
                let limit = shared.timeouts().start;
                let look = bounded_here(limit, || shared.backend.is_healthy(session));
                matches!(look.await, Ended::Done(true))
            }
            _ => true,
        };
        (shared, turn, healthy)
    }
}

/// Turns what is held into the turn of a healthy session. What few calls do is in boxes, so that the future of the others is small.
/// Must not be cut short, because it holds the key.
///
/// Other calls can cancel this one all the while, because they find it by its slot. Who waits for it returns at once then, and this
/// goes on for the next caller. So one check of the cause after each step is enough.
pub(crate) fn establish<B: Backend>(
    shared: Arc<Shared<B>>,
    entry: Unused<B>,
    call: Arc<Call<B>>,
    want: Want,
    called: Option<Instant>,
    healthy: Option<bool>,
    mut early: impl FnMut(TurnError<B::Error>) + Send,
) -> impl Future<Output = Taken<B>> + Send {
    async move {
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
        let (shared, mut entry, healthy) = match healthy {
            Some(healthy) => (shared, entry, healthy),
            // Not even looked at, if the call was cancelled: the call that did so wants the session next.
            None if restart || cancelled().is_some() => (shared, entry, true),
            None => {
                let mut look = pin!(looked(shared, entry));
                match poll_once(look.as_mut()).await {
                    Some(looked) => looked,
                    None => {
                        let rest = polled(look);
                        Box::pin(heed(rest, &call, ticket, &mut early)).await
                    }
                }
            }
        };
        // What was found unhealthy is stopped in any case.
        let restarted = (restart && cancelled().is_none()).then_some(StopReason::Restarted);
        let reason = if healthy {
            restarted
        } else {
            Some(StopReason::Unhealthy)
        };
        let (entry, seat) = match (entry.0.take().expect(ONCE), reason) {
            (Entry::Occupied(turn), Some(reason)) => {
                let renew = renew(&shared, turn, &call, reason);
                Box::pin(heed(renew, &call, ticket, &mut early)).await
            }
            (taken, _) => (taken, None),
        };
        if let Some(cause) = cancelled() {
            drop(seat); // before the next caller needs one
            return Err(given_up::<B>(entry, cause));
        }
        let turn = match entry {
            Entry::Occupied(turn) => turn,
            // It was not healthy, and is not to be replaced.
            Entry::Vacant(vacancy) if want.misses(None) && !restart => {
                let_go(vacancy);
                drop(seat);
                return Err(shared.refused(TurnError::NotFound));
            }
            Entry::Vacant(vacancy) => {
                let start = start(&shared, vacancy, seat, &call);
                match Box::pin(heed(start, &call, ticket, &mut early)).await {
                    Ok(turn) => turn,
                    Err((vacancy, error)) => {
                        let_go(vacancy);
                        return Err(cancelled().map_or(error, TurnError::of));
                    }
                }
            }
        };
        begin(shared, Unused::new(turn), Some(call), called)
    }
}

/// Waits for what belongs to the key. If the call is cancelled meanwhile, it is told early, and this goes on for the next caller.
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

fn ticket_of<B: Backend>(entry: &Entered<B>) -> Ticket {
    match entry {
        Entry::Occupied(turn) => Turn::ticket(turn),
        Entry::Vacant(vacancy) => vacancy.ticket(),
    }
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
) -> (Entered<B>, Option<Seat>) {
    // The handle of the session ends with it, and may stand for this call.
    Turn::set_caller(&turn, Arc::clone(call));
    let mut closing = Turn::vacate(turn);
    let seat = closing.session_mut().seat.take();
    let (vacancy, _) = stop::end(shared, closing, reason).await;
    (Entry::Vacant(vacancy), seat)
}
