//! Stops of a session whose turn does not end: reported as held, or forced.

use turnwise::{SessionManager, manager::*};

use crate::discard::{Processes, opened};
use crate::script::{Gate, Step, say, until};
use crate::{HOUR, MINUTE, SECOND, plain, seconds, settled};

#[tokio::test(start_paused = true)]
async fn a_stop_reports_a_turn_that_holds_the_session() {
    let (m, stage) = plain();
    let turn = m.turn("a").await.expect("it starts");
    let queued = m.send_message("a", say("hello"));
    let (stopped, took) = seconds(m.stop("a")).await;
    assert!(matches!(stopped, Err(StopError::Held)));
    assert_eq!(took, 10, "twice the abort timeout");
    assert!(SessionTurn::is_cancelled(&turn));
    // One that joins it hears the same; the session is there until its turn ends.
    assert!(matches!(m.stop("a").await, Err(StopError::Held)));
    assert_eq!(stage.script.stops("a"), []);
    let gate = Gate::new();
    stage.script.tell("a", Step::Stop, until(&gate));
    drop(turn);
    gate.reached().await;
    let joined = m.stop("a");
    settled().await;
    gate.open();
    assert!(joined.await.expect("it is stopped"), "it is held no more");
    queued.await.expect("the next session answers");
    assert_eq!(stage.script.stops("a"), [StopReason::Requested]);
    stage.end(m).await;
}

// From here on two sessions of a key are right, which the script's ledger would report.

#[tokio::test(start_paused = true)]
async fn a_forced_stop_takes_the_key_from_its_holder() {
    let processes = Processes::default();
    let m = SessionManager::builder(processes.clone()).max_sessions(2, WhenFull::Refuse);
    let m = m.build().expect("in a runtime");
    let turn = m.turn(&"a").await.expect("it starts");
    let first = SessionTurn::incarnation(&turn).get();
    let queued = m.send_message(&"a", opened());
    let (stopped, took) = seconds(m.force_stop(&"a")).await;
    assert!(stopped.expect("it is taken"));
    assert_eq!(took, 10, "twice the abort timeout");
    assert!(queued.await.expect("a new session answers") > first);
    // The old one still has its place, and is stopped when it is given back.
    assert!(matches!(m.turn(&"b").await, Err(TurnError::RegistryFull)));
    let gate = Gate::new();
    processes.next_stop(&gate);
    drop(turn);
    gate.reached().await;
    assert!(matches!(m.turn(&"b").await, Err(TurnError::RegistryFull)));
    gate.open();
    settled().await;
    assert_eq!(processes.stops(), [("a", StopReason::Requested)]);
    drop(m.turn(&"b").await.expect("there is room"));
    assert!(m.status(&"a").is_some(), "the new one is there");
    let report = m.shutdown(SECOND).await;
    assert_eq!(report.stopped.len(), 2);
}

/// What was borrowed, too: its end is dirty, and is that of its own session alone.
#[tokio::test(start_paused = true)]
async fn a_forced_session_that_was_borrowed_is_stopped_as_dirty() {
    let processes = Processes::default();
    let m = processes.manager();
    let turn = m.turn(&"a").await.expect("it starts");
    let () = *turn;
    assert!(m.force_stop(&"a").await.expect("it is taken"));
    drop(m.turn(&"a").await.expect("a new one"));
    drop(turn);
    settled().await;
    assert_eq!(processes.stops(), [("a", StopReason::Dirty)]);
    assert!(m.status(&"a").is_some(), "the new one is there");
    m.shutdown(SECOND).await;
}

/// A turn that was taken in the call, and never polled.
#[tokio::test(start_paused = true)]
async fn a_forced_stop_takes_a_turn_that_nobody_polls() {
    let processes = Processes::default();
    let m = processes.manager();
    drop(m.turn(&"a").await.expect("it starts"));
    let unpolled = m.turn(&"a");
    assert!(m.force_stop(&"a").await.expect("it is taken"));
    drop(m.turn(&"a").await.expect("a new one"));
    drop(unpolled);
    settled().await;
    assert_eq!(processes.stops(), [("a", StopReason::Requested)]);
    m.shutdown(SECOND).await;
}

/// What ends by itself is not taken, and without a session there is nothing to take.
#[tokio::test(start_paused = true)]
async fn a_forced_stop_of_what_ends_is_a_stop() {
    let (m, stage) = plain();
    assert!(!m.force_stop("a").await.expect("there is none"));
    drop(m.turn("a").await.expect("it starts"));
    assert!(m.force_stop("a").await.expect("it is idle"));
    let mut running = m.send_message("a", say("hello").takes(HOUR));
    running.started().await.expect("it starts");
    let (stopped, took) = seconds(m.force_stop("a")).await;
    assert_eq!(took, 5, "the abort timeout");
    assert!(!stopped.expect("its turn was cut short, which stops it"));
    let error = running.await.expect_err("it is cut short");
    assert!(matches!(error.error, TurnError::Aborted));
    let gate = Gate::new();
    stage.script.tell("a", Step::Stop, until(&gate));
    drop(m.turn("a").await.expect("a new one"));
    let stop = m.stop("a");
    gate.reached().await;
    let force = m.force_stop("a");
    gate.open();
    assert!(force.await.expect("it joins that stop"));
    assert!(stop.await.expect("it stops"));
    stage.end(m).await;
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_waits_for_a_session_that_was_taken() {
    let (m, stage) = plain();
    let turn = m.turn("a").await.expect("it starts");
    assert!(m.force_stop("a").await.expect("it is taken"));
    let ends = tokio::spawn(m.shutdown(MINUTE));
    tokio::time::sleep(SECOND).await;
    assert!(!ends.is_finished(), "it is held");
    drop(turn);
    ends.await.expect("it does not panic");
    settled().await;
    assert_eq!(stage.script.stops("a"), [StopReason::Requested]);
    stage.end(m).await;
}
