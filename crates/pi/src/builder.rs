//! The settings of an agent.

use std::sync::Arc;
use std::{
    ffi::{OsStr, OsString},
    fmt,
    path::{Path, PathBuf, absolute},
    time::Duration,
};
use tokio::process::Command;
use turnwise_process::Guard;

pub(crate) type Configure = dyn Fn(&str, &mut Command) + Send + Sync;

#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) program: OsString,
    pub(crate) arguments: Vec<OsString>,
    pub(crate) environment: Vec<(OsString, OsString)>,
    pub(crate) clear_environment: bool,
    pub(crate) working_dir: Option<PathBuf>,
    pub(crate) session_dir: Option<PathBuf>,
    pub(crate) configure: Option<Arc<Configure>>,
    pub(crate) question: Duration,
    pub(crate) ready: Duration,
    pub(crate) health: Duration,
    pub(crate) abort: Duration,
    pub(crate) grace: Duration,
    pub(crate) line_limit: usize,
    pub(crate) guard: Option<Guard>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            program: "pi".into(),
            arguments: Vec::new(),
            environment: Vec::new(),
            clear_environment: false,
            working_dir: None,
            session_dir: None,
            configure: None,
            question: Duration::ZERO,
            ready: Duration::from_secs(30),
            health: Duration::from_secs(5),
            abort: Duration::from_secs(3),
            grace: Duration::from_secs(2),
            line_limit: 64 << 20,
            guard: None,
        }
    }
}

/// Settings of a [`PiAgent`](super::PiAgent). [`PiAgent::builder`](super::PiAgent::builder) returns it. No setting is required.
///
/// # Details
///
/// The manager's [`Timeouts`](turnwise::manager::Timeouts) should be longer than those here, or its errors hide pi's: `start` longer
/// than [`ready_timeout`](Self::ready_timeout), `abort` than [`abort_timeout`](Self::abort_timeout), `stop` than twice
/// [`stop_grace`](Self::stop_grace). With the defaults, `start` is as long as `ready_timeout`: set one of them. The shorter time always applies.
#[must_use = "a builder does nothing until `build`"]
#[derive(Clone, Default)]
pub struct PiBuilder {
    pub(crate) settings: Settings,
}

impl PiBuilder {
    /// Sets the program. Default: `pi`, found in `PATH`.
    pub fn program(mut self, program: impl AsRef<OsStr>) -> Self {
        program.as_ref().clone_into(&mut self.settings.program);
        self
    }

    /// Adds an argument. It comes before those of this crate: `--mode rpc --session-id ID`, and `--session-dir` if it is set.
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.settings.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// Adds arguments, like [`arg`](Self::arg).
    pub fn args(self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        arguments.into_iter().fold(self, Self::arg)
    }

    /// Sets an environment variable. Other variables are inherited.
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        let variable = (name.as_ref().to_owned(), value.as_ref().to_owned());
        self.settings.environment.push(variable);
        self
    }

    /// Inherits no environment variables.
    pub fn env_clear(mut self) -> Self {
        self.settings.clear_environment = true;
        self
    }

    /// Sets the working directory. Default: that of this program. pi stores conversations by working directory, so in another
    /// directory a key has another conversation.
    pub fn working_dir(mut self, folder: impl AsRef<Path>) -> Self {
        self.settings.working_dir = Some(whole(folder.as_ref()));
        self
    }

    /// Sets where pi stores conversations. It is created before a start. Default: pi's own, in its agent directory.
    ///
    /// No other program may use the same conversations at the same time, or parts of them are lost.
    pub fn session_dir(mut self, folder: impl AsRef<Path>) -> Self {
        self.settings.session_dir = Some(whole(folder.as_ref()));
        self
    }

    /// Sets a function that adapts the command to the key: its arguments, environment or working directory. It is called before
    /// each start.
    pub fn configure(
        mut self,
        configure: impl Fn(&str, &mut Command) + Send + Sync + 'static,
    ) -> Self {
        self.settings.configure = Some(Arc::new(configure));
        self
    }

    /// Limits how long a question of an extension waits for [`PiHandle::answer`](super::PiHandle::answer). Then it is cancelled.
    /// Default: zero, so each question is cancelled at once.
    ///
    /// The wait counts towards the manager's [`Timeouts::turn`](turnwise::manager::Timeouts#structfield.turn), and as silence for
    /// [`Timeouts::quiet`](turnwise::manager::Timeouts#structfield.quiet).
    pub fn question_timeout(mut self, limit: Duration) -> Self {
        self.settings.question = limit;
        self
    }

    /// Limits the time until a new pi is ready. Default: 30 s. One pi alone needs half a second, and many at once much longer.
    pub fn ready_timeout(mut self, limit: Duration) -> Self {
        self.settings.ready = limit;
        self
    }

    /// Limits the health check before each turn but the first of a process. Default: 5 s.
    pub fn health_timeout(mut self, limit: Duration) -> Self {
        self.settings.health = limit;
        self
    }

    /// Limits how long an aborted turn may continue. Default: 3 s. Then the process is ended, and the next turn resumes the
    /// conversation with a new one.
    pub fn abort_timeout(mut self, limit: Duration) -> Self {
        self.settings.abort = limit;
        self
    }

    /// Sets the time between the steps of a stop: pi's input is closed, then SIGTERM, then SIGKILL. Default: 2 s.
    pub fn stop_grace(mut self, grace: Duration) -> Self {
        self.settings.grace = grace;
        self
    }

    /// Gives each pi a guard, which ends it when this program is killed or stopped. Default: none. Linux only. Call [`Guard::init`] at the top
    /// of `main`.
    pub fn guard(mut self, guard: impl Into<Option<Guard>>) -> Self {
        self.settings.guard = guard.into();
        self
    }

    /// Limits a line from pi, in bytes. Default: 64 MiB; a line contains a whole message. A longer one ends the process with
    /// [`PiError::LineTooLong`](super::PiError::LineTooLong).
    pub fn line_limit(mut self, limit: usize) -> Self {
        self.settings.line_limit = limit;
        self
    }
}

/// The absolute path, which does not depend on the working directory of the child.
fn whole(path: &Path) -> PathBuf {
    absolute(path).unwrap_or_else(|_| path.to_owned())
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("program", &self.program)
            .field("arguments", &self.arguments)
            .field("working_dir", &self.working_dir)
            .field("session_dir", &self.session_dir)
            .field("line_limit", &self.line_limit)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for PiBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PiBuilder").field(&self.settings).finish()
    }
}
