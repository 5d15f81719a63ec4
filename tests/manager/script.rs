//! The backend of these tests: what its sessions receive is written down, and each call does what the script says.

use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::oneshot;
use turnwise::testing::{Act as Acts, End, Script as Hand, Scripted, ScriptedSession};
use turnwise::{
    Agent, Backend, Incarnation, TurnContext,
    manager::{Causes, StopReason},
};

pub(crate) use turnwise::testing::{Gate, Method as Step};

pub(crate) type Act = Acts<Failure>;
pub(crate) type Actor = Scripted<Plain>;
pub(crate) type Session = ScriptedSession<Plain>;

pub(crate) fn fail() -> Act {
    Act::fail(Failure("it fails as scripted"))
}

/// Passes at the gate.
pub(crate) fn until(gate: &Gate) -> Act {
    Act::pass().after(gate)
}

/// Fails at the gate.
pub(crate) fn fail_after(gate: &Gate) -> Act {
    fail().after(gate)
}

/// Ends when the turn is cancelled, with an error.
pub(crate) fn obey() -> Act {
    Act::hang().or_cancelled(Failure("it was cancelled"))
}

/// The next acts of each key, and how its calls ended.
#[derive(Debug)]
pub(crate) struct Script {
    hand: Hand<Plain>,
    notes: Arc<Notes>,
}

/// What the sessions write down.
#[derive(Debug, Default)]
struct Notes {
    all_take: Mutex<Option<Duration>>,
    /// The messages of each key, as they came.
    heard: Mutex<HashMap<String, Vec<(u64, &'static str)>>>,
    /// Answers that another turn than their own has read.
    strays: AtomicU64,
}

const WRITES_ONLY: &str = "under this lock something is written, which does not panic";

/// A backend, its script, and what resolves when the manager and its tasks are gone.
pub(crate) fn actor() -> (Actor, Arc<Script>, oneshot::Receiver<()>) {
    let (here, gone) = oneshot::channel();
    let notes = Arc::<Notes>::default();
    let (actor, hand) = Scripted::around(Plain {
        notes: Arc::clone(&notes),
        _here: here,
    });
    (actor, Arc::new(Script { hand, notes }), gone)
}

impl Script {
    pub(crate) fn tell(&self, key: &str, step: Step, act: Act) {
        self.hand.for_key(&key.to_owned()).on(step, act);
    }

    /// Every step takes so long.
    pub(crate) fn all_take(&self, time: Duration) {
        *self.notes.all_take.lock().expect(WRITES_ONLY) = Some(time);
    }

    fn messages(&self, key: &str) -> Vec<(u64, &'static str)> {
        let heard = self.notes.heard.lock().expect(WRITES_ONLY);
        heard.get(key).cloned().unwrap_or_default()
    }

    pub(crate) fn heard(&self, key: &str) -> Vec<&'static str> {
        self.messages(key).iter().map(|(_, text)| *text).collect()
    }

    /// The numbers of the messages that a key's sessions heard.
    pub(crate) fn numbers(&self, key: &str) -> Vec<u64> {
        let numbers = self.messages(key).into_iter();
        numbers.map(|(number, _)| number).collect()
    }

    pub(crate) fn count(&self, key: &str, step: Step, end: End) -> usize {
        let calls = self.hand.ledger().record().into_iter();
        calls
            .filter(|call| (&*call.key, call.method, call.end) == (key, step, Some(end)))
            .count()
    }

    pub(crate) fn started(&self, key: &str) -> usize {
        self.count(key, Step::Start, End::Passed)
    }

    /// Why the key's sessions were stopped: of the stops that came to an end.
    pub(crate) fn stops(&self, key: &str) -> Vec<StopReason> {
        let calls = self.hand.ledger().record().into_iter();
        calls
            .filter(|call| call.key == key)
            .filter(|call| matches!(call.end, Some(End::Passed | End::Failed)))
            .filter_map(|call| call.reason)
            .collect()
    }

    /// Nothing was wrong, nothing is left.
    pub(crate) fn check(&self) {
        self.hand.ledger().assert_balanced();
        let strays = self.notes.strays.load(Ordering::SeqCst);
        assert_eq!(strays, 0, "the answer of another turn was read");
        for (key, heard) in &*self.notes.heard.lock().expect(WRITES_ONLY) {
            let mut numbers: Vec<_> = heard.iter().map(|(number, _)| number).collect();
            numbers.sort();
            numbers.dedup();
            assert_eq!(numbers.len(), heard.len(), "{key}: a message came twice");
        }
    }
}

/// Panics without a word in the output.
pub(crate) fn explode() -> ! {
    resume_unwind(Box::new("told to panic"))
}

/// The backend without its script.
#[derive(Debug)]
pub(crate) struct Plain {
    notes: Arc<Notes>,
    /// Held for as long as the manager and its tasks are there.
    _here: oneshot::Sender<()>,
}

impl Plain {
    async fn takes(&self) {
        let all_take = *self.notes.all_take.lock().expect(WRITES_ONLY);
        if let Some(time) = all_take {
            tokio::time::sleep(time).await;
        }
    }
}

impl Backend for Plain {
    type Key = String;
    type Session = Live;
    /// The session's number.
    type Handle = u64;
    type Event = (&'static str, usize);
    type Error = Failure;

    async fn start(
        &self,
        key: &String,
        cx: &TurnContext<Self::Event>,
    ) -> Result<(Live, u64), Failure> {
        self.takes().await;
        let session = Live {
            key: key.clone(),
            number: cx.incarnation().get(),
            pipe: Vec::new(),
            notes: Arc::clone(&self.notes),
        };
        Ok((session, cx.incarnation().get()))
    }

    async fn start_abandoned(&self, _: &String, _: Incarnation) {
        self.takes().await;
    }

    async fn stop(&self, _: &String, _: Live, _: StopReason) -> Result<(), Failure> {
        self.takes().await;
        Ok(())
    }

    async fn is_healthy(&self, _: &mut Live) -> bool {
        self.takes().await;
        true
    }

    fn describe(error: &Failure, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Causes(error))
    }
}

// Written without `async fn`, so that the call itself can panic.
#[allow(clippy::manual_async_fn)]
impl Agent for Plain {
    type Message = Say;
    type Reply = Reply;

    fn send(
        &self,
        session: &mut Live,
        message: Say,
        cx: &TurnContext<(&'static str, usize)>,
    ) -> impl Future<Output = Result<Reply, Failure>> + Send {
        let Say {
            number,
            text,
            act,
            parts,
            sends,
            note,
            keep,
        } = message;
        session.hears(number, text);
        let acted = act.play(cx.cancelled());
        async move {
            for part in 0..parts {
                if sends {
                    cx.send((text, part)).await;
                } else {
                    cx.emit((text, part));
                }
            }
            if let Some(keep) = keep {
                let _ = keep.send(cx.map(Some));
            }
            if let Some(note) = note {
                cx.note(note);
            }
            let ended = acted.await;
            session.read(number);
            let number = session.number;
            ended.map(|()| Reply { text, number })
        }
    }
}

/// A session. The answers to all that it was ever told wait in its pipe.
#[derive(Debug)]
pub(crate) struct Live {
    key: String,
    pub(crate) number: u64,
    pipe: Vec<u64>,
    notes: Arc<Notes>,
}

impl Live {
    /// A message comes. The session will answer it, whether this turn waits for that or not.
    fn hears(&mut self, number: u64, text: &'static str) {
        let mut heard = self.notes.heard.lock().expect(WRITES_ONLY);
        let heard = heard.entry(self.key.clone()).or_default();
        heard.push((number, text));
        self.pipe.push(number);
    }

    /// A closure tells it something; [`read`](Self::read) is to follow.
    pub(crate) fn told(&mut self, number: u64) {
        self.pipe.push(number);
    }

    /// Reads the answer to that from the pipe.
    pub(crate) fn read(&mut self, number: u64) {
        if self.pipe.remove(0) != number {
            self.notes.strays.fetch_add(1, Ordering::SeqCst);
        }
    }

    pub(crate) fn pipe_is_empty(&self) -> bool {
        self.pipe.is_empty()
    }
}

/// What is said to a session, and what the session does then.
#[derive(Debug)]
pub(crate) struct Say {
    pub(crate) number: u64,
    pub(crate) text: &'static str,
    act: Act,
    parts: usize,
    /// The parts are sent, and not emitted.
    sends: bool,
    note: Option<&'static str>,
    /// Gets a context of the turn, to keep it for longer than that.
    keep: Option<oneshot::Sender<TurnContext<(&'static str, usize)>>>,
}

pub(crate) fn say(text: &'static str) -> Say {
    static NUMBERS: AtomicU64 = AtomicU64::new(0);
    Say {
        number: NUMBERS.fetch_add(1, Ordering::Relaxed),
        text,
        act: Act::pass(),
        parts: 0,
        sends: false,
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
        self.and(Act::take(time))
    }

    pub(crate) fn until(self, gate: &Gate) -> Self {
        self.and(until(gate))
    }

    pub(crate) fn in_parts(mut self, parts: usize) -> Self {
        self.parts = parts;
        self
    }

    pub(crate) fn sends(mut self, parts: usize) -> Self {
        self.sends = true;
        self.in_parts(parts)
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

/// The error of a scripted failure, with its cause.
#[derive(Clone, Debug, PartialEq, Eq)]
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
