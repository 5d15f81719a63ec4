//! The model's service fails, and what else can go wrong without pi dying.

use super::{event, pid, said, send};
use pi_tests::{World, within};
use serde_json::{Value, json};
use std::fs;
use turnwise::manager::TurnError;
use turnwise_pi::{PiError, PiEvent};

/// pi's own way to try again, in less time.
fn retries() -> Value {
    json!({"retry": {"enabled": true, "maxRetries": 3, "baseDelayMs": 10}})
}

/// The model's error.
fn model(end: Result<turnwise_pi::PiReply, TurnError<PiError>>) -> String {
    match end {
        Err(TurnError::Agent(PiError::Model(words))) => words,
        end => panic!("not the model's error: {end:?}"),
    }
}

#[tokio::test]
async fn a_service_that_is_down_is_asked_four_times() {
    let world = World::with(&retries()).await;
    let sessions = world.manager();
    let mut sending = sessions.send_message("a", "status 500".into());
    for number in 1..=3 {
        let retrying = event(&mut sending, |event| {
            matches!(event, PiEvent::Retrying { .. })
        })
        .await;
        let PiEvent::Retrying {
            attempt, of, error, ..
        } = retrying
        else {
            unreachable!()
        };
        assert_eq!((attempt, of), (number, 3));
        assert!(error.contains("500"), "{error}");
    }
    let ended = event(&mut sending, |event| {
        matches!(event, PiEvent::RetryEnded { .. })
    })
    .await;
    assert_eq!(ended, PiEvent::RetryEnded { recovered: false });
    let end = within(sending).await.map_err(|error| error.error);
    assert!(model(end).contains("500"));
    assert_eq!(world.stub.heard("status 500"), 4);
    // pi is well: the next one is answered by the same.
    assert_eq!(said(&sessions, "a", "next").await, "next");
    world.ends(sessions).await;
}

#[tokio::test]
async fn the_status_tells_of_retries() {
    let slow = json!({"retry": {"enabled": true, "maxRetries": 3, "baseDelayMs": 600_000}});
    let world = World::with(&slow).await;
    let sessions = world.manager();
    let mut sending = sessions.send_message("a", "status 500".into());
    event(&mut sending, |event| {
        matches!(event, PiEvent::Retrying { .. })
    })
    .await;
    let status = sessions.status("a").expect("it is there");
    let note = status.note.expect("it says what it does");
    assert!(note.starts_with("retrying 1 of 3: 500"), "{note}");
    sending.abort();
    within(sending).await.expect_err("it was aborted");
    world.ends(sessions).await;
}

#[tokio::test]
async fn a_service_that_comes_back_answers() {
    let world = World::with(&retries()).await;
    let sessions = world.manager();
    let mut sending = sessions.send_message("a", "fails 2".into());
    let ended = event(&mut sending, |event| {
        matches!(event, PiEvent::RetryEnded { .. })
    })
    .await;
    assert_eq!(ended, PiEvent::RetryEnded { recovered: true });
    let reply = within(sending).await.expect("it is answered");
    assert_eq!(reply.text, "fails 2");
    assert_eq!(world.stub.heard("fails 2"), 3);
    world.ends(sessions).await;
}

#[tokio::test]
async fn a_request_that_is_wrong_is_not_repeated() {
    let world = World::with(&retries()).await;
    let sessions = world.manager();
    let words = model(send(&sessions, "a", "status 400").await);
    assert!(words.contains("400"), "{words}");
    assert_eq!(world.stub.heard("status 400"), 1);
    assert_eq!(said(&sessions, "a", "next").await, "next");
    world.ends(sessions).await;
}

#[tokio::test]
async fn an_answer_that_is_cut_is_asked_for_again() {
    let world = World::with(&retries()).await;
    let sessions = world.manager();
    let words = model(send(&sessions, "a", "cut").await);
    assert!(!words.is_empty());
    assert_eq!(world.stub.heard("cut"), 4);
    assert_eq!(said(&sessions, "a", "next").await, "next");
    world.ends(sessions).await;
}

#[tokio::test]
async fn a_session_directory_that_cannot_be_made() {
    let world = World::new().await;
    fs::write(world.path("file"), "").expect("the folder is there");
    let path = world.path("file/sessions");
    let sessions = World::manage(world.pi().session_dir(&path));
    let end = send(&sessions, "a", "hello").await;
    let Err(TurnError::Start(error)) = end else {
        panic!("there is no place for it: {end:?}");
    };
    assert!(
        matches!(&*error, PiError::SessionDir { path: told, .. } if *told == path),
        "{error}"
    );
    world.is_empty();
    world.ends(sessions).await;
}

#[tokio::test]
async fn a_model_that_nobody_has_is_told_at_the_start() {
    let world = World::new().await;
    let sessions = World::manage(world.pi().args(["--provider", "nobody", "--model", "none"]));
    let end = send(&sessions, "a", "hello").await;
    let Err(TurnError::Start(error)) = end else {
        panic!("pi does not know it: {end:?}");
    };
    let stderr = error.stderr().expect("it says why");
    assert!(stderr.contains("nobody"), "{stderr}");
    world.is_empty();
    world.ends(sessions).await;
}

#[tokio::test]
async fn a_line_longer_than_the_limit_ends_the_process_and_not_the_conversation() {
    let world = World::new().await;
    let sessions = World::manage(world.pi().line_limit(200_000));
    let first = pid(&sessions, "a").await;
    let end = send(&sessions, "a", "big 1000000").await;
    let Err(TurnError::Agent(PiError::LineTooLong { limit: 200_000 })) = end else {
        panic!("its last line holds it all: {end:?}");
    };
    assert_ne!(pid(&sessions, "a").await, first);
    assert_eq!(said(&sessions, "a", "recall").await, "big 1000000");
    world.ends(sessions).await;
}
