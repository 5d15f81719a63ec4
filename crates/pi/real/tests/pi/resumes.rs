//! A conversation outlives its process.

use super::{pid, said};
use pi_tests::{World, runs, within};
use std::time::Duration;
use turnwise::{SessionManager, manager::*};

#[tokio::test]
async fn an_idle_stop_nobody_notices() {
    let world = World::new().await;
    let sessions = SessionManager::builder(world.pi().build())
        .stop_idle_after(Duration::from_millis(50))
        .timeouts(turnwise::manager::Timeouts::default().start(Duration::from_secs(150)))
        .build()
        .expect("a runtime is there");
    let mut events = sessions.subscribe();
    let mut before = Vec::new();
    for round in 0..3 {
        let text = format!("round {round}");
        assert_eq!(said(&sessions, "a", &text).await, text);
        before.push(text);
        let stopped = within(async {
            loop {
                let event = events.next().await.expect("it goes on");
                if let turnwise::manager::Update::Event(SessionEvent::Stopped {
                    reason,
                    error,
                    ..
                }) = event
                {
                    return (reason, error);
                }
            }
        });
        assert_eq!(stopped.await, (StopReason::Idle, None));
        world.is_empty();
        assert_eq!(said(&sessions, "a", "recall").await, before.join("\n"));
        before.push("recall".to_owned());
    }
    world.ends(sessions).await;
}

#[tokio::test]
async fn so_it_does_a_restart_of_the_session_and_of_the_program() {
    let world = World::new().await;
    let sessions = world.manager();
    let first = pid(&sessions, "a").await;
    said(&sessions, "a", "before").await;
    drop(within(sessions.restart("a")).await.expect("it starts anew"));
    assert!(!runs(first));
    assert_eq!(said(&sessions, "a", "recall").await, "before");
    within(sessions.shutdown(Duration::from_secs(30))).await;
    world.is_empty();

    let sessions = world.manager();
    assert_eq!(said(&sessions, "a", "recall").await, "before\nrecall");
    world.ends(sessions).await;
}

/// Whatever the keys are, each has a conversation of its own, before and after a stop.
#[tokio::test]
async fn of_every_key() {
    let world = World::new().await;
    let sessions = world.manager();
    let long = "long ".repeat(1000);
    let keys = [
        "", ".", "../..", "A", "a", "--help", "a b", "a_b", "ключ", "a\0b\n", &long,
    ];
    for (index, key) in keys.iter().enumerate() {
        let text = format!("I am {index}");
        assert_eq!(said(&sessions, key, &text).await, text, "{key:?}");
        // One after the other: there is not the memory of the machine to have all.
        assert!(within(sessions.stop(*key)).await.expect("in good order"));
    }
    for (index, key) in keys.iter().enumerate() {
        let recalled = said(&sessions, key, "recall").await;
        assert_eq!(recalled, format!("I am {index}"), "{key:?}");
        assert!(within(sessions.stop(*key)).await.expect("in good order"));
    }
    world.ends(sessions).await;
}
