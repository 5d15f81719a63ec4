//! Why a call was refused: one small enum for each kind of call.

use std::{error::Error, fmt};

/// Why a call did not get its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(usize)]
pub enum EnterError {
    /// The registry is closed, and grants no turn any more.
    Closed,
    /// The queue of this key has as many callers as [`max_waiting`](crate::Builder::max_waiting) allows.
    QueueFull,
    /// The key is absent, and there are as many slots as [`max_sessions`](crate::Builder::max_sessions) allows.
    RegistryFull,
    /// The call lost its position to [`Registry::dismiss`](crate::Registry::dismiss), which empties the whole queue, or to
    /// [`Registry::withdraw`](crate::Registry::withdraw).
    Dismissed,
}

impl fmt::Display for EnterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "the registry is closed",
            Self::QueueFull => "the queue of this session is full; try again later",
            Self::RegistryFull => "session limit reached; try again when a session has ended",
            Self::Dismissed => "the call was dismissed from the queue of its session",
        })
    }
}

impl Error for EnterError {}

/// Why [`Registry::try_enter`](crate::Registry::try_enter) returned no entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(usize)]
pub enum TryEnterError {
    /// Another caller holds the session, starts it, or closes it.
    Busy,
    /// The registry is closed.
    Closed,
    /// The key is absent, and there are as many slots as [`max_sessions`](crate::Builder::max_sessions) allows.
    RegistryFull,
}

impl fmt::Display for TryEnterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy => f.write_str("the session is busy"),
            Self::Closed => EnterError::Closed.fmt(f),
            Self::RegistryFull => EnterError::RegistryFull.fmt(f),
        }
    }
}

impl Error for TryEnterError {}

/// The error of [`Observed`](crate::Observed): since the observation, the session was used, or its slot was replaced or removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Moved;

impl fmt::Display for Moved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the session has changed since it was observed; observe it again")
    }
}

impl Error for Moved {}

/// Why [`Observed::replace`](crate::Observed::replace) did nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ReplaceError {
    /// The key has another incarnation by now, or none.
    Moved,
    /// The registry is closed.
    Closed,
}

impl fmt::Display for ReplaceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Moved => Moved.fmt(f),
            Self::Closed => EnterError::Closed.fmt(f),
        }
    }
}

impl Error for ReplaceError {}

/// Why a wait with a time limit returned no entry. `E` is the [`Enter`](crate::Enter) itself.
#[derive(Debug)]
#[non_exhaustive]
pub enum WaitError<E> {
    /// The time is over. The `Enter` keeps its position: wait again, or drop it.
    TimedOut(E),
    /// The call was refused.
    Refused(EnterError),
}

impl<E> fmt::Display for WaitError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut(_) => f.write_str(
                "the turn did not come before the deadline; the position in the queue is kept",
            ),
            Self::Refused(error) => error.fmt(f),
        }
    }
}

impl<E: fmt::Debug> Error for WaitError<E> {}
