//! What it all began with: a map of sessions whose lock was held for a whole turn.

use turnwise::{Phase, manager::*};

use crate::script::{Gate, Step, say, until};
use crate::{HOUR, MINUTE, SECOND, plain, settled};

/// A message to one session keeps nobody waiting who wants another.
#[tokio::test(start_paused = true)]
async fn send_message_holds_only_its_own_session() {
    let (m, stage) = plain();
    let gate = Gate::new();
    let long = m.send_message("a", say("long").until(&gate));
    gate.reached().await;
    let behind = m.send_message("a", say("behind"));
    for key in ["b", "c", "d"] {
        let sent = m.send_message(key, say("short")).await;
        assert_eq!(sent.expect("another session is free").text, "short");
    }
    assert!(m.stop("b").await.expect("another session is stopped"));
    assert_eq!(stage.script.heard("a"), ["long"], "its own is held");
    gate.open();
    long.await.expect("it ends");
    behind.await.expect("its turn comes");
    assert_eq!(stage.script.heard("a"), ["long", "behind"]);
    stage.end(m).await;
}

/// Whatever a session is in the middle of, a look at it and at all others returns in the call.
#[tokio::test(start_paused = true)]
async fn status_returns_while_a_turn_is_in_flight() {
    let (m, stage) = plain();
    let (turn, start, stop) = (Gate::new(), Gate::new(), Gate::new());
    let phase = |key: &str| m.status(key).map(|status| status.phase);

    stage.script.tell("starts", Step::Start, until(&start));
    let starts = m.send_message("starts", say("hello"));
    start.reached().await;
    let busy = m.send_message("turns", say("hello").until(&turn));
    turn.reached().await;
    m.send_message("stops", say("hello")).await.expect("free");
    stage.script.tell("stops", Step::Stop, until(&stop));
    let stops = m.stop("stops");
    stop.reached().await;
    stage.hand.advance(HOUR);

    // No await from here: each of these returns at once, or the test never ends.
    assert_eq!(phase("starts"), Some(Phase::Starting));
    assert_eq!(phase("turns"), Some(Phase::Busy));
    assert_eq!(phase("stops"), Some(Phase::Closing));
    assert_eq!(phase("unknown"), None);
    let all = m.snapshot();
    assert_eq!(all.len(), 3);
    for (key, status) in all {
        assert_eq!(status.elapsed, HOUR, "{key}");
        assert!(status.turn.is_some(), "{key}");
    }
    assert!(m.touch("turns"));

    for gate in [turn, start, stop] {
        gate.open();
    }
    starts.await.expect("it starts");
    busy.await.expect("it ends");
    assert!(stops.await.expect("it stops"));
    stage.end(m).await;
}

/// A sweep looks at a session in a turn without waiting for the turn, and stops the others meanwhile.
#[tokio::test(start_paused = true)]
async fn cleanup_idle_reads_without_the_turn_lock() {
    let (m, stage) = plain();
    let gate = Gate::new();
    let busy = m.send_message("busy", say("long").until(&gate));
    gate.reached().await;
    let waited_for = m.turn("waited for").await.expect("free");
    let waits = m.send_message("waited for", say("next"));
    m.send_message("idle", say("hello")).await.expect("free");
    stage.hand.advance(HOUR);
    m.send_message("young", say("hello")).await.expect("free");

    let mut report = m.cleanup_idle(MINUTE).await;
    assert_eq!(report.stopped, ["idle"]);
    report
        .skipped
        .sort_by(|(one, _), (other, _)| one.cmp(other));
    let expected = [
        ("busy", Skip::Busy(HOUR)),
        ("waited for", Skip::Waiting(HOUR)),
        ("young", Skip::Young),
    ];
    assert_eq!(
        report.skipped,
        expected.map(|(key, skip)| (key.to_owned(), skip))
    );
    assert_eq!(stage.script.stops("idle"), [StopReason::Idle]);

    gate.open();
    busy.await.expect("it was left alone");
    drop(waited_for);
    waits.await.expect("it was left alone");
    stage.end(m).await;
}

/// A sweep stops an old session while its key is asked for: the new one starts when the stop has ended, and the end of the
/// old one does nothing to it.
#[tokio::test(start_paused = true)]
async fn concurrently_replaced_session_is_not_clobbered() {
    let (m, stage) = plain();
    let old = m.send_message("a", say("first")).await.expect("free");
    stage.hand.advance(HOUR);
    let (stop, turn) = (Gate::new(), Gate::new());
    stage.script.tell("a", Step::Stop, until(&stop));
    let sweep = tokio::spawn(m.cleanup_idle(MINUTE));
    stop.reached().await;

    let mut next = m.send_message("a", say("second").until(&turn));
    settled().await;
    assert_eq!(stage.script.started("a"), 1, "never two of one key");
    stop.open();
    next.started().await.expect("it starts");
    let status = m.status("a").expect("the new session is there");
    assert_eq!(status.phase, Phase::Busy);
    assert!(status.incarnation.get() > old.number);

    let report = sweep.await.expect("the sweep ends");
    assert_eq!(report.stopped, ["a"], "the old one");
    assert_eq!(m.cleanup_idle(SECOND).await.stopped, [""; 0]);
    assert_eq!(
        m.status("a").map(|now| now.incarnation),
        Some(status.incarnation)
    );
    turn.open();
    let reply = next.await.expect("its session lives");
    assert_eq!(reply.number, status.incarnation.get());
    stage.end(m).await;
}
