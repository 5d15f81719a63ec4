//! An agent that does what its message is, and starts that do what a test says.

use std::collections::HashMap;
use std::fmt;
use std::pin::Pin;
use std::sync::Mutex;
use std::time::Duration;

use tokio::sync::oneshot;
use turnwise::{Agent, Backend, SessionManager, TurnContext, manager::*};

use crate::script::Gate;

pub(crate) type Manager = SessionManager<Doer>;
pub(crate) type Words = Result<String, String>;

/// What a turn or a start does.
pub(crate) struct Work(Pin<Box<dyn Future<Output = Words> + Send>>);

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Work")
    }
}

/// Its agent does what the message is.
#[derive(Default)]
pub(crate) struct Doer {
    starts: Mutex<HashMap<Key, Work>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Key(&'static str);

pub(crate) const A: Key = Key("a");
pub(crate) const B: Key = Key("b");
pub(crate) const C: Key = Key("c");
pub(crate) const D: Key = Key("d");
pub(crate) const PANICS: Key = Key("panics");
pub(crate) const LONG: Key = Key("long");

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            PANICS => crate::script::explode(),
            LONG => f.write_str(&"long ".repeat(1000)),
            Self(key) => f.write_str(key),
        }
    }
}

impl Backend for Doer {
    type Key = Key;
    type Session = ();
    type Handle = ();
    type Event = &'static str;
    type Error = String;

    async fn start(&self, key: &Key, _: &TurnContext<&'static str>) -> Result<((), ()), String> {
        let work = self.starts.lock().expect("no panics").remove(key);
        match work {
            Some(Work(work)) => work.await.map(|_| ((), ())),
            None => Ok(((), ())),
        }
    }
}

impl Agent for Doer {
    type Message = Work;
    type Reply = String;

    async fn send(&self, _: &mut (), Work(work): Work, _: &TurnContext<&'static str>) -> Words {
        work.await
    }
}

pub(crate) fn manager() -> Manager {
    let built = SessionManager::builder(Doer::default()).build();
    built.expect("there is a runtime")
}

/// With a start that does this.
pub(crate) fn starting(key: Key, work: impl FnOnce(&Manager) -> Work) -> Manager {
    let (give, take) = oneshot::channel::<Work>();
    let doer = Doer::default();
    let start = async move { take.await.expect("it is given").0.await };
    let before = doer
        .starts
        .lock()
        .expect("no panics")
        .insert(key, does(start));
    assert!(before.is_none());
    let m = SessionManager::builder(doer).build();
    let m = m.expect("there is a runtime");
    give.send(work(&m)).expect("it waits");
    m
}

pub(crate) fn does(work: impl Future<Output = Words> + Send + 'static) -> Work {
    Work(Box::pin(work))
}

/// Does nothing.
pub(crate) fn idle() -> Work {
    does(async { Ok("done".to_owned()) })
}

pub(crate) fn until(gate: &Gate) -> Work {
    let gate = gate.clone();
    does(async move {
        gate.pass().await;
        Ok("done".to_owned())
    })
}

/// The circle, or what else it is.
pub(crate) fn refusal(error: &TurnError<String>) -> String {
    match error {
        TurnError::Deadlock(keys) => format!("circle of {}", keys.join(", ")),
        error => format!("{error}"),
    }
}

pub(crate) fn in_words(reply: Result<String, SendError<Work, String>>) -> Words {
    reply.map_err(|SendError { error, message, .. }| {
        let back = if message.is_some() { "back" } else { "heard" };
        format!("{}; {back}", refusal(&error))
    })
}

/// Waits for the answer of another turn.
pub(crate) async fn asks(m: &Manager, key: Key, work: Work) -> Words {
    in_words(m.send_message(&key, work).await)
}

/// The same as work. Tells a refusal as its words.
pub(crate) fn ask(m: &Manager, key: Key, work: Work) -> Work {
    let m = m.clone();
    does(async move { Ok(asks(&m, key, work).await.unwrap_or_else(|words| words)) })
}

pub(crate) async fn end(m: Manager) {
    m.shutdown(Duration::ZERO).await;
}
