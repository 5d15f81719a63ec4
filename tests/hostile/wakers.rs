//! Wakers that panic. The panic costs no other caller its wake-up.

use std::convert::Infallible;
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use tokio::sync::Semaphore;
use turnwise::{
    Agent, Backend, Registry, SessionManager, Turn, TurnContext,
    manager::{StopReason, Timeouts, TurnError},
};

use crate::{explode, manager, panics, plain, poll, settled, waker};

/// A backend whose stops wait for a permit.
struct SlowStop(Arc<Semaphore>);

impl Backend for SlowStop {
    type Key = String;
    type Session = ();
    type Handle = ();
    type Event = ();
    type Error = Infallible;

    async fn start(
        &self,
        _: &String,
        _: &TurnContext<Self::Event>,
    ) -> Result<((), ()), Infallible> {
        Ok(((), ()))
    }

    async fn stop(&self, _: &String, (): (), _: StopReason) -> Result<(), Infallible> {
        let permit = self.0.acquire().await;
        drop(permit.expect("the semaphore stays open"));
        Ok(())
    }
}

/// Two calls have joined one stop. The waker of the first panics, and the second is woken all the same.
#[tokio::test(start_paused = true)]
async fn all_who_joined_a_stop_are_woken() {
    let permits = Arc::new(Semaphore::new(0));
    let m = manager(SlowStop(Arc::clone(&permits)));
    drop(m.turn("a").await.expect("free"));
    let mut first = m.stop("a");
    let second = m.stop("a");
    assert!(poll(&mut first, &waker(|| explode())).is_pending());
    // In a task of its own: it is polled again only if it is woken.
    let second = tokio::spawn(second);
    settled().await;
    assert!(!second.is_finished(), "the stop waits for its permit");
    permits.add_permits(1);
    let stopped = second.await.expect("the stop does not panic");
    assert_eq!(stopped.ok(), Some(true), "A6: the session was stopped");
}

/// An agent that ignores cancellation, but polls for it once: with a waker that panics if the message is `true`.
struct Deaf;

impl Backend for Deaf {
    type Key = String;
    type Session = ();
    type Handle = ();
    type Event = ();
    type Error = Infallible;

    async fn start(
        &self,
        _: &String,
        _: &TurnContext<Self::Event>,
    ) -> Result<((), ()), Infallible> {
        Ok(((), ()))
    }
}

impl Agent for Deaf {
    type Message = bool;
    type Reply = ();

    async fn send(
        &self,
        (): &mut (),
        panics: bool,
        cx: &TurnContext<()>,
    ) -> Result<(), Infallible> {
        let mine = cx.map(|()| Some(()));
        let mut cancelled = Box::pin(async move { mine.cancelled().await });
        let waker = waker(move || {
            if panics {
                explode();
            }
        });
        assert!(poll(&mut cancelled, &waker).is_pending());
        pending::<()>().await;
        drop(cancelled);
        Ok(())
    }
}

/// A turn that ignores its cancellation is cut short after `Timeouts::abort`, whatever waits for the cancellation.
#[tokio::test(start_paused = true)]
async fn an_abort_is_heard_past_a_waker_that_panics() {
    for panics in [false, true] {
        let timeouts = Timeouts::default().abort(Duration::from_secs(1));
        let built = SessionManager::builder(Deaf).timeouts(timeouts).build();
        let m = built.expect("the settings are valid");
        let mut sending = m.send_message("a", panics);
        sending.started().await.expect("free");
        settled().await;
        assert!(m.abort("a", None));
        let error = sending.await.expect_err("A6: it is aborted");
        assert!(matches!(error.error, TurnError::Aborted), "A6: {error:?}");
    }
}

/// A message is dropped while its thread unwinds, and the waker of the next call panics: a second panic would end the process.
#[tokio::test(start_paused = true)]
async fn a_message_dropped_while_its_thread_unwinds_hands_its_turn_on() {
    let m = plain::<String>();
    let turn = m.turn("a").await.expect("free");
    let sending = m.send_message("a", ());
    let mut next = m.turn("a");
    let woken = Arc::new(AtomicUsize::new(0));
    let explodes = {
        let woken = Arc::clone(&woken);
        waker(move || {
            woken.fetch_add(1, SeqCst);
            explode();
        })
    };
    assert!(poll(&mut next, &explodes).is_pending());
    // Granted to `sending`, whose task has not run.
    drop(turn);
    assert!(panics(move || {
        let _sending = sending;
        explode();
    }));
    assert_eq!(woken.load(SeqCst), 1);
    drop(next.await.expect("granted"));
}

/// Thousands of calls are in one queue, and every third has a waker that panics.
#[test]
fn all_calls_of_a_long_queue_are_woken() {
    const CALLS: usize = 6000;
    let sessions: Registry<String, u32, u8> = Registry::builder().build();
    let ways: [fn(&Registry<String, u32, u8>); 2] = [
        |sessions| {
            sessions.dismiss("a");
        },
        |sessions| sessions.close(),
    ];
    for send_away in ways {
        let turn = sessions.enter_blocking("a").expect("free").or_insert(1);
        let woken = Arc::new(AtomicUsize::new(0));
        let mut calls = Vec::new();
        for number in 0..CALLS {
            let mut call = sessions.enter_with("a", Arc::new(0));
            let woken = Arc::clone(&woken);
            let counts = waker(move || {
                woken.fetch_add(1, SeqCst);
                if number % 3 == 0 {
                    explode();
                }
            });
            assert!(poll(&mut call, &counts).is_pending());
            calls.push(call);
        }
        assert!(panics(|| send_away(&sessions)), "the panic is passed on");
        assert_eq!(woken.load(SeqCst), CALLS);
        drop(calls);
        drop(Turn::vacate(turn));
        sessions.check_invariants();
        assert!(sessions.is_empty(), "C11: the key is free");
    }
}
