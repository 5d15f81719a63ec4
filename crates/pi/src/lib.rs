//! The adapter to the coding agent [pi](https://www.npmjs.com/package/@earendil-works/pi-coding-agent): each session is a
//! `pi --mode rpc` of its own. On Unix.
//!
//! ```no_run
//! use std::time::Duration;
//! use turnwise_pi::{PiAgent, PiEvent};
//! use turnwise::{SessionManager, manager::Update};
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let pi = PiAgent::builder().session_dir("sessions").arg("--no-approve").build();
//!     let sessions = SessionManager::builder(pi)
//!         .stop_idle_after(Duration::from_secs(600))
//!         .build()?;
//!
//!     let mut answer = sessions.send_message("chat-42", "hello".into());
//!     while let Some(event) = answer.next_event().await {
//!         if let Update::Event(PiEvent::Text(text)) = event {
//!             print!("{text}");
//!         }
//!     }
//!     let reply = answer.await?;
//!     println!("\n{:?}", reply.stop);
//!
//!     // Stopped while idle or not: the next message goes on with the same conversation.
//!     sessions.shutdown(Duration::from_secs(30)).await;
//!     Ok(())
//! }
//! ```
//!
//! # A conversation outlives its process
//!
//! A key has one conversation, by a name that is made of it ([`PiSession::session_id`]). After an idle stop, a stop, a crash or
//! a restart of the program the next message resumes it. pi keeps it by working directory; two processes with one conversation
//! lose parts of it, which a manager prevents for itself, and nobody for two programs that share a directory.
//!
//! # A message is sent once
//!
//! A turn that fails is never repeated: pi writes down a message before it answers, so after a crash it is in the conversation
//! already. pi itself asks the *model's service* again when that fails; [`PiEvent::Retrying`] and the note of the status tell.
//!
//! # Ends
//!
//! | | |
//! |---|---|
//! | a turn | when pi says that nothing follows; so steps, retries and summing up are one turn |
//! | an abort | is sent when pi has accepted the message, with open dialogs answered and queued messages cleared; what does not end by that within [`abort_timeout`](PiBuilder::abort_timeout) is ended with its process |
//! | a crash | fails the turn with [`PiError::Exited`] and the end of stderr; the line waits on, and the next turn starts pi anew |
//! | a stop | closes pi's input, which ends it and its tools in any state, the partial answer saved; then SIGTERM, then SIGKILL |
//! | a pi that ends unasked, is killed, or writes what it should not | its tools' processes are found by their group and their environment, and killed; on Linux |
//! | our own end, however sudden | closes pi's input too |
//!
//! # pi works when it is asked
//!
//! Work outside of a turn is a fault: an extension that begins some between two messages, or an agent that goes on after its
//! end. Nobody could separate it from the answer to the next message for certain. Its process is ended, and the next message
//! resumes the conversation with a new one. A turn that is on its way fails with [`PiError::Protocol`]; otherwise the stop of the
//! session as [`StopReason::Unhealthy`] reports it. Work that the command of an extension begins belongs to the turn of that
//! command.
//!
//! # Limits
//!
//! Lines of 64 MiB; 16 KiB of stderr and of the text of an error; 1 KiB of a note; 64 parts of an answer that wait to be taken:
//! nothing that pi does makes more grow here. Texts of errors are kept as pi wrote them: escape them where they are shown.
//!
//! # The map
//!
//! Top down, and in a row from left to right: each module knows those after it, and none before.
//!
//! | module | its one idea |
//! |---|---|
//! | `session` | a pi that runs, as a turn sees it |
//! | `drive` | the task of one pi, which does all its I/O |
//! | `protocol`, `work`, `questions` | what may be sent to pi when, without I/O; which records belong to a turn; what its extensions ask |
//! | `process`, `tail`, `leftovers` | how it is made, ended and reaped; its stderr; what its tools leave |
//! | `builder` | the settings |
//! | `dialog` | a question, for whoever answers it |
//! | `record`, `lines` | a line, read; bytes as lines |
//! | `message`, `error` | what is sent and comes back |
//! | `session_id`, `words` | names out of keys; bounds of texts |

#![cfg(unix)]
#![forbid(unsafe_code)]

mod builder;
mod dialog;
mod drive;
mod error;
mod leftovers;
mod lines;
mod message;
mod process;
mod protocol;
mod questions;
mod record;
mod session;
mod session_id;
mod tail;
mod words;
mod work;

pub use builder::PiBuilder;
pub use dialog::PiDialog;
pub use error::PiError;
pub use message::{PiEvent, PiImage, PiMessage, PiReply, PiStop, PiUsage};
pub use session::PiSession;

/// For the fuzzer: lines and protocol, to which no process is needed. No part of the interface.
#[doc(hidden)]
pub mod wire {
    pub use crate::dialog::Answer;
    pub use crate::lines::{LineError, Lines};
    pub use crate::protocol::{Protocol, Told};
    pub use tokio_util::{bytes::BytesMut, codec::Decoder};
}

use self::{builder::Settings, drive::Phase, process::Ended};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::{sync::watch, time::timeout};
use turnwise::{Agent, Backend, Incarnation, TurnContext, manager::StopReason};

/// Sessions that are `pi` processes: a [`Backend`] and [`Agent`] for a [`SessionManager`](turnwise::SessionManager). See the
/// [module](self).
#[derive(Debug)]
pub struct PiAgent {
    settings: Arc<Settings>,
    /// Processes whose start has not ended yet, to be waited for should it be cut short.
    starting: Mutex<HashMap<(String, Incarnation), watch::Receiver<Phase>>>,
}

impl PiBuilder {
    /// Builds the agent.
    pub fn build(self) -> PiAgent {
        PiAgent {
            settings: Arc::new(self.settings),
            starting: Mutex::default(),
        }
    }
}

impl PiAgent {
    /// Settings first.
    pub fn builder() -> PiBuilder {
        PiBuilder::default()
    }

    async fn make_session_dir(&self) -> Result<(), PiError> {
        let Some(path) = self.settings.session_dir.clone() else {
            return Ok(());
        };
        let folder = path.clone();
        let made = tokio::task::spawn_blocking(move || std::fs::create_dir_all(folder)).await;
        made.unwrap_or_else(|error| Err(error.into()))
            .map_err(|source| PiError::SessionDir { path, source })
    }
}

impl Backend for PiAgent {
    type Key = String;
    type Session = PiSession;
    type Error = PiError;

    /// Makes the session directory, starts pi and waits until it answers.
    async fn start(&self, key: &String, incarnation: Incarnation) -> Result<PiSession, PiError> {
        self.make_session_dir().await?;
        let mut session = PiSession::spawn(&self.settings, key, incarnation)?;
        let starting = (key.clone(), incarnation);
        self.starting
            .lock()
            .insert(starting.clone(), session.phase());
        let limit = self.settings.ready;
        let ready = timeout(limit, session.ready()).await;
        let started = match ready {
            Ok(Ok(())) => Ok(session),
            Ok(Err(source)) => {
                session.kill().await;
                let source = Box::new(source);
                Err(PiError::NotStarted { source })
            }
            Err(_) => {
                let stderr = session.kill().await;
                Err(PiError::NotReady { limit, stderr })
            }
        };
        let ended = self.starting.lock().remove(&starting);
        drop(ended);
        started
    }

    /// A start that was cut short has killed its pi; waits until it is gone.
    async fn start_abandoned(&self, key: &String, incarnation: Incarnation) {
        let starting = self.starting.lock().remove(&(key.clone(), incarnation));
        if let Some(mut phase) = starting {
            session::gone(&mut phase).await;
        }
    }

    /// Closes pi's input and waits for its end, which it is helped to by signals. Dropped, it is killed.
    async fn stop(
        &self,
        _key: &String,
        mut session: PiSession,
        reason: StopReason,
    ) -> Result<(), PiError> {
        let Ended { killed, fault, .. } = session.stop().await;
        let stderr = session.stderr();
        match (reason, fault) {
            // A turn has this error already.
            (StopReason::Dirty, _) => Ok(()),
            // It was between turns: nobody else reports it.
            (StopReason::Unhealthy, Some(what)) => Err(PiError::Protocol {
                what: String::from(&*what),
                stderr,
            }),
            // Nothing better is expected of it.
            (StopReason::Unhealthy, None) => Ok(()),
            _ if killed => Err(PiError::Killed { stderr }),
            _ => Ok(()),
        }
    }

    /// pi answers.
    async fn is_healthy(&self, session: &mut PiSession) -> bool {
        session.healthy(self.settings.health).await
    }
}

impl Agent for PiAgent {
    type Message = PiMessage;
    type Event = PiEvent;
    type Reply = PiReply;

    async fn send(
        &self,
        session: &mut PiSession,
        message: PiMessage,
        cx: &TurnContext<PiEvent>,
    ) -> Result<PiReply, PiError> {
        session.turn(message, cx).await
    }

    fn weight(event: &PiEvent) -> usize {
        event.weight()
    }
}
