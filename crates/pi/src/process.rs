//! The process of one pi: how it is made, ended and reaped.

use crate::{
    PiError,
    builder::Settings,
    leftovers::{self, Children},
    tail::Tail,
};
use parking_lot::Mutex;
use rustix::process::{Pid, Signal, kill_process_group};
use std::sync::Arc;
use std::{
    convert::Infallible,
    future::{Future, pending},
    pin::pin,
    process::{ExitStatus, Stdio},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    process::{Child, ChildStderr, ChildStdin, ChildStdout, Command},
    time::timeout,
};

/// For output that was written before the process ended; longer, somebody else has the pipe.
pub(crate) const REST: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) child: Child,
    pub(crate) stdin: Option<ChildStdin>,
    pub(crate) stderr: Option<ChildStderr>,
    pub(crate) tail: Arc<Mutex<Tail>>,
    /// Its end was asked for: what it leaves running then, it leaves on purpose.
    pub(crate) asked: bool,
    /// By which its children are known, while they may have to be ended.
    children: Option<Children>,
}

/// How a process ended.
#[derive(Clone, Debug)]
pub(crate) struct Ended {
    /// `None` if it could not be found out.
    pub(crate) status: Option<ExitStatus>,
    /// It had to be killed.
    pub(crate) killed: bool,
    /// What it wrote that it should not have written. It was ended for that.
    pub(crate) fault: Option<Arc<str>>,
}

impl Process {
    /// In a process group of its own, so that a Ctrl-C at our terminal does not reach it; killed when this is dropped.
    pub(crate) fn spawn(
        settings: &Settings,
        key: &str,
        id: &str,
    ) -> Result<(Self, ChildStdout), PiError> {
        let mark = leftovers::mark();
        let mut command = Command::new(&settings.program);
        if settings.clear_environment {
            command.env_clear();
        }
        command.args(&settings.arguments);
        command.args(["--mode", "rpc", "--session-id", id]);
        if let Some(folder) = &settings.session_dir {
            command.arg("--session-dir").arg(folder);
        }
        if let Some(folder) = &settings.working_dir {
            command.current_dir(folder);
        }
        command.envs(
            settings
                .environment
                .iter()
                .map(|(name, value)| (name, value)),
        );
        if let Some(configure) = &settings.configure {
            configure(key, &mut command);
        }
        command
            .env(leftovers::MARK, &*mark)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        let mut child = command.spawn().map_err(|source| PiError::Spawn {
            program: settings.program.clone().into(),
            source,
        })?;
        let stdout = child.stdout.take().expect("it is piped");
        let process = Self {
            stdin: child.stdin.take(),
            stderr: child.stderr.take(),
            tail: Arc::default(),
            asked: false,
            children: Some(Children {
                mark,
                group: child.id(),
            }),
            child,
        };
        Ok((process, stdout))
    }

    /// To the whole group. It has its number as long as the child is not reaped, and tokio says when that is.
    fn signal(&self, signal: Signal) {
        let pid = self.child.id().and_then(|pid| i32::try_from(pid).ok());
        if let Some(group) = pid.and_then(Pid::from_raw) {
            // It may have ended in this moment.
            let _ = kill_process_group(group, signal);
        }
    }

    /// Ends it: its input is closed; after `grace` it is terminated; after `grace` again, or as soon as `hurry` says so,
    /// killed. Whatever it writes meanwhile is read.
    pub(crate) async fn end(
        &mut self,
        mut stdout: impl AsyncRead + Unpin,
        grace: Duration,
        hurry: impl Future<Output = ()>,
    ) -> Ended {
        let mut hurry = pin!(hurry);
        self.stdin = None;
        for step in [None, Some(Signal::TERM)] {
            if let Some(signal) = step {
                self.signal(signal);
            }
            let ended = async {
                tokio::select! {
                    biased;
                    status = self.exit(&mut stdout) => Some(status),
                    () = hurry.as_mut() => None,
                }
            };
            match timeout(grace, ended).await {
                Ok(Some(status)) => return self.ended(status, false).await,
                Ok(None) => break,
                Err(_) => {}
            }
        }
        self.signal(Signal::KILL);
        let status = self.exit(&mut stdout).await;
        self.ended(status, true).await
    }

    /// Its end, what it writes until then read.
    async fn exit(&mut self, stdout: &mut (impl AsyncRead + Unpin)) -> Option<ExitStatus> {
        let Self {
            child,
            stderr,
            tail,
            ..
        } = self;
        let reads = async {
            tokio::join!(drain(stdout, |_| {}), drain_into(stderr, tail));
            pending::<Infallible>().await
        };
        tokio::select! {
            status = child.wait() => status.ok(),
            never = reads => match never {},
        }
    }

    /// Has it ended already, though nobody asked it to?
    pub(crate) fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// After its end: what it left running, and the rest of stderr.
    pub(crate) async fn ended(&mut self, status: Option<ExitStatus>, killed: bool) -> Ended {
        // 143: by SIGTERM, which it heeds.
        let in_order = |status: ExitStatus| status.success() || status.code() == Some(143);
        if self.asked && !killed && status.is_some_and(in_order) {
            self.children = None;
        } else {
            self.end_children().await;
        }
        let Self { stderr, tail, .. } = self;
        drop(timeout(REST, drain_into(stderr, tail)).await);
        Ended {
            status,
            killed,
            fault: None,
        }
    }

    /// Ends everything that belongs to it. It has ended itself.
    pub(crate) async fn end_children(&mut self) {
        if let Some(children) = &self.children {
            let children = children.clone();
            // It fails when the runtime ends: then the drop of this does it.
            let ended = tokio::task::spawn_blocking(move || leftovers::end(&children)).await;
            if ended.is_ok() {
                self.children = None;
            }
        }
    }
}

/// Its task was cut short, by the end of the runtime or a panic. tokio kills the process then, but not its tools.
impl Drop for Process {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
        if let Some(children) = self.children.take() {
            leftovers::end(&children);
        }
    }
}

async fn drain_into(stderr: &mut Option<ChildStderr>, tail: &Mutex<Tail>) {
    if let Some(pipe) = stderr {
        drain(pipe, |bytes| tail.lock().push(bytes)).await;
        *stderr = None;
    }
}

/// Reads to the end. Cancel-safe.
async fn drain(pipe: &mut (impl AsyncRead + Unpin), mut each: impl FnMut(&[u8])) {
    let mut bytes = [0; 8 << 10];
    while let Ok(1..) = pipe
        .read(&mut bytes)
        .await
        .inspect(|read| each(&bytes[..*read]))
    {}
}
