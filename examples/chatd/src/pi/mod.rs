//! Sessions that are the coding agent pi, a process each: text in, text out, over turnwise's own agent.
//!
//! A conversation outlives its process, whatever ended that: an idle stop, a crash, a shutdown. Only who asks for a new one
//! gets a new one.
//!
//! | module | its one idea |
//! |---|---|
//! | `present` | which conversation of a session is the present one: one of the next two |
//! | `conversations`, `keeper` | it is kept by this daemon alone, in one file |
//! | `shared` (feature `cluster`) | it is kept by all nodes of a cluster, in a file for each session |
//! | `questions` | what pi asks in the middle of a turn |
//! | `args` | pi's part of the command line |

mod args;
mod conversations;
mod keeper;
mod present;
mod questions;
#[cfg(feature = "cluster")]
mod shared;

pub(crate) use args::PiArgs;

use self::present::Present;
use crate::{
    agent::{Chat, Part, Unkept},
    args::Args,
    question::{Question, Reply, Unanswered},
};
use parking_lot::Mutex;
use std::{
    collections::HashMap,
    error::Error,
    fmt, io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};
use turnwise::{Agent, Backend, Incarnation, TurnContext, manager::StopReason};
use turnwise_pi::{PiAgent, PiError, PiEvent, PiHandle, PiSession};

#[derive(Clone, Debug)]
pub(crate) struct PiChat(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    pi: PiAgent,
    present: Present,
    /// The conversations of starts under way. Meanwhile a new one may be asked for. In a cluster, starts of two sessions may
    /// have one number.
    starting: Mutex<HashMap<(String, Incarnation), String>>,
}

impl PiChat {
    /// Refuses a directory that another daemon has, unless both are nodes of a cluster.
    pub(crate) fn new(args: &Args, folder: &Path) -> Result<Self, ChatError> {
        let present = Present::open(args, folder);
        Ok(Self(Arc::new(Inner {
            present: present.map_err(|error| ChatError::kept(folder, error))?,
            pi: args.pi.builder(args, folder).build(),
            starting: Mutex::default(),
        })))
    }

    /// The conversation of a start, which is over.
    fn over(&self, key: &str, incarnation: Incarnation) -> Option<String> {
        let start = (key.to_owned(), incarnation);
        self.0.starting.lock().remove(&start)
    }
}

impl Backend for PiChat {
    type Key = String;
    type Session = PiSession;
    type Handle = PiHandle;
    type Event = Part;
    type Error = ChatError;

    async fn start(
        &self,
        key: &String,
        cx: &TurnContext<Self::Event>,
    ) -> Result<(PiSession, PiHandle), ChatError> {
        let incarnation = cx.incarnation();
        let name = self.0.present.begin_start(key, incarnation).await?;
        let start = (key.clone(), incarnation);
        self.0.starting.lock().insert(start, name.clone());
        let started = self.0.pi.start(&name, &cx.map(parts())).await;
        // Else it was abandoned.
        if self.over(key, incarnation).is_some() {
            self.0.present.end_start(key, started.is_ok());
        }
        Ok(started?)
    }

    async fn start_abandoned(&self, key: &String, incarnation: Incarnation) {
        if let Some(name) = self.over(key, incarnation) {
            self.0.present.end_start(key, false);
            self.0.pi.start_abandoned(&name, incarnation).await;
        }
    }

    async fn stop(
        &self,
        key: &String,
        session: PiSession,
        reason: StopReason,
    ) -> Result<(), ChatError> {
        Ok(self.0.pi.stop(key, session, reason).await?)
    }

    async fn is_healthy(&self, session: &mut PiSession) -> bool {
        self.0.pi.is_healthy(session).await
    }

    fn weight(event: &Part) -> usize {
        event.weight()
    }
}

impl Agent for PiChat {
    type Message = String;
    type Reply = String;

    /// The reply is the last thing that pi said; what it said before, between the tools, are events.
    async fn send(
        &self,
        session: &mut PiSession,
        message: String,
        cx: &TurnContext<Part>,
    ) -> Result<String, ChatError> {
        let cx = cx.map(parts());
        let reply = self.0.pi.send(session, message.into(), &cx).await?;
        Ok(reply.text)
    }
}

/// What is shown of events. A new message of pi's, after a tool or a failure, has a line of its own.
fn parts() -> impl Fn(PiEvent) -> Option<Part> + Send + Sync + 'static {
    let inside = AtomicBool::new(false);
    move |event| match event {
        PiEvent::Text(text) => {
            inside.store(true, Ordering::Relaxed);
            Some(Part::Text(text))
        }
        PiEvent::ToolStarted { .. } | PiEvent::Retrying { .. } => inside
            .swap(false, Ordering::Relaxed)
            .then(|| Part::Text("\n".to_owned())),
        PiEvent::Question(question) => Some(Part::Question(questions::show(&question))),
        // Of the rest pi's agent tells in notes what there is to tell.
        _ => None,
    }
}

impl Chat for PiChat {
    fn forget(&self, key: &str) -> impl Future<Output = Result<(), Unkept>> + Send {
        self.0.present.begin_new(key)
    }

    fn trouble(&self, key: Option<&str>) -> Option<String> {
        self.0.present.trouble(key)
    }

    fn questions(&self, handle: &PiHandle) -> Vec<Question> {
        questions::open(handle)
    }

    fn answer(&self, handle: &PiHandle, id: u64, reply: Reply) -> Result<(), Unanswered> {
        questions::answer(handle, id, reply)
    }
}

#[derive(Debug)]
pub(crate) enum ChatError {
    Pi(PiError),
    /// The directory of the conversations.
    Kept(PathBuf, io::Error),
    /// This owner of the session is not the latest that has started it.
    #[cfg(feature = "cluster")]
    Outdated {
        fence: u64,
        latest: u64,
    },
}

impl ChatError {
    fn kept(folder: &Path, error: io::Error) -> Self {
        Self::Kept(folder.to_owned(), error)
    }
}

impl From<PiError> for ChatError {
    fn from(error: PiError) -> Self {
        Self::Pi(error)
    }
}

impl fmt::Display for ChatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pi(error) => error.fmt(f),
            Self::Kept(folder, _) => {
                let folder = folder.display();
                write!(f, "cannot keep conversations in {folder}")
            }
            #[cfg(feature = "cluster")]
            Self::Outdated { fence, latest } => write!(
                f,
                "a later owner has started this conversation (number {latest}; this start has {fence}): send the message again"
            ),
        }
    }
}

impl Error for ChatError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Pi(error) => error.source(),
            Self::Kept(_, error) => Some(error),
            #[cfg(feature = "cluster")]
            Self::Outdated { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_do_not_run_into_each_other() {
        let parts = parts();
        let say = |words: &str| PiEvent::Text(words.to_owned());
        let tool = || PiEvent::ToolStarted {
            id: String::new(),
            name: "bash".to_owned(),
            arguments: Default::default(),
        };
        let told = [tool(), say("a"), say("b"), tool(), tool(), say("c")];
        let told = told.into_iter().filter_map(|event| match parts(event)? {
            Part::Text(text) => Some(text),
            Part::Question(_) => None,
        });
        let told: Vec<String> = told.collect();
        assert_eq!(told, ["a", "b", "\n", "c"]);
    }
}
