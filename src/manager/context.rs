//! The context of a start or a turn.

use crate::manager::{life::Life, switch::Switch, text};
use crate::{Incarnation, Ticket, sync::Arc};
use std::{any::Any, fmt, future::Future, pin::Pin};

/// What the context of a start or a turn reaches: the switch that cancels it, the note of its call, and the readers of its events.
pub(crate) trait Outlet<E>: Send + Sync {
    fn switch(&self) -> &Switch;
    fn note(&self, ticket: Ticket, note: Arc<str>);
    fn emit(&self, ticket: Ticket, event: E);
    /// Sends an event. The future, if there is one, waits for room.
    fn send<'a>(&'a self, ticket: Ticket, event: E) -> Option<Wait<'a>>
    where
        E: 'a;
}

/// A `send` that waits. In a box, which a `send` with room does not need.
pub(crate) type Wait<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// What a session reaches without a turn.
pub(crate) trait Port<E>: Send + Sync {
    fn life(&self) -> &Life;
    /// The session has ended.
    fn end(&self);
    fn emit(&self, event: E);
    fn discard(&self, reason: Arc<str>);
    /// Stops a session that has lost its key. Then drops the rest: its seat and its tenure.
    fn stop_loose(&self, session: Box<dyn Any + Send>, rest: Box<dyn Any + Send>);
}

/// Lets a session emit events, set its note and end at any time, also while it is idle. [`TurnContext::session`] returns it. Clones
/// are for the same session. [The guide](crate::guide::handles) has an example that runs.
///
/// Keep it in the session, or in the task that reads from the session's process or connection. It does not keep the session or the
/// manager alive. After the end of the session its methods do nothing.
///
/// ```
/// use std::{io, process::Stdio};
/// use tokio::process::{Child, Command};
/// use turnwise::{Backend, TurnContext};
///
/// struct Shells;
///
/// impl Backend for Shells {
///     type Key = String;
///     type Session = ();
///     type Handle = ();
///     type Event = ();
///     type Error = io::Error;
///
///     async fn start(&self, _: &String, cx: &TurnContext<()>) -> io::Result<((), ())> {
///         let mut child = Command::new("sh").stdin(Stdio::null()).kill_on_drop(true).spawn()?;
///         let session = cx.session();
///         tokio::spawn(async move {
///             // A process that exits while its session is idle: the session is gone at once.
///             let ended = child.wait().await;
///             session.discard(format!("it has exited: {ended:?}"));
///         });
///         Ok(((), ()))
///     }
/// }
/// ```
pub struct SessionControl<E> {
    port: Arc<dyn Port<E>>,
}

impl<E> SessionControl<E> {
    /// Returns the session's generation number. Later sessions of the key have higher numbers, with gaps.
    pub fn incarnation(&self) -> Incarnation {
        self.port.life().incarnation
    }

    /// Sends an event to all [listeners](crate::SessionManager::listen). Never waits. During a turn, it counts as a sign of life
    /// of that turn.
    pub fn emit(&self, event: E) {
        self.port.emit(event);
    }

    /// Sets a text for the status, in at most 1024 bytes: see [`TurnContext::note`]. It is shown while no turn has a note of its own.
    pub fn note(&self, note: impl Into<Arc<str>>) {
        self.port.life().set_note(text::note(note.into()));
    }

    /// Returns whether this process still [owns](crate::manager::Ownership) the session. Check it before each effect outside of this process.
    /// Always true without an `Ownership`. Costs one reading of a clock.
    pub fn is_owned(&self) -> bool {
        self.port.life().holds()
    }

    /// Stops the session: at once if it is idle, otherwise at the end of its turn. That turn continues; the next call gets a new
    /// session. If the session is still being started, it is stopped at the end of its start, and its callers get
    /// [`TurnError::Discarded`](crate::manager::TurnError::Discarded). During the stop of the session this does nothing.
    ///
    /// The reason appears in that error and in [`SessionEvent::Discarded`](crate::manager::SessionEvent::Discarded), in at most 1024
    /// bytes. Only the first call has an effect. Never waits.
    pub fn discard(&self, reason: impl Into<Arc<str>>) {
        self.port.discard(text::note(reason.into()));
    }
}

impl<E> Clone for SessionControl<E> {
    fn clone(&self) -> Self {
        Self {
            port: Arc::clone(&self.port),
        }
    }
}

impl<E> fmt::Debug for SessionControl<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionControl")
            .field("incarnation", &self.incarnation())
            .finish_non_exhaustive()
    }
}

/// The context of one start or one turn: it emits events, sets the note, and reports a cancellation.
pub struct TurnContext<E> {
    pub(crate) incarnation: Incarnation,
    pub(crate) ticket: Ticket,
    /// Its call went before the queue.
    pub(crate) first: bool,
    pub(crate) out: Arc<dyn Outlet<E>>,
    pub(crate) port: Arc<dyn Port<E>>,
}

impl<E> TurnContext<E> {
    /// Returns the session's generation number. Later sessions of the key have higher numbers, with gaps.
    pub fn incarnation(&self) -> Incarnation {
        self.incarnation
    }

    /// Returns the ticket of the turn, or of the call for which the session is started.
    pub fn ticket(&self) -> Ticket {
        self.ticket
    }

    /// Returns the control of the session, which emits events and ends the session at any time, also after the turn.
    pub fn session(&self) -> SessionControl<E> {
        SessionControl {
            port: Arc::clone(&self.port),
        }
    }

    /// Emits partial output, to the sender and to all [listeners](crate::SessionManager::listen). Never waits: a slow reader loses
    /// the oldest events, and receives their number as [`Lagged`](crate::manager::Update::Lagged). A
    /// [`Subscription`](crate::manager::Subscription) lists the limits. For output that must arrive, use [`send`](Self::send).
    pub fn emit(&self, event: E) {
        self.out.emit(self.ticket, event);
    }

    /// Sends partial output that must arrive. Waits while the sender's queue is full, until the sender has read enough. All
    /// [listeners](crate::SessionManager::listen) get the event as with [`emit`](Self::emit).
    ///
    /// A sent event is never dropped to make room for another. An emitted one may be. An event that exceeds
    /// [`unread_bytes`](crate::manager::ManagerBuilder::unread_bytes) by itself waits until no other sent event is unread.
    ///
    /// Without a reader, this is the same as `emit`, and never waits. There is no reader in a start, and none when the sender has
    /// [detached](crate::manager::Sending::detach) or dropped its [`Sending`](crate::manager::Sending) or has polled it for the reply.
    /// A `Sending` that is held, and not polled, is a slow reader.
    ///
    /// # Details
    ///
    /// Calls that wait at the same time are served in the order in which they began to wait. The wait ends early in two cases. Then this
    /// event and all later ones are emitted, as by `emit`:
    ///
    /// - The turn is cancelled: by an abort, a stop, a shutdown, or `Timeouts::turn`.
    /// - The reader takes nothing for [`Timeouts::quiet`](crate::manager::Timeouts#structfield.quiet). From then on, it is a lossy reader.
    ///   The wait does not count as silence of the turn. Without `quiet`, a slow reader holds the turn.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it is ready, the event is not sent.
    ///
    /// # Performance
    ///
    /// A call that does not wait allocates no more than `emit`.
    pub async fn send(&self, event: E) {
        if let Some(wait) = self.out.send(self.ticket, event) {
            wait.await;
        }
    }

    /// Sets a line for the status, such as `retrying 2 of 3`. It stays until the next note or the end of the turn.
    ///
    /// A note of more than 1024 bytes is cut, and then ends with the number of bytes cut: ` [200 bytes cut]`.
    pub fn note(&self, note: impl Into<Arc<str>>) {
        let note = text::note(note.into());
        self.out.note(self.ticket, note);
    }

    /// Resolves when the turn or the start is cancelled. Return soon then.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn cancelled(&self) {
        self.out.switch().cancelled(self.ticket).await;
    }

    /// Returns whether the turn or the start is cancelled.
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
    /// #     type Handle = ();
    /// #     type Event = u32;
    /// #     type Error = Infallible;
    /// #     async fn start(&self, _: &String, _: &TurnContext<Self::Event>) -> Result<((), ()), Infallible> { Ok(((), ())) }
    /// # }
    /// # impl Agent for Inner {
    /// #     type Message = u32;
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
    /// #     type Handle = ();
    /// #     type Event = String;
    /// #     type Error = Infallible;
    /// #     async fn start(&self, _: &String, _: &TurnContext<Self::Event>) -> Result<((), ()), Infallible> { Ok(((), ())) }
    /// # }
    ///
    /// impl Agent for Outer {
    ///     type Message = u32;
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
        let mapped = Arc::new(Mapped {
            out: Arc::clone(&self.out),
            port: Arc::clone(&self.port),
            f,
        });
        TurnContext {
            incarnation: self.incarnation,
            ticket: self.ticket,
            first: self.first,
            port: Arc::clone(&mapped) as Arc<dyn Port<I>>,
            out: mapped,
        }
    }
}

/// The events of an inner agent.
struct Mapped<E, F> {
    out: Arc<dyn Outlet<E>>,
    port: Arc<dyn Port<E>>,
    f: F,
}

impl<E, I, F: Fn(I) -> Option<E> + Send + Sync> Port<I> for Mapped<E, F> {
    fn life(&self) -> &Life {
        self.port.life()
    }

    fn end(&self) {
        self.port.end();
    }

    fn emit(&self, event: I) {
        if let Some(event) = (self.f)(event) {
            self.port.emit(event);
        }
    }

    fn discard(&self, reason: Arc<str>) {
        self.port.discard(reason);
    }

    fn stop_loose(&self, session: Box<dyn Any + Send>, seat: Box<dyn Any + Send>) {
        self.port.stop_loose(session, seat);
    }
}

impl<E, I, F: Fn(I) -> Option<E> + Send + Sync> Outlet<I> for Mapped<E, F> {
    fn switch(&self) -> &Switch {
        self.out.switch()
    }

    fn note(&self, ticket: Ticket, note: Arc<str>) {
        self.out.note(ticket, note);
    }

    fn emit(&self, ticket: Ticket, event: I) {
        if let Some(event) = (self.f)(event) {
            self.out.emit(ticket, event);
        }
    }

    fn send<'a>(&'a self, ticket: Ticket, event: I) -> Option<Wait<'a>>
    where
        I: 'a,
    {
        self.out.send(ticket, (self.f)(event)?)
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
