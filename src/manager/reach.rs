//! The handle of a call: the switch that cancels it, and the answer that another call may give it.
//!
//! Each call stores its handle in the registry, or that of its session stands for it. So others find it in every state, from its
//! position in the queue to the end of its turn, and the slot lock decides which call they find.

use crate::manager::{
    backend::{Backend, StopReason},
    context::Port,
    error::{StartFailure, StopError, TurnError},
    life::Life,
    run::quietly,
    switch::{Cause, Switch},
};
use crate::{
    Incarnation, Tick, Ticket,
    registry::slot::state::Spot,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};
use parking_lot::Mutex;
use std::{collections::BTreeSet, time::Duration};
use tokio::runtime::Handle;

impl<E> TurnError<E> {
    /// The error of a call that was cancelled for this cause.
    pub(crate) fn of(cause: Cause) -> Self {
        match cause {
            Cause::TurnTimeout => Self::TurnTimedOut,
            Cause::Silent => Self::Silent,
            Cause::Lost => Self::Lost,
            Cause::Left | Cause::Abort | Cause::Stop | Cause::Shutdown => Self::Aborted,
            Cause::RuntimeGone => Self::Closed,
        }
    }
}

/// The handle of a call.
pub(crate) struct Call<B: Backend> {
    pub(crate) switch: Switch,
    /// Of a stop, which has no turn: why.
    pub(crate) stops: Option<StopReason>,
    /// Of a stop: the number of the session that it names, or 0. Without a word for that, a message costs less to allocate.
    only: u64,
    /// It goes before the queue.
    pub(crate) first: bool,
    /// When it joined the queue, by the registry's clock, plus 1. 0 if it did not, or is about to.
    queued: AtomicU64,
    pub(crate) note: Option<Arc<str>>,
    /// The future of a plain call was dropped, which cancels nothing but a wait for room.
    left: AtomicBool,
    /// If this stands for the plain turns of a session.
    session: Option<OfSession<B>>,
    answer: Mutex<Option<Answer<B::Error>>>,
    /// What the code of its turn or start waits for. A session's handle has several turns, so each entry is of one ticket.
    waits: Mutex<Option<Box<BTreeSet<(Ticket, Awaited)>>>>,
}

/// A call that another one waits for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Awaited {
    pub(crate) call: Spot,
    /// It waits in the queue for a limited time.
    pub(crate) limited: bool,
}

/// What the handle of a session has besides.
struct OfSession<B: Backend> {
    /// Until the session has been stopped. In an `Arc`, so that it is cloned outside of the lock.
    handle: Mutex<Option<Arc<B::Handle>>>,
    port: Arc<dyn Port<B::Event>>,
    life: Arc<Life>,
    /// Here, so that a plain turn holds one reference for both.
    runtime: Handle,
}

/// An answer that another call gives.
enum Answer<E> {
    Refused(Refusal<E>),
    /// The stop has ended, for all callers that joined it.
    Stopped(Result<bool, StopError<E>>),
}

/// Why a call leaves the queue without a turn.
pub(crate) enum Refusal<E> {
    /// Its queue was dismissed.
    Dismissed,
    /// The start that it waited for has failed.
    NotStarted(StartFailure<E>),
}

impl<E> Refusal<E> {
    pub(crate) fn error(&self) -> TurnError<E> {
        match self {
            Self::Dismissed => TurnError::Dismissed,
            Self::NotStarted(failure) => failure.clone().into(),
        }
    }
}

impl<B: Backend> Call<B> {
    /// A call that wants a turn.
    pub(crate) fn turn(first: bool, note: Option<Arc<str>>) -> Arc<Self> {
        Arc::new(Self {
            first,
            note,
            ..Self::new(None, None)
        })
    }

    /// A call that ends the session.
    pub(crate) fn stop(only: Option<Incarnation>, reason: StopReason) -> Arc<Self> {
        Arc::new(Self {
            only: only.map_or(0, Incarnation::get),
            ..Self::new(Some(reason), None)
        })
    }

    /// Of a stop: the session that it names.
    pub(crate) fn only(&self) -> Option<Incarnation> {
        Incarnation::try_from(self.only).ok()
    }

    /// What stands for the plain turns of a session.
    pub(crate) fn session(
        handle: B::Handle,
        port: Arc<dyn Port<B::Event>>,
        life: Arc<Life>,
        runtime: Handle,
    ) -> Arc<Self> {
        let handle = Mutex::new(Some(Arc::new(handle)));
        let session = OfSession {
            handle,
            port,
            life,
            runtime,
        };
        Arc::new(Self::new(None, Some(session)))
    }

    fn new(stops: Option<StopReason>, session: Option<OfSession<B>>) -> Self {
        Self {
            switch: Switch::default(),
            stops,
            only: 0,
            first: false,
            queued: AtomicU64::new(0),
            note: None,
            left: AtomicBool::new(false),
            session,
            answer: Mutex::new(None),
            waits: Mutex::default(),
        }
    }

    pub(crate) fn waits_for(&self, own: Ticket, awaited: Awaited) {
        let mut waits = self.waits.lock();
        waits.get_or_insert_default().insert((own, awaited));
    }

    pub(crate) fn waits_no_more(&self, own: Ticket, awaited: Awaited) {
        if let Some(waits) = &mut *self.waits.lock() {
            waits.remove(&(own, awaited));
        }
    }

    /// What the call with this ticket waits for, and at most so many of these.
    pub(crate) fn waits(&self, own: Ticket, most: usize) -> Vec<Awaited> {
        let waits = self.waits.lock();
        let all = waits.iter().flat_map(|waits| waits.iter());
        let own = all.filter(|(ticket, _)| *ticket == own);
        own.map(|(_, awaited)| *awaited).take(most).collect()
    }

    /// The call has joined the queue.
    pub(crate) fn set_queued(&self, now: Tick) {
        self.queued.store(now.0 + 1, Ordering::Relaxed);
    }

    /// Its future was dropped.
    pub(crate) fn leave(&self) {
        self.left.store(true, Ordering::Release);
        self.switch.changed.ring();
    }

    /// Resolves when the call is cancelled, or its future was dropped.
    pub(crate) async fn gone(&self, ticket: Ticket) -> Cause {
        let left = || self.left.load(Ordering::Acquire).then_some(Cause::Left);
        let gone = || self.switch.cause(ticket).or_else(left);
        self.switch.changed.found(gone).await
    }

    /// How long it has waited in the queue.
    pub(crate) fn waited(&self, now: Tick) -> Duration {
        let queued = self.queued.load(Ordering::Relaxed).checked_sub(1);
        now.since(queued.map_or(now, Tick))
    }

    /// Of a handle that stands for the plain turns of a session.
    fn session_of(&self) -> &OfSession<B> {
        let session = self.session.as_ref();
        session.expect("it is the handle of a session")
    }

    pub(crate) fn life(&self) -> &Life {
        &self.session_of().life
    }

    pub(crate) fn port(&self) -> &Arc<dyn Port<B::Event>> {
        &self.session_of().port
    }

    pub(crate) fn runtime(&self) -> &Handle {
        &self.session_of().runtime
    }

    /// The handle of the session, until that has been stopped.
    pub(crate) fn handle(&self) -> Option<Arc<B::Handle>> {
        self.session_of().handle.lock().clone()
    }

    /// The session has been stopped. Its handle goes now, although calls may keep this for longer.
    pub(crate) fn end_session(&self) {
        self.port().end();
        let handle = self.session_of().handle.lock().take();
        quietly(|| drop(handle));
    }

    /// Gives the reason to a call that was taken out of the queue. A call that was cancelled before keeps that cause.
    pub(crate) fn refuse(&self, refusal: Refusal<B::Error>) {
        if self.switch.own_cause().is_none() {
            self.decide(Answer::Refused(refusal));
        }
    }

    fn sent_away(&self) -> Option<TurnError<B::Error>> {
        match &*self.answer.lock() {
            Some(Answer::Refused(refusal)) => Some(refusal.error()),
            _ => None,
        }
    }

    /// Why the call gets no turn, if another call has decided so. A refusal wins over a cause that came after it.
    pub(crate) fn refusal(&self) -> Option<TurnError<B::Error>> {
        let cancelled = || self.switch.own_cause().map(TurnError::of);
        self.sent_away().or_else(cancelled)
    }

    /// Resolves when another call has decided that this one gets no turn.
    pub(crate) async fn refused(&self) -> TurnError<B::Error> {
        self.switch.changed.found(|| self.refusal()).await
    }

    /// The turn that held the key has ended after all.
    pub(crate) fn is_held_no_more(&self) {
        let mut given = self.answer.lock();
        given.take_if(|answer| matches!(answer, Answer::Stopped(Err(StopError::Held))));
    }

    /// Answers a stop. The first answer stays.
    pub(crate) fn end(&self, stopped: Result<bool, StopError<B::Error>>) {
        self.decide(Answer::Stopped(stopped));
    }

    /// Resolves when the stop is answered.
    pub(crate) async fn ended(&self) -> Result<bool, StopError<B::Error>> {
        let ended = || match &*self.answer.lock() {
            Some(Answer::Stopped(stopped)) => Some(stopped.clone()),
            _ => None,
        };
        self.switch.changed.found(ended).await
    }

    /// The same, but for a stop that is held.
    pub(crate) async fn ended_at_last(&self) -> Result<bool, StopError<B::Error>> {
        let ended = || match &*self.answer.lock() {
            Some(Answer::Stopped(Err(StopError::Held))) => None,
            Some(Answer::Stopped(stopped)) => Some(stopped.clone()),
            _ => None,
        };
        self.switch.changed.found(ended).await
    }

    /// The first answer stays, but for that of a stop that is held.
    fn decide(&self, answer: Answer<B::Error>) {
        let mut given = self.answer.lock();
        let held = matches!(*given, Some(Answer::Stopped(Err(StopError::Held))));
        if given.is_some() && !held {
            return drop(given); // before `answer` is dropped
        }
        *given = Some(answer);
        drop(given);
        self.switch.changed.ring();
    }
}
