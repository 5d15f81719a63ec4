//! The errors of pi.

use std::{error::Error, fmt, io, path::PathBuf, process::ExitStatus, time::Duration};

/// Why pi failed to start, to answer or to stop.
///
/// `stderr` is the end of pi's stderr, without surrounding whitespace. It and the texts of pi have at most 16 KiB. They may contain
/// terminal escape sequences: escape them before you print them.
///
/// The text of an error contains its cause, so [`source`](Error::source) returns the source of that cause.
#[derive(Debug)]
#[non_exhaustive]
pub enum PiError {
    /// The session directory does not exist and cannot be created.
    SessionDir {
        /// The directory.
        path: PathBuf,
        /// Why it cannot be created.
        source: io::Error,
    },
    /// The program cannot be run.
    Spawn {
        /// The program.
        program: PathBuf,
        /// Why it cannot be run.
        source: io::Error,
    },
    /// pi ended, or broke its protocol, before it was ready.
    NotStarted {
        /// What happened.
        source: Box<Self>,
    },
    /// pi was not ready in time.
    NotReady {
        /// The [`ready_timeout`](crate::PiBuilder::ready_timeout).
        limit: Duration,
        /// The end of stderr.
        stderr: String,
    },
    /// pi ended. If it ended in a turn, the message is in its conversation already: decide whether to send it again.
    Exited {
        /// The exit status; `None` if it is unknown.
        status: Option<ExitStatus>,
        /// The end of stderr.
        stderr: String,
    },
    /// pi wrote something unexpected. The process was ended.
    Protocol {
        /// What was unexpected.
        what: String,
        /// The end of stderr.
        stderr: String,
    },
    /// pi wrote a line longer than the limit. The process was ended.
    LineTooLong {
        /// The [`line_limit`](crate::PiBuilder::line_limit), in bytes.
        limit: usize,
    },
    /// A pipe failed. The process was ended.
    Io(io::Error),
    /// pi refused a message or a command, with this text.
    Refused(String),
    /// The model's service failed after all retries, with this text.
    Model(String),
    /// The turn was aborted.
    Aborted,
    /// The turn did not end in time after its abort. The process was ended.
    AbortTimedOut {
        /// The [`abort_timeout`](crate::PiBuilder::abort_timeout).
        limit: Duration,
    },
    /// pi ended neither when its input was closed nor at SIGTERM, and was killed.
    Killed {
        /// The end of stderr.
        stderr: String,
    },
}

impl PiError {
    /// Returns the end of pi's stderr, if this error has it.
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
}

impl fmt::Display for PiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SessionDir { path, source } => {
                write!(
                    f,
                    "cannot create the session directory {}: {source}",
                    path.display()
                )
            }
            Self::Spawn { program, source } => {
                write!(f, "cannot run {}: {source}", program.display())
            }
            Self::NotStarted { source } => return write!(f, "pi failed to start: {source}"),
            Self::NotReady { limit, .. } => write!(f, "pi was not ready within {limit:?}"),
            Self::Exited {
                status: Some(status),
                ..
            } => write!(f, "pi ended: {status}"),
            Self::Exited { status: None, .. } => f.write_str("pi ended"),
            Self::Protocol { what, .. } => write!(f, "unexpected output from pi: {what}"),
            Self::LineTooLong { limit } => {
                write!(f, "pi wrote a line of more than {limit} bytes")
            }
            Self::Io(source) => write!(f, "a pipe to pi failed: {source}"),
            Self::Refused(words) => write!(f, "pi refused: {words}"),
            Self::Model(words) => write!(f, "the model failed: {words}"),
            Self::Aborted => f.write_str("the turn was aborted"),
            Self::AbortTimedOut { limit } => {
                write!(f, "the turn did not end within {limit:?} after its abort")
            }
            Self::Killed { .. } => f.write_str("pi did not end in time and was killed"),
        }?;
        match self.stderr() {
            None | Some("") => Ok(()),
            Some(stderr) => write!(f, "; stderr: {stderr}"),
        }
    }
}

impl Error for PiError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::SessionDir { source, .. } | Self::Spawn { source, .. } | Self::Io(source) => {
                source.source()
            }
            Self::NotStarted { source } => source.source(),
            _ => None,
        }
    }
}
