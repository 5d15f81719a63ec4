//! A4: the end of a manager. Nobody is admitted, turns may end until the deadline, every session is stopped, and the report
//! names every key once.

use std::sync::Arc;
use std::time::Duration;

use turnwise::{Phase, manager::*};

use crate::script::{Act, Gate, Step, fail, obey, say, until};
use crate::{HOUR, MINUTE, SECOND, plain, seconds, settled, stage};

fn sorted(mut report: DrainReport<String>) -> DrainReport<String> {
    report.stopped.sort();
    report.failed.sort();
    report.abandoned.sort();
    report
}

#[tokio::test(start_paused = true)]
async fn the_report_names_every_key_once() {
    let (m, stage) = plain();
    let acts = [
        ("fails", fail()),
        ("hangs", Act::hang()),
        ("panics", Act::panic()),
        ("stops", Act::pass()),
        ("takes long", Act::take(9 * SECOND)),
    ];
    for (key, act) in acts {
        m.send_message(key, say("hello")).await.expect("free");
        stage.script.tell(key, Step::Stop, act);
    }
    // One that ends as dirty while the manager shuts down.
    let dirty = m.turn("dirty").await.expect("free");
    let report = m.shutdown(MINUTE);
    SessionTurn::discard(dirty);
    let (report, took) = seconds(report).await;
    let report = sorted(report);
    assert_eq!(report.stopped, ["dirty", "stops", "takes long"]);
    let failed = report.failed.iter().map(|(key, error)| (&**key, &**error));
    let why = [
        ("fails", "it fails as scripted: because the script says so"),
        ("panics", "the stop of the session panicked"),
    ];
    assert_eq!(failed.collect::<Vec<_>>(), why);
    assert_eq!((report.abandoned, took), (vec!["hangs".to_owned()], 10));
    stage.end(m).await;
}

#[tokio::test(start_paused = true)]
async fn many_sessions_are_stopped_sixteen_at_a_time() {
    let (m, stage) = plain();
    for key in 0..100 {
        let key = key.to_string();
        m.send_message(&key, say("hello")).await.expect("free");
        stage.script.tell(&key, Step::Stop, Act::take(SECOND));
    }
    let (report, took) = seconds(m.shutdown(Duration::ZERO)).await;
    assert_eq!(report.stopped.len(), 100);
    assert_eq!(took, 100_u64.div_ceil(16));
    stage.end(m).await;
}

#[tokio::test(start_paused = true)]
async fn who_waits_is_sent_away_with_the_message_when_the_call_returns() {
    let (m, stage) = plain();
    let turn = m.turn("a").await.expect("free");
    let sent = m.send_message("a", say("waits"));
    let entering = m.turn("a");
    let stopping = m.stop("a");
    let report = m.shutdown(HOUR);
    // Nobody has polled anything yet, and nobody comes after.
    let late = m.send_message("a", say("late"));
    let new = m.turn("b");
    for (sending, text) in [(sent, "waits"), (late, "late")] {
        let error = sending.await.expect_err("it is closed");
        assert!(matches!(error.error, TurnError::Closed));
        assert_eq!(error.message.expect("nobody heard it").text, text);
    }
    assert!(matches!(entering.await, Err(TurnError::Closed)));
    assert!(matches!(new.await, Err(TurnError::Closed)));
    assert!(matches!(stopping.await, Err(StopError::Closed)));
    assert_eq!(m.status("b"), None);
    drop(turn);
    assert_eq!(report.await.stopped, ["a"]);
    stage.end(m).await;
}

#[tokio::test(start_paused = true)]
async fn turns_may_end_until_the_deadline() {
    let (m, stage) = plain();
    let ends = m.send_message("ends", say("long").takes(50 * SECOND));
    let obeys = m.send_message("obeys", say("long").and(obey()));
    let hangs = m.send_message("hangs", say("long").and(Act::hang()));
    settled().await;
    let closure = m.with_turn("closure", async |_| std::future::pending::<()>().await);
    let (report, ends, obeys, hangs, closure) = tokio::join!(
        async {
            settled().await;
            seconds(m.shutdown(MINUTE)).await
        },
        seconds(ends),
        seconds(obeys),
        seconds(hangs),
        seconds(closure),
    );
    let (ended, took) = ends;
    assert_eq!((ended.expect("it had the time").text, took), ("long", 50));
    let aborted = |sent: Result<_, turnwise::manager::SendError<_, _>>| {
        matches!(sent.expect_err("cut short").error, TurnError::Aborted)
    };
    assert!(aborted(obeys.0) && aborted(hangs.0));
    assert!(matches!(closure.0, Err(TurnError::Aborted)));
    assert_eq!((obeys.1, hangs.1, closure.1), (60, 65, 65));
    let (report, took) = report;
    assert_eq!((report.stopped.len(), took), (4, 65));
    for (key, reason) in [
        ("ends", StopReason::Shutdown),
        ("obeys", StopReason::Shutdown),
        ("hangs", StopReason::Dirty),
        ("closure", StopReason::Dirty),
    ] {
        assert_eq!(stage.script.stops(key), [reason], "{key}");
    }
    stage.end(m).await;
}

#[tokio::test(start_paused = true)]
async fn a_second_call_may_bring_the_deadline_forward_and_has_the_same_report() {
    let (m, stage) = plain();
    let mut sending = m.send_message("a", say("long").and(obey()));
    sending.started().await.expect("free");
    let first = tokio::spawn(m.shutdown(HOUR));
    settled().await;
    let later = tokio::spawn(m.shutdown(2 * HOUR));
    settled().await;
    let (second, took) = seconds(m.shutdown(MINUTE)).await;
    assert_eq!(took, 60);
    assert_eq!(second.stopped, ["a"]);
    assert_eq!(first.await.expect("it ends"), second);
    assert_eq!(later.await.expect("it ends"), second);
    let (third, took) = seconds(m.shutdown(Duration::ZERO)).await;
    assert_eq!((third, took), (second, 0));
    drop(sending);
    stage.end(m).await;
}

/// The future that is dropped only stops listening.
#[tokio::test(start_paused = true)]
async fn a_shutdown_goes_on_when_nobody_listens() {
    let (m, stage) = plain();
    m.send_message("a", say("hello")).await.expect("free");
    drop(m.shutdown(MINUTE));
    settled().await;
    assert_eq!(stage.script.stops("a"), [StopReason::Shutdown]);
    assert_eq!(stage.end(m).await.stopped, ["a"]);
}

#[tokio::test(start_paused = true)]
async fn a_start_under_way_may_end_and_have_its_turn() {
    let (m, stage) = plain();
    let start = Act::take(20 * SECOND);
    stage.script.tell("a", Step::Start, start);
    let sending = m.send_message("a", say("hello"));
    settled().await;
    let report = m.shutdown(MINUTE);
    let (sent, report) = tokio::join!(sending, seconds(report));
    assert_eq!(sent.expect("it was admitted").text, "hello");
    assert_eq!((report.0.stopped, report.1), (vec!["a".to_owned()], 20));
    stage.end(m).await;
}

#[tokio::test(start_paused = true)]
async fn a_start_that_is_still_under_way_at_the_deadline() {
    let (m, stage) = plain();
    for (key, act) in [("slow", Act::take(20 * SECOND)), ("hangs", Act::hang())] {
        stage.script.tell(key, Step::Start, act);
        stage
            .script
            .tell(key, Step::StartAbandoned, Act::take(3 * SECOND));
    }
    let (slow, hangs) = (
        m.send_message("slow", say("hello")),
        m.send_message("hangs", say("hello")),
    );
    settled().await;
    let (report, took) = seconds(m.shutdown(SECOND)).await;
    assert_eq!(report.stopped.len(), 0, "they never had a session");
    // The deadline, the patience with a cancelled start, its cleanup.
    assert_eq!((report.abandoned.len(), took), (0, 1 + 5 + 3));
    let slow = slow.await.expect_err("cancelled in its start");
    assert!(matches!(slow.error, TurnError::Aborted));
    assert!(slow.message.is_some(), "nobody heard it");
    let hangs = hangs.await.expect_err("it has no session");
    assert!(matches!(hangs.error, TurnError::Aborted));
    stage.end(m).await;
}

#[tokio::test(start_paused = true)]
async fn what_a_sweep_is_stopping_is_named_once() {
    let (m, stage) = plain();
    let gate = Gate::new();
    for key in ["a", "b", "c"] {
        m.send_message(key, say("hello")).await.expect("free");
        stage.script.tell(key, Step::Stop, until(&gate));
    }
    let sweep = tokio::spawn(m.cleanup_idle(Duration::ZERO));
    gate.reached().await;
    let report = m.shutdown(MINUTE);
    settled().await;
    gate.open();
    let report = sorted(report.await);
    assert_eq!(report.stopped, ["a", "b", "c"]);
    let mut swept = sweep.await.expect("it ends").stopped;
    swept.sort();
    assert_eq!(swept, report.stopped);
    assert_eq!(stage.script.stops("a"), [StopReason::Idle]);
    stage.end(m).await;
}

/// Nobody takes a plain turn away: it is told, waited for until the patience ends, and reported as abandoned; given back
/// after all, its session is stopped.
#[tokio::test(start_paused = true)]
async fn a_plain_turn_that_is_held_to_the_end_is_abandoned_and_stopped_when_it_is_given_back() {
    let timeouts = Timeouts::default().abort(SECOND).start(2 * SECOND);
    let (m, stage) = stage(|builder| builder.timeouts(timeouts.stop(3 * SECOND)));
    let turn = m.turn("held").await.expect("free");
    m.send_message("rests", say("hello")).await.expect("free");
    let shutdown = tokio::spawn(m.shutdown(10 * SECOND));
    let ((), told) = seconds(SessionTurn::cancelled(&turn)).await;
    assert_eq!(told, 10);
    let (report, took) = seconds(shutdown).await;
    let report = report.expect("it ends");
    assert_eq!(report.stopped, ["rests"]);
    assert_eq!(report.abandoned, ["held"]);
    assert_eq!(took, 1 + 2 + 2 * 3);
    drop(turn);
    settled().await;
    assert_eq!(stage.script.stops("held"), [StopReason::Shutdown]);
    assert_eq!(stage.end(m).await, report, "the report is the report");
}

/// Sixteen stop at once, and none of them is given up because others were before it.
#[tokio::test(start_paused = true)]
async fn many_sessions_whose_stops_are_slow_are_all_stopped() {
    let (m, stage) = plain();
    for key in 0..120 {
        let key = key.to_string();
        drop(m.turn(&key).await.expect("free"));
        stage.script.tell(&key, Step::Stop, Act::take(9 * SECOND));
    }
    let report = m.shutdown(Duration::ZERO).await;
    assert_eq!(report.stopped.len(), 120);
    assert_eq!(stage.end(m).await, report);
}

/// The last handle: as a shutdown without a deadline. Those who wait are handles too.
#[tokio::test(start_paused = true)]
async fn the_last_handle_shuts_the_manager_down_without_a_deadline() {
    let (m, stage) = plain();
    let turn = m.turn("a").await.expect("free");
    let waits = m.turn("a");
    drop(m);
    stage.pass(24 * HOUR).await;
    drop(turn);
    let turn = waits.await.expect("a queued call keeps the manager");
    // Now a turn is all that is left: it is not a handle, but is waited for.
    stage.pass(24 * HOUR).await;
    assert!(!SessionTurn::is_cancelled(&turn), "there is no deadline");
    let script = Arc::clone(&stage.script);
    assert_eq!(script.stops("a"), []);
    drop(turn);
    stage.check().await;
    assert_eq!(script.stops("a"), [StopReason::Shutdown]);
}

/// A message on its way is a handle too, also if nobody listens.
#[tokio::test(start_paused = true)]
async fn a_message_that_was_detached_keeps_the_manager_to_its_end() {
    let (m, stage) = plain();
    let long = m.send_message("a", say("long").takes(HOUR));
    m.send_message("a", say("next")).detach();
    long.detach();
    drop(m);
    let script = Arc::clone(&stage.script);
    stage.pass(2 * HOUR).await;
    stage.check().await;
    assert_eq!(script.heard("a"), ["long", "next"]);
}

/// Absurd times are times.
#[tokio::test(start_paused = true)]
async fn a_shutdown_with_the_longest_times_there_are() {
    let max = Duration::MAX;
    let timeouts = Timeouts::default().abort(max).start(max).stop(max);
    let (m, stage) = stage(|builder| builder.timeouts(timeouts.wait(max).turn(max)));
    let turn = m.turn("held").await.expect("free");
    let mut obeys = m.send_message("obeys", say("long").and(obey()));
    obeys.started().await.expect("free");
    let first = tokio::spawn(m.shutdown(max));
    settled().await;
    let second = tokio::spawn(m.shutdown(SECOND));
    SessionTurn::cancelled(&turn).await;
    let phase = m.status("held").map(|status| status.phase);
    assert_eq!(phase, Some(Phase::Busy));
    drop(turn);
    let report = sorted(second.await.expect("it ends"));
    assert_eq!(report.stopped, ["held", "obeys"]);
    assert_eq!(sorted(first.await.expect("it ends")), report);
    drop(obeys);
    stage.end(m).await;
}
