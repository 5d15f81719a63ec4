//! The session manager on tokio, by a scripted backend, under a paused clock where time matters.
//!
//! Every test ends with [`Stage::end`]: the manager is shut down, the ledger of all that the backend was asked to do is
//! checked, and nothing of the manager is left, no task either.
//!
//! Claims: A1, A2, A3, A4, A5, A6, A7, A8, A9, A10, A11, A12, A13, A14, A15, A16, A17, C2, C3, C8, C11, C12, C16.

// A test that hangs fails within a minute, and is named.
extern crate deadline as tokio;
#[macro_use]
extern crate deadline_attribute;

mod bad_use;
mod canary;
mod cancel;
mod capacity;
mod circle;
mod control;
mod cut;
mod data;
mod dirty;
mod discard;
mod events;
mod force;
mod handle;
mod issue;
mod kept;
mod keys;
mod late;
mod late_listener;
mod long;
mod lost;
mod noticed;
mod options;
mod order;
mod owned;
mod owner;
mod panics;
mod peers;
mod queue;
mod quiet;
mod reach;
mod reaper;
mod room;
mod runtimes;
mod script;
mod send;
mod shutdown;
mod spawned;
mod starts;
mod survivors;
mod table;
mod timeouts;
mod traps;
mod unread;

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, UnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::sync::oneshot;
use turnwise::{Clock, ClockHand, SessionManager, manager::*};

use script::{Actor, Script, actor};

type Manager = SessionManager<Actor>;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// A manager with these settings.
fn stage(set: impl FnOnce(ManagerBuilder<Actor>) -> ManagerBuilder<Actor>) -> (Manager, Stage) {
    let (clock, hand) = Clock::manual();
    let (actor, script, gone) = actor();
    let manager = set(SessionManager::builder(actor).clock(clock)).build();
    let stage = Stage {
        script,
        hand,
        gone: Some(gone),
    };
    (manager.expect("the settings make sense"), stage)
}

/// With the default settings.
fn plain() -> (Manager, Stage) {
    stage(|builder| builder)
}

/// What a test has beside the manager.
struct Stage {
    script: Arc<Script>,
    /// Moves the clock of idle times, which the paused clock of tokio does not.
    hand: ClockHand,
    gone: Option<oneshot::Receiver<()>>,
}

impl Stage {
    /// Shuts the manager down, and has all checked that must hold then.
    async fn end(self, manager: Manager) -> DrainReport<String> {
        let report = manager.shutdown(Duration::ZERO).await;
        drop(manager);
        self.check().await;
        report
    }

    /// The last handle has gone: nothing is left, and nothing was wrong.
    async fn check(mut self) {
        let gone = self.gone.take().expect("a stage ends once");
        let gone = tokio::time::timeout(HOUR, gone).await;
        assert!(gone.is_ok(), "something of the manager is left");
        self.script.check();
    }

    /// So much time passes.
    async fn pass(&self, time: Duration) {
        self.hand.advance(time);
        tokio::time::sleep(time).await;
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let checked = self.gone.is_none() || std::thread::panicking();
        assert!(checked, "a test ends without a look at the ledger");
    }
}

/// Comes back when nobody else can go on: only then does a paused clock move, here by its smallest step.
async fn settled() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

/// How long it takes by the paused clock, to the nearest second.
async fn seconds<T>(act: impl Future<Output = T>) -> (T, u64) {
    let begun = tokio::time::Instant::now();
    let done = act.await;
    let took = begun.elapsed().saturating_add(SECOND / 2);
    (done, took.as_secs())
}

/// What a future panics with.
async fn panic_of<T>(act: impl Future<Output = T> + UnwindSafe) -> &'static str {
    let mut act = pin!(act);
    let panic = poll_fn(
        |cx| match catch_unwind(AssertUnwindSafe(|| act.as_mut().poll(cx))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(_)) => panic!("it was to panic"),
            Err(panic) => Poll::Ready(panic),
        },
    );
    *panic.await.downcast().expect("a text")
}

/// Those that have been told so far.
fn all_events<E>(events: &mut Subscription<E>) -> Vec<E> {
    let mut told = Vec::new();
    let mut cx = Context::from_waker(Waker::noop());
    while let Poll::Ready(Some(event)) = pin!(events.next()).poll(&mut cx) {
        match event {
            Update::Event(event) => told.push(event),
            Update::Lagged(count) => panic!("{count} were missed"),
        }
    }
    told
}
