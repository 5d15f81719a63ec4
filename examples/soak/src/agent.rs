//! A backend that does everything that a backend can do wrong, now and then.

use crate::books::Books;
use std::{fmt, future::pending, sync::Arc, time::Duration};
use turnwise::testing::{Act, Scripted};
use turnwise::{Agent, Backend, Incarnation, TurnContext, manager::StopReason};

pub(crate) const KEYS: usize = 10_000;

pub(crate) type Soaked = Scripted<Soak>;

pub(crate) struct Soak {
    pub(crate) books: Arc<Books>,
}

pub(crate) struct Session {
    key: usize,
    /// Something to leak.
    heard: Vec<u64>,
}

impl Session {
    pub(crate) fn look(&self) -> usize {
        self.heard.len()
    }
}

/// Scripted.
#[derive(Debug)]
pub(crate) struct Mishap;

impl fmt::Display for Mishap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a scripted mishap")
    }
}

impl std::error::Error for Mishap {}

/// What happens this time. Each count is of a thousand.
fn choose(slow: u32, fail: u32, hang: u32, panic: u32) -> Act<Mishap> {
    let chosen = fastrand::u32(..1000);
    if chosen < slow {
        Act::take(Duration::from_millis(1))
    } else if chosen < slow + fail {
        Act::fail(Mishap)
    } else if chosen < slow + fail + hang {
        Act::hang()
    } else if chosen < slow + fail + hang + panic {
        Act::panic()
    } else {
        Act::pass()
    }
}

impl Backend for Soak {
    type Key = usize;
    type Session = Session;
    type Handle = ();
    type Event = u64;
    type Error = Mishap;

    async fn start(
        &self,
        key: &usize,
        _: &TurnContext<Self::Event>,
    ) -> Result<(Session, ()), Mishap> {
        choose(50, 20, 5, 5).play(pending()).await?;
        let session = Session {
            key: *key,
            heard: Vec::with_capacity(16),
        };
        Ok((session, ()))
    }

    async fn start_abandoned(&self, _: &usize, _: Incarnation) {
        tokio::task::yield_now().await;
    }

    async fn stop(&self, key: &usize, session: Session, _: StopReason) -> Result<(), Mishap> {
        self.books
            .never(*key != session.key, "another key's session was stopped");
        choose(50, 20, 5, 5).play(pending()).await
    }

    async fn is_healthy(&self, session: &mut Session) -> bool {
        let is_well = choose(10, 3, 1, 1).play(pending()).await.is_ok();
        is_well && session.heard.len() < 1000
    }
}

impl Agent for Soak {
    type Message = u64;
    type Reply = (usize, u64);

    async fn send(
        &self,
        session: &mut Session,
        message: u64,
        cx: &TurnContext<u64>,
    ) -> Result<(usize, u64), Mishap> {
        self.books.delivered(session.key, message);
        session.heard.push(message);
        // Half of them wait for a reader, if there is one.
        if fastrand::bool() {
            cx.emit(message);
        } else {
            cx.send(message).await;
        }
        let mut act = choose(100, 20, 4, 4);
        // Half of them end when they are cancelled.
        if fastrand::bool() {
            act = act.or_cancelled(Mishap);
        }
        act.play(cx.cancelled()).await?;
        Ok((session.key, message))
    }
}
