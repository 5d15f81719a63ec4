//! The task of one process: it alone writes to it, reads all that it writes, and sees its end.
//!
//! | it ends because | turns receive | the process |
//! |---|---|---|
//! | its last session was stopped | | stopped |
//! | its last session was dropped | | killed |
//! | it has ended, or closed a pipe | the rest of its output, then `Exited` | stopped |
//! | it writes what it should not | the error, when the process is gone | stopped |
//!
//! The next line is read when the reports of the last one are delivered: a slow turn slows the agent, and nothing grows.

use crate::{
    AcpBuilder, AcpError, AcpEvent, AcpReply,
    permission::Asked,
    protocol::Protocol,
    state::{Opening, Report},
};
use serde_json::Value;
use std::{collections::HashMap, future::pending, sync::Arc, time::Duration};
use tokio::{
    io::{self, AsyncWriteExt},
    process::Command,
    sync::{mpsc, mpsc::error::TrySendError, oneshot, watch},
    time::{Instant, sleep_until, timeout},
};
use turnwise::manager::SessionControl;
use turnwise_process::{Launcher, LineError, Lines, Process};

/// For output that was written before the process ended. If it takes longer, another process has the pipe.
const REST: Duration = Duration::from_secs(1);

/// What sessions want of their process.
#[derive(Debug)]
pub(crate) enum Order {
    Open(u64, Opening, SessionControl<AcpEvent>),
    Prompt(u64, Vec<Value>, Reader),
    Cancel(u64),
    Request(u64, String, Value, oneshot::Sender<Result<Value, AcpError>>),
    Answer(u64, Box<Asked>, String),
    /// The channel resolves when the agent has closed the session.
    Close(u64, Option<oneshot::Sender<()>>),
    Stop,
    Kill,
}

/// The reader of a turn.
#[derive(Debug)]
pub(crate) struct Reader {
    pub(crate) events: mpsc::Sender<Report>,
    pub(crate) end: Option<oneshot::Sender<Result<AcpReply, AcpError>>>,
}

impl Reader {
    /// Its end is sent, and it still reads. What follows must not overtake that.
    fn is_ending(&self) -> bool {
        self.end.is_none() && !self.events.is_closed()
    }
}

/// How far a process is.
#[derive(Clone, Debug)]
pub(crate) enum Phase {
    Serves(Option<u32>),
    Ends,
    Gone(Gone),
}

/// How a process ended.
#[derive(Clone, Debug)]
pub(crate) struct Gone {
    /// It had to be killed.
    pub(crate) killed: bool,
    pub(crate) error: AcpError,
}

/// What the driver knows of a session.
#[derive(Debug)]
struct Live {
    control: SessionControl<AcpEvent>,
    reader: Option<Reader>,
}

/// See the module.
#[derive(Debug)]
struct Driver {
    process: Process,
    lines: Lines,
    protocol: Protocol,
    orders: mpsc::UnboundedReceiver<Order>,
    live: HashMap<u64, Live>,
}

/// Why it does not serve any more.
enum Over {
    Stop,
    Kill,
    Exited,
    /// A pipe is closed.
    Closed,
    Fault(AcpError),
}

/// Starts a process, and serves its sessions until its end.
pub(crate) async fn run(
    settings: Arc<AcpBuilder>,
    orders: mpsc::UnboundedReceiver<Order>,
    phase: watch::Sender<Phase>,
) {
    let gone = match launch(&settings).await {
        Ok(mut process) => {
            phase.send_replace(Phase::Serves(Some(process.id())));
            let lines = process.lines(settings.line_limit);
            let mut driver = Driver {
                process,
                lines: lines.expect("nobody has taken them"),
                protocol: Protocol::new(Arc::clone(&settings)),
                orders,
                live: HashMap::new(),
            };
            let over = loop {
                if let Some(over) = driver.step().await {
                    break over;
                }
            };
            phase.send_replace(Phase::Ends);
            driver.end(over).await
        }
        Err(error) => {
            let killed = false;
            Gone { killed, error }
        }
    };
    // Orders are dropped with their replies, which shows that the process is gone.
    phase.send_replace(Phase::Gone(gone));
}

async fn launch(settings: &AcpBuilder) -> Result<Process, AcpError> {
    let mut command = Command::new(&settings.program);
    if settings.clear_environment {
        command.env_clear();
    }
    command
        .args(&settings.arguments)
        .current_dir(&settings.working_dir)
        .envs(settings.environment.clone());
    let launcher = Launcher::new()
        .input_grace(settings.grace)
        .term_grace(settings.grace)
        .mark("TURNWISE_ACP")
        .guard(settings.guard.clone());
    let spawned = launcher.spawn(&mut command).await;
    spawned.map_err(|error| AcpError::Spawn {
        program: settings.program.clone().into(),
        source: Arc::new(error.source),
    })
}

impl Driver {
    /// Waits for one thing to happen. Each is cancel-safe: what does not happen now is not lost.
    async fn step(&mut self) -> Option<Over> {
        self.protocol.tick(Instant::now());
        self.deliver();
        let deadline = self.protocol.deadline();
        let (out, reports) = (&mut self.protocol.out, &self.protocol.reports);
        let exited = self.process.exited();
        tokio::select! {
            order = self.orders.recv() => return self.order(order.unwrap_or(Order::Kill)),
            line = self.lines.next(), if reports.is_empty() => match line {
                None => return Some(Over::Closed),
                Some(Err(LineError::TooLong(limit))) => {
                    return Some(Over::Fault(AcpError::LineTooLong { limit }));
                }
                Some(Err(LineError::Io(error))) => return Some(Over::Fault(AcpError::Io(Arc::new(error)))),
                Some(Ok(line)) => return self.protocol.line(&line, Instant::now()).err().map(Over::Fault),
            },
            () = room(&self.live, reports.front().map(|(token, _)| *token)), if !reports.is_empty() => {}
            written = write(&mut self.process.stdin, out), if !out.is_empty() => {
                if written.is_err() {
                    return Some(Over::Closed);
                }
            }
            _ = exited => return Some(Over::Exited),
            () = at(deadline) => {}
        }
        None
    }

    fn order(&mut self, order: Order) -> Option<Over> {
        let protocol = &mut self.protocol;
        match order {
            Order::Stop => return Some(Over::Stop),
            Order::Kill => return Some(Over::Kill),
            Order::Open(token, opening, control) => {
                self.live.insert(
                    token,
                    Live {
                        control,
                        reader: None,
                    },
                );
                protocol.open(token, opening);
            }
            Order::Prompt(token, blocks, reader) => {
                if let Some(live) = self.live.get_mut(&token) {
                    live.reader = Some(reader);
                    protocol.prompt(token, &blocks);
                }
            }
            Order::Cancel(token) => protocol.cancel(token, Instant::now()),
            Order::Request(token, method, params, reply) => {
                protocol.request(token, method, params, reply);
            }
            Order::Answer(token, asked, option) => protocol.answer(token, &asked, &option),
            Order::Close(token, reply) => {
                protocol.close(token, reply);
                self.live.remove(&token);
            }
        }
        None
    }

    /// Delivers reports in their order, as far as there is room.
    fn deliver(&mut self) {
        while let Some((token, report)) = self.protocol.reports.pop_front() {
            if let Some(report) = self.deliver_one(token, report) {
                return self.protocol.reports.push_front((token, report));
            }
        }
    }

    /// Returns the report if there is no room for it.
    fn deliver_one(&mut self, token: u64, report: Report) -> Option<Report> {
        let live = self.live.get_mut(&token)?;
        match (report, &mut live.reader) {
            (report @ Report::Unasked(_), Some(reader)) if reader.is_ending() => {
                return Some(report);
            }
            (Report::Unasked(event), _) => live.control.emit(event),
            (Report::Over(reason), _) => live.control.discard(reason),
            (Report::End(end), Some(reader)) => drop(reader.end.take().map(|it| it.send(end))),
            (Report::End(_), None) => {}
            (report, Some(reader)) => {
                if let Err(TrySendError::Full(report)) = reader.events.try_send(report) {
                    return Some(report);
                }
            }
            (_, None) => {}
        }
        None
    }

    /// Ends the process, whatever it does.
    async fn end(mut self, over: Over) -> Gone {
        match over {
            Over::Exited => drop(timeout(REST, self.rest()).await),
            Over::Closed => {
                self.process.stdin = None;
                drop(timeout(self.protocol.settings.grace, self.rest()).await);
            }
            Over::Stop | Over::Kill | Over::Fault(_) => {}
        }
        let ended = self.ended(matches!(over, Over::Kill)).await;
        let stderr = self.process.stderr().text();
        let error = match over {
            Over::Fault(error) => error.with_stderr(&stderr),
            _ => AcpError::Exited {
                status: ended.status,
                stderr,
            },
        };
        self.protocol.ended(&error);
        // A turn without room for its last events receives its end all the same.
        for (token, report) in std::mem::take(&mut self.protocol.reports) {
            self.deliver_one(token, report);
        }
        Gone {
            killed: ended.killed,
            error,
        }
    }

    /// What it wrote before its end counts.
    async fn rest(&mut self) {
        loop {
            self.deliver();
            while let Some((token, _)) = self.protocol.reports.front() {
                room(&self.live, Some(*token)).await;
                self.deliver();
            }
            match self.lines.next().await {
                Some(Ok(line)) if self.protocol.line(&line, Instant::now()).is_ok() => {}
                _ => return,
            }
        }
    }

    /// Stops it, if it has not ended. If nobody waits for that any more, it is killed. What it writes meanwhile is read.
    async fn ended(&mut self, kill: bool) -> turnwise_process::Ended {
        let (process, orders) = (&mut self.process, &mut self.orders);
        let ends = async {
            tokio::select! {
                biased;
                () = async { while !kill && !matches!(orders.recv().await, None | Some(Order::Kill)) {} } => {}
                ended = process.stop() => return ended,
            }
            process.kill().await
        };
        tokio::select! {
            ended = ends => ended,
            never = async {
                self.lines.discard().await;
                pending().await
            } => never,
        }
    }
}

/// The turn of this session has room, or does not listen any more.
async fn room(live: &HashMap<u64, Live>, token: Option<u64>) {
    let live = token.and_then(|token| live.get(&token));
    match live.and_then(|live| live.reader.as_ref()) {
        Some(reader) if reader.is_ending() => reader.events.closed().await,
        Some(reader) => drop(reader.events.reserve().await),
        None => {}
    }
}

async fn write<P: AsyncWriteExt + Unpin>(
    pipe: &mut Option<P>,
    out: &mut tokio_util::bytes::BytesMut,
) -> io::Result<usize> {
    match pipe {
        Some(pipe) => pipe.write_buf(out).await,
        None => pending().await,
    }
}

async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => pending().await,
    }
}
