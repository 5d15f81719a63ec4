//! Faults that were put into the manager on purpose, and that no other test noticed.

use std::sync::Arc;

use turnwise::{SessionTurn, StopReason, TurnError};

use crate::script::{Act, say};
use crate::{HOUR, MINUTE, plain, seconds, settled};

/// Of two deadlines the earlier one counts, whichever call came last.
#[tokio::test(start_paused = true)]
async fn a_second_shutdown_does_not_put_the_deadline_off() {
    let (m, stage) = plain();
    let mut sending = m.send_message("a", say("long").and(Act::Obey));
    sending.started().await.expect("free");
    let first = tokio::spawn(m.shutdown(MINUTE));
    settled().await;
    let second = tokio::spawn(m.shutdown(HOUR));
    let (ended, took) = seconds(&mut sending).await;
    assert!(matches!(ended.expect_err("cut").error, TurnError::Aborted));
    assert_eq!(took, 60, "A4: the deadline was put off");
    let report = first.await.expect("it ends");
    assert_eq!(second.await.expect("it ends"), report);
    drop(sending);
    stage.end(m).await;
}

/// The last handle begins a shutdown without a deadline: that takes no deadline away.
#[tokio::test(start_paused = true)]
async fn the_last_handle_does_not_put_the_deadline_off() {
    let (m, stage) = plain();
    let turn = m.turn("a").await.expect("free");
    let report = tokio::spawn(m.shutdown(MINUTE));
    drop(m);
    let ((), took) = seconds(SessionTurn::cancelled(&turn)).await;
    assert_eq!(took, 60, "A4: the deadline was put off");
    drop(turn);
    assert_eq!(report.await.expect("it ends").stopped, ["a"]);
    stage.check().await;
}

/// A stop that waits for a turn is a handle too: the manager lives until it has ended.
#[tokio::test(start_paused = true)]
async fn a_stop_keeps_the_manager_to_its_end() {
    let (m, stage) = plain();
    let turn = m.turn("a").await.expect("free");
    let stopping = m.stop("a");
    drop(m);
    settled().await;
    assert!(SessionTurn::is_cancelled(&turn), "A6: it is told");
    drop(turn);
    let stopped = stopping.await;
    assert_eq!(
        stopped.ok(),
        Some(true),
        "A6: the last handle has gone, and the stop with it"
    );
    let script = Arc::clone(&stage.script);
    stage.check().await;
    assert_eq!(script.stops("a"), [StopReason::Requested]);
}
