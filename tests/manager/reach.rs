//! F1, F6 and F16 of the faults found in use: a call is reached in the moment between two turns, a place that is given up is free at
//! once, and a stop joins the stop that is there.

use turnwise::manager::{SessionTurn, StopReason, TurnError, TurnOptions};

use turnwise::testing::End;

use crate::script::{Gate, Step, fail, fail_after, say, until};
use crate::{MINUTE, plain, settled, stage};

/// A user's `/stop` comes after the turn before has ended, and before the task of the next has run.
#[tokio::test(start_paused = true)]
async fn a_stop_between_two_turns_reaches_the_next() {
    let (m, stage) = plain();
    for by_ticket in [false, true] {
        let first = m.turn("a").await.expect("free");
        let next = m.send_message("a", say("next"));
        settled().await;
        drop(first);
        let status = m.status("a").expect("held");
        assert_eq!(status.turn, next.ticket(), "it has the turn");
        assert_eq!(m.dismiss("a"), 0, "it is not in the queue");
        assert!(
            m.abort("a", next.ticket().filter(|_| by_ticket)),
            "it is reached"
        );
        assert_eq!(
            m.status("a").expect("idle").turn,
            None,
            "it is gone at once"
        );
        let error = next.await.expect_err("it was aborted");
        assert!(matches!(error.error, TurnError::Aborted));
        assert_eq!(error.message.expect("not heard").text, "next");
    }
    assert_eq!(stage.script.heard("a"), [""; 0]);
    stage.end(m).await;
}

/// Dropped in the queue: the count of those who wait, and the room in the queue, are right when the drop returns.
#[tokio::test(start_paused = true)]
async fn a_dropped_message_leaves_the_queue_at_once() {
    let (m, stage) = stage(|builder| builder.max_waiting(3));
    let turn = m.turn("a").await.expect("free");
    let waiting = |m: &crate::Manager| m.status("a").expect("held").waiting;
    for settles in [false, true] {
        let queued: Vec<_> = (0..3)
            .map(|_| m.send_message("a", say("dropped")))
            .collect();
        if settles {
            settled().await;
        }
        assert_eq!(waiting(&m), 3);
        let first = queued.into_iter().next_back();
        assert_eq!(waiting(&m), 1, "two have left");
        drop(first);
        assert_eq!(waiting(&m), 0);
    }
    let streamed = m.send_message("a", say("streamed")).into_stream();
    drop(streamed);
    let entering = m.turn("a");
    drop(entering);
    let closure = m.with_turn("a", async |_| ());
    drop(closure);
    assert_eq!(waiting(&m), 0);
    let options = TurnOptions::default().wait(MINUTE);
    let next = m.with(options).send_message("a", say("next"));
    drop(turn);
    assert_eq!(next.await.expect("there is room").text, "next");
    assert_eq!(stage.script.heard("a"), ["next"]);
    stage.end(m).await;
}

/// An abort takes the place of a queued call away, too, and the order of the others stays.
#[tokio::test(start_paused = true)]
async fn an_aborted_message_leaves_the_queue_at_once() {
    let (m, stage) = stage(|builder| builder.max_waiting(3));
    let turn = m.turn("a").await.expect("free");
    let [first, second, third] =
        ["first", "second", "third"].map(|text| m.send_message("a", say(text)));
    assert!(m.abort("a", second.ticket()));
    assert!(!m.abort("a", second.ticket()), "it is gone");
    assert_eq!(
        (m.status("a").expect("held").waiting, third.ahead()),
        (2, 1)
    );
    let fourth = m.send_message("a", say("fourth"));
    let error = second.await.expect_err("it was aborted");
    assert!(matches!(error.error, TurnError::Aborted));
    assert_eq!(error.message.expect("not heard").text, "second");
    drop(turn);
    for sending in [first, third, fourth] {
        sending.await.expect("its turn comes");
    }
    assert_eq!(stage.script.heard("a"), ["first", "third", "fourth"]);
    stage.end(m).await;
}

/// Callers that ask for a stop and leave, again and again, take one place.
#[tokio::test(start_paused = true)]
async fn stops_of_one_session_are_one_stop() {
    let (m, stage) = stage(|builder| builder.max_waiting(2));
    let gate = Gate::new();
    stage.script.tell("a", Step::Start, until(&gate));
    let starting = m.send_message("a", say("starting"));
    gate.reached().await;
    for _ in 0..1000 {
        drop(m.stop("a"));
    }
    assert_eq!(m.status("a").expect("it starts").waiting, 1);
    let last = m.stop("a");
    let next = m.send_message("a", say("next"));
    gate.open();
    starting.await.expect_err("it was cancelled");
    assert!(last.await.expect("it stops"));
    assert_eq!(next.await.expect("the next session").text, "next");
    assert_eq!(stage.script.stops("a"), [StopReason::Requested]);

    // One that is under way is joined as well, and its failure is shared.
    let gate = Gate::new();
    stage.script.tell("a", Step::Stop, fail_after(&gate));
    let first = m.stop("a");
    gate.reached().await;
    let second = m.stop("a");
    gate.open();
    let errors = (first.await, second.await);
    let (Err(first), Err(second)) = errors else {
        panic!("the stop fails: {errors:?}");
    };
    assert_eq!(first.to_string(), second.to_string());
    assert_eq!(stage.script.stops("a").len(), 2);
    stage.end(m).await;
}

/// Those who are queued behind a failing start share its failure, and those who come later try again.
#[tokio::test(start_paused = true)]
async fn a_failed_start_ends_all_calls_behind_it() {
    let (m, stage) = plain();
    let gate = Gate::new();
    stage.script.tell("a", Step::Start, fail_after(&gate));
    let first = m.send_message("a", say("first"));
    gate.reached().await;
    let behind: Vec<_> = (0..200)
        .map(|_| m.send_message("a", say("behind")))
        .collect();
    let aborted = m.send_message("a", say("aborted"));
    assert!(m.abort("a", aborted.ticket()));
    gate.open();
    first.await.expect_err("it fails");
    let late = m.send_message("a", say("late"));
    for sending in behind {
        let error = sending.await.expect_err("it shares the failure");
        assert!(matches!(error.error, TurnError::Start(_)));
        assert_eq!(error.message.expect("not heard").text, "behind");
    }
    let error = aborted.await.expect_err("it was aborted").error;
    assert!(matches!(error, TurnError::Aborted));
    assert_eq!(late.await.expect("it starts").text, "late");
    let starts = [End::Passed, End::Failed].map(|end| stage.script.count("a", Step::Start, end));
    assert_eq!(starts, [1, 1]);
    stage.end(m).await;
}

/// The handle of a session stands for its plain turns, one after the other. An abort reaches the turn that it names, and never
/// the next one.
#[tokio::test(start_paused = true)]
async fn an_abort_of_a_plain_turn_ends_that_turn_alone() {
    let (m, stage) = plain();
    drop(m.turn("a").await.expect("started"));
    for waits in [false, true] {
        let entering = m.turn("a");
        let first = entering.ticket().expect("free");
        if waits {
            assert!(
                m.abort("a", Some(first)),
                "it is reached before it is polled"
            );
            let aborted = entering.await.map(drop).expect_err("it was aborted");
            assert!(matches!(aborted, TurnError::Aborted));
        } else {
            let turn = entering.await.expect("healthy");
            assert!(m.abort("a", Some(first)) && m.abort("a", None));
            assert!(SessionTurn::is_cancelled(&turn));
            SessionTurn::cancelled(&turn).await;
            drop(turn);
        }
        assert!(
            !m.abort("a", Some(first)) && !m.abort("a", None),
            "it is over"
        );
        let next = m.turn("a").await.expect("healthy");
        assert!(!m.abort("a", Some(first)), "the ticket is another's");
        assert!(
            !SessionTurn::is_cancelled(&next),
            "the next turn is not cancelled"
        );
        let mut cancelled = std::pin::pin!(SessionTurn::cancelled(&next));
        tokio::select! {
            biased;
            () = &mut cancelled => panic!("the next turn is not cancelled"),
            () = settled() => {}
        }
    }
    stage.end(m).await;
}

/// A plain call that is cancelled before its first poll does not look at the session at all.
#[tokio::test(start_paused = true)]
async fn a_plain_call_that_was_cancelled_looks_at_nothing() {
    let (m, stage) = plain();
    drop(m.turn("a").await.expect("started"));
    let looks = || stage.script.count("a", Step::IsHealthy, End::Passed);
    let before = looks();
    let entering = m.turn("a");
    let stopping = m.stop("a");
    let aborted = entering.await.map(drop).expect_err("it was cancelled");
    assert!(matches!(aborted, TurnError::Aborted));
    assert!(stopping.await.expect("it stops"));
    assert_eq!(looks(), before);
    stage.end(m).await;
}

/// A session that is not healthy goes with its handle. The plain call that has found that out is reached all the while: during the
/// look, the stop and the start, and in its turn.
#[tokio::test(start_paused = true)]
async fn a_plain_call_is_reached_while_its_session_is_replaced() {
    let (m, stage) = plain();
    drop(m.turn("a").await.expect("started"));
    for step in [
        Some(Step::IsHealthy),
        Some(Step::Stop),
        Some(Step::Start),
        None,
    ] {
        let gate = Gate::new();
        if step != Some(Step::IsHealthy) {
            stage.script.tell("a", Step::IsHealthy, fail());
        }
        if let Some(step) = step {
            stage.script.tell("a", step, until(&gate));
        }
        let mut entering = m.turn("a");
        let ticket = entering.ticket();
        let turn = tokio::select! {
            biased;
            turn = &mut entering => Some(turn.expect("a new session")),
            () = settled() => None,
        };
        assert_eq!(turn.is_none(), step.is_some(), "{step:?}");
        assert!(m.abort("a", ticket) && m.abort("a", None), "{step:?}");
        gate.open();
        match turn {
            Some(turn) => assert!(SessionTurn::is_cancelled(&turn)),
            None => {
                let aborted = entering.await.map(drop).expect_err("it was aborted");
                assert!(matches!(aborted, TurnError::Aborted), "{step:?}");
            }
        }
        settled().await;
        assert!(!m.abort("a", ticket), "it is over: {step:?}");
        drop(m.turn("a").await.expect("the next turn is not cancelled"));
    }
    stage.end(m).await;
}
