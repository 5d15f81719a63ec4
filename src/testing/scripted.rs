//! A backend that does as it is told, and the hand that tells it.

use super::{
    act::{Act, Unhealthy},
    record::{Call, Life, Method, Record, Running},
    watch::Watched,
};
use crate::{Agent, Backend, Incarnation, TurnContext, manager::StopReason, sync::Arc};
use parking_lot::Mutex;
use std::{
    collections::VecDeque,
    convert::Infallible,
    fmt,
    future::pending,
    ops::{Deref, DerefMut},
};

/// A backend around another one: what is not scripted passes.
///
/// What a script makes of a call the backend within does not hear of; a session that it was to stop is dropped then.
/// It is an [`Agent`] where that is.
pub struct Scripted<B: Backend> {
    inner: B,
    hand: Script<B>,
}

impl<B: Backend> Scripted<B> {
    /// The backend, for the manager, and the hand that plays it, for the test.
    pub fn around(backend: B) -> (Self, Script<B>) {
        let hand = Script {
            queue: Arc::new(Mutex::new(Queue::new())),
            record: Arc::new(Watched::new(Record::new())),
        };
        let scripted = Self {
            inner: backend,
            hand: hand.clone(),
        };
        (scripted, hand)
    }

    /// The backend within.
    pub fn inner(&self) -> &B {
        &self.inner
    }
}

/// The hand that plays a [`Scripted`] backend. Its clones are the same hand.
///
/// An act is for the next call of its method that nobody has played yet, of any key. It is taken when the call begins.
pub struct Script<B: Backend> {
    queue: Arc<Mutex<Queue<B::Error>>>,
    record: Arc<Watched<Record<B::Key>>>,
}

/// What is still to be played.
struct Queue<E> {
    start: VecDeque<Act<E>>,
    start_abandoned: VecDeque<Act<Infallible>>,
    is_healthy: VecDeque<Act<Unhealthy>>,
    send: VecDeque<Act<E>>,
    stop: VecDeque<Act<E>>,
}

impl<B: Backend> Script<B> {
    /// For the next [`start`](Backend::start).
    pub fn on_start(&self, act: Act<B::Error>) {
        self.queue.lock().start.push_back(act);
    }

    /// For the next [`start_abandoned`](Backend::start_abandoned), which cannot fail.
    pub fn on_start_abandoned(&self, act: Act<Infallible>) {
        self.queue.lock().start_abandoned.push_back(act);
    }

    /// For the next [`is_healthy`](Backend::is_healthy).
    pub fn on_is_healthy(&self, act: Act<Unhealthy>) {
        self.queue.lock().is_healthy.push_back(act);
    }

    /// For the next [`send`](Agent::send).
    pub fn on_send(&self, act: Act<B::Error>)
    where
        B: Agent,
    {
        self.queue.lock().send.push_back(act);
    }

    /// For the next [`stop`](Backend::stop).
    pub fn on_stop(&self, act: Act<B::Error>) {
        self.queue.lock().stop.push_back(act);
    }

    /// All calls so far, in the order of their begin. Plain turns are no calls: what a holder does with a session is not
    /// written down.
    pub fn record(&self) -> Vec<Call<B::Key>> {
        self.record.look(|record| record.calls.clone())
    }

    /// Resolves when the record is so: instead of a sleep until it must be. Asked at each begin and end of a call, under the
    /// lock of the record: it may not use the script. Cancel-safe.
    pub async fn until(&self, mut is_so: impl FnMut(&[Call<B::Key>]) -> bool) {
        self.record.until(|record| is_so(&record.calls)).await;
    }

    /// Everything that was queued has been played.
    ///
    /// # Panics
    ///
    /// If something is left: the test has not tested what it says.
    #[track_caller]
    pub fn assert_played(&self) {
        let queue = self.queue.lock();
        let left = [
            (Method::Start, queue.start.len()),
            (Method::StartAbandoned, queue.start_abandoned.len()),
            (Method::IsHealthy, queue.is_healthy.len()),
            (Method::Send, queue.send.len()),
            (Method::Stop, queue.stop.len()),
        ];
        drop(queue);
        let left: Vec<_> = left.into_iter().filter(|&(_, count)| count > 0).collect();
        assert!(left.is_empty(), "queued and never played: {left:?}");
    }

    /// There were never two of one key: no two calls at once, no start before the end of the session before, and no call of
    /// a session that had been stopped or dropped.
    ///
    /// The manager sees to that. What is checked is what your program puts in between: an agent around a scripted one, a
    /// task that goes on behind a turn.
    ///
    /// # Panics
    ///
    /// If there were, with each call that should not have been.
    #[track_caller]
    pub fn assert_never_two(&self) {
        let faults = self.record.look(|record| record.faults.join("\n"));
        assert!(faults.is_empty(), "two of one key:\n{faults}");
    }

    fn begin(&self, key: &B::Key, incarnation: Incarnation, method: Method) -> Running<B::Key> {
        Running::begin(&self.record, key, incarnation, method)
    }

    /// The next act that is chosen so; without one the call passes.
    fn next<E>(&self, of: impl FnOnce(&mut Queue<B::Error>) -> &mut VecDeque<Act<E>>) -> Act<E> {
        of(&mut self.queue.lock())
            .pop_front()
            .unwrap_or_else(Act::pass)
    }
}

impl<B: Backend> Backend for Scripted<B> {
    type Key = B::Key;
    type Session = ScriptedSession<B>;
    type Error = B::Error;

    async fn start(
        &self,
        key: &B::Key,
        incarnation: Incarnation,
    ) -> Result<ScriptedSession<B>, B::Error> {
        let call = self.hand.begin(key, incarnation, Method::Start);
        let act = self.hand.next(|queue| &mut queue.start);
        let started = match act.play(pending()).await {
            Ok(()) => self.inner.start(key, incarnation).await,
            Err(error) => Err(error),
        };
        let started = started.map(|session| ScriptedSession {
            session,
            life: Life::begin(&self.hand.record, key, incarnation),
        });
        call.ends(started.is_ok());
        started
    }

    async fn start_abandoned(&self, key: &B::Key, incarnation: Incarnation) {
        let call = self.hand.begin(key, incarnation, Method::StartAbandoned);
        let act = self.hand.next(|queue| &mut queue.start_abandoned);
        let Ok(()) = act.play(pending()).await;
        self.inner.start_abandoned(key, incarnation).await;
        call.ends(true);
    }

    async fn stop(
        &self,
        key: &B::Key,
        session: ScriptedSession<B>,
        reason: StopReason,
    ) -> Result<(), B::Error> {
        // Dropped from the last to the first: the session, then its life, then the call.
        let call = self.hand.begin(key, session.life.incarnation, Method::Stop);
        let _life = session.life;
        let session = session.session;
        let act = self.hand.next(|queue| &mut queue.stop);
        let stopped = match act.play(pending()).await {
            Ok(()) => self.inner.stop(key, session, reason).await,
            Err(error) => {
                drop(session);
                Err(error)
            }
        };
        call.ends(stopped.is_ok());
        stopped
    }

    async fn is_healthy(&self, session: &mut ScriptedSession<B>) -> bool {
        let ScriptedSession { session, life } = session;
        let call = self
            .hand
            .begin(&life.key, life.incarnation, Method::IsHealthy);
        let act = self.hand.next(|queue| &mut queue.is_healthy);
        let is_healthy = match act.play(pending()).await {
            Ok(()) => self.inner.is_healthy(session).await,
            Err(Unhealthy) => false,
        };
        call.ends(is_healthy);
        is_healthy
    }
}

impl<B: Agent> Agent for Scripted<B> {
    type Message = B::Message;
    type Event = B::Event;
    type Reply = B::Reply;

    async fn send(
        &self,
        session: &mut ScriptedSession<B>,
        message: B::Message,
        cx: &TurnContext<B::Event>,
    ) -> Result<B::Reply, B::Error> {
        let ScriptedSession { session, life } = session;
        let call = self.hand.begin(&life.key, life.incarnation, Method::Send);
        let act = self.hand.next(|queue| &mut queue.send);
        let reply = match act.play(cx.cancelled()).await {
            Ok(()) => self.inner.send(session, message, cx).await,
            Err(error) => Err(error),
        };
        call.ends(reply.is_ok());
        reply
    }

    fn weight(event: &B::Event) -> usize {
        B::weight(event)
    }
}

/// A session of a [`Scripted`] backend: that of the backend within, by `Deref`.
pub struct ScriptedSession<B: Backend> {
    session: B::Session,
    life: Life<B::Key>,
}

impl<B: Backend> Deref for ScriptedSession<B> {
    type Target = B::Session;

    fn deref(&self) -> &B::Session {
        &self.session
    }
}

impl<B: Backend> DerefMut for ScriptedSession<B> {
    fn deref_mut(&mut self) -> &mut B::Session {
        &mut self.session
    }
}

impl<E> Queue<E> {
    fn new() -> Self {
        Self {
            start: VecDeque::new(),
            start_abandoned: VecDeque::new(),
            is_healthy: VecDeque::new(),
            send: VecDeque::new(),
            stop: VecDeque::new(),
        }
    }
}

impl<B: Backend> Clone for Script<B> {
    fn clone(&self) -> Self {
        Self {
            queue: Arc::clone(&self.queue),
            record: Arc::clone(&self.record),
        }
    }
}

impl<B: Backend> fmt::Debug for Script<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut told = f.debug_struct("Script");
        self.record
            .look(|record| told.field("record", &record.calls));
        told.finish_non_exhaustive()
    }
}

impl<B: Backend> fmt::Debug for Scripted<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scripted")
            .field("script", &self.hand)
            .finish_non_exhaustive()
    }
}

impl<B: Backend> fmt::Debug for ScriptedSession<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScriptedSession")
            .field("key", &self.life.key)
            .field("incarnation", &self.life.incarnation)
            .finish_non_exhaustive()
    }
}
