//! The start of a session: its context, its limit, and how it is cut short.

use crate::manager::{
    backend::{Backend, StopReason},
    call::{held::Want, room::seat},
    circle::Scoped,
    context::{Outlet, Port, TurnContext, Wait},
    end::{port::SessionPort, stop},
    error::{StartFailure, TurnError},
    life::Life,
    reach::{Call, Refusal},
    report::reports::{SessionEvent, start_text},
    run::{bounded, caught, discard, either, end_here, here, quietly, within},
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
    vacancy: Vacant<B>,
    kept: Seat,
    call: &Arc<Call<B>>,
    want: &Want,
) -> Result<Held<B>, (Vacant<B>, TurnError<B::Error>)> {
    // Before the wait, so that nothing is evicted in vain, and after it.
    let refuses = || shared.refused(TurnError::NotAccepting);
    if !shared.accepts() {
        return Err((vacancy, refuses()));
    }
    let seat = match kept {
        Some(_) => Ok(kept),
        None => Box::pin(seat(shared, call, vacancy.ticket(), want)).await,
    };
    let seat = match seat {
        Ok(seat) => seat,
        Err(error) => return Err((vacancy, error)),
    };
    // A start that has passed this goes on if new sessions are refused later.
    if !shared.accepts() {
        return Err((vacancy, refuses()));
    }
    let key = vacancy.key();
    let incarnation = vacancy.incarnation();
    let begun = Instant::now();
    let (failure, is_clean) = match run(shared, &vacancy, call).await {
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
                own: Arc::clone(&own),
            });
            Turn::set_handle(&turn, Arc::clone(&own));
            // A session that is discarded after this look has its turn.
            let Some(reason) = own.life().why_doomed() else {
                return Ok(turn);
            };
            let closing = Turn::vacate(turn);
            let (vacancy, _) = stop::end(shared, closing, StopReason::Discarded).await;
            let failure = StartFailure::Discarded(reason);
            quietly(|| {
                shared.send_away(vacancy.key(), || Refusal::NotStarted(failure.clone()));
            });
            return Err((vacancy, failure.into()));
        }
        Begun::Not { failure, is_clean } => (failure, is_clean),
    };
    if !is_clean {
        // Bounded as well: if the cleanup hangs, the key is not lost.
        let gone = || shared.backend.start_abandoned(key, incarnation);
        bounded(shared.timeouts().stop, gone).await;
    }
    // Every call in the queue gets the error. Calls that arrive later try again, and so does the queue if the start was cut short.
    if let Some(failure) = &failure {
        quietly(|| {
            shared.send_away(key, || Refusal::NotStarted(failure.clone()));
        });
    }
    let took = begun.elapsed();
    shared.stats.start(incarnation, false);
    let error = failure.map_or(TurnError::Aborted, TurnError::from);
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
) -> Begun<B> {
    let ticket = vacancy.ticket();
    let incarnation = vacancy.incarnation();
    let life = Life::new(incarnation, shared.settings.ages(incarnation));
    let port = || SessionPort::new(shared, vacancy.key().clone(), life);
    let port = match catch_unwind(AssertUnwindSafe(port)) {
        Ok(port) => port,
        Err(payload) => {
            discard(payload);
            return Begun::Not {
                failure: Some(StartFailure::Panicked),
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
    let first = {
        let cut = pin!(call.switch.cut(ticket));
        let end = either(cut, port.life.silent(&call.switch, ticket, quiet));
        let first = pin!(either(Pin::new(&mut scoped), end));
        within(Some(start), first).await
    };
    let is_cut = matches!(first, Some(Err(Ok(()))));
    let ended = match first {
        Some(Ok(ended)) => Some(ended),
        Some(Err(Ok(()))) => {
            starting.switch.cancel(ticket, Cause::Abort, false);
            within(Some(shared.timeouts().abort), Pin::new(&mut scoped)).await
        }
        // It was silent for too long, or has exceeded its limit.
        Some(Err(Err(()))) | None => None,
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
        failure: (!is_cut).then_some(failure),
        is_clean,
    }
}
