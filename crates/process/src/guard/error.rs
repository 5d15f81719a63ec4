//! Why a process cannot be guarded.

use std::{error::Error, fmt, io};

/// Why a process has no guard, and therefore was not started. [`SpawnError::guard`](crate::SpawnError::guard) returns it.
#[derive(Debug)]
#[non_exhaustive]
pub enum GuardError {
    /// [`Guard::init`](crate::Guard::init) has not been called on the main thread.
    NotInitialized,
    /// The guard cannot be started.
    Start(io::Error),
    /// The guard was started, and did not answer within 10 s: for example because `main` does something else before it calls
    /// [`Guard::init`](crate::Guard::init), or because the guard is stopped.
    NoAnswer,
    /// The guard ended before the program ran: for example because the deadline passed, or because it was killed.
    Ended,
    /// The [deadline](crate::GuardDeadline) had passed.
    DeadlinePassed,
    /// The command has a user id, a group id or groups.
    Identity,
    /// There are guards on Linux only.
    Unsupported,
}

impl fmt::Display for GuardError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotInitialized => f.write_str(
                "no guard: call `turnwise_process::Guard::init` at the top of `main`, on the main thread",
            ),
            Self::Start(source) => write!(f, "the guard cannot be started: {source}"),
            Self::NoAnswer => f.write_str(
                "the guard does not answer: call `turnwise_process::Guard::init` before anything else in `main`",
            ),
            Self::Ended => f.write_str("the guard ended before the program ran"),
            Self::DeadlinePassed => f.write_str("the deadline of the guard has passed"),
            Self::Identity => {
                f.write_str("a guarded command cannot set a user id, a group id or groups")
            }
            Self::Unsupported => f.write_str("guards need Linux"),
        }
    }
}

impl Error for GuardError {}

impl From<GuardError> for io::Error {
    fn from(error: GuardError) -> Self {
        let kind = match error {
            GuardError::NoAnswer | GuardError::DeadlinePassed => io::ErrorKind::TimedOut,
            GuardError::Identity | GuardError::Unsupported => io::ErrorKind::Unsupported,
            // Not the kind of its cause: a guard that is not found is not a program that is not found.
            _ => io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}
