//! What may be sent to an agent at which moment: the protocol of one process with its sessions, without any I/O.
//!
//! Lines of the agent go in. Lines for the agent and reports for the sessions come out. Nothing here waits, and the time is passed in.
//!
//! | from the agent | in a turn | outside |
//! |---|---|---|
//! | an update of the session | an event of the turn | an event for the listeners |
//! | an update of another session; a response that nobody waits for; another notification | ignored | ignored |
//! | a question for permission | by the policy | by the policy |
//! | the same after a cancel | refused | |
//! | any other request: files, terminals, extensions | refused with -32601 | the same |
//! | a request without what it must have | refused with -32602 | the same |
//! | a fault of `wire`; an update without session or kind; a response without what it must have | the process is ended | the same |

use crate::{
    AcpBuilder, AcpError,
    event::AcpEvent,
    message::{AcpReply, AcpStop, AcpUsage},
    state::{Call, Done, Opening, Report, Session, Turn},
    wire::{self, Capabilities, Incoming, Refusal},
    words::{self, bounded},
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};
use tokio::{sync::oneshot, time::Instant};
use tokio_util::bytes::BytesMut;

/// How many bytes of answers may wait for the agent to read them.
const OWED: usize = 1 << 20;
/// The code of an agent that wants an account.
pub(crate) const AUTH_REQUIRED: i64 = -32000;

/// See the module.
#[derive(Debug)]
pub struct Protocol {
    pub(crate) settings: Arc<AcpBuilder>,
    /// What the agent can do.
    pub(crate) can: Arc<Capabilities>,
    /// Sessions may be opened.
    pub(crate) ready: bool,
    /// Sessions that are opened when it is ready.
    pub(crate) waiting: Vec<(u64, Opening)>,
    pub(crate) sessions: BTreeMap<u64, Session>,
    pub(crate) calls: BTreeMap<u64, Call>,
    count: u64,
    /// So many bytes, at most, of what the agent has not read are answers.
    owed: usize,
    /// What is to be written.
    pub out: BytesMut,
    /// What the sessions are to receive.
    pub reports: VecDeque<(u64, Report)>,
}

impl Protocol {
    /// At the beginning of a process.
    pub fn new(settings: Arc<AcpBuilder>) -> Self {
        let mut protocol = Self {
            settings,
            can: Arc::default(),
            ready: false,
            waiting: Vec::new(),
            sessions: BTreeMap::new(),
            calls: BTreeMap::new(),
            count: 0,
            owed: 0,
            out: BytesMut::new(),
            reports: VecDeque::new(),
        };
        protocol.call("initialize", &wire::initialize(), Call::Initialize);
        protocol
    }

    /// Begins a turn.
    pub fn prompt(&mut self, token: u64, blocks: &[Value]) {
        let id = match self.sessions.get(&token) {
            Some(session) if session.turn.is_none() => Arc::clone(&session.id),
            // The manager has one turn at a time, and none of a session that is closed.
            _ => return self.report(token, Report::End(Err(AcpError::protocol("no session")))),
        };
        let params = json!({"sessionId": &*id, "prompt": blocks});
        let call = self.call("session/prompt", &params, Call::Prompt(token));
        if let Some(session) = self.sessions.get_mut(&token) {
            session.turn = Some(Turn {
                call,
                text: String::new(),
                room: self.settings.line_limit,
                cancel: None,
            });
        }
    }

    /// A request of the user.
    pub fn request(&mut self, token: u64, method: String, mut params: Value, reply: Done) {
        if let Some(session) = self.sessions.get(&token) {
            params["sessionId"] = (*session.id).into();
            // Forgets the calls of users who gave up waiting, so that the list does not grow.
            self.calls
                .retain(|_, call| !matches!(call, Call::User(_, reply) if reply.is_closed()));
            self.call(&method.clone(), &params, Call::User(method, reply));
        }
    }

    /// Forgets a session. `reply` receives when the agent has closed it.
    pub fn close(&mut self, token: u64, reply: Option<oneshot::Sender<()>>) {
        self.waiting.retain(|(waits, _)| *waits != token);
        let turn = self.sessions.get_mut(&token).and_then(|it| it.turn.take());
        if let Some(turn) = turn {
            self.calls.remove(&turn.call);
            self.stop_turn(token);
        }
        self.refuse_all(token);
        if let Some(session) = self.sessions.remove(&token) {
            self.close_id(&session.id, reply);
        }
    }

    pub(crate) fn close_id(&mut self, id: &str, reply: Option<oneshot::Sender<()>>) {
        if self.can.close {
            let params = json!({"sessionId": id});
            self.call("session/close", &params, Call::Close(reply));
        }
    }

    /// A line of the agent.
    ///
    /// # Errors
    ///
    /// The process is to be ended for it.
    pub fn line(&mut self, line: &[u8], now: Instant) -> Result<(), AcpError> {
        match wire::read(line).map_err(AcpError::protocol)? {
            Incoming::Response(id, result) => match self.calls.remove(&id) {
                Some(call) => self.response(call, result),
                None => Ok(()), // nobody waits for it any more
            },
            Incoming::Request(id, method, params) if method == "session/request_permission" => {
                self.question(&id, &params, now)
            }
            Incoming::Request(id, method, _) => {
                let method = bounded(method, words::SHORT);
                self.refuse(&id, -32601, &format!("this client does not offer {method}"))
            }
            Incoming::Notification(method, mut params) if method == "session/update" => {
                let update = params.get_mut("update").map(Value::take);
                let event = update.and_then(AcpEvent::read);
                let (Some(id), Some(event)) = (params["sessionId"].as_str(), event) else {
                    return Err(AcpError::protocol("an update without session or kind"));
                };
                self.update(id, event);
                Ok(())
            }
            Incoming::Notification(..) | Incoming::Nothing => Ok(()),
        }
    }

    pub(crate) fn token(&self, id: &str) -> Option<u64> {
        let mut sessions = self.sessions.iter();
        sessions.find_map(|(token, session)| (*session.id == *id).then_some(*token))
    }

    pub(crate) fn turn(&mut self, token: u64) -> Option<&mut Turn> {
        self.sessions.get_mut(&token)?.turn.as_mut()
    }

    fn update(&mut self, id: &str, event: AcpEvent) {
        let Some(token) = self.token(id) else { return };
        if let (Some(turn), AcpEvent::Text(text)) = (self.turn(token), &event) {
            let kept = words::cut(text, turn.room);
            turn.text.push_str(kept);
            // After a gap nothing more is kept.
            turn.room = if kept == text {
                turn.room - kept.len()
            } else {
                0
            };
        }
        self.event(token, event);
    }

    fn response(&mut self, call: Call, result: Result<Value, Refusal>) -> Result<(), AcpError> {
        match call {
            Call::Initialize => return self.initialized(result),
            Call::Authenticate => {
                result.map_err(|it| self.refused("authenticate", it))?;
                self.ready();
            }
            Call::Open(token, opening, resumes, lost) => {
                return self.opened(token, opening, resumes, lost, result);
            }
            Call::Prompt(token) => return self.prompted(token, result),
            Call::Close(reply) => drop(reply.map(|reply| reply.send(()))),
            Call::User(method, reply) => {
                drop(reply.send(result.map_err(|it| self.refused(&method, it))));
            }
        }
        Ok(())
    }

    fn prompted(&mut self, token: u64, result: Result<Value, Refusal>) -> Result<(), AcpError> {
        let word = match &result {
            Ok(result) => match result["stopReason"].as_str() {
                Some(word) => bounded(word.to_owned(), words::SHORT),
                None => return Err(AcpError::protocol("the end of a turn without a reason")),
            },
            Err(_) => String::new(),
        };
        // The agent has given up waiting for their answers.
        self.refuse_all(token);
        let session = self.sessions.get_mut(&token);
        let Some(turn) = session.and_then(|session| session.turn.take()) else {
            return Ok(());
        };
        let end = match result {
            // Some agents end a cancelled turn with an error.
            Err(_) if turn.cancel.is_some() => Err(AcpError::Aborted),
            Ok(_) if turn.cancel.is_some() && word == "cancelled" => Err(AcpError::Aborted),
            Err(refusal) => Err(self.refused("session/prompt", refusal)),
            Ok(result) => Ok(AcpReply {
                text: turn.text,
                stop: AcpStop::of(&word),
                usage: AcpUsage::deserialize(&result["usage"]).ok(),
            }),
        };
        self.report(token, Report::End(end));
        Ok(())
    }

    /// The process has ended: so have all turns, calls and sessions.
    pub fn ended(&mut self, error: &AcpError) {
        // Whoever waits for a reply receives the error from the link.
        self.waiting.clear();
        self.calls.clear();
        let tokens: Vec<u64> = self.sessions.keys().copied().collect();
        tokens.into_iter().for_each(|token| self.refuse_all(token));
        for (token, session) in std::mem::take(&mut self.sessions) {
            if session.turn.is_some() {
                self.report(token, Report::End(Err(error.clone())));
            }
            self.report(token, Report::Over(error.to_string()));
        }
    }

    pub(crate) fn refused(&self, method: &str, Refusal { code, message }: Refusal) -> AcpError {
        if code == AUTH_REQUIRED {
            let methods = self.can.methods.clone();
            return AcpError::AuthRequired { message, methods };
        }
        let method = method.to_owned();
        AcpError::Refused {
            method,
            code,
            message,
        }
    }

    pub(crate) fn event(&mut self, token: u64, event: AcpEvent) {
        let report = match self.turn(token) {
            Some(_) => Report::Event(event),
            None => Report::Unasked(event),
        };
        self.report(token, report);
    }

    pub(crate) fn report(&mut self, token: u64, report: Report) {
        self.reports.push_back((token, report));
    }

    pub(crate) fn call(&mut self, method: &str, params: &Value, call: Call) -> u64 {
        self.count += 1;
        self.write(&wire::request(self.count, method, params));
        self.calls.insert(self.count, call);
        self.count
    }

    pub(crate) fn refuse(&mut self, id: &Value, code: i64, message: &str) -> Result<(), AcpError> {
        self.reply(&wire::refuse(id, code, message))
    }

    /// An answer, at once. The agent must read them.
    pub(crate) fn reply(&mut self, line: &Value) -> Result<(), AcpError> {
        let before = self.out.len();
        self.owed = self.owed.min(before);
        if self.owed > OWED {
            return Err(AcpError::protocol("it asks, and does not read the answers"));
        }
        self.write(line);
        self.owed += self.out.len() - before;
        Ok(())
    }

    /// A line, with its LF; `serde_json` escapes those inside.
    pub(crate) fn write(&mut self, line: &Value) {
        self.out.extend_from_slice(line.to_string().as_bytes());
        self.out.extend_from_slice(b"\n");
    }
}
