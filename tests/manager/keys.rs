//! Keys whose clone panics: at each clone that a call makes, one after the other. The call may panic, or its report be
//! without that key; nobody is left waiting, no session is lost, the key is free.

use std::cell::Cell;
use std::hash::{Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use tokio::sync::oneshot;
use turnwise::testing::{Ledger, Scripted, ScriptedSession};
use turnwise::{Agent, Backend, Clock, Incarnation, SessionManager, TurnContext, manager::*};

use crate::script::{Failure, explode};
use crate::{HOUR, MINUTE};

thread_local! {
    /// So many clones more; the next one explodes.
    static FUSE: Cell<Option<usize>> = const { Cell::new(None) };
}

#[derive(Debug, PartialEq, Eq)]
struct Key(&'static str);

impl Clone for Key {
    fn clone(&self) -> Self {
        match FUSE.get() {
            Some(0) => {
                FUSE.set(None);
                explode();
            }
            left => FUSE.set(left.map(|left| left - 1)),
        }
        Self(self.0)
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

/// The same sessions under keys that do not explode, as the ledger's must be.
struct Plain;

impl Backend for Plain {
    type Key = &'static str;
    type Session = ();
    type Handle = ();
    type Event = ();
    type Error = Failure;

    async fn start(
        &self,
        _: &&'static str,
        _: &TurnContext<Self::Event>,
    ) -> Result<((), ()), Failure> {
        tokio::task::yield_now().await;
        Ok(((), ()))
    }

    async fn stop(&self, _: &&'static str, (): (), _: StopReason) -> Result<(), Failure> {
        tokio::task::yield_now().await;
        Ok(())
    }
}

struct Keeps {
    inner: Scripted<Plain>,
    _here: oneshot::Sender<()>,
}

type Live = ScriptedSession<Plain>;

impl Keeps {
    /// With its ledger, and what resolves when the manager and its tasks are gone.
    fn new() -> (Self, Ledger<&'static str>, oneshot::Receiver<()>) {
        let (_here, gone) = oneshot::channel();
        let (inner, script) = Scripted::around(Plain);
        (Self { inner, _here }, script.ledger().clone(), gone)
    }
}

impl Backend for Keeps {
    type Key = Key;
    type Session = Live;
    type Handle = ();
    type Event = ();
    type Error = Failure;

    async fn start(&self, key: &Key, cx: &TurnContext<Self::Event>) -> Result<(Live, ()), Failure> {
        self.inner.start(&key.0, cx).await
    }

    async fn start_abandoned(&self, key: &Key, incarnation: Incarnation) {
        self.inner.start_abandoned(&key.0, incarnation).await;
    }

    async fn stop(&self, key: &Key, session: Live, reason: StopReason) -> Result<(), Failure> {
        self.inner.stop(&key.0, session, reason).await
    }
}

impl Agent for Keeps {
    type Message = ();
    type Reply = ();

    async fn send(&self, _: &mut Live, (): (), cx: &TurnContext<()>) -> Result<(), Failure> {
        cx.emit(());
        tokio::task::yield_now().await;
        Ok(())
    }
}

type Manager = SessionManager<Keeps>;
type Call = Pin<Box<dyn Future<Output = ()>>>;

/// True if it panicked.
async fn panics(call: impl FnOnce() -> Call) -> bool {
    let Ok(mut call) = catch_unwind(AssertUnwindSafe(call)) else {
        return true;
    };
    let polled = std::future::poll_fn(|cx| {
        match catch_unwind(AssertUnwindSafe(|| call.as_mut().poll(cx))) {
            Ok(polled) => polled.map(|()| false),
            Err(_) => Poll::Ready(true),
        }
    });
    let ended = tokio::time::timeout(HOUR, pin!(polled)).await;
    ended.expect("nobody is left waiting")
}

/// True if the fuse was not burnt down: the call makes no more clones than that.
async fn explodes_at(clone: usize, listened: bool, call: fn(&Manager) -> Call) -> bool {
    let (keeps, ledger, gone) = Keeps::new();
    let m = SessionManager::builder(keeps);
    let m = m.max_sessions(2, WhenFull::EvictIdle).build();
    let m = m.expect("in a runtime");
    let heard = listened.then(|| (m.subscribe(), m.listen(&Key("a"))));
    drop(m.turn(&Key("a")).await.expect("free"));
    FUSE.set(Some(clone));
    panics(|| call(&m)).await;
    crate::settled().await;
    let left = FUSE.take().is_some();

    let next = tokio::time::timeout(HOUR, m.send_message(&Key("a"), ())).await;
    let next = next.expect("the key is not stuck");
    let closed = m.shutdown(HOUR);
    let report = tokio::time::timeout(HOUR, closed).await;
    let report = report.expect("the report comes");
    if next.is_ok() {
        assert!(report.stopped.contains(&Key("a")), "{report:?}");
    }
    drop((m, heard));
    let gone = tokio::time::timeout(HOUR, gone).await;
    assert!(gone.is_ok(), "something of the manager is left");
    ledger.assert_balanced();
    left
}

async fn at_every_clone(call: fn(&Manager) -> Call) {
    for listened in [false, true] {
        let mut clones = 0;
        while !explodes_at(clones, listened, call).await {
            clones += 1;
            assert!(clones < 100, "it clones without an end");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_turn_of_a_key_that_explodes() {
    at_every_clone(|m| {
        let entering = m.turn(&Key("a"));
        Box::pin(async { drop(entering.await) })
    })
    .await;
    at_every_clone(|m| {
        let entering = m.with(TurnOptions::no_wait()).turn(&Key("new"));
        Box::pin(async { SessionTurn::discard(entering.await.expect("free")) })
    })
    .await;
    at_every_clone(|m| {
        let closure = m.with_turn(&Key("a"), async |_| tokio::task::yield_now().await);
        Box::pin(async { drop(closure.await) })
    })
    .await;
    at_every_clone(|m| {
        let entering = m.restart(&Key("a"));
        Box::pin(async { drop(entering.await) })
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_message_to_a_key_that_explodes() {
    at_every_clone(|m| {
        let sending = m.send_message(&Key("a"), ());
        Box::pin(async { drop(sending.await) })
    })
    .await;
    at_every_clone(|m| {
        let sending = m.send_message(&Key("new"), ());
        Box::pin(async move {
            let mut sending = sending;
            let _ = sending.started().await;
            drop(sending);
        })
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_key_that_explodes() {
    at_every_clone(|m| {
        let stopping = m.stop(&Key("a"));
        Box::pin(async { drop(stopping.await) })
    })
    .await;
    at_every_clone(|m| {
        let sweep = m.cleanup_idle(Duration::ZERO);
        Box::pin(async { drop(sweep.await) })
    })
    .await;
    // The third needs the room of one that rests.
    at_every_clone(|m| {
        let (one, other) = (m.turn(&Key("1")), m.turn(&Key("2")));
        Box::pin(async { drop((one.await, other.await)) })
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_with_a_key_that_explodes() {
    at_every_clone(|m| {
        let turn = m.turn(&Key("b"));
        let m = m.clone();
        Box::pin(async move {
            let turn = turn.await;
            let shutdown = m.shutdown(Duration::ZERO);
            drop(turn);
            drop(shutdown.await);
        })
    })
    .await;
}

/// Its turn is not given back in time: the report comes all the same.
#[tokio::test(start_paused = true)]
async fn a_shutdown_that_gives_up_a_key_that_explodes() {
    at_every_clone(|m| {
        let turn = m.turn(&Key("b"));
        let m = m.clone();
        Box::pin(async move {
            let turn = turn.await;
            drop(m.shutdown(Duration::ZERO).await);
            drop(turn);
        })
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_look_at_a_key_that_explodes() {
    at_every_clone(|m| {
        let _ = (m.status(&Key("a")), m.touch(&Key("a")), m.snapshot());
        drop((m.subscribe(), m.listen(&Key("a")), m.listen(&Key("new"))));
        let _ = (m.abort(&Key("a"), None), m.dismiss(&Key("a")));
        Box::pin(async {})
    })
    .await;
}

/// A sweep that a key ends is not the last one.
#[tokio::test(start_paused = true)]
async fn the_reaper_goes_on_after_a_key_that_explodes() {
    let (keeps, ledger, gone) = Keeps::new();
    let (clock, hand) = Clock::manual();
    let m = SessionManager::builder(keeps);
    let m = m.clock(clock).stop_idle_after(MINUTE).build();
    let m = m.expect("in a runtime");
    drop(m.turn(&Key("a")).await.expect("free"));
    hand.advance(HOUR);
    FUSE.set(Some(0));
    tokio::time::sleep(MINUTE).await;
    assert_eq!(FUSE.take(), None, "a sweep has cloned the key");
    tokio::time::sleep(HOUR).await;
    assert_eq!(
        m.status(&Key("a")),
        None,
        "A3: the reaper has ended with one sweep"
    );
    drop(m);
    gone.await.expect_err("nothing of the manager is left");
    ledger.assert_balanced();
}
