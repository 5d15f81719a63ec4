//! The settings, and how a process is started.

#[cfg(target_os = "linux")]
use crate::{
    cgroup::Cgroup,
    guard::{Guarded, Start},
};
use crate::{
    guard::{Guard, GuardError},
    leader::Leader,
    leftovers::{self, Children, Mark},
    process::Process,
    supervisor::{Reins, Settings, Supervisor},
    tail::Stderr,
};
#[cfg(target_os = "linux")]
use std::sync::Arc;
use std::{error::Error, ffi::OsString, fmt, io, process::Stdio, time::Duration};
use tokio::process::{ChildStderr, Command};

/// Starts processes, with settings for how they are ended.
#[derive(Clone, Debug)]
pub struct Launcher {
    settings: Settings,
    stderr: usize,
    mark: String,
    cgroup: bool,
    guard: Option<Guard>,
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
            guard: None,
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

    /// Sets whether children may outlive a process that obeys a [stop](Process::stop). It obeys if it exits with status 0, or with 143
    /// after SIGTERM. Default: no.
    pub fn keep_children(mut self, keep: bool) -> Self {
        self.settings.keeps = keep;
        self
    }

    /// Sets how many bytes of [stderr](Process::stderr) are kept. Default: 16 KiB.
    pub fn stderr_limit(mut self, bytes: usize) -> Self {
        self.stderr = bytes;
        self
    }

    /// Sets the name of the environment variable that marks a process and its children, so that they can be found. Default:
    /// `TURNWISE_PROCESS`. Its value is different for each process.
    pub fn mark(mut self, name: impl Into<String>) -> Self {
        self.mark = name.into();
        self
    }

    /// Sets whether each process gets a cgroup of its own, below that of this program. Then children are found whatever they do. Default:
    /// no. Linux only, with cgroups of version 2 that this program may change: as root, or where systemd delegates them.
    ///
    /// Without a [guard](Self::guard), a process enters its cgroup a moment after its start. Children from before that moment are found by
    /// their group and their mark only.
    ///
    /// A cgroup is removed when its process has ended. If this program is killed, an empty one is left.
    pub fn cgroup(mut self, cgroup: bool) -> Self {
        self.cgroup = cgroup;
        self
    }

    /// Gives each process a guard, which ends the process when this program is killed or stopped. Default: none. Linux only.
    pub fn guard(mut self, guard: impl Into<Option<Guard>>) -> Self {
        self.guard = guard.into();
        self
    }

    /// Starts a process, and returns it. Its stdin, stdout and stderr are pipes, even if the command sets others.
    ///
    /// # Errors
    ///
    /// The program cannot be run, its [cgroup](Self::cgroup) cannot be created or entered (off Linux: `Unsupported`), or it cannot be
    /// [guarded](Self::guard): see [`SpawnError::guard`].
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the process is killed.
    ///
    /// # Panics
    ///
    /// If it is called outside of a tokio runtime with I/O and timers enabled.
    pub async fn spawn(&self, command: &mut Command) -> Result<Process, SpawnError> {
        let mark = leftovers::mark(&self.mark);
        command.env(&*mark.name, &*mark.value);
        let spawned = match (self.children(mark), &self.guard) {
            (Err(error), _) => Err(error),
            (Ok(children), None) => self.own(command, children),
            #[cfg(target_os = "linux")]
            (Ok(children), Some(guard)) => {
                self.guarded(command.as_std_mut(), guard, children).await
            }
            #[cfg(not(target_os = "linux"))]
            (Ok(_), Some(_)) => Err(GuardError::Unsupported.into()),
        };
        spawned.map_err(|source| SpawnError {
            program: command.as_std().get_program().to_owned(),
            source,
        })
    }

    /// By which the children of a process will be known, which is not there yet.
    fn children(&self, mark: Mark) -> io::Result<Children> {
        #[cfg(target_os = "linux")]
        let cgroup = match self.cgroup {
            true => Some(Arc::new(Cgroup::make(&format!(
                "{}-{}",
                mark.name, mark.value
            ))?)),
            false => None,
        };
        #[cfg(not(target_os = "linux"))]
        if self.cgroup {
            return Err(io::ErrorKind::Unsupported.into());
        }
        Ok(Children {
            mark,
            group: None,
            #[cfg(target_os = "linux")]
            cgroup,
        })
    }

    fn own(&self, command: &mut Command, children: Children) -> io::Result<Process> {
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        let mut child = command.spawn()?;
        let (stdin, stdout, pipe) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let supervised = self.supervise(Leader::Own(child), pipe, children);
        let (supervisor, stderr, reins) = supervised?;
        tokio::spawn(supervisor.run());
        Ok(Process::new(stdin, stdout, stderr, reins))
    }

    #[cfg(target_os = "linux")]
    async fn guarded(
        &self,
        command: &mut std::process::Command,
        guard: &Guard,
        children: Children,
    ) -> io::Result<Process> {
        let (guarded, start) = Guarded::begin(guard, &children.mark).await?;
        let (stdin, stdout, pipe, its) = Start::pipes()?;
        let (mut supervisor, stderr, reins) =
            self.supervise(Leader::Guarded(guarded), Some(pipe), children)?;
        supervisor.begin(start.run(command, its)).await?;
        tokio::spawn(supervisor.run());
        Ok(Process::new(Some(stdin), Some(stdout), stderr, reins))
    }

    fn supervise(
        &self,
        leader: Leader,
        pipe: Option<ChildStderr>,
        mut children: Children,
    ) -> io::Result<(Supervisor, Stderr, Reins)> {
        children.group = leader.id();
        #[cfg(target_os = "linux")]
        let entered = match (&children.cgroup, children.group) {
            (Some(cgroup), Some(pid)) => cgroup.enter(pid),
            _ => Ok(()),
        };
        let stderr = Stderr::new(self.stderr);
        let settings = self.settings.clone();
        let (supervisor, reins) = Supervisor::new(leader, pipe, children, stderr.clone(), settings);
        // With an error, the drop of the supervisor kills what has been started.
        #[cfg(target_os = "linux")]
        entered?;
        Ok((supervisor, stderr, reins))
    }
}

/// The error of [`Launcher::spawn`]. It contains the program and the reason.
#[derive(Debug)]
#[non_exhaustive]
pub struct SpawnError {
    /// The program.
    pub program: OsString,
    /// Why the program was not started.
    pub source: io::Error,
}

impl SpawnError {
    /// Returns the error of the guard, if the process was not started because it could not be guarded.
    pub fn guard(&self) -> Option<&GuardError> {
        self.source.get_ref()?.downcast_ref()
    }
}

impl fmt::Display for SpawnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The name is escaped.
        write!(f, "cannot start {:?}: {}", self.program, self.source)
    }
}

/// [`source`](Error::source) returns `None`: the text of this error contains its cause.
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
