//! A call that is cancelled while it waits ends at once; what it waited for goes on, or is cut short. Claim A7.

use turnwise::testing::End;
use turnwise::{Phase, manager::*};

use crate::script::{Act, Failure, Gate, Step, say, until};
use crate::{SECOND, all_events, plain, seconds, settled, stage};

#[tokio::test(start_paused = true)]
async fn a_hanging_start_is_aborted() {
    let (m, stage) = plain();
    let mut events = m.subscribe();
    stage.script.tell("a", Step::Start, Act::hang());
    let sending = m.send_message("a", say("hello"));
    settled().await;
    assert!(m.abort("a", sending.ticket()));
    let (error, took) = seconds(sending).await;
    let error = error.expect_err("it is aborted");
    assert!(matches!(error.error, TurnError::Aborted) && took == 0);
    assert_eq!(error.message.expect("nobody heard it").text, "hello");

    // The hanging start has its patience, and is cleaned up before the next one.
    let (turn, took) = seconds(m.turn("a")).await;
    drop(turn.expect("it has a start of its own"));
    assert_eq!(took, 5);
    let counts = [Step::Start, Step::StartAbandoned];
    let counts = counts.map(|step| stage.script.count("a", step, End::Passed));
    assert_eq!(counts, [1, 1]);
    let failed = all_events(&mut events).into_iter().find_map(|event| {
        let SessionEvent::StartFailed { error, .. } = event else {
            return None;
        };
        Some(error)
    });
    assert_eq!(failed.as_deref(), Some("the start was cut short"));
    stage.end(m).await;
}

/// Every kind of call that waits for a start, a check or a stop ends at once when it is aborted.
#[tokio::test(start_paused = true)]
async fn every_call_ends_at_once() {
    for step in [Step::Start, Step::IsHealthy, Step::Stop] {
        for kind in 0..4 {
            let (m, stage) = plain();
            if step != Step::Start {
                drop(m.turn("a").await.expect("free"));
            }
            if step == Step::Stop {
                let unhealthy = Act::fail(Failure("it is not healthy"));
                stage.script.tell("a", Step::IsHealthy, unhealthy);
            }
            let gate = Gate::new();
            stage.script.tell("a", step, until(&gate));
            let call = {
                let m = m.clone();
                tokio::spawn(async move {
                    match kind {
                        0 => m
                            .send_message("a", say("hello"))
                            .await
                            .map_err(|e| e.error)
                            .err(),
                        1 => m.turn("a").await.err(),
                        2 => m.with_turn("a", async |_| ()).await.err(),
                        _ => m
                            .with(TurnOptions::default().wait(SECOND))
                            .turn("a")
                            .await
                            .err(),
                    }
                })
            };
            gate.reached().await;
            // Another call waits, so a start goes on.
            let next = m.turn("a");
            assert!(m.abort("a", None), "{step:?} {kind}");
            let (error, took) = seconds(call).await;
            let error = error.expect("it does not panic");
            assert!(
                matches!(error, Some(TurnError::Aborted)) && took == 0,
                "{step:?} {kind}: {error:?}"
            );
            gate.open();
            drop(next.await.expect("the next caller gets what comes of it"));
            assert_eq!(
                stage.script.started("a"),
                if step == Step::Stop { 2 } else { 1 }
            );
            stage.end(m).await;
        }
    }
}

/// A start that obeys ends with its own error, is not cleaned up, and is nobody else's failure.
#[tokio::test(start_paused = true)]
async fn a_start_that_obeys_is_not_cleaned_up() {
    let (m, stage) = plain();
    let obeys = Act::hang().or_cancelled(Failure("it was cancelled"));
    stage.script.tell("a", Step::Start, obeys);
    let first = m.turn("a");
    let second = m.turn("a");
    let starting = tokio::spawn(first);
    settled().await;
    let stop = m.stop("a");
    let (stopped, took) = seconds(stop).await;
    assert!(!stopped.expect("there was no session") && took == 0);
    let error = starting.await.expect("it does not panic").err();
    assert!(matches!(error, Some(TurnError::Aborted)));
    drop(second.await.expect("it has a start of its own"));
    assert_eq!(
        stage.script.count("a", Step::StartAbandoned, End::Passed),
        0
    );
    stage.end(m).await;
}

/// Room is made by a slow stop. A call that is aborted meanwhile ends at once, and starts nothing.
#[tokio::test(start_paused = true)]
async fn an_abort_while_room_is_made() {
    let (m, stage) = stage(|builder| builder.max_sessions(1, WhenFull::EvictIdle));
    drop(m.turn("old").await.expect("free"));
    let gate = Gate::new();
    stage.script.tell("old", Step::Stop, until(&gate));
    let sending = m.send_message("new", say("hello"));
    gate.reached().await;
    sending.abort();
    let (error, took) = seconds(sending).await;
    assert!(error.is_err() && took == 0);
    gate.open();
    settled().await;
    assert_eq!((m.status("old"), m.status("new")), (None, None));
    assert_eq!(stage.script.started("new"), 0);
    drop(m.turn("new").await.expect("there is room"));
    stage.end(m).await;
}

/// The shutdown waits for each key, but for no session: an abort still cuts a start short.
#[tokio::test(start_paused = true)]
async fn an_abort_in_a_shutdown_cuts_a_start_short() {
    let (m, stage) = plain();
    stage.script.tell("a", Step::Start, Act::hang());
    let sending = m.send_message("a", say("hello"));
    settled().await;
    let report = m.shutdown(1000 * SECOND);
    settled().await;
    sending.abort();
    sending.await.expect_err("it is aborted");
    let (report, took) = seconds(report).await;
    assert_eq!((report.abandoned.len(), took), (0, 5));
    stage.end(m).await;
}

/// Aborted while another call waited, and once more when none does.
#[tokio::test(start_paused = true)]
async fn a_second_abort_finds_nobody_waiting() {
    let (m, stage) = plain();
    stage.script.tell("a", Step::Start, Act::hang());
    let first = m.send_message("a", say("hello"));
    let second = m.send_message("a", say("hello"));
    settled().await;
    assert!(m.abort("a", first.ticket()));
    first.await.expect_err("it is aborted");
    settled().await;
    assert_eq!(
        m.status("a").map(|status| status.phase),
        Some(Phase::Starting)
    );
    drop(second);
    assert!(m.abort("a", None), "the start is still there");
    let (stopped, took) = seconds(m.stop("a")).await;
    assert!(!stopped.expect("there is none") && took == 5);
    stage.end(m).await;
}

/// A turn that is ready in the moment in which its call is cancelled is clean.
#[tokio::test(start_paused = true)]
async fn a_turn_that_comes_with_the_abort_is_clean() {
    let (m, stage) = plain();
    let gate = Gate::new();
    stage.script.tell("a", Step::Start, until(&gate));
    let mut turn = m.turn("a");
    let polled = polled(&mut turn).await;
    assert!(polled.is_none());
    gate.open();
    settled().await;
    m.abort("a", None);
    drop(turn.await);
    assert_eq!(stage.script.stops("a"), []);
    stage.end(m).await;
}

async fn polled<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    tokio::select! {
        biased;
        value = future => Some(value),
        () = settled() => None,
    }
}
