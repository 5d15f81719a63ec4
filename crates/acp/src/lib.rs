//! Runs agents that speak [ACP](https://agentclientprotocol.com) (Agent Client Protocol) in a session manager: Claude Code, Codex,
//! OpenCode, Qwen Code, pi and others. Each session is a conversation with an agent process. Unix only.
//!
//! ```no_run
//! use turnwise::{SessionManager, manager::Update};
//! use turnwise_acp::{AcpAgent, AcpEvent, AcpPolicy, FileStore};
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let agent = AcpAgent::builder("opencode")
//!         .arg("acp")
//!         .store(FileStore::open("sessions.json")?)
//!         .permissions(AcpPolicy::AllowReads)
//!         .build();
//!     let sessions = SessionManager::builder(agent).build()?;
//!
//!     let mut answer = sessions.send_message("chat-42", "hello".into());
//!     while let Some(event) = answer.next_event().await {
//!         if let Update::Event(AcpEvent::Text(text)) = event {
//!             print!("{text}");
//!         }
//!     }
//!     println!("\n{:?}", answer.await?.stop);
//!     sessions.shutdown(std::time::Duration::from_secs(30)).await;
//!     Ok(())
//! }
//! ```
//!
//! # A conversation outlives its process
//!
//! The [store](SessionStore) has the agent's id of each key's conversation. After an idle stop or a crash, the next message resumes it, with
//! `session/resume`, or with `session/load`, whose replay is ignored. After a restart of the program, this needs a store that
//! lasts, such as [`FileStore`]. If the agent cannot resume, or refuses to, a new conversation starts, and [`AcpEvent::NotResumed`] reports
//! that. If it refuses because it requires an account, the start fails with [`AcpError::AuthRequired`].
//!
//! A failed turn is never repeated: decide whether to send its message again.
//!
//! # What ends what
//!
//! | | |
//! |---|---|
//! | end of a turn | the agent responds to the prompt |
//! | abort | `session/cancel`, repeated until the turn ends; open requests for permission are refused. If the turn does not end within [`abort_timeout`](AcpBuilder::abort_timeout), the session is stopped |
//! | crash, or a broken protocol | turns fail with the error and the end of stderr. All sessions of the process end at once. The queues stay, and the next turn starts a new process |
//! | stop | `session/close`, if the agent offers it. If no other session uses the process: end of input, SIGTERM, SIGKILL, and everything that it started is killed (Linux only) |
//! | this program ends, even by SIGKILL | the agent's input is closed. Some agents ignore that. With a [guard](AcpBuilder::guard), the agent and its tools are killed, also when this program is stopped by SIGSTOP |
//!
//! # Permissions, files and terminals
//!
//! An [`AcpPolicy`] decides what happens when the agent asks for permission to call a tool. The agent's own configuration decides
//! whether it asks at all. This crate does not offer files and terminals to the agent: it declares that, and refuses such requests. The agent
//! uses its own.
//!
//! # Limits
//!
//! A line: 16 MiB. The text of a reply: the same. Stderr and the text of an error: 16 KiB. A note: 1 KiB. Unread events of a turn:
//! 64. Open requests for permission of a session: 64, with 1 MiB. An event may be as large as a line. Refusals that the agent has not read: 1 MiB.
//! Answers to open requests are not counted. Texts of the agent are not escaped: escape them before you print them.
//!
//! # Layout of the source
//!
//! Each module uses only those below it in this table, and those to its right in its row.
//!
//! | module | its one idea |
//! |---|---|
//! | `session` | a session, from the side of its turns |
//! | `link` | the processes, and which sessions use them |
//! | `handle` | how a session is reached without its turn |
//! | `drive` | the task of one process, which does all its I/O |
//! | `opening`, `due`, `protocol` | how sessions begin; what waits for an answer or an end; what may be sent at which time. Without I/O |
//! | `state` | the parts that the protocol is made of |
//! | `builder`, `store` | the settings; which conversation a key has |
//! | `permission` | questions of the agent, and who answers them |
//! | `message`, `event`, `wire` | messages and replies; events; one line |
//! | `error`, `words` | errors; bounds of texts |

#![cfg(unix)]
#![forbid(unsafe_code)]

mod builder;
mod drive;
mod due;
mod error;
mod event;
mod handle;
mod link;
mod message;
mod opening;
mod permission;
mod protocol;
mod session;
mod state;
mod store;
mod wire;
mod words;

pub use builder::AcpBuilder;
pub use error::AcpError;
pub use event::{AcpEvent, AcpOption, AcpPermission, AcpPlanEntry, AcpToolCall};
pub use handle::AcpHandle;
pub use message::{AcpMessage, AcpReply, AcpStop, AcpUsage};
pub use permission::AcpPolicy;
pub use session::{AcpChoice, AcpSession};
pub use store::{FileStore, MemoryStore, SessionStore};
pub use turnwise_process::{BootTime, Guard, GuardDeadline};

/// The protocol without a process, for the tests and the fuzzer. Not part of the public interface.
#[doc(hidden)]
pub mod probe {
    pub use crate::{
        permission::{Asked, Questions},
        protocol::Protocol,
        state::{Opened, Opening, Report},
    };
}

use self::link::{Link, Pool};
use parking_lot::Mutex;
use std::{collections::HashMap, convert::Infallible, ffi::OsStr, fmt, io, sync::Arc};
use tokio::{task::spawn_blocking, time::timeout};
use turnwise::{
    Agent, Backend, Incarnation, Registry, TurnContext,
    manager::{Causes, StopReason},
};

/// A [`Backend`] and [`Agent`] whose sessions are conversations with agent processes. Pass it to
/// [`SessionManager::builder`](turnwise::SessionManager::builder).
#[derive(Debug)]
pub struct AcpAgent {
    settings: Arc<AcpBuilder>,
    pool: Arc<Pool>,
    /// The processes of sessions that are starting. If a start is cut short, its cleanup waits for its process.
    starting: Mutex<HashMap<(String, Incarnation), Arc<Link>>>,
    /// Who calls the store for a key. A call that was cut short goes on, so it keeps its turn to its end.
    calls: Registry<String, Infallible>,
}

impl AcpBuilder {
    /// Builds the agent.
    pub fn build(self) -> AcpAgent {
        AcpAgent {
            settings: Arc::new(self),
            pool: Arc::default(),
            starting: Mutex::default(),
            calls: Registry::new(),
        }
    }
}

impl AcpAgent {
    /// Returns a builder for an agent with this program, which is found in `PATH` if it is not a path.
    pub fn builder(program: impl AsRef<OsStr>) -> AcpBuilder {
        AcpBuilder::new(program.as_ref())
    }

    async fn open(&self, key: &str, cx: &TurnContext<AcpEvent>) -> Result<AcpSession, AcpError> {
        let saved = self.stored(key, |store, key| store.get(key)).await?;
        let lease = self.pool.lease(&self.settings, key);
        let (link, id) = (Arc::clone(&lease.link), (key.to_owned(), cx.incarnation()));
        self.starting.lock().insert(id, link);
        let mut session = AcpSession::open(lease, saved, &self.settings, key, cx).await?;
        if let Some(mode) = &self.settings.mode {
            session.set_mode(mode).await?;
        }
        if let Some(model) = &self.settings.model {
            session.set_model(model).await?;
        }
        let id = session.id().to_owned();
        let set = move |store: &dyn SessionStore, key: &str| store.set(key, &id);
        self.stored(key, set).await?;
        Ok(session)
    }

    async fn stored<T: Send + 'static>(
        &self,
        key: &str,
        f: impl FnOnce(&dyn SessionStore, &str) -> io::Result<T> + Send + 'static,
    ) -> Result<T, AcpError> {
        let (store, key) = (Arc::clone(&self.settings.store), key.to_owned());
        let turn = self.calls.enter(&key).await;
        let called = spawn_blocking(move || {
            let _turn = turn;
            f(&*store, &key)
        });
        let done = called.await;
        let done = done.unwrap_or_else(|error| Err(error.into()));
        done.map_err(|error| AcpError::Store(Arc::new(error)))
    }
}

impl Backend for AcpAgent {
    type Key = String;
    type Session = AcpSession;
    type Handle = AcpHandle;
    type Event = AcpEvent;
    type Error = AcpError;

    /// Starts the process or takes a shared one, waits until it is ready, and opens the session.
    async fn start(
        &self,
        key: &String,
        cx: &TurnContext<AcpEvent>,
    ) -> Result<(AcpSession, AcpHandle), AcpError> {
        let limit = self.settings.ready;
        let late = AcpError::NotReady {
            limit,
            stderr: String::new(),
        };
        let started = tokio::select! {
            opened = timeout(limit, self.open(key, cx)) => opened.unwrap_or(Err(late)),
            () = cx.cancelled() => Err(AcpError::Aborted),
        };
        let id = (key.clone(), cx.incarnation());
        let link = self.starting.lock().remove(&id);
        let error = match started {
            Ok(mut session) => {
                session.lost().into_iter().for_each(|event| cx.emit(event));
                let handle = session.handle();
                return Ok((session, handle));
            }
            Err(error) => error,
        };
        // The lease is gone: the process ends if no other session uses it.
        let gone = match link {
            Some(link) => link.gone_if_unused().await,
            None => None,
        };
        Err(match gone.as_ref().and_then(|gone| gone.error.stderr()) {
            Some(stderr) => error.with_stderr(stderr),
            None => error,
        })
    }

    /// Waits for the end of a process whose start was cut short, which has killed it.
    async fn start_abandoned(&self, key: &String, incarnation: Incarnation) {
        let link = self.starting.lock().remove(&(key.clone(), incarnation));
        if let Some(link) = link {
            link.gone_if_unused().await;
        }
    }

    /// Closes the session. If no other session uses the process, closes its input and waits for its end; then sends signals.
    async fn stop(
        &self,
        _key: &String,
        session: AcpSession,
        reason: StopReason,
    ) -> Result<(), AcpError> {
        if reason == StopReason::Dirty {
            session.lease.retire();
        }
        let crashed = !session.lease.link.serves();
        let gone = session.lease.stop(self.settings.grace).await;
        match gone.filter(|gone| gone.killed && !crashed) {
            Some(gone) if !matches!(reason, StopReason::Dirty | StopReason::Discarded) => {
                let stderr = gone.error.stderr().unwrap_or_default().to_owned();
                Err(AcpError::Killed { stderr })
            }
            _ => Ok(()),
        }
    }

    /// Checks that the process runs.
    async fn is_healthy(&self, session: &mut AcpSession) -> bool {
        session.lease.link.serves()
    }

    fn weight(event: &AcpEvent) -> usize {
        event.weight()
    }

    fn describe(error: &AcpError, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Causes(error))
    }
}

impl Agent for AcpAgent {
    type Message = AcpMessage;
    type Reply = AcpReply;

    async fn send(
        &self,
        session: &mut AcpSession,
        message: AcpMessage,
        cx: &TurnContext<AcpEvent>,
    ) -> Result<AcpReply, AcpError> {
        session.turn(message, cx).await
    }
}

// Tests the example there.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
