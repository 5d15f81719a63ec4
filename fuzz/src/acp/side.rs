//! The protocol of one process, with the receivers of its sessions.

use super::Stop;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot::{self, Receiver, error::TryRecvError};
use tokio::time::Instant;
use turnwise_acp::probe::{Asked, Opened, Opening, Protocol, Report};
use turnwise_acp::{AcpBuilder, AcpError, AcpEvent};
use turnwise_pi::wire::{BytesMut, Decoder, LineDecoder, LineError};

/// An error's text, with some words around it.
const ERROR: usize = (16 << 10) + 200;
/// A note.
const NOTE: usize = (1 << 10) + 4;
/// All questions of a session may be closed by one line.
const REPORTS: usize = 64 + 4;

/// What a session has received.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Received {
    Opened(bool),
    /// In a turn, or outside; as JSON.
    Event(bool, Value),
    Note(String),
    End(Result<Value, String>),
    Over(String),
}

/// See the module.
pub(super) struct Side {
    pub(super) protocol: Protocol,
    /// Bytes of a line that has no end yet.
    pub(super) read: BytesMut,
    /// The lines since the last look.
    pub(super) lines: Vec<Vec<u8>>,
    decoder: LineDecoder,
    limit: usize,
    piece: usize,
    loses: bool,
    /// The agent has made a fault, or ended.
    broken: bool,
    now: Instant,
    opening: BTreeMap<u64, Receiver<Result<Opened, AcpError>>>,
    opened: BTreeMap<u64, Opened>,
    /// Answers that are chosen, and not sent yet.
    chosen: Vec<(u64, Asked)>,
    requests: Vec<Receiver<Result<Value, AcpError>>>,
    /// Numbers of questions: those of the program, and those of this side.
    numbers: HashMap<u64, usize>,
    reports: Vec<(u64, Received)>,
}

impl Side {
    pub(super) fn new(agent: AcpBuilder, limit: usize, piece: usize, loses: bool) -> Self {
        Self {
            protocol: Protocol::new(Arc::new(agent)),
            read: BytesMut::new(),
            lines: Vec::new(),
            decoder: LineDecoder::new(limit),
            limit,
            piece,
            loses,
            broken: false,
            now: Instant::now(),
            opening: BTreeMap::new(),
            opened: BTreeMap::new(),
            chosen: Vec::new(),
            requests: Vec::new(),
            numbers: HashMap::new(),
            reports: Vec::new(),
        }
    }

    pub(super) fn open(&mut self, token: u64, saved: Option<String>) {
        let (reply, opened) = oneshot::channel();
        let folder = "/".into();
        self.opening.insert(token, opened);
        let opening = Opening {
            saved,
            folder,
            reply,
        };
        self.protocol.open(token, opening);
    }

    pub(super) fn cancel(&mut self, token: u64) {
        self.protocol.cancel(token, self.now);
    }

    pub(super) fn close(&mut self, token: u64) {
        self.opening.remove(&token);
        self.opened.remove(&token);
        self.protocol.close(token, None);
    }

    /// Whoever waits for the response may have gone: then it must be forgotten some time.
    pub(super) fn request(&mut self, token: u64, waits: bool) {
        let (reply, replied) = oneshot::channel();
        if waits && self.opened.contains_key(&token) {
            self.requests.push(replied);
        }
        let method = "session/set_mode".to_owned();
        self.protocol.request(token, method, json!({}), reply);
    }

    /// Takes an open question out.
    pub(super) fn choose(&mut self, token: u64, index: u8) {
        let Some(opened) = self.opened.get(&token) else {
            return;
        };
        let mut taken = opened.questions.take(|_| true).into_iter();
        self.chosen.extend(taken.next().map(|asked| (token, asked)));
        // The others are refused, or chosen too.
        for asked in taken {
            if index & 1 == 0 {
                self.protocol.answer(token, &asked, "n");
            } else {
                self.chosen.push((token, asked));
            }
        }
    }

    pub(super) fn answer(&mut self) {
        for (token, asked) in self.chosen.drain(..) {
            self.protocol.answer(token, &asked, "y");
        }
    }

    /// The process has ended.
    pub(super) fn end(&mut self, error: &AcpError) {
        self.broken = true;
        self.protocol.ended(error);
    }

    pub(super) fn wait(&mut self, time: Duration) {
        self.now += time;
        self.protocol.tick(self.now);
    }

    pub(super) fn id(&self, token: u64) -> Option<&str> {
        Some(&*self.opened.get(&token)?.id)
    }

    /// How many callers wait.
    pub(super) fn waits(&mut self) -> usize {
        self.requests
            .retain_mut(|it| matches!(it.try_recv(), Err(TryRecvError::Empty)));
        self.requests.len() + self.opening.len()
    }

    /// Bytes of the agent, in pieces. Returns the error that ends the process.
    pub(super) fn comes(&mut self, bytes: &[u8]) -> Result<Option<AcpError>, Stop> {
        // Not too many of them: the fuzzer has seconds.
        for (index, piece) in bytes
            .chunks(self.piece.max(bytes.len() / 64).max(1))
            .enumerate()
        {
            let lost = usize::from(self.loses && index == 1);
            self.read.extend_from_slice(&piece[lost..]);
            loop {
                let line = match self.decoder.decode(&mut self.read) {
                    Ok(Some(line)) => line,
                    Ok(None) => break,
                    Err(LineError::TooLong(limit)) if limit == self.limit => {
                        return Ok(Some(AcpError::LineTooLong { limit }));
                    }
                    Err(error) => return Err(Stop::Wrong(format!("not what it read: {error}"))),
                };
                if line.len() > self.limit || line.contains(&b'\n') {
                    return Err(Stop::Wrong(format!("it is no line: {line:?}")));
                }
                if let Err(error) = self.protocol.line(&line, self.now) {
                    self.broken = true;
                    return Ok(Some(error));
                }
                self.lines.push(line.to_vec());
                // As the process's task: the next line is read when these are delivered.
                self.deliver(REPORTS)?;
            }
            if self.read.len() > self.limit {
                return Err(Stop::Wrong(format!("{} bytes are kept", self.read.len())));
            }
        }
        Ok(None)
    }

    pub(super) fn bounded(&self, error: &AcpError) -> Result<(), String> {
        match error.to_string().len() {
            ..=ERROR => Ok(()),
            length => Err(format!("an error of {length} bytes")),
        }
    }

    fn deliver(&mut self, most: usize) -> Result<(), String> {
        if self.protocol.reports.len() > most {
            return Err(format!("{} reports at once", self.protocol.reports.len()));
        }
        let opening = std::mem::take(&mut self.opening);
        for (token, mut receiver) in opening {
            let opened = match receiver.try_recv() {
                Err(TryRecvError::Empty) => {
                    self.opening.insert(token, receiver);
                    continue;
                }
                // The session that waits receives the error of the process from elsewhere.
                Err(TryRecvError::Closed) if self.broken => Err(AcpError::Aborted),
                Err(TryRecvError::Closed) => return Err("a start without an answer".to_owned()),
                Ok(opened) => opened,
            };
            let received = Received::Opened(opened.is_ok());
            self.reports.push((token, received));
            match opened {
                Ok(opened) => drop(self.opened.insert(token, opened)),
                Err(error) => self.bounded(&error)?,
            }
        }
        for (token, report) in std::mem::take(&mut self.protocol.reports) {
            let received = match report {
                Report::Event(event) => Received::Event(true, self.event(event)),
                Report::Unasked(event) => Received::Event(false, self.event(event)),
                Report::Note(note) if note.len() > NOTE => {
                    return Err(format!("a note of {} bytes", note.len()));
                }
                Report::Note(note) => Received::Note(note),
                Report::Over(why) => Received::Over(why),
                Report::End(Ok(reply)) if reply.text.len() > self.limit => {
                    return Err(format!("a reply of {} bytes", reply.text.len()));
                }
                Report::End(Ok(reply)) => Received::End(Ok(json!(reply))),
                Report::End(Err(error)) => {
                    self.bounded(&error)?;
                    Received::End(Err(error.to_string()))
                }
            };
            self.reports.push((token, received));
        }
        Ok(())
    }

    /// Both sides number their questions alike.
    fn event(&mut self, mut event: AcpEvent) -> Value {
        if let AcpEvent::Permission(asked) = &mut event {
            let next = self.numbers.len();
            self.numbers.insert(asked.id, next);
        }
        match &mut event {
            AcpEvent::Permission(asked) => asked.id = self.numbers[&asked.id] as u64,
            AcpEvent::PermissionClosed(id) => *id = self.numbers[id] as u64,
            _ => {}
        }
        json!(event)
    }

    /// What was reported since the last look.
    pub(super) fn take(&mut self) -> Result<Vec<(u64, Received)>, String> {
        self.deliver(usize::MAX)?;
        Ok(std::mem::take(&mut self.reports))
    }
}
