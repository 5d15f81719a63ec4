//! Why a call of the manager was refused or failed. What was handed in comes back.

use crate::manager::{
    run::discard,
    text::{Bounded, ERROR_BYTES},
};
use crate::{
    EnterError,
    sync::{Arc, catch_unwind},
};
use std::{
    error::Error,
    fmt::{self, Write as _},
    panic::AssertUnwindSafe,
};

/// What can go wrong in a turn, in the order in which it can.
#[derive(Debug)]
#[non_exhaustive]
pub enum TurnError<E> {
    /// Somebody has the session, and the call did not want to wait.
    Busy,
    /// The manager is shut down, or shuts down.
    Closed,
    /// As many as `max_waiting` allows wait for this session already.
    QueueFull,
    /// There are as many sessions as `max_sessions` allows, and none that may be stopped for this one.
    RegistryFull,
    /// The turn did not come within `Timeouts::wait`.
    WaitTimedOut,
    /// [`SessionManager::dismiss`](crate::SessionManager::dismiss) sent the queue away.
    Dismissed,
    /// The session could not be started. Those who waited for the same start share the error.
    Start(Arc<E>),
    /// The start took longer than `Timeouts::start`.
    StartTimedOut,
    /// The start panicked.
    StartPanicked,
    /// The agent answered with an error.
    Agent(E),
    /// The turn took longer than `Timeouts::turn`.
    TurnTimedOut,
    /// The turn was cancelled: by its sender, by a stop, or by a shutdown.
    Aborted,
    /// The agent panicked.
    Panicked,
}

impl<E> TurnError<E> {
    /// The same refusal once more; `None` if it is the agent's own error.
    pub(crate) fn again(&self) -> Option<Self> {
        Some(match self {
            Self::Busy => Self::Busy,
            Self::Closed => Self::Closed,
            Self::QueueFull => Self::QueueFull,
            Self::RegistryFull => Self::RegistryFull,
            Self::WaitTimedOut => Self::WaitTimedOut,
            Self::Dismissed => Self::Dismissed,
            Self::Start(error) => Self::Start(Arc::clone(error)),
            Self::StartTimedOut => Self::StartTimedOut,
            Self::StartPanicked => Self::StartPanicked,
            Self::Agent(_) => return None,
            Self::TurnTimedOut => Self::TurnTimedOut,
            Self::Aborted => Self::Aborted,
            Self::Panicked => Self::Panicked,
        })
    }
}

impl<E> From<EnterError> for TurnError<E> {
    fn from(error: EnterError) -> Self {
        match error {
            EnterError::Closed => Self::Closed,
            EnterError::QueueFull => Self::QueueFull,
            EnterError::RegistryFull => Self::RegistryFull,
            EnterError::Dismissed => Self::Dismissed,
        }
    }
}

impl<E> fmt::Display for TurnError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Busy => "the session is busy",
            Self::Closed => "the session manager is shut down",
            Self::QueueFull => "too many wait for this session",
            Self::RegistryFull => "there are as many sessions as there may be",
            Self::WaitTimedOut => "the turn did not come in time",
            Self::Dismissed => "the queue of this session was sent away",
            Self::Start(_) => "the session could not be started",
            Self::StartTimedOut => "the start of the session took too long",
            Self::StartPanicked => "the start of the session panicked",
            Self::Agent(_) => "the session answered with an error",
            Self::TurnTimedOut => "the turn took too long",
            Self::Aborted => "the turn was cancelled",
            Self::Panicked => "the turn panicked",
        })
    }
}

impl<E: Error + 'static> Error for TurnError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Start(error) => Some(&**error),
            Self::Agent(error) => Some(error),
            _ => None,
        }
    }
}

/// Why a message has no reply; hands the message back if the session never saw it.
#[non_exhaustive]
pub struct SendError<M, E> {
    /// What went wrong.
    pub error: TurnError<E>,
    /// The message, if the session never saw it: it can be sent again without being heard twice.
    pub message: Option<M>,
}

impl<M, E: fmt::Debug> fmt::Debug for SendError<M, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendError")
            .field("error", &self.error)
            .field("undelivered", &self.message.is_some())
            .finish()
    }
}

impl<M, E> fmt::Display for SendError<M, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl<M, E: Error + 'static> Error for SendError<M, E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.error.source()
    }
}

/// Why a session was not stopped as it should be. Its key is free all the same.
#[derive(Debug)]
#[non_exhaustive]
pub enum StopError<E> {
    /// The backend's `stop` failed. All who asked for this stop share the error.
    Failed(Arc<E>),
    /// The backend's `stop` panicked.
    Panicked,
    /// The backend's `stop` took longer than `Timeouts::stop`, and was dropped.
    Abandoned,
    /// The manager shuts down, which stops the session. Its turn was cancelled all the same.
    Closed,
}

impl<E> Clone for StopError<E> {
    fn clone(&self) -> Self {
        match self {
            Self::Failed(error) => Self::Failed(Arc::clone(error)),
            Self::Panicked => Self::Panicked,
            Self::Abandoned => Self::Abandoned,
            Self::Closed => Self::Closed,
        }
    }
}

/// How the backend's stop went.
pub(crate) type StopEnd<E> = Result<(), StopError<E>>;

impl<E: fmt::Display> fmt::Display for StopError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(error) => error.fmt(f),
            Self::Panicked => f.write_str("the stop of the session panicked"),
            Self::Abandoned => f.write_str("the stop of the session took too long"),
            Self::Closed => f.write_str("the session manager is shut down"),
        }
    }
}

impl<E: Error + 'static> Error for StopError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Failed(error) => error.source(),
            _ => None,
        }
    }
}

/// Why a start gave no session, to be shared.
#[derive(Debug)]
pub(crate) enum StartFailure<E> {
    Failed(Arc<E>),
    TimedOut,
    Panicked,
}

impl<E> Clone for StartFailure<E> {
    fn clone(&self) -> Self {
        match self {
            Self::Failed(error) => Self::Failed(Arc::clone(error)),
            Self::TimedOut => Self::TimedOut,
            Self::Panicked => Self::Panicked,
        }
    }
}

impl<E> From<StartFailure<E>> for TurnError<E> {
    fn from(failure: StartFailure<E>) -> Self {
        match failure {
            StartFailure::Failed(error) => Self::Start(error),
            StartFailure::TimedOut => Self::StartTimedOut,
            StartFailure::Panicked => Self::StartPanicked,
        }
    }
}

/// How many causes of an error are written. A chain of causes may be a circle.
const CAUSES: usize = 32;

/// An error and its causes: `cannot connect: connection refused`. Of [`ERROR_BYTES`] at most. The texts are user code, which may
/// panic, and write without an end.
pub(crate) fn error_text(error: &dyn Error) -> Arc<str> {
    let text = || {
        let mut text = Bounded::new(ERROR_BYTES);
        // Whatever an error returns: what it has written stays, and the text itself remembers why it refused the rest.
        let _ = write!(text, "{error}");
        let mut cause = error.source();
        for _ in 0..CAUSES {
            let Some(error) = cause else {
                return text.finish();
            };
            let _ = write!(text, ": {error}");
            cause = error.source();
        }
        if cause.is_some() {
            text.leave_off();
        }
        text.finish()
    };
    match catch_unwind(AssertUnwindSafe(text)) {
        Ok(text) => text,
        Err(payload) => {
            discard(payload);
            "an error whose text panicked".into()
        }
    }
}
