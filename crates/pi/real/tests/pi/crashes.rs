//! A pi that dies: its turn fails with words, nothing is sent twice, and the next message goes on with the conversation.

use super::{event, pid, said, send, within_a_tool};
use pi_tests::{World, runs, within};
use std::process::Command;
use turnwise::manager::{SendError, TurnError};
use turnwise_pi::{PiError, PiEvent};

fn kill(pid: u32) {
    let killed = Command::new("kill").args(["-9", &pid.to_string()]).status();
    assert!(killed.expect("`kill` can be run").success());
}

/// How a turn ended whose pi was killed.
fn crash(end: Result<turnwise_pi::PiReply, SendError<turnwise_pi::PiMessage, PiError>>) -> String {
    match end.map_err(|error| error.error) {
        Err(TurnError::Agent(error @ PiError::Exited { .. })) => error.to_string(),
        end => panic!("it was killed: {end:?}"),
    }
}

#[tokio::test]
async fn in_the_middle_of_an_answer() {
    let world = World::new().await;
    let sessions = world.manager();
    let first = pid(&sessions, "a").await;
    assert_eq!(said(&sessions, "a", "remember me").await, "remember me");
    let mut sending = sessions.send_message("a", "begin".into());
    let waits = sessions.send_message("a", "queued".into());
    event(&mut sending, |event| matches!(event, PiEvent::Text(_))).await;
    kill(first);
    let words = crash(within(sending).await);
    // The end of stderr: what pi says of a new conversation.
    assert!(
        words.starts_with("pi ended: signal: 9 (SIGKILL); stderr: "),
        "{words}"
    );
    assert!(words.contains("No project session found"), "{words}");

    let reply = within(waits).await.expect("a new one answers");
    assert_eq!(reply.text, "queued");
    assert_ne!(pid(&sessions, "a").await, first);
    assert_eq!(
        said(&sessions, "a", "recall").await,
        "remember me\nbegin\nqueued"
    );
    for text in ["remember me", "begin", "queued"] {
        assert_eq!(world.stub.heard(text), 1, "{text}");
    }
    world.ends(sessions).await;
}

#[tokio::test]
async fn before_the_first_byte() {
    let world = World::new().await;
    let sessions = world.manager();
    let first = pid(&sessions, "a").await;
    let sending = sessions.send_message("a", "hang".into());
    within(world.stub.hears("hang")).await;
    kill(first);
    crash(within(sending).await);
    assert_eq!(said(&sessions, "a", "next").await, "next");
    assert_eq!(world.stub.heard("hang"), 1, "it is not sent again");
    world.ends(sessions).await;
}

#[tokio::test]
async fn in_a_tool() {
    let world = World::new().await;
    let sessions = world.manager();
    let first = pid(&sessions, "a").await;
    let (sending, tool) = within_a_tool(&world, &sessions).await;
    kill(first);
    crash(within(sending).await);
    assert!(!runs(tool), "it would go on beside the next one");
    assert_eq!(said(&sessions, "a", "next").await, "next");
    world.ends(sessions).await;
}

#[tokio::test]
async fn between_two_turns() {
    let world = World::new().await;
    let sessions = world.manager();
    for round in 0..3 {
        let text = format!("round {round}");
        assert_eq!(said(&sessions, "a", &text).await, text);
        let reply = send(&sessions, "a", "before").await;
        assert!(reply.is_ok(), "{reply:?}");
        kill(pid(&sessions, "a").await);
        // Nobody notices: the look before the turn does, and the message is sent to a new one.
        assert_eq!(said(&sessions, "a", "after").await, "after");
    }
    assert_eq!(world.stub.heard("after"), 3);
    world.ends(sessions).await;
}
