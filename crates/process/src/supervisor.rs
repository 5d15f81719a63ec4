//! The task that owns a process. It reads stderr, ends the process, reaps it, and ends what it left running.
//!
//! | it ends because | steps | what it left running |
//! |---|---|---|
//! | of itself | reaped | killed |
//! | `stop` | end of input, SIGTERM, SIGKILL | kept if that is set and it obeyed, else killed |
//! | `kill`, or its `Process` was dropped | SIGKILL | killed |
//! | the runtime ends, or this task panics | SIGKILL, in the drop | killed |

use crate::{
    launcher::Launcher,
    leader::Leader,
    leftovers::{self, Children},
    process::Ended,
    tail::Stderr,
};
use rustix::process::Signal;
use std::{
    process::ExitStatus,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{io::AsyncReadExt, process::ChildStderr, sync::watch, time::timeout};

/// For output that was written before the end of the process. If it takes longer, another process has the pipe.
const REST: Duration = Duration::from_secs(1);

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
    want: watch::Sender<Want>,
    keeps: Arc<AtomicBool>,
    watch: Watch,
}

/// Sees the end.
#[derive(Clone, Debug)]
pub(crate) struct Watch(watch::Receiver<Option<Ended>>);

impl Reins {
    pub(crate) fn want(&self, want: Want) {
        self.want.send_if_modified(|before| {
            let more = want > *before;
            *before = want.max(*before);
            more
        });
    }

    pub(crate) fn keep(&self, keep: bool) {
        self.keeps.store(keep, Ordering::Relaxed);
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

/// See the module.
#[derive(Debug)]
pub(crate) struct Supervisor {
    leader: Leader,
    pipe: Option<ChildStderr>,
    stderr: Stderr,
    /// By which its children are known, while they may have to be ended.
    children: Option<Children>,
    input: Duration,
    term: Duration,
    keeps: Arc<AtomicBool>,
    want: watch::Receiver<Want>,
    ended: watch::Sender<Option<Ended>>,
}

impl Supervisor {
    pub(crate) fn new(
        leader: Leader,
        pipe: Option<ChildStderr>,
        children: Children,
        stderr: Stderr,
        launcher: &Launcher,
    ) -> (Self, Reins) {
        let keeps = Arc::new(AtomicBool::new(launcher.keeps));
        let (want, wanted) = watch::channel(Want::Run);
        let (ended, end) = watch::channel(None);
        let reins = Reins {
            id: leader.id().expect("it was not reaped yet"),
            want,
            keeps: Arc::clone(&keeps),
            watch: Watch(end),
        };
        let supervisor = Self {
            leader,
            pipe,
            stderr,
            children: Some(children),
            input: launcher.input,
            term: launcher.term,
            keeps,
            want: wanted,
            ended,
        };
        (supervisor, reins)
    }

    /// Waits until a guarded process runs. If it cannot run, or this is dropped, so is all of this, and kills what there is.
    #[cfg(target_os = "linux")]
    pub(crate) async fn begin(
        &mut self,
        start: impl Future<Output = std::io::Result<()>>,
    ) -> std::io::Result<()> {
        let mut start = std::pin::pin!(start);
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
        let by_itself = match self.exit_before(Want::Stop).await {
            // A process that had ended before the stop is not one that obeyed it.
            None => self.leader.try_wait().await,
            ended => ended,
        };
        let ended = match by_itself {
            Some(status) => Ended {
                status,
                asked: false,
                killed: false,
            },
            None => self.end().await,
        };
        self.rest(&ended).await;
        self.ended.send_replace(Some(ended));
    }

    async fn end(&mut self) -> Ended {
        let grown = |status, killed| Ended {
            status,
            asked: true,
            killed,
        };
        for (signal, grace) in [(None, self.input), (Some(Signal::TERM), self.term)] {
            if let Some(signal) = signal {
                self.leader.signal(signal);
            }
            match timeout(grace, self.exit_before(Want::Kill)).await {
                Ok(Some(status)) => return grown(status, false),
                Ok(None) => break,
                Err(_) => {}
            }
        }
        self.leader.signal(Signal::KILL);
        // Before its status is known: a guard that is stopped does not report it, and what is left would act meanwhile.
        self.clear().await;
        let status = self.exit().await;
        grown(status, true)
    }

    /// Its end, unless so much is wanted before. Nobody is left to want something: then it is to be killed.
    async fn exit_before(&mut self, want: Want) -> Option<Option<ExitStatus>> {
        let mut wants = self.want.clone();
        tokio::select! {
            biased;
            status = self.exit() => Some(status),
            _ = wants.wait_for(|now| *now >= want) => None,
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
            std::future::pending().await
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
