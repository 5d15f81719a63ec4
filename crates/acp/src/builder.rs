//! The settings of an agent.

use crate::{
    AcpPolicy,
    store::{MemoryStore, SessionStore},
};
use serde_json::Value;
use std::{
    env,
    ffi::{OsStr, OsString},
    fmt,
    path::{Path, PathBuf, absolute},
    sync::Arc,
    time::Duration,
};
use turnwise_process::Guard;

/// No time is longer: some thirty years, so that it can be added to any moment.
const LONGEST: Duration = Duration::from_secs(1 << 30);

/// Settings of an [`AcpAgent`](crate::AcpAgent). [`AcpAgent::builder`](crate::AcpAgent::builder) returns it.
///
/// # Details
///
/// The manager's [`Timeouts`](turnwise::manager::Timeouts) should be longer than those here, or its errors hide the agent's: `start`
/// longer than [`ready_timeout`](Self::ready_timeout), `abort` than [`abort_timeout`](Self::abort_timeout), `stop` than three times
/// [`stop_grace`](Self::stop_grace). With the defaults, `start` is as long as `ready_timeout`: set
/// one of them. The shorter time always applies.
#[must_use = "a builder does nothing until `build`"]
#[derive(Clone)]
pub struct AcpBuilder {
    pub(crate) program: OsString,
    pub(crate) arguments: Vec<OsString>,
    pub(crate) environment: Vec<(OsString, OsString)>,
    pub(crate) clear_environment: bool,
    pub(crate) working_dir: PathBuf,
    pub(crate) session_dir: Option<Arc<dyn Fn(&str) -> PathBuf + Send + Sync>>,
    pub(crate) share: Option<Arc<dyn Fn(&str) -> String + Send + Sync>>,
    pub(crate) store: Arc<dyn SessionStore>,
    pub(crate) auth: Option<String>,
    pub(crate) mode: Option<String>,
    pub(crate) model: Option<String>,
    pub(crate) servers: Vec<Value>,
    pub(crate) policy: AcpPolicy,
    pub(crate) answer: Duration,
    pub(crate) ready: Duration,
    pub(crate) abort: Duration,
    pub(crate) grace: Duration,
    pub(crate) line_limit: usize,
    pub(crate) guard: Option<Guard>,
}

impl AcpBuilder {
    pub(crate) fn new(program: &OsStr) -> Self {
        Self {
            program: program.to_owned(),
            arguments: Vec::new(),
            environment: Vec::new(),
            clear_environment: false,
            working_dir: env::current_dir().unwrap_or_else(|_| "/".into()),
            session_dir: None,
            share: None,
            store: Arc::new(MemoryStore::default()),
            auth: None,
            mode: None,
            model: None,
            servers: Vec::new(),
            policy: AcpPolicy::Deny,
            answer: Duration::from_secs(60),
            ready: Duration::from_secs(30),
            abort: Duration::from_secs(3),
            grace: Duration::from_secs(2),
            line_limit: 16 << 20,
            guard: None,
        }
    }

    /// Adds an argument of the program.
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// Adds arguments, like [`arg`](Self::arg).
    pub fn args(self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        arguments.into_iter().fold(self, Self::arg)
    }

    /// Sets an environment variable, such as the key of an account. Other variables are inherited.
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        let variable = (name.as_ref().to_owned(), value.as_ref().to_owned());
        self.environment.push(variable);
        self
    }

    /// Inherits no environment variables.
    pub fn env_clear(mut self) -> Self {
        self.clear_environment = true;
        self
    }

    /// Sets the working directory of the process and of its sessions. Default: that of this program. Most agents store conversations by
    /// working directory.
    pub fn working_dir(mut self, folder: impl AsRef<Path>) -> Self {
        let folder = folder.as_ref();
        self.working_dir = absolute(folder).unwrap_or_else(|_| folder.to_owned());
        self
    }

    /// Sets a function that returns the working directory of a key's session: an absolute path. Default: that of the process.
    pub fn session_dir(mut self, dir: impl Fn(&str) -> PathBuf + Send + Sync + 'static) -> Self {
        self.session_dir = Some(Arc::new(dir));
        self
    }

    /// Lets sessions share processes: keys for which the function returns the same class share one process. Default:
    /// each session has its own.
    ///
    /// # Details
    ///
    /// A process ends with its last session. After a session became dirty or did not end its turn in time, its process gets no new
    /// sessions, and the sessions that it has go on. If the process crashes, all its sessions end at once.
    ///
    /// The process has one output. While a turn waits for a slow reader, the other sessions of the process wait too: set
    /// [`Timeouts::quiet`](turnwise::manager::Timeouts#structfield.quiet).
    pub fn share(mut self, class: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        self.share = Some(Arc::new(class));
        self
    }

    /// Sets where the ids of sessions are stored. Default: a [`MemoryStore`].
    pub fn store(mut self, store: impl SessionStore) -> Self {
        self.store = Arc::new(store);
        self
    }

    /// Sets the id of the method by which the process authenticates. Default: none; most agents use the credentials in their environment.
    pub fn auth_method(mut self, id: impl Into<String>) -> Self {
        self.auth = Some(id.into());
        self
    }

    /// Sets the mode of each session. See [`AcpSession::modes`](crate::AcpSession::modes).
    pub fn mode(mut self, id: impl Into<String>) -> Self {
        self.mode = Some(id.into());
        self
    }

    /// Sets the model of each session. See [`AcpSession::models`](crate::AcpSession::models).
    pub fn model(mut self, id: impl Into<String>) -> Self {
        self.model = Some(id.into());
        self
    }

    /// Adds an MCP server that the agent connects to: a JSON object, as the protocol defines it.
    pub fn mcp_server(mut self, server: Value) -> Self {
        self.servers.push(server);
        self
    }

    /// Sets the policy for requests for permission. Default: [`AcpPolicy::Deny`], which refuses them.
    pub fn permissions(mut self, policy: AcpPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// Limits how long a request for permission waits for an answer. Then it is refused. Default: 60 s.
    pub fn permission_timeout(mut self, limit: Duration) -> Self {
        self.answer = limit.min(LONGEST);
        self
    }

    /// Limits the time until a new session is ready, including the start of its process. Default: 30 s.
    pub fn ready_timeout(mut self, limit: Duration) -> Self {
        self.ready = limit;
        self
    }

    /// Limits how long an aborted turn may continue. Default: 3 s. Then the session is stopped, and the next turn resumes it.
    pub fn abort_timeout(mut self, limit: Duration) -> Self {
        self.abort = limit.min(LONGEST);
        self
    }

    /// Sets the limit of each step of a stop: `session/close`, the end of the agent's input, and SIGTERM. SIGKILL follows. Default: 2 s
    /// each.
    pub fn stop_grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Gives each process a guard, which ends it when this program is killed or stopped. Default: none. Linux only. Call [`Guard::init`] at
    /// the top of `main`.
    pub fn guard(mut self, guard: impl Into<Option<Guard>>) -> Self {
        self.guard = guard.into();
        self
    }

    /// Limits a line from the agent, in bytes. Default: 16 MiB. A longer one ends the process with
    /// [`AcpError::LineTooLong`](crate::AcpError::LineTooLong).
    pub fn line_limit(mut self, limit: usize) -> Self {
        self.line_limit = limit;
        self
    }
}

/// Without the environment, which may have secrets.
impl fmt::Debug for AcpBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AcpBuilder")
            .field("program", &self.program)
            .field("working_dir", &self.working_dir)
            .field("policy", &self.policy)
            .field("line_limit", &self.line_limit)
            .finish_non_exhaustive()
    }
}
