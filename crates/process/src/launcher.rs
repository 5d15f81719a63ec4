//! The settings, and how a process is started.

use crate::{
    leftovers::{self, Children},
    process::Process,
    supervisor::Supervisor,
    tail::Stderr,
};
use std::{error::Error, ffi::OsString, fmt, io, process::Stdio, time::Duration};
use tokio::process::Command;

/// Starts processes, with settings for how they are ended.
#[derive(Clone, Debug)]
pub struct Launcher {
    pub(crate) input: Duration,
    pub(crate) term: Duration,
    pub(crate) keeps: bool,
    stderr: usize,
    mark: String,
}

impl Default for Launcher {
    fn default() -> Self {
        Self::new()
    }
}

impl Launcher {
    /// Returns a launcher with the defaults.
    pub fn new() -> Self {
        Self {
            input: Duration::from_secs(2),
            term: Duration::from_secs(2),
            keeps: false,
            stderr: 16 << 10,
            mark: "TURNWISE_PROCESS".to_owned(),
        }
    }

    /// Sets how long a [stop](Process::stop) waits after the end of input, before SIGTERM. Default: 2 s.
    pub fn input_grace(mut self, grace: Duration) -> Self {
        self.input = grace;
        self
    }

    /// Sets how long a [stop](Process::stop) waits after SIGTERM, before SIGKILL. Default: 2 s.
    pub fn term_grace(mut self, grace: Duration) -> Self {
        self.term = grace;
        self
    }

    /// Sets whether children may outlive a process that obeys a [stop](Process::stop): one that exits with status 0, or with 143 after
    /// SIGTERM. Default: no.
    pub fn keep_children(mut self, keep: bool) -> Self {
        self.keeps = keep;
        self
    }

    /// Sets how many bytes of [stderr](Process::stderr) are kept. Default: 16 KiB.
    pub fn stderr_limit(mut self, bytes: usize) -> Self {
        self.stderr = bytes;
        self
    }

    /// Sets the name of the environment variable by which children are found. Default: `TURNWISE_PROCESS`. Its value is different for
    /// each process.
    pub fn mark(mut self, name: impl Into<String>) -> Self {
        self.mark = name.into();
        self
    }

    /// Starts a process. Its stdin, stdout and stderr are pipes, whatever the command says about them.
    ///
    /// # Errors
    ///
    /// The program cannot be run.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the process is killed.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with its I/O and its timers.
    #[expect(clippy::unused_async, reason = "a guarded start awaits its guard")]
    pub async fn spawn(&self, command: &mut Command) -> Result<Process, SpawnError> {
        let mark = leftovers::mark(&self.mark);
        command
            .env(&*mark.name, &*mark.value)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        let mut child = command.spawn().map_err(|source| SpawnError {
            program: command.as_std().get_program().to_owned(),
            source,
        })?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let children = Children {
            mark,
            group: child.id(),
        };
        let stderr = Stderr::new(self.stderr);
        let (supervisor, reins) = Supervisor::new(child, children, stderr.clone(), self);
        tokio::spawn(supervisor.run());
        Ok(Process::new(stdin, stdout, stderr, reins))
    }
}

/// A program that cannot be run.
#[derive(Debug)]
#[non_exhaustive]
pub struct SpawnError {
    /// The program.
    pub program: OsString,
    /// Why it cannot be run.
    pub source: io::Error,
}

impl fmt::Display for SpawnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The name is escaped.
        write!(f, "cannot run {:?}: {}", self.program, self.source)
    }
}

impl Error for SpawnError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        // Its text is in that of this one.
        self.source.source()
    }
}
