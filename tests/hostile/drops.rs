//! Keys, errors and handles whose drop panics. The panic costs no session its stop, and no key is stuck.

use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use turnwise::{Agent, Backend, Registry, TurnContext, manager::*};

use crate::{explode, manager, panics, plain, poll, settled, waker};

/// A key whose next drop panics once its fuse is lit.
#[derive(Clone, Debug)]
struct Fused {
    name: &'static str,
    is_lit: Arc<AtomicBool>,
}

impl Fused {
    fn new(name: &'static str) -> Self {
        let is_lit = Arc::default();
        Self { name, is_lit }
    }
}

impl PartialEq for Fused {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Fused {}

impl Hash for Fused {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl Drop for Fused {
    fn drop(&mut self) {
        if self.is_lit.swap(false, SeqCst) {
            explode();
        }
    }
}

/// At the end of the manager a reader is woken and drops another one. Then a key panics in its drop.
#[tokio::test(start_paused = true)]
async fn a_report_comes_whatever_panics() {
    let m = plain::<Fused>();
    let key = Fused::new("a");
    let mut first = m.subscribe();
    let second = m.subscribe();
    drop(m.turn(&key).await.expect("free"));
    assert_eq!(m.stop(&key).await.ok(), Some(true));
    let ends = {
        let (second, is_lit) = (Mutex::new(Some(second)), Arc::clone(&key.is_lit));
        waker(move || {
            let second = second.lock().expect("no panic under it").take();
            if second.is_some() {
                drop(second);
                is_lit.store(true, SeqCst);
            }
        })
    };
    while poll(&mut Box::pin(first.next()), &ends).is_ready() {}
    let shutdown = tokio::spawn(m.shutdown(Duration::ZERO));
    let report = shutdown.await;
    assert!(!key.is_lit.swap(false, SeqCst), "a drop of it has panicked");
    drop(report.expect("A4: the report comes"));
}

/// Its stops write down the key; the stop of `a` lights the fuse of its key.
struct Lights(Arc<Mutex<Vec<&'static str>>>);

impl Backend for Lights {
    type Key = Fused;
    type Session = ();
    type Handle = ();
    type Event = ();
    type Error = Infallible;

    async fn start(&self, _: &Fused, _: &TurnContext<Self::Event>) -> Result<((), ()), Infallible> {
        Ok(((), ()))
    }

    async fn stop(&self, key: &Fused, (): (), _: StopReason) -> Result<(), Infallible> {
        self.0.lock().expect("no panic under it").push(key.name);
        key.is_lit.store(key.name == "a", SeqCst);
        Ok(())
    }
}

/// One key panics in its drop while the manager shuts down. The other session keeps its turn, and is stopped after it.
#[tokio::test(start_paused = true)]
async fn a_key_whose_drop_panics_ends_no_shutdown() {
    let stopped = Arc::<Mutex<Vec<_>>>::default();
    let m = manager(Lights(Arc::clone(&stopped)));
    let (a, b) = (Fused::new("a"), Fused::new("b"));
    drop(m.turn(&a).await.expect("free"));
    let turn = m.turn(&b).await.expect("free");
    let shutdown = tokio::spawn(m.shutdown(Duration::from_secs(60)));
    settled().await;
    assert!(!a.is_lit.load(SeqCst), "a drop of it has panicked");
    assert!(!SessionTurn::is_cancelled(&turn), "A4: before the deadline");
    assert!(!shutdown.is_finished(), "A4: a turn is under way");
    drop(turn);
    let report = shutdown.await.expect("A4: the report comes");
    let stopped = stopped.lock().expect("no panic under it").clone();
    assert_eq!(stopped, ["a", "b"], "A4: {report:?}");
}

/// An error whose drop panics, unless its thread unwinds already.
#[derive(Debug)]
struct Bomb;

impl fmt::Display for Bomb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a bomb")
    }
}

impl Error for Bomb {}

impl Drop for Bomb {
    fn drop(&mut self) {
        if !thread::panicking() {
            explode();
        }
    }
}

/// An agent whose answer to a cancellation is such an error.
struct Obeys;

impl Backend for Obeys {
    type Key = String;
    type Session = ();
    type Handle = ();
    type Event = ();
    type Error = Bomb;

    async fn start(&self, _: &String, _: &TurnContext<Self::Event>) -> Result<((), ()), Bomb> {
        Ok(((), ()))
    }
}

impl Agent for Obeys {
    type Message = ();
    type Reply = ();

    async fn send(&self, (): &mut (), (): (), cx: &TurnContext<()>) -> Result<(), Bomb> {
        cx.cancelled().await;
        Err(Bomb)
    }
}

/// The aborted message is reported as aborted, and its session, whose turn ended in time, is kept.
#[tokio::test(start_paused = true)]
async fn an_error_whose_drop_panics_costs_nothing() {
    let m = manager(Obeys);
    let mut sending = m.send_message("a", ());
    sending.started().await.expect("free");
    let before = m.status("a").expect("it is started").incarnation;
    assert!(m.abort("a", None));
    let error = sending.await.expect_err("A6: it is aborted").error;
    assert!(matches!(error, TurnError::Aborted), "A6: {error:?}");
    let after = m.status("a").map(|status| status.incarnation);
    assert_eq!(after, Some(before), "A2: the session is clean");
}

/// Each way in which a call may end drops its handle.
#[test]
fn a_handle_whose_drop_panics_keeps_no_key() {
    let ways: [fn(&Registry<String, u32, Bomb>); 7] = [
        |sessions| drop(sessions.enter_with("a", Arc::new(Bomb))),
        |sessions| drop(sessions.enter_with("a", Arc::new(Bomb)).wait()),
        |sessions| {
            let call = sessions.enter_with("a", Arc::new(Bomb));
            sessions.withdraw("a", call.ticket().expect("it is queued"));
        },
        |sessions| {
            let entry = sessions.enter_with("a", Arc::new(Bomb)).wait();
            drop(entry.map(|entry| entry.or_insert(1)));
        },
        |sessions| {
            let call = sessions.enter_with("a", Arc::new(Bomb));
            drop(sessions.replace("a"));
            drop(call);
        },
        |sessions| {
            let turn = sessions.enter_blocking("a").expect("free").or_insert(1);
            let first = sessions.enter_with("a", Arc::new(Bomb));
            let second = sessions.enter_with("a", Arc::new(Bomb));
            drop(turn);
            sessions.withdraw("a", first.ticket().expect("it is queued"));
            drop(second);
        },
        |sessions| {
            let call = sessions.enter_with("a", Arc::new(Bomb));
            sessions.dismiss("a");
            drop(call);
        },
    ];
    for (number, way) in ways.into_iter().enumerate() {
        for exists in [false, true] {
            let sessions: Registry<String, u32, Bomb> = Registry::builder().max_sessions(5).build();
            if exists {
                drop(sessions.enter_blocking("a").expect("free").or_insert(1));
            }
            let _panicked = panics(|| way(&sessions));
            sessions.check_invariants();
            let is_free = sessions.try_enter("a").is_ok();
            assert!(is_free, "C11: way {number}, a session exists: {exists}");
        }
    }
}
