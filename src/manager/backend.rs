//! The traits that a user implements: how to start, stop and check a session, and how it answers a message.

use crate::Incarnation;
use crate::manager::context::TurnContext;
use std::{fmt, future::Future, hash::Hash};

/// Starts, stops and checks one kind of session.
///
/// Only [`start`](Self::start) is required. Write the methods as `async fn`. Free a session's resources in [`stop`](Self::stop). A
/// start or a stop that is dropped must leave nothing behind: for a process, set `kill_on_drop`. A session need not be `Sync`.
///
/// ```
/// use std::{io, process::Stdio};
/// use tokio::process::{Child, Command};
/// use turnwise::{Backend, TurnContext, manager::StopReason};
///
/// struct Shells;
///
/// impl Backend for Shells {
///     type Key = String;
///     type Session = Child;
///     type Handle = ();
///     type Event = ();
///     type Error = io::Error;
///
///     async fn start(&self, _key: &String, _: &TurnContext<()>) -> io::Result<(Child, ())> {
///         // A start that is cut short drops the child, and the drop kills it.
///         let child = Command::new("sh").stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
///         Ok((child, ()))
///     }
///
///     async fn is_healthy(&self, session: &mut Child) -> bool {
///         matches!(session.try_wait(), Ok(None))
///     }
///
///     async fn stop(&self, _key: &String, mut session: Child, _reason: StopReason) -> io::Result<()> {
///         drop(session.stdin.take()); // the shell exits at the end of its input
///         session.wait().await.map(drop)
///     }
/// }
/// ```
///
/// Each method may fail, hang or panic. This is what the manager does then:
///
/// | method | on an error | on a timeout | on a panic |
/// |---|---|---|---|
/// | `start` | the caller and the calls queued behind it get the error | dropped after `Timeouts::start`, or cut short; then `start_abandoned` | `start_abandoned` |
/// | `start_abandoned` | | dropped after `Timeouts::stop`; the key goes to the next caller | the key goes to the next caller |
/// | `is_healthy` | `false`: the session is stopped as `Unhealthy`, and a new one starts in the same turn | the same, after `Timeouts::start` | the same |
/// | `stop` | reported; the key is free | dropped after `Timeouts::stop`, reported as abandoned; the key is free | reported; the key is free |
pub trait Backend: Send + Sync + 'static {
    /// Identifies a session.
    type Key: Eq + Hash + Clone + fmt::Debug + Send + Sync + 'static;
    /// The session: a process, a connection, an interpreter.
    type Session: Send + 'static;
    /// Reaches the session without its turn: to steer it, to answer its questions, to read its meters.
    /// [`SessionManager::handle`](crate::SessionManager::handle) returns a clone. `()` if there is nothing to reach.
    type Handle: Clone + Send + Sync + 'static;
    /// Partial output of a start or a turn. Each reader gets a clone; put large events into an `Arc`. `()` if there is none.
    type Event: Clone + Send + Sync + 'static;
    /// The error of a start, a stop or a turn: an enum, an `anyhow::Error`, a `Box<dyn Error + Send + Sync>`, a `String`.
    type Error: fmt::Debug + fmt::Display + Send + Sync + 'static;

    /// Starts a session, and returns it with its [handle](Self::Handle).
    ///
    /// [`cx.incarnation()`](TurnContext::incarnation) is a generation number, higher than that of every earlier session of this key.
    /// You can use it as a fencing token. The events of a start go to the [listeners](crate::SessionManager::listen).
    ///
    /// # Errors
    ///
    /// The call, and every call that waits for this start, ends with [`TurnError::Start`](crate::manager::TurnError::Start).
    ///
    /// # Cancel safety
    ///
    /// A caller that goes away does not cut the start short. These do: an [abort](crate::SessionManager::abort) while no other call waits, a
    /// [stop](crate::SessionManager::stop), and the deadline of a shutdown. Then [`cx.cancelled()`](TurnContext::cancelled) resolves, and the
    /// start has `Timeouts::abort` to end. A start is dropped if it exceeds that or `Timeouts::start`, or if this process loses the
    /// [ownership](crate::manager::Ownership) of the key. Then [`start_abandoned`](Self::start_abandoned) runs before the key goes to the next
    /// caller.
    fn start(
        &self,
        key: &Self::Key,
        cx: &TurnContext<Self::Event>,
    ) -> impl Future<Output = Result<(Self::Session, Self::Handle), Self::Error>> + Send;

    /// Cleans up after a start that timed out, was cut short or panicked. When this returns, nothing of that start may be left. By default it
    /// does nothing.
    ///
    /// # Cancel safety
    ///
    /// It is dropped after `Timeouts::stop`, and the key goes to the next caller.
    fn start_abandoned(
        &self,
        key: &Self::Key,
        incarnation: Incarnation,
    ) -> impl Future<Output = ()> + Send {
        let _ = (key, incarnation);
        async {}
    }

    /// Stops a session. No new session of the key starts before this returns. By default it drops the session.
    ///
    /// # Errors
    ///
    /// They are reported as [`StopError::Failed`](crate::manager::StopError::Failed), and the key is free.
    ///
    /// # Cancel safety
    ///
    /// It is dropped after `Timeouts::stop`, and the key is free. A caller that goes away does not interrupt it.
    fn stop(
        &self,
        key: &Self::Key,
        session: Self::Session,
        reason: StopReason,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send {
        let _ = (key, reason);
        async move {
            drop(session);
            Ok(())
        }
    }

    /// Returns whether a session may have another turn. Called before each turn but its first. If it returns false, the session is stopped,
    /// and a new one starts in the same turn. By default it returns true.
    ///
    /// # Cancel safety
    ///
    /// It is dropped after `Timeouts::start`, and the session is stopped. A caller that goes away does not interrupt it.
    fn is_healthy(&self, session: &mut Self::Session) -> impl Future<Output = bool> + Send {
        let _ = session;
        std::future::ready(true)
    }

    /// Returns the size of an event in bytes. [`ManagerBuilder::unread_bytes`](crate::manager::ManagerBuilder::unread_bytes) limits the sum of
    /// the unread events of one reader.
    ///
    /// By default this is the size of the type, without the heap memory that it owns. Write this method if the content of an event comes from
    /// outside: `size_of::<String>() + event.len()`. [`TurnContext::emit`] and [`TurnContext::send`] call it once for
    /// each event.
    fn weight(event: &Self::Event) -> usize {
        size_of_val(event)
    }

    /// Writes an error with its causes, for reports, events and the log.
    ///
    /// By default this writes `{error:#}`, which for an `anyhow::Error` includes the causes. If the text of your error does not
    /// include them, write [`Causes`](crate::manager::Causes)`(error)` instead.
    ///
    /// # Errors
    ///
    /// Those of the formatter.
    fn describe(error: &Self::Error, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{error:#}")
    }
}

/// A [`Backend`] whose sessions answer messages.
///
/// It adds a type for messages, a type for the final reply, and [`send`](Self::send), which is one turn:
///
/// ```
/// use std::convert::Infallible;
/// use turnwise::{Agent, Backend, Incarnation, TurnContext};
///
/// struct Echo;
///
/// impl Backend for Echo {
///     type Key = String;
///     type Session = Vec<String>;
///     type Handle = ();
///     type Event = String;
///     type Error = Infallible;
///
///     async fn start(&self, _: &String, _: &TurnContext<Self::Event>) -> Result<(Vec<String>, ()), Infallible> {
///         Ok((Vec::new(), ()))
///     }
/// }
///
/// impl Agent for Echo {
///     type Message = String;
///     type Reply = usize;
///
///     async fn send(&self, history: &mut Vec<String>, message: String, cx: &TurnContext<String>) -> Result<usize, Infallible> {
///         for word in message.split(' ') {
///             if cx.is_cancelled() {
///                 break;
///             }
///             cx.emit(word.to_owned()); // to `next_event` below, and to all who `listen`
///         }
///         history.push(message);
///         Ok(history.len())
///     }
/// }
///
/// #[tokio::main]
/// async fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let sessions = turnwise::SessionManager::builder(Echo).build()?;
///     let mut sending = sessions.send_message("chat-42", "hello world".to_owned());
///     while let Some(event) = sending.next_event().await {
///         println!("{event:?}");
///     }
///     assert_eq!(sending.await?, 1);
///     Ok(())
/// }
/// ```
pub trait Agent: Backend {
    /// The message.
    type Message: Send + 'static;
    /// The final result of a message.
    type Reply: Send + 'static;

    /// Answers one message. Partial output that must arrive goes to [`cx.send`](TurnContext::send), which waits for a slow reader;
    /// other output goes to [`cx.emit`](TurnContext::emit).
    ///
    /// When [`cx.cancelled()`](TurnContext::cancelled) resolves, return soon, with a reply or an error, and leave the session ready
    /// for the next turn.
    ///
    /// # Errors
    ///
    /// The sender gets [`TurnError::Agent`](crate::manager::TurnError::Agent), and the session goes on. To end the session too, call
    /// [`discard`](crate::manager::SessionControl::discard).
    ///
    /// # Cancel safety
    ///
    /// A turn that still runs `Timeouts::abort` after its cancellation is dropped, and its session is stopped, as after a panic. If this
    /// process loses the [ownership](crate::manager::Ownership) of the session, the turn is dropped at once.
    fn send(
        &self,
        session: &mut Self::Session,
        message: Self::Message,
        cx: &TurnContext<Self::Event>,
    ) -> impl Future<Output = Result<Self::Reply, Self::Error>> + Send;
}

/// Why a session is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum StopReason {
    /// It was idle for too long.
    Idle,
    /// The session limit was reached, and another session needed its place.
    Capacity,
    /// By [`SessionManager::stop`](crate::SessionManager::stop).
    Requested,
    /// By [`SessionManager::restart`](crate::SessionManager::restart).
    Restarted,
    /// [`Backend::is_healthy`] returned false, timed out or panicked.
    Unhealthy,
    /// Its turn was cut short, panicked or was discarded, or a plain turn was not [`done`](crate::manager::SessionTurn::done). So the
    /// state of the session is unknown.
    Dirty,
    /// The manager shuts down.
    Shutdown,
    /// Its own code [discarded](crate::manager::SessionControl::discard) it.
    Discarded,
    /// It was older than [`max_age`](crate::manager::ManagerBuilder::max_age).
    Aged,
    /// This process no longer [owns](crate::manager::Ownership) its key. Another one may own it soon, so stop it at once, and write nothing
    /// that the session of another process would read.
    Lost,
}
