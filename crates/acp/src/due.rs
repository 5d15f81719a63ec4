//! What waits for somebody, as far as it needs no I/O: questions for their answers, and cancels for the end of their turns.
//!
//! A `session/cancel` that arrives before the agent has begun the turn may have no effect. So it is repeated until the turn ends.

use crate::{
    AcpError,
    event::{AcpEvent, AcpPermission},
    permission::{Asked, Verdict, refusal},
    protocol::Protocol,
    state::{Cancel, Report, Session},
    wire,
    words::{self, bounded},
};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::Instant;

/// The pause before the first repetition of a cancel. It doubles.
const AGAIN: Duration = Duration::from_millis(200);

impl Protocol {
    /// The turn is to end soon.
    pub fn cancel(&mut self, token: u64, now: Instant) {
        let until = now + self.settings.abort;
        if let Some(turn) = self.turn(token) {
            turn.cancel = Some(Cancel {
                until,
                again: now + AGAIN,
                pause: AGAIN,
            });
            self.stop_turn(token);
        }
    }

    /// Tells the agent to end the turn, and answers what it asks.
    pub(crate) fn stop_turn(&mut self, token: u64) {
        let Some(Session { id, .. }) = self.sessions.get(&token) else {
            return;
        };
        let params = json!({"sessionId": &**id});
        self.write(&wire::notification("session/cancel", &params));
        self.refuse_all(token);
    }

    /// Nobody answers the open questions of a session any more.
    pub(crate) fn refuse_all(&mut self, token: u64) {
        let session = self.sessions.get(&token);
        let open = session.map(|session| session.questions.take(|_| true));
        for asked in open.into_iter().flatten() {
            self.close_question(token, &asked, None);
        }
    }

    /// An answer that was chosen.
    pub fn answer(&mut self, token: u64, asked: &Asked, option: &str) {
        self.close_question(token, asked, Some(option));
        let open = self.sessions.get(&token).map(|it| it.questions.until());
        if open == Some(None) && self.turn(token).is_some() {
            self.report(token, Report::Note("running".to_owned()));
        }
    }

    fn close_question(&mut self, token: u64, asked: &Asked, option: Option<&str>) {
        self.write(&wire::outcome(&asked.request, option));
        self.event(token, AcpEvent::PermissionClosed(asked.permission.id));
    }

    /// A request for permission.
    pub(crate) fn question(
        &mut self,
        request: &Value,
        params: &Value,
        now: Instant,
    ) -> Result<(), AcpError> {
        let token = params["sessionId"].as_str().and_then(|id| self.token(id));
        let Some((token, session)) = token.and_then(|it| Some((it, self.sessions.get(&it)?)))
        else {
            return self.refuse(request, -32602, "no such session");
        };
        let turn = session.turn.as_ref();
        if turn.is_some_and(|turn| turn.cancel.is_some()) {
            return self.reply(&wire::outcome(request, None));
        }
        let until = now + self.settings.answer;
        let policy = self.settings.policy;
        match session.questions.ask(policy, request, params, until) {
            None => self.refuse(request, -32602, "no tool call or no options"),
            Some(Verdict::Answer(option)) => self.reply(&wire::outcome(request, option.as_deref())),
            Some(Verdict::Ask(permission)) => {
                self.asked(token, *permission);
                Ok(())
            }
        }
    }

    fn asked(&mut self, token: u64, permission: AcpPermission) {
        if self.turn(token).is_some() {
            let title = permission.tool.title.clone().unwrap_or_default();
            let note = bounded(format!("asks for permission: {title}"), words::SHORT);
            self.report(token, Report::Note(note));
        }
        self.event(token, AcpEvent::Permission(permission));
    }

    /// When [`tick`](Self::tick) has something to do.
    pub fn deadline(&self) -> Option<Instant> {
        let sessions = self.sessions.values();
        let due = sessions.flat_map(|it| {
            let cancel = it.turn.as_ref().and_then(|turn| turn.cancel.as_ref());
            [
                cancel.map(|it| it.until.min(it.again)),
                it.questions.until(),
            ]
        });
        due.flatten().min()
    }

    /// What is due: questions that nobody answered, and cancels that had no effect.
    pub fn tick(&mut self, now: Instant) {
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
                    let limit = self.settings.abort;
                    let error = AcpError::AbortTimedOut { limit };
                    let reason = error.to_string();
                    self.report(token, Report::End(Err(error)));
                    self.report(token, Report::Over(reason));
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
}
