//! The end of a manager: no newcomer, turns may end until the deadline, every session is stopped and accounted for.

use crate::manager::{
    backend::{Backend, StopReason},
    end::stop,
    ending::Fate,
    reach::{Call, Cause},
    report::reports::DrainReport,
    run::{caught, discard, either, let_go, quietly, within},
    shared::{Erased, Leaving, Resident, STOPS_AT_ONCE, Shared},
};
use crate::{
    Drain,
    registry::wake::raise,
    sync::{Arc, catch_unwind},
};
use std::{panic::AssertUnwindSafe, pin::pin, time::Duration};
use tokio::time::Instant;

/// Begins the shutdown, or moves its deadline forward. When this returns nobody is admitted any more.
pub(crate) fn begin<B: Backend>(shared: &Arc<Shared<B>>, deadline: Option<Duration>) {
    // What cannot be expressed never comes.
    let deadline = deadline.and_then(|limit| Instant::now().checked_add(limit));
    shared.ending.begin(deadline);
    // By each caller: who comes second may return before the first. The waker of somebody who is sent away may panic: that
    // goes on when all is begun.
    let closed = catch_unwind(AssertUnwindSafe(|| shared.registry.close()));
    shared.ending.tell_all();
    raise(closed.err());
}

/// The report, when all is over.
pub(crate) async fn report<B: Backend>(shared: Arc<Shared<B>>) -> DrainReport<B::Key> {
    let report = shared.ending.ask().await;
    DrainReport::clone(&*report.expect("who is asked answers"))
}

type Sessions<B> = Drain<<B as Backend>::Key, Resident<B>, Call<<B as Backend>::Error>>;

/// Starts the task that lives as long as the manager. It waits for the shutdown, and then stops all sessions. Should the runtime
/// go first, the task is dropped, and its drop closes the manager.
pub(crate) fn keep<B: Backend>(shared: &Arc<Shared<B>>) {
    // Made before the task: the runtime may go before it has run.
    let reports = Reports {
        shared: Arc::clone(shared),
        early: true,
    };
    shared.runtime.spawn(end_all(reports));
}

async fn end_all<B: Backend>(mut reports: Reports<B>) {
    let shared = Arc::clone(&reports.shared);
    shared.ending.begun().await;
    let mut drain = shared.registry.drain();
    if !drain_until(&shared, &mut drain, None).await {
        cancel_all(&shared, Cause::Shutdown);
        let timeouts = shared.timeouts();
        // A turn that is cut short, an abandoned start or a stop before ours, and ours, which waits for those before it.
        let before = shared.registry.len() / STOPS_AT_ONCE;
        let before = u32::try_from(before).unwrap_or(u32::MAX);
        let stops = timeouts.stop.saturating_mul(before.saturating_add(2));
        let patience = timeouts.abort.saturating_add(timeouts.start);
        drain_until(&shared, &mut drain, Some(patience.saturating_add(stops))).await;
    }
    reports.early = false;
    drop(reports);
    // Turns that are given back after all.
    loop {
        match caught(|| drain.next()).await {
            Ok(None) => return,
            Ok(Some(closing)) => stop_aside(&shared, closing),
            Err(payload) => discard(payload),
        }
    }
}

/// Cancels every call that has a session, or a start. The registry is closed: no other call comes, so none is missed.
fn cancel_all<B: Backend>(shared: &Shared<B>, cause: Cause) {
    for seen in shared.registry.snapshot() {
        // What was seen may be the last of its slot: then its key goes with it.
        quietly(move || {
            if let Some(call) = seen.caller(None) {
                call.switch.cancel(cause);
            }
        });
    }
}

/// Makes the report when it is dropped: at the end of the drain; or early, at the end of the runtime, or should a panic end the
/// task. Then nothing that a call waits for will come: all of them end. Whatever user code panics in it, the report is answered.
struct Reports<B: Backend> {
    shared: Arc<Shared<B>>,
    early: bool,
}

impl<B: Backend> Drop for Reports<B> {
    fn drop(&mut self) {
        let (shared, early) = (&*self.shared, self.early);
        if early {
            shared.ending.begin(None);
            quietly(|| shared.registry.close());
            cancel_all(shared, Cause::RuntimeGone);
            shared.ending.tell_all();
        }
        for seen in shared.registry.snapshot() {
            quietly(move || shared.ending.record(seen.key(), Fate::Abandoned));
        }
        let report = shared.ending.report();
        shared.ending.set_over();
        quietly(|| shared.events.end());
        let outputs = shared.outputs.lock().as_ref().map(Erased::end);
        if let Some(end) = outputs {
            quietly(move || end());
        }
        shared.ending.answer(report);
    }
}

/// Stops each session as its turn ends. True if none is left; false if the deadline came first: the shutdown's, which may
/// move, or the end of the patience.
async fn drain_until<B: Backend>(
    shared: &Arc<Shared<B>>,
    drain: &mut Sessions<B>,
    patience: Option<Duration>,
) -> bool {
    let ends = patience.map(|patience| Instant::now().checked_add(patience));
    loop {
        let deadline = ends.unwrap_or_else(|| shared.ending.deadline());
        let left = deadline.map(|moment| moment.saturating_duration_since(Instant::now()));
        let moved = shared.ending.wait({
            let seen = deadline;
            move |state| (ends.is_none() && state.deadline != seen).then_some(())
        });
        // The drop of a key may panic in the drain, which goes on.
        let mut next = Box::pin(caught(|| drain.next()));
        let next = pin!(either(next.as_mut(), moved));
        match within(&shared.runtime, left, next).await {
            None => return false,
            Some(Err(())) => {} // the deadline has moved
            Some(Ok(Err(payload))) => discard(payload),
            Some(Ok(Ok(None))) => return true,
            Some(Ok(Ok(Some(closing)))) => stop_aside(shared, closing),
        }
    }
}

fn stop_aside<B: Backend>(shared: &Arc<Shared<B>>, closing: Leaving<B>) {
    let stopping = Arc::clone(shared);
    shared.runtime.spawn(async move {
        let _permit = stopping.stops.acquire().await;
        let (vacancy, _) = stop::end(&stopping, closing, StopReason::Shutdown).await;
        let_go(vacancy);
    });
}
