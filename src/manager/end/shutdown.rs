//! The shutdown: no call is admitted, turns may end until the deadline, and every session is stopped and reported.

use crate::manager::{
    backend::{Backend, StopReason},
    end::stop,
    ending::Fate,
    reach::Call,
    report::reports::DrainReport,
    run::{caught, discard, either, let_go, quietly, within},
    shared::{Leaving, Resident, STOPS_AT_ONCE, Shared},
    switch::Cause,
};
use crate::{
    Drain,
    registry::wake::raise,
    sync::{Arc, catch_unwind},
};
use std::{panic::AssertUnwindSafe, pin::pin, time::Duration};
use tokio::time::Instant;

/// Begins the shutdown, or brings its deadline forward. When this returns, no call is admitted any more.
pub(crate) fn begin<B: Backend>(shared: &Arc<Shared<B>>, deadline: Option<Duration>) {
    // A deadline that cannot be expressed never comes.
    let deadline = deadline.and_then(|limit| Instant::now().checked_add(limit));
    shared.ending.begin(deadline);
    // Each caller closes the registry: the second one may return before the first. The waker of a queued call may panic; that
    // panic continues when the shutdown has begun.
    let closed = catch_unwind(AssertUnwindSafe(|| shared.registry.close()));
    shared.ending.tell_all();
    raise(closed.err());
}

/// The report, at the end of the shutdown.
pub(crate) async fn report<B: Backend>(shared: Arc<Shared<B>>) -> DrainReport<B::Key> {
    let report = shared.ending.ask().await;
    DrainReport::clone(&*report.expect("every request is answered"))
}

type Sessions<B> = Drain<<B as Backend>::Key, Resident<B>, Call<B>>;

/// Starts the task that lives as long as the manager. It waits for the shutdown, and then stops all sessions. If the runtime ends
/// first, the task is dropped, and its drop closes the manager.
pub(crate) fn keep<B: Backend>(shared: &Arc<Shared<B>>) {
    // Made before the task, because the runtime may end before the task has run.
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
        // The longest chain: a turn that is cut short, a start, its cleanup or an earlier stop, the stops before ours, and ours.
        let before = shared.registry.len() / STOPS_AT_ONCE;
        let before = u32::try_from(before).unwrap_or(u32::MAX);
        let stops = timeouts.stop.saturating_mul(before.saturating_add(2));
        let patience = timeouts.abort.saturating_add(timeouts.start);
        drain_until(&shared, &mut drain, Some(patience.saturating_add(stops))).await;
    }
    reports.early = false;
    drop(reports);
    // Turns that are given back after the report.
    loop {
        match caught(|| drain.next()).await {
            Ok(None) => return,
            Ok(Some(closing)) => stop_aside(&shared, closing),
            Err(payload) => discard(payload),
        }
    }
}

/// Cancels every call that has a session or a start. The registry is closed, so no call comes after this and none is missed.
fn cancel_all<B: Backend>(shared: &Shared<B>, cause: Cause) {
    for seen in shared.registry.snapshot() {
        // `seen` may be the last reference to its slot. Then its drop drops the key.
        quietly(move || {
            if let Some((ticket, call)) = seen.reach(None) {
                call.switch.cancel(ticket, cause, true);
            }
        });
    }
}

/// Makes the report when it is dropped: at the end of the drain, or early, when the runtime ends or a panic ends the task. If it
/// is early, nothing that a call waits for will come, so it ends all calls. It sends the report even if user code panics in it.
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
        quietly(|| shared.outputs.end());
        shared.ending.answer(report);
    }
}

/// Stops each session when its turn ends. True if none is left. False if the deadline came first: the end of `patience`, or
/// without it the deadline of the shutdown, which may move.
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
        // The drop of a key may panic in the drain. The drain continues.
        let mut next = Box::pin(caught(|| drain.next()));
        let next = pin!(either(next.as_mut(), moved));
        match within(left, next).await {
            None => return false,
            Some(Err(())) => {} // the deadline has moved
            Some(Ok(Err(payload))) => discard(payload),
            Some(Ok(Ok(None))) => return true,
            Some(Ok(Ok(Some(closing)))) => stop_aside(shared, closing),
        }
    }
}

fn stop_aside<B: Backend>(shared: &Arc<Shared<B>>, mut closing: Leaving<B>) {
    let stopping = Arc::clone(shared);
    let own = Arc::clone(&closing.session_mut().own);
    shared.runtime.spawn(async move {
        // A session that is lost does not wait for others.
        let lost = stopping.lost(own.life().term.as_ref());
        let permit = pin!(stopping.stops.acquire());
        let _permit = either(permit, lost).await;
        let (vacancy, _) = stop::end(&stopping, closing, StopReason::Shutdown).await;
        let_go(vacancy);
    });
}
