//! A backend that does as it is told, for each key, and writes all it does into the ledger.

use std::collections::{HashMap, VecDeque};
use std::error::Error;
use std::fmt;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{Semaphore, oneshot};
use turnwise::{Agent, Backend, Incarnation, TurnContext, manager::StopReason};

use crate::ledger::{Ledger, Live};

/// What to do when it comes to that.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    Succeed,
    Fail,
    /// Never ends, whoever asks for it.
    Hang,
    Panic,
    /// The call itself panics, before it has given a future.
    PanicAtOnce,
    Take(Duration),
    /// Ends when the turn is cancelled, with an error.
    Obey,
    /// Tells that it has come to the gate, and waits there.
    Until(Gate),
    /// The same, and then fails.
    FailAfter(Gate),
    /// Waits at the gate, or ends with an error when the turn is cancelled.
    Heed(Gate),
}

/// Where somebody may be waited for, and waits.
#[derive(Clone, Debug)]
pub(crate) struct Gate(Arc<[Semaphore; 2]>);

impl Gate {
    pub(crate) fn new() -> Self {
        Self(Arc::new([Semaphore::new(0), Semaphore::new(0)]))
    }

    /// Resolves when somebody stands before it.
    pub(crate) async fn reached(&self) {
        let closed = self.0[0].acquire().await;
        assert!(closed.is_err(), "a gate gives no permits");
    }

    pub(crate) fn open(&self) {
        self.0[1].close();
    }

    pub(crate) async fn pass(&self) {
        self.0[0].close();
        let closed = self.0[1].acquire().await;
        assert!(closed.is_err(), "a gate gives no permits");
    }
}

/// What may be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Step {
    Start,
    Away,
    Stop,
    Health,
}

/// What each key was told to do next. What was not told takes as long as all do, or no time, and succeeds.
#[derive(Debug, Default)]
pub(crate) struct Script {
    told: Mutex<HashMap<(String, Step), VecDeque<Act>>>,
    all_take: Mutex<Option<Duration>>,
    pub(crate) ledger: Arc<Ledger>,
}

impl Script {
    pub(crate) fn tell(&self, key: &str, step: Step, act: Act) {
        let mut told = self.told.lock().expect("nothing panics under it");
        let acts = told.entry((key.to_owned(), step)).or_default();
        acts.push_back(act);
    }

    fn next(&self, key: &str, step: Step) -> Act {
        let mut told = self.told.lock().expect("nothing panics under it");
        let acts = told.get_mut(&(key.to_owned(), step));
        let act = acts.and_then(VecDeque::pop_front);
        let all_take = *self.all_take.lock().expect("nothing panics under it");
        act.or(all_take.map(Act::Take)).unwrap_or(Act::Succeed)
    }

    /// Every step takes so long.
    pub(crate) fn all_take(&self, time: Duration) {
        *self.all_take.lock().expect("nothing panics under it") = Some(time);
    }

    pub(crate) fn heard(&self, key: &str) -> Vec<&'static str> {
        self.ledger.page(key, |page| page.heard.clone())
    }

    /// The numbers of the messages that a key's sessions heard.
    pub(crate) fn numbers(&self, key: &str) -> Vec<u64> {
        self.ledger.page(key, |page| page.numbers.clone())
    }

    pub(crate) fn started(&self, key: &str) -> usize {
        self.ledger.page(key, |page| page.started)
    }

    pub(crate) fn stops(&self, key: &str) -> Vec<StopReason> {
        self.ledger.page(key, |page| page.stops.clone())
    }
}

async fn perform(act: Act, cancelled: impl Future) -> Result<(), Failure> {
    match act {
        Act::Succeed => {}
        Act::Fail => return Err(Failure("it was told to fail")),
        Act::Hang => std::future::pending().await,
        Act::Panic | Act::PanicAtOnce => explode(),
        Act::Take(time) => tokio::time::sleep(time).await,
        Act::Obey => {
            cancelled.await;
            return Err(Failure("it was cancelled"));
        }
        Act::Until(gate) => gate.pass().await,
        Act::Heed(gate) => {
            let cancelled = tokio::select! {
                () = gate.pass() => false,
                _ = cancelled => true,
            };
            if cancelled {
                return Err(Failure("it was cancelled"));
            }
        }
        Act::FailAfter(gate) => {
            gate.pass().await;
            return Err(Failure("it was told to fail"));
        }
    }
    Ok(())
}

/// Panics without a word in the output.
pub(crate) fn explode() -> ! {
    resume_unwind(Box::new("told to panic"))
}

/// The backend.
#[derive(Debug)]
pub(crate) struct Actor {
    pub(crate) script: Arc<Script>,
    /// Held for as long as the manager and its tasks are there.
    pub(crate) _here: oneshot::Sender<()>,
}

impl Actor {
    fn next(&self, key: &str, step: Step) -> Act {
        let act = self.script.next(key, step);
        if matches!(act, Act::PanicAtOnce) {
            explode();
        }
        act
    }
}

// Written without `async fn`, so that the call itself can panic.
#[allow(clippy::manual_async_fn)]
impl Backend for Actor {
    type Key = String;
    type Session = Live;
    type Error = Failure;

    fn start(
        &self,
        key: &String,
        incarnation: Incarnation,
    ) -> impl Future<Output = Result<Live, Failure>> + Send {
        let starting = self.script.ledger.start(key, incarnation.get());
        let act = self.next(key, Step::Start);
        async move {
            match perform(act, std::future::pending::<()>()).await {
                Ok(()) => Ok(starting.gives()),
                Err(failure) => {
                    starting.fails();
                    Err(failure)
                }
            }
        }
    }

    fn start_abandoned(
        &self,
        key: &String,
        incarnation: Incarnation,
    ) -> impl Future<Output = ()> + Send {
        let away = self.script.ledger.put_away(key, incarnation.get());
        let act = self.next(key, Step::Away);
        async move {
            let _ = perform(act, std::future::pending::<()>()).await;
            drop(away);
        }
    }

    fn stop(
        &self,
        key: &String,
        session: Live,
        reason: StopReason,
    ) -> impl Future<Output = Result<(), Failure>> + Send {
        let stopping = self.script.ledger.stop(session, reason);
        let act = self.next(key, Step::Stop);
        async move {
            let ended = perform(act, std::future::pending::<()>()).await;
            stopping.ends();
            ended
        }
    }

    fn is_healthy(&self, session: &mut Live) -> impl Future<Output = bool> + Send {
        let act = self.next(&session.key, Step::Health);
        async move { perform(act, std::future::pending::<()>()).await.is_ok() }
    }
}

impl Agent for Actor {
    type Message = Say;
    type Event = (&'static str, usize);
    type Reply = Reply;

    fn send(
        &self,
        session: &mut Live,
        message: Say,
        cx: &TurnContext<(&'static str, usize)>,
    ) -> impl Future<Output = Result<Reply, Failure>> + Send {
        let number = session.number;
        let mut turn = session.hears(message.number, message.text, cx.ticket().get());
        if matches!(message.act, Act::PanicAtOnce) {
            explode();
        }
        async move {
            for part in 0..message.parts {
                cx.emit((message.text, part));
            }
            if let Some(keep) = message.keep {
                let _ = keep.send(cx.map(Some));
            }
            if let Some(note) = message.note {
                cx.note(note);
            }
            let ended = perform(message.act, cx.cancelled()).await;
            turn.reads();
            ended.map(|()| Reply {
                text: message.text,
                number,
            })
        }
    }
}

/// What is said to a session, and what the session does then.
#[derive(Debug)]
pub(crate) struct Say {
    pub(crate) number: u64,
    pub(crate) text: &'static str,
    act: Act,
    parts: usize,
    note: Option<&'static str>,
    /// Gets a context of the turn, to keep it for longer than that.
    keep: Option<oneshot::Sender<TurnContext<(&'static str, usize)>>>,
}

pub(crate) fn say(text: &'static str) -> Say {
    static NUMBERS: AtomicU64 = AtomicU64::new(0);
    Say {
        number: NUMBERS.fetch_add(1, Ordering::Relaxed),
        text,
        act: Act::Succeed,
        parts: 0,
        note: None,
        keep: None,
    }
}

impl Say {
    pub(crate) fn and(mut self, act: Act) -> Self {
        self.act = act;
        self
    }

    pub(crate) fn takes(self, time: Duration) -> Self {
        self.and(Act::Take(time))
    }

    pub(crate) fn until(self, gate: &Gate) -> Self {
        self.and(Act::Until(gate.clone()))
    }

    pub(crate) fn in_parts(mut self, parts: usize) -> Self {
        self.parts = parts;
        self
    }

    pub(crate) fn keep_context(
        mut self,
        keep: oneshot::Sender<TurnContext<(&'static str, usize)>>,
    ) -> Self {
        self.keep = Some(keep);
        self
    }

    pub(crate) fn with_note(mut self, note: &'static str) -> Self {
        self.note = Some(note);
        self
    }
}

/// Who answered what.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) text: &'static str,
    pub(crate) number: u64,
}

/// What was told to fail, and why.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Failure(pub(crate) &'static str);

#[derive(Debug)]
struct Cause;

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&Cause)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("because the script says so")
    }
}

impl Error for Cause {}
