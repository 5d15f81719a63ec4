//! The start of a session: its context, its limit, and how it is cut short.

use crate::manager::{
    backend::{Backend, StopReason},
    call::{held::Want, own::acquire, room::seat, turn::while_owned},
    circle::Scoped,
    context::{Outlet, Port, TurnContext, Wait},
    end::{port::SessionPort, stop},
    error::{StartFailure, TurnError},
    life::Life,
    ownership::Term,
    reach::{Call, Refusal},
    report::reports::{SessionEvent, start_text},
    run::{bounded, caught, discard, either, end_here, here, quietly, within, within_until},
    settings::Timeouts,
    shared::{Held, Resident, Seat, Shared, Vacant},
    switch::{Cause, Switch},
};
use crate::{
    Ticket, Turn,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        catch_unwind,
    },
};
use std::{
    panic::AssertUnwindSafe,
    pin::{Pin, pin},
};
use tokio::time::Instant;

/// Starts a session in a vacancy. If that fails, returns the vacancy after the cleanup of the start.
///
/// The start belongs to the key, not to the call. When the call ends early, the start goes on, unless it is [cut short](Switch::cut).
///
/// It takes the seat that was `kept`, or waits for one. The vacancy is held meanwhile, so that only calls for this key wait behind it.
pub(crate) async fn start<B: Backend>(
    shared: &Arc<Shared<B>>,
    mut vacancy: Vacant<B>,
    kept: Seat,
    call: &Arc<Call<B>>,
    want: &Want,
) -> Result<Held<B>, (Vacant<B>, TurnError<B::Error>)> {
    // Before the wait, so that nothing is evicted in vain, and after it.
    let refuses = || shared.refused(TurnError::NotAccepting);
    if !shared.accepts() {
        return Err((vacancy, refuses()));
    }
    // Before the wait for room, so that nothing is evicted for a session that lives elsewhere. If no session comes of this, the drop of
    // the tenure releases the key, before the vacancy goes on.
    let tenure = match &shared.ownership {
        None => None,
        Some(ownership) => {
            let asked = Box::pin(acquire(shared, ownership, &mut vacancy, call)).await;
            match asked {
                Ok(tenure) => Some(tenure),
                Err(error) => return Err((vacancy, error)),
            }
        }
    };
    let term = tenure.as_ref().map(|tenure| tenure.term());
    let seat = match kept {
        Some(_) => Ok(kept),
        None => {
            let lost = pin!(shared.lost(term));
            let seat = either(lost, seat(shared, call, vacancy.ticket(), want));
            let seat = Box::pin(seat).await;
            seat.map_or_else(|seat| seat, |()| Err(TurnError::Lost))
        }
    };
    let seat = match seat {
        Ok(seat) => seat,
        Err(error) => return Err((vacancy, error)),
    };
    // A start that has passed this goes on if new sessions are refused later.
    if !shared.accepts() {
        return Err((vacancy, refuses()));
    }
    if term.is_some_and(|term| !term.holds()) {
        return Err((vacancy, TurnError::Lost));
    }
    let key = vacancy.key();
    let incarnation = vacancy.incarnation();
    call.switch.starts(vacancy.ticket(), incarnation);
    let begun = Instant::now();
    let (failure, cut, is_clean) = match run(shared, &vacancy, call, term.cloned()).await {
        Begun::Started(session, handle, port) => {
            let took = begun.elapsed();
            shared.stats.start(incarnation, true);
            shared.tell(|| SessionEvent::Started {
                key: key.clone(),
                incarnation,
                took,
            });
            let life = Arc::clone(&port.life);
            let own = Call::session(handle, port, life, shared.runtime.clone());
            let turn = vacancy.fill(Resident {
                session: Some(session),
                seat,
                tenure,
                own: Arc::clone(&own),
            });
            Turn::set_handle(&turn, Arc::clone(&own));
            // A session that is discarded or lost after this look has its turn, and looks again.
            let Some(reason) = stop::unfit(own.life()) else {
                return Ok(turn);
            };
            let closing = Turn::vacate(turn);
            let (vacancy, _) = stop::end(shared, closing, reason).await;
            let doom = own
                .life()
                .why_doomed()
                .filter(|_| reason == StopReason::Discarded);
            let Some(failure) = doom.map(StartFailure::Discarded) else {
                return Err((vacancy, TurnError::Lost));
            };
            quietly(|| {
                shared.send_away(vacancy.key(), || Refusal::NotStarted(failure.clone()));
            });
            return Err((vacancy, failure.into()));
        }
        Begun::Not {
            failure,
            cut,
            is_clean,
        } => (failure, cut, is_clean),
    };
    if !is_clean {
        // Bounded as well: if the cleanup hangs, the key is not lost.
        let expired = || shared.expired(term);
        let gone = || shared.backend.start_abandoned(key, incarnation);
        bounded(shared.timeouts().stop, expired, gone).await;
    }
    // Every call in the queue gets the error. Calls that arrive later try again, and so does the queue if the start was cut short.
    if let Some(failure) = &failure {
        quietly(|| {
            shared.send_away(key, || Refusal::NotStarted(failure.clone()));
        });
    }
    let took = begun.elapsed();
    shared.stats.start(incarnation, false);
    let error = failure.map_or(TurnError::of(cut), TurnError::from);
    shared.tell(|| SessionEvent::StartFailed {
        key: key.clone(),
        incarnation,
        error: start_text::<B>(&error),
        took,
    });
    Err((vacancy, error))
}

/// How a start ended.
enum Begun<B: Backend> {
    Started(B::Session, B::Handle, Arc<SessionPort<B>>),
    Not {
        /// `None` if it was cut short.
        failure: Option<StartFailure<B::Error>>,
        /// Why it was cut short.
        cut: Cause,
        /// It left nothing behind: it ended by itself, or did not begin.
        is_clean: bool,
    },
}

/// What the context of a start reaches. The call for which it runs may have ended before.
struct Starting<B: Backend> {
    port: Arc<SessionPort<B>>,
    call: Arc<Call<B>>,
    /// Cancels the start.
    switch: Switch,
    /// The start has ended. What its context emits later goes to nobody; what it emits at the same time, on another thread, may still
    /// reach the listeners.
    over: AtomicBool,
}

impl<B: Backend> Outlet<B::Event> for Starting<B> {
    fn switch(&self) -> &Switch {
        &self.switch
    }

    fn note(&self, ticket: Ticket, note: Arc<str>) {
        if !self.over.load(Ordering::Relaxed) {
            self.call.switch.set_note(ticket, note);
        }
    }

    fn emit(&self, ticket: Ticket, event: B::Event) {
        if self.over.load(Ordering::Relaxed) {
            return;
        }
        self.call.switch.alive(ticket);
        self.port.publish(event);
    }

    /// A start has listeners alone, for which nothing waits.
    fn send<'a>(&'a self, ticket: Ticket, event: B::Event) -> Option<Wait<'a>>
    where
        B::Event: 'a,
    {
        self.emit(ticket, event);
        None
    }
}

/// Runs the backend's start to its end or its limit. If it is cut short, it has the abort timeout to end. Its future is dropped before
/// this returns.
async fn run<B: Backend>(
    shared: &Arc<Shared<B>>,
    vacancy: &Vacant<B>,
    call: &Arc<Call<B>>,
    term: Option<Arc<dyn Term>>,
) -> Begun<B> {
    let ticket = vacancy.ticket();
    let incarnation = vacancy.incarnation();
    let life = Life::new(incarnation, shared.settings.ages(incarnation), term);
    let port = || SessionPort::new(shared, vacancy.key().clone(), life);
    let port = match catch_unwind(AssertUnwindSafe(port)) {
        Ok(port) => port,
        Err(payload) => {
            discard(payload);
            return Begun::Not {
                failure: Some(StartFailure::Panicked),
                cut: Cause::Abort,
                is_clean: true,
            };
        }
    };
    let starting = Arc::new(Starting {
        port: Arc::clone(&port),
        call: Arc::clone(call),
        switch: Switch::default(),
        over: AtomicBool::new(false),
    });
    let cx = TurnContext {
        incarnation: vacancy.incarnation(),
        ticket,
        first: false,
        out: Arc::clone(&starting) as Arc<dyn Outlet<B::Event>>,
        port: Arc::clone(&port) as Arc<dyn Port<B::Event>>,
    };
    let start = || shared.backend.start(vacancy.key(), &cx);
    let mut future = Box::pin(Some(caught(start)));
    let mut scoped = Scoped::<_, _, false>::new(shared, vacancy.slot(), here(future.as_mut()));
    let Timeouts { start, quiet, .. } = *shared.timeouts();
    let lost = || shared.lost(port.life.term.as_ref());
    let first = {
        let cut = pin!(call.switch.cut(ticket));
        let silent = pin!(port.life.silent(&call.switch, ticket, quiet));
        let end = either(cut, either(silent, lost()));
        let owned = pin!(while_owned(&port.life, Pin::new(&mut scoped)));
        within(Some(start), pin!(either(owned, end))).await
    };
    let (cut, ended) = match first {
        Some(Ok(Some(ended))) => (None, Some(ended)),
        Some(Ok(None) | Err(Err(Err(())))) => (Some(Cause::Lost), None),
        Some(Err(Ok(()))) => {
            starting.switch.cancel(ticket, Cause::Abort, false);
            let abort = shared.timeouts().abort;
            let ended = within_until(abort, Pin::new(&mut scoped), lost).await;
            (Some(Cause::Abort), ended)
        }
        // It was silent for too long, or has exceeded its limit.
        Some(Err(Err(Ok(())))) | None => (None, None),
    };
    drop(scoped);
    // A panic of its drop changes nothing: it had ended, or is cut short.
    if let Err(payload) = end_here(future.as_mut()) {
        discard(payload);
    }
    starting.over.store(true, Ordering::Relaxed);
    let (failure, is_clean) = match ended {
        Some(Ok(Ok((session, handle)))) => return Begun::Started(session, handle, port),
        Some(Ok(Err(error))) => (StartFailure::Failed(Arc::new(error)), true),
        Some(Err(payload)) => {
            discard(payload);
            (StartFailure::Panicked, false)
        }
        None => (StartFailure::TimedOut, false),
    };
    port.end();
    Begun::Not {
        failure: cut.is_none().then_some(failure),
        cut: cut.unwrap_or(Cause::Abort),
        is_clean,
    }
}
