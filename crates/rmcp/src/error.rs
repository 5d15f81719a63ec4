//! Why a call of a session failed.

use rmcp::transport::streamable_http_server::{
    SessionId,
    session::{SessionStoreError, local::LocalSessionManagerError},
};
use std::{error::Error, fmt};
use turnwise::manager::{StopError, TurnError};

/// Why a call failed. rmcp answers the request with the status 500 and this text.
#[derive(Debug)]
#[non_exhaustive]
pub enum McpError {
    /// There is no session with this id, or it ended before it could be used.
    NotFound(SessionId),
    /// [`max_sessions`](crate::McpSessionsBuilder::max_sessions) sessions exist already. The number is that limit.
    TooManySessions(usize),
    /// The session could not be started.
    NotStarted(TurnError<LocalSessionManagerError>),
    /// The session was not stopped cleanly: one of its handlers still runs, or the runtime is ending.
    NotStopped(StopError<LocalSessionManagerError>),
    /// The store failed.
    Store(SessionStoreError),
    /// rmcp's own part of the session failed.
    Session(LocalSessionManagerError),
}

impl fmt::Display for McpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound(id) => write!(f, "there is no session {id:?}"),
            Self::TooManySessions(most) => write!(
                f,
                "session limit reached ({most}); end a session or try again later"
            ),
            Self::NotStarted(error) => write!(f, "the session was not started: {error}"),
            Self::NotStopped(error) => write!(f, "the session was not stopped: {error}"),
            Self::Store(error) => write!(f, "the session store failed: {error}"),
            Self::Session(error) => write!(f, "the session failed: {error}"),
        }
    }
}

impl Error for McpError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::NotFound(_) | Self::TooManySessions(_) => None,
            Self::NotStarted(error) => Some(error),
            Self::NotStopped(error) => Some(error),
            Self::Store(error) => Some(&**error),
            Self::Session(error) => Some(error),
        }
    }
}

impl From<LocalSessionManagerError> for McpError {
    fn from(error: LocalSessionManagerError) -> Self {
        match error {
            LocalSessionManagerError::SessionNotFound(id) => Self::NotFound(id),
            error => Self::Session(error),
        }
    }
}
