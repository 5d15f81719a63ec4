//! The stop of one session. Its key is held until the stop ends or times out.

use crate::manager::{
    backend::{Backend, StopReason},
    ending::Fate,
    error::{StopEnd, StopError},
    reach::Call,
    report::reports::{SessionEvent, stop_text},
    run::{Ended, bounded, let_go, quietly},
    shared::{Entered, Leaving, Shared, Vacant},
    switch::Cause,
};
use crate::{Entry, Incarnation, ToKey, Turn, sync::Arc};
use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};
use tokio::time::Instant;

/// Stops a session within the timeout, with its key held. Then returns the vacancy, whatever the result. Must not be cut
/// short: it runs in a task that nobody aborts.
pub(crate) async fn end<B: Backend>(
    shared: &Shared<B>,
    mut closing: Leaving<B>,
    reason: StopReason,
) -> (Vacant<B>, StopEnd<B::Error>) {
    let incarnation = closing.incarnation();
    let begun = Instant::now();
    let session = closing.session_mut().session.take();
    let session = session.expect("a session is stopped once");
    let key = closing.key();
    let stop = || shared.backend.stop(key, session, reason);
    let end = match bounded(shared.timeouts().stop, stop).await {
        Ended::Done(end) => end.map_err(|error| StopError::Failed(Arc::new(error))),
        Ended::Overran => Err(StopError::Abandoned),
        Ended::Panicked => Err(StopError::Panicked),
    };
    let took = begun.elapsed();
    shared.stats.stop(incarnation, reason, end.is_ok());
    let error = end.as_ref().err().map(stop_text::<B>);
    quietly(|| shared.ending.record(key, Fate::of(&end, error.as_ref())));
    shared.tell(|| SessionEvent::Stopped {
        key: key.clone(),
        incarnation,
        reason,
        took,
        error: error.clone(),
    });
    closing.session_mut().own.end_session();
    // First, so that the key is free if a drop panics.
    (closing.closed(), end)
}

/// Stops a session in a task that owns it. The next caller waits for that.
pub(crate) fn aside<B: Backend>(shared: &Arc<Shared<B>>, closing: Leaving<B>, reason: StopReason) {
    let shared = Arc::clone(shared);
    let runtime = shared.runtime.clone();
    runtime.spawn(async move {
        let_go(end(&shared, closing, reason).await);
    });
}

/// The future of [`SessionManager::stop`](crate::SessionManager::stop). Resolves when the stop has ended: to true if a session was
/// stopped, to false if there was none.
///
/// # Cancel safety
///
/// The stop continues without this future.
#[must_use = "the stop continues by itself; await this future for its result"]
pub struct Stopping<B: Backend> {
    /// `None` if there is nothing to stop.
    ended: Option<Pin<Box<dyn Future<Output = Stopped<B::Error>> + Send>>>,
}

type Stopped<E> = Result<bool, StopError<E>>;

impl<B: Backend> Stopping<B> {
    /// Joins the stop of this key that is queued or running. If there is none, takes the position ahead of the queue, and
    /// cancels the current turn, unless the session is discarded.
    pub(crate) fn begin<Q: ?Sized + ToKey<B::Key>>(
        shared: &Arc<Shared<B>>,
        key: &Q,
        only: Option<Incarnation>,
        reason: StopReason,
        keep: impl Send + 'static,
    ) -> Self {
        let call = Call::stop(only, reason);
        // Made before others can join: if the hash of a key panics, they still get an answer.
        let answers = Answers(Arc::clone(&call));
        let registry = &shared.registry;
        // One of another session may find nothing to stop where this one does, and one that cancels nothing may wait for long.
        let joins = |call: &Call<B>| call.stops == Some(reason) && call.only == only;
        let call = match registry.enter_first_or_join(key, Arc::clone(&call), joins, only) {
            None => return Self { ended: None },
            Some(Err(other)) => other,
            Some(Ok((enter, before))) => {
                if let (StopReason::Requested, Some((ticket, before))) = (reason, before) {
                    shared.cancel(key, ticket, &before, Cause::Stop);
                }
                let stopping = Arc::clone(shared);
                shared.runtime.spawn(async move {
                    let Ok(entry) = enter.await else {
                        return; // the manager is shutting down
                    };
                    drop(keep);
                    let stopped = stop(&stopping, entry, only, reason).await;
                    answers.0.end(stopped);
                });
                call
            }
        };
        let ended = Box::pin(async move { call.ended().await });
        Self { ended: Some(ended) }
    }
}

/// Stops the session, if there is one and it is meant.
async fn stop<B: Backend>(
    shared: &Shared<B>,
    entry: Entered<B>,
    only: Option<Incarnation>,
    reason: StopReason,
) -> Stopped<B::Error> {
    let turn = match entry {
        Entry::Occupied(turn) => turn,
        Entry::Vacant(vacancy) => {
            let_go(vacancy);
            return Ok(false);
        }
    };
    if only.is_some_and(|only| only != Turn::incarnation(&turn)) {
        // A successor: it was idle, and is so again.
        let_go(turn);
        return Ok(false);
    }
    let (vacancy, ended) = end(shared, Turn::vacate(turn), reason).await;
    let_go(vacancy);
    ended.map(|()| true)
}

/// Answers all callers of a stop when its task ends in any other way. An answer that was given before stays.
struct Answers<B: Backend>(Arc<Call<B>>);

impl<B: Backend> Drop for Answers<B> {
    fn drop(&mut self) {
        self.0.end(Err(StopError::Closed));
    }
}

impl<B: Backend> Future for Stopping<B> {
    type Output = Stopped<B::Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.ended {
            None => Poll::Ready(Ok(false)),
            Some(ended) => ended.as_mut().poll(cx),
        }
    }
}

impl<B: Backend> fmt::Debug for Stopping<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stopping").finish_non_exhaustive()
    }
}
