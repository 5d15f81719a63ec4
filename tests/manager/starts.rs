//! A5: starts that fail, hang or panic, and callers that do not wait for them.

use std::error::Error;
use std::pin::pin;
use std::sync::Arc;

use turnwise::{Phase, manager::*};

use turnwise::testing::End;

use crate::script::{Act, Failure, Gate, Step, fail, fail_after, say, until};
use crate::{SECOND, all_events, plain, settled};

fn start_error<T>(ended: Result<T, TurnError<Failure>>) -> Arc<Failure> {
    match ended {
        Err(TurnError::Start(failure)) => failure,
        Err(error) => panic!("another error: {error}"),
        Ok(_) => panic!("the start was to fail"),
    }
}

#[tokio::test(start_paused = true)]
async fn the_error_and_its_source_reach_every_kind_of_caller() {
    let (m, stage) = plain();
    let fails = || stage.script.tell("a", Step::Start, fail());
    let mut errors = Vec::new();
    fails();
    errors.push(m.turn("a").await.map(drop).expect_err("it fails"));
    fails();
    errors.push(m.with_turn("a", async |_| ()).await.expect_err("it fails"));
    fails();
    errors.push(m.restart("a").await.map(drop).expect_err("it fails"));
    fails();
    let sent = m.send_message("a", say("hello")).await;
    let error = sent.expect_err("it fails");
    let text = "message not delivered: the session failed to start: it fails as scripted";
    assert_eq!(error.to_string(), text);
    assert_eq!(error.message.expect("nobody heard it").text, "hello");
    errors.push(error.error);
    fails();
    let mut sending = m.send_message("a", say("hello"));
    errors.push(sending.started().await.expect_err("known here"));
    assert!(matches!(
        sending.await.expect_err("and here").error,
        TurnError::Start(_)
    ));
    for error in errors {
        let cause = error.cause().and_then(Error::source).expect("its cause");
        assert_eq!(cause.to_string(), "because the script says so");
    }
    assert_eq!(m.status("a"), None, "the key is free");
    stage.end(m).await;
}

/// Not ten waits of thirty seconds: one start for all who waited for it.
#[tokio::test(start_paused = true)]
async fn those_who_waited_for_the_same_start_share_its_error() {
    let (m, stage) = plain();
    let mut events = m.subscribe();
    stage.script.tell("a", Step::Start, fail());
    let mut starting = m.turn("a");
    let waiting: Vec<_> = (0..9).map(|_| m.turn("a")).collect();
    let failed = start_error((&mut starting).await);
    for waits in waiting {
        let shared = start_error(waits.await);
        assert!(Arc::ptr_eq(&failed, &shared), "the same error");
    }
    let counts = [End::Passed, End::Failed].map(|end| stage.script.count("a", Step::Start, end));
    assert_eq!(counts, [0, 1], "one start for ten callers");
    let told = all_events(&mut events).into_iter();
    let failures = told.filter(|event| matches!(event, SessionEvent::StartFailed { .. }));
    assert_eq!(failures.count(), 1);
    stage.end(m).await;
}

#[tokio::test(start_paused = true)]
async fn the_next_caller_tries_anew() {
    let (m, stage) = plain();
    for act in [Act::pass(), fail()] {
        stage.script.tell("a", Step::Start, act);
    }
    // In line behind a session that is then discarded: the first of the line starts, and all of it share that.
    let turn = m.turn("a");
    let line: Vec<_> = (0..3).map(|_| m.turn("a")).collect();
    turnwise::manager::SessionTurn::discard(turn.await.expect("it starts"));
    let mut line = line.into_iter();
    let failed = start_error(line.next().expect("three").await);
    // It came after the failure, and stands behind those who share it.
    let next = m.turn("a");
    for waits in line {
        assert!(Arc::ptr_eq(&start_error(waits.await), &failed));
    }
    drop(next.await.expect("its own start"));
    stage.end(m).await;
}

#[tokio::test(start_paused = true)]
async fn a_start_that_panics_is_put_away_and_shared() {
    let (m, stage) = plain();
    for act in [Act::panic(), Act::panic_at_once()] {
        stage.script.tell("a", Step::Start, act);
        stage
            .script
            .tell("a", Step::StartAbandoned, Act::take(SECOND));
        let sending = m.send_message("a", say("hello"));
        let waits = m.turn("a");
        let error = sending.await.expect_err("it panics");
        assert!(matches!(error.error, TurnError::StartPanicked));
        assert_eq!(error.message.expect("not heard").text, "hello");
        assert!(matches!(waits.await, Err(TurnError::StartPanicked)));
        drop(m.turn("a").await.expect("the next caller tries anew"));
        assert!(m.stop("a").await.expect("it stops"));
    }
    stage.end(m).await;
}

/// Whoever goes away, and however: the start runs on, its session rests, and the next caller has it.
#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_away_does_not_cut_the_start_short() {
    async fn polled(act: impl Future) {
        let mut act = pin!(act);
        tokio::select! {
            biased;
            _ = &mut act => unreachable!("the gate is shut"),
            () = settled() => {}
        }
    }
    for way in 0..5 {
        let (m, stage) = plain();
        let gate = Gate::new();
        stage.script.tell("a", Step::Start, until(&gate));
        match way {
            0 => polled(m.turn("a")).await,
            1 => polled(m.restart("a")).await,
            2 => polled(m.with_turn("a", async |_| ())).await,
            3 => polled(m.send_message("a", say("dropped"))).await,
            _ => polled(async { m.send_message("a", say("x")).started().await }).await,
        }
        let phase = m.status("a").map(|status| status.phase);
        assert_eq!(phase, Some(Phase::Starting), "it runs on");
        let next = m.send_message("a", say("next"));
        gate.open();
        next.await.expect("it is served by the same start");
        assert_eq!(
            (stage.script.started("a"), stage.script.heard("a")),
            (1, vec!["next"])
        );
        stage.end(m).await;
    }
}

/// With nobody in line the session rests.
#[tokio::test(start_paused = true)]
async fn a_start_that_nobody_waits_for_leaves_a_session_at_rest() {
    let (m, stage) = plain();
    stage.script.tell("a", Step::Start, Act::take(SECOND));
    let mut entering = m.turn("a");
    tokio::select! {
        biased;
        _ = &mut entering => unreachable!("it takes a second"),
        () = settled() => drop(entering),
    }
    stage.pass(SECOND).await;
    let phase = m.status("a").map(|status| status.phase);
    assert_eq!(phase, Some(Phase::Idle));
    stage.end(m).await;
}

/// The first caller goes away; those behind it share what becomes of its start.
#[tokio::test(start_paused = true)]
async fn a_start_whose_caller_went_away_fails_for_those_who_wait() {
    let (m, stage) = plain();
    let gate = Gate::new();
    stage.script.tell("a", Step::Start, fail_after(&gate));
    let mut first = m.turn("a");
    let waits = m.turn("a");
    tokio::select! {
        biased;
        _ = &mut first => unreachable!("the gate is shut"),
        () = gate.reached() => drop(first),
    }
    gate.open();
    start_error(waits.await);
    assert_eq!(stage.script.count("a", Step::Start, End::Failed), 1);
    stage.end(m).await;
}

/// A restart, or a session found unhealthy, whose start fails: the old session is stopped, the key is free.
#[tokio::test(start_paused = true)]
async fn a_start_that_follows_a_stop_in_the_same_turn_may_fail_too() {
    let (m, stage) = plain();
    drop(m.turn("a").await.expect("free"));
    stage.script.tell("a", Step::Start, fail());
    start_error(m.restart("a").await);
    assert_eq!(m.status("a"), None);
    drop(m.turn("a").await.expect("free"));
    stage.script.tell("a", Step::IsHealthy, fail());
    stage.script.tell("a", Step::Start, fail());
    let error = m.send_message("a", say("hello")).await;
    let error = error.expect_err("it is not started");
    assert!(matches!(error.error, TurnError::Start(_)));
    assert!(error.message.is_some());
    let reasons = [StopReason::Restarted, StopReason::Unhealthy];
    assert_eq!(stage.script.stops("a"), reasons);
    assert_eq!(m.status("a"), None);
    stage.end(m).await;
}
