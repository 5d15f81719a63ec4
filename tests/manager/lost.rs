//! What becomes of sessions and calls when the term ends for which their keys were acquired.

use std::task::{Context, Waker};

use turnwise::testing::End;
use turnwise::{Phase, manager::*};

use crate::owned::{end, shared};
use crate::owner::Owner;
use crate::script::{Act, Failure, Gate, Step, fail, say, until};
use crate::{HOUR, MINUTE, Manager, SECOND, Stage, seconds, settled};

/// A session of key "a" that is idle.
async fn idle() -> (Manager, Stage, Owner) {
    let (m, stage, owner) = shared(|builder| builder);
    m.send_message("a", say("hi")).await.expect("it starts");
    (m, stage, owner)
}

/// Its message was delivered, and is lost with its session.
fn is_lost<R: std::fmt::Debug, M>(sent: Result<R, SendError<M, Failure>>, delivered: bool) {
    let SendError { error, message, .. } = sent.expect_err("it is lost");
    assert!(matches!(error, TurnError::Lost), "{error:?}");
    assert_eq!(message.is_none(), delivered);
}

#[tokio::test(start_paused = true)]
async fn an_idle_session_is_stopped() {
    let (m, stage, owner) = idle().await;
    owner.loses();
    settled().await;
    assert_eq!(m.status("a"), None);
    assert_eq!(stage.script.stops("a"), [StopReason::Lost]);
    assert_eq!(m.stats().stops.lost, 1);
    // Under the next term.
    let reply = m.send_message("a", say("again")).await;
    assert_eq!(reply.expect("a new one").number, 200);
    end(m, stage, &owner).await;
}

#[tokio::test(start_paused = true)]
async fn a_message_is_cut_short_at_once() {
    let (m, stage, owner) = idle().await;
    let running = m.send_message("a", say("never").and(Act::hang()));
    let queued = m.send_message("a", say("queued"));
    settled().await;
    owner.loses();
    let (ended, took) = seconds(running).await;
    is_lost(ended, true);
    assert_eq!(took, 0, "the abort timeout is not for it");
    assert_eq!(queued.await.expect("the next session").number, 200);
    assert_eq!(stage.script.stops("a"), [StopReason::Lost]);
    let stats = m.stats();
    assert_eq!((stats.turns.lost, stats.turns.done), (1, 2));
    end(m, stage, &owner).await;
}

#[tokio::test(start_paused = true)]
async fn a_closure_is_cut_short_at_once() {
    let (m, stage, owner) = idle().await;
    let hangs = m.with_turn("a", async |_| std::future::pending::<()>().await);
    let (ended, took) = seconds(async {
        let (ended, ()) = tokio::join!(hangs, async {
            settled().await;
            owner.loses();
        });
        ended
    })
    .await;
    assert!(matches!(ended, Err(TurnError::Lost)), "{ended:?}");
    assert_eq!(took, 0);
    settled().await;
    assert_eq!(stage.script.stops("a"), [StopReason::Lost]);
    end(m, stage, &owner).await;
}

/// A turn that was cancelled before has the rest of its time no more.
#[tokio::test(start_paused = true)]
async fn a_cancelled_turn_is_cut_short_at_once() {
    let (m, stage, owner) = idle().await;
    for stop in [false, true] {
        let running = m.send_message("a", say("never").and(Act::hang()));
        settled().await;
        let stopping = match stop {
            true => Some(m.stop("a")),
            false => {
                running.abort();
                None
            }
        };
        settled().await;
        owner.loses();
        let (ended, took) = seconds(running).await;
        let error = ended.expect_err("it was cut short").error;
        assert!(matches!(error, TurnError::Aborted), "the first cause stays");
        assert_eq!(took, 0);
        if let Some(stopping) = stopping {
            stopping.await.expect("it stops");
        }
        m.send_message("a", say("hi")).await.expect("a new one");
    }
    assert_eq!(stage.script.stops("a"), [StopReason::Lost; 2]);
    end(m, stage, &owner).await;
}

/// A process that was stopped goes on after the end of its term, and nobody has told it yet: its agent is not polled again, and an idle
/// session gets no turn.
#[tokio::test(start_paused = true)]
async fn the_term_is_looked_at_before_each_poll_and_turn() {
    let (m, stage, owner) = idle().await;
    let gate = Gate::new();
    let running = m.send_message("a", say("acts").until(&gate));
    settled().await;
    owner.ends();
    gate.open();
    is_lost(running.await, true);
    assert_eq!(
        m.send_message("a", say("hi")).await.expect("new").number,
        200
    );
    owner.ends();
    assert_eq!(
        m.send_message("a", say("hi")).await.expect("new").number,
        300
    );
    assert_eq!(stage.script.stops("a"), [StopReason::Lost; 2]);
    assert_eq!(stage.script.count("a", Step::Send, End::Passed), 3);
    end(m, stage, &owner).await;
}

#[tokio::test(start_paused = true)]
async fn a_start_is_dropped_and_cleaned_up() {
    let (m, stage, owner) = shared(|builder| builder);
    stage.script.tell("a", Step::Start, Act::hang());
    let starting = m.send_message("a", say("one"));
    let queued = m.send_message("a", say("two"));
    settled().await;
    owner.loses();
    let (ended, took) = seconds(starting).await;
    is_lost(ended, false);
    assert_eq!(took, 0);
    assert_eq!(
        stage.script.count("a", Step::StartAbandoned, End::Passed),
        1
    );
    assert_eq!(queued.await.expect("it asks anew").number, 200);
    assert_eq!(owner.record(), ["+a 100", "-a 100", "+a 200"]);
    // And one that ends at the same moment: it has a session, which is stopped.
    m.stop("a").await.expect("it stops");
    let gate = Gate::new();
    stage.script.tell("a", Step::Start, until(&gate));
    let starting = m.send_message("a", say("three"));
    settled().await;
    gate.open();
    owner.loses();
    is_lost(starting.await, false);
    end(m, stage, &owner).await;
}

#[tokio::test(start_paused = true)]
async fn a_wait_for_room_ends_without_a_start() {
    let (m, stage, owner) = shared(|builder| builder.max_sessions(1, WhenFull::Wait));
    let turn = m.turn("a").await.expect("it starts");
    let waits = m.send_message("b", say("one"));
    settled().await;
    owner.loses();
    let (ended, took) = seconds(waits).await;
    is_lost(ended, false);
    assert_eq!(took, 0);
    assert!(SessionTurn::is_cancelled(&turn), "it is asked to end");
    drop(turn);
    assert_eq!(stage.script.started("b"), 0);
    end(m, stage, &owner).await;
}

/// It goes on for the grace of the term, and not for `Timeouts::stop`.
#[tokio::test(start_paused = true)]
async fn a_stop_ends_with_the_grace() {
    let (m, stage, owner) = shared(|b| b.timeouts(Timeouts::default().stop(MINUTE)));
    m.send_message("a", say("hi")).await.expect("it starts");
    stage.script.tell("a", Step::Stop, Act::take(SECOND));
    let stopping = m.stop("a");
    settled().await;
    owner.loses();
    assert!(stopping.await.expect("it had the time"));
    m.send_message("a", say("hi")).await.expect("it starts");
    stage.script.tell("a", Step::Stop, Act::hang());
    let stopping = m.stop("a");
    settled().await;
    owner.loses();
    let (ended, took) = seconds(stopping).await;
    assert!(matches!(ended, Err(StopError::Abandoned)), "{ended:?}");
    assert!(took < 4, "{took} s");
    assert_eq!(m.status("a"), None);
    end(m, stage, &owner).await;
}

/// A call that waits for the stop of an unhealthy session goes on to the next one.
#[tokio::test(start_paused = true)]
async fn a_call_behind_a_stop_goes_on() {
    let (m, stage, owner) = idle().await;
    stage.script.tell("a", Step::IsHealthy, fail());
    stage.script.tell("a", Step::Stop, Act::take(SECOND));
    let waits = m.send_message("a", say("waits"));
    settled().await;
    owner.loses();
    assert_eq!(waits.await.expect("the next session").number, 200);
    end(m, stage, &owner).await;
}

/// A plain turn cannot be taken away. It is asked to end, and can ask whether it still owns the session.
#[tokio::test(start_paused = true)]
async fn a_plain_turn_is_told() {
    let (m, stage, owner) = idle().await;
    let turn = m.turn("a").await.expect("idle");
    let queued = m.send_message("a", say("next"));
    owner.loses();
    SessionTurn::cancelled(&turn).await;
    assert!(!SessionTurn::is_owned(&turn));
    settled().await;
    assert_eq!(m.status("a").expect("held").phase, Phase::Busy);
    SessionTurn::done(turn);
    assert_eq!(queued.await.expect("a new session").number, 200);
    assert_eq!(stage.script.stops("a"), [StopReason::Lost]);
    end(m, stage, &owner).await;
}

#[tokio::test(start_paused = true)]
async fn a_health_check_is_cut_short() {
    let (m, stage, owner) = idle().await;
    for plain in [false, true] {
        stage.script.tell("a", Step::IsHealthy, Act::hang());
        let (message, turn) = match plain {
            true => (None, Some(tokio::spawn(m.turn("a")))),
            false => (Some(m.send_message("a", say("waits"))), None),
        };
        settled().await;
        owner.loses();
        let (_, took) = seconds(async {
            if let Some(message) = message {
                message.await.expect("the next session");
            }
            if let Some(turn) = turn {
                let turn = turn.await.expect("it does not panic");
                SessionTurn::done(turn.expect("the next session"));
            }
        })
        .await;
        assert_eq!(took, 0);
    }
    assert_eq!(stage.script.stops("a"), [StopReason::Lost; 2]);
    end(m, stage, &owner).await;
}

/// The clean-up of a start that was cut short has the grace, too.
#[tokio::test(start_paused = true)]
async fn a_cleanup_ends_with_the_grace() {
    let (m, stage, owner) = shared(|b| b.timeouts(Timeouts::default().stop(MINUTE)));
    stage.script.tell("a", Step::Start, Act::hang());
    stage.script.tell("a", Step::StartAbandoned, Act::hang());
    let starting = m.send_message("a", say("one"));
    settled().await;
    owner.loses();
    is_lost(starting.await, false);
    let (reply, took) = seconds(m.send_message("a", say("two"))).await;
    assert_eq!(reply.expect("a new one").number, 200);
    assert!(took < 4, "{took} s");
    end(m, stage, &owner).await;
}

/// A loss in a shutdown, and one that nothing is owned by.
#[tokio::test(start_paused = true)]
async fn a_loss_in_a_shutdown_hurries_it() {
    let (m, stage, owner) = idle().await;
    let running = m.send_message("a", say("never").and(Act::hang()));
    settled().await;
    let shutdown = m.shutdown(HOUR);
    settled().await;
    owner.loses();
    is_lost(running.await, true);
    let (report, took) = seconds(shutdown).await;
    assert_eq!((report.stopped, took), (vec!["a".to_owned()], 0));
    end(m, stage, &owner).await;
}

/// A closure whose session has come while nobody polled, and was lost since.
#[tokio::test(start_paused = true)]
async fn a_closure_that_comes_too_late_does_not_begin() {
    let (m, stage, owner) = shared(|builder| builder);
    let gate = Gate::new();
    stage.script.tell("a", Step::Start, until(&gate));
    let mut late = Box::pin(m.with_turn("a", async |_| panic!("it begins")));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(late.as_mut().poll(&mut cx).is_pending());
    gate.open();
    settled().await;
    owner.loses();
    settled().await;
    assert!(matches!(late.await, Err::<(), _>(TurnError::Lost)));
    settled().await;
    assert_eq!(stage.script.stops("a"), [StopReason::Lost]);
    end(m, stage, &owner).await;
}

/// In a shutdown sixteen stops run at once. A session that is lost does not wait for its place among them.
#[tokio::test(start_paused = true)]
async fn a_loss_overtakes_the_stops_of_a_shutdown() {
    let (m, stage, owner) = shared(|b| b.timeouts(Timeouts::default().stop(MINUTE)));
    let keys: Vec<_> = (0..17).map(|key| key.to_string()).collect();
    for key in &keys {
        m.send_message(key, say("hi")).await.expect("it starts");
        stage.script.tell(key, Step::Stop, Act::hang());
    }
    let shutdown = m.shutdown(SECOND);
    settled().await;
    owner.loses();
    let (report, took) = seconds(shutdown).await;
    assert_eq!((report.abandoned.len(), took), (17, 2));
    end(m, stage, &owner).await;
}

/// When the grace has passed there is nothing left to be in time for: a stop that begins then has all its time.
#[tokio::test(start_paused = true)]
async fn a_stop_after_the_grace_has_its_time() {
    let (m, stage, owner) = idle().await;
    let turn = m.turn("a").await.expect("idle");
    owner.loses();
    tokio::time::sleep(MINUTE).await;
    stage.script.tell("a", Step::Stop, Act::take(SECOND));
    SessionTurn::done(turn);
    let (reply, took) = seconds(m.send_message("a", say("next"))).await;
    assert_eq!((reply.expect("a new one").number, took), (200, 1));
    assert_eq!(stage.script.count("a", Step::Stop, End::Passed), 1);
    end(m, stage, &owner).await;
}
