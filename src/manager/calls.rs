//! What users call.

use super::{
    backend::{Agent, Backend},
    call::{
        place::Place,
        sending::Sending,
        turn::{Drove, Entering, SessionTurn, drive},
    },
    end::{shutdown, stop::Stopping, sweep},
    error::TurnError,
    listen::Outputs,
    reach::{Cause, Refusal},
    report::{
        events::{Hub, Subscription},
        reports::{DrainReport, SessionEvent, SessionStatus, SweepReport},
    },
    run,
    settings::{self, BuildError, ManagerBuilder, TurnOptions},
    shared::Shared,
};
use crate::{
    SendFnOnce, Ticket, ToKey,
    registry::guards::send_fn,
    sync::{Arc, resume_unwind},
};
use std::{fmt, future::Future, time::Duration};

/// Keeps sessions, one per key, each used one turn at a time.
///
/// It knows by its [`Backend`] how to start, check and stop a session; by its [`Agent`], how to send it a message. Calls
/// of one key stand in one queue, first in, first out; those of other keys do not notice.
///
/// Each call takes its place *when it is called* and returns a `'static` future; so
/// `tokio::spawn(manager.send_message("a", text))` keeps the order of the calls.
///
/// A handle is cheap to clone. When the last one goes, and the last call that waits, the manager
/// [shuts down](Self::shutdown) by itself, without a deadline.
///
/// | call | waits for | dropped half-way |
/// |---|---|---|
/// | [`turn`](Self::turn), [`turn_with`](Self::turn_with), [`restart`](Self::restart) | the queue, a start | leaves the queue; start and stop run on |
/// | [`with_turn`](Self::with_turn) | the queue, a start, the closure | in the closure: the session is stopped |
/// | [`send_message`](Self::send_message) | the queue, a start, the reply | cancels the message; `detach` does not |
/// | [`stop`](Self::stop) | the turn under way, the stop | the stop goes on |
/// | [`cleanup_idle`](Self::cleanup_idle) | stops | claims no more; stops go on |
/// | [`shutdown`](Self::shutdown) | everything, to its deadline and a little more | the shutdown goes on |
/// | [`status`](Self::status), [`snapshot`](Self::snapshot), [`touch`](Self::touch), [`dismiss`](Self::dismiss), [`abort`](Self::abort), [`listen`](Self::listen), [`subscribe`](Self::subscribe) | nothing | |
///
/// No call blocks its thread. Calls may be made and futures polled anywhere: what they wait for goes on in the runtime that
/// the manager was built in, which must have time. When that runtime is gone, every call ends with `Closed`, and a message that no
/// session has seen comes back. A panic of the backend ends a session, never the manager.
pub struct SessionManager<B: Backend> {
    owner: Arc<Owner<B>>,
}

/// What all handles share. The last one ends the manager.
struct Owner<B: Backend>(Arc<Shared<B>>);

impl<B: Backend> Drop for Owner<B> {
    fn drop(&mut self) {
        shutdown::begin(&self.0, None);
    }
}

impl<B: Backend> Clone for SessionManager<B> {
    fn clone(&self) -> Self {
        Self {
            owner: Arc::clone(&self.owner),
        }
    }
}

impl<B: Backend> ManagerBuilder<B> {
    /// The manager. Its tasks run in the tokio runtime of the caller.
    ///
    /// # Errors
    ///
    /// [`BuildError`] tells what is missing or makes no sense.
    pub fn build(self) -> Result<SessionManager<B>, BuildError> {
        let runtime = settings::runtime()?;
        self.settings.check()?;
        let registry = self.registry();
        let idle = self.settings.stop_idle_after;
        let shared = Arc::new(Shared::new(self.backend, registry, self.settings, runtime));
        if let Some(idle) = idle {
            shared.runtime.spawn(sweep::reap(Arc::clone(&shared), idle));
        }
        shutdown::keep(&shared);
        Ok(SessionManager {
            owner: Arc::new(Owner(shared)),
        })
    }
}

impl<B: Backend> SessionManager<B> {
    /// Settings first.
    ///
    /// # Errors
    ///
    /// `build`'s: [`BuildError`].
    pub fn builder(backend: B) -> ManagerBuilder<B> {
        ManagerBuilder::new(backend)
    }

    fn shared(&self) -> &Arc<Shared<B>> {
        &self.owner.0
    }

    /// The turn of a key's session, which is started if there is none, and started anew if it is not healthy.
    ///
    /// # Errors
    ///
    /// The future's: [`TurnError`], but for `Agent`, `TurnTimedOut` and `Panicked`.
    pub fn turn<Q: ?Sized + ToKey<B::Key>>(&self, key: &Q) -> Entering<B> {
        self.turn_with(key, TurnOptions::default())
    }

    /// As [`turn`](Self::turn), with settings of its own. The time of a plain turn is its holder's: `turn` of the options
    /// says nothing here.
    #[allow(clippy::needless_pass_by_value)] // options are made for a call
    pub fn turn_with<Q: ?Sized + ToKey<B::Key>>(
        &self,
        key: &Q,
        options: TurnOptions,
    ) -> Entering<B> {
        let place = Place::take(self.shared(), key, &options, false);
        place.entering(Arc::clone(&self.owner))
    }

    /// Stops the session, if there is one, and starts it anew: in the queue, so the turns that wait go first. Gives the turn of
    /// the new one.
    ///
    /// # Errors
    ///
    /// As of [`turn`](Self::turn). That the stop failed is told by events.
    pub fn restart<Q: ?Sized + ToKey<B::Key>>(&self, key: &Q) -> Entering<B> {
        let place = Place::take(self.shared(), key, &TurnOptions::default(), true);
        place.entering(Arc::clone(&self.owner))
    }

    /// Runs a closure in a turn. If it is dropped half-way or panics, if it takes longer than `Timeouts::turn`, or goes on
    /// for longer than `Timeouts::abort` after a stop or a shutdown has asked for its end, it is dropped and its session is
    /// *dirty*: stopped; the next in the queue waits for that and starts afresh.
    ///
    /// `f` is an `async |session| ..` closure or an `async fn`, not `|session| async ..`. The future may be spawned:
    ///
    /// ```
    /// # use std::convert::Infallible;
    /// # use turnwise::{Backend, Incarnation, SessionManager};
    /// type Counter = Box<dyn Fn(&str) -> usize + Send>;
    ///
    /// struct Counters;
    ///
    /// impl Backend for Counters {
    ///     type Key = &'static str;
    ///     type Session = Counter;
    ///     type Error = Infallible;
    ///
    ///     async fn start(&self, _: &&'static str, _: Incarnation) -> Result<Counter, Infallible> {
    ///         Ok(Box::new(str::len))
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
    /// That is why the future of `f` must be `Send` ([`SendFnOnce`]). If it is not, use [`turn`](Self::turn).
    ///
    /// # Panics
    ///
    /// A panic of the closure goes on to the caller.
    ///
    /// # Errors
    ///
    /// [`TurnError`], but for `Agent` and `Panicked`.
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
        let shared = Arc::clone(self.shared());
        async move {
            let mut turn = entering.await?;
            let limit = shared.timeouts().turn;
            let (session, switch) = SessionTurn::session(&mut turn);
            let call = || send_fn::call(f, session);
            let drove = drive(&shared, call, switch, limit).await;
            SessionTurn::drove(&mut turn, &drove);
            run::let_go(turn);
            match drove {
                Drove::Done(value) => Ok(value),
                Drove::Cut(cause) => Err(TurnError::of(cause)),
                Drove::Panicked(payload) => resume_unwind(payload),
            }
        }
    }

    /// The status of a key's session, or of its start; `None` if there is neither. Waits for nothing.
    #[doc(alias = "get_status")]
    pub fn status<Q: ?Sized + ToKey<B::Key>>(&self, key: &Q) -> Option<SessionStatus> {
        self.shared().status(key)
    }

    /// Every key with a session, a start or a queue, and its status. Waits for nothing. A key that goes and comes back meanwhile may
    /// be there twice, as two incarnations: see [`Registry::snapshot`](crate::Registry::snapshot).
    pub fn snapshot(&self) -> Vec<(B::Key, SessionStatus)> {
        self.shared().snapshot()
    }

    /// Says that a session is active: its idle time counts from now. `false` if there is none.
    pub fn touch<Q: ?Sized + ToKey<B::Key>>(&self, key: &Q) -> bool {
        self.shared().registry.touch(key)
    }

    /// Sends the queue of a key away, each with [`TurnError::Dismissed`], and says how many that were. The turn under way
    /// goes on, and so does a [`stop`](Self::stop), which is ahead of the queue: a user's `/stop` is `dismiss` and `abort`.
    pub fn dismiss<Q: ?Sized + ToKey<B::Key>>(&self, key: &Q) -> usize {
        self.shared().send_away(key, || Refusal::Dismissed)
    }

    /// Cancels a call by its ticket, in whatever state it is; without a ticket, the call that has the session. `false` if there
    /// is no such call, or its turn has ended.
    ///
    /// A call that has no turn yet ends at once with [`TurnError::Aborted`], and its message comes back; the next in the queue moves
    /// up before this returns. A turn is [cancelled](crate::TurnContext::cancelled), and has `Timeouts::abort` to end. A start is not
    /// cut short: the call ends after it, and the next in the queue has the session. A [`stop`](Self::stop) is not aborted.
    pub fn abort<Q: ?Sized + ToKey<B::Key>>(&self, key: &Q, only: Option<Ticket>) -> bool {
        let shared = self.shared();
        let found = shared.registry.caller(key, only);
        found.is_some_and(|(ticket, call)| {
            !call.stops && shared.cancel(key, ticket, &call, Cause::Abort)
        })
    }

    /// Stops the session: cancels the turn under way, waits `Timeouts::abort` for its end at most, and then stops it. Goes ahead of
    /// the queue, whose calls get the next session. A plain [`SessionTurn`] is cancelled, and waited for; a start is waited for.
    ///
    /// If a stop of this key is queued or under way, the call joins it: both get the same result.
    ///
    /// # Errors
    ///
    /// The future's: [`StopError`](crate::manager::StopError). The key is free however the stop went.
    pub fn stop<Q: ?Sized + ToKey<B::Key>>(&self, key: &Q) -> Stopping<B> {
        Stopping::begin(self.shared(), key, Arc::clone(&self.owner))
    }

    /// Stops the sessions that are idle and were neither used nor touched for `idle_for`. Never waits for a turn.
    pub fn cleanup_idle(
        &self,
        idle_for: Duration,
    ) -> impl Future<Output = SweepReport<B::Key>> + Send + 'static + use<B> {
        sweep::sweep(Arc::clone(self.shared()), idle_for)
    }

    /// Ends the manager. When the call returns nobody is admitted any more, and those in the queue get
    /// [`TurnError::Closed`]. Turns may go on until the deadline; then they are cancelled, and messages and closures that do
    /// not end within `Timeouts::abort` are cut short. Every session is stopped, sixteen at a time.
    ///
    /// The report names every key that had a session. It comes at the latest after the deadline and one of each of
    /// `Timeouts::abort` and `Timeouts::start` and two of `Timeouts::stop`, and one more of these for each sixteen sessions that are
    /// there at the deadline; a plain [`SessionTurn`] that is still held then is reported as abandoned, and its session is stopped
    /// when it is given back after all. (Should the runtime end before, sessions go with its tasks, and the report tells only what
    /// was stopped until then, and what is still in the registry.)
    ///
    /// A second call may bring the deadline forward, and gets the same report.
    pub fn shutdown(
        &self,
        deadline: Duration,
    ) -> impl Future<Output = DrainReport<B::Key>> + Send + 'static + use<B> {
        let shared = Arc::clone(self.shared());
        shutdown::begin(&shared, Some(deadline));
        shutdown::report(shared)
    }

    /// What happens to sessions, from now on. Ends with the manager's shutdown.
    pub fn subscribe(&self) -> Subscription<SessionEvent<B::Key>> {
        Hub::subscribe(&self.shared().events)
    }
}

impl<A: Agent> SessionManager<A> {
    /// Sends a message to a key's session, in a turn of its own. Await it for the reply, read events from it first, drop it
    /// to cancel, [`detach`](Sending::detach) it to let it run.
    ///
    /// # Errors
    ///
    /// The future's: [`SendError`](crate::manager::SendError), with the message if the session never saw it.
    pub fn send_message<Q: ?Sized + ToKey<A::Key>>(
        &self,
        key: &Q,
        message: A::Message,
    ) -> Sending<A> {
        self.send_message_with(key, message, TurnOptions::default())
    }

    /// As [`send_message`](Self::send_message), with settings of its own.
    #[allow(clippy::needless_pass_by_value)] // options are made for a call
    pub fn send_message_with<Q: ?Sized + ToKey<A::Key>>(
        &self,
        key: &Q,
        message: A::Message,
        options: TurnOptions,
    ) -> Sending<A> {
        let place = Place::take(self.shared(), key, &options, false);
        let owner = Arc::clone(&self.owner);
        Sending::begin(self.shared(), place, key.to_key(), message, &options, owner)
    }

    /// The partial output of a key's sessions, whoever sent the message, from now on. Ends with the manager's shutdown.
    pub fn listen<Q: ?Sized + ToKey<A::Key>>(&self, key: &Q) -> Subscription<A::Event> {
        Outputs::listen(self.shared(), key.to_key())
    }
}

impl<B: Backend> fmt::Debug for SessionManager<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionManager")
            .field("sessions", &self.shared().registry)
            .finish_non_exhaustive()
    }
}
