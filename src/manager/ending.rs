//! The progress of a shutdown, and the end of each session.

use crate::manager::{
    error::{StopEnd, StopError},
    report::reports::DrainReport,
    run::{found, quietly},
};
use crate::sync::{
    Arc, RandomState,
    atomic::{AtomicBool, Ordering},
};
use parking_lot::Mutex;
use std::{collections::HashMap, hash::Hash, mem};
use tokio::{
    sync::{Notify, oneshot},
    time::Instant,
};

/// How one session ended.
#[derive(Clone, Debug)]
pub(crate) enum Fate {
    Stopped,
    Failed(Arc<str>),
    Abandoned,
}

impl Fate {
    pub(crate) fn of<E>(end: &StopEnd<E>, error: Option<&Arc<str>>) -> Self {
        match (end, error) {
            (Err(StopError::Abandoned), _) => Self::Abandoned,
            (Err(_), Some(error)) => Self::Failed(Arc::clone(error)),
            _ => Self::Stopped,
        }
    }

    /// If a key had two sessions, the worse end is reported.
    fn rank(&self) -> u8 {
        match self {
            Self::Stopped => 0,
            Self::Failed(_) => 1,
            Self::Abandoned => 2,
        }
    }
}

/// The progress of a shutdown.
///
/// | stage | from | what holds |
/// |---|---|---|
/// | open | | calls are admitted |
/// | begun | the first [`begin`](Ending::begin) | the end of each session is recorded; the registry is closed; one task drains it |
/// | overdue | the deadline | each call that has a session or a start is cancelled; no other call comes |
/// | done | the end of the drain, or of its patience | the report is made; a turn that is dropped later still has its session stopped |
pub(crate) struct Ending<K> {
    state: Mutex<State<K>>,
    over: AtomicBool,
    /// A stage begins, or the deadline moves.
    moved: Notify,
}

pub(crate) struct State<K> {
    /// `Some` from the stage `begun` on.
    fates: Option<HashMap<K, Fate, RandomState>>,
    /// `None`: no turn is cut short.
    pub(crate) deadline: Option<Instant>,
    report: Option<Arc<DrainReport<K>>>,
    /// The callers that wait for the report. Each has a channel of its own, so a waker that panics does not keep it from the others.
    asked: Vec<oneshot::Sender<Arc<DrainReport<K>>>>,
}

impl<K> Ending<K> {
    pub(crate) fn new() -> Self {
        Self {
            state: Mutex::new(State {
                fates: None,
                deadline: None,
                report: None,
                asked: Vec::new(),
            }),
            over: AtomicBool::new(false),
            moved: Notify::new(),
        }
    }

    /// Begins the shutdown, and takes the deadline if it is earlier.
    pub(crate) fn begin(&self, deadline: Option<Instant>) {
        let mut state = self.state.lock();
        state.deadline = [state.deadline, deadline].into_iter().flatten().min();
        state.fates.get_or_insert_default();
    }

    /// Wakes the tasks that wait for a stage or for the deadline. They check again.
    pub(crate) fn tell_all(&self) {
        self.moved.notify_waiters();
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.state.lock().deadline
    }

    /// The report is made.
    pub(crate) fn set_over(&self) {
        self.over.store(true, Ordering::SeqCst);
    }

    /// True once the report is made, after which no event follows.
    pub(crate) fn over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    /// Resolves once a shutdown has begun.
    pub(crate) async fn begun(&self) {
        self.wait(|state| state.fates.as_ref().map(drop)).await;
    }

    pub(crate) fn ask(&self) -> oneshot::Receiver<Arc<DrainReport<K>>> {
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

    pub(crate) fn answer(&self, report: DrainReport<K>) {
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

    /// Returns what `look` finds in the state, now or after a move.
    pub(crate) async fn wait<T>(&self, mut look: impl FnMut(&State<K>) -> Option<T>) -> T {
        found(&self.moved, || look(&self.state.lock())).await
    }
}

impl<K: Clone + Eq + Hash> Ending<K> {
    /// Records the end of a session. Its key is not free yet.
    pub(crate) fn record(&self, key: &K, fate: Fate) {
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

    /// The report of what was recorded.
    pub(crate) fn report(&self) -> DrainReport<K> {
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
