//! The settings of an agent.

use crate::dialog::PiDialog;
use std::sync::Arc;
use std::{
    ffi::{OsStr, OsString},
    fmt,
    path::{Path, PathBuf, absolute},
    time::Duration,
};
use tokio::process::Command;

pub(crate) type Configure = dyn Fn(&str, &mut Command) + Send + Sync;
pub(crate) type Dialogs = dyn Fn(PiDialog) + Send + Sync;

#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) program: OsString,
    pub(crate) arguments: Vec<OsString>,
    pub(crate) environment: Vec<(OsString, OsString)>,
    pub(crate) clear_environment: bool,
    pub(crate) working_dir: Option<PathBuf>,
    pub(crate) session_dir: Option<PathBuf>,
    pub(crate) configure: Option<Arc<Configure>>,
    pub(crate) dialogs: Option<Arc<Dialogs>>,
    pub(crate) ready: Duration,
    pub(crate) health: Duration,
    pub(crate) abort: Duration,
    pub(crate) grace: Duration,
    pub(crate) line_limit: usize,
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
            dialogs: None,
            ready: Duration::from_secs(30),
            health: Duration::from_secs(5),
            abort: Duration::from_secs(3),
            grace: Duration::from_secs(2),
            line_limit: 64 << 20,
        }
    }
}

/// Settings of a [`PiAgent`](super::PiAgent); see [`PiAgent::builder`](super::PiAgent::builder).
///
/// The manager's [`Timeouts`](turnwise::manager::Timeouts) should be longer than those here, so that pi's own words are heard: `start`
/// than [`ready_timeout`](Self::ready_timeout), `abort` than [`abort_timeout`](Self::abort_timeout), `stop` than twice
/// [`stop_grace`](Self::stop_grace). With both sets of defaults only `start` is not; the shorter one holds in any case.
#[must_use = "a builder does nothing until `build`"]
#[derive(Clone, Default)]
pub struct PiBuilder {
    pub(crate) settings: Settings,
}

impl PiBuilder {
    /// The program. By default `pi`, as `PATH` finds it.
    pub fn program(mut self, program: impl AsRef<OsStr>) -> Self {
        program.as_ref().clone_into(&mut self.settings.program);
        self
    }

    /// An argument, before those that are always there: `--mode rpc --session-id ID`, and `--session-dir` if it is set.
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.settings.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// Arguments, as [`arg`](Self::arg) each.
    pub fn args(self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        arguments.into_iter().fold(self, Self::arg)
    }

    /// A variable of the environment. What is not set is inherited.
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        let variable = (name.as_ref().to_owned(), value.as_ref().to_owned());
        self.settings.environment.push(variable);
        self
    }

    /// Nothing is inherited of the environment.
    pub fn env_clear(mut self) -> Self {
        self.settings.clear_environment = true;
        self
    }

    /// Where pi works; by default where we do. pi keeps its sessions by working directory: in another one, a key has another
    /// conversation.
    pub fn working_dir(mut self, folder: impl AsRef<Path>) -> Self {
        self.settings.working_dir = Some(whole(folder.as_ref()));
        self
    }

    /// Where pi keeps its sessions; made before a start, if it is not there. By default pi's own, below its agent directory.
    ///
    /// No other process may use the same sessions at the same time, or one of them loses its part of the conversation. Within
    /// one manager none does.
    pub fn session_dir(mut self, folder: impl AsRef<Path>) -> Self {
        self.settings.session_dir = Some(whole(folder.as_ref()));
        self
    }

    /// What differs from key to key: arguments, environment, working directory. Called before each start.
    pub fn configure(
        mut self,
        configure: impl Fn(&str, &mut Command) + Send + Sync + 'static,
    ) -> Self {
        self.settings.configure = Some(Arc::new(configure));
        self
    }

    /// Who answers the questions of extensions. By default each is told that nobody does.
    ///
    /// Called in the task that serves the session: it must not block, and hands the [`PiDialog`] to whoever answers it.
    pub fn dialogs(mut self, dialogs: impl Fn(PiDialog) + Send + Sync + 'static) -> Self {
        self.settings.dialogs = Some(Arc::new(dialogs));
        self
    }

    /// For a pi that was started to answer. By default 30 s: it takes half a second, and many times that while others start.
    pub fn ready_timeout(mut self, limit: Duration) -> Self {
        self.settings.ready = limit;
        self
    }

    /// For the answer by which a pi shows that it is well, before each turn but its first. By default 5 s.
    pub fn health_timeout(mut self, limit: Duration) -> Self {
        self.settings.health = limit;
        self
    }

    /// For a turn to end after its abort. Then the process is ended, and the next turn resumes the conversation with a new
    /// one. By default 3 s.
    pub fn abort_timeout(mut self, limit: Duration) -> Self {
        self.settings.abort = limit;
        self
    }

    /// For pi to end when its input is closed; then it has SIGTERM and as long again; then it is killed. By default 2 s.
    pub fn stop_grace(mut self, grace: Duration) -> Self {
        self.settings.grace = grace;
        self
    }

    /// How long a line of pi may be, in bytes. A longer one ends the process, with [`PiError::LineTooLong`]. By default
    /// 64 MiB; a line holds a whole message.
    ///
    /// [`PiError::LineTooLong`]: super::PiError::LineTooLong
    pub fn line_limit(mut self, limit: usize) -> Self {
        self.settings.line_limit = limit;
        self
    }
}

/// It means the same, wherever the child stands.
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
