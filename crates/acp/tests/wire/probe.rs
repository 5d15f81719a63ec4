//! The protocol with a clock and the receivers of its sessions.

use serde_json::Value;
use std::time::Duration;
use tokio::{sync::oneshot, time::Instant};
use turnwise_acp::{
    AcpBuilder, AcpError,
    probe::{Opened, Opening, Protocol, Report},
};

/// See the module.
#[derive(Debug)]
pub(crate) struct Probe {
    protocol: Protocol,
    now: Instant,
    opening: Vec<(u64, oneshot::Receiver<Result<Opened, AcpError>>)>,
}

/// What a session has received.
#[derive(Debug, PartialEq)]
pub(crate) enum Received {
    /// It was opened, or not.
    Opened(bool),
    /// An event or a note, in a turn or outside.
    Event,
    /// The end of its turn: whether it is a reply.
    End(bool),
    /// It cannot be used any more.
    Over,
}

impl Probe {
    /// At the beginning of a process.
    pub(crate) fn new(builder: AcpBuilder) -> Self {
        Self {
            protocol: Protocol::of(builder),
            now: Instant::now(),
            opening: Vec::new(),
        }
    }

    /// Opens a session.
    pub(crate) fn open(&mut self, token: u64, saved: Option<String>) {
        let (reply, opened) = oneshot::channel();
        let folder = "/".into();
        self.opening.push((token, opened));
        self.protocol.open(
            token,
            Opening {
                saved,
                folder,
                reply,
            },
        );
    }

    /// Sends a prompt.
    pub(crate) fn prompt(&mut self, token: u64) {
        self.protocol.prompt(token, &[]);
    }

    /// Cancels a turn.
    pub(crate) fn cancel(&mut self, token: u64) {
        self.protocol.cancel(token, self.now);
    }

    /// Closes a session.
    pub(crate) fn close(&mut self, token: u64) {
        self.opening.retain(|(opening, _)| *opening != token);
        self.protocol.close(token, None);
    }

    /// Lets time pass.
    pub(crate) fn wait(&mut self, time: Duration) {
        self.now += time;
        self.protocol.tick(self.now);
    }

    /// Something is due at a time.
    pub(crate) fn waits(&self) -> bool {
        self.protocol.deadline().is_some()
    }

    /// A line of the agent.
    ///
    /// # Errors
    ///
    /// The process is to be ended for it.
    pub(crate) fn line(&mut self, line: &[u8]) -> Result<(), AcpError> {
        self.protocol.line(line, self.now)
    }

    /// The process has ended.
    pub(crate) fn end(&mut self, error: &AcpError) {
        self.protocol.ended(error);
    }

    /// What was sent since the last call.
    ///
    /// # Panics
    ///
    /// If it is no JSON.
    pub(crate) fn sent(&mut self) -> Vec<Value> {
        let out = self.protocol.out.split().freeze();
        let lines = out[..]
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty());
        let read = |line: &[u8]| serde_json::from_slice(line).expect("it is JSON");
        lines.map(read).collect()
    }

    /// What the sessions have received since the last call.
    pub(crate) fn received(&mut self) -> Vec<(u64, Received)> {
        let mut received = Vec::new();
        self.opening
            .retain_mut(|(token, opened)| match opened.try_recv() {
                Err(oneshot::error::TryRecvError::Empty) => true,
                opened => {
                    received.push((*token, Received::Opened(matches!(opened, Ok(Ok(_))))));
                    false
                }
            });
        received.extend(self.protocol.reports.drain(..).map(|(token, report)| {
            let it = match report {
                Report::Event(_) | Report::Note(_) | Report::Unasked(_) => Received::Event,
                Report::End(end) => Received::End(end.is_ok()),
                Report::Over(_) => Received::Over,
            };
            (token, it)
        }));
        received
    }
}
