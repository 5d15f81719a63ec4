//! Why a call was refused: one small enum per call.

use std::{error::Error, fmt};

/// Why an entry was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(usize)]
pub enum EnterError {
    /// The registry is closed: nobody is granted any more.
    Closed,
    /// As many as `max_waiting` allows wait for this key already.
    QueueFull,
    /// The key has no session, and there are as many slots as `max_sessions` allows.
    RegistryFull,
    /// The call lost its place: to [`Registry::dismiss`](crate::Registry::dismiss), which sends the whole queue away, or to
    /// [`Registry::withdraw`](crate::Registry::withdraw).
    Dismissed,
}

impl fmt::Display for EnterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "the registry is closed",
            Self::QueueFull => "too many wait for this session",
            Self::RegistryFull => "the registry holds as many sessions as it may",
            Self::Dismissed => "the queue of this session was sent away",
        })
    }
}

impl Error for EnterError {}

/// Why [`Registry::try_enter`](crate::Registry::try_enter) gave nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(usize)]
pub enum TryEnterError {
    /// Somebody holds the session, or starts it, or closes it.
    Busy,
    /// The registry is closed.
    Closed,
    /// The key has no session, and there are as many slots as `max_sessions` allows.
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

/// What was observed no longer holds: the session was used, or its slot replaced or removed, since it was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Moved;

impl fmt::Display for Moved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the session is no longer as it was observed")
    }
}

impl Error for Moved {}

/// Why [`Observed::replace`](crate::Observed::replace) did nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ReplaceError {
    /// Another incarnation has the key by now, or none.
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

/// Why a wait with a deadline ended without an entry. `E` is the [`Enter`](crate::Enter), handed back.
#[derive(Debug)]
#[non_exhaustive]
pub enum WaitError<E> {
    /// The deadline passed. The place in the queue is still held: wait again, or drop it.
    TimedOut(E),
    /// The entry was refused.
    Refused(EnterError),
}

impl<E> fmt::Display for WaitError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut(_) => f.write_str("the deadline passed before the turn came"),
            Self::Refused(error) => error.fmt(f),
        }
    }
}

impl<E: fmt::Debug> Error for WaitError<E> {}
