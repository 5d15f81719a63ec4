//! Runs the coding agent [pi](https://www.npmjs.com/package/@earendil-works/pi-coding-agent) in a session manager: each session is
//! a `pi --mode rpc` process. Unix only.
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
//!     // The next start of this program continues the same conversation.
//!     sessions.shutdown(Duration::from_secs(30)).await;
//!     Ok(())
//! }
//! ```
//!
//! # A conversation outlives its process
//!
//! Each key has one conversation, whose id is derived from the key ([`PiSession::session_id`]). After an idle stop, a requested stop, a
//! crash or a restart of the program, the next message resumes it. pi stores conversations by working directory.
//!
//! If two processes have the same conversation, parts of it are lost. One manager never runs two such processes. Two programs with the same
//! directory may: give each its own [`session_dir`](PiBuilder::session_dir).
//!
//! # A message is sent once
//!
//! A failed turn is never repeated. pi stores a message before it answers, so after a crash the message is in the conversation
//! already. pi itself retries requests to the *model's service*. [`PiEvent::Retrying`] and the note of the status report that.
//!
//! # What ends what
//!
//! | | |
//! |---|---|
//! | end of a turn | pi reports that no more work follows. Tool calls, retries and compaction belong to the turn |
//! | abort | sent when pi has accepted the message; open questions are cancelled, and messages queued in pi are cleared. If the turn does not end within [`abort_timeout`](PiBuilder::abort_timeout), the process is ended |
//! | crash | the turn fails with [`PiError::Exited`] and the end of stderr. An idle session is gone at once. The queue stays, and the next turn starts a new pi |
//! | stop | closes pi's input, which ends pi and its tools in any state, and saves the partial answer. Then SIGTERM, then SIGKILL |
//! | pi ends unasked, is killed, or breaks its protocol | the processes of its tools are found by their group and their environment, and killed (Linux only) |
//! | this program ends, even by SIGKILL | pi's input is closed, as by a stop. With a [guard](PiBuilder::guard), pi and its tools are killed, also when this program is stopped by SIGSTOP |
//!
//! # Questions of extensions
//!
//! An extension of pi may ask a question: before a tool runs, or in its command. If a [`question_timeout`](PiBuilder::question_timeout) is
//! set, the session's [handle](PiHandle) can answer its [`PiEvent::Question`] while the turn waits for it:
//!
//! ```no_run
//! # use turnwise::{SessionManager, manager::Update};
//! # use turnwise_pi::{PiAgent, PiAnswer, PiEvent};
//! # async fn example(sessions: SessionManager<PiAgent>) {
//! let mut answer = sessions.send_message("chat-42", "tidy up".into());
//! while let Some(event) = answer.next_event().await {
//!     if let Update::Event(PiEvent::Question(question)) = event {
//!         println!("{}: {:?}", question.title, question.options);
//!         if let Some(handle) = sessions.handle("chat-42") {
//!             handle.answer(question.id, PiAnswer::Value("Allow".to_owned()));
//!         }
//!     }
//! }
//! # }
//! ```
//!
//! The end and the abort of the turn cancel its open questions. A question during the start is cancelled at once, because there is no
//! handle yet. At most 64 questions are open, with 1 MiB of texts; more are cancelled at once.
//!
//! # pi works only in a turn
//!
//! An extension may begin work between two messages, and an agent may continue after the end of its turn. Such output cannot be separated
//! from the answer to the next message. So the process is ended, and the next message resumes the conversation with a new process. A
//! turn that is running fails with [`PiError::Protocol`]. Without a turn, the stop of the session reports the error, as
//! [`StopReason::Discarded`]. Work that an extension's command begins belongs to the turn of that command.
//!
//! # Limits
//!
//! A line: 64 MiB. Stderr and the text of an error: 16 KiB. A note: 1 KiB. Unread parts of an answer: 64.
//! Nothing else grows with the output of pi. Texts of pi are not escaped: escape them before you print them.
//!
//! # Layout of the source
//!
//! Each module uses only those below it in this table, and those to its right in its row.
//!
//! | module | its one idea |
//! |---|---|
//! | `session` | a running pi, from the side of its turns |
//! | `drive` | the task of one pi, which does all its I/O |
//! | `protocol`, `work`, `questions` | what may be sent to pi at which time, without I/O; which records belong to a turn; the open questions of extensions, and the handle |
//! | `builder` | the settings |
//! | `record` | a parsed line |
//! | `message`, `error` | messages, events, questions and replies; errors |
//! | `session_id`, `words` | ids from keys; bounds of texts |

#![cfg(unix)]
#![forbid(unsafe_code)]

mod builder;
mod drive;
mod error;
mod message;
mod protocol;
mod questions;
mod record;
mod session;
mod session_id;
mod words;
mod work;

pub use builder::PiBuilder;
pub use error::PiError;
pub use message::{PiAnswer, PiEvent, PiImage, PiMessage, PiQuestion, PiReply, PiStop, PiUsage};
pub use questions::PiHandle;
pub use session::PiSession;
pub use turnwise_process::{BootTime, Guard, GuardDeadline};

/// For the fuzzer: the parts that need no process. Not part of the public interface.
#[doc(hidden)]
pub mod wire {
    pub use crate::protocol::{Protocol, Report};
    pub use tokio_util::{bytes::BytesMut, codec::Decoder};
    pub use turnwise_process::{LineDecoder, LineError};
}

use self::{
    builder::Settings,
    drive::{Gone, Phase},
};
use parking_lot::Mutex;
use std::{collections::HashMap, fmt, sync::Arc};
use tokio::{sync::watch, time::timeout};
use turnwise::{
    Agent, Backend, Incarnation, TurnContext,
    manager::{Causes, StopReason},
};

/// A [`Backend`] and [`Agent`] whose sessions are `pi` processes. Pass it to
/// [`SessionManager::builder`](turnwise::SessionManager::builder).
#[derive(Debug)]
pub struct PiAgent {
    settings: Arc<Settings>,
    /// The processes that are starting. If a start is cut short, its cleanup waits for its process.
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
    /// Returns a builder for the settings.
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
    type Handle = PiHandle;
    type Event = PiEvent;
    type Error = PiError;

    /// Creates the session directory, starts pi, and waits until it answers.
    async fn start(
        &self,
        key: &String,
        cx: &TurnContext<PiEvent>,
    ) -> Result<(PiSession, PiHandle), PiError> {
        let incarnation = cx.incarnation();
        self.make_session_dir().await?;
        let (mut session, handle) = PiSession::spawn(&self.settings, key, cx.session()).await?;
        let starting = (key.clone(), incarnation);
        self.starting
            .lock()
            .insert(starting.clone(), session.phase());
        let limit = self.settings.ready;
        let ready = timeout(limit, session.ready()).await;
        let started = match ready {
            Ok(Ok(())) => Ok((session, handle)),
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

    /// Waits for the end of a process whose start was cut short, which has killed it.
    async fn start_abandoned(&self, key: &String, incarnation: Incarnation) {
        let starting = self.starting.lock().remove(&(key.clone(), incarnation));
        if let Some(mut phase) = starting {
            session::gone(&mut phase).await;
        }
    }

    /// Closes pi's input and waits for its end; then sends signals. A drop kills pi.
    async fn stop(
        &self,
        _key: &String,
        mut session: PiSession,
        reason: StopReason,
    ) -> Result<(), PiError> {
        let Gone { killed, fault, .. } = session.stop().await;
        let stderr = session.stderr();
        match (reason, fault) {
            // A turn has reported this error already.
            (StopReason::Dirty, _) => Ok(()),
            // It happened between turns, so nothing else reports it.
            (StopReason::Unhealthy | StopReason::Discarded, Some(what)) => Err(PiError::Protocol {
                what: String::from(&*what),
                stderr,
            }),
            // A kill is expected then.
            (StopReason::Unhealthy | StopReason::Discarded, None) => Ok(()),
            _ if killed => Err(PiError::Killed { stderr }),
            _ => Ok(()),
        }
    }

    /// Checks that pi answers.
    async fn is_healthy(&self, session: &mut PiSession) -> bool {
        session.healthy(self.settings.health).await
    }

    fn weight(event: &PiEvent) -> usize {
        event.weight()
    }

    fn describe(error: &PiError, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Causes(error))
    }
}

impl Agent for PiAgent {
    type Message = PiMessage;
    type Reply = PiReply;

    async fn send(
        &self,
        session: &mut PiSession,
        message: PiMessage,
        cx: &TurnContext<PiEvent>,
    ) -> Result<PiReply, PiError> {
        session.turn(message, cx).await
    }
}

// Tests the example there.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
