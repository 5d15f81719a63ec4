//! The cleanup of idle sessions: one sweep, and the task that sweeps.

use crate::manager::{
    backend::{Backend, StopReason},
    end::stop,
    error::{StopEnd, StopError},
    report::reports::{SessionEvent, Skip, SweepReport, stop_text},
    run::{either, let_go},
    shared::{Leaving, STOPS_AT_ONCE, Shared},
};
use crate::{Phase, registry::slot::outcome::Claim, sync::Arc};
use std::{collections::VecDeque, pin::pin, time::Duration};
use tokio::task::JoinHandle;

/// Claims sessions that were idle for so long, or are too old, and stops them, sixteen at a time. Never waits for a turn. If it is
/// dropped, it claims no more, and the stops continue.
///
/// Between the snapshot and its claim, a session may have been used, touched or removed. The claim checks all that again under
/// the slot lock.
pub(crate) async fn sweep<B: Backend>(
    shared: Arc<Shared<B>>,
    idle_for: Option<Duration>,
) -> SweepReport<B::Key> {
    let mut report = SweepReport {
        stopped: Vec::new(),
        failed: Vec::new(),
        abandoned: Vec::new(),
        skipped: Vec::new(),
    };
    let mut stops = VecDeque::new();
    for seen in shared.registry.snapshot() {
        if stops.len() >= STOPS_AT_ONCE {
            await_one::<B>(&mut stops, &mut report).await;
        }
        let key = seen.key().clone(); // before the claim, because it may panic
        let status = seen.status();
        let age = status.age(shared.registry.now());
        let old = shared.settings.max_age.is_some()
            && shared.accepts()
            && seen.handle().is_some_and(|own| own.life().is_old());
        let (idle_for, reason) = match (old, idle_for) {
            (true, _) => (Duration::ZERO, StopReason::Aged),
            (false, Some(idle_for)) => (idle_for, StopReason::Idle),
            (false, None) => (Duration::MAX, StopReason::Idle),
        };
        let skip = match status.phase {
            Phase::Idle if age < idle_for => Skip::Young,
            Phase::Idle => match seen.close_idle(idle_for, old) {
                Ok(closing) => {
                    stops.push_back((key, stop_idle(&shared, closing, reason)));
                    continue;
                }
                Err(Claim::Young) => Skip::Touched,
                Err(Claim::Kept) => Skip::Kept,
                Err(_) => Skip::Busy(Duration::ZERO),
            },
            _ if status.waiting > 0 => Skip::Waiting(age),
            _ => Skip::Busy(age),
        };
        report.skipped.push((key, skip));
    }
    while !stops.is_empty() {
        await_one::<B>(&mut stops, &mut report).await;
    }
    report
}

type Stop<B> = JoinHandle<StopEnd<<B as Backend>::Error>>;

fn stop_idle<B: Backend>(
    shared: &Arc<Shared<B>>,
    closing: Leaving<B>,
    reason: StopReason,
) -> Stop<B> {
    let shared = Arc::clone(shared);
    let runtime = shared.runtime.clone();
    runtime.spawn(async move {
        let (vacancy, end) = stop::end(&shared, closing, reason).await;
        let_go(vacancy);
        end
    })
}

async fn await_one<B: Backend>(
    stops: &mut VecDeque<(B::Key, Stop<B>)>,
    report: &mut SweepReport<B::Key>,
) {
    let Some((key, stop)) = stops.pop_front() else {
        return;
    };
    match stop.await {
        Ok(Ok(())) => report.stopped.push(key),
        Ok(Err(StopError::Abandoned)) | Err(_) => report.abandoned.push(key),
        Ok(Err(error)) => report.failed.push((key, stop_text::<B>(&error))),
    }
}

/// Sweeps until the manager shuts down, four times in the shorter of idle time and age. Each sweep has a task of its own, so that a
/// panic ends only that sweep.
pub(crate) async fn reap<B: Backend>(
    shared: Arc<Shared<B>>,
    shortest: Duration,
    idle: Option<Duration>,
) {
    let pause = (shortest / 4).clamp(Duration::from_millis(1), Duration::from_secs(30));
    let begun = shared.ending.begun();
    let mut begun = pin!(begun);
    while either(begun.as_mut(), tokio::time::sleep(pause))
        .await
        .is_err()
    {
        let sweeping = shared.runtime.spawn(sweep(Arc::clone(&shared), idle));
        if let Ok(report) = sweeping.await {
            let report = Arc::new(report);
            shared.tell(|| SessionEvent::Swept(Arc::clone(&report)));
        }
    }
}
