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
use std::pin::pin;
use tokio::time::Instant;

/// What a call holds from its beginning: a position in the queue, or the key. A drop gives it to the next caller, without a trace.
pub(crate) struct Place<B: Backend> {
    pub(crate) call: Arc<Call<B>>,
    pub(crate) want: Want,
    pub(crate) state: State<B>,
}

pub(crate) enum State<B: Backend> {
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
        let mut want = Want {
            restart,
            existing: options.existing,
            only: options.only,
            no_wait: options.no_wait,
            wait: options.wait.or(shared.timeouts().wait),
            called: None,
        };
        // Its key gets no slot, not even for a moment. The session may come or go after this look: `establish` looks again when
        // the call has the key. Schedules: `a8_seen`. A closed registry refuses the call below.
        if options.seeks() && !shared.registry.is_closed() && want.misses(shared.incarnation(key)) {
            return Self {
                call: call.unwrap_or_else(make),
                want,
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
        want.called = (queued || starts || shared.listens()).then(Instant::now);
        let state = match entered {
            Ok(entry) => State::Taken(Unused(Some(entry))),
            Err(Some(enter)) => State::Waits(enter),
            Err(None) => State::Busy,
        };
        Self { call, want, state }
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

    /// The turn. What must not be cut short moves to a task of its own, unless it ends at once.
    pub(crate) async fn turn(self, shared: Arc<Shared<B>>) -> Taken<B> {
        let Self { call, want, state } = self;
        let entry = state.entry(&call, &want, &shared).await?;
        let runtime = shared.runtime.clone();
        let _leaves = Leaves(&call);
        let establish = establish(shared, entry, Arc::clone(&call), want, None, |_| {});
        let found = pin!(uncut(&runtime, establish));
        match either(found, call.refused()).await {
            Ok(found) => SessionTurn::fetched(found),
            // The session is for the next caller.
            Err(refused) => Err(refused),
        }
    }
}

impl<B: Backend> State<B> {
    /// Waits in the queue. A drop leaves it.
    ///
    /// An abort, a stop, a dismissal or a failed start may take the position away, in the queue or granted. A call whose position is
    /// gone waits for the reason, which is stored already or follows at once.
    pub(crate) async fn entry(
        self,
        call: &Call<B>,
        want: &Want,
        shared: &Shared<B>,
    ) -> Result<Unused<B>, TurnError<B::Error>> {
        let enter = match self {
            Self::Busy => return Err(shared.refused(TurnError::Busy)),
            Self::NotFound => return Err(shared.refused(TurnError::NotFound)),
            Self::Taken(entry) => return Ok(entry),
            Self::Waits(enter) => enter,
        };
        let waits = async move {
            let mut enter = pin!(enter);
            let turn = pin!(either(enter.as_mut(), call.refused()));
            match within(want.wait_left(), turn).await {
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
}

/// The future of a plain turn, after the queue. If it is dropped, it waits for room no longer. A start that has begun goes on.
struct Leaves<'a, B: Backend>(&'a Call<B>);

impl<B: Backend> Drop for Leaves<'_, B> {
    fn drop(&mut self) {
        self.0.leave();
    }
}
