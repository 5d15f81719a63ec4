//! Turns that are cancelled: pi goes on, the tool does not, and the next turn meets nothing of it.

use super::{event, pid, said, within_a_tool};
use pi_tests::{World, runs, within};
use turnwise::{SessionManager, manager::*};
use turnwise_pi::{PiAgent, PiEvent};

/// Cancels a message, and sends two more.
async fn cancel(sessions: &SessionManager<PiAgent>, sending: Sending<PiAgent>) {
    sending.abort();
    let end = within(sending).await;
    let Err(SendError {
        error: TurnError::Aborted,
        message: None,
        ..
    }) = end
    else {
        panic!("it was aborted: {end:?}");
    };
    assert_eq!(said(sessions, "a", "next").await, "next");
    assert_eq!(said(sessions, "a", "and next").await, "and next");
}

#[tokio::test]
async fn in_the_middle_of_an_answer() {
    let world = World::new().await;
    let sessions = world.manager();
    let first = pid(&sessions, "a").await;
    let mut sending = sessions.send_message("a", "begin".into());
    event(
        &mut sending,
        |event| matches!(event, PiEvent::Text(text) if text == "three "),
    )
    .await;
    cancel(&sessions, sending).await;
    assert_eq!(pid(&sessions, "a").await, first, "pi is well");
    assert_eq!(
        said(&sessions, "a", "recall").await,
        "begin\nnext\nand next"
    );
    world.ends(sessions).await;
}

#[tokio::test]
async fn before_the_first_byte() {
    let world = World::new().await;
    let sessions = world.manager();
    let first = pid(&sessions, "a").await;
    let sending = sessions.send_message("a", "hang".into());
    within(world.stub.hears("hang")).await;
    cancel(&sessions, sending).await;
    assert_eq!(pid(&sessions, "a").await, first, "pi is well");
    world.ends(sessions).await;
}

/// At any moment from its call on: in line, while pi starts, before pi has accepted it, and after.
#[tokio::test]
async fn as_soon_as_it_is_sent() {
    let world = World::new().await;
    let sessions = world.manager();
    let first = pid(&sessions, "a").await;
    for yields in 0..40 {
        let sending = sessions.send_message("a", "hang".into());
        for _ in 0..yields {
            tokio::task::yield_now().await;
        }
        sending.abort();
        let end = within(sending).await.expect_err("nobody answers it").error;
        assert!(matches!(end, TurnError::Aborted), "{end:?}");
        let text = format!("after {yields}");
        assert_eq!(said(&sessions, "a", &text).await, text);
    }
    assert_eq!(pid(&sessions, "a").await, first, "pi is well");
    world.ends(sessions).await;
}

#[tokio::test]
async fn in_a_tool() {
    let world = World::new().await;
    let sessions = world.manager();
    let first = pid(&sessions, "a").await;
    let (sending, tool) = within_a_tool(&world, &sessions).await;
    cancel(&sessions, sending).await;
    assert!(!runs(tool), "pi ends what it has begun");
    assert_eq!(pid(&sessions, "a").await, first, "pi is well");
    world.ends(sessions).await;
}

#[tokio::test]
async fn while_it_waits_to_ask_again() {
    let retry =
        serde_json::json!({"retry": {"enabled": true, "maxRetries": 3, "baseDelayMs": 600_000}});
    let world = World::with(&retry).await;
    let sessions = world.manager();
    let first = pid(&sessions, "a").await;
    let mut sending = sessions.send_message("a", "status 500".into());
    event(&mut sending, |event| {
        matches!(event, PiEvent::Retrying { .. })
    })
    .await;
    cancel(&sessions, sending).await;
    assert_eq!(pid(&sessions, "a").await, first, "pi is well");
    assert_eq!(world.stub.heard("status 500"), 1);
    world.ends(sessions).await;
}

#[tokio::test]
async fn by_dropping_it_and_by_a_stop() {
    let world = World::new().await;
    let sessions = world.manager();
    let mut sending = sessions.send_message("a", "begin".into());
    event(&mut sending, |event| matches!(event, PiEvent::Text(_))).await;
    drop(sending);
    assert_eq!(said(&sessions, "a", "next").await, "next");

    let sending = sessions.send_message("a", "hang".into());
    within(world.stub.hears("hang")).await;
    let waits = sessions.send_message("a", "after the stop".into());
    assert!(within(sessions.stop("a")).await.expect("in good order"));
    let end = within(sending).await.expect_err("it was stopped").error;
    assert!(matches!(end, TurnError::Aborted), "{end:?}");
    let reply = within(waits).await.expect("a new one answers");
    assert_eq!(reply.text, "after the stop");
    assert_eq!(
        said(&sessions, "a", "recall").await,
        "begin\nnext\nhang\nafter the stop"
    );
    world.ends(sessions).await;
}

/// One that does not heed an abort in time is ended with its process, and what it does.
#[tokio::test]
async fn without_time_for_it() {
    let world = World::new().await;
    // Stopped, pi can neither heed an abort nor the end of its input.
    let pi = world.pi().stop_grace(std::time::Duration::from_millis(300));
    let builder = turnwise::SessionManager::builder(
        pi.abort_timeout(std::time::Duration::from_millis(300))
            .build(),
    );
    let timeouts =
        turnwise::manager::Timeouts::default().start(std::time::Duration::from_secs(150));
    let sessions = builder
        .timeouts(timeouts)
        .build()
        .expect("a runtime is there");
    let first = pid(&sessions, "a").await;
    let (sending, tool) = within_a_tool(&world, &sessions).await;
    let stopped = std::process::Command::new("kill")
        .args(["-STOP", &first.to_string()])
        .status();
    assert!(stopped.expect("`kill` can be run").success());
    sending.abort();
    let end = within(sending).await.expect_err("it does not answer").error;
    assert!(matches!(end, TurnError::Aborted), "{end:?}");
    assert_eq!(said(&sessions, "a", "next").await, "next");
    assert!(
        !runs(first) && !runs(tool),
        "both are killed before the next one starts"
    );
    world.ends(sessions).await;
}
