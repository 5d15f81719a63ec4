//! Programs that keep sessions.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use turnwise::{Backend, Phase, SessionManager, manager::*};

use crate::script::{Act, Step, obey, say};
use crate::{HOUR, MINUTE, SECOND, all_events, plain, seconds, settled, stage};

/// openab held the map's lock for a whole prompt: status, cleanup and new sessions hung. Reported seven times.
#[tokio::test(start_paused = true)]
async fn a_prompt_keeps_no_status_cleanup_or_new_session_waiting() {
    let (m, stage) = plain();
    let prompt = m.send_message("a", say("long").takes(HOUR));
    settled().await;
    let ((), took) = seconds(async {
        assert_eq!(m.status("a").map(|status| status.phase), Some(Phase::Busy));
        m.send_message("b", say("hello")).await.expect("new");
        assert_eq!(m.cleanup_idle(Duration::ZERO).await.stopped, ["b"]);
    })
    .await;
    assert_eq!(took, 0);
    prompt.await.expect("it ends");
    stage.end(m).await;
}

/// openab, repaired: cleanup sampled with `try_lock`, let go, and removed later; a turn that began in between was evicted.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn cleanup_never_evicts_a_session_that_became_busy() {
    let (m, stage) = plain();
    let sweeps = tokio::spawn({
        let m = m.clone();
        async move {
            while !matches!(m.turn("done").await, Err(TurnError::Closed)) {
                drop(m.cleanup_idle(Duration::ZERO).await);
            }
        }
    });
    for _ in 0..2_000 {
        let turn = m.turn("a").await.expect("open");
        tokio::task::yield_now().await;
        let status = m.status("a").expect("it is held");
        assert_eq!(status.phase, Phase::Busy, "whatever is swept");
        assert_eq!(status.incarnation, SessionTurn::incarnation(&turn));
        drop(turn);
    }
    m.shutdown(MINUTE).await;
    sweeps.await.expect("it ends");
    stage.end(m).await;
}

/// openab's reaper used `try_lock` and never saw a turn that hung; dead slots filled the pool.
#[tokio::test(start_paused = true)]
async fn a_turn_that_hangs_is_seen_and_its_place_in_the_pool_comes_back() {
    let (m, stage) = stage(|builder| {
        builder
            .max_sessions(1, WhenFull::EvictIdle)
            .timeouts(Timeouts::default().turn(2 * HOUR))
    });
    let hung = m.send_message("a", say("hangs").and(Act::hang()));
    settled().await;
    stage.pass(HOUR).await;
    assert_eq!(m.status("a").expect("it is seen").elapsed, HOUR);
    let report = m.cleanup_idle(MINUTE).await;
    assert_eq!(report.skipped, [("a".to_owned(), Skip::Busy(HOUR))]);
    let full = m.turn("b").await.map(drop);
    assert!(matches!(full, Err(TurnError::RegistryFull)));
    let error = hung.await.expect_err("it has a limit").error;
    assert!(matches!(error, TurnError::TurnTimedOut));
    settled().await;
    drop(m.turn("b").await.expect("there is room"));
    stage.end(m).await;
}

/// openab: a prompt that was dropped left its answer in the pipe, and the next prompt read it.
#[tokio::test(start_paused = true)]
async fn a_dropped_prompt_never_answers_the_next() {
    let (m, stage) = plain();
    let mut first = m.send_message("a", say("first").and(Act::hang()));
    first.started().await.expect("free");
    drop(first);
    let reply = m.send_message("a", say("second")).await.expect("afresh");
    assert_eq!(reply.text, "second");
    assert_eq!(stage.script.stops("a"), [StopReason::Dirty]);
    stage.end(m).await;
}

/// oqto awaited a kill under the write lock of its map.
#[tokio::test(start_paused = true)]
async fn a_kill_that_takes_long_keeps_nobody_else_waiting() {
    let (m, stage) = plain();
    drop(m.turn("a").await.expect("free"));
    stage.script.tell("a", Step::Stop, Act::take(9 * SECOND));
    let stop = m.stop("a");
    let ((), took) = seconds(async {
        drop(m.turn("b").await.expect("another"));
        assert!(m.stop("b").await.expect("another"));
        assert_eq!(m.snapshot().len(), 1);
    })
    .await;
    assert_eq!(took, 0);
    assert!(stop.await.expect("it stops"));
    stage.end(m).await;
}

/// oqto's start returned on its timeout before it took its key out of the `creating` set: stuck for ever.
#[tokio::test(start_paused = true)]
async fn a_start_that_timed_out_leaves_no_key_behind() {
    let (m, stage) = plain();
    stage.script.tell("a", Step::Start, Act::hang());
    let late = m.send_message("a", say("hello")).await;
    let error = late.expect_err("it never starts").error;
    assert!(matches!(error, TurnError::StartTimedOut));
    assert_eq!(m.status("a"), None);
    m.send_message("a", say("hello")).await.expect("free");
    stage.end(m).await;
}

/// rmcp's dying worker closed by id, and could remove the session that had been restored under that id.
#[tokio::test(start_paused = true)]
async fn a_dying_session_does_not_remove_the_one_that_follows() {
    let (m, stage) = plain();
    let turn = m.turn("a").await.expect("free");
    stage.script.tell("a", Step::Stop, Act::take(9 * SECOND));
    SessionTurn::discard(turn);
    let next = m.turn("a").await.expect("it follows");
    let number = SessionTurn::incarnation(&next);
    stage.pass(MINUTE).await;
    let status = m.status("a").expect("it stays");
    assert_eq!((status.phase, status.incarnation), (Phase::Busy, number));
    drop(next);
    stage.end(m).await;
}

/// goose evicted the least recently used agent, running or not, and had two for one session.
#[tokio::test(start_paused = true)]
async fn the_least_recently_used_is_left_alone_while_it_runs() {
    let (m, stage) = stage(|builder| builder.max_sessions(2, WhenFull::EvictIdle));
    let running = m.turn("oldest").await.expect("room");
    stage.hand.advance(MINUTE);
    drop(m.turn("newer").await.expect("room"));
    stage.hand.advance(MINUTE);
    drop(m.turn("newest").await.expect("room"));
    assert_eq!(stage.script.stops("newer"), [StopReason::Capacity]);
    assert!(!SessionTurn::is_cancelled(&running));
    assert_eq!(stage.script.started("oldest"), 1);
    drop(running);
    stage.end(m).await;
}

/// goose took a cancel token away by key, which was a newer turn's by then.
#[tokio::test(start_paused = true)]
async fn the_end_of_an_old_turn_does_not_take_the_switch_of_a_newer_one() {
    let (m, stage) = plain();
    let first = m.send_message("a", say("first"));
    let old = first.ticket();
    first.await.expect("free");
    let mut newer = m.send_message("a", say("newer").and(obey()));
    newer.started().await.expect("it rests");
    assert!(!m.abort("a", old), "that one is over");
    settled().await;
    assert_eq!(m.status("a").map(|status| status.phase), Some(Phase::Busy));
    assert!(m.abort("a", newer.ticket()), "this one has its switch");
    newer.await.expect_err("it was cancelled");
    stage.end(m).await;
}

/// codex does nearly all of it well, but refuses callers while a thread closes.
#[tokio::test(start_paused = true)]
async fn who_comes_while_a_session_closes_waits_in_line() {
    let (m, stage) = plain();
    drop(m.turn("a").await.expect("free"));
    stage.script.tell("a", Step::Stop, Act::take(9 * SECOND));
    let stop = m.stop("a");
    let (next, took) = seconds(m.send_message("a", say("hello"))).await;
    next.expect("not refused");
    assert_eq!(took, 9);
    assert!(stop.await.expect("it stops"));
    stage.end(m).await;
}

/// enquire-mcp, qmd and sglang stamped activity at the beginning of a turn alone: a long turn aged itself to death.
#[tokio::test(start_paused = true)]
async fn a_long_turn_does_not_age_itself_to_death() {
    let (m, stage) = stage(|builder| builder.stop_idle_after(10 * MINUTE));
    let turn = m.turn("a").await.expect("free");
    stage.pass(HOUR).await;
    drop(turn);
    stage.pass(9 * MINUTE).await;
    assert_eq!(stage.script.stops("a"), [], "its end was activity");
    stage.pass(2 * MINUTE).await;
    assert_eq!(stage.script.stops("a"), [StopReason::Idle]);
    stage.end(m).await;
}

/// databend dropped the last `Arc` under the map's lock, and its `Drop` took that lock again: deadlock.
#[tokio::test(start_paused = true)]
async fn the_drop_of_a_session_may_call_the_manager() {
    struct Calls(Arc<Mutex<Vec<Option<Phase>>>>, Slot);
    type Slot = Arc<Mutex<Option<SessionManager<Callers>>>>;
    #[derive(Default)]
    struct Callers(Arc<Mutex<Vec<Option<Phase>>>>, Slot);
    impl Drop for Calls {
        fn drop(&mut self) {
            let m = self.1.lock().expect("it is read").clone();
            let m = m.expect("it is there until the end");
            let _ = (m.snapshot(), m.touch("a"), m.dismiss("a"));
            drop((m.turn("a"), m.turn("b"), m.stop("b"), m.subscribe()));
            let phase = m.status("a").map(|status| status.phase);
            self.0.lock().expect("one at a time").push(phase);
        }
    }
    impl Backend for Callers {
        type Key = String;
        type Session = Calls;
        type Handle = ();
        type Event = ();
        type Error = std::convert::Infallible;

        async fn start(
            &self,
            _: &String,
            _: &TurnContext<Self::Event>,
        ) -> Result<(Calls, ()), Self::Error> {
            Ok((Calls(Arc::clone(&self.0), Arc::clone(&self.1)), ()))
        }
    }
    let (phases, slot) = (Arc::default(), Slot::default());
    let callers = Callers(Arc::clone(&phases), Arc::clone(&slot));
    let m = SessionManager::builder(callers).build().expect("a runtime");
    *slot.lock().expect("nobody has it") = Some(m.clone());
    drop(m.turn("a").await.expect("free"));
    assert!(m.stop("a").await.expect("it stops"));
    drop(m.turn("a").await.expect("free"));
    drop(m.restart("a").await.expect("it rests"));
    SessionTurn::discard(m.turn("a").await.expect("it rests"));
    settled().await;
    drop(m.turn("a").await.expect("free"));
    assert_eq!(m.cleanup_idle(Duration::ZERO).await.stopped, ["a"]);
    drop(m.turn("a").await.expect("free"));
    m.shutdown(MINUTE).await;
    let closing = Some(Phase::Closing);
    assert_eq!(*phases.lock().expect("all ended"), [closing; 5]);
    drop(slot.lock().expect("all ended").take());
}

/// ml-intern pinned sessions for ever, and nobody knew why.
#[tokio::test(start_paused = true)]
async fn the_reaper_says_why_it_skipped() {
    let (m, stage) = stage(|builder| builder.stop_idle_after(HOUR));
    let mut events = m.subscribe();
    let pinned = m.turn("pinned").await.expect("free");
    let waits = m.turn("pinned");
    stage.pass(2 * HOUR).await;
    let last = all_events(&mut events).pop();
    let Some(SessionEvent::Swept(report)) = last else {
        panic!("a sweep is the last, not {last:?}")
    };
    let [(key, Skip::Waiting(time))] = &report.skipped[..] else {
        panic!("why, not {report:?}")
    };
    assert_eq!((key.as_str(), *time >= HOUR), ("pinned", true));
    drop(waits);
    drop(pinned);
    stage.end(m).await;
}

/// herdr, querymt and openclaw gave no choice between waiting and refusal, queues without bound, untyped errors.
#[tokio::test(start_paused = true)]
async fn to_wait_or_not_is_a_choice_and_the_line_is_bounded() {
    let (m, stage) = stage(|builder| builder.max_waiting(1));
    let turn = m.turn("a").await.expect("free");
    let waits = m.send_message("a", say("waits"));
    let now = m.with(TurnOptions::no_wait()).send_message("a", say("now"));
    let error = now.await.expect_err("it is busy");
    assert!(matches!(error.error, TurnError::Busy));
    assert!(error.message.is_some());
    let third = m.send_message("a", say("third")).await;
    let error = third.expect_err("the line is full");
    assert!(matches!(error.error, TurnError::QueueFull));
    drop(turn);
    waits.await.expect("its turn comes");
    stage.end(m).await;
}
