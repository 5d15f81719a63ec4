//! Faults that were put into the manager on purpose, and that no other test noticed.

use std::error::Error;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use turnwise::{TurnContext, manager::*};

use crate::script::{Gate, Step, fail, fail_after, obey, say, until};
use crate::{HOUR, MINUTE, SECOND, all_events, plain, seconds, settled, stage};

/// Of two deadlines the earlier one counts, whichever call came last.
#[tokio::test(start_paused = true)]
async fn a_second_shutdown_does_not_put_the_deadline_off() {
    let (m, stage) = plain();
    let mut sending = m.send_message("a", say("long").and(obey()));
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

/// A restart under way ends one session and starts another while the manager shuts down: what is worse of the two is told.
#[tokio::test(start_paused = true)]
async fn of_two_sessions_of_a_key_the_worse_end_is_reported() {
    for (first, second) in [(true, false), (false, true)] {
        let (m, stage) = plain();
        drop(m.turn("a").await.expect("free"));
        let gate = Gate::new();
        let stop = if first { fail_after } else { until };
        stage.script.tell("a", Step::Stop, stop(&gate));
        if second {
            stage.script.tell("a", Step::Stop, fail());
        }
        let restart = tokio::spawn(m.restart("a"));
        gate.reached().await;
        let report = m.shutdown(HOUR);
        gate.open();
        let restarted = restart.await.expect("it does not panic");
        drop(restarted.expect("it was admitted"));
        let report = report.await;
        assert_eq!(report.stopped, Vec::<String>::new(), "A4: first {first}");
        let [(key, _)] = &report.failed[..] else {
            panic!("A4: the failure is not told: {report:?}");
        };
        assert_eq!(key, "a");
        stage.end(m).await;
    }
}

/// Emits one event more when it is woken, and one when it is dropped.
struct Emits(TurnContext<(&'static str, usize)>, Arc<AtomicUsize>);

impl Wake for Emits {
    fn wake(self: Arc<Self>) {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.emit(("by the wake", 0));
    }
}

impl Drop for Emits {
    fn drop(&mut self) {
        self.0.emit(("by the drop", 0));
    }
}

/// A reader's waker may emit what that reader reads: it is woken and dropped under no lock.
#[tokio::test(start_paused = true)]
async fn a_waker_that_emits_is_woken_and_dropped_under_no_lock() {
    let (m, stage) = plain();
    let mut heard = m.listen("a");
    let (keep, kept) = tokio::sync::oneshot::channel();
    let gate = Gate::new();
    let sending = m.send_message("a", say("long").until(&gate).keep_context(keep));
    let cx = kept.await.expect("it is handed out");
    let wakes = Arc::<AtomicUsize>::default();
    {
        let mut next = pin!(heard.next());
        let mut poll = |waker: &Waker| {
            let poll = next.as_mut().poll(&mut Context::from_waker(waker));
            assert_eq!(poll, Poll::Pending);
        };
        poll(&Waker::from(Arc::new(Emits(
            cx.map(Some),
            Arc::clone(&wakes),
        ))));
        // Its drop comes when it is replaced.
        poll(Waker::noop());
    }
    assert_eq!(all_events(&mut heard), [("by the drop", 0)]);
    {
        let emits = Waker::from(Arc::new(Emits(cx.map(Some), Arc::clone(&wakes))));
        let mut next = pin!(heard.next());
        assert!(
            next.as_mut()
                .poll(&mut Context::from_waker(&emits))
                .is_pending()
        );
    }
    cx.emit(("wakes", 0));
    assert_eq!(wakes.load(Ordering::Relaxed), 1);
    let expected = ["wakes", "by the wake", "by the drop"].map(|what| (what, 0));
    assert_eq!(all_events(&mut heard), expected);
    gate.open();
    sending.await.expect("it is answered");
    drop(cx);
    stage.end(m).await;
}

/// The text of an error contains the agent's, and its source is what caused that.
#[tokio::test(start_paused = true)]
async fn the_error_of_an_agent_is_printed() {
    let (m, stage) = plain();
    let error = m.send_message("a", say("fails").and(fail())).await;
    let error = error.expect_err("it fails as scripted");
    let text = "message delivered, no reply: the agent returned an error: it fails as scripted";
    assert_eq!(error.to_string(), text);
    let cause = error.error.cause().and_then(Error::source);
    let cause = cause.map(ToString::to_string);
    assert_eq!(cause.as_deref(), Some("because the script says so"));
    stage.end(m).await;
}

/// The reaper looks four times in the time that a session may rest.
#[tokio::test(start_paused = true)]
async fn the_reaper_looks_four_times() {
    let (m, stage) = stage(|builder| builder.stop_idle_after(40 * SECOND));
    let mut events = m.subscribe();
    settled().await;
    tokio::time::sleep(40 * SECOND).await;
    let swept = |event: &SessionEvent<String>| matches!(event, SessionEvent::Swept(_));
    let sweeps = all_events(&mut events)
        .iter()
        .filter(|event| swept(event))
        .count();
    assert_eq!(sweeps, 4);
    stage.end(m).await;
}

/// However short that time is, others run too, and the clock goes on.
#[tokio::test(start_paused = true)]
async fn the_reaper_of_the_shortest_time_lets_others_run() {
    let (m, stage) = stage(|builder| builder.stop_idle_after(Duration::from_nanos(1)));
    m.send_message("a", say("hello")).await.expect("free");
    stage.pass(10 * Duration::from_millis(1)).await;
    assert_eq!(m.status("a"), None);
    stage.end(m).await;
}

/// Between a sweep's look and its claim a session is used, or touched: the report tells which.
#[tokio::test(start_paused = true)]
async fn a_sweep_tells_what_came_between_its_look_and_its_claim() {
    let (m, stage) = plain();
    let gate = Gate::new();
    let keys: Vec<_> = (0..18).map(|key| key.to_string()).collect();
    for key in &keys {
        m.send_message(key, say("hello")).await.expect("free");
        stage.script.tell(key, Step::Stop, until(&gate));
    }
    stage.hand.advance(HOUR);
    let sweep = tokio::spawn(m.cleanup_idle(MINUTE));
    gate.reached().await;
    settled().await;
    let rests = |key: &&String| m.status(*key).is_some_and(|status| status.turn.is_none());
    let [used, touched] = keys.iter().filter(rests).collect::<Vec<_>>()[..] else {
        panic!("sixteen at a time");
    };
    let turn = m.turn(used).await.expect("it rests");
    assert!(m.touch(touched));
    gate.open();
    let mut skipped = sweep.await.expect("it ends").skipped;
    skipped.sort_by_key(|(key, _)| key == touched);
    let expected = [(used, Skip::Busy(Duration::ZERO)), (touched, Skip::Touched)];
    assert_eq!(skipped, expected.map(|(key, skip)| (key.clone(), skip)));
    drop(turn);
    stage.end(m).await;
}
