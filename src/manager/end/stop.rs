//! The stop of one session. Its key is held until the stop ends or times out.

use crate::manager::{
    backend::{Backend, StopReason},
    ending::Fate,
    error::{StopEnd, StopError},
    life::Life,
    reach::Call,
    report::reports::{SessionEvent, stop_text},
    run::{Ended, bounded, let_go, quietly, within},
    shared::{Entered, Leaving, Shared, Vacant},
    switch::Cause,
};
use crate::{Entry, Incarnation, Phase, ReplaceError, ToKey, Turn, sync::Arc};
use std::{
    fmt,
    future::Future,
    pin::{Pin, pin},
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::Instant;

/// Why a session must end before its next turn, whatever its health and age: it is lost, or discarded.
#[inline]
pub(crate) fn unfit(life: &Life) -> Option<StopReason> {
    life.is_looked_at().then(|| look(life))?
}

#[cold]
fn look(life: &Life) -> Option<StopReason> {
    if !life.holds() {
        return Some(StopReason::Lost);
    }
    life.is_doomed().then_some(StopReason::Discarded)
}

/// Stops a session within the timeout, with its key held. Then returns the vacancy, whatever the result. Must not be cut
/// short: it runs in a task that nobody aborts.
pub(crate) async fn end<B: Backend>(
    shared: &Shared<B>,
    mut closing: Leaving<B>,
    reason: StopReason,
) -> (Vacant<B>, StopEnd<B::Error>) {
    let session = closing.session_mut().session.take();
    let session = session.expect("a session is stopped once");
    let own = Arc::clone(&closing.session_mut().own);
    own.life().stops();
    let end = run(shared, closing.key(), own.life(), session, reason).await;
    own.end_session();
    // First, so that the key is free if a drop panics.
    (closing.closed(), end)
}

/// The backend's stop, and its report. A stop that is still running when another process may own the key is dropped.
pub(crate) async fn run<B: Backend>(
    shared: &Shared<B>,
    key: &B::Key,
    life: &Life,
    session: B::Session,
    reason: StopReason,
) -> StopEnd<B::Error> {
    let begun = Instant::now();
    let incarnation = life.incarnation;
    let reason = match life.holds() {
        true => reason,
        false => StopReason::Lost,
    };
    let expired = || shared.expired(life.term.as_ref());
    let stop = || shared.backend.stop(key, session, reason);
    let end = match bounded(shared.timeouts().stop, expired, stop).await {
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
    end
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
    ended: Option<Ending<B>>,
}

type Ending<B> = Pin<Box<dyn Future<Output = Stopped<<B as Backend>::Error>> + Send>>;

type Stopped<E> = Result<bool, StopError<E>>;

impl<B: Backend> Stopping<B> {
    /// Joins the stop of this key that is queued or running. If there is none, takes the position ahead of the queue, and
    /// cancels the current turn, unless the session is discarded. Returns the call of the stop, or `None` if there is nothing to stop.
    pub(crate) fn begin<Q: ?Sized + ToKey<B::Key>>(
        shared: &Arc<Shared<B>>,
        key: &Q,
        only: Option<Incarnation>,
        reason: StopReason,
        keep: impl Send + 'static,
    ) -> Option<Arc<Call<B>>> {
        let call = Call::stop(only, reason);
        // Made before others can join: if the hash of a key panics, they still get an answer.
        let answers = Answers(Arc::clone(&call));
        let (registry, own) = (&shared.registry, key.to_key());
        // In the queue, one of another session may find nothing to stop where this one does, and one that cancels nothing may wait for
        // long. One that runs is joined if it is of the session that is there.
        let joins = |call: &Call<B>, has: Option<Incarnation>| match (call.stops, has) {
            (None, _) => false,
            (Some(why), None) => why == reason && call.only() == only,
            (Some(_), has) => call.only().is_none() || call.only() == has,
        };
        Some(
            match registry.enter_first_or_join(key, Arc::clone(&call), joins, only)? {
                Err(other) => other,
                Ok((enter, before)) => {
                    if let (StopReason::Requested, Some((ticket, before))) = (reason, before) {
                        shared.cancel(key, ticket, &before, only, Cause::Stop);
                    }
                    let stopping = Arc::clone(shared);
                    shared.runtime.spawn(async move {
                        let mut enter = pin!(enter);
                        // A discard has cancelled nothing, so it waits for as long as the turn takes. For the stop of a lost session nobody waits.
                        let limit = (reason == StopReason::Requested).then(|| patience(&stopping));
                        let entered = match within(limit, enter.as_mut()).await {
                            Some(entered) => entered,
                            None => {
                                if is_held(&stopping, &own) {
                                    answers.0.end(Err(StopError::Held));
                                }
                                let entered = enter.await;
                                answers.0.is_held_no_more();
                                entered
                            }
                        };
                        let Ok(entry) = entered else {
                            return; // the manager is shutting down
                        };
                        drop(keep);
                        let stopped = stop(&stopping, entry, only, reason).await;
                        answers.0.end(stopped);
                    });
                    call
                }
            },
        )
    }

    /// Resolves when this stop is answered.
    pub(crate) fn of(call: Option<Arc<Call<B>>>) -> Self {
        let ended = call.map(|call| Box::pin(async move { call.ended().await }) as Ending<B>);
        Self { ended }
    }

    /// Takes the key from its holder, if a stop does not end the session.
    pub(crate) fn force<Q: ?Sized + ToKey<B::Key>>(
        shared: &Arc<Shared<B>>,
        key: &Q,
        only: Option<Incarnation>,
        keep: impl Send + 'static,
    ) -> Self {
        let own = key.to_key();
        let call = Self::begin(shared, key, only, StopReason::Requested, keep);
        let ended = call.map(|call| {
            let forced = force(Arc::clone(shared), own, call);
            let forced = shared.runtime.spawn(forced);
            Box::pin(async move { forced.await.unwrap_or(Err(StopError::Closed)) }) as Ending<B>
        });
        Self { ended }
    }
}

/// What a turn gets that a stop has cancelled. A message or a closure has ended after the abort timeout, which began a moment later than
/// the stop's.
fn patience<B: Backend>(shared: &Shared<B>) -> Duration {
    shared.timeouts().abort.saturating_mul(2)
}

/// Whether a turn or a health check has the key. Starts and stops have limits of their own.
fn is_held<B: Backend>(shared: &Shared<B>, key: &B::Key) -> bool {
    let status = shared.registry.status(key);
    status.is_some_and(|status| status.phase == Phase::Busy)
}

/// Stops the session, and takes its key from a turn that does not end.
///
/// The turn may end between the look and the replacement, and another one may begin. The replacement is of the incarnation that was
/// seen: the stop in the queue goes before every other call, so the next turn is of the next incarnation. Schedules: `a16_force`.
async fn force<B: Backend>(
    shared: Arc<Shared<B>>,
    key: B::Key,
    call: Arc<Call<B>>,
) -> Stopped<B::Error> {
    match within(Some(patience(&shared)), pin!(call.ended())).await {
        Some(Err(StopError::Held)) | None => {}
        Some(stopped) => return stopped,
    }
    loop {
        let seen = shared.registry.observe(&key);
        let held = seen.filter(|seen| seen.status().phase == Phase::Busy);
        match held.as_ref().map(|seen| seen.replace()) {
            // The session is stopped when its holder gives it back, or now if it was granted and not taken. If keys are shared, it does not
            // own its key any more.
            Some(Ok(replaced)) => {
                if let Some(own) = held.and_then(|seen| seen.handle()) {
                    own.life().forfeits();
                    own.switch.changed.ring();
                }
                let_go(replaced);
                return Ok(true);
            }
            Some(Err(ReplaceError::Closed)) => return Err(StopError::Closed),
            Some(Err(_)) => {}
            // The turn has ended after all. A start or a stop ends by itself.
            None => return call.ended_at_last().await,
        }
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
        quietly(|| Turn::put_back(turn));
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
