//! What goes wrong from outside: unknown keys, a manager that is closed, settings that make no sense, no runtime. Each has a
//! typed error, and nothing panics.

use std::time::Duration;

use turnwise::{SessionManager, manager::*};

use crate::script::{Act, Actor, Failure, Step, actor, obey, say};
use crate::{HOUR, Manager, plain, stage};

#[allow(clippy::needless_pass_by_value)] // it is asked once
fn closed<T>(ended: Result<T, TurnError<Failure>>) -> bool {
    matches!(ended, Err(TurnError::Closed))
}

fn came_back<T, M>(ended: Result<T, SendError<M, Failure>>) -> bool {
    match ended {
        Err(SendError { error, message, .. }) => {
            matches!(error, TurnError::Closed) && message.is_some()
        }
        Ok(_) => false,
    }
}

/// A question about a key that nobody knows makes nothing.
#[tokio::test(start_paused = true)]
async fn every_call_with_an_unknown_key() {
    let (m, stage) = plain();
    let mut heard = m.listen("a");
    assert_eq!(m.status("a"), None);
    assert!(!m.touch("a") && !m.abort("a", None));
    assert_eq!(m.dismiss("a"), 0);
    assert!(!m.stop("a").await.expect("nothing to stop"));
    assert!(m.cleanup_idle(Duration::ZERO).await.stopped.is_empty());
    assert_eq!(m.snapshot(), []);
    assert_eq!(crate::all_events(&mut heard), []);
    // These start one, each of another key.
    drop(m.turn("1").await.expect("free"));
    drop(
        m.with(TurnOptions::no_wait())
            .turn("2")
            .await
            .expect("free"),
    );
    drop(m.restart("3").await.expect("free"));
    m.with_turn("4", async |_| ()).await.expect("free");
    m.send_message("5", say("hello")).await.expect("free");
    m.send_message("", say("the empty key is a key"))
        .await
        .expect("free");
    assert_eq!(m.snapshot().len(), 6);
    stage.end(m).await;
}

async fn refuses_all(m: &Manager, key: &str, held: bool) {
    assert!(closed(m.turn(key).await));
    assert!(closed(m.with(TurnOptions::no_wait()).turn(key).await));
    assert!(closed(m.restart(key).await));
    assert!(closed(m.with_turn(key, async |_| ()).await));
    assert!(came_back(m.send_message(key, say("hello")).await));
    let sent = m
        .with(TurnOptions::no_wait())
        .send_message(key, say("hello"));
    assert!(came_back(sent.await));
    let mut sending = m.send_message(key, say("hello"));
    assert!(sending.ticket().is_none() && sending.ahead() == 0);
    assert!(closed(sending.started().await));
    assert_eq!(sending.next_event().await, None);
    sending.abort();
    sending.detach();
    assert_eq!((m.dismiss(key), m.touch(key)), (0, held));
    assert_eq!(m.abort(key, None), held);
    assert_eq!((m.status(key).is_some(), m.snapshot().len()), (held, 1));
    match (m.stop(key).await, held) {
        (Err(StopError::Closed), true) | (Ok(false), false) => {}
        (stopped, _) => panic!("{stopped:?}"),
    }
    assert!(m.cleanup_idle(Duration::ZERO).await.stopped.is_empty());
    drop((m.subscribe(), m.listen(key)));
}

#[tokio::test(start_paused = true)]
async fn every_call_of_a_manager_that_is_closed() {
    let (m, stage) = plain();
    let turn = m.turn("held").await.expect("free");
    let shutdown = m.shutdown(HOUR);
    refuses_all(&m, "held", true).await;
    refuses_all(&m, "none", false).await;
    drop(turn);
    assert_eq!(shutdown.await.stopped, ["held"]);
    assert_eq!(m.snapshot(), []);
    let turn = m.turn("held").await;
    assert!(closed(turn) && came_back(m.send_message("held", say("late")).await));
    assert!(!m.stop("held").await.expect("nothing to stop"));
    assert!(m.cleanup_idle(Duration::ZERO).await.skipped.is_empty());
    assert_eq!(m.shutdown(Duration::ZERO).await.stopped, ["held"]);
    stage.end(m).await;
}

fn build(
    set: impl FnOnce(ManagerBuilder<Actor>) -> ManagerBuilder<Actor>,
) -> Result<Manager, BuildError> {
    set(SessionManager::builder(actor().0)).build()
}

#[tokio::test(start_paused = true)]
async fn settings_that_make_no_sense_are_refused() {
    let zero = Duration::ZERO;
    let times = Timeouts::default;
    for timeouts in [
        times().wait(zero),
        times().room(zero),
        times().start(zero),
        times().turn(zero),
        times().abort(zero),
        times().stop(zero),
    ] {
        let refused = build(|builder| builder.timeouts(timeouts)).map(drop);
        assert_eq!(refused, Err(BuildError::ZeroTimeout));
    }
    let refused = build(|builder| builder.stop_idle_after(zero)).map(drop);
    assert_eq!(refused, Err(BuildError::ZeroTimeout));
    for full in [WhenFull::Refuse, WhenFull::Wait, WhenFull::EvictIdle] {
        let refused = build(|builder| builder.max_sessions(0, full)).map(drop);
        assert_eq!(refused, Err(BuildError::ZeroLimit));
    }
}

#[test]
fn a_manager_is_built_in_a_runtime() {
    let refused = build(|builder| builder).map(drop);
    assert_eq!(refused, Err(BuildError::NoRuntime));
}

#[test]
fn a_manager_is_built_in_a_runtime_with_time() {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let _within = runtime.as_ref().expect("a runtime").enter();
    let refused = build(|builder| builder).map(drop);
    assert_eq!(refused, Err(BuildError::NoTime));
}

/// The limits that no clock and no machine can reach.
#[tokio::test(start_paused = true)]
async fn settings_without_an_end_are_settings() {
    let max = Duration::MAX;
    let timeouts = Timeouts::default().wait(max).start(max).turn(max);
    let (m, stage) = stage(|builder| {
        builder
            .timeouts(timeouts.abort(max).stop(max))
            .stop_idle_after(max)
            .max_sessions(usize::MAX, WhenFull::EvictIdle)
            .max_waiting(usize::MAX)
            .first_incarnation(u64::MAX)
            .shards(0)
    });
    stage.script.tell("a", Step::Start, Act::take(HOUR));
    let sending = m.send_message("a", say("hello").takes(HOUR));
    let options = TurnOptions::default().wait(max).turn(max);
    let patient = m.with(options).send_message("a", say("patient"));
    sending.await.expect("there is time");
    patient.await.expect("there is time");
    assert!(m.cleanup_idle(max).await.stopped.is_empty());
    let mut obeys = m.send_message("a", say("hello").and(obey()));
    obeys.started().await.expect("free");
    stage.script.tell("a", Step::Stop, Act::take(HOUR));
    assert!(m.stop("a").await.expect("there is time"));
    drop(obeys);
    stage.end(m).await;
}

#[tokio::test(start_paused = true)]
async fn a_line_has_the_length_that_it_may_have() {
    for most in [0, 2] {
        let (m, stage) = stage(|builder| builder.max_waiting(most));
        let turn = m.turn("a").await.expect("free");
        let line: Vec<_> = (0..most).map(|_| m.turn("a")).collect();
        let sent = m.send_message("a", say("too many")).await;
        let error = sent.expect_err("the line is full");
        assert!(matches!(error.error, TurnError::QueueFull));
        assert_eq!(error.message.expect("not heard").text, "too many");
        assert!(matches!(m.turn("a").await, Err(TurnError::QueueFull)));
        assert!(matches!(m.restart("a").await, Err(TurnError::QueueFull)));
        let stop = m.stop("a"); // is not turned away
        drop(turn);
        assert!(stop.await.expect("it stops"));
        for waits in line {
            drop(waits.await.expect("its turn comes"));
        }
        stage.end(m).await;
    }
}
