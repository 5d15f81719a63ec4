//! A2: what is half-done is not handed on. A session that was left in the middle of something is stopped; the next in line
//! waits for that and starts afresh.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use turnwise::manager::{SessionEvent, SessionTurn, StopReason, TurnError};

use crate::script::{Act, Gate, Step, explode, fail, obey, say, until};
use crate::{Manager, Stage, all_events, panic_of, plain, seconds, settled};

/// The session of this number was stopped as dirty, and the next turn has another.
async fn next_is_afresh(m: &Manager, stage: &Stage, number: u64, stops: usize) -> u64 {
    let next = m.send_message("a", say("next")).await.expect("a new start");
    assert!(next.number > number);
    assert_eq!(stage.script.stops("a"), vec![StopReason::Dirty; stops]);
    next.number
}

#[tokio::test(start_paused = true)]
async fn a_closure_that_ends_leaves_its_session_clean() {
    let (m, stage) = plain();
    let first = m.with_turn("a", async |live| live.number).await;
    let next = m.with_turn("a", async |live| {
        settled().await;
        live.number
    });
    assert_eq!(first.expect("free"), next.await.expect("free"));
    assert_eq!(stage.script.stops("a"), []);
    stage.end(m).await;
}

/// Dropped in the line it leaves the line; dropped in the closure it leaves a dirty session.
#[tokio::test(start_paused = true)]
async fn a_closure_that_is_dropped_half_way_is_dirty() {
    let (m, stage) = plain();
    let first = m.send_message("a", say("first")).await.expect("free");
    let (inside, stop) = (Gate::new(), Gate::new());
    let mut half_way = Box::pin(m.with_turn("a", async |_| inside.pass().await));
    let mut in_line = Box::pin(m.with_turn("a", async |_| ()));
    tokio::select! {
        biased;
        _ = &mut half_way => unreachable!("the gate is shut"),
        _ = &mut in_line => unreachable!("it stands in line"),
        () = settled() => {}
    }
    assert_eq!(m.status("a").expect("it is there").waiting, 1);
    drop(in_line);
    assert_eq!(m.status("a").expect("it is there").waiting, 0);
    assert_eq!(stage.script.stops("a"), []);

    stage.script.tell("a", Step::Stop, until(&stop));
    drop(half_way);
    stop.reached().await;
    let next = m.send_message("a", say("next"));
    settled().await;
    assert_eq!(stage.script.heard("a"), ["first"], "it waits for the stop");
    stop.open();
    assert!(next.await.expect("a new start").number > first.number);
    assert_eq!(stage.script.stops("a"), [StopReason::Dirty]);
    stage.end(m).await;
}

#[tokio::test(start_paused = true)]
async fn a_closure_that_panics_is_dirty_and_its_panic_goes_on() {
    let (m, stage) = plain();
    let first = m.send_message("a", say("first")).await.expect("free");
    let after_a_while = m.with_turn("a", async |_| {
        settled().await;
        explode()
    });
    let panic = panic_of(AssertUnwindSafe(after_a_while)).await;
    assert_eq!(panic, "told to panic");
    let second = next_is_afresh(&m, &stage, first.number, 1).await;
    // Not an async closure: it panics before it has given a future.
    let at_once = m.with_turn("a", |_: &mut _| -> std::future::Ready<()> { explode() });
    assert_eq!(panic_of(AssertUnwindSafe(at_once)).await, "told to panic");
    next_is_afresh(&m, &stage, second, 2).await;
    stage.end(m).await;
}

/// Its own drop, when it is cut short, may panic too.
#[tokio::test(start_paused = true)]
async fn a_closure_that_panics_when_it_is_cut_short_is_dirty() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            if !std::thread::panicking() {
                explode();
            }
        }
    }
    let (m, stage) = plain();
    let first = m.send_message("a", say("first")).await.expect("free");
    let closure = m.with_turn("a", async |_| {
        let _bomb = Bomb;
        std::future::pending::<()>().await;
    });
    let (panic, stopped) = tokio::join!(panic_of(AssertUnwindSafe(closure)), async {
        settled().await;
        m.stop("a").await
    });
    assert_eq!(panic, "told to panic");
    assert!(!stopped.expect("it was stopped as dirty"));
    next_is_afresh(&m, &stage, first.number, 1).await;
    stage.end(m).await;
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_ignores_its_cancel_is_dirty() {
    let (m, stage) = plain();
    let first = m.send_message("a", say("first")).await.expect("free");
    let mut deaf = m.send_message("a", say("deaf").and(Act::hang()));
    deaf.started().await.expect("it starts");
    drop(deaf);
    let (_, took) = seconds(next_is_afresh(&m, &stage, first.number, 1)).await;
    assert_eq!(took, 5, "it had its time");
    stage.end(m).await;
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_obeys_its_cancel_keeps_its_session() {
    let (m, stage) = plain();
    let first = m.send_message("a", say("first")).await.expect("free");
    let mut obeys = m.send_message("a", say("obeys").and(obey()));
    obeys.started().await.expect("it starts");
    drop(obeys);
    let next = m.send_message("a", say("next")).await.expect("it rests");
    assert_eq!(next.number, first.number);
    stage.end(m).await;
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_panics_is_dirty() {
    let (m, stage) = plain();
    let mut number = 0;
    for (times, act) in [Act::panic(), Act::panic_at_once()].into_iter().enumerate() {
        let sent = m.send_message("a", say("panics").and(act)).await;
        let error = sent.expect_err("it panics");
        assert!(matches!(error.error, TurnError::Panicked));
        assert!(error.message.is_none(), "the session has heard it");
        number = next_is_afresh(&m, &stage, number, times + 1).await;
    }
    stage.end(m).await;
}

/// An error is an answer.
#[tokio::test(start_paused = true)]
async fn an_agent_that_fails_keeps_its_session() {
    let (m, stage) = plain();
    let sent = m.send_message("a", say("fails").and(fail())).await;
    assert!(matches!(
        sent.expect_err("it fails").error,
        TurnError::Agent(_)
    ));
    m.send_message("a", say("next")).await.expect("it rests");
    assert_eq!(
        (stage.script.started("a"), stage.script.stops("a")),
        (1, vec![])
    );
    stage.end(m).await;
}

#[tokio::test(start_paused = true)]
async fn a_plain_turn_is_dirty_if_it_is_discarded_or_its_holder_panics() {
    let (m, stage) = plain();
    let turn = m.turn("a").await.expect("free");
    let number = SessionTurn::handle(&turn);
    drop(turn);
    let turn = m.turn("a").await.expect("free");
    assert_eq!(SessionTurn::handle(&turn), number, "it was not borrowed");
    SessionTurn::discard(turn);
    let number = next_is_afresh(&m, &stage, number, 1).await;

    let entering = m.turn("a");
    let holder = tokio::spawn(async move {
        let _turn = entering.await.expect("free");
        explode();
    });
    assert!(holder.await.expect_err("it panics").is_panic());
    next_is_afresh(&m, &stage, number, 2).await;
    stage.end(m).await;
}

/// The turn was taken in the call, and nobody has looked at it: nothing is half-done, also if its holder panics.
#[tokio::test(start_paused = true)]
async fn a_turn_that_nobody_has_looked_at_is_not_dirty_if_its_holder_panics() {
    let (m, stage) = plain();
    let first = m.send_message("a", say("first")).await.expect("free");
    let kept = m.clone();
    let holder = tokio::spawn(async move {
        let _entering = kept.turn("a");
        explode();
    });
    assert!(holder.await.expect_err("it panics").is_panic());
    let next = m.send_message("a", say("next")).await.expect("it rests");
    assert_eq!(next.number, first.number);
    stage.end(m).await;
}

/// A prompt that is given up leaves its answer in the pipe: nobody may read it. The ledger looks at every answer.
#[tokio::test(start_paused = true)]
async fn the_answer_of_an_abandoned_turn_is_never_read() {
    let (m, stage) = plain();
    for act in [Act::hang(), Act::panic(), Act::panic_at_once()] {
        let mut sending = m.send_message("a", say("given up").and(act));
        let _ = sending.started().await;
        drop(sending);
        let next = m.send_message("a", say("next")).await.expect("afresh");
        assert_eq!(next.text, "next");
    }
    // As a closure, and as a plain turn: what they were told is in the pipe when they are given up.
    let tells = async |live: &mut crate::script::Session| {
        live.told(1);
        std::future::pending::<()>().await;
    };
    let mut closure = Box::pin(m.with_turn("b", tells));
    tokio::select! {
        biased;
        _ = &mut closure => unreachable!("it never ends"),
        () = settled() => drop(closure),
    }
    let next = m.turn("b").await.expect("afresh");
    assert!(next.pipe_is_empty());
    SessionTurn::discard(next);
    stage.end(m).await;
}

/// A stop that fails, hangs or panics: the key is free all the same.
#[tokio::test(start_paused = true)]
async fn a_dirty_session_whose_stop_goes_wrong_frees_its_key() {
    let (m, stage) = plain();
    let mut events = m.subscribe();
    for (hangs, act) in [
        (false, fail()),
        (true, Act::hang()),
        (false, Act::panic()),
        (false, Act::panic_at_once()),
    ] {
        let turn = m.turn("a").await.expect("free");
        stage.script.tell("a", Step::Stop, act);
        SessionTurn::discard(turn);
        let (turn, took) = seconds(m.turn("a")).await;
        assert_eq!(took, if hangs { 10 } else { 0 });
        drop(turn.expect("a new start"));
    }
    let mut errors = Vec::new();
    for event in all_events(&mut events) {
        if let SessionEvent::Stopped { reason, error, .. } = event {
            assert_eq!(reason, StopReason::Dirty);
            errors.push(error.expect("it goes wrong").to_string());
        }
    }
    let panicked = "the stop of the session panicked";
    let expected = [
        "it fails as scripted: because the script says so",
        "the stop of the session timed out",
        panicked,
        panicked,
    ];
    assert_eq!(errors, expected);
    stage.end(m).await;
}

/// Calls it in a thread that unwinds, as the destructor of a holder is called.
fn in_unwinding(act: impl FnOnce()) {
    struct Last<F: FnOnce()>(Option<F>);
    impl<F: FnOnce()> Drop for Last<F> {
        fn drop(&mut self) {
            if let Some(act) = self.0.take() {
                act();
            }
        }
    }
    let unwound = catch_unwind(AssertUnwindSafe(|| {
        let _last = Last(Some(act));
        explode();
    }));
    assert!(unwound.is_err());
}

/// What it is ready with at its first poll.
fn at_once<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("it is not ready"),
    }
}

/// A start has ended, and whoever asked for it unwinds before it has looked: nobody has used the session.
#[tokio::test(start_paused = true)]
async fn a_turn_that_nobody_saw_is_clean() {
    let (m, stage) = plain();
    let gate = Gate::new();
    stage.script.tell("a", Step::Start, until(&gate));
    let mut entering = Box::pin(m.turn("a"));
    tokio::select! {
        biased;
        _ = &mut entering => unreachable!("the gate is shut"),
        () = gate.reached() => {}
    }
    gate.open();
    settled().await;
    in_unwinding(|| drop(entering));
    settled().await;
    assert_eq!(stage.script.stops("a"), []);
    drop(m.turn("a").await.expect("it rests"));
    stage.end(m).await;
}

/// A destructor uses the turn whose place was taken before the panic.
#[tokio::test(start_paused = true)]
async fn a_turn_that_a_destructor_uses_leaves_its_session_in_place() {
    let (m, stage) = plain();
    let first = m.send_message("a", say("first")).await.expect("free");
    let entering = m.turn("a");
    in_unwinding(|| {
        let turn = at_once(entering).expect("open");
        assert_eq!(turn.number, first.number);
        SessionTurn::done(turn);
    });
    let aborted = m.turn("a");
    assert!(m.abort("a", None));
    in_unwinding(|| {
        let turn = at_once(aborted);
        assert!(matches!(turn, Err(TurnError::Aborted)));
    });
    let next = m.send_message("a", say("next")).await.expect("it rests");
    assert_eq!(next.number, first.number);
    assert_eq!(stage.script.stops("a"), []);
    stage.end(m).await;
}
