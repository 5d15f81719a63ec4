//! An agent that is a REPL, a process for each session: Python, or any other program that reads lines and prints lines.
//!
//! A message is its input. After each message it gets a line that prints a mark, where the output of the message ends. Each line of
//! output arrives, however slowly it is read: a full queue stops the reading here, and a full pipe stops the REPL.

use crate::{
    agent::{Chat, Part},
    args::ReplArgs,
    limits,
    words::add_keeping_end,
};
use std::{
    error::Error,
    fmt,
    future::pending,
    hash::{BuildHasher, Hasher, RandomState},
    io,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::{ChildStdin, ChildStdout, Command},
};
use turnwise::{Agent, Backend, TurnContext, manager::StopReason};
use turnwise_process::{Guard, Launcher, Process, SpawnError};

#[derive(Clone, Debug)]
pub(crate) struct ReplAgent {
    args: ReplArgs,
    launcher: Launcher,
}

impl ReplAgent {
    pub(crate) fn new(args: ReplArgs, guard: Option<Guard>) -> Self {
        let launcher = Launcher::new().guard(guard);
        Self { args, launcher }
    }
}

#[derive(Debug)]
pub(crate) struct Repl {
    process: Process,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Backend for ReplAgent {
    type Key = String;
    type Session = Repl;
    type Handle = ();
    type Event = Part;
    type Error = ReplError;

    async fn start(&self, _: &String, cx: &TurnContext<Part>) -> Result<(Repl, ()), ReplError> {
        let mut command = Command::new("sh");
        command.arg("-c").arg(format!("exec {}", self.args.command));
        let mut process = self.launcher.spawn(&mut command).await?;
        let pipes = process.stdin.take().zip(process.stdout.take());
        let (stdin, stdout) = pipes.ok_or(ReplError::Ended)?;
        let (exited, session) = (process.exited(), cx.session());
        tokio::spawn(async move {
            session.discard(format!("the REPL has ended: {}", exited.await));
        });
        let stdout = BufReader::new(stdout);
        Ok((
            Repl {
                process,
                stdin,
                stdout,
            },
            (),
        ))
    }

    async fn is_healthy(&self, repl: &mut Repl) -> bool {
        repl.process.is_running()
    }

    /// A REPL has nothing to save, and one that computes reads no end of input.
    async fn stop(&self, _: &String, mut repl: Repl, _: StopReason) -> Result<(), ReplError> {
        repl.process.kill().await;
        Ok(())
    }

    fn weight(event: &Part) -> usize {
        event.weight()
    }
}

impl Agent for ReplAgent {
    type Message = String;
    type Reply = String;

    /// The reply is the end of the output.
    async fn send(
        &self,
        repl: &mut Repl,
        message: String,
        cx: &TurnContext<Part>,
    ) -> Result<String, ReplError> {
        let mark = format!("chatd-{:016x}", RandomState::new().build_hasher().finish());
        let input = format!("{message}\n{}\n", self.args.end.replace("{}", &mark));
        let interrupt = async {
            cx.cancelled().await;
            repl.process.interrupt();
            pending().await
        };
        // Both at once: it may print before it has read all.
        let write = async { Ok::<_, ReplError>(repl.stdin.write_all(input.as_bytes()).await?) };
        let read = output(&mut repl.stdout, mark.as_bytes(), cx);
        tokio::select! {
            done = async { tokio::try_join!(write, read) } => match done {
                // Its pipes are closed some moments before it has exited, and the next message may come between.
                Err(error) => {
                    cx.session().discard(error.to_string());
                    Err(error)
                }
                Ok(_) if cx.is_cancelled() => Err(ReplError::Cancelled),
                Ok(((), reply)) => Ok(reply),
            },
            never = interrupt => never,
        }
    }
}

/// Sends each line up to the mark, and returns the end of the text. Longer lines are sent in pieces.
async fn output(
    stdout: &mut BufReader<ChildStdout>,
    mark: &[u8],
    cx: &TurnContext<Part>,
) -> Result<String, ReplError> {
    let mut reply = String::new();
    let mut line = Vec::new();
    loop {
        let read = stdout.fill_buf().await?;
        if read.is_empty() {
            return Err(ReplError::Ended);
        }
        let end = read.iter().position(|byte| *byte == b'\n');
        let taken = end.map_or(read.len(), |end| end + 1);
        line.extend_from_slice(&read[..taken]);
        stdout.consume(taken);
        let over = end.is_some() && line.trim_ascii_end().ends_with(mark);
        // The mark may be at its end, and come in two parts.
        let most = if over {
            line.trim_ascii_end().len() - mark.len()
        } else if end.is_some() {
            line.len()
        } else if line.len() > limits::LINE {
            line.len() - mark.len()
        } else {
            continue;
        };
        let text = String::from_utf8_lossy(&line[..most]).into_owned();
        line.drain(..most);
        if !text.is_empty() {
            add_keeping_end(&mut reply, &text, limits::BODY);
            cx.send(Part::Text(text)).await;
        }
        if over {
            return Ok(reply);
        }
    }
}

impl Chat for ReplAgent {}

#[derive(Debug)]
pub(crate) enum ReplError {
    Spawn(SpawnError),
    Io(io::Error),
    Ended,
    Cancelled,
}

impl From<io::Error> for ReplError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<SpawnError> for ReplError {
    fn from(error: SpawnError) -> Self {
        Self::Spawn(error)
    }
}

impl fmt::Display for ReplError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Spawn(_) => "the REPL cannot be started",
            Self::Io(_) => "the pipes of the REPL failed",
            Self::Ended => "the REPL has ended",
            Self::Cancelled => "the REPL was interrupted",
        })
    }
}

impl Error for ReplError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Spawn(error) => Some(error),
            Self::Io(error) => Some(error),
            _ => None,
        }
    }
}
