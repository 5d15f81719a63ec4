//! A backend that does what a script says: each call succeeds, fails, hangs, panics, or takes a while.

use crate::ledger::{Key, Ledger};
use std::collections::VecDeque;
use std::error::Error;
use std::fmt;
use std::future::{pending, poll_fn};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use turnwise::{Agent, Backend, Incarnation, TurnContext, manager::StopReason};

/// What user code does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    Done,
    /// After some steps.
    Slow,
    Fail,
    /// For ever.
    Hang,
    Panic,
    /// A message: goes on until it is cancelled, then ends well, after some steps. A start: then it fails.
    Obey,
    /// A message or a start: some steps, then an error if it has been cancelled.
    Check,
    /// A message: sends the numbers 1, 2 and 3, and emits a 0 before each, instead of its own number. Then an error
    /// if it has been cancelled.
    Send,
}

/// One of the calls that a backend has besides messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Start,
    Abandon,
    Look,
    Stop,
}

/// What those calls do, of each key in their order; what is not said is done.
#[derive(Debug, Default)]
pub(crate) struct Script(Vec<(Key, Call, Act)>);

impl Script {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn on(mut self, key: Key, call: Call, act: Act) -> Self {
        self.0.push((key, call, act));
        self
    }
}

/// The backend, and the record of its calls.
pub(crate) type Scripted = turnwise::testing::Scripted<Player>;

/// The backend.
pub(crate) struct Player {
    pub(crate) ledger: Arc<Ledger>,
    script: Mutex<Script>,
}

/// With the last task that knows the manager.
impl Drop for Player {
    fn drop(&mut self) {
        self.ledger.manager_is_gone();
    }
}

/// A scripted call of this incarnation has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Failed(pub(crate) u64);

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a call of #{} fails, says the script", self.0)
    }
}

impl Error for Failed {}

/// A session answers in the order in which it was asked, whoever listens: what nobody read the next one reads.
pub(crate) struct Session {
    key: Key,
    pub(crate) incarnation: u64,
    pub(crate) answers: VecDeque<u32>,
}

/// What is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) id: u32,
    pub(crate) act: Act,
}

/// What is answered: whose answer it is, and of which session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) to: u32,
    pub(crate) incarnation: u64,
}

/// Lets the scheduler choose somebody else, or not: no yield, for PCT lets all others go before who yields.
pub(crate) async fn step() {
    let mut stepped = false;
    poll_fn(|cx| {
        if stepped {
            return Poll::Ready(());
        }
        stepped = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

impl Player {
    pub(crate) fn new(ledger: Arc<Ledger>, script: Script) -> Self {
        let script = Mutex::new(script);
        Self { ledger, script }
    }

    fn next(&self, key: Key, call: Call) -> Option<Act> {
        let mut script = self.script.lock().expect("nothing panics with it");
        let mut acts = script.0.iter();
        let found = acts.position(|&(of, which, _)| (of, which) == (key, call))?;
        Some(script.0.remove(found).2)
    }

    /// What the script says next of this call, after a step in any case.
    async fn play(&self, key: Key, call: Call) -> Result<(), ()> {
        step().await;
        let act = self.next(key, call).unwrap_or(Act::Done);
        self.act(act).await
    }

    async fn act(&self, act: Act) -> Result<(), ()> {
        match act {
            Act::Done => Ok(()),
            Act::Slow => {
                for _ in 0..3 {
                    step().await;
                }
                Ok(())
            }
            Act::Fail => Err(()),
            Act::Hang => {
                self.ledger.hangs();
                pending().await
            }
            Act::Panic => engine::panic_now(),
            Act::Obey | Act::Check | Act::Send => unreachable!("what messages and starts alone do"),
        }
    }
}

impl Backend for Player {
    type Key = Key;
    type Session = Session;
    type Handle = ();
    type Event = u32;
    type Error = Failed;

    async fn start(
        &self,
        key: &Key,
        cx: &TurnContext<Self::Event>,
    ) -> Result<(Session, ()), Failed> {
        let incarnation = cx.incarnation().get();
        self.ledger.controls(*key, cx.session());
        step().await;
        let started = match self.next(*key, Call::Start).unwrap_or(Act::Done) {
            Act::Obey => {
                cx.cancelled().await;
                Err(())
            }
            Act::Check => {
                let end = self.act(Act::Slow).await;
                end.and(if cx.is_cancelled() { Err(()) } else { Ok(()) })
            }
            act => self.act(act).await,
        };
        started.map_err(|()| Failed(incarnation))?;
        let session = Session {
            key: *key,
            incarnation,
            answers: VecDeque::new(),
        };
        Ok((session, ()))
    }

    async fn start_abandoned(&self, key: &Key, _: Incarnation) {
        let _end = self.play(*key, Call::Abandon).await;
    }

    async fn stop(&self, key: &Key, session: Session, _: StopReason) -> Result<(), Failed> {
        let end = self.play(*key, Call::Stop).await;
        end.map_err(|()| Failed(session.incarnation))
    }

    async fn is_healthy(&self, session: &mut Session) -> bool {
        match self.next(session.key, Call::Look) {
            None => true,
            Some(act) => self.act(act).await.is_ok(),
        }
    }
}

impl Agent for Player {
    type Message = Message;
    type Reply = Reply;

    async fn send(
        &self,
        session: &mut Session,
        message: Message,
        cx: &TurnContext<u32>,
    ) -> Result<Reply, Failed> {
        let (key, incarnation) = (session.key, session.incarnation);
        self.ledger.hears(key, incarnation, message.id);
        assert_eq!(cx.incarnation().get(), incarnation, "the session's number");
        session.answers.push_back(message.id);
        if message.act != Act::Send {
            cx.emit(message.id);
        }
        step().await;
        let end = match message.act {
            Act::Obey => {
                cx.cancelled().await;
                self.ledger.is_cancelled(key, incarnation);
                self.act(Act::Slow).await
            }
            Act::Hang => {
                self.ledger.hangs();
                cx.cancelled().await;
                self.ledger.is_cancelled(key, incarnation);
                pending().await
            }
            Act::Check => {
                let end = self.act(Act::Slow).await;
                end.and(if cx.is_cancelled() { Err(()) } else { Ok(()) })
            }
            Act::Send => {
                for number in 1..=3 {
                    cx.emit(0);
                    cx.send(number).await;
                }
                if cx.is_cancelled() { Err(()) } else { Ok(()) }
            }
            act => self.act(act).await,
        };
        let answer = session.answers.pop_front();
        assert_eq!(
            answer,
            Some(message.id),
            "A2: the answer of another message is read"
        );
        end.map_err(|()| Failed(incarnation))?;
        Ok(Reply {
            to: message.id,
            incarnation,
        })
    }
}
