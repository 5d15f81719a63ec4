//! Keep-alives: what they keep off, and what they do not.

use turnwise::manager::*;

use crate::script::{Gate, Step, say, until};
use crate::{HOUR, MINUTE, SECOND, plain, settled, stage};

#[tokio::test(start_paused = true)]
async fn a_kept_session_is_never_reaped() {
    let (m, stage) = stage(|builder| builder.stop_idle_after(10 * MINUTE));
    drop(m.turn("a").await.expect("it starts"));
    let kept = m.keep_alive("a").expect("it is idle");
    assert_eq!(*kept, KeepAlive::incarnation(&kept).get(), "its handle");
    assert_eq!(KeepAlive::key(&kept), "a");
    assert_eq!(m.status("a").expect("there").kept, 1);
    let mut events = m.subscribe();
    stage.pass(HOUR).await;
    let swept = loop {
        match events.next().await {
            Some(Update::Event(SessionEvent::Swept(report))) => break report,
            Some(_) => {}
            None => panic!("the events end with the manager"),
        }
    };
    assert_eq!(swept.stopped, [""; 0]);
    assert_eq!(m.status("a").expect("kept").phase, turnwise::Phase::Idle);
    let report = m.cleanup_idle(MINUTE).await;
    assert_eq!(report.skipped, [("a".to_owned(), Skip::Kept)]);
    // Its last drop is activity.
    drop(kept);
    assert_eq!(m.status("a").expect("there").kept, 0);
    stage.pass(9 * MINUTE).await;
    assert!(m.status("a").is_some(), "it was kept nine minutes ago");
    stage.pass(2 * MINUTE).await;
    assert!(m.status("a").is_none());
    assert_eq!(stage.script.stops("a"), [StopReason::Idle]);
    stage.end(m).await;
}

#[tokio::test(start_paused = true)]
async fn a_kept_session_makes_no_room() {
    let (m, stage) = stage(|builder| builder.max_sessions(2, WhenFull::EvictIdle));
    drop(m.turn("a").await.expect("room"));
    stage.pass(SECOND).await;
    drop(m.turn("b").await.expect("room"));
    let first = m.keep_alive("a").expect("there");
    let second = m.keep_alive("a").expect("there");
    drop(m.turn("c").await.expect("b makes room"));
    assert!(m.status("b").is_none());
    let other = m.keep_alive("c").expect("there");
    assert!(matches!(m.turn("d").await, Err(TurnError::RegistryFull)));
    // Used while it is kept, and then kept no more.
    m.send_message("a", say("hello"))
        .await
        .expect("it is there");
    drop(first);
    let waits = tokio::spawn(m.turn("d"));
    settled().await;
    assert!(!waits.is_finished(), "a is kept alive");
    drop(second);
    let turn = waits.await.expect("it does not panic");
    drop(turn.expect("a makes room"));
    assert!(m.status("a").is_none());
    drop(other);
    stage.end(m).await;
}

/// Neither facts nor wishes are kept off, and none of it touches the next session.
#[tokio::test(start_paused = true)]
async fn what_a_keep_alive_does_not_keep_off() {
    let (m, stage) = plain();
    drop(m.turn("a").await.expect("it starts"));
    let kept = m.keep_alive("a").expect("there");
    assert!(m.stop("a").await.expect("it stops"));
    assert!(m.keep_alive("a").is_none(), "it is gone");
    let turn = m.turn("a").await.expect("the next one");
    assert_eq!(m.status("a").expect("there").kept, 0);
    let next = m.keep_alive("a").expect("in a turn, too");
    drop(kept);
    assert_eq!(m.status("a").expect("there").kept, 1);
    SessionTurn::discard(turn);
    drop(m.restart("a").await.expect("the one after it"));
    drop(next);
    let last = m.keep_alive("a").expect("there");
    let report = m.shutdown(SECOND).await;
    assert_eq!(report.stopped, ["a"]);
    drop(last);
    stage.end(m).await;
}

#[tokio::test(start_paused = true)]
async fn a_start_and_a_stop_are_not_kept() {
    let (m, stage) = plain();
    let (started, stopped) = (Gate::new(), Gate::new());
    stage.script.tell("a", Step::Start, until(&started));
    stage.script.tell("a", Step::Stop, until(&stopped));
    assert!(m.keep_alive("a").is_none(), "it is absent");
    let turn = tokio::spawn(m.turn("a"));
    started.reached().await;
    assert!(m.keep_alive("a").is_none(), "it starts");
    started.open();
    drop(turn.await.expect("it does not panic").expect("it starts"));
    let stop = m.stop("a");
    stopped.reached().await;
    assert!(m.keep_alive("a").is_none(), "it stops");
    stopped.open();
    assert!(stop.await.expect("it stops"));
    stage.end(m).await;
}

/// It keeps the session, and not the manager.
#[tokio::test(start_paused = true)]
async fn a_keep_alive_outlives_the_manager() {
    let (m, stage) = plain();
    drop(m.turn("a").await.expect("it starts"));
    let kept = m.keep_alive("a").expect("there");
    drop(m);
    stage.check().await;
    drop(kept);
}
