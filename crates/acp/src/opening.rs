//! The begin of a process and of its sessions, as far as it needs no I/O.

use crate::{
    AcpError,
    permission::Questions,
    protocol::{AUTH_REQUIRED, Protocol},
    state::{Call, Opened, Opening, Session},
    wire::{Capabilities, Refusal},
    words,
};
use serde_json::{Value, json};
use std::sync::Arc;

impl Protocol {
    /// Opens a session, once the agent is ready.
    pub fn open(&mut self, token: u64, opening: Opening) {
        if self.ready {
            self.open_now(token, opening, None);
        } else {
            self.waiting.push((token, opening));
        }
    }

    /// `lost`: why the saved session cannot be resumed.
    fn open_now(&mut self, token: u64, opening: Opening, lost: Option<String>) {
        let can = &self.can;
        let mut params = json!({"cwd": opening.folder, "mcpServers": self.settings.servers});
        let method = match &opening.saved {
            Some(id) if lost.is_none() && (can.resume || can.load) => {
                params["sessionId"] = id.as_str().into();
                if can.resume {
                    "session/resume"
                } else {
                    "session/load"
                }
            }
            _ => "session/new",
        };
        let resumes = method != "session/new";
        self.call(method, &params, Call::Open(token, opening, resumes, lost));
    }

    pub(crate) fn initialized(&mut self, result: Result<Value, Refusal>) -> Result<(), AcpError> {
        let info = result.map_err(|it| self.refused("initialize", it))?;
        self.can = Arc::new(Capabilities::read(&info).map_err(AcpError::Version)?);
        match &self.settings.auth {
            None => self.ready(),
            Some(method) => {
                let params = json!({"methodId": method});
                self.call("authenticate", &params, Call::Authenticate);
            }
        }
        Ok(())
    }

    pub(crate) fn ready(&mut self) {
        self.ready = true;
        for (token, opening) in std::mem::take(&mut self.waiting) {
            self.open_now(token, opening, None);
        }
    }

    pub(crate) fn opened(
        &mut self,
        token: u64,
        opening: Opening,
        resumes: bool,
        lost: Option<String>,
        result: Result<Value, Refusal>,
    ) -> Result<(), AcpError> {
        let info = match result {
            Ok(info) => info,
            Err(refusal) if resumes && refusal.code != AUTH_REQUIRED => {
                self.open_now(token, opening, Some(refusal.message));
                return Ok(());
            }
            Err(refusal) => {
                let error = self.refused("session/new", refusal);
                drop(opening.reply.send(Err(error)));
                return Ok(());
            }
        };
        let id: Arc<str> = match (&opening.saved, info["sessionId"].as_str()) {
            (Some(saved), _) if resumes => saved.as_str().into(),
            (_, Some(id)) if id.len() <= words::SHORT => id.into(),
            _ => return Err(AcpError::protocol("a new session without an id")),
        };
        if self.token(&id).is_some() {
            return Err(AcpError::protocol("two sessions with the same id"));
        }
        if opening.reply.is_closed() {
            // Its start was cut short.
            self.close_id(&id, None);
            return Ok(());
        }
        let questions = Questions::default();
        let session = Session {
            id: Arc::clone(&id),
            questions: questions.clone(),
            turn: None,
        };
        self.sessions.insert(token, session);
        let opened = Opened {
            id,
            resumed: resumes,
            lost: opening
                .saved
                .filter(|_| !resumes)
                .map(|id| (id, lost.unwrap_or_default())),
            info,
            can: Arc::clone(&self.can),
            questions,
        };
        drop(opening.reply.send(Ok(opened)));
        Ok(())
    }
}
