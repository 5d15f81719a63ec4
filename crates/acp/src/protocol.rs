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
//!
//! A `session/cancel` that arrives before the agent has begun the turn may have no effect. So it is repeated until the turn ends.

use crate::{
    AcpError,
    builder::Settings,
    event::{AcpEvent, AcpPermission},
    message::{AcpReply, AcpStop, AcpUsage},
    opening::Opening,
    permission::{Asked, Questions, Verdict, refusal},
    wire::{self, Capabilities, Incoming, Refusal},
    words::{self, bounded},
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};
use tokio::{sync::oneshot, time::Instant};
use tokio_util::bytes::BytesMut;

/// How many bytes of answers may wait for the agent to read them.
const OWED: usize = 1 << 20;
/// The pause before the first repetition of a cancel. It doubles.
const AGAIN: Duration = Duration::from_millis(200);
/// The code of an agent that wants an account.
pub(crate) const AUTH_REQUIRED: i64 = -32000;

type Done = oneshot::Sender<Result<Value, AcpError>>;

/// What a session receives.
#[derive(Debug)]
pub(crate) enum Report {
    Event(AcpEvent),
    Note(String),
    /// The end of the turn.
    End(Result<AcpReply, AcpError>),
    /// An event outside of a turn.
    Unasked(AcpEvent),
    /// The session cannot be used any more.
    Over(String),
}

/// A request that has no response yet.
#[derive(Debug)]
pub(crate) enum Call {
    Initialize,
    Authenticate,
    /// And whether it resumes the saved session, and why that was refused before.
    Open(u64, Opening, bool, Option<String>),
    Prompt(u64),
    Close(Option<oneshot::Sender<()>>),
    User(String, Done),
}

#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) id: Arc<str>,
    pub(crate) questions: Questions,
    pub(crate) turn: Option<Turn>,
}

#[derive(Debug)]
pub(crate) struct Turn {
    call: u64,
    text: String,
    cancel: Option<Cancel>,
}

#[derive(Debug)]
struct Cancel {
    /// When the turn must have ended.
    until: Instant,
    again: Instant,
    pause: Duration,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Protocol {
    pub(crate) settings: Arc<Settings>,
    /// What the agent can do.
    pub(crate) can: Arc<Capabilities>,
    /// Sessions may be opened.
    pub(crate) ready: bool,
    /// Sessions that are opened when it is ready.
    pub(crate) waiting: Vec<(u64, Opening)>,
    pub(crate) sessions: HashMap<u64, Session>,
    calls: HashMap<u64, Call>,
    count: u64,
    /// So many bytes, at most, of what the agent has not read are answers.
    owed: usize,
    /// What is to be written.
    pub(crate) out: BytesMut,
    /// What the sessions are to receive.
    pub(crate) told: VecDeque<(u64, Report)>,
}

impl Protocol {
    /// At the beginning of a process.
    pub(crate) fn new(settings: Arc<Settings>) -> Self {
        let mut protocol = Self {
            settings,
            can: Arc::default(),
            ready: false,
            waiting: Vec::new(),
            sessions: HashMap::new(),
            calls: HashMap::new(),
            count: 0,
            owed: 0,
            out: BytesMut::new(),
            told: VecDeque::new(),
        };
        protocol.call("initialize", &wire::initialize(), Call::Initialize);
        protocol
    }

    pub(crate) fn prompt(&mut self, token: u64, blocks: Vec<Value>) {
        let id = match self.sessions.get(&token) {
            Some(session) if session.turn.is_none() => Arc::clone(&session.id),
            // The manager has one turn at a time, and none of a session that is closed.
            _ => return self.tell(token, Report::End(Err(AcpError::protocol("no session")))),
        };
        let params = json!({"sessionId": &*id, "prompt": blocks});
        let call = self.call("session/prompt", &params, Call::Prompt(token));
        if let Some(session) = self.sessions.get_mut(&token) {
            session.turn = Some(Turn {
                call,
                text: String::new(),
                cancel: None,
            });
        }
    }

    /// The turn is to end soon.
    pub(crate) fn cancel(&mut self, token: u64, now: Instant) {
        let limit = self.settings.abort;
        if let Some(Session {
            turn: Some(turn), ..
        }) = self.sessions.get_mut(&token)
        {
            turn.cancel = Some(Cancel {
                until: now
                    .checked_add(limit)
                    .unwrap_or(now + Duration::from_secs(1 << 20)),
                again: now + AGAIN,
                pause: AGAIN,
            });
            self.stop_turn(token);
        }
    }

    /// Tells the agent to end the turn, and answers what it asks.
    fn stop_turn(&mut self, token: u64) {
        let Some(Session { id, questions, .. }) = self.sessions.get(&token) else {
            return;
        };
        let (id, open) = (Arc::clone(id), questions.take(|_| true));
        let params = json!({"sessionId": &*id});
        self.write(&wire::notification("session/cancel", &params));
        for asked in open {
            self.close_question(token, &asked, None);
        }
    }

    /// A request of the user.
    pub(crate) fn request(&mut self, token: u64, method: String, mut params: Value, reply: Done) {
        if let Some(session) = self.sessions.get(&token) {
            params["sessionId"] = (*session.id).into();
            // Forgets the calls of users who gave up waiting, so that the list does not grow.
            self.calls
                .retain(|_, call| !matches!(call, Call::User(_, reply) if reply.is_closed()));
            self.call(&method.clone(), &params, Call::User(method, reply));
        }
    }

    /// An answer that was chosen.
    pub(crate) fn answer(&mut self, token: u64, asked: &Asked, option: &str) {
        self.close_question(token, asked, Some(option));
        let session = self.sessions.get(&token);
        if session.is_some_and(|it| it.turn.is_some() && it.questions.is_empty()) {
            self.tell(token, Report::Note("running".to_owned()));
        }
    }

    fn close_question(&mut self, token: u64, asked: &Asked, option: Option<&str>) {
        self.write(&wire::outcome(&asked.request, option));
        self.event(token, AcpEvent::PermissionClosed(asked.permission.id));
    }

    /// Forgets a session. `reply` receives when the agent has closed it.
    pub(crate) fn close(&mut self, token: u64, reply: Option<oneshot::Sender<()>>) {
        self.waiting.retain(|(waits, _)| *waits != token);
        let turn = self.sessions.get_mut(&token).and_then(|it| it.turn.take());
        if let Some(turn) = turn {
            self.calls.remove(&turn.call);
            self.stop_turn(token);
        }
        if let Some(session) = self.sessions.remove(&token) {
            self.close_id(&session.id, reply);
        }
    }

    pub(crate) fn close_id(&mut self, id: &str, reply: Option<oneshot::Sender<()>>) {
        if self.can.close {
            self.call(
                "session/close",
                &json!({"sessionId": id}),
                Call::Close(reply),
            );
        }
    }

    /// A line of the agent.
    ///
    /// # Errors
    ///
    /// The process is to be ended for it.
    pub(crate) fn line(&mut self, line: &[u8], now: Instant) -> Result<(), AcpError> {
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
                let update = params["update"].take();
                match (params["sessionId"].as_str(), AcpEvent::read(update)) {
                    (Some(id), Some(event)) => self.update(id, event),
                    _ => return Err(AcpError::protocol("an update without session or kind")),
                }
                Ok(())
            }
            Incoming::Notification(..) | Incoming::Nothing => Ok(()),
        }
    }

    pub(crate) fn token(&self, id: &str) -> Option<u64> {
        let mut sessions = self.sessions.iter();
        sessions.find_map(|(token, session)| (*session.id == *id).then_some(*token))
    }

    fn update(&mut self, id: &str, event: AcpEvent) {
        let Some(token) = self.token(id) else { return };
        let limit = self.settings.line_limit;
        let turn = self
            .sessions
            .get_mut(&token)
            .and_then(|it| it.turn.as_mut());
        if let (Some(turn), AcpEvent::Text(text)) = (turn, &event) {
            let room = limit.saturating_sub(turn.text.len());
            turn.text.push_str(words::cut(text, room));
        }
        self.event(token, event);
    }

    fn question(&mut self, request: &Value, params: &Value, now: Instant) -> Result<(), AcpError> {
        let token = params["sessionId"].as_str().and_then(|id| self.token(id));
        let Some((token, session)) = token.and_then(|it| Some((it, self.sessions.get(&it)?)))
        else {
            return self.refuse(request, -32602, "no such session");
        };
        let turn = session.turn.as_ref();
        if turn.is_some_and(|turn| turn.cancel.is_some()) {
            return self.reply(&wire::outcome(request, None));
        }
        let until = now.checked_add(self.settings.answer);
        let until = until.unwrap_or(now + Duration::from_secs(1 << 30));
        let policy = self.settings.policy;
        match session.questions.ask(policy, request, params, until) {
            None => self.refuse(request, -32602, "no tool call or no options"),
            Some(Verdict::Answer(option)) => self.reply(&wire::outcome(request, option.as_deref())),
            Some(Verdict::Ask(permission)) => {
                self.asked(token, permission);
                Ok(())
            }
        }
    }

    fn asked(&mut self, token: u64, permission: AcpPermission) {
        if self
            .sessions
            .get(&token)
            .is_some_and(|it| it.turn.is_some())
        {
            let title = permission.tool.title.clone().unwrap_or_default();
            let note = bounded(format!("asks for permission: {title}"), words::SHORT);
            self.tell(token, Report::Note(note));
        }
        self.event(token, AcpEvent::Permission(permission));
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
        let Some(session) = self.sessions.get_mut(&token) else {
            return Ok(());
        };
        let Some(turn) = session.turn.take() else {
            return Ok(());
        };
        // The agent has given up waiting for their answers.
        for asked in session.questions.take(|_| true) {
            self.close_question(token, &asked, None);
        }
        let end = match result {
            // Some agents end a cancelled turn with an error.
            Err(_) if turn.cancel.is_some() => Err(AcpError::Aborted),
            Err(refusal) => Err(self.refused("session/prompt", refusal)),
            Ok(result) => {
                let Some(word) = result["stopReason"].as_str() else {
                    return Err(AcpError::protocol("the end of a turn without a reason"));
                };
                if word == "cancelled" && turn.cancel.is_some() {
                    Err(AcpError::Aborted)
                } else {
                    Ok(AcpReply {
                        text: turn.text,
                        stop: AcpStop::of(&bounded(word.to_owned(), words::SHORT)),
                        usage: AcpUsage::deserialize(&result["usage"]).ok(),
                    })
                }
            }
        };
        self.tell(token, Report::End(end));
        Ok(())
    }

    /// When [`tick`](Self::tick) has something to do.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let cancels = self
            .sessions
            .values()
            .filter_map(|it| it.turn.as_ref()?.cancel.as_ref());
        let questions = self.sessions.values().filter_map(|it| it.questions.until());
        cancels
            .map(|it| it.until.min(it.again))
            .chain(questions)
            .min()
    }

    /// What is due: questions that nobody answered, and cancels that had no effect.
    pub(crate) fn tick(&mut self, now: Instant) {
        let tokens: Vec<u64> = self.sessions.keys().copied().collect();
        for token in tokens {
            let Some(session) = self.sessions.get_mut(&token) else {
                continue;
            };
            let due = session.questions.take(|asked| asked.until <= now);
            let cancel = session.turn.as_mut().and_then(|turn| turn.cancel.as_mut());
            match cancel {
                Some(cancel) if cancel.until <= now => {
                    let turn = session.turn.take();
                    drop(turn.and_then(|turn| self.calls.remove(&turn.call)));
                    let error = AcpError::AbortTimedOut {
                        limit: self.settings.abort,
                    };
                    let reason = error.to_string();
                    self.tell(token, Report::End(Err(error)));
                    self.tell(token, Report::Over(reason));
                }
                Some(cancel) if cancel.again <= now => {
                    cancel.pause *= 2;
                    cancel.again = now + cancel.pause;
                    self.stop_turn(token);
                }
                _ => {}
            }
            for asked in due {
                let option = refusal(&asked.permission.options);
                self.close_question(token, &asked, option.as_deref());
            }
        }
    }

    /// The process has ended: so have all turns, calls and sessions.
    pub(crate) fn ended(&mut self, error: &AcpError) {
        let not_started = || AcpError::NotStarted {
            source: Box::new(error.clone()),
        };
        for (_, opening) in self.waiting.drain(..) {
            drop(opening.reply.send(Err(not_started())));
        }
        for (_, call) in self.calls.drain() {
            match call {
                Call::Open(_, opening, ..) => drop(opening.reply.send(Err(not_started()))),
                Call::User(_, reply) => drop(reply.send(Err(error.clone()))),
                _ => {}
            }
        }
        for (token, session) in std::mem::take(&mut self.sessions) {
            if session.turn.is_some() {
                self.told
                    .push_back((token, Report::End(Err(error.clone()))));
            }
            self.told
                .push_back((token, Report::Over(error.to_string())));
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

    fn event(&mut self, token: u64, event: AcpEvent) {
        let in_turn = self
            .sessions
            .get(&token)
            .is_some_and(|it| it.turn.is_some());
        let report = if in_turn {
            Report::Event
        } else {
            Report::Unasked
        };
        self.tell(token, report(event));
    }

    fn tell(&mut self, token: u64, report: Report) {
        self.told.push_back((token, report));
    }

    pub(crate) fn call(&mut self, method: &str, params: &Value, call: Call) -> u64 {
        self.count += 1;
        self.write(&wire::request(self.count, method, params));
        self.calls.insert(self.count, call);
        self.count
    }

    fn refuse(&mut self, id: &Value, code: i64, message: &str) -> Result<(), AcpError> {
        self.reply(&wire::refuse(id, code, message))
    }

    /// An answer, at once. The agent must read them.
    fn reply(&mut self, line: &Value) -> Result<(), AcpError> {
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
    fn write(&mut self, line: &Value) {
        self.out.extend_from_slice(line.to_string().as_bytes());
        self.out.extend_from_slice(b"\n");
    }
}
