//! What can go wrong with pi.

use std::{error::Error, fmt, io, path::PathBuf, process::ExitStatus, time::Duration};

/// Why pi was not started, gave no reply or was not stopped as it should be.
///
/// `stderr` is the end of what pi wrote there: 16 KiB at most, without blanks at both ends. Of pi's own words the begin is kept:
/// 16 KiB at most. Both may hold any letter, terminal escapes among them: escape them where they are shown.
#[derive(Debug)]
#[non_exhaustive]
pub enum PiError {
    /// The directory for sessions is not there and cannot be made. pi itself would try for ever.
    SessionDir {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The program cannot be run.
    Spawn {
        /// The program.
        program: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It ended, or did not do what it should, before it was ready.
    NotStarted {
        /// Why.
        source: Box<Self>,
    },
    /// It was not ready in time.
    NotReady {
        /// The time.
        limit: Duration,
        /// What it wrote there.
        stderr: String,
    },
    /// It ended. In a turn: the message is in its session already; whether it should be sent again, only its sender knows.
    Exited {
        /// How; `None` if that could not be found out.
        status: Option<ExitStatus>,
        /// What it wrote there.
        stderr: String,
    },
    /// It wrote what it does not write. The process is ended.
    Protocol {
        /// What is wrong with it.
        what: String,
        /// What it wrote there.
        stderr: String,
    },
    /// It wrote a line longer than the limit. The process is ended.
    LineTooLong {
        /// In bytes.
        limit: usize,
    },
    /// Its pipes failed. The process is ended.
    Io(io::Error),
    /// It did not accept a message or a command. Its own words.
    Refused(String),
    /// The model's service failed, after all retries. Its own words.
    Model(String),
    /// The turn was aborted.
    Aborted,
    /// The turn did not end in time after its abort. The process is ended.
    AbortTimedOut {
        /// The time.
        limit: Duration,
    },
    /// It ended neither by itself nor at a polite signal, and was killed.
    Killed {
        /// What it wrote there.
        stderr: String,
    },
}

impl PiError {
    /// What pi wrote to stderr, if that is told.
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
            Self::SessionDir { path, .. } => {
                write!(f, "the session directory {} cannot be made", path.display())
            }
            Self::Spawn { program, .. } => write!(f, "{} cannot be run", program.display()),
            Self::NotStarted { .. } => f.write_str("pi was not started"),
            Self::NotReady { limit, .. } => write!(f, "pi was not ready within {limit:?}"),
            Self::Exited {
                status: Some(status),
                ..
            } => write!(f, "pi ended: {status}"),
            Self::Exited { status: None, .. } => f.write_str("pi ended"),
            Self::Protocol { what, .. } => write!(f, "pi wrote what it should not: {what}"),
            Self::LineTooLong { limit } => {
                write!(f, "pi wrote a line of more than {limit} bytes")
            }
            Self::Io(_) => f.write_str("a pipe to pi failed"),
            Self::Refused(words) => write!(f, "pi refused: {words}"),
            Self::Model(words) => write!(f, "the model failed: {words}"),
            Self::Aborted => f.write_str("the turn was aborted"),
            Self::AbortTimedOut { limit } => {
                write!(f, "the turn did not end within {limit:?} after its abort")
            }
            Self::Killed { .. } => f.write_str("pi did not end, and was killed"),
        }?;
        match self {
            // Their source tells it.
            Self::NotStarted { .. } => Ok(()),
            _ => match self.stderr() {
                None | Some("") => Ok(()),
                Some(stderr) => write!(f, "; stderr: {stderr}"),
            },
        }
    }
}

impl Error for PiError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::SessionDir { source, .. } | Self::Spawn { source, .. } | Self::Io(source) => {
                Some(source)
            }
            Self::NotStarted { source } => Some(source),
            _ => None,
        }
    }
}
