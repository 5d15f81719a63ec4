//! The settings, and how a process is started.

#[cfg(target_os = "linux")]
use crate::cgroup::Cgroup;
use crate::{
    leftovers::{self, Children},
    process::Process,
    supervisor::{Settings, Supervisor},
    tail::Stderr,
};
#[cfg(target_os = "linux")]
use std::sync::Arc;
use std::{error::Error, ffi::OsString, fmt, io, process::Stdio, time::Duration};
use tokio::process::Command;

/// Starts processes, with settings for how they are ended.
#[derive(Clone, Debug)]
pub struct Launcher {
    settings: Settings,
    stderr: usize,
    mark: String,
    cgroup: bool,
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
            settings: Settings {
                input: Duration::from_secs(2),
                term: Duration::from_secs(2),
                keeps: false,
            },
            stderr: 16 << 10,
            mark: "TURNWISE_PROCESS".to_owned(),
            cgroup: false,
        }
    }

    /// Sets how long a [stop](Process::stop) waits after the end of input, before SIGTERM. Default: 2 s.
    pub fn input_grace(mut self, grace: Duration) -> Self {
        self.settings.input = grace;
        self
    }

    /// Sets how long a [stop](Process::stop) waits after SIGTERM, before SIGKILL. Default: 2 s.
    pub fn term_grace(mut self, grace: Duration) -> Self {
        self.settings.term = grace;
        self
    }

    /// Sets whether children may outlive a process that obeys a [stop](Process::stop): one that exits with status 0, or with 143 after
    /// SIGTERM. Default: no.
    pub fn keep_children(mut self, keep: bool) -> Self {
        self.settings.keeps = keep;
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

    /// Sets whether each process gets a cgroup of its own, below that of this program. Then children are found whatever they do. Default:
    /// no. Linux only, with cgroups of version 2 that this program may change: as root, or where systemd delegates them.
    ///
    /// A process enters its cgroup a moment after its start. What it starts before that is found by its group and its mark alone.
    ///
    /// A cgroup is removed when its process has ended. If this program is killed, an empty one is left.
    pub fn cgroup(mut self, cgroup: bool) -> Self {
        self.cgroup = cgroup;
        self
    }

    /// Starts a process. Its stdin, stdout and stderr are pipes, whatever the command says about them.
    ///
    /// # Errors
    ///
    /// The program cannot be run, or the [cgroup](Self::cgroup) cannot be made.
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
        let program = command.as_std().get_program().to_owned();
        let failed = |source| SpawnError { program, source };
        #[cfg(target_os = "linux")]
        let cgroup = match self.cgroup.then(|| Cgroup::make(&mark)).transpose() {
            Ok(cgroup) => cgroup.map(Arc::new),
            Err(source) => return Err(failed(source)),
        };
        #[cfg(not(target_os = "linux"))]
        if self.cgroup {
            return Err(failed(io::ErrorKind::Unsupported.into()));
        }
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(source) => return Err(failed(source)),
        };
        // What it starts before this is found by its group and its mark.
        #[cfg(target_os = "linux")]
        if let (Some(cgroup), Some(pid)) = (&cgroup, child.id()) {
            cgroup.enter(pid).map_err(failed)?;
        }
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let children = Children {
            mark,
            group: child.id(),
            #[cfg(target_os = "linux")]
            cgroup,
        };
        let stderr = Stderr::new(self.stderr);
        let (supervisor, reins) =
            Supervisor::new(child, children, stderr.clone(), self.settings.clone());
        tokio::spawn(supervisor.run());
        Ok(Process::new(stdin, stdout, stderr, reins))
    }
}

/// A process that cannot be started.
#[derive(Debug)]
#[non_exhaustive]
pub struct SpawnError {
    /// The program.
    pub program: OsString,
    /// Why not.
    pub source: io::Error,
}

impl fmt::Display for SpawnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The name is escaped.
        write!(f, "cannot start {:?}: {}", self.program, self.source)
    }
}

/// Without a source: its text is in that of this one.
impl Error for SpawnError {}

#[cfg(test)]
mod tests {
    use super::Launcher;
    use std::time::Duration;

    #[test]
    fn each_time_is_that_of_its_step() {
        let [input, term] = [Duration::from_secs(7), Duration::from_secs(11)];
        let launcher = Launcher::new().input_grace(input).term_grace(term);
        assert_eq!(
            (launcher.settings.input, launcher.settings.term),
            (input, term)
        );
    }
}
