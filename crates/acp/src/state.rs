//! The parts that the protocol is made of: sessions, turns, calls, and what sessions receive.

use crate::{
    AcpError, event::AcpEvent, message::AcpReply, permission::Questions, wire::Capabilities,
};
use serde_json::Value;
use std::{path::PathBuf, sync::Arc, time::Duration};
use tokio::{sync::oneshot, time::Instant};

pub(crate) type Done = oneshot::Sender<Result<Value, AcpError>>;

/// A session that is to be opened.
#[derive(Debug)]
pub struct Opening {
    /// The id of the session before it.
    pub saved: Option<String>,
    /// Its working directory.
    pub folder: PathBuf,
    /// Receives the session.
    pub reply: oneshot::Sender<Result<Opened, AcpError>>,
}

/// A session that is open.
#[derive(Debug)]
pub struct Opened {
    /// The agent's id of it.
    pub id: Arc<str>,
    pub(crate) resumed: bool,
    /// The session before it, which could not be resumed, and why.
    pub(crate) lost: Option<(String, String)>,
    /// The response: modes, models, options.
    pub(crate) info: Value,
    pub(crate) can: Arc<Capabilities>,
    /// Its open questions.
    pub questions: Questions,
}

/// What a session receives.
#[derive(Debug)]
pub enum Report {
    /// An event of the turn.
    Event(AcpEvent),
    /// What the turn does.
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
    pub(crate) call: u64,
    pub(crate) text: String,
    /// So many bytes more may be kept of it.
    pub(crate) room: usize,
    pub(crate) cancel: Option<Cancel>,
}

/// A turn that is to end.
#[derive(Debug)]
pub(crate) struct Cancel {
    /// When the turn must have ended.
    pub(crate) until: Instant,
    pub(crate) again: Instant,
    pub(crate) pause: Duration,
}
