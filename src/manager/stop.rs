//! How a session ends: held to the end of its stop, or of its patience.

use super::{
    backend::{Backend, StopReason},
    control::Cause,
    ending::Fate,
    error::{StopEnd, StopError, error_text},
    report::SessionEvent,
    run::{Ended, bounded, let_go, quietly},
    shared::{Leaving, Shared, Vacant},
};
use crate::{Entry, ToKey, Turn, sync::Arc};
use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};
use tokio::{task::JoinHandle, time::Instant};

/// Stops a session within its timeout, its key held; then, however that went, the vacancy is the caller's. Not to be cut
/// short: it runs in a task that nobody aborts.
pub(super) async fn end<B: Backend>(
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
    let end = match bounded(&shared.runtime, shared.timeouts().stop, stop).await {
        Ended::Done(end) => end.map_err(StopError::Failed),
        Ended::Overran => Err(StopError::Abandoned),
        Ended::Panicked => Err(StopError::Panicked),
    };
    let took = begun.elapsed();
    let error = end.as_ref().err().map(|error| error_text(error));
    quietly(|| shared.ending.record(key, Fate::of(&end, error.as_ref())));
    shared.tell(|| SessionEvent::Stopped {
        key: key.clone(),
        incarnation,
        reason,
        took,
        error: error.clone(),
    });
    // The vacancy before the rest: should a drop panic, the key is free.
    (closing.closed(), end)
}

/// Stops a session in a task that owns it. The next in line waits for that.
pub(super) fn aside<B: Backend>(shared: &Arc<Shared<B>>, closing: Leaving<B>, reason: StopReason) {
    let shared = Arc::clone(shared);
    let runtime = shared.runtime.clone();
    runtime.spawn(async move {
        let_go(end(&shared, closing, reason).await);
    });
}

/// The future of a stop, which goes on without it. `true` if a session was stopped, `false` if there was none.
#[must_use = "a stop goes on by itself; await it to know its end"]
pub struct Stopping<B: Backend> {
    task: Option<JoinHandle<Result<bool, StopError<B::Error>>>>,
}

impl<B: Backend> Stopping<B> {
    /// Takes the place ahead of the line, then cancels the turn that is under way. Between the two another turn may come,
    /// granted before: it sees who waits ahead of the line, and cancels itself.
    pub(super) fn begin<Q: ?Sized + ToKey<B::Key>>(
        shared: &Arc<Shared<B>>,
        key: &Q,
        keep: impl Send + 'static,
    ) -> Self {
        let Some(enter) = shared.registry.enter_first_existing(key) else {
            return Self { task: None };
        };
        if let Some(control) = shared.registry.handle(key) {
            control.cancel(None, Cause::Stop);
        }
        let stopping = Arc::clone(shared);
        let task = shared.runtime.spawn(async move {
            let entry = enter.await.map_err(|_| StopError::Closed)?;
            drop(keep);
            match entry {
                Entry::Vacant(_) => Ok(false),
                Entry::Occupied(turn) => {
                    let (vacancy, ended) =
                        end(&stopping, Turn::vacate(turn), StopReason::Requested).await;
                    let_go(vacancy);
                    ended.map(|()| true)
                }
            }
        });
        Self { task: Some(task) }
    }
}

impl<B: Backend> Future for Stopping<B> {
    type Output = Result<bool, StopError<B::Error>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(task) = &mut self.task else {
            return Poll::Ready(Ok(false));
        };
        // Of a runtime that is gone.
        Pin::new(task)
            .poll(cx)
            .map(|end| end.unwrap_or(Err(StopError::Closed)))
    }
}

impl<B: Backend> fmt::Debug for Stopping<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stopping").finish_non_exhaustive()
    }
}
