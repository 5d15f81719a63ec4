//! A call's position: taken in the call, awaited, and then turned into the turn of a healthy session.

use crate::manager::{
    backend::Backend,
    call::{
        establish::establish,
        held::{Taken, Unused, Want},
        turn::SessionTurn,
    },
    error::TurnError,
    options::TurnOptions,
    reach::{Awaited, Call},
    run::{either, inside, uncut, within},
    shared::{Shared, Waiting},
};
use crate::{
    EnterError, Entry, Ticket, ToKey,
    registry::slot::{leaves::Lazy, queue::Priority},
    sync::Arc,
};
use std::{future::Future, pin::pin, time::Duration};
use tokio::time::Instant;

/// What a call holds from its beginning: a position in the queue, or the key. A drop gives it to the next caller, without a trace.
pub(crate) struct Place<B: Backend> {
    pub(crate) call: Arc<Call<B>>,
    want: Want,
    /// Of a call that was queued or is to start a session, and of each call while somebody listens.
    called: Option<Instant>,
    state: State<B>,
}

enum State<B: Backend> {
    Taken(Unused<B>),
    Waits(Waiting<B>),
    Busy,
    NotFound,
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
        let make = || Call::turn(options.first, options.note.clone());
        let want = Want {
            restart,
            existing: options.existing,
            only: options.only,
            no_wait: options.no_wait,
            wait: options.wait.or(shared.timeouts().wait),
        };
        // Its key gets no slot, not even for a moment. The session may come or go after this look: `establish` looks again when
        // the call has the key. Schedules: `a8_seen`. A closed registry refuses the call below.
        if options.seeks() && !shared.registry.is_closed() && want.misses(shared.incarnation(key)) {
            return Self {
                call: call.unwrap_or_else(make),
                want,
                called: None,
                state: State::NotFound,
            };
        }
        let mut left = Lazy::new(make, call);
        let registry = &shared.registry;
        let entered = registry.enter_or_take(key, &mut left, priority, wait);
        let call = left.made.unwrap_or_else(make); // it was refused
        let queued = matches!(entered, Err(Some(_)));
        if queued {
            call.set_queued(shared.registry.now());
        }
        let starts = matches!(entered, Ok(Entry::Vacant(_)));
        let called = (queued || starts || shared.listens()).then(Instant::now);
        let state = match entered {
            Ok(entry) => State::Taken(Unused(Some(entry))),
            Err(Some(enter)) => State::Waits(enter),
            Err(None) => State::Busy,
        };
        Self {
            call,
            want,
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

    /// Whether it waits in the queue for a limited time.
    pub(crate) fn is_limited(&self) -> bool {
        self.want.wait.is_some()
    }

    /// What waits for this call waits for that. `None` if the call was refused.
    pub(crate) fn awaited(&self) -> Option<Awaited> {
        let call = match &self.state {
            State::Taken(entry) => entry.spot(),
            State::Waits(enter) => enter.spot(),
            State::Busy | State::NotFound => None,
        };
        let limited = self.is_limited();
        call.map(|call| Awaited { call, limited })
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
        wait: impl FnOnce() -> Option<Duration>,
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
            match within(wait(), turn).await {
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
        let (call, want, called) = (self.call, self.want, self.called);
        let left = || want.wait_left(called);
        let entry = Self::entry(self.state, &call, &shared, left).await?;
        let runtime = shared.runtime.clone();
        let _leaves = Leaves(&call);
        let establish = establish(shared, entry, Arc::clone(&call), want, called, None, |_| {});
        let found = pin!(uncut(&runtime, establish));
        match either(found, call.refused()).await {
            Ok(found) => Ok(SessionTurn::taken(found.unwrap_or(Err(TurnError::Closed))?)),
            // The session is for the next caller.
            Err(refused) => Err(refused),
        }
    }

    /// Returns the turn, for a task that nobody cuts short. `early` is called if the call is cancelled while it waits for more than the
    /// queue.
    pub(crate) fn establish(
        self,
        shared: Arc<Shared<B>>,
        early: impl FnMut(TurnError<B::Error>) + Send,
    ) -> impl Future<Output = Taken<B>> + Send {
        let Self {
            call,
            want,
            called,
            state,
        } = self;
        async move {
            let left = || want.wait_left(called);
            let entry = Self::entry(state, &call, &shared, left).await?;
            let turn = establish(shared, entry, call, want, called, None, early);
            Ok(SessionTurn::taken(turn.await?))
        }
    }
}

/// The future of a plain turn, after the queue. If it is dropped, it waits for room no longer. A start that has begun goes on.
struct Leaves<'a, B: Backend>(&'a Call<B>);

impl<B: Backend> Drop for Leaves<'_, B> {
    fn drop(&mut self) {
        self.0.leave();
    }
}
