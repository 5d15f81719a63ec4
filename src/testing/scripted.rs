//! A backend that plays a script, and the script.

use super::{
    act::Act,
    ledger::{InTurn, Ledger, Life},
    record::{Call, Method},
    watch::Watched,
};
use crate::{
    Agent, Backend, Incarnation, TurnContext,
    manager::{SessionControl, StopReason},
    sync::{Arc, RandomState},
};
use std::{
    collections::HashMap,
    fmt,
    future::{Future, pending},
    ops::{Deref, DerefMut},
};

/// A backend around yours. A call passes to yours unless an act of the [`Script`] is queued for it; the [`Ledger`] records
/// each. It is an [`Agent`] if yours is.
pub struct Scripted<B: Backend> {
    inner: B,
    script: Script<B>,
}

impl<B: Backend> Scripted<B> {
    /// Returns the backend, for the manager, and its script, for the test.
    pub fn around(backend: B) -> (Self, Script<B>) {
        let script = Script {
            key: None,
            acts: Arc::new(Watched::new(Vec::new())),
            sessions: Arc::new(Watched::new(HashMap::default())),
            ledger: Ledger::new(),
        };
        let scripted = Self {
            inner: backend,
            script: script.clone(),
        };
        (scripted, script)
    }

    /// Returns your backend.
    pub fn inner(&self) -> &B {
        &self.inner
    }
}

/// The acts of a [`Scripted`] backend's calls. Clones share the script.
pub struct Script<B: Backend> {
    /// The key whose calls play what is queued here.
    key: Option<B::Key>,
    acts: Arc<Watched<Vec<Queued<B>>>>,
    sessions: Sessions<B>,
    ledger: Ledger<B::Key>,
}

/// The controls of the last session of each key, until that is stopped.
type Sessions<B> =
    Arc<Watched<HashMap<<B as Backend>::Key, SessionControl<<B as Backend>::Event>, RandomState>>>;

/// An act that no call has taken.
struct Queued<B: Backend> {
    key: Option<B::Key>,
    method: Method,
    act: Act<B::Error>,
}

impl<B: Backend> Script<B> {
    /// Queues an act for the next call of this method that has none yet. The call takes it when it begins.
    pub fn on(&self, method: Method, act: Act<B::Error>) {
        let key = self.key.clone();
        self.acts
            .change(|acts| acts.push(Queued { key, method, act }));
    }

    /// Returns the script of one key: an act that is queued here waits for a call of this key.
    pub fn for_key(&self, key: &B::Key) -> Self {
        Self {
            key: Some(key.clone()),
            ..self.clone()
        }
    }

    /// Returns the control of the last session of a key, from the beginning of its start to the beginning of its stop. With it, a
    /// session ends while it is idle: `script.session(&key).unwrap().discard("it has exited")`.
    pub fn session(&self, key: &B::Key) -> Option<SessionControl<B::Event>> {
        self.sessions.look(|sessions| sessions.get(key).cloned())
    }

    /// Returns the ledger, which records and checks all calls.
    pub fn ledger(&self) -> &Ledger<B::Key> {
        &self.ledger
    }

    /// Checks that every queued act has been played, for all keys.
    ///
    /// # Panics
    ///
    /// If an act is left: the test has not tested what it was written for.
    #[track_caller]
    pub fn assert_played(&self) {
        let mut left: Vec<(Method, usize)> = Vec::new();
        self.acts.look(|acts| {
            for Queued { method, .. } in acts {
                match left.iter_mut().find(|(of, _)| of == method) {
                    Some((_, count)) => *count += 1,
                    None => left.push((*method, 1)),
                }
            }
        });
        assert!(left.is_empty(), "queued and never played: {left:?}");
    }

    /// Records the call, and takes its act.
    fn begin(&self, call: Call<B::Key>) -> (InTurn<B::Key>, Option<Act<B::Error>>) {
        let act = self.acts.change(|acts| {
            let is_for = |queued: &Queued<B>| {
                queued.method == call.method
                    && queued.key.as_ref().is_none_or(|key| *key == call.key)
            };
            let place = acts.iter().position(is_for);
            place.map(|place| acts.remove(place).act)
        });
        (self.ledger.begin(call), act)
    }
}

// Without `async fn`: a call begins, and may panic, before it returns its future.
#[allow(clippy::manual_async_fn)]
impl<B: Backend> Backend for Scripted<B> {
    type Key = B::Key;
    type Session = ScriptedSession<B>;
    type Handle = B::Handle;
    type Event = B::Event;
    type Error = B::Error;

    fn start(
        &self,
        key: &B::Key,
        cx: &TurnContext<B::Event>,
    ) -> impl Future<Output = Result<(ScriptedSession<B>, B::Handle), B::Error>> + Send {
        let incarnation = cx.incarnation();
        let (own, session) = (key.clone(), cx.session());
        let sessions = &self.script.sessions;
        drop(sessions.change(|sessions| sessions.insert(own, session)));
        let call = Call::new(key.clone(), incarnation, Method::Start);
        let (call, act) = self.script.begin(call);
        let played = act.unwrap_or_else(Act::pass).play(cx.cancelled());
        async move {
            let started = match played.await {
                Ok(()) => self.inner.start(key, cx).await,
                Err(error) => Err(error),
            };
            let started = started.map(|(session, handle)| {
                let life = Life {
                    ledger: self.script.ledger.clone(),
                    key: key.clone(),
                    incarnation,
                };
                (ScriptedSession { session, life }, handle)
            });
            call.ends(started.is_ok());
            started
        }
    }

    fn start_abandoned(
        &self,
        key: &B::Key,
        incarnation: Incarnation,
    ) -> impl Future<Output = ()> + Send {
        let call = Call::new(key.clone(), incarnation, Method::StartAbandoned);
        let (call, act) = self.script.begin(call);
        let played = act.unwrap_or_else(Act::pass).play(pending());
        async move {
            let is_played = played.await.is_ok();
            if is_played {
                self.inner.start_abandoned(key, incarnation).await;
            }
            call.ends(is_played);
        }
    }

    fn stop(
        &self,
        key: &B::Key,
        session: ScriptedSession<B>,
        reason: StopReason,
    ) -> impl Future<Output = Result<(), B::Error>> + Send {
        let incarnation = session.life.incarnation;
        drop(self.script.sessions.change(|sessions| {
            let last = sessions.get(key);
            let same = last.is_some_and(|last| last.incarnation() == incarnation);
            same.then(|| sessions.remove(key))
        }));
        let call = Call {
            reason: Some(reason),
            ..Call::new(key.clone(), incarnation, Method::Stop)
        };
        let (call, act) = self.script.begin(call);
        let played = act.unwrap_or_else(Act::pass).play(pending());
        async move {
            // Dropped from the last to the first: the session, then its life, then the call.
            let call = call;
            let ScriptedSession {
                life: _life,
                session,
            } = session;
            let stopped = match played.await {
                Ok(()) => self.inner.stop(key, session, reason).await,
                Err(error) => {
                    drop(session);
                    Err(error)
                }
            };
            call.ends(stopped.is_ok());
            stopped
        }
    }

    fn is_healthy(&self, session: &mut ScriptedSession<B>) -> impl Future<Output = bool> + Send {
        let (call, act) = self.script.begin(session.life.call(Method::IsHealthy));
        let played = act.unwrap_or_else(Act::pass).play(pending());
        async move {
            let is_healthy =
                played.await.is_ok() && self.inner.is_healthy(&mut session.session).await;
            call.ends(is_healthy);
            is_healthy
        }
    }

    fn weight(event: &B::Event) -> usize {
        B::weight(event)
    }

    fn describe(error: &B::Error, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        B::describe(error, f)
    }
}

#[allow(clippy::manual_async_fn)]
impl<B: Agent> Agent for Scripted<B> {
    type Message = B::Message;
    type Reply = B::Reply;

    fn send(
        &self,
        session: &mut ScriptedSession<B>,
        message: B::Message,
        cx: &TurnContext<B::Event>,
    ) -> impl Future<Output = Result<B::Reply, B::Error>> + Send {
        let call = Call {
            ticket: Some(cx.ticket()),
            first: cx.first,
            ..session.life.call(Method::Send)
        };
        let (call, act) = self.script.begin(call);
        let session = &mut session.session;
        // Without an act this is your method from its first line: if that panics before there is a future, so does this.
        let played = match act {
            None => Ok(self.inner.send(session, message, cx)),
            Some(act) => {
                let played = act.play(cx.cancelled());
                Err(async move {
                    played.await?;
                    self.inner.send(session, message, cx).await
                })
            }
        };
        async move {
            let reply = match played {
                Ok(own) => own.await,
                Err(played) => played.await,
            };
            call.ends(reply.is_ok());
            reply
        }
    }
}

/// A session of a [`Scripted`] backend. It derefs to the session of yours.
pub struct ScriptedSession<B: Backend> {
    session: B::Session,
    life: Life<B::Key>,
}

impl<B: Backend> ScriptedSession<B> {
    /// Marks a plain turn or a closure. Until the returned value is dropped, the ledger reports other calls of the session.
    pub fn in_turn(&self) -> InTurn<B::Key> {
        self.life.ledger.begin(self.life.call(Method::Turn))
    }
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

impl<B: Backend> Clone for Script<B> {
    fn clone(&self) -> Self {
        Self {
            key: self.key.clone(),
            acts: Arc::clone(&self.acts),
            sessions: Arc::clone(&self.sessions),
            ledger: self.ledger.clone(),
        }
    }
}

impl<B: Backend> fmt::Debug for Script<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Script")
            .field("ledger", &self.ledger)
            .finish_non_exhaustive()
    }
}

impl<B: Backend> fmt::Debug for Scripted<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scripted")
            .field("script", &self.script)
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
