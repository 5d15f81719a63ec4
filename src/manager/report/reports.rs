//! What the manager reports, as values.

use crate::manager::{
    backend::{Backend, StopReason},
    error::{StopError, TurnError, error_text},
    switch::Cause,
};
use crate::{Incarnation, Phase, Ticket, sync::Arc};
use std::time::Duration;

/// The state of a session at one moment; see [`SessionManager::status`](crate::SessionManager::status).
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct SessionStatus {
    /// Idle, busy, starting or closing.
    pub phase: Phase,
    /// The time in this phase, exact to a few milliseconds.
    pub elapsed: Duration,
    /// The number of queued calls, stops included. During a shutdown, the manager waits in the queue too and is counted.
    pub waiting: u32,
    /// The number of [keep-alives](crate::SessionManager::keep_alive) of the session.
    pub kept: u32,
    /// The generation number of the session. 0, which no session has, while its key is being
    /// [acquired](crate::manager::Ownership::acquire); never without an [`Ownership`](crate::manager::Ownership).
    pub incarnation: Incarnation,
    /// The ticket of the current holder; `None` while the session is idle.
    pub turn: Option<Ticket>,
    /// The last [`TurnContext::note`](crate::TurnContext::note) of the start or turn, in at most 1024 bytes. Without one, the last
    /// [`SessionControl::note`](crate::manager::SessionControl::note).
    pub note: Option<Arc<str>>,
    /// The time since the last event or note of the session, or of the start or turn under way, by tokio's clock; `None` if there was
    /// none.
    pub quiet: Option<Duration>,
}

/// A call in the queue of a key; see [`SessionManager::queue`](crate::SessionManager::queue).
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct QueuedCall {
    /// Its ticket. [`abort`](crate::SessionManager::abort) takes the call back by it.
    pub ticket: Ticket,
    /// It goes [before the queue](crate::manager::TurnOptions#structfield.first).
    pub first: bool,
    /// How long it has waited, exact to a few milliseconds.
    pub waited: Duration,
    /// Its [note](crate::manager::TurnOptions#structfield.note).
    pub note: Option<Arc<str>>,
}

/// Which sessions an idle cleanup stopped, and why it skipped the others; see
/// [`SessionManager::cleanup_idle`](crate::SessionManager::cleanup_idle).
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct SweepReport<K> {
    /// Stopped cleanly.
    pub stopped: Vec<K>,
    /// Sessions whose stop failed or panicked, with the [text](SessionEvent#texts) of the error. Their keys are free.
    pub failed: Vec<(K, Arc<str>)>,
    /// Sessions whose stop timed out. Their keys are free.
    pub abandoned: Vec<K>,
    /// Skipped. A key that went and came back during the cleanup may be listed twice.
    pub skipped: Vec<(K, Skip)>,
}

/// Why an idle cleanup skipped a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum Skip {
    /// It has been busy, starting or closing for this time.
    Busy(Duration),
    /// The same, and calls are queued for it.
    Waiting(Duration),
    /// It had been idle for long enough, but was [touched](crate::SessionManager::touch).
    Touched,
    /// It had not been idle for long enough.
    Young,
    /// It was [kept alive](crate::SessionManager::keep_alive).
    Kept,
}

/// How each session of a manager ended at the [shutdown](crate::SessionManager::shutdown). Lists each key once, in no particular
/// order.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct DrainReport<K> {
    /// Stopped cleanly.
    pub stopped: Vec<K>,
    /// Sessions whose stop failed or panicked, with the [text](SessionEvent#texts) of the error.
    pub failed: Vec<(K, Arc<str>)>,
    /// Sessions whose stop timed out, or whose turn is still held.
    pub abandoned: Vec<K>,
}

/// How a turn ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum Outcome {
    /// With a reply, or by [`SessionTurn::done`](crate::manager::SessionTurn::done); or its session was not borrowed.
    Done,
    /// The agent returned an error.
    Failed,
    /// It was cancelled.
    Aborted,
    /// It exceeded its time limit, or was silent for too long.
    TimedOut,
    /// Its closure was dropped before its end, a plain turn was dropped and not done, or the turn was discarded.
    Dropped,
    /// It panicked.
    Panicked,
    /// It was cut short, because this process no longer [owned](crate::manager::Ownership) the session.
    Lost,
}

impl Outcome {
    pub(crate) fn of(cause: Cause) -> Self {
        match cause {
            Cause::TurnTimeout | Cause::Silent => Self::TimedOut,
            Cause::Lost => Self::Lost,
            Cause::Left | Cause::Abort | Cause::Stop | Cause::Shutdown | Cause::RuntimeGone => {
                Self::Aborted
            }
        }
    }
}

/// A start, a turn or a stop; see [`SessionManager::subscribe`](crate::SessionManager::subscribe).
///
/// # Texts
///
/// The text of an error contains its causes: `cannot connect: connection refused`. It has at most 4096 bytes and 32 causes. A
/// text that was cut ends with the number of bytes cut: ` [200 bytes cut]`. Texts are not escaped: escape them before you
/// print them. (The manager's own log is escaped.)
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum SessionEvent<K> {
    /// A session has started.
    Started {
        /// Its key.
        key: K,
        /// Its generation number.
        incarnation: Incarnation,
        /// The duration of the start.
        took: Duration,
    },
    /// A start has failed.
    StartFailed {
        /// Its key.
        key: K,
        /// The generation number of this attempt.
        incarnation: Incarnation,
        /// Why it failed.
        error: Arc<str>,
        /// The duration of the start and its cleanup.
        took: Duration,
    },
    /// A turn has begun.
    TurnBegan {
        /// Its key.
        key: K,
        /// The session's generation number.
        incarnation: Incarnation,
        /// The ticket of the turn.
        turn: Ticket,
        /// The time since the call: in the queue, and in a start.
        waited: Duration,
    },
    /// A turn has ended.
    TurnEnded {
        /// Its key.
        key: K,
        /// The session's generation number.
        incarnation: Incarnation,
        /// The ticket of the turn.
        turn: Ticket,
        /// The duration of the turn.
        took: Duration,
        /// How it ended.
        outcome: Outcome,
    },
    /// A session has stopped. Its key becomes free after this event.
    Stopped {
        /// Its key.
        key: K,
        /// Its generation number.
        incarnation: Incarnation,
        /// Why it was stopped.
        reason: StopReason,
        /// The duration of the stop.
        took: Duration,
        /// Why the stop was not clean.
        error: Option<Arc<str>>,
    },
    /// The session's own code has [discarded](crate::manager::SessionControl::discard) it. It is stopped now, or at the end of its turn.
    Discarded {
        /// Its key.
        key: K,
        /// Its generation number.
        incarnation: Incarnation,
        /// Why, in at most 1024 bytes.
        reason: Arc<str>,
    },
    /// The background cleanup of idle sessions has made a pass, which may have stopped none.
    Swept(Arc<SweepReport<K>>),
}

impl<K> SweepReport<K> {
    /// The bytes of its lists and texts, without the heap memory of keys.
    fn weight(&self) -> usize {
        let texts: usize = self.failed.iter().map(|(_, text)| text.len()).sum();
        texts
            + size_of_val(&*self.stopped)
            + size_of_val(&*self.failed)
            + size_of_val(&*self.abandoned)
            + size_of_val(&*self.skipped)
    }
}

impl<K> SessionEvent<K> {
    /// Its size in the queue of a reader, in bytes.
    pub(crate) fn weight(&self) -> usize {
        let more = match self {
            Self::StartFailed { error, .. }
            | Self::Stopped {
                error: Some(error), ..
            } => error.len(),
            Self::Discarded { reason, .. } => reason.len(),
            Self::Swept(report) => report.weight(),
            _ => 0,
        };
        size_of_val(self) + more
    }
}

/// The text of a start that has ended without a session.
pub(crate) fn start_text<B: Backend>(error: &TurnError<B::Error>) -> Arc<str> {
    match error {
        TurnError::Start(error) => error_text(|f| {
            f.write_str("the session failed to start: ")?;
            B::describe(error, f)
        }),
        TurnError::Aborted => "the start was cut short".into(),
        error => error_text(|f| write!(f, "{error}")),
    }
}

/// The text of a stop that was not clean, for reports and events, which name the stop already.
pub(crate) fn stop_text<B: Backend>(error: &StopError<B::Error>) -> Arc<str> {
    match error {
        StopError::Failed(error) => error_text(|f| B::describe(error, f)),
        error => error_text(|f| write!(f, "{error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::{SessionEvent, Skip, SweepReport};
    use crate::Incarnation;
    use crate::sync::Arc;
    use std::time::Duration;

    #[test]
    fn a_sweep_weighs_its_lists_and_texts() {
        let key = size_of::<u64>();
        let report = SweepReport {
            stopped: vec![1_u64, 2, 3],
            failed: vec![(4, "four".into()), (5, "fifth".into())],
            abandoned: vec![6],
            skipped: vec![(7, Skip::Young), (8, Skip::Busy(Duration::ZERO))],
        };
        let lists = 4 * key + 2 * size_of::<(u64, Arc<str>)>() + 2 * size_of::<(u64, Skip)>();
        let event = size_of::<SessionEvent<u64>>();
        let swept = SessionEvent::Swept(Arc::new(report));
        assert_eq!(swept.weight(), event + lists + "fourfifth".len());
        let failed = SessionEvent::StartFailed {
            key: 1_u64,
            incarnation: Incarnation(1),
            error: "why".into(),
            took: Duration::ZERO,
        };
        assert_eq!(failed.weight(), event + "why".len());
    }
}
