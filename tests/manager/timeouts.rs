//! A1: how long things may take, and what becomes of those that take longer.

use std::time::Duration;

use turnwise::{Phase, manager::*};

use turnwise::testing::End;

use crate::script::{Act, Gate, Step, obey, say, until};
use crate::{HOUR, SECOND, plain, seconds, settled, stage};

#[tokio::test(start_paused = true)]
async fn who_waits_too_long_leaves_the_line_with_the_message() {
    let (m, stage) = stage(|builder| builder.timeouts(Timeouts::default().wait(5 * SECOND)));
    let turn = m.turn("a").await.expect("free");
    let (sent, took) = seconds(m.send_message("a", say("late"))).await;
    let error = sent.expect_err("the turn did not come");
    assert!(matches!(error.error, TurnError::WaitTimedOut));
    assert_eq!(error.message.expect("nobody heard it").text, "late");
    let (entered, again) = seconds(m.turn("a")).await;
    assert!(matches!(entered, Err(TurnError::WaitTimedOut)));
    assert_eq!((took, again), (5, 5));
    assert_eq!(m.status("a").expect("it is held").waiting, 0);
    drop(turn);
    m.send_message("a", say("in time")).await.expect("free");
    assert_eq!(stage.script.heard("a"), ["in time"]);
    stage.end(m).await;
}

#[tokio::test(start_paused = true)]
async fn without_a_limit_a_place_in_line_is_kept_for_as_long_as_it_takes() {
    let (m, stage) = plain();
    let long = m.send_message("a", say("long").takes(24 * HOUR));
    let (reply, took) = seconds(m.send_message("a", say("patient"))).await;
    assert_eq!(reply.expect("its turn comes").text, "patient");
    assert_eq!(took, 24 * 3600);
    long.await.expect("it has no limit");
    stage.end(m).await;
}

/// The limit is for the line; a start has its own.
#[tokio::test(start_paused = true)]
async fn a_start_does_not_count_as_a_wait() {
    let (m, stage) = stage(|builder| builder.timeouts(Timeouts::default().wait(SECOND)));
    let start = Act::take(20 * SECOND);
    stage.script.tell("a", Step::Start, start);
    let (reply, took) = seconds(m.send_message("a", say("hello"))).await;
    reply.expect("it starts within its time");
    assert_eq!(took, 20);
    stage.end(m).await;
}

#[tokio::test(start_paused = true)]
async fn a_start_that_overruns_is_put_away_before_the_key_goes_on() {
    let (m, stage) = plain();
    let away = Gate::new();
    stage.script.tell("a", Step::Start, Act::hang());
    let until = until(&away);
    stage.script.tell("a", Step::StartAbandoned, until);
    let first = m.send_message("a", say("first"));
    let waits = m.turn("a");
    let ((), took) = seconds(away.reached()).await;
    assert_eq!(took, 30);
    let late = m.send_message("a", say("late"));
    settled().await;
    let phase = m.status("a").map(|status| status.phase);
    assert_eq!(phase, Some(Phase::Starting), "the key is held");
    away.open();
    let error = first.await.expect_err("it has no session");
    assert!(matches!(error.error, TurnError::StartTimedOut));
    assert!(error.message.is_some());
    assert!(matches!(waits.await, Err(TurnError::StartTimedOut)));
    let late = late.await.expect_err("it came before that start had ended");
    assert!(matches!(late.error, TurnError::StartTimedOut));
    m.send_message("a", say("next")).await.expect("a new start");
    stage.end(m).await;
}

#[tokio::test(start_paused = true)]
async fn what_a_start_left_behind_may_not_keep_the_key_for_ever() {
    let (m, stage) = plain();
    for (expected, away) in [
        (40, Act::hang()),
        (30, Act::panic()),
        (30, Act::panic_at_once()),
    ] {
        stage.script.tell("a", Step::Start, Act::hang());
        stage.script.tell("a", Step::StartAbandoned, away);
        let (sent, took) = seconds(m.send_message("a", say("first"))).await;
        let error = sent.expect_err("it has no session");
        assert!(matches!(error.error, TurnError::StartTimedOut));
        assert_eq!((took, m.status("a")), (expected, None));
    }
    m.send_message("a", say("next")).await.expect("a new start");
    stage.end(m).await;
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_overruns_is_cancelled_and_then_cut_short() {
    let timeouts = Timeouts::default().turn(20 * SECOND);
    let (m, stage) = stage(|builder| builder.timeouts(timeouts));
    // It obeys: the session is kept.
    let obeys = m.send_message("a", say("obeys").and(obey()));
    let (sent, took) = seconds(obeys).await;
    let error = sent.expect_err("it took too long");
    assert!(matches!(error.error, TurnError::TurnTimedOut));
    assert!(error.message.is_none(), "the session has heard it");
    assert_eq!(took, 20);
    // It needs some time to end, and has its reply then.
    let slow = m.send_message("a", say("slow").takes(24 * SECOND));
    let (sent, took) = seconds(slow).await;
    assert_eq!(sent.expect("it ended while it might").text, "slow");
    assert_eq!((took, stage.script.stops("a")), (24, vec![]));
    // It does not.
    let hangs = m.send_message("a", say("hangs").and(Act::hang()));
    let (sent, took) = seconds(hangs).await;
    let error = sent.expect_err("it took too long");
    assert!(matches!(error.error, TurnError::TurnTimedOut));
    assert_eq!(took, 25);
    m.send_message("a", say("next")).await.expect("a new start");
    assert_eq!(stage.script.stops("a"), [StopReason::Dirty]);
    stage.end(m).await;
}

#[tokio::test(start_paused = true)]
async fn a_closure_that_overruns_is_cut_short_but_a_plain_turn_is_its_holders() {
    let timeouts = Timeouts::default().turn(20 * SECOND).abort(3 * SECOND);
    let (m, stage) = stage(|builder| builder.timeouts(timeouts));
    let closure = m.with_turn("a", async |_| std::future::pending::<()>().await);
    let (ended, took) = seconds(closure).await;
    assert!(matches!(ended, Err(TurnError::TurnTimedOut)));
    assert_eq!(took, 23);
    let options = TurnOptions::default().turn(SECOND);
    let turn = m.with(options).turn("a").await.expect("a new start");
    assert_eq!(stage.script.stops("a"), [StopReason::Dirty]);
    stage.pass(HOUR).await;
    assert!(!turnwise::manager::SessionTurn::is_cancelled(&turn));
    drop(turn);
    stage.end(m).await;
}

#[tokio::test(start_paused = true)]
async fn an_abort_waits_for_so_long_and_no_longer() {
    let timeouts = Timeouts::default().abort(7 * SECOND);
    let (m, stage) = stage(|builder| builder.timeouts(timeouts));
    for (act, expected) in [(obey(), 0), (Act::hang(), 7)] {
        let mut sending = m.send_message("a", say("hello").and(act));
        sending.started().await.expect("it starts");
        sending.abort();
        let (sent, took) = seconds(sending).await;
        let error = sent.expect_err("it was cancelled");
        assert!(matches!(error.error, TurnError::Aborted));
        assert_eq!(took, expected);
    }
    stage.end(m).await;
}

#[tokio::test(start_paused = true)]
async fn a_stop_that_overruns_is_abandoned_and_the_key_is_free() {
    let timeouts = Timeouts::default().stop(4 * SECOND);
    let (m, stage) = stage(|builder| builder.timeouts(timeouts));
    m.send_message("a", say("hello")).await.expect("free");
    stage.script.tell("a", Step::Stop, Act::hang());
    let (stopped, took) = seconds(m.stop("a")).await;
    assert!(matches!(stopped, Err(StopError::Abandoned)));
    assert_eq!((took, m.status("a")), (4, None));
    m.send_message("a", say("next")).await.expect("a new start");
    assert_eq!(stage.script.count("a", Step::Stop, End::CutShort), 1);
    stage.end(m).await;
}

#[tokio::test(start_paused = true)]
async fn a_look_at_health_has_the_time_of_a_start() {
    let timeouts = Timeouts::default().start(9 * SECOND);
    let (m, stage) = stage(|builder| builder.timeouts(timeouts));
    let first = m.send_message("a", say("first")).await.expect("free");
    stage.script.tell("a", Step::IsHealthy, Act::hang());
    let (next, took) = seconds(m.send_message("a", say("next"))).await;
    assert!(next.expect("a new start").number > first.number);
    assert_eq!(took, 9);
    assert_eq!(stage.script.stops("a"), [StopReason::Unhealthy]);
    stage.end(m).await;
}

#[tokio::test(start_paused = true)]
async fn a_plain_turn_gives_a_health_check_the_time_of_a_start() {
    let timeouts = Timeouts::default().start(9 * SECOND);
    let (m, stage) = stage(|builder| builder.timeouts(timeouts));
    let first = SessionTurn::handle(&m.turn("a").await.expect("free"));
    stage.script.tell("a", Step::IsHealthy, Act::hang());
    let (turn, took) = seconds(m.turn("a")).await;
    assert!(SessionTurn::handle(&turn.expect("a new start")) > first);
    assert_eq!(took, 9);
    stage.script.tell("a", Step::IsHealthy, Act::panic());
    drop(m.turn("a").await.expect("another start"));
    assert_eq!(
        stage.script.stops("a"),
        [StopReason::Unhealthy, StopReason::Unhealthy]
    );
    stage.end(m).await;
}

/// The check goes on, and the next caller has its result.
#[tokio::test(start_paused = true)]
async fn a_plain_turn_that_is_dropped_during_a_health_check() {
    let (m, stage) = plain();
    let first = SessionTurn::handle(&m.turn("a").await.expect("free"));
    let gate = Gate::new();
    stage
        .script
        .tell("a", Step::IsHealthy, Act::pass().after(&gate));
    let mut dropped = std::pin::pin!(Some(m.turn("a")));
    tokio::select! {
        biased;
        _ = dropped.as_mut().as_pin_mut().expect("there") => panic!("the check pends"),
        () = gate.reached() => {}
    }
    dropped.set(None);
    let next = m.turn("a");
    gate.open();
    let next = next.await.expect("it is healthy");
    assert_eq!(SessionTurn::handle(&next), first);
    drop(next);
    stage.end(m).await;
}

#[tokio::test(start_paused = true)]
async fn one_call_may_differ_from_the_settings() {
    let timeouts = Timeouts::default().wait(5 * SECOND).turn(20 * SECOND);
    let (m, stage) = stage(|builder| builder.timeouts(timeouts));
    let options = |wait, turn| {
        let options = TurnOptions::default();
        options.wait(wait * SECOND).turn(turn * SECOND)
    };
    let long = m
        .with(options(1, 2 * 3600))
        .send_message("a", say("long").takes(HOUR));
    let impatient = seconds(m.with(options(1, 1)).send_message("a", say("impatient")));
    let patient = seconds(
        m.with(options(7200, 9))
            .send_message("a", say("p").and(obey())),
    );
    let entered = seconds(m.with(TurnOptions::default().wait(3 * SECOND)).turn("a"));
    let (long, impatient, patient, entered) = tokio::join!(long, impatient, patient, entered);
    long.expect("it has two hours");
    let (sent, took) = impatient;
    assert!(matches!(
        sent.expect_err("it waits a second").error,
        TurnError::WaitTimedOut
    ));
    assert_eq!(took, 1);
    let (sent, took) = patient;
    assert!(matches!(
        sent.expect_err("it has nine seconds").error,
        TurnError::TurnTimedOut
    ));
    assert_eq!(took, 3600 + 9);
    assert!(matches!(entered, (Err(TurnError::WaitTimedOut), 3)));
    stage.end(m).await;
}

/// Whatever the session is in the middle of: busy is busy.
#[tokio::test(start_paused = true)]
async fn who_does_not_want_to_wait_does_not() {
    let (m, stage) = plain();
    let gate = Gate::new();
    let act = || until(&gate);
    stage.script.tell("starts", Step::Start, act());
    let starts = m.send_message("starts", say("hello"));
    let busy = m.turn("turns").await.expect("free");
    m.send_message("stops", say("hello")).await.expect("free");
    stage.script.tell("stops", Step::Stop, act());
    let stops = m.stop("stops");
    for key in ["starts", "turns", "stops"] {
        let sent = m.with(TurnOptions::no_wait()).send_message(key, say("now"));
        assert!(sent.ticket().is_none());
        let (sent, took) = seconds(sent).await;
        let error = sent.expect_err("it is not free");
        assert!(matches!(error.error, TurnError::Busy), "{key}");
        assert_eq!((error.message.expect("not heard").text, took), ("now", 0));
        let entered = m.with(TurnOptions::no_wait()).turn(key).await;
        assert!(matches!(entered, Err(TurnError::Busy)), "{key}");
        assert_eq!(m.status(key).expect("held").waiting, 0, "{key}");
    }
    gate.open();
    starts.await.expect("it starts");
    drop(busy);
    assert!(stops.await.expect("it stops"));
    for key in ["starts", "turns", "stops", "new"] {
        let sent = m.with(TurnOptions::no_wait()).send_message(key, say("now"));
        sent.await.expect("it is free");
    }
    stage.end(m).await;
}

/// A limit of nothing, and one that no clock can express, are limits.
#[tokio::test(start_paused = true)]
async fn the_shortest_and_the_longest_limit_of_one_call() {
    let (m, stage) = plain();
    let options = |limit| TurnOptions::default().wait(limit).turn(limit);
    // What is there at once is not late.
    let now = m
        .with(options(Duration::ZERO))
        .send_message("a", say("now"));
    now.await.expect("free, and answered at once");
    let hangs = say("hangs").and(Act::hang());
    let (sent, took) = seconds(m.with(options(Duration::ZERO)).send_message("a", hangs)).await;
    let error = sent.expect_err("it is late at once").error;
    assert!(matches!(error, TurnError::TurnTimedOut));
    assert_eq!(took, 5);
    let turn = m.turn("a").await.expect("a new start");
    let sent = m
        .with(options(Duration::ZERO))
        .send_message("a", say("waits"));
    let error = sent.await.expect_err("it is late at once").error;
    assert!(matches!(error, TurnError::WaitTimedOut));
    let patient = m
        .with(options(Duration::MAX))
        .send_message("a", say("p").takes(HOUR));
    stage.pass(HOUR).await;
    drop(turn);
    patient.await.expect("it has all the time there is");
    stage.end(m).await;
}
