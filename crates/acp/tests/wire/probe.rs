//! The protocol with a clock and the receivers of its sessions.

use serde_json::{Value, json};
use std::{cell::Cell, collections::BTreeMap, sync::Arc, time::Duration};
use tokio::{sync::oneshot, time::Instant};
use turnwise_acp::{
    AcpBuilder, AcpError, AcpEvent,
    probe::{Opened, Opening, Protocol, Report},
};

/// See the module.
#[derive(Debug)]
pub(crate) struct Probe {
    protocol: Protocol,
    now: Instant,
    opening: Vec<(u64, oneshot::Receiver<Result<Opened, AcpError>>)>,
    /// The sessions that were opened.
    pub(crate) opened: BTreeMap<u64, Opened>,
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
            protocol: Protocol::new(Arc::new(builder)),
            now: Instant::now(),
            opening: Vec::new(),
            opened: BTreeMap::new(),
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

    /// Sends a request of the user.
    pub(crate) fn request(&mut self, token: u64) -> oneshot::Receiver<Result<Value, AcpError>> {
        let (reply, replied) = oneshot::channel();
        self.protocol
            .request(token, "m".to_owned(), json!({"a": 1}), reply);
        replied
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

    /// The time until something is due.
    pub(crate) fn waits(&self) -> Option<Duration> {
        let until = self.protocol.deadline()?;
        Some(until.saturating_duration_since(self.now))
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

    /// What the sessions have received since the last call, in words. Questions have the number 0.
    pub(crate) fn reports(&mut self) -> Vec<Value> {
        let reports = self.protocol.reports.drain(..);
        let words = reports.map(|(_, report)| match report {
            Report::Event(mut event) => json!({"event": numbered(&mut event)}),
            Report::Unasked(mut event) => json!({"unasked": numbered(&mut event)}),
            Report::Note(note) => json!({"note": note}),
            Report::End(Ok(reply)) => json!({"reply": reply}),
            Report::End(Err(error)) => json!({"error": error.to_string()}),
            Report::Over(why) => json!({"over": why}),
        });
        words.collect()
    }

    /// The same, as it is.
    pub(crate) fn raw(&mut self) -> Vec<Report> {
        let reports = self.protocol.reports.drain(..);
        reports.map(|(_, report)| report).collect()
    }

    /// Why a session was not opened.
    pub(crate) fn refused(&mut self, token: u64) -> AcpError {
        let found = self.opening.iter_mut().find(|(it, _)| *it == token);
        let opened = found.expect("it is opened").1.try_recv();
        opened.expect("it is answered").expect_err("it is refused")
    }

    /// Answers the oldest open questions of this session.
    pub(crate) fn answer(&mut self, token: u64, most: usize, option: &str) -> usize {
        let left = Cell::new(most);
        let asked = self.opened[&token].questions.take(|_| {
            let is_it = left.get() > 0;
            left.set(left.get().saturating_sub(1));
            is_it
        });
        for asked in &asked {
            self.protocol.answer(token, asked, option);
        }
        asked.len()
    }

    /// What the sessions have received since the last call.
    pub(crate) fn received(&mut self) -> Vec<(u64, Received)> {
        let mut received = Vec::new();
        self.opening
            .retain_mut(|(token, opened)| match opened.try_recv() {
                Err(oneshot::error::TryRecvError::Empty) => true,
                opened => {
                    let opened = opened.ok().and_then(Result::ok);
                    received.push((*token, Received::Opened(opened.is_some())));
                    self.opened.extend(opened.map(|opened| (*token, opened)));
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

fn numbered(event: &mut AcpEvent) -> &AcpEvent {
    match event {
        AcpEvent::Permission(asked) => asked.id = 0,
        AcpEvent::PermissionClosed(id) => *id = 0,
        _ => {}
    }
    event
}
