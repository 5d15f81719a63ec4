//! The options of one call.

use crate::manager::text;
use crate::{Incarnation, sync::Arc};
use std::time::Duration;

/// Options of calls. They override the manager's settings. [`SessionManager::with`](crate::SessionManager::with) takes them.
///
/// ```
/// use std::time::Duration;
/// use turnwise::manager::TurnOptions;
///
/// let options = TurnOptions::default().wait(Duration::from_secs(5)).turn(Duration::from_secs(60));
/// # let _ = (options, TurnOptions::no_wait(), TurnOptions::existing());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TurnOptions {
    /// Does not queue: if the session is not free, the call ends with [`TurnError::Busy`](crate::manager::TurnError::Busy). If the
    /// session limit is reached and no session can be evicted, or another start waits for room, it ends with
    /// [`TurnError::RegistryFull`](crate::manager::TurnError::RegistryFull).
    pub no_wait: bool,
    /// Overrides [`Timeouts::wait`](crate::manager::Timeouts#structfield.wait).
    pub wait: Option<Duration>,
    /// Overrides [`Timeouts::turn`](crate::manager::Timeouts#structfield.turn).
    pub turn: Option<Duration>,
    /// Starts no session: if the key has none, or its session is not healthy, the call ends with
    /// [`TurnError::NotFound`](crate::manager::TurnError::NotFound).
    pub existing: bool,
    /// Goes to the front of the queue, behind other such calls and behind stops. It cancels no other call. It counts for
    /// [`max_waiting`](crate::manager::ManagerBuilder::max_waiting), and [`dismiss`](crate::SessionManager::dismiss) removes it.
    pub first: bool,
    /// A text that describes the call in the list of the [queue](crate::SessionManager::queue), in at most 1024 bytes.
    pub note: Option<Arc<str>>,
    /// Acts only on the session with this number. If the key has another one, or none, a turn, a message or a restart ends with
    /// [`TurnError::NotFound`](crate::manager::TurnError::NotFound), and a stop and an abort return false. The number is compared when the
    /// call is made, and again when the call has the key.
    pub only: Option<Incarnation>,
}

impl TurnOptions {
    /// Whether not any session will do.
    pub(crate) fn seeks(&self) -> bool {
        self.existing || self.only.is_some()
    }

    /// Returns options with [`no_wait`](Self#structfield.no_wait) set.
    pub fn no_wait() -> Self {
        Self {
            no_wait: true,
            ..Self::default()
        }
    }

    /// Returns options with [`existing`](Self#structfield.existing) set.
    pub fn existing() -> Self {
        Self {
            existing: true,
            ..Self::default()
        }
    }

    /// Returns options with [`first`](Self#structfield.first) set.
    pub fn first() -> Self {
        Self {
            first: true,
            ..Self::default()
        }
    }

    /// Sets [`note`](Self#structfield.note). A note of more than 1024 bytes is cut, and then ends with the number of bytes cut.
    pub fn note(mut self, note: impl Into<Arc<str>>) -> Self {
        self.note = Some(text::note(note.into()));
        self
    }

    /// Sets [`only`](Self#structfield.only).
    pub fn only(mut self, incarnation: Incarnation) -> Self {
        self.only = Some(incarnation);
        self
    }

    /// Sets [`wait`](Self#structfield.wait).
    pub fn wait(mut self, limit: Duration) -> Self {
        self.wait = Some(limit);
        self
    }

    /// Sets [`turn`](Self#structfield.turn).
    pub fn turn(mut self, limit: Duration) -> Self {
        self.turn = Some(limit);
        self
    }
}
