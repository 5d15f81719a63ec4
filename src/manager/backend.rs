//! What a user of the manager writes: how to start, stop and check a session, and how to answer a message with one.

use crate::manager::{reach::Switched, text};
use crate::{Incarnation, Ticket, sync::Arc};
use std::{error::Error, fmt, future::Future, hash::Hash};

/// How to start, stop and check one kind of session. Write the methods as `async fn`.
///
/// Only `start` must be written. A session need not be `Sync`: one call at a time has it.
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
///         // Killed with its drop, should a start be cut short or the program end.
///         Command::new("sh").stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn()
///     }
///
///     async fn is_healthy(&self, session: &mut Child) -> bool {
///         matches!(session.try_wait(), Ok(None))
///     }
///
///     async fn stop(&self, _key: &String, mut session: Child, _reason: StopReason) -> io::Result<()> {
///         drop(session.stdin.take()); // it reads the end of its input, and leaves
///         session.wait().await.map(drop)
///     }
/// }
/// ```
///
/// Each method may fail, hang or panic; the manager goes on:
///
/// | method | fails | overruns | panics |
/// |---|---|---|---|
/// | `start` | the caller gets the error, and those who wait for the same start | dropped after `Timeouts::start`, then `start_abandoned` | as overrun, at once |
/// | `start_abandoned` | | dropped after `Timeouts::stop` | the key is handed on |
/// | `is_healthy` | `false`: stopped as `Unhealthy`, started anew in the same turn | after `Timeouts::start` the same | the same |
/// | `stop` | reported; the key is free | dropped after `Timeouts::stop`, reported as abandoned; the key is free | the same |
///
/// What is dropped must not leave anything behind that a later session of the key could meet: kill on drop.
pub trait Backend: Send + Sync + 'static {
    /// Names a session.
    type Key: Eq + Hash + Clone + fmt::Debug + Send + Sync + 'static;
    /// What is started, used one turn at a time, and stopped.
    type Session: Send + 'static;
    /// Why a start, a stop or a turn failed.
    type Error: Error + Send + Sync + 'static;

    /// Starts a session. `incarnation` is a fencing token: higher than that of every earlier session of this key.
    ///
    /// Runs in a task that owns the key: a caller that goes away does not cut it short. When it outlives
    /// `Timeouts::start` it is dropped, and [`start_abandoned`](Self::start_abandoned) is awaited before the key goes on.
    fn start(
        &self,
        key: &Self::Key,
        incarnation: Incarnation,
    ) -> impl Future<Output = Result<Self::Session, Self::Error>> + Send;

    /// After a start that was cut short or panicked: what it left behind must be gone when this returns. Nothing by
    /// default.
    fn start_abandoned(
        &self,
        key: &Self::Key,
        incarnation: Incarnation,
    ) -> impl Future<Output = ()> + Send {
        let _ = (key, incarnation);
        async {}
    }

    /// Ends a session; its key is held until this returns. By default drops it.
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

    /// Asked at the beginning of each turn of a session that was there before. What is not healthy is stopped, and started
    /// anew in the same turn. `true` by default.
    fn is_healthy(&self, session: &mut Self::Session) -> impl Future<Output = bool> + Send {
        let _ = session;
        std::future::ready(true)
    }
}

/// A backend whose sessions answer messages.
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
///     async fn send(&self, heard: &mut Vec<String>, message: String, cx: &TurnContext<String>) -> Result<usize, Infallible> {
///         for word in message.split(' ') {
///             if cx.is_cancelled() {
///                 break;
///             }
///             cx.emit(word.to_owned());
///         }
///         heard.push(message);
///         Ok(heard.len())
///     }
/// }
/// ```
pub trait Agent: Backend {
    /// What is sent.
    type Message: Send + 'static;
    /// A part of the answer, while it comes. Each reader gets a clone. If events are large and there are several readers, an
    /// `Arc` lets them share one.
    type Event: Clone + Send + Sync + 'static;
    /// The answer's end.
    type Reply: Send + 'static;

    /// One turn. When [`cx.cancelled()`](TurnContext::cancelled) resolves, end cleanly and soon, with a reply or an error.
    /// After `Timeouts::abort` more this is dropped, and the session, which may be in the middle of anything, is stopped.
    /// So it is after a panic.
    fn send(
        &self,
        session: &mut Self::Session,
        message: Self::Message,
        cx: &TurnContext<Self::Event>,
    ) -> impl Future<Output = Result<Self::Reply, Self::Error>> + Send;

    /// How many bytes an event occupies while it waits to be read. The events that wait for one reader may weigh
    /// [`ManagerBuilder::unread_bytes`](crate::manager::ManagerBuilder::unread_bytes) in all.
    ///
    /// By default this is the size of the type, without what it points to. Write this method if an event owns memory whose
    /// size others choose. It is called once for each event, in [`TurnContext::emit`].
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
    /// It was idle for longer than it may.
    Idle,
    /// Another one needed its room.
    Capacity,
    /// [`SessionManager::stop`](crate::SessionManager::stop).
    Requested,
    /// [`SessionManager::restart`](crate::SessionManager::restart).
    Restarted,
    /// [`Backend::is_healthy`] said no.
    Unhealthy,
    /// A turn was cut short, panicked or was discarded: nobody knows what the session would say next.
    Dirty,
    /// The manager shuts down.
    Shutdown,
}

/// What a turn may tell and ask.
pub struct TurnContext<E> {
    pub(crate) incarnation: Incarnation,
    pub(crate) ticket: Ticket,
    pub(crate) call: Arc<dyn Switched>,
    pub(crate) out: Arc<dyn Fn(E) + Send + Sync>,
}

impl<E> TurnContext<E> {
    /// The session's number.
    pub fn incarnation(&self) -> Incarnation {
        self.incarnation
    }

    /// The turn's ticket.
    pub fn ticket(&self) -> Ticket {
        self.ticket
    }

    /// Partial output, to the sender and to all who listen. Never waits: a slow reader misses events, and gets their number. See
    /// [`Subscription`](crate::manager::Subscription) for how many wait.
    pub fn emit(&self, event: E) {
        (self.out)(event);
    }

    /// A line for the status, until the turn ends or sets another: `retrying 2 of 3`, `waiting for a dialog`.
    ///
    /// The first 1024 bytes of it are kept. A longer note ends with the number of bytes that were cut: ` [200 bytes cut]`.
    pub fn note(&self, note: impl Into<Arc<str>>) {
        self.call.switch().set_note(text::note(note.into()));
    }

    /// Resolves when the turn is to end. Cancel-safe.
    pub async fn cancelled(&self) {
        self.call.switch().cancelled().await;
    }

    /// True once the turn is to end.
    pub fn is_cancelled(&self) -> bool {
        self.call.switch().cause().is_some()
    }

    /// The same turn for an agent inside of this one, whose events are of another type: what `f` makes of them is emitted.
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
        let out = Arc::clone(&self.out);
        TurnContext {
            incarnation: self.incarnation,
            ticket: self.ticket,
            call: Arc::clone(&self.call),
            out: Arc::new(move |event| {
                if let Some(event) = f(event) {
                    out(event);
                }
            }),
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
