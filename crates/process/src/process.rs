//! A running process, from the side of its user.

use crate::{
    lines::Lines,
    supervisor::{Ended, Reins, Want},
    tail::Stderr,
};
use std::future::{Future, pending};
use tokio::{
    io,
    process::{ChildStdin, ChildStdout},
};

/// A running process. [`Launcher::spawn`](crate::Launcher::spawn) returns it. Dropping it kills the process and everything that it started.
#[must_use = "a drop kills the process"]
#[derive(Debug)]
pub struct Process {
    /// The input of the process. Drop it for the end of input. If you take it, drop it before [`stop`](Self::stop): otherwise a process
    /// that reads until the end of its input ends only by SIGTERM.
    pub stdin: Option<ChildStdin>,
    /// The output of the process. If you take it, read it until the end of the process. Otherwise the pipe fills, and the process blocks.
    pub stdout: Option<ChildStdout>,
    stderr: Stderr,
    reins: Reins,
}

impl Process {
    pub(crate) fn new(
        stdin: Option<ChildStdin>,
        stdout: Option<ChildStdout>,
        stderr: Stderr,
        reins: Reins,
    ) -> Self {
        Self {
            stdin,
            stdout,
            stderr,
            reins,
        }
    }

    /// Returns the id of the process, which is also that of its group.
    pub fn id(&self) -> u32 {
        self.reins.id
    }

    /// Returns the end of what the process wrote to stderr. A clone of it can be read after the end of the process.
    pub fn stderr(&self) -> &Stderr {
        &self.stderr
    }

    /// Takes the output, as lines of at most `limit` bytes each. Only LF ends a line: U+2028 and CR are part of it. What follows the last LF is
    /// not a line. `None` if the output was taken before.
    pub fn lines(&mut self, limit: usize) -> Option<Lines> {
        Some(Lines::new(self.stdout.take()?, limit))
    }

    /// Resolves when the process has ended and its children are killed, unless they are [kept](crate::Launcher::keep_children). If a child
    /// holds stderr open, that takes up to 1 s longer. The future does not borrow the process, and dropping it loses nothing.
    ///
    /// ```
    /// # use tokio::process::Command;
    /// # use turnwise_process::Launcher;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let process = Launcher::new().spawn(Command::new("sh").args(["-c", "exit 3"])).await?;
    /// let exited = process.exited();
    /// let watch = tokio::spawn(async move { exited.await.status.and_then(|status| status.code()) });
    /// assert_eq!(watch.await?, Some(3));
    /// # Ok(()) }
    /// ```
    pub fn exited(&self) -> impl Future<Output = Ended> + Send + Sync + use<> + 'static {
        let mut reins = self.reins.watch();
        async move { reins.ended().await }
    }

    /// Returns whether the process runs: false as soon as it has exited, even if its children are not gone yet. Use it for the health check
    /// of a session.
    pub fn is_running(&self) -> bool {
        self.reins.is_running()
    }

    /// Returns how the process ended. `None` until [`exited`](Self::exited) resolves.
    pub fn ended(&self) -> Option<Ended> {
        self.reins.look()
    }

    /// Changes [`Launcher::keep_children`](crate::Launcher::keep_children) for this process.
    pub fn keep_children(&mut self, keep: bool) {
        self.reins.keep(keep);
    }

    /// Sends SIGINT to the process group, as Ctrl-C at a terminal does. `python3 -i` then stops its work and reads the next input. A `sh` whose
    /// input is a pipe ends instead, unless `trap : INT` was in its input. Test yours.
    ///
    /// If your own program was started with SIGINT ignored, its children ignore it too, unless they change that. A script does so with each
    /// program that it starts with `&`.
    pub fn interrupt(&self) {
        self.reins.interrupt();
    }

    /// Stops the process, and returns how it ended. Closes stdin and waits, then sends SIGTERM to the group and waits, then sends SIGKILL.
    /// [`Launcher`](crate::Launcher) sets the times. Stdout is discarded meanwhile. If you took it or its lines, read or
    /// [discard](Lines::discard) them meanwhile, or the process may block until SIGKILL:
    ///
    /// ```
    /// # use std::future::pending;
    /// # use tokio::process::Command;
    /// # use turnwise_process::Launcher;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let script = "read line; head -c 1000000 /dev/zero; exit 3"; // writes much at its end of input
    /// let mut process = Launcher::new().spawn(Command::new("sh").args(["-c", script])).await?;
    /// let mut lines = process.lines(1 << 10).ok_or("stdout was taken")?;
    /// let ended = tokio::select! {
    ///     ended = process.stop() => ended,
    ///     never = async { lines.discard().await; pending().await } => never,
    /// };
    /// assert_eq!(ended.status.and_then(|status| status.code()), Some(3));
    /// # Ok(()) }
    /// ```
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the stop continues, and another call waits for its end.
    pub async fn stop(&mut self) -> Ended {
        self.end(Want::Stop).await
    }

    /// Sends SIGKILL to the process group at once, also in the middle of a stop, and returns how the process ended.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the process is killed all the same.
    pub async fn kill(&mut self) -> Ended {
        self.end(Want::Kill).await
    }

    async fn end(&mut self, want: Want) -> Ended {
        // In this order: the end of input may end it at once, and that was asked for.
        self.reins.want(want);
        self.stdin = None;
        let stdout = &mut self.stdout;
        let reads = async {
            if let Some(pipe) = stdout {
                let _ = io::copy(pipe, &mut io::sink()).await;
            }
            pending().await
        };
        tokio::select! {
            ended = self.reins.ended() => ended,
            never = reads => never,
        }
    }
}
