//! A backend that does everything that a backend can do wrong, now and then.

use crate::books::Books;
use std::{fmt, future::pending, panic, sync::Arc, time::Duration};
use turnwise::{Agent, Backend, Incarnation, TurnContext, manager::StopReason};

pub(crate) const KEYS: usize = 10_000;

pub(crate) struct Soak {
    books: Arc<Books>,
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

/// The payload of a scripted panic, which nobody needs to read.
struct Scripted;

pub(crate) fn silence_scripted_panics() {
    let loud = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if !info.payload().is::<Scripted>() {
            loud(info);
        }
    }));
}

fn panic_now() -> ! {
    panic::panic_any(Scripted)
}

/// What happens this time.
enum Script {
    Well,
    Slow,
    Fail,
    Hang,
    Panic,
}

impl Script {
    /// Of a thousand.
    fn choose(slow: u32, fail: u32, hang: u32, panic: u32) -> Self {
        let chosen = fastrand::u32(..1000);
        if chosen < slow {
            Self::Slow
        } else if chosen < slow + fail {
            Self::Fail
        } else if chosen < slow + fail + hang {
            Self::Hang
        } else if chosen < slow + fail + hang + panic {
            Self::Panic
        } else {
            Self::Well
        }
    }
}

impl Soak {
    pub(crate) fn new(books: Arc<Books>) -> Self {
        Self { books }
    }
}

impl Backend for Soak {
    type Key = usize;
    type Session = Session;
    type Error = Mishap;

    async fn start(&self, key: &usize, _: Incarnation) -> Result<Session, Mishap> {
        self.books.start_begins(*key);
        match Script::choose(50, 20, 5, 5) {
            Script::Well => {}
            Script::Slow => tokio::time::sleep(Duration::from_millis(2)).await,
            Script::Fail => {
                self.books.start_failed(*key);
                return Err(Mishap);
            }
            Script::Hang => pending().await,
            Script::Panic => panic_now(),
        }
        self.books.started(*key);
        Ok(Session {
            key: *key,
            heard: Vec::with_capacity(16),
        })
    }

    async fn start_abandoned(&self, key: &usize, _: Incarnation) {
        tokio::task::yield_now().await;
        self.books.start_abandoned(*key);
    }

    async fn stop(&self, key: &usize, session: Session, _: StopReason) -> Result<(), Mishap> {
        let stop = self.books.stop_begins(*key, session.key);
        let end = match Script::choose(50, 20, 5, 5) {
            Script::Well => Ok(()),
            Script::Slow => {
                tokio::time::sleep(Duration::from_millis(2)).await;
                Ok(())
            }
            Script::Fail => Err(Mishap),
            Script::Hang => pending().await,
            Script::Panic => panic_now(),
        };
        stop.done();
        end
    }

    async fn is_healthy(&self, session: &mut Session) -> bool {
        match Script::choose(10, 3, 1, 1) {
            Script::Well => session.heard.len() < 1000,
            Script::Slow => {
                tokio::task::yield_now().await;
                true
            }
            Script::Fail => false,
            Script::Hang => pending().await,
            Script::Panic => panic_now(),
        }
    }
}

impl Agent for Soak {
    type Message = u64;
    type Event = u64;
    type Reply = (usize, u64);

    async fn send(
        &self,
        session: &mut Session,
        message: u64,
        cx: &TurnContext<u64>,
    ) -> Result<(usize, u64), Mishap> {
        self.books.delivered(session.key, message);
        session.heard.push(message);
        cx.emit(message);
        match Script::choose(100, 20, 4, 4) {
            Script::Well => {}
            Script::Slow => tokio::time::sleep(Duration::from_millis(1)).await,
            Script::Fail => return Err(Mishap),
            // Half of them end when they are told to.
            Script::Hang if fastrand::bool() => {
                cx.cancelled().await;
                return Err(Mishap);
            }
            Script::Hang => pending().await,
            Script::Panic => panic_now(),
        }
        Ok((session.key, message))
    }
}
