//! The task of one pi: it alone writes to it, reads all that it writes at all times, and sees its end.
//!
//! | it ends because | the turn receives | the process |
//! |---|---|---|
//! | `stop` | | stdin closed, SIGTERM, SIGKILL |
//! | the session is dropped | | SIGKILL |
//! | pi has ended, or closed a pipe | the rest of its output, then `Exited` | reaped; else as by `stop` |
//! | it writes what it should not | the error, when the process is gone | as by `stop` |
//! | a turn does not end after its abort | `AbortTimedOut`, at once | as by `stop` |
//!
//! An end that nobody asked for discards the session, so that the next message has a new one.
//!
//! After a `stop` that pi obeys, what it left running may run on. After any other end all its children are ended.

use crate::{
    PiError,
    builder::Settings,
    message::{PiEvent, PiMessage},
    protocol::{Protocol, Report},
    questions::PiHandle,
};
use serde_json::{Map, Value};
use std::{future::pending, process::ExitStatus, sync::Arc, time::Duration};
use tokio::{
    io::AsyncWriteExt,
    sync::{mpsc, oneshot, watch},
    time::{Instant, sleep_until, timeout},
};
use tokio_util::bytes::Bytes;
use turnwise::manager::SessionControl;
use turnwise_process::{Ended, LineError, Lines, Process};

/// For output that was written before the process ended. If it takes longer, another process has the pipe.
const REST: Duration = Duration::from_secs(1);

/// What a session wants of its process. When nobody can want anything any more, it is killed.
#[derive(Debug)]
pub(crate) enum Order {
    Turn(PiMessage, mpsc::Sender<Report>),
    Cancel,
    Request(
        String,
        Map<String, Value>,
        oneshot::Sender<Result<Value, PiError>>,
    ),
    Stop,
}

/// How far a process is.
#[derive(Clone, Debug)]
pub(crate) enum Phase {
    Serves,
    Ends,
    Gone(Gone),
}

/// How a process ended.
#[derive(Clone, Debug)]
pub(crate) struct Gone {
    /// `None` if it could not be found out.
    pub(crate) status: Option<ExitStatus>,
    /// It had to be killed.
    pub(crate) killed: bool,
    /// What it wrote that it should not have written. It was ended for that.
    pub(crate) fault: Option<Arc<str>>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Driver {
    process: Process,
    lines: Lines,
    protocol: Protocol,
    orders: mpsc::UnboundedReceiver<Order>,
    /// Receives the reports of the turn.
    hears: Option<mpsc::Sender<Report>>,
    /// When a turn that is cancelled must have ended.
    deadline: Option<Instant>,
    phase: watch::Sender<Phase>,
    settings: Arc<Settings>,
    control: SessionControl<PiEvent>,
}

/// Why it does not serve any more.
enum Over {
    Stop,
    Dropped,
    Exited,
    /// A pipe is closed.
    Closed,
    Overdue,
    Fault(Fault),
}

impl Over {
    /// Of an end that nobody asked for.
    fn why(&self) -> Option<&'static str> {
        match self {
            Self::Stop | Self::Dropped => None,
            Self::Exited => Some("pi has ended"),
            Self::Closed => Some("pi has closed a pipe"),
            Self::Overdue => Some("pi has not ended an aborted turn in time"),
            Self::Fault(_) => Some("pi has broken its protocol"),
        }
    }
}

enum Fault {
    Protocol(String),
    Line(LineError),
}

impl Driver {
    pub(crate) fn new(
        mut process: Process,
        orders: mpsc::UnboundedReceiver<Order>,
        phase: watch::Sender<Phase>,
        settings: Arc<Settings>,
        control: SessionControl<PiEvent>,
    ) -> Self {
        let lines = process.lines(settings.line_limit);
        Self {
            process,
            lines: lines.expect("nobody has taken them"),
            protocol: Protocol::new(!settings.question.is_zero()),
            orders,
            hears: None,
            deadline: None,
            phase,
            settings,
            control,
        }
    }

    /// Reaches the questions of this process.
    pub(crate) fn handle(&self) -> PiHandle {
        self.protocol.handle()
    }

    pub(crate) async fn run(mut self) {
        let over = loop {
            if let Some(over) = self.step().await {
                break over;
            }
        };
        self.protocol.unanswered();
        self.phase.send_replace(Phase::Ends);
        if let Some(why) = over.why() {
            self.control.discard(why);
        }
        let gone = self.end(over).await;
        // What was ordered meanwhile hears that the process is gone: its senders go with this.
        self.phase.send_replace(Phase::Gone(gone));
    }

    /// Waits for one thing to happen. Each is cancel-safe: what does not happen now is not lost.
    async fn step(&mut self) -> Option<Over> {
        if self.hears.is_none() {
            for told in self.protocol.told.drain(..) {
                if let Report::Event(question @ PiEvent::Question(_)) = told {
                    self.control.emit(question);
                }
            }
        }
        let due = self.protocol.questions.due(self.settings.question);
        let Self {
            process,
            lines,
            protocol,
            ..
        } = self;
        let Protocol {
            out,
            told,
            questions,
            ..
        } = protocol;
        let exited = process.exited();
        tokio::select! {
            order = self.orders.recv() => return self.order(order),
            () = questions.answered() => self.protocol.answer(),
            () = at(due) => self.protocol.expire(Instant::now()),
            // The next line is read when what the last one told is heard: a turn that is slow slows pi, and nothing grows.
            line = lines.next(), if told.is_empty() => return self.line(line),
            listens = room(self.hears.as_ref()), if !told.is_empty() => self.tell(listens),
            written = of(&mut process.stdin, async |pipe| pipe.write_buf(out).await), if !out.is_empty() => {
                if written.is_err() {
                    return Some(Over::Closed);
                }
            }
            _ = exited => return Some(Over::Exited),
            () = at(self.deadline) => return Some(Over::Overdue),
        }
        None
    }

    fn order(&mut self, order: Option<Order>) -> Option<Over> {
        match order {
            None => return Some(Over::Dropped),
            Some(Order::Stop) => return Some(Over::Stop),
            Some(Order::Turn(message, hears)) => {
                self.hears = Some(hears);
                self.protocol.begin(message);
            }
            Some(Order::Cancel) => {
                self.protocol.cancel();
                if self.hears.is_some() {
                    self.deadline = Instant::now().checked_add(self.settings.abort);
                }
            }
            Some(Order::Request(command, arguments, reply)) => {
                self.protocol.request(&command, arguments, reply);
            }
        }
        None
    }

    fn line(&mut self, line: Option<Result<Bytes, LineError>>) -> Option<Over> {
        match line {
            None => Some(Over::Closed),
            Some(Err(error)) => Some(Over::Fault(Fault::Line(error))),
            Some(Ok(line)) => {
                let end = self.protocol.line(&line);
                end.err().map(|what| Over::Fault(Fault::Protocol(what)))
            }
        }
    }

    /// One thing more, for which there is room; we alone send.
    fn tell(&mut self, listens: bool) {
        let told = self.protocol.told.pop_front();
        let ended = matches!(told, Some(Report::End(_)));
        if let (Some(hears), Some(told)) = (&self.hears, told) {
            drop(hears.try_send(told));
        }
        if ended || !listens {
            self.hears = None;
            self.deadline = None;
        }
    }

    /// Ends the process, whatever it does.
    async fn end(&mut self, over: Over) -> Gone {
        if let Over::Overdue = over {
            let limit = self.settings.abort;
            self.end_turn(PiError::AbortTimedOut { limit }).await;
        }
        match over {
            // What it leaves running then, it leaves on purpose.
            Over::Stop => {}
            Over::Exited => drop(timeout(REST, self.rest()).await),
            Over::Closed => {
                self.process.keep_children(false);
                self.process.stdin = None;
                drop(timeout(self.settings.grace, self.rest()).await);
            }
            Over::Dropped | Over::Overdue | Over::Fault(_) => self.process.keep_children(false),
        }
        let Ended { status, killed, .. } = self.ended().await;
        let mut fault = None;
        let stderr = self.process.stderr().text();
        let error = match over {
            Over::Fault(Fault::Protocol(what)) => {
                fault = Some(what.as_str().into());
                PiError::Protocol { what, stderr }
            }
            Over::Fault(Fault::Line(LineError::TooLong(limit))) => PiError::LineTooLong { limit },
            Over::Fault(Fault::Line(LineError::Io(error))) => PiError::Io(error),
            _ => PiError::Exited { status, stderr },
        };
        self.end_turn(error).await;
        Gone {
            status,
            killed,
            fault,
        }
    }

    /// Stops it, if it has not ended. With the drop of the session there is no more time. What it writes meanwhile is read.
    async fn ended(&mut self) -> Ended {
        let Self {
            process,
            lines,
            orders,
            ..
        } = self;
        let reads = async {
            lines.discard().await;
            pending().await
        };
        let dropped = async { while orders.recv().await.is_some() {} };
        let ends = async {
            tokio::select! {
                biased;
                ended = process.stop() => return ended,
                () = dropped => {}
            }
            process.kill().await
        };
        tokio::select! {
            ended = ends => ended,
            never = reads => never,
        }
    }

    /// What it wrote before its end counts: first what is told of it already, then its lines.
    async fn rest(&mut self) {
        loop {
            while self.hears.is_some() && !self.protocol.told.is_empty() {
                let listens = room(self.hears.as_ref()).await;
                self.tell(listens);
            }
            self.protocol.told.clear();
            match self.lines.next().await {
                Some(Ok(line)) if self.protocol.line(&line).is_ok() => {}
                _ => return,
            }
        }
    }

    /// The end of the turn, or of a command, if it has not ended yet. Of a turn that does not listen for a while its channel
    /// ends, which says the same in fewer words.
    async fn end_turn(&mut self, error: PiError) {
        if let Some(hears) = self.hears.take() {
            drop(timeout(REST, hears.send(Report::End(Err(error)))).await);
        } else if let Some(reply) = self.protocol.given_up() {
            drop(reply.send(Err(error)));
        }
    }
}

/// There is room for one thing more; false if nobody listens any more.
async fn room(hears: Option<&mpsc::Sender<Report>>) -> bool {
    match hears {
        Some(hears) => hears.reserve().await.is_ok(),
        None => false,
    }
}

/// With a pipe that is there; without one, never.
async fn of<P, T>(pipe: &mut Option<P>, f: impl AsyncFnOnce(&mut P) -> T) -> T {
    match pipe {
        Some(pipe) => f(pipe).await,
        None => pending().await,
    }
}

async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => pending().await,
    }
}
