//! The errors of an agent.

use crate::words::{self, bounded};
use std::{error::Error, fmt, io, path::PathBuf, process::ExitStatus, sync::Arc, time::Duration};

/// Why an agent failed to start, to answer or to stop.
///
/// `stderr` is the end of the agent's stderr, without surrounding whitespace. It and the texts of the agent are cut to 16 KiB of the agent's
/// bytes. They may contain terminal escape sequences: escape them before you print them.
///
/// The text of an error contains its cause, so [`source`](Error::source) returns the source of that cause.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum AcpError {
    /// The program cannot be run or guarded. This is the source of a [`NotStarted`](Self::NotStarted).
    Spawn {
        /// The program.
        program: PathBuf,
        /// Why it cannot be run.
        source: Arc<io::Error>,
    },
    /// The process ended or failed before the session was open. `source` is `Spawn`, `Version`, `AuthRequired`, `Refused`, `Exited` or
    /// another.
    NotStarted {
        /// What happened.
        source: Box<Self>,
    },
    /// The session was not ready in time.
    NotReady {
        /// The [`ready_timeout`](crate::AcpBuilder::ready_timeout).
        limit: Duration,
        /// The end of stderr. Empty if the process is shared and other sessions still use it.
        stderr: String,
    },
    /// The agent speaks a version of the protocol other than 1. This is the source of a [`NotStarted`](Self::NotStarted).
    Version(String),
    /// The agent requires an account. Set a variable that the agent reads, with [`env`](crate::AcpBuilder::env), or choose a method, with
    /// [`auth_method`](crate::AcpBuilder::auth_method).
    AuthRequired {
        /// What the agent reports.
        message: String,
        /// The ids of its methods.
        methods: Vec<String>,
    },
    /// The agent refused a request.
    Refused {
        /// The method of the request.
        method: String,
        /// The code of JSON-RPC.
        code: i64,
        /// What the agent reports.
        message: String,
    },
    /// The agent does not accept this kind of content.
    Unsupported(&'static str),
    /// The process ended. If it ended in a turn, the message may be in its conversation already: decide whether to send it again.
    Exited {
        /// The exit status; `None` if it is unknown.
        status: Option<ExitStatus>,
        /// The end of stderr.
        stderr: String,
    },
    /// The agent wrote something unexpected. The process was ended.
    Protocol {
        /// What was unexpected.
        what: String,
        /// The end of stderr.
        stderr: String,
    },
    /// The agent wrote a line longer than the limit. The process was ended.
    LineTooLong {
        /// The [`line_limit`](crate::AcpBuilder::line_limit), in bytes.
        limit: usize,
    },
    /// A pipe failed. The process was ended.
    Io(Arc<io::Error>),
    /// The [store](crate::SessionStore) failed.
    Store(Arc<io::Error>),
    /// The turn was aborted.
    Aborted,
    /// The turn did not end in time after its abort. Its session is stopped.
    AbortTimedOut {
        /// The [`abort_timeout`](crate::AcpBuilder::abort_timeout).
        limit: Duration,
    },
    /// The process ended neither when its input was closed nor at SIGTERM, and was killed.
    Killed {
        /// The end of stderr.
        stderr: String,
    },
}

impl AcpError {
    /// Returns the end of the agent's stderr, if this error has it.
    pub fn stderr(&self) -> Option<&str> {
        match self {
            Self::NotReady { stderr, .. }
            | Self::Exited { stderr, .. }
            | Self::Protocol { stderr, .. }
            | Self::Killed { stderr } => Some(stderr),
            Self::NotStarted { source } => source.stderr(),
            _ => None,
        }
    }

    pub(crate) fn protocol(what: impl Into<String>) -> Self {
        Self::Protocol {
            what: bounded(what.into(), words::ERROR),
            stderr: String::new(),
        }
    }

    /// With the end of stderr, which is known when the process has ended.
    pub(crate) fn with_stderr(mut self, text: &str) -> Self {
        if let Self::Protocol { stderr, .. } | Self::NotReady { stderr, .. } = &mut self {
            text.clone_into(stderr);
        }
        self
    }
}

impl fmt::Display for AcpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Spawn { program, source } => {
                write!(f, "cannot run {}: {source}", program.display())
            }
            Self::NotStarted { source } => {
                return write!(f, "the agent failed to start: {source}");
            }
            Self::NotReady { limit, .. } => {
                write!(f, "the session was not ready within {limit:?}")
            }
            Self::Version(theirs) => write!(f, "the agent speaks version {theirs} of ACP, not 1"),
            Self::AuthRequired { message, methods } => {
                let methods = methods.join(", ");
                write!(f, "the agent wants an account: {message} ({methods})")
            }
            Self::Refused {
                method,
                code,
                message,
            } => write!(f, "the agent refused {method}: {message} ({code})"),
            Self::Unsupported(what) => write!(f, "the agent does not accept {what}"),
            Self::Exited {
                status: Some(status),
                ..
            } => write!(f, "the agent ended: {status}"),
            Self::Exited { status: None, .. } => f.write_str("the agent ended"),
            Self::Protocol { what, .. } => write!(f, "unexpected output from the agent: {what}"),
            Self::LineTooLong { limit } => {
                write!(f, "the agent wrote a line of more than {limit} bytes")
            }
            Self::Io(source) => write!(f, "a pipe to the agent failed: {source}"),
            Self::Store(source) => write!(f, "the store of sessions failed: {source}"),
            Self::Aborted => f.write_str("the turn was aborted"),
            Self::AbortTimedOut { limit } => {
                write!(f, "the turn did not end within {limit:?} after its abort")
            }
            Self::Killed { .. } => f.write_str("the agent did not end in time and was killed"),
        }?;
        match self.stderr() {
            None | Some("") => Ok(()),
            Some(stderr) => write!(f, "; stderr: {stderr}"),
        }
    }
}

impl Error for AcpError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Spawn { source, .. } | Self::Io(source) | Self::Store(source) => source.source(),
            Self::NotStarted { source } => source.source(),
            _ => None,
        }
    }
}
