//! A3: the task that stops idle sessions, and the sweep that a caller makes.

use turnwise::{Phase, manager::*};

use crate::script::{Act, Gate, Step, fail, say, until};
use crate::{HOUR, MINUTE, Manager, SECOND, Stage, all_events, plain, settled, stage};

/// Stops what has rested for ten minutes; looks every thirty seconds.
fn reaped() -> (Manager, Stage) {
    stage(|builder| builder.stop_idle_after(10 * MINUTE))
}

fn there(m: &Manager, key: &str) -> bool {
    m.status(key).is_some()
}

fn swept(events: Vec<SessionEvent<String>>) -> Vec<SweepReport<String>> {
    let report = |event| match event {
        SessionEvent::Swept(report) => Some((*report).clone()),
        _ => None,
    };
    events.into_iter().filter_map(report).collect()
}

#[tokio::test(start_paused = true)]
async fn what_rests_for_long_enough_is_stopped_and_what_does_not_is_left() {
    let (m, stage) = reaped();
    for key in ["rests", "touched", "used"] {
        m.send_message(key, say("hello")).await.expect("free");
    }
    let busy = m.turn("busy").await.expect("free");
    let waited_for = m.turn("waited for").await.expect("free");
    let waits = m.turn("waited for");
    for _ in 0..3 {
        stage.pass(5 * MINUTE).await;
        assert!(m.touch("touched"));
        m.send_message("used", say("hello")).await.expect("rests");
    }
    assert!(!there(&m, "rests"));
    assert_eq!(stage.script.stops("rests"), [StopReason::Idle]);
    for key in ["touched", "used", "busy", "waited for"] {
        assert!(there(&m, key), "{key}");
    }
    stage.pass(HOUR).await;
    assert_eq!(m.snapshot().len(), 2, "the two that are held");
    drop(busy);
    drop(waited_for);
    drop(waits.await.expect("its turn comes"));
    stage.pass(9 * MINUTE).await;
    assert!(there(&m, "busy"), "the end of its turn was activity");
    stage.pass(2 * MINUTE).await;
    assert_eq!(m.snapshot(), []);
    stage.end(m).await;
}

/// A sweep says why it passed over a session, and for how long that has been busy.
#[tokio::test(start_paused = true)]
async fn each_sweep_of_the_reaper_is_told() {
    let (m, stage) = reaped();
    let mut events = m.subscribe();
    m.send_message("rests", say("hello")).await.expect("free");
    m.send_message("touched", say("hello")).await.expect("free");
    let busy = m.turn("busy").await.expect("free");
    stage.hand.advance(10 * MINUTE);
    assert!(m.touch("touched"));
    m.send_message("young", say("hello")).await.expect("free");
    assert_eq!(swept(all_events(&mut events)), []);
    tokio::time::sleep(31 * SECOND).await;
    let reports = swept(all_events(&mut events));
    let [report] = &reports[..] else {
        panic!("one sweep in thirty seconds, not {reports:?}")
    };
    assert_eq!(report.stopped, ["rests"]);
    let mut skipped = report.skipped.clone();
    skipped.sort_by(|(one, _), (other, _)| one.cmp(other));
    let expected = [
        ("busy", Skip::Busy(10 * MINUTE)),
        ("touched", Skip::Touched),
        ("young", Skip::Young),
    ];
    assert_eq!(skipped, expected.map(|(key, why)| (key.to_owned(), why)));
    drop(busy);
    stage.end(m).await;
}

/// A stop that goes wrong frees its key, is told, and the reaper goes on.
#[tokio::test(start_paused = true)]
async fn the_reaper_survives_stops_that_go_wrong() {
    let (m, stage) = reaped();
    let mut events = m.subscribe();
    let acts = [fail(), Act::hang(), Act::panic(), Act::panic_at_once()];
    for (key, act) in ["fails", "hangs", "panics", "panics at once"]
        .into_iter()
        .zip(acts)
    {
        m.send_message(key, say("hello")).await.expect("free");
        stage.script.tell(key, Step::Stop, act);
    }
    stage.pass(11 * MINUTE).await;
    assert_eq!(m.snapshot(), []);
    let reports = swept(all_events(&mut events));
    let mut failed: Vec<_> = reports.iter().flat_map(|report| &report.failed).collect();
    failed.sort();
    let failed: Vec<_> = failed
        .iter()
        .map(|(key, error)| (key.as_str(), &**error))
        .collect();
    let panicked = "the stop of the session panicked";
    let why = "it fails as scripted: because the script says so";
    assert_eq!(
        failed,
        [
            ("fails", why),
            ("panics", panicked),
            ("panics at once", panicked)
        ]
    );
    let abandoned: Vec<_> = reports
        .iter()
        .flat_map(|report| &report.abandoned)
        .collect();
    assert_eq!(abandoned, ["hangs"]);

    m.send_message("next", say("hello")).await.expect("free");
    stage.pass(11 * MINUTE).await;
    assert!(!there(&m, "next"), "it sweeps on");
    stage.end(m).await;
}

/// A sweep stops sixteen at a time, so that one that hangs does not keep the others.
#[tokio::test(start_paused = true)]
async fn a_sweep_stops_many_at_a_time() {
    let (m, stage) = plain();
    let keys: Vec<_> = (0..40).map(|key| key.to_string()).collect();
    for key in &keys {
        m.send_message(key, say("hello")).await.expect("free");
        stage.script.tell(key, Step::Stop, Act::take(SECOND));
    }
    let (report, took) = crate::seconds(m.cleanup_idle(HOUR)).await;
    assert_eq!((report.skipped.len(), took), (40, 0));
    stage.hand.advance(HOUR);
    let (report, took) = crate::seconds(m.cleanup_idle(HOUR)).await;
    assert_eq!((report.stopped.len(), report.skipped.len()), (40, 0));
    assert!(took <= 4, "sixteen at a time, not {took} s");
    stage.end(m).await;
}

/// Dropped half-way it claims no more, and what it claimed is stopped.
#[tokio::test(start_paused = true)]
async fn a_sweep_that_is_dropped_leaves_nothing_half_stopped() {
    let (m, stage) = plain();
    let gate = Gate::new();
    let keys: Vec<_> = (0..40).map(|key| key.to_string()).collect();
    for key in &keys {
        m.send_message(key, say("hello")).await.expect("free");
        stage.script.tell(key, Step::Stop, until(&gate));
    }
    stage.hand.advance(HOUR);
    let sweep = tokio::spawn(m.cleanup_idle(MINUTE));
    gate.reached().await;
    settled().await;
    sweep.abort();
    assert!(sweep.await.expect_err("it is cut short").is_cancelled());
    let closing = |m: &Manager| {
        let all = m.snapshot();
        let closing = all
            .iter()
            .filter(|(_, status)| status.phase == Phase::Closing);
        closing.count()
    };
    assert_eq!(closing(&m), 16);
    gate.open();
    settled().await;
    assert_eq!((closing(&m), m.snapshot().len()), (0, 24));
    stage.end(m).await;
}

/// Between the sweep's look and its claim a session is used: that is decided under its lock, whatever the look said.
#[tokio::test(start_paused = true)]
async fn a_session_that_is_used_while_the_sweep_stops_others_is_passed_over() {
    let (m, stage) = plain();
    let gate = Gate::new();
    let keys: Vec<_> = (0..20).map(|key| key.to_string()).collect();
    for key in &keys {
        m.send_message(key, say("hello")).await.expect("free");
        stage.script.tell(key, Step::Stop, until(&gate));
    }
    stage.hand.advance(HOUR);
    let sweep = tokio::spawn(m.cleanup_idle(MINUTE));
    gate.reached().await;
    settled().await;
    let resting: Vec<_> = m
        .snapshot()
        .into_iter()
        .filter(|(_, status)| status.phase == Phase::Idle)
        .map(|(key, _)| key)
        .collect();
    let [busy, used, touched, rests] = &resting[..] else {
        panic!("twenty but sixteen, not {resting:?}")
    };
    let turn = m.turn(busy).await.expect("it rests");
    drop(m.turn(used).await.expect("it rests"));
    assert!(m.touch(touched));
    gate.open();
    let report = sweep.await.expect("it ends");
    assert_eq!(report.stopped.len(), 17);
    assert!(report.stopped.contains(rests));
    assert_eq!(report.skipped.len(), 3);
    assert!(!SessionTurn::is_cancelled(&turn));
    drop(turn);
    stage.end(m).await;
}

/// With the last handle the manager shuts down by itself: sessions are stopped, and neither the reaper nor any other task
/// is left.
#[tokio::test(start_paused = true)]
async fn the_reaper_ends_with_the_last_handle() {
    let (m, stage) = reaped();
    m.send_message("a", say("hello")).await.expect("free");
    let other = m.clone();
    drop(m);
    stage.pass(MINUTE).await;
    other.send_message("a", say("still")).await.expect("rests");
    drop(other);
    let script = std::sync::Arc::clone(&stage.script);
    stage.check().await;
    assert_eq!(script.stops("a"), [StopReason::Shutdown]);
}
