//! The traits that a user implements: how to start, stop and check a session, and how it answers a message.

use crate::manager::{
    reach::{Outlet, Switch},
    text,
};
use crate::{Incarnation, Ticket, sync::Arc};
use std::{error::Error, fmt, future::Future, hash::Hash};

/// Starts, stops and checks one kind of session.
///
/// Only [`start`](Self::start) is required. Write the methods as `async fn`. Two more things to do: free a session's resources in
/// [`stop`](Self::stop), and make sure that a dropped start or stop leaves nothing behind, for example with `kill_on_drop`. A session
/// need not be `Sync`.
///
/// ```
/// use std::{convert::Infallible, io, process::Stdio};
/// use tokio::process::{Child, Command};
/// use turnwise::{Backend, Incarnation, manager::StopReason};
///
/// struct Shells;
///
/// impl Backend for Shells {
///     type Key = String;
///     type Session = Child;
///     type Error = io::Error;
///
///     async fn start(&self, _key: &String, _incarnation: Incarnation) -> io::Result<Child> {
///         // A start that is cut short drops the child, and the drop kills it.
///         Command::new("sh").stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn()
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
/// Each method may fail, hang or panic. The manager continues:
///
/// | method | on an error | on a timeout | on a panic |
/// |---|---|---|---|
/// | `start` | the caller and the calls queued behind it get the error | dropped after `Timeouts::start`, then `start_abandoned` | `start_abandoned` |
/// | `start_abandoned` | | dropped after `Timeouts::stop`; the key goes to the next caller | the key goes to the next caller |
/// | `is_healthy` | `false`: the session is stopped as `Unhealthy`, and a new one starts in the same turn | the same, after `Timeouts::start` | the same |
/// | `stop` | reported; the key is free | dropped after `Timeouts::stop`, reported as abandoned; the key is free | reported; the key is free |
pub trait Backend: Send + Sync + 'static {
    /// Identifies a session.
    type Key: Eq + Hash + Clone + fmt::Debug + Send + Sync + 'static;
    /// The session: a process, a connection, an interpreter.
    type Session: Send + 'static;
    /// The error of a start, a stop or a turn.
    type Error: Error + Send + Sync + 'static;

    /// Starts a session. `incarnation` is a generation number, higher than that of every earlier session of this key. You can use
    /// it as a fencing token.
    ///
    /// # Cancel safety
    ///
    /// A caller that goes away does not cut the start short. After `Timeouts::start` it is dropped, and
    /// [`start_abandoned`](Self::start_abandoned) runs before the key goes to the next caller.
    fn start(
        &self,
        key: &Self::Key,
        incarnation: Incarnation,
    ) -> impl Future<Output = Result<Self::Session, Self::Error>> + Send;

    /// Cleans up after a start that timed out or panicked. When it returns, nothing of that start may be left. By default it
    /// does nothing.
    fn start_abandoned(
        &self,
        key: &Self::Key,
        incarnation: Incarnation,
    ) -> impl Future<Output = ()> + Send {
        let _ = (key, incarnation);
        async {}
    }

    /// Stops a session. No new session of the key starts before this returns. By default it drops the session.
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

    /// Checks a session before each turn but its first. If it returns false, the session is stopped, and a new one starts in the
    /// same turn. By default it returns true.
    fn is_healthy(&self, session: &mut Self::Session) -> impl Future<Output = bool> + Send {
        let _ = session;
        std::future::ready(true)
    }
}

/// A [`Backend`] whose sessions answer messages.
///
/// A type for messages, one for the partial output and one for the final reply, and [`send`](Self::send), which is one turn:
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
///     type Error = Infallible;
///
///     async fn start(&self, _: &String, _: Incarnation) -> Result<Vec<String>, Infallible> {
///         Ok(Vec::new())
///     }
/// }
///
/// impl Agent for Echo {
///     type Message = String;
///     type Event = String;
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
    /// A part of the output. Each reader gets a clone; put large events into an `Arc`.
    type Event: Clone + Send + Sync + 'static;
    /// The final result of a message.
    type Reply: Send + 'static;

    /// Answers one message. Emit partial output with [`cx.emit`](TurnContext::emit).
    ///
    /// When [`cx.cancelled()`](TurnContext::cancelled) resolves, return soon, with a reply or an error, and leave the session ready
    /// for the next turn.
    ///
    /// # Cancel safety
    ///
    /// A turn that still runs `Timeouts::abort` after its cancellation is dropped. Its session is then stopped, as after a panic.
    fn send(
        &self,
        session: &mut Self::Session,
        message: Self::Message,
        cx: &TurnContext<Self::Event>,
    ) -> impl Future<Output = Result<Self::Reply, Self::Error>> + Send;

    /// Returns the size of an event in bytes. The unread events of one reader are limited to
    /// [`ManagerBuilder::unread_bytes`](crate::manager::ManagerBuilder::unread_bytes) together.
    ///
    /// By default this is the size of the type, without the heap memory that it owns. Write this method if events own memory
    /// whose size others choose. [`TurnContext::emit`] calls it once for each event.
    ///
    /// ```
    /// # use std::convert::Infallible;
    /// # use turnwise::{Agent, Backend, Incarnation, TurnContext};
    /// # struct Echo;
    /// # impl Backend for Echo {
    /// #     type Key = String;
    /// #     type Session = ();
    /// #     type Error = Infallible;
    /// #     async fn start(&self, _: &String, _: Incarnation) -> Result<(), Infallible> { Ok(()) }
    /// # }
    /// impl Agent for Echo {
    /// #   type Message = String;
    ///     type Event = String;
    /// #   type Reply = ();
    /// #   async fn send(&self, _: &mut (), text: String, cx: &TurnContext<String>) -> Result<(), Infallible> {
    /// #       cx.emit(text);
    /// #       Ok(())
    /// #   }
    ///     // ..
    ///     fn weight(event: &String) -> usize {
    ///         size_of::<String>() + event.len()
    ///     }
    /// }
    /// ```
    fn weight(event: &Self::Event) -> usize {
        size_of_val(event)
    }
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
    /// Its turn was cut short, panicked or was discarded, so its state is unknown.
    Dirty,
    /// The manager shuts down.
    Shutdown,
}

/// The context of one turn: it emits output, and reports whether the turn is cancelled.
pub struct TurnContext<E> {
    pub(crate) incarnation: Incarnation,
    pub(crate) ticket: Ticket,
    pub(crate) out: Arc<dyn Outlet<E>>,
}

impl<E> TurnContext<E> {
    /// Returns the session's generation number.
    pub fn incarnation(&self) -> Incarnation {
        self.incarnation
    }

    /// Returns the turn's ticket.
    pub fn ticket(&self) -> Ticket {
        self.ticket
    }

    /// Sends partial output to the sender and to all [listeners](crate::SessionManager::listen). Never waits: a slow reader loses
    /// events, and receives their number. The limits are those of a [`Subscription`](crate::manager::Subscription).
    pub fn emit(&self, event: E) {
        self.out.emit(event);
    }

    /// Sets a line for the status, such as `retrying 2 of 3`. It stays until the next note or the end of the turn.
    ///
    /// A note of more than 1024 bytes is cut, and then ends with the number of bytes cut: ` [200 bytes cut]`.
    pub fn note(&self, note: impl Into<Arc<str>>) {
        let note = text::note(note.into());
        self.out.switch().set_note(self.ticket, note);
    }

    /// Resolves when the turn is cancelled. Cancel-safe.
    pub async fn cancelled(&self) {
        self.out.switch().cancelled(self.ticket).await;
    }

    /// Returns whether the turn is cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.out.switch().cause(self.ticket).is_some()
    }

    /// Returns a context for an inner agent, whose events have another type. `f` converts or drops each event of the inner agent.
    ///
    /// ```
    /// # use std::convert::Infallible;
    /// # use turnwise::{Agent, Backend, Incarnation, TurnContext, manager::Update};
    /// struct Inner;
    /// # impl Backend for Inner {
    /// #     type Key = String;
    /// #     type Session = ();
    /// #     type Error = Infallible;
    /// #     async fn start(&self, _: &String, _: Incarnation) -> Result<(), Infallible> { Ok(()) }
    /// # }
    /// # impl Agent for Inner {
    /// #     type Message = u32;
    /// #     type Event = u32;
    /// #     type Reply = ();
    /// #     async fn send(&self, _: &mut (), up_to: u32, cx: &TurnContext<u32>) -> Result<(), Infallible> {
    /// #         cx.note("counting");
    /// #         (0..up_to).for_each(|count| cx.emit(count));
    /// #         Ok(())
    /// #     }
    /// # }
    /// struct Outer(Inner);
    /// # impl Backend for Outer {
    /// #     type Key = String;
    /// #     type Session = ();
    /// #     type Error = Infallible;
    /// #     async fn start(&self, _: &String, _: Incarnation) -> Result<(), Infallible> { Ok(()) }
    /// # }
    ///
    /// impl Agent for Outer {
    ///     type Message = u32;
    ///     type Event = String;
    ///     type Reply = ();
    ///
    ///     async fn send(&self, session: &mut (), up_to: u32, cx: &TurnContext<String>) -> Result<(), Infallible> {
    ///         let cx = cx.map(|count: u32| (count % 2 == 1).then(|| count.to_string()));
    ///         self.0.send(session, up_to, &cx).await
    ///     }
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sessions = turnwise::SessionManager::builder(Outer(Inner)).build()?;
    /// let mut answer = sessions.send_message("a", 5);
    /// assert_eq!(answer.next_event().await, Some(Update::Event("1".to_owned())));
    /// assert_eq!(answer.next_event().await, Some(Update::Event("3".to_owned())));
    /// answer.await?;
    /// # Ok(()) }
    /// ```
    pub fn map<I>(&self, f: impl Fn(I) -> Option<E> + Send + Sync + 'static) -> TurnContext<I>
    where
        E: 'static,
    {
        TurnContext {
            incarnation: self.incarnation,
            ticket: self.ticket,
            out: Arc::new(Mapped {
                out: Arc::clone(&self.out),
                f,
            }),
        }
    }
}

/// The events of an inner agent.
struct Mapped<E, F> {
    out: Arc<dyn Outlet<E>>,
    f: F,
}

impl<E, I, F: Fn(I) -> Option<E> + Send + Sync> Outlet<I> for Mapped<E, F> {
    fn switch(&self) -> &Switch {
        self.out.switch()
    }

    fn emit(&self, event: I) {
        if let Some(event) = (self.f)(event) {
            self.out.emit(event);
        }
    }
}

impl<E> fmt::Debug for TurnContext<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TurnContext")
            .field("incarnation", &self.incarnation)
            .field("ticket", &self.ticket)
            .field("cancelled", &self.is_cancelled())
            .finish_non_exhaustive()
    }
}
