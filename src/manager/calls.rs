//! What users call.

use super::{
    backend::{Agent, Backend},
    call::{
        entering::Entering,
        place::Place,
        sending::Sending,
        turn::{Drove, SessionTurn, drive},
    },
    end::{loss, shutdown, sweep},
    error::TurnError,
    options::TurnOptions,
    reach::Call,
    report::{
        reports::{QueuedCall, SessionStatus},
        stats::Stats,
    },
    run,
    settings::{self, BuildError, ManagerBuilder},
    shared::Shared,
    text,
};
use crate::{
    SendFnOnce, ToKey,
    registry::guards::send_fn,
    sync::{Arc, resume_unwind},
};
use std::{fmt, future::Future, pin::pin};

/// Runs one session per key, and gives it to one caller at a time.
///
/// A [`Backend`] defines how a session is started, checked and stopped. An [`Agent`] also defines how a session answers a
/// message; its page has a complete program.
///
/// | to | call | it waits for | if its future is dropped |
/// |---|---|---|---|
/// | send a message | [`send_message`](Self::send_message) | the queue, a start, the reply | cancels the message; [`detach`](Sending::detach) lets it run |
/// | take a turn | [`turn`](Self::turn) | the queue, a start | leaves the queue; a start continues |
/// | run a closure in a turn | [`with_turn`](Self::with_turn) | the queue, a start, the closure | the same; in the closure, stops the session |
/// | read what sessions do | [`status`](Self::status), [`snapshot`](Self::snapshot) | nothing | |
/// | read the counters | [`stats`](Self::stats) | nothing | |
/// | reach a session without its turn; keep it alive | [`handle`](Self::handle); [`keep_alive`](Self::keep_alive) | nothing | |
/// | list a queue | [`queue`](Self::queue) | nothing | |
/// | cancel a call; empty a queue | [`abort`](Self::abort); [`dismiss`](Self::dismiss) | nothing | |
/// | stop a session | [`stop`](Self::stop) | the current turn, the stop | the stop continues |
/// | stop a session whose turn hangs | [`force_stop`](Self::force_stop) | the turn, for a time; the stop | the stop continues |
/// | replace a session | [`restart`](Self::restart) | the queue, the stop, a start | leaves the queue; stop and start continue |
/// | stop idle sessions | [`cleanup_idle`](Self::cleanup_idle) | the stops | stops in progress continue; no more are begun |
/// | restart the idle time of a session | [`touch`](Self::touch) | nothing | |
/// | set options for calls; refuse new sessions | [`with`](Self::with); [`accept_new`](Self::accept_new) | nothing | |
/// | shut down | [`shutdown`](Self::shutdown) | turns until the deadline, all stops | the shutdown continues |
/// | subscribe to output; to events | [`listen`](Self::listen), [`listen_from`](Self::listen_from); [`subscribe`](Self::subscribe) | nothing | |
///
/// Calls for one key wait in one FIFO queue. Calls for other keys never wait for it. Each call takes its position *when it is
/// called*, and not when it is first polled. Its future is `'static`, so `tokio::spawn(manager.send_message("a", text))` keeps
/// the order of the calls. [A table](crate::manager#calls-and-states) lists the result of each call in each state.
///
/// The manager is cheap to clone. It [shuts down](Self::shutdown) by itself, without a deadline, when the last clone and the last
/// waiting call are gone. A [`turn`](Self::turn) that found its session idle does not wait.
///
/// # Details
///
/// No call blocks its thread. You may call the manager and poll its futures on any thread, also outside of tokio. Its tasks run on
/// the runtime in which it was built. When that runtime is gone, every call ends with `Closed`, and a message that no session has
/// received is returned. A panic in the backend ends a session, never the manager.
pub struct SessionManager<B: Backend> {
    pub(super) owner: Arc<Owner<B>>,
    pub(super) options: TurnOptions,
}

/// What all clones share. The last one shuts the manager down.
pub(super) struct Owner<B: Backend>(Arc<Shared<B>>);

impl<B: Backend> Drop for Owner<B> {
    fn drop(&mut self) {
        shutdown::begin(&self.0, None);
    }
}

impl<B: Backend> Clone for SessionManager<B> {
    fn clone(&self) -> Self {
        Self {
            owner: Arc::clone(&self.owner),
            options: self.options.clone(),
        }
    }
}

impl<B: Backend> ManagerBuilder<B> {
    /// Builds the manager. Its tasks run on the tokio runtime of the caller.
    ///
    /// # Errors
    ///
    /// [`BuildError`] if there is no usable runtime, or if a timeout, `stop_idle_after`, `max_age`, `max_sessions`, `unread_bytes`
    /// or `unread_events` is zero.
    pub fn build(self) -> Result<SessionManager<B>, BuildError> {
        let runtime = settings::runtime()?;
        self.settings.check()?;
        let registry = self.registry();
        let (idle, age) = (self.settings.stop_idle_after, self.settings.max_age);
        let (settings, ownership) = (self.settings, self.ownership);
        let shared = Shared::new(self.backend, registry, settings, ownership, runtime);
        let shared = Arc::new(shared);
        loss::watch(&shared);
        if let Some(shortest) = [idle, age].into_iter().flatten().min() {
            let reap = sweep::reap(Arc::clone(&shared), shortest, idle);
            shared.runtime.spawn(reap);
        }
        shutdown::keep(&shared);
        Ok(SessionManager {
            owner: Arc::new(Owner(shared)),
            options: TurnOptions::default(),
        })
    }
}

impl<A: Agent> SessionManager<A> {
    /// Sends a message to the session of a key, in a turn of its own. Starts the session if there is none.
    ///
    /// Await the [`Sending`] for the reply, or read its events first. Drop it to cancel the message.
    ///
    /// # Errors
    ///
    /// The future returns a [`SendError`](crate::manager::SendError). It contains the message if no session has received it.
    pub fn send_message<Q: ?Sized + ToKey<A::Key>>(
        &self,
        key: &Q,
        message: A::Message,
    ) -> Sending<A> {
        let call = Some(Call::turn(self.options.first, self.options.note.clone()));
        let options = &self.options;
        let place = Place::take(self.shared(), key, options, false, call);
        let owner = Arc::clone(&self.owner);
        Sending::begin(self.shared(), place, key.to_key(), message, options, owner)
    }
}

impl<B: Backend> SessionManager<B> {
    /// Takes a turn of a key's session. Starts the session if there is none, and replaces it if it is not healthy.
    ///
    /// The [`SessionTurn`] dereferences to the session. This is a *plain* turn: your code holds it, and the manager never takes it away.
    /// [`done`](SessionTurn::done) ends the turn. A turn that is dropped instead discards a session that was borrowed.
    ///
    /// # Errors
    ///
    /// The future returns a [`TurnError`], never `Agent`, `TurnTimedOut` or `Panicked`.
    ///
    /// # Performance
    ///
    /// The turn of an idle session whose health check is ready at once needs no allocation, no task and no timer.
    /// The first such turn of a thread allocates the memory for the check's future, which the thread keeps.
    #[inline]
    pub fn turn<Q: ?Sized + ToKey<B::Key>>(&self, key: &Q) -> Entering<B> {
        let options = &self.options;
        if !options.seeks() {
            if let Some(entering) = Entering::idle(self.shared(), key) {
                return entering;
            }
        }
        let place = Place::take(self.shared(), key, options, false, None);
        Entering::of(place, self.shared(), Arc::clone(&self.owner))
    }

    /// Runs a closure in a turn, and returns its value.
    ///
    /// `f` is an `async |session| ..` closure or an `async fn`, not `|session| async ..`. The future may be spawned:
    ///
    /// ```
    /// # use std::convert::Infallible;
    /// # use turnwise::{Backend, SessionManager, TurnContext};
    /// type Counter = Box<dyn Fn(&str) -> usize + Send>;
    ///
    /// struct Counters;
    ///
    /// impl Backend for Counters {
    ///     type Key = &'static str;
    ///     type Session = Counter;
    ///     type Handle = ();
    ///     type Event = ();
    ///     type Error = Infallible;
    ///
    ///     async fn start(&self, _: &&'static str, _: &TurnContext<Self::Event>) -> Result<(Counter, ()), Infallible> {
    ///         Ok((Box::new(str::len), ()))
    ///     }
    /// }
    ///
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let counters = SessionManager::builder(Counters).build()?;
    /// let counted = tokio::spawn(async move {
    ///     counters.with_turn(&"a", async |count| count("four")).await
    /// });
    /// assert_eq!(counted.await??, 4);
    /// # Ok(()) }
    /// ```
    ///
    /// The future of `f` must be `Send` for that ([`SendFnOnce`]). If it is not, use [`turn`](Self::turn).
    ///
    /// # Errors
    ///
    /// The future returns a [`TurnError`], never `Agent` or `Panicked`.
    ///
    /// # Panics
    ///
    /// A panic of the closure continues in the caller.
    ///
    /// # Cancel safety
    ///
    /// A closure that panics, or is dropped before its end, leaves its session *dirty*: its state is unknown. The manager stops
    /// a dirty session, and the next caller gets a new one. The manager itself drops a closure that still runs `Timeouts::abort`
    /// after it was cancelled: by [`abort`](Self::abort), by [`stop`](Self::stop), by the deadline of a shutdown, or because it
    /// exceeded `Timeouts::turn`.
    #[inline]
    pub fn with_turn<Q, R, F>(
        &self,
        key: &Q,
        f: F,
    ) -> impl Future<Output = Result<R, TurnError<B::Error>>> + use<Q, B, R, F>
    where
        Q: ?Sized + ToKey<B::Key>,
        F: AsyncFnOnce(&mut B::Session) -> R + for<'a> SendFnOnce<&'a mut B::Session, R>,
    {
        let entering = self.turn(key);
        let own_limit = self.options.turn;
        async move {
            let mut turn = entering.await?;
            let (session, of_turn, shared) = SessionTurn::session(&mut turn);
            let limit = own_limit.or(shared.timeouts().turn);
            let drove = {
                let work = pin!(Some(run::caught(|| send_fn::call(f, session))));
                // A closure has no context, so nobody can expect a sign of it.
                let drove = drive(shared, work, of_turn, limit, None);
                run::inside(&shared.runtime, drove).await
            };
            SessionTurn::drove(&mut turn, &drove);
            run::let_go(turn);
            match drove {
                Drove::Done(value) => Ok(value),
                Drove::Cut(cause) => Err(TurnError::of(cause)),
                Drove::Panicked(payload) => resume_unwind(payload),
            }
        }
    }

    /// Returns this manager with other options for its calls. The sessions are the same. It is cheap to make.
    ///
    /// ```
    /// # use std::{convert::Infallible, time::Duration};
    /// # use turnwise::{Backend, SessionManager, TurnContext, manager::{TurnError, TurnOptions}};
    /// # struct Counters;
    /// # impl Backend for Counters {
    /// #     type Key = &'static str;
    /// #     type Session = u32;
    /// #     type Handle = ();
    /// #     type Event = ();
    /// #     type Error = Infallible;
    /// #     async fn start(&self, _: &&'static str, _: &TurnContext<()>) -> Result<(u32, ()), Infallible> { Ok((0, ())) }
    /// # }
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let counters = SessionManager::builder(Counters).build()?;
    /// let existing = counters.with(TurnOptions::existing().wait(Duration::from_secs(1)));
    /// assert!(matches!(existing.turn(&"a").await, Err(TurnError::NotFound)));
    /// # Ok(()) }
    /// ```
    ///
    /// | options | calls that they concern |
    /// |---|---|
    /// | `wait`, `no_wait`, `existing`, `first`, `note` | messages, turns, closures, restarts |
    /// | `turn` | messages, closures |
    /// | `only` | messages, turns, closures, restarts, stops, aborts |
    ///
    /// Other calls ignore the options.
    pub fn with(&self, mut options: TurnOptions) -> Self {
        options.note = options.note.map(text::note);
        Self {
            owner: Arc::clone(&self.owner),
            options,
        }
    }

    /// Accepts or refuses new sessions. While they are refused, existing sessions go on, and a call that would have to start one
    /// ends with [`TurnError::NotAccepting`].
    ///
    /// A start that is under way continues. A restart is refused and leaves its session alone. A session that is not healthy is
    /// stopped, and not replaced.
    pub fn accept_new(&self, accept: bool) {
        self.shared().accept_new(accept);
    }

    /// Returns the counters since the manager was built: starts, stops, turns, refusals. Waits for nothing.
    pub fn stats(&self) -> Stats {
        self.shared().stats.read()
    }

    /// Returns the status of a key's session, or of its start. `None` if there is neither. Waits for nothing.
    #[doc(alias = "get_status")]
    pub fn status<Q: ?Sized + ToKey<B::Key>>(&self, key: &Q) -> Option<SessionStatus> {
        self.shared().status(key)
    }

    /// Returns the status of every key that has a session, a start or a queue. Waits for nothing.
    ///
    /// A key that goes and comes back during the call may be listed twice, as two incarnations: see
    /// [`Registry::snapshot`](crate::Registry::snapshot).
    pub fn snapshot(&self) -> Vec<(B::Key, SessionStatus)> {
        self.shared().snapshot()
    }

    /// Returns the calls that wait for a turn of this key, in their order, without stops. Waits for nothing.
    ///
    /// [`abort`](Self::abort) cancels a call by its ticket. The list is copied in steps, so it need not be that of one moment.
    pub fn queue<Q: ?Sized + ToKey<B::Key>>(&self, key: &Q) -> Vec<QueuedCall> {
        self.shared().queue(key)
    }

    /// Returns a builder for the settings. [`build`](ManagerBuilder::build) makes the manager.
    pub fn builder(backend: B) -> ManagerBuilder<B> {
        ManagerBuilder::new(backend)
    }

    pub(super) fn shared(&self) -> &Arc<Shared<B>> {
        &self.owner.0
    }
}

impl<B: Backend> fmt::Debug for SessionManager<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionManager")
            .field("sessions", &self.shared().registry)
            .finish_non_exhaustive()
    }
}
