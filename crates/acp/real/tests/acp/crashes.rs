//! An agent that dies: its turn fails with the reason, and the next message goes on with the conversation.

use super::{pid, said, text, within_a_tool};
use acp_tests::{Make, World, runs, within};
use std::process::Command;
use turnwise::manager::*;
use turnwise_acp::{AcpError, AcpMessage, AcpReply};

fn kill(pid: u32) {
    let killed = Command::new("kill").args(["-9", &pid.to_string()]).status();
    assert!(killed.expect("`kill` can be run").success());
}

fn crashed(end: Result<AcpReply, SendError<AcpMessage, AcpError>>) {
    match end.map_err(|error| error.error) {
        Err(TurnError::Agent(error @ AcpError::Exited { .. })) => {
            let error = error.to_string();
            assert!(
                error.starts_with("the agent ended: signal: 9 (SIGKILL)"),
                "{error}"
            );
        }
        end => panic!("it was killed: {end:?}"),
    }
}

pub(super) async fn in_an_answer(make: Make) {
    let world = World::new(make).await;
    let sessions = world.manager();
    assert_eq!(said(&sessions, "a", "remember me").await, "remember me");
    let first = pid(&sessions, "a").await;
    let mut sending = sessions.send_message("a", "begin".into());
    let waits = sessions.send_message("a", "queued".into());
    text(&mut sending).await;
    kill(first);
    crashed(within(sending).await);
    assert_eq!(
        within(waits).await.expect("a new one").text.trim(),
        "queued"
    );
    assert_ne!(pid(&sessions, "a").await, first);
    let recalled = said(&sessions, "a", "recall").await;
    assert!(
        recalled.contains("remember me") && recalled.contains("queued"),
        "{recalled}"
    );
    world.ends(sessions).await;
}

pub(super) async fn idle(make: Make) {
    let world = World::new(make).await;
    let sessions = world.manager();
    let mut events = sessions.subscribe();
    assert_eq!(said(&sessions, "a", "remember me").await, "remember me");
    kill(pid(&sessions, "a").await);
    within(async {
        loop {
            match events.next().await {
                Some(Update::Event(SessionEvent::Stopped { reason, .. })) => {
                    return assert_eq!(reason, StopReason::Discarded);
                }
                Some(_) => {}
                None => panic!("it goes on"),
            }
        }
    })
    .await;
    world.is_empty();
    assert!(said(&sessions, "a", "recall").await.contains("remember me"));
    world.ends(sessions).await;
}

pub(super) async fn in_a_tool(make: Make) {
    let world = World::new(make).await;
    let sessions = world.manager();
    let first = pid(&sessions, "a").await;
    let (sending, tool) = within_a_tool(make, &world, &sessions).await;
    kill(first);
    crashed(within(sending).await);
    assert!(!runs(tool), "it would go on beside the next one");
    assert_eq!(said(&sessions, "a", "next").await, "next");
    world.ends(sessions).await;
}
