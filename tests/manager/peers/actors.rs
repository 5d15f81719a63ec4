//! Actor systems.

use std::time::Duration;

use turnwise::{Phase, manager::*};

use crate::script::{Act, Gate, Step, obey, say, until};
use crate::{HOUR, MINUTE, SECOND, plain, seconds, settled};

/// Orleans: inactive means that none runs and none is queued.
#[tokio::test(start_paused = true)]
async fn who_is_waited_for_is_not_idle() {
    let (m, stage) = plain();
    let turn = m.turn("a").await.expect("free");
    let waits = m.turn("a");
    stage.hand.advance(HOUR);
    assert!(m.cleanup_idle(MINUTE).await.stopped.is_empty());
    drop(turn); // granted, and nobody has looked yet
    stage.hand.advance(HOUR);
    assert!(m.cleanup_idle(MINUTE).await.stopped.is_empty());
    drop(waits);
    stage.hand.advance(HOUR);
    assert_eq!(m.cleanup_idle(MINUTE).await.stopped, ["a"]);
    stage.end(m).await;
}

/// Orleans forwards messages for an ending activation to the next; Akka delivers those that were buffered during passivation
/// to a new incarnation. In their order.
#[tokio::test(start_paused = true)]
async fn messages_for_an_ending_session_go_to_the_next_in_order() {
    let (m, stage) = plain();
    let old = m.send_message("a", say("old")).await.expect("free");
    let gate = Gate::new();
    stage.script.tell("a", Step::Stop, until(&gate));
    let stop = m.stop("a");
    gate.reached().await;
    let sent = ["1", "2", "3"].map(|text| m.send_message("a", say(text)));
    settled().await;
    assert_eq!(stage.script.heard("a"), ["old"]);
    gate.open();
    assert!(stop.await.expect("it stops"));
    for sending in sent {
        assert!(sending.await.expect("it is heard").number > old.number);
    }
    assert_eq!(stage.script.heard("a"), ["old", "1", "2", "3"]);
    assert_eq!(stage.script.started("a"), 2);
    stage.end(m).await;
}

/// Orleans abandons on purpose what is stuck in its end.
#[tokio::test(start_paused = true)]
async fn a_session_that_is_stuck_in_its_stop_is_abandoned() {
    let (m, stage) = plain();
    drop(m.turn("a").await.expect("free"));
    stage.script.tell("a", Step::Stop, Act::hang());
    let stop = m.stop("a");
    let (next, took) = seconds(m.send_message("a", say("next"))).await;
    next.expect("the key is free");
    assert_eq!(took, 10);
    assert!(matches!(stop.await, Err(StopError::Abandoned)));
    stage.end(m).await;
}

/// Restate: shared handlers answer while an exclusive one runs.
#[tokio::test(start_paused = true)]
async fn status_note_parts_and_abort_are_reached_while_a_turn_runs() {
    let (m, stage) = plain();
    let mut heard = m.listen("a");
    let runs = say("runs").in_parts(1).with_note("thinking");
    let mut sending = m.send_message("a", runs.and(obey()));
    sending.started().await.expect("free");
    settled().await;
    let status = m.status("a").expect("it runs");
    assert_eq!(status.note.as_deref(), Some("thinking"));
    assert_eq!(crate::all_events(&mut heard), [("runs", 0)]);
    assert!(m.touch("a") && m.abort("a", status.turn));
    sending.await.expect_err("it was cancelled");
    stage.end(m).await;
}

/// Elixir's registry can return a dead pid: absence and ending are different states.
#[tokio::test(start_paused = true)]
async fn ending_is_not_absence() {
    let (m, stage) = plain();
    let phase = || m.status("a").map(|status| status.phase);
    drop(m.turn("a").await.expect("free"));
    assert_eq!(phase(), Some(Phase::Idle));
    stage.script.tell("a", Step::Stop, Act::take(SECOND));
    let sweep = tokio::spawn(m.cleanup_idle(Duration::ZERO));
    settled().await;
    assert_eq!(phase(), Some(Phase::Closing));
    sweep.await.expect("it ends");
    assert_eq!(phase(), None);
    assert_eq!(stage.script.stops("a"), [StopReason::Idle]);
    stage.end(m).await;
}

/// None of them has it: one order and rising numbers across the lives of a key's sessions, a fencing number that survives a
/// restart of the program.
#[tokio::test(start_paused = true)]
async fn numbers_rise_and_the_order_holds_across_incarnations() {
    const BEFORE: u64 = 1_000_000;
    let (m, stage) = crate::stage(|builder| builder.first_incarnation(BEFORE));
    let mut last = (BEFORE - 1, 0);
    for round in 0..20 {
        let (before, restart) = (m.send_message("a", say("x")), m.restart("a"));
        let after = m.send_message("a", say("y"));
        let tickets = [before.ticket(), restart.ticket(), after.ticket()];
        let [one, two, three] = tickets.map(|ticket| ticket.expect("a place").get());
        assert!(last.1 < one && one < two && two < three, "{round}");
        before.await.expect("its turn comes");
        let number = SessionTurn::handle(&restart.await.expect("its turn comes"));
        assert!(number > last.0);
        assert_eq!(after.await.expect("its turn comes").number, number);
        assert!(m.stop("a").await.expect("it stops"));
        last = (number, three);
    }
    stage.end(m).await;
}
