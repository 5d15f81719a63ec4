//! What the manager tells of its sessions.

use crate::manager::{backend::StopReason, reach::Cause};
use crate::{Incarnation, Phase, Ticket, sync::Arc};
use std::time::Duration;

/// A session at one moment; see [`SessionManager::status`](crate::SessionManager::status).
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct SessionStatus {
    /// What happens to it.
    pub phase: Phase,
    /// For how long. Exact to a few milliseconds.
    pub elapsed: Duration,
    /// How many wait in its queue.
    pub waiting: u32,
    /// Which session.
    pub incarnation: Incarnation,
    /// Who has it; `None` while it is idle.
    pub turn: Option<Ticket>,
    /// What its turn set last by [`TurnContext::note`](crate::TurnContext::note): 1024 bytes at most.
    pub note: Option<Arc<str>>,
}

/// What a sweep stopped, and why it passed over the others; see
/// [`SessionManager::cleanup_idle`](crate::SessionManager::cleanup_idle).
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct SweepReport<K> {
    /// Stopped.
    pub stopped: Vec<K>,
    /// Whose stop failed or panicked, and the [text](SessionEvent#texts) of the error. Their keys are free.
    pub failed: Vec<(K, Arc<str>)>,
    /// Whose stop overran. Their keys are free.
    pub abandoned: Vec<K>,
    /// Passed over. A key that went and came back while the sweep looked may be named twice.
    pub skipped: Vec<(K, Skip)>,
}

/// Why a sweep passed over a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum Skip {
    /// It is used, started or closed, for so long already.
    Busy(Duration),
    /// The same, and somebody waits for it.
    Waiting(Duration),
    /// It was idle for long enough, but was [touched](crate::SessionManager::touch).
    Touched,
    /// It was used within the time.
    Young,
}

/// What became of the sessions of a manager that was shut down; see
/// [`SessionManager::shutdown`](crate::SessionManager::shutdown). Each key is named once; the order says nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct DrainReport<K> {
    /// Stopped as they should be.
    pub stopped: Vec<K>,
    /// Whose stop failed or panicked, and the [text](SessionEvent#texts) of the error.
    pub failed: Vec<(K, Arc<str>)>,
    /// Whose stop overran, or whose turn was not given back.
    pub abandoned: Vec<K>,
}

/// How a turn ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum Outcome {
    /// With a reply; a plain turn was given back.
    Done,
    /// The agent answered with an error.
    Failed,
    /// It was cancelled.
    Aborted,
    /// It took longer than it may.
    TimedOut,
    /// A closure was dropped half-way, or a turn discarded.
    Dropped,
    /// It panicked.
    Panicked,
}

impl Outcome {
    pub(crate) fn of(cause: Cause) -> Self {
        match cause {
            Cause::TurnTimeout => Self::TimedOut,
            Cause::Abort | Cause::Stop | Cause::Shutdown | Cause::RuntimeGone => Self::Aborted,
        }
    }
}

/// What happens to sessions, as it happens; see [`SessionManager::subscribe`](crate::SessionManager::subscribe).
///
/// # Texts
///
/// The text of an error is the error and its causes, of 4096 bytes at most: `cannot connect: connection refused`. A longer text
/// ends with the number of bytes that were cut: ` [200 bytes cut]`. A text that does not end, and a chain of more than 32 causes,
/// are cut too. Nothing is escaped: escape a text before you print it. (The manager's own log is escaped.)
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum SessionEvent<K> {
    /// A session is there.
    Started {
        /// Whose.
        key: K,
        /// Which session.
        incarnation: Incarnation,
        /// How long the start took.
        took: Duration,
    },
    /// A start gave no session.
    StartFailed {
        /// Whose.
        key: K,
        /// The number that it would have had.
        incarnation: Incarnation,
        /// What went wrong.
        error: Arc<str>,
        /// How long it took, with what it left behind put away.
        took: Duration,
    },
    /// A turn begins.
    TurnBegan {
        /// Whose.
        key: K,
        /// Which session.
        incarnation: Incarnation,
        /// Which turn.
        turn: Ticket,
        /// From the call to here: the queue, and a start.
        waited: Duration,
    },
    /// A turn has ended.
    TurnEnded {
        /// Whose.
        key: K,
        /// Which session.
        incarnation: Incarnation,
        /// Which turn.
        turn: Ticket,
        /// How long it took.
        took: Duration,
        /// How.
        outcome: Outcome,
    },
    /// A session is stopped; its key is about to be free.
    Stopped {
        /// Whose.
        key: K,
        /// Which session.
        incarnation: Incarnation,
        /// Why.
        reason: StopReason,
        /// How long the stop took.
        took: Duration,
        /// What went wrong in it, if something did.
        error: Option<Arc<str>>,
    },
    /// The reaper has swept.
    Swept(Arc<SweepReport<K>>),
}

impl<K> SweepReport<K> {
    /// The bytes of its lists and texts. Of a key, without what it points to.
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
    /// What it counts for in the queue of a reader, in bytes.
    pub(crate) fn weight(&self) -> usize {
        let more = match self {
            Self::StartFailed { error, .. }
            | Self::Stopped {
                error: Some(error), ..
            } => error.len(),
            Self::Swept(report) => report.weight(),
            _ => 0,
        };
        size_of_val(self) + more
    }
}

#[cfg(test)]
mod tests {
    use super::{SessionEvent, Skip, SweepReport};
    use crate::Incarnation;
    use std::{sync::Arc, time::Duration};

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
