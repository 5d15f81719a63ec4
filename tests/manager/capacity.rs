//! How many sessions there may be, from the beginning of a start to the end of a stop, and who gives way.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use turnwise::Phase;
use turnwise::manager::{Entering, SessionTurn, StopReason, TurnError, TurnOptions, WhenFull};

use crate::script::{Act, Actor, Gate, Step, fail, say, until};
use crate::{MINUTE, Manager, SECOND, Stage, settled, stage};

pub(crate) fn room_for(most: usize, full: WhenFull) -> (Manager, Stage) {
    stage(|builder| builder.max_sessions(most, full))
}

pub(crate) async fn is_full(m: &Manager, key: &str) -> bool {
    matches!(m.turn(key).await, Err(TurnError::RegistryFull))
}

pub(crate) fn keys(m: &Manager) -> Vec<String> {
    let mut keys: Vec<_> = m.snapshot().into_iter().map(|(key, _)| key).collect();
    keys.sort();
    keys
}

#[tokio::test(start_paused = true)]
async fn without_room_a_start_is_refused_with_the_message() {
    let (m, stage) = room_for(2, WhenFull::Refuse);
    drop(m.turn("a").await.expect("room"));
    let gate = Gate::new();
    stage.script.tell("b", Step::Start, until(&gate));
    let starts = m.turn("b");
    let (starts, ()) = tokio::join!(starts, async {
        gate.reached().await;
        assert!(is_full(&m, "c").await, "a start counts from its begin");
        gate.open();
    });
    drop(starts.expect("room"));
    let error = m.send_message("c", say("hello")).await;
    let error = error.expect_err("two are there");
    assert!(matches!(error.error, TurnError::RegistryFull));
    assert_eq!(error.message.expect("not heard").text, "hello");
    assert_eq!(keys(&m), ["a", "b"]);
    drop(m.turn("a").await.expect("who is there has its turns"));

    let gate = Gate::new();
    stage.script.tell("a", Step::Stop, until(&gate));
    let stop = m.stop("a");
    gate.reached().await;
    assert!(is_full(&m, "c").await, "a stop counts to its end");
    gate.open();
    assert!(stop.await.expect("it stops"));
    drop(m.turn("c").await.expect("room"));
    stage.end(m).await;
}

/// Whatever becomes of a start or a session, its room is given back.
#[tokio::test(start_paused = true)]
async fn room_is_never_lost() {
    let (m, stage) = room_for(1, WhenFull::Refuse);
    for act in [fail(), Act::panic(), Act::panic_at_once(), Act::hang()] {
        stage.script.tell("a", Step::Start, act.clone());
        drop(m.turn("a").await.expect_err("it gives no session"));
        drop(m.turn("b").await.expect("room"));
        stage.script.tell("b", Step::Stop, act.clone());
        assert!(!matches!(m.stop("b").await, Ok(true)), "it goes wrong");
        SessionTurn::discard(m.turn("c").await.expect("room"));
        drop(m.turn("c").await.expect("its own room"));
        stage.script.tell("c", Step::IsHealthy, act.clone());
        stage.script.tell("c", Step::Stop, act);
        drop(m.turn("c").await.expect("its own room"));
        drop(m.restart("c").await.expect("its own room"));
        assert!(is_full(&m, "d").await);
        assert!(m.stop("c").await.expect("it stops"));
    }
    stage.end(m).await;
}

#[tokio::test(start_paused = true)]
async fn the_longest_idle_gives_way_and_touched_ones_last() {
    let (m, stage) = room_for(3, WhenFull::EvictIdle);
    for key in ["oldest", "older", "old"] {
        drop(m.turn(key).await.expect("room"));
        stage.hand.advance(SECOND);
    }
    assert!(m.touch("oldest"));
    stage.hand.advance(MINUTE);
    for (key, gives_way) in [("1", "older"), ("2", "old"), ("3", "1"), ("4", "2")] {
        drop(m.turn(key).await.expect("one gives way"));
        stage.hand.advance(SECOND);
        assert_eq!(stage.script.stops(gives_way), [StopReason::Capacity]);
    }
    assert_eq!(keys(&m), ["3", "4", "oldest"]);
    assert!(m.touch("3") && m.touch("4"));
    drop(m.turn("5").await.expect("all were touched"));
    assert_eq!(keys(&m), ["3", "4", "5"]);
    stage.end(m).await;
}

#[tokio::test(start_paused = true)]
async fn who_is_used_or_waited_for_never_gives_way() {
    let (m, stage) = room_for(3, WhenFull::EvictIdle);
    let now = m.with(TurnOptions::no_wait());
    let busy = m.turn("busy").await.expect("room");
    let waited_for = m.turn("waited for").await.expect("room");
    let waits = m.turn("waited for");
    let gate = Gate::new();
    stage.script.tell("starts", Step::Start, until(&gate));
    let starts = m.send_message("starts", say("hello"));
    gate.reached().await;
    stage.hand.advance(MINUTE);
    assert!(is_full(&now, "next").await);
    drop(waited_for);
    assert!(
        is_full(&now, "next").await,
        "it was granted to the queued call"
    );
    drop(waits.await.expect("its turn comes"));
    drop(m.turn("next").await.expect("now one rests"));
    assert_eq!(stage.script.stops("waited for"), [StopReason::Capacity]);
    gate.open();
    starts.await.expect("it starts");
    assert!(!SessionTurn::is_cancelled(&busy));
    drop((busy, now));
    stage.end(m).await;
}

/// The start waits for the stop, and takes its room: nobody comes between.
#[tokio::test(start_paused = true)]
async fn who_gives_way_is_stopped_before_the_other_starts() {
    let (m, stage) = room_for(1, WhenFull::EvictIdle);
    for act in [Act::pass(), fail(), Act::panic(), Act::hang()] {
        drop(m.turn("old").await.expect("room"));
        let gate = Gate::new();
        stage.script.tell("old", Step::Stop, until(&gate));
        let next = m.send_message("next", say("hello"));
        gate.reached().await;
        let other = m.with(TurnOptions::no_wait());
        assert!(is_full(&other, "other").await, "the room is given already");
        assert_eq!(keys(&m), ["next", "old"]);
        gate.open();
        next.await.expect("room");
        assert_eq!(keys(&m), ["next"]);
        stage.script.tell("next", Step::Stop, act);
    }
    stage.end(m).await;
}

/// A start waits for the end of a stop, or until a session is idle, and is `Starting` meanwhile.
#[tokio::test(start_paused = true)]
async fn a_start_waits_for_room() {
    for full in [WhenFull::Wait, WhenFull::EvictIdle] {
        let (m, stage) = room_for(1, full);
        let busy = m.turn("busy").await.expect("room");
        let next = m.send_message("next", say("hello"));
        settled().await;
        let status = m.status("next").expect("it waits with its key");
        assert_eq!(
            (status.phase, status.turn),
            (Phase::Starting, next.ticket())
        );
        drop(busy);
        settled().await;
        let stops = stage.script.stops("busy");
        if full == WhenFull::Wait {
            assert!(stops.is_empty(), "it evicts nothing");
            assert!(m.stop("busy").await.expect("it stops"));
        } else {
            assert_eq!(stops, [StopReason::Capacity]);
        }
        next.await.expect("room");
        assert_eq!(stage.script.started("next"), 1);
        stage.end(m).await;
    }
}

/// A restart, and a start in place of an unhealthy session, keep the room that the session had: nobody comes between.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_is_started_anew_keeps_its_room() {
    let (m, stage) = room_for(1, WhenFull::Refuse);
    drop(m.turn("a").await.expect("room"));
    let done = Arc::new(AtomicBool::new(false));
    let other = tokio::spawn({
        let (m, done) = (m.clone(), Arc::clone(&done));
        async move {
            while !done.load(Ordering::Relaxed) {
                assert!(is_full(&m, "other").await, "there is room for one");
            }
        }
    });
    for _ in 0..10_000 {
        drop(m.restart("a").await.expect("its own room"));
        stage.script.tell("a", Step::IsHealthy, fail());
        drop(m.turn("a").await.expect("its own room"));
    }
    done.store(true, Ordering::Relaxed);
    other.await.expect("it was always full");
    assert_eq!(keys(&m), ["a"]);
    stage.end(m).await;
}

/// Polls its place in line as soon as it is woken, in the very call that lets the key go.
struct AtOnce {
    entering: Mutex<Entering<Actor>>,
    polled: Mutex<Option<bool>>,
}

impl Wake for AtOnce {
    fn wake(self: Arc<Self>) {
        let mut entering = self.entering.lock().expect("one polls it");
        let mut cx = Context::from_waker(Waker::noop());
        let polled = Pin::new(&mut *entering).poll(&mut cx);
        let turn = matches!(polled, Poll::Ready(Ok(_)));
        *self.polled.lock().expect("one writes it") = Some(turn);
    }
}

/// A restart that is cancelled between its stop and its start lets go of the room before the key: who is next in line looks
/// for room at once.
#[tokio::test(start_paused = true)]
async fn a_restart_that_is_cancelled_leaves_its_room_to_the_next_in_line() {
    let (m, stage) = room_for(1, WhenFull::Refuse);
    drop(m.turn("a").await.expect("room"));
    let gate = Gate::new();
    stage.script.tell("a", Step::Stop, until(&gate));
    let restart = tokio::spawn(m.restart("a"));
    gate.reached().await;
    let next = Arc::new(AtOnce {
        entering: Mutex::new(m.turn("a")),
        polled: Mutex::new(None),
    });
    let waker = Waker::from(Arc::clone(&next));
    let mut cx = Context::from_waker(&waker);
    let polled = Pin::new(&mut *next.entering.lock().expect("one polls it")).poll(&mut cx);
    assert!(polled.is_pending());
    assert!(m.abort("a", None));
    gate.open();
    let restarted = restart.await.expect("it runs");
    assert!(matches!(restarted, Err(TurnError::Aborted)));
    let polled = *next.polled.lock().expect("one writes it");
    assert_eq!(polled, Some(true), "there was room");
    stage.end(m).await;
}
