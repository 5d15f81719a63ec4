//! What may be said to pi when: the protocol of one process, without any I/O.
//!
//! Lines of pi go in, lines for pi and what a turn hears come out. Nothing here waits, and there is no clock.
//!
//! | state | `begin` | response to the prompt | `cancel` | `agent_settled` |
//! |---|---|---|---|---|
//! | rests | the prompt, asked; while pi works by itself: held | | | |
//! | held | | | ends, aborted; pi never saw it | the prompt, asked |
//! | asked | | works, or ends: refused, or handled | the dialogs' answers; `abort` once it works | settled before its response |
//! | works | | | the dialogs' answers, `clear_queue`, `abort` | ends, once every command has its response |
//!
//! A second prompt before the response to the first would lose its message, and an `abort` before it has no effect; a turn
//! ends with no command unanswered, so that its `abort` cannot meet the next one.

use super::{
    PiError,
    dialog::Answer,
    message::{PiEvent, PiImage, PiMessage, PiReply, PiStop, PiUsage},
    questions::{self, Questions},
    record::{self, Question, Record, Response, Said},
};
use crate::sync::Arc;
use serde_json::{Map, Value};
use std::collections::VecDeque;
use tokio::sync::oneshot;
use tokio_util::bytes::BytesMut;

/// See the module.
#[derive(Debug, Default)]
pub struct Protocol {
    state: State,
    /// Between `agent_start` and `agent_settled`.
    working: bool,
    /// What the turn has come to.
    so_far: SoFar,
    commands: u64,
    calls: Vec<Call>,
    questions: Questions,
    /// What is to be written.
    pub out: BytesMut,
    /// What the turn is to hear.
    pub told: VecDeque<Told>,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Rests,
    Held(PiMessage),
    Asked {
        cancelled: bool,
    },
    Works {
        aborting: bool,
        settled: bool,
    },
}

#[derive(Debug, Default)]
struct SoFar {
    last: Option<Said>,
    usage: PiUsage,
    aborted: bool,
    /// Work that began after the prompt has ended.
    settled: bool,
    began: bool,
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
    /// Of a turn that is cancelled.
    Abort,
    User(oneshot::Sender<Result<Value, PiError>>),
}

/// What a turn hears.
#[derive(Debug)]
pub enum Told {
    /// To be emitted.
    Event(PiEvent),
    /// For the status.
    Note(Arc<str>),
    /// The last that it hears.
    End(Result<PiReply, PiError>),
}

impl Protocol {
    /// At the beginning of a process. `answered`: somebody takes [`questions`](Self::question).
    pub fn new(answered: bool) -> Self {
        Self {
            questions: Questions::new(answered),
            ..Self::default()
        }
    }

    /// A turn is under way.
    pub fn in_turn(&self) -> bool {
        !matches!(self.state, State::Rests)
    }

    /// Begins a turn.
    pub fn begin(&mut self, message: PiMessage) {
        if self.in_turn() {
            let why = "a turn is under way already".to_owned();
            return self.told.push_back(Told::End(Err(PiError::Refused(why))));
        }
        self.so_far = SoFar::default();
        if self.working {
            self.note("pi works by itself");
            self.state = State::Held(message);
        } else {
            self.ask(&message);
        }
    }

    fn ask(&mut self, message: &PiMessage) {
        let mut prompt = Map::new();
        prompt.insert("message".to_owned(), message.text.as_str().into());
        if !message.images.is_empty() {
            let images = message.images.iter().map(PiImage::json).collect();
            prompt.insert("images".to_owned(), Value::Array(images));
        }
        self.state = State::Asked { cancelled: false };
        self.call("prompt", prompt, Of::Prompt);
    }

    /// The turn is to end soon.
    pub fn cancel(&mut self) {
        match &mut self.state {
            State::Rests | State::Works { aborting: true, .. } => {}
            State::Held(_) => self.end(Err(PiError::Aborted)),
            State::Asked { cancelled } => {
                *cancelled = true;
                self.close_dialogs();
            }
            State::Works { aborting, .. } => {
                *aborting = true;
                self.close_dialogs();
                self.call("clear_queue", Map::new(), Of::Abort);
                self.call("abort", Map::new(), Of::Abort);
            }
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
    pub(super) fn given_up(&mut self) -> Option<oneshot::Sender<Result<Value, PiError>>> {
        self.calls.drain(..).find_map(|call| match call.of {
            Of::User(reply) => Some(reply),
            Of::Prompt | Of::Abort => None,
        })
    }

    /// The answer to an open question. To one that is not open any more, it goes nowhere.
    pub fn answer(&mut self, id: &str, answer: Answer) {
        if !self.questions.close(id) {
            return;
        }
        self.write_answer(id, answer);
        if self.questions.none_open() && self.in_turn() {
            self.note("running");
        }
    }

    /// A question for who answers them.
    pub(super) fn question(&mut self) -> Option<Question> {
        self.questions.next()
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
        match record::read(line)? {
            Record::Response(response) => self.response(response)?,
            Record::Started => {
                self.working = true;
                self.so_far.began = true;
            }
            Record::Settled { aborted } => self.settled(aborted),
            Record::Said(said) if self.in_turn() => {
                self.so_far.usage.add(&said.usage);
                self.so_far.last = Some(said);
            }
            Record::Dialog(question) => self.dialog(question)?,
            Record::Event(event) if self.in_turn() => self.event(event),
            Record::Said(_) | Record::Event(_) | Record::Other => {}
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
            Of::Prompt => self.prompted(done),
            // Refused or not: what counts is the end of the work.
            Of::Abort => self.end_if_settled(),
            Of::User(reply) => drop(reply.send(done.map_err(PiError::Refused))),
        }
        Ok(())
    }

    fn prompted(&mut self, done: Result<Value, String>) {
        let State::Asked { cancelled } = self.state else {
            return;
        };
        match done {
            Err(words) => self.end(Err(PiError::Refused(words))),
            // No work follows, and no end of it.
            Ok(data) if data["disposition"] == "handled" => self.end(Ok(PiReply {
                text: String::new(),
                stop: PiStop::Handled,
                usage: self.so_far.usage,
            })),
            Ok(_) => {
                self.state = State::Works {
                    aborting: false,
                    settled: self.so_far.settled,
                };
                if self.so_far.settled {
                    self.end_if_settled();
                } else if cancelled {
                    self.cancel();
                }
            }
        }
    }

    fn settled(&mut self, aborted: bool) {
        self.working = false;
        match &mut self.state {
            State::Rests => {}
            State::Held(message) => {
                let message = std::mem::take(message);
                self.so_far = SoFar::default();
                self.ask(&message);
            }
            State::Asked { .. } => {
                // Work that began before the prompt was accepted is not the prompt's.
                self.so_far.settled |= self.so_far.began;
                self.so_far.aborted |= aborted;
            }
            State::Works { settled, .. } => {
                *settled = true;
                self.so_far.aborted |= aborted;
                self.end_if_settled();
            }
        }
    }

    fn end_if_settled(&mut self) {
        let unanswered = |call: &Call| matches!(call.of, Of::Abort);
        if !matches!(self.state, State::Works { settled: true, .. })
            || self.calls.iter().any(unanswered)
        {
            return;
        }
        let SoFar {
            last,
            usage,
            aborted,
            ..
        } = std::mem::take(&mut self.so_far);
        self.end(match last {
            _ if aborted => Err(PiError::Aborted),
            Some(said) if said.stop == "aborted" => Err(PiError::Aborted),
            Some(said) if said.stop == "error" => Err(PiError::Model(
                said.error
                    .unwrap_or_else(|| "failed without words".to_owned()),
            )),
            Some(said) => Ok(PiReply {
                text: said.text,
                stop: PiStop::of(said.stop),
                usage,
            }),
            None => Err(PiError::Model("there was no answer".to_owned())),
        });
    }

    fn end(&mut self, end: Result<PiReply, PiError>) {
        self.state = State::Rests;
        self.told.push_back(Told::End(end));
    }

    fn event(&mut self, event: PiEvent) {
        match &event {
            PiEvent::Retrying {
                attempt, of, error, ..
            } => {
                let note = format!("retrying {attempt} of {of}: {error}");
                self.note(&note);
            }
            PiEvent::RetryEnded { .. } | PiEvent::Compacted => self.note("running"),
            PiEvent::Compacting => self.note("summing up"),
            _ => {}
        }
        self.told.push_back(Told::Event(event));
    }

    fn note(&mut self, note: &str) {
        self.told.push_back(Told::Note(note.into()));
    }

    fn dialog(&mut self, question: Question) -> Result<(), String> {
        if self.questions.owes_too_much(self.out.len()) {
            return Err("it asks, and does not read the answers".to_owned());
        }
        let in_turn = self.in_turn();
        if in_turn {
            self.told.push_back(Told::Event(PiEvent::Dialog {
                method: question.method.clone(),
                title: question.asks.title.clone(),
            }));
        }
        let cancelled = match self.state {
            State::Asked { cancelled } => cancelled,
            State::Works { aborting, .. } => aborting,
            State::Rests | State::Held(_) => false,
        };
        match self.questions.ask(question, !cancelled) {
            None if in_turn => self.note("waiting for a dialog"),
            None => {}
            Some(question) => self.write_answer(&question.id, Answer::Cancelled),
        }
        Ok(())
    }

    fn close_dialogs(&mut self) {
        for id in self.questions.close_all() {
            self.write_answer(&id, Answer::Cancelled);
        }
    }

    fn write_answer(&mut self, id: &str, answer: Answer) {
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
