//! The turn of a managed session, and how user code runs in one.

use crate::manager::{
    backend::{Backend, StopReason},
    circle::Scoped,
    context::Port,
    end::stop,
    error::TurnError,
    life::Life,
    reach::Call,
    report::reports::{Outcome, SessionEvent},
    run::{Payload, either, end_here, here, poll_once, polled, timed, within},
    shared::{Held, Place, Shared},
    switch::{Cause, Switch},
};
use crate::{
    Incarnation, Ticket, Turn,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        panicking,
    },
};
use std::{
    fmt,
    future::{Future, poll_fn},
    mem,
    ops::{Deref, DerefMut},
    pin::{Pin, pin},
    task::Poll,
    time::Duration,
};
use tokio::time::Instant;

/// A turn of a session. It dereferences to the session. End it with [`done`](Self::done), which gives the session to the next caller.
///
/// A turn that is dropped instead may have been in the middle of something: a future that was cancelled, an early return, a panic. So
/// its session is *dirty*: it is stopped, and the next caller gets a new one. A turn whose session was never borrowed is clean in any
/// case. (The [`Turn`](crate::Turn) of the core gives its session back, because the core cannot stop a session.)
///
/// A stop and a shutdown do not take the turn away. They [cancel](Self::cancelled) it, and stop the session when the turn ends.
///
/// Its functions are associated functions, so that they hide no method of the session: `SessionTurn::key(&turn)`.
#[must_use = "dropping a turn ends it, and discards a session that was borrowed"]
pub struct SessionTurn<B: Backend> {
    turn: Option<Held<B>>,
    shared: Arc<Shared<B>>,
    /// `None` if the handle of the session stands for the call.
    call: Option<Arc<Call<B>>>,
    /// If somebody listened then.
    began: Option<Instant>,
    pub(crate) outcome: Outcome,
    /// User code is in the middle of something: if the turn ends now, the session is dirty.
    half_done: bool,
    /// The caller of a plain turn has borrowed the session, and may be in the middle of something.
    borrowed: AtomicBool,
    /// The thread was unwinding already when the caller got the turn. Also true before that: a thread that unwinds then has done
    /// nothing to the session.
    unwinding: bool,
}

impl<B: Backend> SessionTurn<B> {
    #[inline]
    pub(crate) fn begin(
        shared: Arc<Shared<B>>,
        turn: Held<B>,
        call: Option<Arc<Call<B>>>,
        called: Option<Instant>,
    ) -> Self {
        let began = shared.listens().then(Instant::now);
        if let Some(began) = began {
            let waited = called.map_or_else(|| shared.age(&turn), |called| began - called);
            shared.tell(|| SessionEvent::TurnBegan {
                key: Turn::key(&turn).clone(),
                incarnation: Turn::incarnation(&turn),
                turn: Turn::ticket(&turn),
                waited,
            });
        }
        Self {
            turn: Some(turn),
            shared,
            call,
            began,
            outcome: Outcome::Done,
            half_done: false,
            borrowed: AtomicBool::new(false),
            unwinding: true,
        }
    }

    /// The caller gets the turn.
    pub(crate) fn taken(mut this: Self) -> Self {
        this.unwinding = panicking();
        this
    }

    /// The caller gets the turn that a task has found. It may have lain there for long: a lost session begins no turn.
    pub(crate) fn fetched(
        found: Option<Result<Self, TurnError<B::Error>>>,
    ) -> Result<Self, TurnError<B::Error>> {
        let turn = Self::taken(found.unwrap_or(Err(TurnError::Closed))?);
        match Self::is_owned(&turn) {
            true => Ok(turn),
            false => Err(TurnError::Lost),
        }
    }

    fn held(this: &Self) -> &Held<B> {
        this.turn.as_ref().expect(HELD)
    }

    /// Returns the key.
    pub fn key(this: &Self) -> &B::Key {
        Turn::key(Self::held(this))
    }

    /// Returns the generation number of the session, usable as a fencing token.
    pub fn incarnation(this: &Self) -> Incarnation {
        Turn::incarnation(Self::held(this))
    }

    /// Returns the turn's ticket.
    pub fn ticket(this: &Self) -> Ticket {
        Turn::ticket(Self::held(this))
    }

    /// Returns the session's [handle](Backend::Handle). This does not borrow the session.
    pub fn handle(this: &Self) -> B::Handle {
        let handle = Self::held(this).own.handle().expect(HELD);
        B::Handle::clone(&handle)
    }

    /// Resolves when the turn is cancelled: by an abort, a stop or a shutdown, or because this process no longer [owns](Self::is_owned) the
    /// session. End the turn soon then.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn cancelled(this: &Self) {
        let ends = || Self::is_cancelled(this).then_some(());
        Self::call(this).switch.changed.found(ends).await;
    }

    /// Returns whether the turn is cancelled.
    pub fn is_cancelled(this: &Self) -> bool {
        Self::cause(this).is_some() || !Self::is_owned(this)
    }

    pub(crate) fn cause(this: &Self) -> Option<Cause> {
        let switch = &Self::call(this).switch;
        switch.cause(Self::ticket(this))
    }

    /// Returns whether this process still [owns](crate::manager::Ownership) the session. Check it before each effect outside of this process.
    /// Always true without an `Ownership`. Costs one reading of a clock.
    pub fn is_owned(this: &Self) -> bool {
        Self::held(this).own.life().holds()
    }

    /// Ends the turn, and gives the session to the next caller.
    pub fn done(mut this: Self) {
        *this.borrowed.get_mut() = false;
    }

    /// Ends the turn and stops the session. The next caller waits for the stop and gets a new session.
    pub fn discard(mut this: Self) {
        this.half_done = true;
        this.outcome = Outcome::Dropped;
    }

    pub(crate) fn port(this: &Self) -> &Arc<dyn Port<B::Event>> {
        Self::held(this).own.port()
    }

    pub(crate) fn call(this: &Self) -> &Arc<Call<B>> {
        this.call.as_ref().unwrap_or(&Self::held(this).own)
    }

    /// The agent returned an error, with or without a cancellation.
    pub(crate) fn failed(this: &mut Self, cause: Option<Cause>) {
        this.outcome = cause.map_or(Outcome::Failed, Outcome::of);
    }

    /// The session, for user code that leaves it dirty if it is cut short or panics. [`drove`](Self::drove) reports its end.
    pub(crate) fn session(this: &mut Self) -> (&mut B::Session, OfTurn<'_, B>, &Shared<B>) {
        this.half_done = true;
        this.outcome = Outcome::Dropped;
        let turn = this.turn.as_mut().expect(HELD);
        let (resident, slot) = Turn::parts(turn);
        let (session, own) = resident.parts_mut();
        let switch = &this.call.as_ref().unwrap_or(own).switch;
        let life = own.life();
        let of_turn = OfTurn { switch, life, slot };
        (session, of_turn, &this.shared)
    }

    /// Stores how that code ended.
    pub(crate) fn drove<T>(this: &mut Self, drove: &Drove<T>) {
        this.half_done = !matches!(drove, Drove::Done(_));
        this.outcome = match drove {
            Drove::Done(_) => Outcome::Done,
            Drove::Cut(cause) => Outcome::of(*cause),
            Drove::Panicked(_) => Outcome::Panicked,
        };
    }
}

const HELD: &str = "a turn has its session until it ends";

/// The switch of a call, as far as it is about one turn.
pub(crate) struct OfTurn<'a, B: Backend> {
    switch: &'a Switch,
    life: &'a Life,
    slot: &'a Place<B>,
}

impl<B: Backend> Clone for OfTurn<'_, B> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<B: Backend> Copy for OfTurn<'_, B> {}

impl<B: Backend> OfTurn<'_, B> {
    pub(crate) fn cause(self) -> Option<Cause> {
        self.switch.cause(self.slot.ticket())
    }
}

/// How user code in a turn ended.
pub(crate) enum Drove<T> {
    Done(T),
    /// It was cancelled, and did not end within the abort timeout.
    Cut(Cause),
    Panicked(Payload),
}

/// Runs user code to its end. `work` has [caught](crate::manager::run::caught) its panics. After its limit or its cancellation, it has the
/// abort timeout to end. It is dropped before this returns.
pub(crate) fn drive<B: Backend, T, F: Future<Output = Result<T, Payload>>>(
    shared: &Shared<B>,
    mut work: Pin<&mut Option<F>>,
    of_turn: OfTurn<'_, B>,
    limit: Option<Duration>,
    quiet: Option<Duration>,
) -> impl Future<Output = Drove<T>> {
    async move {
        let mut scoped = Scoped::<_, _, true>::new(shared, of_turn.slot, here(work.as_mut()));
        let ended = match poll_once(Pin::new(&mut scoped)).await {
            // In a box: most of the memory is for this, and a message is copied on its way into its task.
            None => {
                let rest = Pin::new(&mut scoped);
                Box::pin(outlast(shared, rest, of_turn, limit, quiet)).await
            }
            ended => ended,
        };
        drop(scoped);
        let dropped = end_here(work);
        match (ended, dropped) {
            (Some(Err(payload)), _) | (_, Err(payload)) => Drove::Panicked(payload),
            (Some(Ok(value)), Ok(())) => Drove::Done(value),
            (None, Ok(())) => Drove::Cut(of_turn.cause().unwrap_or(Cause::Abort)),
        }
    }
}

/// What a future that was just polled returns, or `None` if it does not end within its time.
async fn outlast<B: Backend, T>(
    shared: &Shared<B>,
    mut future: Pin<&mut impl Future<Output = T>>,
    OfTurn { switch, life, slot }: OfTurn<'_, B>,
    limit: Option<Duration>,
    quiet: Option<Duration>,
) -> Option<T> {
    let ticket = slot.ticket();
    let first = {
        let rest = pin!(polled(future.as_mut()));
        let rest = pin!(while_owned(life, rest));
        let cancelled = pin!(switch.cancelled(ticket));
        let end = either(cancelled, life.silent(switch, ticket, quiet));
        timed(limit, either(rest, end)).await
    };
    let cause = match first {
        Some(Ok(Some(ended))) => return Some(ended),
        Some(Ok(None)) => Cause::Lost,
        Some(Err(Ok(cause))) => cause,
        Some(Err(Err(()))) => Cause::Silent,
        None => Cause::TurnTimeout,
    };
    switch.cancel(ticket, cause, false);
    // After a loss, the margin of the term is all the patience that there is.
    let lost = || (!life.holds()).then_some(());
    let lost = pin!(switch.changed.found(lost));
    let rest = pin!(either(lost, future));
    within(Some(shared.timeouts().abort), rest).await?.err()
}

/// What the user code of a turn or a start returns; `None` once this process does not own the session any more. It looks before each
/// poll but the first, which follows a look: a process that was stopped, and goes on after the end of its term, does not poll that code
/// again.
pub(crate) fn while_owned<T>(
    life: &Life,
    mut work: Pin<&mut impl Future<Output = T>>,
) -> impl Future<Output = Option<T>> {
    let mut looked = true;
    poll_fn(move |cx| match mem::take(&mut looked) || life.holds() {
        true => work.as_mut().poll(cx).map(Some),
        false => Poll::Ready(None),
    })
}

impl<B: Backend> Deref for SessionTurn<B> {
    type Target = B::Session;

    fn deref(&self) -> &B::Session {
        self.borrowed.store(true, Ordering::Relaxed);
        Self::held(self).session()
    }
}

impl<B: Backend> DerefMut for SessionTurn<B> {
    fn deref_mut(&mut self) -> &mut B::Session {
        *self.borrowed.get_mut() = true;
        self.turn.as_mut().expect(HELD).session_mut()
    }
}

impl<B: Backend> Drop for SessionTurn<B> {
    fn drop(&mut self) {
        let Some(turn) = self.turn.take() else {
            return;
        };
        let panicked = panicking() && !self.unwinding;
        let dirty = panicked || self.half_done || *self.borrowed.get_mut();
        let outcome = match self.outcome {
            _ if panicked => Outcome::Panicked,
            Outcome::Done if dirty => Outcome::Dropped,
            outcome => outcome,
        };
        self.shared.stats.turn(Turn::incarnation(&turn), outcome);
        if self.shared.listens() {
            let took = self.began.map(|began| began.elapsed());
            let took = took.unwrap_or_else(|| self.shared.age(&turn));
            self.shared.tell(|| SessionEvent::TurnEnded {
                key: Turn::key(&turn).clone(),
                incarnation: Turn::incarnation(&turn),
                turn: Turn::ticket(&turn),
                took,
                outcome,
            });
        }
        if dirty {
            // The stop still holds the slot. The switch must end here, at the moment in which the end of a clean turn puts it out of
            // reach.
            let call = self.call.as_ref().unwrap_or(&turn.own);
            call.switch.end(Turn::ticket(&turn));
            stop::aside(&self.shared, Turn::vacate(turn), StopReason::Dirty);
        } else {
            // Not dropped: that would end the session without a stop if this thread unwinds.
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
