//! What may be sent to pi at which moment: the protocol of one process, without any I/O.
//!
//! Lines of pi go in. Lines for pi and reports for the turn come out. Nothing here waits, and there is no clock.
//!
//! | stage | `begin` | its response | `cancel` |
//! |---|---|---|---|
//! | idle | the prompt: asked | | |
//! | asked | | works; or handled, by an extension; or ends, refused | answers to open questions; `abort` once there is work |
//! | handled | | to `get_state`: works, if the extension left work behind; else ends | the same |
//! | works | | | answers to open questions, `clear_queue`, `abort` |
//!
//! A turn that works ends when its work has ended and no `abort` of it lacks its response: the `abort` could meet the next
//! turn. A second prompt before the response to the first would lose its message, and an `abort` before it has no effect.
//!
//! Which records belong to a turn, and which are a fault: the table in `work`.

use crate::{
    PiError,
    message::{PiAnswer, PiEvent, PiImage, PiMessage, PiReply},
    questions::{self, Open, PiHandle, Questions},
    record::{self, Asked, Record, Response},
    words::{self, bounded},
    work::{self, Act, Run, Stage, Turn},
};
use serde_json::{Map, Value};
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::{sync::oneshot, time::Instant};
use tokio_util::bytes::BytesMut;

/// See the module.
#[derive(Debug, Default)]
pub struct Protocol {
    turn: Option<Turn>,
    /// There has been a turn.
    begun: bool,
    commands: u64,
    calls: Vec<Call>,
    pub(crate) questions: Questions,
    /// What is to be written.
    pub out: BytesMut,
    /// The reports for the turn.
    pub told: VecDeque<Report>,
}

/// A command that has no response yet.
#[derive(Debug)]
struct Call {
    id: String,
    of: Of,
}

#[derive(Debug)]
enum Of {
    Prompt,
    /// Whether a command that was handled left work behind.
    Check,
    /// Of a turn that is cancelled.
    Abort,
    User(oneshot::Sender<Result<Value, PiError>>),
}

/// What a turn receives.
#[derive(Debug)]
pub enum Report {
    /// An event to send.
    Event(PiEvent),
    /// A note for the status.
    Note(Arc<str>),
    /// The end of the turn. Nothing follows it.
    End(Result<PiReply, PiError>),
}

impl Protocol {
    /// At the beginning of a process. `answered`: questions wait for the answers of handles.
    pub fn new(answered: bool) -> Self {
        Self {
            questions: Questions::new(answered),
            ..Self::default()
        }
    }

    /// Reaches the open questions.
    pub fn handle(&self) -> PiHandle {
        self.questions.handle()
    }

    /// A turn is under way.
    pub fn in_turn(&self) -> bool {
        self.turn.is_some()
    }

    /// Begins a turn.
    pub fn begin(&mut self, message: PiMessage) {
        if self.in_turn() {
            let why = "a turn is under way already".to_owned();
            return self.told.push_back(Report::End(Err(PiError::Refused(why))));
        }
        self.begun = true;
        self.turn = Some(Turn::new(message.text.starts_with('/')));
        let mut prompt = Map::new();
        prompt.insert("message".to_owned(), message.text.into());
        if !message.images.is_empty() {
            let images = message.images.iter().map(PiImage::json).collect();
            prompt.insert("images".to_owned(), Value::Array(images));
        }
        self.call("prompt", prompt, Of::Prompt);
    }

    /// The turn is to end soon.
    pub fn cancel(&mut self) {
        if let Some(turn) = &mut self.turn {
            turn.cancelled = true;
            self.close(|_| true);
            self.abort_if_due();
        }
    }

    /// Of a cancelled turn, once, and as soon as there is work: before it an `abort` has no effect.
    fn abort_if_due(&mut self) {
        let Some(turn) = &mut self.turn else {
            return;
        };
        if turn.cancelled && !turn.aborting && turn.works() {
            turn.aborting = true;
            self.call("clear_queue", Map::new(), Of::Abort);
            self.call("abort", Map::new(), Of::Abort);
        }
    }

    /// A command of the user.
    pub fn request(
        &mut self,
        command: &str,
        arguments: Map<String, Value>,
        reply: oneshot::Sender<Result<Value, PiError>>,
    ) {
        // Who gave up waiting is forgotten, so that the list does not grow.
        self.calls
            .retain(|call| !matches!(&call.of, Of::User(reply) if reply.is_closed()));
        self.call(command, arguments, Of::User(reply));
    }

    /// Who waits for the response to a command, now that there will be none.
    pub(crate) fn given_up(&mut self) -> Option<oneshot::Sender<Result<Value, PiError>>> {
        self.calls.drain(..).find_map(|call| match call.of {
            Of::User(reply) => Some(reply),
            Of::Prompt | Of::Check | Of::Abort => None,
        })
    }

    /// Writes the answers that handles have given.
    pub fn answer(&mut self) {
        self.close(Open::is_answered);
    }

    /// Cancels the questions whose time is over.
    pub(crate) fn expire(&mut self, now: Instant) {
        self.close(|open| open.is_due(now));
    }

    /// Closes questions. An answer that a handle has given is written.
    fn close(&mut self, over: impl Fn(&Open) -> bool) {
        let closed = self.questions.close(over);
        let last = !closed.is_empty() && self.questions.none_open();
        for Open { id, answer, .. } in closed {
            self.write_answer(&id, answer.unwrap_or(PiAnswer::Cancelled));
        }
        if last && self.in_turn() {
            self.note("running");
        }
    }

    /// pi receives nothing more: from now on nobody answers.
    pub(crate) fn unanswered(&mut self) {
        self.questions = Questions::default();
    }

    /// A line of pi.
    ///
    /// # Errors
    ///
    /// It is not what pi writes: nothing that it says from now on can be relied upon.
    pub fn line(&mut self, line: &[u8]) -> Result<(), String> {
        if line.trim_ascii().is_empty() {
            return Ok(());
        }
        let record = record::read(line)?;
        if let Some(act) = Act::of(&record) {
            work::count(self.turn.as_mut(), act)?;
        }
        match record {
            Record::Response(response) => self.response(response)?,
            Record::Started => self.abort_if_due(),
            Record::Settled { aborted } => {
                if let Some(turn) = &mut self.turn {
                    turn.aborted |= aborted;
                }
                self.end_if_over();
            }
            Record::Said(said) => {
                if let Some(turn) = &mut self.turn {
                    turn.usage.add(&said.usage);
                    turn.last = Some(said);
                }
            }
            Record::Dialog(question) => self.dialog(question)?,
            Record::Event(event) if self.in_turn() => self.event(event),
            Record::Event(_) | Record::Ended | Record::Other => {}
        }
        Ok(())
    }

    fn response(&mut self, response: Response) -> Result<(), String> {
        let error = response.error;
        let Some(id) = response.id else {
            // Every command has one: it did not arrive as it was sent.
            return Err(error.unwrap_or_else(|| "a response without id".to_owned()));
        };
        let Some(index) = self.calls.iter().position(|call| call.id == id) else {
            return Ok(()); // to somebody who gave up waiting
        };
        let done = if response.success {
            Ok(response.data)
        } else {
            Err(error.unwrap_or_else(|| "refused without words".to_owned()))
        };
        match self.calls.swap_remove(index).of {
            Of::Prompt => self.prompted(done)?,
            Of::Check => self.checked(done),
            // Refused or not: what counts is the end of the work.
            Of::Abort => self.end_if_over(),
            Of::User(reply) => drop(reply.send(done.map_err(PiError::Refused))),
        }
        Ok(())
    }

    fn prompted(&mut self, done: Result<Value, String>) -> Result<(), String> {
        let Some(turn) = &mut self.turn else {
            return Ok(());
        };
        let early = turn.run != Run::Before;
        let data = match done {
            Ok(data) => data,
            Err(words) if early => {
                return Err(format!(
                    "it worked by itself, and refused the message: {words}"
                ));
            }
            Err(words) => {
                self.turn = None;
                self.end(Err(PiError::Refused(words)));
                return Ok(());
            }
        };
        match data["disposition"].as_str() {
            Some("handled") => {
                turn.handled = true;
                turn.stage = Stage::Handled;
                self.call("get_state", Map::new(), Of::Check);
            }
            Some("queued") => return Err("it queued the message behind other work".to_owned()),
            _ if early => return Err("it worked before it accepted the message".to_owned()),
            _ => {
                turn.stage = Stage::Works;
                self.abort_if_due();
            }
        }
        Ok(())
    }

    /// Whether a command left work behind.
    fn checked(&mut self, done: Result<Value, String>) {
        let Some(turn) = &mut self.turn else {
            return;
        };
        let streams = done.is_ok_and(|state| state["isStreaming"] == true);
        turn.stage = Stage::Works;
        turn.run = match (turn.run, streams) {
            // It has begun, and its first record follows.
            (Run::Before | Run::Over, true) => Run::Before,
            (Run::Before | Run::Over, false) => Run::Over,
            (run @ (Run::On | Run::Between), _) => run,
        };
        self.abort_if_due();
        self.end_if_over();
    }

    fn end_if_over(&mut self) {
        if self.calls.iter().any(|call| matches!(call.of, Of::Abort)) {
            return;
        }
        if let Some(turn) = self.turn.take_if(|turn| turn.is_over()) {
            self.end(turn.end());
        }
    }

    /// The end of a turn, which is over.
    fn end(&mut self, end: Result<PiReply, PiError>) {
        self.close(|_| true);
        self.told.push_back(Report::End(end));
    }

    fn event(&mut self, event: PiEvent) {
        match &event {
            PiEvent::Retrying {
                attempt, of, error, ..
            } => {
                let note = format!("retrying {attempt} of {of}: {error}");
                self.note(&bounded(note, words::SHORT));
            }
            PiEvent::RetryEnded { .. } | PiEvent::Compacted => self.note("running"),
            PiEvent::Compacting => self.note("summing up"),
            _ => {}
        }
        self.told.push_back(Report::Event(event));
    }

    fn note(&mut self, note: &str) {
        self.told.push_back(Report::Note(note.into()));
    }

    fn dialog(&mut self, asked: Asked) -> Result<(), String> {
        if self.questions.owes_too_much(self.out.len()) {
            return Err("it asks, and does not read the answers".to_owned());
        }
        let cancelled = self.turn.as_ref().is_some_and(|turn| turn.cancelled);
        // Nobody has the handle during the start, which may wait for the answer.
        let wanted = self.begun && !cancelled;
        let (question, unanswered) = self.questions.ask(asked, wanted);
        // Between two turns too, for listeners.
        self.told
            .push_back(Report::Event(PiEvent::Question(question)));
        match unanswered {
            Some(id) => self.write_answer(&id, PiAnswer::Cancelled),
            None if self.in_turn() => self.note("waiting for an answer"),
            None => {}
        }
        Ok(())
    }

    fn write_answer(&mut self, id: &str, answer: PiAnswer) {
        let bytes = self.write(&questions::line(id, answer));
        self.questions.owe(bytes, self.out.len());
    }

    fn call(&mut self, command: &str, mut line: Map<String, Value>, of: Of) {
        self.commands += 1;
        let id = self.commands.to_string();
        line.insert("type".to_owned(), command.into());
        line.insert("id".to_owned(), id.as_str().into());
        self.write(&Value::Object(line));
        self.calls.push(Call { id, of });
    }

    /// A line, with its LF; `serde_json` escapes those inside. Says how long it is.
    fn write(&mut self, line: &Value) -> usize {
        let before = self.out.len();
        self.out.extend_from_slice(line.to_string().as_bytes());
        self.out.extend_from_slice(b"\n");
        self.out.len() - before
    }
}
