//! A guarded process, from the side of the daemon.

use super::{
    carry::Carried,
    deadline::{BootTime, Term},
    error::GuardError,
    serve::{ASKED, EXECUTES, PROGRAM, is_initialized},
    setting::{Guard, Source},
    wire::{Order, Report, send_with},
};
use crate::leftovers::{Mark, runs};
use rustix::{
    pipe::{PipeFlags, pipe_with},
    process::{Pid, Signal, kill_process_group, pidfd_send_signal},
};
use std::{
    future::pending,
    io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::{net, process::ExitStatusExt},
    },
    process::{self, ExitStatus, Stdio},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, Interest, unix::AsyncFd},
    net::UnixStream,
    process::{Child, ChildStderr, ChildStdin, ChildStdout, Command},
    time::timeout,
};

/// For a guard that starts. One that takes longer is another program.
const ANSWER: Duration = Duration::from_secs(10);

/// For a guard whose process has ended. One that takes longer is stopped, and is killed.
const PATIENCE: Duration = Duration::from_secs(3);

/// See the module. Its drop ends the process and all of its descendants.
#[derive(Debug)]
pub(crate) struct Guarded {
    guard: Child,
    /// Its end is that of the guard.
    control: UnixStream,
    pid: Pid,
    /// Of the process. Its number could be another's once a guard that was killed has left it to `init`.
    process: AsyncFd<OwnedFd>,
    renewal: Renewal,
    /// Once it has ended: its status, if the guard could report it.
    status: Option<Option<ExitStatus>>,
}

/// A shim that waits for its command.
#[derive(Debug)]
pub(crate) struct Start(UnixStream);

impl Guarded {
    /// Starts a guard, which starts a shim. Nothing of the process acts yet.
    pub(crate) async fn begin(guard: &Guard, mark: &Mark) -> Result<(Self, Start), GuardError> {
        if !is_initialized() {
            return Err(GuardError::NotInitialized);
        }
        if matches!(&guard.0, Source::Owner(terms) if terms.borrow().until <= BootTime::now()) {
            return Err(GuardError::DeadlinePassed);
        }
        let (control, start, child) = spawn(mark).map_err(GuardError::Start)?;
        let mut child = Unready(Some(child));
        let ready = timeout(ANSWER, ready(&control)).await;
        let (pid, process) = match ready {
            Ok(Ok(ready)) => ready,
            Ok(Err(error)) => return Err(error),
            Err(_) => {
                // Reaped before the error is reported: it runs the user's `main`.
                if let Some(child) = &mut child.0 {
                    let _ = child.kill().await;
                }
                return Err(GuardError::NoAnswer);
            }
        };
        #[allow(deprecated, reason = "tokio 1.45 has no other")]
        let process = AsyncFd::with_interest(process, Interest::READABLE);
        let process = process.map_err(GuardError::Start)?;
        let mut guarded = Self {
            guard: child.0.take().expect("it is taken here"),
            control,
            pid,
            process,
            renewal: Renewal::new(guard.0.clone()),
            status: None,
        };
        guarded.renewal.first(&guarded.control)?;
        Ok((guarded, Start(start)))
    }

    pub(crate) fn id(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// Its end. `None` if nobody knows its status, because the guard was killed or is stopped. Cancel-safe.
    pub(crate) async fn wait(&mut self) -> Option<ExitStatus> {
        if let Some(status) = self.status {
            return status;
        }
        let Self {
            control,
            process,
            renewal,
            ..
        } = self;
        let reported = tokio::select! {
            biased;
            status = ended(control) => status,
            // The guard kills it too, unless it is stopped.
            () = renewal.run(control) => None,
            // The guard reports that, unless it is stopped.
            _ = process.readable() => None,
        };
        let status = match reported {
            Some(status) => Some(status),
            None => {
                self.signal(Signal::KILL);
                let _ = timeout(PATIENCE, self.process.readable()).await;
                timeout(PATIENCE, ended(&self.control)).await.ok().flatten()
            }
        };
        self.status = Some(status);
        status
    }

    /// To the whole group. The guard does not reap the process, so the number of the group is its own while the guard lives. If the
    /// guard was killed between this look and the signal, the kernel would have to kill the process, have it reaped, and give away
    /// all other numbers, in microseconds.
    pub(crate) fn signal(&self, signal: Signal) {
        if self.runs() {
            let _ = kill_process_group(self.pid, signal);
        }
        if signal == Signal::KILL {
            let _ = pidfd_send_signal(self.process.get_ref(), signal);
        }
    }

    fn runs(&self) -> bool {
        runs(self.process.get_ref())
    }

    /// Lets go of the guard, after the end of the process.
    pub(crate) async fn release(&mut self, keep: bool) {
        let _ = Order::Release { keep }.send(&self.control);
        // With a status, it is not stopped, or was not just now.
        let patience = match self.status.flatten() {
            Some(_) => PATIENCE,
            None => Duration::ZERO,
        };
        if timeout(patience, self.guard.wait()).await.is_err() {
            let _ = self.guard.kill().await;
        }
    }
}

/// Its socket closes, and the guard ends all that is there: it knows all descendants. One that is stopped cannot; if it is stopped
/// just after this look, it goes on with that once it is continued. tokio reaps it.
impl Drop for Guarded {
    fn drop(&mut self) {
        let stat = self.guard.id().map(|pid| format!("/proc/{pid}/stat"));
        let stat = stat.and_then(|path| std::fs::read_to_string(path).ok());
        let state = stat.as_deref().and_then(|stat| stat.rsplit_once(") "));
        if state.is_some_and(|(_, state)| state.starts_with('T')) {
            let _ = self.guard.start_kill();
        }
    }
}

/// A guard that has not answered, which may be another program. Its drop kills it.
struct Unready(Option<Child>);

impl Drop for Unready {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            let _ = child.start_kill();
        }
    }
}

/// Starts the guard, and returns the daemon's ends of its stdin and its stdout.
fn spawn(mark: &Mark) -> io::Result<(UnixStream, UnixStream, Child)> {
    // No child inherits these; std makes the guard's two its stdin and stdout after the fork.
    let (control, stdin) = net::UnixStream::pair()?;
    let (start, stdout) = net::UnixStream::pair()?;
    let mut command = Command::new(PROGRAM);
    let asked = format!("guard {} {}={}", process::id(), mark.name, mark.value);
    command
        .arg0("turnwise-guard")
        .env(ASKED, asked)
        .stdin(OwnedFd::from(stdin))
        .stdout(OwnedFd::from(stdout))
        .stderr(Stdio::null())
        .process_group(0);
    let child = command.spawn()?;
    for ours in [&control, &start] {
        ours.set_nonblocking(true)?;
    }
    let (control, start) = (UnixStream::from_std(control)?, UnixStream::from_std(start)?);
    // With the command go the guard's ends: while one is open here, no end is seen.
    drop(command);
    Ok((control, start, child))
}

/// The guard's first report.
async fn ready(control: &UnixStream) -> Result<(Pid, OwnedFd), GuardError> {
    let report = control.async_io(Interest::READABLE, || Report::receive(control));
    match report.await {
        Ok((Report::Ready(pid), mut files)) => match (Pid::from_raw(pid), files.pop()) {
            (Some(pid), Some(process)) => Ok((pid, process)),
            _ => Err(GuardError::Ended),
        },
        Ok((Report::Failed(errno), _)) => {
            Err(GuardError::Start(io::Error::from_raw_os_error(errno)))
        }
        _ => Err(GuardError::Ended),
    }
}

/// The guard's last report. `None` if the guard has ended without it. Cancel-safe.
async fn ended(control: &UnixStream) -> Option<ExitStatus> {
    let report = control.async_io(Interest::READABLE, || Report::receive(control));
    match report.await {
        Ok((Report::Ended(status), _)) => Some(ExitStatus::from_raw(status)),
        _ => None,
    }
}

/// Our ends of the pipes of a process, and its own.
pub(crate) type Pipes = (ChildStdin, ChildStdout, ChildStderr, [OwnedFd; 3]);

impl Start {
    pub(crate) fn pipes() -> io::Result<Pipes> {
        let pipe = || pipe_with(PipeFlags::CLOEXEC);
        let (stdin, ours) = pipe()?;
        let stdin_of_it = process::ChildStdin::from(ours);
        let (ours, stdout) = pipe()?;
        let stdout_of_it = process::ChildStdout::from(ours);
        let (ours, stderr) = pipe()?;
        let stderr_of_it = process::ChildStderr::from(ours);
        Ok((
            ChildStdin::from_std(stdin_of_it)?,
            ChildStdout::from_std(stdout_of_it)?,
            ChildStderr::from_std(stderr_of_it)?,
            [stdin, stdout, stderr],
        ))
    }

    /// Returns when the program runs, or cannot.
    pub(crate) async fn run(
        self,
        command: &mut process::Command,
        pipes: [OwnedFd; 3],
    ) -> io::Result<()> {
        let bytes = Carried::of(command)?.encode();
        match timeout(ANSWER, self.send(&bytes, pipes)).await {
            // The shim is gone.
            Ok(Err(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
                Err(GuardError::Ended.into())
            }
            Ok(result) => result,
            Err(_) => Err(GuardError::NoAnswer.into()),
        }
    }

    async fn send(mut self, bytes: &[u8], pipes: [OwnedFd; 3]) -> io::Result<()> {
        let Self(socket) = &mut self;
        let files = pipes.each_ref().map(|pipe| pipe.as_fd());
        let first = || send_with(&*socket, bytes, &files);
        let sent = socket.async_io(Interest::WRITABLE, first).await?;
        // The last copies here: the program's are the only ones.
        drop(pipes);
        socket.write_all(&bytes[sent..]).await?;
        let mut answer = Vec::new();
        // To the end: the `exec` closes the shim's socket.
        socket.read_to_end(&mut answer).await?;
        match answer.split_first() {
            Some((&EXECUTES, [])) => Ok(()),
            Some((&EXECUTES, errno)) => {
                let errno = errno.try_into().map(i32::from_ne_bytes);
                Err(errno.map_or(GuardError::Ended.into(), io::Error::from_raw_os_error))
            }
            _ => Err(GuardError::Ended.into()),
        }
    }
}

/// The last deadline that was sent to the guard, and where the next one comes from.
#[derive(Debug)]
struct Renewal {
    source: Source,
    until: BootTime,
}

impl Renewal {
    fn new(source: Source) -> Self {
        Self {
            source,
            until: BootTime::now(),
        }
    }

    /// The first deadline.
    fn first(&mut self, control: &UnixStream) -> Result<(), GuardError> {
        let term = match &self.source {
            Source::Limit(limit) => Term::new(BootTime::now() + *limit),
            Source::Owner(terms) => *terms.borrow(),
        };
        self.until = term.until;
        Order::Renew(term)
            .send(control)
            .map_err(|_| GuardError::Ended)
    }

    /// Renews, and returns when the deadline has passed: the daemon was stopped, its owner let it pass, or the guard reads nothing
    /// for so long that its socket is full. Cancel-safe: what is due is computed from the last deadline that was sent.
    async fn run(&mut self, control: &UnixStream) {
        loop {
            let now = BootTime::now();
            let rest = self.until.saturating_duration_since(now);
            if rest.is_zero() {
                return;
            }
            let (next, wait) = match &mut self.source {
                Source::Limit(limit) => {
                    let wait = rest.saturating_sub(*limit / 3 * 2);
                    let next = Term {
                        made: now,
                        until: now + *limit,
                    };
                    (wait.is_zero().then_some(next), wait)
                }
                Source::Owner(terms) => {
                    let term = *terms.borrow_and_update();
                    ((term.until != self.until).then_some(term), rest)
                }
            };
            let changed = async {
                if let Source::Owner(terms) = &mut self.source {
                    if terms.changed().await.is_ok() {
                        return;
                    }
                }
                pending::<()>().await;
            };
            // By tokio, which sees that there is no room.
            let send =
                |term| control.try_io(Interest::WRITABLE, || Order::Renew(term).send(control));
            match next.map(|term| (term, send(term))) {
                // It was made too late, and the guard refuses it.
                Some((term, Ok(()))) if term.made >= self.until => return,
                Some((term, Ok(()))) => self.until = term.until,
                // A stopped guard: nothing blocks here, and the newest deadline is sent when there is room.
                Some((_, Err(error))) if error.kind() == io::ErrorKind::WouldBlock => {
                    let _ = timeout(rest, control.writable()).await;
                }
                // The guard is gone, which its socket says too.
                Some(_) => pending().await,
                None => {
                    let _ = timeout(wait, changed).await;
                }
            }
        }
    }
}
