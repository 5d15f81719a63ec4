//! The task that owns a process. It reads stderr, ends the process, reaps it, and ends what it left running.
//!
//! | it ends because | steps | what it left running |
//! |---|---|---|
//! | of itself | reaped | killed |
//! | `stop` | end of input, SIGTERM, SIGKILL | kept if that is set and it obeyed, else killed |
//! | `kill`, or its `Process` was dropped | SIGKILL | killed |
//! | the runtime ends, or this task panics | SIGKILL, in the drop | killed |

use crate::{
    leader::Leader,
    leftovers::{self, Children},
    tail::Stderr,
};
use rustix::process::{Pid, Signal};
#[cfg(target_os = "linux")]
use rustix::process::{PidfdFlags, pidfd_open};
#[cfg(not(target_os = "linux"))]
use rustix::process::{WaitId, WaitIdOptions, waitid};
use std::{
    fmt,
    future::pending,
    process::ExitStatus,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
#[cfg(target_os = "linux")]
use std::{io, os::fd::OwnedFd, pin::pin};
use tokio::{
    io::AsyncReadExt,
    process::ChildStderr,
    sync::{Notify, watch},
    time::timeout,
};

/// For output that was written before the end of the process. If it takes longer, another process has the pipe.
const REST: Duration = Duration::from_secs(1);

/// How a process ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ended {
    /// The exit status. `None` if it is unknown, for example because the runtime has ended, or because its [guard](crate::Guard) was killed.
    pub status: Option<ExitStatus>,
    /// Whether a [stop](crate::Process::stop) or a [kill](crate::Process::kill) was called while the process was running.
    pub asked: bool,
    /// Whether this crate sent SIGKILL: the process did not obey the stop, [kill](crate::Process::kill) was called, its `Process` was dropped, or
    /// the runtime ended. False if another program or the deadline of its [guard](crate::Guard) killed it. Then `status` has the signal.
    pub killed: bool,
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.status {
            Some(status) => status.fmt(f),
            None => f.write_str("unknown exit status"),
        }
    }
}

/// How a process is ended.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// After the end of input, before SIGTERM.
    pub(crate) input: Duration,
    /// After SIGTERM, before SIGKILL.
    pub(crate) term: Duration,
    /// What it left running may stay, if it obeyed.
    pub(crate) keeps: bool,
}

/// What the user wants of the process. It only grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Want {
    Run,
    Stop,
    Kill,
}

/// The user's end of the task. Its drop kills the process.
#[derive(Debug)]
pub(crate) struct Reins {
    pub(crate) id: u32,
    process: Process,
    want: watch::Sender<Want>,
    keeps: Arc<AtomicBool>,
    asked: Arc<AtomicBool>,
    interrupt: Arc<Notify>,
    watch: Watch,
}

/// Resolves at the end of the process.
#[derive(Clone, Debug)]
pub(crate) struct Watch(watch::Receiver<Option<Ended>>);

impl Reins {
    /// A process that has exited before did not obey. One that exits by itself between this look and the end of its input cannot be told
    /// from one that obeys.
    pub(crate) fn want(&self, want: Want) {
        if self.is_running() {
            self.asked.store(true, Ordering::Relaxed);
        }
        self.want.send_modify(|now| *now = want.max(*now));
    }

    pub(crate) fn keep(&self, keep: bool) {
        self.keeps.store(keep, Ordering::Relaxed);
    }

    pub(crate) fn interrupt(&self) {
        self.interrupt.notify_one();
    }

    pub(crate) fn is_running(&self) -> bool {
        self.look().is_none() && self.process.is_running()
    }

    pub(crate) fn watch(&self) -> Watch {
        self.watch.clone()
    }

    pub(crate) async fn ended(&mut self) -> Ended {
        self.watch.ended().await
    }

    pub(crate) fn look(&self) -> Option<Ended> {
        self.watch.0.borrow().clone()
    }
}

impl Watch {
    /// Cancel-safe.
    pub(crate) async fn ended(&mut self) -> Ended {
        let seen = self.0.wait_for(Option::is_some).await;
        // Without it: the task is gone, and has killed the process.
        seen.ok().and_then(|seen| seen.clone()).unwrap_or(Ended {
            status: None,
            asked: false,
            killed: true,
        })
    }
}

/// To look at the process without reaping it, also if it is the child of its guard.
#[cfg(target_os = "linux")]
#[derive(Debug)]
struct Process(Option<OwnedFd>);

#[cfg(target_os = "linux")]
impl Process {
    /// Of a process that is not reaped yet.
    fn of(pid: Pid) -> Self {
        Self(pidfd_open(pid, PidfdFlags::empty()).ok())
    }

    fn is_running(&self) -> bool {
        self.0.as_ref().is_none_or(leftovers::runs)
    }
}

#[cfg(not(target_os = "linux"))]
#[derive(Debug)]
struct Process(Pid);

#[cfg(not(target_os = "linux"))]
impl Process {
    fn of(pid: Pid) -> Self {
        Self(pid)
    }

    /// After it is reaped there is no such child.
    fn is_running(&self) -> bool {
        let looks = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        matches!(waitid(WaitId::Pid(self.0), looks), Ok(None))
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Supervisor {
    leader: Leader,
    pipe: Option<ChildStderr>,
    stderr: Stderr,
    /// By which its children are known, while they may have to be ended.
    children: Option<Children>,
    settings: Settings,
    keeps: Arc<AtomicBool>,
    asked: Arc<AtomicBool>,
    interrupt: Arc<Notify>,
    want: watch::Receiver<Want>,
    ended: watch::Sender<Option<Ended>>,
}

impl Supervisor {
    pub(crate) fn new(
        leader: Leader,
        pipe: Option<ChildStderr>,
        children: Children,
        stderr: Stderr,
        settings: Settings,
    ) -> (Self, Reins) {
        let keeps = Arc::new(AtomicBool::new(settings.keeps));
        let asked = Arc::new(AtomicBool::new(false));
        let interrupt = Arc::new(Notify::new());
        let (want, wanted) = watch::channel(Want::Run);
        let (ended, end) = watch::channel(None);
        let id = leader.id().expect("it was not reaped yet");
        let pid = i32::try_from(id).ok().and_then(Pid::from_raw);
        let reins = Reins {
            id,
            process: Process::of(pid.expect("it is the number of a process")),
            want,
            keeps: Arc::clone(&keeps),
            asked: Arc::clone(&asked),
            interrupt: Arc::clone(&interrupt),
            watch: Watch(end),
        };
        let supervisor = Self {
            leader,
            pipe,
            stderr,
            children: Some(children),
            settings,
            keeps,
            asked,
            interrupt,
            want: wanted,
            ended,
        };
        (supervisor, reins)
    }

    /// Waits until a guarded process runs. If it cannot run, or the future is dropped, the caller drops this, which kills everything.
    #[cfg(target_os = "linux")]
    pub(crate) async fn begin(
        &mut self,
        start: impl Future<Output = io::Result<()>>,
    ) -> io::Result<()> {
        let mut start = pin!(start);
        let started = tokio::select! {
            biased;
            started = &mut start => started,
            // It has ended already: then it is known what became of the start. Until then, this renews the deadline.
            _ = self.leader.wait() => start.await,
        };
        if started.is_err() {
            // Nothing has run that could have left something.
            self.children = None;
            self.leader.signal(Signal::KILL);
            self.leader.release(false).await;
        }
        started
    }

    pub(crate) async fn run(mut self) {
        let (status, killed) = match self.exit_before(Want::Stop).await {
            Some(status) => (status, false),
            None => self.end().await,
        };
        let ended = Ended {
            status,
            asked: self.asked.load(Ordering::Relaxed),
            killed,
        };
        self.rest(&ended).await;
        self.ended.send_replace(Some(ended));
    }

    /// Its status, and whether it was killed.
    async fn end(&mut self) -> (Option<ExitStatus>, bool) {
        let Settings { input, term, .. } = self.settings;
        for (signal, grace) in [(None, input), (Some(Signal::TERM), term)] {
            if let Some(signal) = signal {
                self.leader.signal(signal);
            }
            match timeout(grace, self.exit_before(Want::Kill)).await {
                Ok(Some(status)) => return (status, false),
                Ok(None) => break,
                Err(_) => {}
            }
        }
        self.leader.signal(Signal::KILL);
        // Before its status is known: a guard that is stopped does not report it, and what is left would act meanwhile.
        self.clear().await;
        (self.exit().await, true)
    }

    /// Its end, or `None` if so much is wanted before. If its `Process` was dropped, everything is wanted.
    async fn exit_before(&mut self, want: Want) -> Option<Option<ExitStatus>> {
        let mut wants = self.want.clone();
        let interrupt = Arc::clone(&self.interrupt);
        loop {
            tokio::select! {
                biased;
                status = self.exit() => return Some(status),
                _ = wants.wait_for(|now| *now >= want) => return None,
                () = interrupt.notified() => {}
            }
            self.leader.signal(Signal::INT);
        }
    }

    /// Its end. What it writes to stderr until then is read. Cancel-safe.
    async fn exit(&mut self) -> Option<ExitStatus> {
        let Self {
            leader,
            pipe,
            stderr,
            ..
        } = self;
        let reads = async {
            drain(pipe, stderr).await;
            pending().await
        };
        tokio::select! {
            status = leader.wait() => status,
            never = reads => never,
        }
    }

    /// After its end: what it left running, and the rest of stderr.
    async fn rest(&mut self, ended: &Ended) {
        // 143: by SIGTERM, which it heeds.
        let in_order = |status: ExitStatus| status.success() || status.code() == Some(143);
        let obeyed = ended.asked && !ended.killed && ended.status.is_some_and(in_order);
        let keep = obeyed && self.keeps.load(Ordering::Relaxed);
        if keep {
            self.children = None;
        }
        self.clear().await;
        // Before the rest is read, during which no deadline is renewed: what is kept is to live.
        self.leader.release(keep).await;
        let _ = timeout(REST, drain(&mut self.pipe, &self.stderr)).await;
    }

    /// Ends what it left running.
    async fn clear(&mut self) {
        if let Some(children) = self.children.clone() {
            // It fails when the runtime ends: then the drop of this does it.
            let ended = tokio::task::spawn_blocking(move || leftovers::end(&children)).await;
            if ended.is_ok() {
                self.children = None;
            }
        }
    }
}

/// The task was cut short, by the end of the runtime or a panic. tokio kills the process then, but not its children.
impl Drop for Supervisor {
    fn drop(&mut self) {
        self.leader.signal(Signal::KILL);
        if let Some(children) = self.children.take() {
            leftovers::end(&children);
        }
    }
}

/// Reads to the end. Cancel-safe.
async fn drain(pipe: &mut Option<ChildStderr>, stderr: &Stderr) {
    let mut bytes = [0; 8 << 10];
    while let Some(open) = pipe {
        match open.read(&mut bytes).await {
            Ok(read @ 1..) => stderr.push(&bytes[..read]),
            _ => *pipe = None,
        }
    }
}
