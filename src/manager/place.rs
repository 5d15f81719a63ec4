//! A call's place: taken when it is called, then waited for, then a turn of a session that is there and healthy.

use super::{
    backend::{Backend, StopReason},
    control::{Begun, Cause, Control, Failures, Switch},
    error::{StartFailure, TurnError, error_text},
    report::SessionEvent,
    room::seat,
    run::{Ended, bounded, either, let_go, uncut, within},
    settings::TurnOptions,
    shared::{Entered, Held, Resident, Seat, Shared, Vacant, Waiting},
    stop,
    turn::{Entering, SessionTurn},
};
use crate::{Entry, Ticket, ToKey, Turn, sync::Arc};
use std::{pin::pin, time::Duration};
use tokio::time::Instant;

/// What a call has from the moment that it is called. Its drop leaves no trace: the place in line, or the key, goes on.
pub(super) struct Place<B: Backend> {
    pub(super) switch: Arc<Switch>,
    pub(super) restart: bool,
    wait: Option<Duration>,
    called: Instant,
    state: State<B>,
    shared: Arc<Shared<B>>,
}

enum State<B: Backend> {
    Taken(Taken<B>),
    Waits(Waiting<B>, Joined<B::Error>),
    Refused(TurnError<B::Error>),
}

/// The failed starts of a line, and how many there were when this place was taken.
struct Joined<E> {
    failures: Arc<Failures<E>>,
    count: u64,
}

/// Somebody's turn or vacancy, which others may cancel.
struct Taken<B: Backend> {
    /// Before the entry: when that goes on to the next, this turn is not within reach any more.
    begun: Begun<B::Error>,
    entry: Unlooked<B>,
    joined: Option<Joined<B::Error>>,
}

/// A turn or a vacancy whose session nobody has looked at. Dropped, the turn goes on to the next, or the session rests:
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
    /// Takes the place now: of a free key the turn or the vacancy, of another the next one in line.
    pub(super) fn take<Q: ?Sized + ToKey<B::Key>>(
        shared: &Arc<Shared<B>>,
        key: &Q,
        options: &TurnOptions,
        restart: bool,
    ) -> Self {
        let switch = Arc::new(Switch::default());
        let entered = if options.no_wait {
            let entered = shared.registry.try_enter(key);
            entered.map_err(|error| State::Refused(error.into()))
        } else {
            shared.registry.enter_or_take(key).map_err(|enter| {
                let control = shared.registry.handle(key);
                State::Waits(enter, Joined::behind(control.as_deref()))
            })
        };
        let state = match entered {
            Ok(entry) => State::Taken(Taken::new(shared, entry, &switch, None)),
            Err(state) => state,
        };
        Self {
            switch,
            restart,
            wait: options.wait.or(shared.timeouts().wait),
            called: Instant::now(),
            state,
            shared: Arc::clone(shared),
        }
    }

    pub(super) fn ticket(&self) -> Option<Ticket> {
        match &self.state {
            State::Taken(taken) => taken.ticket(),
            State::Waits(enter, _) => enter.ticket(),
            State::Refused(_) => None,
        }
    }

    /// The same, for its caller, who has `keep` until the turn has come: a call that waits counts as a handle of the manager.
    pub(super) fn entering(self, keep: impl Send + 'static) -> Entering<B> {
        Entering::new(self.ticket(), async move {
            let turn = self.turn().await;
            drop(keep);
            turn
        })
    }

    /// Waits in line, then for the session. Dropped in line, it leaves; dropped later, start and stop run on, and the next
    /// in line has what comes of them.
    pub(super) async fn turn(self) -> Result<SessionTurn<B>, TurnError<B::Error>> {
        let Self {
            switch,
            restart,
            wait,
            called,
            state,
            shared,
        } = self;
        let taken = match state {
            State::Refused(error) => return Err(error),
            State::Taken(taken) => taken,
            State::Waits(enter, joined) => {
                let mut enter = pin!(enter);
                let turn = pin!(either(enter.as_mut(), switch.cancelled()));
                let entry = match within(&shared.runtime, wait, turn).await {
                    None => return Err(TurnError::WaitTimedOut),
                    Some(Err(cause)) => return Err(TurnError::of(cause)),
                    Some(Ok(entered)) => entered?,
                };
                Taken::new(&shared, entry, &switch, Some(joined))
            }
        };
        let runtime = shared.runtime.clone();
        let found = uncut(&runtime, establish(shared, taken, switch, restart, called));
        let turn = found.await.unwrap_or(Err(TurnError::Closed))?;
        Ok(SessionTurn::taken(turn))
    }
}

impl<E> Joined<E> {
    /// Behind the start or the session that has this control. Between the join and the look at the handle another
    /// incarnation may have come, of the same line; or there is no handle yet, from a grant of a vacancy to its look, and this
    /// place, should a start fail before it, tries itself. Several that joined there try one after the other.
    fn behind(control: Option<&Control<E>>) -> Self {
        let failures = control.map(|control| Arc::clone(&control.failures));
        let failures = failures.unwrap_or_default();
        let count = failures.count();
        Self { failures, count }
    }
}

impl<B: Backend> Taken<B> {
    fn new(
        shared: &Shared<B>,
        entry: Entered<B>,
        switch: &Arc<Switch>,
        joined: Option<Joined<B::Error>>,
    ) -> Self {
        let begun = match &entry {
            Entry::Occupied(turn) => {
                let begun = Begun::new(Arc::clone(&turn.control), Turn::ticket(turn), switch);
                give_way(shared, Turn::first_waits(turn), switch);
                begun
            }
            Entry::Vacant(vacancy) => {
                let failures = joined.as_ref().map(|joined| Arc::clone(&joined.failures));
                begin_vacant(shared, vacancy, failures.unwrap_or_default(), switch)
            }
        };
        Self {
            begun,
            entry: Unlooked(Some(entry)),
            joined,
        }
    }

    fn ticket(&self) -> Option<Ticket> {
        self.entry.0.as_ref().map(|entry| match entry {
            Entry::Occupied(turn) => Turn::ticket(turn),
            Entry::Vacant(vacancy) => vacancy.ticket(),
        })
    }
}

/// A new incarnation comes within reach of others; the failures of its line go on with it.
fn begin_vacant<B: Backend>(
    shared: &Shared<B>,
    vacancy: &Vacant<B>,
    failures: Arc<Failures<B::Error>>,
    switch: &Arc<Switch>,
) -> Begun<B::Error> {
    let control = Arc::new(Control::new(failures));
    vacancy.set_handle(Arc::clone(&control));
    let begun = Begun::new(control, vacancy.ticket(), switch);
    give_way(shared, vacancy.first_waits(), switch);
    begun
}

/// A turn that has come within reach looks for those who may have reached for it before: a stop takes its place ahead of
/// the line and then reaches for the switch, a shutdown says that its deadline is over and then does. Either they find the
/// switch, or they are found here. Schedules: `a6_abort`, `a4_drain`.
fn give_way<B: Backend>(shared: &Shared<B>, first_waits: bool, switch: &Switch) {
    if first_waits {
        switch.cancel(Cause::Stop);
    }
    if shared.ending.overdue() {
        switch.cancel(Cause::Shutdown);
    }
}

/// What is held becomes the turn of a session that is there and healthy. Not to be cut short: it holds the key.
async fn establish<B: Backend>(
    shared: Arc<Shared<B>>,
    taken: Taken<B>,
    switch: Arc<Switch>,
    restart: bool,
    called: Instant,
) -> Result<SessionTurn<B>, TurnError<B::Error>> {
    let Taken {
        mut entry,
        begun,
        joined,
    } = taken;
    let (entry, begun, seat) = match entry.0.take().expect("it is looked at once") {
        Entry::Occupied(turn) => renew(&shared, turn, begun, &switch, restart).await,
        vacant => (vacant, begun, None),
    };
    if let Some(cause) = switch.cause() {
        drop(begun);
        drop(seat); // before the next in line looks for one
        let_go(Unlooked(Some(entry)));
        return Err(TurnError::of(cause));
    }
    let turn = match entry {
        Entry::Occupied(turn) => turn,
        Entry::Vacant(vacancy) => {
            let failed = joined.and_then(|joined| joined.failures.since(joined.count));
            let started = match failed {
                Some(failure) => Err((vacancy, failure.into())),
                None => start(&shared, vacancy, begun.control(), seat).await,
            };
            match started {
                Ok(turn) => turn,
                Err((vacancy, error)) => {
                    drop(begun);
                    let_go(vacancy);
                    return Err(error);
                }
            }
        }
    };
    if let Some(cause) = switch.cause() {
        drop(begun);
        let_go(Unlooked(Some(Entry::Occupied(turn))));
        return Err(TurnError::of(cause));
    }
    Ok(SessionTurn::begin(shared, turn, begun, switch, called))
}

/// A session that is to be restarted, or is not healthy, is stopped: its vacancy is held next, and its room is kept.
async fn renew<B: Backend>(
    shared: &Shared<B>,
    mut turn: Held<B>,
    begun: Begun<B::Error>,
    switch: &Arc<Switch>,
    restart: bool,
) -> (Entered<B>, Begun<B::Error>, Option<Seat>) {
    let reason = if switch.cause().is_some() {
        // Not even looked at: who cancelled this wants the session next.
        None
    } else if restart {
        Some(StopReason::Restarted)
    } else {
        let healthy = healthy(shared, &mut turn).await;
        (!healthy).then_some(StopReason::Unhealthy)
    };
    let Some(reason) = reason else {
        return (Entry::Occupied(turn), begun, None);
    };
    let mut closing = Turn::vacate(turn);
    let seat = closing.session_mut().seat.take();
    let (vacancy, _) = stop::end(shared, closing, reason).await;
    let failures = Arc::clone(&begun.control().failures);
    drop(begun);
    let begun = begin_vacant(shared, &vacancy, failures, switch);
    (Entry::Vacant(vacancy), begun, seat)
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
    control: &Arc<Control<B::Error>>,
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
            control.failures.clear();
            let took = begun.elapsed();
            shared.tell(|| SessionEvent::Started {
                key: key.clone(),
                incarnation,
                took,
            });
            return Ok(vacancy.fill(Resident {
                session: Some(session),
                control: Arc::clone(control),
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
    control.failures.add(failure.clone());
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
