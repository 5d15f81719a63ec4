//! What becomes of sessions and calls when the term ends for which their keys were acquired.

use turnwise::testing::End;
use turnwise::{Phase, manager::*};

use crate::owned::{end, shared};
use crate::owner::Owner;
use crate::script::{Act, Failure, Gate, Step, say, until};
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
    settled().await;
    assert!(SessionTurn::is_cancelled(&turn), "it is asked to end");
    drop(turn);
    is_lost(waits.await, false);
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
                is_lost(message.await, false);
            }
            if let Some(turn) = turn {
                let ended = turn.await.expect("it does not panic");
                assert!(matches!(ended, Err(TurnError::Lost)), "{ended:?}");
            }
        })
        .await;
        assert_eq!(took, 0);
        let (reply, took) = seconds(m.send_message("a", say("next"))).await;
        reply.expect("a new session");
        assert_eq!(took, 0, "the check has ended too");
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
