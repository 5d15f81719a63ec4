//! The end of a manager: no newcomer, turns may end until the deadline, every session is stopped and accounted for.

use super::{
    backend::{Backend, StopReason},
    control::Cause,
    error::StopError,
    listen::Erased,
    report::DrainReport,
    run::{either, let_go, quietly, within},
    shared::{Leaving, Shared},
    stop::{self, StopEnd},
};
use crate::{
    Drain,
    sync::{
        Arc, RandomState,
        atomic::{AtomicBool, Ordering},
        catch_unwind,
    },
    wake::raise,
};
use parking_lot::Mutex;
use std::{
    collections::HashMap, hash::Hash, mem, panic::AssertUnwindSafe, pin::pin, time::Duration,
};
use tokio::{
    sync::{Notify, oneshot},
    time::Instant,
};

/// What became of one session.
#[derive(Clone, Debug)]
pub(super) enum Fate {
    Stopped,
    Failed(Arc<str>),
    Abandoned,
}

impl Fate {
    pub(super) fn of<E>(end: &StopEnd<E>, error: Option<&Arc<str>>) -> Self {
        match (end, error) {
            (Err(StopError::Abandoned), _) => Self::Abandoned,
            (Err(_), Some(error)) => Self::Failed(Arc::clone(error)),
            _ => Self::Stopped,
        }
    }

    /// Of two sessions of one key, what is worse is told.
    fn rank(&self) -> u8 {
        match self {
            Self::Stopped => 0,
            Self::Failed(_) => 1,
            Self::Abandoned => 2,
        }
    }
}

/// How far a manager is with its end.
///
/// | stage | from | what holds |
/// |---|---|---|
/// | open | | calls are admitted |
/// | begun | the first [`begin`] | every end of a session is recorded; the registry is closed; one task drains it |
/// | overdue | the deadline | each turn that is under way, or comes within reach from now on, is cancelled |
/// | done | the drain's end, or of its patience | the report is there; what is given back later is stopped all the same |
pub(super) struct Ending<K> {
    state: Mutex<State<K>>,
    overdue: AtomicBool,
    over: AtomicBool,
    /// A stage begins, or the deadline moves.
    moved: Notify,
}

struct State<K> {
    /// From `begun` on.
    fates: Option<HashMap<K, Fate, RandomState>>,
    /// `None`: no turn is cut short.
    deadline: Option<Instant>,
    report: Option<Arc<DrainReport<K>>>,
    /// Who waits for the report. Each is told by itself: should the waker of one panic, the others hear it all the same.
    asked: Vec<oneshot::Sender<Arc<DrainReport<K>>>>,
}

impl<K> Ending<K> {
    pub(super) fn new() -> Self {
        Self {
            state: Mutex::new(State {
                fates: None,
                deadline: None,
                report: None,
                asked: Vec::new(),
            }),
            overdue: AtomicBool::new(false),
            over: AtomicBool::new(false),
            moved: Notify::new(),
        }
    }

    pub(super) fn overdue(&self) -> bool {
        self.overdue.load(Ordering::SeqCst)
    }

    /// Nothing more will be told.
    pub(super) fn over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    /// Resolves once a shutdown has begun.
    pub(super) async fn begun(&self) {
        self.wait(|state| state.fates.as_ref().map(drop)).await;
    }

    fn ask(&self) -> oneshot::Receiver<Arc<DrainReport<K>>> {
        let (ask, asked) = oneshot::channel();
        let mut state = self.state.lock();
        match &state.report {
            None => {
                state.asked.retain(|asked| !asked.is_closed());
                state.asked.push(ask);
            }
            Some(report) => drop(ask.send(Arc::clone(report))),
        }
        asked
    }

    fn answer(&self, report: DrainReport<K>) {
        let report = Arc::new(report);
        let asked = {
            let mut state = self.state.lock();
            state.report = Some(Arc::clone(&report));
            mem::take(&mut state.asked)
        };
        for asked in asked {
            quietly(|| drop(asked.send(Arc::clone(&report))));
        }
    }

    /// Enabled before the look, so that a move between look and wait is not lost.
    async fn wait<T>(&self, mut look: impl FnMut(&State<K>) -> Option<T>) -> T {
        loop {
            let moved = self.moved.notified();
            let mut moved = pin!(moved);
            moved.as_mut().enable();
            if let Some(found) = look(&self.state.lock()) {
                return found;
            }
            moved.await;
        }
    }
}

impl<K: Clone + Eq + Hash> Ending<K> {
    /// A session has ended; its key is not free yet.
    pub(super) fn record(&self, key: &K, fate: Fate) {
        let key = key.clone();
        let mut state = self.state.lock();
        let Some(fates) = &mut state.fates else {
            return;
        };
        match fates.get_mut(&key) {
            Some(before) if before.rank() >= fate.rank() => {}
            Some(before) => *before = fate,
            None => drop(fates.insert(key, fate)),
        }
    }

    /// What was recorded.
    fn report(&self) -> DrainReport<K> {
        let fates = self.state.lock().fates.as_mut().map(mem::take);
        let mut report = DrainReport {
            stopped: Vec::new(),
            failed: Vec::new(),
            abandoned: Vec::new(),
        };
        for (key, fate) in fates.into_iter().flatten() {
            match fate {
                Fate::Stopped => report.stopped.push(key),
                Fate::Failed(error) => report.failed.push((key, error)),
                Fate::Abandoned => report.abandoned.push(key),
            }
        }
        report
    }
}

/// Begins the shutdown, or moves its deadline forward. When this returns nobody is admitted any more.
pub(super) fn begin<B: Backend>(shared: &Arc<Shared<B>>, deadline: Option<Duration>) {
    // What cannot be expressed never comes.
    let deadline = deadline.and_then(|limit| Instant::now().checked_add(limit));
    let first = {
        let mut state = shared.ending.state.lock();
        state.deadline = [state.deadline, deadline].into_iter().flatten().min();
        let first = state.fates.is_none();
        state.fates.get_or_insert_default();
        first
    };
    // By each caller: who comes second may return before the first. The waker of somebody who is sent away may panic: that
    // goes on when all is begun.
    let closed = catch_unwind(AssertUnwindSafe(|| shared.registry.close()));
    if first {
        let drain = shared.registry.drain();
        let reports = Reports(Arc::clone(shared));
        shared.runtime.spawn(run(reports, drain));
    }
    shared.ending.moved.notify_waiters();
    raise(closed.err());
}

/// The report, when all is over.
pub(super) async fn report<B: Backend>(shared: Arc<Shared<B>>) -> DrainReport<B::Key> {
    let report = shared.ending.ask().await;
    DrainReport::clone(&*report.expect("who is asked answers"))
}

type Sessions<B> = Drain<
    <B as Backend>::Key,
    super::shared::Resident<B>,
    super::control::Control<<B as Backend>::Error>,
>;

async fn run<B: Backend>(reports: Reports<B>, mut drain: Sessions<B>) {
    let shared = Arc::clone(&reports.0);
    if !drain_until(&shared, &mut drain, None).await {
        // Set before the look at the turns under way: who comes within reach later sees it.
        shared.ending.overdue.store(true, Ordering::SeqCst);
        for seen in shared.registry.snapshot() {
            if let Some(control) = seen.handle() {
                control.cancel(None, Cause::Shutdown);
            }
        }
        let timeouts = shared.timeouts();
        // A turn that is cut short, an abandoned start or a stop before ours, and ours.
        let stops = timeouts.stop.saturating_mul(2);
        let patience = timeouts.abort.saturating_add(timeouts.start);
        drain_until(&shared, &mut drain, Some(patience.saturating_add(stops))).await;
    }
    drop(reports);
    // Turns that are given back after all.
    while let Some(closing) = drain.next().await {
        stop_aside(&shared, closing);
    }
}

/// Makes the report when it is dropped: at the end of the drain, or of the runtime, or should a panic end the task.
struct Reports<B: Backend>(Arc<Shared<B>>);

impl<B: Backend> Drop for Reports<B> {
    fn drop(&mut self) {
        let Self(shared) = self;
        for seen in shared.registry.snapshot() {
            quietly(|| shared.ending.record(seen.key(), Fate::Abandoned));
        }
        let report = shared.ending.report();
        shared.ending.over.store(true, Ordering::SeqCst);
        shared.events.end();
        let outputs = shared.outputs.lock().as_ref().map(Erased::end);
        if let Some(end) = outputs {
            end();
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
        let deadline = ends.unwrap_or_else(|| shared.ending.state.lock().deadline);
        let left = deadline.map(|moment| moment.saturating_duration_since(Instant::now()));
        let moved = shared.ending.wait({
            let seen = deadline;
            move |state| (ends.is_none() && state.deadline != seen).then_some(())
        });
        let mut next = Box::pin(drain.next());
        let next = pin!(either(next.as_mut(), moved));
        match within(&shared.runtime, left, next).await {
            None => return false,
            Some(Err(())) => {} // the deadline has moved
            Some(Ok(None)) => return true,
            Some(Ok(Some(closing))) => stop_aside(shared, closing),
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
