//! Why a call of the manager was refused or failed. A message that was not delivered is returned.

use crate::manager::{
    ownership::NotOwned,
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

/// Why a turn failed. The variants are in the order in which the errors can occur.
///
/// Its text contains the backend's error, which [`cause`](Self::cause) returns. It has no [`source`](Error::source), because the error
/// of a backend need not be an [`Error`].
#[derive(Debug)]
#[non_exhaustive]
pub enum TurnError<E> {
    /// The session is in use, and the call had [`no_wait`](crate::manager::TurnOptions#structfield.no_wait) set.
    Busy,
    /// The manager is shut down, or its runtime is gone.
    Closed,
    /// There is no such session, and the call must not start one: it had [`existing`](crate::manager::TurnOptions#structfield.existing) or
    /// [`only`](crate::manager::TurnOptions#structfield.only) set.
    NotFound,
    /// A session would have to be started, and [`accept_new(false)`](crate::SessionManager::accept_new) refuses that.
    NotAccepting,
    /// `max_waiting` calls are waiting for this session already.
    QueueFull,
    /// `max_sessions` sessions exist already, and there was no room for this one: at once, or until the end of `Timeouts::room` or
    /// `Timeouts::wait`. See [`WhenFull`](crate::manager::WhenFull).
    RegistryFull,
    /// The call waited in the queue for longer than `Timeouts::wait`.
    WaitTimedOut,
    /// [`SessionManager::dismiss`](crate::SessionManager::dismiss) removed the call from the queue.
    Dismissed,
    /// The wait for this call would never have ended: a turn or a start awaited it, and it waits for the key of that turn or start,
    /// directly or through other turns. The texts are the keys of the circle. The first is the key whose turn waits, the second the
    /// key that it waits for, if that is another one.
    ///
    /// [The guide](crate::guide::errors#turns-that-wait-for-turns) lists which circles are found, and what to do about them.
    Deadlock(Arc<[Arc<str>]>),
    /// Another process owns the session. The text is its name, as the [`Ownership`](crate::manager::Ownership) returned it. No session of this
    /// process was stopped to make room.
    Elsewhere(Arc<str>),
    /// The owner of the session could not be determined. The text is the reason.
    Unavailable(Arc<str>),
    /// The session failed to start. All calls that waited for this start share the error.
    Start(Arc<E>),
    /// The start took longer than `Timeouts::start`.
    StartTimedOut,
    /// The start panicked.
    StartPanicked,
    /// The session's own code [discarded](crate::manager::SessionControl::discard) it while it started. The text is its reason. All calls that
    /// waited for this start share the error.
    Discarded(Arc<str>),
    /// The agent returned an error.
    Agent(E),
    /// The turn took longer than `Timeouts::turn`, and the cancelled agent did not reply. Its own error, if it returned one, is
    /// dropped.
    TurnTimedOut,
    /// Neither an event nor a note came for `Timeouts::quiet`, and the cancelled agent did not reply. Its own error, if it returned one,
    /// is dropped.
    Silent,
    /// This process no longer [owned](crate::manager::Ownership) the session, so its turn or its start was cut short.
    Lost,
    /// The turn was cancelled by its sender, an abort, a stop or a shutdown, and the agent did not reply. Its own error, if it
    /// returned one, is dropped.
    Aborted,
    /// The agent panicked.
    Panicked,
}

impl<E> TurnError<E> {
    /// Returns the error of the backend, if a start or an agent returned one.
    pub fn cause(&self) -> Option<&E> {
        match self {
            Self::Start(error) => Some(error),
            Self::Agent(error) => Some(error),
            _ => None,
        }
    }

    /// A copy of this error; `None` if it is the agent's own.
    pub(crate) fn again(&self) -> Option<Self> {
        Some(match self {
            Self::Busy => Self::Busy,
            Self::Closed => Self::Closed,
            Self::NotFound => Self::NotFound,
            Self::NotAccepting => Self::NotAccepting,
            Self::QueueFull => Self::QueueFull,
            Self::RegistryFull => Self::RegistryFull,
            Self::WaitTimedOut => Self::WaitTimedOut,
            Self::Dismissed => Self::Dismissed,
            Self::Deadlock(keys) => Self::Deadlock(Arc::clone(keys)),
            Self::Elsewhere(owner) => Self::Elsewhere(Arc::clone(owner)),
            Self::Unavailable(why) => Self::Unavailable(Arc::clone(why)),
            Self::Lost => Self::Lost,
            Self::Start(error) => Self::Start(Arc::clone(error)),
            Self::StartTimedOut => Self::StartTimedOut,
            Self::StartPanicked => Self::StartPanicked,
            Self::Discarded(reason) => Self::Discarded(Arc::clone(reason)),
            Self::Agent(_) => return None,
            Self::TurnTimedOut => Self::TurnTimedOut,
            Self::Silent => Self::Silent,
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

impl<E: fmt::Display> fmt::Display for TurnError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Busy => "the session is busy",
            Self::Closed => "the session manager is shut down",
            Self::NotFound => "there is no such session",
            Self::NotAccepting => "the session manager starts no new sessions; try again later",
            Self::QueueFull => "the queue of the session is full; try again later",
            Self::RegistryFull => "session limit reached; stop a session or try again later",
            Self::WaitTimedOut => "timed out in the queue of the session",
            Self::Dismissed => "the call was dismissed from the queue",
            Self::Deadlock(keys) => {
                f.write_str("waiting here would never end; the circle of keys is ")?;
                keys.iter().try_for_each(|key| write!(f, "{key} -> "))?;
                let first = keys.first();
                return first.map_or(Ok(()), |first| f.write_str(first));
            }
            Self::Elsewhere(owner) => return write!(f, "the session is owned by {owner}"),
            Self::Unavailable(why) => {
                return write!(f, "the owner of the session is not known: {why}");
            }
            Self::Lost => "the session is no longer owned by this process",
            Self::Start(error) => return write!(f, "the session failed to start: {error:#}"),
            Self::StartTimedOut => "the start of the session timed out",
            Self::StartPanicked => "the start of the session panicked",
            Self::Discarded(reason) => {
                return write!(f, "the session was discarded while it started: {reason}");
            }
            Self::Agent(error) => return write!(f, "the agent returned an error: {error:#}"),
            Self::TurnTimedOut => "the turn timed out",
            Self::Silent => "the turn was silent for too long",
            Self::Aborted => "the turn was cancelled",
            Self::Panicked => "the agent panicked in the turn",
        })
    }
}

impl<E: fmt::Debug + fmt::Display> Error for TurnError<E> {}

/// Why a message has no reply, with the message if it was not delivered.
#[non_exhaustive]
pub struct SendError<M, E> {
    /// What went wrong.
    pub error: TurnError<E>,
    /// The message, if no session has received it. You can send it again, and it will not arrive twice.
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

impl<M, E: fmt::Display> fmt::Display for SendError<M, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let delivered = match self.message {
            Some(_) => "message not delivered",
            None => "message delivered, no reply",
        };
        write!(f, "{delivered}: {}", self.error)
    }
}

impl<M, E: fmt::Debug + fmt::Display> Error for SendError<M, E> {}

/// Why a session was not stopped cleanly. Its key is free nevertheless, unless it is [`Held`](Self::Held).
///
/// Its text contains the backend's error. It has no [`source`](Error::source), because the error of a backend need not be an [`Error`].
#[derive(Debug)]
#[non_exhaustive]
pub enum StopError<E> {
    /// The backend's `stop` failed. All callers that joined this stop share the error.
    Failed(Arc<E>),
    /// The backend's `stop` panicked.
    Panicked,
    /// The backend's `stop` took longer than `Timeouts::stop`, and was dropped.
    Abandoned,
    /// The turn was cancelled, and still has the key after twice `Timeouts::abort`: a plain turn that is not dropped, a message that
    /// blocks its thread, or a health check. The stop stays ahead of the queue, and follows when the turn ends.
    /// [`force_stop`](crate::SessionManager::force_stop) does not wait for that.
    Held,
    /// The manager is shutting down, and stops the session itself. The turn was cancelled nevertheless.
    Closed,
}

impl<E> Clone for StopError<E> {
    fn clone(&self) -> Self {
        match self {
            Self::Failed(error) => Self::Failed(Arc::clone(error)),
            Self::Panicked => Self::Panicked,
            Self::Abandoned => Self::Abandoned,
            Self::Held => Self::Held,
            Self::Closed => Self::Closed,
        }
    }
}

/// The result of the backend's stop.
pub(crate) type StopEnd<E> = Result<(), StopError<E>>;

impl<E: fmt::Display> fmt::Display for StopError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Failed(error) => return write!(f, "the session failed to stop: {error:#}"),
            Self::Panicked => "the stop of the session panicked",
            Self::Abandoned => "the stop of the session timed out",
            Self::Held => "a turn still holds the session, which is stopped when that ends",
            Self::Closed => "the session manager is shut down",
        })
    }
}

impl<E: fmt::Debug + fmt::Display> Error for StopError<E> {}

/// Why a start failed, for all calls that waited for it.
#[derive(Debug)]
pub(crate) enum StartFailure<E> {
    Failed(Arc<E>),
    TimedOut,
    Panicked,
    Discarded(Arc<str>),
    NotOwned(NotOwned),
}

impl<E> Clone for StartFailure<E> {
    fn clone(&self) -> Self {
        match self {
            Self::Failed(error) => Self::Failed(Arc::clone(error)),
            Self::TimedOut => Self::TimedOut,
            Self::Panicked => Self::Panicked,
            Self::Discarded(reason) => Self::Discarded(Arc::clone(reason)),
            Self::NotOwned(why) => Self::NotOwned(why.clone()),
        }
    }
}

impl<E> From<StartFailure<E>> for TurnError<E> {
    fn from(failure: StartFailure<E>) -> Self {
        match failure {
            StartFailure::Failed(error) => Self::Start(error),
            StartFailure::TimedOut => Self::StartTimedOut,
            StartFailure::Panicked => Self::StartPanicked,
            StartFailure::Discarded(reason) => Self::Discarded(reason),
            StartFailure::NotOwned(NotOwned::Elsewhere(owner)) => Self::Elsewhere(owner),
            StartFailure::NotOwned(NotOwned::Unavailable(why)) => Self::Unavailable(why),
        }
    }
}

/// How many causes of an error are written. A chain of causes may be circular.
const CAUSES: usize = 32;

/// Displays an error and its causes: `cannot connect: connection refused`. For [`Backend::describe`](crate::Backend::describe).
///
/// ```
/// # use std::{io, num::ParseIntError};
/// # use turnwise::manager::Causes;
/// let error = io::Error::other("7\u{2044}8".parse::<u32>().unwrap_err());
/// assert_eq!(Causes(&error).to_string(), "invalid digit found in string");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Causes<'a>(pub &'a (dyn Error + 'static));

impl fmt::Display for Causes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        for _ in 0..CAUSES {
            let Some(error) = cause else { return Ok(()) };
            write!(f, ": {error}")?;
            cause = error.source();
        }
        f.write_str(if cause.is_some() {
            " [more causes cut]"
        } else {
            ""
        })
    }
}

/// The text of an error, in at most [`ERROR_BYTES`].
pub(crate) fn error_text(describe: impl Fn(&mut fmt::Formatter<'_>) -> fmt::Result) -> Arc<str> {
    bounded_text(ERROR_BYTES, "error", describe)
}

/// The text of something, in at most so many bytes. It is user code, which may panic or write without an end.
pub(crate) fn bounded_text(
    most: usize,
    what: &str,
    describe: impl Fn(&mut fmt::Formatter<'_>) -> fmt::Result,
) -> Arc<str> {
    struct Described<F>(F);

    impl<F: Fn(&mut fmt::Formatter<'_>) -> fmt::Result> fmt::Display for Described<F> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            self.0(f)
        }
    }

    let text = || {
        let mut text = Bounded::new(most);
        // The result is ignored: what was written stays, and the text itself records what it refused.
        let _ = write!(text, "{}", Described(describe));
        text.finish()
    };
    match catch_unwind(AssertUnwindSafe(text)) {
        Ok(text) => text,
        Err(payload) => {
            discard(payload);
            format!("[the text of the {what} panicked]").into()
        }
    }
}
